"""Retry: when the same command may go out again, and when (§12). The dice are an argument."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Policy of a task type (§12.2). `delays` are the waits after the first, second, … failure (the last repeats);
    `jitter` 0.2 = ±20 %. Scaled.
    """

    name: str
    codes: frozenset[str]
    attempts_max: int
    delays: tuple[timedelta, ...]
    jitter: float
    window: timedelta
    on_exhaustion: str


def delay(policy: RetryPolicy, failures: int, dice: float) -> timedelta:
    """The wait after `failures` failures; `dice` is in [0, 1) and spreads it by the jitter."""
    base = policy.delays[min(failures, len(policy.delays)) - 1]
    return base * (1 + policy.jitter * (2 * dice - 1))

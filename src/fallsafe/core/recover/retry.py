"""Retry: when the same command may go out again, and when (§12). The dice are an argument."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fallsafe.core.commands.ledger import Command, CommandState


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Policy of a task type (§12.2). `delays` are the waits after the first, second, … failure (the last repeats);
    `jitter` 0.2 = ±20 %; `window` counts from the first failure of a row. `on_exhaustion` is `case` (what the secondary
    rules say), or the group or the normalized code of the case then. Scaled.
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


OWN_DELAY = "too_late_to_start"
"""The reason of an attempt that its own sender did not start in time: nobody outside failed, no attempt is spent."""


def decide(
    policy: RetryPolicy,
    command: Command,
    now: datetime,
    dice: float,
    code: str,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """When the same command may go out again after its `retries` failures in a row, or None: exhausted, or not to be
    retried at all (§12.1).

    Only what is intended again, on proof that nothing left, is retried; only for codes that the policy names; and only
    while attempts and window are left. `retry_after` is what the other system asked for and is never undercut.
    """
    if command.state is not CommandState.INTENDED or code not in policy.codes:
        return None
    failures, since = command.retries, command.failing_since
    if since is None or failures >= policy.attempts_max or not policy.delays:
        return None
    at = now + max(delay(policy, failures, dice), retry_after or timedelta(0))
    return at if at <= since + policy.window else None

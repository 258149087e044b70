"""How much of a downstream each worker may use: calls at once, calls in a time, and repeats (§12.3).

The limits are the downstream's, whoever calls it. What a worker may have at once it holds by a lease, and what all hold
never sums to more than the limit; of what is limited in time each has the same share as of the calls at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many calls in a time."""

    calls: int
    per: timedelta

    @property
    def per_second(self) -> float:
        """Calls a second."""
        return self.calls / self.per.total_seconds()


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """How many repeats a downstream is asked to bear: a share of the first sends, and at least so many in a time."""

    share: float
    least: Rate


@dataclass(frozen=True, slots=True)
class Holding:
    """What one worker holds of a downstream until a time; `full` says that it had no call left to give away."""

    worker: str
    slots: int
    until: datetime
    full: bool = False


TURN_SECONDS = 10
"""How long a worker keeps what cannot be divided among all, before the next one has it."""


def fair(limit: int, workers: Iterable[str], me: str, turn: int) -> int:
    """The part of one worker when all have the same; what is left over goes round. Over all workers they sum to the
    limit.
    """
    names = sorted({*workers, me})
    part, left = divmod(limit, len(names))
    return part + ((names.index(me) + turn) % len(names) < left)


def to_hold(limit: int, others: Iterable[Holding], me: str, busy: int, turn: int) -> int:
    """How many calls at once a worker may hold now: its fair part, no more than the others leave, and never less than
    it has under way.
    """
    held = tuple(others)
    free = limit - sum(one.slots for one in held)
    return max(busy, min(fair(limit, (one.worker for one in held), me, turn), free), 0)

"""Invariants that are watched in production (P1, P2, P5): what is wrong when one does not hold, in words for the case.

Whoever watches reads the store; here is only what it means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something live that has no look, or whose look did not come: `due_at` None is no look at all."""

    order_id: int
    thing: str
    thing_id: int
    due_at: datetime | None = None
    gap: str = ""


@dataclass(frozen=True, slots=True)
class SentTwice:
    """A command whose attempt `n` went out without proof about the one before; 0: two commands are open at once."""

    order_id: int
    command_id: int
    n: int


@dataclass(frozen=True, slots=True)
class Altered:
    """A place where what stands is not what was written."""

    where: str
    what: str


def said_of_unseen(found: Sequence[Unseen]) -> str:
    """The sentence of a case: the first that is wrong, and how many more."""
    first = found[0]
    if first.due_at is None:
        said = f"{first.thing} {first.thing_id}: {first.gap}"
    else:
        said = f"the look {first.thing!r} at {first.thing_id} was due at {first.due_at:%Y-%m-%d %H:%M:%S} UTC"
    return said if len(found) == 1 else f"{said}, and {len(found) - 1} more"


def said_of_sent_twice(found: SentTwice) -> str:
    """The sentence of a case."""
    if not found.n:
        return "two commands are open at once for the same task"
    return f"attempt {found.n} went out without proof of what became of the one before"

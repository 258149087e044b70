"""The brake of a detector: one source or one rule that suddenly finds fault everywhere is more likely wrong than all of
the orders (§6, P11).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

SOURCE, RULE = "source", "rule"


@dataclass(frozen=True, slots=True)
class Brake:
    """Policy: beyond `floor` signals within a time, and more than `ratio` of the orders that were looked at, no further
    cases are opened. Where a source does not say how many it looked at, the floor alone decides.
    """

    floor: int
    ratio: float
    within: timedelta


@dataclass(frozen=True, slots=True)
class Found:
    """What a detector has found lately: how many cases it opened, and at the most how many orders it looked at."""

    cases: int = 0
    looked: int = 0


def brakes(brake: Brake, found: Found, looked: int) -> bool:
    """Whether one more signal of a detector is held back; `looked` is what this one says."""
    most = max(found.looked, looked)
    return found.cases >= brake.floor and (most == 0 or found.cases >= brake.ratio * most)


def with_one_more(found: Mapping[tuple[str, str], Found], name: tuple[str, str], looked: int) -> Found:
    """The count of a detector after one more case."""
    before = found.get(name, Found())
    return Found(before.cases + 1, max(before.looked, looked))

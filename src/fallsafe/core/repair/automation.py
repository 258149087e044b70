"""What runs by itself: which action for which codes, within which budget, and when it stops itself.

Policy allows, a person lets: an action begins as off. What it ran is counted from the repairs themselves; the switch is
the only thing that is kept beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fallsafe.core.events import Json

ON, OFF, STOPPED = "on", "off", "stopped"
AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Automatic:
    """What policy allows of an action: for which codes it runs by itself, with what it is given, how long after the
    case was opened, how often in an hour in all and for one downstream, and after how many in a row that came to
    nothing it stops itself. No codes = it never does.
    """

    codes: frozenset[str] = frozenset()
    given: Mapping[str, Json] = field(default_factory=dict)
    after: timedelta = timedelta(0)
    per_hour: int = 0
    per_system: int = 0
    stop_after: int = 3


@dataclass(frozen=True, slots=True)
class Ran:
    """One repair that ran by itself: when, for which system, and what became of it so far (None = nobody knows yet)."""

    at: datetime
    system: str
    proved: bool | None


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether an action may run by itself (`on`, `off` by a person, `stopped` by itself), why, by whom, since when."""

    action: str
    state: str
    why: str
    by: str
    at: datetime


def may_run(allowed: Automatic, ran: Sequence[Ran], system: str, now: datetime) -> bool:
    """Whether the budget lets one more run now."""
    lately = [one for one in ran if one.at > now - AN_HOUR]
    return len(lately) < allowed.per_hour and sum(one.system == system for one in lately) < allowed.per_system


def why_stop(allowed: Automatic, switch: Switch, ran: Sequence[Ran]) -> str:
    """Why an action stops itself: so many in a row, since it was switched on, came to nothing. Empty where it goes on.
    `ran` is newest first.
    """
    decided = [one.proved for one in ran if one.at >= switch.at and one.proved is not None]
    last = decided[: allowed.stop_after]
    if len(last) == allowed.stop_after and not any(last):
        return f"{allowed.stop_after} in a row came to nothing"
    return ""


NEVER = Automatic()

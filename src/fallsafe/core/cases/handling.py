"""How people pass a case on: the group that is to accept it, the groups that were asked about it, tickets elsewhere,
the day on which its owner wants to see it, how often it came back, and how long each group had it.

It stands in one column of the case, so that whoever reads a case reads how it is handled.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from fallsafe.core.events import Json
from fallsafe.core.values import replace

TICKETS_MAX, CONSULTS_MAX = 20, 50


@dataclass(frozen=True, slots=True)
class Handover:
    """A case that another group is to accept: from whom, what was done, what is asked of them."""

    group: str
    by: str
    done: str
    asked: str
    at: str


@dataclass(frozen=True, slots=True)
class Consult:
    """A question to another group, which does not get the case; `answer` is empty until they have answered."""

    group: str
    asked: str
    by: str
    at: str
    answer: str = ""
    answered_by: str = ""
    answered_at: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the case is called in a system of others."""

    system: str
    reference: str


@dataclass(frozen=True, slots=True)
class Handling:
    """All of it. `held` gives for each group the seconds for which it had the case until `since`, `bounces` how often
    somebody returned it, `claimed_until` how long whoever took it has it.
    """

    since: datetime
    handover: Handover | None = None
    consults: tuple[Consult, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    follow_up_at: datetime | None = None
    bounces: int = 0
    held: Mapping[str, float] = field(default_factory=dict)
    claimed_until: datetime | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """The groups that were asked and have not answered."""
        return tuple(dict.fromkeys(c.group for c in self.consults if not c.answered_at))

    def passed(self, group: str, now: datetime) -> "Handling":
        """With the time that `group` had it until now."""
        seconds = self.held.get(group, 0.0) + (now - self.since).total_seconds()
        return replace(self, since=now, held={**self.held, group: seconds})


def handling_of(value: Json, detected_at: datetime) -> Handling:
    """What stands in the column of a case that was detected then."""
    if not isinstance(value, Mapping):
        return Handling(detected_at)
    known: dict[str, object] = {**value}
    handover, at, until = known["handover"], known["follow_up_at"], known.get("claimed_until")
    return Handling(
        since=datetime.fromisoformat(str(known["since"])),
        handover=Handover(**handover) if isinstance(handover, Mapping) else None,
        consults=tuple(Consult(**one) for one in _each(known["consults"])),
        tickets=tuple(Ticket(**one) for one in _each(known["tickets"])),
        follow_up_at=datetime.fromisoformat(str(at)) if at else None,
        bounces=int(str(known["bounces"])),
        held={group: float(seconds) for group, seconds in _mapping(known["held"]).items()},
        claimed_until=datetime.fromisoformat(str(until)) if until else None,
    )


def _each(value: object) -> list[dict[str, str]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, float]:
    return dict(value) if isinstance(value, Mapping) else {}


def column_of(handling: Handling) -> Json:
    """How it stands in the column; `open` says that some group has to do something about it."""
    known: Json = {
        "since": handling.since.isoformat(),
        "handover": asdict(handling.handover) if handling.handover else None,
        "consults": [asdict(one) for one in handling.consults],
        "tickets": [asdict(one) for one in handling.tickets],
        "follow_up_at": handling.follow_up_at.isoformat() if handling.follow_up_at else None,
        "bounces": handling.bounces,
        "held": dict(handling.held),
        "claimed_until": handling.claimed_until.isoformat() if handling.claimed_until else None,
        "asked": [*handling.asked],
        "open": bool(handling.handover or handling.asked),
    }
    return known

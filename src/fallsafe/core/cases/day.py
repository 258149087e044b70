"""What waits for one person: their own cases and what their groups are to answer, each with its reasons, the most
pressing first; and what they leave to the next shift.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fallsafe.core.access import EVERY_GROUP, Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.handling import handling_of

TODAY, SOON = timedelta(hours=24), timedelta(hours=2)


@dataclass(frozen=True, slots=True, order=True)
class Pressing:
    """Why somebody should look at a case: `rank` 0 is the most pressing."""

    rank: int
    sentence: str


def pressing(case: Case, actor: Actor, now: datetime) -> tuple[Pressing, ...]:
    """Every reason for this person, the most pressing first; none where the case is nothing to them."""
    if case.state not in OPEN_CASE_STATES:
        return ()
    return tuple(sorted(_reasons(case, actor, now), key=lambda one: one.rank))


def day_of(cases: Iterable[Case], actor: Actor, now: datetime) -> dict[int, tuple[Pressing, ...]]:
    """The cases that wait for this person, by id with every reason, the most pressing first."""
    found = {case.id: pressing(case, actor, now) for case in cases}
    return {number: found[number] for number in sorted(found, key=lambda n: (found[n][:1], n)) if found[number]}


@dataclass(frozen=True, slots=True)
class Shift:
    """What somebody leaves behind, as ids: what they still work on, what ended, what they gave to others who have not
    accepted it.
    """

    open: tuple[int, ...]
    ended: tuple[int, ...]
    given: tuple[int, ...]


def shift_of(cases: Iterable[Case], name: str, since: datetime) -> Shift:
    """The sheet of this person for a shift that began then."""
    known = tuple(cases)
    own = [case for case in known if case.assignee == name]
    return Shift(
        tuple(case.id for case in own if case.state in OPEN_CASE_STATES),
        tuple(case.id for case in own if case.state not in OPEN_CASE_STATES),
        tuple(case.id for case in known if _given_since(case, name, since)),
    )


def _reasons(case: Case, actor: Actor, now: datetime) -> Iterator[Pressing]:
    handling = handling_of(case.handling, case.detected_at)
    if handling.handover is not None and _works_for(actor.groups, case.owner_group):
        yield Pressing(1, f"{handling.handover.group} gives it to {case.owner_group}: {handling.handover.asked}")
    for one in handling.consults:
        if not one.answered_at and _works_for(actor.groups, one.group):
            yield Pressing(2, f"{one.by} asks {one.group}: {one.asked}")
    if case.assignee != actor.name:
        return
    if handling.follow_up_at is not None and handling.follow_up_at <= now + TODAY:
        yield Pressing(0, f"you wanted to see it at {_time(handling.follow_up_at)}")
    waits = case.waiting_for if isinstance(case.waiting_for, dict) else None
    waits_until = datetime.fromisoformat(str(waits["until"])) if waits else None
    if waits and waits_until is not None and waits_until <= now + TODAY:
        yield Pressing(0, f"it waits for {waits['for']} until {_time(waits_until)}")
    if case.sla_due_at is not None and case.sla_due_at <= now + TODAY:
        yield Pressing(3, f"it is due at {_time(case.sla_due_at)}")
    until = handling.claimed_until
    mine = f"you work on it until {_time(until)}" if until is not None and until <= now + SOON else "you work on it"
    yield Pressing(5 if waits else 4, mine)


def _works_for(groups: Collection[str], group: str) -> bool:
    return group in groups or EVERY_GROUP in groups


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _given_since(case: Case, name: str, since: datetime) -> bool:
    """Whether this person gave the case to another group, which has not accepted it yet."""
    handover = handling_of(case.handling, case.detected_at).handover
    return handover is not None and handover.by == name and datetime.fromisoformat(handover.at) >= since

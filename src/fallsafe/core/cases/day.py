"""What waits for one person: their own cases and what their groups are to answer, each with its reasons, the most
pressing first; and what they leave to the next shift.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fallsafe.core.access import EVERY_GROUP, Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.handling import handling_of

TODAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Pressing:
    """Why somebody should look at a case: `rank` 0 is the most pressing."""

    rank: int
    sentence: str


def pressing(case: Case, actor: Actor, now: datetime) -> tuple[Pressing, ...]:
    """Every reason for this person, the most pressing first; none where the case is nothing to them."""
    if case.state not in OPEN_CASE_STATES:
        return ()
    return tuple(sorted(_reasons(case, actor, now), key=lambda one: one.rank))


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
    until = datetime.fromisoformat(str(waits["until"])) if waits else None
    if waits and until is not None and until <= now + TODAY:
        yield Pressing(0, f"it waits for {waits['for']} until {_time(until)}")
    if case.sla_due_at is not None and case.sla_due_at <= now + TODAY:
        yield Pressing(3, f"it is due at {_time(case.sla_due_at)}")
    yield Pressing(5 if waits else 4, "you work on it")


def _works_for(groups: Collection[str], group: str) -> bool:
    return group in groups or EVERY_GROUP in groups


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def given_since(case: Case, name: str, since: datetime) -> bool:
    """Whether this person gave the case to another group, which has not accepted it yet."""
    handover = handling_of(case.handling, case.detected_at).handover
    return handover is not None and handover.by == name and datetime.fromisoformat(handover.at) >= since

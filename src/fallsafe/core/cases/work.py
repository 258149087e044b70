"""What people do with a case, decided: give it to somebody, work on it, let it wait, raise it, end it, take it up again
(§8, §9).

A case that is ended while its failure still stands would be a failure without a case, so that is refused, whoever
asks. What people say is kept beside the change; it is not part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fallsafe.core.cases.case import OPEN_CASE_STATES, Case, CaseState, advance
from fallsafe.core.cases.handling import CONSULTS_MAX, TICKETS_MAX, Handling, Handover, Ticket, column_of, handling_of
from fallsafe.core.cases.handling import Consult as Question
from fallsafe.core.commands.ledger import Command, CommandState, Purpose
from fallsafe.core.detect.signal import Detector
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.progress import NEEDS_A_CASE
from fallsafe.core.orders.task import Task, TaskState
from fallsafe.core.values import replace

RESOLUTIONS = (
    "DataCorrected", "RetriedSameKey", "ReconciledDone", "ReconciledAbsent", "HandedOff", "SolvedElsewhere",
)  # fmt: skip
"""How a person may say that a failure was resolved (§9). What the product proves by itself it says by itself."""

TO_RESOLVED = {
    CaseState.DETECTED: "classify",
    CaseState.CLASSIFIED: "assign",
    CaseState.ASSIGNED: "diagnose",
    CaseState.DIAGNOSING: "repair",
    CaseState.REPAIRING: "revalidate",
    CaseState.REVALIDATING: "resolve",
}


@dataclass(frozen=True, slots=True)
class Transfer:
    """Somebody else is to work on it: a group, a person, or both ("" = as it is; a new group has no person yet). A
    group is told what was done and what is asked of it, and accepts or returns it.
    """

    owner_group: str = ""
    assignee: str = ""
    done: str = ""
    asked: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Accept:
    """The group that got it keeps it."""


@dataclass(frozen=True, slots=True)
class Return:
    """The group that got it gives it back to whoever had it before."""


@dataclass(frozen=True, slots=True)
class Consult:
    """Another group is asked about it; the case stays where it is."""

    group: str
    asked: str
    by: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A group that was asked answers."""

    group: str
    answer: str
    by: str


@dataclass(frozen=True, slots=True)
class Refer:
    """What it is called in a system of others."""

    system: str
    reference: str


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The day on which its owner wants to see it."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Relate:
    """It belongs to another case or order, and how: parent, child, duplicate of, caused by, related."""

    to: str
    how: str


CLAIM_LASTS = timedelta(hours=8)
"""How long somebody has a case who took it; a person's time at work, so it is never scaled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The one who asks works on it, for as long as a claim lasts; taken again in its second half it begins anew."""

    person: str


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Somebody looks for the cause."""


@dataclass(frozen=True, slots=True)
class Comment:
    """Something to be remembered."""


@dataclass(frozen=True, slots=True)
class Attach:
    """A paper, a picture, a letter is put to its evidence."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It waits for somebody: whom, what for, under which reference of theirs, and when it is looked at again."""

    whom: str
    what: str
    until: datetime
    reference: str = ""


@dataclass(frozen=True, slots=True)
class GoOn:
    """It waits no longer."""


@dataclass(frozen=True, slots=True)
class Escalate:
    """Whoever stands above its group has to see it."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """It is no failure."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """A person says that it is over, and how (`RESOLUTIONS`); nothing here has proved it."""

    kind: str
    person: str


@dataclass(frozen=True, slots=True)
class Reopen:
    """It was not over."""


Ask = (
    Transfer | Accept | Return | Consult | Reply | Refer | FollowUp | Relate | Claim | Diagnose | Comment | Attach
    | Wait | GoOn | Escalate | Withdraw | Resolve | Reopen
)  # fmt: skip
RIGHT_OF: Mapping[type, str] = {
    Transfer: "work_case", Claim: "work_case", Diagnose: "work_case", Comment: "comment", Wait: "work_case",
    Accept: "work_case", Return: "work_case", Consult: "work_case", Reply: "comment", Refer: "work_case",
    FollowUp: "work_case", Relate: "work_case", GoOn: "work_case", Escalate: "work_case", Withdraw: "end_case",
    Resolve: "end_case", Reopen: "end_case", Attach: "comment",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a case: its failure ("" = it does not stand any more), another open case of its key, and for
    each owner group whoever stands above ("" = nobody). `known` says that what it is to be related to, or whoever it is
    to be given to, exists.
    """

    stands: str
    other_open: str
    above: Mapping[str, str]
    known: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the case: the verb and what it is afterwards."""

    verb: str
    case: Case


def standing(
    case: Case, order: Order | None, item: Item | None, task: Task | None, command: Command | None = None
) -> str:
    """Why the failure of a case stands still; empty where it does not. `command` is the one that the case is about."""
    if task is not None and task.state in NEEDS_A_CASE:
        return f"its task {task.step} is {task.state.value}, and that needs somebody who owns it"
    if task is not None and task.state is TaskState.READY:
        return f"its task {task.step} has not been sent, and nothing may send it by itself any more"
    if command is not None and command.purpose is Purpose.RESUME and command.state is CommandState.INTENDED:
        return f"what {command.system} was to be told has not been sent, and nothing may send it by itself any more"
    if task is not None and task.frozen:
        return f"its task {task.step} is frozen until somebody has verified what there is"
    if order is not None and order.frozen:
        return "its order is frozen until somebody has looked at it"
    if task is None and item is not None and item.hold_code:
        return f"its item {item.external_id} is held: {item.hold_code}"
    if task is None and item is not None and item.state is ItemState.HELD and not said_by_somebody(case):
        return f"its item {item.external_id} is held"
    return ""


def said_by_somebody(case: Case) -> bool:
    """Whether a case is somebody's word alone: what it stops, it stops only as long as they say so."""
    return case.detector == Detector.PERSON.value


def joined(into: Case, other: Case, now: datetime) -> Case:
    """A case that another one of the same failure ends in: it is as old, as late and as high up as the older of them,
    and of an item what the product saw, where it saw one of them. Of a task it is what somebody said as before:
    that the task is done does not prove that.
    """
    due = [at for at in (into.sla_due_at, other.sla_due_at) if at is not None]
    return replace(
        into,
        occurrences=into.occurrences + other.occurrences,
        occurred_at=min(into.occurred_at, other.occurred_at),
        detected_at=min(into.detected_at, other.detected_at),
        sla_due_at=min(due, default=None),
        escalated_to=into.escalated_to or other.escalated_to,
        detector=other.detector if said_by_somebody(into) and into.task_id is None else into.detector,
        touched_at=now,
    )


def decide(case: Case, name: str, ask: Ask, around: Around, now: datetime) -> tuple[Step, ...] | Refusal:
    """The steps that an ask comes to, one after another; empty where it is so already. `name` is the case's public
    name.
    """
    match ask:
        case Comment():
            return (Step("comment", case),)
        case Attach():
            return (Step("attach", case),)
        case Reopen():
            return _reopened(case, name, around, now)
        case _:
            pass
    if case.state not in OPEN_CASE_STATES:
        hint = "comment on it, or reopen it" if case.state is CaseState.RESOLVED else "comment on it"
        return Refusal("CASE_NOT_OPEN", f"cannot change case {name}", f"it is {case.state.value}", hint)
    match ask:
        case Transfer():
            return _transferred(case, name, ask, around, now)
        case Accept() | Return() | Consult() | Reply() | Refer() | FollowUp():
            return _handled(case, name, ask, around, now)
        case Relate(to, how):
            return _related(case, name, to, how, around, now)
        case Claim(person):
            return _claimed(case, name, person, now)
        case Diagnose():
            begins = case.state is CaseState.ASSIGNED
            return (Step("diagnose", advance(case, "diagnose", now)),) if begins else ()
        case Wait():
            return _waiting(case, name, ask, now)
        case GoOn():
            return (Step("go_on", replace(case, waiting_for=None, touched_at=now)),) if case.waiting_for else ()
        case Escalate():
            return _escalated(case, name, around, now)
        case Withdraw() | Resolve() if around.stands:
            verb = "withdraw" if isinstance(ask, Withdraw) else "resolve"
            hint = "see its actions; it ends by itself when the failure does"
            return Refusal("FAILURE_STANDS", f"cannot {verb} case {name}", around.stands, hint)
        case Withdraw():
            resolution = {"type": "Withdrawn", "verified": False}
            return (Step("withdraw", advance(case, "withdraw", now, resolution=resolution)),)
        case Resolve(kind, person):
            return _resolved(case, kind, person, now)


def _transferred(case: Case, name: str, ask: Transfer, around: Around, now: datetime) -> tuple[Step, ...] | Refusal:
    what, group = f"cannot give case {name} away", ask.owner_group
    if group and group not in around.above:
        return _no_group(what, group, around, "/ownerGroup")
    if ask.assignee and not around.known:
        why, hint = f"nobody is known as {ask.assignee}", "GET /people lists them: fallsafe person list"
        return Refusal("PERSON_UNKNOWN", what, why, hint, "/assignee")
    to = group or case.owner_group
    assignee = ask.assignee or (case.assignee if to == case.owner_group else "")
    if (to, assignee) == (case.owner_group, case.assignee):
        return ()
    given = replace(_unclaimed(case), owner_group=to, assignee=assignee, touched_at=now)
    if to == case.owner_group:
        return (Step("transfer", given),)
    if not (ask.done and ask.asked):
        why, field = (
            "whoever gets it has to know what was done and what is asked of them",
            "asked" if ask.done else "done",
        )
        return Refusal("HANDOVER_INCOMPLETE", what, why, "say done and asked", f"/{field}")
    known = _of(given).passed(case.owner_group, now)
    handover = Handover(case.owner_group, ask.by, ask.done, ask.asked, now.isoformat())
    return (Step("transfer", replace(given, handling=column_of(replace(known, handover=handover)))),)


def _of(case: Case) -> Handling:
    return handling_of(case.handling, case.detected_at)


def _no_group(what: str, group: str, around: Around, pointer: str) -> Refusal:
    why = f"there is no owner group {group}"
    return Refusal("OWNER_UNKNOWN", what, why, ", ".join(sorted(around.above)), pointer)


def _handled(
    case: Case, name: str, ask: Accept | Return | Consult | Reply | Refer | FollowUp, around: Around, now: datetime
) -> tuple[Step, ...] | Refusal:
    """How a case is passed on or asked about; its failure is as it was."""
    known, what = _of(case), f"cannot change how case {name} is handled"
    match ask:
        case Accept() | Return() if known.handover is None:
            why = "nobody has given it to this group"
            return Refusal("NOTHING_TO_ACCEPT", what, why, "transfer it with a reason")
        case Accept():
            return _put(case, "accept", replace(known, handover=None), now)
        case Return():
            back = known.handover.group if known.handover else ""
            held = known.passed(case.owner_group, now)
            passed = replace(held, handover=None, bounces=known.bounces + 1, claimed_until=None)
            return _put(replace(case, owner_group=back, assignee=""), "return", passed, now)
        case Consult(group, _, _) if group not in around.above:
            return _no_group(what, group, around, "/group")
        case Consult(group, asked, by):
            if len(known.consults) >= CONSULTS_MAX:
                return Refusal("TOO_MANY", what, f"it has {CONSULTS_MAX} questions already", "comment on it")
            more = Question(group, asked, by, now.isoformat())
            return _put(case, "consult", replace(known, consults=(*known.consults, more)), now)
        case Reply(group, answer, by):
            return _replied(case, known, group, answer, by, what, now)
        case Refer(system, reference):
            ticket = Ticket(system, reference)
            if ticket in known.tickets:
                return ()
            if len(known.tickets) >= TICKETS_MAX:
                return Refusal("TOO_MANY", what, f"it has {TICKETS_MAX} tickets already", "comment on it")
            return _put(case, "refer", replace(known, tickets=(*known.tickets, ticket)), now)
        case FollowUp(at) if at <= now:
            return Refusal(
                "WAIT_IS_OVER", what, f"{at:%Y-%m-%d %H:%M} UTC is over already", "say a time to come", "/at"
            )
        case FollowUp(at):
            return _put(case, "follow_up", replace(known, follow_up_at=at), now)


def _replied(
    case: Case, known: Handling, group: str, answer: str, by: str, what: str, now: datetime
) -> tuple[Step, ...] | Refusal:
    if group not in known.asked:
        asked = ", ".join(known.asked) or "nobody"
        return Refusal("NOT_ASKED", what, f"{group} was not asked; {asked} was", "comment on it", "/group")
    said = tuple(
        replace(one, answer=answer, answered_by=by, answered_at=now.isoformat())
        if one.group == group and not one.answered_at
        else one
        for one in known.consults
    )
    return _put(case, "reply", replace(known, consults=said), now)


def _put(case: Case, verb: str, handling: Handling, now: datetime) -> tuple[Step, ...]:
    return (Step(verb, replace(case, handling=column_of(handling), touched_at=now)),)


def _related(case: Case, name: str, to: str, how: str, around: Around, now: datetime) -> tuple[Step, ...] | Refusal:
    what = f"cannot relate case {name}"
    if to == name:
        return Refusal("SAME_CASE", what, "it is the case itself", "name another one", "/to")
    if not around.known:
        return Refusal("NO_SUCH_CASE", what, f"there is no {to[:40]}", "name a case, F-…, or an order, O-…", "/to")
    linked = link(case.related, to, how)
    return () if linked == case.related else (Step("relate", replace(case, related=linked, touched_at=now)),)


HOW_OTHERWISE = {"parent": "child", "child": "parent", "caused_by": "causes", "duplicate_of": "duplicated_by"}
"""How the other one is linked, by how this one is."""


def link(known: Json, to: str, how: str) -> Json:
    """The links of a case with one more, each once."""
    before = [*known] if isinstance(known, list) else []
    new: Json = {"order" if to.startswith("O-") else "case": to, "how": how}
    return before if new in before else [*before, new]


def _claimed(case: Case, name: str, person: str, now: datetime) -> tuple[Step, ...] | Refusal:
    known = _of(case)
    until = known.claimed_until
    if case.assignee not in ("", person) and not may_take(case, person, now):
        why = f"{case.assignee} works on it" + (f" until {until:%Y-%m-%d %H:%M} UTC" if until else "")
        return Refusal("CLAIMED", f"cannot take case {name}", why, "ask them, or transfer it with a reason")
    if not may_take(case, person, now):
        return ()
    taken = replace(case, assignee=person, touched_at=now)
    return _put(taken, "claim", replace(known, handover=None, claimed_until=now + CLAIM_LASTS), now)


def may_take(case: Case, person: str, now: datetime) -> bool:
    """Whether a claim of this person would change something: nobody has the case, somebody whose claim is over, or
    they themselves, for less than half the time that a claim lasts.
    """
    until = _of(case).claimed_until
    if case.assignee in ("", person):
        return not case.assignee or (until is not None and until <= now + CLAIM_LASTS / 2)
    return until is not None and until <= now


def lapsed(case: Case, now: datetime) -> Case | None:
    """The case once its claim is over, so that anybody of its group may take it; None where it is not. What waits for
    somebody, or is to be seen on another day, stays with whoever had it.
    """
    known = _of(case)
    over = known.claimed_until is not None and known.claimed_until <= now
    waits = case.waiting_for and waited(case, now) is None
    kept = waits or (known.follow_up_at is not None and known.follow_up_at > now)
    return replace(_unclaimed(case), assignee="", touched_at=now) if over and not kept else None


def waited(case: Case, now: datetime) -> Case | None:
    """The case once the time of whoever it waits for is over: it waits no longer, and is on the day of whoever works on
    it; None where it waits on, or for nobody.
    """
    told = case.waiting_for.get("until") if isinstance(case.waiting_for, Mapping) else None
    until = datetime.fromisoformat(told) if isinstance(told, str) else None
    if until is None or until > now:
        return None
    known = _of(case)
    seen = replace(known, follow_up_at=known.follow_up_at or until)
    return replace(case, waiting_for=None, handling=column_of(seen), touched_at=now)


def _unclaimed(case: Case) -> Case:
    known = _of(case)
    if known.claimed_until is None:
        return case
    return replace(case, handling=column_of(replace(known, claimed_until=None)))


def _waiting(case: Case, name: str, wait: Wait, now: datetime) -> tuple[Step, ...] | Refusal:
    if wait.until <= now:
        why = f"{wait.until:%Y-%m-%d %H:%M} UTC is over already"
        return Refusal("WAIT_IS_OVER", f"case {name} cannot wait", why, "say a time to come", "/until")
    said = {"for": wait.whom, "what": wait.what, "reference": wait.reference, "until": wait.until.isoformat()}
    return (Step("wait", replace(case, waiting_for=said, touched_at=now)),)


def _escalated(case: Case, name: str, around: Around, now: datetime) -> tuple[Step, ...] | Refusal:
    above = around.above.get(case.owner_group, "")
    if not above:
        why = f"nobody stands above {case.owner_group}"
        return Refusal("NOBODY_ABOVE", f"cannot raise case {name}", why, "transfer it to the group that can decide")
    if case.escalated_to == above:
        return ()
    return (Step("escalate", replace(case, escalated_to=above, touched_at=now)),)


def _resolved(case: Case, kind: str, person: str, now: datetime) -> tuple[Step, ...]:
    steps = list[Step]()
    while case.state is not CaseState.RESOLVED:
        verb = TO_RESOLVED[case.state]
        case = advance(case, verb, now)
        if verb == "resolve":
            case = replace(
                case, resolution={"type": kind, "verified": False, "by": person}, waiting_for=None, repair=None
            )
        steps.append(Step(verb, case))
    return tuple(steps)


def _reopened(case: Case, name: str, around: Around, now: datetime) -> tuple[Step, ...] | Refusal:
    if case.state is not CaseState.RESOLVED:
        return Refusal("CASE_NOT_RESOLVED", f"cannot reopen case {name}", f"it is {case.state.value}", "open a new one")
    if around.other_open:
        why = f"the same failure has an open case already: {around.other_open}"
        return Refusal("ALREADY_OPEN", f"cannot reopen case {name}", why, f"work on {around.other_open}")
    return (Step("reopen", advance(case, "reopen", now, resolution=None)),)

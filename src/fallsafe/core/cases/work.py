"""What people do with a case, decided: give it to somebody, work on it, let it wait, raise it, end it, take it up again
(§8, §9).

A case that is ended while its failure still stands would be a failure without a case, so that is refused, whoever
asks. What people say is kept beside the change; it is not part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from fallsafe.core.cases.case import OPEN_CASE_STATES, Case, CaseState, advance
from fallsafe.core.errors import Refusal
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.progress import NEEDS_A_CASE
from fallsafe.core.orders.task import Task, TaskState

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
    """Somebody else is to work on it: a group, a person, or both ("" = as it is; a new group has no person yet)."""

    owner_group: str = ""
    assignee: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """The one who asks works on it."""

    person: str


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Somebody looks for the cause."""


@dataclass(frozen=True, slots=True)
class Comment:
    """Something to be remembered."""


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


Ask = Transfer | Claim | Diagnose | Comment | Wait | GoOn | Escalate | Withdraw | Resolve | Reopen
RIGHT_OF: Mapping[type, str] = {
    Transfer: "work_case", Claim: "work_case", Diagnose: "work_case", Comment: "comment", Wait: "work_case",
    GoOn: "work_case", Escalate: "work_case", Withdraw: "end_case", Resolve: "end_case", Reopen: "end_case",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a case: its failure ("" = it does not stand any more), another open case of its key, and for
    each owner group whoever stands above ("" = nobody).
    """

    stands: str
    other_open: str
    above: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the case: the verb and what it is afterwards."""

    verb: str
    case: Case


def standing(case: Case, order: Order | None, item: Item | None, task: Task | None) -> str:
    """Why the failure of a case stands still; empty where it does not."""
    if task is not None and task.state in NEEDS_A_CASE:
        return f"its task {task.step} is {task.state.value}, and that needs somebody who owns it"
    if task is not None and task.state is TaskState.READY:
        return f"its task {task.step} has not been sent, and nothing may send it by itself any more"
    if task is not None and task.frozen:
        return f"its task {task.step} is frozen until somebody has verified what there is"
    if order is not None and order.frozen:
        return "its order is frozen until somebody has looked at it"
    if task is None and item is not None and item.state is ItemState.HELD:
        return f"its item {item.external_id} is held"
    return ""


def decide(case: Case, name: str, ask: Ask, around: Around, now: datetime) -> tuple[Step, ...] | Refusal:
    """The steps that an ask comes to, one after another; empty where it is so already. `name` is the case's public
    name.
    """
    match ask:
        case Comment():
            return (Step("comment", case),)
        case Reopen():
            return _reopened(case, name, around, now)
        case _:
            pass
    if case.state not in OPEN_CASE_STATES:
        hint = "comment on it, or reopen it" if case.state is CaseState.RESOLVED else "comment on it"
        return Refusal("CASE_NOT_OPEN", f"cannot change case {name}", f"it is {case.state.value}", hint)
    match ask:
        case Transfer(group, person):
            return _transferred(case, name, group, person, around, now)
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


def _transferred(
    case: Case, name: str, group: str, person: str, around: Around, now: datetime
) -> tuple[Step, ...] | Refusal:
    if group and group not in around.above:
        why = f"there is no owner group {group}"
        return Refusal(
            "OWNER_UNKNOWN", f"cannot give case {name} away", why, ", ".join(sorted(around.above)), "/ownerGroup"
        )
    to = group or case.owner_group
    assignee = person or (case.assignee if to == case.owner_group else "")
    if (to, assignee) == (case.owner_group, case.assignee):
        return ()
    return (Step("transfer", replace(case, owner_group=to, assignee=assignee, touched_at=now)),)


def _claimed(case: Case, name: str, person: str, now: datetime) -> tuple[Step, ...] | Refusal:
    if case.assignee and case.assignee != person:
        why = f"{case.assignee} works on it"
        return Refusal("CLAIMED", f"cannot take case {name}", why, "ask them, or transfer it with a reason")
    return () if case.assignee else (Step("claim", replace(case, assignee=person, touched_at=now)),)


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

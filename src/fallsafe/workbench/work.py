"""The card of case work: who works on a case, what it waits for, what was written, and what this person may do with it
now.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fallsafe.core.access import Actor, may, who_may
from fallsafe.core.cases.case import OPEN_CASE_STATES, CaseState
from fallsafe.core.cases.handling import Consult, Handover, Ticket, handling_of
from fallsafe.core.cases.work import RESOLUTIONS, may_take, standing
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.access import Said
from fallsafe.store.reads import CaseFile


@dataclass(frozen=True, slots=True)
class Work:
    """`stands` says why the case cannot be ended, `locked` why this person may do nothing of it; both empty where it
    is not so. `groups` are (code, title).
    """

    assignee: str
    mine: bool
    waits: str
    waits_until: str
    escalated_to: str
    escalates_to: str
    may_comment: bool
    may_work: bool
    may_diagnose: bool
    may_end: bool
    stands: str
    resolved: bool
    ended: bool
    locked: str
    groups: tuple[tuple[str, str], ...]
    resolutions: tuple[str, ...]
    comments: Sequence[Said]
    handover: Handover | None = None
    consults: tuple[Consult, ...] = ()
    asked: tuple[str, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    follow_up: str = ""
    bounces: int = 0
    claimed_until: str = ""
    may_claim: bool = False


def work_of(file: CaseFile, newest: PolicySet, actor: Actor, comments: Sequence[Said], now: datetime) -> Work:
    """The card for this person."""
    case, open_ = file.case, file.case.state in OPEN_CASE_STATES
    waits = case.waiting_for if isinstance(case.waiting_for, dict) else {}
    owner = newest.owners.get(case.owner_group)
    works, ends = may(actor, "work_case"), may(actor, "end_case")
    workers, handling = ", ".join(who_may("work_case")), handling_of(case.handling, case.detected_at)
    links: Any = case.related if isinstance(case.related, list) else []
    return Work(
        assignee=case.assignee,
        mine=case.assignee == actor.name,
        waits=": ".join(str(waits[name]) for name in ("for", "what") if waits.get(name)),
        waits_until=str(waits.get("until", ""))[:16].replace("T", " "),
        escalated_to=case.escalated_to,
        escalates_to=owner.escalates_to if owner else "",
        may_comment=may(actor, "comment"),
        may_work=works and open_,
        may_diagnose=works and case.state is CaseState.ASSIGNED,
        may_end=ends and open_,
        stands=standing(case, file.order, file.item, file.task, file.command) if open_ else "",
        resolved=ends and case.state is CaseState.RESOLVED,
        ended=not open_,
        locked="" if works else f"Your roles may read this case. Working on it belongs to {workers}.",
        groups=tuple((code, group.title) for code, group in sorted(newest.owners.items()) if code != case.owner_group),
        resolutions=RESOLUTIONS,
        comments=comments,
        handover=handling.handover,
        consults=handling.consults,
        asked=handling.asked,
        tickets=handling.tickets,
        links=tuple((one.get("case") or one.get("order", ""), one["how"]) for one in links),
        follow_up=f"{handling.follow_up_at:%Y-%m-%d %H:%M}" if handling.follow_up_at else "",
        bounces=handling.bounces,
        claimed_until=f"{handling.claimed_until:%Y-%m-%d %H:%M}" if handling.claimed_until else "",
        may_claim=works and open_ and may_take(case, actor.name, now),
    )

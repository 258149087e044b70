"""Repairs that wait for somebody: what this person may decide now, what others must decide, and what was agreed to and
is to be run. Deciding is done on the page of the repair, where all of it can be read.
"""

from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from starlette.responses import Response

from fallsafe.core.access import Actor
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.approval import may_decide
from fallsafe.core.repair.request import RepairState
from fallsafe.store.ids import outside
from fallsafe.store.overview import WaitingRepair, waiting_repairs
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, now_of, sign_in
from fallsafe.workbench.narrowing import title_of
from fallsafe.workbench.paper import html
from fallsafe.workbench.queue_pages import Handler


@dataclass(frozen=True, slots=True)
class Wish:
    """One repair in a list: what it is, whose, why it waits, and who may end the wait."""

    name: str
    case: str
    href: str
    title: str
    failure: str
    severity: str
    order: str
    asked_by: str
    asked_at: datetime
    reason: str
    why: str
    whose: str
    until: datetime


@dataclass(frozen=True, slots=True)
class ApprovalDoor:
    """The route /approvals."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler, method."""
        return (("/approvals", self.show, "GET"),)

    async def show(self, request: Request) -> Response:
        """What waits for whom."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        now = await now_of(self.deps)
        policy = self.deps.context().newest
        found = await waiting_repairs(self.deps.database, now)
        parts = _parts(found, actor, policy)
        return html("approvals.html", **await base(self.deps, request, actor, "approvals"), now=now, parts=parts)


MINE = ("mine", "Waits for your yes", "Nothing waits for you.")
OTHERS = ("others", "Waits for others", "Nothing waits for anybody else.")
TO_RUN = ("to-run", "May be run", "Nothing that was previewed or agreed to is left to be run.")


def _parts(
    found: tuple[WaitingRepair, ...], actor: Actor, policy: PolicySet
) -> list[tuple[tuple[str, str, str], list[Wish]]]:
    """What waits for this person, what waits for others and why not for this one, and what is to be run."""
    mine, others, to_run = list[Wish](), list[Wish](), list[Wish]()
    for one in found:
        action = policy.actions.get(one.repair.action)
        if action is None:
            continue
        if one.repair.state is not RepairState.AWAITED:
            whose = ", ".join(action.roles) if action.why_not(actor, one.owner_group) else "you"
            to_run.append(_wish(one, policy, whose))
            continue
        refusal = may_decide(one.repair, actor, one.repair.hash, "", one.owner_group)
        whose = f"Not you: {refusal.why}." if refusal is not None else ""
        (mine if refusal is None else others).append(_wish(one, policy, whose))
    return [(MINE, mine), (OTHERS, others), (TO_RUN, to_run)]


def _wish(one: WaitingRepair, policy: PolicySet, whose: str) -> Wish:
    repair, case = one.repair, outside("case", one.repair.case_id)
    name = outside("repair", repair.id)
    asked = repair.approval if isinstance(repair.approval, dict) else {}
    return Wish(
        name=name,
        case=case,
        href=f"/cases/{case}/repairs/{name}",
        title=policy.actions[repair.action].title,
        failure=title_of("code", one.code, policy),
        severity=one.severity,
        order=one.order_name,
        asked_by=repair.asked_by.partition(":")[2],
        asked_at=repair.asked_at,
        reason=repair.reason,
        why=str(asked.get("why", "")),
        whose=whose,
        until=repair.expires_at,
    )

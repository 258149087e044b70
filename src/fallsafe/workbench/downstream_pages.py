"""The systems outside as the workbench sees them: whether each is sent to, how much waits for it, what it may bear, and
what is open because of it.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request
from starlette.responses import Response

from fallsafe.core.cases.query import CaseQuery
from fallsafe.core.commands.capacity import Rate
from fallsafe.core.commands.contract import System
from fallsafe.core.recover.breaker import Downstream, Health
from fallsafe.core.triage.taxonomy import Recoverability
from fallsafe.flows.context import Context
from fallsafe.store.downstreams import Downstreams, Waiting, downstreams
from fallsafe.store.ids import outside
from fallsafe.store.overview import Calls, calls_under_way
from fallsafe.store.queue import open_cells
from fallsafe.store.reads import order_of_task
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, sign_in
from fallsafe.workbench.narrowing import list_url, title_of
from fallsafe.workbench.paper import html
from fallsafe.workbench.queue_pages import Handler
from fallsafe.workbench.words import many, span

HEALTH = {
    Health.CLEAR: ("clear", "Works"),
    Health.TRIPPED: ("tripped", "Not sent to"),
    Health.PROBING: ("probing", "One task tries"),
    Health.RELEASING: ("releasing", "Works again"),
}


@dataclass(frozen=True, slots=True)
class Outside:
    """One system: `health` and `word` of its state, why and since when it is so, and its numbers, each with the list
    of what it counts.
    """

    code: str
    title: str
    owner: str
    health: str
    word: str
    why: str
    since: datetime | None
    look_at: datetime | None
    canary: str
    canary_href: str
    calls: int
    oldest: datetime | None
    parked: int
    due: int
    limits: tuple[str, ...]
    operations: tuple[str, ...]
    cases: int
    cases_href: str
    unknown: int
    unknown_href: str


@dataclass(frozen=True, slots=True)
class DownstreamDoor:
    """The route /downstreams."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler, method."""
        return (("/downstreams", self.show, "GET"),)

    async def show(self, request: Request) -> Response:
        """Every system that the policy in force names."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        database, context = self.deps.database, self.deps.context()
        found, calls = await downstreams(database), await calls_under_way(database)
        cases, unknown = Counter[str](), Counter[str]()
        for cell in await open_cells(database):
            cases[cell.system] += cell.cases
            unknown[cell.system] += cell.cases * (cell.recover == Recoverability.UNKNOWN_OUTCOME)
        rows = [
            await self._one(context, system, found, calls.get(code), (cases[code], unknown[code]))
            for code, system in sorted(context.newest.systems.items())
        ]
        rows.sort(key=lambda row: (row.health == "clear", row.code))
        frame = await base(self.deps, request, actor, "downstreams")
        stopped = sum(row.health != "clear" for row in rows)
        return html("downstreams.html", **frame, now=found.now, rows=rows, stopped=stopped)

    async def _one(
        self, context: Context, system: System, found: Downstreams, calls: Calls | None, open_: tuple[int, int]
    ) -> Outside:
        code, known = system.code, found.health.get(system.code)
        waits = found.waiting.get(context.gate(code), Waiting())
        state = known.state if known is not None else Health.CLEAR
        health, word = HEALTH[state]
        stopped = known if known is not None and state is not Health.CLEAR else None
        return Outside(
            code=code,
            title=system.title,
            owner=title_of("owner", system.owner, context.newest),
            health=health,
            word=word,
            why=_why(known),
            since=stopped.since if stopped else None,
            look_at=stopped.look_at if stopped else None,
            canary=outside("task", stopped.canary) if stopped and stopped.canary else "",
            canary_href=await self._page_of(stopped.canary) if stopped and stopped.canary else "",
            calls=calls.calls if calls else 0,
            oldest=calls.oldest if calls else None,
            parked=waits.parked,
            due=waits.due,
            limits=_limits(system),
            operations=tuple(sorted(o.name for o in context.newest.operations.values() if o.system == code)),
            cases=open_[0],
            cases_href=list_url(CaseQuery().having("system", code)),
            unknown=open_[1],
            unknown_href=list_url(CaseQuery().having("system", code).having("is", "unknown")),
        )

    async def _page_of(self, task_id: int) -> str:
        order = await order_of_task(self.deps.database, task_id)
        return f"/orders/{outside('order', order)}" if order else ""


def _why(known: Downstream | None) -> str:
    """Why it stands as it does."""
    if known is None:
        return ""
    if known.state is Health.CLEAR:
        if not known.failures:
            return "What was the matter with it is over."
        return f"{many(known.failures, 'call')} in a row did not get through."
    tried = f" {many(known.probes, 'canary', 'canaries')} did not get through." if known.probes else ""
    return f"{known.why[:1].upper()}{known.why[1:]}.{tried}"


def _limits(system: System) -> tuple[str, ...]:
    """What it may bear over all workers, in words."""
    said = [f"{many(system.concurrency, 'call')} at once"]
    if system.rate is not None:
        said.append(_rate(system.rate, "call"))
    budget = system.retry_budget
    said.append(f"repeats: {budget.share:.0%}, at least {budget.least.calls} in {span(budget.least.per)}")
    return tuple(said)


def _rate(rate: Rate, what: str) -> str:
    return f"{many(rate.calls, what)} in {span(max(rate.per, timedelta(seconds=1)))}"

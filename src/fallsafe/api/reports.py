"""Reports of other engines at the door: where their orders stand, many at once, in any order.

The door checks their shape, keeps their bytes and answers; a worker applies them. An order that cannot be read is kept
with a case: somebody waits for it, and nothing else will find it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.bodies import ORDER_BYTES_MAX, body_of, check_shape, json_of
from fallsafe.api.changes import Change, asked_of, done, make
from fallsafe.api.deps import Deps
from fallsafe.api.drafts import check_instants, instant_of
from fallsafe.api.orders import FULL, batch_answer
from fallsafe.api.problems import Fault, Problem, problem_of
from fallsafe.api.routes import add, ref
from fallsafe.core.access import Actor
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders.intake import check_order
from fallsafe.core.orders.watched import ReportDraft, report_draft
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.flows.reports import receive
from fallsafe.flows.unreadable import keep_unreadable
from fallsafe.store.canonical import canonical
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx


class ReportsDoor:
    """The route /reports."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def report(self, request: Request) -> Response:
        """Keeps up to 1,000 reports; one answer for each, in the order given. They may come late, twice, or before
        earlier ones. One that is refused stops no other.
        """
        actor = await self.deps.allowed(request, "report", "cannot take in reports")
        body = await body_of(request, ORDER_BYTES_MAX)
        asked = asked_of(request, actor, body)
        batch = check_shape("reports", await json_of(body), "BATCH_SHAPE")
        source, values = batch["source"], batch["reports"]
        read = [_read(source, value) for value in values]

        async def change(tx: Tx) -> Change:
            return done(batch_answer(await self._take(tx, source, values, read, actor)))

        return await make(self.deps.database, asked, change)

    async def _take(
        self, tx: Tx, source: str, values: Sequence[Json], read: Sequence[ReportDraft | Problem], actor: Actor
    ) -> list[wire.Taken]:
        context = self.deps.context()
        told = [(d, canonical(v)) for v, d in zip(values, read, strict=True) if isinstance(d, ReportDraft)]
        answers = iter(await receive(tx, context, told, actor) if told else [])
        taken = []
        for value, each in zip(values, read, strict=True):
            if isinstance(each, ReportDraft):
                taken.append(taken_of(each, next(answers)))
                continue
            refusals = _refusals(each)
            await keep_unreadable(
                tx,
                context,
                source=source,
                body=canonical(value),
                media_type="application/json",
                refusals=refusals,
                actor=actor,
            )
            taken.append(_unreadable(source, value, each, refusals[0]))
        return taken

    def router(self) -> APIRouter:
        """The route."""
        made = APIRouter(tags=["watched orders"])
        add(made, "POST", "/reports", self.report, answers=ref(wire.TakenBatch), takes="reports", problems=FULL)
        return made


def draft_of(source: str, value: Json) -> ReportDraft:
    """The draft of a report. Raises `Problem` with the pointers of the fields at fault."""
    shaped = check_shape("report", value, "REPORT_SHAPE")
    _check_instants(shaped)
    draft = report_draft(source, shaped)
    wrong = check_order(draft.content) if draft.content is not None else ()
    if wrong:
        found = problem_of(wrong[0])
        found.pointer = f"/order{wrong[0].pointer}"
        raise found
    return draft


def _check_instants(shaped: Mapping[str, Any]) -> None:
    instant_of(shaped.get("at"), "/at")
    check_instants(shaped.get("order", {}), "/order")
    for n, task in enumerate(shaped.get("tasks", [])):
        for name in ("at", "dueAt"):
            instant_of(task.get(name), f"/tasks/{n}/{name}")


def _read(source: str, value: Json) -> ReportDraft | Problem:
    try:
        return draft_of(source, value)
    except Problem as problem:
        return problem


def taken_of(draft: ReportDraft, answer: Answer) -> wire.Taken:
    """What became of one report."""
    refused = answer.refusal if isinstance(answer, Refused) else None
    already = isinstance(answer, Applied) and answer.already
    return wire.Taken(
        result="refused" if refused else "known" if already else "accepted",
        id=outside("report", answer.id),
        source=draft.source,
        external_id=draft.event_id,
        refusal=shapes.refusal(refused) if refused else None,
    )


def _refusals(problem: Problem) -> list[Refusal]:
    faults = problem.errors or (Fault(problem.pointer, problem.detail, problem.code, problem.hint),)
    return [Refusal(f.code or problem.code, "cannot take in a report", f.detail, f.hint, f.pointer) for f in faults]


def _unreadable(source: str, value: Json, problem: Problem, first: Refusal) -> wire.Taken:
    name = value.get("eventId") if isinstance(value, Mapping) else None
    return wire.Taken(
        result="refused",
        id=None,
        source=source,
        external_id=name[:200] if isinstance(name, str) else "",
        refusal=shapes.refusal(first),
        errors=[{"pointer": e.pointer, "detail": e.detail, "code": e.code, "hint": e.hint} for e in problem.errors][
            :20
        ],
    )

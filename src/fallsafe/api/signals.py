"""Signals at the door: told one by one or many at once, from any source; listed, and read with what became of them.

The door keeps their bytes and answers; a worker judges them. It makes no difference whether their order is here yet.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.bodies import ORDER_BYTES_MAX, body_of, check_shape, json_of
from fallsafe.api.cases import case_number, order_number
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.drafts import instant_of
from fallsafe.api.orders import FULL, After, Limit, batch_answer, name_of, words_of
from fallsafe.api.problems import Fault, Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import BASE
from fallsafe.core.detect.signal import SignalDraft, SignalState, signal_draft
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.flows.signals import receive
from fallsafe.store.canonical import canonical
from fallsafe.store.ids import inside, outside
from fallsafe.store.reads import signals as list_signals
from fallsafe.store.tx import Tx


class SignalsDoor:
    """The routes under /signals."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def tell(self, request: Request) -> Response:
        """Keeps one signal; 202, and it is judged a moment later. The same signal again changes nothing; 409 for
        another content under its id.
        """
        actor = await self.deps.allowed(request, "signal", "cannot take in a signal")
        body = await body_of(request)
        asked, context = asked_of(request, actor, body), self.deps.context()
        draft = draft_of(await json_of(body))

        async def change(tx: Tx) -> Change:
            (answer,) = await receive(tx, context, [(draft, body)], actor)
            return told(answer, lambda a: done(taken_of(draft, a), 202), lambda r: problem_of(r.refusal))

        return await make(self.deps.database, asked, change)

    async def tell_many(self, request: Request) -> Response:
        """Keeps up to 1,000 signals; one answer for each, in the order given. One that is refused stops no other."""
        actor = await self.deps.allowed(request, "signal", "cannot take in signals")
        body = await body_of(request, ORDER_BYTES_MAX)
        asked, context = asked_of(request, actor, body), self.deps.context()
        values: Sequence[Json] = check_shape("signals", await json_of(body), "BATCH_SHAPE")["signals"]
        read = [_read(value) for value in values]
        drafts = [
            (draft, canonical(v)) for v, draft in zip(values, read, strict=True) if isinstance(draft, SignalDraft)
        ]

        async def change(tx: Tx) -> Change:
            answers = iter(await receive(tx, context, drafts, actor) if drafts else [])
            return done(
                batch_answer(
                    [
                        taken_of(each, next(answers)) if isinstance(each, SignalDraft) else unreadable_of(value, each)
                        for value, each in zip(values, read, strict=True)
                    ]
                )
            )

        return await make(self.deps.database, asked, change)

    async def find(
        self,
        request: Request,
        source: Annotated[str | None, Query(max_length=60)] = None,
        state: Annotated[str, Query(max_length=200, description="States, parted by commas.")] = "",
        order_id: Annotated[str, Query(alias="orderId", max_length=40)] = "",
        case_id: Annotated[str, Query(alias="caseId", max_length=40)] = "",
        limit: Limit = 50,
        after: After = "",
    ) -> Response:
        """Signals, newest first, each with what became of it."""
        await self.deps.who(request)
        page = await list_signals(
            self.deps.database,
            source=source,
            states=words_of(state, [s.value for s in SignalState], "state"),
            order_id=order_number(order_id),
            case_id=case_number(case_id),
            after=after,
            limit=limit,
        )
        return send({"items": [shapes.signal(s) for s in page.rows], "after": page.after})

    async def show(self, request: Request, signal_id: str) -> Response:
        """One signal and what became of it."""
        await self.deps.who(request)
        number = inside("signal", signal_id)
        found = await list_signals(self.deps.database, signal_id=number, limit=1) if number is not None else None
        if found is None or not found.rows:
            raise not_found("signal", signal_id, "a signal is named S- and a number; GET /signals lists them")
        return send(shapes.signal(found.rows[0]))

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["signals"])
        add(made, "POST", "/signals", self.tell, answers=ref(wire.Taken), status=202, takes="signal", problems=FULL)
        add(
            made, "POST", "/signals/batch", self.tell_many, answers=ref(wire.TakenBatch), takes="signals", problems=FULL
        )
        add(made, "GET", "/signals", self.find, answers=wire.pages(wire.Signal))
        add(made, "GET", "/signals/{signal_id}", self.show, answers=ref(wire.Signal), problems=(404,))
        return made


def draft_of(value: Json) -> SignalDraft:
    """The draft of a signal. Raises `Problem` 400 with the pointers of the fields at fault."""
    shaped = check_shape("signal", value, "SIGNAL_SHAPE")
    instant_of(shaped.get("occurredAt"), "/occurredAt")
    return signal_draft(shaped)


def _read(value: Json) -> SignalDraft | Problem:
    try:
        return draft_of(value)
    except Problem as problem:
        return problem


def taken_of(draft: SignalDraft, answer: Answer) -> wire.Taken:
    """What became of one signal."""
    name = outside("signal", answer.id)
    refused = answer.refusal if isinstance(answer, Refused) else None
    already = isinstance(answer, Applied) and answer.already
    return wire.Taken(
        result="refused" if refused else "known" if already else "accepted",
        id=name,
        source=draft.source,
        external_id=draft.external_id,
        href=f"{BASE}/signals/{name}",
        refusal=shapes.refusal(refused) if refused else None,
    )


def unreadable_of(value: Json, problem: Problem) -> wire.Taken:
    """The answer for one signal of a batch that cannot be read."""
    source, external = name_of(value)
    faults = problem.errors or (Fault(problem.pointer, problem.detail, problem.code, problem.hint),)
    first = faults[0]
    refusal = Refusal(first.code or problem.code, "cannot take in a signal", first.detail, first.hint, first.pointer)
    return wire.Taken(
        result="refused",
        id=None,
        source=source[:60],
        external_id=external[:200],
        refusal=shapes.refusal(refusal),
        errors=[{"pointer": f.pointer, "detail": f.detail, "code": f.code, "hint": f.hint} for f in faults[:20]],
    )

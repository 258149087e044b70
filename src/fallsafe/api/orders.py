"""Orders at the door: handed in one by one or many at once, listed, read with plan and progress, planned again."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.actions import act, asked_for
from fallsafe.api.answers import command_answer, order_file
from fallsafe.api.bodies import ORDER_BYTES_MAX, body_of, check_shape, json_of
from fallsafe.api.changes import Change, asked_of, before, done, keep, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.drafts import draft_of
from fallsafe.api.intake import IntakeQueue, take_in, taken_of
from fallsafe.api.problems import Fault, Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.core.access import Actor
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import OrderDraft
from fallsafe.core.orders.order import OrderState
from fallsafe.core.orders.watched import VERBS
from fallsafe.flows import revising
from fallsafe.flows.planning import plan_again
from fallsafe.flows.steering import steer
from fallsafe.flows.unreadable import keep_unreadable
from fallsafe.store.access import Asked
from fallsafe.store.canonical import canonical
from fallsafe.store.ids import inside
from fallsafe.store.reads import OrderFile, order_by_external, order_of_task
from fallsafe.store.reads import order_file as read_order_file
from fallsafe.store.reads import orders as list_orders
from fallsafe.store.tx import Database, Tx

ORDERS_A_BATCH_MAX = 1_000
ORDERS_A_TRANSACTION_MAX = 100
NAME_LENGTH_MAX = 250
NAMES_MAX = 100
UNNAMED = "?"
TASK_HINT = "a task is named T- and a number; an order lists its tasks"

Limit = Annotated[int, Query(ge=1, le=200, description="How many rows at most.")]
After = Annotated[str, Query(max_length=20_000, description="The cursor that the page before ended with.")]


class OrdersDoor:
    """The routes under /orders and /tasks."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps
        self.intake = IntakeQueue(deps.database, deps.context)

    async def submit(self, request: Request) -> Response:
        """Takes one order in. 201 when it is new, 200 when the same order is here already; then 409 for another
        content under its name. What cannot be read is kept, with a case for it.
        """
        actor = await self.deps.allowed(request, "submit_order", "cannot take in an order")
        body = await body_of(request, ORDER_BYTES_MAX)
        asked = asked_of(request, actor, body)
        value: Json = None
        try:
            value = await json_of(body)
            draft = draft_of(value, body)
        except Problem as problem:
            await self._keep(actor, value, body, problem)
            problem.recorded = True
            raise
        return (await self.intake.take(draft, actor, asked)).response()

    async def submit_many(self, request: Request) -> Response:
        """Takes up to 1,000 orders in; one answer for each, in the order given. One that is refused stops no other."""
        actor = await self.deps.allowed(request, "submit_order", "cannot take in orders")
        body = await body_of(request, ORDER_BYTES_MAX)
        asked = asked_of(request, actor, body)
        value = await json_of(body)
        orders: Sequence[Json] = check_shape("batch", value, "BATCH_SHAPE")["orders"]
        answers: list[wire.Taken] = []
        for part in parts_of(orders):
            last = len(answers) + len(part) == len(orders)
            change = await self._take_part(actor, part, asked, answers, last)
            if change is not None:
                return change.response()
        raise AssertionError("the last part of a batch answers")

    async def _take_part(
        self, actor: Actor, part: Sequence[Json], asked: Asked | None, answers: list[wire.Taken], last: bool
    ) -> Change | None:
        """Takes a part of a batch in, in one transaction; the last one remembers the answer of them all."""

        async def body(tx: Tx) -> Change | list[wire.Taken]:
            earlier = await before(tx, asked)
            if earlier is not None:
                return earlier
            mine = await _take_each(tx, part, actor, self.deps)
            change = done(batch_answer([*answers, *mine]))
            if last:
                await keep(tx, asked, change)
            return change if last else mine

        made = await self.deps.database.transact(body)
        if isinstance(made, Change):
            return made
        answers += made
        return None

    async def _keep(self, actor: Actor, value: Json, body: bytes, problem: Problem) -> None:
        refusals = refusals_of(problem)
        source = source_of(value, actor)
        context = self.deps.context()
        await self.deps.database.transact(
            lambda tx: keep_unreadable(
                tx,
                context,
                source=source,
                body=body,
                media_type="application/json",
                refusals=refusals,
                actor=actor,
            )
        )

    async def find(
        self,
        request: Request,
        source: Annotated[str | None, Query(max_length=60)] = None,
        external_id: Annotated[Sequence[str], Query(alias="externalId", max_length=NAMES_MAX)] = (),
        state: Annotated[str, Query(max_length=200, description="States, parted by commas.")] = "",
        customer_ref: Annotated[str | None, Query(alias="customerRef", max_length=120)] = None,
        limit: Limit = 50,
        after: After = "",
    ) -> Response:
        """Orders, newest first."""
        await self.deps.who(request)
        states = words_of(state, [s.value for s in OrderState], "state")
        page = await list_orders(
            self.deps.database,
            source=source,
            externals=external_id,
            states=states,
            customer_ref=customer_ref,
            after=after,
            limit=limit,
        )
        return send({"items": [shapes.order(o) for o in page.rows], "after": page.after})

    async def show(self, request: Request, order_id: str) -> Response:
        """One order with its items, plan, cases and progress. Its id, or `source:externalId`."""
        actor = await self.deps.who(request)
        return send(order_file(await self.file(order_id), await self.deps.asker(request, actor)))

    async def revise(self, request: Request, order_id: str) -> Response:
        """Takes in what those who sell want changed of an order that is under way: it is written down, what has not
        been sent stops, and its cases show it.
        """
        actor = await self.deps.who(request)
        body = await body_of(request, ORDER_BYTES_MAX)
        given = check_shape("revision", await json_of(body))
        number, context = await number_of(self.deps.database, order_id), self.deps.context()
        if number is None:
            raise no_such_order(order_id)
        asked = revising.Revision(number, given["externalId"], given["kind"], body)

        async def change(tx: Tx) -> Change:
            answer = await revising.revise(tx, context, asked, actor)
            return told(answer, lambda a: done(asked_for(a), 202), lambda r: problem_of(r.refusal))

        return await make(self.deps.database, asked_of(request, actor, body), change)

    async def plan(self, request: Request, order_id: str) -> Response:
        """Plans again what could not be planned, once the policy or the order was mended; 202, and its items go on."""
        await self.deps.who(request)
        number = await number_of(self.deps.database, order_id)
        if number is None or not await self.deps.database.fetch("reads/order_version", id=number):
            raise no_such_order(order_id)
        return await act(self.deps, request, plan_again, number)

    async def tasks(self, request: Request, order_id: str) -> Response:
        """The plan of an order."""
        actor = await self.deps.who(request)
        file = await self.file(order_id)
        planned = (await self.deps.asker(request, actor)).set_named(file.order.policy_set)
        return send({"items": [shapes.task(t, file, planned) for t in file.tasks], "after": ""})

    async def commands(self, request: Request, order_id: str) -> Response:
        """Every command of an order with its attempts and what was said about it."""
        actor = await self.deps.who(request)
        file, asker = await self.file(order_id), await self.deps.asker(request, actor)
        return send({"items": [command_answer(c, file, asker) for c in file.commands], "after": ""})

    async def task(self, request: Request, task_id: str) -> Response:
        """One task."""
        actor = await self.deps.who(request)
        number = inside("task", task_id)
        order_id = await order_of_task(self.deps.database, number) if number is not None else None
        file = await read_order_file(self.deps.database, order_id) if order_id is not None else None
        found = file.task(number) if file else None
        if file is None or found is None:
            raise not_found("task", task_id, TASK_HINT)
        return send(shapes.task(found, file, (await self.deps.asker(request, actor)).set_named(file.order.policy_set)))

    async def steer(self, request: Request, task_id: str, verb: str) -> Response:
        """Tells the engine that executes a task to resume or retry it; 202 with the command that carries the word. The
        task moves when the engine says so. To skip or to cancel it is for two: SKIP_TASK of its case.
        """
        await self.deps.who(request)
        if verb not in VERBS:
            raise Problem(404, "NOT_FOUND", f"nobody can {verb[:40]} a task", f"possible is {', '.join(VERBS)}")
        number = inside("task", task_id)
        if number is None:
            raise not_found("task", task_id, TASK_HINT)
        return await act(self.deps, request, partial(steer, verb=verb), number)

    async def file(self, name: str) -> OrderFile:
        """The file of an order by its id or by `source:externalId`. Raises `Problem` 404."""
        number = await number_of(self.deps.database, name)
        file = await read_order_file(self.deps.database, number) if number is not None else None
        if file is None:
            raise no_such_order(name)
        return file

    def router(self) -> APIRouter:
        """The routes. An external id may hold slashes, hence the paths with a tail come first."""
        made = APIRouter(tags=["orders"])
        taken = ref(wire.Taken)
        add(made, "POST", "/orders", self.submit, answers=taken, status=201, again=200, takes="order", problems=FULL)
        add(made, "POST", "/orders/batch", self.submit_many, answers=ref(wire.TakenBatch), takes="batch", problems=FULL)
        add(made, "GET", "/orders", self.find, answers=wire.pages(wire.Order))
        one = "/orders/{order_id:path}"
        add(made, "GET", f"{one}/tasks", self.tasks, answers=wire.pages(wire.Task), problems=(404,))
        add(made, "GET", f"{one}/commands", self.commands, answers=wire.pages(wire.Command), problems=(404,))
        add(
            made,
            "POST",
            f"{one}/plan",
            self.plan,
            answers=ref(wire.Asked),
            status=202,
            takes="reason",
            problems=(403, 404, 409),
        )
        wanted, wrong = f"{one}/revisions", (403, 404, 409)
        add(made, "POST", wanted, self.revise, answers=ref(wire.Asked), status=202, takes="revision", problems=wrong)
        add(made, "GET", one, self.show, answers=ref(wire.OrderFile), problems=(404,))
        add(made, "GET", "/tasks/{task_id}", self.task, answers=ref(wire.Task), problems=(404,))
        add(
            made,
            "POST",
            "/tasks/{task_id}/{verb}",
            self.steer,
            answers=ref(wire.Asked),
            status=202,
            takes="reason",
            problems=(403, 404, 409, 422),
        )
        return made


FULL = (403, 409, 422)


async def _take_each(tx: Tx, part: Sequence[Json], actor: Actor, deps: Deps) -> list[wire.Taken]:
    """One answer for each order of a part: those that can be read are taken in together, the others are kept."""
    context = deps.context()
    read = [_read(value) for value in part]
    drafts = [each for each in read if isinstance(each, OrderDraft)]
    taken = iter(await take_in(tx, context, drafts, actor) if drafts else [])
    answers: list[wire.Taken] = []
    for value, each in zip(part, read, strict=True):
        if isinstance(each, OrderDraft):
            answers.append(taken_of(*next(taken)))
            continue
        await keep_unreadable(
            tx,
            context,
            source=source_of(value, actor),
            body=canonical(value),
            media_type="application/json",
            refusals=refusals_of(each),
            actor=actor,
        )
        answers.append(unreadable_of(value, each))
    return answers


async def number_of(database: Database, name: str) -> int | None:
    """The order of this name: its id, or `source:externalId`; None where there is none."""
    number = inside("order", name)
    source, colon, external = name.partition(":")
    if number is None and colon and len(name) <= NAME_LENGTH_MAX:
        order = await order_by_external(database, source, external)
        number = order.id if order else None
    return number


def _read(value: Json) -> OrderDraft | Problem:
    try:
        return draft_of(value, canonical(value))
    except Problem as problem:
        return problem


def parts_of(orders: Sequence[Json]) -> list[Sequence[Json]]:
    """A batch cut into transactions: at most 100 orders each, and no name twice in one."""
    parts: list[list[Json]] = []
    names: set[tuple[str, str]] = set()
    for order in orders:
        name = name_of(order)
        if not parts or len(parts[-1]) == ORDERS_A_TRANSACTION_MAX or (name != ("", "") and name in names):
            parts.append([])
            names = set()
        names.add(name)
        parts[-1].append(order)
    return list(parts)


def name_of(value: Json) -> tuple[str, str]:
    """Source and external id of an order that may be unreadable; empty where they are no texts."""
    if not isinstance(value, dict):
        return "", ""
    source, external = value.get("source"), value.get("externalId")
    return source if isinstance(source, str) else "", external if isinstance(external, str) else ""


def source_of(value: Json, actor: Actor) -> str:
    """Who sent what cannot be read: the source it names, else the holder of the token."""
    return (name_of(value)[0] or actor.name)[:60]


def refusals_of(problem: Problem) -> list[Refusal]:
    """What is wrong with an order as the refusals of a case."""
    faults = problem.errors or (Fault(problem.pointer, problem.detail, problem.code, problem.hint),)
    return [Refusal(f.code or problem.code, "cannot take in an order", f.detail, f.hint, f.pointer) for f in faults]


def unreadable_of(value: Json, problem: Problem) -> wire.Taken:
    """The answer for one order of a batch that cannot be read."""
    source, external = name_of(value)
    first, *_ = refusals_of(problem)
    errors = [{"pointer": e.pointer, "detail": e.detail, "code": e.code, "hint": e.hint} for e in problem.errors]
    return wire.Taken(
        result="refused",
        id=None,
        source=source[:60],
        external_id=external[:120],
        refusal=shapes.refusal(first),
        errors=errors[:20],
    )


def batch_answer(answers: Sequence[wire.Taken]) -> wire.TakenBatch:
    """All answers of a batch with their sums."""
    sums = {result: sum(a.result == result for a in answers) for result in ("accepted", "known", "refused")}
    return wire.TakenBatch(answers=answers, **sums)


def words_of(text: str, known: Sequence[str], name: str) -> tuple[str, ...]:
    """Words parted by commas. Raises `Problem` 400 for one that does not exist: a filter is never silently empty."""
    given = tuple(word.strip() for word in text.split(",") if word.strip())
    strange = [word for word in given if word not in known]
    if strange:
        hint = f"use {', '.join(known)}"
        raise Problem(400, "FILTER_UNKNOWN", f"there is no {name} {strange[0][:40]}", hint, f"/query/{name}")
    return given


def no_such_order(name: str) -> Problem:
    """Nothing has this name."""
    return not_found("order", name, "name it by its id (O-…), or as source:externalId")

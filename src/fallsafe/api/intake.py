"""Single orders are taken in together: a request starts a transaction at once, and those that arrive while it commits
form the next one. There is no timer, and nobody waits for the slowest sender.

An error of the batch reruns its orders one by one, so that each gets its own answer. A full queue answers 503 before
anything is stored.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg_pool import PoolTimeout

from fallsafe.api import wire
from fallsafe.api.changes import Change, before, done, keep, not_done
from fallsafe.api.problems import Fault, Problem, problem_of
from fallsafe.api.shapes import BASE, refusal
from fallsafe.core.access import Actor
from fallsafe.core.orders.draft import OrderDraft
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.orders import submit
from fallsafe.flows.unreadable import keep_unreadable
from fallsafe.store.access import Asked
from fallsafe.store.ids import outside
from fallsafe.store.tx import PASSING, Database, Rewound, Tx

WAITING_MAX = 5_000
BATCH_MAX = 100
RUNNING_MAX = 1
"""One batch at a time: the other writing connection is for everything else that people and systems ask for."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One order that waits to be taken in, and whom to tell."""

    draft: OrderDraft
    actor: Actor
    asked: Asked | None
    told: "asyncio.Future[Change]"

    @property
    def name(self) -> tuple[str, str]:
        """What makes it unique."""
        return self.draft.source, self.draft.external_id


class IntakeQueue:
    """Orders of this process on their way in."""

    def __init__(self, database: Database, context: Callable[[], Context]) -> None:
        self._database, self._context = database, context
        self._waiting: deque[Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def take(self, draft: OrderDraft, actor: Actor, asked: Asked | None) -> Change:
        """Takes an order in with the others that are there. Raises `Problem` 503 when too many wait."""
        if len(self._waiting) >= WAITING_MAX:
            why = f"{WAITING_MAX:,} orders wait to be taken in"
            raise Problem(503, "INTAKE_FULL", why, "send it again in a moment; nothing was stored", retry_after=1)
        mine = Waiting(draft, actor, asked, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if len(self._running) < RUNNING_MAX:
            task = asyncio.create_task(self._run(), name="taking orders in")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await mine.told

    async def _run(self) -> None:
        while self._waiting:
            batch = self._next()
            try:
                changes = await self._commit(batch)
            except (*PASSING, PoolTimeout, Rewound) as error:
                _tell_all(batch, error)
            except Exception as error:  # noqa: BLE001 - safe because each order is told its own error
                await self._one_by_one(batch, error)
            else:
                for one, change in zip(batch, changes, strict=True):
                    if not one.told.done():
                        one.told.set_result(change)

    async def _one_by_one(self, batch: Sequence[Waiting], error: Exception) -> None:
        if len(batch) == 1:
            _tell_all(batch, error)
            return
        for one in batch:
            try:
                (change,) = await self._commit([one])
            except Exception as own:  # noqa: BLE001 - safe because it is told to whoever sent the order
                _tell_all([one], own)
            else:
                if not one.told.done():
                    one.told.set_result(change)

    def _next(self) -> list[Waiting]:
        """The next batch: orders of one sender, each name and each Idempotency-Key once; the others keep their turn."""
        first = self._waiting[0]
        names, keys, taken, left = set[tuple[str, str]](), set[Asked](), list[Waiting](), list[Waiting]()
        while self._waiting and len(taken) < BATCH_MAX:
            one = self._waiting.popleft()
            scope = None if one.asked is None else _scope(one.asked)
            if one.actor != first.actor or one.name in names or scope in keys:
                left.append(one)
                continue
            names.add(one.name)
            if scope is not None:
                keys.add(scope)
            taken.append(one)
        self._waiting.extendleft(reversed(left))
        return taken

    async def _commit(self, batch: Sequence[Waiting]) -> list[Change]:
        context, actor = self._context(), batch[0].actor

        async def body(tx: Tx) -> list[Change]:
            earlier = [await before(tx, one.asked) for one in batch]
            fresh = [one for one, known in zip(batch, earlier, strict=True) if known is None]
            taken = await take_in(tx, context, [one.draft for one in fresh], actor) if fresh else []
            made = iter([change_of(each) for each in taken])
            changes = [known or next(made) for known in earlier]
            for one, change, known in zip(batch, changes, earlier, strict=True):
                if known is None:
                    await keep(tx, one.asked, change)
            return changes

        return await self._database.transact(body)


def _scope(asked: Asked) -> Asked:
    return Asked(asked.principal, asked.route, asked.key, "")


def _tell_all(batch: Sequence[Waiting], error: Exception) -> None:
    for one in batch:
        if not one.told.done():
            one.told.set_exception(error)


async def take_in(
    tx: Tx, context: Context, drafts: Sequence[OrderDraft], actor: Actor
) -> list[tuple[OrderDraft, Answer]]:
    """Takes orders in and keeps the bytes of those that break a rule, in one transaction; one answer for each."""
    answers = await submit(tx, context, drafts, actor)
    for draft, answer in zip(drafts, answers, strict=True):
        if isinstance(answer, Refused) and answer.id == 0:
            await keep_unreadable(
                tx,
                context,
                source=draft.source,
                body=draft.body,
                media_type="application/json",
                refusals=[answer.refusal],
                actor=actor,
            )
    return list(zip(drafts, answers, strict=True))


def change_of(taken: tuple[OrderDraft, Answer]) -> Change:
    """The answer to whoever sent one order."""
    draft, answer = taken
    match answer:
        case Applied():
            return done(taken_of(draft, answer), 200 if answer.already else 201)
        case Refused():
            problem = problem_of(answer.refusal)
            problem.errors = (Fault(answer.refusal.pointer, answer.refusal.why, answer.refusal.code),)
            return not_done(problem)


def taken_of(draft: OrderDraft, answer: Answer) -> wire.Taken:
    """What became of one order of several."""
    name = outside("order", answer.id) if answer.id else None
    refused = answer.refusal if isinstance(answer, Refused) else None
    already = isinstance(answer, Applied) and answer.already
    return wire.Taken(
        result="refused" if refused else "known" if already else "accepted",
        id=name,
        source=draft.source,
        external_id=draft.external_id,
        href=f"{BASE}/orders/{name}" if name else None,
        refusal=refusal(refused) if refused else None,
    )

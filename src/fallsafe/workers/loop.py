"""One worker: a loop of steps over the agenda of its shards, with calls to other systems between transactions.

Claim and commit → send → record. A worker claims no more than it can start sending at once; a call that it cannot
record is recorded by its lease, as lost.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.connectors.port import Connector, Sendable
from fallsafe.core.access import Actor, system
from fallsafe.core.commands.outcome import Lost, Reply
from fallsafe.core.orders.order import SHARDS
from fallsafe.core.recover.breaker import Heard
from fallsafe.core.values import replace
from fallsafe.flows import (
    automating,
    callbacks,
    checking,
    commands,
    comparing,
    downstreams,
    planning,
    recover,
    reports,
    review,
    signals,
)
from fallsafe.flows.commands import Attempted, Claimed, Due, Recorded
from fallsafe.flows.context import Context
from fallsafe.store.tx import PASSING, Database, Rewound, Tx
from fallsafe.workers.gates import Gates
from fallsafe.workers.health import Ears
from fallsafe.workers.in_hand import InHand, id_of_due

BATCH_MAX = 200
Hook = Callable[[str], None]
Timed = Callable[[Tx, Context, Sequence[Due], Actor], Awaitable[None]]
Claims = Callable[[Tx, Context, Sequence[Due], Actor], Awaitable[list[Claimed]]]

# Looks that only decide, and those that send: by the kind of their agenda entry, the step that takes them.
TIMED: dict[str, tuple[str, Timed]] = {
    "lease": ("leases", commands.expire_leases),
    "overdue": ("overdue", commands.find_overdue),
    "apply": ("callbacks", callbacks.apply),
    "report": ("reports", reports.apply),
    "signal": ("signals", signals.apply),
    "retry": ("planner", planning.replan_due),
    "review": ("scanner", review.review),
    "release": ("downstreams", downstreams.release),
    "mend": ("automation", automating.run),
}
CLAIMS: dict[str, tuple[str, Claims]] = {
    "send": ("dispatcher", commands.claim),
    "lookup": ("reconciler", recover.claim_looks),
    "check": ("checker", checking.claim),
    "compare": ("comparer", comparing.claim),
}

STEPS = tuple(name for name, _ in (*CLAIMS.values(), *TIMED.values()))


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker is told: its steps, the shards that it may claim from just now, how long it sleeps when nothing is
    due.
    """

    steps: tuple[str, ...] = STEPS
    shards: Callable[[], Sequence[int]] = lambda: range(SHARDS)
    sleep_seconds: float = 0.2


class Worker:
    """Runs the steps until it is told to stop. `hook` is called at named points; crash tests kill the process there."""

    def __init__(
        self,
        database: Database,
        context: Callable[[], Context],
        connector: Connector,
        monotonic: Callable[[], float],
        setup: Setup,
        hook: Hook = lambda _: None,
    ) -> None:
        self._database, self._context, self._connector = database, context, connector
        self._monotonic, self._setup, self._hook = monotonic, setup, hook
        self._calls: set[asyncio.Task[None]] = set()
        self._gates = Gates(database, context, monotonic, database.owner)
        self._replies: list[Attempted] = []
        self._spare: frozenset[int] = frozenset()
        self._woken = asyncio.Event()
        self._due_at_once, self._look_at = True, 0.0
        database.looks_after = self._looks_after
        self._hand = InHand(database, context, monotonic, database.owner)
        self._ears = Ears(database, context, monotonic)

    async def run(self, stopping: asyncio.Event) -> None:
        """Steps until `stopping` is set, at once when a reply came or something became due; then the calls that are
        under way are recorded. A lost database is waited for, and so is the keeper, who stops everything, where it went
        back in time.
        """
        ears = [asyncio.create_task(self._listen()), asyncio.create_task(self._wake_at(stopping))]
        while not stopping.is_set():
            self._woken.clear()
            try:
                worked = await self._round()
            except (*PASSING, Rewound):
                worked = False
            if not worked:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._setup.sleep_seconds)
        for ear in ears:
            ear.cancel()
        await asyncio.gather(*ears, return_exceptions=True)
        await asyncio.gather(*self._calls, return_exceptions=True)
        with contextlib.suppress(*PASSING, Rewound):  # safe because what is not recorded is lost by its lease
            await self._record()

    async def _round(self) -> bool:
        """A step, or no more than the replies where nothing else can have become due since the last look."""
        now = self._monotonic()
        if not self._due_at_once and now < self._look_at:
            return await self._record()
        self._due_at_once, self._look_at = False, now + self._setup.sleep_seconds
        self._due_at_once |= await self.step()
        return self._due_at_once

    def _looks_after(self, shard: int) -> bool:
        mine = shard in self._setup.shards()
        if mine:
            self._look_soon()
        return mine

    def _look_soon(self) -> None:
        self._due_at_once = True
        self._woken.set()

    async def _listen(self) -> None:
        """Hears that something became due. Without a connection the looks come by the clock until there is one."""
        while True:
            with contextlib.suppress(*PASSING):
                await self._database.listen(self._look_soon)
            await asyncio.sleep(self._setup.sleep_seconds)

    async def _wake_at(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._woken.set()

    async def step(self) -> bool:
        """One round over everything that is due; whether there was anything."""
        await self._hand.beat()
        worked = await self._record()
        due = await self._due()
        for kind, (name, flow) in TIMED.items():
            if due.get(kind):
                await self._timed(flow, due[kind], name)
        for kind, (name, claim) in CLAIMS.items():
            if due.get(kind):
                worked |= await self._send(claim, due[kind], name)
        return worked or any(due.get(kind) for kind in TIMED)

    async def finish_calls(self) -> None:
        """Waits for the calls that are under way; their replies are recorded by the next step."""
        await asyncio.gather(*self._calls)

    async def _due(self) -> dict[str, list[Due]]:
        """What is due in the own shards, by kind; at each gate no more than it has room for."""
        kinds = [kind for kind, (name, _) in (*TIMED.items(), *CLAIMS.items()) if name in self._setup.steps]
        now: datetime = (await self._database.fetch("tx/now"))[0]["clock_timestamp"]
        await self._gates.look(now)
        rooms = {0: BATCH_MAX, **self._gates.rooms()}
        open_ = {gate: min(room, BATCH_MAX) for gate, room in rooms.items() if room > 0}
        rows = await self._database.fetch(
            "agenda/due",
            gates=list(open_),
            rooms=list(open_.values()),
            shards=list(self._setup.shards()),
            now=now,
            kinds=kinds,
        )
        self._spare = _spare(open_, Counter(row["gate"] for row in rows))
        found: dict[str, list[Due]] = {}
        for due in await self._hand.put_off([Due(r["kind"], r["id"], r["order_id"], r["due_at"]) for r in rows]):
            found.setdefault(due.kind, []).append(due)
        return found

    async def _timed(self, flow: Timed, due: Sequence[Due], name: str) -> None:
        async def work(tx: Tx, part: Sequence[Due]) -> None:
            await flow(tx, self._context(), part, system(name))

        async for _ in self._hand.each(name, due, id_of_due, work):
            pass

    async def _send(self, claim: Claims, due: Sequence[Due], name: str) -> bool:
        claimed_at = self._monotonic()  # before the lease begins, however long its commit takes

        async def work(tx: Tx, part: Sequence[Due]) -> list[Claimed]:
            if not await self._database.is_sure(tx):
                return []
            return await claim(tx, self._sending_context(), part, system(name))

        worked = False
        async for _, made in self._hand.each(name, due, id_of_due, work):
            for one in made:
                self._begin(one, claimed_at)
            worked |= bool(made)
        return worked

    def _sending_context(self) -> Context:
        return replace(self._context(), repeats=self._gates.repeats())

    async def _rooms(self, tx: Tx) -> dict[int, int]:
        """How many calls may begin, at each gate, of what becomes ready just now: none where others wait already."""
        if not await self._database.is_sure(tx):
            return {}
        return {gate: room for gate, room in self._gates.rooms().items() if gate in self._spare}

    def _begin(self, claimed: Claimed, claimed_at: float) -> None:
        context = self._context()
        gate = context.gate(claimed.operation.system)
        start_before = claimed_at + context.lease_beyond_call.total_seconds()
        self._gates.begin(gate, repeat=claimed.repeat)
        call = asyncio.create_task(self._call(claimed, gate, start_before))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, claimed: Claimed, gate: int, start_before: float) -> None:
        """One attempt. Whatever happens here is a reply; an exception of a connector is an answer that nobody can
        read.
        """
        self._hook("before_send")
        try:
            reply = await self._connector.send(_sendable(claimed, start_before))
        except Exception:  # noqa: BLE001 safe because the outcome is recorded as unknown, never as success
            reply = Reply(Lost("bug"))
        self._hook("after_answer")
        self._gates.end(gate)
        self._replies.append(Attempted(claimed, reply))
        self._woken.set()

    async def _record(self) -> bool:
        replies, self._replies = self._replies, []
        left = {id(one): one for one in replies}
        claimed_at = self._monotonic()

        async def work(tx: Tx, part: Sequence[Attempted]) -> Recorded:
            rooms = await self._rooms(tx)
            return await commands.record_replies(tx, self._sending_context(), part, system("dispatcher"), rooms)

        heard: list[Heard] = []
        try:
            async for part, recorded in self._hand.each("record", replies, lambda one: one.claimed.order_id, work):
                heard += recorded.heard
                for one in part:
                    del left[id(one)]
                for made in recorded.claimed:
                    self._begin(made, claimed_at)
        except PASSING:
            self._replies = [*left.values(), *self._replies]
            raise
        await self._ears.hear(heard)
        return bool(replies)


def _spare(rooms: Mapping[int, int], found: Mapping[int, int]) -> frozenset[int]:
    """The gates at which nobody waits: the last look found less there than might go out."""
    return frozenset(gate for gate, room in rooms.items() if found.get(gate, 0) < room)


def _sendable(claimed: Claimed, start_before: float) -> Sendable:
    """What the connector is told. The attempt may start only while its lease leaves time for the whole call."""
    return Sendable(
        command_id=claimed.command_id,
        order_id=claimed.order_id,
        attempt=claimed.attempt,
        purpose=claimed.purpose,
        key=claimed.key,
        operation=claimed.operation,
        request=claimed.request,
        answers=claimed.answers,
        asked=claimed.asked,
        start_before=start_before,
        causation=claimed.causation,
    )

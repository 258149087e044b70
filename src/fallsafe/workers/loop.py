"""One worker: a loop of steps over the agenda of its shards, with calls to other systems between transactions.

Claim and commit → send → record. A worker claims no more than it can start sending at once; a call that it cannot
record is recorded by its lease, as lost.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.connectors.port import Connector, Sendable
from fallsafe.core.access import Actor, system
from fallsafe.core.commands.outcome import Lost, Reply
from fallsafe.core.orders.order import SHARDS
from fallsafe.flows import callbacks, commands, planning, recover, review
from fallsafe.flows.commands import Attempted, Claimed, Due
from fallsafe.flows.context import Context
from fallsafe.store.tx import PASSING, Database, Tx

BATCH_MAX = 200
STEPS = ("dispatcher", "leases", "overdue", "callbacks", "reconciler", "planner", "scanner")
Hook = Callable[[str], None]
Timed = Callable[[Tx, Context, Sequence[Due], Actor], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker is told: its steps, shards, how long it sleeps when nothing is due, and calls at once a gate."""

    steps: tuple[str, ...] = STEPS
    shards: tuple[int, ...] = tuple(range(SHARDS))
    sleep_seconds: float = 0.2
    calls_a_gate_max: int = 50


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
        self._busy: dict[int, int] = {}
        self._replies: list[Attempted] = []

    async def run(self, stopping: asyncio.Event) -> None:
        """Steps until `stopping` is set; then the calls that are under way are recorded. A lost database is waited
        for.
        """
        while not stopping.is_set():
            try:
                worked = await self.step()
            except PASSING:
                worked = False
            if not worked:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), self._setup.sleep_seconds)
        await asyncio.gather(*self._calls, return_exceptions=True)
        with contextlib.suppress(*PASSING):  # safe because what is not recorded is lost by its lease
            await self._record()

    async def step(self) -> bool:
        """One round over everything that is due; whether there was anything."""
        worked = await self._record()
        for name, kind, flow in (
            ("leases", "lease", commands.expire_leases),
            ("overdue", "overdue", commands.find_overdue),
            ("callbacks", "apply", callbacks.apply),
            ("planner", "retry", planning.replan_due),
            ("scanner", "review", review.review),
        ):
            if name in self._setup.steps:
                worked |= await self._timed(kind, 0, flow, name)
        for gate in (0, *self._context().gates.values()):
            if "dispatcher" in self._setup.steps:
                worked |= await self._send("send", gate, "dispatcher")
            if "reconciler" in self._setup.steps:
                worked |= await self._send("lookup", gate, "reconciler")
        return worked

    async def finish_calls(self) -> None:
        """Waits for the calls that are under way; their replies are recorded by the next step."""
        await asyncio.gather(*self._calls)

    async def _due(self, kind: str, gate: int, most: int) -> list[Due]:
        now: datetime = (await self._database.fetch("tx/now"))[0]["clock_timestamp"]
        rows = await self._database.fetch(
            "agenda/due",
            shards=list(self._setup.shards),
            gate=gate,
            now=now,
            kinds=[kind],
            per_shard=most,
            limit=most,
        )
        return [Due(r["kind"], r["id"], r["order_id"], r["due_at"]) for r in rows]

    async def _timed(self, kind: str, gate: int, flow: Timed, name: str) -> bool:
        due = await self._due(kind, gate, BATCH_MAX)
        if due:
            await self._database.transact(lambda tx: flow(tx, self._context(), due, system(name)))
        return bool(due)

    async def _send(self, kind: str, gate: int, name: str) -> bool:
        free = self._setup.calls_a_gate_max - self._busy.get(gate, 0)
        due = await self._due(kind, gate, min(free, BATCH_MAX)) if free > 0 else []
        if not due:
            return False
        claim = commands.claim if kind == "send" else recover.claim_looks
        claimed_at = self._monotonic()  # before the lease begins, however long its commit takes
        claimed = await self._database.transact(lambda tx: claim(tx, self._context(), due, system(name)))
        for one in claimed:
            self._busy[gate] = self._busy.get(gate, 0) + 1
            call = asyncio.create_task(self._call(one, gate, claimed_at))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
        return bool(claimed)

    async def _call(self, claimed: Claimed, gate: int, claimed_at: float) -> None:
        """One attempt. Whatever happens here is a reply; an exception of a connector is an answer that nobody can
        read.
        """
        self._hook("before_send")
        try:
            reply = await self._connector.send(self._sendable(claimed, claimed_at))
        except Exception:  # noqa: BLE001 safe because the outcome is recorded as unknown, never as success
            reply = Reply(Lost("bug"))
        self._hook("after_answer")
        self._busy[gate] -= 1
        self._replies.append(Attempted(claimed, reply))

    async def _record(self) -> bool:
        replies, self._replies = self._replies, []
        if replies:
            try:
                await self._database.transact(
                    lambda tx: commands.record_replies(tx, self._context(), replies, system("dispatcher"))
                )
            except PASSING:
                self._replies = [*replies, *self._replies]
                raise
        return bool(replies)

    def _sendable(self, claimed: Claimed, claimed_at: float) -> Sendable:
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
            start_before=claimed_at + self._context().lease_beyond_call.total_seconds(),
            causation=claimed.causation,
        )

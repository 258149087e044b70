"""A downstream that is down, through the worker's own loop (§12.3): its tasks park, one canary tries, nothing is spent,
the others go on; once it works everything does.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from psycopg import AsyncConnection
from tests.flows import orders as world

from fallsafe import policyset
from fallsafe.connectors.port import Sendable
from fallsafe.core.cases.case import OPEN_CASE_STATES
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, NotSent, Outcome, RawBytes, Reply
from fallsafe.core.orders.task import TaskState
from fallsafe.core.recover.breaker import Health
from fallsafe.flows import downstreams
from fallsafe.flows.context import Context
from fallsafe.store import audit
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.loop import Setup, Worker

ORDERS = 12
ROUNDS_MAX = 600
STEP = {"WHS": "reserveRouter", "WFM": "scheduleInstallation"}


@dataclass
class Outside:
    """Systems that do what they are asked, but for those that are down."""

    down: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)

    async def send(self, sendable: Sendable) -> Reply:
        """One attempt: done, accepted, or refused at the door."""
        assert sendable.purpose is not Purpose.QUERY
        self.asked[sendable.operation.system] += 1
        return Reply(self._do(sendable), (RawBytes("answer", b"{}", "application/json", "200"),))

    def _do(self, sendable: Sendable) -> Outcome:
        if sendable.operation.system in self.down:
            return NotSent("refused")
        calls_back = sendable.operation.completion == "callback"
        return Accepted("SRV-1") if calls_back else Done(f"R-{sendable.command_id}")

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "test", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def context() -> Context:
    """The shipped telco set, fast: canaries try every few milliseconds."""
    policy = policyset.load(policyset.shipped("telco"), 3000.0)
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")


async def until(worker: Worker, holds, what: str) -> None:
    """Steps until something holds."""
    for _ in range(ROUNDS_MAX):
        await worker.step()
        await worker.finish_calls()
        if await holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(what)


async def health(store: Database, system: str) -> Health:
    """What is known of a downstream."""
    rows = await store.fetch("downstreams/troubled")
    return next((Health(row["state"]) for row in rows if row["system"] == system), Health.CLEAR)


async def states(store: Database, ids: list[int], step: str) -> Counter[TaskState]:
    """How many tasks of a step are in each state."""
    return Counter([world.task(await world.seen(store, i), step).state for i in ids])


async def loose_cases(store: Database) -> list[dict[str, Any]]:
    """The open cases without an order."""
    rows = await store.fetch("cases/of_orders", ids=[0])
    return [row for row in rows if row["state"] in OPEN_CASE_STATES]


class WhenASystemIsDown:
    async def test_its_tasks_park_one_tries_and_all_go_on_when_it_works(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        outside = Outside(down={"WHS"})
        await world.open_gates(store, context)
        answers = await world.submit(store, context, *(world.drill(str(n)) for n in range(ORDERS)))
        ids = [answer.id for answer in answers]
        worker = Worker(store, lambda: context, outside, asyncio.get_running_loop().time, Setup())

        async def parked() -> bool:
            return (await states(store, ids, "reserveRouter"))[TaskState.PARKED] == ORDERS

        await until(worker, parked, "not everything that waits for it is parked")
        assert await health(store, "WHS") in (Health.TRIPPED, Health.PROBING)
        assert (await states(store, ids, "createBillingAccount")) == {TaskState.COMPLETED: ORDERS}  # they go on
        # Nothing is spent on it but what came before it was known to be down, and no order has a case of it.
        orders = [await world.seen(store, i) for i in ids]
        assert [order.open_cases for order in orders] == [[]] * ORDERS
        assert max(command.retries for order in orders for command in order.commands.values()) == 1
        assert await store.fetch("detect/gaps", limit=10) == []
        assert [case["code"] for case in await loose_cases(store)] == ["DOWNSTREAM_UNREACHABLE"]

        asked = outside.asked["WHS"]
        outside.down.clear()

        async def all_done() -> bool:
            return (await states(store, ids, "reserveRouter"))[TaskState.COMPLETED] == ORDERS

        await until(worker, all_done, "not everything that was parked goes on")
        assert outside.asked["WHS"] <= asked + ORDERS + 1  # each once, and at most one canary between
        assert await loose_cases(store) == []
        assert audit.verify(owner_url).findings == ()

    async def test_it_is_not_clear_while_an_order_that_was_called_back_is_held_by_another(
        self, store: Database, context: Context, owner_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(downstreams, "SETTLES_AFTER", timedelta(0))
        monkeypatch.setattr(downstreams, "WAVE_EVERY", timedelta(milliseconds=5))
        outside = Outside(down={"WHS"})
        await world.open_gates(store, context)
        ids = [a.id for a in await world.submit(store, context, *(world.drill(str(n)) for n in range(ORDERS)))]
        worker = Worker(store, lambda: context, outside, asyncio.get_running_loop().time, Setup())

        async def stands(count: int, state: TaskState) -> bool:
            rows = await store.fetch("tasks/of_orders", ids=ids)  # without a lock: one order is held
            return sum(row["step"] == "reserveRouter" and row["state"] == state.value for row in rows) == count

        async def clear() -> bool:
            return await health(store, "WHS") is Health.CLEAR

        await until(worker, lambda: stands(ORDERS, TaskState.PARKED), "not everything that waits for it is parked")
        async with await AsyncConnection.connect(owner_url) as another:
            await another.execute("SELECT 1 FROM orders WHERE id = %s FOR UPDATE", (ids[-1],))
            outside.down.clear()
            await until(worker, lambda: stands(ORDERS - 1, TaskState.COMPLETED), "the others do not go on")
            for _ in range(20):
                await worker.step()
                await asyncio.sleep(0.01)
            assert await health(store, "WHS") is Health.RELEASING
        await until(worker, clear, "it is never clear")
        assert await stands(0, TaskState.PARKED)

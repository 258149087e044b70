"""The worker plays the order of §26 against an outside that loses an answer: each effect exists once in the end."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from tests.flows import orders as world

from fallsafe import policyset
from fallsafe.connectors.port import Sendable
from fallsafe.core.access import system
from fallsafe.core.cases.case import CaseState
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, Outcome, RawBytes, Reply, Says
from fallsafe.core.orders.order import OrderState
from fallsafe.flows import callbacks
from fallsafe.flows.callbacks import Received
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.store.work import Aggregate
from fallsafe.workers.loop import STEPS, Setup, Worker

TIME_SCALE = 3000.0  # a settle window of five minutes is a tenth of a second
ROUNDS_MAX = 400


class Outside:
    """Other systems with a truth of their own: effects by key, and one answer of the activation that gets lost."""

    def __init__(self, variant: str) -> None:
        self.variant, self.effects, self.sends = variant, Counter[str](), Counter[str]()
        self.owed: list[str] = []

    async def send(self, sendable: Sendable) -> Reply:
        """One attempt, answered, accepted or lost."""
        outcome = self._look(sendable) if sendable.purpose is Purpose.QUERY else self._do(sendable)
        return Reply(outcome, (RawBytes("answer", b"{}", "application/json", "200"),))

    async def close(self) -> None:
        """Nothing is held."""

    def _look(self, sendable: Sendable) -> Looked:
        there = self.effects[sendable.asked["key"]] > 0
        return Looked(Says.DONE, "SRV-1") if there else Looked(Says.ABSENT)

    def _do(self, sendable: Sendable) -> Outcome:
        self.sends[sendable.key] += 1
        lost = sendable.operation.name == "PRV.activateService" and self.sends[sendable.key] == 1
        if not (lost and self.variant == "absent"):
            self.effects[sendable.key] += 1
        if lost:
            return Lost("timeout")
        if sendable.operation.completion == "callback":
            self.owed.append(sendable.key)
            return Accepted("SRV-1")
        return Done(f"R-{sendable.command_id}")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "test", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def context() -> Context:
    """The shipped telco set, fast."""
    policy = policyset.load(policyset.shipped("telco"), TIME_SCALE)
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")


async def call_back(store: Database, context: Context, outside: Outside) -> None:
    """The callbacks that are owed arrive, each twice."""
    owed, outside.owed = outside.owed, []
    for key in owed:
        body = {
            "eventId": f"EV-{key}",
            "commandId": key,
            "object": object_of(key),
            "status": "ACTIVE",
            "serviceRef": "SRV-1",
        }
        one = Received("PRV", f"EV-{key}", key, json.dumps(body).encode(), "application/json", "POST /callbacks")
        for _ in range(2):
            await store.transact(lambda tx, it=one: callbacks.receive(tx, context, [it], system("door")))


def object_of(key: str) -> str:
    """`CRM/777/fiber` of `CRM/777/fiber.activateFiberService/fulfill/1`."""
    source, external, rest, *_ = key.split("/")
    return f"{source}/{external}/{rest.split('.')[0]}"


async def play(store: Database, context: Context, outside: Outside, steps: tuple[str, ...] = STEPS) -> Aggregate:
    """One worker works until the order is final, or for as many rounds as anything could take."""
    await world.open_gates(store, context)
    worker = Worker(store, lambda: context, outside, time.monotonic, Setup(steps=steps))
    applied = (await world.submit(store, context, world.drill()))[0]
    assert isinstance(applied, Applied)
    for _ in range(ROUNDS_MAX):
        worked = await worker.step()
        await worker.finish_calls()
        await call_back(store, context, outside)
        order = await world.seen(store, applied.id)
        assert await store.fetch("reads/coverage_gaps") == []
        if order.order.is_final:
            return order
        if not worked:
            await asyncio.sleep(0.02)
    return await world.seen(store, applied.id)


class WhenTheAnswerOfTheActivationIsLost:
    """§11, §26."""

    @pytest.mark.parametrize("variant", ["done", "absent"])
    async def test_every_effect_exists_exactly_once_in_the_end(
        self, store: Database, context: Context, variant: str
    ) -> None:
        outside = Outside(variant)
        order = await play(store, context, outside)
        assert order.order.state is OrderState.COMPLETED
        assert len(outside.effects) == len(order.tasks) == 6
        assert set(outside.effects.values()) == {1}

    async def test_what_was_done_is_not_sent_again(self, store: Database, context: Context) -> None:
        outside = Outside("done")
        await play(store, context, outside)
        assert set(outside.sends.values()) == {1}

    async def test_what_was_proved_absent_goes_out_again_under_its_own_key(
        self, store: Database, context: Context
    ) -> None:
        outside = Outside("absent")
        order = await play(store, context, outside)
        assert outside.sends["CRM/777/fiber.activateFiberService/fulfill/1"] == 2
        (case,) = order.cases.values()
        assert case.state is CaseState.RESOLVED
        assert isinstance(case.resolution, dict)
        assert case.resolution["type"] == "ReconciledAbsent"

    async def test_without_the_reconciler_nothing_is_sent_and_the_case_stays_open(
        self, store: Database, context: Context
    ) -> None:
        outside = Outside("absent")
        steps = tuple(s for s in STEPS if s != "reconciler")
        order = await play(store, context, outside, steps)
        assert not order.order.is_final
        assert outside.sends["CRM/777/fiber.activateFiberService/fulfill/1"] == 1
        assert [c.code for c in order.open_cases] == ["UNKNOWN_OUTCOME"]

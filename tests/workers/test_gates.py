"""What a worker may use of each downstream (§12.3), through its own loop: calls at once, calls in a time, repeats; and
a system that never answers holds nobody up but itself.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.flows import orders as world

from fallsafe import policyset
from fallsafe.connectors.port import Sendable
from fallsafe.core.commands.outcome import Accepted, Done, NotSent, Outcome, RawBytes, Reply
from fallsafe.core.orders.task import TaskState
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.gates import Bucket
from fallsafe.workers.loop import Setup, Worker

ORDERS = 24
AT_ONCE = 3
ROUNDS = 60


@dataclass
class Outside:
    """Systems that answer at once, but for those that never do, and those that send back what comes."""

    silent: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    under_way: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, sendable: Sendable) -> Reply:
        """One attempt; how many of its system were under way at once is kept."""
        system = sendable.operation.system
        self.asked[system] += 1
        self.under_way[system] += 1
        self.most[system] = max(self.most[system], self.under_way[system])
        if system in self.silent:
            await self.released.wait()
        await asyncio.sleep(0)
        self.under_way[system] -= 1
        return Reply(self._said(sendable), (RawBytes("answer", b"{}", "application/json", "200"),))

    def _said(self, sendable: Sendable) -> Outcome:
        if sendable.operation.system in self.busy:
            return NotSent("http_422", "ELEMENT_BUSY")
        calls_back = sendable.operation.completion == "callback"
        return Accepted("SRV-1") if calls_back else Done(f"R-{sendable.command_id}")

    async def close(self) -> None:
        """Nothing is held."""


class Clock:
    """A process's own clock, moved by hand (seconds)."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def policy_with(*changes: tuple[str, str, str], time_scale: float = 1.0):
    """The shipped set, open at all hours, some systems changed: (system, what stands there, what then)."""
    files = dict(policyset.load(policyset.shipped("telco")).files)
    text = files["systems.yaml"].decode()
    for system, was, now in changes:
        head, part = text.split(f"\n  {system}:\n", 1)
        assert was in part
        text = f"{head}\n  {system}:\n{part.replace(was, now, 1)}"
    return replace(policyset.load_files({**files, "systems.yaml": text.encode()}, time_scale), windows=())


def context_of(policy, worker: str = "worker-1") -> Context:
    """A context by this set."""
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", worker)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "worker-1", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


async def taken_in(store: Database, context: Context, count: int = ORDERS) -> list[int]:
    """Orders whose first tasks go to two systems: an account at BIL and a router at WHS."""
    await world.open_gates(store, context)
    answers = await world.submit(store, context, *(world.drill(str(n)) for n in range(count)))
    return [answer.id for answer in answers]


async def states(store: Database, ids: list[int], step: str) -> Counter[TaskState]:
    """How many tasks of a step are in each state."""
    return Counter([world.task(await world.seen(store, i), step).state for i in ids])


class WhenARateIsKept:
    @given(st.lists(st.floats(0, 3), min_size=1, max_size=30))
    def test_no_more_goes_out_than_the_time_allows(self, waits):
        bucket, now, out = Bucket(10.0, 10.0), 0.0, 0
        bucket.fill(now)
        for wait in waits:
            now += wait
            bucket.fill(now)
            taken = int(bucket.level)
            bucket.level, out = bucket.level - taken, out + taken
        assert out <= 10.0 * now + 1e-6

    def test_what_is_not_used_is_kept_for_a_moment_only(self):
        bucket = Bucket(10.0, 10.0)
        bucket.fill(0.0)
        bucket.fill(3_600.0)
        assert bucket.level == 10.0


class WhenOneSystemNeverAnswers:
    async def test_it_has_its_calls_at_once_and_the_others_are_done(self, store: Database, database_url: str) -> None:
        context = context_of(policy_with(("WHS", "concurrency: 32", f"concurrency: {AT_ONCE}")))
        outside = Outside(silent=frozenset({"WHS"}))
        ids = await taken_in(store, context)
        beside = Database(database_url, "worker-2", Vault(bytes(32)))
        await beside.open()
        clock = Clock()
        first = Worker(store, lambda: context, outside, clock, Setup(shards=lambda: range(0, 64, 2)))
        second = Worker(beside, lambda: context, outside, clock, Setup(shards=lambda: range(1, 64, 2)))
        for _ in range(ROUNDS):
            await first.step()
            await second.step()
            await asyncio.sleep(0)
            clock.seconds += 1
        assert await states(store, ids, "createBillingAccount") == {TaskState.COMPLETED: ORDERS}
        assert (await states(store, ids, "reserveRouter"))[TaskState.SENDING] == AT_ONCE
        assert outside.most["WHS"] == AT_ONCE  # of both workers together
        outside.released.set()
        await first.finish_calls()
        await second.finish_calls()
        await beside.close()


class WhenASystemSaysHowManyCallsInATime:
    async def test_no_more_go_out_however_much_is_due(self, store: Database) -> None:
        rate = "concurrency: 32\n    rate: {calls: 4, per: PT1S}"
        context, clock, outside = context_of(policy_with(("WHS", "concurrency: 32", rate))), Clock(), Outside()
        await taken_in(store, context)
        worker = Worker(store, lambda: context, outside, clock, Setup())
        counts = []
        for _ in range(6):
            await worker.step()
            await worker.finish_calls()
            counts.append(outside.asked["WHS"])
            clock.seconds += 0.5
        assert counts == [0, 2, 4, 6, 8, 10]
        assert outside.asked["BIL"] == ORDERS  # the others have no such limit


class WhenMuchIsSentAgain:
    async def test_a_system_is_asked_for_no_more_repeats_than_its_budget(self, store: Database) -> None:
        budget = "concurrency: 32\n    retry_budget: {share: 0, least: {calls: 6, per: PT1H}}"
        policy = policy_with(("PRV", "concurrency: 32", budget), time_scale=1.0)
        context, clock, outside = context_of(policy), Clock(), Outside(busy=frozenset({"PRV"}))
        ids = await taken_in(store, context, 10)
        worker = Worker(store, lambda: context, outside, clock, Setup())
        for _ in range(8):
            await worker.step()
            await worker.finish_calls()
        assert outside.asked["PRV"] == 10  # each was sent once, and came back: its element is busy
        for order_id in ids:
            task = world.task(await world.seen(store, order_id), "activateFiberService")
            assert task.state is TaskState.READY
            await make_due(store, context, task.id, order_id)
        for _ in range(4):
            await worker.step()
            await worker.finish_calls()
        assert outside.asked["PRV"] == 10 + 6
        retries = [sorted(c.retries for c in (await world.seen(store, i)).commands.values())[-1] for i in ids]
        assert sorted(retries) == [1] * 4 + [2] * 6  # what waits for the budget spends no attempt


async def make_due(store: Database, context: Context, task_id: int, order_id: int) -> None:
    """A repeat is due now, at the gate of its system."""

    async def body(tx) -> None:
        tx.clear("send", task_id)
        tx.file(world.Entry("send", task_id, order_id, await tx.now(), context.gate("PRV")))

    await store.transact(body)

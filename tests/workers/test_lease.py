"""An attempt begins only while its lease leaves time for the whole call, however long the claim took (§11)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.flows import orders as world

from fallsafe import policyset
from fallsafe.connectors.port import Sendable
from fallsafe.core.commands.outcome import Done, NotSent, Reply
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.loop import Setup, Worker


class Clock:
    """A process's own clock, moved by hand (seconds)."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Outside:
    """A connector that keeps to `start_before`, as every one must, and says which keys went out."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.sent, self.given_up = clock, list[str](), list[str]()

    async def send(self, sendable: Sendable) -> Reply:
        """Sends, unless it is too late to begin."""
        late = self.clock() >= sendable.start_before
        (self.given_up if late else self.sent).append(sendable.key)
        return Reply(NotSent("too_late_to_start") if late else Done("R-1"))

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def context() -> Context:
    """The shipped telco set, open at all hours."""
    policy = replace(policyset.load(policyset.shipped("telco")), windows=())
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")


@pytest.fixture
def clock() -> Clock:
    """The worker's clock."""
    return Clock()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "test", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


class WhenTheCommitOfAClaimTakesLong:
    @pytest.mark.parametrize(("seconds", "goes_out"), [(1.0, True), (19.0, True), (21.0, False)])
    async def test_nothing_goes_out_once_the_lease_leaves_no_time_for_the_call(
        self, store: Database, context: Context, clock: Clock, seconds: float, goes_out: bool
    ) -> None:
        await world.open_gates(store, context)
        await world.submit(store, context, world.drill())
        outside = Outside(clock)

        def slow(point: str) -> None:
            clock.seconds += seconds if point == "after_commit" else 0.0

        store.hook = slow
        worker = Worker(store, lambda: context, outside, clock, Setup(steps=("dispatcher",)))
        await worker.step()
        await worker.finish_calls()
        went, held = (outside.sent, outside.given_up) if goes_out else (outside.given_up, outside.sent)
        steps = ("billing.createBillingAccount", "router.reserveRouter")
        assert sorted(went) == [f"CRM/777/{step}/fulfill/1" for step in steps]
        assert held == []

"""Before a process sends, whoever remembers more of the database has the time to say that it went back (rule 14)."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from tests.flows import orders as world

from fallsafe import policyset
from fallsafe.connectors.port import Sendable
from fallsafe.core.commands.outcome import Done, Reply
from fallsafe.flows.context import Context
from fallsafe.store import tx as transactions
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.loop import Setup, Worker

END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'fallsafe worker-1%'"


class Outside:
    """Other systems that do all they are asked."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, sendable: Sendable) -> Reply:
        """One attempt, done."""
        self.sent.append(sendable.key)
        return Reply(Done(f"R-{sendable.command_id}"))

    async def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def context() -> Context:
    """The shipped telco set."""
    policy = policyset.load(policyset.shipped("telco"))
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")


@pytest.fixture
async def store(database_url: str, context: Context) -> AsyncIterator[Database]:
    """A fresh database with one order whose first commands are due."""
    database = Database(database_url, "test", Vault(bytes(32)))
    await database.open()
    await world.open_gates(database, context)
    await world.submit(database, context, world.drill())
    yield database
    await database.close()


@pytest.fixture
async def worker(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """What a worker has of the database. Some seconds are an hour here, so that a wait never ends by itself, and a
    server is young for long.
    """
    monkeypatch.setattr(transactions, "SURE_SECONDS", 3600.0)
    monkeypatch.setattr(transactions, "SERVER_IS_YOUNG", timedelta(days=365))
    database = Database(database_url, "worker-1", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


async def steps(worker: Database, context: Context) -> list[str]:
    """What a worker sends in a few steps."""
    outside = Outside()
    loop = Worker(worker, lambda: context, outside, lambda: 0.0, Setup())
    for _ in range(3):
        await loop.step()
        await loop.finish_calls()
    return outside.sent


async def is_seen(store: Database, name: str) -> None:
    """Another process says that it lives."""
    now = (await store.fetch("tx/now"))[0]["clock_timestamp"]
    await store.fetch("workers/seen", worker=name, kind="worker", pid=1, started=now, now=now)


class WhenAWorkerStarts:
    async def test_it_sends_at_once_where_it_is_alone(
        self, store: Database, worker: Database, context: Context
    ) -> None:
        assert await steps(worker, context)

    async def test_it_sends_once_every_other_process_was_heard_of(
        self, store: Database, worker: Database, context: Context
    ) -> None:
        await is_seen(store, "worker-2")
        await is_seen(store, "api-1")
        assert await steps(worker, context) == []
        await is_seen(store, "worker-2")
        assert await steps(worker, context) == []
        await is_seen(store, "api-1")
        assert await steps(worker, context)

    async def test_it_sends_at_once_where_the_server_has_run_for_long(
        self, store: Database, worker: Database, context: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transactions, "SERVER_IS_YOUNG", timedelta(0))
        await is_seen(store, "worker-2")
        assert await steps(worker, context)


class WhenAWorkerLostItsConnection:
    async def test_it_sends_nothing_for_a_while_whoever_is_there(
        self, store: Database, worker: Database, context: Context, database_url: str
    ) -> None:
        assert await steps(worker, context)
        await world.submit(store, context, world.drill("778"))
        with psycopg.connect(database_url, autocommit=True) as connection:
            assert connection.execute(END_SESSIONS).rowcount > 0
        for _ in range(2):
            with contextlib.suppress(*transactions.PASSING):
                assert await steps(worker, context) == []
        assert await steps(worker, context) == []

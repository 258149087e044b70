"""What a transaction leaves behind when its connection, its process or its neighbour is lost in the middle."""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest

from fallsafe.core.access import system
from fallsafe.core.events import Record
from fallsafe.store.tx import CommitUnknown, Database, Tx
from fallsafe.store.vault import Vault

LIVES = 300  # more than there are lanes
ACTOR = str(system("test"))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "test", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


def note(tx: Tx, verb: str = "note") -> None:
    """One record of nothing in particular."""
    tx.loose(Record(0, ACTOR, "access", 0, verb, "", "", {}, ""))


async def notes(store: Database) -> int:
    """How often it was recorded."""
    rows = await store.fetch("audit/journal")
    return sum('"verb":"note"' in row["payload"].replace(" ", "") for row in rows)


class _CommitLost:
    """A store whose next COMMIT is sent (or not) and never answered, and which then cannot be reached for a while."""

    def __init__(self, store: Database, monkeypatch: pytest.MonkeyPatch, *, sent: bool, away: int) -> None:
        self.runs, self._away = 0, away
        connect, real = store._connect, psycopg.AsyncConnection.commit

        async def commit(connection: psycopg.AsyncConnection) -> None:
            monkeypatch.setattr(psycopg.AsyncConnection, "commit", real)
            monkeypatch.setattr(store, "_connect", reach)
            if sent:
                await connection.commit()
            await connection.close()
            raise psycopg.OperationalError("the connection was lost")

        async def reach() -> psycopg.AsyncConnection:
            self._away -= 1
            if self._away >= 0:
                raise psycopg.OperationalError("connection refused")
            return await connect()

        monkeypatch.setattr(psycopg.AsyncConnection, "commit", commit)

    async def body(self, tx: Tx) -> int:
        """Work that must be in the journal once."""
        self.runs += 1
        note(tx)
        return self.runs


class WhenCommitIsNotAnswered:
    """§11 for ourselves: whether our own transaction took place is found out, never guessed."""

    async def test_what_is_in_the_journal_is_not_done_again(
        self, store: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store.transact(_noted)
        lost = _CommitLost(store, monkeypatch, sent=True, away=0)
        assert await store.transact(lost.body) == 1
        assert await notes(store) == 2

    async def test_what_is_not_in_the_journal_is_done_once_more(
        self, store: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store.transact(_noted)
        lost = _CommitLost(store, monkeypatch, sent=False, away=0)
        assert await store.transact(lost.body) == 2
        assert await notes(store) == 2

    async def test_a_database_that_cannot_be_asked_at_once_is_asked_again(
        self, store: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store.transact(_noted)
        lost = _CommitLost(store, monkeypatch, sent=True, away=3)
        assert await store.transact(lost.body) == 1
        assert await notes(store) == 2

    async def test_a_database_that_stays_away_leaves_it_unknown_and_nothing_is_done_again(
        self, store: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await store.transact(_noted)
        monkeypatch.setattr("fallsafe.store.tx.BECAME_OF_SECONDS_MAX", 0.0)
        lost = _CommitLost(store, monkeypatch, sent=True, away=1)
        with pytest.raises(CommitUnknown):
            await store.transact(lost.body)
        assert lost.runs == 1


async def _noted(tx: Tx) -> None:
    note(tx)


class WhenProcessesDieOneAfterAnother:
    """Rule 6: a lane belongs to a connection; what a dead one held is there for the next."""

    async def test_there_is_a_lane_for_each_of_more_than_there_are_lanes(self, database_url: str) -> None:
        for _ in range(LIVES):
            database = Database(database_url, "worker-1", Vault(bytes(32)))
            database._idle.put_nowait(None)
            await database.transact(_noted)
            await _die(database)
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute("SELECT sum(seq), count(*) FROM lanes WHERE seq > 0")
            records, lanes = await cursor.fetchone() or (0, 0)
        assert records == LIVES
        assert lanes < LIVES / 10

    async def test_the_lane_of_one_that_lives_is_left_to_it_though_its_lease_ran_out(
        self, store: Database, database_url: str, owner_url: str
    ) -> None:
        await store.transact(_noted)
        with psycopg.connect(owner_url) as connection:
            connection.execute("UPDATE lanes SET leased_until = '-infinity'")
        other = Database(database_url, "worker-2", Vault(bytes(32)))
        other._idle.put_nowait(None)
        await other.transact(_noted)
        assert {*other.heads} & {*store.heads} == set()
        await _die(other)

    async def test_one_process_that_does_one_thing_at_a_time_keeps_to_one_lane(self, store: Database) -> None:
        for _ in range(5):
            await store.transact(_noted)
        assert len(store.heads) == 1


async def _die(database: Database) -> None:
    """The end of a process that says no farewell: its sessions end, its leases stand."""
    while not database._idle.empty():
        writer = database._idle.get_nowait()
        if writer is not None:
            await writer.connection.close()


class WhenTheKeyOfThingsWithoutAnOrderIsMade:
    """Evidence is never sealed with a key that the database has not kept."""

    async def test_two_who_need_it_first_at_the_same_time_seal_with_the_same_key(
        self, store: Database, database_url: str
    ) -> None:
        both = asyncio.Barrier(2)

        async def seal(tx: Tx) -> bytes:
            await tx.fetch("order_keys/of_orders", ids=[0])
            await both.wait()
            key = await tx.loose_key()
            note(tx)
            return key.seal(b"said")

        sealed = await asyncio.gather(store.transact(seal), store.transact(seal))
        assert [await _opened(database_url, one) for one in sealed] == [b"said", b"said"]

    async def test_one_that_made_it_and_failed_leaves_no_key_behind(self, store: Database, database_url: str) -> None:
        async def fail(tx: Tx) -> None:
            await tx.loose_key()
            await tx.loose_key()
            raise RuntimeError("something else went wrong")

        with pytest.raises(RuntimeError):
            await store.transact(fail)
        sealed = await store.transact(_sealed)
        assert await _opened(database_url, sealed) == b"said"


async def _sealed(tx: Tx) -> bytes:
    note(tx)
    return (await tx.loose_key()).seal(b"said")


async def _opened(url: str, sealed: bytes) -> bytes:
    """What another process reads, which knows only what the database has kept."""
    other = Database(url, "reader", Vault(bytes(32)))
    await other.open()

    async def body(tx: Tx) -> bytes:
        return (await tx.loose_key()).open(sealed)

    try:
        return await other.transact(body)
    finally:
        await other.close()


class WhenTheServerWasRestarted:
    async def test_readers_that_it_broke_are_replaced_before_somebody_notices(
        self, store: Database, cluster: object, database: str
    ) -> None:
        await _open_all_readers(store)
        url: Callable[..., str] = cluster.url  # type: ignore[attr-defined]
        with psycopg.connect(url("postgres", "postgres"), autocommit=True) as superuser:
            superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,))
        for _ in range(5):
            assert len(await store.fetch("tx/now")) == 1


async def _open_all_readers(store: Database) -> None:
    """As many connections at once as the pool may have."""
    together = asyncio.Barrier(4)

    async def hold() -> None:
        async with store.read() as reader:
            await reader.fetch("tx/now")
            await together.wait()

    await asyncio.gather(*(hold() for _ in range(4)))

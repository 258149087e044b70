"""Transactions: the only place that begins and commits, gives ids, reads the clock, and writes the journal.

Three things are ever waited for, in this order: unique keys (inserted first, sorted), order rows by id, the own lane
head. A transaction whose
connection was lost is run once more only if COMMIT had not been sent; else the journal lane says what became of it. A
writer that finds its lane behind what it
was told at its last commit raises `Rewound`: the database went back in time, and nothing may be sent on its word.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec
import psycopg
from psycopg.errors import IdleInTransactionSessionTimeout

from fallsafe.core.cases.case import Case
from fallsafe.core.cases.evidence import Evidence, sensitivity_of
from fallsafe.core.commands.ledger import Command
from fallsafe.core.errors import Bug, SetNotRead
from fallsafe.core.events import Json, Record
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order, shard_of
from fallsafe.core.orders.task import Task
from fallsafe.core.repair.amendment import Amendment
from fallsafe.core.repair.request import Repair
from fallsafe.store.canonical import digest
from fallsafe.store.ids import IdMaker
from fallsafe.store.journal import At, Line, place
from fallsafe.store.rows import changes, read_row
from fallsafe.store.sessions import TRANSACTION_MAX_SECONDS as TRANSACTION_MAX_SECONDS
from fallsafe.store.sessions import Session, Sessions
from fallsafe.store.sql import has_one_plan, sql
from fallsafe.store.vault import OrderKey, Vault
from fallsafe.store.work import Aggregate, Entry, Kept, Moved, Pages, chain_of, chained, evidence_fact

R = TypeVar("R")
LANE_LEASE = timedelta(seconds=60)
# The class of the advisory locks by which the sessions that write to lanes are seen to live ("lane" in ASCII).
LANE_LOCK_CLASS = 0x6C616E65
# Twice as long as a process that lives needs to look whether the database went back.
SURE_SECONDS = 2.0
# A server that has run for longer was looked at by every process that lives.
SERVER_IS_YOUNG = timedelta(seconds=10)
BECAME_OF_SECONDS_MAX = 30.0
BECAME_OF_SECONDS_BETWEEN = 0.2
# What belongs to an order, in the order in which it is written.
ROWS = (
    *((Item, "items"), (Task, "tasks"), (Command, "commands"), (Case, "cases")),
    *((Repair, "repairs"), (Amendment, "amendments")),
)
# The column types of what goes in by COPY, in the order of evidence/copy and outcomes/copy.
EVIDENCE_TYPES = (
    *("int8", "int8", "int8", "int4", "text", "text", "text", "text"),
    *("int4", "text", "timestamptz", "text", "text", "bytea"),
)
OUTCOME_TYPES = (
    *("int8", "int8", "int8", "int4", "timestamptz", "text", "text", "text"),
    *("text", "text", "text", "timestamptz", "int8[]"),
)

Hook = Callable[[str], None]
Head = tuple[int, bytes]
"""How far a lane had come, and the link of its last record: a lane that was written anew has another."""


class Rewound(Exception):
    """The database is behind what was acknowledged before: a restore, or a failover with loss."""


class CommitUnknown(psycopg.OperationalError):
    """COMMIT was sent and not answered, and the database could not be asked what became of it. Not to be run again."""


class LaneLost(Exception):
    """Another process took this connection's lane; nothing was committed, and the work is run again on a new lane."""


PASSING = (psycopg.OperationalError, IdleInTransactionSessionTimeout, LaneLost, SetNotRead)
"""What passes by itself: the database is away, or took the transaction from us, or a policy set is not read yet.
Whoever works in a loop tries again.
"""


@dataclass(slots=True)
class Lane:
    """A journal lane as its writer knows it."""

    number: int
    fence: int
    seq: int
    link: bytes
    ids: IdMaker


@dataclass(slots=True)
class Writer:
    """A writing connection with its lane."""

    connection: Session
    lane: Lane


class Database:
    """Writers with their lanes, readers, the vault, and what this process remembers of the lanes.

    `heads` are lane heads that the database is known to have reached, acknowledged after `rewinds` rewinds: what was
    acknowledged before the newest rewind that the database knows of is no longer expected. `hook` is called at the
    named points `before_commit` and `after_commit` of a transaction that has records; crash tests kill the process
    there. `sessions` are the ways into the database, where they are not the usual ones. `told` hears the lines of each
    transaction once it is committed. `looks_after` is asked of each shard in which something becomes due at once:
    whether this process will look there by itself, so that no other need be told.
    """

    def __init__(
        self,
        url: str,
        owner: str,
        vault: Vault,
        *,
        writers: int = 2,
        readers: int = 4,
        heads: Mapping[int, Head] | None = None,
        rewinds: int = 0,
        hook: Hook = lambda _: None,
        sessions: Sessions | None = None,
        told: Callable[[Sequence[Line]], None] = lambda _: None,
    ) -> None:
        self.url, self.owner, self.vault, self.hook = url, owner, vault, hook
        self._told = told
        self.looks_after: Callable[[int], bool] = lambda _: False
        self._sessions = sessions or Sessions(url, owner, readers)
        self.heads: dict[int, Head] = dict(heads or {})
        self.kept = Kept()
        self.rewinds = rewinds
        self._sure_at: float | None = None
        self._connected_at = datetime.min.replace(tzinfo=UTC)
        self._returned = self._broken = False
        self._writers_max = writers
        # The writer that came back last goes out first, so that no more lanes are leased than are needed at once.
        self._idle: asyncio.LifoQueue[Writer | None] = asyncio.LifoQueue()

    async def open(self) -> None:
        """Opens the pools; writers take their lanes when they are first used."""
        await self._sessions.open()
        for _ in range(self._writers_max):
            self._idle.put_nowait(None)

    async def close(self) -> None:
        """Gives lanes back and closes every connection."""
        for _ in range(self._idle.qsize()):
            writer = self._idle.get_nowait()
            if writer is not None:
                await self._release(writer)
        await self._sessions.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator["Reader"]:
        """A reading connection, for pages and look-ups that change nothing. A stale one is replaced once."""
        async with self._sessions.reader() as connection:
            yield Reader(connection)

    async def fetch(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of one reading statement; read once more when a restart of the server broke the connections."""
        try:
            async with self.read() as reader:
                return await reader.fetch(name, **values)
        except psycopg.OperationalError:
            await self._sessions.check()
            async with self.read() as reader:
                return await reader.fetch(name, **values)

    async def listen(self, hinted: Callable[[], None]) -> None:
        """Tells of each hint of another process that something became due, until the connection is lost."""
        connection = await self._connect()
        try:
            await connection.set_autocommit(True)
            await connection.execute(sql("agenda/listen"))
            async for _ in connection.notifies():
                hinted()
        finally:
            await connection.close()

    async def transact(self, body: Callable[["Tx"], Awaitable[R]]) -> R:
        """Runs `body` in one transaction and commits it with its records.

        `body` may run twice and must have no effect but through its `Tx`. Raises `Rewound` when the database went
        back in time, `CommitUnknown` when nobody can say whether it was committed.
        """
        for last_try in (False, True):
            writer = await self._take()
            done = False
            try:
                result, lines, done = await self._once(writer, body)
                if done:
                    return result
                if await self._became_of(lines):
                    self._remember(writer, lines)
                    return result
                if last_try:
                    raise psycopg.OperationalError(
                        "the connection was lost at COMMIT and the transaction is not in the journal"
                    )
            except CommitUnknown:
                raise
            except PASSING:
                if last_try:
                    raise
            finally:
                await self._give_back(writer)
        raise Bug("a transaction is tried twice at most")

    async def _once(self, writer: Writer, body: Callable[["Tx"], Awaitable[R]]) -> tuple[R, list[Line], bool]:
        connection = writer.connection
        try:
            tx = Tx(self, writer)
            result = await body(tx)
            lines = await tx.flush()
            self._come_to("before_commit", lines)
        except BaseException:
            await _rollback(connection)
            raise
        try:
            await connection.commit()
        except psycopg.OperationalError:
            return result, lines, False
        self._remember(writer, lines)
        self.kept.keep(tx.aggregates.values())
        self._come_to("after_commit", lines)
        return result, lines, True

    def _come_to(self, point: str, lines: Sequence[Line]) -> None:
        if lines:
            self.hook(point)

    def _remember(self, writer: Writer, lines: Sequence[Line]) -> None:
        if lines:
            last = lines[-1]
            writer.lane.seq, writer.lane.link = last.seq, last.link
            self.heads[last.lane] = (last.seq, last.link)
            self._told(lines)

    async def _became_of(self, lines: Sequence[Line]) -> bool:
        """Whether a transaction whose COMMIT was not answered is in the journal; asked until the database answers.
        Raises `CommitUnknown` when it does not for too long.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + BECAME_OF_SECONDS_MAX
        while lines:
            try:
                return await self._is_there(lines[-1])
            except psycopg.OperationalError as error:
                if clock() > deadline:
                    raise CommitUnknown(f"COMMIT was not answered, and the database is away: {error}") from error
                await asyncio.sleep(BECAME_OF_SECONDS_BETWEEN)
        return False

    async def _is_there(self, last: Line) -> bool:
        """Whether a line is in the journal. Locking its lane head waits for the old session to end."""
        connection = await self._connect()
        try:
            await connection.execute(sql("lanes/lock"), {"lane": last.lane})
            cursor = await connection.execute(
                sql("journal/became_of"), {"lane": last.lane, "seq": last.seq, "order_id": last.order_id}
            )
            row = await cursor.fetchone()
            return row is not None and bytes(row["digest"]) == last.digest
        finally:
            await connection.close()

    async def _take(self) -> Writer:
        writer = await self._idle.get()
        if writer is not None and not writer.connection.closed:
            return writer
        try:
            return await self._lease_lane()
        except BaseException:
            self._idle.put_nowait(None)
            raise

    async def _give_back(self, writer: Writer) -> None:
        broken = writer.connection.closed or writer.connection.broken
        if broken:
            self._broken = True
            await writer.connection.close()
        self._idle.put_nowait(None if broken else writer)

    async def _connect(self) -> Session:
        return await self._sessions.connect()

    async def _lease_lane(self, *, checked: bool = True) -> Writer:
        connection = await self._connect()
        try:
            if checked:
                await self._check_heads(Reader(connection))
            now = await _clock(connection)
            cursor = await connection.execute(
                sql("lanes/lease"),
                {"owner": self.owner, "until": now + LANE_LEASE, "now": now, "lock": LANE_LOCK_CLASS},
            )
            row = await cursor.fetchone()
            await connection.commit()
        except BaseException:
            await connection.close()
            raise
        if row is None:
            await connection.close()
            raise Bug("all 256 journal lanes are leased; stop processes that are not needed")
        if checked:
            self.heads[row["lane"]] = (row["seq"], bytes(row["link"]))
            self._begin_to_wait(now)
        return Writer(
            connection,
            Lane(row["lane"], row["fence"], row["seq"], bytes(row["link"]), IdMaker(row["lane"], row["id_last"])),
        )

    def _begin_to_wait(self, now: datetime) -> None:
        if self._sure_at is None or self._broken:
            self._returned, self._broken = self._sure_at is not None, False
            self._sure_at, self._connected_at = asyncio.get_running_loop().time() + SURE_SECONDS, now

    async def is_sure(self, reader: "Reader | Tx") -> bool:
        """Whether whoever remembers more of this database has had the time to say that it went back (rule 14): some
        seconds after a connection was lost; after a start, where the server has just started too, no longer than until
        all other processes were heard of.
        """
        now = asyncio.get_running_loop().time()
        if self._sure_at is not None and now < self._sure_at:
            if self._returned or await self._unheard(reader):
                return False
            self._sure_at = now
        return True

    async def _unheard(self, reader: "Reader | Tx") -> list[dict[str, Any]]:
        since, young = self._connected_at, SERVER_IS_YOUNG
        return await reader.fetch("workers/unheard", worker=self.owner, since=since, young=young)

    async def check_heads(self) -> None:
        """Raises `Rewound` when the database is behind what this process, or an anchor, remembers of it (rule 14)."""
        async with self.read() as reader:
            await self._check_heads(reader)

    async def _check_heads(self, reader: "Reader") -> None:
        """On every new connection too: every remembered record is there, and is the one that it was."""
        (state,) = await reader.fetch("installation/read")
        if state["rewinds"] > self.rewinds:
            self.forget_heads(state["rewinds"])
        heads = dict(self.heads)
        if not heads:
            return
        there = {row["lane"]: row["seq"] for row in await reader.fetch("lanes/heads")}
        rows = await reader.fetch("lanes/links", lanes=list(heads), seqs=[seq for seq, _ in heads.values()])
        links = {row["lane"]: bytes(row["link"]) for row in rows}
        for lane, (seq, link) in sorted(heads.items()):
            if there.get(lane, 0) < seq:
                raise Rewound(f"journal lane {lane} stands at {there.get(lane, 0)}, but {seq} was acknowledged")
            if links.get(lane, link) != link:
                raise Rewound(f"record {seq} of journal lane {lane} is not the one that was acknowledged")

    async def transact_behind(self, body: Callable[["Tx"], Awaitable[R]]) -> R:
        """One transaction on a database that is behind what is remembered: to say so, and to stop (rule 14). On a
        connection of its own, that nothing else is done with.
        """
        writer = await self._lease_lane(checked=False)
        try:
            result, _, done = await self._once(writer, body)
        finally:
            await self._release(writer)
        if not done:
            raise psycopg.OperationalError("the connection was lost at COMMIT; the next look says what became of it")
        return result

    def remember(self, heads: Mapping[int, Head], rewinds: int) -> None:
        """What an anchor says of all lanes is expected of the database too, if it is of this time."""
        if rewinds == self.rewinds:
            newer = {lane: head for lane, head in heads.items() if head[0] > self.heads.get(lane, (0, b""))[0]}
            self.heads.update(newer)

    def forget_heads(self, rewinds: int) -> None:
        """A rewind is recorded: what was acknowledged before it is no longer expected."""
        self.heads.clear()
        self.rewinds = rewinds

    async def renew_lanes(self) -> None:
        """Keeps idle lanes; called with the heartbeat. A lane that was lost is leased anew at its next use."""
        idle = [self._idle.get_nowait() for _ in range(self._idle.qsize())]
        try:
            for n, writer in enumerate(idle):
                idle[n] = await self._renewed(writer) if writer is not None else None
        finally:
            for writer in idle:
                self._idle.put_nowait(writer)

    async def _renewed(self, writer: Writer) -> Writer | None:
        with contextlib.suppress(psycopg.OperationalError):
            if await self._renew(writer):
                return writer
        self._broken = True
        await writer.connection.close()
        return None

    async def _renew(self, writer: Writer) -> bool:
        now = await _clock(writer.connection)
        lane = writer.lane
        cursor = await writer.connection.execute(
            sql("lanes/renew"), {"lane": lane.number, "fence": lane.fence, "until": now + LANE_LEASE}
        )
        await writer.connection.commit()
        return cursor.rowcount == 1

    async def _release(self, writer: Writer) -> None:
        try:
            await writer.connection.execute(
                sql("lanes/release"), {"lane": writer.lane.number, "fence": writer.lane.fence}
            )
            await writer.connection.commit()
        except psycopg.OperationalError:
            pass  # safe because the lane's lease runs out by itself
        await writer.connection.close()


class Reader:
    """A connection that only reads."""

    def __init__(self, connection: Session) -> None:
        self._connection = connection

    async def fetch(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """All rows of `queries/<name>.sql`."""
        prepare = None if has_one_plan(name, values) else False
        cursor = await self._connection.execute(sql(name, values), values, prepare=prepare)
        return await cursor.fetchall()


class Tx:
    """One transaction. Collects rows, records and agenda entries; `flush` writes them all, once."""

    def __init__(self, database: Database, writer: Writer) -> None:
        self._database, self._writer = database, writer
        self._now: datetime | None = None
        self.aggregates: dict[int, Aggregate] = {}
        self._with_repairs: set[int] = set()
        self.pages = Pages()

    async def fetch(self, name: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of one statement."""
        cursor = await self._writer.connection.execute(sql(name, values), values)
        return await cursor.fetchall() if cursor.description else []

    async def execute(self, name: str, **values: Any) -> int:
        """Runs one statement; the number of rows it touched."""
        cursor = await self._writer.connection.execute(sql(name), values)
        return cursor.rowcount

    async def now(self) -> datetime:
        """The database's clock, read once a transaction: after the order locks, where there are any."""
        if self._now is None:
            self._now = await _clock(self._writer.connection)
        return self._now

    async def new_id(self) -> int:
        """A new id of this writer's lane."""
        return self._writer.lane.ids.next(self._now or await self.now())

    async def lock(self, order_ids: Iterable[int], *, skip_locked: bool = False) -> list[Aggregate]:
        """Locks orders in the order of their ids and loads all that belongs to them. With `skip_locked` those that
        somebody holds are left out.
        """
        asked = set(order_ids)
        wanted = sorted(asked - set(self.aggregates))
        if wanted:
            rows = await self.fetch("orders/lock_free" if skip_locked else "orders/lock", ids=wanted)
            await self._load(rows)
        return [self.aggregates[i] for i in sorted(asked) if i in self.aggregates]

    async def _load(self, rows: Sequence[dict[str, Any]]) -> None:
        kept = self._database.kept
        for row in rows:
            known = kept.get(row["id"], row["last_digest"])
            if known is not None:
                self.aggregates[known.order.id] = known
        missing = [row["id"] for row in rows if row["id"] not in self.aggregates]
        if missing:
            await self._load_anew(missing)

    async def _load_anew(self, ids: list[int]) -> None:
        keys, parts = await self.keys_of(ids), {number: list[Any]() for number in ids}
        for kind, table in ((Item, "items"), (Task, "tasks"), (Command, "commands"), (Case, "cases")):
            for row in await self.fetch(f"{table}/of_orders", ids=ids):
                parts[row["order_id"]].append(read_row(kind, row))
        for row in await self.fetch("orders/of_ids", ids=ids):
            order = read_row(Order, row)
            self.aggregates[order.id] = Aggregate(order, parts[order.id], keys[order.id])

    async def load_repairs(self) -> None:
        """Loads repairs and amendments of the locked orders, once; only the flows of repairs ask for them."""
        wanted = [i for i in self.aggregates if i not in self._with_repairs]
        self._with_repairs.update(wanted)
        for row in await self.fetch("repairs/of_orders", ids=wanted) if wanted else []:
            self.aggregates[row["order_id"]].load([read_row(Repair, row)])
        for row in await self.fetch("amendments/of_orders", ids=wanted) if wanted else []:
            self.aggregates[row["order_id"]].load([read_row(Amendment, row)])

    async def keys_of(self, ids: Sequence[int]) -> dict[int, OrderKey]:
        """The data keys of orders that are there; 0 stands for things without an order."""
        vault = self._database.vault
        found = {i: key for i in ids if i and (key := vault.known(i)) is not None}
        missing = [i for i in ids if i not in found]
        for row in await self.fetch("order_keys/of_orders", ids=missing) if missing else []:
            number, wrapped = row["order_id"], bytes(row["wrapped"])
            # The key of things without an order may have been made by this very transaction, which may yet fail.
            found[number] = vault.unwrap(number, wrapped) if number else vault.unwrapped(number, wrapped)
        if len(found) != len(ids):
            raise Bug(f"orders without a data key: {sorted(set(ids) - set(found))}")
        return found

    async def create(self, orders: Sequence[Order]) -> list[Aggregate]:
        """Inserts orders, unique keys first and sorted; those whose (source, external id) exists are left out of the
        answer.
        """
        rows = as_json(sorted(orders, key=lambda o: (o.source, o.external_id)))
        fresh = {row["id"] for row in await self.fetch("orders/insert", rows=rows)}
        made = []
        for order in orders:
            if order.id in fresh:
                key, wrapped = self._database.vault.make(order.id)
                self.pages.keys.append((order.id, wrapped))
                made.append(Aggregate(order, (), key, new=True))
                self.aggregates[order.id] = made[-1]
        return made

    async def loose_key(self) -> OrderKey:
        """The data key of things without an order (unreadable orders, unmatched callbacks), made at the first use."""
        vault = self._database.vault
        rows = await self.fetch("order_keys/of_orders", ids=[0])
        if not rows:
            key, wrapped = vault.make(0)
            if await self.execute("order_keys/insert", orders=[0], wrapped=[wrapped]):
                return key
            rows = await self.fetch("order_keys/of_orders", ids=[0])
        return vault.unwrapped(0, bytes(rows[0]["wrapped"]))

    def file(self, entry: Entry) -> None:
        """Sets when a thing must next be looked at. The earlier of two entries of one kind counts."""
        before = self.pages.file.get((entry.kind, entry.id))
        if before is None or entry.due_at < before.due_at:
            self.pages.file[entry.kind, entry.id] = entry

    def clear(self, kind: str, thing_id: int) -> None:
        """Takes an entry away: its look was taken, or its thing ended. What is filed later in the same transaction
        stands.
        """
        self.pages.clear.add((kind, thing_id))
        self.pages.file.pop((kind, thing_id), None)

    async def add_evidence(
        self,
        order_id: int,
        key: OrderKey,
        *,
        kind: str,
        source: str,
        body: bytes,
        media_type: str,
        head: str = "",
        command_id: int | None = None,
        attempt: int = 0,
    ) -> Evidence:
        """Seals bytes as evidence. Its id must stand in a record of the same transaction."""
        sealed = key.seal(body)
        evidence = Evidence(
            id=await self.new_id(),
            order_id=order_id,
            command_id=command_id,
            attempt=attempt,
            kind=kind,
            source=source,
            media_type=media_type,
            sensitivity=sensitivity_of(kind),
            size=len(body),
            head=head,
            at=await self.now(),
            digest=key.digest(body),
            sealed_digest=digest(sealed).hex(),
        )
        self.pages.evidence.append((evidence, sealed))
        return evidence

    def loose(self, record: Record) -> None:
        """Adds a record of a thing without an order."""
        self.pages.loose.append(record)

    async def flush(self) -> list[Line]:
        """Writes everything: lane head locked, records placed, rows, agenda, append-only rows, journal. The caller
        commits.
        """
        records = [r for i in sorted(self.aggregates) for r in self.aggregates[i].records] + self.pages.loose
        lines = await self._place(records) if records else []
        async with self._writer.connection.pipeline():  # nobody waits for the answer to one before the next is sent
            written = await self._write_rows()
            await self._write_agenda()
            await self._write_keys()
        _must_have_stood(written)
        await self._copy_append_only()
        if lines:
            await self._copy(
                "journal/copy",
                ["int2", "int8", "int8", "int8", "timestamptz", "text", "int8", "text", "text", "bytea", "bytea"],
                lines,
            )
            await self._advance(lines)
        if self.pages.file:
            await self._hint()
        return lines

    async def _hint(self) -> None:
        """Tells other processes that something is due at once, where this one does not look after it."""
        now = await self.now()
        shards = {_shard(entry) for entry in self.pages.file.values() if entry.due_at <= now}
        if [shard for shard in shards if not self._database.looks_after(shard)]:
            await self.execute("agenda/notify")

    async def _place(self, records: Sequence[Record]) -> list[Line]:
        lane, now = self._writer.lane, await self.now()
        head = (await self.fetch("lanes/lock", lane=lane.number))[0]
        if head["fence"] != lane.fence:
            await self._writer.connection.close()
            raise LaneLost(f"lane {lane.number} was taken over")
        if head["seq"] < lane.seq:
            await self._writer.connection.close()  # whatever is done next begins with a look at all heads
            raise Rewound(f"journal lane {lane.number} stands at {head['seq']}, but {lane.seq} was acknowledged")
        chains = {i: chain_of(a.order) for i, a in self.aggregates.items() if a.records}
        # The things without an order are locked by rows of their own, after `now` was read: their order in time is that
        # of their transactions' ends.
        late = await _clock(self._writer.connection) if self.pages.loose else now
        stands = At(lane.number, head["seq"], bytes(head["link"]), now, late)
        lines = place(records, chains, stands, self._added(records))
        for order_id, chain in chains.items():
            aggregate = self.aggregates[order_id]
            aggregate.order = chained(aggregate.order, chain)
        return lines

    def _added(self, records: Sequence[Record]) -> dict[int, Json]:
        """What the records say of the evidence that comes with them, by its id."""
        added = {e.id: evidence_fact(e) for e, _ in self.pages.evidence}
        if added.keys() - {i for r in records for i in r.evidence}:
            raise Bug("evidence was added that no record of its transaction names")
        return added

    async def _advance(self, lines: Sequence[Line]) -> None:
        lane, last = self._writer.lane, lines[-1]
        await self.execute(
            "lanes/advance",
            lane=lane.number,
            fence=lane.fence,
            seq=last.seq,
            link=last.link,
            id_last=lane.ids.last,
            until=await self.now() + LANE_LEASE,
        )

    async def _write_rows(self) -> list["Written"]:
        touched = [a for a in self.aggregates.values() if a.records]
        orders = [Moved(a.loaded_order, a.order, changes(a.loaded_order, a.order)) for a in touched]
        written = await self._write("orders", orders)
        loose = [Moved(was, now, changes(was, now) if was else {}) for was, now in self.pages.loose_cases.values()]
        moved: dict[type, list[Moved]] = {}
        for each in [row for a in touched for row in a.changed()] + loose:
            moved.setdefault(type(each.now), []).append(each)
        for kind, table in ROWS:
            own = moved.get(kind, ())
            await self._insert(table, [each.now for each in own if each.was is None])
            written += await self._write(table, [each for each in own if each.was is not None])
        return written

    async def _insert(self, table: str, rows: Sequence[Any]) -> None:
        if rows:
            await self.execute(f"{table}/insert", rows=as_json(rows))

    async def _write(self, table: str, moved: Sequence[Moved]) -> list["Written"]:
        if not moved:
            return []
        values = {"rows": as_json([each.entry() for each in moved])}
        cursor = await self._writer.connection.execute(sql(f"{table}/write"), values)
        return [Written(table, cursor, len(moved))]

    async def _write_agenda(self) -> None:
        if self.pages.clear:
            gone = [{"kind": kind, "id": number} for kind, number in sorted(self.pages.clear)]
            await self.execute("agenda/clear", rows=as_json(gone))
        if self.pages.file:
            entries = [_filed(self.pages.file[key]) for key in sorted(self.pages.file)]
            await self.execute("agenda/file", rows=as_json(entries))

    async def _write_keys(self) -> None:
        pages = self.pages
        if pages.keys:
            await self.execute(
                "order_keys/insert", orders=[i for i, _ in pages.keys], wrapped=[w for _, w in pages.keys]
            )
        if pages.personal:
            await self.execute(
                "personal/insert",
                orders=[p[0] for p in pages.personal],
                paths=[p[1] for p in pages.personal],
                sealed=[p[2] for p in pages.personal],
                digests=[p[3] for p in pages.personal],
            )

    async def _copy_append_only(self) -> None:
        pages = self.pages
        await self._copy(
            "evidence/copy",
            EVIDENCE_TYPES,
            [
                (
                    e.id,
                    e.order_id,
                    e.command_id,
                    e.attempt,
                    e.kind,
                    e.source,
                    e.media_type,
                    e.sensitivity,
                    e.size,
                    e.head,
                    e.at,
                    e.digest,
                    e.sealed_digest,
                    s,
                )
                for e, s in pages.evidence
            ],
        )
        await self._copy(
            "attempts/copy", ["int8", "int8", "int4", "timestamptz", "text", "timestamptz", "text"], pages.attempts
        )
        await self._copy(
            "outcomes/copy",
            OUTCOME_TYPES,
            pages.outcomes,
        )

    async def _copy(self, name: str, types: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        async with self._writer.connection.cursor().copy(sql(name)) as copy:
            copy.set_types(types)
            for row in rows:
                await copy.write_row(row)


def _shard(entry: Entry) -> int:
    return shard_of(entry.order_id if entry.order_id is not None else entry.id)


def _filed(entry: Entry) -> dict[str, Any]:
    return {
        "shard": _shard(entry),
        "gate": entry.gate,
        "due_at": entry.due_at,
        "kind": entry.kind,
        "id": entry.id,
        "order_id": entry.order_id,
    }


class Written(NamedTuple):
    """A set-based write that was sent, and how many rows it is to find."""

    table: str
    cursor: psycopg.AsyncCursor[dict[str, Any]]
    rows: int


def _must_have_stood(written: Iterable[Written]) -> None:
    for table, cursor, rows in written:
        if cursor.rowcount != rows:
            raise Bug(
                f"{table}: {cursor.rowcount} of {rows} rows stood as they were seen; "
                "a row moved without the lock of its order"
            )


async def _clock(connection: Session) -> datetime:
    cursor = await connection.execute(sql("tx/now"))
    row = await cursor.fetchone()
    if row is None:
        raise Bug("the database has no clock")
    now: datetime = row["clock_timestamp"]
    return now


async def _rollback(connection: Session) -> None:
    try:
        await connection.rollback()
    except psycopg.Error:
        await connection.close()


def as_json(rows: Sequence[Any]) -> str:
    """Rows as the JSON that set-based statements read."""
    return msgspec.json.encode(rows).decode()

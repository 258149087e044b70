"""Sessions with the database as the product knows them, that stand at the turnstile before each statement and commit.

The statements are the product's own and run on a real PostgreSQL. Only the clock is the world's, a statement that would
wait is tried again later, and a connection breaks where the seed says: before the COMMIT, or after it with its answer
lost.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from types import TracebackType
from typing import Any, Protocol, Self, cast

import psycopg
from psycopg.errors import LockNotAvailable

from fallsafe.simulator.ground import Ground, Raw
from fallsafe.simulator.turnstile import Standing, Turnstile, WorldBroken
from fallsafe.store.sessions import Session, Sessions
from fallsafe.store.sql import sql

MAY_WAIT = re.compile(r"\b(INSERT|UPDATE|DELETE|pg_advisory_xact_lock)\b")
JOURNAL = "journal/copy"


class Fate(StrEnum):
    """What becomes of a COMMIT."""

    ANSWERED = "answered"
    NOT_SENT = "not_sent"
    UNANSWERED = "unanswered"


class Surroundings(Protocol):
    """What a session needs of its world."""

    ground: Ground
    turnstile: Turnstile

    def now(self) -> datetime:
        """The world's clock, which is the database's."""
        ...

    def is_away(self) -> bool:
        """Whether the database cannot be reached just now."""
        ...

    def breaks(self, who: Standing) -> bool:
        """Whether the connection breaks before this statement."""
        ...

    def fate_of_commit(self, who: Standing) -> Fate:
        """What becomes of this COMMIT."""
        ...

    def committed(self, who: Standing, lines: Sequence[Sequence[Any]]) -> None:
        """A transaction with these rows of the journal was committed. Raises `WorldBroken` when a promise is broken."""
        ...


@cache
def may_wait(statement: str) -> bool:
    """Whether a statement takes locks that somebody else could hold."""
    return MAY_WAIT.search(statement) is not None


def _tell(raw: Raw, orders: str) -> None:
    """Statements that give no rows, as plainly as they can be sent. Raises `psycopg.OperationalError`."""
    done = raw.pgconn.exec_(orders.encode())
    if done.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.OperationalError(done.error_message.decode(errors="replace"))


@cache
def name_of(statement: str) -> str:
    """The name of a statement, as its file has it."""
    return _names().get(statement, "another statement")


@cache
def _names() -> dict[str, str]:
    root = files("fallsafe.store").joinpath("queries")
    return {
        sql(f"{folder.name}/{file.name[:-4]}"): f"{folder.name}/{file.name[:-4]}"
        for folder in root.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


class Now:
    """The cursor of the one statement that asks for the time."""

    description: Sequence[object] | None = (None,)
    rowcount = 1

    def __init__(self, now: datetime) -> None:
        self._row = {"clock_timestamp": now}

    async def fetchone(self) -> dict[str, Any]:
        """The row."""
        return self._row

    async def fetchall(self) -> list[dict[str, Any]]:
        """The row, as all of them."""
        return [self._row]


class Rows:
    """What a statement brought."""

    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        result = cursor.pgresult
        has_rows = result is not None and result.nfields > 0
        self.description: Sequence[object] | None = (None,) if has_rows else None
        self.rowcount = cursor.rowcount
        self._rows = cursor.fetchall() if has_rows else []

    async def fetchone(self) -> dict[str, Any] | None:
        """The first row."""
        return self._rows[0] if self._rows else None

    async def fetchall(self) -> list[dict[str, Any]]:
        """All rows."""
        return self._rows


class Copying:
    """Rows that go in together; they are sent when all of them are there."""

    def __init__(self, session: "WorldSession", statement: str) -> None:
        self._session, self._statement = session, statement
        self._types: Sequence[str] = ()
        self._rows: list[Sequence[Any]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self._session.copy_in(self._statement, self._types, self._rows)

    def set_types(self, types: Sequence[str]) -> None:
        """The types of the columns."""
        self._types = types

    async def write_row(self, row: Sequence[Any]) -> None:
        """One row more."""
        self._rows.append(row)


class Copier:
    """The cursor that a COPY begins with."""

    def __init__(self, session: "WorldSession") -> None:
        self._session = session

    def copy(self, statement: str) -> Copying:
        """Begins a COPY."""
        return Copying(self._session, statement)


class WorldSession:
    """One session of one process. `transactional` = statements belong to a transaction until commit or rollback."""

    def __init__(self, world: Surroundings, who: Standing, number: int, *, transactional: bool) -> None:
        self._world, self._who, self.number = world, who, number
        self._raw: Raw | None = world.ground.lend()
        self._transactional = transactional
        self._begun = False
        self._savepoint = False
        self._lines: list[Sequence[Any]] = []

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._raw is None

    @property
    def broken(self) -> bool:
        """Whether it is over, however that came."""
        return self._raw is None

    @property
    def in_transaction(self) -> bool:
        """Whether it holds a transaction open."""
        return self._begun

    async def execute(
        self, statement: str, values: Mapping[str, Any] | None = None, *, prepare: bool | None = None
    ) -> Now | Rows:
        """Runs a statement when it is its turn; whether its plan is kept is nothing to the world."""
        if statement == sql("tx/now"):
            self._live()
            return Now(self._world.now())
        rows: Rows = await self._in_turn(name_of(statement), lambda raw: self._run(raw, statement, values))
        return rows

    async def copy_in(self, statement: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Puts rows in, all at once."""
        name = name_of(statement)
        await self._in_turn(name, lambda raw: self._copy(raw, statement, types, rows))
        if name == JOURNAL:
            self._lines += rows

    async def _in_turn(self, name: str, run: Callable[[Raw], Any]) -> Any:
        await self._stand(name)
        while True:
            if self._world.breaks(self._who):
                self.end()
            raw = self._live()
            try:
                return run(raw)
            except LockNotAvailable:
                if self._begun:
                    if not self._savepoint:
                        raise WorldBroken(f"P0: {name} waits for nobody") from None
                    _tell(raw, "ROLLBACK TO one")
                await self._world.turnstile.wait_for_lock(self._who, name, self.number)

    async def _stand(self, name: str) -> None:
        self._live()
        await self._world.turnstile.stand(self._who, name, self.number)
        self._live()

    def _live(self) -> Raw:
        if self._raw is None or self._who.dead:
            raise psycopg.OperationalError("the connection is lost")
        return self._raw

    def _run(self, raw: Raw, statement: str, values: Mapping[str, Any] | None) -> Rows:
        if self._transactional:
            self._begin(raw, may_wait=may_wait(statement))
        return Rows(raw.execute(cast(Any, statement), values))

    def _copy(self, raw: Raw, statement: str, types: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._begin(raw, may_wait=False)
        with raw.cursor().copy(cast(Any, statement)) as into:
            into.set_types(types)
            for row in rows:
                into.write_row(row)

    def _begin(self, raw: Raw, *, may_wait: bool) -> None:
        """Begins the transaction, and a savepoint where somebody else holds a transaction that one could wait for."""
        holders = self._world.turnstile.open
        saved = may_wait and any(number != self.number for number in holders)
        orders = [] if self._begun else ["BEGIN"]
        orders += ["SAVEPOINT one"] if saved else []
        self._savepoint = saved
        if orders:
            _tell(raw, "; ".join(orders))
        if not self._begun:
            self._begun = True
            holders[self.number] = self._who

    def pipeline(self) -> AbstractAsyncContextManager[None]:
        """What is sent without waiting for answers takes its turn like the rest."""
        return nullcontext()

    def cursor(self) -> Copier:
        """What a COPY begins with."""
        return Copier(self)

    async def commit(self) -> None:
        """Commits, or breaks where the seed says. Raises `psycopg.OperationalError` when no answer came."""
        if not self._begun:
            self._live()
            return
        await self._stand("COMMIT")
        fate = self._world.fate_of_commit(self._who)
        if fate is Fate.NOT_SENT:
            self.end()
            raise psycopg.OperationalError("the connection was lost before COMMIT was sent")
        raw, lines = self._live(), self._lines
        _tell(raw, "COMMIT")
        self._over()
        if fate is Fate.UNANSWERED:
            self.end()
        self._world.committed(self._who, lines)
        if fate is Fate.UNANSWERED:
            raise psycopg.OperationalError("the connection was lost after COMMIT was sent")

    async def rollback(self) -> None:
        """Takes back what the transaction did."""
        if self._begun:
            _tell(self._live(), "ROLLBACK")
            self._over()

    async def close(self) -> None:
        """Ends the session."""
        self.end()

    def _over(self) -> None:
        self._begun = False
        self._lines = []
        self._world.turnstile.ended(self.number)

    def end(self) -> None:
        """The session is over, as if by a broken connection; what was not committed is gone."""
        raw, self._raw = self._raw, None
        if raw is not None:
            self._world.ground.take_back(raw)
            self._over()


class WorldSessions(Sessions):
    """The sessions of one process of the world."""

    def __init__(self, world: Surroundings, who: Standing, numbers: Callable[[], int]) -> None:
        self._world, self._who, self._numbers = world, who, numbers
        self.mine: list[WorldSession] = []
        self._idle: list[WorldSession] = []

    async def open(self) -> None:
        """Readers are opened when they are used."""

    async def close(self) -> None:
        """Ends all of them."""
        self.end()

    def end(self) -> None:
        """All sessions are over at once."""
        for session in self.mine:
            session.end()
        self.mine.clear()

    async def connect(self) -> Session:
        """A session that writes. Raises `psycopg.OperationalError` while the database is away."""
        await self._world.turnstile.stand(self._who, "connect")
        return cast(Session, self._new(transactional=True))

    def _new(self, *, transactional: bool) -> WorldSession:
        if self._who.dead or self._world.is_away():
            raise psycopg.OperationalError("the database cannot be reached")
        self.mine = [each for each in self.mine if not each.closed]
        made = WorldSession(self._world, self._who, self._numbers(), transactional=transactional)
        self.mine.append(made)
        return made

    def reader(self) -> "Any":
        """A session that reads, lent for as long as the context lasts."""
        return self._lent()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[WorldSession]:
        idle = self._idle.pop() if self._idle else None
        session = idle if idle is not None and not idle.closed else self._new(transactional=False)
        try:
            yield session
        finally:
            self._idle.append(session)

    async def check(self) -> None:
        """Throws away what is broken."""
        self._idle = [each for each in self._idle if not each.closed]

"""What a worker has in hand, written down before it decides, so that whoever comes after its death knows what it was.

What a dead worker left is taken one by one from then on, by everybody, until the same work was done with it and nobody
died. With the third death of a worker that had nothing else in hand the thing is set aside, with a case. What the
database itself refuses is found by halves and set aside at once. Where the database takes a transaction away, as it
does with one that lasts too long, the next ones are smaller, until they last.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import psycopg

from fallsafe.core.access import system
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Context
from fallsafe.flows.quarantine import set_aside, set_aside_unread
from fallsafe.store.tx import PASSING, Database, Rewound, Tx
from fallsafe.telemetry.logs import logger

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[Tx, Sequence[T]], Awaitable[R]]
DEATHS_MAX = 3
BEAT_SECONDS = 5.0
SILENT_MAX = timedelta(seconds=30)
SET_ASIDE_LOOK = timedelta(hours=1)
PART_MAX = 1000


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How many workers died with a thing alone in hand, and at which work the last one did."""

    deaths: int
    doing: str


@dataclass(slots=True)
class Suspects:
    """Things with which some worker died, and those that are set aside, by their ids."""

    known: dict[int, Suspicion] = field(default_factory=dict)
    set_aside: set[int] = field(default_factory=set)


class InHand:
    """Keeps the row of one worker. `name` is its own in this installation; `monotonic` the clock of its heartbeat."""

    def __init__(
        self, database: Database, context: Callable[[], Context], monotonic: Callable[[], float], name: str
    ) -> None:
        self._database, self._context, self._monotonic, self._name = database, context, monotonic, name
        self._beat_at: float | None = None
        self._part_max = PART_MAX
        self.suspects = Suspects()

    async def beat(self) -> None:
        """Called again and again between transactions. The first time takes up what the predecessor left; later, every
        few seconds, says that this worker lives and takes up what others left.
        """
        now = self._monotonic()
        if self._beat_at is not None and now - self._beat_at < BEAT_SECONDS:
            return
        await self._take_up(first=self._beat_at is None)
        self._beat_at = now

    async def _take_up(self, *, first: bool) -> None:
        now: datetime = (await self._database.fetch("tx/now"))[0]["clock_timestamp"]
        if not first:
            await self._database.fetch("workers/beat", worker=self._name, now=now)
        await self._database.fetch("workers/reap", worker=self._name if first else "", silent_since=now - SILENT_MAX)
        if first:
            await self._database.fetch("workers/begin", worker=self._name, pid=os.getpid(), now=now)
        await self._database.fetch("suspects/forget")
        await self._read_suspects()

    async def _read_suspects(self) -> None:
        rows = await self._database.fetch("suspects/all")
        self.suspects = Suspects(
            {r["order_id"]: Suspicion(r["deaths"], r["doing"]) for r in rows if not r["set_aside"]},
            {r["order_id"] for r in rows if r["set_aside"]},
        )
        for row in rows:
            if row["deaths"] >= DEATHS_MAX and not row["set_aside"]:
                why = f"{row['deaths']} workers ended with nothing else in hand"
                await self._set_aside(row["order_id"], row["doing"], why)

    async def each(
        self, doing: str, things: Sequence[T], id_of: Callable[[T], int], work: Work[T, R]
    ) -> AsyncIterator[tuple[Sequence[T], R]]:
        """Does work with things in as few transactions as is safe; each part with what came of it, once committed.

        Nothing comes of what is set aside. Whatever is not an error of the database is raised, and ends the worker.
        """
        parts = self._parts(things, id_of)
        while parts:
            part = parts.pop(0)
            ids = sorted({id_of(thing) for thing in part})
            try:
                result = await self._take(doing, ids, part, work)
            except PASSING:
                self._part_max = max(1, len(ids) // 2)
                raise
            except psycopg.Error as error:
                logger().error("the database refuses work", doing=doing, ids=ids[:10], exc_info=error)
                if len(ids) == 1:
                    await self._set_aside(ids[0], doing, f"the database refuses it: {type(error).__name__}")
                else:
                    parts[:0] = _halves(part, id_of, ids)
                continue
            if len(ids) >= self._part_max:
                self._part_max = min(PART_MAX, 2 * self._part_max)
            yield part, result

    async def _take(self, doing: str, ids: Sequence[int], part: Sequence[T], work: Work[T, R]) -> R:
        known = self.suspects.known
        cleared = [one for one in ids if one in known and known[one].doing == doing]

        async def body(tx: Tx) -> R:
            result = await work(tx, part)
            await tx.execute("workers/free", worker=self._name)
            if cleared:
                await tx.execute("suspects/clear", ids=cleared, doing=doing)
            return result

        await self._database.fetch("workers/hold", worker=self._name, ids=ids, doing=doing)
        result = await self._database.transact(body)
        for one in cleared:
            del known[one]
        return result

    def _parts(self, things: Sequence[T], id_of: Callable[[T], int]) -> list[Sequence[T]]:
        """All that nobody suspects together, then each suspect alone, those first that fewest died with."""
        known, gone = self.suspects.known, self.suspects.set_aside
        free = [thing for thing in things if id_of(thing) not in known and id_of(thing) not in gone]
        alone: dict[int, list[T]] = {}
        for thing in things:
            if id_of(thing) in known:
                alone.setdefault(id_of(thing), []).append(thing)
        return [*self._cut(free, id_of), *(alone[one] for one in sorted(alone, key=lambda i: (known[i].deaths, i)))]

    def _cut(self, things: Sequence[T], id_of: Callable[[T], int]) -> Iterator[Sequence[T]]:
        """Things in parts of as many ids as a transaction may take just now; those of one id stay together."""
        most, order = self._part_max, {one: n for n, one in enumerate(dict.fromkeys(id_of(thing) for thing in things))}
        for first in range(0, len(order), most):
            yield [thing for thing in things if first <= order[id_of(thing)] < first + most]

    async def _set_aside(self, one: int, doing: str, why: str) -> None:
        actor, context = system("quarantine"), self._context()
        try:
            await self._database.transact(lambda tx: set_aside(tx, context, [one], doing, why, actor))
        except (*PASSING, Rewound):
            raise
        except Exception as error:  # noqa: BLE001 safe because it is set aside all the same, with a case that says so
            logger().error("what is set aside cannot be read", id=one, exc_info=error)
            await self._database.transact(lambda tx: set_aside_unread(tx, context, one, doing, why, actor))
        self.suspects.known.pop(one, None)
        self.suspects.set_aside.add(one)

    async def put_off(self, due: Sequence[Due]) -> list[Due]:
        """What is due and not set aside; the looks at what is set aside come back later."""
        gone = [d for d in due if id_of_due(d) in self.suspects.set_aside]
        if gone:
            now: datetime = (await self._database.fetch("tx/now"))[0]["clock_timestamp"]
            kinds, ids = [d.kind for d in gone], [d.id for d in gone]
            await self._database.fetch("agenda/put_off", kinds=kinds, ids=ids, until=now + SET_ASIDE_LOOK)
        return [d for d in due if d not in gone]


def id_of_due(due: Due) -> int:
    """Whose death is blamed on a look: that of its order, or of the thing itself where it has none."""
    return due.order_id if due.order_id is not None else due.id


def _halves(part: Sequence[T], id_of: Callable[[T], int], ids: Sequence[int]) -> Iterable[Sequence[T]]:
    """A part in two, cut between things and not within one."""
    first = set(ids[: len(ids) // 2])
    return [t for t in part if id_of(t) in first], [t for t in part if id_of(t) not in first]

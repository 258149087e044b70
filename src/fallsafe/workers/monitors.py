"""The live monitors: promises P1, P2 and P5 are checked while the product runs, and a broken one is a case; so is a
callback channel that went silent. What was done is compared with the systems outside.

One process at a time looks; which one does not matter. It also adds up the numbers beside the queue. The journal is
followed link by link from the last anchor on, a page at a time, so that a look costs the same however long it is.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fallsafe.core.access import system
from fallsafe.core.detect.invariants import Altered
from fallsafe.flows import comparing, silence, watching
from fallsafe.flows.context import Context
from fallsafe.store import anchors
from fallsafe.store.canonical import digest, link
from fallsafe.store.queue import fold
from fallsafe.store.tx import PASSING, Database, Rewound, Tx
from fallsafe.telemetry.logs import logger

STEP_SECONDS = 10.0
RECORDS_A_LOOK_MAX = 2_000
LISTENS_A_SILENCE = 4
COMPARES_EVERY = timedelta(hours=1)
# A worker that was halted for its lease, and the look after it, are no case yet.
LAG_BEYOND = timedelta(seconds=60)
ATTEMPTS_SINCE = timedelta(hours=1)
ACTOR = system("monitor")
START = bytes(32)


class Monitors:
    """Watches one installation. What it has seen of the journal is its own memory, begun anew with each process."""

    def __init__(self, database: Database, context: Callable[[], Context]) -> None:
        self._database, self._context = database, context
        self._reached: dict[int, tuple[int, bytes]] | None = None
        self._rewinds = database.rewinds
        self._listened_at: datetime | None = None
        self._compared_at: datetime | None = None

    async def run(self, stopping: asyncio.Event) -> None:
        """Looks again and again until `stopping` is set."""
        while not stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), STEP_SECONDS)
            if not stopping.is_set():
                await self.step()

    async def step(self) -> int:
        """One look at everything; how many cases it opened. A database that is away is looked at the next time."""
        try:
            opened = await self._database.transact(self._look) + await self.look_around()
            altered = await self._follow()
            if altered:
                context = self._context()
                await self._database.transact(lambda tx: watching.note_altered(tx, context, altered, ACTOR))
        except (*PASSING, Rewound) as error:
            logger().warning("the monitors cannot look just now", kind=type(error).__name__)
            return 0
        return opened + len(altered)

    async def look_around(self) -> int:
        """Looks at what others say, or do not say; how many cases it opened."""
        opened = await self._database.transact(self._listen)
        await self._database.transact(self._compare)
        return opened

    async def _look(self, tx: Tx) -> int:
        if not (await tx.fetch("installation/try_lock"))[0]["mine"]:
            return 0
        await fold(tx)
        context = self._context()
        lag = context.newest.limits.look_lag_max + LAG_BEYOND
        since: datetime = await tx.now() - ATTEMPTS_SINCE
        return await watching.look(tx, context, lag, since, ACTOR)

    async def _listen(self, tx: Tx) -> int:
        """A look at the callback channels, several in the shortest silence that counts."""
        context, now = self._context(), await tx.now()
        policy = context.newest.limits.silence
        if policy is None or (self._listened_at and now - self._listened_at < policy.at_least / LISTENS_A_SILENCE):
            return 0
        if not (await tx.fetch("installation/try_lock"))[0]["mine"]:
            return 0
        self._listened_at = now
        return await silence.listen(tx, context, ACTOR)

    async def _compare(self, tx: Tx) -> int:
        """Chooses what is compared with other systems; what it chose before goes out at the pace of their gates."""
        now = await tx.now()
        if self._compared_at is not None and now - self._compared_at < COMPARES_EVERY:
            return 0
        if not (await tx.fetch("installation/try_lock"))[0]["mine"]:
            return 0
        chosen = await comparing.choose(tx, self._context())
        self._compared_at = now if chosen < comparing.AT_ONCE_MAX else None
        return chosen

    async def _follow(self) -> list[Altered]:
        """The next records of each lane: digest, link, and the sealed bytes that they speak of."""
        if self._reached is None or self._rewinds != self._database.rewinds:
            self._rewinds = self._database.rewinds
            self._reached = await self._database.transact(_from_the_last_anchor)
        found: list[Altered] = []
        for head in await self._database.fetch("lanes/heads"):
            lane = head["lane"]
            seq, before = self._reached.get(lane, (0, START))
            if head["seq"] > seq:
                rows = await self._database.fetch("detect/lane_after", lane=lane, seq=seq, limit=RECORDS_A_LOOK_MAX)
                found += wrong_in(lane, seq, before, rows)
                found += await self._wrong_bytes(rows)
                if rows:
                    self._reached[lane] = (rows[-1]["seq"], bytes(rows[-1]["link"]))
        return found

    async def _wrong_bytes(self, rows: Sequence[Mapping[str, Any]]) -> list[Altered]:
        said: dict[int, str] = {}
        for row in rows:
            for added in msgspec.json.decode(row["payload"])["facts"].get("added", ()):
                said[added["id"]] = added["sealed"]
        stored = await self._database.fetch("detect/sealed", ids=sorted(said)) if said else []
        kept = {row["id"]: digest(bytes(row["sealed"])).hex() for row in stored}
        return [
            Altered(f"evidence {number}", "its bytes are not those that were sealed" if number in kept else "is gone")
            for number, sealed in said.items()
            if kept.get(number) != sealed
        ]


async def _from_the_last_anchor(tx: Tx) -> dict[int, tuple[int, bytes]]:
    last = await anchors.last_anchor(tx)
    return dict(last.heads) if last is not None else {}


def wrong_in(lane: int, seq: int, before: bytes, rows: Sequence[Mapping[str, Any]]) -> Iterator[Altered]:
    """What is wrong with the records of a lane after `seq`, whose link was `before`."""
    for row in rows:
        where = f"journal lane {lane} seq {row['seq']}"
        if row["seq"] != seq + 1:
            yield Altered(where, f"record {seq + 1} of the lane is missing")
        if digest(row["payload"].encode()) != bytes(row["digest"]):
            yield Altered(where, "the content is not what was written")
        elif link(before, bytes(row["digest"])) != bytes(row["link"]):
            yield Altered(where, "the link does not follow from the record before")
        seq, before = row["seq"], bytes(row["link"])

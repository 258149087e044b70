"""What every process of the product does beside its work, about once a second: says that it lives, keeps its lanes,
ends transactions that hold others up, sets anchors, and makes sure that the database has not gone back in time.

A process that finds the database behind what it remembers stops all sending for everybody before it does anything
else (rule 14). What only one process needs to do is done by whichever comes first; nobody waits for it.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from fallsafe.core.access import system
from fallsafe.core.orders.order import SHARDS
from fallsafe.flows import installation
from fallsafe.flows.context import Context
from fallsafe.store import anchors
from fallsafe.store.tx import PASSING, TRANSACTION_MAX_SECONDS, Database, Rewound, Tx
from fallsafe.telemetry.logs import logger

STEP_SECONDS = 1.0
RENEW_SECONDS = 15.0
# Who was not seen for so long has lost its shards to the others; a process that is only slow shares them meanwhile.
LIVE_WITHIN = timedelta(seconds=10)
WORKER = "worker"
ACTOR = system("keeper")


def shards_of(name: str, live_names: Iterable[str]) -> tuple[int, ...]:
    """The shards of a worker among those that live: by its rank, so that all who see the same names agree."""
    ranked = sorted({name, *live_names})
    return tuple(range(ranked.index(name), SHARDS, len(ranked)))


class Keeper:
    """Keeps one process. `kind` is `worker` or what else it is, `anchors_file` where this home keeps its anchors,
    `monotonic` the clock by which lanes are renewed. `shards` are those that a worker may claim from now.
    """

    def __init__(
        self,
        database: Database,
        context: Callable[[], Context],
        monotonic: Callable[[], float],
        *,
        kind: str,
        pid: int,
        anchors_file: Path,
    ) -> None:
        self._database, self._context, self._monotonic = database, context, monotonic
        self._kind, self._pid, self._file = kind, pid, anchors_file
        self._renewed_at = monotonic()
        self._started_at: datetime | None = None
        self.shards = tuple(range(SHARDS))

    async def run(self, stopping: asyncio.Event) -> None:
        """Steps until `stopping` is set, then says farewell."""
        while not stopping.is_set():
            await self.step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), STEP_SECONDS)
        with contextlib.suppress(*PASSING):  # safe because whoever is not seen any more is taken for gone
            await self._database.fetch("workers/leave", worker=self._database.owner, pid=self._pid)

    async def step(self) -> None:
        """One round. A database that is away is looked for again at the next one."""
        try:
            if not await self._is_behind():
                await self._keep()
        except (*PASSING, Rewound) as error:
            logger().warning("the database cannot be kept just now", kind=type(error).__name__, why=str(error)[:200])

    async def _keep(self) -> None:
        await self._say_that_it_lives()
        await self._renew_lanes()
        await self._database.transact(_end_what_holds_others_up)
        await self._anchor()
        if self._database.rewinds:
            context = self._context()
            await self._database.transact(lambda tx: installation.look_anew(tx, context, ACTOR))

    async def _is_behind(self) -> bool:
        """Looks at the lane heads; a database that went back is stopped here and now. Whether it did."""
        try:
            await self._database.check_heads()
        except Rewound as error:
            await self._stop_sending(str(error))
            return True
        return False

    async def _stop_sending(self, why: str) -> None:
        known, context = self._database.rewinds, self._context()
        count = await self._database.transact_behind(lambda tx: installation.stop(tx, context, why, known, ACTOR))
        self._database.forget_heads(count)
        logger().error("the database went back in time; nothing is sent", why=why, rewinds=count)

    async def _say_that_it_lives(self) -> None:
        now: datetime = (await self._database.fetch("tx/now"))[0]["clock_timestamp"]
        self._started_at = self._started_at or now
        name = self._database.owner
        await self._database.fetch(
            "workers/seen", worker=name, kind=self._kind, pid=self._pid, started=self._started_at, now=now
        )
        if self._kind == WORKER:
            live = await self._database.fetch("workers/live", since=now - LIVE_WITHIN)
            self.shards = shards_of(name, (row["name"] for row in live))

    async def _renew_lanes(self) -> None:
        if self._monotonic() - self._renewed_at >= RENEW_SECONDS:
            await self._database.renew_lanes()
            self._renewed_at = self._monotonic()

    async def _anchor(self) -> None:
        """Sets an anchor when one is due, and brings the file of this home up to date with those of everybody."""
        kept = await asyncio.to_thread(anchors.newest, self._file)
        floor = kept.number if kept is not None else 0
        await self._database.transact(lambda tx: installation.anchor(tx, ACTOR, floor))
        fresh = await anchors.anchors_after(self._database, floor)
        if fresh:
            await asyncio.to_thread(anchors.append, self._file, fresh)
            self._database.remember(fresh[-1].heads, fresh[-1].rewinds)


async def _end_what_holds_others_up(tx: Tx) -> None:
    """Ends sessions of the product whose transaction is older than any may be: a process that was halted in the middle
    keeps its locks, and no setting of the database frees them.
    """
    before = await tx.now() - timedelta(seconds=TRANSACTION_MAX_SECONDS)
    await tx.execute("workers/as_login")
    for row in await tx.fetch("workers/end_sessions", before=before):
        logger().warning("a transaction was ended because it took too long", session=row["application_name"])

"""Collects what partners put into the folders of files: read again and again, kept once, by one process at a time.

What was read is remembered only once its lines are kept, so that a crash or a lost database costs a second reading.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from fallsafe.connectors.files import Brought, FileReader, Line
from fallsafe.core.access import Actor
from fallsafe.core.commands.contract import System
from fallsafe.core.commands.reading import found
from fallsafe.core.events import Json
from fallsafe.flows import exchange
from fallsafe.flows.callbacks import Received
from fallsafe.flows.context import Context
from fallsafe.flows.exchange import FileTrouble
from fallsafe.store.tx import PASSING, Database, Rewound, Tx
from fallsafe.telemetry.logs import logger

STEP_SECONDS = 1.0
LINES_A_TIME_MAX = 500
JSON_TYPE = "application/json"


class Collector:
    """Collects for one installation. `clock` is that of the folders' disk, in epoch seconds."""

    def __init__(
        self, database: Database, context: Callable[[], Context], reader: FileReader, clock: Callable[[], float]
    ) -> None:
        self._database, self._context, self._reader, self._clock = database, context, reader, clock

    async def run(self, stopping: asyncio.Event) -> None:
        """Looks again and again until `stopping` is set."""
        while not stopping.is_set():
            for code in self._reader.systems:
                await self.step(code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), STEP_SECONDS)

    async def step(self, code: str) -> bool:
        """One look at the files of a system; whether it is done with what there was. A folder or a database that cannot
        be reached is looked at the next time.
        """
        system = self._context().newest.systems.get(code)
        if system is None or system.acknowledged_within is None or system.callback is None:
            return True
        patience = system.acknowledged_within.total_seconds()
        try:
            brought = await asyncio.to_thread(self._reader.read, code, patience, self._clock())
            done = await self._keep(system, brought)
        except (*PASSING, Rewound, OSError) as error:
            logger().warning("files cannot be collected just now", downstreamSystem=code, kind=type(error).__name__)
            return False
        if done:
            self._reader.handed_on(brought)
        return done

    async def _keep(self, system: System, brought: Brought) -> bool:
        """Keeps the lines, some at a time, and then judges the files; whether this process was the one to do it."""
        troubles = [FileTrouble(system.code, one.file, one.code, one.why) for one in brought.troubles]
        actor = Actor("machine", system.code, frozenset({"machine"}))

        async def keep(tx: Tx, received: Sequence[Received]) -> bool:
            if not await _is_mine(tx):
                return False
            nameless = [one for one in received if not one.key]
            named = [one for one in received if one.key]
            await exchange.take(tx, self._context(), named, nameless, actor)
            return True

        async def judge(tx: Tx) -> bool:
            mine = await _is_mine(tx)
            if mine:
                await exchange.judge(tx, self._context(), system.code, troubles, actor)
            return mine

        for n in range(0, len(brought.lines), LINES_A_TIME_MAX):
            part = [_received(system, line) for line in brought.lines[n : n + LINES_A_TIME_MAX]]
            if not await self._database.transact(partial(keep, received=part)):
                return False
        return await self._database.transact(judge)


async def _is_mine(tx: Tx) -> bool:
    return bool((await tx.fetch("installation/try_lock"))[0]["mine"])


def _received(system: System, line: Line) -> Received:
    assert system.callback is not None
    try:
        body: Json = msgspec.json.decode(line.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    key = found(body, system.callback.key) or ""
    return Received(system.code, line.event_id, key, line.body, JSON_TYPE, line.head)

"""What moved, told to open pages: ids and versions only. Each page then reads again, with the rights of its own reader.

One loop for the whole process follows the heads of the journal lanes, once a second and only while somebody listens;
a browser holds one stream for all its tabs. The `beat` says that the loop still sees the database; a page that hears
none for a minute calls itself stale.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from fallsafe.store.ids import outside
from fallsafe.store.trail import Moved, changed, end_of_feed
from fallsafe.store.tx import Database

LOOK_EVERY_SECONDS = 1.0
BEAT_EVERY_LOOKS = 10
LISTENERS_MAX = 500
WAITING_MAX = 100
"""Messages that wait for one slow listener; beyond them it is told to read everything again."""
RECONNECT_MILLISECONDS = 2_000
ASK_AGAIN_SECONDS = 30.0
"""How long a stream goes on without asking whether its reader may still read."""


async def _anybody() -> bool:
    return True


class Live:
    """The listeners of this process and the loop that feeds them."""

    def __init__(self, database: Database, stopping: Callable[[], bool]) -> None:
        self._database, self._stopping = database, stopping
        self._listeners: set[asyncio.Queue[str]] = set()
        self._loop: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Whether no further listener is taken."""
        return len(self._listeners) >= LISTENERS_MAX

    async def listen(self, may_read: Callable[[], Awaitable[bool]] = _anybody) -> AsyncIterator[str]:
        """The stream of one listener, until it goes away, may not read any more, or the server stops."""
        mine: asyncio.Queue[str] = asyncio.Queue(WAITING_MAX)
        self._listeners.add(mine)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._follow(), name="journal heads for open pages")
        try:
            yield f"retry: {RECONNECT_MILLISECONDS}\n{message('beat', {})}"
            clock = asyncio.get_running_loop().time
            asked_at = clock()
            while not self._stopping():
                if clock() - asked_at >= ASK_AGAIN_SECONDS:
                    if not await _still(may_read):
                        return
                    asked_at = clock()
                try:
                    yield await asyncio.wait_for(mine.get(), LOOK_EVERY_SECONDS)
                except TimeoutError:
                    continue
        finally:
            self._listeners.discard(mine)

    async def _follow(self) -> None:
        """Looks as long as somebody listens. A database that cannot be reached is no end: it is tried again."""
        cursor, looks = "", 0
        while self._listeners and not self._stopping():
            try:
                if not cursor:
                    cursor = await end_of_feed(self._database)
                    self._tell(message("all", {}))  # what moved before is told to nobody
                moved, cursor = await changed(self._database, cursor)
                looks += 1
                if moved:
                    self._tell(message("moved", told(moved)))
                elif looks % BEAT_EVERY_LOOKS == 0:
                    self._tell(message("beat", {}))
            except (psycopg.Error, PoolTimeout):
                looks = 0  # no beat: after a minute the pages say that they are stale
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _tell(self, text: str) -> None:
        for listener in self._listeners:
            if listener.full():
                while not listener.empty():
                    listener.get_nowait()
                listener.put_nowait(message("all", {}))
            else:
                listener.put_nowait(text)


async def _still(may_read: Callable[[], Awaitable[bool]]) -> bool:
    """Whether a listener may go on; a database that is away says nothing, and nothing moves that could be told."""
    try:
        return await may_read()
    except (psycopg.Error, PoolTimeout):
        return True


def told(moved: Iterable[Moved]) -> dict[str, Any]:
    """What a page is told: for each order its newest version, and the cases that moved."""
    orders: dict[int, int] = {}
    cases = dict[str, None]()
    for each in moved:
        if each.order_id:
            orders[each.order_id] = max(each.version, orders.get(each.order_id, 0))
        if each.thing == "case":
            cases[outside("case", each.thing_id)] = None
    return {"orders": {outside("order", order): version for order, version in orders.items()}, "cases": list(cases)}


def message(event: str, content: dict[str, Any]) -> str:
    """One message of the stream."""
    return f"event: {event}\ndata: {json.dumps(content, separators=(',', ':'))}\n\n"

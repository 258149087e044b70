"""Our own network between two processes: it carries bytes, and on demand it is slow, falls silent, breaks off in the
middle of a message, or is not there.

What a caller sent and did not wait for is not delivered after it hung up: a packet that outlives its connection is
none of the faults that a system may have beyond its settle window.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

R = TypeVar("R")
CHUNK_BYTES_MAX = 64 * 1024
HELD_CHUNKS_MAX = 256
# So long after a silence it is known who hung up meanwhile.
SETTLE_SECONDS = 0.01
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False)
class Link:
    """One listening address and where it leads. The faults are plain values, read for every piece that passes."""

    name: str
    upstream: tuple[str, int] | str
    dice: random.Random
    port: int = 0
    delay_seconds: float = 0.0
    tears: bool = False
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    broken: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def listen(self) -> None:
        """Listens, at the address it had before."""
        self.passing.set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port, limit=CHUNK_BYTES_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """Refuses whoever calls, and breaks what is open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.reset()

    async def reset(self) -> None:
        """Breaks every open connection, with a reset."""
        for end in list(self._open):
            _break(end)
        self.broken += len(self._open) // 2

    async def fall_silent(self, silent: bool) -> None:
        """Nothing passes any more, and nobody is told; or it passes again."""
        self.passing.clear() if silent else self.passing.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await self._beyond()
        except OSError:
            _break(writer)
            return
        self._open |= {writer, there[1]}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pass(reader, there[1]))
                both.create_task(self._pass(there[0], writer))
        except* OSError:
            _break(writer)
            _break(there[1])
        except* EOFError:
            pass  # one of the two hung up: so does the other
        finally:
            self._open -= {writer, there[1]}
            for end in (writer, there[1]):
                with contextlib.suppress(OSError):
                    end.close()

    async def _beyond(self) -> Ends:
        if isinstance(self.upstream, str):
            return await asyncio.open_unix_connection(self.upstream)
        return await asyncio.open_connection(*self.upstream)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Carries one direction. It goes on reading while it holds back, so that it knows when the source hung up."""
        held: asyncio.Queue[bytes] = asyncio.Queue(HELD_CHUNKS_MAX)
        out = asyncio.create_task(self._deliver(held, source, target))
        try:
            while piece := await source.read(CHUNK_BYTES_MAX):
                await held.put(piece)
            if self.passing.is_set() and not self.delay_seconds:
                await held.put(b"")
                await out
        finally:
            out.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await out
        raise EOFError

    async def _deliver(
        self, held: "asyncio.Queue[bytes]", source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        while piece := await held.get():
            if self.delay_seconds or not self.passing.is_set():
                await asyncio.sleep(self.delay_seconds * self.dice.uniform(0.5, 1.5))
                await self.passing.wait()
                await asyncio.sleep(SETTLE_SECONDS)
                if source.at_eof():
                    return
            if self.tears and len(piece) > 1:
                target.write(piece[: self.dice.randrange(1, len(piece))])
                await target.drain()
                self.broken += 1
                _break(target)  # whoever reads from there sees it, and breaks the other end
                return
            target.write(piece)
            await target.drain()


def _break(end: asyncio.StreamWriter) -> None:
    """Closes with a reset, as a machine does that goes down."""
    peer = end.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.transport.abort()


class Network:
    """The links of one run, carried by a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._links: list[Link] = []
        self._thread.start()

    def link(self, name: str, upstream: tuple[str, int] | str, dice: random.Random) -> Link:
        """A new link that listens."""
        made = Link(name, upstream, dice)
        self.run(made.listen())
        self._links.append(made)
        return made

    def run(self, what: Coroutine[Any, Any, R]) -> R:
        """Does something in the network's own thread."""
        done: Future[R] = asyncio.run_coroutine_threadsafe(what, self._loop)
        return done.result(20)

    def end(self) -> None:
        """Breaks whatever is open, and ends the thread."""
        self.run(self._give_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _give_up(self) -> None:
        for link in self._links:
            await link.go_away()
        carrying = asyncio.all_tasks() - {asyncio.current_task()}
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)


@contextmanager
def network() -> Iterator[Network]:
    """A network without links yet."""
    made = Network()
    try:
        yield made
    finally:
        made.end()

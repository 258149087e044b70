"""A server that does exactly what it is told, byte by byte, for the contract suite of connectors.

It speaks just enough HTTP to be answered by any client, so that it can also break off, dribble, and send what no decent
server would.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from fallsafe.core.events import Json

LOOPBACK = "127.0.0.1"
REASONS = {200: "OK", 201: "Created", 202: "Accepted", 307: "Temporary Redirect", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def on_the_wire(self) -> tuple[str, str, tuple[tuple[str, str], ...], bytes]:
        """All that came, for comparing two requests."""
        return self.method, self.path, tuple(sorted(self.headers.items())), self.body


Move = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answers(status: int, body: Json | bytes, headers: Mapping[str, str] | None = None) -> Move:
    """Answers at once; JSON unless the body is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), **(headers or {})}

    async def move(writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, lines) + content)
        await writer.drain()

    return move


def sends(content: bytes) -> Move:
    """Sends these bytes, whatever they are, and closes."""

    async def move(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    return move


def breaks_off(status: int, body: bytes, after: int) -> Move:
    """Promises a whole body, sends the first `after` bytes, and closes."""
    return sends(_head(status, {"Content-Type": "application/json", "Content-Length": str(len(body))}) + body[:after])


def dribbles(content: bytes, wait: float) -> Move:
    """Sends one byte after another, with a wait (seconds) before each."""

    async def move(writer: asyncio.StreamWriter) -> None:
        for n in range(len(content)):
            await asyncio.sleep(wait)
            writer.write(content[n : n + 1])
            await writer.drain()

    return move


def success_head(length: int) -> bytes:
    """The head of a good answer, for moves that spoil what follows."""
    return _head(201, {"Content-Type": "application/json", "Content-Length": str(length)})


async def says_nothing(_writer: asyncio.StreamWriter) -> None:
    """Keeps the connection open and never answers."""
    await asyncio.Event().wait()


async def resets(writer: asyncio.StreamWriter) -> None:
    """Closes the connection hard."""
    _reset(writer)


async def closes(writer: asyncio.StreamWriter) -> None:
    """Closes the connection in good order, without an answer."""
    writer.close()


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Said')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _reset(writer: asyncio.StreamWriter) -> None:
    peer: socket.socket = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class ScriptedServer:
    """Listens on a free port; plays `move` to every request, or resets every connection before it reads anything."""

    def __init__(self) -> None:
        self.move: Move = says_nothing
        self.resets_at_once = False
        self.received: list[Received] = []
        self.connections = 0
        self.url = ""
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._converse, LOOPBACK, 0)
        self.url = f"http://{LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stops listening and ends every conversation; the address refuses from then on."""
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._conversations.add(task)
        try:
            await self._hear(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._conversations.discard(task)
            writer.close()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.resets_at_once:
            _reset(writer)
            return
        while not writer.is_closing():
            self.received.append(await _request(reader))
            await self.move(writer)


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, path, headers, body)

"""What tests of the sandbox share: running systems, requests to them as a client sends them, and an inbox for
callbacks.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from fallsafe.simulator.sandbox import judge
from fallsafe.simulator.sandbox.control import Control, Running, launch
from fallsafe.simulator.sandbox.dialects import Kind
from fallsafe.simulator.sandbox.kinds import PROCESSES, all_kinds

KINDS = {kind.operation: kind for kind in all_kinds()}
SECRETS = {kind.system: f"the-secret-of-{kind.system}" for kind in KINDS.values()}
PROCESS_OF = {kind.operation: name for name, kinds in PROCESSES.items() for kind in kinds}
DELAY = 0.05


@dataclass
class Inbox:
    """Where systems call back. `statuses` are answered one after another, the last for ever."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [202])
    received: list[tuple[Mapping[str, str], bytes, str]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.received.append((request.headers, await request.read(), request.raw_path))
        self.came.set()
        return web.Response(status=self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    async def until(self, count: int) -> None:
        """Waits until so many callbacks came."""
        async with asyncio.timeout(20):
            while len(self.received) < count:
                self.came.clear()
                await self.came.wait()

    async def about(self, key: str) -> bytes:
        """Waits until a callback came that names the key."""
        name = json.dumps(key).encode()
        async with asyncio.timeout(20):
            while not (found := [body for _, body, _ in self.received if name in body]):
                self.came.clear()
                await self.came.wait()
        return found[0]


@asynccontextmanager
async def an_inbox() -> AsyncIterator[Inbox]:
    """An inbox that listens."""
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/callbacks", inbox.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    inbox.url = f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks"
    try:
        yield inbox
    finally:
        await runner.cleanup()


@dataclass
class Client:
    """One running system as its clients see it."""

    url: str
    session: aiohttp.ClientSession
    control: Control
    inbox: Inbox

    async def do(self, operation: str, key: str, about: str, **fields: Any) -> tuple[int, Any]:
        """Asks for something to be done; status and body (text where it is no JSON)."""
        kind = KINDS[operation]
        headers = {kind.key_header: key} if kind.key_header else {}
        body = {**a_request(kind, key, about, self.inbox.url), **fields}
        return await self._call("POST", kind.path, kind, headers, body)

    async def look(self, operation: str, *, key: str = "", about: str = "") -> tuple[int, Any]:
        """Looks something up."""
        kind = KINDS[operation]
        path = (
            f"{kind.path}/by-key/{quote(key, safe='')}" if key else f"{kind.path}/by-reference/{quote(about, safe='')}"
        )
        return await self._call("GET", path, kind, {}, None)

    async def _call(
        self, method: str, path: str, kind: Kind, headers: dict[str, str], body: dict[str, Any] | None
    ) -> tuple[int, Any]:
        allowed = {"Authorization": f"Bearer {SECRETS[kind.system]}", **headers}
        url = URL(self.url + path, encoded=True)
        async with self.session.request(method, url, json=body, headers=allowed) as answer:
            content = await answer.read()
            if answer.content_type != "application/json":
                return answer.status, content
            try:
                return answer.status, await answer.json()
            except ValueError:
                return answer.status, content


def a_request(kind: Kind, key: str, about: str, callback_url: str) -> dict[str, Any]:
    """A good request body for a kind of thing."""
    body: dict[str, Any] = {name: 1 if wanted is int else f"some-{name}" for name, wanted in kind.required.items()}
    if kind.key_in:
        body[kind.key_in] = key
    if "callbackUrl" in kind.required:
        body["callbackUrl"] = callback_url
    return {**body, "object": about}


@asynccontextmanager
async def a_client(url: str, inbox: Inbox | None = None) -> AsyncIterator[Client]:
    """A client of a running system; the script of faults is empty."""
    async with aiohttp.ClientSession() as session, Control(url) as control:
        yield Client(url, session, control, inbox or Inbox("http://127.0.0.1:9/callbacks"))


@asynccontextmanager
async def a_system(name: str, home: Path, inbox: Inbox | None = None) -> AsyncIterator[tuple[Running, Client]]:
    """A system of this test's own with a client; it is stopped at the end."""
    running = await launch(name, home, SECRETS, delay=DELAY)
    try:
        async with a_client(running.url, inbox) as client:
            yield running, client
    finally:
        await running.stop()


@dataclass(frozen=True)
class Sandbox:
    """The systems, running for all tests of a module; each test takes objects of its own."""

    home: Path
    urls: Mapping[str, str]

    @asynccontextmanager
    async def client(self, name: str, inbox: Inbox | None = None) -> AsyncIterator[Client]:
        """A client of one of the systems, with an empty script."""
        async with a_client(self.urls[name], inbox) as client:
            await client.control.set_faults([])
            yield client

    async def script(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """Sets the faults of every system, each where its operation is."""
        for name, url in self.urls.items():
            async with Control(url) as control:
                await control.set_faults([one for one in faults if PROCESS_OF[str(one["operation"])] == name])

    def effects(self, about: str) -> int:
        """How often anything was done for an object."""
        return sum(count for thing, count in judge.effects(self.home).items() if thing.endswith(f" {about}"))

    def requests(self, name: str, key: str) -> list[judge.SeenRequest]:
        """What came under a key."""
        return [one for one in judge.requests(self.home, name) if one.key == key]

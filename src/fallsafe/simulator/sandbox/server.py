"""One system of the sandbox as an HTTP server: who may ask, what was asked, and the answer, once the disk has it.

Every request is written down, also the ones that are refused or never answered; the log is what judges.
"""

import asyncio
import ipaddress
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from fallsafe.core.events import Json
from fallsafe.simulator.sandbox import faults
from fallsafe.simulator.sandbox.callbacks import Courses
from fallsafe.simulator.sandbox.deciding import Answer, Deciding, Manner, said
from fallsafe.simulator.sandbox.dialects import Asked, Kind
from fallsafe.simulator.sandbox.disk import FAULTS, REQUESTS, Disk, read_lines
from fallsafe.simulator.sandbox.engine import REPORT, Engine, WrongOrder
from fallsafe.simulator.sandbox.filing import EXCHANGE, LETTERS, Contractor, Filing
from fallsafe.simulator.sandbox.kinds import EVERY
from fallsafe.simulator.sandbox.reporting import Reporting
from fallsafe.simulator.sandbox.truth import Truth, stamp

BODY_BYTES_MAX = 256 * 1024
KEY_LENGTH_MAX = 256
PAGE = 10_000
ENGINE = "engine"
FILED, LETTER_KIND = "WHF", "CIV.build"
SHUTDOWN_SECONDS_MAX = 0.2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as the log names it, before it has its status."""

    method: str
    path: str
    operation: str = ""
    key: str = ""
    object: str = ""


class Refused(Exception):
    """A request that is not even understood: the answer to it."""

    def __init__(self, answer: Answer, entry: Entry) -> None:
        super().__init__(answer.status)
        self.answer = answer
        self.entry = entry


class System:
    """One process of the sandbox: its kinds of things, its truth, its faults and its courses."""

    def __init__(
        self,
        name: str,
        folder: Path,
        secrets: Mapping[str, str],
        delay: float,
        report_to: str = "",
        token_file: Path | None = None,
    ) -> None:
        self.kinds = EVERY[name]
        self.disk = Disk(folder)
        self.truth = Truth(self.disk, self.kinds, time.time)
        self.courses = Courses(self.truth, self.disk, secrets, time.time)
        self.deciding = Deciding(self.truth, faults.Faults([]), time.time, self.courses.begin, delay)
        self._secrets = secrets
        self.engine = Engine(self.disk, time.time) if name == ENGINE else None
        self._reporting: Reporting | None = None
        self._working: list[asyncio.Task[None]] = []
        if self.engine is not None:
            self.truth.heard = self.engine.steer
            self._reporting = Reporting(self.engine, self.deciding.script, time.time, report_to, token_file)
        self._beside: list[Filing | Contractor] = []
        self._by_files(folder)
        self.set_faults(_faults_at_start(folder / FAULTS, self.operations()))

    def _by_files(self, folder: Path) -> None:
        """Those of its systems that are reached by files or letters, in folders of theirs."""
        kinds = {kind.operation: kind for kind in self.kinds}
        if any(kind.system == FILED for kind in self.kinds):
            filing = Filing(folder / EXCHANGE / FILED, FILED, kinds, self.deciding, self.disk)
            self.courses.by_file = filing.tell
            self._beside.append(filing)
        if LETTER_KIND in kinds:
            self._beside.append(Contractor(folder / LETTERS, kinds[LETTER_KIND], self.deciding))

    def operations(self) -> dict[str, bool]:
        """Every operation of this process, and whether it calls back."""
        named = {kind.operation: kind.calls_back for kind in self.kinds}
        named |= {REPORT: True} if self.engine is not None else {}
        named |= {f"{one.system}.file": True for one in self._beside if isinstance(one, Filing)}
        return named | {kind.query: False for kind in self.kinds if kind.query}

    def set_faults(self, script: list[faults.Fault]) -> None:
        """Replaces the script."""
        self.deciding.script.faults[:] = script

    def keep_faults(self) -> None:
        """Writes the script with the times that remain, so that a restart does not strike again."""
        self.disk.replace(FAULTS, self.deciding.script.document())

    def app(self) -> web.Application:
        """The routes of this process."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._catch])
        for kind in self.kinds:
            app.router.add_post(kind.path, self._doing(kind))
            if not kind.query:
                continue
            app.router.add_get(f"{kind.path}/by-key/{{name:.+}}", self._looking(kind, by_key=True))
            app.router.add_get(f"{kind.path}/by-reference/{{name:.+}}", self._looking(kind, by_key=False))
        app.router.add_get("/_sandbox/faults", self._get_faults)
        app.router.add_put("/_sandbox/faults", self._put_faults)
        app.router.add_post("/_sandbox/faults", self._post_faults)
        app.router.add_get("/_sandbox/requests", self._get_requests)
        app.router.add_get("/_sandbox/effects", self._get_effects)
        app.router.add_post("/_sandbox/orders", self._post_orders)
        app.router.add_get("/_sandbox/orders", self._get_orders)
        app.on_startup.append(self._start)
        return app

    async def _start(self, _app: web.Application) -> None:
        await self.courses.start()
        works = [one.run for one in self._beside]
        works += [self._reporting.run] if self._reporting is not None else []
        self._working = [asyncio.create_task(work()) for work in works]

    async def stop(self) -> None:
        """Gives up what runs; the disk remembers it."""
        for task in self._working:
            task.cancel()
        await self.courses.stop()

    @web.middleware
    async def _catch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/_sandbox/"):
            return await handler(request) if _is_local(request) else web.Response(status=403)
        try:
            return await handler(request)
        except Refused as refused:
            return await self._give(request, refused.answer, refused.entry)
        except web.HTTPException as error:
            entry = Entry(request.method, request.path)
            return await self._give(request, said(error.status, {"code": error.reason, "text": request.path}), entry)

    def _doing(self, kind: Kind) -> Handler:
        async def do(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            entry = Entry(request.method, request.path, kind.operation)
            asked = self._asked(kind, request, body, entry)
            entry = replace(entry, key=asked.key, object=asked.object)
            self._let_in(kind, request, entry)
            return await self._give(request, self.deciding.do(kind, asked), entry)

        return do

    def _looking(self, kind: Kind, *, by_key: bool) -> Handler:
        async def look(request: web.Request) -> web.StreamResponse:
            name = request.match_info["name"]
            key, about = (name, "") if by_key else ("", name)
            entry = Entry(request.method, request.path, kind.query, key, about)
            self._let_in(kind, request, entry)
            return await self._give(request, self.deciding.look(kind, key=key, about=about), entry)

        return look

    def _let_in(self, kind: Kind, request: web.Request, entry: Entry) -> None:
        if request.headers.get("Authorization") != f"Bearer {self._secrets[kind.system]}":
            code = kind.dialect.named(401, "UNAUTHORIZED")
            raise Refused(said(401, kind.problem(code, "no valid credentials")), entry)

    def _asked(self, kind: Kind, request: web.Request, body: bytes, entry: Entry) -> Asked:
        fields = _fields(kind, body, entry)
        key = request.headers.get(kind.key_header, "") if kind.key_header else str(fields[kind.key_in])
        about = str(fields["object"])
        entry = replace(entry, key=key, object=about)
        if not key or len(key) > KEY_LENGTH_MAX:
            name = kind.key_header or kind.key_in
            raise Refused(_wrong(kind, f"{name} must hold a key of 1 to {KEY_LENGTH_MAX} characters"), entry)
        if kind.calls_back and not _is_web(str(fields["callbackUrl"])):
            raise Refused(_wrong(kind, "callbackUrl must be an http or https address"), entry)
        return Asked(key, about, fields)

    async def _give(self, request: web.Request, answer: Answer, entry: Entry) -> web.StreamResponse:
        """Writes the request down, waits for the disk, and answers in the manner that was decided."""
        self._write_down(answer, entry)
        if answer.fault:
            self.keep_faults()
        await self.disk.flushed()
        await asyncio.sleep(answer.seconds)
        match answer.manner:
            case Manner.HANG:
                await asyncio.Event().wait()
            case Manner.RESET:
                _reset(request)
            case Manner.ANSWER:
                pass
        headers = {} if answer.retry_after is None else {"Retry-After": f"{answer.retry_after:.0f}"}
        return web.Response(
            status=answer.status or 200, body=answer.body, content_type=answer.media_type, headers=headers
        )

    def _write_down(self, answer: Answer, entry: Entry) -> None:
        line: dict[str, Json] = {
            "at": stamp(time.time()), "method": entry.method, "path": entry.path, "operation": entry.operation,
            "key": entry.key, "object": entry.object, "status": answer.status or None, "fault": answer.fault or None,
        }  # fmt: skip
        self.disk.append(REQUESTS, line)

    async def _get_faults(self, _request: web.Request) -> web.Response:
        return web.json_response(self.deciding.script.document())

    async def _put_faults(self, request: web.Request) -> web.Response:
        return await self._take_faults(request, [])

    async def _post_faults(self, request: web.Request) -> web.Response:
        return await self._take_faults(request, self.deciding.script.faults)

    async def _take_faults(self, request: web.Request, before: list[faults.Fault]) -> web.Response:
        try:
            added = faults.parse(_json(await request.read()), self.operations())
        except (faults.WrongFault, ValueError) as error:
            return web.json_response({"code": "WRONG_FAULTS", "detail": str(error)}, status=400)
        self.set_faults([*before, *added])
        self.keep_faults()
        await self.disk.flushed()
        return web.json_response(self.deciding.script.document())

    async def _get_requests(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return web.json_response(
                {"code": "WRONG_AFTER", "detail": "after is the `next` of the page before"}, status=400
            )
        await self.disk.flushed()
        lines = await asyncio.to_thread(self._page, int(after))
        return web.json_response({"requests": lines, "next": int(after) + len(lines)})

    def _page(self, after: int) -> list[Mapping[str, Json]]:
        return list(islice(read_lines(self.disk.folder / REQUESTS), after, after + PAGE))

    async def _post_orders(self, request: web.Request) -> web.Response:
        """Gives orders to the engine."""
        if self.engine is None:
            return web.json_response({"code": "NO_ENGINE", "detail": "only the engine takes orders"}, status=404)
        try:
            told = _json(await request.read())
            orders = told.get("orders") if isinstance(told, Mapping) else None
            if not isinstance(orders, list):
                raise WrongOrder("/orders: a list is needed")
            works = [self.engine.take(one) for one in orders]
        except (WrongOrder, ValueError) as error:
            return web.json_response({"code": "WRONG_ORDERS", "detail": str(error)}, status=400)
        await self.disk.flushed()
        return web.json_response({"taken": [work.order_id for work in works]})

    async def _get_orders(self, _request: web.Request) -> web.Response:
        """Where the engine's orders stand."""
        works = self.engine.works.values() if self.engine is not None else ()
        return web.json_response(
            {w.order_id: {"state": w.word, "steps": {s.step: s.state for s in w.steps}} for w in works}
        )

    async def _get_effects(self, _request: web.Request) -> web.Response:
        await self.disk.flushed()
        return web.json_response({"byKey": self.truth.effects_by_key, "byObject": self.truth.effects_by_object})


def _faults_at_start(path: Path, operations: Mapping[str, bool]) -> list[faults.Fault]:
    """The script that was left on disk. Raises `faults.WrongFault` with the file's name."""
    if not path.exists():
        return []
    try:
        return faults.parse(_json(path.read_bytes()), operations)
    except (faults.WrongFault, ValueError) as error:
        raise faults.WrongFault(f"{path}: {error}") from error


def _json(body: bytes) -> Json:
    try:
        return cast(Json, msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error


def _fields(kind: Kind, body: bytes, entry: Entry) -> Mapping[str, Json]:
    try:
        fields = _json(body)
    except ValueError as error:
        raise Refused(_wrong(kind, str(error)), entry) from error
    if not isinstance(fields, Mapping):
        raise Refused(_wrong(kind, "a JSON object is needed"), entry)
    for name, wanted in kind.required.items():
        value = fields.get(name)
        if not isinstance(value, wanted) or isinstance(value, bool) or value == "":
            raise Refused(_wrong(kind, f"{name} is missing, or not of the kind {wanted.__name__}"), entry)
    return fields


def _wrong(kind: Kind, text: str) -> Answer:
    return said(400, kind.problem(kind.dialect.named(400, "BAD_REQUEST"), text))


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_local(request: web.Request) -> bool:
    return request.remote is not None and ipaddress.ip_address(request.remote).is_loopback


def _reset(request: web.Request) -> None:
    """Closes the connection at once, as a machine does that goes down."""
    transport = request.transport
    if transport is None:
        return
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()

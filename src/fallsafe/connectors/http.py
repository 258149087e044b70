"""Speaks HTTP to systems that are declared in policy; there is no code per system (§12.1).

The request comes rendered, its bytes are taken as evidence, and only then are credentials added. `NotSent` is said only
on proof that nothing can have happened; every doubt is `Lost`. Nothing is sent twice: no retries, no redirects, and the
repeat that the HTTP library would make by itself when a connection breaks is stopped.
"""

import asyncio
import errno
import re
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import cast

import aiohttp
import msgspec
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from multidict import CIMultiDict
from yarl import URL

from fallsafe import __version__
from fallsafe.connectors.port import Monotonic, Sendable
from fallsafe.core.commands.contract import Operation, Request
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Outcome, RawBytes, Reply
from fallsafe.core.commands.reading import UNREADABLE, read, read_look_up
from fallsafe.core.errors import Bug
from fallsafe.core.events import Json

CONNECT_SECONDS_MAX = 3.0
MAPPED_BYTES_MAX = 1024 * 1024
KEPT_BYTES_MAX = 8 * 1024 * 1024
# Shorter than servers keep idle connections, so that a request does not meet one that is just being closed.
IDLE_SECONDS_MAX = 2.0
RETRY_AFTER_MAX = timedelta(days=1)
SECRET_LENGTH_MIN_TO_HIDE = 6
HIDDEN = b"[credential removed]"

NEVER_KEPT = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
BUSY = 503
_BREAKS_LINES = re.compile(r"[\r\n\0]")
NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


class _BrokenOff(aiohttp.ClientError):
    """The connection broke after it stood. Not of the kinds that aiohttp answers by sending a PUT or DELETE again."""


async def _once(request: aiohttp.ClientRequest, call: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Sends a request once, whatever its method."""
    try:
        return await call(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenOff from error


@dataclass(slots=True)
class _Answer:
    """What came back, as far as it came. `stood` = there was a connection, so something may have left."""

    stood: bool = False
    status: int = 0
    head: str = ""
    media_type: str = ""
    encoding: str = ""
    retry_after: timedelta | None = None
    body: bytearray = field(default_factory=bytearray)
    cut: bool = False
    whole: bool = False
    repeated_us: bool = False


class HttpConnector:
    """A connector for any number of systems.

    `systems` maps system code → base URL, `secrets` system code → bearer credential; `allowed_hosts` holds the hosts
    (`name` or `name:port`) that may be spoken to, whatever policy says. `monotonic` is the clock of `start_before`.
    """

    def __init__(
        self,
        systems: Mapping[str, str],
        secrets: Mapping[str, str],
        allowed_hosts: frozenset[str],
        monotonic: Monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._bases = {code: _base(url.rstrip("/"), allowed_hosts) for code, url in systems.items()}
        self._secrets = secrets
        self._monotonic = monotonic
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def send(self, sendable: Sendable) -> Reply:
        """Sends one attempt once and reads what came. Raises Bug where the request itself is impossible."""
        began = self._monotonic()
        if began >= sendable.start_before:
            return Reply(NotSent("too_late_to_start"))
        address = self._address(sendable)
        if isinstance(address, NotSent):
            return Reply(address)
        answer = _Answer()
        _CALL.set(answer)
        ended = await self._call(sendable, address, answer)
        # Before anything is read from the answer: what is taken out of it must not hold our credential either.
        _hide(answer, self._secrets.get(sendable.operation.system, ""))
        outcome = _read(sendable, answer) if ended is None else ended
        evidence = _evidence(sendable, outcome, answer)
        facts: Json = {"httpStatus": answer.status} if answer.status else None
        return Reply(outcome, evidence, self._monotonic() - began, facts)

    async def close(self) -> None:
        """Gives back sockets."""
        if self._session is not None:
            await self._session.close()
        self._session = None

    def _address(self, sendable: Sendable) -> URL | NotSent:
        path = sendable.request.path
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
            raise Bug(f"{sendable.operation.name}: {path!r} is no quoted path")
        if any(_BREAKS_LINES.search(value) for _, value in sendable.request.headers):
            return NotSent("unsendable")
        base = self._bases.get(sendable.operation.system, NotSent("no_address"))
        # The path was quoted where it was rendered; quoting it again would change what was asked. It cannot change the
        # host: that ended where the path begins.
        return base if isinstance(base, NotSent) else URL(base + path, encoded=True)

    async def _call(self, sendable: Sendable, address: URL, answer: _Answer) -> Outcome | None:
        """Sends it and takes what comes; how it ended where no whole answer came."""
        request, operation = sendable.request, sendable.operation
        self._session = session = self._session or self.open_session()
        try:
            async with asyncio.timeout(operation.call_timeout.total_seconds()):
                async with session.request(
                    request.method,
                    address,
                    data=request.body or None,
                    headers=self._headers(request, operation),
                    allow_redirects=False,
                ) as came:
                    await _take(came, answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _after(error) if answer.stood else _before(error)
        return None

    def open_session(self) -> aiohttp.ClientSession:
        """The way out to the network; the simulator has another."""
        tls = self._tls if self._tls is not None else True
        return aiohttp.ClientSession(
            # How many calls go out at once is the claiming worker's to say, so there is no limit here.
            connector=_Watched(limit=0, ssl=tls, keepalive_timeout=IDLE_SECONDS_MAX),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS_MAX, sock_connect=CONNECT_SECONDS_MAX),
            headers={"User-Agent": f"fallsafe/{__version__}", "Accept-Encoding": "identity"},
            skip_auto_headers=("Content-Type",),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            middlewares=(_once,),
        )

    def _headers(self, request: Request, operation: Operation) -> CIMultiDict[str]:
        headers = CIMultiDict(request.headers)
        if request.media_type:
            headers["Content-Type"] = request.media_type
        secret = self._secrets.get(operation.system)
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        return headers


def _base(url: str, allowed_hosts: frozenset[str]) -> str | NotSent:
    """The base address of a system, or why it is not sent to."""
    if not url.startswith(("http://", "https://")):
        return NotSent("no_address")
    address = URL(url, encoded=True)
    if not {address.host, f"{address.host}:{address.port}"} & allowed_hosts:
        return NotSent("host_not_allowed")
    return url


_CALL: ContextVar[_Answer] = ContextVar("call")


def connection_stands() -> None:
    """Said by whoever carries a call as soon as there is a connection: from here on something may leave."""
    _CALL.get().stood = True


class _Watched(aiohttp.TCPConnector):
    """Notes when a connection stands, which is before anything is written to it. (A trace would cost a fifth more.)"""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # safe because it is aiohttp's own
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        connection_stands()
        return connection


async def _take(came: aiohttp.ClientResponse, answer: _Answer) -> None:
    """Takes the answer piece by piece, so that what came before a break is kept."""
    answer.status = came.status
    answer.media_type = _text(came.headers.get("Content-Type", ""))
    answer.encoding = came.headers.get("Content-Encoding", "").strip().lower()
    answer.retry_after = _retry_after(came.headers)
    lines = [f"{name}: {value}" for name, value in came.headers.items() if name.lower() not in NEVER_KEPT]
    answer.head = _text("\n".join([f"HTTP {came.status} {came.reason or ''}".rstrip(), *lines]))
    while chunk := await came.content.readany():
        answer.body += chunk
        if len(answer.body) > KEPT_BYTES_MAX:
            del answer.body[KEPT_BYTES_MAX:]
            answer.cut = True
            came.close()
            return
    answer.whole = True


def _text(head: str) -> str:
    """Head lines as text: a byte that is no UTF-8 is written out, so that it can be kept whatever a server sends."""
    return head.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _before(error: Exception) -> NotSent:
    """Why there was no connection: nothing can have left, so nothing can have happened."""
    match error:
        case TimeoutError():
            return NotSent("connect_timeout")
        case aiohttp.ClientConnectorCertificateError():
            return NotSent("certificate")
        case aiohttp.ClientConnectorSSLError():
            return NotSent("tls")
        case aiohttp.ClientConnectorDNSError():
            return NotSent("dns")
        case aiohttp.ClientConnectorError():
            return NotSent(_refusal(error.os_error))
        case _:
            return NotSent("unreachable")


def _after(error: Exception) -> Lost:
    """How a call broke once a connection stood: then nobody knows."""
    match error:
        case TimeoutError():
            return Lost("timeout")
        case aiohttp.ClientResponseError():
            return Lost(UNREADABLE, message="the answer is not HTTP")
        case _BrokenOff() | aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
            return Lost("reset")
        case _:
            return Lost(UNREADABLE, message=type(error).__name__)


def _refusal(error: OSError) -> str:
    if error.errno == errno.ECONNREFUSED:
        return "refused"
    return "no_route" if error.errno in NO_ROUTE else "unreachable"


def _read(sendable: Sendable, answer: _Answer) -> Outcome:
    status = answer.status
    if 300 <= status < 400:
        return Lost("redirect", f"http_{status}", "redirects are not followed")
    if status in sendable.operation.not_sent_statuses and (status != BUSY or answer.retry_after is not None):
        return NotSent("busy" if status == BUSY else f"http_{status}", f"http_{status}", answer.retry_after)
    if len(answer.body) > MAPPED_BYTES_MAX:
        return Lost("too_long", f"http_{status}", f"the answer has more than {MAPPED_BYTES_MAX} bytes")
    body, readable = _parse(answer)
    outcome = _by_contract(sendable, status, body)
    if not readable and (status < 300 or isinstance(outcome, Accepted | Done | Looked)):
        # A page of something before the system may carry any status; it never proves an effect nor its absence.
        return Lost(UNREADABLE, f"http_{status}", "the answer is not JSON")
    if isinstance(outcome, NotSent):
        return replace(outcome, retry_after=answer.retry_after)
    return outcome


def _by_contract(sendable: Sendable, status: int, body: Json) -> Outcome:
    if sendable.purpose is Purpose.QUERY:
        return read_look_up(sendable.answers, status, body, sendable.asked)
    return read(sendable.answers, status, body, sendable.asked, sendable.operation.effect)


def _parse(answer: _Answer) -> tuple[Json, bool]:
    """The body as JSON, and whether it could be read; an empty body is read as nothing."""
    if answer.encoding not in ("", "identity"):
        return None, False
    if not answer.body:
        return None, True
    try:
        return cast(Json, msgspec.json.decode(answer.body)), True
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, False


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long the other side asks to wait: seconds, or a date beside its own; None where that cannot be read."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdecimal() and text.isascii():
        return min(timedelta(seconds=min(int(text[:9]), RETRY_AFTER_MAX.total_seconds())), RETRY_AFTER_MAX)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return min(max(wait, timedelta(0)), RETRY_AFTER_MAX)


def _hide(answer: _Answer, secret: str) -> None:
    """Takes our credential out of an answer: some systems repeat what they were sent, and it is never kept, not even as
    their words.
    """
    raw = secret.encode()
    if len(secret) >= SECRET_LENGTH_MIN_TO_HIDE and (raw in answer.body or secret in answer.head):
        answer.body = answer.body.replace(raw, HIDDEN)
        answer.head = answer.head.replace(secret, HIDDEN.decode())
        answer.repeated_us = True


def _evidence(sendable: Sendable, outcome: Outcome, answer: _Answer) -> tuple[RawBytes, ...]:
    """What went out, unless it is proved that nothing did, and what came back."""
    if not answer.head:
        return () if isinstance(outcome, NotSent) else (_request(sendable.request),)
    return (_request(sendable.request), _kept(answer))


def _request(request: Request) -> RawBytes:
    lines = [f"{name}: {value}" for name, value in request.headers if name.lower() not in NEVER_KEPT]
    return RawBytes(
        "request", request.body, request.media_type, "\n".join([f"{request.method} {request.path}", *lines])
    )


def _kept(answer: _Answer) -> RawBytes:
    notes = [f"(cut after {KEPT_BYTES_MAX} bytes)"] if answer.cut else []
    notes += [] if answer.cut or answer.whole else ["(the answer broke off here)"]
    notes += ["(the answer repeated our credential, which was removed)"] if answer.repeated_us else []
    return RawBytes("answer", bytes(answer.body), answer.media_type, "\n".join([answer.head, *notes]))

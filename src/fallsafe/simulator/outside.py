"""The systems outside and the wires to them, in the world's own time. What they did is counted here.

They judge by the sandbox's own rules over its own truth. A wire may lose, repeat, delay and break what goes over it;
the far end goes on, whatever becomes of the process that sent.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, cast
from urllib.parse import unquote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from fallsafe.connectors.files import FileConnector
from fallsafe.connectors.http import HttpConnector, connection_stands
from fallsafe.connectors.mail import MailConnector
from fallsafe.connectors.port import Connector, Sendable
from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Reply
from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.security.signature import sign
from fallsafe.simulator.folders import BY_FILE, BY_LETTER, Folders
from fallsafe.simulator.mishaps import CALLBACK, FOLDER, LOOK, REQUEST, Mishaps
from fallsafe.simulator.sandbox.callbacks import RETRY_WAITS, noticed, told_of
from fallsafe.simulator.sandbox.deciding import Answer, Deciding, Manner
from fallsafe.simulator.sandbox.dialects import Asked, Kind
from fallsafe.simulator.sandbox.disk import Disk
from fallsafe.simulator.sandbox.engine import CODE as ENGINE
from fallsafe.simulator.sandbox.faults import Fault, Faults, Strike
from fallsafe.simulator.sandbox.kinds import all_kinds
from fallsafe.simulator.sandbox.truth import REJECTED, Course, Held, Truth
from fallsafe.simulator.turnstile import Standing, Turnstile

KINDS = tuple(all_kinds())
WORDS = f"{ENGINE}."
BASE = "http://outside"
NOWHERE = Path("/dev/null/folder")
"""A folder that can never be made."""
CALLBACK_SECONDS = 2.0
MISSED_WITHIN = timedelta(days=2)
PATIENT_WAIT = 60.0
LATE_WITHIN_SETTLE = (11.0, 45.0)
LATE_WHERE_REPEATS_ARE_KNOWN = (11.0, 2_400.0)
KNOWS_REPEATS = (Repeat.SAME_RESULT, Repeat.REJECTS_DUPLICATE)
GIVE_DATES = ("WHA.order", "SHP.track")
STRIKES = {
    "refused": Strike.REFUSE,
    "partly_done": Strike.REFUSE,
    "amount_differs": Strike.REFUSE,
    "saved_error": Strike.REFUSE,
    "busy": Strike.BUSY,
    "throttled": Strike.THROTTLE,
    "http_500_before": Strike.HTTP_500_BEFORE,
    "http_500_after": Strike.HTTP_500_AFTER,
    "unreadable": Strike.UNREADABLE,
    "unreadable_after_effect": Strike.UNREADABLE,
    "other_key": Strike.OTHER_KEY,
    "other_object": Strike.OTHER_OBJECT,
    "cancelled_object": Strike.CANCELLED_OBJECT,
}

SAYS = {"partly_done": "PARTIAL_CONFIG", "amount_differs": "BC-2409 AMOUNT_MISMATCH"}
ONLY_OF = {"partly_done": "PRV.activateService", "amount_differs": "BIL.createSubscription"}


class Memory:
    """A disk that forgets with its world."""

    folder = Path("/nonexistent/outside")

    def append(self, name: str, line: Mapping[str, Json]) -> None:
        """Takes a line, for nobody."""

    async def flushed(self) -> None:
        """Nothing has to be waited for."""


class MortalTruth(Truth):
    """What the systems know; a key is forgotten when its life by contract is over, a thing never."""

    def __init__(self, clock: Callable[[], float], lives: Mapping[str, timedelta | None]) -> None:
        self._lives, self._now = lives, clock
        self.doing = False
        super().__init__(cast(Disk, Memory()), KINDS, clock)

    def by_key(self, kind: Kind, key: str) -> Held | None:
        """What was made under a key, as long as the system remembers the key."""
        held, lives = super().by_key(kind, key), self._lives.get(kind.operation)
        if held is not None and self.doing and lives is not None and self._now() - held.at > lives.total_seconds():
            return None
        return held


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it left."""

    system: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    key: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One callback on its way to the door: whose, about which key, its bytes and its signature. A `patient` sender
    never gives up.
    """

    system: str
    key: str
    body: bytes
    signature: str
    after: float
    patient: bool = False


Deliver = Callable[[Delivery], Awaitable[bool]]
"""Hands a callback to the product's door; whether it said that it has it."""


@dataclass(slots=True)
class Ledger:
    """What the judge knows of the outside: all requests that left, the bodies of callbacks that were taken, and those
    of all answers (`said`) and callbacks (`called`).
    """

    requests: list[Request] = field(default_factory=list)
    told: list[tuple[str, bytes]] = field(default_factory=list)
    bytes_of_key: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    said: set[bytes] = field(default_factory=set)
    called: set[bytes] = field(default_factory=set)


class Outside:
    """All systems outside, their truth, and the wires."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], datetime],
        mishaps: Mishaps,
        policy: PolicySet,
        secrets: Mapping[str, str],
        deliver: Deliver,
        departs: Callable[["Request"], None],
        place: Path,
    ) -> None:
        self._departs = departs
        self._patient = {kind.operation for kind in policy.task_types.values() if kind.breach > MISSED_WITHIN}
        self._lives = {name: operation.key_lives for name, operation in policy.operations.items()}
        self._loop, self.now, self._mishaps, self._secrets, self._deliver = loop, now, mishaps, secrets, deliver
        self._dice = mishaps.dice
        self.truth = MortalTruth(lambda: now().timestamp(), self._lives)
        self.script = Faults([])
        self._deciding = Deciding(
            self.truth, self.script, lambda: now().timestamp(), self._begin_course, CALLBACK_SECONDS
        )
        memory = cast(Disk, Memory())
        self.folders = Folders(loop, now, mishaps, place, self.truth, memory, self._begin_course)
        self.ledger = Ledger(said=self.folders.said, called=self.folders.acknowledged)
        self.down: set[str] = set()
        self.storms: dict[str, str] = {}
        self.broken_until: dict[str, float] = {}
        self.lost_kinds: set[str] = set()
        self.travel = 0.01
        self._lurking: dict[str, tuple[Request, int]] = {}
        self._asked_at: dict[str, datetime] = {}
        self._refused: set[str] = set()
        self._telling: set[asyncio.Task[bool]] = set()
        self._number = 0

    # -- requests -----------------------------------------------------------------------------------------------

    def leaves(self, request: Request) -> None:
        """A request leaves."""
        self._departs(request)
        self.ledger.requests.append(request)

    def receive(self, request: Request, answer: Callable[[Answer], None]) -> None:
        """A request has left: sooner or later, or never, it is taken there, and answered."""
        self.leaves(request)
        kind, doing = _kind_of(request.system, request.path), request.method == "POST"
        fault = self._mishaps.one_of(REQUEST if doing else LOOK)
        if (
            (fault == "saved_error" and kind.repeat is not Repeat.REPLAYS_SAVED_ERROR)
            or (fault == "busy_and_refused" and not kind.calls_back)
            or (fault == "delivered_twice" and kind.repeat is Repeat.UNSUPPORTED)
            or kind.operation != ONLY_OF.get(fault, kind.operation)
        ):
            self._mishaps.count[fault] -= 1
            fault = ""
        later = self._travel()
        if doing:
            self._loop.call_later(later, self._take, kind, request, fault, answer)
        else:
            self._loop.call_later(later, self._look, kind, request, fault, answer)

    def refuses(self, request: Request) -> bool:
        """Whether nobody is there to take any request of this system."""
        return self.storms.get(request.system) == "refused"

    def _travel(self) -> float:
        return self.travel * (0.5 + self._dice.random())

    def _take(self, kind: Kind, request: Request, fault: str, answer: Callable[[Answer], None]) -> None:
        """The request arrives, or so it seems."""
        if kind.system in self.down:
            answer(Answer(503, b'{"code":"DOWN"}', retry_after=float(self._dice.randint(5, 60))))
            return
        if kind.system in self.storms:
            # Activation may have done it all the same when it says 503; with 429 it has not.
            fault = "busy" if self.storms[kind.system] == "busy" and kind.system != "PRV" else "throttled"
        if kind.operation in self.lost_kinds:
            fault = "answer_lost_before_effect" if self._dice.random() < 0.5 else "answer_lost_after_effect"
        match fault:
            case "answer_lost_before_effect":
                return
            case "reset_before_effect":
                answer(Answer(0, manner=Manner.RESET))
            case "effect_late" if kind.repeat in KNOWS_REPEATS and self._dice.random() < 0.5:
                self._lurking[request.key] = (request, self._dice.randint(2, 4))
            case "effect_late":
                self._loop.call_later(self._late(kind), self._do_late, kind, request)
            case "answer_lost_after_effect":
                self._do(kind, request, "")
            case "reset_after_effect":
                self._do(kind, request, "")
                answer(Answer(0, manner=Manner.RESET))
            case "busy_and_refused":
                self._do(kind, request, "refused")
                self._tell_refusal(kind, request)
                wait = self._dice.randint(10, 40)
                answer(Answer(429, b'{"code":"BUSY"}', retry_after=float(wait)))
            case "delivered_twice":
                first = self._do(kind, request, "")
                second = self._do(kind, request, "")
                answer(first if self._dice.random() < 0.5 else second)
            case "answer_slow" | "answer_too_slow":
                said = self._do(kind, request, "")
                slow = self._dice.uniform(1, 8) if fault == "answer_slow" else self._dice.uniform(11, 40)
                self._loop.call_later(slow, answer, said)
            case _:
                self._loop.call_later(self._travel(), answer, self._do(kind, request, fault))

    def _tell_refusal(self, kind: Kind, request: Request) -> None:
        held = self.truth.by_key(kind, _asked(kind, request).key)
        if held is not None and held.state == REJECTED:
            self._tell(held, told_of(held), self._dice.uniform(0, 20))

    def _come_nearer(self, kind: Kind, key: str) -> None:
        """An effect that waits until nobody expects it any more: it comes just after the last look for it."""
        request, looks = self._lurking.pop(key)
        if looks > 1:
            self._lurking[key] = (request, looks - 1)
        else:
            self._loop.call_later(self._dice.choice((0.1, 4.0)) * self._dice.random(), self._appear, kind, request)

    def _appear(self, kind: Kind, request: Request) -> None:
        """The effect is there at once, and is told of at once."""
        usual = self._deciding
        self._deciding = replace(usual, delay=0.0, begin=lambda held: self._end_course(held, ""))
        self._do_late(kind, request)
        self._deciding = usual

    def _do_late(self, kind: Kind, request: Request) -> None:
        """Does what was asked long ago; no request is on its way for longer than its key lives, also where the clocks
        went forward meanwhile, and whoever gives one key one result does not do what was refused under it.
        """
        lives = self._lives.get(kind.operation)
        if request.key not in self._refused and (lives is None or self.now() - request.at < lives):
            self._do(kind, request, "")

    def _outlived(self, kind: Kind, key: str) -> bool:
        """Whether the life of a key is over: from then on nobody who looks for it is told that it is not there."""
        lives, asked_at = self._lives.get(kind.operation), self._asked_at.get(key)
        return lives is not None and asked_at is not None and self.now() - asked_at >= lives

    def _late(self, kind: Kind) -> float:
        return self._dice.uniform(
            *(LATE_WHERE_REPEATS_ARE_KNOWN if kind.repeat in KNOWS_REPEATS else LATE_WITHIN_SETTLE)
        )

    def _do(self, kind: Kind, request: Request, fault: str) -> Answer:
        asked = _asked(kind, request)
        effect = fault == "unreadable_after_effect" or (fault == "cancelled_object" and self._dice.random() < 0.5)
        if fault in STRIKES:
            seconds = float(self._dice.randint(1, 30)) if fault in ("busy", "throttled") else None
            self.script.faults[:] = [Fault(STRIKES[fault], seconds=seconds, effect=effect, code=SAYS.get(fault, ""))]
        self._asked_at.setdefault(request.key, request.at)
        self.truth.doing = True
        try:
            answer = self._deciding.do(kind, asked)
            if 400 <= answer.status < 500 and answer.status != 429 and kind.repeat in KNOWS_REPEATS:
                self._refused.add(request.key)
            return answer
        finally:
            self.truth.doing = False
            self.script.faults.clear()

    def _look(self, kind: Kind, request: Request, fault: str, answer: Callable[[Answer], None]) -> None:
        if kind.system in self.down or fault == "look_lost":
            return
        broken = self._loop.time() < self.broken_until.get(kind.operation, 0.0)
        name = unquote(request.path.split("/", 3)[3])
        by_key = "/by-key/" in request.path
        if broken:
            self.script.faults[:] = [Fault(Strike.HTTP_500_BEFORE)]
        elif fault == "look_not_found" and not (by_key and self._outlived(kind, name)):
            self.script.faults[:] = [Fault(Strike.NOT_FOUND_FOR, times=None)]
        elif fault == "look_busy":
            self.script.faults[:] = [Fault(Strike.THROTTLE, seconds=float(self._dice.randint(1, 30)))]
        elif fault == "look_lies":
            lie = Strike.OTHER_KEY if self._dice.random() < 0.5 else Strike.OTHER_OBJECT
            self.script.faults[:] = [Fault(lie)]
        elif fault == "look_broken":
            strike = Strike.HTTP_500_BEFORE if self._dice.random() < 0.5 else Strike.UNREADABLE
            self.script.faults[:] = [Fault(strike)]
        if by_key and name in self._lurking:
            self._come_nearer(kind, name)
        said = self._deciding.look(kind, key=name if by_key else "", about="" if by_key else name)
        self.script.faults.clear()
        slow = self._dice.uniform(1, 30) if fault == "look_slow" else self._travel()
        self._loop.call_later(slow, answer, said)

    # -- callbacks ----------------------------------------------------------------------------------------------

    def _begin_course(self, held: Held) -> None:
        if held.course is None:
            return
        fault = self._mishaps.one_of(CALLBACK)
        if fault == "callback_never" and (held.kind.operation in self._patient or held.kind.system == BY_FILE):
            self._mishaps.count[fault] -= 1
            fault = ""  # nobody would miss it for days, and a world does not live that long
        if fault in ("callback_rejected", "callback_rejected_twice"):
            held.course = _refused(held.course)
        elif fault == "callback_of_progress":
            held.course = replace(held.course, ends_at=self.now().timestamp() + self._dice.uniform(12, 90))
            self._tell(held, _progress(held), self._dice.choice((0.0, 5.0, 60.0)) * self._dice.random())
        elif fault == "callback_of_delay" and held.kind.operation in GIVE_DATES:
            late = self.now() + timedelta(days=self._dice.uniform(0.1, 60))
            delayed = replace(held.course, notice="DELAYED", text="no capacity", expected_at=late.timestamp())
            self._tell(held, noticed(held, delayed), self._dice.uniform(0, 2))
        elif fault == "callback_of_delay":
            self._mishaps.count[fault] -= 1
        after = held.course.ends_at - self.now().timestamp() + self._dice.uniform(0, 2)
        self._loop.call_later(max(0.0, after), self._end_course, held, fault)

    def _end_course(self, held: Held, fault: str) -> None:
        self.truth.end(held)
        quiet = held.course is not None and held.course.callbacks == 0 and held.kind.operation not in self._patient
        silent = quiet or not held.kind.tells_end
        if silent or fault == "callback_never":
            return
        delay = {"callback_late": (60, 1_200), "callback_very_late": (1_800, 10_800)}.get(fault, (0.0, 0.2))
        first = self._tell(held, told_of(held), self._dice.uniform(*delay))
        if fault == "callback_twice":
            self._tell(held, told_of(held), self._dice.uniform(0, 120))
        elif fault == "callback_rejected_twice":
            self._tell(held, told_of(held, suffix="-R"), self._dice.uniform(0, 120))
        elif fault == "callback_changes_its_mind":
            self._tell(held, _refused_later(held), self._dice.uniform(5, 120), behind=first)
        elif fault == "callback_of_a_second_effect":
            said, reference = told_of(held, suffix="-S"), held.kind.id_field
            self._tell(held, said | {reference: f"{said[reference]}-SECOND"}, self._dice.uniform(5, 120))
        elif fault == "callback_out_of_order":
            self._tell(held, _progress(held), self._dice.uniform(0, 30))
        elif fault == "callback_of_progress_late":
            self._tell(held, _progress(held), self._dice.uniform(300, 2_400))
        elif fault == "callback_forged":
            self._tell(held, told_of(held, suffix="-F", state="REJECTED"), 1.0, forged=True)
        elif fault == "callback_about_other":
            self._tell(held, told_of(held, suffix="-O", about="CRM/nobody/nothing"), 1.0)
        elif fault == "callback_unmatched":
            self._tell(held, told_of(held, suffix="-U", key=f"{held.asked.key}-who"), 1.0)

    def _tell(
        self,
        held: Held,
        said: Mapping[str, Json],
        after: float,
        *,
        forged: bool = False,
        behind: "asyncio.Task[bool] | None" = None,
    ) -> "asyncio.Task[bool] | None":
        """Tells what is said; what takes back what was said before is told only where that was heard (`behind`)."""
        system = held.kind.system
        if system == BY_FILE:
            self.folders.tell(dict(said), after)
            return None
        body = json.dumps(said, separators=(",", ":")).encode()
        self.ledger.called.add(body)
        signature = sign("not the secret" if forged else self._secrets[system], body)
        patient = held.kind.operation in self._patient and not forged
        one = Delivery(system, str(said[held.kind.key_field]), body, signature, after, patient)
        # In a context of its own: what is on its way does not end with the process that sent the request.
        task = self._loop.create_task(self._until_told(one, behind), context=Context())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
        return task

    async def _until_told(self, one: Delivery, behind: "asyncio.Task[bool] | None") -> bool:
        """Tries until the door says that it has it; then gives up, as systems do. Whether it was told."""
        if behind is not None and not await behind:
            return False
        await asyncio.sleep(one.after)
        for wait in chain(RETRY_WAITS, repeat(PATIENT_WAIT) if one.patient else (None,)):
            if await self._deliver(one):
                self.ledger.told.append((one.system, one.body))
                return True
            if wait is None:
                return False
            await asyncio.sleep(wait)
        return False

    @property
    def effects(self) -> Counter[str]:
        """How often each thing was done, by operation and business object. A step of another engine may be told many
        things, each under a key of its own.
        """
        by_object = self.truth.effects_by_object
        return Counter({name: count for name, count in by_object.items() if not name.startswith(WORDS)})

    @property
    def effects_by_key(self) -> Counter[str]:
        """How often something was done under each key."""
        return self.truth.effects_by_key


def _progress(held: Held) -> dict[str, Json]:
    return told_of(held, suffix="-P", state="IN_PROGRESS")


def _refused_later(held: Held) -> dict[str, Json]:
    return told_of(held, suffix="-M", state="REJECTED", code="PORT_FAULT")


def _refused(course: Course) -> Course:
    return replace(course, rejected=True, code="PORT_FAULT", text="refused by the network")


def _kind_of(system: str, path: str) -> Kind:
    folder = "/" + path.split("/", 2)[1]
    return next(k for k in KINDS if k.path == folder and k.system == system)


def _asked(kind: Kind, request: Request) -> Asked:
    fields: Mapping[str, Json] = json.loads(request.body)
    return Asked(request.key, str(fields["object"]), fields)


# -- the wire of one process ------------------------------------------------------------------------------------


class _Content:
    def __init__(self, body: bytes) -> None:
        self._left = [body] if body else []

    async def readany(self) -> bytes:
        """What is there, once."""
        return self._left.pop() if self._left else b""


class _Came:
    """An answer, as the HTTP library would give it."""

    def __init__(self, answer: Answer) -> None:
        self.status, self.reason = answer.status or 200, "Said"
        self.headers = CIMultiDict({"Content-Type": answer.media_type})
        if answer.retry_after is not None:
            self.headers["Retry-After"] = f"{answer.retry_after:.0f}"
        self.content = _Content(answer.body)

    def close(self) -> None:
        """Nothing is held."""


class _Calling:
    """One call over the wire."""

    def __init__(self, outside: Outside, mishaps: Mishaps, request: Request) -> None:
        self._outside, self._mishaps, self._request = outside, mishaps, request

    async def __aenter__(self) -> _Came:
        if self._outside.refuses(self._request) or self._mishaps.strikes("connection_refused"):
            there = cast(Any, SimpleNamespace(host="outside", port=80, ssl=None, is_ssl=False))
            raise aiohttp.ClientConnectorError(there, ConnectionRefusedError(111, "refused"))
        connection_stands()
        came: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def answer(said: Answer) -> None:
            if not came.done() and said.manner is not Manner.HANG:
                came.set_result(said)

        self._outside.receive(self._request, answer)
        said = await came
        self._outside.ledger.said.add(said.body)
        if said.manner is Manner.RESET:
            raise aiohttp.ServerDisconnectedError
        return _Came(said)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""


class Wire:
    """What stands in place of the HTTP library's session."""

    def __init__(self, outside: Outside, mishaps: Mishaps) -> None:
        self._outside, self._mishaps = outside, mishaps

    def request(
        self, method: str, url: URL, data: bytes | None, headers: CIMultiDict[str], allow_redirects: bool
    ) -> _Calling:
        """One request."""
        assert not allow_redirects
        system, path = url.host or "", url.raw_path
        body = data or b""
        key = _key_of(_kind_of(system.upper(), path), headers, body)
        request = Request(system.upper(), method, path, dict(headers), body, key, self._outside.now())
        return _Calling(self._outside, self._mishaps, request)

    async def close(self) -> None:
        """Nothing is held."""


def _key_of(kind: Kind, headers: CIMultiDict[str], body: bytes) -> str:
    if kind.key_header:
        return headers.get(kind.key_header, "")
    return str(json.loads(body).get(kind.key_in, "")) if body else ""


class WorldConnector(HttpConnector):
    """The product's own HTTP connector over a wire of the world; it stands at the turnstile before each send."""

    def __init__(
        self,
        outside: Outside,
        mishaps: Mishaps,
        who: Standing,
        turnstile: Turnstile,
        secrets: Mapping[str, str],
        ends: Callable[[], None],
    ) -> None:
        systems = {code: f"http://{code.lower()}" for code in secrets}
        hosts = frozenset(code.lower() for code in secrets)
        super().__init__(systems, secrets, hosts, asyncio.get_running_loop().time)
        self._outside, self._mishaps, self._who, self._turnstile = outside, mishaps, who, turnstile
        self._ends = ends
        files, letters = outside.folders.files(self._monotonic), outside.folders.letters(self._monotonic)
        self._folders: Mapping[str, Connector] = {BY_FILE: files, BY_LETTER: letters}
        self._nowhere: Mapping[str, Connector] = {
            BY_FILE: FileConnector({BY_FILE: NOWHERE}, self._monotonic),
            BY_LETTER: MailConnector({BY_LETTER: NOWHERE}, self._monotonic),
        }

    async def send(self, sendable: Sendable) -> Reply:
        """Sends one attempt when it is its turn."""
        await self._turnstile.stand(self._who, f"send {sendable.operation.name} {sendable.key}")
        if sendable.operation.system in self._folders:
            return await self._put(sendable)
        return await super().send(sendable)

    async def _put(self, sendable: Sendable) -> Reply:
        """Puts something into a folder; a folder may be gone, and a process may end in the middle of it."""
        system, asks = sendable.operation.system, sendable.purpose is Purpose.QUERY
        if asks:
            return await self._folders[system].send(sendable)
        body = sendable.request.body
        request = Request(system, "POST", sendable.request.path, {}, body, sendable.key, self._outside.now())
        self._outside.leaves(request)
        fault = self._mishaps.one_of(FOLDER)
        if fault == "folder_is_not_there":
            return await self._nowhere[system].send(sendable)
        if fault == "killed_while_writing":
            self._outside.folders.break_off(body)
            self._ends()
        reply = await self._folders[system].send(sendable)
        if system == BY_LETTER:
            self._outside.folders.came(system)
        await self._turnstile.stand(self._who, f"put {sendable.key}")
        return reply

    def open_session(self) -> aiohttp.ClientSession:
        """The wire."""
        return cast(aiohttp.ClientSession, Wire(self._outside, self._mishaps))

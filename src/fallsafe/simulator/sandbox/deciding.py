"""What a system of the sandbox does with one request: the plain course of things, or the fault that strikes.

Everything here happens between two turns of the event loop, so a repeat that arrives beside the first request already
meets what the first one did. Nothing is answered here; `Answer` says how it is to be answered once the disk has it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.events import Json
from fallsafe.simulator.sandbox import faults, places
from fallsafe.simulator.sandbox.dialects import Asked, Kind, accepted, described
from fallsafe.simulator.sandbox.faults import Fault, Faults, Strike
from fallsafe.simulator.sandbox.kinds import ACCOUNT, NORMALIZE, QUALIFY, SUBSCRIPTION, TAX_AREA
from fallsafe.simulator.sandbox.truth import REJECTED, Course, Held, Truth

JSON_TYPE = "application/json"
HTML_TYPE = "text/html"
ERROR_PAGE = b"<html><h1>Internal Server Error</h1></html>"
GARBAGE = b'{"ok": tru\xff\xfe<html>gateway'
CANCELLED = "CANCELLED"


class Manner(StrEnum):
    """How an answer is given."""

    ANSWER = "answer"
    HANG = "hang"  # never, with the connection left open
    RESET = "reset"  # the connection is closed


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that waits for the disk. `seconds` is how long it is held back."""

    status: int
    body: bytes = b""
    media_type: str = JSON_TYPE
    retry_after: float | None = None
    manner: Manner = Manner.ANSWER
    seconds: float = 0.0
    fault: str = ""


def said(status: int, body: Json) -> Answer:
    """An answer in JSON."""
    return Answer(status, json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True)
class Deciding:
    """One process's judgement. `begin` starts the course of an accepted command; `delay` is its usual length."""

    truth: Truth
    script: Faults
    clock: Callable[[], float]
    begin: Callable[[Held], None]
    delay: float

    def do(self, kind: Kind, asked: Asked) -> Answer:
        """Answers a request to do something."""
        not_these = faults.NOT_FOR_DOING | (frozenset() if kind.calls_back else faults.ONLY_CALLBACKS)
        fault = self.script.take(kind.operation, asked.key, (asked.object,), not_these)
        if fault is None:
            return self._plain(kind, asked, None)
        return replace(self._struck(kind, asked, fault), fault=fault.strike.value)

    def look(self, kind: Kind, *, key: str = "", about: str = "") -> Answer:
        """Answers a look-up by key or by object."""
        held = self.truth.by_key(kind, key) if key else self.truth.by_object(kind, about)
        objects = (held.asked.object if held is not None else about,)
        fault = self.script.take(kind.query, key, objects, faults.NOT_FOR_LOOK_UPS)
        if fault is None:
            return self._shown(kind, key, about, held)
        asked = held.asked if held is not None else Asked(key or "unknown", about or "unknown", {})
        shown = self._error(kind, fault) or self._about_other(kind, asked, fault, look_up=True)
        answer = shown or self._shown(kind, key, about, held)
        return replace(answer, fault=fault.strike.value, seconds=_held_back(fault))

    def _shown(self, kind: Kind, key: str, about: str, held: Held | None) -> Answer:
        missing = said(404, kind.problem(kind.not_found_code, "nothing is known under this name"))
        if held is None or self.clock() < held.hidden_until:
            return missing
        objects = (about, held.asked.object)
        hidden = self.script.hides((kind.operation, kind.query), key, objects, self.clock() - held.at)
        if hidden is not None:
            return replace(missing, fault=hidden.strike.value)
        return said(200, held.document())

    def _struck(self, kind: Kind, asked: Asked, fault: Fault) -> Answer:
        match fault.strike:
            case Strike.ANSWER_LOST_AFTER_EFFECT | Strike.ANSWER_LOST_WHILE_PENDING | Strike.HTTP_500_AFTER:
                self._quietly(kind, asked, fault)
            case Strike.UNREADABLE | Strike.OTHER_KEY | Strike.OTHER_OBJECT | Strike.CANCELLED_OBJECT if fault.effect:
                self._quietly(kind, asked, fault)
            case Strike.REFUSE:
                return self._refused(kind, asked, fault)
            case _:
                pass
        struck = self._error(kind, fault) or self._about_other(kind, asked, fault, look_up=False)
        return struck or replace(self._plain(kind, asked, fault), seconds=_held_back(fault))

    def _error(self, kind: Kind, fault: Fault) -> Answer | None:
        """The answer of a fault that answers nothing about what was asked; None for the others."""
        match fault.strike:
            case Strike.ANSWER_LOST_BEFORE_EFFECT | Strike.ANSWER_LOST_AFTER_EFFECT | Strike.ANSWER_LOST_WHILE_PENDING:
                return Answer(0, manner=Manner.HANG)
            case Strike.DOWN if fault.code == "reset":
                return Answer(0, manner=Manner.RESET)
            case Strike.DOWN:
                return replace(said(503, kind.problem("DOWN", "out of service")), retry_after=fault.seconds)
            case Strike.BUSY:
                wait = 1.0 if fault.seconds is None else fault.seconds
                return replace(said(503, kind.problem("BUSY", "too much to do")), retry_after=wait)
            case Strike.THROTTLE:
                limit = kind.problem("TOO_MANY_REQUESTS", "slow down")
                return replace(said(429, limit), retry_after=fault.seconds)
            case Strike.HTTP_500_BEFORE | Strike.HTTP_500_AFTER:
                return Answer(500, ERROR_PAGE, HTML_TYPE)
            case Strike.UNREADABLE:
                return Answer(200, GARBAGE)
            case Strike.REFUSE:
                return said(fault.status or 422, kind.problem(fault.code or "REFUSED", fault.text))
            case _:
                return None

    def _about_other(self, kind: Kind, asked: Asked, fault: Fault, *, look_up: bool) -> Answer | None:
        """A success that is about something else than what was asked."""
        state = kind.state
        match fault.strike:
            case Strike.OTHER_KEY:
                asked = replace(asked, key=f"{asked.key}-other")
            case Strike.OTHER_OBJECT:
                asked = replace(asked, object=f"{asked.object}-other")
            case Strike.CANCELLED_OBJECT:
                state = CANCELLED
            case _:
                return None
        if kind.calls_back and not look_up:
            status = CANCELLED if state == CANCELLED else "ACCEPTED"
            return said(202, accepted(kind, asked, f"{kind.id_prefix}-0", status))
        return said(200 if look_up else 201, described(kind, asked, f"{kind.id_prefix}-0", state))

    def _refused(self, kind: Kind, asked: Asked, fault: Fault) -> Answer:
        code = fault.code or kind.refusal_code
        return self._refuse(kind, asked, code, fault.text or "refused by the sandbox", fault.status)

    def _refuse(self, kind: Kind, asked: Asked, code: str, text: str, status: int | None = None) -> Answer:
        if self.truth.by_key(kind, asked.key) is None:
            saved = kind.repeat is Repeat.REPLAYS_SAVED_ERROR
            self.truth.refuse(kind, asked, code, text, saved=saved)
        usual, body = kind.refuse(asked, code, text)
        return said(status or usual, body)

    def _plain(self, kind: Kind, asked: Asked, fault: Fault | None) -> Answer:
        known = self.truth.by_key(kind, asked.key)
        if known is not None and kind.repeat is not Repeat.UNSUPPORTED:
            return self._repeated(kind, asked, known)
        saved = self.truth.refusal(kind, asked.key)
        if saved is not None:
            return said(*kind.refuse(asked, saved.code, saved.text))
        if kind is SUBSCRIPTION and not self._account_is_open(asked):
            text = f"acct {asked.fields.get('accountId')} unknown"
            return self._refuse(kind, asked, "BC-1404 ACCOUNT_NOT_FOUND", text)
        return self._done(kind, asked, fault)

    def _account_is_open(self, asked: Asked) -> bool:
        """Accounts of our own numbers are known or not; others were opened before this sandbox was."""
        account = str(asked.fields.get("accountId"))
        return not account.startswith(f"{ACCOUNT.id_prefix}-") or self.truth.by_id(account) is not None

    def _repeated(self, kind: Kind, asked: Asked, known: Held) -> Answer:
        if kind.repeat is Repeat.REJECTS_DUPLICATE:
            return said(*kind.refuse(asked, kind.dialect.named(409, "DUPLICATE_REQUEST"), "this key was used before"))
        if known.asked.object != asked.object or known.state == REJECTED:
            return said(409, kind.problem("KEY_REUSED", "this key was used for something else"))
        return said(200, known.document())

    def _done(self, kind: Kind, asked: Asked, fault: Fault | None) -> Answer:
        hidden_until = self._hidden_until(fault)
        if not kind.effect:
            return self._told(kind, asked)
        if not kind.calls_back:
            return said(201, self.truth.make(kind, asked, hidden_until).document())
        held = self.truth.accept(kind, asked, self._course(kind, fault), hidden_until)
        self.begin(held)
        return said(202, accepted(kind, asked, held.id))

    def _told(self, kind: Kind, asked: Asked) -> Answer:
        """The answer to a question that changes nothing: what is known of a place, else that all is well."""
        place = places.resolve(asked.fields) if kind in (NORMALIZE, QUALIFY, TAX_AREA) else None
        name = f"{kind.id_prefix}-0"
        if isinstance(place, places.Found):
            if kind is QUALIFY and not place.reached:
                return self._refuse(kind, asked, places.NOT_SERVICEABLE, "no drop within 80 m")
            name = {NORMALIZE.operation: place.address, TAX_AREA.operation: place.area}.get(kind.operation, name)
        elif kind is TAX_AREA:
            name = places.area_of_city(asked.fields) or name
        elif place is not None:
            return self._refuse(kind, asked, place, "no such place" if place == places.NOT_FOUND else "several fit")
        return said(200, described(kind, asked, name, kind.state))

    def _hidden_until(self, fault: Fault | None) -> float:
        late = (Strike.EFFECT_LATE, Strike.ANSWER_LOST_AFTER_EFFECT)
        return self.clock() + (fault.seconds or 0.0) if fault is not None and fault.strike in late else 0.0

    def _course(self, kind: Kind, fault: Fault | None) -> Course:
        now = self.clock()
        usual = Course(now + self.delay, now + self.delay, callbacks=int(kind.tells_end))
        match fault.strike if fault is not None else None:
            case Strike.CALLBACK_LATE if fault is not None:
                return replace(usual, call_back_at=now + max(self.delay, fault.seconds or 0.0))
            case Strike.EFFECT_LATE if fault is not None:
                return replace(usual, ends_at=now, call_back_at=now + max(self.delay, fault.seconds or 0.0))
            case Strike.CALLBACK_TWICE:
                return replace(usual, callbacks=2)
            case Strike.CALLBACK_NEVER:
                return replace(usual, callbacks=0)
            case Strike.NOTICE if fault is not None:
                expected_at = now + fault.seconds if fault.seconds is not None else 0.0
                return replace(usual, notice=fault.code or "DELAYED", text=fault.text, expected_at=expected_at)
            case Strike.CALLBACK_REJECTED if fault is not None:
                code = fault.code or "PORT_FAULT"
                return replace(usual, rejected=True, code=code, text=fault.text or "refused by the network")
            case _:
                return usual

    def _quietly(self, kind: Kind, asked: Asked, fault: Fault) -> None:
        """Does what was asked, at once or after a while, though the answer will not say so."""
        if self.truth.by_key(kind, asked.key) is not None or not kind.effect:
            return
        hidden_until = self._hidden_until(fault)
        if not kind.calls_back:
            self.truth.make(kind, asked, hidden_until)
            return
        now, pending = self.clock(), fault.strike is Strike.ANSWER_LOST_WHILE_PENDING
        ends_at = now + (fault.seconds or 0.0) if pending else now
        course = Course(ends_at, max(ends_at, now + self.delay), callbacks=int(fault.callback))
        held = self.truth.accept(kind, asked, course, hidden_until)
        if not pending:
            self.truth.end(held)
        self.begin(held)


def _held_back(fault: Fault) -> float:
    return (fault.seconds or 0.0) if fault.strike is Strike.SLOW else 0.0

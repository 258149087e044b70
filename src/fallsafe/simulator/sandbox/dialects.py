"""How each operation of the sandbox speaks: its paths, where the key goes, the words of its answers, and what a repeat
does.

Many systems, many ways to say the same things; that is what contracts in policy are for, and why few share a shape. The
kinds of things that each system makes stand in `fallsafe.simulator.sandbox.kinds`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.events import Json

Body = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to do something, as read: its key, the business object it is about, and its fields."""

    key: str
    object: str
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Dialect:
    """The words of one system: the fields of its answers that name key and state, how it refuses what it understood,
    and how it says that it did not understand. `code` and `text` are the fields of a callback that tell of a refusal,
    `date` that of a notice that tells when.
    """

    key: str
    state: str
    refuse: Callable[[Asked, str, str], tuple[int, Body]]
    problem: Callable[[str, str], Body]
    code: str = "code"
    text: str = "text"
    date: str = "date"
    prefixed: bool = False
    """Whether its codes carry a number, as billing's do."""

    def named(self, number: int, code: str) -> str:
        """One of the codes that every system has, as this one writes it."""
        return f"BC-1{number} {code}" if self.prefixed else code


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that a system makes, with the operation that makes it and the one that looks it up (empty: it
    cannot be asked).

    `key_in` is the field of a request that holds the key, `key_header` the header where no field does. `required` names
    the fields of a request and their JSON types; `echoed` those that come back in an answer. `effect` false: it only
    answers, and nothing is made. `tells_end` false: it calls back with notices only, and has to be asked for the end.
    """

    operation: str
    query: str
    path: str
    id_prefix: str
    id_field: str
    state: str
    key_in: str
    required: Mapping[str, type]
    repeat: Repeat
    refusal_code: str
    dialect: Dialect
    key_header: str = ""
    echoed: tuple[str, ...] = ()
    calls_back: bool = False
    effect: bool = True
    tells_end: bool = True

    @property
    def system(self) -> str:
        """The code of the system."""
        return self.operation.partition(".")[0]

    @property
    def verb(self) -> str:
        """The operation without its system."""
        return self.operation.partition(".")[2]

    @property
    def key_field(self) -> str:
        """The field of an answer that names the key."""
        return self.dialect.key

    def refuse(self, asked: Asked, code: str, text: str) -> tuple[int, Body]:
        """The answer that refuses."""
        return self.dialect.refuse(asked, code, text)

    def problem(self, code: str, text: str) -> Body:
        """The body that says that something was not understood, or not known."""
        return self.dialect.problem(code, text)

    @property
    def not_found_code(self) -> str:
        """The code of a look-up that finds nothing."""
        return self.dialect.named(404, "NOT_FOUND")


def billing_status(code: str) -> int:
    """The HTTP status of a billing code: its last three digits (`BC-1404 …` is 404), else 422."""
    number = code.partition(" ")[0].removeprefix("BC-")
    return int(number[-3:]) if number.isdecimal() and 400 <= int(number[-3:]) <= 499 else 422


def _billing_problem(code: str, text: str) -> Body:
    return {"error": {"code": code, "field": None, "detail": text}}


def _billing_refusal(_asked: Asked, code: str, text: str) -> tuple[int, Body]:
    return billing_status(code), _billing_problem(code, text)


def _warehouse_problem(code: str, text: str) -> Body:
    return {"code": code, "detail": text}


def _warehouse_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    line: Body = {"sku": asked.fields.get("sku"), "asked": asked.fields.get("quantity"), "given": 0, "code": code}
    return 409, {"ref": asked.key, "lines": [line], "detail": text}


def _plain_problem(code: str, text: str) -> Body:
    return {"code": code, "text": text}


def _plain_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    return 409, {"code": code, "reference": asked.key, "text": text}


def _provisioning_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    status = 409 if code == "DUPLICATE_REQUEST" else 422
    result: Body = {"status": "REJECTED", "code": code, "text": text}
    return status, {"commandId": asked.key, "object": asked.object, "result": result}


def _register_problem(code: str, text: str) -> Body:
    return {"type": f"urn:{code.lower().replace('_', '-')}", "code": code, "title": text}


def _register_refusal(_asked: Asked, code: str, text: str) -> tuple[int, Body]:
    return 409, {**_register_problem(code, text), "status": 409}


RESULT_NUMBERS = {"CARD_IN_USE": 4109, "PROFILE_CONSUMED": 4110, "SUBSCRIBER_UNKNOWN": 4404, "NUMBER_IN_USE": 4108}
OTHER_RESULT = 4199


def _number_problem(code: str, text: str) -> Body:
    return {"rc": RESULT_NUMBERS.get(code, OTHER_RESULT), "rt": f"{code} {text}", "code": code}


def _number_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    return 200, {"rc": RESULT_NUMBERS.get(code, OTHER_RESULT), "rt": f"{code} {text}", "txn": asked.key}


def _verdict_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    return 200, {"verdict": "NO", "reasons": [code], "text": text, "ref": asked.key, "object": asked.object}


def _payment_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    said: Body = {"outcome": "declined", "decline_code": code, "network_code": "51", "detail": text}
    return 402, {**said, "key": asked.key, "object": asked.object}


def _payment_problem(code: str, text: str) -> Body:
    return {"outcome": "error", "decline_code": code, "detail": text}


def _credit_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    decision = "REFUSED" if code == "REFUSED" else "REFER"
    return 200, {"decision": decision, "reasons": [code], "note": text, "applicationId": asked.key}


def _content_problem(code: str, text: str) -> Body:
    return {"err": code, "detail": text}


def _content_refusal(_asked: Asked, code: str, text: str) -> tuple[int, Body]:
    return 409, _content_problem(code, text)


def _shop_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    if code == "DUPLICATE_REQUEST":
        return 409, _plain_problem(code, text)
    return 422, {**_plain_problem(code, text), "key": asked.key, "object": asked.object}


def _screening_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    decision = code if code in ("REVIEW", "DECLINE") else "REVIEW"
    return 200, {"decision": decision, "text": text, "key": asked.key, "object": asked.object}


BILLING = Dialect("key", "state", _billing_refusal, _billing_problem, prefixed=True)
WAREHOUSE = Dialect("ref", "state", _warehouse_refusal, _warehouse_problem)
WORKFORCE = Dialect("reference", "state", _plain_refusal, _plain_problem, code="reason")
CARRIER = Dialect("reference", "state", _plain_refusal, _plain_problem)
PROVISIONING = Dialect("commandId", "state", _provisioning_refusal, _plain_problem)
REGISTER = Dialect("key", "state", _register_refusal, _register_problem)
SUBSCRIBERS = Dialect("txn", "state", _number_refusal, _number_problem)
VERDICT = Dialect("ref", "state", _verdict_refusal, _plain_problem)
PAYMENT = Dialect("key", "outcome", _payment_refusal, _payment_problem)
CREDIT = Dialect("applicationId", "decision", _credit_refusal, _plain_problem)
PORTING = Dialect("request", "event", _plain_refusal, _plain_problem, code="reason")
ACCESS = Dialect("yourRef", "event", _plain_refusal, _plain_problem, code="reason", date="newDate")
FILES = Dialect("line", "result", _plain_refusal, _plain_problem)
CONTENT = Dialect("txn", "state", _content_refusal, _content_problem)
PAPERS = Dialect("reference", "state", _plain_refusal, _plain_problem)
ENGINE = Dialect("commandId", "state", _plain_refusal, _plain_problem)
SHOP = Dialect("key", "state", _shop_refusal, _plain_problem)
SHOP_PAYMENT = Dialect("key", "state", _payment_refusal, _payment_problem)
SCREENING = Dialect("key", "decision", _screening_refusal, _plain_problem)
MESSAGES = Dialect("key", "state", _plain_refusal, _plain_problem)


def service_reference(kind: Kind, asked: Asked, identity: str = "") -> str:
    """What a system that calls back names the thing that it makes; provisioning names services by what they are
    about.
    """
    if kind.dialect is not PROVISIONING:
        return identity
    named = asked.fields.get("serviceRef")
    return named if isinstance(named, str) and named else f"{kind.id_prefix}-{asked.object}"


def accepted(kind: Kind, asked: Asked, identity: str, status: str = "ACCEPTED") -> Body:
    """The first answer of a system that calls back; the result comes later."""
    if kind.dialect is not PROVISIONING:
        return described(kind, asked, identity, status)
    result: Body = {"status": status, "serviceRef": service_reference(kind, asked)}
    return {"commandId": asked.key, "object": asked.object, "result": result}


def described(kind: Kind, asked: Asked, identity: str, state: str) -> Body:
    """A thing as its system shows it."""
    if kind.dialect is PROVISIONING:
        reference = service_reference(kind, asked)
        return {"commandId": asked.key, "object": asked.object, "state": state, "serviceRef": reference}
    echoed = {name: asked.fields.get(name) for name in kind.echoed}
    words: Body = {"object": asked.object, kind.dialect.key: asked.key, kind.dialect.state: state}
    if kind.dialect is SUBSCRIBERS:
        words |= {"rc": 0, "rt": "OK"}
    elif kind.dialect is VERDICT:
        words |= {"verdict": "YES"}
    return {kind.id_field: identity, **echoed, **words}


def notice(
    kind: Kind,
    asked: Asked,
    identity: str,
    event_id: str,
    state: str,
    occurred_at: str,
    refusal: tuple[str, str] | None = None,
) -> Body:
    """What a system says of a command that it accepted before, without having been asked."""
    told: Body = {"eventId": event_id, "object": asked.object, kind.dialect.key: asked.key, "occurredAt": occurred_at}
    if kind.dialect is PROVISIONING:
        told |= {"status": state, "serviceRef": service_reference(kind, asked), "operation": kind.verb}
    else:
        told |= {name: asked.fields.get(name) for name in kind.echoed}
        told |= {kind.dialect.state: state, kind.id_field: identity}
    return told if refusal is None else told | {kind.dialect.code: refusal[0], kind.dialect.text: refusal[1]}

"""How each operation of the sandbox speaks: its paths, where the key goes, the words of its answers, and what a repeat
does.

Four systems, four ways to say the same things; that is what contracts in policy are for, and why no two share a shape.
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
class Kind:
    """One kind of thing that a system makes, with the operation that makes it and the one that looks it up.

    `required` names the fields of a request and their JSON types; `echoed` those that come back in an answer.
    """

    operation: str
    query: str
    path: str
    id_prefix: str
    id_field: str
    key_field: str
    key_header: str
    state: str
    required: Mapping[str, type]
    echoed: tuple[str, ...]
    repeat: Repeat
    calls_back: bool
    refusal_code: str
    refuse: Callable[[Asked, str, str], tuple[int, Body]]
    problem: Callable[[str, str], Body]

    @property
    def system(self) -> str:
        """The code of the system."""
        return self.operation.partition(".")[0]


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


def _workforce_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    return 409, {"code": code, "reference": asked.key, "text": text}


def _provisioning_refusal(asked: Asked, code: str, text: str) -> tuple[int, Body]:
    status = 409 if code == "DUPLICATE_REQUEST" else 422
    result: Body = {"status": "REJECTED", "code": code, "text": text}
    return status, {"commandId": asked.key, "object": asked.object, "result": result}


ACCOUNT = Kind(
    "BIL.createAccount", "BIL.queryAccount", "/accounts", "BA", "accountId", "key", "Idempotency-Key", "OPEN",
    {"customerRef": str, "object": str}, ("customerRef",), Repeat.SAME_RESULT, False,
    "BC-1422 TAX_ID_INVALID", _billing_refusal, _billing_problem,
)  # fmt: skip
SUBSCRIPTION = Kind(
    "BIL.createSubscription", "BIL.querySubscription", "/subscriptions", "SUB", "subscriptionId", "key",
    "Idempotency-Key", "ACTIVE",
    {"accountId": str, "object": str, "offer": str, "monthlyMinor": int, "currency": str}, ("accountId",),
    Repeat.REPLAYS_SAVED_ERROR, False, "BC-1404 ACCOUNT_NOT_FOUND", _billing_refusal, _billing_problem,
)  # fmt: skip
RESERVATION = Kind(
    "WHS.reserve", "WHS.queryReservation", "/reservations", "RS", "reservationId", "ref", "", "RESERVED",
    {"reference": str, "object": str, "sku": str, "quantity": int}, (), Repeat.SAME_RESULT, False,
    "SKU_OUT_OF_STOCK", _warehouse_refusal, _warehouse_problem,
)  # fmt: skip
APPOINTMENT = Kind(
    "WFM.book", "WFM.queryAppointment", "/appointments", "AP", "appointmentId", "reference", "", "BOOKED",
    {"reference": str, "object": str, "site": str}, (), Repeat.REJECTS_DUPLICATE, False,
    "SLOT_TAKEN", _workforce_refusal, _plain_problem,
)  # fmt: skip
ACTIVATION = Kind(
    "PRV.activateService", "PRV.queryActivation", "/activations", "ACT", "", "commandId", "", "ACTIVE",
    {"commandId": str, "object": str, "serviceRef": str, "profile": str, "callbackUrl": str}, (),
    Repeat.REJECTS_DUPLICATE, True, "ADDRESS_NOT_SERVICEABLE", _provisioning_refusal, _plain_problem,
)  # fmt: skip
IP_CONFIGURATION = Kind(
    "PRV.configureIp", "PRV.queryIp", "/ip-configurations", "IPC", "", "commandId", "", "ACTIVE",
    {"commandId": str, "object": str, "line": str, "callbackUrl": str}, (),
    Repeat.REJECTS_DUPLICATE, True, "IP_POOL_EXHAUSTED", _provisioning_refusal, _plain_problem,
)  # fmt: skip

PROCESSES: Mapping[str, tuple[Kind, ...]] = {
    "billing": (ACCOUNT, SUBSCRIPTION),
    "logistics": (RESERVATION, APPOINTMENT),
    "provisioning": (ACTIVATION, IP_CONFIGURATION),
}
KEY_IN_BODY = {RESERVATION.operation: "reference", APPOINTMENT.operation: "reference"}


def systems_of(name: str) -> tuple[str, ...]:
    """The codes of the systems that a process plays: `logistics` is WHS and WFM."""
    return tuple(dict.fromkeys(kind.system for kind in PROCESSES[name]))


def key_field_of_request(kind: Kind) -> str:
    """The body field that carries the key; empty where a header does."""
    return "" if kind.key_header else KEY_IN_BODY.get(kind.operation, kind.key_field)


def not_found_code(kind: Kind) -> str:
    """The code of a look-up that finds nothing."""
    return "BC-1404 NOT_FOUND" if kind.system == "BIL" else "NOT_FOUND"


def service_reference(kind: Kind, asked: Asked) -> str:
    """What provisioning calls the service that it makes."""
    named = asked.fields.get("serviceRef")
    return named if isinstance(named, str) and named else f"IP-{asked.object}" if kind is IP_CONFIGURATION else ""


def accepted(asked: Asked, reference: str, status: str = "ACCEPTED") -> Body:
    """Provisioning's first answer; the result comes by callback."""
    result: Body = {"status": status, "serviceRef": reference}
    return {"commandId": asked.key, "object": asked.object, "result": result}


def described(kind: Kind, asked: Asked, identity: str, state: str) -> Body:
    """A thing as its system shows it."""
    if kind.calls_back:
        reference = service_reference(kind, asked)
        return {"commandId": asked.key, "object": asked.object, "state": state, "serviceRef": reference}
    echoed = {name: asked.fields.get(name) for name in kind.echoed}
    return {kind.id_field: identity, **echoed, "object": asked.object, kind.key_field: asked.key, "state": state}

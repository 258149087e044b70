"""The faults that may be scripted, per operation and per object or key, and how often each still strikes.

A fault that does something and hides the answer (`answer_lost_after_effect`, `answer_lost_while_pending`,
`http_500_after`, and `unreadable`, `other_…`, `cancelled_object` with `effect: true`) calls nobody back unless
`callback: true` is set.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fallsafe.core.events import Json


class Strike(StrEnum):
    """What goes wrong. `seconds` is a wait, a Retry-After or a time of invisibility, as said beside each."""

    ANSWER_LOST_BEFORE_EFFECT = "answer_lost_before_effect"  # never does it, never answers
    ANSWER_LOST_AFTER_EFFECT = "answer_lost_after_effect"  # does it, never answers; look-ups see it after `seconds`
    ANSWER_LOST_WHILE_PENDING = "answer_lost_while_pending"  # takes it on, never answers; does it after `seconds`
    SLOW = "slow"  # answers after `seconds`
    REFUSE = "refuse"  # `code`, `text`, `status`
    DOWN = "down"  # 503, with Retry-After where `seconds` is set; `code: reset` closes the connection
    BUSY = "busy"  # 503 with Retry-After `seconds` (1)
    THROTTLE = "throttle"  # 429, with Retry-After where `seconds` is set
    HTTP_500_BEFORE = "http_500_before"
    HTTP_500_AFTER = "http_500_after"
    UNREADABLE = "unreadable"  # 200 and garbage
    OTHER_KEY = "other_key"  # success for another key
    OTHER_OBJECT = "other_object"
    CANCELLED_OBJECT = "cancelled_object"
    CALLBACK_LATE = "callback_late"  # after `seconds`
    CALLBACK_TWICE = "callback_twice"
    CALLBACK_NEVER = "callback_never"
    CALLBACK_REJECTED = "callback_rejected"  # accepted, then refused by callback with `code`, `text`
    NOTICE = "notice"  # accepted, and told at once that it is at `code`, with a date `seconds` ahead where that is set
    FILE_LOST = "file_lost"  # a whole file never comes; later files are refused for the gap
    ACK_NEVER = "ack_never"  # a whole file is taken, and that is never said
    RESPONSE_HALF = "response_half"  # the next response file is written in two halves, `seconds` apart
    EFFECT_LATE = "effect_late"  # done, but look-ups see it only after `seconds`
    NOT_FOUND_FOR = (
        "not_found_for"  # look-ups see nothing until `seconds` after it was done (no seconds: as long as `times`)
    )


ONLY_CALLBACKS = frozenset(
    {
        Strike.ANSWER_LOST_WHILE_PENDING,
        Strike.CALLBACK_LATE,
        Strike.CALLBACK_TWICE,
        Strike.CALLBACK_NEVER,
        Strike.CALLBACK_REJECTED,
        Strike.NOTICE,
    }
)
ONLY_FILES = frozenset({Strike.FILE_LOST, Strike.ACK_NEVER, Strike.RESPONSE_HALF})
NOT_FOR_LOOK_UPS = ONLY_FILES | ONLY_CALLBACKS | {Strike.EFFECT_LATE, Strike.NOT_FOUND_FOR}
NOT_FOR_DOING = ONLY_FILES | {Strike.NOT_FOUND_FOR}
NEED_SECONDS = frozenset({Strike.ANSWER_LOST_WHILE_PENDING, Strike.SLOW, Strike.CALLBACK_LATE, Strike.EFFECT_LATE})
FIELDS = ("operation", "match", "fault", "times", "seconds", "code", "text", "status", "effect", "callback")
FAULTS_MAX = 10_000
FILE = ".file"
"""How the operation is called that a whole file stands for."""


@dataclass(slots=True)
class Fault:
    """One scripted fault. `operation` empty = any; `match` = part of the object or key; `times` None = for ever."""

    strike: Strike
    operation: str = ""
    match: str = ""
    times: int | None = 1
    seconds: float | None = None
    code: str = ""
    text: str = ""
    status: int | None = None
    effect: bool = False
    callback: bool = False

    def document(self) -> dict[str, Json]:
        """The fault as it is written, with the times that remain."""
        return {
            "operation": self.operation, "match": self.match, "fault": self.strike.value, "times": self.times,
            "seconds": self.seconds, "code": self.code, "text": self.text, "status": self.status,
            "effect": self.effect, "callback": self.callback,
        }  # fmt: skip


class WrongFault(Exception):
    """A script of faults that cannot be read: says where and what would be right."""


@dataclass(slots=True)
class Faults:
    """The script of one process: the first fault that fits strikes."""

    faults: list[Fault]

    def take(self, operation: str, key: str, about: Sequence[str], not_these: frozenset[Strike]) -> Fault | None:
        """The fault that strikes this request, counted down; `about` are the objects that the request is about."""
        for fault in self.faults:
            if fault.strike not in not_these and _fits(fault, (operation,), (key, *about)):
                return self._count(fault)
        return None

    def hides(self, operations: Sequence[str], key: str, about: Sequence[str], age: float) -> Fault | None:
        """The fault that hides a thing of this age (seconds) from a look-up."""
        for fault in self.faults:
            hidden = fault.strike is Strike.NOT_FOUND_FOR and _fits(fault, operations, (key, *about))
            if hidden and (fault.seconds is None or age < fault.seconds):
                return self._count(fault)
        return None

    def _count(self, fault: Fault) -> Fault:
        if fault.times is not None:
            fault.times -= 1
        return fault

    def document(self) -> dict[str, Json]:
        """The script as it is written, faults that are used up included."""
        return {"faults": [fault.document() for fault in self.faults]}


def _fits(fault: Fault, operations: Sequence[str], words: Iterable[str]) -> bool:
    if fault.times == 0 or (fault.operation and fault.operation not in operations):
        return False
    return any(fault.match in word for word in words)


def parse(document: Json, operations: Mapping[str, bool]) -> list[Fault]:
    """Faults from JSON `{"faults": […]}`. `operations` maps those of this process to whether they call back.

    Raises WrongFault.
    """
    rows = document.get("faults") if isinstance(document, Mapping) else None
    if not isinstance(rows, list):
        raise WrongFault('/faults: a list is needed, as in {"faults":[{"operation":"…","fault":"slow","seconds":2}]}')
    if len(rows) > FAULTS_MAX:
        raise WrongFault(f"/faults: {len(rows)} faults; at most {FAULTS_MAX}")
    return [_fault(row, f"/faults/{n}", operations) for n, row in enumerate(rows)]


def _fault(row: Json, where: str, operations: Mapping[str, bool]) -> Fault:
    if not isinstance(row, Mapping):
        raise WrongFault(f"{where}: a fault is an object with {', '.join(FIELDS)}")
    for name in row:
        if name not in FIELDS:
            raise WrongFault(f"{where}/{name}: no such field; a fault has {', '.join(FIELDS)}")
    fault = Fault(
        _strike(row.get("fault"), f"{where}/fault"),
        _text(row, "operation", where),
        _text(row, "match", where),
        _times(row, where),
        _seconds(row.get("seconds"), f"{where}/seconds"),
        _text(row, "code", where),
        _text(row, "text", where),
        _status(row.get("status"), f"{where}/status"),
        row.get("effect") is True,
        row.get("callback") is True,
    )
    _check(fault, where, operations)
    return fault


def _check(fault: Fault, where: str, operations: Mapping[str, bool]) -> None:
    if fault.operation and fault.operation not in operations:
        raise WrongFault(f"{where}/operation: {fault.operation!r} is not one of {', '.join(operations)}")
    if fault.strike in ONLY_CALLBACKS and fault.operation and not operations[fault.operation]:
        raise WrongFault(f"{where}/fault: {fault.operation} calls nobody back")
    if (fault.strike in ONLY_FILES) != fault.operation.endswith(FILE) and fault.strike is not Strike.REFUSE:
        raise WrongFault(f"{where}/operation: {fault.strike.value} and operations like WHF{FILE} go together")
    if fault.strike in NEED_SECONDS and fault.seconds is None:
        raise WrongFault(f"{where}/seconds: {fault.strike.value} needs seconds")


def _strike(word: Json, where: str) -> Strike:
    try:
        return Strike(str(word))
    except ValueError:
        raise WrongFault(f"{where}: {word!r} is not one of {', '.join(Strike)}") from None


def _text(row: Mapping[str, Json], name: str, where: str) -> str:
    value = row.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WrongFault(f"{where}/{name}: text is needed")
    return value


def _times(row: Mapping[str, Json], where: str) -> int | None:
    # A fault that hides for some seconds is limited by them; others strike once unless told otherwise.
    hides_for_a_time = row.get("fault") == Strike.NOT_FOUND_FOR and row.get("seconds") is not None
    value = row.get("times", None if hides_for_a_time else 1)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise WrongFault(f"{where}/times: a whole number from 0, or null for ever")
    return value


def _seconds(value: Json, where: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise WrongFault(f"{where}: a number of seconds from 0")
    return float(value)


def _status(value: Json, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise WrongFault(f"{where}: an HTTP status from 200 to 599")
    return value

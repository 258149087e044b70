"""The raw answers that stand beside classification rules, read by the contracts of the same set, and the signals that
they give (§7).

What a system says and what a rule expects drift apart unnoticed; a sample that must reach its own rule is the proof
that they have not.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from fallsafe.core.commands.contract import AnswerRule, Operation
from fallsafe.core.commands.outcome import Says
from fallsafe.core.detect.direct import REJECTED
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.events import Json
from fallsafe.policyset.source import Part

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
TOO_MANY = 429
UNAVAILABLE = 503


def signal_of(part: Part, operations: Mapping[str, Operation]) -> Signal | str:
    """The signal that a sample gives, or a sentence that says why it gives none."""
    name = part.at("operation").text()
    if name and name not in operations:
        return f"no operation is called {name!r}"
    operation = operations.get(name)
    words = _words(part, operation)
    if isinstance(words, str):
        return words
    sign, raw_code, message = words
    return Signal(
        detector=Detector.OUTCOME,
        order_id=1,
        item_id=None,
        task_id=None,
        command_id=None,
        system=operation.system if operation else part.at("system").text(),
        operation=name,
        raw_code=raw_code,
        message=message,
        sign=sign,
        effect=operation.effect if operation else False,
        occurred_at=EPOCH,
        detected_at=EPOCH,
        spent=part.at("spent").flag(),
        step=part.at("step").text(),
        offer=part.at("offer").text(),
    )


def _words(part: Part, operation: Operation | None) -> tuple[str, str, str] | str:
    """Sign, raw code and message of a sample."""
    status = part.at("status").value
    if not isinstance(status, int):
        return part.at("sign").text(), part.at("raw_code").text(), part.at("message").text()
    if operation is None:
        return "an answer with a status needs the operation that was answered"
    if status in operation.not_sent_statuses and (
        status == TOO_MANY or part.at("headers").at("Retry-After").value is not None
    ):
        return ("busy" if status == UNAVAILABLE else f"http_{status}"), "", ""
    return _read(operation.answers, status, _json(part.at("body").text()))


def _read(rows: Iterable[AnswerRule], status: int, body: Json) -> tuple[str, str, str] | str:
    row = next((row for row in rows if _fits(row, status, body)), None)
    if row is None:
        return "unreadable", "", ""
    code, message = found(body, row.code), found(body, row.message)
    match row.says:
        case Says.REJECTED:
            return REJECTED, code or f"http_{status}", message
        case Says.LOST:
            return row.lost_because or "unreadable", code, message
        case Says.NOT_SENT:
            return f"http_{status}", code, message
        case Says.ACCEPTED | Says.DONE | Says.PROGRESS | Says.PENDING | Says.ABSENT:
            return f"the contract reads this answer as {row.says.value}, which is no failure"


def _fits(row: AnswerRule, status: int, body: Json) -> bool:
    if row.statuses and status not in row.statuses:
        return False
    return all(found(body, pointer) in values for pointer, values in row.where)


def found(body: Json, pointer: str) -> str:
    """The text at a JSON pointer, empty where there is none."""
    here = body if pointer else None
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, Mapping):
            here = here.get(key)
        elif isinstance(here, list) and key.isdigit() and int(key) < len(here):
            here = here[int(key)]
        else:
            return ""
    return "" if here is None or isinstance(here, Mapping | list) else str(here)


def _json(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return None
    return value

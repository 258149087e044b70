"""The raw answers that stand beside classification rules, read by the contracts of the same set, and the signals that
they give (§7).

What a system says and what a rule expects drift apart unnoticed; a sample that must reach its own rule is the proof
that they have not.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from fallsafe.core.commands.callback import ANY_STATUS
from fallsafe.core.commands.contract import AnswerRule, Operation, System
from fallsafe.core.commands.outcome import Says
from fallsafe.core.commands.reading import code_and_message, fits
from fallsafe.core.detect.direct import REJECTED
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.events import Json
from fallsafe.policyset.source import Part

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
TOO_MANY = 429
NOTICE = "notice"
UNAVAILABLE = 503


def signal_of(part: Part, operations: Mapping[str, Operation], systems: Mapping[str, System]) -> Signal | str:
    """The signal that a sample gives, or a sentence that says why it gives none."""
    name = part.at("operation").text()
    if name and name not in operations:
        return f"no operation is called {name!r}"
    operation = operations.get(name)
    said = part.at("callback").value is not None
    words = _said_unasked(part, operation, systems) if said else _words(part, operation)
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


def _said_unasked(part: Part, operation: Operation | None, systems: Mapping[str, System]) -> tuple[str, str, str] | str:
    """Sign, raw code and message of a callback; a notice of trouble is a sign too, though nothing has failed yet."""
    contract = systems[operation.system].callback if operation and operation.system in systems else None
    if contract is None:
        return "a callback needs the operation of a system that calls back"
    body = _json(part.at("callback").text())
    row = next((row for row in contract.answers if fits(row, ANY_STATUS, body)), None)
    if row is not None and row.says is Says.PROGRESS and row.code:
        return NOTICE, *code_and_message(row, body)
    return _read(contract.answers, ANY_STATUS, body)


def _read(rows: Iterable[AnswerRule], status: int, body: Json) -> tuple[str, str, str] | str:
    row = next((row for row in rows if fits(row, status, body)), None)
    if row is None:
        return "unreadable", "", ""
    code, message = code_and_message(row, body)
    match row.says:
        case Says.REJECTED:
            return REJECTED, code or f"http_{status}", message
        case Says.LOST:
            return row.lost_because or "unreadable", code, message
        case Says.NOT_SENT:
            return f"http_{status}", code, message
        case Says.ACCEPTED | Says.DONE | Says.PROGRESS | Says.PENDING | Says.ABSENT:
            return f"the contract reads this answer as {row.says.value}, which is no failure"


def _json(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return None
    return value

"""A connector that answers at once, as every contract wants to be answered; for benchmarks and tests.

It saves only the network: the answer is written as bytes, parsed, and read by the same rows as a real one, with the
same checks and the same evidence.
"""

import msgspec

from fallsafe.connectors.port import Monotonic, Sendable
from fallsafe.core.commands.contract import AnswerRule
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Done, NotSent, Outcome, RawBytes, Reply, Says
from fallsafe.core.commands.reading import read, read_look_up
from fallsafe.core.errors import Bug
from fallsafe.core.events import Json

JSON_TYPE = "application/json"
WANTED = (Says.DONE, Says.ACCEPTED)


class NoopConnector:
    """Answers every attempt with the success that its contract names first.

    With `finish` an operation whose result would come by callback is done at once, as nobody will call back.
    """

    def __init__(self, monotonic: Monotonic, *, finish: bool = True) -> None:
        self._monotonic = monotonic
        self._finish = finish

    async def send(self, sendable: Sendable) -> Reply:
        """Reads the success that it made up. Raises Bug where a contract knows no success."""
        began = self._monotonic()
        if began >= sendable.start_before:
            return Reply(NotSent("too_late_to_start"))
        row = _success(sendable)
        status = min(row.statuses, default=200)
        body = msgspec.json.encode(_body(row, sendable))
        outcome = self._read(sendable, status, body)
        request = sendable.request
        evidence = (
            RawBytes("request", request.body, request.media_type, f"{request.method} {request.path}"),
            RawBytes("answer", body, JSON_TYPE, f"HTTP {status}"),
        )
        return Reply(outcome, evidence, self._monotonic() - began, {"httpStatus": status})

    async def close(self) -> None:
        """Has nothing to give back."""

    def _read(self, sendable: Sendable, status: int, answer: bytes) -> Outcome:
        body: Json = msgspec.json.decode(answer)
        if sendable.purpose is Purpose.QUERY:
            return read_look_up(sendable.answers, status, body, sendable.asked)
        outcome = read(sendable.answers, status, body, sendable.asked, sendable.operation.effect)
        if self._finish and isinstance(outcome, Accepted):
            return Done(outcome.reference, outcome.result)
        return outcome


def _success(sendable: Sendable) -> AnswerRule:
    for says in WANTED:
        for row in sendable.answers:
            if row.says is says:
                return row
    raise Bug(f"{sendable.operation.name}: its contract knows no success")


def _body(row: AnswerRule, sendable: Sendable) -> Json:
    """A body that fits the row: the values that it wants, what was asked, and a reference made of the key."""
    body: dict[str, Json] = {}
    if row.reference:
        _put(body, row.reference, f"REF-{sendable.key}")
    for pointer, values in row.where:
        _put(body, pointer, min(values, default="x"))
    for pointer, fact in row.must_match:
        _put(body, pointer, sendable.asked[fact])
    return body


def _put(body: dict[str, Json], pointer: str, value: str) -> None:
    *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])
    here = body
    for step in steps:
        below = here.setdefault(step, {})
        assert isinstance(below, dict)
        here = below
    here[last] = value

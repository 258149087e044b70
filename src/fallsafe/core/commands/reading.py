"""Reads an answer by the rows of a contract: the first row that fits says what the answer means (§11, §12.1).

Reading is where a wrong "it worked" would come in, so every doubt ends in `Lost`: no row fits, the answer names another
key or another object, or it names none. The bytes were parsed by whoever brought them; nothing here parses. What is
taken out of an answer is fit to be written down: the whole stands in its evidence.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from fallsafe.core.commands.contract import AnswerRule
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Outcome, Rejected, Says
from fallsafe.core.events import Json

UNREADABLE = "unreadable"
BROKEN_OFF = frozenset({500, 502, 503, 504})  # the other side, or something before it, gave up
KEY_FACT = "key"
NAMED_LENGTH_MAX = 80
"""How much of what a wrong answer names is repeated in words."""
CODE_LENGTH_MAX = 200
MESSAGE_LENGTH_MAX = 1_000
REFERENCE_LENGTH_MAX = 256
"""A longer reference, or one with control characters, cannot be used to ask by: the answer that gives it is lost."""


def found(body: Json, pointer: str) -> str | None:
    """The text at a JSON pointer, or None where there is no single value; `true`, `false` and numbers as in JSON."""
    here = body
    for step in pointer.split("/")[1:]:
        word = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, Mapping):
            here = here.get(word)
        elif isinstance(here, list) and word.isdecimal() and word.isascii() and int(word) < len(here):
            here = here[int(word)]
        else:
            return None
    return _text(here)


def _text(value: Json) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            return None


def in_words(text: str, length_max: int) -> str:
    """A text from outside as it may be written down: no control characters and no halves of characters, cut."""
    cut = text[:length_max]
    return cut if cut.isprintable() else "".join(sign if sign.isprintable() else " " for sign in cut)


def code_and_message(row: AnswerRule, body: Json) -> tuple[str, str]:
    """The other side's own code and words, empty where the row names no pointer or the answer has nothing there."""
    return in_words(_at(body, row.code), CODE_LENGTH_MAX), in_words(_at(body, row.message), MESSAGE_LENGTH_MAX)


def reference_of(pointer: str, body: Json) -> str | Lost:
    """What the other side calls it, empty where it does not say; `Lost` where it cannot be used to ask by."""
    reference = _at(body, pointer)
    if len(reference) <= REFERENCE_LENGTH_MAX and reference.isprintable():
        return reference
    why = f"the reference at {pointer} is longer than {REFERENCE_LENGTH_MAX} or holds control characters"
    return Lost(UNREADABLE, "", why)


def _at(body: Json, pointer: str) -> str:
    return (found(body, pointer) or "") if pointer else ""


YEAR_MIN, YEAR_MAX = 1970, 2200


def time_at(body: Json, pointer: str) -> datetime | None:
    """The sender's own time. It is evidence, never our clock: one that cannot be read, has no zone, or lies outside the
    years in which there are orders, is left out.
    """
    text = found(body, pointer) if pointer else None
    try:
        at = datetime.fromisoformat(text or "")
        return at.astimezone(UTC) if at.tzinfo is not None and YEAR_MIN <= at.year <= YEAR_MAX else None
    except ValueError:
        return None


def date_at(body: Json, pointer: str) -> datetime | None:
    """A date that the other side gives: an instant, or a day, by whose end (UTC) it means to be done."""
    text = found(body, pointer) if pointer else None
    if text is None or len(text) != len("2026-07-15"):
        return time_at(body, pointer)
    day = time_at({"day": f"{text}T00:00:00Z"}, "/day")
    return day + timedelta(days=1) if day is not None else None


def fits(row: AnswerRule, status: int, body: Json) -> bool:
    """Whether a row is about this answer. An empty set of values asks only that something is there."""
    if row.statuses and status not in row.statuses:
        return False
    for pointer, values in row.where:
        value = found(body, pointer)
        if value is None or (values and value not in values):
            return False
    return True


def mismatch(row: AnswerRule, body: Json, asked: Mapping[str, str]) -> Lost | None:
    """Why the answer does not answer what was asked, or None when it does.

    A value that is absent proves nothing and counts as another.
    """
    for pointer, fact in row.must_match:
        value, wanted = found(body, pointer), asked.get(fact)
        if value is None or value != wanted:
            reason = "other_key" if fact == KEY_FACT else "other_object"
            said = f"names {in_words(value, NAMED_LENGTH_MAX)}" if value is not None else "names none"
            return Lost(reason, message=f"asked about {fact} {wanted}, the answer {said} at {pointer}")
    return None


def read(answers: Sequence[AnswerRule], status: int, body: Json, asked: Mapping[str, str], effect: bool) -> Outcome:
    """What the answer to an operation means.

    `body` is parsed JSON (None for an empty body), `effect` whether the operation changes something.

    Without an effect a lost answer costs nothing: it is asked again. The words say which of the two it is.
    """
    row = next((row for row in answers if fits(row, status, body)), None)
    if row is None:
        return _unread(status, effect)
    return mismatch(row, body, asked) or _outcome(row, status, body)


def _unread(status: int, effect: bool) -> Lost:
    then = "nobody knows whether it was done" if effect else "it can be asked again"
    reason = f"http_{status}" if status in BROKEN_OFF else UNREADABLE
    return Lost(reason, f"http_{status}", f"no row of the contract reads this answer; {then}")


def _outcome(row: AnswerRule, status: int, body: Json) -> Outcome:
    reference, (code, message) = reference_of(row.reference, body), code_and_message(row, body)
    if isinstance(reference, Lost):
        return reference
    match row.says:
        case Says.ACCEPTED | Says.PROGRESS | Says.PENDING:
            return Accepted(reference, body)
        case Says.DONE:
            return Done(reference, body)
        case Says.REJECTED:
            return Rejected(code or f"http_{status}", message, reference)
        case Says.NOT_SENT:
            return NotSent(f"http_{status}", code)
        case Says.LOST:
            return Lost(row.lost_because or UNREADABLE, code, message)
        case Says.ABSENT:
            # "Not found" in answer to a request for an effect proves nothing about the effect.
            return Lost(UNREADABLE, f"http_{status}", "an operation with an effect cannot answer that it is absent")


def read_look_up(
    answers: Sequence[AnswerRule], status: int, body: Json, asked: Mapping[str, str]
) -> Looked | NotSent | Lost:
    """What the answer to a look-up means: done, rejected, pending or absent; all else is `Lost` and asked again."""
    row = next((row for row in answers if fits(row, status, body)), None)
    if row is None:
        return _unread(status, effect=False)
    return mismatch(row, body, asked) or _looked(row, status, body)


def _looked(row: AnswerRule, status: int, body: Json) -> Looked | NotSent | Lost:
    reference, (code, message) = reference_of(row.reference, body), code_and_message(row, body)
    if isinstance(reference, Lost):
        return reference
    match row.says:
        case Says.DONE | Says.ABSENT:
            return Looked(row.says, reference, code, message, body)
        case Says.REJECTED:
            return Looked(Says.REJECTED, reference, code or f"http_{status}", message, body)
        case Says.PENDING | Says.ACCEPTED | Says.PROGRESS:
            return Looked(Says.PENDING, reference, code, message, body, date_at(body, row.date))
        case Says.NOT_SENT:
            return NotSent(f"http_{status}", code)
        case Says.LOST:
            return Lost(row.lost_because or UNREADABLE, code, message)

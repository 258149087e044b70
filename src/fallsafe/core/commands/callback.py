"""Reads a callback: which command it is about, which event it is, and what it says (§11, §20).

It is read in two steps, because they happen in two rooms. The door needs only the *address* (event id and key) to store
the bytes once; what the callback *says* is read when it is applied, against the command that was found by that key.
A callback that does not name what was asked for says nothing about it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fallsafe.core.commands.contract import AnswerRule, CallbackContract
from fallsafe.core.commands.outcome import Fact, Lost, Says
from fallsafe.core.commands.reading import code_and_message, date_at, fits, found, mismatch, reference_of, time_at
from fallsafe.core.events import Json

ID_LENGTH_MAX = 512
"""Longer than any key of ours: source, order and item may have 300 characters, and the step comes behind them."""
ANY_STATUS = 0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a callback cannot be read: a word for the code, a sentence for people, and the JSON pointer at fault."""

    reason: str  # not_an_object, no_event_id, no_key, too_long, other_key, other_object, unknown_status, unreadable
    why: str
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Which event of the sender this is, and the key of the command it is about."""

    event_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback as read: its address and the fact that it states."""

    event_id: str
    key: str
    fact: Fact


def address(contract: CallbackContract, body: Json) -> Address | Unreadable:
    """Event id and key of a parsed callback body, both of at most `ID_LENGTH_MAX` characters."""
    if not isinstance(body, Mapping):
        return Unreadable("not_an_object", "a callback is a JSON object")
    event_id = _word(body, contract.event_id, "no_event_id", "event id")
    if isinstance(event_id, Unreadable):
        return event_id
    key = _word(body, contract.key, "no_key", "key of a command")
    return key if isinstance(key, Unreadable) else Address(event_id, key)


def _word(body: Json, pointer: str, reason: str, what: str) -> str | Unreadable:
    word = found(body, pointer)
    if not word:
        return Unreadable(reason, f"there is no {what} at {pointer}", pointer)
    if len(word) > ID_LENGTH_MAX:
        return Unreadable("too_long", f"the {what} has more than {ID_LENGTH_MAX} characters", pointer)
    return word


def read_callback(contract: CallbackContract, body: Json, asked: Mapping[str, str]) -> Callback | Unreadable:
    """What a callback says about the command that `asked` describes (`key`, `object`).

    Where no row fits, or it names another key or object, it says nothing about the command.
    """
    place = address(contract, body)
    if isinstance(place, Unreadable):
        return place
    row = next((row for row in contract.answers if fits(row, ANY_STATUS, body)), None)
    if row is None:
        return Unreadable("unknown_status", "no row of the contract reads this callback")
    other = mismatch(row, body, asked)
    if other is not None:
        return Unreadable(other.reason, other.message)
    reference = reference_of(row.reference or contract.reference, body)
    if isinstance(reference, Lost):
        return Unreadable(reference.reason, reference.message)
    return Callback(place.event_id, place.key, _fact(contract, row, body, reference))


def _fact(contract: CallbackContract, row: AnswerRule, body: Json, reference: str) -> Fact:
    code, message = code_and_message(row, body)
    raw_code = code or (row.lost_because if row.says is Says.LOST else "")
    occurred_at, date = time_at(body, contract.occurred_at), date_at(body, row.date)
    return Fact(row.says, "callback", reference, raw_code, message, occurred_at=occurred_at, result=body, date=date)

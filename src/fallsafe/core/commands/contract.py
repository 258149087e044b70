"""The idempotency contract of a downstream operation: what a repeat does, how to look, when "not found" counts, how
answers are read (§11, §12.1).

It is policy data; conditions and templates were compiled by `fallsafe.policyset` into the callables held here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from fallsafe.core.commands.capacity import Rate, RetryBudget
from fallsafe.core.commands.outcome import Says
from fallsafe.core.events import Json


class Repeat(StrEnum):
    """What the same key does a second time."""

    SAME_RESULT = "same_result"
    REJECTS_DUPLICATE = "rejects_duplicate"
    REPLAYS_SAVED_ERROR = "replays_saved_error"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request without its credentials. `path` starts with `/` and is already quoted."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    media_type: str


Render = Callable[[Mapping[str, Json]], Request]
"""Facts → request. Pure, and the same bytes for the same facts. The facts are documented in
`fallsafe.policyset.templates`.
"""


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """One row of an operation's reading: statuses (empty = any), JSON pointers that must hold a value, what it then
    says.

    `must_match` are (pointer, fact) pairs: the answer's value must equal what was asked (`key`, `object`, …), else the
    answer is `lost`. `reference`, `code`, `message` and `date` (the one that the other side gives) are pointers.
    """

    statuses: frozenset[int]
    where: tuple[tuple[str, frozenset[str]], ...]
    says: Says
    must_match: tuple[tuple[str, str], ...] = ()
    reference: str = ""
    code: str = ""
    message: str = ""
    lost_because: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class LookUp:
    """One way to ask what happened: `method` is `key` or `reference` (or `repeat`: the identical bytes, by the
    reconciler alone).
    """

    method: str
    operation: str
    render: Render
    answers: tuple[AnswerRule, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one system with its contract. `name` is `SYS.verb`. Durations of policy are already divided by
    the time scale; `call_timeout` and `key_lives` are not."""

    name: str
    system: str
    effect: bool
    moves_money_or_goods: bool
    completion: str  # answer, callback, poll, file, person
    render: Render
    answers: tuple[AnswerRule, ...]
    key_lives: timedelta | None  # None = for ever
    repeat: Repeat
    look_ups: tuple[LookUp, ...]
    settle_window: timedelta
    second_look: timedelta
    not_sent_statuses: frozenset[int]
    call_timeout: timedelta
    object_fact: str  # which fact is the business object that answers must name, e.g. "object"
    poll_every: timedelta | None = None  # how often it is asked for what it has accepted


@dataclass(frozen=True, slots=True)
class CallbackContract:
    """How a system calls back: header of the HMAC-SHA256 signature, pointers to event id, key, time, and the reading
    rules.
    """

    signature_header: str
    event_id: str
    key: str
    occurred_at: str
    reference: str
    answers: tuple[AnswerRule, ...]


@dataclass(frozen=True, slots=True)
class System:
    """A downstream system. `url` is the default base address (settings may replace it). Over all workers it gets
    `concurrency` calls at once, at most `rate` (None = as many as it answers), and no more repeats than its
    `retry_budget`, whose time follows the time scale. One that is spoken to by files acknowledges each of ours within
    `acknowledged_within`.
    """

    code: str
    title: str
    domain: str
    owner: str
    url: str
    concurrency: int
    rate: Rate | None
    retry_budget: RetryBudget
    callback: CallbackContract | None
    acknowledged_within: timedelta | None = None


def repeat_is_harmless(operation: Operation) -> bool:
    """Whether the same key may go out again after *absent* (rule 2): only where the system recognises it."""
    return operation.repeat in (Repeat.SAME_RESULT, Repeat.REJECTS_DUPLICATE)

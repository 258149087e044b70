"""Keeps personal values out of what others wrote: an error message that repeats the customer's name, a reason that an
operator typed.

Such text stands in rows, in the journal and in the feed, for ever and for many readers; the values stand once, sealed,
and end with their order's key (model rule 6). The text as it came is evidence, sealed too.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from fallsafe.core.cases.evidence import CONFIDENTIAL
from fallsafe.core.events import Json
from fallsafe.flows import payload
from fallsafe.flows.turn import Turn
from fallsafe.store.tx import Tx
from fallsafe.store.vault import OrderKey
from fallsafe.store.work import Aggregate

HIDDEN = "[personal]"
VALUE_LENGTH_MIN = 3
"""Shorter values (a country, a floor) are parts of too many words."""
WORD_LENGTH_MIN = 5
"""From this length on a single word of a value is hidden too: a family name, a street."""
_WORDS = re.compile(r"[\W_]+")


async def discreet(turn: Turn, aggregate: Aggregate, text: str) -> str:
    """The text without the personal values of the order."""
    return hide(text, await _private(turn, aggregate)) if text else text


async def learn(turn: Turn, aggregate: Aggregate, values: Iterable[Json]) -> None:
    """From now on these values of an order must not be said either."""
    new = (word for value in values for leaf in _leaves(value) for word in _said_as(leaf))
    turn.private[aggregate.order.id] = _longest_first({*await _private(turn, aggregate), *new})


def _longest_first(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(words, key=lambda word: (-len(word), word)))


async def prepare(turn: Turn, aggregates: Iterable[Aggregate]) -> None:
    """Reads what must not be said of many orders at once, before each is spoken of."""
    keys = {a.order.id: a.key for a in aggregates if a.order.id not in turn.private}
    turn.private |= await _private_words(turn.tx, keys)


async def _private(turn: Turn, aggregate: Aggregate) -> tuple[str, ...]:
    """Everything that must not be said, longest first."""
    order_id = aggregate.order.id
    if order_id not in turn.private:
        turn.private[order_id] = await private_words(turn.tx, order_id, aggregate.key)
    return turn.private[order_id]


async def private_words(tx: Tx, order_id: int, key: OrderKey) -> tuple[str, ...]:
    """Everything that must not be said of an order, longest first."""
    return (await _private_words(tx, {order_id: key}))[order_id]


async def _private_words(tx: Tx, keys: Mapping[int, OrderKey]) -> dict[int, tuple[str, ...]]:
    found: dict[int, set[str]] = {order_id: set() for order_id in keys}
    for row in await tx.fetch("personal/of_orders", ids=list(keys)) if keys else []:
        value = payload.read_json(keys[row["order_id"]].open(bytes(row["sealed"])))
        found[row["order_id"]].update(word for leaf in _leaves(value) for word in _said_as(leaf))
    return {order_id: _longest_first(words) for order_id, words in found.items()}


def hide(text: str, private: tuple[str, ...]) -> str:
    """The text without these words."""
    if not text or not private:
        return text
    return re.sub("|".join(re.escape(value) for value in private), HIDDEN, text, flags=re.IGNORECASE)


def redacted(body: bytes, sensitivity: str, hide_in: Callable[[str], str]) -> bytes:
    """What somebody sees of evidence who may not see the whole of it: nothing that is confidential, and of the rest the
    text without what `hide_in` takes out of it.
    """
    if sensitivity == CONFIDENTIAL:
        return f"[confidential: {len(body)} bytes]".encode()
    try:
        text = body.decode()
        if ESCAPED not in text:
            return hide_in(text).encode()
        return json.dumps(_hidden(json.loads(text), hide_in), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return f"[not to be read as text: {len(body)} bytes]".encode()


ESCAPED = "\\u"
"""Where this stands in JSON, a value may be written in other signs than it is."""


def _hidden(value: Any, hide: Callable[[str], str]) -> Any:
    match value:
        case str():
            return hide(value)
        case Mapping():
            return {hide(name): _hidden(each, hide) for name, each in value.items()}
        case list():
            return [_hidden(each, hide) for each in value]
        case int() | float() if not isinstance(value, bool):
            return value if hide(str(value)) == str(value) else HIDDEN
        case _:
            return value


def _leaves(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, str):
        yield value.strip()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _said_as(leaf: str) -> Iterator[str]:
    """A value, and those of its words that say as much alone."""
    if len(leaf) >= VALUE_LENGTH_MIN:
        yield leaf
    yield from (word for word in _WORDS.split(leaf) if len(word) >= WORD_LENGTH_MIN)

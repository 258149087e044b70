"""Keeps personal values out of what others wrote: an error message that repeats the customer's name, a reason that an
operator typed.

Such text stands in rows, in the journal and in the feed, for ever and for many readers; the values stand once, sealed,
and end with their order's key (model rule 6). The text as it came is evidence, sealed too.
"""

import re
from collections.abc import Iterator, Mapping

from fallsafe.core.events import Json
from fallsafe.flows import payload
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate

HIDDEN = "[personal]"
VALUE_LENGTH_MIN = 3
"""Shorter values (a country, a floor) are parts of too many words."""
WORD_LENGTH_MIN = 5
"""From this length on a single word of a value is hidden too: a family name, a street."""
_WORDS = re.compile(r"[\W_]+")


async def discreet(turn: Turn, aggregate: Aggregate, text: str) -> str:
    """The text without the personal values of the order."""
    if not text:
        return text
    private = await _private(turn, aggregate)
    if not private:
        return text
    return re.sub("|".join(re.escape(value) for value in private), HIDDEN, text, flags=re.IGNORECASE)


async def _private(turn: Turn, aggregate: Aggregate) -> tuple[str, ...]:
    """Everything that must not be said, longest first."""
    order_id = aggregate.order.id
    if order_id not in turn.private:
        rows = await turn.tx.fetch("personal/of_orders", ids=[order_id])
        values = (payload.read_json(aggregate.key.open(bytes(row["sealed"]))) for row in rows)
        found = {word for value in values for leaf in _leaves(value) for word in _said_as(leaf)}
        turn.private[order_id] = tuple(sorted(found, key=lambda word: (-len(word), word)))
    return turn.private[order_id]


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

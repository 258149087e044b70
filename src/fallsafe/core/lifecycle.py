"""A lifecycle is a table from (state, verb) to state, and nothing else moves a state (§3, §4).

Code, `allowedActions` at the doors, buttons and tests all read the same tables. A pair that is not in a table is
refused to people and is a bug in a flow; facts from outside are never refused, they are read by the table of
dispositions.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from fallsafe.core.errors import Bug

S = TypeVar("S", bound=StrEnum)
Lifecycle = Mapping[tuple[S, str], S]


def allowed(table: Lifecycle[S], state: S) -> tuple[str, ...]:
    """The verbs that the table has for `state`, in table order."""
    return tuple(verb for (at, verb) in table if at == state)


def may(table: Lifecycle[S], state: S, verb: str) -> bool:
    """Whether `verb` is in the table for `state`."""
    return (state, verb) in table


def move(table: Lifecycle[S], state: S, verb: str) -> S:
    """The state after `verb`.

    Raises `Bug` when the pair is not in the table: a flow asks `may` first, or knows.
    """
    try:
        return table[state, verb]
    except KeyError:
        raise Bug(
            f"{type(state).__name__} {state!s} has no {verb!r}; it has {', '.join(allowed(table, state)) or 'no verb'}"
        ) from None

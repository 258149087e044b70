"""Rows and the frozen values of the core are the same thing in two clothes: a column per field, by name.

This module is the only translation: a database row to a value, a value to the JSON that set-based statements read,
and the difference
of two values, which is the delta of a journal record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from fallsafe.core.cases.case import Case
from fallsafe.core.commands.ledger import Command
from fallsafe.core.detect.signal import SignalState
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task
from fallsafe.store.canonical import instant

Row = Order | Item | Task | Command | Case
R = TypeVar("R")

# Columns that the chain itself writes: never part of a delta.
CHAIN = frozenset({"version", "last_at", "last_lane", "last_seq", "last_digest"})


@dataclass(frozen=True, slots=True)
class Inbox:
    """What came in and waits to be applied: its bytes stand in evidence, `tries` counts the looks for its command.
    States: received, applied, unmatched.
    """

    id: int
    system: str
    event_id: str
    key: str
    order_id: int | None
    evidence_id: int
    evidence_order_id: int
    received_at: datetime
    tries: int
    state: str


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """A signal from outside as it is kept; what it says stands in its evidence, sealed. `content` is the salted digest
    of that, by which a repeat is known; `code`, `rule` and `policy_set` are how it was judged, `shadow` the rules in
    shadow that would have read it otherwise, and `case_id` the case that it belongs to.
    """

    id: int
    source: str
    external_id: str
    order_source: str
    order_external_id: str
    order_id: int | None
    ends: str
    looked: int
    content: str
    evidence_id: int
    evidence_order_id: int
    occurred_at: datetime
    received_at: datetime
    tries: int
    state: SignalState
    case_id: int | None
    code: str
    rule: str
    policy_set: str
    shadow: tuple[str, ...]


_CONVERTERS: dict[type, dict[str, Any]] = {}


def _converters(kind: type) -> dict[str, Any]:
    known = _CONVERTERS.get(kind)
    if known is None:
        hints = get_type_hints(kind)
        known = _CONVERTERS[kind] = {f.name: _converter(hints[f.name]) for f in fields(kind)}
    return known


def _converter(hint: Any) -> Any:
    if get_origin(hint) is UnionType or str(get_origin(hint)) == "typing.Union":
        inner = [a for a in get_args(hint) if a is not type(None)]
        return _converter(inner[0]) if len(inner) == 1 else None
    if get_origin(hint) is tuple:
        return tuple
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return None


def read_row(kind: type[R], row: Mapping[str, Any]) -> R:
    """A value of the core from a database row."""
    made = {n: (c(row[n]) if c is not None and row[n] is not None else row[n]) for n, c in _converters(kind).items()}
    return kind(**made)


def columns(value: Any) -> dict[str, Any]:
    """Every column of a value, ready for JSON."""
    return {f: _json(getattr(value, f)) for f in _converters(type(value))}


def delta(was: Any | None, now: Any) -> dict[str, Any]:
    """The columns that differ, without those of the chain; all of them when there was nothing."""
    names = [n for n in _converters(type(now)) if n not in CHAIN]
    if was is None:
        return {n: _json(getattr(now, n)) for n in names}
    return {n: _json(new) for n in names if (new := getattr(now, n)) != getattr(was, n)}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return value

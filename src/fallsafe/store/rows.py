"""Rows and the frozen values of the core are the same thing in two clothes: a column per field, by name.

This module is the only translation: a database row to a value, a value to the JSON that set-based statements read,
and the difference
of two values, which is the delta of a journal record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import Enum
from itertools import compress
from operator import attrgetter, is_not, itemgetter
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from fallsafe.core.cases.case import Case
from fallsafe.core.commands.ledger import Command
from fallsafe.core.detect.signal import SignalState
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task
from fallsafe.core.repair.amendment import Amendment
from fallsafe.core.repair.request import Repair
from fallsafe.core.values import made
from fallsafe.store.canonical import PLAIN, instant

Row = Order | Item | Task | Command | Case | Repair | Amendment
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


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report of an engine as it is kept; what it says stands in its evidence, sealed. `content` is the salted digest
    of that. States: received, applied.
    """

    id: int
    source: str
    external_id: str
    order_external_id: str
    order_id: int | None
    content: str
    evidence_id: int
    evidence_order_id: int
    received_at: datetime
    state: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a kind of value stands in columns: their names, how a row is read, and what a delta compares."""

    names: tuple[str, ...]
    of_row: Callable[[Mapping[str, Any]], tuple[Any, ...]]
    of_value: Callable[[Any], tuple[Any, ...]]
    converters: tuple[tuple[int, Callable[[Any], Any]], ...]
    times: tuple[int, ...]
    compared: tuple[str, ...]
    to_compare: Callable[[Any], tuple[Any, ...]]


_SHAPES: dict[type, _Shape] = {}


def _shape(kind: type) -> _Shape:
    known = _SHAPES.get(kind)
    if known is None:
        known = _SHAPES[kind] = _shape_of(kind)
    return known


def _shape_of(kind: type) -> _Shape:
    hints = get_type_hints(kind)
    names = tuple(f.name for f in fields(kind))
    compared = tuple(name for name in names if name not in CHAIN)
    converters = ((n, _converter(hints[name])) for n, name in enumerate(names))
    return _Shape(
        names,
        itemgetter(*names),
        attrgetter(*names),
        tuple((n, converter) for n, converter in converters if converter is not None),
        tuple(n for n, name in enumerate(names) if hints[name] in (datetime, datetime | None)),
        compared,
        attrgetter(*compared),
    )


def _converter(hint: Any) -> Callable[[Any], Any] | None:
    if get_origin(hint) is UnionType or str(get_origin(hint)) == "typing.Union":
        inner = [a for a in get_args(hint) if a is not type(None)]
        return _converter(inner[0]) if len(inner) == 1 else None
    if get_origin(hint) is tuple:
        return tuple
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {member.value: member for member in hint}.__getitem__
    return None


def read_row(kind: type[R], row: Mapping[str, Any]) -> R:
    """A value of the core from a database row."""
    shape = _shape(kind)
    return _made(kind, shape, [*shape.of_row(row)])


def read_json(kind: type[R], row: Mapping[str, Any]) -> R:
    """A value of the core from a row that came as JSON, in which times are text."""
    shape = _shape(kind)
    values = [*shape.of_row(row)]
    for n in shape.times:
        if values[n] is not None:
            values[n] = datetime.fromisoformat(values[n])
    return _made(kind, shape, values)


def _made(kind: type[R], shape: _Shape, values: list[Any]) -> R:
    for n, converter in shape.converters:
        if values[n] is not None:
            values[n] = converter(values[n])
    return made(kind, values)


def columns(value: Any) -> dict[str, Any]:
    """Every column of a value, ready for JSON."""
    shape = _shape(type(value))
    return dict(zip(shape.names, map(_json, shape.of_value(value)), strict=True))


def delta(was: Any | None, now: Any) -> dict[str, Any]:
    """The columns that differ, without those of the chain; all of them when there was nothing."""
    shape = _shape(type(now))
    if was is None:
        return dict(zip(shape.compared, map(_json, shape.to_compare(now)), strict=True))
    return _differing(shape.compared, shape.to_compare(was), shape.to_compare(now))


def changes(was: Any, now: Any) -> dict[str, Any]:
    """The columns that differ, those of the chain among them."""
    shape = _shape(type(now))
    return _differing(shape.names, shape.of_value(was), shape.of_value(now))


def _differing(names: tuple[str, ...], before: tuple[Any, ...], after: tuple[Any, ...]) -> dict[str, Any]:
    others = compress(zip(names, before, after, strict=True), map(is_not, before, after))
    return {name: _json(value) for name, old, value in others if value != old}


def _json(value: Any) -> Any:
    if type(value) in PLAIN:
        return value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return value

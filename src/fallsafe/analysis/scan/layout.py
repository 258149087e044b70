"""Which column is what: recognized by name and by content, and by what a person says, who is always right.

A file is either a log (one row an event: who, what happened, when) or a table (one row an order or task, with a column
for each of its dates). Where two columns fit a role about equally well, or one fits only by its content, the layout
says that it is unsure.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from fallsafe.analysis.scan.profile import Profile
from fallsafe.analysis.scan.words import Word, plain
from fallsafe.analysis.sources import Table


class Role(StrEnum):
    """What a column may be."""

    ORDER = "order"
    TIME = "time"
    EVENT = "event"
    TASK = "task"
    TASK_ID = "task_id"
    ITEM = "item"
    DUE = "due"
    GROUP = "group"
    PRODUCT = "product"
    CUSTOMER = "customer"
    SOLD_PRICE = "sold_price"
    CATALOG_PRICE = "catalog_price"
    QUANTITY = "quantity"
    DISCONTINUED = "discontinued"
    WAITS_FOR = "waits_for"
    UNTIL = "until"


DATES: Mapping[str, Word] = {
    "created": Word.CREATED,
    "confirmed": Word.CONFIRMED,
    "planned": Word.PLANNED,
    "started": Word.STARTED,
    "shipped": Word.SHIPPED,
    "delivered": Word.COMPLETED,
    "completed": Word.COMPLETED,
    "failed": Word.FAILED,
    "cancelled": Word.CANCELLED,
}
"""What the date columns of a table may say, by the key of the mapping."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What was recognized. `roles` maps a role to its column; `dates` are (key of `DATES`, column) of a table and empty
    for a log; `unsure` are sentences about guesses. `zone` is where times without an offset are from;
    `unique` are the columns that have another value in every row.
    """

    roles: Mapping[Role, Profile]
    dates: tuple[tuple[str, Profile], ...] = ()
    unsure: tuple[str, ...] = ()
    zone: str = "UTC"
    day_first: bool | None = None
    finish: str = ""
    unique: frozenset[str] = frozenset()

    @property
    def is_log(self) -> bool:
        """Whether a row is an event."""
        return not self.dates

    def has(self, role: Role) -> bool:
        """Whether there is such a column."""
        return role in self.roles


class Unrecognized(Exception):
    """What cannot be done without is not in the table. `found` is what was recognized."""

    def __init__(self, table: Table, missing: Sequence[str], found: Layout) -> None:
        super().__init__(f"{table.place}: no column was recognized as {' or '.join(missing)}")
        self.table, self.found = table, found


_ID = r"( (id|no|nr|num|number|key|ref|reference|code|nummer|uuid|external id))?"
_TOLD = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))
_COMPILED = {
    role: tuple((score, re.compile(f"(?:{rule.replace('{id}', _ID)})$")) for rule, score in _TOLD[role.value].items())
    for role in Role
}
_DATES = tuple((key, re.compile(rf"\b(?:{rule})\b")) for key, rule in _TOLD["dates"].items())
_DATE_WORDS = re.compile(r"\b(date|at|time|on|ts|timestamp|datetime|datum|day|dt|utc|order|sales|actual|first|real)\b")
_UPDATED = re.compile(r"\b(updated?|modified|changed?|status (date|since|at|time)|synced|loaded|exported)\b")

SURE = 1.2
"""A role whose best column reaches less than this, and is not called like it, was recognized by content alone."""
FEW = 20
"""So few orders may be numbered 0 and 1."""
CLOSE = 0.15
"""Two columns nearer than this fit a role about equally well."""


def recognize(table: Table, columns: Sequence[Profile], said: Mapping[str, str] | None = None) -> Layout:
    """The layout of an opened file. `said` are the lines of a mapping: key to column (or to the value of a setting).

    Raises `Unrecognized` where no column names the orders, or none has a time and none a state.
    """
    told = dict(said or {})
    by_name = {c.name: c for c in columns}
    fixed = {Role(k): by_name[v] for k, v in told.items() if k in set(Role) and v in by_name}
    dates = [(k, by_name[v]) for k, v in told.items() if k in DATES and v in by_name]
    silenced = {k for k, v in told.items() if not v}
    taken = [*fixed.values(), *(p for _, p in dates)]
    free = [c for c in columns if c not in taken and c.filled]
    found = _Search(free, fixed, silenced)
    roles, unsure = found.assigned(has_dates=bool(dates))
    if not dates and "time" not in told:
        rest = [c for c in free if c not in roles.values()] + [c for r, c in roles.items() if r is Role.TIME]
        dates = list(_dates_of(rest, roles))
    if dates and Role.TIME in roles and any(roles[Role.TIME] is p for _, p in dates):
        del roles[Role.TIME]
    doubts = tuple(sentence for role, sentence in unsure if role in roles)
    unique = frozenset(c.name for c in columns if len(c.distinct) == len(c.values) > 1)
    day_first = {"true": True, "false": False}.get(told.get("day_first", "").lower())
    layout = Layout(roles, tuple(dates), doubts, told.get("zone") or "UTC", day_first, told.get("finish", ""), unique)
    return _complete(table, layout)


def _complete(table: Table, layout: Layout) -> Layout:
    missing = []
    if Role.ORDER not in layout.roles:
        missing.append("the order's number")
    if Role.TIME not in layout.roles and not layout.dates:
        missing.append("a time")
    if missing:
        raise Unrecognized(table, missing, layout)
    if layout.is_log and not (layout.has(Role.EVENT) or layout.has(Role.TASK)):
        # one time and nothing that happens: a table with the date of each order alone
        time = layout.roles[Role.TIME]
        rest: dict[Role, Profile] = {r: c for r, c in layout.roles.items() if r is not Role.TIME}
        return replace(layout, roles=rest, dates=(("created", time),))
    return layout


def _dates_of(columns: Iterable[Profile], roles: Mapping[Role, Profile]) -> Iterator[tuple[str, Profile]]:
    """The dates of a table, where it is one: two or more columns that name steps of a life, or one beside a state that
    does not repeat.
    """
    named = [(key, c) for c in columns if c.form is not None and (key := date_key(c.name))]
    kept = dict[str, Profile]()
    for key, column in named:
        if key not in kept or column.fill > kept[key].fill:
            kept[key] = column
    time, order = roles.get(Role.TIME), roles.get(Role.ORDER)
    log_like = time is not None and not date_key(time.name) and not _UPDATED.search(plain(time.name))
    if len(kept) >= 2 and not log_like:
        yield from kept.items()
    elif len(kept) == 1 and not log_like and order is not None:
        unlike = len(order.distinct) >= 0.9 * len(order.filled)
        yield from kept.items() if unlike or not ({Role.EVENT, Role.TASK} & roles.keys()) else ()


def date_key(name: str) -> str:
    """Which date of an order's life a column's name speaks of; empty where it speaks of none."""
    phrase = plain(name)
    if _UPDATED.search(phrase) or any(rule.match(phrase) for _, rule in _COMPILED[Role.DUE]):
        return ""
    bare = " ".join(_DATE_WORDS.sub(" ", phrase).split())
    if not bare and re.search(r"\border\b", phrase):
        return "created"
    return next((key for key, rule in _DATES if rule.search(bare) or rule.search(phrase)), "")


@dataclass(slots=True)
class _Search:
    """Gives each role the column that fits it best, the roles that matter most first."""

    free: list[Profile]
    fixed: Mapping[Role, Profile]
    silenced: set[str]

    def assigned(self, *, has_dates: bool) -> tuple[dict[Role, Profile], list[tuple[Role, str]]]:
        roles, unsure = dict(self.fixed), []
        for role in _TURNS:
            if role in roles or role in self.silenced or (has_dates and role in (Role.TIME,)):
                continue
            ranked = sorted(
                ((self._score(role, c, roles), n, c) for n, c in enumerate(self.free)), key=lambda s: (-s[0], s[1])
            )
            if not ranked or ranked[0][0] <= _LEAST[role]:
                continue
            best, _, column = ranked[0]
            roles[role] = column
            self.free.remove(column)
            if role in _ASKED and best < SURE and named_as(role, column.name) < 1:
                unsure.append((role, f"{column.name!r} was taken for {_SPOKEN[role]} by its values alone"))
            if role in _ASKED and len(ranked) > 1 and best - ranked[1][0] < CLOSE and ranked[1][0] > _LEAST[role]:
                other = ranked[1][2].name
                unsure.append((role, f"{column.name!r} was taken for {_SPOKEN[role]}; it could be {other!r}"))
        return roles, unsure

    def _score(self, role: Role, column: Profile, roles: Mapping[Role, Profile]) -> float:
        named = named_as(role, column.name)
        match role:
            case Role.ORDER:
                return self._order(column, named)
            case Role.TIME:
                return (
                    0.0 if column.form is None or _is_due(column.name) else named + column.fill + _sorted(column) * 0.2
                )
            case Role.DUE | Role.UNTIL:
                return self._date(role, column, named, roles)
            case Role.EVENT | Role.TASK:
                return self._category(role, column, named, roles)
            case Role.SOLD_PRICE | Role.CATALOG_PRICE | Role.QUANTITY:
                return named * 2 if column.is_number else 0.0
            case Role.DISCONTINUED:
                return named * 2 if column.is_truth else 0.0
            case Role.ITEM | Role.TASK_ID:
                return self._part(role, column, named, roles)
            case Role.GROUP | Role.PRODUCT | Role.CUSTOMER | Role.WAITS_FOR:
                return named * 2 if column.form is None else 0.0

    def _order(self, column: Profile, named: float) -> float:
        is_truth = column.is_truth and (named < 1 or len(column.filled) > FEW)
        if not column.is_identifier or column.fill < 0.5 or is_truth:
            return 0.0
        few = len(column.values) >= 100 and len(column.distinct) <= 12
        inside = max((_starts(other, column) for other in self.free if other is not column), default=0.0)
        repeats = len(column.distinct) < 0.9 * len(column.filled)
        spoken = column.spoken >= 0.5 and not column.is_number
        return named * 1.5 + column.fill * 0.4 + inside * 0.5 + repeats * 0.1 - few * 0.9 - spoken * 0.8

    def _date(self, role: Role, column: Profile, named: float, roles: Mapping[Role, Profile]) -> float:
        if column.form is None:
            return 0.0
        if named or role is Role.UNTIL:
            return named * 2
        unnamed = not date_key(column.name) and not _UPDATED.search(plain(column.name))
        return 0.6 if unnamed and Role.TIME in roles and column.fill < roles[Role.TIME].fill else 0.0

    def _category(self, role: Role, column: Profile, named: float, roles: Mapping[Role, Profile]) -> float:
        if column.form is not None or column.is_truth or not column.is_category:
            return named if column.form is None and not column.is_number and named >= 1 else 0.0
        if column.is_number:
            return 0.0
        if role is Role.TASK and not named and not _varies(column, roles.get(Role.ORDER)):
            return 0.0  # what is the same throughout an order is no step of it
        other = named_as(Role.TASK if role is Role.EVENT else Role.EVENT, column.name)
        strange = any(named_as(r, column.name) >= 1 for r in (Role.GROUP, Role.PRODUCT, Role.CUSTOMER))
        content = column.spoken if role is Role.EVENT else 1 - column.spoken
        return 0.0 if strange else named * 1.2 + content * 0.6 + column.fill * 0.2 - other * 0.6

    def _part(self, role: Role, column: Profile, named: float, roles: Mapping[Role, Profile]) -> float:
        if not column.is_identifier:
            return 0.0
        other = Role.TASK_ID if role is Role.ITEM else Role.ITEM
        if named or named_as(other, column.name):
            return named * 2
        order = roles.get(Role.ORDER)
        if order is None or not _starts(column, order) or (role is Role.ITEM and column.fill > 0.99):
            return 0.0
        alone = not any(c is not column and c.is_identifier and _starts(c, order) for c in self.free)
        if role is Role.ITEM and alone and Role.TASK in roles and _tells(column, roles[Role.TASK]):
            return 0.0  # an id that each kind of work has of its own is the task's
        return 0.7 + len(column.distinct) / max(1, len(column.filled)) * 0.2


_TURNS = (
    Role.CATALOG_PRICE, Role.SOLD_PRICE, Role.DISCONTINUED, Role.QUANTITY, Role.ORDER, Role.TIME, Role.DUE, Role.UNTIL,
    Role.EVENT, Role.TASK, Role.ITEM, Role.TASK_ID, Role.WAITS_FOR, Role.GROUP, Role.PRODUCT, Role.CUSTOMER,
)  # fmt: skip
_LEAST = dict.fromkeys(Role, 0.5) | {Role.ORDER: 0.45, Role.EVENT: 0.62, Role.TASK: 0.75, Role.TIME: 0.4}
_ASKED = frozenset({Role.ORDER, Role.TIME, Role.DUE, Role.EVENT, Role.TASK})
_SPOKEN = {
    Role.ORDER: "the order's number", Role.TIME: "the time of the event", Role.DUE: "the promised date",
    Role.EVENT: "what happened", Role.TASK: "the kind of work",
}  # fmt: skip


def named_as(role: Role, name: str) -> float:
    """How well a column's name fits a role, 0 to 1; of a key inside an object, and of an attribute of the trace in an
    event log, what it is called there counts as well.
    """
    names = {re.sub(r" \d+$", "", plain(n)) for n in (name, name.rsplit(".", 1)[-1], name.removeprefix("case:"))}
    return max((score for n in names for score, rule in _COMPILED[role] if rule.match(n)), default=0.0)


def _is_due(name: str) -> bool:
    return named_as(Role.DUE, name) > 0 and named_as(Role.TIME, name) == 0


def _sorted(column: Profile) -> float:
    """How nearly the values stand in their order: logs are written as things happen."""
    pairs = list(zip(column.filled, column.filled[1:], strict=False))[:500]
    return sum(a <= b for a, b in pairs) / len(pairs) if pairs else 0.0


def _varies(column: Profile, order: Profile | None) -> bool:
    """Whether orders have several values of a column."""
    if order is None:
        return False
    pairs = {(a, b) for a, b in zip(order.values, column.values, strict=True) if a and b}
    return len(pairs) > 1.3 * len({a for a, _ in pairs})


def _tells(column: Profile, other: Profile) -> bool:
    """Whether the value of one column says that of the other."""
    pairs = {(a, b) for a, b in zip(column.values, other.values, strict=True) if a}
    return len(pairs) == len({a for a, _ in pairs})


def _starts(longer: Profile, shorter: Profile) -> float:
    """Whether the values of one column begin with those of another and go on, row by row."""
    pairs = [(a, b) for a, b in zip(longer.values, shorter.values, strict=True) if a and b][:500]
    if len(pairs) < 2:
        return 0.0
    fits = sum(a.startswith(b) and len(a) > len(b) and not a[len(b)].isalnum() for a, b in pairs)
    return float(fits >= 0.9 * len(pairs))

"""Which columns of the two tables answer to each other, and by which rule: as a person said, else by what they are."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from fallsafe.analysis.reconcile.rules import As, Asked, Rule, Side, WrongUse, tolerance
from fallsafe.analysis.sources import Column, Kind, Table

NUMERIC = (Kind.INTEGER, Kind.NUMBER)
TIMED = (Kind.TIME, Kind.DATE)
TEXT = "VARCHAR"
EVERY = "*"


@dataclass(frozen=True, slots=True)
class Pair:
    """A column of A, the column of B that should say the same, and the rule."""

    a: Column
    b: Column
    rule: Rule

    @property
    def name(self) -> str:
        """What both are called in results: A's name."""
        return self.a.name


@dataclass(frozen=True, slots=True)
class Pairing:
    """The comparison as it will be made. `changed` says when a row was last changed, where that is known."""

    keys: tuple[Pair, ...]
    columns: tuple[Pair, ...]
    changed: Pair | None
    understood: tuple[str, ...]


def paired(a: Table, b: Table, asked: Asked) -> Pairing:
    """The pairing of two tables. A column that is not there is `WrongUse`, with those that are."""
    if not asked.keys:
        raise WrongUse("no key was named; say --on with the column that both have, or --on A_NAME=B_NAME")
    keys = tuple(Pair(x, y, _key_rule(x, y, asked)) for x, y in _named(a, b, asked.keys))
    taken = {pair.a.name for pair in keys}
    alike, said = _compared(a, b, asked, keys)
    columns = tuple(Pair(x, y, _rule(x, y, asked)) for x, y in alike if x.name not in taken)
    changed = (
        next((Pair(x, y, Rule(As.TIME)) for x, y in _named(a, b, [asked.changed])), None) if asked.changed else None
    )
    _all_are_used(a, asked, keys + columns)
    return Pairing(keys, columns, changed, said)


def _named(a: Table, b: Table, names: Iterable[str]) -> Iterator[tuple[Column, Column]]:
    for name in names:
        whole = a.column(name)
        left, _, right = (name, "", name) if whole else name.partition("=")
        yield _column(a, left), _column(b, right or left)


def _column(table: Table, name: str) -> Column:
    found = table.column(name)
    if found is None:
        there = [column.name for column in table.columns]
        close = get_close_matches(name.casefold(), [t.casefold() for t in there], n=1)
        meant = next((f"; did you mean {t!r}?" for t in there if close and t.casefold() == close[0]), "")
        raise WrongUse(f"{table.place} has no column {name!r}{meant}\nits columns are: {', '.join(there)}")
    return found


def _compared(
    a: Table, b: Table, asked: Asked, keys: Sequence[Pair]
) -> tuple[list[tuple[Column, Column]], tuple[str, ...]]:
    if asked.compare:
        return list(_named(a, b, asked.compare)), ()
    ignored = _ignored(a, b, asked.ignore)
    key_names = {pair.a.name for pair in keys} | {pair.b.name for pair in keys}
    alike: list[tuple[Column, Column]] = []
    for column in a.columns:
        other = b.column(column.name)
        if other is not None and column.name not in ignored | key_names:
            alike.append((column, other))
    answered = {y.name for _, y in alike} | key_names
    only_a = [c.name for c in a.columns if c.name not in {x.name for x, _ in alike} | key_names | ignored]
    only_b = [c.name for c in b.columns if c.name not in answered | ignored]
    said = [
        f"not compared, only in {side}: {', '.join(names)}" for side, names in (("A", only_a), ("B", only_b)) if names
    ]
    said += [f"not compared, as you said: {', '.join(sorted(ignored))}"] if ignored else []
    return alike, tuple(said)


def _ignored(a: Table, b: Table, names: Iterable[str]) -> set[str]:
    """Columns that only one side has may be named as well."""
    found: set[str] = set()
    for name in names:
        column = a.column(name) or b.column(name) or _column(a, name)
        found.add(column.name)
    return found


def _rule(a: Column, b: Column, asked: Asked) -> Rule:
    comma = _is_among(a, asked.decimal_comma)
    compared_as = As.NUMBER if comma else _said_as(a, asked) or _by_content(a, b)
    limit = _of(a, asked.tolerance)
    if limit and compared_as is As.TEXT:
        compared_as = As.TIME if a.kind in TIMED or b.kind in TIMED else As.NUMBER
    side = _of(a, asked.authority)
    if side and side.lower() not in tuple(Side):
        raise WrongUse(f"--authority {a.name}={side}: the side is a or b")
    return Rule(
        compared_as,
        ignore_case=_is_among(a, asked.ignore_case),
        trim=_is_among(a, asked.trim),
        comma=comma,
        tolerance=tolerance(limit, compared_as) if limit else None,
        authority=Side(side.lower()) if side else None,
    )


def _key_rule(a: Column, b: Column, asked: Asked) -> Rule:
    """Keys are names: two texts are never the same because they read as the same number, unless a person says so."""
    typed = As.TEXT
    if TEXT not in (a.type, b.type):
        typed = As.NUMBER if a.kind in NUMERIC and b.kind in NUMERIC else typed
        typed = As.TIME if a.kind in TIMED and b.kind in TIMED else typed
    compared_as = _said_as(a, asked, every=False) or typed
    return Rule(compared_as, _is_among(a, asked.ignore_case), _is_among(a, asked.trim))


def _said_as(column: Column, asked: Asked, every: bool = True) -> As | None:
    said = {As.NUMBER: asked.number, As.TIME: asked.time, As.TEXT: asked.text}
    by_name = [as_ for as_, names in said.items() if _is_among(column, [n for n in names if n != EVERY])]
    if len(by_name) > 1:
        raise WrongUse(f"{column.name} cannot be compared as {' and '.join(by_name)}; say one of them")
    general = [as_ for as_, names in said.items() if every and EVERY in names]
    return next(iter(by_name + general), None)


def _by_content(a: Column, b: Column) -> As:
    kinds = {column.kind for column in (a, b)} - {Kind.EMPTY}
    if kinds and kinds <= set(NUMERIC):
        return As.NUMBER
    return As.TIME if kinds and kinds <= set(TIMED) else As.TEXT


def _names(column: Column) -> set[str]:
    return {column.name.casefold(), column.header.casefold()}


def _is_among(column: Column, names: Iterable[str]) -> bool:
    return any(name == EVERY or name.casefold() in _names(column) for name in names)


def _of(column: Column, said: Mapping[str, str]) -> str:
    by_name = next((value for name, value in said.items() if name.casefold() in _names(column)), "")
    return by_name or said.get(EVERY, "")


def _all_are_used(a: Table, asked: Asked, pairs: Sequence[Pair]) -> None:
    """A rule for a column that is not compared is a slip, and is said instead of being ignored."""
    said = (asked.ignore_case, asked.trim, asked.number, asked.time, asked.text, asked.decimal_comma)
    lists = (*said, asked.tolerance, asked.authority)
    for name in {name for names in lists for name in names} - {EVERY}:
        if not any(name.casefold() in _names(pair.a) for pair in pairs):
            _column(a, name)
            raise WrongUse(f"there is a rule for {name}, but {name} is not compared; add --compare {name}")

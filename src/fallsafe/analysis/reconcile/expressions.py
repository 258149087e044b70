"""A pairing as SQL: what of a row is shown, what is compared, and when two rows differ.

Written in DuckDB's dialect in two flavors. FAST uses what only DuckDB has; PORTABLE keeps to what can be translated for
PostgreSQL and the warehouses. A test holds both to the same answers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from fallsafe.analysis.reconcile.pairing import Pair, Pairing
from fallsafe.analysis.reconcile.rules import As, Rule, Side
from fallsafe.analysis.sources import Column, Kind
from fallsafe.analysis.sql import listed, literal, quoted

NUMBER = "[+-]?([0-9]{1,28}(\\.[0-9]*)?|\\.[0-9]+)([eE][+-]?[0-9]{1,2})?"
TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]+)?)?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"
# Wide enough for money in any currency; what has more digits behind the point is rounded before it is compared.
DECIMAL = "DECIMAL(38, 9)"
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
FLOATING = ("FLOAT", "DOUBLE")
TEXT = "VARCHAR"
ZONED = "TIMESTAMP WITH TIME ZONE"


class Flavor(Enum):
    """Who has to understand the SQL."""

    FAST = "fast"
    PORTABLE = "portable"


@dataclass(frozen=True, slots=True)
class Parts:
    """The gaps of the statements under `queries/reconcile`, for one pairing."""

    a_values: str  # named keys, key texts, changed, shown and compared values of a row of A
    b_values: str
    a_has_key: str
    b_has_key: str
    a_keyed: str  # how many rows have a key
    b_keyed: str
    a_key: str  # what stands for the key while fingerprints are compared: the number that it is, else its fingerprint
    b_key: str
    a_print: str  # a fingerprint of what makes two rows equal, but for columns with a tolerance
    b_print: str
    a_near: str  # the columns with a tolerance, named
    b_near: str
    far: tuple[str, ...]  # for each of these: a and b are too far apart
    differs: tuple[str, ...]  # for each column: the values of a and b differ
    a_used: str  # the columns that are looked at
    b_used: str


def parts(pairing: Pairing, flavor: Flavor) -> Parts:
    """The pairing in SQL."""
    write = _Writer(pairing, flavor)
    return Parts(
        a_values=listed(write.values(Side.A)),
        b_values=listed(write.values(Side.B)),
        a_has_key=" AND ".join(f"({key}) IS NOT NULL" for key in write.keys(Side.A)),
        b_has_key=" AND ".join(f"({key}) IS NOT NULL" for key in write.keys(Side.B)),
        a_keyed=write.keyed(Side.A),
        b_keyed=write.keyed(Side.B),
        a_key=write.short_key(Side.A),
        b_key=write.short_key(Side.B),
        a_print=fingerprint(write.print(Side.A)),
        b_print=fingerprint(write.print(Side.B)),
        a_near="".join(write.near(Side.A)),
        b_near="".join(write.near(Side.B)),
        far=tuple(_differs(n, pair) for n, pair in enumerate(pairing.columns, 1) if pair.rule.tolerance is not None),
        differs=tuple(_differs(n, pair) for n, pair in enumerate(pairing.columns, 1)),
        a_used=listed(quoted(name) for name in _used(pairing, Side.A)),
        b_used=listed(quoted(name) for name in _used(pairing, Side.B)),
    )


def fingerprint(expressions: Sequence[str]) -> str:
    """64 bits for all of them together."""
    return f"hash({', '.join(expressions)})" if expressions else "0"


def moment(at: datetime) -> str:
    """A point in time as SQL."""
    return f"CAST({literal(at.isoformat(' '))} AS TIMESTAMPTZ)"


def changed_of(pairing: Pairing, side: Side, flavor: Flavor) -> str:
    """When a row was last changed; no value where nobody said how to know."""
    if pairing.changed is None:
        return "CAST(NULL AS TIMESTAMPTZ)"
    return _Writer(pairing, flavor).time(_of(pairing.changed, side), ZONED)


def newest_of(pairing: Pairing, side: Side, flavor: Flavor) -> str:
    """When the last change on a side was."""
    if pairing.changed is None or _of(pairing.changed, side).type == TEXT:
        return f"max({changed_of(pairing, side, flavor)})"
    return f"CAST(max({quoted(_of(pairing.changed, side).name)}) AS TIMESTAMPTZ)"


@dataclass(frozen=True, slots=True)
class _Writer:
    pairing: Pairing
    flavor: Flavor

    def values(self, side: Side) -> list[str]:
        made: list[str] = []
        for n, (column, key) in enumerate(zip(self._columns(side, self.pairing.keys), self.keys(side), strict=True), 1):
            made += [f"{key} AS k{n}", f"{shown(column)} AS t{n}"]
        made.append(f"{changed_of(self.pairing, side, self.flavor)} AS changed")
        for n, pair in enumerate(self.pairing.columns, 1):
            column = _of(pair, side)
            made += [f"{shown(column)} AS v{n}", f"{self.text(column, pair.rule)} AS x{n}"]
            if pair.rule.compared_as is not As.TEXT:
                made.append(f"{self.number_or_time(pair, column)} AS n{n}")
        return made

    def keys(self, side: Side) -> list[str]:
        return [self.compared(pair, _of(pair, side)) for pair in self.pairing.keys]

    def keyed(self, side: Side) -> str:
        """Of a column as it is, a file may know it without being read."""
        keys = self.keys(side)
        if len(keys) == 1:
            return f"count({keys[0]})"
        return f"sum(CASE WHEN {' AND '.join(f'({key}) IS NOT NULL' for key in keys)} THEN 1 ELSE 0 END)"

    def short_key(self, side: Side) -> str:
        """A number is its own best fingerprint: the files can be asked for it directly."""
        keys = self.keys(side)
        numbers = all(pair.a.type in INTEGERS and pair.b.type in INTEGERS for pair in self.pairing.keys)
        return keys[0] if numbers and len(keys) == 1 else fingerprint(keys)

    def print(self, side: Side) -> list[str]:
        made: list[str] = []
        for pair in self.pairing.columns:
            column = _of(pair, side)
            if pair.rule.compared_as is As.TEXT:
                made.append(self.text(column, pair.rule))
                continue
            value = self.number_or_time(pair, column)
            if pair.rule.tolerance is None:
                made.append(value)
            if not _always_reads(column, pair.rule):
                made.append(f"CASE WHEN ({value}) IS NULL THEN {self.text(column, pair.rule)} END")
        return made

    def near(self, side: Side) -> list[str]:
        return [
            f", {self.number_or_time(pair, _of(pair, side))} AS n{n}, "
            f"{self.text(_of(pair, side), pair.rule)} AS x{n}"
            for n, pair in enumerate(self.pairing.columns, 1)
            if pair.rule.tolerance is not None
        ]  # fmt: skip

    def compared(self, pair: Pair, column: Column) -> str:
        return self.text(column, pair.rule) if pair.rule.compared_as is As.TEXT else self.number_or_time(pair, column)

    def number_or_time(self, pair: Pair, column: Column) -> str:
        if pair.rule.compared_as is As.TIME:
            return self.time(column, _time_type(pair))
        return self.number(column, pair.rule, _number_type(pair))

    def text(self, column: Column, rule: Rule) -> str:
        """An empty text is no value: a text file cannot tell them apart."""
        made = shown(column)
        made = f"trim({made})" if rule.trim and column.type == TEXT else made
        made = f"lower({made})" if rule.ignore_case else made
        return f"nullif({made}, '')" if column.type == TEXT else made

    def number(self, column: Column, rule: Rule, wanted: str) -> str:
        name = quoted(column.name)
        if column.type in INTEGERS and wanted in ("BIGINT", "HUGEINT"):
            return name if column.type == wanted else f"CAST({name} AS {wanted})"
        if column.type == wanted:
            return name
        if column.type == "FLOAT":  # by way of the shortest text that means it: 0.1 is 0.1 and not 0.100000001
            return self._read(f"CAST({name} AS VARCHAR)", wanted, NUMBER)
        if column.type != TEXT:
            return f"TRY_CAST({name} AS {wanted})" if self.flavor is Flavor.FAST else f"CAST({name} AS {wanted})"
        text = f"trim({name})"
        if rule.comma:
            text = f"CASE WHEN {text} LIKE '%,%' THEN replace(replace({text}, '.', ''), ',', '.') ELSE {text} END"
        return self._read(text, wanted, NUMBER)

    def time(self, column: Column, wanted: str) -> str:
        name = quoted(column.name)
        if column.type == TEXT:
            return self._read(f"trim({name})", wanted, TIME)
        return name if column.type == wanted else f"CAST({name} AS {wanted})"

    def _read(self, text: str, wanted: str, pattern: str) -> str:
        """A text as a value of a type; no value where it does not read as one."""
        if self.flavor is Flavor.FAST:
            return f"TRY_CAST({text} AS {wanted})"
        return f"CASE WHEN regexp_matches({text}, '^{pattern}$') THEN CAST({text} AS {wanted}) END"

    def _columns(self, side: Side, pairs: Sequence[Pair]) -> list[Column]:
        return [_of(pair, side) for pair in pairs]


def shown(column: Column) -> str:
    """A value as people see it, the same from every source."""
    name = quoted(column.name)
    if column.type == TEXT:
        return name
    text = f"CAST({name} AS VARCHAR)"
    return f"regexp_replace({text}, '\\.0$', '')" if column.type in FLOATING else text


def _of(pair: Pair, side: Side) -> Column:
    return pair.a if side is Side.A else pair.b


def _used(pairing: Pairing, side: Side) -> list[str]:
    pairs = (*pairing.keys, *pairing.columns, *((pairing.changed,) if pairing.changed else ()))
    return list(dict.fromkeys(_of(pair, side).name for pair in pairs))


def _always_reads(column: Column, rule: Rule) -> bool:
    """Whether every value of a type has a number or time; for the others the text decides where it has none."""
    wanted = (Kind.TIME, Kind.DATE) if rule.compared_as is As.TIME else (Kind.INTEGER, Kind.NUMBER)
    return column.type != TEXT and column.type not in FLOATING and column.kind in wanted


def _differs(n: int, pair: Pair) -> str:
    """When the values of `a` and `b` in column n differ."""
    by_text = f"a.x{n} IS DISTINCT FROM b.x{n}"
    if pair.rule.compared_as is As.TEXT:
        return by_text
    both = f"a.n{n} IS NOT NULL AND b.n{n} IS NOT NULL"
    return f"CASE WHEN {both} THEN {_far(n, pair.rule)} ELSE {by_text} END"


def _far(n: int, rule: Rule) -> str:
    if rule.tolerance is None:
        return f"a.n{n} <> b.n{n}"
    apart = f"a.n{n} - b.n{n}"
    if rule.compared_as is As.TIME:
        apart = f"EXTRACT(EPOCH FROM a.n{n}) - EXTRACT(EPOCH FROM b.n{n})"
    return f"abs({apart}) > {rule.tolerance:f}"


def _time_type(pair: Pair) -> str:
    """Two columns without zones are compared as they are, which is much faster; with zones all are moments."""
    return pair.a.type if pair.a.type == pair.b.type and pair.a.type in ("TIMESTAMP", "DATE") else ZONED


def _number_type(pair: Pair) -> str:
    """The type in which two columns of numbers can be compared without losing anything that matters."""
    types = {pair.a.type, pair.b.type}
    if types <= {*INTEGERS}:
        return "BIGINT"
    if types <= {*INTEGERS, "UBIGINT", "HUGEINT"}:
        return "HUGEINT"
    if types == {"DOUBLE"} and pair.rule.tolerance is None:
        return "DOUBLE"
    found = [re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind) for kind in types]
    if all(found):
        sizes = [(int(one[1]), int(one[2])) for one in found if one]
        scale = max(s for _, s in sizes)
        whole = max(p - s for p, s in sizes)
        return f"DECIMAL({min(whole + scale, 38)},{scale})"
    return DECIMAL

"""A comparison in words: for a terminal, and as JSON for programs. The result first, then how it came about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fallsafe.analysis.reconcile.compare import Compared, Counted
from fallsafe.analysis.reconcile.findings import Finding, Findings
from fallsafe.analysis.reconcile.pairing import Pair, Pairing
from fallsafe.analysis.reconcile.rules import As
from fallsafe.analysis.sources import Kind, Table

MEANING = {
    "mismatch": "keys whose values differ",
    "missing": "keys that only A has",
    "orphan": "keys that only B has",
    "duplicate": "keys that a side has more than once; their rows were not compared",
}
# The same in a headline.
FOUND = {
    "mismatch": "{} with other values",
    "missing": "{} only in A",
    "orphan": "{} only in B",
    "duplicate": "{} more than once",
}


@dataclass(frozen=True, slots=True)
class Told:
    """All that is known about one comparison."""

    a: Table
    b: Table
    pairing: Pairing
    compared: Compared
    findings: Findings

    @property
    def not_judged(self) -> int:
        """Rows that could not be compared at all: unreadable, or without a key."""
        sides = ((self.a, self.compared.a), (self.b, self.compared.b))
        return sum(table.rows_left_out + counted.rows - counted.with_key for table, counted in sides)

    @property
    def all_read(self) -> bool:
        """Whether nothing of either side was left out."""
        return self.not_judged == 0 and not self.a.left_out and not self.b.left_out

    @property
    def agrees(self) -> bool:
        """Whether it is proved that both say the same. A row that could not be read proves nothing."""
        return self.all_read and self.findings.totals.found == 0


def headline(told: Told) -> str:
    """The result in one sentence."""
    totals = told.findings.totals
    if told.agrees:
        return f"A and B agree: {many(totals.agreeing, 'key')}, {_columns(told.pairing)}"
    if not totals.found:
        what = (
            f"{many(told.not_judged, 'row')} could not be judged" if told.not_judged else "not everything could be read"
        )
        return f"no difference was found, but {what}"
    parts = [FOUND[kind].format(many(getattr(totals, kind), "key")) for kind in MEANING if getattr(totals, kind)]
    return f"A and B differ: {', '.join(parts)}; {many(totals.agreeing, 'key')} agree{'s' * (totals.agreeing == 1)}"


def many(count: int, word: str) -> str:
    """A number with its word."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _columns(pairing: Pairing) -> str:
    count = len(pairing.columns)
    return f"{many(count, 'column')} each" if count else "by key alone"


def side_lines(name: str, table: Table, counted: Counted) -> Iterator[str]:
    """How a side was read, and what of it was not."""
    yield f"{name} = {table.place}: {many(table.rows, 'row')}, {table.format}; {'; '.join(table.understood)}"
    if counted.with_key < counted.rows:
        yield f"  left out of {name}: {many(counted.rows - counted.with_key, 'row')} without a key"
    for part in table.left_out:
        yield f"  left out of {name}: {part.said}"
        yield from (f"    {example}" for example in part.examples)


def rule_in_words(pair: Pair) -> str:
    """How a pair of columns is compared."""
    rule = pair.rule
    said = [f"as {rule.compared_as}"]
    if rule.compared_as is As.TIME and any(column.type != "TIMESTAMP WITH TIME ZONE" for column in (pair.a, pair.b)):
        said.append("in UTC where it has no offset")
    if rule.tolerance is not None:
        said.append(f"within {rule.tolerance:f}{' seconds' if rule.compared_as is As.TIME else ''}")
    said += [word for word, on in (("ignoring case", rule.ignore_case), ("trimmed", rule.trim)) if on]
    said += ["decimal comma"] if rule.comma else []
    return ", ".join(said) + (f"; {rule.authority.upper()} is right" if rule.authority else "")


def column_in_words(pair: Pair) -> str:
    """What a pair of columns is called on both sides."""
    return pair.a.name if pair.a.name == pair.b.name else f"{pair.a.name} = {pair.b.name}"


def hints(told: Told) -> Iterator[str]:
    """What to try next where the result looks like a wrong question."""
    totals = told.findings.totals
    if totals.missing and totals.orphan and not totals.agreeing + totals.mismatch + totals.unsettled:
        first = [told.findings.samples[kind][0].key for kind in ("missing", "orphan") if kind in told.findings.samples]
        spelled = " and ".join(repr(" ".join(key)) for key in first)
        yield f"no key of A is in B; are they written alike ({spelled})? Try --number, --trim or --ignore-case KEY"
    for pair in told.pairing.keys:
        if Kind.EMPTY in (pair.a.kind, pair.b.kind):
            yield f"the key {column_in_words(pair)} has no values on one side"
    for pair in told.pairing.columns:
        if pair.rule.compared_as is As.TEXT and told.findings.by_column.get(pair.name):
            yield from _nearly(pair)
    if told.findings.totals.unsettled:
        yield (
            f"not judged yet, because changed after {stamp(told.compared.judged_until)}: "
            f"{many(totals.unsettled, 'key')} with differences"
        )


def _nearly(pair: Pair) -> Iterator[str]:
    kinds = {column.nearly for column in (pair.a, pair.b)}
    for option, wanted in (("--number", {Kind.INTEGER, Kind.NUMBER}), ("--time", {Kind.DATE, Kind.TIME})):
        if kinds & wanted:
            what = option.removeprefix("--")
            said = f"{column_in_words(pair)} was compared as text, since not every value is a {what}"
            yield f"{said}; {option} {pair.name} compares those that are"


def stamp(at: datetime | None) -> str | None:
    """A time as the doors write it."""
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None


def as_json(told: Told) -> dict[str, Any]:
    """The whole result for programs. Everything in it depends on the inputs alone."""
    totals = told.findings.totals
    return {
        "agrees": told.agrees,
        "asOf": stamp(told.compared.as_of),
        "judgedUntil": stamp(told.compared.judged_until),
        "a": _side(told.a, told.compared.a),
        "b": _side(told.b, told.compared.b),
        "keys": [_pair(pair) for pair in told.pairing.keys],
        "columns": [
            _pair(pair) | {"mismatches": told.findings.by_column.get(pair.name, 0)} for pair in told.pairing.columns
        ],
        "totals": {
            "agreeing": totals.agreeing,
            **{kind: getattr(totals, kind) for kind in MEANING},
            "unsettled": totals.unsettled,
            "notJudged": told.not_judged,
        },
        "samples": {name: [_finding(found) for found in rows] for name, rows in told.findings.samples.items()},
        "understood": list(told.pairing.understood),
        "hints": list(hints(told)),
    }


def _side(table: Table, counted: Counted) -> dict[str, Any]:
    return {
        "place": table.place,
        "format": table.format,
        "rows": table.rows,
        "withoutKey": counted.rows - counted.with_key,
        "understood": list(table.understood),
        "leftOut": [
            {"why": part.why, "rows": part.rows, "examples": list(part.examples)} for part in table.left_out
        ],
    }  # fmt: skip


def _pair(pair: Pair) -> dict[str, Any]:
    rule = pair.rule
    return {
        "name": pair.name,
        "b": pair.b.name,
        "comparedAs": rule.compared_as.value,
        "tolerance": None if rule.tolerance is None else f"{rule.tolerance:f}",
        "ignoreCase": rule.ignore_case,
        "trim": rule.trim,
        "authority": rule.authority.value if rule.authority else None,
    }


def _finding(found: Finding) -> dict[str, Any]:
    base: dict[str, Any] = {"kind": found.kind, "key": list(found.key)}
    if found.column is None:
        return base | {"rowsInA": found.rows_a, "rowsInB": found.rows_b}
    return base | {"column": found.column, "a": found.a, "b": found.b, "authority": found.authority}


def sample_tables(told: Told) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[Any]]]]:
    """The examples as tables: a title, the columns, the rows."""
    names = [pair.name for pair in told.pairing.keys]
    for name, rows in told.findings.samples.items():
        kind, _, column = name.partition(":")
        count = told.findings.by_column[column] if column else getattr(told.findings.totals, kind)
        more = f" (first {len(rows)} of {count:,})" if count > len(rows) else f" ({count:,})"
        if column:
            yield f"{column} differs{more}", [*names, "A", "B"], [[*row.key, row.a, row.b] for row in rows]
        elif kind == "duplicate":
            table = [[*row.key, row.rows_a, row.rows_b] for row in rows]
            yield f"duplicate: {MEANING[kind]}{more}", [*names, "rows in A", "rows in B"], table
        else:
            yield f"{kind}: {MEANING[kind]}{more}", names, [list(row.key) for row in rows]

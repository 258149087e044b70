"""The comparison in DuckDB, in two steps so that it fits into little memory.

First both sides pass by once with nothing but a fingerprint of each row's key and values; that names the few keys that
have to be looked at. Then only their rows are compared as a whole, by the same statement that runs in a database. Two
different values with the same fingerprint of 64 bits would be missed; two different keys are only looked at.

A key that is there twice on both sides would agree at first sight. Whether there is one is told by counting: where
every pair agrees and there are as many pairs as rows on each side, no key is there twice. Where that does not add up,
or a sample shows it beforehand, repeated keys are found by grouping and set aside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.analysis.reconcile.expressions import Flavor, Parts, moment, newest_of, parts
from fallsafe.analysis.reconcile.pairing import Pairing
from fallsafe.analysis.reconcile.rules import Asked, Side, WrongUse
from fallsafe.analysis.sources import Engine, Table
from fallsafe.analysis.sql import statement

EMPTY = "FALSE"


@dataclass(frozen=True, slots=True)
class Counted:
    """One side in numbers."""

    rows: int
    with_key: int
    newest: datetime | None
    repeats: int = 0  # rows of a sample whose key is there before


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found: the relation with a row for each key that does not agree, and both sides in numbers."""

    kept: str
    a: Counted
    b: Counted
    as_of: datetime | None
    judged_until: datetime | None  # rows changed after this are not judged


def compare(engine: Engine, a: Table, b: Table, pairing: Pairing, asked: Asked) -> Compared:
    """Compare two opened tables."""
    fast = parts(pairing, Flavor.FAST)
    counted_a = _count(engine, a, pairing, Side.A, fast)
    counted_b = _count(engine, b, pairing, Side.B, fast)
    as_of, until = limits(asked, counted_a, counted_b)
    with engine.in_any_order():
        rows_a, rows_b = _suspected(engine, a, b, fast, counted_a, counted_b)
        kept = engine.new_relation()
        differences = differences_of(pairing, fast, rows_a, rows_b, until)
        engine.connection.execute(statement("reconcile/keep", kept=kept, differences=differences))
    engine.drop(rows_a)
    engine.drop(rows_b)
    return Compared(kept, counted_a, counted_b, as_of, until)


def limits(asked: Asked, a: Counted, b: Counted) -> tuple[datetime | None, datetime | None]:
    """As of when the comparison is, and until when a row must have been changed last to be judged."""
    if asked.settle is None:
        return asked.as_of, None
    if not asked.changed:
        raise WrongUse("--settle needs to know when a row was changed: name that column with --changed")
    newest = [side.newest for side in (a, b) if side.newest is not None]
    as_of = asked.as_of or max(newest, default=None)
    return as_of, as_of - asked.settle if as_of else None


def differences_of(pairing: Pairing, made: Parts, a: str, b: str, until: datetime | None) -> str:
    """The statement that compares the relations `a` and `b` as a whole."""
    keys = [f"k{n}" for n, _ in enumerate(pairing.keys, 1)]
    texts = [f"t{n}" for n, _ in enumerate(pairing.keys, 1)]
    columns = range(1, len(pairing.columns) + 1)
    shown = [
        part
        for n, differs in zip(columns, made.differs, strict=True)
        for part in (f"a.v{n} AS v{n}_a", f"b.v{n} AS v{n}_b", f"{_both(differs)} AS d{n}")
    ]
    nothing = ["CAST(NULL AS VARCHAR)", "CAST(NULL AS VARCHAR)", EMPTY] * len(pairing.columns)
    return statement(
        "reconcile/differences",
        a=a,
        b=b,
        a_values=made.a_values,
        b_values=made.b_values,
        a_has_key=made.a_has_key,
        b_has_key=made.b_has_key,
        keys=", ".join(keys),
        texts=", ".join(texts),
        first_texts=", ".join(f"min({text}) AS {text}" for text in texts),
        a_is_repeated=" AND ".join(f"r.{key} = a.{key}" for key in keys),
        b_is_repeated=" AND ".join(f"r.{key} = b.{key}" for key in keys),
        same_key=" AND ".join(f"a.{key} = b.{key}" for key in keys),
        text_of_either=", ".join(f"coalesce(a.{text}, b.{text}) AS {text}" for text in texts),
        young=_young(("a.changed", "b.changed"), until),
        young_repeated=_young(("changed",), until),
        both_values="".join(f",\n    {part}" for part in shown),
        no_values="".join(f", {part}" for part in nothing),
        or_differs="".join(f"\n    OR {part}" for part in made.differs),
    )


def _both(differs: str) -> str:
    return f"(a.k1 IS NOT NULL AND b.k1 IS NOT NULL AND {differs})"


def _young(columns: Sequence[str], until: datetime | None) -> str:
    if until is None:
        return EMPTY
    return "(" + " OR ".join(f"coalesce({column} > {moment(until)}, FALSE)" for column in columns) + ")"


def _count(engine: Engine, table: Table, pairing: Pairing, side: Side, made: Parts) -> Counted:
    keyed, key, has_key = (
        (made.a_keyed, made.a_key, made.a_has_key) if side is Side.A else (made.b_keyed, made.b_key, made.b_has_key)
    )
    newest = newest_of(pairing, side, Flavor.FAST)
    counts = statement("reconcile/counts", relation=table.relation, keyed=keyed, newest=newest)
    row = engine.connection.execute(counts).fetchone()
    assert row is not None
    sampled = statement("reconcile/sampled", relation=table.relation, key=key, has_key=has_key)
    return Counted(row[0], int(row[1] or 0), row[2], _number(engine, sampled))


def _suspected(
    engine: Engine, a: Table, b: Table, made: Parts, counted_a: Counted, counted_b: Counted
) -> tuple[str, str]:
    """The rows of both sides that have to be looked at closely."""
    if not counted_a.repeats + counted_b.repeats:
        suspects = _suspects(engine, a, b, made, "")
        rows = _rows(engine, a, b, made, suspects)
        agreeing = _number(engine, statement("reconcile/agreeing", suspects=suspects))
        left = (counted_a.with_key - engine.count(rows[0]), counted_b.with_key - engine.count(rows[1]))
        if left == (agreeing, agreeing):
            return rows
        for relation in (suspects, *rows):
            engine.drop(relation)
    repeated = engine.new_relation()
    engine.connection.execute(statement("reconcile/repeated", repeated=repeated, **_sides(a, b, made)))
    suspects = _suspects(engine, a, b, made, repeated)
    engine.connection.execute(statement("reconcile/add_repeated", suspects=suspects, repeated=repeated))
    return _rows(engine, a, b, made, suspects)


def _suspects(engine: Engine, a: Table, b: Table, made: Parts, repeated: str) -> str:
    suspects = engine.new_relation()
    once = f" AND {{key}} NOT IN (FROM {repeated})" if repeated else ""
    engine.connection.execute(
        statement(
            "reconcile/suspects",
            suspects=suspects,
            **_sides(a, b, made),
            a_print=made.a_print,
            b_print=made.b_print,
            a_near=made.a_near,
            b_near=made.b_near,
            or_far="".join(f" OR {far}" for far in made.far),
            a_once=once.format(key=made.a_key),
            b_once=once.format(key=made.b_key),
        )
    )
    return suspects


def _sides(a: Table, b: Table, made: Parts) -> dict[str, str]:
    return {
        "a": a.relation,
        "b": b.relation,
        "a_key": made.a_key,
        "b_key": made.b_key,
        "a_has_key": made.a_has_key,
        "b_has_key": made.b_has_key,
    }


def _rows(engine: Engine, a: Table, b: Table, made: Parts, suspects: str) -> tuple[str, str]:
    found = []
    for table, key, used in ((a, made.a_key, made.a_used), (b, made.b_key, made.b_used)):
        rows = engine.new_relation()
        gaps = {"rows": rows, "used": used, "relation": table.relation, "key": key, "suspects": suspects}
        engine.connection.execute(statement("reconcile/suspected_rows", **gaps))
        found.append(rows)
    return found[0], found[1]


def _number(engine: Engine, asked: str) -> int:
    row = engine.connection.execute(asked).fetchone()
    assert row is not None
    return int(row[0])

"""What a comparison found, counted and with its first examples; all of it stays in the engine or goes into a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fallsafe.analysis.reconcile.compare import Compared
from fallsafe.analysis.reconcile.pairing import Pairing
from fallsafe.analysis.sources import Engine, Kind, Unreadable
from fallsafe.analysis.sources.delimited import unique
from fallsafe.analysis.sql import listed, literal, quoted, statement

KINDS = ("mismatch", "missing", "orphan", "duplicate")
FIXED = ("kind", "column", "a", "b", "rows_a", "rows_b", "authority")
FORMATS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv, HEADER",
    ".tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One value that differs, or one key that is missing, orphaned or there more than once."""

    kind: str
    key: tuple[str, ...]
    column: str | None
    a: str | None
    b: str | None
    rows_a: int
    rows_b: int
    authority: str | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Keys by what was found of them. `unsettled` differ too, but were changed too lately to be judged."""

    agreeing: int
    mismatch: int
    missing: int
    orphan: int
    duplicate: int
    unsettled: int

    @property
    def found(self) -> int:
        return self.mismatch + self.missing + self.orphan + self.duplicate


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings in the engine's `relation`, counted, with the first few of each kind and column."""

    relation: str
    key_names: tuple[str, ...]
    totals: Totals
    by_column: dict[str, int]
    samples: dict[str, tuple[Finding, ...]]  # by kind; `mismatch:<column>` for values
    rows: int


def gather(engine: Engine, pairing: Pairing, compared: Compared, samples_max: int) -> Findings:
    """Count what was kept of a comparison, and put it in order."""
    relation = engine.new_relation()
    names = key_names(pairing)
    engine.connection.execute(_statement(pairing, compared.kept, relation, names))
    totals = _totals(engine, compared)
    by_column = _by_column(engine, pairing, compared.kept)
    wanted: list[tuple[str, str | None]] = [("mismatch", name) for name, count in by_column.items() if count]
    wanted += [(kind, None) for kind in KINDS[1:]]
    samples = {
        kind if name is None else f"{kind}:{name}": _sample(engine, relation, kind, name, samples_max, len(names))
        for kind, name in wanted
    }
    kept = {name: found for name, found in samples.items() if found}
    return Findings(relation, names, totals, by_column, kept, engine.count(relation))


def key_names(pairing: Pairing) -> tuple[str, ...]:
    """What the key columns of the findings are called: as in A, unless a column of ours has that name."""
    made, _ = unique([*FIXED, *(pair.name for pair in pairing.keys)])
    return tuple(made[len(FIXED) :])


def write(engine: Engine, findings: Findings, path: Path) -> None:
    """All findings as Parquet, CSV or TSV, by the ending of the name. `Unreadable` where the file cannot be written."""
    import duckdb

    how = FORMATS[path.suffix.lower()]
    try:
        engine.connection.execute(
            statement("reconcile/write", findings=findings.relation, path=literal(str(path)), how=how)
        )
    except duckdb.Error as error:
        raise Unreadable(f"{path} cannot be written: {str(error).splitlines()[0]}") from None


def _statement(pairing: Pairing, kept: str, relation: str, names: Sequence[str]) -> str:
    texts = ", ".join(f"t{n}" for n, _ in enumerate(names, 1))
    mismatches = "\n".join(
        statement(
            "reconcile/mismatches",
            kept=kept,
            texts=texts,
            place=str(n),
            column=literal(pair.name),
            authority=literal(pair.rule.authority.value) if pair.rule.authority else "NULL",
        )
        for n, pair in enumerate(pairing.columns, 1)
    )
    keys = [f"t{n} AS {quoted(name)}" for n, name in enumerate(names, 1)]
    shown = [
        "kind", *keys, 'col::VARCHAR AS "column"', "a::VARCHAR AS a", "b::VARCHAR AS b",
        "rows_a::BIGINT AS rows_a", "rows_b::BIGINT AS rows_b", "authority::VARCHAR AS authority",
    ]  # fmt: skip
    return statement(
        "reconcile/findings",
        findings=relation,
        kept=kept,
        columns=listed(shown),
        texts=texts,
        mismatches=mismatches,
        order=", ".join(_order(pairing, n) for n, _ in enumerate(names, 1)),
    )


def _order(pairing: Pairing, n: int) -> str:
    pair = pairing.keys[n - 1]
    whole = {pair.a.kind, pair.b.kind} <= {Kind.INTEGER, Kind.EMPTY}
    return f"TRY_CAST(t{n} AS HUGEINT), t{n}" if whole else f"t{n}"


def _totals(engine: Engine, compared: Compared) -> Totals:
    found = engine.connection.execute(statement("reconcile/totals", kept=compared.kept)).fetchall()
    judged = {kind: keys for kind, unsettled, keys, _, _ in found if not unsettled}
    in_a = sum(rows_a for kind, _, _, rows_a, _ in found if kind != "orphan")
    return Totals(
        agreeing=compared.a.with_key - in_a,
        unsettled=sum(keys for _, unsettled, keys, _, _ in found if unsettled),
        **{kind: judged.get(kind, 0) for kind in KINDS},
    )


def _by_column(engine: Engine, pairing: Pairing, kept: str) -> dict[str, int]:
    if not pairing.columns:
        return {}
    counts = listed(f"count(*) FILTER (d{n})" for n, _ in enumerate(pairing.columns, 1))
    row = engine.connection.execute(statement("reconcile/by_column", kept=kept, counts=counts)).fetchone()
    assert row is not None
    return {pair.name: int(count) for pair, count in zip(pairing.columns, row, strict=True)}


def _sample(
    engine: Engine, relation: str, kind: str, name: str | None, rows_max: int, keys: int
) -> tuple[Finding, ...]:
    rows = engine.connection.execute(
        statement(
            "reconcile/samples",
            findings=relation,
            kind=literal(kind),
            column="NULL" if name is None else literal(name),
            rows_max=str(rows_max),
        )
    ).fetchall()
    return tuple(
        Finding(
            kind=row[0],
            key=tuple("" if part is None else str(part) for part in row[1 : keys + 1]),
            column=row[keys + 1],
            a=row[keys + 2],
            b=row[keys + 3],
            rows_a=row[keys + 4],
            rows_b=row[keys + 5],
            authority=row[keys + 6],
        )
        for row in rows
    )

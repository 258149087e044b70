"""What the content of each column looks like, found out on the first rows."""

from collections.abc import Sequence

from fallsafe.analysis.sources.engine import Engine
from fallsafe.analysis.sources.table import Column, Kind
from fallsafe.analysis.sql import listed, quoted, statement

ROWS_MAX = 10_000
TEXT = "VARCHAR"
NEARLY = 0.8
# In the order of the counts in kinds_of_column.sql: the first that all values read as.
BY_CONTENT = (Kind.INTEGER, Kind.NUMBER, Kind.DATE, Kind.TIME, Kind.BOOLEAN, Kind.NESTED)
BY_TYPE = (
    (("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), Kind.INTEGER),
    (("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), Kind.INTEGER),
    (("DECIMAL", "FLOAT", "DOUBLE"), Kind.NUMBER),
    (("TIMESTAMP",), Kind.TIME),
    (("DATE",), Kind.DATE),
    (("BOOLEAN",), Kind.BOOLEAN),
    (("STRUCT", "MAP", "UNION", "JSON"), Kind.NESTED),
)


def columns_of(
    engine: Engine, relation: str, headers: Sequence[str] | None = None
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns of a relation with the kind of their content, and a sentence for each that has no value at all."""
    described = engine.connection.execute(statement("sources/columns", relation=relation)).fetchall()
    kinds = _by_content(engine, relation, [name for name, kind in described if kind == TEXT])
    columns = tuple(
        Column(name, (headers or [n for n, _ in described])[place], kind, *kinds.get(name, (kind_of_type(kind), None)))
        for place, (name, kind) in enumerate(described)
    )
    empty = [column.name for column in columns if column.kind is Kind.EMPTY]
    said = (f"no value in the first {ROWS_MAX} rows of {', '.join(empty)}",) if empty else ()
    return columns, said


def kind_of_type(name: str) -> Kind:
    """The kind of a DuckDB type that is not text."""
    if name.endswith("[]"):
        return Kind.NESTED
    return next((kind for names, kind in BY_TYPE if name.startswith(names)), Kind.TEXT)


def _by_content(engine: Engine, relation: str, names: Sequence[str]) -> dict[str, tuple[Kind, Kind | None]]:
    if not names:
        return {}
    counts = listed(statement("sources/kinds_of_column", column=quoted(name)) for name in names)
    row = engine.connection.execute(
        statement("sources/kinds", relation=relation, counts=counts, rows_max=str(ROWS_MAX))
    ).fetchone()
    assert row is not None
    return {name: _kind(*found) for name, found in zip(names, row, strict=True)}


def _kind(values: int, *found: int) -> tuple[Kind, Kind | None]:
    """What all values look like, and what nearly all do."""
    if not values:
        return Kind.EMPTY, None
    counts = dict(zip(BY_CONTENT, found, strict=True))
    all_of = next((kind for kind, count in counts.items() if count == values), Kind.TEXT)
    return all_of, next((kind for kind, count in counts.items() if count >= NEARLY * values), None)

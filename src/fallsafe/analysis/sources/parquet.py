"""Parquet stays where it is: DuckDB reads only the columns and row groups that a question needs."""

from pathlib import Path

from fallsafe.analysis.sources.engine import Engine
from fallsafe.analysis.sources.kinds import columns_of
from fallsafe.analysis.sources.table import Table, Unreadable
from fallsafe.analysis.sql import literal, statement


def is_many(path: Path) -> bool:
    """Whether the place names several Parquet files: a folder of them, or a pattern."""
    if path.is_dir():
        return any(path.glob("*.parquet"))
    return any(sign in path.name for sign in "*?[") and not path.exists()


def read(engine: Engine, place: str) -> Table:
    """A view of one Parquet file, of all in a folder, or of all that a pattern finds."""
    import duckdb

    path = Path(place)
    pattern = str(path / "*.parquet") if path.is_dir() else place
    relation = engine.new_relation()
    try:
        engine.connection.execute(statement("sources/view_parquet", relation=relation, path=literal(pattern)))
        counted = engine.connection.execute(statement("sources/count_parquet", path=literal(pattern))).fetchone()
    except duckdb.Error as error:
        raise Unreadable(f"{place} cannot be read as Parquet: {_why(error)}") from None
    assert counted is not None
    files, rows = counted
    columns, said = columns_of(engine, relation)
    understood = (*([f"{files} Parquet files"] if files > 1 else []), f"{len(columns)} columns", *said)
    return Table(relation, place, "parquet", columns, rows, understood)


def _why(error: Exception) -> str:
    said = str(error).splitlines()[0]
    return "it is cut off or damaged" if "magic bytes" in said else said

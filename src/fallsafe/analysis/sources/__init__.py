"""Knows how to open what people have: CSV, TSV and their like in any delimiter, encoding and compression, Parquet, JSON
lines, OCEL 2.0 (JSON and SQLite), XES, and tables of PostgreSQL.

    with opened(memory_bytes=parse_memory("2GB")) as engine:
        table = engine.read("orders.csv.gz", Reading(delimiter=";"))
        engine.connection.sql(f"FROM {table.relation} LIMIT 5")

`engine.read` gives a `Table`: the relation's name for SQL, its columns with the kind of their content, the number of
rows, sentences about what was understood, and what was left out with its reason, number and examples. What cannot be
used at all is `Unreadable`, with a sentence for people. Text formats become one table of texts in the engine's own
scratch file (so that leading zeros and odd numbers survive, and a file is read once); Parquet is read where it is.

Event logs are flat, one row per event and object: `event_id, activity, time, object_id, object_type, qualifier,
attributes` (OCEL; `parts` has the objects), or one row per event with the trace's attributes as `case:…` (XES).

The engine keeps to its memory limit by spilling to its scratch folder, which is gone when it is closed. Only `engine`
imports DuckDB, and only when it is opened: `fallsafe --help` does not wait for it.
"""

from fallsafe.analysis.sources.engine import Engine, opened, parse_memory
from fallsafe.analysis.sources.table import Column, Kind, LeftOut, Reading, Table, Unreadable, without_password

__all__ = [
    "Column", "Engine", "Kind", "LeftOut", "Reading", "Table", "Unreadable", "opened", "parse_memory",
    "without_password",
]  # fmt: skip

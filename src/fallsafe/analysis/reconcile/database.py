"""The comparison inside a database, through Ibis: what differs comes back, the tables stay where they are.

The statement is the one that DuckDB runs, translated into the dialect of the database. Tested on PostgreSQL; whatever
else Ibis connects to by URL (Trino, Snowflake, BigQuery, ClickHouse…) or by a session (Spark) takes the same way.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from fallsafe.analysis.reconcile.compare import Compared, Counted, differences_of, limits
from fallsafe.analysis.reconcile.expressions import Flavor, newest_of, parts
from fallsafe.analysis.reconcile.pairing import Pairing
from fallsafe.analysis.reconcile.rules import Asked, Side, WrongUse
from fallsafe.analysis.sources import Engine, Table, Unreadable, without_password
from fallsafe.analysis.sources.kinds import ROWS_MAX, columns_of
from fallsafe.analysis.sql import quoted, statement

# So many rows of the answer are held at once.
ROWS_AT_ONCE = 50_000
DIALECT = "duckdb"
COUNTS = {"all_rows": "int64", "with_key": "int64", "newest": "timestamp('UTC')"}


@dataclass(frozen=True, slots=True)
class Database:
    """A connected database; `shown` is its URL without a password."""

    backend: Any  # Ibis has no types
    shown: str

    def table(self, engine: Engine, name: str) -> Table:
        """A table of it; the kinds of its columns are found out on some rows. `Unreadable` where it is not there."""
        path = _path(name)
        found = self._tried(lambda: self.backend.table(path[-1], database=tuple(path[:-1]) or None))
        sample = self._tried(lambda: found.limit(ROWS_MAX).to_pyarrow())
        relation = engine.new_relation()
        engine.connection.register("sample_of_table", sample)
        engine.connection.execute(statement("reconcile/keep_rows", relation=relation, rows="sample_of_table"))
        engine.connection.unregister("sample_of_table")
        columns, said = columns_of(engine, relation)
        engine.drop(relation)
        where = ".".join(quoted(part) for part in path)
        rows = int(self._tried(lambda: found.count().to_pyarrow().as_py()))
        understood = (f"{len(columns)} columns of a table that stays in its database", *said)
        return Table(where, f"{self.shown}#{name}", self.backend.name, columns, rows, understood)

    def rows(self, asked: str, answers: Mapping[str, str]) -> Any:
        """The answer to a statement in DuckDB's dialect, batch by batch (a pyarrow RecordBatchReader).

        `answers` names the columns of the answer with Ibis' types: nothing has to be created there to find them out.
        """
        return self._tried(
            lambda: self.backend.sql(asked, schema=answers, dialect=DIALECT).to_pyarrow_batches(chunk_size=ROWS_AT_ONCE)
        )

    def _tried(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 safe because every driver has errors of its own, and all are told
            said = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
            raise Unreadable(f"{self.shown} answered: {said}") from None


def split(a: str, b: str) -> tuple[str, str, str]:
    """The URL that two places share, and their tables. Places in different databases are `WrongUse`."""
    (url, _, table_a), (url_b, _, table_b) = a.partition("#"), b.partition("#")
    if url != url_b or "://" not in url:
        raise WrongUse("--in-database needs both tables in one database: the same URL twice, each with its #table")
    if not table_a or not table_b:
        raise WrongUse(f"name the tables behind a #: {without_password(url)}#schema.table")
    return url, unquote(table_a), unquote(table_b)


def connected(url: str) -> Database:
    """A connection by URL. `WrongUse` says what has to be installed, `Unreadable` why there is no connection."""
    shown = without_password(url)
    try:
        import ibis  # type: ignore[import-untyped]
    except ImportError:
        raise WrongUse('--in-database needs Ibis: pip install "fallsafe[ibis]"') from None
    scheme = url.partition("://")[0]
    try:
        backend: Any = ibis.connect(url)
        if scheme in ("postgres", "postgresql"):
            backend.raw_sql(statement("reconcile/in_utc"))
    except ImportError:
        raise WrongUse(f'Ibis needs its part for {scheme}: pip install "ibis-framework[{scheme}]"') from None
    except Exception as error:  # noqa: BLE001 safe because every driver has errors of its own, and all are told
        said = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise Unreadable(f"{shown} cannot be reached: {said}") from None
    return Database(backend, shown)


def compare_inside(database: Database, engine: Engine, a: Table, b: Table, pairing: Pairing, asked: Asked) -> Compared:
    """Compare two tables of one database there, and keep what differs here."""
    made = parts(pairing, Flavor.PORTABLE)
    counted_a = _count(database, a, made.a_keyed, newest_of(pairing, Side.A, Flavor.PORTABLE))
    counted_b = _count(database, b, made.b_keyed, newest_of(pairing, Side.B, Flavor.PORTABLE))
    as_of, until = limits(asked, counted_a, counted_b)
    kept = engine.new_relation()
    differing = database.rows(differences_of(pairing, made, a.relation, b.relation, until), _answers(pairing))
    engine.connection.register("differing", differing)
    engine.connection.execute(statement("reconcile/keep_rows", relation=kept, rows="differing"))
    engine.connection.unregister("differing")
    return Compared(kept, counted_a, counted_b, as_of, until)


def _count(database: Database, table: Table, keyed: str, newest: str) -> Counted:
    answer = database.rows(statement("reconcile/counts", relation=table.relation, keyed=keyed, newest=newest), COUNTS)
    row = answer.read_all().to_pylist()[0]
    return Counted(int(row["all_rows"]), int(row["with_key"] or 0), row["newest"])


def _answers(pairing: Pairing) -> dict[str, str]:
    """The columns of what differs, as differences.sql names them."""
    keys = {f"t{n}": "string" for n, _ in enumerate(pairing.keys, 1)}
    values = {
        name: kind
        for n, _ in enumerate(pairing.columns, 1)
        for name, kind in ((f"v{n}_a", "string"), (f"v{n}_b", "string"), (f"d{n}", "boolean"))
    }
    return {"kind": "string", **keys, "rows_a": "int64", "rows_b": "int64", "unsettled": "boolean", **values}


def _path(name: str) -> list[str]:
    parts_ = re.findall(r'"(?:[^"]|"")+"|[^."]+', name)
    return [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts_]

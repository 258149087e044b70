"""The ground that worlds stand on: one PostgreSQL for many worlds, its sessions, and copies of all that stands in it.

A world begins with the same copy of an installed database, and a database that is restored to an earlier moment is
such a copy put back. Sessions are used again: what the product takes for a new connection is one that was washed.

Statements are prepared at their first use and planned once for all values, so that no plan depends on how often a
statement ran before; the truncation before each world makes every session plan anew.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql as compose
from psycopg.rows import dict_row, tuple_row

from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate
from fallsafe.store.sql import sql

Raw = psycopg.Connection[dict[str, Any]]
OPTIONS = (
    "-c lock_timeout=1ms -c idle_in_transaction_session_timeout=0 -c max_parallel_workers_per_gather=0 "
    "-c synchronous_commit=off -c jit=off -c plan_cache_mode=force_generic_plan"
)
SERVER = ("fsync = off", "full_page_writes = off", "autovacuum = off", "max_wal_size = '8GB'")
NAME = "world"  # no name that the product's own watch over long transactions looks for


class Ground:
    """A server with one database. `url` is where the product would find it."""

    def __init__(self, home: Path) -> None:
        self._server = Embedded(home)
        self._server.start()
        self._tune()
        migrate(self._server.url("fallsafe_owner"))
        self.url = self._server.url()
        self._owner = psycopg.connect(self._server.url("postgres"), autocommit=True, row_factory=tuple_row)
        self._owner.execute("SET session_replication_role = replica")
        self._tables = [str(row[0]) for row in self._owner.execute(sql("promises/tables"))]
        self._free: list[Raw] = []
        self.judge = self._connect()
        self.judge.execute("SET lock_timeout = 0")
        self.installed = self.copy()

    def _tune(self) -> None:
        with psycopg.connect(self._server.url("postgres", "postgres"), autocommit=True) as superuser:
            for setting in SERVER:
                superuser.execute(compose.SQL("ALTER SYSTEM SET {}").format(compose.SQL(setting)))
            superuser.execute("SELECT pg_reload_conf()")

    def _connect(self) -> Raw:
        return psycopg.connect(
            self.url,
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,
            application_name=NAME,
            options=OPTIONS,
        )

    def lend(self) -> Raw:
        """A session that nothing is left in."""
        return self._free.pop() if self._free else self._connect()

    def take_back(self, raw: Raw) -> None:
        """A session is over: its transaction is rolled back, its locks are free."""
        if raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            raw.execute("ROLLBACK")
        raw.execute(sql("promises/unlock_all"))
        self._free.append(raw)

    def copy(self) -> dict[str, bytes]:
        """All that stands in the database, by table, as far as it is committed."""
        return {table: self._copy_out(table) for table in self._tables}

    def _copy_out(self, table: str) -> bytes:
        statement = compose.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT binary)").format(compose.Identifier(table))
        with self._owner.cursor().copy(statement) as out:
            return b"".join(bytes(part) for part in out)

    def restore(self, copy: dict[str, bytes]) -> None:
        """Puts a copy in place of all that stands. No transaction is open."""
        names = compose.SQL(", ").join(compose.Identifier(table) for table in self._tables)
        self._owner.execute(compose.SQL("TRUNCATE {}").format(names))
        for table, content in copy.items():
            statement = compose.SQL("COPY {} FROM STDIN (FORMAT binary)").format(compose.Identifier(table))
            with self._owner.cursor().copy(statement) as into:
                into.write(content)

    def close(self) -> None:
        """Stops the server."""
        for raw in (*self._free, self.judge):
            raw.close()
        self._owner.close()
        self._server.stop()


@contextmanager
def ground() -> Iterator[Ground]:
    """A ground of its own, in a temporary folder that is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="fallsafe-world-"))
    made = Ground(home)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(home, ignore_errors=True)

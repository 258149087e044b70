"""One DuckDB with a scratch folder of its own: what opens files, holds their rows, and keeps to a memory limit.

DuckDB's limit does not count its own code, Python, and some buffers; `OVERHEAD_BYTES` is kept for them, so that the
process as a whole stays near what was asked for. Fewer threads need less memory, so a small limit means one thread.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fallsafe.analysis.sources.table import Reading, Table, Unreadable
from fallsafe.analysis.sql import literal, quoted, statement

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OVERHEAD_BYTES = 120_000_000
MEMORY_BYTES_MIN = 220_000_000
THREAD_BYTES = 120_000_000
UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1024, "mi": 1024**2, "gi": 1024**3}


@dataclass(slots=True)
class Engine:
    """An open DuckDB and its scratch folder. Relations are named `t1`, `t2`, … in the order of opening."""

    connection: "DuckDBPyConnection"
    scratch: Path
    memory_bytes: int
    _tables: int = field(default=0)

    def read(self, place: str, reading: Reading | None = None) -> Table:
        """Open a file or a table of PostgreSQL (`postgresql://…#schema.table`). `Unreadable` says why it cannot be."""
        from fallsafe.analysis.sources.opening import read

        return read(self, place, reading or Reading())

    def new_relation(self) -> str:
        """A name that no table has yet."""
        self._tables += 1
        return quoted(f"t{self._tables}")

    @contextmanager
    def in_any_order(self) -> Iterator[None]:
        """Rows may come in any order inside, which needs less memory and time: for what is put in order afterwards."""
        self.connection.execute("SET preserve_insertion_order = false")
        try:
            yield
        finally:
            self.connection.execute("SET preserve_insertion_order = true")

    @contextmanager
    def as_written(self) -> Iterator[None]:
        """Joins keep their sides and filters their place inside: for a file of which the engine knows no number of
        rows, and whose values cost more to make than to pass on.
        """
        self.connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side,filter_pushdown'")
        try:
            yield
        finally:
            self.connection.execute("RESET disabled_optimizers")

    def count(self, relation: str) -> int:
        """How many rows it has."""
        row = self.connection.execute(statement("sources/count", relation=relation)).fetchone()
        assert row is not None
        return int(row[0])

    def rows_of(self, table: Table, text: str) -> list[tuple[Any, ...]]:
        """The answer of a table to a statement; the first that reads a file to its end. `Unreadable` says what is
        wrong with the file.
        """
        import duckdb

        try:
            return self.connection.execute(text).fetchall()
        except duckdb.Error as error:
            raise Unreadable(f"{table.place} cannot be read: {str(error).splitlines()[0]}") from None

    def drop(self, relation: str) -> None:
        """Let go a table that was only a step on the way."""
        self.connection.execute(f"DROP TABLE {relation}")


@contextmanager
def opened(memory_bytes: int = 0, threads: int = 0, scratch: Path | None = None) -> Iterator[Engine]:
    """An engine that is gone with all its files at the end.

    Args:
        memory_bytes: how much the process may take, nearly; 0 is half of what the machine has, 4 GB at the most.
        threads: how many cores to use; 0 is all, or fewer where the memory is small.
        scratch: where a folder for spilled rows may be made; it can need as much room as the unpacked files.
    """
    import duckdb

    memory = memory_bytes or min(_machine_bytes() // 2, 4 * 1000**3)
    cores = threads or max(1, min(os.cpu_count() or 1, memory // THREAD_BYTES))
    folder = Path(tempfile.mkdtemp(prefix="fallsafe-", dir=scratch))
    try:
        connection = duckdb.connect(":memory:")  # in a file it would be packed, which takes longer than all the rest
        try:
            _settle(connection, folder, _for_rows(memory), cores)
            yield Engine(connection, folder, memory)
        finally:
            connection.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle(connection: "DuckDBPyConnection", folder: Path, memory: int, threads: int) -> None:
    """Nothing is fetched from outside, times are UTC, and what does not fit into memory goes to the scratch folder."""
    for setting in (
        f"memory_limit = {literal(f'{memory // 1000} KB')}",
        f"threads = {threads}",
        f"temp_directory = {literal(str(folder / 'spilled'))}",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "TimeZone = 'UTC'",
        "enable_progress_bar = false",
    ):
        connection.execute(f"SET {setting}")


def _for_rows(memory: int) -> int:
    """What of the memory DuckDB may count on; what it does not count grows with it."""
    return max(memory - memory // 10, MEMORY_BYTES_MIN) - OVERHEAD_BYTES


def parse_memory(text: str) -> int:
    """Bytes of `512MB`, `2GB`, `1.5 GiB`. A `ValueError` says what would be understood, and the least that works."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text, re.IGNORECASE)
    if not found or (found[2] or "").lower() not in UNITS:
        raise ValueError(f"{text!r} is no amount of memory; write it like 512MB or 2GB")
    amount = int(float(found[1]) * UNITS[(found[2] or "").lower()])
    if amount < MEMORY_BYTES_MIN:
        raise ValueError(f"{text} is too little; {MEMORY_BYTES_MIN // 1000**2}MB is the least that works")
    return amount


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

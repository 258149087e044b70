"""Delimited text becomes one table of texts; rows that do not fit are counted, with the line and the reason."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from fallsafe.analysis.sources.delimited import Dialect, dialect_of, unique
from fallsafe.analysis.sources.encoded import (
    LINE_BYTES_MAX,
    NAMES,
    Decoded,
    Head,
    Lines,
    counted,
    empty_lines_of,
    lines_of,
    piped,
    text_of,
)
from fallsafe.analysis.sources.engine import Engine
from fallsafe.analysis.sources.kinds import columns_of
from fallsafe.analysis.sources.table import LeftOut, Reading, Table, Unreadable
from fallsafe.analysis.sql import listed, literal, quoted, statement

BUFFER_BYTES = 8_000_000
IN_PLACE_BYTES_MIN = 100_000_000
# A sign that no text has as delimiter, and no quotes: what is left is one field a line.
LINES = Dialect("\x01", "", "", 0, ("line",), padded=False, understood=())
# What DuckDB reads by itself; the rest goes through Python.
NATIVE = ("", "gzip", "zstd")
WHY = {
    "MISSING COLUMNS": "rows with too few fields",
    "TOO MANY COLUMNS": "rows with too many fields",
    "UNQUOTED VALUE": "rows with a quote that does not end where a field ends",
    "LINE SIZE OVER MAXIMUM": f"rows longer than {LINE_BYTES_MAX // 1000**2} MB",
    "INVALID ENCODING": "rows that are not UTF-8",
    "INVALID STATE": "rows whose quotes do not match",
}


def read(engine: Engine, path: Path, head: Head, encoding: str, reading: Reading) -> Table:
    """The rows of a delimited file. `Unreadable` where not even one line is short enough to be a row."""
    text = text_of(head, encoding)
    if not text.strip():
        raise Unreadable(f"{path} is empty")
    if not head.whole and "\n" not in text and "\r" not in text:
        raise Unreadable(f"{path} has no line break in its first {len(head.data):,} bytes; it is no table of rows")
    dialect = dialect_of(text, head.whole, reading.delimiter, reading.header)
    if reading.in_place and encoding == "utf-8" and not head.compression and path.stat().st_size >= IN_PLACE_BYTES_MIN:
        there = _in_place(engine, path, dialect)
        if there is not None:
            return there
    table = _load(engine, path, head.compression, encoding, dialect)
    if encoding == "utf-8" and not reading.encoding and _was_never_utf8(engine, table):
        engine.drop(table.relation)
        table = _load(engine, path, head.compression, "cp1252", dialect)
    return table


def head_by_engine(engine: Engine, path: Path) -> Head:
    """The first lines of a zstandard file, which DuckDB can unpack and Python before 3.14 cannot."""
    lines = rows_of_lines(engine, path, "zstd", "utf-8", lines_max=2000)
    found = engine.connection.execute(statement("sources/lines", relation=lines.relation)).fetchall()
    engine.drop(lines.relation)
    if not found:
        raise Unreadable(f"{path} cannot be unpacked as zstd, or is not UTF-8")
    return Head("".join(f"{line or ''}\n" for (line,) in found).encode(), "zstd", whole=len(found) < 2000)


def rows_of_lines(engine: Engine, path: Path, compression: str, encoding: str, lines_max: int = 0) -> Table:
    """Each line of a file as a row with one text, `line`; for formats that have a record a line."""
    return _load(engine, path, compression, encoding, LINES, lines_max)


def rows_of_pipe(engine: Engine, path: Path, chunks: Callable[[], Iterator[bytes]]) -> Table:
    """The same for lines of UTF-8 that are made while they are read; `path` is what they are made from."""
    return _fill(engine, path, None, chunks, LINES)


def _load(engine: Engine, path: Path, compression: str, encoding: str, dialect: Dialect, lines_max: int = 0) -> Table:
    """A new table from a file; what DuckDB does not read, or chokes on, goes through Python first."""
    if encoding == "utf-8" and compression in NATIVE:
        try:
            return _fill(engine, path, compression, None, dialect, lines_max)
        except Unreadable:
            if compression == "zstd":
                raise
    one_ending = encoding == "utf-8"
    decoded = Decoded(path, compression, encoding, one_ending)
    table = _fill(engine, path, None, lambda: iter(decoded), dialect, lines_max)
    said = "lines end in different ways" if one_ending else f"read as {NAMES.get(encoding, encoding)}"
    told = () if one_ending and (decoded.broken or compression not in NATIVE) else (said,)
    return replace(table, understood=(*told, *table.understood), left_out=(*table.left_out, *_damaged(decoded)))


def _fill(
    engine: Engine,
    path: Path,
    compression: str | None,
    chunks: Callable[[], Iterator[bytes]] | None,
    dialect: Dialect,
    lines_max: int = 0,
) -> Table:
    """A new table from a file that DuckDB reads by itself, or from chunks that go through a pipe."""
    import duckdb

    names, renamed = unique(dialect.headers)
    relation = engine.new_relation()
    aside = f"rejected_{relation.strip(chr(34))}"
    lines = Lines()
    if chunks is None and not lines_max and compression != "zstd":
        lines = lines_of(path, compression or "")
    pipe = (
        nullcontext(None)
        if chunks is None
        else piped(lambda: counted(chunks(), lines), engine.scratch / f"{aside}.pipe")
    )
    try:
        with pipe as feed:
            source = path if feed is None else feed.path
            engine.connection.execute(
                statement(
                    "sources/rows_of_delimited",
                    relation=relation,
                    values=listed(quoted(name) for name in names),
                    delimited=_source(source, compression or "", names, dialect, aside),
                    rows_max=f"LIMIT {lines_max}" if lines_max else "",
                )
            )
    except duckdb.Error as error:
        raise Unreadable(f"{path} cannot be read: {_why(error)}") from None
    if feed is not None and feed.error is not None:
        raise Unreadable(f"{path} cannot be read: {feed.error}")
    columns, said = columns_of(engine, relation, dialect.headers)
    rows = engine.count(relation)
    left_out = _rejected(engine, aside)
    if not lines_max and (feed is not None or compression != "zstd"):
        read_of = rows + dialect.skip + sum(part.rows for part in left_out)
        lost = lines.through() - read_of
        if lost > 0:
            lost -= lines.empty if chunks is not None else empty_lines_of(path, compression or "")
        if lost > 0:
            breaks = statement("sources/breaks", relation=relation, breaks=_breaks(names))
            lost -= int(_one(engine, breaks)[0])
        left_out += _lost(lost)
    return Table(relation, str(path), "csv", columns, rows, (*dialect.understood, *renamed, *said), tuple(left_out))


def _why(error: Exception) -> str:
    said = str(error).splitlines()[0]
    return "its quotes and delimiters do not part it into rows" if "invalid state" in said else said


def _source(source: Path, packed: str, names: Sequence[str], dialect: Dialect, aside: str) -> str:
    """The file as SQL reads it; rows that do not fit are kept in tables called after `aside`, or passed over."""
    keep = {"rejects": literal(aside), "scans": literal(f"{aside}_scans")}
    return statement(
        "sources/delimited",
        path=literal(str(source)),
        skip=str(dialect.skip),
        delimiter=literal(dialect.delimiter),
        quote=literal(dialect.quote),
        escape=literal(dialect.escape),
        columns="{" + listed(f"{literal(name)}: 'VARCHAR'" for name in names) + "}",
        compression=literal(packed or "none"),
        padded=str(dialect.padded).lower(),
        parallel=str(not dialect.padded).lower(),
        line_bytes_max=str(LINE_BYTES_MAX),
        buffer_bytes=str(BUFFER_BYTES),
        oddities=statement("sources/keep_aside", **keep) if aside else statement("sources/pass_over"),
    )


def _breaks(names: Sequence[str]) -> str:
    return " + ".join(statement("sources/breaks_in_column", column=quoted(name)) for name in names)


def _rejected(engine: Engine, aside: str) -> list[LeftOut]:
    found = engine.connection.execute(statement("sources/rejected", rejects=quoted(aside))).fetchall()
    return [LeftOut(WHY.get(why, why.lower()), rows, tuple(examples)) for why, rows, examples in found]


def _lost(rows: int) -> list[LeftOut]:
    """Lines that became part of no row and that nobody complained about: what a quote without an end has swallowed."""
    why = "lines that belong to no row: a quote before them does not end, or they are far too long"
    return [LeftOut(why, rows)] if rows > 0 else []


def _one(engine: Engine, text: str) -> tuple[Any, ...]:
    (row,) = engine.connection.execute(text).fetchall()  # to its end: what is kept aside comes last
    return tuple(row)


def _in_place(engine: Engine, path: Path, dialect: Dialect) -> Table | None:
    """A large file that stays where it is, with some of its rows to recognize its columns by; None where its
    characters or line ends have to be looked at one by one, or none of them is a row.
    """
    lines = lines_of(path, "", pieces=[])
    if not lines.is_plain():
        return None
    names, renamed = unique(dialect.headers)
    relation = engine.new_relation()
    gaps = {"relation": relation, "values": listed(quoted(name) for name in names)}
    engine.connection.execute(
        statement("sources/view_delimited", delimited=_source(path, "", names, dialect, ""), **gaps)
    )
    some = engine.scratch / f"some_of_{relation.strip(chr(34))}"
    some.write_bytes(b"".join(lines.pieces or ()))
    sample = _fill(engine, some, "", None, replace(dialect, skip=0), lines_max=len(lines.pieces or ()) * 1000)
    if not sample.rows:
        return None
    rows = lines.through() - dialect.skip

    def account(used: int) -> tuple[int, tuple[LeftOut, ...]]:
        if used == rows:
            return rows, ()
        aside = f"rejected_{relation.strip(chr(34))}"
        source = _source(path, "", names, dialect, aside)
        fit, breaks = _one(engine, statement("sources/account_delimited", breaks=_breaks(names), delimited=source))
        rejected = _rejected(engine, aside)
        lost = rows - empty_lines_of(path, "") - fit - breaks - sum(part.rows for part in rejected)
        return fit, (*rejected, *_lost(lost))

    understood = (*dialect.understood, *renamed)
    return Table(relation, str(path), "csv", sample.columns, rows, understood, sample=sample.relation, account=account)


def _damaged(decoded: Decoded) -> list[LeftOut]:
    name = NAMES.get(decoded.encoding, decoded.encoding)
    found = []
    if decoded.replaced:
        found.append(LeftOut(f"{decoded.replaced} characters that are not {name}, read as \ufffd", 0))
    if decoded.broken:
        found.append(LeftOut(f"what comes after the last row: {decoded.broken}", 0))
    return found


def _was_never_utf8(engine: Engine, table: Table) -> bool:
    """Whether what did not decode outweighs what did: then the file is in an older encoding as a whole."""
    broken = sum(part.rows for part in table.left_out if part.why == WHY["INVALID ENCODING"])
    if not broken:
        return False
    foreign = " OR ".join(f"NOT regexp_full_match({quoted(c.name)}, '[\\x00-\\x7F]*')" for c in table.columns)
    row = engine.connection.execute(statement("sources/foreign", relation=table.relation, foreign=foreign)).fetchone()
    assert row is not None
    return broken > int(row[0])

"""Which way a file is opened, by its content first and its name second."""

import codecs
from dataclasses import replace
from pathlib import Path

from fallsafe.analysis.sources import delimited_files, eventlogs, json_files, parquet
from fallsafe.analysis.sources.encoded import Head, compression_of, encoding_of, head_of, is_text, text_of
from fallsafe.analysis.sources.engine import Engine
from fallsafe.analysis.sources.table import Reading, Table, Unreadable

DATABASES = ("postgresql://", "postgres://")


def read(engine: Engine, place: str, reading: Reading) -> Table:
    """Open what `place` names in `engine`."""
    reading = replace(reading, delimiter=_delimiter(reading.delimiter))
    if place.startswith(DATABASES):
        from fallsafe.analysis.sources import postgres

        return postgres.read(engine, place)
    path = Path(place)
    if parquet.is_many(path):
        return parquet.read(engine, place)
    _must_be_a_file(path)
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"PAR1"):
        return parquet.read(engine, place)
    if start.startswith(b"SQLite format 3\0"):
        return eventlogs.read_sqlite(engine, path)
    return _read_text(engine, path, reading)


def _delimiter(said: str) -> str:
    delimiter = {"tab": "\t", "\\t": "\t"}.get(said, said)
    if len(delimiter) > 1 or delimiter in ('"', "'", "\n", "\r"):
        raise Unreadable(f"{said!r} is no delimiter; it is one character, such as ; or |, or the word tab")
    return delimiter


def _must_be_a_file(path: Path) -> None:
    try:
        size = path.stat().st_size if path.is_file() else -1
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
    if size == 0:
        raise Unreadable(f"{path} is empty")
    if size < 0:
        raise Unreadable(f"{path} is a folder without Parquet files" if path.is_dir() else f"{path} does not exist")


def _read_text(engine: Engine, path: Path, reading: Reading) -> Table:
    compression = compression_of(path)
    head = head_of(path, compression) if compression != "zstd" else _head_of_zstandard(engine, path)
    encoding = _encoding(path, head, reading)
    text = text_of(head, encoding)
    if not is_text(text):
        raise Unreadable(f"{path} is not text, nor another format that can be read; export the table as CSV or Parquet")
    match _looks_like(text.lstrip()):
        case "xml":
            return eventlogs.read_xes(engine, path, compression)
        case "ocel":
            return eventlogs.read_json(engine, path, compression, encoding)
        case "json":
            return json_files.read(engine, path, head, encoding)
        case _:
            return delimited_files.read(engine, path, head, encoding, reading)


def _encoding(path: Path, head: Head, reading: Reading) -> str:
    if not reading.encoding:
        return encoding_of(head)
    try:
        name = codecs.lookup(reading.encoding).name
        b"".decode(name)
    except LookupError:
        raise Unreadable(f"{reading.encoding!r} is no known encoding; utf-8, cp1252 and utf-16 are common") from None
    try:
        text_of(head, name)
    except UnicodeError:
        why = f"{path} is not in {reading.encoding}; it looks like {encoding_of(head)}"
        raise Unreadable(f"{why}, and is read as that if no encoding is said") from None
    return name


def _looks_like(text: str) -> str:
    if text.startswith(("<?xml", "<log")):
        return "xml"
    if text.startswith("{"):
        keys = ('"eventTypes"', '"objectTypes"')
        return "ocel" if any(key in text for key in keys) and "\n{" not in text.strip() else "json"
    return "json" if text.startswith("[") and text[1:].lstrip().startswith(("{", "]")) else "text"


def _head_of_zstandard(engine: Engine, path: Path) -> Head:
    """The head of a file that only DuckDB can unpack: its first lines, if they are UTF-8."""
    return delimited_files.head_by_engine(engine, path)

"""Event logs in the two standards of process mining: OCEL 2.0 (as JSON or SQLite) and XES (as XML).

Each is read as a stream of small records, so that a log of any size fits. OCEL knows which objects an event touches:
its table has a row per event and object, and its objects, their values over time and their links are parts beside it.
"""

import json
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from fallsafe.analysis.sources.delimited_files import rows_of_pipe
from fallsafe.analysis.sources.encoded import DAMAGE, Decoded, unpacked
from fallsafe.analysis.sources.engine import Engine
from fallsafe.analysis.sources.json_files import pointer, table_of_objects
from fallsafe.analysis.sources.json_stream import Broken, JsonStream, lines
from fallsafe.analysis.sources.kinds import columns_of
from fallsafe.analysis.sources.table import LeftOut, Table, Unreadable
from fallsafe.analysis.sql import listed, literal, quoted, statement

# What each part of an OCEL log is read into: the table of its rows, and their columns.
PARTS = {
    "events": ("event_id", "activity", "time", "attributes"),
    "touched": ("event_id", "object_id", "qualifier"),
    "objects": ("object_id", "object_type"),
    "values": ("object_id", "name", "time", "value"),
    "links": ("object_id", "other_id", "qualifier"),
}
XES_TYPES = {"string", "date", "int", "float", "boolean", "id"}

Records = Iterator[dict[str, Any]]


def read_json(engine: Engine, path: Path, compression: str, encoding: str) -> Table:
    """An OCEL log in one JSON object."""
    broken: list[LeftOut] = []
    if compression == "zstd":
        raise Unreadable(f"{path} is compressed with zstd and has no object a line; unpack it first: unzstd {path}")
    return _ocel(engine, path, _of_json(Decoded(path, compression, encoding), broken), broken)


def read_sqlite(engine: Engine, path: Path) -> Table:
    """An OCEL log in a SQLite file; another SQLite file is refused."""
    broken: list[LeftOut] = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)) as log:
        try:
            tables = {str(name) for (name,) in log.execute(statement("sources/sqlite_tables"))}
        except sqlite3.Error as error:
            raise Unreadable(f"{path} cannot be read as SQLite: {error}") from None
        if not {"event", "object", "event_object", "event_map_type"} <= tables:
            raise Unreadable(f"{path} is SQLite but no OCEL 2.0 log; export the table as CSV or Parquet")
        return _ocel(engine, path, _of_sqlite(log, tables, broken), broken)


def read_xes(engine: Engine, path: Path, compression: str) -> Table:
    """A XES log: a row per event; attributes of its trace are called `case:…`."""
    broken: list[LeftOut] = []
    raw = rows_of_pipe(engine, path, lambda: lines(_of_xes(path, compression, broken)))
    if not raw.rows:
        why = f": {broken[0].why}" if broken else ""
        raise Unreadable(f"{path} is XML without a single event of a XES log{why}")
    return table_of_objects(engine, path, raw, "xes", ("one row per event of a XES log",), broken)


def _ocel(engine: Engine, path: Path, records: Records, broken: list[LeftOut]) -> Table:
    raw = rows_of_pipe(engine, path, lambda: lines(records))
    parts = {name: _part(engine, raw, name) for name in PARTS}
    engine.drop(raw.relation)
    relation = engine.new_relation()
    engine.connection.execute(statement("sources/events_and_objects", relation=relation, **parts))
    columns, said = columns_of(engine, relation)
    counted = {name: engine.count(parts[name]) for name in PARTS}
    if not counted["events"]:
        raise Unreadable(f"{path} is an OCEL log without events{f': {broken[0].why}' if broken else ''}")
    understood = (f"OCEL log: {counted['events']} events on {counted['objects']} objects", *said)
    shown = {name: parts[name] for name in ("objects", "values", "links")}
    rows = engine.count(relation)
    return Table(relation, str(path), "ocel", columns, rows, understood, (*raw.left_out, *broken), shown)


def _part(engine: Engine, raw: Table, name: str) -> str:
    relation = engine.new_relation()
    engine.connection.execute(
        statement(
            "sources/rows_of_part",
            relation=relation,
            lines=raw.relation,
            part=literal(name),
            paths=listed(literal(pointer(column)) for column in PARTS[name]),
            values=listed(f"found[{n}] AS {quoted(column)}" for n, column in enumerate(PARTS[name], 1)),
        )
    )
    return relation


def _of_json(decoded: Decoded, broken: list[LeftOut]) -> Records:
    stream = JsonStream(iter(decoded))
    try:
        for name in stream.members():
            match name:
                case "events" if stream.peek() == "[":
                    yield from (row for event in stream.elements() for row in _event(event, broken))
                case "objects" if stream.peek() == "[":
                    yield from (row for thing in stream.elements() for row in _object(thing, broken))
                case _:
                    stream.skip()
    except Broken as error:
        broken.append(LeftOut(f"what comes after the last row: it is no JSON ({error})", 0))


def _event(event: Any, broken: list[LeftOut]) -> Records:
    if not isinstance(event, dict) or "id" not in event:
        broken.append(LeftOut("events without an id", 1, (json.dumps(event)[:80],)))
        return
    values = {str(a.get("name")): a.get("value") for a in _dicts(event.get("attributes"))}
    made = {"event_id": event["id"], "activity": event.get("type"), "time": event.get("time"), "attributes": values}
    yield {"part": "events", **made}
    for link in _dicts(event.get("relationships")):
        qualifier = link.get("qualifier")
        yield {"part": "touched", "event_id": event["id"], "object_id": link.get("objectId"), "qualifier": qualifier}


def _object(thing: Any, broken: list[LeftOut]) -> Records:
    if not isinstance(thing, dict) or "id" not in thing:
        broken.append(LeftOut("objects without an id", 1, (json.dumps(thing)[:80],)))
        return
    name = thing["id"]
    yield {"part": "objects", "object_id": name, "object_type": thing.get("type")}
    for value in _dicts(thing.get("attributes")):
        kept = {key: value.get(key) for key in ("name", "time", "value")}
        yield {"part": "values", "object_id": name, **kept}
    for link in _dicts(thing.get("relationships")):
        yield {"part": "links", "object_id": name, "other_id": link.get("objectId"), "qualifier": link.get("qualifier")}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def _of_sqlite(log: sqlite3.Connection, tables: set[str], broken: list[LeftOut]) -> Records:
    try:
        for kind, suffix in log.execute(statement("sources/ocel_event_types")).fetchall():
            yield from _events_of_type(log, str(kind), f"event_{suffix}")
        for event, thing, qualifier in log.execute(statement("sources/ocel_touched")):
            yield {"part": "touched", "event_id": event, "object_id": thing, "qualifier": qualifier}
        for name, kind in log.execute(statement("sources/ocel_objects")):
            yield {"part": "objects", "object_id": name, "object_type": kind}
        for _, suffix in log.execute(statement("sources/ocel_object_types")).fetchall():
            yield from _values_of_type(log, f"object_{suffix}")
        if "object_object" in tables:
            for name, other, qualifier in log.execute(statement("sources/ocel_links")):
                yield {"part": "links", "object_id": name, "other_id": other, "qualifier": qualifier}
    except sqlite3.Error as error:
        broken.append(LeftOut(f"what could not be read of the SQLite file: {error}", 0))


def _rows(log: sqlite3.Connection, table: str) -> tuple[Sequence[str], Iterator[tuple[Any, ...]]]:
    cursor = log.execute(statement("sources/ocel_table", table=quoted(table)))
    return [column[0] for column in cursor.description], cursor


def _events_of_type(log: sqlite3.Connection, kind: str, table: str) -> Records:
    names, rows = _rows(log, table)
    for row in rows:
        value = dict(zip(names, row, strict=True))
        made = {"event_id": value.pop("ocel_id", None), "activity": kind, "time": value.pop("ocel_time", None)}
        yield {"part": "events", **made, "attributes": {k: v for k, v in value.items() if v is not None}}


def _values_of_type(log: sqlite3.Connection, table: str) -> Records:
    """A row is the first state of an object, or a change of the one field that it names."""
    names, rows = _rows(log, table)
    for row in rows:
        value = dict(zip(names, row, strict=True))
        thing, at, field = (value.pop(name, None) for name in ("ocel_id", "ocel_time", "ocel_changed_field"))
        for name, found in value.items():
            if (field is None and found is not None) or field == name:
                yield {"part": "values", "object_id": thing, "name": name, "time": at, "value": found}


def _of_xes(path: Path, compression: str, broken: list[LeftOut]) -> Records:
    """Events as they come by; what was read is let go, so that the tree does not grow."""
    trace: dict[str, str | None] = {}
    depth: list[str] = []
    with unpacked(path, compression) as file:
        try:
            for moment, element in ET.iterparse(file, ("start", "end")):  # noqa: S314 safe as above
                name = element.tag.rpartition("}")[2]
                if moment == "start":
                    depth.append(name)
                    trace = {} if name == "trace" else trace
                    continue
                depth.pop()
                parent = depth[-1] if depth else ""
                if name == "event":
                    yield {**trace, **_attributes(element)}
                if name in XES_TYPES and parent == "trace":
                    trace[f"case:{element.get('key')}"] = element.get("value")
                if name in ("event", "trace") or parent in ("log", "trace"):
                    element.clear()
        except (ET.ParseError, *DAMAGE) as error:
            broken.append(LeftOut(f"what comes after the last row: it is no XML ({error})", 0))


def _attributes(event: ET.Element) -> dict[str, str | None]:
    return {str(one.get("key")): one.get("value") for one in event if one.tag.rpartition("}")[2] in XES_TYPES}

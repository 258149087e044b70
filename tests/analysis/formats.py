"""The same log in every format that a scan reads."""

import csv
import gzip
import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from xml.sax.saxutils import quoteattr

from tests.analysis.world import World, write_log, write_ocel

OCEL_TABLES = """
CREATE TABLE event (ocel_id TEXT PRIMARY KEY, ocel_type TEXT);
CREATE TABLE object (ocel_id TEXT PRIMARY KEY, ocel_type TEXT);
CREATE TABLE event_object (ocel_event_id TEXT, ocel_object_id TEXT, ocel_qualifier TEXT);
CREATE TABLE object_object (ocel_source_id TEXT, ocel_target_id TEXT, ocel_qualifier TEXT);
CREATE TABLE event_map_type (ocel_type TEXT, ocel_type_map TEXT);
CREATE TABLE object_map_type (ocel_type TEXT, ocel_type_map TEXT);
"""
XES_TIMES = {"time:timestamp", "promised_date"}


def _rows(world: World, folder: Path) -> list[dict[str, str]]:
    with write_log(world, folder / "log.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _tab(world: World, path: Path) -> None:
    rows = _rows(world, path.parent)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        out.writeheader()
        out.writerows(rows)


def _gzip(world: World, path: Path) -> None:
    path.write_bytes(gzip.compress(write_log(world, path.parent / "log.csv").read_bytes()))


def _by_duckdb(options: str) -> Callable[[World, Path], None]:
    def write(world: World, path: Path) -> None:
        import duckdb

        source = write_log(world, path.parent / "log.csv")
        duckdb.sql(f"COPY (FROM read_csv('{source}')) TO '{path}' ({options})")

    return write


def _json_lines(world: World, path: Path) -> None:
    path.write_text("\n".join(map(json.dumps, _rows(world, path.parent))), encoding="utf-8")


def _xes(world: World, path: Path) -> None:
    """A trace an order, with what is known of the order; the standard names of activity, step, group and time."""
    traces = defaultdict[str, list[dict[str, str]]](list)
    for row in _rows(world, path.parent):
        traces[row.pop("order_id")].append(row)
    names = {"task_type": "concept:name", "event": "lifecycle:transition", "timestamp": "time:timestamp"}
    names |= {"owner_group": "org:group", "task_id": "concept:instance"}
    parts = ["<?xml version='1.0' encoding='UTF-8'?><log xes.version='2.0' xmlns='http://www.xes-standard.org/'>"]
    for order, rows in traces.items():
        own = {"concept:name": order} | {key: rows[0][key] for key in ("product", "customer", "promised_date")}
        parts += ["<trace>", *_attributes(own)]
        for row in rows:
            said = {names.get(key, key): value for key, value in row.items() if value and key not in own}
            parts += ["<event>", *_attributes(said), "</event>"]
        parts.append("</trace>")
    path.write_text("".join((*parts, "</log>")), encoding="utf-8")


def _attributes(values: dict[str, str]) -> list[str]:
    return [
        f"<{'date' if key in XES_TIMES else 'string'} key={quoteattr(key)} value={quoteattr(value)}/>"
        for key, value in values.items()
    ]


def _sqlite(world: World, path: Path) -> None:
    """The object-centric log as the standard lays it out in tables: one for each type, with its attributes."""
    log = json.loads(write_ocel(world, path.parent / "log.json").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(OCEL_TABLES)
        for kind in ("event", "object"):
            for n, one in enumerate(log[f"{kind}Types"]):
                db.execute(f"INSERT INTO {kind}_map_type VALUES (?, ?)", (one["name"], f"t{n}"))
                some = [row for row in log[f"{kind}s"] if row["type"] == one["name"]]
                names = sorted({a["name"] for row in some for a in row["attributes"]})
                columns = ["ocel_id", "ocel_time", *(["ocel_changed_field"] if kind == "object" else []), *names]
                db.execute(f"CREATE TABLE {kind}_t{n} ({', '.join(f'{c} TEXT' for c in columns)})")
                db.executemany(f"INSERT INTO {kind} VALUES (?, ?)", [(row["id"], one["name"]) for row in some])
                for row in some:
                    known = {a["name"]: a["value"] for a in row["attributes"]}
                    first = [row.get("time", "1970-01-01T00:00:00Z"), *([None] if kind == "object" else [])]
                    line = [row["id"], *first, *(known.get(name) for name in names)]
                    db.execute(f"INSERT INTO {kind}_t{n} VALUES ({', '.join('?' * len(line))})", line)
        for table, rows in (("event_object", log["events"]), ("object_object", log["objects"])):
            links = [(row["id"], to["objectId"], to["qualifier"]) for row in rows for to in row["relationships"]]
            db.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", links)


FORMATS: dict[str, Callable[[World, Path], None]] = {
    "log.tsv": _tab,
    "log.csv.gz": _gzip,
    "log.csv.zst": _by_duckdb("FORMAT csv, COMPRESSION zstd, HEADER"),
    "log.parquet": _by_duckdb("FORMAT parquet"),
    "log.jsonl": _json_lines,
    "log.xes": _xes,
    "log.sqlite": _sqlite,
}
"""How the log is written, by the name of its file."""

"""Verifies the journal against itself, its orders' chains, the sealed evidence and the rows (P5).

Lanes are followed link by link, orders record by record; rows are folded from the deltas of their records and compared
with what stands; sealed bytes are compared with the digest that their record holds. What is found is named by its
place.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from fallsafe.core.cases.case import Case
from fallsafe.core.commands.ledger import Command
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task
from fallsafe.store.canonical import digest, link
from fallsafe.store.rows import CHAIN, columns, read_row
from fallsafe.store.sql import sql

FOLDED: dict[str, tuple[type, str]] = {
    "order": (Order, "orders"),
    "item": (Item, "items"),
    "task": (Task, "tasks"),
    "command": (Command, "commands"),
    "case": (Case, "cases"),
}
START = bytes(32)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written: where, and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """How much was looked at, and everything that was found."""

    records: int
    rows: int
    evidence: int
    findings: tuple[Finding, ...]


def verify(url: str) -> Report:
    """Reads one snapshot of the whole database. Nothing is changed; the findings name each broken place."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute(sql("audit/begin"))
        lines = connection.execute(sql("audit/journal")).fetchall()
        heads = {r["lane"]: (r["seq"], bytes(r["link"])) for r in connection.execute(sql("lanes/heads")).fetchall()}
        findings = [*_lanes(lines, heads), *_orders(lines)]
        folded, sealed = _fold(lines)
        rows = 0
        for thing, (kind, table) in FOLDED.items():
            standing = connection.execute(sql(f"audit/{table}")).fetchall()
            rows += len(standing)
            findings += _compare(thing, {r["id"]: columns(read_row(kind, r)) for r in standing}, folded)
        kept = {r["id"]: r for r in connection.execute(sql("audit/evidence")).fetchall()}
        findings += _evidence(kept, sealed)
    return Report(len(lines), rows, len(kept), tuple(findings))


def _lanes(lines: list[dict[str, Any]], heads: dict[int, tuple[int, bytes]]) -> Iterator[Finding]:
    """Every record's digest and link, without a gap, up to the lane's head."""
    at: dict[int, tuple[int, bytes]] = {}
    for line in lines:
        where = f"journal lane {line['lane']} seq {line['seq']}"
        seq, before = at.get(line["lane"], (0, START))
        own = digest(line["payload"].encode())
        if line["seq"] != seq + 1:
            yield Finding(where, f"record {seq + 1} of the lane is missing or out of place")
        if own != bytes(line["digest"]):
            yield Finding(where, "the content is not what was written: its digest is another")
        if link(before, bytes(line["digest"])) != bytes(line["link"]):
            yield Finding(where, "the link does not follow from the record before")
        at[line["lane"]] = (line["seq"], bytes(line["link"]))
    for lane, head in heads.items():
        if at.get(lane) != head:
            last = at.get(lane, (0, START))[0]
            yield Finding(f"journal lane {lane}", f"the lane ends at {last}, its head at {head[0]}")


def _orders(lines: list[dict[str, Any]]) -> Iterator[Finding]:
    """Every order's versions without a gap, each naming the digest of the one before."""
    at: dict[int, tuple[int, str]] = {}
    for line in sorted((x for x in lines if x["order_id"]), key=lambda x: (x["order_id"], x["version"])):
        version, before = at.get(line["order_id"], (0, ""))
        said = json.loads(line["payload"])
        if line["version"] != version + 1 or said["before"][2] != before:
            where = f"order {line['order_id']} version {line['version']}"
            yield Finding(where, "does not follow from the record before")
        at[line["order_id"]] = (line["version"], bytes(line["digest"]).hex())


def _fold(lines: list[dict[str, Any]]) -> tuple[dict[tuple[str, int], dict[str, Any]], dict[int, dict[str, Any]]]:
    """Rows from the deltas of their records, in the order of each order's versions; and what was said of evidence."""
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    sealed: dict[int, dict[str, Any]] = {}
    for line in sorted(lines, key=lambda x: (x["order_id"], x["version"], x["lane"], x["seq"])):
        said = json.loads(line["payload"])
        if said["thing"] in FOLDED and said["delta"]:
            rows.setdefault((said["thing"], said["thingId"]), {}).update(said["delta"])
        for added in said["facts"].get("added", ()):
            sealed[added["id"]] = added
    return rows, sealed


def _compare(
    thing: str, standing: dict[int, dict[str, Any]], folded: dict[tuple[str, int], dict[str, Any]]
) -> Iterator[Finding]:
    for number in sorted({i for t, i in folded if t == thing} | set(standing)):
        written, row = folded.get((thing, number)), standing.get(number)
        if written is None or row is None:
            yield Finding(f"{thing} {number}", "the row has no record" if written is None else "the row is gone")
            continue
        for name in written.keys() - CHAIN:
            if row[name] != written[name]:
                yield Finding(f"{thing} {number}", f"column {name} was changed behind the journal")


def _evidence(kept: dict[int, dict[str, Any]], said: dict[int, dict[str, Any]]) -> Iterator[Finding]:
    for number in sorted(kept.keys() | said.keys()):
        row, written = kept.get(number), said.get(number)
        if row is None or written is None:
            yield Finding(f"evidence {number}", "is gone" if row is None else "has no record")
        elif digest(bytes(row["sealed"])).hex() != written["sealed"]:
            yield Finding(f"evidence {number}", "its bytes are not those that were sealed")

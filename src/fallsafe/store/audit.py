"""Verifies the journal against itself, its anchors, its orders' chains, the sealed evidence and the rows (P5).

Lanes are followed link by link, orders record by record; rows are folded from the deltas of their records and compared
with what stands; append-only rows and sealed bytes are compared with the digests that their records hold. What is found
is named by its place. Everything is read once, order by order, so that the memory needed is that of one order.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row

from fallsafe.core.cases.case import CASE_LIFECYCLE, Case, CaseState
from fallsafe.core.commands.ledger import Command, CommandState, Purpose, next_state
from fallsafe.core.errors import Bug
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task
from fallsafe.core.repair.amendment import AMENDMENT_LIFECYCLE, Amendment, AmendmentState
from fallsafe.core.repair.request import REPAIR_LIFECYCLE, Repair, RepairState
from fallsafe.store import audit_loose
from fallsafe.store.anchors import Anchor, Tree, of_row, ranges
from fallsafe.store.canonical import digest, instant, link
from fallsafe.store.rows import CHAIN, columns, read_row
from fallsafe.store.sql import sql
from fallsafe.store.work import row_digest

FOLDED: dict[str, tuple[type, str]] = {
    "order": (Order, "orders"),
    "item": (Item, "items"),
    "task": (Task, "tasks"),
    "command": (Command, "commands"),
    "case": (Case, "cases"),
    "repair": (Repair, "repairs"),
    "amendment": (Amendment, "amendments"),
}
STREAMS = ("journal", "evidence", "attempts", "outcomes", "personal", *(table for _, table in FOLDED.values()))
START = bytes(32)
ROWS_AT_ONCE = 2_000
# The columns of a journal row that its payload says too.
SAID = ("order_id", "version", "at", "thing", "thing_id", "verb")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written: where, and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """How much was looked at, and everything that was found. `anchored` counts records that an anchor kept outside the
    database covers, `anchored_until` is when the last such anchor was set: what came later could have been rewritten
    as a whole without being seen.
    """

    records: int
    rows: int
    evidence: int
    anchored: int
    anchored_until: datetime | None
    findings: tuple[Finding, ...]


def verify(url: str, kept: Sequence[Anchor] = ()) -> Report:
    """Reads one snapshot of the whole database. Nothing is changed; the findings name each broken place. `kept` are
    anchors from outside the database, oldest first.
    """
    with psycopg.connect(url, row_factory=dict_row) as connection:
        connection.execute(sql("audit/begin"))
        audit = _Audit(connection)
        audit.lanes(_Anchors(audit, kept))
        audit.orders()
    anchored = audit.anchored if kept else 0
    return Report(
        audit.records, audit.rows, audit.evidence, anchored, kept[-1].at if kept else None, tuple(audit.findings)
    )


class _Audit:
    """One verification: what was counted and found so far."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        self.records = self.rows = self.evidence = self.anchored = 0
        self.findings: list[Finding] = []
        # By id, the digests of evidence that stands and of evidence that a record names, until they meet.
        self._kept: dict[int, tuple[str, str]] = {}
        self._named: dict[int, tuple[str, str]] = {}

    def find(self, where: str, what: str) -> None:
        """Notes that something is not as it was written."""
        self.findings.append(Finding(where, what))

    def stream(self, name: str) -> Iterator[dict[str, Any]]:
        """The rows of a statement, some at a time."""
        with self._connection.cursor(name=name.replace("/", "_")) as cursor:
            cursor.itersize = ROWS_AT_ONCE
            yield from cursor.execute(sql(name))

    # -- lane by lane ----------------------------------------------------------------------------------------------

    def lanes(self, anchors: "_Anchors") -> None:
        """Every record's digest, link and columns, without a gap, up to the lane's head; and what the anchors say."""
        heads = {r["lane"]: (r["seq"], bytes(r["link"])) for r in self._connection.execute(sql("lanes/heads"))}
        at: dict[int, tuple[int, bytes]] = {}
        for line in self.stream("audit/lanes"):
            self.records += 1
            self._line(line, *at.get(line["lane"], (0, START)))
            at[line["lane"]] = (line["seq"], bytes(line["link"]))
            anchors.take(line)
        for lane in sorted(heads.keys() | at.keys()):
            seq, head = at.get(lane, (0, START)), heads.get(lane, (0, START))
            if seq != head and head[0]:
                self.find(f"journal lane {lane}", f"the lane ends at {seq[0]}, its head at {head[0]}")
        anchors.judge()

    def _line(self, line: Row, seq: int, before: bytes) -> None:
        where = f"journal lane {line['lane']} seq {line['seq']}"
        own = digest(line["payload"].encode())
        if line["seq"] != seq + 1:
            self.find(where, f"record {seq + 1} of the lane is missing or out of place")
        if own != bytes(line["digest"]):
            self.find(where, "the content is not what was written: its digest is another")
        if link(before, bytes(line["digest"])) != bytes(line["link"]):
            self.find(where, "the link does not follow from the record before")
        wrong = [name for name, value in _said(line["payload"]).items() if value != _plain(line[name])]
        if wrong:
            self.find(where, f"column {', '.join(wrong)} is not what the content says")

    # -- order by order --------------------------------------------------------------------------------------------

    def orders(self) -> None:
        """Each order's records, the rows that they fold into, and all that was only ever added to."""
        streams = {name: _by_order(self.stream(f"audit/{name}")) for name in STREAMS}
        waiting = {name: next(stream, None) for name, stream in streams.items()}
        while any(waiting.values()):
            one = min(group[0] for group in waiting.values() if group is not None)
            whole = {name: g[1] if g is not None and g[0] == one else [] for name, g in waiting.items()}
            self._order(one, whole)
            waiting |= {name: next(streams[name], None) for name, rows in whole.items() if rows}
        self._unmatched()

    def _order(self, one: int, whole: Mapping[str, list[dict[str, Any]]]) -> None:
        written = _Written()
        version, before, said = 0, "", dict[str, Any]()
        if not one:
            self._without_order(whole["journal"], written)
        for line in whole["journal"] if one else ():
            said, where = msgspec.json.decode(line["payload"]), f"order {one} version {line['version']}"
            if line["version"] != version + 1 or said["before"][2] != before:
                self.find(where, "does not follow from the record before")
            version, before = line["version"], bytes(line["digest"]).hex()
            wrong = written.add(said)
            if wrong:
                self.find(where, wrong)
        for order in whole["orders"]:
            self._chain(order, said, before)
        for thing, (kind, table) in FOLDED.items():
            self.rows += len(whole[table])
            standing = {row["id"]: columns(read_row(kind, row)) for row in whole[table]}
            self._compare(thing, standing, {i: row for (t, i), row in written.rows.items() if t == thing})
        self._evidence(whole["evidence"], written.evidence)
        self._added(one, "attempt", whole["attempts"], written.attempts)
        self._added(one, "outcome", whole["outcomes"], written.outcomes)
        self._personal(one, whole["personal"], written.personal)
        if not one:
            self._loose(written)

    def _without_order(self, lines: Iterable[Row], written: "_Written") -> None:
        for said in audit_loose.in_order(msgspec.json.decode(line["payload"]) for line in lines):
            wrong = written.add(said)
            if wrong:
                self.find(f"journal lane {said['lane']} seq {said['seq']}", wrong)

    def _chain(self, order: Row, said: Row, last_digest: str) -> None:
        """The row of an order says which record of it was the last."""
        if not said:
            return  # that it has no record is said where rows are compared
        wanted = (said["version"], said["at"], said["lane"], said["seq"], last_digest)
        stands = [_plain(order[name]) for name in ("version", "last_at", "last_lane", "last_seq", "last_digest")]
        if tuple(stands) != wanted:
            self.find(f"order {order['id']}", "its row does not stand at its last record")

    def _personal(self, one: int, rows: Sequence[Row], said: Mapping[str, Row]) -> None:
        """Sealed personal values, each with the digests that the record of its order holds."""
        stands = {r["path"]: {"digest": r["digest"], "sealed": digest(bytes(r["sealed"])).hex()} for r in rows}
        for path in sorted(stands.keys() | said.keys()):
            if stands.get(path) != said.get(path):
                self.find(f"order {one}", f"the personal value {path} is not the one that was sealed")

    def _loose(self, written: "_Written") -> None:
        """Callbacks, tokens, people, policy sets and the installation itself."""
        for table in audit_loose.TABLES:
            rows = list(self.stream(f"audit/{table}"))
            self.rows += len(rows)
            for where, what in audit_loose.compare(table, rows, written.loose):
                self.find(where, what)

    def _compare(self, thing: str, standing: Mapping[int, Row], folded: Mapping[int, Row]) -> None:
        for number in sorted(folded.keys() | standing.keys()):
            written, row = folded.get(number), standing.get(number)
            if written is None or row is None:
                self.find(f"{thing} {number}", "the row has no record" if written is None else "the row is gone")
                continue
            for name in sorted(written.keys() - CHAIN):
                if row[name] != written[name]:
                    self.find(f"{thing} {number}", f"column {name} was changed behind the journal")

    def _evidence(self, rows: Sequence[Row], said: Mapping[int, Row]) -> None:
        """Evidence that came in before its order was known stands apart from the record that names it: what has no
        match among the things of one order waits for the end.
        """
        self.evidence += len(rows)
        for row in rows:
            beside = {name: value for name, value in row.items() if name != "sealed"}
            self._kept[row["id"]] = (digest(bytes(row["sealed"])).hex(), row_digest(beside))
        self._named.update((number, (written["sealed"], written["row"])) for number, written in said.items())
        for number in sorted(self._kept.keys() & self._named.keys()):
            (sealed, row_says), written = self._kept.pop(number), self._named.pop(number)
            if sealed != written[0]:
                self.find(f"evidence {number}", "its bytes are not those that were sealed")
            elif row_says != written[1]:
                self.find(f"evidence {number}", "what stands beside its bytes was changed behind the journal")

    def _unmatched(self) -> None:
        for number in sorted(self._kept):
            self.find(f"evidence {number}", "has no record")
        for number in sorted(self._named):
            self.find(f"evidence {number}", "is gone")

    def _added(self, one: int, what: str, rows: Sequence[Row], said: set[str]) -> None:
        """Rows that are only ever added, each with its digest in the record that added it."""
        digests = [row_digest(list(row.values())) for row in rows]
        for row, own in zip(rows, digests, strict=True):
            if own not in said:
                number = row["id"] if what == "outcome" else f"{row['n']} of command {row['command_id']}"
                self.find(f"{what} {number}", "is not what was written, or has no record")
        gone = len(said - set(digests))
        if gone:
            self.find(f"order {one}", f"{gone} {what}s of it are gone, or not as they were written")


@dataclass(slots=True)
class _Written:
    """What the records of one order say: its rows, and the digests of what was added."""

    rows: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    evidence: dict[int, Row] = field(default_factory=dict)
    attempts: set[str] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)
    personal: dict[str, Row] = field(default_factory=dict)
    loose: list[Row] = field(default_factory=list)

    def add(self, said: Row) -> str:
        """The next record; why it cannot follow from what was before it, empty where it can."""
        facts, wrong = said["facts"], ""
        if said["thing"] in FOLDED:
            row = self.rows.setdefault((said["thing"], said["thingId"]), {}) if said["delta"] else {}
            wrong = _why_not_moved(said, row)
            row.update(said["delta"])
        elif said["thing"] in audit_loose.THINGS:
            self.loose.append(said)
        self.personal.update(facts.get("personal", {}))
        self.evidence.update((added["id"], added) for added in facts.get("added", ()))
        self.attempts.update((facts["attemptRow"],) if "attemptRow" in facts else ())
        self.outcomes.update((facts["outcomeRow"],) if "outcomeRow" in facts else ())
        return wrong


def _why_not_moved(said: Row, row: Row) -> str:
    """Whether a record moves a row as its lifecycle has it: from the state that it is in, by a verb of the table."""
    thing, verb, was, now = said["thing"], said["verb"], said["was"], said["now"]
    if was and row and was != row["state"]:
        return f"{thing} {said['thingId']} is said to have been {was}, and was {row['state']}"
    if was == now or not was or thing not in ("command", "case", "repair", "amendment"):
        return ""
    return (
        "" if _after(thing, was, verb, row) == now else f"{thing} {said['thingId']}: {verb} leads from {was} to {now}"
    )


def _after(thing: str, was: str, verb: str, row: Row) -> str:
    if thing == "case":
        return str(CASE_LIFECYCLE.get((CaseState(was), verb), ""))
    if thing == "repair":
        return str(REPAIR_LIFECYCLE.get((RepairState(was), verb), ""))
    if thing == "amendment":
        return str(AMENDMENT_LIFECYCLE.get((AmendmentState(was), verb), ""))
    try:
        return str(next_state(CommandState(was), verb, Purpose(row["purpose"])))
    except Bug:
        return ""


class _Anchors:
    """The roots of all anchors, computed anew while the lanes go by, and compared with those that were kept outside."""

    def __init__(self, audit: _Audit, kept: Sequence[Anchor]) -> None:
        self._audit, self._kept = audit, kept
        self._journaled = tuple(of_row(row) for row in audit.stream("audit/anchors"))
        self._ranges = ranges(self._journaled)
        self._trees = [Tree() for _ in self._journaled]

    def take(self, line: Row) -> None:
        """The next record, in the order of lane and seq."""
        ends = self._ranges.get(line["lane"], [])
        while ends and ends[0][0] < line["seq"]:
            ends.pop(0)
        if not ends:
            return
        seq, place = ends[0]
        self._trees[place].add(bytes(line["digest"]))
        if line["seq"] == seq and self._journaled[place].heads[line["lane"]][1] != bytes(line["link"]):
            where = f"journal lane {line['lane']} seq {seq}"
            self._audit.find(where, f"anchor {self._journaled[place].number} saw another record here")

    def judge(self) -> None:
        """Once all records went by."""
        for anchor, tree in zip(self._journaled, self._trees, strict=True):
            if (tree.root(), tree.size) != (anchor.root, anchor.records):
                self._audit.find(f"anchor {anchor.number}", "its root is not that of the records it covers")
        there = {anchor.number: anchor for anchor in self._journaled}
        rewinds = self._kept[-1].rewinds if self._kept else 0
        for anchor in self._kept:
            if there.get(anchor.number) == anchor:
                self._audit.anchored = anchor.total
            elif anchor.rewinds == rewinds:
                what = "another" if anchor.number in there else "none"
                self._audit.find(f"anchor {anchor.number}", f"was kept outside the database, which has {what}")


def _by_order(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    for one, group in itertools.groupby(rows, lambda row: row["order_id"] if "order_id" in row else row["id"]):
        yield one, list(group)


def _said(payload: str) -> dict[str, Any]:
    """The columns that a record's content says; none of them where it cannot be read, which its digest says."""
    try:
        said = msgspec.json.decode(payload)
        return {name: said[_camel(name)] for name in SAID}
    except (msgspec.DecodeError, KeyError, TypeError):
        return {}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _plain(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value

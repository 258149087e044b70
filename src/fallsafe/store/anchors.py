"""Anchors: what the journal was at a moment, small enough to keep where the database cannot reach (P5).

An anchor covers the records since the one before it. Its root is the Merkle tree of their digests in the order of
lane and seq (leaves and nodes hashed under different marks, as in RFC 6962); its heads say how far each lane had come.
It stands in the journal and, written to disk before anything else happens, in a file of each home: a journal that was
rewritten, or a database that went back in time, cannot take the file along.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from fallsafe.core.events import Json
from fallsafe.store.canonical import canonical, instant
from fallsafe.store.tx import Database, Head, Tx

ANCHOR_EVERY = timedelta(seconds=60)
ANCHOR_RECORDS = 10_000
# What one anchor covers at most; when more has gathered, the next one follows at once.
ANCHOR_RECORDS_MAX = 100_000
READ_MAX = 1_000
LINE_BYTES_MAX = 64 * 1024
START = bytes(32)


class WrongAnchors(ValueError):
    """A file that does not hold anchors; the message names the line."""


class Tree:
    """A Merkle tree that is told its leaves one after another and holds only as many nodes as it has levels."""

    __slots__ = ("_nodes", "size")

    def __init__(self) -> None:
        self._nodes: list[tuple[int, bytes]] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """The next leaf."""
        node, height = hashlib.sha256(b"\x00" + leaf).digest(), 0
        while self._nodes and self._nodes[-1][0] == height:
            node, height = _node(self._nodes.pop()[1], node), height + 1
        self._nodes.append((height, node))
        self.size += 1

    def root(self) -> str:
        """The root over all leaves so far, hex."""
        if not self._nodes:
            return hashlib.sha256(b"").hexdigest()
        *before, (_, node) = self._nodes
        for _, left in reversed(before):
            node = _node(left, node)
        return node.hex()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Anchor:
    """One anchor. `heads` are (seq, link) by lane, of every lane ever written; `records` counts what it covers,
    `total` what all anchors up to it cover; `rewinds` is after how many rewinds of the database it was made.
    """

    number: int
    at: datetime
    root: str
    heads: Mapping[int, Head]
    records: int
    total: int
    rewinds: int

    def facts(self) -> dict[str, Json]:
        """What its record in the journal says."""
        heads: dict[str, Json] = {str(lane): [seq, link.hex()] for lane, (seq, link) in sorted(self.heads.items())}
        return {
            "root": self.root,
            "heads": heads,
            "records": self.records,
            "total": self.total,
            "rewinds": self.rewinds,
        }

    def line(self) -> bytes:
        """Its line of the file."""
        return canonical({"number": self.number, "at": instant(self.at), **self.facts()}) + b"\n"


def anchor_of(number: int, at: datetime, facts: Mapping[str, Any]) -> Anchor:
    """An anchor from what its record says. Raises KeyError, TypeError or ValueError when that is none."""
    heads = {int(lane): (int(seq), bytes.fromhex(link)) for lane, (seq, link) in facts["heads"].items()}
    return Anchor(
        number, at, str(facts["root"]), heads, int(facts["records"]), int(facts["total"]), int(facts["rewinds"])
    )


def of_row(row: Mapping[str, Any]) -> Anchor:
    """An anchor from its row of the journal."""
    return anchor_of(row["thing_id"], row["at"], msgspec.json.decode(row["payload"])["facts"])


def is_due(last: Anchor | None, heads: Mapping[int, Head], now: datetime) -> bool:
    """Whether enough was written since the last anchor, or long enough ago. Its own record alone is nothing new."""
    new = sum(seq for seq, _ in heads.values()) - (last.total if last else 0)
    if last is None:
        return new > 0
    return new >= ANCHOR_RECORDS or (new > 1 and now - last.at >= ANCHOR_EVERY)


async def last_anchor(tx: Tx) -> Anchor | None:
    """The newest anchor of the journal."""
    rows = await tx.fetch("audit/last_anchor")
    return of_row(rows[0]) if rows else None


async def heads_now(tx: Tx) -> dict[int, Head]:
    """Where each lane stands; whatever is up to there is committed."""
    return {r["lane"]: (r["seq"], bytes(r["link"])) for r in await tx.fetch("lanes/heads")}


async def make(tx: Tx, last: Anchor | None, heads: Mapping[int, Head], floor: int, rewinds: int) -> Anchor:
    """The next anchor, for the records between the last one and `heads`. `floor` is the highest number that is known
    outside the database, which a number never repeats.
    """
    lanes = await _within(tx, {lane: seq for lane, (seq, _) in last.heads.items()} if last else {}, heads)
    before = {lane: last.heads[lane][0] if last and lane in last.heads else 0 for lane in lanes}
    tree = Tree()
    for row in await tx.fetch(
        "audit/digests",
        lanes=list(lanes),
        lows=[before[lane] for lane in lanes],
        highs=[seq for seq, _ in lanes.values()],
    ):
        tree.add(bytes(row["digest"]))
    total = (last.total if last else 0) + tree.size
    number = max(last.number if last else 0, floor) + 1
    return Anchor(number, await tx.now(), tree.root(), lanes, tree.size, total, rewinds)


async def _within(tx: Tx, before: Mapping[int, int], heads: Mapping[int, Head]) -> dict[int, Head]:
    """As much of what is new as one anchor may cover, lane after lane."""
    room, reached = ANCHOR_RECORDS_MAX, dict[int, int]()
    for lane, (seq, _) in sorted(heads.items()):
        low = before.get(lane, 0)
        reached[lane] = min(seq, low + room)
        room -= reached[lane] - low
    cut = {lane: seq for lane, seq in reached.items() if 0 < seq < heads[lane][0]}
    rows = await tx.fetch("lanes/links", lanes=list(cut), seqs=list(cut.values())) if cut else []
    links = {row["lane"]: bytes(row["link"]) for row in rows}
    return {lane: (seq, links.get(lane, heads[lane][1])) for lane, seq in reached.items() if seq}


async def anchors_after(database: Database, number: int) -> tuple[Anchor, ...]:
    """The next anchors of the journal after a number, oldest first, a page of them."""
    return tuple(of_row(row) for row in await database.fetch("audit/anchors_after", number=number, limit=READ_MAX))


# -- the file ---------------------------------------------------------------------------------------------------


def newest(path: Path) -> Anchor | None:
    """The last anchor of a file; None where there is no file or no whole line in it."""
    try:
        with path.open("rb") as kept:
            kept.seek(max(0, path.stat().st_size - LINE_BYTES_MAX))
            tail = kept.read()
    except FileNotFoundError:
        return None
    whole = tail[: tail.rfind(b"\n") + 1].splitlines()
    return _read_line(path, "the last line", whole[-1]) if whole else None


def read_anchors(path: Path) -> tuple[Anchor, ...]:
    """All anchors of a file. A last line without its end is one that was being written, and is left out. Raises
    `WrongAnchors`, and OSError.
    """
    lines = path.read_bytes().split(b"\n")[:-1]
    return tuple(_read_line(path, f"line {n}", line) for n, line in enumerate(lines, 1))


def _read_line(path: Path, where: str, line: bytes) -> Anchor:
    try:
        said = msgspec.json.decode(line)
        return anchor_of(int(said["number"]), datetime.fromisoformat(said["at"]), said)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise WrongAnchors(f"{path}: {where} is not an anchor") from error


def append(path: Path, anchors: Iterable[Anchor]) -> None:
    """Adds anchors that the file has not, and returns when they are on disk. Safe for several processes at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "r+b") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        _cut_torn_line(kept.fileno())
        last = newest(path)
        fresh = [a for a in anchors if last is None or a.number > last.number]
        kept.write(b"".join(a.line() for a in fresh))
        kept.flush()
        os.fsync(kept.fileno())


def _cut_torn_line(handle: int) -> None:
    """What a crash left of a line that was never whole goes, so that the next one begins on a line of its own."""
    size = os.fstat(handle).st_size
    start = max(0, size - LINE_BYTES_MAX)
    tail = os.pread(handle, size - start, start)
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(handle, start + tail.rfind(b"\n") + 1)


def ranges(anchors: Sequence[Anchor]) -> dict[int, list[tuple[int, int]]]:
    """By lane, the last seq that each anchor covers, with its place in `anchors`; seqs go up."""
    found: dict[int, list[tuple[int, int]]] = {}
    for place, anchor in enumerate(anchors):
        for lane, (seq, _) in anchor.heads.items():
            ends = found.setdefault(lane, [])
            if not ends or seq > ends[-1][0]:
                ends.append((seq, place))
    return found

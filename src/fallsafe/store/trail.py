"""The audit trail: the journal read back, of one order, of one thing without an order, or of all lanes as the feed.

The feed has no sequence of its own. Its cursor is the position that a reader has reached in each lane; a record goes
out only when the record
before it of the same order is out, so that every order is told in the order in which it happened, however many
writers wrote it.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from fallsafe.core.events import Json
from fallsafe.store.tx import Database

TRAIL_LINES_MAX = 1_000
CURSOR_LENGTH_MAX = 20_000


class BadCursor(ValueError):
    """A cursor that this product did not give."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One record with its place. `before` is (lane, seq, digest) of its order's record before it, (0, 0, "") for the
    first.

    `transaction` is (lane, seq) of the first record of its transaction; `event_id` names the record everywhere outside.
    """

    lane: int
    seq: int
    order_id: int
    version: int
    at: datetime
    transaction: tuple[int, int]
    before: tuple[int, int, str]
    actor: str
    causation: str
    thing: str
    thing_id: int
    verb: str
    was: str
    now: str
    delta: Mapping[str, Json]
    reason: str
    policy_set: str
    rule: str
    evidence: tuple[int, ...]
    facts: Mapping[str, Json]
    digest: str

    @property
    def event_id(self) -> str:
        """`lane-seq`: unique for life."""
        return f"{self.lane}-{self.seq}"

    @property
    def is_refusal(self) -> bool:
        """Whether the record says that something was asked for and not done."""
        return self.verb.startswith("refuse_")


@dataclass(frozen=True, slots=True)
class FeedPage:
    """The next records in the order of the feed, and the cursor after the last of them."""

    lines: tuple[JournalLine, ...]
    after: str


@dataclass(frozen=True, slots=True)
class Moved:
    """That something moved, without what: for pages, which read it again with their own rights."""

    order_id: int
    thing: str
    thing_id: int
    version: int


def line_of(row: Mapping[str, Any]) -> JournalLine:
    """A record as it stands in the journal."""
    said = msgspec.json.decode(row["payload"])
    before = said["before"]
    return JournalLine(
        lane=row["lane"],
        seq=row["seq"],
        order_id=row["order_id"],
        version=row["version"],
        at=row["at"],
        transaction=(said["transaction"][0], said["transaction"][1]),
        before=(before[0], before[1], before[2]),
        actor=said["actor"],
        causation=said["causation"],
        thing=row["thing"],
        thing_id=row["thing_id"],
        verb=row["verb"],
        was=said["was"],
        now=said["now"],
        delta=said["delta"],
        reason=said["reason"],
        policy_set=said["policySet"],
        rule=said["rule"],
        evidence=tuple(said["evidence"]),
        facts=said["facts"],
        digest=bytes(row["digest"]).hex(),
    )


def line_of_json(row: Mapping[str, Any]) -> JournalLine:
    """A record from a row that came as JSON: its time and digest are text there."""
    return line_of({**row, "at": datetime.fromisoformat(row["at"]), "digest": bytes.fromhex(row["digest"])})


async def order_trail(
    database: Database, order_id: int, *, after: int = 0, limit: int = TRAIL_LINES_MAX
) -> tuple[JournalLine, ...]:
    """The records of one order after a version, oldest first."""
    rows = await database.fetch("reads/journal", id=order_id, after=after, limit=min(limit, TRAIL_LINES_MAX))
    return tuple(line_of(row) for row in rows)


async def order_trail_end(database: Database, order_id: int, limit: int = TRAIL_LINES_MAX) -> tuple[JournalLine, ...]:
    """The newest records of one order, oldest first."""
    rows = await database.fetch("reads/journal_tail", id=order_id, limit=min(limit, TRAIL_LINES_MAX))
    return tuple(line_of(row) for row in rows)


async def thing_trail(database: Database, thing: str, thing_id: int) -> tuple[JournalLine, ...]:
    """The records of a thing without an order (an unreadable order's case, a policy set, a token), oldest first."""
    rows = await database.fetch("reads/journal_of_thing", thing=thing, id=thing_id, limit=TRAIL_LINES_MAX)
    return tuple(line_of(row) for row in rows)


async def feed(database: Database, cursor: str, limit: int) -> FeedPage:
    """The next records for a reader that has everything up to `cursor` (empty = from the beginning). Raises
    `BadCursor`.
    """
    positions = positions_of(cursor)
    lanes = await _behind(database, positions)
    rows = (
        await database.fetch("reads/feed", lanes=list(lanes), seqs=list(lanes.values()), limit=limit) if lanes else []
    )
    lines = in_turn([line_of(row) for row in rows], positions, limit)
    for line in lines:
        positions[line.lane] = line.seq
    return FeedPage(tuple(lines), cursor_of(positions))


def in_turn(lines: Sequence[JournalLine], positions: Mapping[int, int], limit: int) -> list[JournalLine]:
    """At most `limit` records in an order that never puts one before what it follows.

    Per lane the order is that of the lane; a lane waits while the record before its next one, of the same order, is
    not out.
    """
    queues: dict[int, list[JournalLine]] = {}
    for line in sorted(lines, key=lambda each: each.seq, reverse=True):
        queues.setdefault(line.lane, []).append(line)
    reached, out = dict(positions), list[JournalLine]()
    while len(out) < limit:
        heads = [queue[-1] for queue in queues.values() if queue and _may_go(queue[-1], reached)]
        if not heads:
            break
        first = min(heads, key=lambda each: (each.at, each.lane, each.seq))
        queues[first.lane].pop()
        reached[first.lane] = first.seq
        out.append(first)
    return out


def _may_go(line: JournalLine, reached: Mapping[int, int]) -> bool:
    lane, seq, _ = line.before
    return reached.get(lane, 0) >= seq


async def end_of_feed(database: Database) -> str:
    """The cursor of a reader who wants only what comes from now on."""
    return cursor_of({row["lane"]: row["seq"] for row in await database.fetch("lanes/heads")})


async def changed(database: Database, cursor: str, limit: int = 200) -> tuple[list[Moved], str]:
    """What moved after a cursor, each thing once, and the cursor after it."""
    positions = positions_of(cursor)
    lanes = await _behind(database, positions)
    if not lanes:
        return [], cursor
    rows = await database.fetch("reads/changed", lanes=list(lanes), seqs=list(lanes.values()), limit=limit)
    newest: dict[tuple[int, str, int], Moved] = {}
    for row in sorted(rows, key=lambda each: (each["version"], each["seq"])):
        moved = Moved(row["order_id"], row["thing"], row["thing_id"], row["version"])
        newest[moved.order_id, moved.thing, moved.thing_id] = moved
        positions[row["lane"]] = max(row["seq"], positions.get(row["lane"], 0))
    return list(newest.values()), cursor_of(positions)


async def _behind(database: Database, positions: Mapping[int, int]) -> dict[int, int]:
    """The lanes that have more than a reader has, with its position in each."""
    heads = await database.fetch("lanes/heads")
    return {row["lane"]: positions.get(row["lane"], 0) for row in heads if row["seq"] > positions.get(row["lane"], 0)}


def cursor_of(positions: Mapping[int, int]) -> str:
    """Lane positions as opaque text."""
    if not positions:
        return ""
    packed = msgspec.json.encode({str(lane): positions[lane] for lane in sorted(positions)})
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def positions_of(cursor: str) -> dict[int, int]:
    """Lane positions from opaque text. Raises `BadCursor`."""
    if not cursor:
        return {}
    try:
        if len(cursor) > CURSOR_LENGTH_MAX:
            raise BadCursor("the cursor is too long")
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = msgspec.json.decode(packed, type=dict[str, int])
        positions = {int(lane): seq for lane, seq in found.items()}
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursor("the cursor was not given by this product") from error
    if not all(0 <= lane < 256 and 0 <= seq < 2**63 for lane, seq in positions.items()):
        raise BadCursor("the cursor was not given by this product")
    return positions

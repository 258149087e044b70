"""The queue: open cases in the order in which people work them. What can still be saved comes before what is late
already.

The order depends on the time, so a list remembers the time of its first page: all its pages are cut from one order.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fallsafe.core.cases.case import Case
from fallsafe.store.reads import BESIDE, CaseRow
from fallsafe.store.rows import read_row
from fallsafe.store.trail import BadCursor
from fallsafe.store.tx import Database

SOON = timedelta(hours=2)
"""A case due within this time goes first, whatever its severity: it can still be saved."""
CURSOR_LENGTH_MAX = 400
Place = tuple[datetime, int, int, int, datetime, int]


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue, the time it was read, and the cursor of the next page (empty on the last)."""

    rows: tuple[CaseRow, ...]
    now: datetime
    after: str


async def queue(database: Database, *, after: str = "", limit: int) -> QueuePage:
    """A page of open cases in working order. Raises `BadCursor` for an `after` that no page gave."""
    now: datetime = (await database.fetch("tx/now"))[0]["clock_timestamp"]
    since, band, level, late, due, last = _split(after) if after else (now, None, None, None, None, None)
    found = await database.fetch(
        "reads/queue",
        now=since,
        soon=since + SOON,
        after_band=band,
        after_level=level,
        after_late=late,
        after_due=due,
        after_id=last,
        limit=limit + 1,
    )
    kept = found[:limit]
    return QueuePage(tuple(_row(row) for row in kept), now, _join(since, kept[-1]) if len(found) > limit else "")


async def case_rows(database: Database, ids: Sequence[int]) -> tuple[CaseRow, ...]:
    """These cases in any state, as the queue shows them; ids that do not exist are left out."""
    return tuple(_row(row) for row in await database.fetch("reads/case_rows", ids=list(ids)))


def _row(row: Mapping[str, Any]) -> CaseRow:
    return CaseRow(
        case=read_row(Case, row), committed_at=row["committed_at"], **{name: row[name] or "" for name in BESIDE}
    )


def _join(since: datetime, row: Mapping[str, Any]) -> str:
    place: Place = (since, row["band"], row["level"], row["late"], row["due"], row["id"])
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _split(after: str) -> Place:
    try:
        if len(after) > CURSOR_LENGTH_MAX:
            raise BadCursor("the cursor is too long")
        packed = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        place: Place = msgspec.json.decode(packed, type=Place)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursor("the cursor was not given by this product") from error
    if place[0].tzinfo is None or place[4].tzinfo is None or not 0 <= place[5] < 2**63:
        raise BadCursor("the cursor was not given by this product")
    return place

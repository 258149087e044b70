"""The queue: cases that match a query, in the order that was asked for, and how many there are of each kind.

In working order what can still be saved comes before what is late already. That order depends on the time, so a list
remembers the time of its first page: all its pages are cut from one order.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from fallsafe.core.access import EVERY_GROUP, Actor
from fallsafe.core.cases.facets import ByTime, Cell, Facets, count, is_plain, rest_of
from fallsafe.core.cases.query import FREE, LEVELS, ME, NOBODY, SLA_WORDS, CaseQuery, bound, length
from fallsafe.core.values import replace
from fallsafe.store.reads import CaseRow, read_case_row
from fallsafe.store.trail import BadCursor
from fallsafe.store.tx import Database, Tx

SOON = timedelta(hours=2)
"""A case due within this time goes first, whatever its severity: it can still be saved."""
AT_RISK_FROM = 0.75
"""The share of the time that is gone when a case counts as at risk (the second warning of §16.2)."""
SORTS = ("priority", "due", "newest", "value")
"""Working order, by due time, newest first, most money first. Cases that have ended have only the third."""
COUNTED_MAX = 10_000
TIMED_MAX = 2_000
"""As many are looked up row by row in a moment, also where nobody has vacuumed since a fifth of all rows changed."""
FROZEN_MAX = FOUND_MAX = 1_000
FOLDED_MAX = 20_000
CURSOR_LENGTH_MAX = 400
WORD = re.compile(r"[^\W_]+")
NO_WORD = "'='"
"""What no case has among its words."""
NO_CENTS, THOUSANDTHS = ["JPY", "KRW", "VND", "CLP"], ["BHD", "KWD", "OMR", "JOD", "TND"]
FIRST, LAST, ANY_ID = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC), 2**63 - 1
Place = tuple[str, datetime, int, datetime, int]
"""Where a page ended: the order, the time of the first page, rank or value, due time, id."""
COLUMNS = ("state", "severity", "owner", "code", "domain", "recover", "system", "operation", "raw", "group")
OF_ORDER = ("customer", "segment", "region", "catalog", "source", "ref", "correlation")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with what it needs to be understood: who `me` is, and what each code is called."""

    query: CaseQuery
    me: str = ""
    titles: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class QueuePage:
    """One page of the queue, the time it was read, and the cursor of the next page (empty on the last)."""

    rows: tuple[CaseRow, ...]
    now: datetime
    after: str


@dataclass(frozen=True, slots=True)
class _Range:
    """A stretch of the working order: cases of one level that are due after `low` and not after `high`."""

    rank: int
    level: int
    low: datetime
    high: datetime
    after_id: int = ANY_ID


async def find(database: Database, asked: Asked, *, sort: str, after: str = "", limit: int) -> QueuePage:
    """A page of the cases that match. Raises `BadCursor` for an `after` that no page of this order gave."""
    sort = sort_of(asked.query, sort)
    place = _split(after) if after else None
    if place is not None and place[0] != sort:
        raise BadCursor("the cursor belongs to a list in another order")
    now: datetime = (await database.fetch("tx/now"))[0]["clock_timestamp"]
    since = place[1] if place else now
    shared = {**await _narrowing(database, asked, since), "limit": limit + 1}
    if sort in ("priority", "due"):
        rows = await database.fetch("reads/by_urgency", **shared, **_ranges(sort, since, place, asked.query))
    elif sort == "value":
        at = {"after_value": place[2] if place else None, "after_id": place[4] if place else None}
        rows = await database.fetch("reads/by_value", **shared, **at)
    else:
        rows = await database.fetch("reads/by_age", **shared, after_id=place[4] if place else None)
    kept = rows[:limit]
    end = _join(sort, since, kept[-1]) if len(rows) > limit else ""
    return QueuePage(tuple(read_case_row(row) for row in kept), now, end)


def sort_of(query: CaseQuery, sort: str) -> str:
    """The order that a list can have: what is not only of open cases has no urgency any more."""
    return sort if sort in SORTS and query.scope == "open" else "newest"


async def case_rows(database: Database, ids: Sequence[int]) -> tuple[CaseRow, ...]:
    """These cases in any state, as the queue shows them; ids that do not exist are left out."""
    return tuple(read_case_row(row) for row in await database.fetch("reads/case_rows", ids=list(ids)))


async def rows_of_somebody(database: Database, actor: Actor, since: datetime, most: int) -> dict[int, CaseRow]:
    """What somebody works on, what of it ended since then, and what their groups are to accept or to answer, by id."""
    found = await database.fetch(
        "reads/of_somebody", person=actor.name, groups=sorted(actor.groups), every=EVERY_GROUP in actor.groups,
        since=since, limit=most,
    )  # fmt: skip
    return {row.case.id: row for row in await case_rows(database, [row["id"] for row in found])}


async def facets(database: Database, asked: Asked) -> Facets:
    """How many match, of each kind. Open cases by kind are counted always; anything else is counted one by one, up to
    `COUNTED_MAX`.
    """
    now: datetime = (await database.fetch("tx/now"))[0]["clock_timestamp"]
    query = asked.query
    if not is_plain(query):
        found = await _counted(database, Asked(rest_of(query), asked.me, asked.titles), now, query.scope)
        return _up_to(count(query, found, sum(cell.cases for cell in found) > COUNTED_MAX))
    timed, late = await _by_time(database, asked, now), query.of("sla")
    cells = await _counted(database, Asked(CaseQuery(late)), now, "open") if late else await open_cells(database)
    return _up_to(count(query, cells, bool(late) and sum(cell.cases for cell in cells) > COUNTED_MAX, times=timed))


def _up_to(found: Facets) -> Facets:
    """No more than were counted; that there are more it says itself."""
    return replace(found, total=min(found.total, COUNTED_MAX)) if found.more else found


async def _counted(database: Database, asked: Asked, now: datetime, scope: str) -> list[Cell]:
    rows = await database.fetch("reads/counted", **await _narrowing(database, asked, now, scope), limit=COUNTED_MAX + 1)
    return [_cell(row, row["sla"]) for row in rows]


async def open_cells(database: Database) -> list[Cell]:
    """How many cases are open, of each kind, without their times."""
    return [_cell(row, "") for row in await database.fetch("reads/case_counts")]


async def freeze(database: Database, asked: Asked) -> tuple[int, ...]:
    """The ids of what matches now, at most one more than `FROZEN_MAX`."""
    now: datetime = (await database.fetch("tx/now"))[0]["clock_timestamp"]
    rows = await database.fetch("reads/frozen", **await _narrowing(database, asked, now), limit=FROZEN_MAX + 1)
    return tuple(row["id"] for row in rows)


async def fold(tx: Tx) -> None:
    """Adds the numbers of each kind up into one row."""
    await tx.execute("case_numbers/fold", limit=FOLDED_MAX)


async def _by_time(database: Database, asked: Asked, now: datetime) -> ByTime:
    """How many of the open cases that match are late, at risk or on track, whichever is asked for; each up to
    `TIMED_MAX`.
    """
    given = narrowing(Asked(asked.query.without("sla"), asked.me), now, "open")
    (row,) = await database.fetch("reads/counted_by_time", **given, limit=TIMED_MAX)
    cut = {value for value, seen in zip(("breached", "none", "at_risk"), row["seen"], strict=True) if seen >= TIMED_MAX}
    return ByTime({v: row[v] for v in SLA_WORDS}, frozenset(cut | ({"on_track"} if "at_risk" in cut else set())))


def _cell(row: Mapping[str, Any], sla: str) -> Cell:
    return Cell(
        row["state"], row["severity"], row["owner_group"], row["assigned"], row["code"], row["domain"],
        row["recoverability"], row["system"], sla, row["cases"],
    )  # fmt: skip


async def _narrowing(database: Database, asked: Asked, now: datetime, scope: str = "") -> dict[str, Any]:
    """What statements are narrowed by. Where few cases have the words that are asked for they are looked up before,
    since no plan can know that they are few.
    """
    given = narrowing(asked, now, scope)
    if given["words"] is None:
        return given
    (row,) = await database.fetch("reads/with_words", words=given["words"], limit=FOUND_MAX + 1)
    return given if len(row["ids"]) > FOUND_MAX else {**given, "words": None, "found": row["ids"]}


def narrowing(asked: Asked, now: datetime, scope: str = "") -> dict[str, Any]:
    """What `reads/matching` is told."""
    query, given = asked.query, dict[str, Any]()
    for key in (*COLUMNS, "assignee", "impact", "sla", "step", "offer"):
        for name, negated in ((key, False), (f"not_{key}", True)):
            given[name] = [_stored(key, value, asked.me) for value in query.values(key, negated)] or None
    for key in ("case", "order"):
        for name, negated in ((key, False), (f"not_{key}", True)):
            given[name] = [int(value[2:]) for value in query.values(key, negated)] or None
    for key in OF_ORDER:
        given[key] = list(query.values(key)) or None
        given[f"not_{key}"] = list(query.values(key, negated=True)) or None
    flags = {value for token in query.of("is") for value in token.values}
    scope = scope or query.scope
    return {
        **given,
        **_limits(query, now),
        "open": scope == "open",
        "ended": scope == "ended",
        **{flag: flag in flags for flag in ("waiting", "escalated", "unknown")},
        "words": _words(query.texts, asked.titles or {}),
        "now": now,
        "no_cents": NO_CENTS,
        "thousandths": THOUSANDTHS,
    }


def _stored(key: str, value: str, me: str) -> str:
    """A value as it stands in its column."""
    if key == "assignee" and value == ME:
        return me
    return "" if value == NOBODY and key in (*FREE, "owner", "system") else value


def _limits(query: CaseQuery, now: datetime) -> dict[str, Any]:
    """The bounds of times and numbers; the tightest of several counts."""
    at: dict[str, Any] = dict.fromkeys(("detected_after", "detected_before", "due_after", "due_before"))
    for value in map(bound, query.values("age")):
        name, pick = ("detected_before", min) if value.more else ("detected_after", max)
        at[name] = pick(filter(None, (at[name], _moved(now, -length(value)))))
    for value in map(bound, query.values("due")):
        name, pick = ("due_after", max) if value.more else ("due_before", min)
        at[name] = pick(filter(None, (at[name], _moved(now, length(value)))))
    for key, whole in (("amount", False), ("seen", True), ("retries", True)):
        at[f"{key}_min"], at[f"{key}_max"] = None, None
        for value in map(bound, query.values(key)):
            step = (1 if whole else 0.01) * (not value.equal)
            name, pick = (f"{key}_min", max) if value.more else (f"{key}_max", min)
            limit = round(value.number + step * (1 if value.more else -1), 2)
            kept = at[name] if at[name] is not None else limit
            at[name] = int(pick(kept, limit)) if whole else pick(kept, limit)
    return at


def _moved(now: datetime, by: timedelta) -> datetime:
    try:
        return now + by
    except OverflowError:
        return LAST if by > timedelta() else FIRST


def _words(texts: Iterable[str], titles: Mapping[str, str]) -> str | None:
    """What `case_words` is asked: of each text all words, as beginnings of words, or a code whose title has it."""
    return " & ".join(f"({_asked_for(text, titles)})" for text in texts) or None


def _asked_for(text: str, titles: Mapping[str, str]) -> str:
    begun = " & ".join(f"'{word}':*" for word in re.findall(WORD, text))
    codes = [code for code, title in titles.items() if text.casefold() in title.casefold()]
    return " | ".join(filter(None, (begun, *(_quoted(f"={code}") for code in codes)))) or NO_WORD


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"


def _ranges(sort: str, since: datetime, place: Place | None, query: CaseQuery) -> dict[str, Any]:
    """The stretches that are still to be read, as columns."""
    wanted = query.values("severity") or (*LEVELS, "")
    levels = [n for n, level in enumerate((*LEVELS, ""), 1) if level in wanted]
    kept = (whole for whole in _stretches(sort, since, levels) if _may_hold(whole, since, query))
    left = [cut for whole in kept if (cut := _cut(whole, place)) is not None]
    return {
        "ranks": [each.rank for each in left],
        "levels": [each.level for each in left],
        "lows": [each.low for each in left],
        "highs": [each.high for each in left],
        "after_ids": [each.after_id for each in left],
    }


def _stretches(sort: str, since: datetime, levels: Sequence[int]) -> Iterable[_Range]:
    """The whole working order: what is due soon, by level; then each level, what is not late yet before what is."""
    if sort == "due":
        yield from (_Range(0, level, FIRST, LAST) for level in levels)
        return
    soon = since + SOON
    yield from (_Range(level, level, since, soon) for level in levels)
    for level in levels:
        yield _Range(10 + 2 * level, level, soon, LAST)
        yield _Range(11 + 2 * level, level, FIRST, since)


def _may_hold(whole: _Range, since: datetime, query: CaseQuery) -> bool:
    """Whether a stretch can have any of what is asked for: only what is late already is late."""
    late = query.values("sla")
    if not late:
        return True
    return whole.low < since if set(late) == {"breached"} else whole.high > since or "breached" in late


def _cut(whole: _Range, place: Place | None) -> _Range | None:
    """What of a stretch comes after where the page before ended."""
    if place is None or whole.rank > place[2]:
        return whole
    return _Range(whole.rank, whole.level, place[3], whole.high, place[4]) if whole.rank == place[2] else None


def _join(sort: str, since: datetime, row: Mapping[str, Any]) -> str:
    number = row["rank"] if sort in ("priority", "due") else row["amount_minor"]
    place: Place = (sort, since, number, row.get("due") or since, row["id"])
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _split(after: str) -> Place:
    try:
        if len(after) > CURSOR_LENGTH_MAX:
            raise BadCursor("the cursor is too long")
        packed = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        place: Place = msgspec.json.decode(packed, type=Place)
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursor("the cursor was not given by this product") from error
    fine = all(at.tzinfo is not None and at.year > 1 for at in (place[1], place[3]))
    if not fine or not 0 <= place[4] < 2**63 or abs(place[2]) >= 2**62 or not 2000 < place[1].year < 9000:
        raise BadCursor("the cursor was not given by this product")
    return place

"""Reading for the pages beside the list: what a word names, unknown outcomes, failures that look alike, what was done
lately, and the numbers of the dashboard. Each is bounded, however much there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fallsafe.core.repair.request import Repair
from fallsafe.store.ids import EPOCH
from fallsafe.store.rows import read_row
from fallsafe.store.trail import JournalLine, line_of
from fallsafe.store.tx import Database

NAMED_MAX = 20
COUNTED_MAX = 100_000
GROUPS_MAX = 50
RECORDS_MAX = 200
WAITING_MAX = 200
DEEP = 5_000
"""So many records of each lane are looked at for what was done lately."""


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a word may mean: `thing` is order, command, customer or raw; `id` 0 where it has none."""

    thing: str
    id: int
    name: str
    note: str


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """An open case whose command nobody knows the outcome of."""

    id: int
    order_id: int
    severity: str
    code: str
    system: str
    detected_at: datetime
    sla_due_at: datetime | None
    assignee: str
    order_name: str | None
    customer_ref: str | None
    step: str | None
    command_id: int
    key: str
    operation: str
    lost_because: str
    looks: int
    empty_looks: int
    pending_looks: int
    last_sent_at: datetime | None
    next_look_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Open cases of one fingerprint; `days` are how many were detected on each of the last seven days, today last."""

    fingerprint: str
    cases: int
    first_at: datetime
    last_at: datetime
    amount_minor: int
    currency: str
    late: int
    waiting: int
    unassigned: int
    code: str
    system: str
    operation: str
    raw_code: str
    raw_message: str
    recoverability: str
    next_action: str
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WaitingRepair:
    """A repair that waits to be agreed to or run, with the severity, code and owner of its case, and its order."""

    repair: Repair
    severity: str
    code: str
    owner_group: str
    order_name: str


@dataclass(frozen=True, slots=True)
class Calls:
    """How many calls to a system are under way, and when the longest of them was sent."""

    calls: int
    oldest: datetime


async def named(database: Database, word: str) -> tuple[Named, ...]:
    """What a word names exactly."""
    rows = await database.fetch("reads/named", word=word, limit=NAMED_MAX)
    return tuple(Named(row["thing"], row["id"], row["name"], row["note"]) for row in rows)


async def unknown_outcomes(database: Database, after: int | None, limit: int) -> tuple[UnknownOutcome, ...]:
    """The oldest first."""
    rows = await database.fetch("reads/unknown_outcomes", after_id=after, limit=limit)
    return tuple(read_row(UnknownOutcome, row) for row in rows)


async def waiting_repairs(database: Database, now: datetime) -> tuple[WaitingRepair, ...]:
    """Those whose time is over first come first; at most `WAITING_MAX`."""
    rows = await database.fetch("reads/repairs_waiting", now=now, limit=WAITING_MAX)
    return tuple(
        WaitingRepair(read_row(Repair, row), row["severity"], row["code"], row["owner_group"], row["order_name"] or "")
        for row in rows
    )


@dataclass(frozen=True, slots=True)
class InTheMenu:
    """How many cases are open, of how many of them the outcome is unknown, and how many repairs wait for a second
    person who is not the one who asked.
    """

    open: int
    unknown: int
    awaited: int


async def in_the_menu(database: Database, me: str) -> InTheMenu:
    """The numbers in the menu; `me` is an actor in words."""
    now = (await database.fetch("tx/now"))[0]["clock_timestamp"]
    return read_row(InTheMenu, (await database.fetch("reads/frame", now=now, me=me))[0])


async def calls_under_way(database: Database) -> Mapping[str, Calls]:
    """By system."""
    return {row["system"]: Calls(row["calls"], row["oldest"]) for row in await database.fetch("reads/calls")}


async def failure_groups(database: Database, now: datetime) -> tuple[FailureGroup, ...]:
    """The largest first, of the newest `COUNTED_MAX` open cases."""
    rows = await database.fetch("reads/failure_groups", now=now, counted=COUNTED_MAX, limit=GROUPS_MAX)
    return tuple(read_row(FailureGroup, {**row, "amount_minor": int(row["amount_minor"])}) for row in rows)


async def recorded(
    database: Database, *, actor: str = "", verb: str = "", thing: str = "", refused: bool = False, people: bool = False
) -> tuple[JournalLine, ...]:
    """What was done lately, newest first."""
    rows = await database.fetch(
        "reads/recorded",
        actor=actor or None,
        verb=verb or None,
        thing=thing or None,
        refused=refused,
        people=people,
        deep=DEEP,
        limit=RECORDS_MAX,
    )
    return tuple(map(line_of, rows))


async def open_by_age(database: Database, now: datetime) -> Sequence[Mapping[str, Any]]:
    """(severity, band, cases); the bands end at 4, 12 and 24 hours, 3 and 7 days."""
    return await database.fetch("reads/open_by_age", now=now, limit=COUNTED_MAX)


async def open_by_catalog(database: Database) -> Sequence[Mapping[str, Any]]:
    """(system, catalog, cases)."""
    return await database.fetch("reads/open_by_catalog", limit=COUNTED_MAX)


async def ended(database: Database, since: datetime) -> Sequence[Mapping[str, Any]]:
    """(state, how, verified, by_person, cases) of the cases that were detected since then and have ended."""
    first = int((since - EPOCH) / timedelta(milliseconds=1)) << 22
    return await database.fetch("reads/ended", first=first, limit=COUNTED_MAX)

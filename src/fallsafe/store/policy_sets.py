"""Published policy sets as they are kept: their files, byte for byte, who published them and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fallsafe.store.tx import Database

LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Published:
    """A published set (`published_at` None: one that is only loaded). `files` is empty in a list; `serial` orders
    them, the highest is the newest.
    """

    id: str
    name: str
    date: str
    digest: str
    published_at: datetime | None
    published_by: str
    reason: str
    serial: int
    files: Mapping[str, str]


async def published_sets(database: Database) -> tuple[Published, ...]:
    """The published sets without their files, newest first."""
    return tuple(_published(row, {}) for row in await database.fetch("reads/policy_sets", limit=LISTED_MAX))


async def published_set(database: Database, set_id: str) -> Published | None:
    """One published set with its files."""
    rows = await database.fetch("reads/policy_set", id=set_id)
    return _published(rows[0], rows[0]["files"]) if rows else None


async def all_published(database: Database) -> tuple[Published, ...]:
    """Every published set with its files, oldest first: what a process loads when it starts."""
    return tuple(_published(row, row["files"]) for row in await database.fetch("policy_sets/all"))


async def newest_serial(database: Database) -> int:
    """The serial of the newest set, 0 when none was published."""
    rows = await database.fetch("policy_sets/newest")
    return rows[0]["serial"] if rows else 0


def _published(row: Mapping[str, Any], files: Mapping[str, str]) -> Published:
    names = ("id", "name", "date", "digest", "published_at", "published_by", "reason", "serial")
    return Published(files=files, **{name: row[name] for name in names})

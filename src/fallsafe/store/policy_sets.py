"""Policy sets as they are kept: published ones with their files, byte for byte, who published them and why; which one
is in force; and the drafts of those that are still being written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fallsafe.store.tx import Database, Tx

LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Activated:
    """When a set was last put in force, by whom, and why."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Published:
    """A published set (`published_at` None: one that is only loaded). `files` is empty in a list; `serial` orders
    them by when they were published.
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
    activated: Activated | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A set that is being written: any text by file name, whether it can be used or not. `version` counts its edits."""

    id: int
    name: str
    version: int
    state: str
    files: Mapping[str, str]
    edited_at: datetime
    edited_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class InForce:
    """The set in force, the number of its activation, and that of the newest published set; 0 and nothing where none
    ever was.
    """

    serial: int = 0
    set_id: str = ""
    published: int = 0


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


async def in_force(where: Database | Tx) -> InForce:
    """The set in force."""
    rows = await where.fetch("policy_sets/in_force")
    return InForce(rows[0]["serial"], rows[0]["set_id"], rows[0]["published"]) if rows else InForce()


async def activations(database: Database) -> tuple[tuple[str, Activated], ...]:
    """What was put in force, the newest first: the set, and when, by whom and why."""
    rows = await database.fetch("reads/policy_activations", limit=LISTED_MAX)
    return tuple((row["set_id"], Activated(row["at"], row["by"], row["reason"])) for row in rows)


async def drafts(database: Database) -> tuple[Draft, ...]:
    """The open drafts without their files, by name."""
    return tuple(_draft(row, {}) for row in await database.fetch("reads/policy_drafts", limit=LISTED_MAX))


async def draft_of(where: Database | Tx, name: str) -> Draft | None:
    """The open draft of a name with its files."""
    rows = await where.fetch("policy_drafts/find", name_=name)
    return _draft(rows[0], rows[0]["files"]) if rows else None


def _published(row: Mapping[str, Any], files: Mapping[str, str]) -> Published:
    names = ("id", "name", "date", "digest", "published_at", "published_by", "reason", "serial")
    at = row.get("activated_at")
    activated = Activated(at, row["activated_by"], row["activated_because"]) if at is not None else None
    return Published(files=files, activated=activated, **{name: row[name] for name in names})


def _draft(row: Mapping[str, Any], files: Mapping[str, str]) -> Draft:
    names = ("id", "name", "version", "state", "edited_at", "edited_by", "reason")
    return Draft(files=files, **{name: row[name] for name in names})

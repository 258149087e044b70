"""The schema's history: plain SQL files that run once, in order, and which of them a database lacks.

A file is `NNNN_pre_<name>.sql` or `NNNN_post_<name>.sql`. `pre` only adds, so that old and new processes run side by
side while an installation is upgraded; `post` comes when the old ones are gone. The files form one line: each follows
the one numbered before it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from fallsafe.store.sql import sql

MIGRATIONS = Path(__file__).parent / "migrations"
FILE_NAME = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+")
CONNECT_SECONDS_MAX = 10


class CannotMigrate(Exception):
    """The database cannot be brought to the wanted schema; the message says why and what would work."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `name` is the file's name without `.sql`, and what the version table remembers."""

    name: str
    path: Path
    follows: str | None

    @property
    def is_post(self) -> bool:
        """Whether it may run only when no process of an older release is left."""
        return "_post_" in self.name


def migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """All files in order. A file whose name says neither `pre` nor `post`, or whose number is taken, is refused."""
    paths = sorted(folder.glob("*.sql"))
    for path in paths:
        if not FILE_NAME.fullmatch(path.stem):
            raise CannotMigrate(f"{path}: name it NNNN_pre_<name>.sql or NNNN_post_<name>.sql")
    numbers = [path.stem[:4] for path in paths]
    for number, path in zip(numbers, paths, strict=True):
        if numbers.count(number) > 1:
            raise CannotMigrate(f"{path}: the number {number} is taken twice; give one of them the next free number")
    names = [None, *(path.stem for path in paths)]
    return [Migration(path.stem, path, before) for path, before in zip(paths, names, strict=False)]


def pending(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """The names of the migrations that this database lacks; the product's own role may ask."""
    known = migrations(folder)
    with connect(url) as connection:
        row = connection.execute(sql("cluster/find_version_table")).fetchone()
        if row is None or not row[0]:
            return [migration.name for migration in known]
        version = connection.execute(sql("cluster/read_version")).fetchone()
    return [migration.name for migration in after(known, version[0] if version else None)]


def app_url(url: str) -> str:
    """The same database, as `fallsafe_app`: what the product connects with when it was given an owner's URL."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    if parts.get("user") == "fallsafe_app":
        return url
    options = " ".join(filter(None, [str(parts.get("options") or ""), "-c role=fallsafe_app"]))
    return psycopg.conninfo.make_conninfo(url, options=options)


def connect(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    """A connection, or `CannotMigrate` with the reason."""
    try:
        return psycopg.connect(url, connect_timeout=CONNECT_SECONDS_MAX)
    except psycopg.OperationalError as error:
        raise CannotMigrate(f"the database cannot be reached: {error}") from error


def after(known: list[Migration], version: str | None) -> list[Migration]:
    """What comes after a version; all of it where there is none. A version of a newer release is refused."""
    if version is None:
        return known
    names = [migration.name for migration in known]
    if version not in names:
        raise CannotMigrate(f"the database is at {version}, which this release does not know; use a newer Fallsafe")
    return known[names.index(version) + 1 :]

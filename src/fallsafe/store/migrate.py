"""The schema's history: plain SQL files that run once, in order, by Alembic's bookkeeping.

A file is `NNNN_pre_<name>.sql` or `NNNN_post_<name>.sql`. `pre` only adds, so that old and new processes run side by
side while an installation is upgraded; `post` comes when the old ones are gone. The files form one line: each follows
the one numbered before it. Everything runs as the role `fallsafe_owner`, in one transaction: all of it or nothing.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, LiteralString

import psycopg
import sqlalchemy
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import Script
from alembic.script.revision import RevisionMap
from psycopg.rows import dict_row
from sqlalchemy.pool import NullPool

from fallsafe.store.sql import sql

MIGRATIONS = Path(__file__).parent / "migrations"
FILE_NAME = re.compile(r"\d{4}_(pre|post)_[a-z0-9_]+")
VERSION_TABLE = "schema_version"
CONNECT_SECONDS_MAX = 10

MAJOR_MIN = 15
WHAT_AN_ADMINISTRATOR_RUNS = """\
    CREATE ROLE fallsafe_owner LOGIN;
    CREATE ROLE fallsafe_app LOGIN;
    GRANT fallsafe_owner, fallsafe_app TO {me};
    GRANT USAGE, CREATE ON SCHEMA public TO fallsafe_owner;   -- in the database {database}"""


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


def migrate(owner_url: str, upto: Literal["pre", "post"] = "post", folder: Path = MIGRATIONS) -> list[str]:
    """Run what has not run yet and return the names. `upto="pre"` stops before the first pending `post`.

    The roles are created if the user of `owner_url` may create roles. Raises `CannotMigrate` when the database cannot
    be reached, is older than PostgreSQL 15, was made by a newer Fallsafe, or its user may not do what is needed.
    """
    known = migrations(folder)
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: _connect(owner_url), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            _run(connection, sql("cluster/lock_schema"))
            _see_to_roles(_raw(connection))
            _run(connection, sql("cluster/become_owner"))
            return _apply(connection, known, upto)
    except sqlalchemy.exc.DBAPIError as error:
        raise CannotMigrate(f"the migration was undone: {error.orig}") from error
    except psycopg.Error as error:
        raise CannotMigrate(f"the migration was undone: {error}") from error


def pending(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """The names of the migrations that this database lacks; the product's own role may ask."""
    known = migrations(folder)
    with _connect(url) as connection:
        row = connection.execute(sql("cluster/find_version_table")).fetchone()
        if row is None or not row[0]:
            return [migration.name for migration in known]
        version = connection.execute(sql("cluster/read_version")).fetchone()
    return [migration.name for migration in _after(known, version[0] if version else None)]


def app_url(url: str) -> str:
    """The same database, as `fallsafe_app`: what the product connects with when it was given an owner's URL."""
    parts = psycopg.conninfo.conninfo_to_dict(url)
    if parts.get("user") == "fallsafe_app":
        return url
    options = " ".join(filter(None, [str(parts.get("options") or ""), "-c role=fallsafe_app"]))
    return psycopg.conninfo.make_conninfo(url, options=options)


def _connect(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    try:
        return psycopg.connect(url, connect_timeout=CONNECT_SECONDS_MAX)
    except psycopg.OperationalError as error:
        raise CannotMigrate(f"the database cannot be reached: {error}") from error


def _raw(connection: sqlalchemy.Connection) -> "psycopg.Connection[tuple[Any, ...]]":
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw


def _run(connection: sqlalchemy.Connection, text: LiteralString) -> None:
    # Without parameters the driver takes many statements at once and leaves every % as it is.
    connection.exec_driver_sql(text, execution_options={"no_parameters": True})


def _see_to_roles(connection: "psycopg.Connection[tuple[Any, ...]]") -> None:
    found = _ask_roles(connection)
    if found["major"] < MAJOR_MIN:
        raise CannotMigrate(f"this is PostgreSQL {found['major']}; Fallsafe needs {MAJOR_MIN} or newer")
    if not found["roles_exist"] and found["may_create_roles"]:
        connection.execute(sql("cluster/create_roles"))
        connection.execute(sql("cluster/join_roles"))
        found = _ask_roles(connection)
    if found["is_owner"] and not found["owner_may_create"]:
        connection.execute(sql("cluster/open_schema"))
        found = _ask_roles(connection)
    if not (found["roles_exist"] and found["is_owner"] and found["owner_may_create"]):
        statements = WHAT_AN_ADMINISTRATOR_RUNS.format(me=found["me"], database=found["database"])
        raise CannotMigrate(
            f"the user {found['me']} may not act as fallsafe_owner in the database {found['database']}; "
            f"an administrator runs once what is missing of\n{statements}"
        )


def _ask_roles(connection: "psycopg.Connection[tuple[Any, ...]]") -> dict[str, Any]:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(sql("cluster/read_roles")).fetchone()
    assert row is not None
    return row


def _apply(connection: sqlalchemy.Connection, known: list[Migration], upto: Literal["pre", "post"]) -> list[str]:
    applied: list[str] = []

    def steps(heads: tuple[str, ...], _context: MigrationContext) -> Iterable[MigrationStep]:
        scripts = {migration.name: _script(migration, connection) for migration in known}
        line = RevisionMap(lambda: scripts.values())
        _ = line.heads  # reading them makes the map link the scripts to each other
        for migration in _after(known, heads[0] if heads else None):
            if upto == "pre" and migration.is_post:
                return
            applied.append(migration.name)
            yield MigrationStep.upgrade_from_script(line, scripts[migration.name])

    context = MigrationContext.configure(
        connection, opts={"fn": steps, "version_table": VERSION_TABLE, "transactional_ddl": True}
    )
    context.run_migrations()
    if applied:
        _run(connection, sql("cluster/protect_version"))
    return applied


def _after(known: list[Migration], version: str | None) -> list[Migration]:
    if version is None:
        return known
    names = [migration.name for migration in known]
    if version not in names:
        raise CannotMigrate(f"the database is at {version}, which this release does not know; use a newer Fallsafe")
    return known[names.index(version) + 1 :]


def _script(migration: Migration, connection: sqlalchemy.Connection) -> Script:
    """What Alembic takes for a revision file: here it runs the SQL file as it stands."""
    module = ModuleType(migration.name)
    module.__dict__.update(down_revision=migration.follows, upgrade=lambda **_: _run_file(migration, connection))
    return Script(module, migration.name, migration.path)


def _run_file(migration: Migration, connection: sqlalchemy.Connection) -> None:
    # safe because the text is a file of this package, never input
    text: LiteralString = migration.path.read_text(encoding="utf-8")
    try:
        _run(connection, text)
    except sqlalchemy.exc.DBAPIError as error:
        raise CannotMigrate(f"{migration.path.name} failed, and all of it was undone: {error.orig}") from error.orig

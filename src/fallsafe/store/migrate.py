"""Runs what `fallsafe.store.schema` says is pending, by Alembic's bookkeeping.

Everything runs as the role `fallsafe_owner`, in one transaction: all of it or nothing. It is a module of its own, since
Alembic takes a second to import, and most starts have nothing to run.
"""

from collections.abc import Iterable
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

from fallsafe.store.schema import MIGRATIONS, CannotMigrate, Migration, after, connect, migrations
from fallsafe.store.sql import sql

VERSION_TABLE = "schema_version"

MAJOR_MIN = 15
WHAT_AN_ADMINISTRATOR_RUNS = """\
    CREATE ROLE fallsafe_owner LOGIN;
    CREATE ROLE fallsafe_app LOGIN;
    GRANT fallsafe_owner, fallsafe_app TO {me};
    GRANT USAGE, CREATE ON SCHEMA public TO fallsafe_owner;   -- in the database {database}"""


def migrate(owner_url: str, upto: Literal["pre", "post"] = "post", folder: Path = MIGRATIONS) -> list[str]:
    """Run what has not run yet and return the names. `upto="pre"` stops before the first pending `post`.

    The roles are created if the user of `owner_url` may create roles. Raises `CannotMigrate` when the database cannot
    be reached, is older than PostgreSQL 15, was made by a newer Fallsafe, or its user may not do what is needed.
    """
    known = migrations(folder)
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: connect(owner_url), poolclass=NullPool)
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
        for migration in after(known, heads[0] if heads else None):
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

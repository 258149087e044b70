"""A table of a PostgreSQL, copied in one snapshot into the engine: `postgresql://user@host/base#schema.table`.

The password belongs into the URL, `PGPASSWORD` or a `.pgpass`; it is left out of everything that is printed.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from fallsafe.analysis.sources.encoded import piped
from fallsafe.analysis.sources.engine import Engine
from fallsafe.analysis.sources.kinds import columns_of
from fallsafe.analysis.sources.table import Table, Unreadable, without_password
from fallsafe.analysis.sql import listed, literal, quoted, statement

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS_MAX = 10
# By the type's name in PostgreSQL; what is not here is copied as the text that PostgreSQL writes for it.
TYPES = {
    "int2": "BIGINT",
    "int4": "BIGINT",
    "int8": "BIGINT",
    "float4": "DOUBLE",
    "float8": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
}
# A text that stands for no value in the copy, so that an empty text stays one.
NO_VALUE = "\x02"


def split(place: str) -> tuple[str, str]:
    """The URL and the table. `Unreadable` says how a table is named."""
    url, sign, table = place.partition("#")
    if not sign or not table:
        raise Unreadable(
            f"{without_password(place)} names no table; write it behind a #: {without_password(url)}#orders"
        )
    return url, unquote(table)


def read(engine: Engine, place: str) -> Table:
    """All rows of the table as of one moment."""
    import duckdb
    import psycopg

    url, table = split(place)
    shown = without_password(place)
    relation = engine.new_relation()
    try:
        with psycopg.connect(
            url, connect_timeout=CONNECT_SECONDS_MAX, options="-c default_transaction_read_only=on"
        ) as db:
            types = _types(db, table)
            with piped(lambda: _rows(db, table), engine.scratch / f"{relation.strip(chr(34))}.pipe") as feed:
                engine.connection.execute(
                    statement(
                        "sources/rows_of_copy",
                        relation=relation,
                        path=literal(str(feed.path)),
                        columns="{" + listed(f"{literal(name)}: {literal(kind)}" for name, kind in types.items()) + "}",
                        no_value=literal(NO_VALUE),
                    )
                )
            if feed.error is not None:
                raise feed.error
    except (psycopg.Error, duckdb.Error) as error:
        raise Unreadable(f"{shown} cannot be read: {_said(error, url)}") from None
    columns, said = columns_of(engine, relation)
    understood = (f"{len(columns)} columns of a table in PostgreSQL, as of one moment", *said)
    return Table(relation, shown, "postgresql", columns, engine.count(relation), understood)


def _said(error: Exception, url: str) -> str:
    password = urlsplit(url).password
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line.replace(password, "***") if password else line


def _name(table: str) -> str:
    """`schema.table` or `table`, each part quoted as it is written; a part in quotes may have a dot."""
    parts = re.findall(r'"(?:[^"]|"")+"|[^."]+', table)
    return ".".join(part if part.startswith('"') else quoted(part) for part in parts)


def _types(db: "psycopg.Connection[tuple[object, ...]]", table: str) -> dict[str, str]:
    cursor = db.execute(statement("sources/no_rows", table=_name(table)).encode())
    described = cursor.description or []
    types: dict[str, str] = {}
    for column in described:
        known = db.adapters.types.get(column.type_code)
        types[column.name] = _type(known.name if known else "", column.precision, column.scale)
    return types


def _type(name: str, precision: int | None, scale: int | None) -> str:
    if name == "numeric":
        return f"DECIMAL({precision}, {scale or 0})" if precision and precision <= 38 else "VARCHAR"
    return TYPES.get(name, "VARCHAR")


def _rows(db: "psycopg.Connection[tuple[object, ...]]", table: str) -> Iterator[bytes]:
    with db.cursor().copy(
        statement("sources/copy_out", table=_name(table), no_value=literal(NO_VALUE)).encode()
    ) as out:
        held = bytearray()
        for part in out:
            held += part
            if len(held) > 1_000_000:
                yield bytes(held)
                held.clear()
        yield bytes(held)

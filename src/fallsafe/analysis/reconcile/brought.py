"""What a comparison hands to a running installation: each difference as something found about one order."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from fallsafe.analysis.brought import Found
from fallsafe.analysis.reconcile.expressions import Flavor, parts, shown
from fallsafe.analysis.reconcile.findings import KINDS
from fallsafe.analysis.reconcile.pairing import Pairing
from fallsafe.analysis.reconcile.rules import WrongUse
from fallsafe.analysis.reconcile.telling import Told, many
from fallsafe.analysis.sources import Engine, Table
from fallsafe.analysis.sql import statement

FAILURES = frozenset(KINDS)
ROWS_AT_ONCE = 10_000
VALUE_MAX = 300


def place_of_order(pairing: Pairing, column: str) -> int:
    """Which of the keys is the order: the named one, else the first. Raises `WrongUse`."""
    names = [pair.name for pair in pairing.keys]
    if not column:
        return 0
    if column.casefold() not in [name.casefold() for name in names]:
        raise WrongUse(f"--order {column}: it has to be one of the keys: {', '.join(names)}")
    return [name.casefold() for name in names].index(column.casefold())


def found(engine: Engine, told: Told, order: int) -> Iterator[Found]:
    """Everything found; the key at place `order` names the order. The engine must be open."""
    a, b, n = _short(told.a), _short(told.b), len(told.pairing.keys)
    cursor = engine.connection.cursor().execute(f"FROM {told.findings.relation}")
    while block := cursor.fetchmany(ROWS_AT_ONCE):
        for row in block:
            kind, key, (column, left, right, rows_a, rows_b, authority) = row[0], row[1 : n + 1], row[n + 1 :]
            match kind:
                case "mismatch":
                    said = f'{column}: "{_cut(left)}" in {a}, "{_cut(right)}" in {b}'
                    said += f"; {a if authority == 'a' else b} is right" if authority else ""
                case "missing":
                    said = f"in {a}, and not in {b}"
                case "orphan":
                    said = f"in {b}, and not in {a}"
                case _:
                    said = f"{many(rows_a, 'row')} in {a} and {many(rows_b, 'row')} in {b}"
            rest = [str(part) for place, part in enumerate(key) if place != order]
            facts = {"key": [str(part) for part in key], "column": column, "a": left, "b": right}
            yield Found(str(key[order]), kind, said, about="/".join([column or "", *rest]), facts=facts)


def judged(engine: Engine, told: Told, order: int, orders: Iterable[str]) -> frozenset[str]:
    """Those of the orders of which both sides together say something, and nothing that is too new to be judged."""
    wanted = list(orders)
    if not wanted:
        return frozenset()
    pair, made = told.pairing.keys[order], parts(told.pairing, Flavor.FAST)
    asked = statement(
        "reconcile/judged",
        a=told.a.relation,
        b=told.b.relation,
        a_order=shown(pair.a),
        b_order=shown(pair.b),
        a_has_key=made.a_has_key,
        b_has_key=made.b_has_key,
        kept=told.compared.kept,
        text=f"t{order + 1}",
    )
    return frozenset(row[0] for row in engine.connection.execute(asked, {"orders": wanted}).fetchall())


def as_of(told: Told, now: datetime) -> datetime:
    """As of when the comparison is: as was said or found, else when the younger of the files was written, else now."""
    if told.compared.as_of is not None:
        at = told.compared.as_of
        return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    places = [Path(table.place) for table in (told.a, told.b)]
    if all(place.is_file() for place in places):
        return datetime.fromtimestamp(max(place.stat().st_mtime for place in places), UTC)
    return now


def _short(table: Table) -> str:
    """What people call a side: the name of the file or of the table."""
    name = table.place.rpartition("#")[2] if "://" in table.place else table.place
    return unquote(name).rstrip("/").rpartition("/")[2] or table.place


def _cut(value: str | None) -> str:
    return "" if value is None else value[:VALUE_MAX]

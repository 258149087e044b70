"""Object-centric logs as logs of orders: which of the objects are orders, and what happened to each.

An event that touches no order itself belongs to the orders that its objects are linked with. What is known of an order
(its date, its product) stands beside each of its events. Where tasks are objects, an event is one of the task that it
touches, and the task is about the item that it is linked with.
"""

from collections.abc import Mapping

from fallsafe.analysis.scan.layout import Role, named_as
from fallsafe.analysis.sources import Column, Engine, Kind, LeftOut, Table
from fallsafe.analysis.sql import listed, literal, statement

COLUMNS = (
    ("order_id", Kind.TEXT),
    ("event_id", Kind.TEXT),
    ("activity", Kind.TEXT),
    ("time", Kind.TIME),
    ("attributes", Kind.NESTED),
    ("object", Kind.NESTED),
    ("task_id", Kind.TEXT),
    ("item_id", Kind.TEXT),
    ("touched", Kind.TEXT),
)
SURELY = 1.0
"""How well the name of a type must fit a role, so that its objects are taken for that."""


def as_log(engine: Engine, table: Table, said: Mapping[str, str]) -> Table:
    """The log of the orders in an object-centric log; a mapping may say `order = "type of object"`."""
    counted = engine.connection.execute(statement("scan/object_types", objects=table.parts["objects"])).fetchall()
    types = {str(name): n for name, n in counted if name}
    wanted = said.get("order", "")
    if not types or (wanted and wanted not in types):
        return table
    chosen = wanted or max(types, key=lambda name: (_like(Role.ORDER, name), types[name]))
    relation = engine.new_relation()
    gaps = {"log": table.relation, "type": literal(chosen)} | dict(table.parts)
    for role in (Role.TASK, Role.ITEM):
        of_role = [name for name in types if name != chosen and _like(role, name) >= SURELY]
        gaps[f"{role}_types"] = listed(map(literal, of_role)) or "NULL"
    engine.connection.execute(statement("scan/orders_of_objects", relation=relation, **gaps))
    rows, events = _counts(engine, relation, table)
    columns = tuple(Column(name, name, "VARCHAR", kind) for name, kind in COLUMNS)
    understood = (*table.understood, f"objects of the type {chosen!r} are the orders")
    left_out = (LeftOut("events that touch no order", events),) if events else ()
    return Table(relation, table.place, table.format, columns, rows, understood, (*table.left_out, *left_out))


def _like(role: Role, name: str) -> float:
    return max(named_as(role, name), named_as(role, name.removesuffix("s")))


def _counts(engine: Engine, relation: str, table: Table) -> tuple[int, int]:
    row = engine.connection.execute(statement("scan/count_untouched", relation=relation, log=table.relation)).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])

"""What the checkers see: rows, agenda and records of orders, what has none, and what exists outside.

It is read by statements of its own over a plain connection, in one snapshot where the caller wants one.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from fallsafe.core.cases.case import Case
from fallsafe.core.commands.ledger import Command
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.amendment import Amendment
from fallsafe.core.repair.request import Repair
from fallsafe.store.rows import read_row
from fallsafe.store.sql import sql

Connection = psycopg.Connection[dict[str, Any]]
Row = Mapping[str, Any]
ROWS = (
    *((Item, "items"), (Task, "tasks"), (Command, "commands"), (Case, "cases")),
    *((Repair, "repairs"), (Amendment, "amendments")),
)
OPEN = ("detected", "classified", "assigned", "diagnosing", "repairing", "revalidating")


@dataclass(frozen=True, slots=True)
class Broken:
    """One promise that is broken: which, where, and what is wrong in a sentence. `order_id` 0 = of no one order."""

    promise: str
    where: str
    what: str
    order_id: int = 0

    def __str__(self) -> str:
        return f"{self.promise}: {self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Look:
    """One agenda entry: which kind of look, and when."""

    kind: str
    due_at: datetime


@dataclass(slots=True)
class OrderSeen:
    """One order with all that belongs to it. `records` are the decoded records of its journal, oldest first."""

    order: Order
    items: dict[int, Item] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    commands: dict[int, Command] = field(default_factory=dict)
    cases: dict[int, Case] = field(default_factory=dict)
    repairs: dict[int, Repair] = field(default_factory=dict)
    amendments: dict[int, Amendment] = field(default_factory=dict)
    looks: dict[int, dict[str, Look]] = field(default_factory=dict)
    records: Sequence[Row] = ()

    @property
    def open_cases(self) -> list[Case]:
        """Cases that are not ended."""
        return [case for case in self.cases.values() if case.state.value in OPEN]

    def where(self, thing: str = "", number: int = 0) -> str:
        """How a place is named in a finding."""
        name = f"order {self.order.source}:{self.order.external_id} ({self.order.id})"
        return f"{name} {thing} {number}" if thing else name


@dataclass(frozen=True, slots=True)
class Kept:
    """One piece of evidence, opened: what kind of thing it is, what stands beside its bytes, and the bytes."""

    id: int
    kind: str
    head: str
    body: bytes


@dataclass(frozen=True, slots=True)
class OutsideSeen:
    """What exists outside: how often each thing was done, by "<operation> <object>" and by key; `bytes_of_key` maps a
    key to every different request (path and body) that left under it; `requests` counts those that left. `answers`,
    `callbacks` and `signals` are the bodies of all that was said, `secrets` what must never be kept.
    """

    by_object: Mapping[str, int]
    by_key: Mapping[str, int]
    bytes_of_key: Mapping[str, Set[tuple[str, bytes]]] = field(default_factory=dict)
    requests: Mapping[str, int] = field(default_factory=dict)
    answers: Set[bytes] | None = None
    callbacks: Set[bytes] | None = None
    secrets: Sequence[str] = ()
    signals: Set[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the checkers judge. `fresh` are the records of the commit that is judged (None = all that are there);
    `whole` says that everything is seen, `rewound` that this database went back in time once. `open_evidence` opens
    bytes of an order by their ids, `open_kept` with what stands beside them, where the keys are known.
    """

    now: datetime
    orders: Mapping[int, OrderSeen]
    policies: Mapping[str, PolicySet]
    fresh: Sequence[Row] | None = None
    loose_cases: Sequence[Row] = ()
    inbox: Sequence[Row] = ()
    signals: Sequence[Row] = ()
    reports: Sequence[Row] = ()
    downstreams: Mapping[str, Row] = field(default_factory=dict)
    parked: Mapping[str, int] = field(default_factory=dict)
    loose_looks: Mapping[int, Sequence[str]] = field(default_factory=dict)
    loose_records: Sequence[Row] = ()
    outside: OutsideSeen | None = None
    open_evidence: Callable[[int, Sequence[int]], Sequence[bytes]] | None = None
    open_kept: Callable[[Sequence[int]], Sequence[Kept]] | None = None
    whole: bool = False
    rewound: bool = False

    def records(self) -> Sequence[Row]:
        """The records that are judged: those of the commit, or all."""
        if self.fresh is not None:
            return self.fresh
        return [record for order in self.orders.values() for record in order.records] + [*self.loose_records]


def decode(payload: str) -> Row:
    """A record as it stands in the journal."""
    found: Row = msgspec.json.decode(payload)
    return found


def read_orders(connection: Connection, ids: Sequence[int], *, records: bool) -> dict[int, OrderSeen]:
    """Orders with all that belongs to them, by id; their records too where wanted. All is asked for at once."""
    wanted = {"ids": list(ids)}
    with connection.pipeline():
        orders = connection.execute(sql("promises/orders"), wanted)
        rows = [connection.execute(sql(f"{table}/of_orders"), wanted) for _, table in ROWS]
        looks = connection.execute(sql("agenda/of_orders"), wanted)
        journal = connection.execute(sql("promises/journal"), wanted) if records else None
    found = {row["id"]: OrderSeen(read_row(Order, row)) for row in orders}
    for (kind, table), cursor in zip(ROWS, rows, strict=True):
        for row in cursor:
            getattr(found[row["order_id"]], table)[row["id"]] = read_row(kind, row)
    for row in looks:
        found[row["order_id"]].looks.setdefault(row["id"], {})[row["kind"]] = Look(row["kind"], row["due_at"])
    if journal is not None:
        told: dict[int, list[Row]] = {number: [] for number in found}
        for row in journal:
            told[row["order_id"]].append(decode(row["payload"]))
        for number, lines in told.items():
            found[number].records = lines
    return found


def read_downstreams(connection: Connection) -> dict[str, Row]:
    """The health of each downstream that something was ever the matter with, by system."""
    return {row["system"]: row for row in connection.execute(sql("audit/downstreams"))}


def read_parked(connection: Connection) -> dict[str, int]:
    """How many tasks are parked at each system."""
    return {row["system"]: row["parked"] for row in connection.execute(sql("promises/parked"))}


def read_seen(
    connection: Connection,
    *,
    now: datetime,
    policies: Mapping[str, PolicySet],
    orders: Sequence[int] | None = None,
) -> Seen:
    """Everything that stands in a database, or some of its orders. The connection gives rows as dicts."""
    whole = orders is None
    ids = [row["id"] for row in connection.execute(sql("promises/all_orders"))] if orders is None else orders
    loose = [decode(row["payload"]) for row in connection.execute(sql("promises/journal"), {"ids": [0]})]
    looks: dict[int, list[str]] = {}
    for row in connection.execute(sql("promises/loose_looks")):
        looks.setdefault(row["id"], []).append(row["kind"])
    state = connection.execute(sql("installation/read")).fetchall()[0]
    return Seen(
        now=now,
        orders=read_orders(connection, ids, records=True),
        policies=policies,
        loose_cases=connection.execute(sql("cases/of_orders"), {"ids": [0]}).fetchall(),
        inbox=connection.execute(sql("promises/inbox")).fetchall(),
        signals=connection.execute(sql("promises/signals")).fetchall(),
        reports=connection.execute(sql("promises/reports")).fetchall(),
        downstreams=read_downstreams(connection),
        parked=read_parked(connection),
        loose_looks=looks,
        loose_records=loose,
        whole=whole,
        rewound=state["rewinds"] > 0,
    )

"""The rows of some orders under their lock, what becomes of them, and the records of it: one transaction's work.

A flow loads aggregates, asks the core, and puts new values in their place. Each `put` is one journal record with the
delta of the row; each row is written
once, however often it moved. Nothing reaches the database before `Tx.flush`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.evidence import Evidence
from fallsafe.core.commands.ledger import Command, Purpose
from fallsafe.core.errors import Bug, Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task
from fallsafe.core.repair.amendment import Amendment
from fallsafe.core.repair.request import Repair
from fallsafe.core.values import replace
from fallsafe.store.canonical import canonical, digest
from fallsafe.store.journal import Chain
from fallsafe.store.rows import Inbox, StoredReport, StoredSignal, changes, delta
from fallsafe.store.vault import OrderKey

Own = Item | Task | Command | Case | Repair | Amendment
"""What belongs to an order."""
TABLES: dict[type, tuple[str, str]] = {
    Order: ("order", "orders"),
    Item: ("item", "items"),
    Task: ("task", "tasks"),
    Command: ("command", "commands"),
    Case: ("case", "cases"),
    Repair: ("repair", "repairs"),
    Amendment: ("amendment", "amendments"),
}
KEPT_ORDERS_MAX, KEPT_ROWS_MAX = 2_000, 100
EVIDENCE_COLUMNS = tuple(each.name for each in fields(Evidence))


@dataclass(frozen=True, slots=True)
class Why:
    """What a record says beside the change: who, why, by which rule of which set, on which evidence, led to by what."""

    actor: Actor
    reason: str = ""
    policy_set: str = ""
    rule: str = ""
    evidence: tuple[int, ...] = ()
    causation: str = ""
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """An agenda row: when a thing must next be looked at, by which kind of look, through which gate."""

    kind: str
    id: int
    order_id: int | None
    due_at: datetime
    gate: int = 0


@dataclass(slots=True)
class Moved:
    """A row as it was and as it is now, and what of it was written anew in between."""

    was: Any  # None where the row is new
    now: Any
    to: dict[str, Json]

    def entry(self) -> dict[str, Any]:
        """One entry of a set-based write: what is another than before, and the state (for orders the version) that was
        seen.
        """
        seen = {"version": self.was.version} if isinstance(self.was, Order) else {"was": self.was.state}
        return {"id": self.now.id, **seen, "row": self.to}


class Aggregate:
    """One order with its items, tasks, commands and cases, as loaded and as they become."""

    def __init__(
        self,
        order: Order,
        rows: Iterable[Own],
        key: OrderKey,
        new: bool = False,
    ) -> None:
        self.order = order
        self.loaded_order = order
        self.key = key
        self.items: dict[int, Item] = {}
        self.tasks: dict[int, Task] = {}
        self.commands: dict[int, Command] = {}
        self.cases: dict[int, Case] = {}
        self.repairs: dict[int, Repair] = {}
        self.amendments: dict[int, Amendment] = {}
        self.records: list[Record] = []
        self.new = new
        self._moved: dict[int, Moved] = {}
        self._open: dict[int, Case] = {}
        self._open_by_key: dict[str, int] = {}
        self.load(rows)

    def again(self) -> "Aggregate":
        """The same order for the next transaction: as it stands here, with nothing that happened to it yet."""
        next_ = Aggregate(self.order, (), self.key)
        next_.items, next_.tasks, next_.commands = self.items.copy(), self.tasks.copy(), self.commands.copy()
        next_.cases, next_.repairs, next_.amendments = self.cases.copy(), self.repairs.copy(), self.amendments.copy()
        next_._open, next_._open_by_key = self._open.copy(), self._open_by_key.copy()
        return next_

    def load(self, rows: Iterable[Own]) -> None:
        """Rows as they stand in the database. What a flow alone needs (repairs) comes when it asks for it."""
        for row in rows:
            self._shelf(row)[row.id] = row
            self._keep_open(row)

    def _keep_open(self, row: Any) -> None:
        if isinstance(row, Case):
            if row.state in OPEN_CASE_STATES:
                self._open[row.id] = row
                self._open_by_key[row.case_key] = row.id
            else:
                self._open.pop(row.id, None)

    def _shelf(self, row: Any) -> dict[int, Any]:
        shelf: dict[int, Any] = getattr(self, TABLES[type(row)][1])
        return shelf

    @property
    def size(self) -> int:
        """How many rows belong to the order."""
        own = len(self.items) + len(self.tasks) + len(self.commands) + len(self.cases)
        return own + len(self.repairs) + len(self.amendments)

    def put(self, row: Order | Own, verb: str, why: Why) -> None:
        """Puts a new value in place of the row with its id (or adds it), as one record."""
        thing, shelf = TABLES[type(row)]
        if isinstance(row, Order):
            was: Any = None if self.new and not self.records else self.order
            change = delta(was, row)
            self.order = row
        else:
            own = getattr(self, shelf)
            was = own.get(row.id)
            change = delta(was, row)
            own[row.id] = row
            self._keep(row, was, change)
        self.record(thing, row.id, verb, why, was.state.value if was else "", row.state.value, change)

    def _keep(self, row: Own, was: Own | None, change: Mapping[str, Json]) -> None:
        moved = self._moved.get(row.id)
        if moved is None:
            moved = self._moved[row.id] = Moved(was, row, {})
        moved.now = row
        moved.to.update(change)
        self._keep_open(row)

    def record(
        self,
        thing: str,
        thing_id: int,
        verb: str,
        why: Why,
        was: str = "",
        now: str = "",
        change: Mapping[str, Json] | None = None,
    ) -> None:
        """Adds a record that moves no row of the aggregate (an attempt, a fact that changed nothing, a refusal)."""
        self.records.append(
            Record(
                order_id=self.order.id,
                actor=str(why.actor),
                thing=thing,
                thing_id=thing_id,
                verb=verb,
                was=was,
                now=now,
                delta=change or {},
                reason=why.reason,
                policy_set=why.policy_set,
                rule=why.rule,
                evidence=why.evidence,
                causation=why.causation,
                facts=why.facts,
            )
        )

    def refuse(self, thing: str, thing_id: int, verb: str, refusal: Refusal, why: Why) -> None:
        """Records a refusal: nothing changes, and it is seen."""
        facts = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint, **why.facts}
        self.record(thing, thing_id, f"refuse_{verb}", replace(why, reason=refusal.what, facts=facts))

    @property
    def open_cases(self) -> list[Case]:
        """Cases that are not ended."""
        return list(self._open.values())

    def open_case(self, case_key: str) -> Case | None:
        """The open case of a case key."""
        return self._open.get(self._open_by_key.get(case_key, 0))

    def current(self, task_id: int) -> Command | None:
        """The command that speaks for a task: the newest that is not a query."""
        own = [c for c in self.commands.values() if c.task_id == task_id and c.purpose is not Purpose.QUERY]
        return max(own, key=lambda c: (c.n, c.id), default=None)

    def is_new(self, number: int) -> bool:
        """Whether a row is of this transaction."""
        return number in self._moved and self._moved[number].was is None

    def changed(self) -> list["Moved"]:
        """Every row of the order that differs from what was loaded, the order itself left out."""
        return [moved for moved in self._moved.values() if moved.was is None or moved.to]


class Kept:
    """Orders with all that belongs to them as this process left them. Every change of any of it is a record of the
    order, so what was kept is what stands there for as long as the order's last record is the same.
    """

    def __init__(self) -> None:
        self._orders: OrderedDict[int, Aggregate] = OrderedDict()

    def get(self, order_id: int, last_digest: str) -> Aggregate | None:
        """The order and its things, if this is the digest of its last record still."""
        known = self._orders.get(order_id)
        return known.again() if known is not None and known.order.last_digest == last_digest else None

    def keep(self, aggregates: Iterable[Aggregate]) -> None:
        """What was committed is kept; of much the orders that were not seen for the longest time are forgotten."""
        for aggregate in aggregates:
            if aggregate.size <= KEPT_ROWS_MAX:
                self._orders[aggregate.order.id] = aggregate
                self._orders.move_to_end(aggregate.order.id)
        while len(self._orders) > KEPT_ORDERS_MAX:
            self._orders.popitem(last=False)


@dataclass(slots=True)
class Pages:
    """What a transaction collected beside the aggregates: loose records, agenda, and append-only rows."""

    loose: list[Record] = field(default_factory=list)
    loose_cases: dict[int, tuple[Case | None, Case]] = field(default_factory=dict)
    clear: set[tuple[str, int]] = field(default_factory=set)
    file: dict[tuple[str, int], Entry] = field(default_factory=dict)
    evidence: list[tuple[Evidence, bytes]] = field(default_factory=list)
    attempts: list[tuple[Any, ...]] = field(default_factory=list)
    outcomes: list[tuple[Any, ...]] = field(default_factory=list)
    personal: list[tuple[int, str, bytes, str]] = field(default_factory=list)
    keys: list[tuple[int, bytes]] = field(default_factory=list)


def chain_of(order: Order) -> Chain:
    """Where the order's own chain stands."""
    return Chain(
        order.version, order.last_lane, order.last_seq, order.last_digest, order.last_at if order.version else None
    )


def chained(order: Order, chain: Chain) -> Order:
    """The order with its chain moved forward."""
    return replace(
        order,
        version=chain.version,
        last_lane=chain.lane,
        last_seq=chain.seq,
        last_digest=chain.digest,
        last_at=chain.last_at or order.last_at,
    )


def written(before: StoredSignal | StoredReport, after: StoredSignal | StoredReport) -> dict[str, Any]:
    """One entry of a set-based write of what came from outside."""
    return Moved(before, after, changes(before, after)).entry()


def evidence_fact(evidence: Evidence) -> Json:
    """What a record says of a piece of evidence, enough to prove it later."""
    return {
        "id": evidence.id,
        "digest": evidence.digest,
        "sealed": evidence.sealed_digest,
        "row": row_digest({name: getattr(evidence, name) for name in EVIDENCE_COLUMNS}),
    }


def row_digest(row: Mapping[str, Any] | Sequence[Any]) -> str:
    """The digest of an append-only row, as it stands in the record that added it."""
    return digest(canonical(dict(row) if isinstance(row, Mapping) else list(row))).hex()


def must_be(found: Any | None, what: str) -> Any:
    """A row that must be there under the lock."""
    if found is None:
        raise Bug(f"{what} is not there under the lock of its order")
    return found


InboxRow = Inbox

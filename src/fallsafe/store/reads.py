"""Reading for the doors: lists of cases and orders, the whole file of one case or order, coverage. Nothing here locks
or changes.

The file of an order is read in one statement, so that all its parts are of one version.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.evidence import Evidence
from fallsafe.core.commands.ledger import Command, Purpose
from fallsafe.core.orders.frozen import BLOCKED_BY, marks_of
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task
from fallsafe.core.repair.amendment import Amendment
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.offered import why_locked
from fallsafe.core.repair.request import Repair
from fallsafe.store.rows import StoredSignal, read_json, read_row
from fallsafe.store.trail import TRAIL_LINES_MAX, BadCursor, JournalLine, line_of_json, thing_trail
from fallsafe.store.tx import Database
from fallsafe.store.work import Entry

R = TypeVar("R")
PAGE_ROWS = 50
PAGE_ROWS_MAX = 200
CURSOR_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """One page of a list. `after` is the cursor of the next page, empty on the last."""

    rows: tuple[R, ...]
    after: str


@dataclass(frozen=True, slots=True)
class SignalView:
    """A signal with the state of the case that it belongs to, and when that was last touched."""

    signal: StoredSignal
    case_state: str | None
    case_touched_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as a list shows it, with what it says of its order, item, task and command (empty or None where it has
    none).
    """

    case: Case
    order_source: str
    order_external_id: str
    order_state: str
    customer_ref: str
    segment: str
    committed_at: datetime | None
    time_zone: str
    item_external_id: str
    item_state: str
    offer: str
    task_step: str
    task_state: str
    command_key: str
    command_state: str
    retries: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending of a command: claimed by `worker` until `lease_until`, under the contract of `contract_set`."""

    command_id: int
    n: int
    at: datetime
    worker: str
    lease_until: datetime
    contract_set: str


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What the outside said once about a command, and how it was read (`disposition`)."""

    id: int
    command_id: int
    attempt: int
    at: datetime
    source: str
    says: str
    reference: str
    raw_code: str
    message: str
    disposition: str
    occurred_at: datetime | None
    evidence: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OrderFile:
    """Everything of one order at one version. `journal` holds its newest records (at most `TRAIL_LINES_MAX`), oldest
    first.
    """

    order: Order
    items: tuple[Item, ...]
    tasks: tuple[Task, ...]
    commands: tuple[Command, ...]
    cases: tuple[Case, ...]
    attempts: tuple[Attempt, ...]
    outcomes: tuple[OutcomeRow, ...]
    evidence: tuple[Evidence, ...]
    agenda: tuple[Entry, ...]
    journal: tuple[JournalLine, ...]
    repairs: tuple[Repair, ...] = ()

    def task(self, task_id: int | None) -> Task | None:
        """The task with this id."""
        return next((t for t in self.tasks if t.id == task_id), None)

    def item(self, item_id: int | None) -> Item | None:
        """The item with this id."""
        return next((i for i in self.items if i.id == item_id), None)

    def command(self, command_id: int | None) -> Command | None:
        """The command with this id."""
        return next((c for c in self.commands if c.id == command_id), None)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case with the whole file of its order (None for a case without one); `evidence`, `agenda` and `journal` are
    those of the order, else of the case.

    `related` are the other open cases of the order.
    """

    case: Case
    file: OrderFile | None
    evidence: tuple[Evidence, ...]
    agenda: tuple[Entry, ...]
    journal: tuple[JournalLine, ...]
    related: tuple[Case, ...]

    @property
    def order(self) -> Order | None:
        """The order of the case."""
        return self.file.order if self.file else None

    @property
    def item(self) -> Item | None:
        """The item that failed."""
        return self.file.item(self.case.item_id) if self.file else None

    @property
    def task(self) -> Task | None:
        """The task that failed."""
        return self.file.task(self.case.task_id) if self.file else None

    @property
    def is_frozen(self) -> bool:
        """Whether its task stands still until somebody lets it go, or its whole order does, or what it has stopped."""
        tasks = self.file.tasks if self.file else ()
        stopped = any(m.get(BLOCKED_BY) == self.case.id for t in tasks for m in marks_of(t.frozen))
        return stopped or any(thing is not None and thing.frozen is not None for thing in (self.task, self.order))

    @property
    def command(self) -> Command | None:
        """The command that failed."""
        return self.file.command(self.case.command_id) if self.file else None

    def why_locked(self, action: RepairAction, actor: Actor, stands: str) -> Iterator[str]:
        """Every reason why somebody may not begin this action for it now; `stands` says why its failure stands."""
        tasks = self.file.tasks if self.file else ()
        return why_locked(
            action,
            self.case,
            self.newest_command,
            actor,
            stands,
            self.is_frozen,
            item=self.item,
            task=self.task,
            tasks=tasks,
            others=self.related,
        )

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """The repairs of the case, oldest first."""
        return tuple(r for r in self.file.repairs if r.case_id == self.case.id) if self.file else ()

    @property
    def findings(self) -> dict[int, str]:
        """What the questions of the order found, by command."""
        commands = self.file.commands if self.file else ()
        return {c.id: c.finding for c in commands if c.purpose is Purpose.QUERY}

    @property
    def newest_command(self) -> Command | None:
        """The command that speaks for the case: the newest of its task, else the one that failed."""
        commands = self.file.commands if self.file else ()
        own = [c for c in commands if c.task_id == self.case.task_id and c.purpose is Purpose.FULFILL]
        return max(own, key=lambda c: (c.n, c.id), default=self.command)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what is live has a time at which it is next looked at (P1).

    `gaps` lack it, the first of them in `first_gaps` (order id, thing, thing id, sentence). `late` entries are
    overdue by more than the look lag;
    `waiting_to_send` are due sends without a free slot, which is their stated reason.
    """

    live: int
    gaps: int
    percent: float
    late: int
    waiting_to_send: int
    first_gaps: tuple[tuple[int, str, int, str], ...]
    at: datetime


async def case_row(database: Database, case_id: int) -> Case | None:
    """The case itself, without what surrounds it."""
    rows = await database.fetch("reads/case", id=case_id)
    return read_row(Case, rows[0]) if rows else None


async def case_file(database: Database, case_id: int) -> CaseFile | None:
    """Everything that a case page shows, or None when there is no such case."""
    file = await _read_file(database, case_id=case_id)
    if file is None:
        case = await case_row(database, case_id)
        return await _loose_case_file(database, case) if case is not None else None
    (case,) = (c for c in file.cases if c.id == case_id)
    related = tuple(c for c in file.cases if c.id != case_id and c.state in OPEN_CASE_STATES)
    return CaseFile(case, file, file.evidence, file.agenda, file.journal, related)


@dataclass(frozen=True, slots=True)
class Mended:
    """What was done about a case: the actions that were run for it (`done`), and of each action how often it was run
    for failures of its fingerprint and how often that was proved to help (`success`).
    """

    done: frozenset[str]
    success: Mapping[str, tuple[int, int]]


async def mended(database: Database, file: CaseFile) -> Mended:
    """What was done about a case and its like."""
    done = frozenset(r.action for r in file.repairs if r.run_at is not None)
    rows = await database.fetch("reads/success_of_fingerprint", fingerprint=file.case.fingerprint)
    return Mended(done, {row["action"]: (row["ran"], row["proved"]) for row in rows})


async def amendments_found(database: Database, state: str, order_id: int, before: int, limit: int) -> list[Amendment]:
    """Requests to change the deal, newest first: of one state ("" = any) and one order (0 = any)."""
    rows = await database.fetch("reads/amendments", state=state, order_id=order_id, before=before, limit=limit)
    return [read_row(Amendment, row) for row in rows]


async def _loose_case_file(database: Database, case: Case) -> CaseFile:
    journal = await thing_trail(database, "case", case.id)
    named = sorted({i for line in journal for i in line.evidence})
    rows = await database.fetch("reads/evidence_of_ids", ids=named) if named else []
    agenda = await database.fetch("reads/agenda_of_thing", id=case.id)
    return CaseFile(
        case, None, tuple(read_row(Evidence, r) for r in rows), tuple(_entry(r) for r in agenda), journal, ()
    )


async def order_file(database: Database, order_id: int) -> OrderFile | None:
    """Everything of one order, or None when there is no such order."""
    return await _read_file(database, order_id=order_id)


async def _read_file(
    database: Database, *, order_id: int | None = None, case_id: int | None = None
) -> OrderFile | None:
    found = await database.fetch("reads/order_file", id=order_id, case_id=case_id, lines=TRAIL_LINES_MAX)
    if not found:
        return None
    (row,) = found

    def parts(kind: type[R], name: str) -> tuple[R, ...]:
        return tuple([read_json(kind, each) for each in row[name]])

    return OrderFile(
        order=read_json(Order, row["order"]),
        items=parts(Item, "items"),
        tasks=parts(Task, "tasks"),
        commands=parts(Command, "commands"),
        cases=parts(Case, "cases"),
        repairs=parts(Repair, "repairs"),
        attempts=parts(Attempt, "attempts"),
        outcomes=parts(OutcomeRow, "outcomes"),
        evidence=parts(Evidence, "evidence"),
        agenda=parts(Entry, "agenda"),
        journal=tuple([line_of_json(each) for each in row["journal"]]),
    )


async def order_by_external(database: Database, source: str, external_id: str) -> Order | None:
    """The order that a source calls `external_id`."""
    rows = await database.fetch("reads/order_by_external", source=source, external_id=external_id)
    return read_row(Order, rows[0]) if rows else None


async def orders(
    database: Database,
    *,
    source: str | None = None,
    externals: Sequence[str] = (),
    states: Sequence[str] = (),
    customer_ref: str | None = None,
    after: str = "",
    limit: int = PAGE_ROWS,
) -> Page[Order]:
    """Orders, newest first. Raises `BadCursor`."""
    _, last = _split(after)
    rows = await database.fetch(
        "reads/orders",
        source=source,
        externals=list(externals) or None,
        states=list(states) or None,
        customer_ref=customer_ref,
        after_id=last,
        limit=limit + 1,
    )
    return _page(rows, limit, lambda row: read_row(Order, row), lambda row: (None, row["id"]))


async def signals(
    database: Database,
    *,
    source: str | None = None,
    states: Sequence[str] = (),
    order_id: int | None = None,
    case_id: int | None = None,
    after: str = "",
    limit: int = PAGE_ROWS,
    signal_id: int | None = None,
) -> Page[SignalView]:
    """Signals from outside, newest first. Raises `BadCursor`."""
    _, last = _split(after)
    rows = await database.fetch(
        "reads/signals",
        id=signal_id,
        source=source,
        states=list(states) or None,
        order_id=order_id,
        case_id=case_id,
        after_id=last,
        limit=limit + 1,
    )
    return _page(
        rows,
        limit,
        lambda row: SignalView(read_row(StoredSignal, row), row["case_state"], row["case_touched_at"]),
        lambda row: (None, row["id"]),
    )


async def order_of_task(database: Database, task_id: int) -> int | None:
    """The id of the order that a task belongs to."""
    rows = await database.fetch("reads/order_of_task", id=task_id)
    return rows[0]["order_id"] if rows else None


async def order_of_command(database: Database, command_id: int) -> int | None:
    """The id of the order that a command belongs to."""
    rows = await database.fetch("reads/order_of_command", id=command_id)
    return rows[0]["order_id"] if rows else None


async def coverage(database: Database, look_lag_max: timedelta) -> Coverage:
    """Coverage now, counted anew. Entries overdue by more than `look_lag_max` are late."""
    now: datetime = (await database.fetch("tx/now"))[0]["clock_timestamp"]
    row = (await database.fetch("reads/coverage", late=now - look_lag_max))[0]
    live = row["tasks"] + row["cases"] + row["orders"] + row["items"]
    percent = 100.0 if not row["gaps"] else 100.0 * max(live - row["gaps"], 0) / max(live, 1)
    gaps = tuple((g["order_id"], g["thing"], g["thing_id"], g["gap"]) for g in row["first_gaps"])
    return Coverage(live, row["gaps"], percent, row["late"], row["waiting_to_send"], gaps, now)


BESIDE = (
    "order_source",
    "order_external_id",
    "order_state",
    "customer_ref",
    "segment",
    "time_zone",
    "item_external_id",
    "item_state",
    "offer",
    "task_step",
    "task_state",
    "command_key",
    "command_state",
)


def read_case_row(row: Mapping[str, Any]) -> CaseRow:
    """A case of a list from the row of its statement."""
    return CaseRow(
        case=read_row(Case, row),
        committed_at=row["committed_at"],
        retries=row["retries"] or 0,
        **{name: row[name] or "" for name in BESIDE},
    )


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(row["kind"], row["id"], row["order_id"], row["due_at"], row["gate"])


def _page(
    rows: Sequence[Mapping[str, Any]],
    limit: int,
    made: Callable[[Mapping[str, Any]], R],
    place: Callable[[Mapping[str, Any]], Any],
) -> Page[R]:
    kept = rows[:limit]
    return Page(tuple(made(row) for row in kept), _join(place(kept[-1])) if len(rows) > limit else "")


def _join(place: tuple[str | None, int]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _split(after: str) -> tuple[datetime | None, int | None]:
    """Where a page goes on, from its opaque text."""
    if not after:
        return None, None
    try:
        if len(after) > CURSOR_LENGTH_MAX:
            raise BadCursor("the cursor is too long")
        packed = base64.b64decode(after + "=" * (-len(after) % 4), altchars=b"-_", validate=True)
        at, last = msgspec.json.decode(packed, type=tuple[datetime | None, int])
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise BadCursor("the cursor was not given by this product") from error
    if not 0 <= last < 2**63:
        raise BadCursor("the cursor was not given by this product")
    return at, last

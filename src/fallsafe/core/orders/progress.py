"""Whether an active order has a reason to be where it is (§15.1), or which clause is broken and what would unblock it.

Six reasons are good ones. A clause that is broken shows through a good reason: an open case on one item does not
explain why another item, which nothing stops, does not go on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState, still_pending
from fallsafe.core.orders.watched import is_watched

RECENT = timedelta(minutes=15)
LOOK_LAG_MAX = timedelta(seconds=5)


class ReasonKind(StrEnum):
    """The six reasons of §15.1, and `final` for an order that nothing has to move any more."""

    OPEN_CASE = "open_case"
    CUSTOMER_WAIT = "customer_wait"
    EXTERNAL_WAIT = "external_wait"
    IN_TIME = "in_time"
    SCHEDULED = "scheduled"
    RECENTLY_COMPLETED = "recently_completed"
    FINAL = "final"


class Clause(StrEnum):
    """What must hold and does not."""

    DEPENDENCY_DONE = "dependency_done"  # what it waited for is final, and it still waits
    FAILURE_WITHOUT_CASE = "failure_without_case"
    PAST_BREACH = "past_breach"  # silent beyond the time in which somebody had to look
    LOOK_OVERDUE = "look_overdue"  # the look that was due did not come
    NOTHING_SCHEDULED = "nothing_scheduled"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it is where it is; `until` is when that ends by itself or is looked at again, where there is such a time."""

    kind: ReasonKind
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stuck:
    """The clause that is broken, in a sentence, and what would unblock it."""

    clause: Clause
    why: str
    unblock: str
    task_id: int | None = None


class OpenCase(Protocol):
    """What progress reads of an open case."""

    @property
    def id(self) -> int: ...
    @property
    def code(self) -> str: ...
    @property
    def task_id(self) -> int | None: ...
    @property
    def item_id(self) -> int | None: ...


class Sent(Protocol):
    """What progress reads of a command."""

    @property
    def id(self) -> int: ...
    @property
    def task_id(self) -> int: ...
    @property
    def lease_until(self) -> datetime | None: ...


def progress(
    order: Order,
    tasks: Iterable[Task],
    commands: Iterable[Sent],
    open_cases: Iterable[OpenCase],
    agenda_due: datetime | None,
    now: datetime,
    *,
    recent: timedelta = RECENT,
    lag: timedelta = LOOK_LAG_MAX,
) -> Reason | Stuck:
    """The reason of an order, or the clause that is broken. `agenda_due` is its earliest look; `lag` how late that
    may be.
    """
    if order.is_final:
        return Reason(ReasonKind.FINAL, f"the order is {order.state}")
    by_id = {task.id: task for task in tasks}
    cases, leases = tuple(open_cases), {c.task_id: c.lease_until for c in commands if c.lease_until is not None}
    broken = next(_broken(by_id, leases, cases, now - lag), None)
    reason = next(_reasons(order, tuple(by_id.values()), leases, cases, agenda_due, now, recent, lag), None)
    return broken or reason or _no_reason(order, agenda_due)


def _broken(
    tasks: Mapping[int, Task], leases: Mapping[int, datetime], cases: Sequence[OpenCase], late: datetime
) -> Iterator[Stuck]:
    for task in tasks.values():
        name = f"task T-{task.id} ({task.step})"
        if _should_have_gone_on(task, tasks):
            why = f"all that {name} waits for is final, and it still waits"
            yield Stuck(Clause.DEPENDENCY_DONE, why, f"release {name}", task.id)
        elif task.state in NEEDS_A_CASE and not _has_case(task, tasks, cases):
            why = f"{name} is {task.state} and no case says so"
            yield Stuck(Clause.FAILURE_WITHOUT_CASE, why, f"open the case of {name}", task.id)
        elif (until := _in_time_until(task, leases)) is not None and until < late and not _has_case(task, tasks, cases):
            why = f"{name} is {task.state} and has been silent since {until:%Y-%m-%d %H:%M:%S} UTC"
            yield Stuck(Clause.PAST_BREACH, why, f"find out what became of {name}", task.id)


def _should_have_gone_on(task: Task, tasks: Mapping[int, Task]) -> bool:
    """Whether nothing stops a task that waits. What another engine has not begun yet is its turn."""
    waits = task.state is TaskState.PLANNED and not task.frozen and not is_watched(task)
    return waits and still_pending(task, tasks) == 0


def _reasons(
    order: Order,
    tasks: Sequence[Task],
    leases: Mapping[int, datetime],
    cases: Sequence[OpenCase],
    agenda_due: datetime | None,
    now: datetime,
    recent: timedelta,
    lag: timedelta,
) -> Iterator[Reason]:
    for case in cases:
        yield Reason(ReasonKind.OPEN_CASE, f"case F-{case.id} ({case.code}) is open", agenda_due)
    for task in tasks:
        yield from _waits(task)
    for task in tasks:
        until = _in_time_until(task, leases)
        if until is not None and until >= now - lag:
            yield Reason(ReasonKind.IN_TIME, f"task T-{task.id} ({task.step}) is {task.state} and in time", until)
    if agenda_due is not None and agenda_due >= now - lag:
        yield Reason(ReasonKind.SCHEDULED, "its next action is scheduled", agenda_due)
    done = max((t.completed_at for t in tasks if t.completed_at is not None), default=None)
    if done is not None and done >= now - recent:
        yield Reason(ReasonKind.RECENTLY_COMPLETED, "a task was completed a moment ago", done + recent)


def _waits(task: Task) -> Iterator[Reason]:
    party = task.waiting.get("for") if isinstance(task.waiting, Mapping) else None
    if task.state in FINAL_TASK_STATES or not isinstance(party, str):
        return
    kind = ReasonKind.CUSTOMER_WAIT if party == "customer" else ReasonKind.EXTERNAL_WAIT
    window = task.waiting.get("window") if isinstance(task.waiting, Mapping) else None
    what = f"the end of {window}" if window else party.replace("_", " ")
    yield Reason(kind, f"task T-{task.id} ({task.step}) waits for {what}")


def _no_reason(order: Order, agenda_due: datetime | None) -> Stuck:
    if agenda_due is None:
        why = f"order O-{order.id} has no open case, nothing that is waited for, and no next look"
        return Stuck(Clause.NOTHING_SCHEDULED, why, "schedule a look at it, and find out which step lost it")
    why = f"the look at order O-{order.id} that was due at {agenda_due:%Y-%m-%d %H:%M:%S} UTC did not come"
    return Stuck(Clause.LOOK_OVERDUE, why, "see whether workers run: fallsafe doctor")


NEEDS_A_CASE = frozenset({TaskState.FAILED, TaskState.UNKNOWN, TaskState.UNDO_FAILED, TaskState.UNDO_UNKNOWN})


def _in_time_until(task: Task, leases: Mapping[int, datetime]) -> datetime | None:
    """Until when silence of an active task is normal; None where nothing is waited for."""
    match task.state:
        case TaskState.SENDING | TaskState.UNDOING:
            return leases.get(task.id, task.breach_at)
        case TaskState.WAITING_CALLBACK | TaskState.HANDED_OVER:
            return task.breach_at
        case TaskState.PLANNED | TaskState.READY if is_watched(task):
            return task.breach_at
        case _:
            return None


def _has_case(task: Task, tasks: Mapping[int, Task], cases: Sequence[OpenCase]) -> bool:
    """Whether an open case speaks for the task: its own, its item's, or that of something it waits for."""
    before = _all_before(task, tasks)
    return any(c.task_id in before or (c.task_id is None and c.item_id == task.item_id) for c in cases)


def _all_before(task: Task, tasks: Mapping[int, Task]) -> set[int]:
    reached, front = {task.id}, [task.id]
    while front:
        new = {b for t in front for b in tasks[t].depends_on if b in tasks} - reached
        reached |= new
        front = list(new)
    return reached

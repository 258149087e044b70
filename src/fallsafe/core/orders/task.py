"""A task: one step of an order's plan, its policy, and its state (§6.2, §12.2, `model`).

For tasks that a system executes the state is a function of the task's commands
(`fallsafe.core.commands.ledger.TASK_STATE_OF`) and is never set otherwise; the verbs below are the task's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fallsafe.core.events import Json


class TaskState(StrEnum):
    """Where one step stands."""

    PLANNED = "planned"
    READY = "ready"
    SENDING = "sending"
    WAITING_CALLBACK = "waiting_callback"
    UNKNOWN = "unknown"
    COMPLETED = "completed"
    FAILED = "failed"
    PARKED = "parked"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    HANDED_OVER = "handed_over"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_UNKNOWN = "undo_unknown"
    UNDO_FAILED = "undo_failed"


FINAL_TASK_STATES = frozenset({TaskState.COMPLETED, TaskState.SKIPPED, TaskState.CANCELLED, TaskState.UNDONE})

T = TaskState
TASK_LIFECYCLE: dict[tuple[TaskState, str], TaskState] = {
    (T.PLANNED, "dependencies_met"): T.READY,
    (T.READY, "park"): T.PARKED,
    (T.PARKED, "release"): T.READY,
    (T.PLANNED, "skip"): T.SKIPPED,
    (T.READY, "skip"): T.SKIPPED,
    (T.PARKED, "skip"): T.SKIPPED,
    (T.FAILED, "skip"): T.SKIPPED,
    (T.PLANNED, "cancel"): T.CANCELLED,
    (T.READY, "cancel"): T.CANCELLED,
    (T.PARKED, "cancel"): T.CANCELLED,
    (T.FAILED, "cancel"): T.CANCELLED,
    (T.FAILED, "repair"): T.READY,  # by a new command
    (T.COMPLETED, "undo"): T.UNDOING,
    (T.UNDONE, "redo"): T.READY,  # by a new command
    (T.READY, "hand_over"): T.HANDED_OVER,  # manual, external
    (T.HANDED_OVER, "done"): T.COMPLETED,
    (T.HANDED_OVER, "fail"): T.FAILED,
}


@dataclass(frozen=True, slots=True)
class Task:
    """One step of one item. `step` is its name in the plan, `pending` counts predecessors that are not final, `next`
    are its dependants.

    `expected_at`, `warning_at` and `breach_at` count from the anchor of its type. `reference` is what the other system
    calls the result, `reported` what its engine last said of it, where another engine executes it.
    """

    id: int
    order_id: int
    item_id: int
    step: str
    type: str
    system: str
    operation: str
    executor: str
    mandatory: bool
    state: TaskState
    pending: int
    depends_on: tuple[int, ...]
    next: tuple[int, ...]
    undo: str
    ponr: str
    ready_at: datetime | None
    sent_at: datetime | None
    accepted_at: datetime | None
    completed_at: datetime | None
    expected_at: datetime | None
    warning_at: datetime | None
    breach_at: datetime | None
    valid_until: datetime | None
    reference: str
    result: Json
    waiting: Json
    frozen: Json
    reported: Json = None


Dated = Callable[[Mapping[str, Json]], datetime | None]
"""The facts of an order → a date of the world outside; None where no fact says it."""
CUT_OFF = "cut_off"
"""The anchor of what counts from the next cut-off of its system."""


@dataclass(frozen=True, slots=True)
class TaskType:
    """Policy of a task type (§6.2): durations from an anchor, what happens at breach, undo, point of no return, owner.

    `anchor` is `ready`, `sent` or `accepted`, or the name of a date of the world outside, which `dated` finds among the
    facts of the order; durations are already divided by the time scale. `ponr` is `none`, `soft` or `hard`; where it
    comes with time, `ponr_dated` finds the date and `ponr_before` says how long before that. `renew` is the type of
    task that makes the effect last, `renew_before` how long before it lapses.
    """

    name: str
    title: str
    system: str
    operation: str
    executor: str
    anchor: str
    expected: timedelta
    warning: timedelta
    breach: timedelta
    at_breach: str
    undo: str
    ponr: str
    valid: timedelta | None
    owner: str
    dated: Dated | None = None
    ponr_dated: Dated | None = None
    ponr_before: timedelta = timedelta(0)
    renew: str = ""
    renew_before: timedelta = timedelta(0)


def no_return_at(task: Task, kind: TaskType, facts: Mapping[str, Json]) -> datetime | None:
    """From when the effect of a task cannot be taken back, or only at a cost (`ponr` says which of the two): the date
    that its type names, before that by as much as it says; else when a hard one was done. None where it always can be,
    or where no time is known.
    """
    if kind.ponr == "none":
        return None
    if kind.ponr_dated is not None and (date := kind.ponr_dated(facts)) is not None:
        return date - kind.ponr_before
    return task.completed_at if kind.ponr == "hard" else None


class WayBack(StrEnum):
    """Whether an effect that exists can still be taken back."""

    FREE = "free"
    AT_A_COST = "at_a_cost"
    NONE = "none"


def way_back(task: Task, kind: TaskType, facts: Mapping[str, Json], now: datetime) -> tuple[WayBack, datetime | None]:
    """What the point of no return decides about an effect now, and from when on it does or will: before it the way back
    is free, after a soft one it costs, after a hard one there is none. A hard one of which no time is known is past.
    """
    since = no_return_at(task, kind, facts)
    if kind.ponr == "none" or (since is not None and now < since):
        return WayBack.FREE, since
    return (WayBack.NONE if kind.ponr == "hard" else WayBack.AT_A_COST), since


def is_frozen(task: Task, tasks: Mapping[int, Task]) -> bool:
    """Whether a task stands still until somebody has verified what there is: it itself, or something that it waits
    for. `tasks` are those of the order by id.
    """
    return bool(task.frozen) or any(tasks[before].frozen for before in task.depends_on)


SUPPLIER = "supplier"
"""Whom a task waits for that another side has accepted and given a date for."""


def supplied_at(task: Task) -> datetime | None:
    """The date that the other side gave for a task that it still has; None where it gave none."""
    waiting = task.waiting if isinstance(task.waiting, Mapping) else {}
    if waiting.get("for") != SUPPLIER or task.state is not TaskState.WAITING_CALLBACK:
        return None
    return datetime.fromisoformat(str(waiting["until"]))


HELD_ITEMS = "held_items"


def waiting_for_held(items: tuple[str, ...]) -> Json:
    """What `Task.waiting` says of a planned task that must wait for items that could not be planned; None for none."""
    return {"for": HELD_ITEMS, "items": [*items]} if items else None


def still_pending(task: Task, tasks: Mapping[int, Task]) -> int:
    """How many things a planned task still waits for: predecessors that are not final, and held items that have no
    tasks yet.

    At zero it is ready; before a held item is planned it never is. `tasks` are those of the order by id.
    """
    held = (
        task.waiting.get("items")
        if isinstance(task.waiting, Mapping) and task.waiting.get("for") == HELD_ITEMS
        else None
    )
    open_before = sum(1 for before in task.depends_on if tasks[before].state not in FINAL_TASK_STATES)
    return open_before + (len(held) if isinstance(held, list) else 0)

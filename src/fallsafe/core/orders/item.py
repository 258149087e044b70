"""An item of an order: what is to be added, changed or removed, and its state derived from its tasks and open cases
(§4).
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fallsafe.core.events import Json
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState


class ItemState(StrEnum):
    """TM Forum's names. *Blocked* (a case stops it) is `held`."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    PENDING = "pending"
    HELD = "held"
    IN_PROGRESS = "in_progress"
    ASSESSING_CANCELLATION = "assessing_cancellation"
    PENDING_CANCELLATION = "pending_cancellation"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Item:
    """One line, nested by `parent_id`. Money is in minor units of `currency`. `hold_code` says why an item without
    tasks waits (`PRODUCT_MAPPING_MISSING`).
    """

    id: int
    order_id: int
    external_id: str
    parent_id: int | None
    action: str
    offer: str
    quantity: int
    place: Json
    characteristics: Json
    one_off_minor: int
    monthly_minor: int
    currency: str
    term_months: int
    regulated: bool
    existing_service: str
    state: ItemState
    hold_code: str


MONTHS_OF_ORDER_VALUE = 12


class Priced(Protocol):
    """A line with its amounts, in minor units, as agreed for its whole quantity."""

    @property
    def one_off_minor(self) -> int: ...
    @property
    def monthly_minor(self) -> int: ...


def one_off_minor(items: Iterable[Priced]) -> int:
    """The sum of the one-off amounts."""
    return sum(i.one_off_minor for i in items)


def monthly_minor(items: Iterable[Priced]) -> int:
    """The sum of the monthly amounts."""
    return sum(i.monthly_minor for i in items)


def order_value_minor(items: Iterable[Priced]) -> int:
    """What an order is worth (§5.3): the one-off amounts and a year of the monthly ones."""
    return sum(i.one_off_minor + MONTHS_OF_ORDER_VALUE * i.monthly_minor for i in items)


FINAL_ITEM_STATES = frozenset({ItemState.REJECTED, ItemState.CANCELLED, ItemState.COMPLETED, ItemState.FAILED})

# Moved by decisions (a refusal, a give-up, a cancellation), never by counting tasks; only a decision takes them back.
DECIDED_ITEM_STATES = frozenset(
    {
        ItemState.REJECTED,
        ItemState.FAILED,
        ItemState.CANCELLED,
        ItemState.ASSESSING_CANCELLATION,
        ItemState.PENDING_CANCELLATION,
    }
)


def derive_state(
    item: Item, tasks: Iterable[Task], children: Iterable["Item"], blocked: bool, stopped: Set[int] = frozenset()
) -> ItemState:
    """The state that its own tasks, its children and open cases give.

    `tasks` are its own, `blocked` is whether an open case stops one of them or something that one of them waits for,
    `stopped` are those tasks that have an open case of their own: one that is ready is not sent before it is solved.
    While one of its own tasks can move it is in progress; it is completed only when every mandatory task is completed
    or skipped with a reason (§6.3) and nothing below it is open. `failed` is never derived: giving up is a decision.
    """
    if item.state in DECIDED_ITEM_STATES:
        return item.state
    if item.action == "noChange":
        return ItemState.COMPLETED
    if item.hold_code:
        return ItemState.HELD
    own, below = [t for t in tasks if _counts(t)], {child.state for child in children}
    if not own and not below:
        return item.state  # not planned yet: nothing says more than what is known
    if any(t.state in _MOVING and not (t.state is TaskState.READY and t.id in stopped) for t in own):
        return ItemState.IN_PROGRESS
    if not all(t.state in FINAL_TASK_STATES for t in own):
        return _stopped(own, below, blocked)
    return _ended(own, below)


def _counts(task: Task) -> bool:
    """An optional task that has failed holds nothing up; one that is under way or unknown still does."""
    return task.mandatory or task.state not in _GIVEN_UP


def _stopped(own: Iterable[Task], below: set[ItemState], blocked: bool) -> ItemState:
    """None of its own tasks can move: pending when the customer is waited for, held when something stops them."""
    tasks = list(own)
    if any(_waits_for_customer(t) for t in tasks):
        return ItemState.PENDING
    if blocked or any(t.state in _STOPPED for t in tasks):
        return ItemState.HELD
    return ItemState.HELD if ItemState.HELD in below and ItemState.IN_PROGRESS not in below else ItemState.IN_PROGRESS


def _ended(own: Iterable[Task], below: set[ItemState]) -> ItemState:
    """Its own tasks are final: what is below decides, then how they ended."""
    for live in (ItemState.IN_PROGRESS, ItemState.PENDING, ItemState.HELD):
        if live in below:
            return live
    if not below <= FINAL_ITEM_STATES:
        return ItemState.IN_PROGRESS
    mandatory = [t for t in own if t.mandatory]
    if all(t.state in _FULFILLED for t in mandatory):
        return ItemState.COMPLETED
    # Cancelled only when no effect is left: what was completed and could be undone still has to be.
    left = any(t.state is TaskState.COMPLETED and t.undo not in NO_UNDO for t in mandatory)
    return ItemState.HELD if left else ItemState.CANCELLED


def _waits_for_customer(task: Task) -> bool:
    return isinstance(task.waiting, Mapping) and task.waiting.get("for") == "customer"


NO_UNDO = ("", "none")
_STOPPED = frozenset(
    {TaskState.FAILED, TaskState.UNKNOWN, TaskState.PARKED, TaskState.UNDO_FAILED, TaskState.UNDO_UNKNOWN}
)
_FULFILLED = frozenset({TaskState.COMPLETED, TaskState.SKIPPED})
_GIVEN_UP = frozenset({TaskState.FAILED, TaskState.UNDO_FAILED})
_MOVING = frozenset(
    {TaskState.READY, TaskState.SENDING, TaskState.WAITING_CALLBACK, TaskState.HANDED_OVER, TaskState.UNDOING}
)

"""An item of an order: what is to be added, changed or removed, and its state derived from its tasks and open cases
(§4).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fallsafe.core.events import Json
from fallsafe.core.orders.task import Task, TaskState


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


def derive_state(item: Item, tasks: Iterable[Task], children: Iterable["Item"], blocked: bool) -> ItemState:
    """The state that its tasks, its children and open cases give.

    `blocked` is whether an open case stops one of its tasks. A child that is held holds its parent once nothing else
    can go on.
    """
    if item.action == "noChange":
        return ItemState.COMPLETED
    own = [t for t in tasks if t.mandatory or t.state not in _DONE]
    if item.hold_code:
        return ItemState.HELD
    below = {child.state for child in children}
    if all(t.state in _DONE for t in own) and below <= {ItemState.COMPLETED, ItemState.CANCELLED}:
        return ItemState.COMPLETED
    can_go_on = any(t.state in _MOVING for t in own) or ItemState.IN_PROGRESS in below
    if can_go_on:
        return ItemState.HELD if blocked and not any(t.state in _MOVING for t in own) else ItemState.IN_PROGRESS
    return ItemState.HELD if blocked or ItemState.HELD in below else ItemState.IN_PROGRESS


_DONE = frozenset({TaskState.COMPLETED, TaskState.SKIPPED, TaskState.CANCELLED, TaskState.UNDONE})
_MOVING = frozenset({TaskState.READY, TaskState.SENDING, TaskState.WAITING_CALLBACK, TaskState.HANDED_OVER})

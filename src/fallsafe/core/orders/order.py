"""The order as it was agreed, and where it stands: a phase moved by verbs, a state derived from its items (§4, TMF622).

`failed` is never derived while anything can be repaired: an item that a case stops is `held`, and so is the order when
no other item can go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.errors import Bug
from fallsafe.core.events import Json
from fallsafe.core.orders.item import Item, ItemState

SHARDS = 64


class Phase(StrEnum):
    """Where the order is as a whole; moved by verbs only."""

    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    RUNNING = "running"
    ASSESSING_CANCELLATION = "assessing_cancellation"
    PENDING_CANCELLATION = "pending_cancellation"
    CANCELLED = "cancelled"


class OrderState(StrEnum):
    """TM Forum's names for the state of a product order (TMF622)."""

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
    PARTIAL = "partial"


FINAL_ORDER_STATES = frozenset(
    {OrderState.REJECTED, OrderState.CANCELLED, OrderState.COMPLETED, OrderState.FAILED, OrderState.PARTIAL}
)

PHASE_LIFECYCLE: dict[tuple[Phase, str], Phase] = {
    (Phase.ACKNOWLEDGED, "start"): Phase.RUNNING,
    (Phase.ACKNOWLEDGED, "reject"): Phase.REJECTED,
    (Phase.RUNNING, "assess_cancellation"): Phase.ASSESSING_CANCELLATION,
    (Phase.ASSESSING_CANCELLATION, "refuse_cancellation"): Phase.RUNNING,
    (Phase.ASSESSING_CANCELLATION, "accept_cancellation"): Phase.PENDING_CANCELLATION,
    (Phase.PENDING_CANCELLATION, "cancel"): Phase.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Order:
    """One order of one source. Times are UTC; `time_zone` is the zone in which its dates were promised.

    Dates are kept apart: `requested_at` what the customer asked, `committed_first_at` and `committed_at` what was
    promised first and now, `supplier_at` what a partner says, `forecast_at` what we expect, `actual_at` when it was
    done. `snapshot` is the accepted commercial content with personal values replaced by references; `fingerprint` its
    digest, which never changes. `version` is gapless: each journal record of the order raises it by one. `reported` is
    what the engine that executes it last said of it as a whole; None where we execute it ourselves.
    """

    id: int
    source: str
    external_id: str
    phase: Phase
    state: OrderState
    version: int
    received_at: datetime
    last_at: datetime
    policy_set: str
    time_zone: str
    customer_ref: str
    segment: str
    priority: int
    vulnerable: bool
    test: bool
    channel: str
    region: str
    catalog_version: str
    requested_at: datetime | None
    committed_first_at: datetime | None
    committed_at: datetime | None
    supplier_at: datetime | None
    forecast_at: datetime | None
    actual_at: datetime | None
    snapshot: Json
    fingerprint: str
    quote: Json
    approvals: Json
    parties: Json
    links: Json
    correlation_id: str
    traceparent: str
    frozen: Json
    last_lane: int
    last_seq: int
    last_digest: str
    reported: Json = None

    @property
    def shard(self) -> int:
        """The share of work that the order belongs to."""
        return shard_of(self.id)

    @property
    def is_final(self) -> bool:
        """Whether nothing will move this order any more."""
        return self.state in FINAL_ORDER_STATES


def shard_of(order_id: int) -> int:
    """Shard of an order, or of a thing without one by its own id."""
    return order_id % SHARDS


# The first of these that any item is in is what the order is (TMF622).
_LIVE = (
    (
        frozenset({ItemState.IN_PROGRESS, ItemState.ASSESSING_CANCELLATION, ItemState.PENDING_CANCELLATION}),
        OrderState.IN_PROGRESS,
    ),
    (frozenset({ItemState.PENDING}), OrderState.PENDING),
    (frozenset({ItemState.HELD}), OrderState.HELD),
    (frozenset({ItemState.ACKNOWLEDGED}), OrderState.IN_PROGRESS),
)


def derive_state(phase: Phase, items: Iterable[Item]) -> OrderState:
    """The state that the phase and all items, of whatever depth, give.

    While one item can progress the order is in progress; it is held only when an item is held and no other can go on,
    and it is never failed while anything can still be repaired. Raises `Bug` for an order without items.
    """
    if phase is not Phase.RUNNING:
        return OrderState(phase.value)
    states = {item.state for item in items}
    for live, state in _LIVE:
        if live & states:
            return state
    return _derive_final(states)


def _derive_final(states: set[ItemState]) -> OrderState:
    """All items are final. A cancelled one beside others is left out; one that was refused counts as failed beside
    others.
    """
    if not states:
        raise Bug("an order without items has no state")
    rest = states - {ItemState.CANCELLED} or states
    if len(rest) == 1:
        return OrderState(rest.pop().value)
    return OrderState.PARTIAL if ItemState.COMPLETED in rest else OrderState.FAILED

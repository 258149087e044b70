"""The fallout case: a managed state of its own, beside order, item and task (§2, §3).

One open case per case key; duplicates of one failure join it. A consequence never opens beside its cause.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.events import Json


class CaseState(StrEnum):
    """From detection to closing (§3)."""

    DETECTED = "detected"
    CLASSIFIED = "classified"
    ASSIGNED = "assigned"
    DIAGNOSING = "diagnosing"
    REPAIRING = "repairing"
    REVALIDATING = "revalidating"
    RESOLVED = "resolved"
    CLOSED = "closed"
    MERGED = "merged"
    WITHDRAWN = "withdrawn"
    NOT_RESOLVED = "not_resolved"


OPEN_CASE_STATES = (
    CaseState.DETECTED,
    CaseState.CLASSIFIED,
    CaseState.ASSIGNED,
    CaseState.DIAGNOSING,
    CaseState.REPAIRING,
    CaseState.REVALIDATING,
)

C = CaseState
CASE_LIFECYCLE: dict[tuple[CaseState, str], CaseState] = {
    (C.DETECTED, "classify"): C.CLASSIFIED,
    (C.CLASSIFIED, "assign"): C.ASSIGNED,
    (C.ASSIGNED, "diagnose"): C.DIAGNOSING,
    (C.DIAGNOSING, "repair"): C.REPAIRING,
    (C.REPAIRING, "revalidate"): C.REVALIDATING,
    (C.REVALIDATING, "fail"): C.DIAGNOSING,
    (C.REVALIDATING, "resolve"): C.RESOLVED,
    **{(state, "heal"): C.RESOLVED for state in OPEN_CASE_STATES},
    **{(state, "merge"): C.MERGED for state in OPEN_CASE_STATES},
    **{(state, "withdraw"): C.WITHDRAWN for state in OPEN_CASE_STATES},
    **{(state, "give_up"): C.NOT_RESOLVED for state in OPEN_CASE_STATES},
    (C.RESOLVED, "close"): C.CLOSED,
    (C.NOT_RESOLVED, "close"): C.CLOSED,
    (C.RESOLVED, "reopen"): C.ASSIGNED,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One failure under management. Money in minor units of `currency`; `reasons` are the terms of the severity;
    `blocked_tasks` counts tasks that wait behind it.

    `policy_set` and `rule` name what classified it; `next_action` is the recommended step. `resolution` is {type,
    verified, evidence}.
    `order_id` 0 is a case without an order (unreadable order, unmatched callback, a database that went back).
    """

    id: int
    order_id: int
    item_id: int | None
    task_id: int | None
    command_id: int | None
    case_key: str
    state: CaseState
    code: str
    domain: str
    cause: str
    recoverability: str
    automation: str
    severity: str
    points: int
    reasons: Json
    owner_group: str
    assignee: str
    system: str
    operation: str
    raw_code: str
    raw_message: str
    fingerprint: str
    detector: str
    occurred_at: datetime
    detected_at: datetime
    touched_at: datetime
    sla_due_at: datetime | None
    customer_impact: str
    amount_minor: int
    currency: str
    message_key: str
    blocked_tasks: int
    occurrences: int
    next_action: str
    waiting_for: Json
    related: Json
    resolution: Json
    rule: str
    policy_set: str


def case_key(order_id: int, thing: int | None, code: str) -> str:
    """What makes two failures one: order, task or item, normalized code."""
    return f"{order_id}/{thing or 0}/{code}"

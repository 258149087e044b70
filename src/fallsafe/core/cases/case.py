"""The fallout case: a managed state of its own, beside order, item and task (§2, §3).

One open case per case key; duplicates of one failure join it. A consequence never opens beside its cause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from fallsafe.core.detect.signal import Detector
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.values import replace


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
    verified, evidence}, `escalated_to` whoever was told because it took too long, `repair` the repair that was run and
    is not proved yet: its name, action and how the case ends by it, `handling` how people pass it on (`handling.py`).
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
    escalated_to: str = ""
    repair: Json = None
    handling: Json = None


def case_key(order_id: int, thing: int | None, code: str) -> str:
    """What makes two failures one: order, task or item, normalized code."""
    return f"{order_id}/{thing or 0}/{code}"


def advance(case: Case, verb: str, at: datetime, **changes: Any) -> Case:
    """The case after `verb`, touched at `at`, with other columns changed beside.

    Raises `Bug` when the table has no such verb for its state; a door asks `lifecycle.may` first.
    """
    return replace(case, state=move(CASE_LIFECYCLE, case.state, verb), touched_at=at, **changes)


WATCHED_FOR = timedelta(days=7)
"""How long a case that ended without a proof is taken up again by the same failure; later that is a new one."""


def is_only_said(case: Case, since: datetime) -> bool:
    """Whether a case ended without a proof, no longer ago than that: it is over as far as somebody says so."""
    said = isinstance(case.resolution, Mapping) and not case.resolution.get("verified")
    return case.state is CaseState.RESOLVED and said and case.touched_at >= since


# Codes by which one doubt shows itself: on the same task they are one failure, however it was noticed.
ONE_DOUBT = frozenset({"UNKNOWN_OUTCOME", "MISSING_CALLBACK", "MISSING_RESPONSE", "DUPLICATE_REQUEST"})
# Codes that say that facts contradict each other: they always get a case of their own, whatever else is open.
CONTRADICTIONS = frozenset(
    {"ABSENCE_WRONG", "CALLBACK_CONFLICT", "DUPLICATE_EFFECT", "ENGINE_CONTRADICTS", "LATE_SUCCESS", "LOOKUP_UNDECIDED"}
)


PERSONS_RULE = "person/"
"""How the rule of a case is called that a person has judged; the repair by which they did follows."""


TOLD = (Detector.PERSON, Detector.SIGNAL)
"""Who says what the product did not see itself."""


def is_told(case: Case) -> bool:
    """Whether a case stands on what a person or another system says, not on what the product saw."""
    return case.detector in [who.value for who in TOLD]


def is_of_the_work(case: Case) -> bool:
    """Whether a case says that the work of its task failed, so that it ends when the work is done or left out. A
    contradiction does not, nor what a person or another system says of the task (which ends as they say), unless it is
    the same doubt, or was repaired by it.
    """
    if case.code in CONTRADICTIONS:
        return False
    return not is_told(case) or case.code in ONE_DOUBT or isinstance(case.repair, Mapping)


def joins(
    open_cases: Iterable[Case], task_id: int | None, code: str, depends_on: Mapping[int, Sequence[int]]
) -> Case | None:
    """The open case that a new failure belongs to: the same doubt about its task, or the failure that it is a
    consequence of.

    A consequence never opens beside its cause: what waits, however far behind, for a task with an open case is stopped
    by that one. None = it is a failure of its own. `depends_on` maps each task of the order to those it waits for.
    """
    if task_id is None or code in CONTRADICTIONS:
        return None
    by_task = {
        case.task_id: case for case in open_cases if case.task_id is not None and case.code not in CONTRADICTIONS
    }
    own = by_task.get(task_id)
    if own is not None:
        return own if own.code == code or {own.code, code} <= ONE_DOUBT else None
    return next((by_task[before] for before in _before(task_id, depends_on) if before in by_task), None)


def _before(task_id: int, depends_on: Mapping[int, Sequence[int]]) -> Iterable[int]:
    """What a task waits for, nearest first."""
    reached: dict[int, None] = {}
    front: list[int] = [task_id]
    while front:
        front = [p for t in front for p in depends_on.get(t, ()) if p not in reached]
        reached.update(dict.fromkeys(front))
    return reached

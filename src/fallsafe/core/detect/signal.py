"""A signal: evidence that something may be wrong, with every reading it had (§6).

It is made from an outcome, a silence past breach, a broken invariant, the stuck scan, or an order that cannot be
planned.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.events import Json


class Detector(StrEnum):
    """Who saw it."""

    OUTCOME = "outcome"
    OVERDUE = "overdue"
    LEASE = "lease"
    PLANNING = "planning"
    INTAKE = "intake"
    CALLBACK = "callback"
    RECONCILER = "reconciler"
    SCANNER = "scanner"
    REWIND = "rewind"
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Signal:
    """One observation. `sign` is the technical sign when there is no raw code (`timeout`, `refused`, `reset`, `silent`,
    `http_500`, `unreadable`, …).

    `spent` says that retries are used up, so that a secondary rule applies. `effect` is whether the operation changes
    something outside.
    """

    detector: Detector
    order_id: int
    item_id: int | None
    task_id: int | None
    command_id: int | None
    system: str
    operation: str
    raw_code: str
    message: str
    sign: str
    effect: bool
    occurred_at: datetime
    detected_at: datetime
    spent: bool = False
    step: str = ""
    offer: str = ""
    evidence: tuple[int, ...] = ()
    facts: Json = None

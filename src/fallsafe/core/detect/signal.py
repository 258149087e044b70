"""A signal: evidence that something may be wrong, with every reading it had (§6).

It is made from an outcome, a silence past breach, a broken invariant, the stuck scan, an order that cannot be planned,
or by somebody outside: a monitor, a comparison of files, a person. One from outside is kept with its bytes, has a life
of its own (`SIGNAL_LIFECYCLE`) and ends when its source says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.events import Json
from fallsafe.core.orders.draft import instant


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
    SIGNAL = "signal"
    ENGINE = "engine"
    PERSON = "person"


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
    source: str = ""


class SignalState(StrEnum):
    """What became of a signal from outside."""

    RECEIVED = "received"  # kept, and not judged yet; its order may still be on its way
    STANDING = "standing"  # it stands, with a case
    CANDIDATE = "candidate"  # judged, and held back: it opens nothing before a person admits it
    UNMATCHED = "unmatched"  # nobody knows its order; a case without an order says so
    ENDED = "ended"  # its source says that it is so no more, or it is what says that of another
    WITHDRAWN = "withdrawn"  # it was none: a false positive


SS = SignalState
SIGNAL_LIFECYCLE: dict[tuple[SignalState, str], SignalState] = {
    (SS.RECEIVED, "join"): SS.STANDING,
    (SS.RECEIVED, "hold_back"): SS.CANDIDATE,
    (SS.RECEIVED, "give_up"): SS.UNMATCHED,
    (SS.RECEIVED, "end"): SS.ENDED,
    (SS.UNMATCHED, "join"): SS.STANDING,  # its order came late
    (SS.UNMATCHED, "hold_back"): SS.CANDIDATE,
    (SS.UNMATCHED, "end"): SS.ENDED,
    (SS.STANDING, "end"): SS.ENDED,
    (SS.STANDING, "withdraw"): SS.WITHDRAWN,
    (SS.CANDIDATE, "join"): SS.STANDING,  # a person admits it
    (SS.CANDIDATE, "end"): SS.ENDED,
    (SS.CANDIDATE, "withdraw"): SS.WITHDRAWN,
}


@dataclass(frozen=True, slots=True)
class SignalDraft:
    """A signal as its source tells it. The order is named by its source and external id, `item` and `step` by what they
    are called there (empty = the order as a whole); `code` is the source's own.

    `ends` names an earlier signal of the same source that is so no more. `looked` is how many orders the source looked
    at to find this (0 = it does not say).
    """

    source: str
    external_id: str
    order_source: str
    order_external_id: str
    item: str
    step: str
    system: str
    operation: str
    code: str
    message: str
    occurred_at: datetime | None
    ends: str
    looked: int

    @property
    def name(self) -> tuple[str, str]:
        """What makes it unique, for life."""
        return self.source, self.external_id


def signal_draft(told: Mapping[str, Json]) -> SignalDraft:
    """The draft of a signal that a door has found to be of the right shape."""
    order = told.get("order")
    at, looked = told.get("occurredAt"), told.get("looked", 0)
    about = order if isinstance(order, Mapping) else {}
    return SignalDraft(
        source=str(told["source"]),
        external_id=str(told["externalId"]),
        order_source=str(about.get("source", "")),
        order_external_id=str(about.get("externalId", "")),
        item=str(told.get("item", "")),
        step=str(told.get("task", "")),
        system=str(told.get("system", "")),
        operation=str(told.get("operation", "")),
        code=str(told.get("code", "")),
        message=str(told.get("message", "")),
        occurred_at=instant(at) if isinstance(at, str) else None,
        ends=str(told.get("ends", "")),
        looked=looked if isinstance(looked, int) else 0,
    )

"""What a scan finds: the kinds, what each means, and the finding itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fallsafe.core.events import Json


class Kind(StrEnum):
    """Kinds of findings, the worst first. Those of `INFORMATION` are no failures."""

    STUCK = "stuck"
    CONTRADICTORY = "contradictory"
    DUPLICATE = "duplicate"
    OVERDUE = "overdue"
    LATE = "late"
    AT_RISK = "at_risk"
    PING_PONG = "ping_pong"
    REOPENED = "reopened"
    PRICE_DIFFERS = "price_differs"
    IMPOSSIBLE_TIME = "impossible_time"
    DISCONTINUED = "discontinued"
    UNFINISHED = "unfinished"


INFORMATION = frozenset({Kind.UNFINISHED, Kind.DISCONTINUED})
"""Facts worth knowing that are no failures by themselves."""

MEANS: Mapping[Kind, str] = {
    Kind.STUCK: "not finished, and none of the six good reasons to be where it is",
    Kind.CONTRADICTORY: "the file says things of it that cannot both be right",
    Kind.DUPLICATE: "the same row, the same work or the same order twice",
    Kind.OVERDUE: "not finished, and its date has passed",
    Kind.LATE: "finished after its date",
    Kind.AT_RISK: "not finished, and at the usual pace it will miss its date",
    Kind.PING_PONG: "handed to and fro between the same groups",
    Kind.REOPENED: "taken up again after it was finished",
    Kind.PRICE_DIFFERS: "sold at another price than the catalog has",
    Kind.IMPOSSIBLE_TIME: "a time that cannot be right",
    Kind.DISCONTINUED: "has a product that is no longer sold",
    Kind.UNFINISHED: "not finished by the time of the scan",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in one order. `since` is when it began, `task_id` the task or line it is about; `reason` is the
    sentence, `facts` what it rests on. `cause` is the same for findings that have the same thing to be mended.
    """

    order_id: str
    kind: Kind
    since: datetime | None
    task_id: str | None
    reason: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    cause: str = ""

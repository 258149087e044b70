"""What the journal holds: one record for every change and every refusal, and its name as an event of the feed (§20).

A record names the thing, the verb, the state before and after, and the delta of every column but counters and agenda,
so that the rows can be folded from the records again. Public events are projections of records: `event_name` is that
table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

Json = str | int | float | bool | None | list["Json"] | Mapping[str, "Json"]

RECORD_FORMAT = 1
NOTHING: Mapping[str, Json] = {}


class Record(NamedTuple):
    """One link of a lane, before it is sealed with its place (lane, seq, digests).

    `order_id` 0 is a thing without an order (policy, person, unmatched callback). `was` and `now` are states, empty
    where the thing has none. `delta` maps column → new value. `evidence` are evidence ids. `causation` is the id of
    what led to it (command, callback, request).
    """

    order_id: int
    actor: str
    thing: str
    thing_id: int
    verb: str
    was: str
    now: str
    delta: Mapping[str, Json]
    reason: str = ""
    policy_set: str = ""
    rule: str = ""
    evidence: tuple[int, ...] = ()
    causation: str = ""
    facts: Mapping[str, Json] = NOTHING


@dataclass(frozen=True, slots=True)
class Placed:
    """A record with its place: lane and seq, the order's version, the time, and what the feed shows of it."""

    lane: int
    seq: int
    version: int
    at: datetime
    record: Record


EVENTS: dict[tuple[str, str], str] = {
    ("order", "acknowledge"): "OrderAcknowledged",
    ("order", "refuse"): "OrderRejected",
    ("order", "complete"): "OrderCompleted",
    ("order", "hand_off"): "AmendmentRequested",
    ("order", "amend"): "OrderAmended",
    ("order", "mark_stuck"): "OrderMarkedStuck",
    ("command", "send"): "CommandSent",
    ("command", "lose"): "UnknownOutcomeDetected",
    ("command", "find_done"): "ExternalStateReconciled",
    ("command", "find_rejected"): "ExternalStateReconciled",
    ("command", "find_pending"): "ExternalStateReconciled",
    ("command", "find_absent"): "ExternalStateReconciled",
    **{(thing, "recover"): "RecoveryDecided" for thing in ("order", "item", "task", "command")},
    ("case", "detect"): "FalloutDetected",
    ("case", "classify"): "FalloutClassified",
    ("case", "assign"): "FalloutAssigned",
    ("case", "transfer"): "FalloutAssigned",
    ("case", "claim"): "FalloutAssigned",
    ("case", "return"): "FalloutAssigned",
    ("case", "lapse"): "FalloutAssigned",
    ("case", "escalate"): "FalloutEscalated",
    ("case", "resolve"): "FalloutResolved",
    ("case", "heal"): "FalloutResolved",
    ("case", "reopen"): "FalloutReopened",
    ("case", "revalidate"): "FalloutRevalidated",
    ("case", "fail"): "FalloutRepairActionFailed",
    ("repair", "check"): "FalloutRepairActionRequested",
    ("repair", "run"): "FalloutRepairActionRequested",
    ("repair", "fail"): "FalloutRepairActionFailed",
}


def event_name(thing: str, verb: str) -> str:
    """The public name of a record: §20's where it has one, else thing and verb in upper camel case (`TaskReady`)."""
    named = EVENTS.get((thing, verb))
    return named or "".join(part.capitalize() for part in f"{thing}_{verb}".split("_"))

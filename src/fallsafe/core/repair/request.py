"""One repair of one case, from its preview to its end (§9): who asked, what was read, who agreed, who ran it, and what
became of it.

The row holds no personal value: what was given is sealed evidence, and old and new of such a value are salted digests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.commands.outcome import Says
from fallsafe.core.events import Json


class RepairState(StrEnum):
    """Where a repair stands as a decision of people. What its command came to is `progress_of`."""

    PREVIEWED = "previewed"
    AWAITED = "awaited"
    APPROVED = "approved"
    DECLINED = "declined"
    VOIDED = "voided"
    CHECKING = "checking"
    RUN = "run"
    FAILED = "failed"


R = RepairState
REPAIR_LIFECYCLE: dict[tuple[RepairState, str], RepairState] = {
    (R.AWAITED, "approve"): R.APPROVED,
    (R.AWAITED, "decline"): R.DECLINED,
    (R.PREVIEWED, "decline"): R.DECLINED,
    (R.APPROVED, "decline"): R.DECLINED,
    (R.PREVIEWED, "void"): R.VOIDED,  # what it read has changed, or its time is over
    (R.AWAITED, "void"): R.VOIDED,
    (R.APPROVED, "void"): R.VOIDED,
    (R.PREVIEWED, "run"): R.RUN,
    (R.APPROVED, "run"): R.RUN,
    (R.PREVIEWED, "check"): R.CHECKING,  # its validations are asked first
    (R.APPROVED, "check"): R.CHECKING,
    (R.CHECKING, "run"): R.RUN,
    (R.CHECKING, "fail"): R.FAILED,
}

WAITING = (R.PREVIEWED, R.AWAITED, R.APPROVED)
"""The states from which it may still be run."""
UNDER_WAY = (R.CHECKING, R.RUN)


@dataclass(frozen=True, slots=True)
class Repair:
    """`hash` binds what was read, the rules that decided and what was given. `reads` are the named values, `preview`
    what it would do, both without personal values. `command_id` is the command that it speaks of or made.
    """

    id: int
    order_id: int
    case_id: int
    action: str
    state: RepairState
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    hash: str
    reads: Json
    preview: Json
    input_evidence_id: int
    reason: str
    approval: Json
    approved_by: str
    approved_at: datetime | None
    run_by: str
    run_at: datetime | None
    command_id: int | None
    ended_because: str
    checks: Json = None


def proves(name: str, resolution: Json) -> bool:
    """Whether a case ended by the repair of this name, verified."""
    ended = resolution if isinstance(resolution, Mapping) else {}
    return ended.get("repair") == name and bool(ended.get("verified"))


def progress_of(repair: Repair, command: Command | None, proved: bool) -> str:
    """How far a repair that was run has come: `requested` (decided here), `sent` (an attempt left), `confirmed` (the
    other side says so), `verified` (the failure stands no more), or `refused` by the other side. `proved` says that its
    case ended verified. While its questions are asked it is requested; empty before it is run.
    """
    if repair.state is not RepairState.RUN:
        return "requested" if repair.state is RepairState.CHECKING else ""
    if proved:
        return "verified"
    if command is None:
        return "confirmed"
    match command.state:
        case CommandState.INTENDED:
            return "sent" if command.attempts else "requested"
        case CommandState.SENDING | CommandState.ACCEPTED | CommandState.UNKNOWN:
            return "sent"
        case CommandState.DONE:
            return "confirmed"
        case CommandState.REJECTED | CommandState.ABSENT | CommandState.SUPERSEDED | CommandState.WITHDRAWN:
            return "refused"


ACCEPTED, CORRECTED = "accepted", "corrected"
"""Of what a repair asks again: of what was agreed to, or of what would be true after it."""
TO_ASK = "to_ask"


def checks_of(repair: Repair, findings: Mapping[int, str]) -> list[tuple[str, str]]:
    """What a repair asks again, each with its result: to_ask, asked, passed, refused or unanswered. `findings` are what
    its questions found, by command.
    """
    kept = repair.preview.get("checks") if isinstance(repair.preview, Mapping) else None
    if not isinstance(repair.checks, list):
        return [(str(title), TO_ASK) for title in kept] if isinstance(kept, list) else []
    asked = [q for q in repair.checks if isinstance(q, Mapping) and q["of"] == CORRECTED]
    return [(str(q["title"]), _result(repair, q["query"], findings)) for q in asked]


def _result(repair: Repair, query: Json, findings: Mapping[int, str]) -> str:
    found = findings.get(query, "") if isinstance(query, int) else ""
    if found:
        return "passed" if found == Says.DONE.value else "refused"
    if not query:
        return TO_ASK
    return "asked" if repair.state is RepairState.CHECKING else "unanswered"


def who_did(repairs: Sequence[Repair], case_id: int, since: datetime) -> Repair | None:
    """The repair of a case that somebody ran after a moment: what another operator is told."""
    ran = [
        r
        for r in repairs
        if r.case_id == case_id and r.state in UNDER_WAY and r.run_at is not None and r.run_at >= since
    ]
    return max(ran, key=lambda r: r.run_at or since, default=None)

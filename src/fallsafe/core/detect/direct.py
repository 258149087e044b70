"""Direct detection (§6.1): from what an attempt brought, or did not bring, to a signal, in the transaction of the
outcome itself.
"""

from datetime import datetime

from fallsafe.core.commands.contract import Operation
from fallsafe.core.commands.ledger import Command
from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Outcome, Rejected
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.orders.task import Task

REJECTED = "rejected"
SILENT = "silent"
LEASE_EXPIRED = "lease_expired"


def detect(
    task: Task,
    command: Command,
    outcome: Outcome,
    operation: Operation,
    now: datetime,
    *,
    detector: Detector = Detector.OUTCOME,
    occurred_at: datetime | None = None,
    spent: bool = False,
    offer: str = "",
    evidence: tuple[int, ...] = (),
) -> Signal | None:
    """The signal of an outcome, or None where it says that all is well. `spent` = no retry is left."""
    signs = _signs(outcome)
    if signs is None:
        return None
    sign, raw_code, message = signs
    return Signal(
        detector=detector,
        order_id=task.order_id,
        item_id=task.item_id,
        task_id=task.id,
        command_id=command.id,
        system=command.system,
        operation=command.operation,
        raw_code=raw_code,
        message=message,
        sign=sign,
        effect=operation.effect,
        occurred_at=occurred_at or now,
        detected_at=now,
        spent=spent,
        step=task.step,
        offer=offer,
        evidence=evidence,
    )


def _signs(outcome: Outcome) -> tuple[str, str, str] | None:
    """Technical sign, raw code and words of an outcome that is none of success."""
    match outcome:
        case Accepted() | Done() | Looked():
            return None
        case Rejected(raw_code, message, _):
            return REJECTED, raw_code, message
        case NotSent(reason, raw_code, _):
            return reason, raw_code, ""
        case Lost(reason, raw_code, message):
            return reason, raw_code, message


def detect_silence(task: Task, command: Command, operation: Operation, now: datetime, offer: str = "") -> Signal | None:
    """The signal that an accepted command is silent past the breach time of its task (§6.2); it occurred at the
    breach.
    """
    if task.breach_at is None or task.breach_at > now:
        return None
    return detect(
        task, command, Lost(SILENT), operation, now, detector=Detector.OVERDUE, occurred_at=task.breach_at, offer=offer
    )

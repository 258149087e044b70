"""What to do next with a failure: the recovery matrix of §10 as a table that is read from the top.

The first question is always whether we can prove what happened outside; where we cannot, the first step is to find out,
never to try again. Each row names its safe default, and the dangerous ones that it is there to prevent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.commands.disposition import Disposition
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.triage.taxonomy import Recoverability


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing to do: it was kept, and it changes nothing."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody gave a time: look again then."""

    until: datetime


@dataclass(frozen=True, slots=True)
class RetrySameCommand:
    """The same command, key and bytes, at that time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Find out what really happened, by the original key."""


@dataclass(frozen=True, slots=True)
class Park:
    """Its system does not work for anybody: no attempt is spent until it does."""


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A person decides or repairs, on a case."""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Nothing of it moves by our hand until it is verified; facts still may."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What its item was mapped to is wrong: nothing of it that was not sent goes out before it is planned again."""


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the effects that exist, in reverse order."""


@dataclass(frozen=True, slots=True)
class CancelItem:
    """It cannot go on, and nothing of it exists outside."""


@dataclass(frozen=True, slots=True)
class AskCustomer:
    """Only the customer knows."""


@dataclass(frozen=True, slots=True)
class Escalate:
    """Those who own it did not do it in time: others must see it."""


@dataclass(frozen=True, slots=True)
class BlockHandoff:
    """Billing gets nothing before the amounts are right."""


Step = (
    Ignore
    | Wait
    | RetrySameCommand
    | Reconcile
    | Park
    | OpenCase
    | Freeze
    | Stop
    | Undo
    | CancelItem
    | AskCustomer
    | Escalate
    | BlockHandoff
)


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """What is known of a failure. `disposition` is how the fact that brought it was read, `second_effect` that this
    fact speaks of an effect beside what is known; `command` is the state it left behind.

    `retry_at` is when the same command may go out again (`retry.decide`, or the contract after *absent*; None = spent
    or not allowed), `repeat_refused` that a claim was refused because a repeat would not be safe, `wait_until` a date
    that the other side gave. `proved_terminal` says that a decision with evidence stands that it cannot go on,
    `effects` how many effects of the item exist outside, `overdue` that a task of people is past its breach.
    """

    code: str
    domain: str
    cause: str
    recoverability: Recoverability
    automation: str = "person"
    disposition: Disposition = Disposition.APPLIED
    second_effect: bool = False
    command: CommandState | None = None
    executor: str = "command"
    overdue: bool = False
    retry_at: datetime | None = None
    repeat_refused: bool = False
    wait_until: datetime | None = None
    system_tripped: bool = False
    proved_terminal: bool = False
    effects: int = 0

    @property
    def outcome_unknown(self) -> bool:
        """Whether nobody can prove what happened outside."""
        unproved = self.command in (CommandState.UNKNOWN, CommandState.SENDING)
        return unproved or self.recoverability is Recoverability.UNKNOWN_OUTCOME


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its name in records, the failure mode in words, when it holds, the safe default, and the kinds of step
    that must never be its default.
    """

    name: str
    failure: str
    holds: Callable[[FailureFacts], bool]
    step: Callable[[FailureFacts], Step]
    never: tuple[type[Step], ...] = ()


SAYS_NOTHING_NEW = (Disposition.DUPLICATE, Disposition.LATE, Disposition.OUT_OF_ORDER)
DUPLICATE_RISKS = frozenset({"DUPLICATE_SHIPMENT_RISK", "DUPLICATE_EFFECT", "SUSPECTED_DUPLICATE_ORDER"})
R = Recoverability


def _retry_or_case(facts: FailureFacts) -> Step:
    return RetrySameCommand(facts.retry_at) if facts.retry_at is not None else OpenCase()


MATRIX: tuple[Row, ...] = (
    Row(
        "duplicate_callback",
        "duplicate callback, or a fact that comes too late",
        lambda f: f.disposition in SAYS_NOTHING_NEW and not f.code,
        lambda f: Ignore(),
        (RetrySameCommand, CancelItem, Undo),
    ),
    Row(
        "duplicate_shipment_risk",
        "duplicate shipment risk: an effect may be there twice",
        lambda f: f.code in DUPLICATE_RISKS or f.second_effect,
        lambda f: Freeze(),
        (RetrySameCommand, Ignore),
    ),
    Row(
        "facts_contradict",
        "facts contradict each other",
        lambda f: f.disposition not in (Disposition.APPLIED, Disposition.NOTICE),
        lambda f: OpenCase(),
        (Ignore, RetrySameCommand, CancelItem, Undo),
    ),
    Row(
        "proved_absent",
        "proved that it never happened",
        lambda f: f.command is CommandState.ABSENT,
        _retry_or_case,
        (Ignore, CancelItem, Undo),
    ),
    Row(
        "repeat_not_safe",
        "a repeat would not be recognized any more",
        lambda f: f.repeat_refused,
        lambda f: OpenCase(),
        (RetrySameCommand, Ignore),
    ),
    Row(
        "partial_completion",
        "partial downstream completion",
        lambda f: f.cause == "partial" and not f.proved_terminal,
        lambda f: Reconcile(),
        (CancelItem, RetrySameCommand),
    ),
    Row(
        "missing_callback",
        "missing callback, unknown outcome",
        lambda f: f.outcome_unknown,
        lambda f: Reconcile(),
        (RetrySameCommand, Undo, CancelItem),
    ),
    Row(
        "date_given",
        "a date was given",
        lambda f: f.wait_until is not None,
        lambda f: Wait(f.wait_until) if f.wait_until is not None else OpenCase(),
        (RetrySameCommand,),
    ),
    Row(
        "system_down",
        "the system is out for everybody",
        lambda f: f.recoverability is R.TRANSIENT and f.system_tripped,
        lambda f: Park(),
        (RetrySameCommand,),
    ),
    Row(
        "transient",
        "transient HTTP 503",
        lambda f: f.recoverability is R.TRANSIENT,
        _retry_or_case,
        (CancelItem, Undo),
    ),
    Row(
        "manual_task_overdue",
        "manual task overdue",
        lambda f: f.overdue and f.executor != "command",
        lambda f: Escalate(),
        (Ignore, Wait),
    ),
    Row(
        "billing_mismatch",
        "billing mismatch",
        lambda f: f.cause == "mismatch" and f.domain in ("Billing", "Pricing"),
        lambda f: BlockHandoff(),
        (RetrySameCommand, Ignore),
    ),
    Row(
        "stale_catalog_mapping",
        "stale catalog mapping",
        lambda f: f.domain == "Catalog" or f.cause in ("mapping", "retired"),
        lambda f: Stop(),
        (RetrySameCommand, Ignore),
    ),
    Row(
        "terminal_with_effects",
        "cannot go on, and effects exist",
        lambda f: f.proved_terminal and f.effects > 0,
        lambda f: Undo(),
        (CancelItem,),
    ),
    Row(
        "terminal",
        "cannot go on",
        lambda f: f.proved_terminal,
        lambda f: CancelItem(),
    ),
    Row(
        "customer_data_missing",
        "customer data missing",
        lambda f: (
            f.automation != "person" and (f.cause == "customer_action" or (f.domain, f.cause) == ("Data", "missing"))
        ),
        lambda f: AskCustomer(),
        (RetrySameCommand,),
    ),
    Row(
        "validation_reject",
        "validation reject, and everything else",
        lambda f: True,
        lambda f: OpenCase(),
        (RetrySameCommand, Ignore, CancelItem),
    ),
)


def recover(facts: FailureFacts) -> Step:
    """The safe default: the step of the first row that holds (§10)."""
    return row_of(facts).step(facts)


def row_of(facts: FailureFacts) -> Row:
    """The row that decides, to be named beside the decision."""
    return next(row for row in MATRIX if row.holds(facts))


def needs_a_case(step: Step) -> bool:
    """Whether a failure with this next step is a managed state (P4); the others are settled by being recorded."""
    match step:
        case Ignore() | Wait() | RetrySameCommand() | Park():
            return False
        case Reconcile() | OpenCase() | Freeze() | Stop() | Undo() | CancelItem():
            return True
        case AskCustomer() | Escalate() | BlockHandoff():
            return True


def said_of(step: Step) -> str:
    """The step in words, for records and pages."""
    match step:
        case Ignore():
            return "it is kept, and changes nothing"
        case Wait(until):
            return f"it waits until {until.isoformat()}"
        case RetrySameCommand(at):
            return f"nothing happened, the same command goes out again at {at.isoformat()}"
        case Reconcile():
            return "find out what happened, by the original key, before anything else"
        case Park():
            return "nothing happened; it waits, with no attempt spent, until its system works again"
        case OpenCase():
            return "a person decides"
        case Freeze():
            return "nothing of it moves by our hand until it is verified"
        case Stop():
            return "nothing of its item that was not sent goes out before it is planned again"
        case Undo():
            return "take back what was done, in reverse order"
        case CancelItem():
            return "cancel the item"
        case AskCustomer():
            return "ask the customer"
        case Escalate():
            return "show it to those who must see that it was not done in time"
        case BlockHandoff():
            return "billing gets nothing before the amounts are right"

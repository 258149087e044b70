"""What is done about a failure: the row of the recovery matrix that it falls under (§10), written down, and its step.

Every failure of an order comes here, whoever noticed it, so that one table decides for all. What becomes a case is
opened when the turn ends.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fallsafe.core.commands.disposition import Disposition
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.detect.signal import Signal
from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import retry_for
from fallsafe.core.recover import retry
from fallsafe.core.recover.strategy import (
    FailureFacts,
    OpenCase,
    Park,
    RetrySameCommand,
    Row,
    Step,
    needs_a_case,
    row_of,
    said_of,
)
from fallsafe.core.triage.classify import Classification
from fallsafe.core.triage.taxonomy import Recoverability
from fallsafe.core.values import replace
from fallsafe.flows import cases, parking
from fallsafe.flows.moves import file
from fallsafe.flows.turn import Raised, Turn
from fallsafe.store.work import Aggregate


@dataclass(frozen=True, slots=True)
class Known:
    """What the flow that met a failure knows beside its signal; fields as in `FailureFacts`. `retry_after` is what the
    other system asked for, `stored` the id of a signal from outside, which learns its case.
    """

    disposition: Disposition = Disposition.APPLIED
    second_effect: bool = False
    repeat_refused: bool = False
    retry_after: timedelta | None = None
    stored: int = 0
    overdue: bool = False
    wait_until: datetime | None = None


NOTHING_MORE = Known()


def meet(turn: Turn, aggregate: Aggregate, signal: Signal, code: str = "", known: Known = NOTHING_MORE) -> Step:
    """Judges a failure, writes down the row that decides, does its step, and raises its case where it needs one.

    `code` is the normalized code where the flow knows it already. Returns the step.
    """
    judged = cases.judge(turn, signal, code)
    facts = _facts(turn, aggregate, signal, judged, known)
    row = row_of(facts)
    step = row.step(facts)
    _write_down(turn, aggregate, signal, judged, row, step)
    _do(turn, aggregate, signal, step)
    if needs_a_case(step):
        if _is_spent(facts, step):
            signal = replace(signal, spent=True)
            judged = _exhausted(turn, aggregate, signal)
        turn.raised.append(Raised(aggregate, signal, judged, step, stored=known.stored))
    return step


def _is_spent(facts: FailureFacts, step: Step) -> bool:
    """Whether no retry is left, so that the secondary rules judge."""
    transient = facts.recoverability is Recoverability.TRANSIENT
    return isinstance(step, OpenCase) and transient and facts.command is CommandState.INTENDED


def _exhausted(turn: Turn, aggregate: Aggregate, signal: Signal) -> Classification:
    """What a failure is once its retries are spent: by the secondary rules, and for whom its retry policy names."""
    judged, newest = cases.judge(turn, signal), turn.context.newest
    task = aggregate.tasks.get(signal.task_id or 0)
    then = retry_for(turn.policy(aggregate), task.type).on_exhaustion if task is not None else ""
    if then in newest.owners:
        return replace(judged, owner=then)
    return replace(judged, code=then) if then in newest.codes else judged


def ignore(turn: Turn, aggregate: Aggregate, command: Command, disposition: Disposition) -> None:
    """A fact that says nothing new about a command is kept, and its row written down."""
    facts = FailureFacts("", "", "", Recoverability.TRANSIENT, disposition=disposition, command=command.state)
    row = row_of(facts)
    step = row.step(facts)
    why = turn.why(f"{disposition.value}: {said_of(step)}", policy=turn.context.newest, rule=rule_of(row))
    aggregate.record("command", command.id, "recover", replace(why, causation=command.key, facts=_told(step)))


def after_absent(turn: Turn, aggregate: Aggregate, command: Command, repeat_at: datetime | None) -> Step:
    """What follows when a command is proved absent; `repeat_at` is when the contract lets the same command go out
    again (None = never by itself). Its case is open since its outcome was unknown.
    """
    facts = FailureFacts("", "", "", Recoverability.UNKNOWN_OUTCOME, command=command.state, retry_at=repeat_at)
    row = row_of(facts)
    step = row.step(facts)
    why = turn.why(f"proved absent: {said_of(step)}", policy=turn.policy(aggregate), rule=rule_of(row))
    aggregate.record("command", command.id, "recover", replace(why, causation=command.key, facts=_told(step)))
    return step


def rule_of(row: Row) -> str:
    """How records name a row."""
    return f"recover/{row.name}"


def _told(step: Step) -> dict[str, Json]:
    return {"step": type(step).__name__}


def _facts(turn: Turn, aggregate: Aggregate, signal: Signal, judged: Classification, known: Known) -> FailureFacts:
    command = aggregate.commands.get(signal.command_id or 0)
    task = aggregate.tasks.get(signal.task_id or 0)
    own_delay = signal.sign == retry.OWN_DELAY
    return FailureFacts(
        code=judged.code,
        domain=judged.domain,
        cause=judged.cause,
        # Our own slowness is no failure of the other system, whatever a rule says of it.
        recoverability=Recoverability.TRANSIENT if own_delay else judged.recoverability,
        automation=judged.automation,
        disposition=known.disposition,
        second_effect=known.second_effect,
        command=command.state if command is not None else None,
        executor=task.executor if task is not None else "command",
        retry_at=turn.now if own_delay else _retry_at(turn, aggregate, command, judged.code, known.retry_after),
        repeat_refused=known.repeat_refused,
        wait_until=known.wait_until,
        system_tripped=_came_back_unsent(command) and parking.stopped(turn, signal.system),
        overdue=known.overdue,
    )


def _came_back_unsent(command: Command | None) -> bool:
    return command is not None and command.state is CommandState.INTENDED


def _retry_at(
    turn: Turn, aggregate: Aggregate, command: Command | None, code: str, retry_after: timedelta | None
) -> datetime | None:
    """When the retry policy of its task lets the same command go out again (§12)."""
    task = aggregate.tasks.get(command.task_id) if command is not None else None
    if command is None or task is None or command.state is not CommandState.INTENDED:
        return None
    rules = retry_for(turn.policy(aggregate), task.type)
    return retry.decide(rules, command, turn.now, turn.context.dice(), code, retry_after)


def _write_down(turn: Turn, aggregate: Aggregate, signal: Signal, judged: Classification, row: Row, step: Step) -> None:
    thing, number = _about(aggregate, signal)
    command = aggregate.commands.get(signal.command_id or 0)
    why = turn.why(
        f"{judged.code}: {said_of(step)}",
        policy=turn.context.newest,
        rule=rule_of(row),
        evidence=signal.evidence,
        causation=command.key if command is not None else "",
        code=judged.code,
        classifiedBy=judged.rule,
    )
    aggregate.record(thing, number, "recover", replace(why, facts={**why.facts, **_told(step)}))


def _about(aggregate: Aggregate, signal: Signal) -> tuple[str, int]:
    """The narrowest thing that a failure is about."""
    for thing, number in (("command", signal.command_id), ("task", signal.task_id), ("item", signal.item_id)):
        if number:
            return thing, number
    return "order", aggregate.order.id


def _do(turn: Turn, aggregate: Aggregate, signal: Signal, step: Step) -> None:
    """What a step does at once; what it does with the case that it may need is done when that opens."""
    command = aggregate.commands.get(signal.command_id or 0)
    match step:
        case RetrySameCommand(at) if command is not None:
            file(turn, aggregate, "send", command.task_id, at, command.system)
        case Park() if command is not None:
            parking.park(turn, aggregate, command)
        case _:
            pass  # safe because the others are done by people, on the case

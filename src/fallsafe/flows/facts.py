"""A fact is stored first and then read by the table of dispositions: what it moves, what it only adds to, and what it
contradicts.

Whoever brings it (the sender of an attempt, a callback, a look-up, a lease that ran out, a silence) goes through
`apply`, so one table decides for all.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from fallsafe.core.commands.contract import Operation, repeat_is_harmless
from fallsafe.core.commands.disposition import Disposition, Verdict, dispose, ever_sent
from fallsafe.core.commands.ledger import PERSON_SAID, Command, CommandState, Purpose, key_lives
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.recover.retry import OWN_DELAY
from fallsafe.core.values import replace
from fallsafe.flows import cases, failures, lapse, parking
from fallsafe.flows.discretion import discreet
from fallsafe.flows.moves import file, move_command
from fallsafe.flows.turn import Ended, Turn
from fallsafe.store.work import Aggregate, Why, row_digest

DETECTOR_OF = {
    "answer": Detector.OUTCOME,
    "lease": Detector.LEASE,
    "breach": Detector.OVERDUE,
    "callback": Detector.CALLBACK,
    "look_up": Detector.RECONCILER,
    "person": Detector.RECONCILER,
}


@dataclass(frozen=True, slots=True)
class Told:
    """A fact about a command with the evidence it stands on; `ended_at` is when the attempt it speaks of ended, where
    it speaks of one.
    """

    fact: Fact
    evidence: tuple[int, ...] = ()
    sign: str = ""
    ended_at: datetime | None = None
    retry_after: timedelta | None = None


def contract(turn: Turn, aggregate: Aggregate, command: Command) -> tuple[PolicySet, Operation]:
    """The contract that a command is read by: the one it was sent under, else that of its order's set."""
    policy = turn.context.policy(command.contract_set) if command.contract_set else turn.policy(aggregate)
    return policy, policy.operations[command.operation]


async def apply(turn: Turn, aggregate: Aggregate, command: Command, told: Told) -> Verdict:
    """Stores a fact, reads it, and does what the table says. Facts are never refused."""
    _, operation = contract(turn, aggregate, command)
    told = _costs_nothing(command, operation, told)
    verdict = dispose(command, told.fact, operation.repeat)
    written = await _discreet(turn, aggregate, told)
    why = await _store(turn, aggregate, command, written, verdict)
    if verdict.verb is None:
        aggregate.record(
            "command", command.id, f"keep_{verdict.disposition.value}", why, str(command.state), str(command.state)
        )
        if verdict.opens is None and verdict.disposition is not Disposition.NOTICE:
            failures.ignore(turn, aggregate, command, verdict.disposition)
    else:
        changes = _changes(turn, command, _meant(written, verdict), verdict.verb)
        moved = await move_command(turn, aggregate, command, verdict.verb, why, **changes)
        _follow(turn, aggregate, command, moved, _meant(told, verdict))
    if verdict.disposition in (Disposition.APPLIED, Disposition.NOTICE):
        from fallsafe.flows import notices  # safe because notices are facts too, and each needs the other

        notices.heed(turn, aggregate, aggregate.commands[command.id], told)
    if verdict.opens:
        _contradicts(turn, aggregate, command, told, verdict.opens)
    return verdict


def _meant(told: Told, verdict: Verdict) -> Told:
    """What a fact comes to where its own words mislead; what was said stands in its outcome and evidence."""
    return replace(told, fact=replace(told.fact, raw_code="", message=""), sign=verdict.sign) if verdict.sign else told


def _costs_nothing(command: Command, operation: Operation, told: Told) -> Told:
    """A lost answer of an operation that changes nothing proves that nothing happened: it is asked again (§12.1)."""
    if operation.effect or told.fact.says is not Says.LOST or command.state is not CommandState.SENDING:
        return told
    return replace(told, fact=replace(told.fact, says=Says.NOT_SENT), sign=told.sign or told.fact.raw_code or "lost")


async def _discreet(turn: Turn, aggregate: Aggregate, told: Told) -> Told:
    """What may be written down of it; it is judged by all that was said."""
    fact = told.fact
    code, message = await discreet(turn, aggregate, fact.raw_code), await discreet(turn, aggregate, fact.message)
    sign = await discreet(turn, aggregate, told.sign)
    if (code, message, sign) == (fact.raw_code, fact.message, told.sign):
        return told
    return replace(told, fact=replace(fact, raw_code=code, message=message), sign=sign)


async def _store(turn: Turn, aggregate: Aggregate, command: Command, told: Told, verdict: Verdict) -> Why:
    fact = told.fact
    row = (
        await turn.tx.new_id(),
        aggregate.order.id,
        command.id,
        fact.attempt,
        turn.now,
        fact.source,
        fact.says.value,
        fact.reference,
        fact.raw_code,
        fact.message,
        verdict.disposition.value,
        fact.occurred_at,
        list(told.evidence),
    )
    turn.tx.pages.outcomes.append(row)
    policy, _ = contract(turn, aggregate, command)
    said = f"{fact.source} says {fact.says.value}" + (
        f" ({told.sign or fact.raw_code})" if told.sign or fact.raw_code else ""
    )
    return turn.why(
        said,
        policy=policy,
        rule=f"disposition/{verdict.disposition.value}",
        evidence=told.evidence,
        causation=command.key,
        outcome=row[0],
        outcomeRow=row_digest(row),
        attempt=fact.attempt,
        key=command.key,
    )


def _changes(turn: Turn, command: Command, told: Told, verb: str) -> dict[str, Any]:
    """The columns beside the state that a verb brings."""
    fact, changes = told.fact, dict[str, Any]()
    if fact.source in ("answer", "lease"):
        changes |= {"ended_at": told.ended_at or turn.now, "lease_until": None, "lease_worker": ""}
    if fact.reference:
        changes["reference"] = fact.reference
    if fact.source == "person" and fact.says is Says.REJECTED:
        changes["finding"] = PERSON_SAID
    match verb:
        case "accept" | "find_pending":
            changes["accepted_at"] = turn.now
        case "complete" | "find_done":
            changes["done_at"] = turn.now
        case "lose":
            changes |= {
                "lost_because": told.sign or fact.raw_code or "lost",
                "looks": 0,
                "empty_looks": 0,
                "first_empty_at": None,
            }
        case "not_sent" if told.sign != OWN_DELAY and not parking.stopped(turn, command.system):
            changes |= {"retries": command.retries + 1, "failing_since": command.failing_since or turn.now}
        case _:
            pass  # safe because the other verbs bring no column of their own
    return changes


def _follow(turn: Turn, aggregate: Aggregate, was: Command, command: Command, told: Told) -> None:
    """What a new state brings with it: a result kept, a look-up filed, a retry or a case."""
    match command.state:
        case CommandState.DONE:
            _keep_result(turn, aggregate, command, told)
            cases.heal(turn, aggregate, Ended(command, was.state, told.evidence, told.fact.source != "person"))
            lapse.renewed(turn, aggregate, command)
        case CommandState.UNKNOWN:
            file(turn, aggregate, "lookup", command.task_id, turn.now, command.system)
            _meet(turn, aggregate, command, told)
        case CommandState.REJECTED | CommandState.INTENDED:
            _meet(turn, aggregate, command, told)
        case (
            CommandState.ACCEPTED
            | CommandState.ABSENT
            | CommandState.SENDING
            | CommandState.SUPERSEDED
            | CommandState.WITHDRAWN
        ):
            pass


def _keep_result(turn: Turn, aggregate: Aggregate, command: Command, told: Told) -> None:
    """Keeps what later requests take from the answer; the whole of it is evidence."""
    task, result = aggregate.tasks.get(command.task_id), told.fact.result
    if task is None or not isinstance(result, Mapping) or command.purpose is not Purpose.FULFILL:
        return
    wanted = turn.policy(aggregate).result_fields.get(task.step, frozenset())
    kept: dict[str, Json] = {name: _storable(result[name]) for name in sorted(wanted) if name in result}
    if kept:
        why = turn.why("what later requests take from the answer", causation=command.key)
        aggregate.put(replace(task, result=kept), "keep_result", why)


def _storable(value: Json) -> Json:
    """A value as the database takes it: without NUL characters, which no JSON column holds."""
    match value:
        case str():
            return value.replace("\0", "")
        case Mapping():
            return {name.replace("\0", ""): _storable(each) for name, each in value.items()}
        case list():
            return [_storable(each) for each in value]
        case _:
            return value


def _meet(turn: Turn, aggregate: Aggregate, command: Command, told: Told) -> None:
    """It failed, was proved not sent, or nobody knows."""
    known = failures.Known(retry_after=told.retry_after)
    failures.meet(turn, aggregate, signal_of(turn, aggregate, command, told, told.sign), known=known)


def _contradicts(turn: Turn, aggregate: Aggregate, command: Command, told: Told, code: str) -> None:
    """What it says does not go together with what is known: the effect may be there beside another one."""
    current = aggregate.commands[command.id]
    second = told.fact.says is Says.DONE and current.state is command.state
    second |= _goes_out_again(turn, aggregate, current)
    known = failures.Known(Disposition.CONFLICT, second_effect=second)
    failures.meet(turn, aggregate, signal_of(turn, aggregate, command, told, "contradiction"), code, known)


def _goes_out_again(turn: Turn, aggregate: Aggregate, command: Command) -> bool:
    """Whether a command that the other side has is to be sent once more, and would be taken for another one there."""
    _, operation = contract(turn, aggregate, command)
    known = repeat_is_harmless(operation) and key_lives(command, operation, turn.now)
    return command.state is CommandState.INTENDED and ever_sent(command) and not known


def signal_of(turn: Turn, aggregate: Aggregate, command: Command, told: Told, sign: str) -> Signal:
    """What a fact says may be wrong."""
    task = aggregate.tasks.get(command.task_id)
    item = aggregate.items.get(task.item_id) if task else None
    _, operation = contract(turn, aggregate, command)
    return Signal(
        detector=DETECTOR_OF.get(told.fact.source, Detector.OUTCOME),
        order_id=aggregate.order.id,
        item_id=item.id if item else None,
        task_id=task.id if task else None,
        command_id=command.id,
        system=command.system,
        operation=command.operation,
        raw_code=told.fact.raw_code,
        message=told.fact.message,
        sign=sign,
        effect=operation.effect,
        occurred_at=told.fact.occurred_at or told.ended_at or turn.now,
        detected_at=turn.now,
        step=task.step if task else "",
        offer=item.offer if item else "",
        evidence=told.evidence,
    )


def lost(source: str, reason: str, attempt: int, ended_at: datetime | None = None) -> Told:
    """The fact that nobody knows: a lease that ran out, a silence past breach."""
    return Told(Fact(Says.LOST, source, attempt=attempt), sign=reason, ended_at=ended_at)


def described(fact: Fact) -> dict[str, Any]:
    """A fact as plain values, for records."""
    return {k: v for k, v in asdict(fact).items() if v}

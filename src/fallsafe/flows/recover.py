"""Finding out what really happened: look-ups by the original key and by what the effect is about, callbacks that came
meanwhile, and the decision (§11).

A look is one query command for each way the contract knows, all through the ledger. While the outcome is unknown this
is the only thing that talks to the
operation's system about it, and it only asks.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.commands.contract import LookUp, Operation, repeat_is_harmless
from fallsafe.core.commands.ledger import Command, CommandState, Purpose, key_for, key_lives
from fallsafe.core.commands.outcome import Fact, Looked, Lost, NotSent, Says
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders.task import Task
from fallsafe.core.recover import polling
from fallsafe.core.recover.comparing import SAYS_OTHERWISE, is_comparison
from fallsafe.core.recover.reconcile import (
    Finding,
    FoundAbsent,
    FoundDone,
    FoundPending,
    FoundRejected,
    LookAgain,
    LookUpAnswer,
    Undecided,
    reconcile,
    ways_to_look,
)
from fallsafe.core.recover.strategy import RetrySameCommand
from fallsafe.core.values import replace
from fallsafe.flows import cases, checking, commands, facts, failures, looked, payload, rewound, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.facts import Told
from fallsafe.flows.looked import Answers
from fallsafe.flows.moves import file, move_command
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

ASK_A_PERSON = "Ask the people of the system what happened; look-ups alone have not settled it."
OTHER_KEY = "other_key"

WHILE_ASKING = timedelta(seconds=1)
"""So much later, at the earliest, is looked again at what is being asked about just now."""


async def claim_looks(tx: Tx, context: Context, due: Sequence[commands.Due], actor: Actor) -> list[commands.Claimed]:
    """Claims the looks that are due: a query for each way to ask, written and leased like any command."""
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    standing = await commands.still_stand(tx, due, turn.now)
    state = await rewound.sending(tx)
    if not standing or not state.sending:
        return []
    lost = await rewound.lost_time(tx, state)
    claimed: list[commands.Claimed] = []
    for d in standing:
        aggregate = tx.aggregates[d.order_id or 0]
        if lost is not None:
            await rewound.doubt_open(turn, aggregate, lost)  # what was known of them before counts no more
        claimed += await _begin_look(turn, aggregate, d.id)
    await settle.end(turn)
    return claimed


async def _begin_look(turn: Turn, aggregate: Aggregate, task_id: int) -> list[commands.Claimed]:
    target, task = aggregate.current(task_id), aggregate.tasks.get(task_id)
    turn.tx.clear("lookup", task_id)
    if target is None or task is None:
        return []
    _, operation = facts.contract(turn, aggregate, target)
    polled = polling.may_be_asked(target, operation)
    if target.state is not CommandState.UNKNOWN and not polled:
        return []
    if _asking(aggregate, target):
        _look_when_answered(turn, aggregate, target, turn.now + WHILE_ASKING)
        return []
    if polled:
        way, look = operation.look_ups[0], polling.next_number(target, aggregate.commands.values())
        sent = [await ask(turn, aggregate, task, target, way, look)]
        if operation.poll_every is not None:
            _look_when_answered(turn, aggregate, target, turn.now + operation.poll_every)
        return sent
    look = target.looks + 1
    aggregate.put(
        replace(target, looks=look),
        "look",
        turn.why(f"look {look} at what happened", rule=f"contract/{operation.name}", causation=target.key),
    )
    cases.diagnose(turn, aggregate, task_id, f"look {look} began by itself")
    sent = [await ask(turn, aggregate, task, target, way, look) for way in ways_to_look(target, operation, turn.now)]
    if not sent:
        await _undecided(turn, aggregate, target, "the contract has no way to look; a person must find out")
    last = turn.policy(aggregate).limits.look_delays[-1]
    _look_when_answered(turn, aggregate, target, turn.now + (timedelta(0) if sent else last))
    return sent


def _look_when_answered(turn: Turn, aggregate: Aggregate, target: Command, earliest: datetime) -> None:
    """The next look at what is being asked about: when its questions must have been answered, or are lost."""
    asked = (c for c in aggregate.commands.values() if c.target_id == target.id)
    leases = [c.lease_until for c in asked if c.lease_until is not None]
    file(turn, aggregate, "lookup", target.task_id, max([*leases, earliest]), target.system)


def _asking(aggregate: Aggregate, target: Command) -> bool:
    return any(c.target_id == target.id and c.state is CommandState.SENDING for c in aggregate.commands.values())


async def ask(
    turn: Turn, aggregate: Aggregate, task: Task, target: Command, way: LookUp, look: int
) -> commands.Claimed:
    """One question, as a command of purpose `query`. A question that was lost before is asked again under its own
    key: reading has no unknown outcome.
    """
    policy = turn.policy(aggregate)
    asked_before = [
        c
        for c in aggregate.commands.values()
        if c.target_id == target.id and c.method == way.method and c.state is CommandState.INTENDED
    ]
    query = (
        replace(asked_before[0], look=look)
        if asked_before
        else await new_query(turn, aggregate, task, target, way.operation, way.method, look)
    )
    if not asked_before:
        aggregate.put(query, "intend", turn.why(f"ask {way.operation} by {way.method}", causation=target.key))
    operation = replace(
        policy.operations.get(way.operation) or policy.operations[target.operation], answers=way.answers
    )
    request = payload.look_up_request(turn, aggregate, task, target, way)
    asked = {"key": target.key, "object": payload.business_object(aggregate, task)}
    return await commands.send(turn, aggregate, task, query, operation, request, way.answers, asked)


async def new_query(
    turn: Turn, aggregate: Aggregate, task: Task, target: Command, operation: str, method: str, look: int = 0
) -> Command:
    """A question about the task of a command, with a key of its own."""
    order, item = aggregate.order, aggregate.items[task.item_id]
    n = 1 + sum(1 for c in aggregate.commands.values() if c.task_id == task.id and c.purpose is Purpose.QUERY)
    return replace(
        target,
        id=await turn.tx.new_id(),
        purpose=Purpose.QUERY,
        n=n,
        key=key_for(order.source, order.external_id, item.external_id, task.step, Purpose.QUERY, n),
        operation=operation,
        state=CommandState.INTENDED,
        intended_at=turn.now,
        attempts=0,
        retries=0,
        payload_digest="",
        request_evidence_id=None,
        first_sent_at=None,
        last_sent_at=None,
        ended_at=None,
        accepted_at=None,
        done_at=None,
        lease_until=None,
        lease_worker="",
        reference="",
        lost_because="",
        looks=0,
        empty_looks=0,
        first_empty_at=None,
        pending_looks=0,
        target_id=target.id,
        look=look,
        method=method,
        finding="",
        contract_set="",
        failing_since=None,
    )


async def record_look(
    turn: Turn, aggregate: Aggregate, query: Command, one: commands.Attempted, evidence: tuple[int, ...]
) -> None:
    """Records the answer to a question; when all questions of the look are answered, decides."""
    if query.target_id is None:
        await checking.record(turn, aggregate, query, one, evidence)
        return
    outcome = one.reply.outcome
    if query.state is not CommandState.SENDING or one.claimed.attempt != query.attempts:
        aggregate.record(
            "command",
            query.id,
            "keep_late",
            turn.why("answer to a question that was given up", evidence=evidence, causation=query.key),
        )
        return
    if not isinstance(outcome, Looked):
        reason = outcome.reason if isinstance(outcome, Lost | NotSent) else "unreadable"
        verb = "not_sent" if isinstance(outcome, NotSent) else "lose"
        await lose_look(turn, aggregate, query, reason, evidence, verb=verb)
        return
    await complete(turn, aggregate, query, outcome, evidence)
    await _decide(turn, aggregate, query, outcome)


async def complete(
    turn: Turn, aggregate: Aggregate, query: Command, outcome: Looked, evidence: tuple[int, ...]
) -> None:
    """A question was answered."""
    raw_code = await discreet(turn, aggregate, outcome.raw_code)
    why = turn.why(
        f"{query.operation} by {query.method} says {outcome.says.value}",
        evidence=evidence,
        causation=query.key,
        reference=outcome.reference,
        rawCode=raw_code,
    )
    await move_command(
        turn,
        aggregate,
        query,
        "complete",
        why,
        done_at=turn.now,
        ended_at=turn.now,
        lease_until=None,
        lease_worker="",
        reference=outcome.reference,
        finding=outcome.says.value,
        lost_because=raw_code,
    )


async def lose_look(
    turn: Turn,
    aggregate: Aggregate,
    query: Command,
    reason: str,
    evidence: tuple[int, ...] = (),
    *,
    verb: str = "lose",
) -> None:
    """A question without an answer, or that never left, is intended again; the next look asks it."""
    from fallsafe.flows import comparing

    if query.target_id is None:
        await checking.lose(turn, aggregate, query, evidence, verb)
        return
    why = turn.why(f"no answer to the question ({reason})", evidence=evidence, causation=query.key)
    await move_command(
        turn,
        aggregate,
        query,
        verb,
        why,
        ended_at=turn.now,
        lease_until=None,
        lease_worker="",
        finding="",
        lost_because=reason,
    )
    target = aggregate.commands[query.target_id or 0]
    if reason in SAYS_OTHERWISE and is_comparison(target, query):
        await comparing.hear_otherwise(turn, aggregate, target, query, reason, evidence)
    if target.state is not CommandState.UNKNOWN:
        return
    if reason == OTHER_KEY:
        await _undecided(
            turn, aggregate, target, f"{query.operation} by {query.method} names the key of another effect"
        )
    if not _asking(aggregate, target):
        _look_after(turn, aggregate, target, None)


def _look_after(turn: Turn, aggregate: Aggregate, target: Command, at: datetime | None) -> None:
    """The next look: at a time at which it can say more, else after a wait that grows. When the waits are used up
    somebody is told, and looks go on.
    """
    delays = turn.policy(aggregate).limits.look_delays
    waits = delays[min(target.looks, len(delays)) - 1] if target.looks else timedelta(0)  # else nobody has looked yet
    due = at or turn.now + waits
    if at is None and target.looks >= len(delays):
        cases.advise(turn, aggregate, target.task_id, ASK_A_PERSON, f"{target.looks} looks have settled nothing")
    turn.tx.clear("lookup", target.task_id)
    file(turn, aggregate, "lookup", target.task_id, due, target.system)


async def _decide(turn: Turn, aggregate: Aggregate, query: Command, outcome: Looked) -> None:
    from fallsafe.flows import comparing

    target = aggregate.commands[query.target_id or 0]
    if polling.is_poll(query) and target.state is CommandState.ACCEPTED:
        await _hear(turn, aggregate, target, query, outcome)
        return
    if is_comparison(target, query):
        said = await looked.answers(turn, aggregate, [query])
        await comparing.hear(turn, aggregate, target, aggregate.commands[query.id], said.evidence)
        return
    if target.state is not CommandState.UNKNOWN or _asking(aggregate, target):
        return
    policy, operation = facts.contract(turn, aggregate, target)
    asked = _asked(aggregate, target, operation)
    if any(c.state is CommandState.INTENDED for c in asked):
        _look_after(turn, aggregate, target, None)
        return
    answers = [_answer(c) for c in asked if c.state is CommandState.DONE]
    finding = reconcile(target, operation, answers, (), turn.now, pending_looks_max=policy.limits.pending_looks_max)
    said = await looked.answers(turn, aggregate, asked)
    await _conclude(turn, aggregate, target, operation, finding, said, outcome)


def _asked(aggregate: Aggregate, target: Command, operation: Operation) -> list[Command]:
    """The questions of the look that is under way: of each way the newest. Looks are counted anew after each loss, so
    one of an earlier loss may bear the same number.
    """
    newest = dict[str, Command]()
    for query in aggregate.commands.values():
        if query.target_id == target.id and query.look == target.looks:
            known = newest.setdefault(query.method, query)
            newest[query.method] = max(known, query, key=lambda c: c.n)
    return [newest[way.method] for way in operation.look_ups if way.method in newest]


async def _hear(turn: Turn, aggregate: Aggregate, target: Command, query: Command, outcome: Looked) -> None:
    """What a poll brought is a fact like a callback's. That it is not known there proves nothing: its silence will."""
    says = polling.said(outcome)
    if says is None:
        return
    evidence = (await looked.answers(turn, aggregate, [query])).evidence
    words = outcome.reference, outcome.raw_code, outcome.message
    fact = Fact(says, "look_up", *words, 0, None, outcome.result, outcome.date)
    await facts.apply(turn, aggregate, target, Told(fact, evidence))


def _answer(query: Command) -> LookUpAnswer:
    return LookUpAnswer(
        query.method,
        Says(query.finding),
        query.reference,
        query.lost_because,
        query.done_at or query.intended_at,
        query.last_sent_at or query.intended_at,
    )


async def _conclude(
    turn: Turn,
    aggregate: Aggregate,
    target: Command,
    operation: Operation,
    finding: Finding,
    said: Answers,
    outcome: Looked,
) -> None:
    evidence = said.evidence
    match finding:
        case FoundDone(reference):
            await facts.apply(turn, aggregate, target, _told(Says.DONE, reference, evidence, said.result))
        case FoundRejected(code, message):
            words = message or (outcome.message if outcome.says is Says.REJECTED else "")
            fact = Fact(Says.REJECTED, "look_up", "", code, words, target.attempts)
            await facts.apply(turn, aggregate, target, Told(fact, evidence))
        case FoundPending(reference):
            turn.tx.clear("lookup", target.task_id)
            aggregate.put(
                replace(target, pending_looks=target.pending_looks + 1),
                "count",
                turn.why("known there, not finished", evidence=evidence),
            )
            await facts.apply(
                turn, aggregate, aggregate.commands[target.id], _told(Says.PENDING, reference, evidence, None)
            )
        case FoundAbsent():
            await facts.apply(turn, aggregate, target, _told(Says.ABSENT, "", evidence, None))
            await _after_absent(turn, aggregate, aggregate.commands[target.id], operation)
        case LookAgain(at, why, empty_at):
            _note_look(turn, aggregate, target, why, empty_at)
            _look_after(turn, aggregate, aggregate.commands[target.id], at)
        case Undecided(why):
            await _undecided(turn, aggregate, target, why)
            _look_after(turn, aggregate, target, None)


def _told(says: Says, reference: str, evidence: tuple[int, ...], result: Json) -> Told:
    return Told(Fact(says, "look_up", reference, attempt=0, result=result), evidence)


def _note_look(turn: Turn, aggregate: Aggregate, target: Command, why: str, empty_at: datetime | None) -> None:
    """A look that found nothing after the settle window is the first of the two that *absent* needs; one that came
    before that window was over, as it is known now, does not count any more.
    """
    if empty_at is not None:
        counted = replace(target, empty_looks=target.empty_looks + 1, first_empty_at=empty_at)
        aggregate.put(counted, "count", turn.why(why, rule="absent_needs_two_looks"))
    else:
        aggregate.record("command", target.id, "look_again", turn.why(why, rule="settle_window", causation=target.key))


async def _after_absent(turn: Turn, aggregate: Aggregate, command: Command, operation: Operation) -> None:
    """Nothing happened outside: the same command goes out again where the contract makes that harmless; elsewhere a
    person decides (rule 2).
    """
    harmless = repeat_is_harmless(operation) and key_lives(command, operation, turn.now)
    step = failures.after_absent(turn, aggregate, command, turn.now if harmless else None)
    if isinstance(step, RetrySameCommand):
        why = turn.why(
            "proved absent, and the contract makes the same key safe: the same command goes out again",
            rule="repeat_is_harmless",
            causation=command.key,
        )
        await commands.send_again(turn, aggregate, command, why)
        cases.advise(
            turn,
            aggregate,
            command.task_id,
            "wait for the result of the same command",
            "proved absent and sent again by itself",
        )
    else:
        cases.advise(
            turn,
            aggregate,
            command.task_id,
            "a person declares the outcome: DECLARE_OUTCOME",
            "proved absent, but a repeat is not safe here",
        )


async def _undecided(turn: Turn, aggregate: Aggregate, target: Command, why: str) -> None:
    task = aggregate.tasks[target.task_id]
    signal = commands.unrenderable(turn, aggregate, task, target, why)
    signal = replace(signal, sign="undecided", system=target.system, detector=facts.DETECTOR_OF["look_up"])
    failures.meet(turn, aggregate, signal, "LOOKUP_UNDECIDED")


async def reconcile_now(
    tx: Tx, context: Context, command_ids: Sequence[int], actor: Actor, reason: str
) -> list[Answer]:
    """A person asks for the look now: the next look of each command is due at once. Refused when there is nothing to
    find out.
    """
    await tx.lock(await commands.orders_of(tx, command_ids))
    turn = await begin(tx, context, actor)
    answers = [await _reconcile_one(turn, command_id, reason) for command_id in command_ids]
    await settle.end(turn)
    return answers


async def _reconcile_one(turn: Turn, command_id: int, reason: str) -> Answer:
    aggregate, command = commands.find(turn.tx, command_id)
    if aggregate is None or command is None:
        return Refused("command", command_id, commands.no_such(command_id))
    reason = await discreet(turn, aggregate, reason)
    refusal = _why_not_reconcile(turn, aggregate, command)
    if refusal is not None:
        aggregate.refuse(
            "command", command.id, "reconcile", refusal, turn.why(causation=command.key, askedBecause=reason)
        )
        return Refused("command", command.id, refusal)
    return Applied("command", command.id, already=look_now(turn, aggregate, command, reason))


def look_now(turn: Turn, aggregate: Aggregate, command: Command, reason: str) -> bool:
    """The next look of a command whose outcome is unknown is due at once; whether it is being asked about already."""
    aggregate.record("command", command.id, "reconcile", turn.why(reason, rule="RECONCILE_NOW", causation=command.key))
    asking = _asking(aggregate, command)
    if not asking:
        file(turn, aggregate, "lookup", command.task_id, turn.now, command.system)
    return asking


def _why_not_reconcile(turn: Turn, aggregate: Aggregate, command: Command) -> Refusal | None:
    what = f"cannot reconcile command {outside('command', command.id)}"
    refusal = not_allowed(
        turn.actor, "reconcile", what, commands.owner_of(turn, aggregate, command.task_id, command.system)
    )
    if refusal is not None:
        return refusal
    if command.purpose is Purpose.QUERY:
        return Refusal("NOT_UNKNOWN", what, "it is a question itself", "reconcile the command that it asks about")
    if command.state is not CommandState.UNKNOWN:
        return Refusal(
            "NOT_UNKNOWN",
            what,
            f"its outcome is not unknown: it is {command.state.value}",
            "only an unknown outcome has to be found out",
        )
    return None

"""Commands through their life: claimed (intent, key, lease committed), sent by somebody else, recorded; lost when a
lease or a breach time ran out.

`claim` and `record_replies` are the two halves around a call, in one transaction of a worker; between them nothing is
locked and no transaction is open.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.cases.case import is_told
from fallsafe.core.commands.contract import AnswerRule, Operation, Request
from fallsafe.core.commands.ledger import PERSON_SENDS_AGAIN, Command, CommandState, Purpose, may_send
from fallsafe.core.commands.outcome import Accepted, Done, Fact, Looked, Lost, NotSent, Rejected, Reply, Says
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Record
from fallsafe.core.orders.task import Task, is_frozen
from fallsafe.core.recover.breaker import DOWN_CAUSES, Came, Downstream, Heard
from fallsafe.core.repair import clauses
from fallsafe.core.repair.actions import why_not_resend, why_outdated
from fallsafe.core.repair.amendment import Amendment
from fallsafe.core.values import replace
from fallsafe.flows import cases, facts, failures, handed, lapse, parking, payload, rewound, settle, windows
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.facts import Told
from fallsafe.flows.moves import file, move_command
from fallsafe.flows.rewound import LostTime
from fallsafe.flows.turn import Turn, begin
from fallsafe.policyset.templates import TemplateError
from fallsafe.store.ids import outside
from fallsafe.store.rows import read_row
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Why, row_digest


@dataclass(frozen=True, slots=True)
class Due:
    """An agenda entry that a worker read without a lock."""

    kind: str
    id: int
    order_id: int | None
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that is committed and may now be sent, until `lease_until`, by the worker that claimed it. `repeat`
    says that an earlier one came back unsent.
    """

    command_id: int
    order_id: int
    attempt: int
    purpose: Purpose
    key: str
    operation: Operation
    request: Request
    answers: tuple[AnswerRule, ...]
    asked: Mapping[str, str]
    causation: str
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Attempted:
    """A claimed attempt and what it brought."""

    claimed: Claimed
    reply: Reply


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of recording: what the answers say of their downstreams, and what was claimed with it."""

    heard: list[Heard]
    claimed: list[Claimed]


NO_ROOM: Mapping[int, int] = MappingProxyType({})


async def still_stand(tx: Tx, due: Sequence[Due], now: datetime) -> list[Due]:
    """Those entries that stand after the locks and whose orders this transaction holds."""
    rows = await tx.fetch("agenda/stand", kinds=[d.kind for d in due], ids=[d.id for d in due], now=now)
    return [
        Due(r["kind"], r["id"], r["order_id"], r["due_at"])
        for r in rows
        if r["order_id"] is None or r["order_id"] in tx.aggregates
    ]


async def may_send_at_all(tx: Tx) -> bool:
    """Whether this installation sends: not while its database is known to have gone back in time."""
    return (await rewound.sending(tx)).sending


async def claim(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> list[Claimed]:
    """Claims what is due to be sent and may be: intent, key, attempt and lease are written; the caller commits and
    only then sends.

    Nothing is claimed of an order that somebody holds, that is frozen, or whose command may not go out (rule 2).
    """
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    standing = await still_stand(tx, due, turn.now)
    state = await rewound.sending(tx)
    if not standing or not state.sending:
        return []
    turn.health = await read_health(tx)
    claimed = await _claim_all(turn, standing, state)
    await settle.end(turn)
    return claimed


async def _claim_all(turn: Turn, due: Sequence[Due], state: rewound.Sending) -> list[Claimed]:
    lost = await rewound.lost_time(turn.tx, state)
    personal = await personal_of(turn, (d.order_id for d in due))
    repeats = Counter[str]()
    return [c for d in due if (c := await _claim_one(turn, d, personal, lost, repeats)) is not None]


async def _claim_released(turn: Turn, rooms: Mapping[int, int]) -> list[Claimed]:
    """What this very turn made ready goes out with it, where its gate has room. An order that a failure of the turn is
    about waits for its next look, by which its case stands.
    """
    failed, left = {r.aggregate.order.id for r in turn.raised}, dict(rooms)
    due = list[Due]()
    for entry in turn.tx.pages.file.values():
        now = entry.kind == "send" and entry.due_at <= turn.now and entry.order_id not in failed
        if now and left.get(entry.gate, 0) > 0:
            left[entry.gate] -= 1
            due.append(Due(entry.kind, entry.id, entry.order_id, entry.due_at))
    state = await rewound.sending(turn.tx) if due else None
    return await _claim_all(turn, due, state) if state is not None and state.sending else []


async def personal_of(turn: Turn, orders: Iterable[int | None]) -> dict[int, payload.Personal]:
    """The unsealed personal values of orders that have a request to render."""
    wanted = sorted({order_id for order_id in orders if order_id})
    opened: dict[int, dict[str, object]] = {i: {} for i in wanted}
    for row in await turn.tx.fetch("personal/of_orders", ids=wanted):
        key = turn.tx.aggregates[row["order_id"]].key
        opened[row["order_id"]][row["path"]] = payload.read_json(key.open(bytes(row["sealed"])))
    return opened  # type: ignore[return-value]  # safe because read_json gives JSON values


async def _claim_one(
    turn: Turn, due: Due, personal: Mapping[int, payload.Personal], lost: LostTime | None, repeats: Counter[str]
) -> Claimed | None:
    aggregate = turn.tx.aggregates[due.order_id or 0]
    command = aggregate.current(due.id)
    task = aggregate.tasks.get(due.id)
    if command is None or task is None:
        turn.tx.clear(due.kind, due.id)
        return None
    if aggregate.order.frozen or is_frozen(task, aggregate.tasks):
        _look_later(turn, aggregate, command)
        return None
    _, operation = facts.contract(turn, aggregate, command)
    if lost is not None and rewound.may_be_there(turn, aggregate, task, command, operation, lost):
        await rewound.doubt_intended(turn, aggregate, command, operation, lost)
        return None
    refusal = may_send(command, operation, turn.now)
    if refusal is None and not parking.lets(turn, command):
        parking.park(turn, aggregate, command)
        return None
    if refusal is None and lapse.holds(turn, aggregate, task, command):
        return None
    if refusal is None and windows.holds(turn, aggregate, task, command):
        return None
    if refusal is not None:
        _refuse(turn, aggregate, command, refusal)
        return None
    if _beyond_budget(turn, command, repeats):
        _put_off(turn, aggregate, command)
        return None
    task = windows.over(turn, aggregate, task)
    made = await _request(turn, aggregate, task, command, operation, personal.get(aggregate.order.id, {}))
    return None if made is None else await send(turn, aggregate, task, command, operation, made, operation.answers)


def _beyond_budget(turn: Turn, command: Command, repeats: Counter[str]) -> bool:
    """Whether its system has been asked for all the repeats that it is to bear just now; else this is one of them."""
    allowed = turn.context.repeats
    if not command.retries or allowed is None:
        return False
    repeats[command.system] += 1
    return repeats[command.system] > allowed.get(command.system, 0)


def _put_off(turn: Turn, aggregate: Aggregate, command: Command) -> None:
    """A repeat waits for its system's budget; no attempt is spent."""
    least = turn.policy(aggregate).systems[command.system].retry_budget.least
    turn.tx.clear("send", command.task_id)
    file(turn, aggregate, "send", command.task_id, turn.now + least.per / least.calls, command.system)


def _look_later(turn: Turn, aggregate: Aggregate, command: Command) -> None:
    turn.tx.clear("send", command.task_id)
    later = turn.now + turn.policy(aggregate).limits.replan_every
    file(turn, aggregate, "send", command.task_id, later, command.system)


def _refuse(turn: Turn, aggregate: Aggregate, command: Command, refusal: Refusal) -> None:
    """An agenda entry asked for a send that rule 2 forbids: recorded, and the entry is taken away."""
    aggregate.refuse("command", command.id, "send", refusal, turn.why(causation=command.key))
    turn.tx.clear("send", command.task_id)
    if command.state is CommandState.INTENDED:
        task = aggregate.tasks[command.task_id]
        stuck = unrenderable(turn, aggregate, task, command, str(refusal))
        stuck = replace(stuck, sign="undecided", system=command.system)
        failures.meet(turn, aggregate, stuck, "LOOKUP_UNDECIDED", failures.Known(repeat_refused=True))


async def _request(
    turn: Turn, aggregate: Aggregate, task: Task, command: Command, operation: Operation, personal: payload.Personal
) -> tuple[Command, Request] | None:
    """The command with its bytes: rendered at the first claim, read back from evidence ever after."""
    if command.request_evidence_id is not None:
        row = (await turn.tx.fetch("evidence/open", orders=[aggregate.order.id], ids=[command.request_evidence_id]))[0]
        return command, payload.from_evidence(row["head"], row["media_type"], aggregate.key.open(bytes(row["sealed"])))
    try:
        made = payload.request(turn, aggregate, task, command, operation, personal)
    except TemplateError as error:
        failures.meet(turn, aggregate, unrenderable(turn, aggregate, task, command, str(error)), "SERIALIZATION_ERROR")
        turn.tx.clear("send", task.id)
        return None
    evidence = await turn.tx.add_evidence(
        aggregate.order.id,
        aggregate.key,
        kind="request",
        source=command.system,
        body=made.body,
        media_type=made.media_type,
        head=payload.head_of(made),
        command_id=command.id,
        attempt=command.attempts + 1,
    )
    return replace(command, request_evidence_id=evidence.id, payload_digest=evidence.digest), made


def unrenderable(turn: Turn, aggregate: Aggregate, task: Task, command: Command, message: str) -> Signal:
    """The signal that a request could not be built; nothing was sent."""
    return Signal(
        Detector.PLANNING,
        aggregate.order.id,
        task.item_id,
        task.id,
        command.id,
        "OMS",
        command.operation,
        "",
        message,
        "unrenderable",
        False,
        turn.now,
        turn.now,
        step=task.step,
    )


async def send(
    turn: Turn,
    aggregate: Aggregate,
    task: Task,
    command: Command,
    operation: Operation,
    made: tuple[Command, Request] | Request,
    answers: tuple[AnswerRule, ...],
    asked: Mapping[str, str] | None = None,
) -> Claimed:
    """Writes one attempt: sending, lease, attempt row. The caller commits and then calls the other system."""
    command, request = made if isinstance(made, tuple) else (command, made)
    # What was sent once stays under the contract that it was sent under, and so does a question about it.
    target = aggregate.commands.get(command.target_id or 0)
    policy_set = (target or command).contract_set or turn.policy(aggregate).id
    until = turn.now + operation.call_timeout + turn.context.lease_beyond_call
    n = command.attempts + 1
    row = (aggregate.order.id, command.id, n, turn.now, turn.context.worker, until, policy_set)
    turn.tx.pages.attempts.append(row)
    added = turn.tx.pages.evidence[-1][0].id if turn.tx.pages.evidence else None
    evidence = (added,) if added is not None and added == command.request_evidence_id else ()
    why = turn.why(
        f"attempt {n} to {operation.name}",
        policy=turn.context.policy(policy_set),
        rule=f"contract/{operation.name}",
        evidence=evidence,
        causation=command.key,
        attempt=n,
        attemptRow=row_digest(row),
        key=command.key,
    )
    command = await move_command(
        turn,
        aggregate,
        command,
        "send",
        why,
        attempts=n,
        first_sent_at=command.first_sent_at or turn.now,
        last_sent_at=turn.now,
        ended_at=None,
        lease_until=until,
        lease_worker=turn.context.worker,
        contract_set=policy_set,
    )
    file(turn, aggregate, "lease", command.id if command.purpose is Purpose.QUERY else task.id, until)
    about = asked or {"key": command.key, "object": payload.business_object(aggregate, task)}
    return Claimed(
        command.id,
        aggregate.order.id,
        n,
        command.purpose,
        command.key,
        operation,
        request,
        answers,
        about,
        aggregate.order.correlation_id,
        repeat=command.retries > 0,
    )


async def read_health(tx: Tx) -> dict[str, Downstream]:
    """The downstreams that something is the matter with, by system, read without a lock."""
    return {row["system"]: read_row(Downstream, row) for row in await tx.fetch("downstreams/troubled")}


async def record_replies(
    tx: Tx, context: Context, attempted: Sequence[Attempted], actor: Actor, rooms: Mapping[int, int] = NO_ROOM
) -> Recorded:
    """Records what attempts brought: bytes first, then read by the contract each was sent under. Facts about one
    order are applied one after another. What becomes ready by them is claimed in the same transaction, as far as
    `rooms` (calls that may begin now, by gate) go.
    """
    from fallsafe.flows import recover

    await tx.lock(a.claimed.order_id for a in attempted)
    turn = await begin(tx, context, actor)
    turn.health = await read_health(tx)
    heard: list[Heard] = []
    for one in attempted:
        aggregate = tx.aggregates.get(one.claimed.order_id)
        command = aggregate.commands.get(one.claimed.command_id) if aggregate else None
        if aggregate is None or command is None or one.claimed.attempt > command.attempts:
            await _keep_unclaimed(turn, aggregate, command, one)
            continue
        evidence = await keep(turn, aggregate, command, one)
        if command.purpose is Purpose.QUERY:
            await recover.record_look(turn, aggregate, command, one, evidence)
        else:
            told = told_of(one.reply, one.claimed.attempt, evidence)
            await facts.apply(turn, aggregate, command, told)
            heard.append(_heard(turn, aggregate, command, told))
    claimed = await _claim_released(turn, rooms)
    await settle.end(turn)
    return Recorded(heard, claimed)


def _heard(turn: Turn, aggregate: Aggregate, command: Command, told: Told) -> Heard:
    """What an attempt says of the system that it went to."""
    match told.fact.says:
        case Says.LOST:
            came = Came.NOWHERE
        case Says.NOT_SENT:
            cause = cases.judge(turn, facts.signal_of(turn, aggregate, command, told, told.sign)).cause
            answered = Came.THROUGH if told.fact.raw_code else Came.NOWHERE
            came = Came.BACK if cause in DOWN_CAUSES else answered
        case _:
            came = Came.THROUGH
    return Heard(command.system, command.task_id, came, told.retry_after)


async def _keep_unclaimed(turn: Turn, aggregate: Aggregate | None, command: Command | None, one: Attempted) -> None:
    """The answer to an attempt that the database does not know: it went back in time since the claim. It moves
    nothing, the command is looked up. What belongs to no order that is here is kept under the key of such things.
    """
    said = f"answer to attempt {one.claimed.attempt} of {one.claimed.key}, whose claim the database has lost"
    if aggregate is not None and command is not None:
        evidence = await keep(turn, aggregate, command, one)
        why = turn.why(said, evidence=evidence, causation=one.claimed.key)
        aggregate.record("command", command.id, "keep_unclaimed", why, str(command.state), str(command.state))
        return
    number, key = one.claimed.command_id, await turn.tx.loose_key()
    kept = [
        await turn.tx.add_evidence(
            0, key, kind=raw.kind, source=one.claimed.operation.system, body=raw.body, media_type=raw.media_type,
            head=raw.head, attempt=one.claimed.attempt,
        )
        for raw in one.reply.evidence
    ]  # fmt: skip
    noted = Record(0, str(turn.actor), "command", number, "keep_unclaimed", "", "", {}, said)
    turn.tx.loose(noted._replace(evidence=tuple(each.id for each in kept), causation=one.claimed.key))


async def keep(turn: Turn, aggregate: Aggregate, command: Command, one: Attempted) -> tuple[int, ...]:
    """Keeps the bytes of an attempt; what went out is kept once, at its first claim (queries keep theirs here)."""
    kept = []
    for raw in one.reply.evidence:
        if raw.kind == "request" and command.request_evidence_id is not None:
            continue
        added = await turn.tx.add_evidence(
            aggregate.order.id,
            aggregate.key,
            kind=raw.kind,
            source=command.system,
            body=raw.body,
            media_type=raw.media_type,
            head=raw.head,
            command_id=command.id,
            attempt=one.claimed.attempt,
        )
        kept.append(added.id)
    return tuple(kept)


def told_of(reply: Reply, attempt: int, evidence: tuple[int, ...]) -> Told:
    """An outcome as a fact."""
    match reply.outcome:
        case Accepted(reference, result):
            return Told(Fact(Says.ACCEPTED, "answer", reference, attempt=attempt, result=result), evidence)
        case Done(reference, result):
            return Told(Fact(Says.DONE, "answer", reference, attempt=attempt, result=result), evidence)
        case Rejected(raw_code, message, reference):
            return Told(Fact(Says.REJECTED, "answer", reference, raw_code, message, attempt), evidence)
        case NotSent(reason, raw_code, retry_after):
            return Told(
                Fact(Says.NOT_SENT, "answer", "", raw_code, "", attempt), evidence, sign=reason, retry_after=retry_after
            )
        case Lost(reason, raw_code, message):
            return Told(Fact(Says.LOST, "answer", "", raw_code, message, attempt), evidence, sign=reason)
        case Looked(says, reference, raw_code, message, result):
            return Told(Fact(says, "look_up", reference, raw_code, message, attempt, result=result), evidence)


async def expire_leases(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """A lease that ran out while sending is a lost attempt: its sender is dead or too late. It is never "try again"."""
    from fallsafe.flows import recover

    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    turn.health = await read_health(tx)
    for d in await still_stand(tx, due, turn.now):
        aggregate = tx.aggregates[d.order_id or 0]
        command = aggregate.commands.get(d.id) or aggregate.current(d.id)
        tx.clear("lease", d.id)
        if command is None or command.state is not CommandState.SENDING or command.lease_until is None:
            continue
        if command.lease_until > turn.now:
            file(turn, aggregate, "lease", d.id, command.lease_until)
        elif command.purpose is Purpose.QUERY:
            await recover.lose_look(turn, aggregate, command, "lease_expired")
        else:
            await facts.apply(
                turn, aggregate, command, facts.lost("lease", "lease_expired", command.attempts, command.lease_until)
            )
    await settle.end(turn)


async def find_overdue(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """An accepted command that is silent past the breach time of its task is unknown (§6.2); nothing is sent on that
    account. A task in other hands is looked at as such.
    """
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    for d in await still_stand(tx, due, turn.now):
        aggregate = tx.aggregates[d.order_id or 0]
        command, task = aggregate.current(d.id), aggregate.tasks.get(d.id)
        tx.clear("overdue", d.id)
        if task is not None and task.executor != "command":
            handed.look(turn, aggregate, task)
            await _find_unanswered(turn, aggregate, command)
            continue
        if command is None or task is None or command.state is not CommandState.ACCEPTED:
            continue
        if task.breach_at is not None and task.breach_at > turn.now:
            file(turn, aggregate, "overdue", task.id, task.breach_at)
        else:
            await facts.apply(turn, aggregate, command, facts.lost("breach", "silent", 0))
    await settle.end(turn)


async def _find_unanswered(turn: Turn, aggregate: Aggregate, command: Command | None) -> None:
    """What another engine was told and has accepted, without ever saying that it did it."""
    if command is None or command.state is not CommandState.ACCEPTED or command.accepted_at is None:
        return
    silent_at = command.accepted_at + turn.context.newest.limits.silent_after
    if silent_at > turn.now:
        file(turn, aggregate, "overdue", command.task_id, silent_at)
    else:
        await facts.apply(turn, aggregate, command, facts.lost("breach", "silent", 0))


async def resend(tx: Tx, context: Context, command_ids: Sequence[int], actor: Actor, reason: str) -> list[Answer]:
    """A person asks that the same command goes out again, with its key and bytes: one that was proved absent, where the
    contract makes a repeat harmless (rule 2), or one whose attempts are spent and of which nothing ever left.
    """
    aggregates = await tx.lock(await orders_of(tx, command_ids))
    await tx.load_repairs()
    turn = await begin(tx, context, actor)
    rows = await tx.fetch("agenda/of_orders", ids=[a.order.id for a in aggregates])
    scheduled = frozenset(row["id"] for row in rows if row["kind"] in ("send", parking.KIND))
    answers = [await _resend_one(turn, command_id, reason, scheduled) for command_id in command_ids]
    await settle.end(turn)
    return answers


async def _resend_one(turn: Turn, command_id: int, reason: str, scheduled: frozenset[int]) -> Answer:
    aggregate, command = find(turn.tx, command_id)
    if aggregate is None or command is None:
        return Refused("command", command_id, no_such(command_id))
    reason = await discreet(turn, aggregate, reason)
    refusal = _why_not_resend(turn, aggregate, command, command.task_id in scheduled)
    if refusal is not None:
        aggregate.refuse("command", command.id, "resend", refusal, turn.why(causation=command.key, askedBecause=reason))
        return Refused("command", command.id, refusal)
    await go_again(turn, aggregate, command, reason)
    return Applied("command", command.id)


async def go_again(turn: Turn, aggregate: Aggregate, command: Command, reason: str, approved: str = "") -> None:
    """The same command goes out again with its key, because somebody asked for it and it may. `approved` names the
    repair by which a second person agreed to a repeat that its contract does not make safe. Attempts that were spent
    are counted anew.
    """
    rule = "person_sends_again" if approved else "repeat_is_harmless"
    if command.state is CommandState.ABSENT:
        await send_again(turn, aggregate, command, turn.why(reason, rule=rule, causation=approved or command.key))
        command = aggregate.commands[command.id]
    else:
        why = turn.why(reason, rule=rule if approved else "nothing_left", causation=approved or command.key)
        aggregate.put(replace(command, retries=0, failing_since=None), "resend", why)
        command = aggregate.commands[command.id]
    if approved:
        aggregate.put(replace(command, finding=PERSON_SENDS_AGAIN), "approve", turn.why(reason, causation=approved))
    file(turn, aggregate, "send", command.task_id, turn.now, command.system)


def owner_of(turn: Turn, aggregate: Aggregate, task_id: int, system: str) -> str:
    """The group that answers for what `system` is asked of a task: the owner of its open case (of one that the product
    saw before one that it was told), else of tasks of its type; for a step of another engine of no type that policy
    knows, the group that owns what fails at that system.
    """
    of_task = sorted((c for c in aggregate.open_cases if c.task_id == task_id), key=is_told)
    case, task = next(iter(of_task), None), aggregate.tasks.get(task_id)
    if case is not None:
        return case.owner_group
    kind = turn.policy(aggregate).task_types.get(task.type) if task is not None else None
    rules = turn.context.newest.rules
    return kind.owner if kind is not None else rules.owners.get(system, rules.fallback.owner)


def _why_not_resend(turn: Turn, aggregate: Aggregate, command: Command, scheduled: bool) -> Refusal | None:
    what = f"cannot send command {outside('command', command.id)} again"
    refusal = not_allowed(turn.actor, "resend", what, owner_of(turn, aggregate, command.task_id, command.system))
    if refusal is not None:
        return refusal
    _, operation = facts.contract(turn, aggregate, command)
    task = aggregate.tasks.get(command.task_id)
    lapsed = lapse.why_not(turn, aggregate, task, what) if task is not None else None
    refusal = why_not_resend(what, command, operation, turn.now, scheduled and lapsed is None)
    return refusal or why_outdated(what, outdated_by(turn, aggregate, command)) or lapsed


def outdated_by(turn: Turn, aggregate: Aggregate, command: Command) -> Amendment | None:
    """The change of the deal after which a command does not say any more what is agreed; None where there is none."""
    task = aggregate.tasks.get(command.task_id)
    if task is None:
        return None
    item, every = aggregate.items[task.item_id], aggregate.amendments.values()
    return clauses.outdated_by(command, task, item, every, turn.policy(aggregate).request_facts)


async def send_again(turn: Turn, aggregate: Aggregate, command: Command, why: Why) -> None:
    """The same command, key and bytes, after *absent*; its attempts are counted anew."""
    await move_command(turn, aggregate, command, "send_again", why, retries=0, failing_since=None)
    file(turn, aggregate, "send", command.task_id, turn.now, command.system)


async def orders_of(tx: Tx, command_ids: Sequence[int]) -> list[int]:
    """The orders that commands belong to, read without a lock."""
    return [row["order_id"] for row in await tx.fetch("commands/orders_of", ids=list(command_ids))]


def find(tx: Tx, command_id: int) -> tuple[Aggregate | None, Command | None]:
    """A command among the locked orders."""
    for aggregate in tx.aggregates.values():
        if command_id in aggregate.commands:
            return aggregate, aggregate.commands[command_id]
    return None, None


def no_such(command_id: int) -> Refusal:
    """The refusal for a command that does not exist."""
    return Refusal(
        "NOT_FOUND",
        f"there is no command {outside('command', command_id)}",
        "no order has it",
        "fallsafe order show lists the commands of an order",
    )

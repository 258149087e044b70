"""Commands after the database went back in time: what may have been sent in the time that was lost is looked up by its
key before it is sent again (rule 14).

The lost time begins with the last thing that the database still knows and ends when sending was stopped. What stood
open then, what may have been begun in it and what is handed in once more after it cannot be told from what was never
sent, except by asking.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fallsafe.core.commands.contract import Operation, Repeat, repeat_is_harmless
from fallsafe.core.commands.ledger import Command, CommandState, Purpose, may_have_left
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.orders.task import Task
from fallsafe.core.values import replace
from fallsafe.flows import facts
from fallsafe.flows.facts import Told
from fallsafe.flows.moves import file, move_command
from fallsafe.flows.turn import Turn
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, row_digest

SIGN = "rewound"
# For so long after a rewind an order that comes in may be one that was there before and is fed again.
FED_AGAIN_WITHIN = timedelta(days=7)
DOUBTED_STATES = (CommandState.SENDING, CommandState.ACCEPTED, CommandState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sending:
    """Whether this installation sends; when and why it was last stopped, and how often its database went back."""

    sending: bool
    stopped_because: str
    stopped_at: datetime | None
    rewinds: int


@dataclass(frozen=True, slots=True)
class LostTime:
    """From the last thing that the database still knew to the moment at which sending stopped."""

    since: datetime
    until: datetime


async def sending(tx: Tx) -> Sending:
    """Whether this installation sends."""
    return sending_of((await tx.fetch("installation/read"))[0])


def sending_of(row: Mapping[str, Any]) -> Sending:
    """The one row of the installation."""
    return Sending(row["sending"], row["stopped_because"], row["stopped_at"], row["rewinds"])


async def lost_time(tx: Tx, state: Sending) -> LostTime | None:
    """The time that the newest rewind lost; None when there was none. Where the clock went back as well, it ends no
    sooner than it begins: what was sent before the stop must not look as if it had been sent since.
    """
    if not state.rewinds or state.stopped_at is None:
        return None
    rows = await tx.fetch("installation/last_stop")
    back_to = msgspec.json.decode(rows[0]["payload"])["facts"]["backTo"] if rows else None
    since = datetime.fromisoformat(back_to) if back_to else state.stopped_at
    return LostTime(since, max(since, state.stopped_at))


def may_be_there(
    turn: Turn, aggregate: Aggregate, task: Task, command: Command, operation: Operation, lost: LostTime
) -> bool:
    """Whether a command that is to be sent may have been sent in the lost time, for all that is known here.

    No once it was looked up or sent after that time. A command that was made after it may have been made before too,
    unless something that its task waits for was proved absent since; of an order that is fed again it matters only
    where its contract does not recognize the key.
    """
    if command.state is not CommandState.INTENDED or _since(command, lost):
        return False
    if command.intended_at <= lost.until:
        return True
    if aggregate.order.received_at > lost.until + FED_AGAIN_WITHIN:
        return False
    fed_again = aggregate.order.received_at > lost.until
    if fed_again and repeat_is_harmless(operation) and _key_lived_at(turn.now, operation, lost):
        return False
    return not _follows_what_was_absent(turn, aggregate, task, lost)


def _since(command: Command, lost: LostTime) -> bool:
    return command.last_sent_at is not None and command.last_sent_at >= lost.until


def _key_lived_at(moment: datetime, operation: Operation, lost: LostTime) -> bool:
    """Whether the other side still knew a key that it may have got at the beginning of the lost time."""
    return operation.key_lives is None or moment + operation.call_timeout <= lost.since + operation.key_lives


def _follows_what_was_absent(turn: Turn, aggregate: Aggregate, task: Task, lost: LostTime) -> bool:
    """Whether a task waits, however far back, for something that was proved absent since: nothing behind that can have
    begun in the lost time.
    """
    front, reached = [*task.depends_on], set[int]()
    while front:
        at = front.pop()
        command = aggregate.current(at)
        if at in reached or command is None or command.last_sent_at is None or command.last_sent_at <= lost.until:
            continue
        if _was_absent(turn, aggregate, command, lost):
            return True
        reached.add(at)
        front.extend(aggregate.tasks[at].depends_on)
    return False


def _was_absent(turn: Turn, aggregate: Aggregate, command: Command, lost: LostTime) -> bool:
    """What was in doubt and went out again had been proved absent; and so was what was sent for the first time, and
    taken, by a system that rejects a key which it knows.
    """
    first, last = command.first_sent_at, command.last_sent_at
    _, operation = facts.contract(turn, aggregate, command)
    if first is None or last is None or not operation.effect:
        return False  # what has no effect may be asked again at any time: that it was proves nothing
    if first <= lost.until:
        return True
    rejects = operation.repeat is Repeat.REJECTS_DUPLICATE and _key_lived_at(last, operation, lost)
    return rejects and command.state is CommandState.DONE and not may_have_left(command)


async def doubt_intended(
    turn: Turn, aggregate: Aggregate, command: Command, operation: Operation, lost: LostTime
) -> None:
    """The attempt that may have been made in the lost time is written down as one whose outcome is unknown: nothing is
    sent, it is looked up.
    """
    policy = turn.policy(aggregate)
    n, ended = command.attempts + 1, _ended_at(turn, operation, lost)
    row = (aggregate.order.id, command.id, n, lost.until, SIGN, ended, policy.id)
    turn.tx.pages.attempts.append(row)
    why = turn.why(
        f"attempt {n} may have been made in the time that the database lost, up to {lost.until.isoformat()}",
        policy=policy,
        rule=f"contract/{operation.name}",
        causation=command.key,
        attempt=n,
        attemptRow=row_digest(row),
        key=command.key,
    )
    sent = await move_command(
        turn,
        aggregate,
        command,
        "send",
        why,
        attempts=n,
        first_sent_at=command.first_sent_at or lost.since,
        last_sent_at=lost.until,
        ended_at=None,
        lease_until=ended,
        lease_worker=SIGN,
        contract_set=policy.id,
    )
    await facts.apply(turn, aggregate, sent, _lost("lease", n, lost, ended))


def _ended_at(turn: Turn, operation: Operation, lost: LostTime) -> datetime:
    """When the last attempt of the lost time was over: it was claimed before the stop, and had its lease."""
    return lost.until + operation.call_timeout + turn.context.lease_beyond_call


def _lost(source: str, attempt: int, lost: LostTime, ended_at: datetime) -> Told:
    fact = Fact(Says.LOST, source, attempt=attempt, occurred_at=lost.until)
    return Told(fact, sign=SIGN, ended_at=ended_at)


async def doubt_open(turn: Turn, aggregate: Aggregate, lost: LostTime) -> int:
    """Looks anew at every command of an order that stood open in the lost time: it may have gone further than it is
    known to have. Returns how many.
    """
    doubted = 0
    for command in list(aggregate.commands.values()):
        open_ = command.state in DOUBTED_STATES and command.purpose is not Purpose.QUERY
        if open_ and not _since(command, lost):
            await _doubt_one(turn, aggregate, command, lost)
            doubted += 1
    return doubted


async def _doubt_one(turn: Turn, aggregate: Aggregate, command: Command, lost: LostTime) -> None:
    _, operation = facts.contract(turn, aggregate, command)
    ended = _ended_at(turn, operation, lost)
    doubted = replace(command, last_sent_at=lost.until, ended_at=ended, empty_looks=0, first_empty_at=None)
    why = turn.why("what became of it in the time that the database lost is not known here", causation=command.key)
    aggregate.put(doubted, "doubt", why)
    match command.state:
        case CommandState.SENDING:
            await facts.apply(turn, aggregate, doubted, _lost("lease", command.attempts, lost, ended))
        case CommandState.ACCEPTED:
            await facts.apply(turn, aggregate, doubted, _lost("person", 0, lost, ended))
        case _:
            file(turn, aggregate, "lookup", command.task_id, turn.now, command.system)

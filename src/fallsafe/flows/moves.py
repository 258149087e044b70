"""Moving a command moves its task, and a finished task releases those that waited for it: always together, always by
the tables.

This is the only module that changes the state of commands and tasks.
"""

from datetime import datetime
from typing import Any

from fallsafe.core.commands.ledger import TASK_STATE_OF, Command, CommandState, Purpose, key_for, next_state
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.task import (
    CUT_OFF,
    FINAL_TASK_STATES,
    TASK_LIFECYCLE,
    Task,
    TaskState,
    TaskType,
    still_pending,
    supplied_at,
)
from fallsafe.core.orders.windows import next_cut_off
from fallsafe.core.recover import polling
from fallsafe.core.values import replace
from fallsafe.flows import payload
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate, Entry, Why, must_be

LIVE_KINDS = ("send", "lease", "overdue", "lookup")
ANCHOR_OF = {TaskState.READY: "ready", TaskState.SENDING: "sent", TaskState.WAITING_CALLBACK: "accepted"}
ANCHORS = frozenset(ANCHOR_OF.values())


def subject(command: Command) -> int:
    """What an agenda entry of a command names: its task, so that coverage can be counted from tasks alone; a query
    has entries of its own.
    """
    return command.id if command.purpose is Purpose.QUERY else command.task_id


def file(turn: Turn, aggregate: Aggregate, kind: str, thing_id: int, due_at: datetime, system: str = "") -> None:
    """Sets the next look at a thing of this order; `system` names the gate that it goes through."""
    turn.tx.file(Entry(kind, thing_id, aggregate.order.id, due_at, turn.context.gate(system) if system else 0))


def entry(kind: str, thing_id: int, aggregate: Aggregate, due_at: datetime) -> Entry:
    """An agenda entry of a thing of this order that goes through no gate."""
    return Entry(kind, thing_id, aggregate.order.id, due_at)


async def move_command(
    turn: Turn, aggregate: Aggregate, command: Command, verb: str, why: Why, **changes: Any
) -> Command:
    """Moves a command by a verb of its table, its task with it, and files or clears what must be looked at next for
    the new state.
    """
    moved = replace(command, state=next_state(command.state, verb, command.purpose), **changes)
    aggregate.put(moved, verb, why)
    if moved.purpose is Purpose.FULFILL:
        await _move_task(turn, aggregate, moved, verb, why)
    _clear_looks(turn, command, moved)
    _poll(turn, aggregate, moved)
    if moved.purpose is Purpose.RESUME and moved.state is CommandState.ACCEPTED:
        silent = turn.context.newest.limits.silent_after
        file(turn, aggregate, "overdue", moved.task_id, (moved.accepted_at or turn.now) + silent)
    return moved


def _poll(turn: Turn, aggregate: Aggregate, command: Command) -> None:
    """What was accepted by a system that says nothing by itself is asked about every so often."""
    operation = turn.policy(aggregate).operations.get(command.operation)
    if operation is not None and operation.poll_every is not None and polling.is_polled(command, operation):
        file(turn, aggregate, "lookup", command.task_id, turn.now + operation.poll_every, command.system)


def _clear_looks(turn: Turn, was: Command, now: Command) -> None:
    keep = {
        CommandState.INTENDED: "send",
        CommandState.SENDING: "lease",
        CommandState.ACCEPTED: "overdue",
        CommandState.UNKNOWN: "lookup",
    }
    for kind in LIVE_KINDS:
        # What another engine is told stands beside the look at its silence, which is the task's own.
        own = kind != "overdue" or now.purpose is not Purpose.RESUME
        if own and kind != keep.get(now.state):
            turn.tx.clear(kind, subject(was))


async def _move_task(turn: Turn, aggregate: Aggregate, command: Command, verb: str, why: Why) -> None:
    task: Task = must_be(aggregate.tasks.get(command.task_id), f"task {command.task_id}")
    state = TASK_STATE_OF.get(command.state)
    if state is None or state is task.state:
        return
    kind = turn.policy(aggregate).task_types[task.type]
    told = None if supplied_at(task) is not None else task.waiting  # what was said of work that went on there is over
    changes = times(task, state, kind, turn.now, _date(turn, aggregate, task, kind))
    if state is TaskState.COMPLETED:
        lasts = turn.now + kind.valid if kind.valid else None
        changes = {"completed_at": turn.now, "reference": command.reference or task.reference, "valid_until": lasts}
    moved = replace(task, state=state, waiting=told, **changes)
    if state is TaskState.COMPLETED:
        watch(turn, aggregate, moved, kind)
    aggregate.put(moved, verb, why)
    if state is TaskState.WAITING_CALLBACK:
        file(turn, aggregate, "overdue", task.id, moved.breach_at or turn.now)
    if state in FINAL_TASK_STATES:
        await release_dependants(turn, aggregate, moved)


def times(
    task: Task, state: TaskState, policy: TaskType, now: datetime, date: datetime | None = None
) -> dict[str, Any]:
    """The times that a task gets with the state that it reaches: its anchors, and the durations that count from the
    anchor of its type (§6.2). `date` is what a date of the world outside is known to be; one that has passed, or that
    nobody knows, counts from now.
    """
    anchor = ANCHOR_OF.get(state)
    if anchor is None:
        return {}
    stamp = {f"{anchor}_at": now}
    outside = policy.anchor not in ANCHORS
    late = anchor == "accepted" and (task.breach_at is None or task.breach_at <= now)
    if not (late or anchor == policy.anchor or (outside and anchor != "ready")):
        return stamp
    since = max(now, date) if outside and date is not None else now
    return stamp | _durations(policy, since)


def _durations(policy: TaskType, since: datetime) -> dict[str, Any]:
    return {
        "expected_at": since + policy.expected,
        "warning_at": since + policy.warning,
        "breach_at": since + policy.breach,
    }


def retime(turn: Turn, aggregate: Aggregate, task: Task, why: Why) -> None:
    """The other side gave a date for a task that it has: where its times count from a date outside they count anew,
    and the silence that is a failure begins after that date.
    """
    kind, date = turn.policy(aggregate).task_types[task.type], supplied_at(task)
    if date is None or (kind.anchor in ANCHORS and date <= (task.breach_at or date)):
        return
    since = max(turn.now, date)
    aggregate.put(replace(task, **_durations(kind, since)), "expect", why)
    turn.tx.clear("overdue", task.id)
    file(turn, aggregate, "overdue", task.id, since + kind.breach)


def _date(turn: Turn, aggregate: Aggregate, task: Task, kind: TaskType) -> datetime | None:
    """The date from which the times of a task count, where that is one of the world outside."""
    if kind.anchor == CUT_OFF:
        return next_cut_off(turn.policy(aggregate).cut_offs, task.system, aggregate.order.time_zone, turn.now)
    if kind.dated is None:
        return None
    return kind.dated(payload.of_order(aggregate.order, aggregate.items, aggregate.tasks, task, {}))


def renewed_at(task: Task, kind: TaskType) -> datetime:
    """When an effect that lapses is to be renewed."""
    assert task.valid_until is not None
    return task.valid_until - kind.renew_before


def watch(turn: Turn, aggregate: Aggregate, task: Task, kind: TaskType) -> None:
    """An effect that lapses is looked at before it does."""
    if task.valid_until is not None:
        turn.tx.clear("review", task.id)
        file(turn, aggregate, "review", task.id, renewed_at(task, kind))


async def release_dependants(turn: Turn, aggregate: Aggregate, done: Task) -> None:
    """Counts anew, for each task that waited for this one, how many predecessors are not final; at none it is ready."""
    for task_id in done.next:
        task: Task = must_be(aggregate.tasks.get(task_id), f"task {task_id}")
        pending = still_pending(task, aggregate.tasks)
        if task.state is not TaskState.PLANNED or pending == task.pending:
            continue
        if pending:
            aggregate.put(replace(task, pending=pending), "count", turn.why(f"{done.step} is {done.state}"))
        else:
            await make_ready(turn, aggregate, task)


async def make_ready(turn: Turn, aggregate: Aggregate, task: Task, why: Why | None = None) -> None:
    """A task whose predecessors are final becomes ready, with the command that will carry it, and a time to send it:
    now.
    """
    why = why or turn.why("all predecessors are final")
    kind, state = turn.policy(aggregate).task_types[task.type], move(TASK_LIFECYCLE, task.state, "dependencies_met")
    ready = replace(task, state=state, pending=0, **times(task, state, kind, turn.now))
    aggregate.put(ready, "dependencies_met", why)
    match task.executor:
        case "command":
            await intend(turn, aggregate, ready, 1, why)
        case _:
            _hand_over(turn, aggregate, ready)


def _hand_over(turn: Turn, aggregate: Aggregate, task: Task) -> None:
    """A task of people is theirs from now on; they are looked after when they are silent for too long."""
    given = replace(task, state=move(TASK_LIFECYCLE, task.state, "hand_over"))
    breach = given.breach_at or turn.now + turn.policy(aggregate).task_types[task.type].breach
    aggregate.put(replace(given, breach_at=breach), "hand_over", turn.why("it is done by people"))
    file(turn, aggregate, "overdue", task.id, breach)


async def intend(
    turn: Turn,
    aggregate: Aggregate,
    task: Task,
    n: int,
    why: Why,
    purpose: Purpose = Purpose.FULFILL,
    operation: str = "",
    verb: str = "",
) -> Command:
    """Writes down that an effect is wanted, with its key for life. Nothing is sent here. `operation` is another one
    than that of the task, `verb` what another engine is told.
    """
    order, item = aggregate.order, aggregate.items[task.item_id]
    operation = operation or task.operation
    command = Command(
        id=await turn.tx.new_id(),
        order_id=order.id,
        task_id=task.id,
        purpose=purpose,
        n=n,
        key=key_for(order.source, order.external_id, item.external_id, task.step, purpose, n),
        system=operation.partition(".")[0],
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
        target_id=None,
        look=0,
        method=verb,
        finding="",
        contract_set="",
        failing_since=None,
    )
    aggregate.put(command, "intend", why)
    file(turn, aggregate, "send", task.id, turn.now, command.system)
    return command

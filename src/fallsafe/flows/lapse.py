"""Effects that lapse (a reservation, a check, a signature): renewed before they do while anything still relies on them,
else a case; and what would rely on one that has lapsed does not go out.

A renewal is a task of its own, with a command and a key of its own, so that it may be lost and found out like any
other.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from fallsafe.core.commands.ledger import Command
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState, TaskType
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.preview import Renewal
from fallsafe.core.values import replace
from fallsafe.flows import cases, failures, moves
from fallsafe.flows.turn import Turn
from fallsafe.store.ids import outside
from fallsafe.store.work import Aggregate

LAPSING, LAPSED = "EFFECT_LAPSING", "RESERVATION_LAPSED"
RENEWAL = "Renewal"
OVER = frozenset({TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED})


async def look(turn: Turn, aggregate: Aggregate, task: Task) -> None:
    """The look at an effect before it lapses, and when it has: nothing where nothing relies on it any more."""
    policy = turn.policy(aggregate)
    kind = policy.task_types.get(task.type)
    if kind is None or task.valid_until is None or not relied_upon(aggregate, task):
        return
    due = moves.renewed_at(task, kind)
    if turn.now < due:
        moves.file(turn, aggregate, "review", task.id, due)
        return
    renewals = [t for t in aggregate.tasks.values() if kind.renew and t.type == kind.renew and task.id in t.depends_on]
    under_way = any(t.state not in FINAL_TASK_STATES | OVER for t in renewals)
    if turn.now < task.valid_until:
        moves.file(turn, aggregate, "review", task.id, task.valid_until)
        if kind.renew and not under_way and not any(t.state in OVER for t in renewals):
            await _renew(turn, aggregate, task, kind, policy, 1 + len(renewals))
        elif not under_way:
            _raise(turn, aggregate, task, LAPSING, f"{task.step} counts until {task.valid_until.isoformat()}")
    elif under_way:  # whether it helps is not known yet
        moves.file(turn, aggregate, "review", task.id, turn.now + policy.limits.review_every)
    else:
        _raise(turn, aggregate, task, LAPSED, f"{task.step} has counted until {task.valid_until.isoformat()}")


def relied_upon(aggregate: Aggregate, task: Task) -> bool:
    """Whether anything that comes after a task is not over yet."""
    reached, front = {task.id}, [*task.next]
    while front:
        other = aggregate.tasks.get(front.pop())
        if other is None or other.id in reached:
            continue
        if other.state not in FINAL_TASK_STATES:
            return True
        reached.add(other.id)
        front += other.next
    return False


async def _renew(turn: Turn, aggregate: Aggregate, task: Task, kind: TaskType, policy: PolicySet, number: int) -> None:
    """A task that makes the effect last: nothing waits for it, and its own failure is a case of its own."""
    made = await beside(turn, task, policy.task_types[kind.renew], f"{task.step}{RENEWAL}{number}")
    why = turn.why(f"{task.step} lapses, and what comes after it is not done", policy=policy, rule="task_types")
    aggregate.put(made, "plan", why)
    await moves.make_ready(turn, aggregate, made)


async def beside(turn: Turn, task: Task, kind: TaskType, step: str) -> Task:
    """A task that was not planned, after another one of the same item; nothing waits for it."""
    return replace(
        task,
        id=await turn.tx.new_id(),
        step=step,
        type=kind.name,
        system=kind.system,
        operation=kind.operation,
        executor=kind.executor,
        mandatory=False,
        state=TaskState.PLANNED,
        pending=0,
        depends_on=(task.id,),
        next=(),
        undo=kind.undo,
        ponr=kind.ponr,
        ready_at=None,
        sent_at=None,
        accepted_at=None,
        completed_at=None,
        expected_at=None,
        warning_at=None,
        breach_at=None,
        valid_until=None,
        reference="",
        result=None,
        waiting=None,
        frozen=None,
    )


def renewal(turn: Turn, aggregate: Aggregate, task: Task) -> Renewal | None:
    """How what a task is, or relies on, would be renewed by a person's wish; None where nothing lapses that can be, or
    one that was begun has not ended.
    """
    policy = turn.policy(aggregate)
    lapsing = task if task.valid_until is not None else lapsed(turn, aggregate, task)
    kind = policy.task_types.get(lapsing.type) if lapsing is not None else None
    if lapsing is None or kind is None or kind.renew not in policy.task_types:
        return None
    before = [t for t in aggregate.tasks.values() if t.type == kind.renew and lapsing.id in t.depends_on]
    if any(t.state not in FINAL_TASK_STATES | OVER for t in before):
        return None
    return Renewal(lapsing.id, f"{lapsing.step}{RENEWAL}{1 + len(before)}", policy.task_types[kind.renew].operation)


def renewed(turn: Turn, aggregate: Aggregate, command: Command) -> None:
    """A renewal that is done makes the effect count longer, and ends the cases that said that it lapses."""
    done = aggregate.tasks.get(command.task_id)
    policy = turn.policy(aggregate)
    if done is None or done.state is not TaskState.COMPLETED:
        return
    for task in _renews(done, aggregate.tasks, policy):
        kind = policy.task_types[task.type]
        why = turn.why(f"{done.step} is done", policy=policy, rule="task_types", causation=command.key)
        longer = replace(task, valid_until=turn.now + kind.valid if kind.valid else None)
        aggregate.put(longer, "renew", why)
        moves.watch(turn, aggregate, longer, kind)
        _heal(turn, aggregate, longer)


def _renews(done: Task, tasks: Mapping[int, Task], policy: PolicySet) -> Iterator[Task]:
    """The tasks whose effect this one makes last."""
    for before in done.depends_on:
        kind = policy.task_types.get(tasks[before].type)
        if kind is not None and kind.renew == done.type:
            yield tasks[before]


def _heal(turn: Turn, aggregate: Aggregate, task: Task) -> None:
    for case in aggregate.open_cases:
        if case.code in (LAPSING, LAPSED) and (case.task_id == task.id or _before(aggregate, case.task_id, task.id)):
            cases.end_by_itself(turn, aggregate, case, "task_types", f"{task.step} counts again")


def _before(aggregate: Aggregate, task_id: int | None, wanted: int) -> bool:
    return any(task.id == wanted for task in _all_before(aggregate, task_id))


def _all_before(aggregate: Aggregate, task_id: int | None) -> Iterator[Task]:
    """Every task that one waits for, near or far."""
    reached, front = set[int](), [task_id] if task_id in aggregate.tasks else []
    while front:
        for before in aggregate.tasks[front.pop() or 0].depends_on:
            if before not in reached and before in aggregate.tasks:
                reached.add(before)
                front.append(before)
                yield aggregate.tasks[before]


def lapsed(turn: Turn, aggregate: Aggregate, task: Task) -> Task | None:
    """What the task relies on and does not count any more; None where all of it does, or the task is its renewal."""
    renews = {t.id for t in _renews(task, aggregate.tasks, turn.policy(aggregate))}
    for before in _all_before(aggregate, task.id):
        over = before.valid_until is not None and before.valid_until <= turn.now
        if over and before.state is TaskState.COMPLETED and before.id not in renews:
            return before
    return None


def why_not(turn: Turn, aggregate: Aggregate, task: Task, what: str) -> Refusal | None:
    """Why a task may not go on, where something that it relies on has lapsed."""
    gone = lapsed(turn, aggregate, task)
    if gone is None or gone.valid_until is None:
        return None
    why = f"{gone.step} (T-{gone.id}) has counted until {gone.valid_until:%Y-%m-%d %H:%M} UTC, and it relies on that"
    return Refusal("PREDECESSOR_LAPSED", what, why, f"have {gone.step} renewed or done again first")


def holds(turn: Turn, aggregate: Aggregate, task: Task, command: Command) -> bool:
    """Whether a command does not go out because what it relies on has lapsed: refused, with a case, and looked at
    again.
    """
    refusal = why_not(turn, aggregate, task, f"cannot send command {outside('command', command.id)}")
    if refusal is None:
        return False
    turn.tx.clear("send", task.id)
    moves.file(turn, aggregate, "send", task.id, turn.now + turn.policy(aggregate).limits.replan_every, command.system)
    if not any(case.task_id == task.id and case.code == LAPSED for case in aggregate.open_cases):
        aggregate.refuse("command", command.id, "send", refusal, turn.why(causation=command.key))
        _raise(turn, aggregate, task, LAPSED, refusal.why)
    return True


def _raise(turn: Turn, aggregate: Aggregate, task: Task, code: str, message: str) -> None:
    """A case of the task, joined by what is said of it again."""
    failures.meet(turn, aggregate, _signal(task, code, message, turn.now), code)


def _signal(task: Task, code: str, message: str, now: datetime) -> Signal:
    return Signal(
        detector=Detector.SCANNER,
        order_id=task.order_id,
        item_id=task.item_id,
        task_id=task.id,
        command_id=None,
        system=task.system,
        operation=task.operation,
        raw_code=code,
        message=message,
        sign=code,
        effect=False,
        occurred_at=now,
        detected_at=now,
        step=task.step,
    )

"""Tasks in other hands: a person's, or another engine's. Nobody is asked and nothing is sent; they are waited for, and
when they are silent for too long that is a case, which leaves their state as it is (§6.2).
"""

from datetime import datetime

from fallsafe.core.cases.case import CONTRADICTIONS, Case
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState
from fallsafe.core.orders.watched import is_watched
from fallsafe.core.values import replace
from fallsafe.flows import failures
from fallsafe.flows.moves import file
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate

SILENT = "silent"
STUCK, OVERDUE = "ORDER_STUCK", "MANUAL_TASK_OVERDUE"


def waited_for(turn: Turn, aggregate: Aggregate, task: Task, due_at: datetime | None = None) -> Task:
    """The task with the times by which somebody has to speak, and its look filed, where it is anybody's turn; without
    them where it waits for others, has failed or is over. `due_at` is a time that whoever does it gave.
    """
    turn.tx.clear("overdue", task.id)
    if not _is_their_turn(task):
        return replace(task, expected_at=None, warning_at=None, breach_at=None)
    kind, now = turn.policy(aggregate).task_types.get(task.type), turn.now
    silent = kind.breach if kind is not None else turn.context.newest.limits.silent_after
    breach = max(due_at, now) if due_at is not None else now + silent
    file(turn, aggregate, "overdue", task.id, breach)
    return replace(
        task,
        expected_at=now + kind.expected if kind is not None else None,
        warning_at=now + kind.warning if kind is not None else None,
        breach_at=breach,
    )


def _is_their_turn(task: Task) -> bool:
    waits = task.state is TaskState.PLANNED and task.pending > 0
    return not waits and task.state not in FINAL_TASK_STATES and task.state is not TaskState.FAILED


def is_over(turn: Turn, aggregate: Aggregate, case: Case) -> bool:
    """Whether the engine of a step has ended what a case of it says: the step is over, or it has spoken again where the
    case says that nobody does.
    """
    task = aggregate.tasks.get(case.task_id or 0)
    if task is None or not is_watched(task) or case.code in CONTRADICTIONS:
        return False
    spoke = case.code == STUCK and task.breach_at is not None and task.breach_at > turn.now
    return task.state in FINAL_TASK_STATES or spoke


def look(turn: Turn, aggregate: Aggregate, task: Task) -> None:
    """The look at a task in other hands: silent for too long is a case, unless one about all of its order is open.
    Looked at again, since the case may end before the silence does.
    """
    if not _is_their_turn(task):
        return
    if task.breach_at is not None and task.breach_at > turn.now:
        file(turn, aggregate, "overdue", task.id, task.breach_at)
        return
    code = STUCK if is_watched(task) else OVERDUE
    if is_watched(task) and any(case.task_id is None for case in aggregate.open_cases):
        aggregate.put(waited_for(turn, aggregate, task), "wait_on", turn.why("somebody has all of its order in hand"))
        return
    if not any(case.task_id == task.id and case.code == code for case in aggregate.open_cases):
        failures.meet(turn, aggregate, _signal(turn, aggregate, task), code, failures.Known(overdue=True))
    file(turn, aggregate, "overdue", task.id, turn.now + turn.context.newest.limits.silent_after)


def _signal(turn: Turn, aggregate: Aggregate, task: Task) -> Signal:
    who = aggregate.order.source if is_watched(task) else "whoever does it"
    since = f" since {task.breach_at:%Y-%m-%d %H:%M} UTC" if task.breach_at else ""
    return Signal(
        detector=Detector.OVERDUE,
        order_id=aggregate.order.id,
        item_id=task.item_id,
        task_id=task.id,
        command_id=None,
        system=task.system,
        operation=task.operation,
        raw_code=SILENT,
        message=f"{task.step} is {task.state}, and {who} owes a word{since}",
        sign=SILENT,
        effect=False,
        occurred_at=task.breach_at or turn.now,
        detected_at=turn.now,
        step=task.step,
    )

"""A task whose system takes no work now waits for the end of the window, and says so (§15.1): no attempt is spent, and
no case is opened unless the promised date cannot be kept by then.
"""

from datetime import datetime

from fallsafe.core.commands.ledger import Command
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.events import Json
from fallsafe.core.orders.task import Task
from fallsafe.core.orders.windows import Shut, shut
from fallsafe.core.values import replace
from fallsafe.flows import failures
from fallsafe.flows.moves import file
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate

WINDOW = "window"
LATE = "PROMISE_BROKEN"


def holds(turn: Turn, aggregate: Aggregate, task: Task, command: Command) -> bool:
    """Whether a window keeps this command from going out now; if so the task waits for its end."""
    policy, order = turn.policy(aggregate), aggregate.order
    action = aggregate.items[task.item_id].action
    found = shut(policy.windows, command.system, action, order.time_zone, policy.holidays, turn.now)
    if found is None:
        return False
    turn.tx.clear("send", task.id)
    file(turn, aggregate, "send", task.id, found.until, command.system)
    waiting: Json = {"for": WINDOW, "window": found.window.code, "until": found.until.isoformat()}
    if task.waiting != waiting:
        said = f"{found.window.title}: {command.system} takes no work before {found.until.isoformat()}"
        why = turn.why(said, policy=policy, rule=f"window/{found.window.code}", causation=command.key)
        aggregate.put(replace(task, waiting=waiting), "wait", why)
        _promise(turn, aggregate, task, command, found)
    return True


def over(turn: Turn, aggregate: Aggregate, task: Task) -> Task:
    """A task that goes on after a window waits for none any more."""
    if not isinstance(task.waiting, dict) or task.waiting.get("for") != WINDOW:
        return task
    gone = replace(task, waiting=None)
    aggregate.put(gone, "go_on", turn.why("the window is over"))
    return gone


def _promise(turn: Turn, aggregate: Aggregate, task: Task, command: Command, found: Shut) -> None:
    """The promised date lies within the window: somebody has to know before it is broken."""
    promised = aggregate.order.committed_at
    if promised is None or not turn.now < promised < found.until:
        return
    failures.meet(turn, aggregate, _late(turn, aggregate, task, command, found, promised), LATE)


def _late(turn: Turn, aggregate: Aggregate, task: Task, command: Command, found: Shut, promised: datetime) -> Signal:
    return Signal(
        detector=Detector.PLANNING,
        order_id=aggregate.order.id,
        item_id=task.item_id,
        task_id=task.id,
        command_id=command.id,
        system=command.system,
        operation=command.operation,
        raw_code="",
        message=f"{found.window.title} until {found.until.isoformat()}, promised for {promised.isoformat()}",
        sign=LATE,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
        step=task.step,
    )

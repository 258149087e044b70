"""Whether a task may go out as far as the health of its downstream goes, and how it waits where it may not.

What is known of downstreams stands in the turn, read without a lock: it may be a moment old, and what was parked too
much is called back.
"""

from fallsafe.core.commands.ledger import Command
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.task import TASK_LIFECYCLE, Task, TaskState
from fallsafe.core.values import replace
from fallsafe.flows.moves import file
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate

KIND = "release"
STOPPED = "nothing is sent to the system until it works again"


def stopped(turn: Turn, system: str) -> bool:
    """Whether nothing but a canary is sent to a system."""
    down = turn.health.get(system)
    return down is not None and down.is_stopped


def lets(turn: Turn, task: Task) -> bool:
    """Whether a task may be sent."""
    down = turn.health.get(task.system)
    return down is None or down.lets(task.id)


def park(turn: Turn, aggregate: Aggregate, command: Command) -> None:
    """A task waits, with no attempt spent, until its downstream works again."""
    task = aggregate.tasks[command.task_id]
    turn.tx.clear("send", task.id)
    file(turn, aggregate, "release", task.id, turn.now + turn.policy(aggregate).limits.review_every, task.system)
    if task.state is TaskState.READY:
        state = move(TASK_LIFECYCLE, task.state, "park")
        waiting: Json = {"for": "downstream", "system": task.system}
        why = turn.why(STOPPED, policy=turn.context.newest, rule="recover/system_down", causation=command.key)
        aggregate.put(replace(task, state=state, waiting=waiting), "park", why)

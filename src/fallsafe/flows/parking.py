"""Whether a task may go out as far as the health of its downstream goes, and how it waits where it may not.

What is known of downstreams stands in the turn, read without a lock: it may be a moment old, and what was parked too
much is called back.
"""

from fallsafe.core.commands.ledger import Command, Purpose
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.task import TASK_LIFECYCLE, TaskState
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


def lets(turn: Turn, command: Command) -> bool:
    """Whether a command may be sent."""
    down = turn.health.get(command.system)
    return down is None or down.lets(command.task_id)


def park(turn: Turn, aggregate: Aggregate, command: Command) -> None:
    """A command waits, with no attempt spent, until its downstream works again, and its task with it; the step that
    another engine was to be told of stands as that said.
    """
    task = aggregate.tasks[command.task_id]
    turn.tx.clear("send", task.id)
    file(turn, aggregate, "release", task.id, turn.now + turn.policy(aggregate).limits.review_every, command.system)
    if task.state is TaskState.READY and command.purpose is Purpose.FULFILL:
        state = move(TASK_LIFECYCLE, task.state, "park")
        waiting: Json = {"for": "downstream", "system": command.system}
        why = turn.why(STOPPED, policy=turn.context.newest, rule="recover/system_down", causation=command.key)
        aggregate.put(replace(task, state=state, waiting=waiting), "park", why)

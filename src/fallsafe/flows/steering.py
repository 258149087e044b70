"""Another engine is told to resume, retry, skip or cancel a step of an order that it executes: by a command of purpose
`resume`, under the same ledger, key rule and interlock as every other (model rule 3).

The command does not move the step: only the engine's own word does, in its next report.
"""

from collections.abc import Sequence

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.commands.ledger import Command, Purpose, may_intend
from fallsafe.core.errors import Refusal
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task
from fallsafe.core.orders.watched import AGREED, VERBS, is_watched
from fallsafe.flows import commands, moves, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Why

STEER = "steer"
"""The operation, of the engine's system, by which it is told something: `ENG.steer`."""


async def steer(
    tx: Tx, context: Context, task_ids: Sequence[int], actor: Actor, reason: str, *, verb: str
) -> list[Answer]:
    """A person asks that the engine of a step does `verb` with it (`core.orders.watched.VERBS`); the answer names the
    command.

    Refused: without the right for what its group owns, where the step is executed here or is over, while another word
    to the engine is under way or its outcome is unknown, where the policy knows no way to tell the engine, and what a
    second person has to agree to.
    """
    rows = await tx.fetch("tasks/orders_of", ids=list(task_ids))
    await tx.lock(sorted({row["order_id"] for row in rows}))
    turn = await begin(tx, context, actor)
    answers = [await _steer_one(turn, task_id, verb, reason) for task_id in task_ids]
    await settle.end(turn)
    return answers


async def _steer_one(turn: Turn, task_id: int, verb: str, reason: str) -> Answer:
    aggregate = next((a for a in turn.tx.aggregates.values() if task_id in a.tasks), None)
    what = f"cannot {verb} task {outside('task', task_id)}"
    if aggregate is None:
        hint = "fallsafe order show lists the tasks of an order"
        return Refused("task", task_id, Refusal("NOT_FOUND", what, "there is no such task", hint))
    task, reason = aggregate.tasks[task_id], await discreet(turn, aggregate, reason)
    refusal = _why_not(turn, aggregate, task, verb, what)
    if refusal is not None:
        aggregate.refuse("task", task.id, verb, refusal, turn.why(askedBecause=reason))
        return Refused("task", task.id, refusal)
    why = turn.why(reason, policy=turn.policy(aggregate), rule=f"steer/{verb}")
    return Applied("command", (await tell(turn, aggregate, task, verb, why)).id)


async def tell(turn: Turn, aggregate: Aggregate, task: Task, verb: str, why: Why) -> Command:
    """The command that carries the word to the engine of a step."""
    own = [c for c in aggregate.commands.values() if c.task_id == task.id and c.purpose is Purpose.RESUME]
    operation = way_to_tell(turn, aggregate)
    return await moves.intend(turn, aggregate, task, 1 + len(own), why, Purpose.RESUME, operation, verb)


def way_to_tell(turn: Turn, aggregate: Aggregate) -> str:
    """The operation by which the engine of an order is told something; empty where the policy knows none."""
    operation = f"{aggregate.order.source}.{STEER}"
    return operation if operation in turn.policy(aggregate).operations else ""


def _why_not(turn: Turn, aggregate: Aggregate, task: Task, verb: str, what: str) -> Refusal | None:
    refusal = not_allowed(turn.actor, STEER, what, commands.owner_of(turn, aggregate, task.id, task.system))
    if refusal is not None:
        return refusal
    if verb in AGREED:
        why, hint = "a second person has to agree to what is left out", "preview SKIP_TASK for a case of the task"
        return Refusal("APPROVAL_NEEDED", what, why, hint)
    own = [c for c in aggregate.commands.values() if c.task_id == task.id]
    held = may_intend(own, Purpose.RESUME, turn.now)
    if held is not None:
        return Refusal(held.code, what, held.why, held.hint)
    if not is_watched(task):
        hint = "see what the case of the task allows: fallsafe case list"
        return Refusal("NOT_WATCHED", what, "it is executed here, by no other engine", hint)
    if task.state not in VERBS[verb]:
        return _wrong_state(task, verb, what)
    if not way_to_tell(turn, aggregate):
        why = f"policy {aggregate.order.policy_set} has no operation {aggregate.order.source}.{STEER}"
        return Refusal("ENGINE_CANNOT", what, why, f"do it at {aggregate.order.source}; its next report is heard here")
    return None


def _wrong_state(task: Task, verb: str, what: str) -> Refusal:
    if task.state in FINAL_TASK_STATES:
        return Refusal("TASK_IS_OVER", what, f"it is {task.state}", "nothing is left to be done with it")
    others = ", ".join(name for name, states in VERBS.items() if task.state in states)
    return Refusal("WRONG_STATE", what, f"it is {task.state}, and nothing of it has failed", f"possible is {others}")

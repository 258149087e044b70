"""Moving running orders to another policy set: looked at first, order by order, then done as it was shown (model
rule 9).

What is shown is named by a hash over what would happen. What is asked for with that hash is done only while it would
still be the same; an order that may not be moved stays where it is, and that is written down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.errors import Refusal
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.plan import PlannedTask
from fallsafe.core.orders.task import TASK_LIFECYCLE, Task, TaskState
from fallsafe.core.policy.move import Move, Running, plan_move
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.values import replace
from fallsafe.flows import planning, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.canonical import canonical, digest
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

MOVED_MAX = 200
"""How many orders are looked at, or moved, at once."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What moving one order would do: `move` None where it may not (`refusal`) or need not be moved."""

    order_id: int
    policy_set: str
    move: Move | None = None
    refusal: Refusal | None = None
    removed: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """moves, stays (it is there already, or over), or refused."""
        return "moves" if self.move is not None else "refused" if self.refusal is not None else "stays"


def hash_of(target: str, looked: Iterable[Looked]) -> str:
    """The name of what was shown: another effect on any order gives another, whatever the orders stand in."""
    return digest(canonical([target, *(_said(one) for one in sorted(looked, key=lambda one: one.order_id))])).hex()


def _said(one: Looked) -> list[object]:
    if one.move is None:
        return [one.order_id, one.verdict, one.refusal.code if one.refusal else ""]
    added = [f"{item}.{step}" for item, step in one.move.added]
    return [one.order_id, one.verdict, added, list(one.removed), list(one.move.changes), list(one.move.freed)]


async def preview(tx: Tx, context: Context, order_ids: Sequence[int], target: PolicySet) -> list[Looked]:
    """What moving these orders would do to each. Nothing is changed."""
    await tx.lock(order_ids)
    return [_look(context, order_id, tx.aggregates.get(order_id), target) for order_id in order_ids]


def _look(context: Context, order_id: int, aggregate: Aggregate | None, target: PolicySet) -> Looked:
    name = outside("order", order_id)
    if aggregate is None:
        what = f"cannot move order {name} to {target.id}"
        return Looked(order_id, "", refusal=Refusal("NOT_FOUND", what, "there is no such order", "fallsafe order list"))
    order = aggregate.order
    if order.policy_set == target.id or order.is_final:
        return Looked(order_id, order.policy_set)
    running = Running(name, aggregate.items, aggregate.tasks, order.snapshot)
    found = plan_move(running, context.policy(order.policy_set), target)
    if isinstance(found, Refusal):
        return Looked(order_id, order.policy_set, refusal=found)
    removed = tuple(_name(aggregate, aggregate.tasks[task_id]) for task_id in found.removed)
    return Looked(order_id, order.policy_set, found, removed=removed)


def _name(aggregate: Aggregate, task: Task) -> str:
    return f"{aggregate.items[task.item_id].external_id}.{task.step}"


async def run(
    tx: Tx, context: Context, order_ids: Sequence[int], target: PolicySet, actor: Actor, reason: str, shown: str
) -> tuple[list[Looked], list[Answer]]:
    """Moves orders as it was shown under this hash; what was done to each, and the answers. Refused for all where
    something would happen that was not shown; for one where what was done of it does not exist in the other set.
    """
    await tx.lock(order_ids)
    turn = await begin(tx, context, actor)
    looked = [_look(context, order_id, tx.aggregates.get(order_id), target) for order_id in order_ids]
    refusal = _why_none(actor, target, looked, shown)
    answers = [await _move_one(turn, one, target, reason, refusal) for one in looked]
    await settle.end(turn)
    return looked, answers


def _why_none(actor: Actor, target: PolicySet, looked: Sequence[Looked], shown: str) -> Refusal | None:
    what = f"cannot move orders to {target.id}"
    refusal = not_allowed(actor, "move_orders", what)
    if refusal is not None:
        return refusal
    if hash_of(target.id, looked) != shown:
        why = "something else would happen than what was shown"
        return Refusal("CHANGED_MEANWHILE", what, why, "look at it again, then ask with the new hash", "/hash")
    return None


async def _move_one(turn: Turn, one: Looked, target: PolicySet, reason: str, refusal: Refusal | None) -> Answer:
    aggregate, refusal = turn.tx.aggregates.get(one.order_id), refusal or one.refusal
    if refusal is not None or aggregate is None:
        said = refusal or Refusal("NOT_FOUND", f"cannot move order {one.order_id}", "there is no such order")
        if aggregate is not None:
            asked = await discreet(turn, aggregate, reason)
            aggregate.refuse("order", one.order_id, "move_policy", said, turn.why(askedBecause=asked))
        return Refused("order", one.order_id, said)
    if one.move is None:
        return Applied("order", one.order_id, already=True)
    await _apply(turn, aggregate, one.move, target, await discreet(turn, aggregate, reason))
    return Applied("order", one.order_id)


async def _apply(turn: Turn, aggregate: Aggregate, found: Move, target: PolicySet, reason: str) -> None:
    """Steps go, stay as another, come, and wait for each other as the other set says; what was done is not touched."""
    why = turn.why(reason, policy=target, rule="plans", insteadOf=aggregate.order.policy_set)
    aggregate.put(replace(aggregate.order, policy_set=target.id), "move_policy", why)
    for task_id in found.removed:
        task = aggregate.tasks[task_id]
        gone = replace(task, state=move(TASK_LIFECYCLE, task.state, "skip"), pending=0, waiting=None)
        aggregate.put(gone, "skip", turn.why("it is no step of the other plan", policy=target, rule="plans"))
    for name in found.freed:
        planning.free(turn, aggregate, name, why)
    positions = {(t.item_external_id, t.step): n for n, t in enumerate(found.plan.tasks)}
    for step, task_id in found.tasks.items():
        if step in positions:
            _become(turn, aggregate, aggregate.tasks[task_id], found.plan.tasks[positions[step]], target)
    await planning.add(turn, aggregate, found.plan, [positions[step] for step in found.added], target)
    wired = turn.why("it waits for what the other plan says", policy=target, rule="plans")
    for step in found.tasks:
        if step in positions:
            await planning.rewire(turn, aggregate, found.plan, positions[step], wired)


def _become(turn: Turn, aggregate: Aggregate, task: Task, planned: PlannedTask, target: PolicySet) -> None:
    """A task takes what it is in the other set; one that was begun keeps its operation, which is the same."""
    kind = target.task_types[planned.task_type]
    now = replace(task, undo=kind.undo, ponr=kind.ponr, mandatory=planned.mandatory)
    if task.state is TaskState.PLANNED:
        now = replace(now, type=kind.name, system=kind.system, operation=kind.operation, executor=kind.executor)
    if now != task:
        aggregate.put(now, "move_policy", turn.why("as the other set has it", policy=target, rule="task_types"))

"""Planning: what can be planned becomes tasks, the rest is held with a code and a case, and planned after the fix.

What runs keeps the plan it was planned with. Planning again adds the tasks of items that were held and lets what waited
for them wait for their real steps (model rule 9); the order is then judged by the set that could plan it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.cases.case import CASE_LIFECYCLE
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders import plan
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.plan import PlanItem
from fallsafe.core.orders.task import Task, TaskState, still_pending, waiting_for_held
from fallsafe.core.policy.move import Running, plan_move
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.preview import NewTask, Replanned
from fallsafe.core.values import replace
from fallsafe.flows import cases, failures, moves, settle
from fallsafe.flows.commands import Due, still_stand
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Why

Name = tuple[str, str]


def signal(turn: Turn, aggregate: Aggregate, item: Item | None, hold: plan.Hold) -> Signal:
    """The signal of an order or item that cannot go on because of what was sold."""
    return Signal(
        detector=Detector.PLANNING,
        order_id=aggregate.order.id,
        item_id=item.id if item else min(aggregate.items),
        task_id=None,
        command_id=None,
        system="OMS",
        operation="OMS.decompose",
        raw_code=hold.code,
        message=hold.why,
        sign=hold.code,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
        offer=item.offer if item else "",
    )


async def plan_new(turn: Turn, aggregate: Aggregate, items: Sequence[PlanItem]) -> None:
    """Plans a new order; an item that cannot be planned is held with its code and a case (§5.1 Catalog)."""
    policy = turn.policy(aggregate)
    made, named = plan.plan_order(items, policy.plans, policy.offers), _by_name(aggregate)
    for name, hold in made.holds.items():
        held = replace(named[name], hold_code=hold.code)
        aggregate.put(held, "hold", turn.why(hold.why, policy=policy))
        look_again(turn, aggregate, held, policy)
        failures.meet(turn, aggregate, signal(turn, aggregate, held, hold), hold.code)
    await add(turn, aggregate, made, range(len(made.tasks)), policy)


def look_again(turn: Turn, aggregate: Aggregate, item: Item, policy: PolicySet) -> None:
    """A held item is planned again by itself, in case the fix was published meanwhile."""
    turn.tx.clear("retry", item.id)
    turn.tx.file(moves.entry("retry", item.id, aggregate, turn.now + policy.limits.replan_every))


def _by_name(aggregate: Aggregate) -> dict[str, Item]:
    return {i.external_id: i for i in aggregate.items.values()}


def _names(aggregate: Aggregate) -> dict[Name, int]:
    """Task ids by item and step."""
    return {(aggregate.items[t.item_id].external_id, t.step): t.id for t in aggregate.tasks.values()}


async def add(turn: Turn, aggregate: Aggregate, made: plan.Plan, positions: Sequence[int], policy: PolicySet) -> None:
    """Adds tasks of a plan, wired to those that are there, and makes ready what waits for nothing."""
    ids = _names(aggregate)
    for n in positions:
        planned = made.tasks[n]
        ids[planned.item_external_id, planned.step] = await turn.tx.new_id()
    numbers = [ids.get((t.item_external_id, t.step), 0) for t in made.tasks]
    named, behind = _by_name(aggregate), defaultdict[int, list[int]](list)
    for m, other in enumerate(made.tasks):
        for n in other.after:
            if numbers[m]:
                behind[n].append(numbers[m])
    why = turn.why("planned from the template of its offer and action", policy=policy, rule="plans")
    for n in positions:
        planned, after = made.tasks[n], tuple(numbers[m] for m in made.tasks[n].after if numbers[m])
        item = named[planned.item_external_id]
        aggregate.put(_task(item, planned, numbers[n], after, tuple(behind[n]), policy), "plan", why)
    for n in positions:
        task = aggregate.tasks[numbers[n]]
        pending = still_pending(task, aggregate.tasks)
        if pending == 0:
            await moves.make_ready(turn, aggregate, task)
        elif pending != task.pending:
            aggregate.put(replace(task, pending=pending), "count", why)


def _task(
    item: Item,
    planned: plan.PlannedTask,
    task_id: int,
    after: tuple[int, ...],
    behind: tuple[int, ...],
    policy: PolicySet,
) -> Task:
    kind = policy.task_types[planned.task_type]
    return Task(
        id=task_id,
        order_id=item.order_id,
        item_id=item.id,
        step=planned.step,
        type=planned.task_type,
        system=kind.system,
        operation=kind.operation,
        executor=kind.executor,
        mandatory=planned.mandatory,
        state=TaskState.PLANNED,
        pending=len(after) + len(planned.waits_for_held),
        depends_on=after,
        next=behind,
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
        waiting=waiting_for_held(planned.waits_for_held),
        frozen=None,
    )


async def plan_again(tx: Tx, context: Context, order_ids: Sequence[int], actor: Actor, reason: str) -> list[Answer]:
    """A person asks that held items are planned with the newest set. Refused when nothing is held, or where it
    still cannot be planned: the answer then says what is missing.
    """
    await tx.lock(order_ids)
    turn = await begin(tx, context, actor)
    answers = [await _plan_one_again(turn, order_id, reason) for order_id in order_ids]
    await settle.end(turn)
    return answers


async def _plan_one_again(turn: Turn, order_id: int, reason: str) -> Answer:
    aggregate = turn.tx.aggregates.get(order_id)
    what = f"cannot plan order {outside('order', order_id)} again"
    if aggregate is None:
        return Refused("order", order_id, Refusal("NOT_FOUND", what, "there is no such order", "fallsafe order list"))
    reason = await discreet(turn, aggregate, reason)
    refusal = _why_not(turn, aggregate, what)
    if refusal is None:
        left = await replan(turn, aggregate, reason)
        names = ", ".join(f"{name} ({hold.code}: {hold.why})" for name, hold in sorted(left.items()))
        if not names:
            return Applied("order", order_id)
        refusal = Refusal("STILL_HELD", what, f"still held: {names}", "publish the mapping, then plan again")
    aggregate.refuse("order", order_id, "plan_again", refusal, turn.why(askedBecause=reason))
    return Refused("order", order_id, refusal)


def _why_not(turn: Turn, aggregate: Aggregate, what: str) -> Refusal | None:
    refusal = not_allowed(turn.actor, "plan_again", what)
    if refusal is not None:
        return refusal
    if not any(i.hold_code for i in aggregate.items.values()):
        return Refusal("NOTHING_HELD", what, "none of its items is held for want of a plan", "nothing needs to be done")
    return None


async def replan(turn: Turn, aggregate: Aggregate, reason: str) -> Mapping[str, plan.Hold]:
    """Plans held items by the newest set; what is still held after it."""
    newest = turn.context.newest
    made = _planned(turn, aggregate)
    before = _held(aggregate)
    freed = before - set(made.holds)
    if freed:
        await _go_on(turn, aggregate, made, before, freed, reason)
    for item in _by_name(aggregate).values():
        if item.hold_code:
            look_again(turn, aggregate, item, newest)
    return {name: hold for name, hold in made.holds.items() if name in before}


def _held(aggregate: Aggregate) -> set[str]:
    return {i.external_id for i in aggregate.items.values() if i.hold_code}


def _planned(turn: Turn, aggregate: Aggregate) -> plan.Plan:
    """The order as the newest set plans it; where the order cannot take that set, what is held stays so."""
    newest = turn.context.newest
    made = plan.plan_order(
        plan.of_items(aggregate.items.values(), aggregate.order.snapshot), newest.plans, newest.offers
    )
    freed = _held(aggregate) - set(made.holds)
    cannot = _cannot_take(turn, aggregate, newest) if freed else None
    if cannot is None:
        return made
    return replace(made, holds={**made.holds, **{name: plan.Hold(cannot.code, cannot.why) for name in freed}})


def foreseen(turn: Turn, aggregate: Aggregate) -> Replanned | None:
    """What planning an order again would do now; None where nothing of it is held."""
    newest, before = turn.context.newest, _held(aggregate)
    if not before:
        return None
    made = _planned(turn, aggregate)
    freed = before - set(made.holds)
    added = _changes(aggregate, made, before).add if freed else ()
    tasks = [_foreseen(newest, made.tasks[n]) for n in added]
    return Replanned(sorted(freed), tasks, {n: hold.why for n, hold in made.holds.items() if n in before})


def _foreseen(newest: PolicySet, task: plan.PlannedTask) -> NewTask:
    name = newest.task_types[task.task_type].operation
    operation = newest.operations.get(name)
    return NewTask(task.item_external_id, task.step, name, operation is not None and operation.effect)


def _cannot_take(turn: Turn, aggregate: Aggregate, newest: PolicySet) -> Refusal | None:
    """Why an order cannot take the newest set, which plans what is held of it: what was begun of it does not exist
    there (model rule 9).
    """
    order = aggregate.order
    if order.policy_set == newest.id:
        return None
    name = outside("order", order.id)
    running = Running(name, aggregate.items, aggregate.tasks, order.snapshot)
    found = plan_move(running, turn.policy(aggregate), newest)
    if isinstance(found, Refusal):
        return found
    for task in aggregate.tasks.values():
        if task.state is TaskState.PLANNED and task.type not in newest.task_types:
            why = f"{task.step} still waits, and {newest.id} has no task type {task.type}"
            return Refusal("STEP_IS_ANOTHER", f"cannot plan order {name} again", why, f"move it to {newest.id} first")
    return None


async def _go_on(
    turn: Turn, aggregate: Aggregate, made: plan.Plan, before: set[str], freed: set[str], reason: str
) -> None:
    newest = turn.context.newest
    why = turn.why(reason, policy=newest, rule="plans")
    if aggregate.order.policy_set != newest.id:
        aggregate.put(replace(aggregate.order, policy_set=newest.id), "plan_again", why)
    for name in sorted(freed):
        free(turn, aggregate, name, why)
    names, changes = _names(aggregate), _changes(aggregate, made, before)
    await add(turn, aggregate, made, changes.add, newest)
    wired = turn.why("what it waits for was planned", policy=newest, rule="plans")
    for n in {*changes.rewire, *_freed_of_waiting(aggregate, made, names)}:
        await rewire(turn, aggregate, made, n, wired)


def _changes(aggregate: Aggregate, made: plan.Plan, before: set[str]) -> plan.Replan:
    """What a new plan adds to a running order."""
    existing = {
        (aggregate.items[t.item_id].external_id, t.step): {
            (aggregate.items[aggregate.tasks[p].item_id].external_id, aggregate.tasks[p].step) for p in t.depends_on
        }
        for t in aggregate.tasks.values()
    }
    return plan.replan(made, existing, before)


def free(turn: Turn, aggregate: Aggregate, name: str, why: Why) -> None:
    """An item that was held for want of a plan has one: its hold ends, and the case of it."""
    item = _by_name(aggregate)[name]
    aggregate.put(replace(item, hold_code=""), "plan_again", why)
    turn.tx.clear("retry", item.id)
    _heal(turn, aggregate, item)


def _freed_of_waiting(aggregate: Aggregate, made: plan.Plan, names: Mapping[Name, int]) -> list[int]:
    """Positions of existing tasks whose list of held items became another."""
    found = []
    for n, planned in enumerate(made.tasks):
        task = aggregate.tasks.get(names.get((planned.item_external_id, planned.step), 0))
        if task is not None and task.waiting != waiting_for_held(planned.waits_for_held):
            found.append(n)
    return found


async def rewire(turn: Turn, aggregate: Aggregate, made: plan.Plan, n: int, why: Why) -> None:
    """A task that waits waits for what the plan says from now on."""
    names, planned = _names(aggregate), made.tasks[n]
    task = aggregate.tasks[names[planned.item_external_id, planned.step]]
    if task.state is not TaskState.PLANNED:
        return
    befores = [(made.tasks[m].item_external_id, made.tasks[m].step) for m in planned.after]
    after = tuple(names[before] for before in befores if before in names)
    wired = replace(task, depends_on=after, waiting=waiting_for_held(planned.waits_for_held))
    wired = replace(wired, pending=still_pending(wired, aggregate.tasks))
    if wired != task:
        aggregate.put(wired, "rewire", why)
    for p in after:
        if task.id not in aggregate.tasks[p].next:
            before = aggregate.tasks[p]
            aggregate.put(replace(before, next=(*before.next, task.id)), "rewire", turn.why("something waits for it"))
    if wired.pending == 0:
        await moves.make_ready(turn, aggregate, wired)


def _heal(turn: Turn, aggregate: Aggregate, item: Item) -> None:
    """The case of a hold ends with the hold, proved by the plan."""
    for case in aggregate.open_cases:
        of_the_hold = case.item_id == item.id and case.task_id is None and case.raw_code == item.hold_code
        if of_the_hold and not cases.has_frozen(aggregate, case):
            fixed: Json = {"type": "FixedElsewhere", "verified": True, "evidence": [], "at": turn.now.isoformat()}
            healed = replace(
                case, state=move(CASE_LIFECYCLE, case.state, "heal"), touched_at=turn.now, resolution=fixed
            )
            aggregate.put(healed, "heal", turn.why("the item could be planned", policy=turn.context.newest))
            turn.tx.clear("review", case.id)


async def replan_due(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """The look at held items: planned again when a newer set can, looked at again when not."""
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    for d in await still_stand(tx, due, turn.now):
        aggregate = tx.aggregates[d.order_id or 0]
        item = aggregate.items.get(d.id)
        tx.clear("retry", d.id)
        if item is not None and item.hold_code:
            await replan(turn, aggregate, "planned again by itself")
    await settle.end(turn)

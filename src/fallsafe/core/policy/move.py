"""What moving a running order to another policy set would change, and whether it may be moved at all (model rule 9).

What was done stays done: every step that was ever sent, or is over, has to exist in the other set as the same task of
the same operation. What still waits becomes what the other set says: steps come, go, wait for others, take other
times.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders import plan
from fallsafe.core.orders.item import DECIDED_ITEM_STATES, Item
from fallsafe.core.orders.task import Task, TaskState, TaskType
from fallsafe.core.policy.policy_set import PolicySet, retry_for

Name = tuple[str, str]
"""Item and step."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running order as far as moving it needs it: items and tasks by id, and its snapshot."""

    name: str
    items: Mapping[int, Item]
    tasks: Mapping[int, Task]
    snapshot: Json


@dataclass(frozen=True, slots=True)
class Move:
    """What moving an order would do: the other plan, steps that come, tasks that go, and what becomes another, in
    words.
    """

    plan: plan.Plan
    added: tuple[Name, ...] = ()
    removed: tuple[int, ...] = ()
    changes: tuple[str, ...] = ()
    freed: tuple[str, ...] = ()
    """External ids of items that could not be planned before and can be now."""
    tasks: Mapping[Name, int] = field(default_factory=dict)

    @property
    def nothing(self) -> bool:
        """Whether the order would only name another set."""
        return not (self.added or self.removed or self.changes or self.freed)


def plan_move(order: Running, was: PolicySet, now: PolicySet) -> Move | Refusal:
    """What moving an order from one set to another would change; refused where what was done or begun does not exist
    in the other one.
    """
    items = plan.of_items(order.items.values(), order.snapshot)
    made, before = (plan.plan_order(items, policy.plans, policy.offers) for policy in (now, was))
    there = {(order.items[t.item_id].external_id, t.step): t.id for t in order.tasks.values()}
    wanted = {(t.item_external_id, t.step): t for t in made.tasks}
    # What was added beside the plan (a renewal, a task from a list) is none of either set's business.
    planned = {name: there[name] for t in before.tasks if (name := (t.item_external_id, t.step)) in there}
    planned |= {name: there[name] for name in wanted if name in there}
    refusal = _why_not(order, made, wanted, planned, now) or plan.check_size(made, _what(order, now))
    if refusal is not None:
        return refusal
    held = {i.external_id for i in order.items.values() if i.hold_code}
    gone = tuple(sorted(task_id for name, task_id in planned.items() if name not in wanted and _open(order, task_id)))
    added = _added(order, made, there)
    late = (
        f"{item}.{step}: does not come, what it was for has begun or was given up"
        for item, step in wanted.keys() - there - added
    )
    return Move(
        plan=made,
        added=tuple(name for name in wanted if name in added),
        removed=gone,
        changes=(*_changes(order, made, was, now), *sorted(late)),
        freed=tuple(sorted(held - made.holds.keys())),
        tasks=there,
    )


def _what(order: Running, now: PolicySet) -> str:
    return f"cannot move order {order.name} to {now.id}"


def _added(order: Running, made: plan.Plan, there: Mapping[Name, int]) -> set[Name]:
    """The steps that come: those of items that nobody gave up, unless all that would wait for them was begun."""
    names = [(t.item_external_id, t.step) for t in made.tasks]
    behind: dict[int, list[int]] = {n: [] for n in range(len(names))}
    for n, planned in enumerate(made.tasks):
        for before in planned.after:
            behind[before].append(n)
    live = {item.external_id for item in order.items.values() if item.state not in DECIDED_ITEM_STATES}
    needed: set[int] = set()
    open_ = [n for n, name in enumerate(names) if (_open(order, there[name]) if name in there else not behind[n])]
    while open_:
        n = open_.pop()
        if n not in needed:
            needed.add(n)
            open_ += [b for b in made.tasks[n].after if names[b] not in there]
    return {names[n] for n in needed if names[n] not in there and names[n][0] in live}


def _open(order: Running, task_id: int) -> bool:
    """Whether a task still waits, so that it may go."""
    return order.tasks[task_id].state is TaskState.PLANNED


def _why_not(
    order: Running,
    made: plan.Plan,
    wanted: Mapping[Name, plan.PlannedTask],
    there: Mapping[Name, int],
    now: PolicySet,
) -> Refusal | None:
    what, hint = _what(order, now), "leave it with the set that it was planned with, or correct the other set's plan"
    if any(task.executor == "external" for task in order.tasks.values()):
        return Refusal("EXECUTED_ELSEWHERE", what, "another engine executes it, by its own plan", "change it there")
    for item in order.items.values():
        hold = made.holds.get(item.external_id)
        if hold is not None and not item.hold_code:
            why = f"the other set cannot plan {item.external_id}: {hold.why}"
            return Refusal("CANNOT_BE_PLANNED", what, why, hint)
    for name, task_id in there.items():
        task = order.tasks[task_id]
        if task.state is TaskState.PLANNED or (task.state is TaskState.SKIPPED and name not in wanted):
            continue
        refusal = _why_not_step(what, task, name, wanted.get(name), now)
        if refusal is not None:
            return refusal
    return None


def _why_not_step(
    what: str, task: Task, name: Name, planned: plan.PlannedTask | None, now: PolicySet
) -> Refusal | None:
    """Why a step that is more than planned does not fit the other plan."""
    said = f"{name[0]}.{name[1]} is {task.state}"
    hint = "leave it with the set that it was planned with"
    if planned is None:
        return Refusal("STEP_NOT_THERE", what, f"{said}, and the other plan has no such step", hint)
    kind = now.task_types[planned.task_type]
    if (planned.task_type, kind.operation) != (task.type, task.operation):
        why = f"{said} as {task.type} by {task.operation}; there it is {planned.task_type} by {kind.operation}"
        return Refusal("STEP_IS_ANOTHER", what, why, hint)
    return None


def _changes(order: Running, made: plan.Plan, was: PolicySet, now: PolicySet) -> Iterator[str]:
    """What becomes another of the tasks that stay, in words."""
    names = [f"{t.item_external_id}.{t.step}" for t in made.tasks]
    there = {(order.items[t.item_id].external_id, t.step): t for t in order.tasks.values()}
    for planned, name in zip(made.tasks, names, strict=True):
        task = there.get((planned.item_external_id, planned.step))
        if task is None:
            continue
        before, after = was.task_types[task.type], now.task_types[planned.task_type]
        words = [*_of_type(task, planned, before, after)]
        if task.state is TaskState.PLANNED:
            old = {_full(order, b) for b in task.depends_on}
            new = {names[b] for b in planned.after}
            words += [f"waits for {one} too" for one in sorted(new - old)]
            words += [f"no longer waits for {one}" for one in sorted(old - new)]
        if task.state not in _OVER:
            words += [*_of_contract(before.operation, after.operation, was, now), *_of_retry(before, after, was, now)]
        if words:
            yield f"{name}: {'; '.join(words)}"


_OVER = frozenset({TaskState.COMPLETED, TaskState.SKIPPED, TaskState.CANCELLED, TaskState.UNDONE})


def _full(order: Running, task_id: int) -> str:
    task = order.tasks[task_id]
    return f"{order.items[task.item_id].external_id}.{task.step}"


def _of_type(task: Task, planned: plan.PlannedTask, was: TaskType, now: TaskType) -> Iterator[str]:
    if task.state is TaskState.PLANNED and (was.name, was.operation) != (now.name, now.operation):
        yield f"becomes {now.name} by {now.operation}"
    if task.mandatory is not planned.mandatory:
        yield "becomes mandatory" if planned.mandatory else "becomes optional"
    if task.state not in _OVER:
        for column, before, after in _columns(was, now):
            if before != after:
                yield f"{column} was {before}, is {after}"
    if task.undo != now.undo:
        yield f"undo was {task.undo or 'none'}, is {now.undo or 'none'}"
    if task.ponr != now.ponr:
        yield f"point of no return was {task.ponr}, is {now.ponr}"


def _columns(was: TaskType, now: TaskType) -> Iterable[tuple[str, object, object]]:
    for column in ("anchor", "expected", "warning", "breach", "at_breach", "valid", "owner"):
        yield column.replace("_", " "), getattr(was, column), getattr(now, column)


def _of_contract(was_name: str, now_name: str, was: PolicySet, now: PolicySet) -> Iterator[str]:
    before, after = was.operations.get(was_name), now.operations.get(now_name)
    if before is None or after is None or was_name != now_name:
        return
    for column in ("repeat", "key_lives", "settle_window", "second_look", "completion", "poll_every", "call_timeout"):
        if getattr(before, column) != getattr(after, column):
            yield f"contract {column.replace('_', ' ')} was {getattr(before, column)}, is {getattr(after, column)}"
    if before.not_sent_statuses != after.not_sent_statuses:
        yield "contract takes other statuses for proof that nothing happened"


def _of_retry(was_type: TaskType, now_type: TaskType, was: PolicySet, now: PolicySet) -> Iterator[str]:
    before, after = retry_for(was, was_type.name), retry_for(now, now_type.name)
    for column in ("codes", "attempts_max", "delays", "window", "on_exhaustion"):
        if getattr(before, column) != getattr(after, column):
            yield f"retry {column.replace('_', ' ')} is another"

"""The end of a turn: cases are opened, item and order states derived, severities brought up to date, and the order's
next look set.
"""

from collections import defaultdict

from fallsafe.core.lifecycle import move
from fallsafe.core.orders import item as items
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import PHASE_LIFECYCLE, OrderState, Phase, derive_state
from fallsafe.core.orders.task import Task
from fallsafe.core.values import replace
from fallsafe.flows import cases
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate, Entry

ORDER_VERBS = {
    OrderState.COMPLETED: "complete",
    OrderState.HELD: "hold",
    OrderState.FAILED: "fail",
    OrderState.PARTIAL: "end_partly",
}


async def end(turn: Turn) -> None:
    """Ends the turn for every order that it touched."""
    await cases.open_raised(turn)
    touched = [turn.tx.aggregates[i] for i in sorted(turn.tx.aggregates) if turn.tx.aggregates[i].records]
    for aggregate in touched:
        cases.unblock(turn, aggregate)
        derive(turn, aggregate)
    await cases.score_all(turn, touched)


def derive(turn: Turn, aggregate: Aggregate) -> None:
    """Derives items (children before parents) and the order, and writes what changed."""
    children, tasks = defaultdict[int, list[int]](list), defaultdict[int, list[Task]](list)
    for item in aggregate.items.values():
        if item.parent_id is not None:
            children[item.parent_id].append(item.id)
    for task in aggregate.tasks.values():
        tasks[task.item_id].append(task)
    blocked, why = cases.blocked_items(aggregate), turn.why("derived from its tasks, children and cases")
    stopped = {case.task_id for case in aggregate.open_cases if case.task_id is not None}
    for item in _children_first(aggregate):
        below = [aggregate.items[i] for i in children[item.id]]
        state = items.derive_state(_undecided(aggregate, item), tasks[item.id], below, item.id in blocked, stopped)
        if state is not item.state:
            aggregate.put(replace(item, state=state), _item_verb(state), why)
    _derive_order(turn, aggregate)


def _undecided(aggregate: Aggregate, item: Item) -> Item:
    """Of an order that another engine executes nothing is decided here: its word, also backwards, is all there is."""
    return item if aggregate.order.reported is None else replace(item, state=ItemState.ACKNOWLEDGED)


def _derive_order(turn: Turn, aggregate: Aggregate) -> None:
    order, was_final = aggregate.order, aggregate.order.is_final
    if order.phase is Phase.ACKNOWLEDGED and aggregate.items:
        order = replace(order, phase=move(PHASE_LIFECYCLE, order.phase, "start"))
    state = derive_state(order.phase, aggregate.items.values())
    if state is not aggregate.order.state or order.phase is not aggregate.order.phase:
        done = turn.now if state is OrderState.COMPLETED else order.actual_at
        aggregate.put(
            replace(order, state=state, actual_at=done),
            ORDER_VERBS.get(state, "go_on"),
            turn.why("derived from its items"),
        )
    if aggregate.order.is_final:
        turn.tx.clear("review", order.id)
    elif aggregate.new or was_final:
        turn.tx.file(Entry("review", order.id, order.id, turn.now + turn.policy(aggregate).limits.review_every))


def _children_first(aggregate: Aggregate) -> list[Item]:
    depths: dict[int, int] = {}
    for item in aggregate.items.values():
        above, at = list[int](), item
        while at.id not in depths and at.parent_id in aggregate.items:
            above.append(at.id)
            at = aggregate.items[at.parent_id or 0]
        depth = depths.setdefault(at.id, 0)
        for below in reversed(above):
            depth = depths[below] = depth + 1
    return sorted(aggregate.items.values(), key=lambda i: (-depths[i.id], i.id))


def _item_verb(state: ItemState) -> str:
    return {ItemState.COMPLETED: "complete", ItemState.HELD: "hold", ItemState.IN_PROGRESS: "go_on"}.get(
        state, "derive"
    )

"""The end of a turn: cases are opened, item and order states derived, severities brought up to date, and the order's
next look set.
"""

from dataclasses import replace

from fallsafe.core.lifecycle import move
from fallsafe.core.orders import item as items
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import PHASE_LIFECYCLE, OrderState, Phase, derive_state
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
        derive(turn, aggregate)
    await cases.score_all(turn, touched)


def derive(turn: Turn, aggregate: Aggregate) -> None:
    """Derives items (children before parents) and the order, and writes what changed."""
    for item in _children_first(aggregate):
        children = [i for i in aggregate.items.values() if i.parent_id == item.id]
        own = [t for t in aggregate.tasks.values() if t.item_id == item.id]
        state = items.derive_state(item, own, children, cases.blocks(aggregate, item))
        if state is not item.state:
            aggregate.put(
                replace(item, state=state), _item_verb(state), turn.why("derived from its tasks, children and cases")
            )
    _derive_order(turn, aggregate)


def _derive_order(turn: Turn, aggregate: Aggregate) -> None:
    order = aggregate.order
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
    elif aggregate.new:
        turn.tx.file(Entry("review", order.id, order.id, turn.now + turn.policy(aggregate).limits.review_every))


def _children_first(aggregate: Aggregate) -> list[Item]:
    def depth(item: Item) -> int:
        steps, at = 0, item
        while at.parent_id is not None and at.parent_id in aggregate.items:
            at, steps = aggregate.items[at.parent_id], steps + 1
        return steps

    return sorted(aggregate.items.values(), key=lambda i: (-depth(i), i.id))


def _item_verb(state: ItemState) -> str:
    return {ItemState.COMPLETED: "complete", ItemState.HELD: "hold", ItemState.IN_PROGRESS: "go_on"}.get(
        state, "derive"
    )

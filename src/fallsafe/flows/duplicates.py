"""A new order that looks like a live one is frozen before its first command, with a case of whoever asks the customer
(model rule 11).

Orders of one customer that come at once wait for each other here, before anything of them is written: else neither
would see the other.
"""

from collections.abc import Mapping, Sequence

from fallsafe.core.orders.draft import OrderDraft
from fallsafe.core.orders.likeness import Wish, first_alike, place_key, wishes
from fallsafe.core.orders.plan import Hold
from fallsafe.flows import failures, payload, planning
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate

CODE = "SUSPECTED_DUPLICATE_ORDER"
Named = tuple[tuple[str, str], Wish]


async def live(turn: Turn, drafts: Sequence[OrderDraft]) -> list[Named]:
    """What the customers of these drafts want already, by the names of their live orders. Holds the customers until the
    transaction ends.
    """
    within = turn.context.newest.limits.duplicate_within
    customers = sorted({wish.customer for draft in drafts for wish in wishes(draft)})
    if within is None or not customers:
        return []
    await turn.tx.execute("orders/lock_customers", customers=customers)
    since = turn.now - within
    rows = await turn.tx.fetch("orders/live_of_customers", customers=customers, since=since)
    places = await _places(turn, sorted({row["order_id"] for row in rows}))
    found = []
    for row in rows:
        place = places.get((row["order_id"], f"items/{row['item']}/place"), "")
        wish = Wish(row["customer_ref"], row["offer"], row["action"], place)
        found.append(((row["source"], row["external_id"]), wish))
    return found


async def _places(turn: Turn, order_ids: Sequence[int]) -> Mapping[tuple[int, str], str]:
    """The places of orders, by order and path; they are personal and stand sealed."""
    if not order_ids:
        return {}
    keys = await turn.tx.keys_of(order_ids)
    rows = await turn.tx.fetch("personal/of_orders", ids=list(order_ids))
    opened = {(r["order_id"], r["path"]): keys[r["order_id"]].open(bytes(r["sealed"])) for r in rows}
    return {name: place_key(payload.read_json(value)) for name, value in opened.items()}


def suspect(turn: Turn, aggregate: Aggregate, draft: OrderDraft, standing: list[Named]) -> None:
    """Freezes the new order where a live one is alike, and adds what it wants to what is live."""
    alike = first_alike(draft, standing)
    own = (draft.source, draft.external_id)
    if turn.context.newest.limits.duplicate_within is not None:
        standing += [(own, wish) for wish in wishes(draft)]
    if alike is None:
        return
    hold = Hold(CODE, f"like order {'/'.join(alike)}, which is live: same customer, place, offer and action")
    failures.meet(turn, aggregate, planning.signal(turn, aggregate, None, hold), CODE)

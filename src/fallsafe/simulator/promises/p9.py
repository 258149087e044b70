"""P9, the customer hears the truth: a date that others give is what they said, and our own promise stands as it was
given.
"""

from collections.abc import Iterator

from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen

OURS = ("committed_at", "committed_first_at")


def broken(seen: Seen) -> Iterator[Broken]:
    """Promises that changed by themselves."""
    for record in seen.records():
        order = seen.orders.get(record["orderId"])
        if order is not None and record["thing"] == "order":
            yield from _of_record(order, record)


def _of_record(order: OrderSeen, record: Row) -> Iterator[Broken]:
    changed = [name for name in OURS if name in record["delta"]]
    told_anew = record["verb"] == "report"  # by the engine that the order is of
    if changed and record["was"] and not told_anew:
        what = f"{record['verb']} by {record['actor']} has changed what was promised: {', '.join(changed)}"
        yield Broken("P9", order.where("order", order.order.id), what, order.order.id)

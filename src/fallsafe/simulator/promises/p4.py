"""P4, a failure and its case commit together: no transaction ends with a failure in it that has neither a case nor a
recorded decision that none is needed.
"""

from collections import defaultdict
from collections.abc import Iterator

from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen

FAILURES = {"lose", "reject", "find_rejected"}
MANAGED = {"detect", "join", "reopen"}
CONTRADICTS = ("disposition/conflict",)
NEEDS_NO_CASE = ("Ignore", "Wait", "RetrySameCommand", "Park")
NEEDS_A_CASE = ("unknown", "failed", "undo_failed", "undo_unknown")


def broken(seen: Seen) -> Iterator[Broken]:
    """Failures that nobody owns."""
    transactions: dict[tuple[int, int, int], list[Row]] = defaultdict(list)
    for record in seen.records():
        transactions[record["orderId"], record["transaction"][0], record["transaction"][1]].append(record)
    for (order_id, _, _), records in transactions.items():
        order = seen.orders.get(order_id)
        if order is not None:
            yield from _transaction(order, records)
    for order in seen.orders.values():
        yield from _standing(order)
    yield from _unmatched(seen)


def _transaction(order: OrderSeen, records: list[Row]) -> Iterator[Broken]:
    managed = any(r["thing"] == "case" and r["verb"] in MANAGED for r in records)
    decided = {r["thingId"] for r in records if r["verb"] == "recover" and r["facts"]["step"] in NEEDS_NO_CASE}
    for record in records:
        if not managed and _is_failure(order, record) and record["thingId"] not in decided:
            what = f"{record['verb']} ({record['reason']}) was committed without a case"
            yield Broken("P4", order.where(record["thing"], record["thingId"]), what, order.order.id)


def _is_failure(order: OrderSeen, record: Row) -> bool:
    if record["thing"] == "command":
        command = order.commands.get(record["thingId"])
        if command is None or command.purpose.value == "query":
            return False
        return record["verb"] in (FAILURES | {"not_sent"}) or record["rule"] in CONTRADICTS
    if record["thing"] == "item":
        return bool(record["delta"].get("hold_code")) and record["verb"] == "hold"
    by_repair = record["causation"].startswith("RA-")  # somebody who works on its case stopped it
    return (record["thing"], record["verb"]) == ("order", "freeze") and not by_repair


def _standing(order: OrderSeen) -> Iterator[Broken]:
    """Whatever stands failed or unknown has an open case that speaks for it: its own, or that of what it waits for."""
    cases = order.open_cases
    for task in order.tasks.values():
        if task.state.value in NEEDS_A_CASE and not any(_speaks(order, c.task_id, c.item_id, task.id) for c in cases):
            what = f"{task.step} is {task.state} and no open case says so"
            yield Broken("P4", order.where("task", task.id), what, order.order.id)
    for item in order.items.values():
        if item.hold_code and item.state.value == "held" and not any(c.item_id == item.id for c in cases):
            what = f"is held ({item.hold_code}) and no open case says so"
            yield Broken("P4", order.where("item", item.id), what, order.order.id)


def _speaks(order: OrderSeen, case_task: int | None, case_item: int | None, task_id: int) -> bool:
    if case_task is None:
        return case_item in (None, order.tasks[task_id].item_id)
    reached, front = {task_id}, [task_id]
    while front:
        for before in order.tasks[front.pop()].depends_on:
            if before not in reached and before in order.tasks:
                reached.add(before)
                front.append(before)
    return case_task in reached


def _unmatched(seen: Seen) -> Iterator[Broken]:
    """What came in and could not be applied has a case that names its bytes."""
    if not seen.whole:
        return
    managed = {
        number
        for record in seen.records()
        if record["thing"] == "case" and record["verb"] in MANAGED
        for number in record["evidence"]
    }
    for row in seen.inbox:
        if row["state"] in ("unmatched", "unreadable") and row["evidence_id"] not in managed:
            what = f"is {row['state']}, and no case names it"
            yield Broken("P4", f"callback {row['event_id']} of {row['system']}", what)
    for row in seen.signals:
        if row["state"] in ("standing", "unmatched") and row["evidence_id"] not in managed:
            what = f"is {row['state']}, and no case names it"
            yield Broken("P4", f"signal {row['external_id']} of {row['source']}", what)
    yield from _ended_too_early(seen)


def _ended_too_early(seen: Seen) -> Iterator[Broken]:
    """A case that ended because all its signals were taken back has none that stands."""
    ended = {
        r["thingId"]: number
        for number, order in seen.orders.items()
        for r in order.records
        if (r["thing"], r["verb"], r["rule"]) == ("case", "heal", "signals_ended")
    }
    for row in seen.signals:
        if row["state"] == "standing" and row["case_id"] in ended:
            what = "stands, and its case was ended as if it did not"
            yield Broken("P4", f"signal {row['external_id']} of {row['source']}", what, ended[row["case_id"]])

"""P10, a storm is one outage: while a downstream is stopped nothing but its canary is sent, no attempt is spent and no
task gets a case of its own on that account; once it works, whatever was parked goes on.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen

STOPPED = ("tripped", "probing")
# A transaction that began before the downstream was stopped has ended by then.
AFTER = timedelta(seconds=10)


def broken(seen: Seen) -> Iterator[Broken]:
    """What was done to a downstream that is stopped, and what is forgotten once it works."""
    for record in seen.fresh or ():
        order = seen.orders.get(record["orderId"])
        if order is not None and not seen.rewound:
            yield from _while_stopped(seen, order, record)
    for record in seen.fresh or ():
        system = record["facts"].get("system")
        if record["thing"] == "downstream" and record["verb"] == "clear" and seen.parked.get(system):
            what = f"is clear, and {seen.parked[system]} tasks are parked"
            yield Broken("P10", f"downstream {system}", what)
    for order in seen.orders.values() if seen.whole else ():
        yield from _forgotten(seen, order)


def _while_stopped(seen: Seen, order: OrderSeen, record: Row) -> Iterator[Broken]:
    thing, verb = record["thing"], record["verb"]
    where = order.where(thing, record["thingId"])
    command = order.commands.get(record["thingId"]) if thing == "command" else None
    if command is not None and command.purpose.value != "query" and _stopped(seen, command.system, record):
        down = seen.downstreams[command.system]
        if verb == "send" and down["canary"] != command.task_id and record["delta"].get("lease_worker") != "rewound":
            yield Broken(
                "P10", where, f"{command.key} was sent while {command.system} is {down['state']}", order.order.id
            )
        if verb == "not_sent" and "retries" in record["delta"]:
            what = f"{command.key} spent an attempt on {command.system}, which is stopped"
            yield Broken("P10", where, what, order.order.id)
    case = order.cases.get(record["thingId"]) if thing == "case" and verb == "detect" else None
    if case is not None and case.code == "RETRY_EXHAUSTED" and _stopped(seen, case.system, record):
        yield Broken("P10", where, f"is a case of its own while {case.system} is stopped", order.order.id)


def _stopped(seen: Seen, system: str, record: Row) -> bool:
    down = seen.downstreams.get(system)
    if down is None or down["state"] not in STOPPED or down["since"] is None:
        return False
    return bool(min(datetime.fromisoformat(record["at"]), seen.now) > down["since"] + AFTER)


def _forgotten(seen: Seen, order: OrderSeen) -> Iterator[Broken]:
    for task in order.tasks.values():
        down = seen.downstreams.get(task.system)
        works = down is None or down["state"] == "clear"
        looks = order.looks.get(task.id, {})
        if task.state.value == "parked" and works and not any(look.due_at <= seen.now for look in looks.values()):
            what = f"{task.step} is parked, and {task.system} works"
            yield Broken("P10", order.where("task", task.id), what, order.order.id)

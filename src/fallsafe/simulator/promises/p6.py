"""P6, there is no back door: every change is a named action of somebody, by the tables; a refusal changes nothing and
says what would work; doing it twice does it once.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from fallsafe.core.cases.case import CASE_LIFECYCLE
from fallsafe.core.commands.ledger import COMMAND_LIFECYCLE, FACT_LIFECYCLE, QUERY_LIFECYCLE
from fallsafe.core.orders.task import Task
from fallsafe.core.orders.windows import shut
from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen

# What a person may only do with one of these roles. Written here once more, so that a table of rights that was opened
# too wide is seen.
NEEDS = {
    "reconcile": {"operator", "engineer", "finance", "admin"},
    "send_again": {"operator", "engineer", "admin"},
    "supersede": {"operator", "engineer", "admin"},
    "skip": {"operator", "admin"},
    "plan_again": {"engineer", "admin"},
    "publish": {"admin", "engineer"},
    "end_rewind": {"admin"},
}
# Who works for some owner groups only, and what they may do with a case of no other group.
OF_GROUPS = {"operator.gil": {"ORDER_DESK", "BILLING_OPS"}}
IN_THE_GROUP = {
    *("transfer", "claim", "diagnose", "wait", "go_on", "escalate", "withdraw", "resolve", "reopen"),
    *("accept", "return", "consult", "refer", "follow_up", "relate"),
}
FINAL_TASKS = ("completed", "skipped", "cancelled", "undone")
NOT_BEGUN = ("planned", "skipped", "cancelled")


def broken(seen: Seen) -> Iterator[Broken]:
    """Changes without a name, against the tables, or made twice."""
    for record in seen.records():
        order = seen.orders.get(record["orderId"])
        where = order.where(record["thing"], record["thingId"]) if order else f"{record['thing']} {record['thingId']}"
        for what in _wrong(order, record):
            yield Broken("P6", where, f"{record['verb']} by {record['actor']}: {what}", record["orderId"])
    for order in seen.orders.values():
        yield from _once(order)
        yield from _in_turn(order)
    yield from _left_when_it_may_not(seen)


def _left_when_it_may_not(seen: Seen) -> Iterator[Broken]:
    """Nothing is sent while its system takes no work, nor for an order or a task that somebody or something has
    stopped; judged as it was when it was sent.
    """
    for record in seen.fresh or ():
        order = seen.orders.get(record["orderId"])
        command = order.commands.get(record["thingId"]) if order and record["thing"] == "command" else None
        if order is None or command is None or record["verb"] != "send" or command.purpose.value != "fulfill":
            continue
        if record["delta"].get("lease_worker") == "rewound":
            continue
        task = order.tasks[command.task_id]
        where = order.where("command", command.id)
        if order.order.frozen or task.frozen:
            yield Broken("P6", where, f"{command.key} was sent while it is frozen", order.order.id)
        policy, at = seen.policies[order.order.policy_set], datetime.fromisoformat(record["at"])
        over = _lapsed(seen, order, task, min(at, seen.now))
        if over is not None:
            what = f"{command.key} was sent and relies on {over.step}, which counted until {over.valid_until}"
            yield Broken("P6", where, what, order.order.id)
        action, zone = order.items[task.item_id].action, order.order.time_zone
        closed = shut(policy.windows, command.system, action, zone, policy.holidays, at)
        if closed is not None and task.executor == "command":
            what = f"{command.key} was sent while {command.system} takes no work: {closed.window.title}"
            yield Broken("P6", where, what, order.order.id)


def _lapsed(seen: Seen, order: OrderSeen, task: Task, at: datetime) -> Task | None:
    """What a task relies on, near or far, and did not count any more; its own renewal relies on nothing of it."""
    types = seen.policies[order.order.policy_set].task_types
    front, reached = list(task.depends_on), set[int]()
    while front:
        before = order.tasks.get(front.pop())
        if before is None or before.id in reached:
            continue
        reached.add(before.id)
        front += before.depends_on
        over = before.state.value == "completed" and before.valid_until is not None and before.valid_until <= at
        kind = types.get(before.type)
        if over and not (kind and kind.renew == task.type and before.id in task.depends_on):
            return before
    return None


def _wrong(order: OrderSeen | None, record: Row) -> Iterator[str]:
    kind, _, name = record["actor"].partition(":")
    if kind not in ("person", "machine", "system") or not name:
        yield "nobody did it"
    if record["verb"].startswith("refuse_"):
        yield from _refusal(record)
    elif kind == "person" and record["verb"] in NEEDS and not _roles(name) & NEEDS[record["verb"]]:
        yield f"{name} has none of the roles {sorted(NEEDS[record['verb']])}"
    elif kind == "person" and name in OF_GROUPS and record["thing"] == "case" and record["verb"] in IN_THE_GROUP:
        group = _owner_before(order, record)
        if group and group not in OF_GROUPS[name]:
            yield f"{name} does not work for {group}"
    elif record["was"] != record["now"]:
        yield from _move(order, record)
    elif (record["thing"], record["verb"]) == ("case", "transfer") and "owner_group" in record["delta"]:
        yield from _handed_over(record)


def _handed_over(record: Row) -> Iterator[str]:
    """Another group gets a case with what was done and what is asked of it."""
    handover = (record["delta"].get("handling") or {}).get("handover") or {}
    if not (handover.get("done") and handover.get("asked")):
        yield "another group got it without what was done and what is asked"


def _owner_before(order: OrderSeen | None, record: Row) -> str:
    """The owner group of a case before a record; empty where that is not known."""
    own = [r for r in order.records if (r["thing"], r["thingId"]) == ("case", record["thingId"])] if order else []
    owners = [
        r["delta"]["owner_group"] for r in own if r["version"] < record["version"] and "owner_group" in r["delta"]
    ]
    return str(owners[-1]) if owners else ""


def _roles(name: str) -> set[str]:
    """The roles of a person of the world: their name says them (`engineer.anna`)."""
    return {name.partition(".")[0]}


def _refusal(record: Row) -> Iterator[str]:
    if record["delta"] or record["was"] != record["now"]:
        yield "a refusal changed something"
    if not (record["facts"].get("code") and record["facts"].get("why") and record["reason"]):
        yield "a refusal does not say what and why"


def _move(order: OrderSeen | None, record: Row) -> Iterator[str]:
    was, verb, now = record["was"], record["verb"], record["now"]
    if not was:
        return
    if record["thing"] == "command" and was == "done":
        yield f"a success was taken back: it is {now}"
    if record["thing"] == "case":
        tables = [CASE_LIFECYCLE]
    elif record["thing"] == "command":
        command = order.commands.get(record["thingId"]) if order else None
        if command is None:
            return
        query = command.purpose.value == "query"
        tables = [QUERY_LIFECYCLE] if query else [COMMAND_LIFECYCLE, FACT_LIFECYCLE]  # type: ignore[list-item]
    else:
        return
    after = {to.value for table in tables for (at, by), to in table.items() if (at.value, by) == (was, verb)}
    if now not in after:
        yield f"the table has no way from {was} to {now}"


def _in_turn(order: OrderSeen) -> Iterator[Broken]:
    """Nothing that is executed here begins before all that it waits for is final."""
    for task in order.tasks.values():
        before = [order.tasks[number] for number in task.depends_on if number in order.tasks]
        open_ = [each.step for each in before if each.state.value not in FINAL_TASKS]
        if task.executor != "external" and task.state.value not in NOT_BEGUN and open_:
            what = f"{task.step} is {task.state}, and waits for {', '.join(open_)}"
            yield Broken("P6", order.where("task", task.id), what, order.order.id)


def _once(order: OrderSeen) -> Iterator[Broken]:
    yield from _joined_once(order)
    made = Counter((r["thing"], r["thingId"]) for r in order.records if not r["was"] and r["now"] and r["delta"])
    for (thing, number), count in made.items():
        if count > 1 and thing != "order":
            yield Broken("P6", order.where(thing, number), f"was made {count} times", order.order.id)
    steps = Counter((t.item_id, t.step) for t in order.tasks.values())
    for (item, step), count in steps.items():
        if count > 1:
            yield Broken("P6", order.where("item", item), f"{step} was planned {count} times", order.order.id)


def _joined_once(order: OrderSeen) -> Iterator[Broken]:
    """The same signal is counted for one case, once."""
    joined = Counter(
        number
        for record in order.records
        if record["thing"] == "case" and (record["verb"] == "join" or record["facts"].get("detector") == "signal")
        for number in record["evidence"]
    )
    for number, count in joined.items():
        if count > 1:
            yield Broken("P6", order.where(), f"what evidence {number} says was counted {count} times", order.order.id)

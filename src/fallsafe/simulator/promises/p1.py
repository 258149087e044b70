"""P1, nothing is invisible: everything live has a time at which it is looked at next, and every order that is not final
has a reason to be where it is.

An entry may be early, never late: the look at an attempt comes no later than its lease ends, the look at an accepted
command no later than its breach. Who asks for a look gets it at once.
"""

from collections.abc import Iterator
from datetime import datetime

from fallsafe.core.orders.task import Task
from fallsafe.flows.lapse import RENEWAL
from fallsafe.simulator.promises.seen import OPEN, Broken, OrderSeen, Row, Seen

FINAL_ORDERS = ("rejected", "cancelled", "completed", "failed", "partial")
FINAL_TASKS = ("completed", "skipped", "cancelled", "undone")
LOOK_OF = {"ready": "send", "sending": "lease", "waiting_callback": "overdue", "unknown": "lookup", "parked": "release"}
LIVE_COMMANDS = ("sending", "accepted", "unknown")
# What another engine executes is looked at when it is its turn and it stays silent; a word to it as any command is.
THEIR_TURN = ("ready", "handed_over")
LOOKS_OF_WORD = {"intended": ("send", "release"), "sending": ("lease",), "unknown": ("lookup",)}


def broken(seen: Seen) -> Iterator[Broken]:
    """What is live and nobody will look at."""
    for order in seen.orders.values():
        yield from _order(order)
        for task in order.tasks.values():
            yield from _task(order, task)
            yield from _lapses(seen, order, task)
        yield from _queries(order)
        yield from _cases_and_items(order)
    yield from _asked_for(seen)
    yield from _loose(seen)


def _told(order: OrderSeen, thing: str, number: int, what: str) -> Broken:
    return Broken("P1", order.where(thing, number), what, order.order.id)


def _order(seen: OrderSeen) -> Iterator[Broken]:
    order = seen.order
    if order.state.value not in FINAL_ORDERS:
        if "review" not in seen.looks.get(order.id, {}):
            yield _told(seen, "", 0, f"is {order.state} and nobody will ever review it")
        return
    for task in seen.tasks.values():
        if order.state.value == "completed" and task.mandatory and task.state.value not in FINAL_TASKS:
            yield _told(seen, "task", task.id, f"the order is completed, and {task.step} is {task.state}")
    for command in seen.commands.values():
        if command.purpose.value not in ("query", "resume") and command.state.value in LIVE_COMMANDS:
            yield _told(
                seen, "command", command.id, f"the order is {order.state}, and {command.key} is {command.state}"
            )


def _task(seen: OrderSeen, task: Task) -> Iterator[Broken]:
    if task.executor == "external":
        yield from _watched(seen, task)
        return
    state, looks = task.state.value, seen.looks.get(task.id, {})
    own_case = any(case.task_id == task.id and "review" in seen.looks.get(case.id, {}) for case in seen.open_cases)
    if state == "planned":
        yield from _planned(seen, task)
    elif state in LOOK_OF and LOOK_OF[state] not in looks and not (state == "ready" and own_case):
        yield _told(
            seen, "task", task.id, f"{task.step} is {state} and has no entry {LOOK_OF[state]!r}: {sorted(looks)}"
        )
    elif state not in FINAL_TASKS and state not in LOOK_OF and not looks and not own_case:
        yield _told(seen, "task", task.id, f"{task.step} is {state} and has neither an entry nor an open case")
    yield from _in_time(seen, task)


def _lapses(seen: Seen, order: OrderSeen, task: Task) -> Iterator[Broken]:
    """What comes next relies on an effect that lapses: it is looked at no later than then, unless it is being renewed
    (the clock may be set back after that look).
    """
    until = task.valid_until
    if task.state.value != "completed" or until is None or until <= seen.now or order.order.state.value in FINAL_ORDERS:
        return
    next_ones = [order.tasks[number].state.value for number in task.next if number in order.tasks]
    look = order.looks.get(task.id, {}).get("review")
    if not any(state in ("planned", "ready", "parked") for state in next_ones) or order.order.frozen:
        return
    renewed = any(
        task.id in other.depends_on and RENEWAL in other.step and other.state.value not in FINAL_TASKS
        for other in order.tasks.values()
    )
    if look is None or (look.due_at > until and not renewed):
        yield _told(
            order, "task", task.id, f"{task.step} counts until {until}, and is looked at {look and look.due_at}"
        )


def _watched(seen: OrderSeen, task: Task) -> Iterator[Broken]:
    state, looks = task.state.value, seen.looks.get(task.id, {})
    before = [seen.tasks[number].state.value for number in task.depends_on if number in seen.tasks]
    begins = state == "planned" and all(state in FINAL_TASKS for state in before)
    if (state in THEIR_TURN or begins) and "overdue" not in looks:
        yield _told(seen, "task", task.id, f"{task.step} is {state} elsewhere, and nobody will look whether it goes on")
    for command in seen.commands.values():
        if command.purpose.value != "resume" or command.task_id != task.id:
            continue
        wanted = LOOKS_OF_WORD.get(command.state.value, ())
        spent = command.state.value == "intended" and any(c.command_id == command.id for c in seen.open_cases)
        if wanted and not looks.keys() & {*wanted} and not spent:
            what = f"{command.key} is {command.state} without an entry {' or '.join(wanted)}"
            yield _told(seen, "command", command.id, what)


def _planned(seen: OrderSeen, task: Task) -> Iterator[Broken]:
    before = [seen.tasks[number].state.value for number in task.depends_on if number in seen.tasks]
    held = isinstance(task.waiting, dict) and task.waiting.get("items")
    if not held and not task.frozen and all(state in FINAL_TASKS for state in before):
        yield _told(seen, "task", task.id, f"all that {task.step} waits for is final, and it still waits")


def _in_time(seen: OrderSeen, task: Task) -> Iterator[Broken]:
    looks = seen.looks.get(task.id, {})
    if isinstance(seen.order.frozen, dict) and seen.order.frozen.get("by") == "quarantine":
        return  # nobody takes it before a person has looked, and its case says so
    if task.state.value == "sending" and "lease" in looks:
        own = [c for c in seen.commands.values() if c.task_id == task.id and c.state.value == "sending"]
        ends = max((c.lease_until for c in own if c.purpose.value != "query" and c.lease_until), default=None)
        if ends is not None and looks["lease"].due_at > ends:
            yield _told(seen, "task", task.id, f"its lease ends at {ends}, and it is looked at {looks['lease'].due_at}")
    late = looks["overdue"].due_at if task.state.value == "waiting_callback" and "overdue" in looks else None
    if late is not None and task.breach_at is not None and late > max(task.breach_at, seen.order.last_at):
        yield _told(seen, "task", task.id, f"it is overdue at {task.breach_at}, and looked at {late}")


def _queries(seen: OrderSeen) -> Iterator[Broken]:
    for command in seen.commands.values():
        asks = command.purpose.value == "query" and command.state.value == "sending"
        if asks and "lease" not in seen.looks.get(command.id, {}):
            yield _told(seen, "command", command.id, f"the question {command.key} is under way without a lease entry")


def _cases_and_items(seen: OrderSeen) -> Iterator[Broken]:
    for case in seen.open_cases:
        if "review" not in seen.looks.get(case.id, {}):
            yield _told(seen, "case", case.id, f"{case.code} is {case.state} and nobody will ever review it")
    for repair in seen.repairs.values():
        asks = [q["query"] for q in repair.checks if isinstance(q, dict)] if isinstance(repair.checks, list) else []
        asked = any(c.id in asks and c.state.value == "sending" for c in seen.commands.values())
        if repair.state.value == "checking" and not asked and "check" not in seen.looks.get(repair.id, {}):
            yield _told(seen, "repair", repair.id, "is being checked, and nobody will ask what it still has to know")
    for one in seen.amendments.values():
        if one.state.value == "handed_off" and "review" not in seen.looks.get(one.id, {}):
            yield _told(seen, "amendment", one.id, "was handed off, and nobody will see that it is not answered")
    for item in seen.items.values():
        held = item.hold_code and item.state.value not in ("completed", "cancelled")
        if held and not seen.looks.get(item.id) and not any(c.item_id == item.id for c in seen.open_cases):
            yield _told(seen, "item", item.id, f"is held ({item.hold_code}), and nobody will look at it")


def _asked_for(seen: Seen) -> Iterator[Broken]:
    """A look that somebody has just asked for is due, or under way."""
    for record in seen.fresh or ():
        order = seen.orders.get(record["orderId"])
        command = order.commands.get(record["thingId"]) if order and record["thing"] == "command" else None
        if order is None or command is None or record["verb"] != "reconcile":
            continue
        entry = order.looks.get(command.task_id, {}).get("lookup")
        asking = any(c.target_id == command.id and c.state.value == "sending" for c in order.commands.values())
        asked_at = datetime.fromisoformat(record["at"])  # the clock may have stepped back since
        if not asking and (entry is None or entry.due_at > max(seen.now, asked_at)):
            when = entry.due_at if entry else "never"
            yield _told(order, "command", command.id, f"a look was asked for, and comes {when}")


def _loose(seen: Seen) -> Iterator[Broken]:
    for system, down in seen.downstreams.items():
        if seen.whole and down["state"] != "clear" and "release" not in seen.loose_looks.get(down["gate"], ()):
            yield Broken("P1", f"downstream {system}", f"is {down['state']}, and nobody will look whether it works")
    for case in seen.loose_cases:
        if case["state"] in OPEN and "review" not in seen.loose_looks.get(case["id"], ()):
            yield Broken("P1", f"case {case['id']}", f"{case['code']} is {case['state']}, and nobody will review it")
    for row in seen.inbox:
        if row["state"] == "received" and "apply" not in seen.loose_looks.get(row["id"], ()):
            yield Broken(
                "P1", f"callback {row['event_id']} of {row['system']}", "was received, and nobody will apply it"
            )
    for row in seen.reports:
        if row["state"] == "received" and "report" not in seen.loose_looks.get(row["id"], ()):
            what = f"report {row['external_id']} of {row['source']}"
            yield Broken("P1", what, "was received, and nobody will apply it")
    for row in seen.signals:
        if row["state"] == "received" and "signal" not in seen.loose_looks.get(row["id"], ()):
            yield Broken("P1", _signal(row), "was received, and nobody will judge it")


def _signal(row: Row) -> str:
    return f"signal {row['external_id']} of {row['source']}"

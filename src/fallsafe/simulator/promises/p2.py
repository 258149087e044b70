"""P2, nothing happens twice: one effect has one command and one key for life, and while an outcome is unknown nothing
is sent for that task.

Measured in effects outside, where they are known. From the records alone: no send stands between a `lose` and what
found out, no send follows a loss where the contract does not recognize the key, and a key never changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from fallsafe.core.commands.ledger import Command
from fallsafe.core.orders.task import TaskType
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen

RECOGNIZES = ("same_result", "rejects_duplicate")
HOLDS_THE_TASK = ("sending", "accepted", "unknown", "absent", "intended")
SETTLES = {"accept", "complete", "reject", "find_done", "find_rejected", "find_pending", "find_absent"}


def broken(seen: Seen) -> Iterator[Broken]:
    """What was done twice, or might have been."""
    for order in seen.orders.values():
        for command in order.commands.values():
            if command.purpose.value != "query":
                yield from _command(seen, order, command)
        yield from _one_at_a_time(order)
    yield from _outside(seen)


def _told(order: OrderSeen, command: Command, what: str) -> Broken:
    return Broken("P2", order.where("command", command.id), f"{command.key} {what}", order.order.id)


@dataclass(slots=True)
class _Course:
    """What the records say of one command so far."""

    doubted: bool = False
    ever_lost: bool = False
    absent: bool = False
    sends: int = 0
    keys: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)


def _command(seen: Seen, order: OrderSeen, command: Command) -> Iterator[Broken]:
    task = order.tasks.get(command.task_id)
    item = order.items.get(task.item_id) if task else None
    if task is not None and item is not None:
        who = f"{order.order.source}/{order.order.external_id}/{item.external_id}.{task.step}"
        if command.key != f"{who}/{command.purpose.value}/{command.n}":
            yield _told(order, command, f"is not the key of {who}")
    course = _Course()
    for record in _records_of(order.records, command.id):
        yield from _step(seen, order, command, course, record)
    if order.records and course.sends != command.attempts:
        yield _told(order, command, f"counts {command.attempts} attempts, the records {course.sends}")
    if len(course.keys) > 1 or len(course.digests) > 1:
        yield _told(order, command, "changed its key or its payload")


def _records_of(records: Sequence[Row], command_id: int) -> Iterator[Row]:
    return (r for r in records if r["thing"] == "command" and r["thingId"] == command_id)


def _step(seen: Seen, order: OrderSeen, command: Command, course: _Course, record: Row) -> Iterator[Broken]:
    delta = record["delta"]
    course.keys |= {delta["key"]} if delta.get("key") else set()
    course.digests |= {delta["payload_digest"]} if delta.get("payload_digest") else set()
    match record["verb"]:
        case "send":
            yield from _send(seen, order, command, course, record)
            course.sends += 1
            course.absent = False
        case "send_again":
            course.absent = False
        case "doubt" if not _policy(seen, order, record).operations[command.operation].effect:
            pass  # what changes nothing outside may be asked for again
        case "lose" | "doubt":
            course.doubted = course.ever_lost = True
        case verb if verb in SETTLES:
            course.doubted = False
            course.absent = verb == "find_absent"
        case _:
            pass


def _send(seen: Seen, order: OrderSeen, command: Command, course: _Course, record: Row) -> Iterator[Broken]:
    if record["delta"].get("lease_worker") == "rewound":
        return  # written down as an attempt of the time that the database lost; nothing leaves
    at = f"attempt {course.sends + 1} at {record['at']}"
    if course.doubted or course.absent:
        yield _told(order, command, f"was sent while its outcome was unknown ({at})")
    if not course.ever_lost or command.finding == "person_sends_again":
        return
    operation = _policy(seen, order, record).operations[command.operation]
    if operation.repeat.value not in RECOGNIZES:
        yield _told(order, command, f"was sent again, though {command.operation} does not recognize its key ({at})")
    if operation.key_lives is not None and command.first_sent_at is not None:
        lives_until = command.first_sent_at + operation.key_lives
        if datetime.fromisoformat(record["at"]) + operation.call_timeout > lives_until + timedelta(seconds=1):
            yield _told(order, command, f"was sent again when its key had expired ({at})")


def _policy(seen: Seen, order: OrderSeen, record: Row) -> PolicySet:
    return seen.policies.get(record["policySet"]) or seen.policies[order.order.policy_set]


def _one_at_a_time(order: OrderSeen) -> Iterator[Broken]:
    holding: dict[tuple[int, str], list[Command]] = {}
    for command in order.commands.values():
        if command.purpose.value != "query" and command.state.value in HOLDS_THE_TASK:
            holding.setdefault((command.task_id, ""), []).append(command)
    for commands in holding.values():
        if len(commands) > 1:
            names = ", ".join(f"{c.key} ({c.state})" for c in commands)
            yield _told(order, commands[-1], f"is open beside others of its task: {names}")


def _outside(seen: Seen) -> Iterator[Broken]:
    if seen.outside is None:
        return
    for name, count in seen.outside.by_object.items():
        if count > 1 and count > _renewals(seen, name):
            yield Broken("P2", name, f"was done {count} times outside", _order_id(seen, name.partition(" ")[2]))
    for key, count in seen.outside.by_key.items():
        if count > 1:
            yield Broken("P2", key, f"was done {count} times under one key", _order_id(seen, key))
    for key, bodies in seen.outside.bytes_of_key.items():
        if len(bodies) > 1:
            yield Broken("P2", key, f"went out with {len(bodies)} different contents", _order_id(seen, key))
    if seen.whole and not seen.rewound:
        known = {c.key for order in seen.orders.values() for c in order.commands.values() if c.attempts}
        for key in seen.outside.by_key.keys() - known:
            yield Broken("P2", key, "was done outside, and no command that was sent has this key", _order_id(seen, key))


def _renewals(seen: Seen, name: str) -> float:
    """How often an operation was meant to renew an effect of an object; without end where its order is not seen."""
    operation, _, about = name.partition(" ")
    if not any(kind.operation == operation for policy in seen.policies.values() for kind in _renewing(policy)):
        return 0
    order = seen.orders.get(_order_id(seen, about))
    if order is None:
        return inf
    items = {item.id for item in order.items.values() if item.external_id == about.rpartition("/")[2]}
    return sum(t.operation == operation and t.item_id in items for t in order.tasks.values())


def _renewing(policy: PolicySet) -> Iterator[TaskType]:
    return (policy.task_types[kind.renew] for kind in policy.task_types.values() if kind.renew)


def _order_id(seen: Seen, name: str) -> int:
    source, _, rest = name.partition("/")
    external = rest.partition("/")[0]
    for order in seen.orders.values():
        if (order.order.source, order.order.external_id) == (source, external):
            return order.order.id
    return 0

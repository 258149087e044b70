"""P3, silence, "not found" and "200" are not proof: absent needs two whole looks after the settle window, and a success
must answer what was asked.

A look counts by when it was asked. A success is read here once more, from the bytes that were kept, by a reader that
knows nothing of contracts: it must name the key, the object and a state of success.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from fallsafe.core.commands.ledger import Command
from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen
from fallsafe.simulator.sandbox.kinds import all_kinds

SUCCESS = {kind.operation: kind.state for kind in all_kinds()}
"""The word by which the system outside says that it did it."""
DONE = ("complete", "find_done")
BY_A_PERSON = "person says"
CLOCK_SLACK = timedelta(milliseconds=5)


def broken(seen: Seen) -> Iterator[Broken]:
    """What was believed without proof."""
    for record in seen.records():
        order = seen.orders.get(record["orderId"])
        if order is None or record["thing"] != "command":
            continue
        command = order.commands.get(record["thingId"])
        if command is None or command.purpose.value == "query":
            continue
        if record["verb"] == "not_sent":
            yield from _not_sent(seen, order, command)
        elif record["verb"] == "find_absent":
            yield from _absent(seen, order, command, record)
        elif record["verb"] in DONE and record["now"] == "done":
            yield from _done(seen, order, command, record)


def _not_sent(seen: Seen, order: OrderSeen, command: Command) -> Iterator[Broken]:
    """What was never lost and counts as not sent was not done outside."""
    done = seen.outside is not None and seen.outside.by_key.get(command.key)
    if done and not command.lost_because and command.state.value == "intended" and not seen.rewound:
        yield _told(order, command, "counts as not sent, and was done outside")


def _told(order: OrderSeen, command: Command, what: str) -> Broken:
    return Broken("P3", order.where("command", command.id), f"{command.key} {what}", order.order.id)


def _absent(seen: Seen, order: OrderSeen, command: Command, record: Row) -> Iterator[Broken]:
    told = [r for r in order.records if r["version"] <= record["version"] and r["thing"] == "command"]
    policy = seen.policies[command.contract_set or order.order.policy_set]
    operation = policy.operations[command.operation]
    settles = _ended_at(told, command) + operation.settle_window - CLOCK_SLACK
    looks = _empty_looks(told, order, command)
    whole = [
        min(asked.values())
        for asked in looks.values()
        if set(asked) >= {way.method for way in operation.look_ups} and min(asked.values()) >= settles
    ]
    if len(whole) < 2:
        yield _told(order, command, f"was taken for absent after {len(whole)} whole looks past the settle window")
    elif max(whole) - min(whole) < operation.second_look - CLOCK_SLACK:
        asked = ", ".join(f"{at:%H:%M:%S}" for at in whole)
        yield _told(order, command, f"was taken for absent after looks at {asked}, settled at {settles:%H:%M:%S}")


def _ended_at(told: Sequence[Row], command: Command) -> datetime:
    """The end of the last attempt, as the records had it: by its sender, else by its lease."""
    ended = command.intended_at
    for record in told:
        delta = record["delta"]
        if record["thingId"] != command.id:
            continue
        if record["verb"] == "send" and delta.get("lease_until"):
            ended = datetime.fromisoformat(delta["lease_until"])
        elif record["verb"] in ("lose", "doubt", "accept") and delta.get("ended_at"):
            ended = datetime.fromisoformat(delta["ended_at"])
    return ended


def _empty_looks(told: Sequence[Row], order: OrderSeen, command: Command) -> dict[int, dict[str, datetime]]:
    """By look and way, when a question was asked that found nothing; only of the newest loss. A look is asked when the
    clock says so, which may be before the time of its record.
    """
    asked: dict[int, datetime] = {}
    looks: dict[int, int] = {}
    found: dict[int, dict[str, datetime]] = {}
    for record in told:
        delta, query = record["delta"], order.commands.get(record["thingId"])
        if record["thingId"] == command.id and record["verb"] in ("lose", "doubt"):
            found.clear()
        if query is None or query.target_id != command.id:
            continue
        looks[query.id] = delta.get("look", looks.get(query.id, 0))
        if record["verb"] == "send":
            asked[query.id] = datetime.fromisoformat(delta["last_sent_at"])
        elif record["verb"] == "complete" and delta.get("finding") == "absent" and query.id in asked:
            found.setdefault(looks[query.id], {})[query.method] = asked[query.id]
    return found


def _done(seen: Seen, order: OrderSeen, command: Command, record: Row) -> Iterator[Broken]:
    operation = seen.policies[command.contract_set or order.order.policy_set].operations[command.operation]
    if operation.effect and seen.outside is not None and not seen.outside.by_key.get(command.key):
        yield _told(order, command, f"was taken for done ({record['verb']}), and nothing was done outside")
    if seen.open_evidence is None or not record["evidence"]:
        if not record["evidence"]:
            yield _told(order, command, "was taken for done on no evidence")
        return
    if record["reason"].startswith(BY_A_PERSON):
        return  # what a person saw where no system could be asked; whether it is so was looked at above
    task = order.tasks[command.task_id]
    about = f"{order.order.source}/{order.order.external_id}/{order.items[task.item_id].external_id}"
    bodies = seen.open_evidence(order.order.id, record["evidence"])
    if not any(_answers(body, command.key, about, SUCCESS[command.operation]) for body in bodies):
        yield _told(order, command, f"was taken for done on {[body[:120] for body in bodies]}")


def _answers(body: bytes, key: str, about: str, success: str) -> bool:
    """Whether these bytes name the key, the object and a state of success."""
    try:
        words = set(_words(json.loads(body)))
    except ValueError:
        return False
    return key in words and about in words and success in words


def _words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)

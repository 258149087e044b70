"""The bytes of a command: rendered once from the policy's template and the order's facts, kept as evidence, and the
same for every attempt.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from urllib.parse import quote

import msgspec

from fallsafe.core.commands.contract import LookUp, Operation, Request
from fallsafe.core.commands.ledger import Command
from fallsafe.core.events import Json
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task, WayBack, way_back
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate

Personal = Mapping[str, Json]


def business_object(aggregate: Aggregate, task: Task) -> str:
    """What an effect is about, in the words of its source: `CRM/777/fiber`."""
    order = aggregate.order
    return f"{order.source}/{order.external_id}/{aggregate.items[task.item_id].external_id}"


def facts(turn: Turn, aggregate: Aggregate, task: Task, key: str, personal: Personal) -> dict[str, Json]:
    """The facts that templates may read (`fallsafe.policyset.templates.FACTS`)."""
    known = of_order(aggregate.order, aggregate.items, aggregate.tasks, task, personal)
    return {**known, "key": key, "callbackUrl": _callback_url(turn, task, key)}


def of_order(
    order: Order, items: Mapping[int, Item], tasks: Mapping[int, Task], task: Task, personal: Personal
) -> dict[str, Json]:
    """The facts of a task that stand in its order."""
    item = items[task.item_id]
    after = tasks.get(task.depends_on[0]) if task.depends_on else None
    return {
        "object": f"{order.source}/{order.external_id}/{item.external_id}",
        "before": {"reference": after.reference} if after is not None and after.reference else {},
        "order": {
            "externalId": order.external_id,
            "source": order.source,
            "customerRef": order.customer_ref,
            "segment": order.segment,
            "requestedAt": order.requested_at.isoformat() if order.requested_at else None,
            "supplierAt": order.supplier_at.isoformat() if order.supplier_at else None,
            "committedAt": order.committed_at.isoformat() if order.committed_at else None,
            "timeZone": order.time_zone,
        },
        "item": {
            "externalId": item.external_id,
            "offer": item.offer,
            "action": item.action,
            "quantity": item.quantity,
            "monthlyMinor": item.monthly_minor,
            "oneOffMinor": item.one_off_minor,
            "currency": item.currency,
            "characteristics": item.characteristics,
            "place": personal.get(place_path(item)) or {},
        },
        "customer": personal.get(customer_path(order)) or {},
        "task": {"step": task.step, "type": task.type},
        "results": {
            t.step: {**_mapping(t.result), "reference": t.reference}
            for t in sorted(
                (t for t in tasks.values() if t.completed_at is not None), key=lambda t: _nearness(items, item, t)
            )
        },
    }


def place_path(item: Item) -> str:
    """Where the place of an item is sealed."""
    named = item.place.get("personal") if isinstance(item.place, Mapping) else None
    return str(named or f"items/{item.external_id}/place")


def customer_path(order: Order) -> str:
    """Where the person who is the customer is sealed; empty where no party is one."""
    for n, party in enumerate(order.parties if isinstance(order.parties, list) else ()):
        if isinstance(party, Mapping) and party.get("role") == "customer":
            return str(party.get("personal") or f"parties/{n}/person")
    return ""


def _nearness(items: Mapping[int, Item], item: Item, task: Task) -> int:
    """Whose result counts where several items have a step of one name: the own one's before the family's before any."""
    other = items[task.item_id]
    if other.id == item.id:
        return 2
    family = {item.id, item.parent_id} - {None}
    return int(other.id in family or other.parent_id in family)


def _callback_url(turn: Turn, task: Task, key: str) -> str:
    """Our address for callbacks; it carries the key, so that a callback that names none still finds its command."""
    base = f"{turn.context.callback_url}/api/v1/downstreams/{task.system}/callbacks"
    return f"{base}?key={quote(key, safe='')}"


def _mapping(value: Json) -> dict[str, Json]:
    return dict(value) if isinstance(value, dict | Mapping) else {}


def look_up_request(turn: Turn, aggregate: Aggregate, task: Task, target: Command, look_up: LookUp) -> Request:
    """The question about a command: by its original key, or by what it is about."""
    asked = facts(turn, aggregate, task, target.key, {}) | {"verb": target.method}
    asked["target"] = {"key": target.key, "reference": target.reference, "object": business_object(aggregate, task)}
    return look_up.render(asked)


def request(
    turn: Turn, aggregate: Aggregate, task: Task, command: Command, operation: Operation, personal: Personal
) -> Request:
    """The request of a command, rendered for its first attempt."""
    return operation.render(facts(turn, aggregate, task, command.key, personal) | {"verb": command.method})


def head_of(made: Request) -> str:
    """The request line and headers as they stand in evidence."""
    return "\n".join([f"{made.method} {made.path}", *(f"{name}: {value}" for name, value in made.headers)])


def from_evidence(head: str, media_type: str, body: bytes) -> Request:
    """The request again, from its evidence: identical bytes."""
    first, *rest = head.split("\n")
    method, _, path = first.partition(" ")
    return Request(method, path, tuple(tuple(line.split(": ", 1)) for line in rest), body, media_type)  # type: ignore[misc]  # safe because head_of wrote "name: value"


def read_json(body: bytes) -> Json:
    """A body as JSON, or None when it is not."""
    try:
        value: Json = msgspec.json.decode(body)
        return value
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def way_back_of(
    order: Order, items: Iterable[Item], tasks: Iterable[Task], task: Task, policy: PolicySet, now: datetime
) -> tuple[WayBack, datetime | None]:
    """Whether the effect of a task can be taken back now, as its point of no return decides, and when that comes or
    came. Past a hard one nothing undoes it, whatever the catalogue knows.
    """
    kind = policy.task_types.get(task.type)
    if kind is None:
        return WayBack.NONE, None
    known = of_order(order, {i.id: i for i in items}, {t.id: t for t in tasks}, task, {})
    return way_back(task, kind, known, now)

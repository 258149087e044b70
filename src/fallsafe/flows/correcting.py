"""What an order holds to fulfil it is corrected; what was accepted stays as it was.

A personal value (a place, a person) is sealed anew under a path of its own: the one that was accepted stays sealed
beside it, and the row names the one that counts.
"""

from collections.abc import Mapping

from fallsafe.core.commands.ledger import Command
from fallsafe.core.events import Json
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.snapshot import canonical
from fallsafe.core.orders.task import TaskState
from fallsafe.core.repair.actions import CHARACTERISTIC, CUSTOMER, PLACE
from fallsafe.core.repair.clauses import below
from fallsafe.core.repair.preview import Scene
from fallsafe.core.values import replace
from fallsafe.flows import commands, payload
from fallsafe.flows.turn import Turn
from fallsafe.store.canonical import digest
from fallsafe.store.work import Aggregate, Why

Facts = Mapping[str, Json]
OWN_NAME = f"{PLACE}id"
"""What a register calls a place; a place that is described anew has none before the register was asked."""


def as_corrected(known: Facts, fields: Facts, answered: Mapping[str, str]) -> dict[str, Json]:
    """The facts of a request as they would be: `fields` are corrected, and the steps of `answered` came to another
    reference.
    """
    item, results = _mapping(known.get("item")), _mapping(known.get("results"))
    place = _place(_mapping(item.get("place")), fields)
    characteristics = {**_mapping(item.get("characteristics")), **below(fields, CHARACTERISTIC)}
    customer = {**_mapping(known.get("customer")), **below(fields, CUSTOMER)}
    other: dict[str, Json] = {step: {**_mapping(results.get(step)), "reference": r} for step, r in answered.items()}
    item_: Json = {**item, "place": place, "characteristics": characteristics}
    return {**known, "item": item_, "customer": customer, "results": {**results, **other}}


def _place(old: Mapping[str, Json], fields: Facts) -> dict[str, Json]:
    wanted = below(fields, PLACE)
    kept = {name: value for name, value in old.items() if not (wanted and name == "id")}
    return {**kept, **wanted}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


async def correct(
    turn: Turn, aggregate: Aggregate, scene: Scene, why: Why, fields: Facts, answered: Mapping[str, Command]
) -> None:
    """Corrects facts of the item of a scene and of whatever shares its place, and the results of steps that were asked
    again. `answered` are the questions that passed, by operation.
    """
    item = aggregate.items[scene.item.id] if scene.item else None
    if item is None:
        return
    known = _mapping(item.characteristics)
    characteristics = {**known, **below(fields, CHARACTERISTIC)}
    if characteristics != known:
        aggregate.put(replace(item, characteristics=characteristics), "correct", why)
    if below(fields, PLACE):
        await _correct_place(turn, aggregate, item, why, fields)
    if below(fields, CUSTOMER):
        await _correct_customer(turn, aggregate, why, fields)
    _answer_anew(aggregate, item, why, answered)


async def _correct_place(turn: Turn, aggregate: Aggregate, item: Item, why: Why, fields: Facts) -> None:
    personal = (await commands.personal_of(turn, [aggregate.order.id]))[aggregate.order.id]
    new = _place(_mapping(personal.get(payload.place_path(item))), fields)
    for other in (item, *neighbours(aggregate, item, personal)):
        path, sealed = seal_anew(turn, aggregate, f"items/{other.external_id}/place", why.causation, new)
        place: Json = {"personal": path}
        aggregate.put(replace(aggregate.items[other.id], place=place), "correct", _with(why, path, sealed))


def neighbours(aggregate: Aggregate, item: Item, personal: payload.Personal) -> list[Item]:
    """The other items of an order at the same place, which are corrected with it."""
    own = personal.get(payload.place_path(item))
    if own is None:
        return []
    others = (other for other in aggregate.items.values() if other.id != item.id)
    return [other for other in others if personal.get(payload.place_path(other)) == own]


async def _correct_customer(turn: Turn, aggregate: Aggregate, why: Why, fields: Facts) -> None:
    personal = (await commands.personal_of(turn, [aggregate.order.id]))[aggregate.order.id]
    order, known = aggregate.order, payload.customer_path(aggregate.order)
    if not known:
        return
    first = "/".join(known.split("/")[:3])
    new = {**_mapping(personal.get(known)), **below(fields, CUSTOMER)}
    path, sealed = seal_anew(turn, aggregate, first, why.causation, new)
    parties = [
        {**_mapping(party), "personal": path} if first == f"parties/{n}/person" else party
        for n, party in enumerate(order.parties if isinstance(order.parties, list) else ())
    ]
    aggregate.put(replace(order, parties=parties), "correct", _with(why, path, sealed))


def _with(why: Why, path: str, sealed: Json) -> Why:
    return replace(why, facts={**why.facts, "personal": {path: sealed}})


def seal(turn: Turn, aggregate: Aggregate, path: str, value: Json) -> dict[str, Json]:
    """Seals a personal value; what the record of its order says of it, enough to prove later that it is the same."""
    plain, key = canonical(value), aggregate.key
    sealed = key.seal(plain)
    turn.tx.pages.personal.append((aggregate.order.id, path, sealed, key.digest(plain)))
    return {"digest": key.digest(plain), "sealed": digest(sealed).hex()}


def seal_anew(turn: Turn, aggregate: Aggregate, path: str, by: str, value: Json) -> tuple[str, Json]:
    """Seals a value beside the one that was accepted, under a path that names what did it."""
    own = f"{path}/{by}"
    return own, seal(turn, aggregate, own, value)


def _answer_anew(aggregate: Aggregate, item: Item, why: Why, answered: Mapping[str, Command]) -> None:
    """What was asked again stands in place of what it had come to before."""
    for task in list(aggregate.tasks.values()):
        query = answered.get(task.operation)
        own = query is not None and task.item_id == item.id and task.state is TaskState.COMPLETED
        if own and query is not None and query.reference and query.reference != task.reference:
            aggregate.put(replace(task, reference=query.reference), "correct", why)

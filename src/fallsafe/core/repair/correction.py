"""The commercial guard (§9 principle 3, §18): what a correction would change of the accepted deal, clause by clause.

What was bought, paid, received, agreed or must be legally evidenced is a business correction, which no repair makes: it
becomes an amendment request. What only makes data right is a data correction. What nobody has named counts as business.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fallsafe.core.events import Json

DATA, BUSINESS = "data", "business"

# Clauses of the accepted content: what of the deal each is, and what a change of it needs (§18.2).
OF_ORDER: Mapping[str, tuple[str, str]] = {
    "catalogVersion": ("what the customer bought", "quote revision"),
    "customerRef": ("the legal entity that agreed", "contract amendment"),
    "requestedAt": ("the date that was agreed", "customer re-acceptance"),
    "committedAt": ("the date that was agreed", "customer re-acceptance"),
    "timeZone": ("the date that was agreed", "customer re-acceptance"),
    "quote": ("what the customer agreed to", "quote revision"),
    "parties": ("the legal entity that agreed", "contract amendment"),
}
OF_ITEM: Mapping[str, tuple[str, str]] = {
    "action": ("what the customer bought", "quote revision"),
    "offer": ("what the customer bought", "quote revision"),
    "quantity": ("what the customer bought", "quote revision"),
    "parent": ("what the customer bought", "quote revision"),
    "dependsOn": ("what the customer bought", "quote revision"),
    "oneOffMinor": ("what the customer pays", "re-approval"),
    "monthlyMinor": ("what the customer pays", "re-approval"),
    "currency": ("what the customer pays", "re-approval"),
    "termMonths": ("the term that was agreed", "contract amendment"),
    "regulated": ("what must be legally evidenced", "contract amendment"),
    "place": ("where the customer receives it", "customer re-acceptance"),
}
CHARACTERISTIC = ("what the customer receives", "customer re-acceptance")
UNKNOWN = ("a part of the accepted deal", "customer re-acceptance")


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause that would be another: where, old and new, whether that is data or business, what of the deal it is,
    and what a business correction needs.
    """

    path: str
    kind: str
    what: str
    requires: str
    old: Json
    new: Json


def diff(accepted: Json, wanted: Json, is_data: Callable[[str], bool]) -> tuple[Clause, ...]:
    """The clauses in which two contents differ. `is_data` says of a path whether policy makes it a correction of data
    (`items/fiber/characteristics/lineId`).
    """
    if not isinstance(accepted, Mapping) or not isinstance(wanted, Mapping):
        return ()
    return tuple(_judged(*each, is_data) for each in _different(accepted, wanted))


def business(clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    """Those that no repair may change."""
    return tuple(clause for clause in clauses if clause.kind == BUSINESS)


def _judged(path: str, told: tuple[str, str], old: Json, new: Json, is_data: Callable[[str], bool]) -> Clause:
    kind = DATA if is_data(path) else BUSINESS
    return Clause(path, kind, told[0], told[1] if kind == BUSINESS else "", old, new)


Found = tuple[str, tuple[str, str], Json, Json]


def _different(accepted: Mapping[str, Json], wanted: Mapping[str, Json]) -> Iterator[Found]:
    for name in sorted((accepted.keys() | wanted.keys()) - {"items"}):
        if accepted.get(name) != wanted.get(name):
            yield name, OF_ORDER.get(name, UNKNOWN), accepted.get(name), wanted.get(name)
    was, now = _items(accepted), _items(wanted)
    for item in sorted(was.keys() | now.keys()):
        yield from _of_item(f"items/{item}", was.get(item), now.get(item))


def _of_item(path: str, was: Mapping[str, Json] | None, now: Mapping[str, Json] | None) -> Iterator[Found]:
    if was is None or now is None:
        yield path, OF_ITEM["offer"], was, now
        return
    for name in sorted(was.keys() | now.keys()):
        if name == "characteristics":
            yield from _of_characteristics(f"{path}/characteristics", was.get(name), now.get(name))
        elif was.get(name) != now.get(name):
            yield f"{path}/{name}", OF_ITEM.get(name, UNKNOWN), was.get(name), now.get(name)


def _of_characteristics(path: str, was: Json, now: Json) -> Iterator[Found]:
    before, after = _mapping(was), _mapping(now)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{path}/{name}", CHARACTERISTIC, before.get(name), after.get(name)


def _items(content: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    items = content.get("items")
    found = [each for each in items if isinstance(each, Mapping)] if isinstance(items, list) else []
    return {str(each.get("externalId")): each for each in found}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}

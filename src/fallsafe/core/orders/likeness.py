"""What makes a new order look like one that is live: the same customer wants the same done at the same place once more
(model rule 11).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fallsafe.core.events import Json
from fallsafe.core.orders.draft import OrderDraft
from fallsafe.core.orders.snapshot import canonical

NO_CHANGE = "noChange"


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that a customer wants: an offer, what is to be done with it, and where."""

    customer: str
    offer: str
    action: str
    place: str


def place_key(place: Json) -> str:
    """What tells whether two places are one: its id, else all that is said of it. Empty where nothing is."""
    if not isinstance(place, Mapping) or not place:
        return ""
    named = place.get("id")
    return str(named) if named else canonical(place).decode().casefold()


def wishes(draft: OrderDraft) -> frozenset[Wish]:
    """What an order wants at a place, by its items that stand alone; without customer or place nothing is alike."""
    return frozenset(
        Wish(draft.customer_ref, item.offer, item.action, place)
        for item in draft.items
        if not item.parent and item.action != NO_CHANGE and draft.customer_ref and (place := place_key(item.place))
    )


def is_linked(draft: OrderDraft, name: tuple[str, str]) -> bool:
    """Whether an order itself says that it goes with another, for example that it replaces it."""
    return any((link.source, link.external_id) == name for link in draft.links)


def first_alike(draft: OrderDraft, live: Iterable[tuple[tuple[str, str], Wish]]) -> tuple[str, str] | None:
    """The name of the first live order that wants something that this one wants too."""
    wanted = wishes(draft)
    return next((name for name, wish in live if wish in wanted and not is_linked(draft, name)), None)

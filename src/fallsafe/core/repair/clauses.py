"""The clauses of a deal that a request may change (§18): what each may be, by the rules by which an order is taken in;
what the accepted content would be with them; and what was done, or is under way, for what was agreed before.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.calendar import zone_of
from fallsafe.core.commands.ledger import Command
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import instant
from fallsafe.core.orders.intake import AMOUNTS_MAX, QUANTITY_MAX
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.snapshot import fingerprint, instant_text
from fallsafe.core.orders.task import Task, TaskState
from fallsafe.core.repair.amendment import Amendment, AmendmentState

CHARACTERISTICS, PLACE, CUSTOMER, QUOTE = "characteristics.", "place.", "customer.", "quote."
BELOW = (CHARACTERISTICS, PLACE, CUSTOMER, QUOTE)
OF_ORDER_BELOW, PERSONAL = (CUSTOMER, QUOTE), (PLACE, CUSTOMER)
AMOUNTS = ("oneOffMinor", "monthlyMinor")
TERM_MONTHS_MAX, DISCOUNT_MAX = 1_200, 100
_FIELD = re.compile(r"[^./\s]{1,60}")


@dataclass(frozen=True, slots=True)
class Kind:
    """What one clause may be: the column that it stands in, whether a value fits, and what would be right."""

    column: str
    fits: Callable[[Json], bool]
    right: str


def _whole(least: int, most: int) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _text(least: int, most: int) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and least <= len(value.strip()) <= most


def _is_instant(value: Json) -> bool:
    try:
        return isinstance(value, str) and bool(instant(value))
    except (ValueError, OverflowError):
        return False


AMOUNT = f"a whole number of minor units, at most {AMOUNTS_MAX:,}"
OF_ITEM: Mapping[str, Kind] = {
    "offer": Kind("offer", _text(1, 120), "the name of an offer"),
    "quantity": Kind("quantity", _whole(1, QUANTITY_MAX), f"a whole number from 1 to {QUANTITY_MAX:,}"),
    "oneOffMinor": Kind("one_off_minor", _whole(-AMOUNTS_MAX, AMOUNTS_MAX), AMOUNT),
    "monthlyMinor": Kind("monthly_minor", _whole(-AMOUNTS_MAX, AMOUNTS_MAX), AMOUNT),
    "currency": Kind(
        "currency", lambda v: isinstance(v, str) and re.fullmatch("[A-Z]{3}", v) is not None, "three capital letters"
    ),
    "termMonths": Kind("term_months", _whole(0, TERM_MONTHS_MAX), f"a whole number from 0 to {TERM_MONTHS_MAX:,}"),
    "regulated": Kind("regulated", lambda v: isinstance(v, bool), "true or false"),
}
DATE = "an instant with its zone: 2027-03-01T10:00:00Z"
OF_ORDER: Mapping[str, Kind] = {
    "customerRef": Kind("customer_ref", _text(1, 120), "the reference of a customer"),
    "catalogVersion": Kind("catalog_version", _text(1, 60), "the name of a version"),
    "requestedAt": Kind("requested_at", _is_instant, DATE),
    "committedAt": Kind("committed_at", _is_instant, DATE),
    "timeZone": Kind("time_zone", lambda v: isinstance(v, str) and zone_of(v) is not None, "a name like Asia/Jakarta"),
}
DATES = ("requestedAt", "committedAt")
DISCOUNT = f"{QUOTE}discountPercent"
NAMES = ", ".join((*OF_ITEM, *OF_ORDER, *(f"{n}<name>" for n in (CHARACTERISTICS, PLACE, CUSTOMER, QUOTE))))


def is_clause(name: str) -> bool:
    """Whether a deal has a clause of that name."""
    if name in OF_ITEM or name in OF_ORDER:
        return True
    first = next((prefix for prefix in BELOW if name.startswith(prefix)), None)
    return first is not None and _FIELD.fullmatch(name.removeprefix(first)) is not None


def is_of_item(name: str) -> bool:
    """Whether a clause is one of an item; the others are of the whole order."""
    return name not in OF_ORDER and not name.startswith(OF_ORDER_BELOW)


def wrong(wanted: Mapping[str, Json], content: Json, item: str, offers: Collection[str]) -> list[str]:
    """What cannot be agreed to, each with what would be right; empty where all can. `offers` are what is sold."""
    return [*_unfit(wanted, offers), *_amounts(wanted, content, item), *_customer(wanted, content)]


def _unfit(wanted: Mapping[str, Json], offers: Collection[str]) -> Iterator[str]:
    for name, value in wanted.items():
        kind = OF_ITEM.get(name) or OF_ORDER.get(name)
        if kind is not None and not kind.fits(value):
            yield f"{name} is {_said(value)}, and has to be {kind.right}"
        elif name == "offer" and value not in offers:
            yield f"offer is {_said(value)}, which the catalog does not sell"
        elif name == DISCOUNT and not _is_percent(value):
            yield f"{name} is {_said(value)}, and has to be a number from 0 to {DISCOUNT_MAX}"
        elif name.startswith(PERSONAL) and not isinstance(value, str):
            yield f"{name} has to be a text"


def _said(value: Json) -> str:
    return repr(value)[:60] if isinstance(value, str) else str(value).lower()[:60]


def _is_percent(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= DISCOUNT_MAX


def _amounts(wanted: Mapping[str, Json], content: Json, item: str) -> Iterator[str]:
    """What is paid does not become what is paid out, and the amounts of all items still fit."""
    items = items_of(content)
    named = [n for n in AMOUNTS if n in wanted and OF_ITEM[n].fits(wanted[n])]
    for name in named:
        if _number(wanted[name]) < 0 <= _number(items.get(item, {}).get(name)):
            yield f"{name} is {wanted[name]}, and what is paid does not become a credit by a change"
    amounts = {(i, n): _number(each.get(n)) for i, each in items.items() for n in AMOUNTS}
    amounts |= {(item, n): _number(wanted[n]) for n in named}
    if named and sum(abs(a) for a in amounts.values()) > AMOUNTS_MAX:
        yield f"the amounts of all items would add up to more than {AMOUNTS_MAX:,} minor units"


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _customer(wanted: Mapping[str, Json], content: Json) -> Iterator[str]:
    if any(name.startswith(CUSTOMER) for name in wanted) and customer_at(content) is None:
        yield "the deal names no person who is its customer"


def customer_at(content: Json) -> int | None:
    """Which of the parties of a content is the customer; None where none is."""
    parties = content.get("parties") if isinstance(content, Mapping) else None
    rows = parties if isinstance(parties, list) else []
    return next((n for n, p in enumerate(rows) if isinstance(p, Mapping) and p.get("role") == "customer"), None)


def below(wanted: Mapping[str, Json], prefix: str) -> dict[str, Json]:
    """Those of some clauses that are below a name, by the rest of theirs."""
    return {name.removeprefix(prefix): value for name, value in wanted.items() if name.startswith(prefix)}


def amended(content: Json, item: str, wanted: Mapping[str, Json], place: Json = None, person: Json = None) -> Json:
    """The accepted content as it is asked for. `place` and `person` stand in for the place of the item and for the
    customer where those are others.
    """
    if not isinstance(content, Mapping):
        return content
    items = content.get("items")
    other: dict[str, Json] = {n: _of_order(n, v) for n, v in wanted.items() if n in OF_ORDER}
    if below(wanted, QUOTE):
        other["quote"] = {**_mapping(content.get("quote")), **below(wanted, QUOTE)}
    if person is not None:
        other["parties"] = _with_person(content, person)
    if isinstance(items, list):
        other["items"] = [_item(each, wanted, place) if _is(each, item) else each for each in items]
    return {**content, **other}


def _of_order(name: str, value: Json) -> Json:
    return instant_text(instant(str(value))) if name in DATES and _is_instant(value) else value


def _with_person(content: Mapping[str, Json], person: Json) -> Json:
    parties, at = content.get("parties"), customer_at(content)
    rows = parties if isinstance(parties, list) else []
    return [{**_mapping(party), "person": person} if n == at else party for n, party in enumerate(rows)]


def _is(each: Json, item: str) -> bool:
    return isinstance(each, Mapping) and each.get("externalId") == item


def _item(each: Json, wanted: Mapping[str, Json], place: Json) -> Json:
    was = _mapping(each)
    other = {n: v for n, v in wanted.items() if n in OF_ITEM}
    if below(wanted, CHARACTERISTICS):
        other["characteristics"] = {**_mapping(was.get("characteristics")), **below(wanted, CHARACTERISTICS)}
    return {**was, **other, **({"place": place} if place is not None else {})}


def items_of(content: Json) -> dict[str, Mapping[str, Json]]:
    """The items of an accepted content, by what their source calls them."""
    items = content.get("items") if isinstance(content, Mapping) else None
    found = [each for each in items if isinstance(each, Mapping)] if isinstance(items, list) else []
    return {str(each.get("externalId")): each for each in found}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def item_after(wanted: Mapping[str, Json]) -> dict[str, Json]:
    """The columns of an item that clauses stand in, by column."""
    return {OF_ITEM[name].column: value for name, value in wanted.items() if name in OF_ITEM}


def order_after(wanted: Mapping[str, Json]) -> dict[str, Json | datetime]:
    """The columns of an order that clauses stand in, by column."""
    return {OF_ORDER[n].column: instant(str(v)) if n in DATES else v for n, v in wanted.items() if n in OF_ORDER}


def quoted_anew(quote: Json, before: Iterable[Json]) -> Json:
    """The accepted quote of a content that takes the place of those `before`, where it names that content: an approval
    that was given for it counts then. None where it names one of those, for which whatever was approved was approved.
    """
    known = [*before]
    names = [*map(fingerprint, known), *(_mapping(_mapping(c).get("quote")).get("fingerprint") for c in known)]
    return quote if _mapping(quote).get("fingerprint") not in names else None


# -- what was done for what was agreed before -------------------------------------------------------------------------

Reads = Mapping[str, frozenset[str]]


def reads_one_of(task: Task, item: Item, paths: Iterable[str], reads: Reads) -> bool:
    """Whether the request of a task of an item names one of these clauses (`items/fiber/offer`, `committedAt`)."""
    asked = reads.get(task.operation, frozenset())
    named = [_named(path) for path in paths]
    own = [one.fact for one in named if one.item in ("", item.external_id)]
    return any(_overlap(fact, other) for fact in own for other in asked)


@dataclass(frozen=True, slots=True)
class Named:
    """The fact of a request that a clause is, and the item that it is of ("" = the order)."""

    item: str
    fact: str


def _named(path: str) -> Named:
    first, _, rest = path.partition("/")
    if first != "items":
        return Named("", "customer" if first == "parties" else f"order.{first}")
    item, _, clause = rest.partition("/")
    return Named(item, f"item.{clause.replace('/', '.')}")


def _overlap(fact: str, other: str) -> bool:
    return fact == other or fact.startswith(f"{other}.") or other.startswith(f"{fact}.")


UNDER_WAY = (TaskState.SENDING, TaskState.WAITING_CALLBACK, TaskState.UNKNOWN)


def done_for(
    paths: Sequence[str], items: Mapping[int, Item], tasks: Mapping[int, Task], left: Collection[int], reads: Reads
) -> list[Task]:
    """The tasks that were done, or are under way, with one of these clauses, or with what such a task came to. `left`
    are those whose request may have left although nothing is known of it.
    """
    begun = [t for t in tasks.values() if t.state in (*UNDER_WAY, TaskState.COMPLETED) or t.id in left]
    found = {t.id for t in begun if reads_one_of(t, items[t.item_id], paths, reads)}
    while more := {t.id for t in begun if t.id not in found and _follows(t, found, items, tasks, reads)}:
        found |= more
    return [t for t in begun if t.id in found]


def _follows(
    task: Task, found: Collection[int], items: Mapping[int, Item], tasks: Mapping[int, Task], reads: Reads
) -> bool:
    """Whether the request of a task names what one of those that were found came to."""
    asked = reads.get(task.operation, frozenset())
    steps = {fact.split(".")[1] for fact in asked if fact.startswith("results.")}
    before = task.depends_on[:1] if any(fact.startswith("before") for fact in asked) else ()
    sources = [n for n in found if tasks[n].step in steps and _nearest(tasks[n], task, items, tasks)]
    return bool(sources or {*before} & {*found})


def _nearest(source: Task, task: Task, items: Mapping[int, Item], tasks: Mapping[int, Task]) -> bool:
    """Whether what a task reads of a step comes from this one: no other of its name is done for its own item."""
    alike = (t for t in tasks.values() if t.step == source.step and t.completed_at is not None)
    return source.item_id == task.item_id or not any(t.item_id == task.item_id for t in alike)


def paths_of(request: Amendment) -> list[str]:
    """The clauses that a request changes."""
    return [str(c["name"]) for c in request.diff if isinstance(c, Mapping)] if isinstance(request.diff, list) else []


def outdated_by(
    command: Command, task: Task, item: Item, amendments: Iterable[Amendment], reads: Reads
) -> Amendment | None:
    """The accepted request that changed what a command says, after that was written; None where none did. A command is
    written when it first goes out.
    """
    if command.request_evidence_id is None:
        return None
    written = command.first_sent_at or command.intended_at
    since = (
        one for one in amendments
        if one.state is AmendmentState.ACCEPTED and one.answered_at and one.answered_at > written
    )  # fmt: skip
    return next((one for one in since if reads_one_of(task, item, paths_of(one), reads)), None)

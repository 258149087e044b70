"""A small seeded world of orders that knows the truth about each: which are stuck, late, contradictory or duplicated.

Orders are created, confirmed, worked on in two branches, shipped and completed; work fails now and then and is tried
again, customers let wait, and some orders are under way when the world ends. Faults are put in on purpose, one to an
order, so that what a scan says can be compared order by order.
"""

import csv
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

Object = dict[str, object]
BEGIN = datetime(2026, 3, 2, 8)  # noqa: DTZ001 safe because the whole world is in one zone
DAYS = 60
PRODUCTS = ("FIBER-1G", "FIBER-500", "ROUTER", "TV")
GROUPS = {"reserveStock": "Supply", "createAccount": "Billing", "ship": "Warehouse", "activate": "Network"}
HOURS = {"reserveStock": 0.5, "createAccount": 0.2, "ship": 20.0, "activate": 3.0}


@dataclass(frozen=True)
class Happening:
    """One event of one order; `task` is empty for the order itself."""

    order: str
    task: str
    event: str
    at: datetime
    run: int = 1
    team: str = ""
    item: str = ""


@dataclass
class Sold:
    """One order of the world."""

    id: str
    customer: str
    product: str
    due: datetime
    happenings: list[Happening]


@dataclass
class World:
    """All orders with what is true of them. `copied` are those of which the row is written twice."""

    orders: list[Sold] = field(default_factory=list)
    truth: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    copied: set[Happening] = field(default_factory=set)
    tasks: bool = True
    end: datetime = BEGIN + timedelta(days=DAYS)

    @property
    def happenings(self) -> list[tuple[Sold, Happening]]:
        """Everything that happened by the end of the world, in its order."""
        return sorted(
            ((o, h) for o in self.orders for h in o.happenings if h.at <= self.end), key=lambda x: (x[1].at, x[0].id)
        )


FAULTS = ("stuck", "late", "contradictory", "duplicate")


def make(
    seed: int, size: int = 400, faults: Iterable[str] = FAULTS, share: float = 0.04, *, tasks: bool = True
) -> World:
    """A world. Each fault hits about `share` of the orders that are old enough to show it. Without `tasks` only such
    faults are put in as orders alone can show.
    """
    dice = random.Random(seed)
    world = World(tasks=tasks)
    for n in range(size):
        at = (
            BEGIN
            + timedelta(seconds=round(86_400 * DAYS * n / size))
            + timedelta(milliseconds=dice.randrange(3_600_000))
        )
        sold = _sold(dice, f"{4000 + n}", f"K{dice.randrange(100_000):05d}", dice.choice(PRODUCTS), at)
        world.orders.append(sold)
    old = [o for o in world.orders if o.happenings[0].at < world.end - timedelta(days=25)]
    dice.shuffle(old)
    for fault in faults:
        for _ in range(max(3, round(share * size))):
            _FAULTS[fault](dice, world, old.pop())
    for order in world.orders:  # nobody who is under way when the world ends has a date that has passed
        if any(h.at > world.end for h in order.happenings):
            order.due = max(order.due, world.end + timedelta(days=9))
    return world


def _sold(dice: random.Random, name: str, customer: str, product: str, at: datetime) -> Sold:
    made: list[Happening] = []

    def happens(task: str, event: str, hours: float, run: int = 1) -> datetime:
        nonlocal at
        at += timedelta(milliseconds=round(3_600_000 * hours * dice.lognormvariate(0, 0.5)))
        made.append(Happening(name, task, event, at, run))
        return at

    made.append(Happening(name, "", "created", at))
    happens("", "confirmed", 2)
    if dice.random() < 0.04:
        happens("", "waiting for customer", 0.5)
        happens("", "resumed", 30)
    for task in ("reserveStock", "createAccount", "ship", "activate"):
        happens(task, "started", 0.1)
        if dice.random() < 0.05:
            happens(task, "failed", HOURS[task])
            happens(task, "retried", 0.3)
        happens(task, "completed", HOURS[task])
    happens("", "completed", 0.2)
    return Sold(name, customer, product, made[0].at + timedelta(days=12), made)


def _stuck(dice: random.Random, world: World, order: Sold) -> None:
    """It stops: in the middle of a task, between two, or after a failure that nobody takes up."""
    whole = [h for h in order.happenings if h.event not in ("failed", "retried", "waiting for customer", "resumed")]
    at = dice.randrange(1, len(whole) - 1)
    order.happenings = whole[: at + 1]
    last = order.happenings[-1]
    if last.event == "started" and dice.random() < 0.5:
        order.happenings.append(replace(last, event="failed", at=last.at + timedelta(hours=1)))
    order.due = world.end + timedelta(days=30)
    world.truth["stuck"].add(order.id)


def _late(dice: random.Random, world: World, order: Sold) -> None:
    order.due = order.happenings[-1].at - timedelta(hours=dice.uniform(5, 70))
    world.truth["late"].add(order.id)


def _contradictory(dice: random.Random, world: World, order: Sold) -> None:
    match dice.choice((0, 1, 2) if world.tasks else (0, 2)):
        case 0:  # shipped before it was confirmed
            shipped = next(h for h in order.happenings if h.task == "ship" and h.event == "completed")
            made = [h for h in order.happenings if not (h.task == "" and h.event == "confirmed")]
            order.happenings = [*made, Happening(order.id, "", "confirmed", shipped.at + timedelta(hours=2))]
        case 1:  # work goes on after the order was completed
            end = order.happenings[-1].at
            order.happenings += [
                Happening(order.id, "activate", "started", end + timedelta(hours=3), 2),
            ]
        case _:  # its state goes back
            end = order.happenings[-1].at
            order.happenings.append(Happening(order.id, "", "confirmed", end + timedelta(days=1)))
    world.truth["contradictory"].add(order.id)


def _duplicate(dice: random.Random, world: World, order: Sold) -> None:
    match dice.choice((0, 1, 2) if world.tasks else (0, 2)):
        case 0:  # a row is written twice
            world.copied.add(next(h for h in order.happenings if h.task == "reserveStock" and h.event == "completed"))
            world.truth["duplicate"].add(order.id)
        case 1:  # a task is done a second time, as another task
            done = next(h for h in order.happenings if h.task == "createAccount" and h.event == "completed")
            again = (
                replace(done, event="started", at=done.at + timedelta(minutes=3), run=2),
                replace(done, at=done.at + timedelta(minutes=15), run=2),
            )
            order.happenings += again
            world.truth["duplicate"].add(order.id)
        case _:  # the same order is handed in again two minutes later
            twin = handed_in_again(order, timedelta(minutes=2))
            world.orders.append(twin)
            world.truth["duplicate"].add(twin.id)


def handed_in_again(order: Sold, later: timedelta) -> Sold:
    """The same order under another number, a little later."""
    name = f"{order.id}9"
    return replace(order, id=name, happenings=[replace(h, order=name, at=h.at + later) for h in order.happenings])


_FAULTS: dict[str, Callable[[random.Random, World, Sold], None]] = {
    "stuck": _stuck,
    "late": _late,
    "contradictory": _contradictory,
    "duplicate": _duplicate,
}


def write_log(world: World, path: Path) -> Path:
    """An event log as CSV: a row an event."""
    head = ("order_id", "task_id", "task_type", "event", "timestamp", "owner_group", "product", "customer")
    has_items = any(h.item for _, h in world.happenings)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow([*head, "promised_date", *(["item_id"] if has_items else [])])
        for order, h in world.happenings:
            task = f"{order.id}.{h.task}.{h.run}" if h.task else ""
            times = (f"{at.isoformat()}Z" for at in (h.at, order.due))
            row = [order.id, task, h.task or "order", h.event, next(times), team_of(h), order.product, order.customer]
            row += [*times, *([h.item] if has_items else [])]
            out.writerows([row] * (1 + (h in world.copied)))
    return path


def team_of(happening: Happening) -> str:
    """Who did it."""
    return happening.team or GROUPS.get(happening.task, "Sales")


STATES = {
    "created": "New",
    "confirmed": "Confirmed",
    "waiting for customer": "On hold: customer",
    "resumed": "Confirmed",
    "completed": "Delivered",
}


def write_table(world: World, path: Path) -> Path:
    """A table of orders as CSV with semicolons and European dates: a row an order, a column for each date."""
    rows = []
    for order in world.orders:
        by = defaultdict[str, datetime | None](lambda: None)
        done = [h for h in order.happenings if h.at <= world.end]
        if not done:
            continue
        for h in done:
            key = h.event if not h.task else f"{h.task} {h.event}"
            by[key] = by[key] or h.at
        if not by["completed"] and by["activate completed"]:
            by["completed"] = None
        state = [STATES[h.event] for h in sorted(done, key=lambda h: h.at) if not h.task][-1]
        if by["ship completed"] and state != "Delivered":
            state = "Shipped" if by["confirmed"] and by["confirmed"] < by["ship completed"] else state
        cells = (by["created"], by["confirmed"], by["ship completed"], by["completed"], order.due)
        dates = [c.strftime("%d.%m.%Y %H:%M") if c else "" for c in cells]
        rows.append([order.id, order.customer, order.product, state, *dates])
        if any(h.order == order.id for h in world.copied):
            rows.append(rows[-1])
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, delimiter=";")
        out.writerow(
            (
                "Order No",
                "Customer",
                "Article",
                "Status",
                "Order Date",
                "Confirmed On",
                "Shipped On",
                "Delivered On",
                "Promised For",
            )
        )
        out.writerows(rows)
    return path


def write_ocel(world: World, path: Path) -> Path:
    """An OCEL 2.0 log in JSON: orders, their items, and tasks where they are of an item; events touch several."""
    objects, events = list[Object](), list[Object]()
    for order in world.orders:
        known = {"promised_date": f"{order.due.isoformat()}Z", "product": order.product, "customer": order.customer}
        items = {f"i{order.id}{h.item}" for h in order.happenings}
        tasks = {f"{order.id}.{h.task}.{h.run}": f"i{order.id}{h.item}" for h in order.happenings if h.item}
        objects.append(_object(order.id, "orders", sorted(items), known))
        objects += [_object(item, "items") for item in sorted(items)]
        objects += [_object(task, "tasks", [item]) for task, item in tasks.items()]
    for n, (order, h) in enumerate(world.happenings):
        touched = [order.id]
        touched += [f"i{order.id}{h.item}"] if h.item or h.task in ("reserveStock", "ship") else []
        touched += [f"{order.id}.{h.task}.{h.run}"] if h.item else []
        event = {
            "type": f"{h.task} {h.event}" if h.task else f"order {h.event}",
            "time": h.at.isoformat() + "Z",
            "attributes": [{"name": "resource", "value": team_of(h)}],
            "relationships": [{"objectId": name, "qualifier": "touches"} for name in touched],
        }
        events += [{"id": f"e{n}{copy}", **event} for copy in ("", "b")[: 1 + (h in world.copied)]]
    types = [{"name": name, "attributes": []} for name in sorted({str(o["type"]) for o in objects})]
    kinds = [{"name": name, "attributes": []} for name in sorted({str(e["type"]) for e in events})]
    log = {"objectTypes": types, "eventTypes": kinds, "objects": objects, "events": events}
    path.write_text(json.dumps(log), encoding="utf-8")
    return path


def _object(name: str, kind: str, linked: Iterable[str] = (), known: Mapping[str, str] | None = None) -> Object:
    values = [{"name": key, "time": "1970-01-01T00:00:00Z", "value": value} for key, value in (known or {}).items()]
    links = [{"objectId": other, "qualifier": "has"} for other in linked]
    return {"id": name, "type": kind, "attributes": values, "relationships": links}

"""Exports of the simulator's own worlds: what became of every order and task there, as another system would write it.

`python -m tests.analysis.simulated` plays the worlds and keeps their journals, a line a change of state, in
`tests/data/simulated`; that takes a few minutes. Four worlds are healthy. In the others answers are lost, systems go
down and work is refused: most of it is mended, and what is still held when a world ends is stuck.
"""

import csv
import gzip
import random
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.analysis.world import Happening, Sold, World, handed_in_again

HISTORY = Path(__file__).parents[1] / "data" / "simulated" / "history.csv.gz"
HEALTHY, BROKEN, ORDERS = (1, 3, 5, 7), (2, 6), 40
COLUMNS = ("world", "order", "customer", "product", "item", "task", "task_type", "team", "event", "time")
APART = timedelta(days=7)


def simulated(worlds: tuple[int, ...] = HEALTHY) -> World:
    """These worlds in one history, a week from one to the next. Their orders are promised for the third day."""
    made = World(tasks=True)
    lives = defaultdict[tuple[str, ...], list[Happening]](list)
    with gzip.open(HISTORY, "rt", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["world"]) in worlds:
                name = f"{row['world']}-{row['order']}"
                at = datetime.fromisoformat(row["time"]) + APART * worlds.index(int(row["world"]))
                task, run = row["task_type"], int(row["task"] or 0)
                happening = Happening(name, task, row["event"], at, run, row["team"], row["item"])
                lives[name, f"{row['customer']}-{row['world']}", row["product"]].append(happening)
    made.end = max(life[-1].at for life in lives.values())
    for (name, customer, product), life in lives.items():
        done = _ended(life)
        due = life[0].at + timedelta(days=3) if done else made.end + timedelta(days=30)
        made.orders.append(Sold(name, customer, product, due, life))
        if not done:
            made.truth["stuck"].add(name)
    return made


def _ended(life: list[Happening]) -> bool:
    return any(not h.task and h.event == "completed" for h in life)


def faulty(seed: int, *, tasks: bool = True) -> World:
    """All worlds, with such faults put in as Fallsafe itself does not make: each into ten orders that had none. Without
    `tasks` only such as orders alone can show.
    """
    dice = random.Random(seed)
    made = simulated((*HEALTHY[:3], *BROKEN, HEALTHY[-1]))
    old = [o for o in made.orders if _ended(o.happenings) and o.happenings[-1].at < made.end - APART / 2]
    dice.shuffle(old)
    for fault in (_stuck, _late, _contradictory, _duplicate):
        for n in range(10):
            fault(dice, made, old.pop(), n % (3 if tasks else 2))
    return made


def _stuck(dice: random.Random, made: World, order: Sold, _: int) -> None:
    """Nothing more is heard of it from some moment on."""
    order.happenings = order.happenings[: dice.randrange(2, len(order.happenings) - 1)]
    order.due = made.end + timedelta(days=30)
    made.truth["stuck"].add(order.id)


def _late(dice: random.Random, made: World, order: Sold, _: int) -> None:
    order.due = order.happenings[-1].at - timedelta(hours=dice.uniform(1, 70))
    made.truth["late"].add(order.id)


def _contradictory(dice: random.Random, made: World, order: Sold, case: int) -> None:
    end = order.happenings[-1].at
    match case:
        case 0:  # its state goes back
            order.happenings.append(Happening(order.id, "", "acknowledged", end + timedelta(days=1)))
        case 1:  # it is completed before it was received
            order.happenings = [
                replace(h, at=order.happenings[0].at - timedelta(hours=dice.uniform(1, 30)))
                if not h.task and h.event == "completed"
                else h
                for h in order.happenings
            ]
        case _:  # work goes on after its end
            task = next(h for h in order.happenings if h.event == "completed" and h.task)
            order.happenings.append(replace(task, event="sending", at=end + timedelta(hours=3), run=99))
    made.truth["contradictory"].add(order.id)


def _duplicate(dice: random.Random, made: World, order: Sold, case: int) -> None:
    done = next(h for h in order.happenings if h.event == "completed" and h.task)
    match case:
        case 0:  # a row is written twice
            made.copied.add(done)
            made.truth["duplicate"].add(order.id)
        case 1:  # the same order is handed in again
            twin = handed_in_again(order, timedelta(minutes=dice.uniform(1, 10)))
            made.orders.append(twin)
            made.truth["duplicate"].add(twin.id)
        case _:  # work is done a second time, as another task
            for event, minutes in (("sending", 1), ("completed", 2)):
                at = done.at + timedelta(seconds=minutes)
                order.happenings.append(replace(done, event=event, at=at, run=99))
            made.truth["duplicate"].add(order.id)


def write_table(made: World, path: Path) -> Path:
    """A snapshot in the terms of TMF622: a row an order, its state, and the dates that the standard has."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(
            ("id", "customer", "productOffering", "state", "orderDate", "completionDate", "requestedCompletionDate")
        )
        for order in made.orders:
            own = sorted((h for h in order.happenings if not h.task), key=lambda h: h.at)
            dates = {h.event: h.at for h in reversed(own)}
            cells = (dates["acknowledged"], dates.get("completed"), order.due)
            row = [order.id, order.customer, order.product, own[-1].event.replace("_p", "P")]
            row += [at.isoformat(timespec="seconds") + "Z" if at else "" for at in cells]
            out.writerows([row] * (1 + any(h.order == order.id for h in made.copied)))
    return path


def play() -> Iterator[tuple[Any, ...]]:
    """The worlds as lines of the history."""
    from fallsafe.simulator.ground import ground
    from fallsafe.simulator.running import be_quiet, install_once
    from fallsafe.simulator.running import play as play_world
    from fallsafe.simulator.world import Plan

    be_quiet()
    with ground() as here:
        install_once(here)
        for seed in sorted((*HEALTHY, *BROKEN)):
            report = play_world(here, Plan(seed, ORDERS, "calm"))
            assert report.healthy == (seed in HEALTHY)
            assert not report.broken
            yield from _lines(seed, here.judge)


JOURNAL = """
SELECT o.external_id, o.customer_ref, t.id AS task, t.type, t.system, i.external_id AS item, j.now, j.at,
    (SELECT offer FROM items WHERE order_id = o.id AND parent_id IS NULL ORDER BY id LIMIT 1) AS offer
FROM (SELECT *, payload::jsonb ->> 'was' AS was, payload::jsonb ->> 'now' AS now FROM journal) AS j
JOIN orders AS o ON o.id = j.order_id
LEFT JOIN tasks AS t ON j.thing = 'task' AND t.id = j.thing_id
LEFT JOIN items AS i ON i.id = t.item_id
WHERE j.thing IN ('order', 'task') AND j.was <> j.now AND j.now <> 'planned'
ORDER BY j.at, j.order_id, j.version
"""


def _lines(seed: int, judge: Any) -> Iterator[tuple[Any, ...]]:
    numbers: dict[int, int] = {}
    for row in judge.execute(JOURNAL):
        number = numbers.setdefault(row["task"], len(numbers) + 1) if row["task"] else ""
        at = row["at"].astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        said = (row["external_id"], row["customer_ref"], row["offer"], row["item"] or "", number)
        yield seed, *said, row["type"] or "", row["system"] or "OMS", row["now"], at


def main() -> None:
    """Plays the worlds, and writes their history."""
    HISTORY.parent.mkdir(exist_ok=True)
    with gzip.GzipFile(HISTORY, "wb", mtime=0) as packed:
        packed.write(("\n".join(",".join(map(str, line)) for line in (COLUMNS, *play())) + "\n").encode())
    sys.stdout.write(f"{HISTORY}: {HISTORY.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()

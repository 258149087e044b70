"""What can be seen of an installation from outside its processes, while everything in it dies and when all is over:
coverage, what still moves, and what became of orders.

The statements know nothing but tables; they are not the product's own, so that a mistake there cannot hide here.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from tests.crash.outside import Installation

from fallsafe import policyset
from fallsafe.simulator.promises import OutsideSeen, check, read_seen
from fallsafe.simulator.sandbox import judge
from fallsafe.store.vault import Vault, master_key

TICK_SECONDS = 0.25
SETTLING_SECONDS_MAX = 900.0
STEPS_AN_ORDER = 6
QUARANTINED = "ORDER_QUARANTINED"

# Knows nothing but tasks, cases and agenda: what is live, and what of it nobody will ever look at.
COVERAGE = """
WITH live AS (SELECT * FROM tasks WHERE state NOT IN ('completed', 'skipped', 'cancelled', 'undone')),
     open AS (SELECT * FROM cases WHERE state NOT IN ('resolved', 'closed', 'merged', 'withdrawn', 'not_resolved')),
     looked AS (SELECT o.* FROM open o WHERE EXISTS (SELECT FROM agenda a WHERE a.id = o.id))
SELECT (SELECT count(*) FROM live) + (SELECT count(*) FROM open) AS live,
       ARRAY(SELECT 'task ' || l.id || ' ' || l.state FROM live l
             WHERE NOT EXISTS (SELECT FROM agenda a WHERE a.id = l.id)
               AND NOT EXISTS (SELECT FROM looked c WHERE c.task_id = l.id)
               AND NOT (l.state = 'planned' AND EXISTS (SELECT FROM live p WHERE p.id = ANY (l.depends_on))))
    || ARRAY(SELECT 'case ' || o.id FROM open o WHERE NOT EXISTS (SELECT FROM looked c WHERE c.id = o.id)) AS gaps
"""
# What still moves by itself: not what waits for a person, whose attempts are spent or whose look-ups settled nothing,
# nor what was set aside because workers died with it.
BUSY = """
SELECT c.operation || ' ' || c.state AS busy FROM commands c
WHERE c.purpose = 'fulfill' AND c.state IN ('intended', 'sending', 'accepted', 'unknown')
  AND EXISTS (SELECT FROM agenda a WHERE a.id = c.task_id AND a.kind IN ('send', 'lease', 'overdue', 'lookup'))
  AND NOT EXISTS (SELECT FROM suspects s WHERE s.order_id = c.order_id AND s.set_aside_at IS NOT NULL)
  AND NOT (c.state = 'unknown'
           AND EXISTS (SELECT FROM cases k WHERE k.task_id = c.task_id AND k.code = 'LOOKUP_UNDECIDED'))
UNION ALL
SELECT 'callback of ' || i.system FROM inbox i WHERE i.state = 'received'
  AND NOT EXISTS (SELECT FROM suspects s WHERE s.order_id IN (i.order_id, i.id) AND s.set_aside_at IS NOT NULL)
"""
TASKS = """
SELECT o.external_id AS order_name, i.external_id AS item, t.step, t.operation, t.state, o.state AS order_state
FROM tasks t JOIN orders o ON o.id = t.order_id JOIN items i ON i.id = t.item_id ORDER BY t.id
"""


@dataclass(frozen=True)
class Tick:
    """One look at the coverage."""

    at: float
    live: int
    gaps: tuple[str, ...]


@contextmanager
def watching(url: str) -> Iterator[list[Tick]]:
    """Looks at the coverage all the while, from a thread of its own; the looks so far."""
    ticks: list[Tick] = []
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(url, ticks, over), daemon=True)
    watcher.start()
    try:
        yield ticks
    finally:
        over.set()
        watcher.join()


def _watch(url: str, ticks: list[Tick], over: threading.Event) -> None:
    while not over.wait(TICK_SECONDS):
        with contextlib.suppress(psycopg.OperationalError):  # the database is down just now
            with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
                while not over.wait(TICK_SECONDS):
                    row = connection.execute(COVERAGE).fetchall()[0]
                    ticks.append(Tick(time.monotonic(), row["live"], tuple(row["gaps"])))


def busy(url: str) -> list[str]:
    """What still moves by itself."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return [row["busy"] for row in connection.execute(BUSY)]


def settle(url: str, quiet_seconds: float, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
    """Waits as long as orders still change, however slow the machine is; what has not come to rest by then.
    `quiet_seconds` is longer than the longest pause between two looks at one unknown outcome.
    """
    ends, changes = time.monotonic() + SETTLING_SECONDS_MAX, -1
    quiet_at = 0.0
    while left := busy(url):
        meanwhile()
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT sum(version) FROM orders").fetchone()
        if row is not None and row[0] != changes:
            changes, quiet_at = row[0], time.monotonic() + quiet_seconds
        if time.monotonic() > min(ends, quiet_at):
            break
        time.sleep(0.5)
    return left


def tasks(url: str) -> list[dict[str, Any]]:
    """Every task, with the names by which the outside knows its effect."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(TASKS).fetchall()


def broken_promises(there: Installation) -> list[str]:
    """What the checkers of the promises find in everything that stands, beside what was done outside."""
    policy = policyset.load(Path(there.wiring.policy), there.wiring.time_scale)
    vault = Vault(master_key(there.home / "master.key"))
    outside = OutsideSeen(by_object=judge.effects(there.home), by_key=judge.effects_by_key(there.home))
    with psycopg.connect(there.server.url(), autocommit=True, row_factory=dict_row) as connection:
        keys = {r["order_id"]: bytes(r["wrapped"]) for r in connection.execute("SELECT * FROM order_keys")}

        def opened(order_id: int, ids: Sequence[int]) -> list[bytes]:
            rows = connection.execute(
                "SELECT order_id, sealed FROM evidence WHERE id = ANY (%s)", (list(ids),)
            ).fetchall()
            return [vault.unwrapped(r["order_id"], keys[r["order_id"]]).open(bytes(r["sealed"])) for r in rows]

        whole = read_seen(connection, now=datetime.now(UTC), policies={policy.id: policy})
        return [str(each) for each in check(replace(whole, outside=outside, open_evidence=opened))]


def effect_of(task: dict[str, Any]) -> str:
    """How the judge names the effect of a task."""
    return f"{task['operation']} CRM/{task['order_name']}/{task['item']}"


def open_cases(file: dict[str, Any]) -> list[str]:
    """The codes of the open cases of an order, as the API tells them."""
    return [case["code"] for case in file["cases"] if case["state"] not in ("resolved", "closed", "merged")]

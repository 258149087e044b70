"""One slow downstream among five: how fast the other four are, beside how fast they are without it (§12.3).

Each order has five steps that wait for nothing, each at another system. One system needs half a minute for an answer,
which is longer than its contract waits, so that its outcomes are unknown and looked up. Without it the same orders have
the same steps, and those of that system are not due yet.
"""

import asyncio
import multiprocessing
import multiprocessing.synchronize
import random
import re
import statistics
import time
from functools import partial
from typing import Any

import psycopg

from fallsafe import policyset
from fallsafe.connectors.noop import NoopConnector
from fallsafe.connectors.port import Sendable
from fallsafe.core.access import system
from fallsafe.core.commands.outcome import Lost, Reply
from fallsafe.core.orders.draft import ItemDraft, OrderDraft
from fallsafe.core.orders.order import SHARDS
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows import orders
from fallsafe.flows.policy import Policies
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.loop import Setup, Worker

SLOW = "WHS"
ANSWER_SECONDS = 30.0
STEPS = ("reserveRouter", "createBillingAccount", "scheduleInstallation", "reserveNumber", "reservePort")
WORKERS = 2
BATCH = 200
ROUNDS = 3
PLAN = "plans:\n  - offer: FIBER-HOME-1G\n    action: add\n    steps:\n" + "".join(
    f"      - {{step: {step}, task_type: {step}}}\n" for step in STEPS
)


class SlowConnector(NoopConnector):
    """Answers at once, but for the system that needs half a minute."""

    async def send(self, sendable: Sendable) -> Reply:
        """One attempt."""
        if sendable.operation.system != SLOW:
            return await super().send(sendable)
        wait = sendable.operation.call_timeout.total_seconds()
        await asyncio.sleep(min(wait, ANSWER_SECONDS))
        return Reply(Lost("timeout")) if wait < ANSWER_SECONDS else await super().send(sendable)


def at_all_hours() -> dict[str, bytes]:
    """The shipped set without windows: what is measured must not hang on the hour."""
    files = {place.name: place.read_bytes() for place in policyset.shipped("telco").glob("*.yaml")}
    open_always = re.sub(rb"(?m)^windows:\n(  .*\n)+", b"windows: {}\n", files["calendars.yaml"])
    return {**files, "calendars.yaml": open_always}


def policy() -> PolicySet:
    """A set with one plan of five steps that wait for nothing."""
    return policyset.load_files({**at_all_hours(), "plans.yaml": PLAN.encode()}, 1.0)


async def _opened(url: str, owner: str) -> tuple[Database, Policies]:
    store = Database(url, owner, Vault(bytes(32)))
    await store.open()
    policies = Policies(1.0, random.random, "http://127.0.0.1:1", owner)
    await policies.start(store, policy())
    return store, policies


def _draft(n: int) -> OrderDraft:
    item = ItemDraft("fiber", "", "add", "FIBER-HOME-1G", 1, {}, {}, 0, 4500, "EUR", 24, False, "none", ())
    return OrderDraft(
        "BENCH", str(n), "UTC", f"C-{n}", "consumer", 2, False, False, "", "", "", None, None, {}, (), (), (), "", "",
        (item,), b"{}",
    )  # fmt: skip


async def _submit(url: str, count: int) -> None:
    store, policies = await _opened(url, "bench")
    for first in range(0, count, BATCH):
        drafts = [_draft(n) for n in range(first, min(first + BATCH, count))]
        await store.transact(lambda tx, drafts=drafts: orders.submit(tx, policies.context(), drafts, system("bench")))
    await store.close()


def _work(url: str, slot: int, over: multiprocessing.synchronize.Event) -> None:
    asyncio.run(_worker(url, slot, over))


async def _worker(url: str, slot: int, over: multiprocessing.synchronize.Event) -> None:
    store, policies = await _opened(url, f"bench-{slot}")
    mine = tuple(s for s in range(SHARDS) if s % WORKERS == slot)
    connector = SlowConnector(time.monotonic)
    worker = Worker(store, policies.context, connector, time.monotonic, Setup(shards=lambda: mine))
    while not over.is_set():
        if not await worker.step():
            await asyncio.sleep(0.002)
    # What the slow system has not answered yet is left as it is: nobody needs it any more.


def others_per_second(url: str, owner_url: str, count: int, *, with_slow: bool) -> float:
    """Tasks a second of the other four systems, from the first that was sent to the last that was done."""
    asyncio.run(_submit(url, count))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        if not with_slow:
            gate = "SELECT gate FROM gates WHERE system = %s"
            connection.execute(f"UPDATE agenda SET due_at = due_at + interval '1 day' WHERE gate = ({gate})", [SLOW])
        context = multiprocessing.get_context("spawn")
        over = context.Event()
        processes = [context.Process(target=_work, args=(url, slot, over), daemon=True) for slot in range(WORKERS)]
        for process in processes:
            process.start()
        wanted = count * (len(STEPS) - 1)
        done = "SELECT count(*) FROM commands WHERE system <> %s AND state = 'done' AND purpose = 'fulfill'"
        while _one(connection, done, SLOW) < wanted:
            time.sleep(0.3)
        over.set()
        for process in processes:
            process.join(20)
            process.kill()
        took = "SELECT extract(epoch FROM max(done_at) - min(first_sent_at)) FROM commands WHERE system <> %s"
        return wanted / float(_one(connection, took, SLOW))


def _one_round(count: int, with_slow: bool, owner_url: str, url: str) -> float:
    return others_per_second(url, owner_url, count, with_slow=with_slow)


def _one(connection: psycopg.Connection[Any], statement: str, value: str) -> Any:
    row = connection.execute(statement, [value]).fetchone()
    return row[0] if row else 0


def measure(count: int, with_installation: Any) -> dict[str, str]:
    """The figures: medians of some rounds, with and without in turn."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(ROUNDS):
        for with_slow, rates in found.items():
            rates.append(with_installation(partial(_one_round, count, with_slow)))
    without, beside = statistics.median(found[False]), statistics.median(found[True])
    return {
        "four without a slow one": f"{without:,.0f} tasks/s",
        "four beside a slow one": f"{beside:,.0f} tasks/s ({ANSWER_SECONDS:.0f} s an answer)",
        "share": f"{beside / without:.1%}",
    }

"""How fast failures from outside become cases, beside the time that COPY needs for the very rows that were written:
many at once, and one at a time with workers that have nothing else to do.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

import run
from fallsafe.core.access import system
from fallsafe.core.detect.signal import SignalDraft, signal_draft
from fallsafe.core.orders.order import SHARDS
from fallsafe.flows import signals
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database

BATCH = 500
ALONE = 200
WRITTEN = ("signals", "cases", "evidence", "journal", "agenda")
ACTOR = system("bench")


def told(n: int) -> tuple[SignalDraft, bytes]:
    """One signal of a monitor about one order."""
    about = {"source": "BENCH", "externalId": str(n)}
    said = {"source": "MON", "externalId": f"S-{n}", "order": about, "code": "PARAM_MISSING", "message": f"line {n}"}
    said |= {"system": "PRV", "operation": "PRV.activateService", "item": "fiber", "task": "activateFiberService"}
    return signal_draft(said), msgspec.json.encode(said)


async def judge(store: Database, context: Context) -> None:
    """Judges all that is due, as a worker does."""
    now = (await store.fetch("tx/now"))[0]["clock_timestamp"]
    rows = await store.fetch(
        "agenda/due", gates=[0], rooms=[BATCH], shards=list(range(SHARDS)), now=now, kinds=["signal"]
    )
    due = [Due(r["kind"], r["id"], r["order_id"], r["due_at"]) for r in rows]
    await store.transact(lambda tx: signals.apply(tx, context, due, ACTOR))


async def _tell(url: str, count: int) -> tuple[float, list[float]]:
    """Seconds for `count` signals by the batch, and those of each of some more, one at a time."""
    store, policies = await run.opened(url, "bench")
    context = policies.context()
    # What is measured is the work for a case; a brake would hold it back.
    newest = replace(context.newest, limits=replace(context.newest.limits, brake=None))
    context, began = replace(context, newest=newest), time.perf_counter()
    for first in range(0, count, BATCH):
        some = [told(n) for n in range(first, first + BATCH)]
        await store.transact(lambda tx, it=some: signals.receive(tx, context, it, ACTOR))
        await judge(store, context)
    seconds, each = time.perf_counter() - began, []
    for n in range(count, count + ALONE):
        began = time.perf_counter()
        one = told(n)
        await store.transact(lambda tx, it=one: signals.receive(tx, context, [it], ACTOR))
        await judge(store, context)
        each.append(time.perf_counter() - began)
    await store.close()
    return seconds, sorted(each)


def gate(count: int) -> Callable[[str, str], dict[str, Any]]:
    """Signals by the batch beside COPY, and one at a time."""
    count -= count % BATCH

    def measure(owner_url: str, url: str) -> dict[str, Any]:
        asyncio.run(run.submit(url, count + ALONE))
        before = run.counted(owner_url, WRITTEN)
        seconds, each = asyncio.run(_tell(url, count))
        limit, rows = run.copy_limit(owner_url, WRITTEN, before, connections=1)
        limit *= count / (count + ALONE)
        p50, p99 = (each[min(len(each) - 1, int(len(each) * share))] * 1000 for share in (0.5, 0.99))
        return {
            f"signals, batch {BATCH}": f"{count / seconds:,.0f}/s",
            "copy of the same rows": f"{count / limit:,.0f}/s ({rows:,} rows)",
            "share of copy (gate 50 %)": f"{limit / seconds:.1%}",
            "one at a time p50 / p99": f"{p50:.1f} / {p99:.1f} ms (gate 20 ms)",
        }

    return measure


def main() -> None:
    """Prints the figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--signals", type=int, default=10_000)
    for name, value in run.with_installation(gate(asked.parse_args().signals)).items():
        print(f"  {name:<28}{value}")


if __name__ == "__main__":
    main()

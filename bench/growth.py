"""How fast it stays: tasks per second with many orders stored beside few, and over minutes of steady work with vacuum.

Everything that is stored was taken in and worked off by the product itself, so that a million orders take their time.
"""

import argparse
import asyncio
import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import psycopg

import run
from fallsafe.core.access import system
from fallsafe.flows import orders

FILL_AT_ONCE = 20_000
BACKLOG_ORDERS = 2_000
FEW = 10_000
MEASURED = 2_000


def fill(url: str, first: int, count: int) -> int:
    """Takes in and works off so many orders; the number of the next one."""
    for begin in range(first, first + count, FILL_AT_ONCE):
        asyncio.run(_submit(url, begin, min(FILL_AT_ONCE, first + count - begin)))
        run.drain(url)
    return first + count


async def _submit(url: str, first: int, count: int) -> None:
    store, policies = await run.opened(url, "bench")
    for begin in range(first, first + count, run.SUBMIT_BATCH):
        drafts = [run.draft(n) for n in range(begin, min(begin + run.SUBMIT_BATCH, first + count))]
        await store.transact(lambda tx, some=drafts: orders.submit(tx, policies.context(), some, system("bench")))
    await store.close()


def speed(url: str, first: int) -> tuple[float, int]:
    """Tasks per second of a fixed load on what is stored; the number of the next order."""
    asyncio.run(_submit(url, first, MEASURED))
    before = run.attempts(url)
    seconds = run.drain(url)
    return (run.attempts(url) - before) / seconds, first + MEASURED


def growth(stored: int) -> Callable[[str, str], dict[str, Any]]:
    """Speed with few and with many orders stored."""

    def measure(owner_url: str, url: str) -> dict[str, Any]:
        following = fill(url, 0, min(FEW, stored))
        _vacuum(owner_url)
        few, following = speed(url, following)
        following = fill(url, following, max(0, stored - following))
        _vacuum(owner_url)
        many, _ = speed(url, following)
        return {
            f"{FEW:,} orders stored": f"{few:,.0f} tasks/s",
            f"{stored:,} orders stored": f"{many:,.0f} tasks/s",
            "kept (gate 80 %)": f"{many / few:.1%}",
        }

    return measure


def _vacuum(owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def steady(minutes: int) -> Callable[[str, str], dict[str, Any]]:
    """Speed of each minute while orders never stop coming and the server vacuums by itself."""

    def measure(_: str, url: str) -> dict[str, Any]:
        context = multiprocessing.get_context("spawn")
        feeding = context.Process(target=feed, args=(url, minutes * 60.0))
        ready = context.Barrier(run.WORKERS)
        working = [context.Process(target=run.work, args=(url, slot, "", ready)) for slot in range(run.WORKERS)]
        feeding.start()
        _until_fed(url)
        for process in working:
            process.start()
        each, before = [], run.attempts(url)
        for _ in range(minutes):
            began = time.perf_counter()
            time.sleep(60.0)
            now = run.attempts(url)
            each.append((now - before) / (time.perf_counter() - began))
            before = now
        feeding.join()
        for process in working:
            process.join()
        first, last = each[0], each[-1]
        slowest = f"{min(each):,.0f} to {max(each):,.0f} tasks/s"
        return {f"steady over {minutes} min": slowest, "last minute of first": f"{last / first:.1%}"}

    return measure


def _until_fed(url: str) -> None:
    while _waiting(url) < BACKLOG_ORDERS:
        time.sleep(0.2)


def _waiting(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM agenda WHERE kind IN ('send', 'lease')").fetchone()
        return int(row[0]) if row else 0


def feed(url: str, seconds: float) -> None:
    """Keeps so many orders waiting, for so long."""
    asyncio.run(_feed(url, seconds))


async def _feed(url: str, seconds: float) -> None:
    store, policies = await run.opened(url, "bench-feed")
    until, number = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        if _waiting(url) >= 2 * BACKLOG_ORDERS:
            await asyncio.sleep(0.05)
            continue
        drafts = [run.draft(n) for n in range(number, number + run.SUBMIT_BATCH)]
        number += run.SUBMIT_BATCH
        await store.transact(lambda tx, some=drafts: orders.submit(tx, policies.context(), some, system("bench")))
    await store.close()


def main() -> None:
    """Prints the figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--stored", type=int, default=1_000_000)
    asked.add_argument("--minutes", type=int, default=10)
    read = asked.parse_args()
    for measure in (growth(read.stored), steady(read.minutes)):
        for name, value in run.with_installation(measure).items():
            print(f"  {name:<28}{value}")


if __name__ == "__main__":
    main()

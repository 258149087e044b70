"""How long one order takes from being handed in to completed, alone and with others, with a connector that answers at
once: the time is in the product's transactions and in how soon its workers hear that something became due.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import count
from multiprocessing.synchronize import Event
from typing import Any

import psycopg
import uvloop

import run
from fallsafe.api.intake import IntakeQueue
from fallsafe.cli.processes import stand
from fallsafe.connectors.noop import NoopConnector
from fallsafe.core.access import system
from fallsafe.core.orders.order import SHARDS
from fallsafe.flows.policy import Policies
from fallsafe.store.tx import Database
from fallsafe.workers.loop import Setup, Worker

RUNS = 5
TOGETHER = 20
WARM_UP = 20
POLL_SECONDS = 0.001
PATIENCE_SECONDS = 60.0
ACTOR = system("bench")


def work(url: str, slot: int, ready: Event, stop: Event) -> None:
    """One worker process, until it is told to stop."""
    uvloop.run(_work(url, slot, ready, stop))


async def _work(url: str, slot: int, ready: Event, stop: Event) -> None:
    store, policies = await run.opened(url, f"bench-{slot}")
    mine = tuple(s for s in range(SHARDS) if s % run.WORKERS == slot)
    connector, stopping = NoopConnector(time.monotonic), asyncio.Event()
    worker = Worker(store, policies.context, connector, time.monotonic, Setup(shards=lambda: mine))
    stand(batches=True)
    working = asyncio.create_task(worker.run(stopping))
    ready.set()
    await asyncio.to_thread(stop.wait)
    stopping.set()
    await working
    await store.close()


class Client:
    """Hands orders in, as the API takes them in, and waits until they are completed."""

    def __init__(self, store: Database, policies: Policies) -> None:
        self._store, self._intake = store, IntakeQueue(store, policies.context)
        self._open: dict[str, asyncio.Future[None]] = {}
        self._numbers = count()

    async def one(self) -> float:
        """Seconds of one order."""
        began, draft = time.perf_counter(), run.draft(next(self._numbers))
        done = self._open[draft.external_id] = asyncio.get_running_loop().create_future()
        await self._intake.take(draft, ACTOR, None)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await done
        return time.perf_counter() - began

    async def watch(self) -> None:
        """Looks at what is open, again and again."""
        asked = "SELECT external_id FROM orders WHERE source = %s AND external_id = ANY(%s) AND state = 'completed'"
        source = run.draft(0).source
        async with await psycopg.AsyncConnection.connect(self._store.url, autocommit=True) as connection:
            while True:
                for row in await (await connection.execute(asked, [source, list(self._open)])).fetchall():
                    self._open.pop(row[0]).set_result(None)
                await asyncio.sleep(POLL_SECONDS)


async def measured(url: str, each: int) -> list[list[tuple[float, float]]]:
    """(p50, p99) in seconds of each run, alone and together."""
    store, policies = await run.opened(url, "bench-client")
    client = Client(store, policies)
    watching = asyncio.create_task(client.watch())
    await _times(client, WARM_UP, 1)
    found = [[_spread(await _times(client, each, together)) for _ in range(RUNS)] for together in (1, TOGETHER)]
    watching.cancel()
    await store.close()
    return found


async def _times(client: Client, number: int, together: int) -> list[float]:
    async def loop() -> list[float]:
        return [await client.one() for _ in range(-(-number // together))]

    return [t for times in await asyncio.gather(*(loop() for _ in range(together))) for t in times]


def _spread(times: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]


def gate(each: int) -> Callable[[str, str], dict[str, Any]]:
    """The median of some runs, of `each` orders."""

    def measure(_: str, url: str) -> dict[str, Any]:
        context = multiprocessing.get_context("spawn")
        stop, ready = context.Event(), [context.Event() for _ in range(run.WORKERS)]
        workers = [context.Process(target=work, args=(url, n, ready[n], stop)) for n in range(run.WORKERS)]
        for worker in workers:
            worker.start()
        for one in ready:
            one.wait()
        alone, together = asyncio.run(measured(url, each))
        stop.set()
        for worker in workers:
            worker.join()
        return {
            "one order alone": f"{_said(alone)} (gate: p99 30 ms)",
            f"{TOGETHER} at once": f"{_said(together)} (gate: p50 60 ms)",
        }

    return measure


def _said(runs: Sequence[tuple[float, float]]) -> str:
    p50, p99 = (statistics.median(one[n] for one in runs) * 1000 for n in (0, 1))
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def main() -> None:
    """Prints the figures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--orders", type=int, default=200)
    for name, value in run.with_installation(gate(asked.parse_args().orders)).items():
        print(f"  {name:<28}{value}")


if __name__ == "__main__":
    main()

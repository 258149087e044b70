"""How fast it is, each figure beside its limit: `make bench`.

Tasks per second through the whole product (claim, intent, lease, attempt, outcome, evidence, journal) with a connector
that answers at once and over HTTP to a server that does nothing; beside them the time that COPY needs for the very rows
that the run wrote, and a bare loop that makes the same calls. Nothing here is a test.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import random
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import uvloop
from aiohttp import web

import slow
from fallsafe import policyset
from fallsafe.cli.processes import stand
from fallsafe.connectors.http import HttpConnector
from fallsafe.connectors.noop import NoopConnector
from fallsafe.connectors.port import Connector
from fallsafe.core.access import system
from fallsafe.core.orders.draft import ItemDraft, OrderDraft
from fallsafe.core.orders.order import SHARDS
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows import orders
from fallsafe.flows.policy import Policies
from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.loop import Setup, Worker

WORKERS = 2
TASKS = 6
SUBMIT_BATCH = 200
COPY_BATCH = 1_000
NOTHING_BEFORE: Mapping[str, int] = {}
TABLES = ("items", "tasks", "commands", "agenda", "journal", "evidence", "attempts", "outcomes", "order_keys", "orders")
CALLS_AT_ONCE = 50
SLOW_ORDERS = 4_000


async def opened(url: str, owner: str) -> tuple[Database, Policies]:
    """The store and the policy as a process opens them."""
    store = Database(url, owner, Vault(bytes(32)))
    await store.open()
    policies = Policies(1.0, random.random, "http://127.0.0.1:1", owner)
    await policies.start(store, unlimited())
    return store, policies


def unlimited() -> PolicySet:
    """The shipped set for systems that take as much as comes: what is measured is the product, not what they bear."""
    files = slow.at_all_hours()
    systems = re.sub(rb"concurrency: \d+", b"concurrency: 400", files["systems.yaml"])
    return policyset.load_files({**files, "systems.yaml": systems}, 1.0)


def draft(n: int) -> OrderDraft:
    """The order of §26, once more."""

    def item(name: str, offer: str, parent: str = "fiber") -> ItemDraft:
        return ItemDraft(name, parent, "add", offer, 1, {}, {}, 0, 4500, "EUR", 24, False, "none", ())

    items = (item("fiber", "FIBER-HOME-1G", ""), item("static-ip", "STATIC-IP"), item("router", "WIFI-ROUTER"))
    return OrderDraft(
        "BENCH", str(n), "UTC", f"C-{n}", "consumer", 2, False, False, "", "", "", None, None, {}, (), (), (), "", "",
        (*items, item("billing", "MONTHLY-BILLING")), b"{}",
    )  # fmt: skip


async def submit(url: str, count: int) -> float:
    """Takes orders in; seconds."""
    store, policies = await opened(url, "bench")
    began = time.perf_counter()
    for first in range(0, count, SUBMIT_BATCH):
        await _submit_batch(store, policies, [draft(n) for n in range(first, min(first + SUBMIT_BATCH, count))])
    await store.close()
    return time.perf_counter() - began


async def _submit_batch(store: Database, policies: Policies, drafts: list[OrderDraft]) -> None:
    await store.transact(lambda tx: orders.submit(tx, policies.context(), drafts, system("bench")))


def work(url: str, slot: int, http: str, ready: Barrier) -> None:
    """One worker process, until no order is left."""
    uvloop.run(_work(url, slot, http, ready))


async def _work(url: str, slot: int, http: str, ready: Barrier) -> None:
    store, policies = await opened(url, f"bench-{slot}")
    connector: Connector = NoopConnector(time.monotonic)
    if http:
        systems = dict.fromkeys(policies.context().newest.systems, http)
        connector = HttpConnector(systems, {}, frozenset({http.removeprefix("http://")}), time.monotonic)
    mine = tuple(s for s in range(SHARDS) if s % WORKERS == slot)
    worker = Worker(store, policies.context, connector, time.monotonic, Setup(shards=lambda: mine))
    stand(batches=True)
    ready.wait()
    while True:
        worked = await worker.step()
        if not worked:
            await worker.finish_calls()
            if not _is_live(url, mine):
                break
            await asyncio.sleep(0.002)
    await connector.close()
    await store.close()


def _is_live(url: str, shards: tuple[int, ...]) -> bool:
    """Whether something still waits to be sent or to be recorded."""
    with psycopg.connect(url) as connection:
        waiting = "SELECT 1 FROM agenda WHERE shard = ANY(%s) AND kind IN ('send', 'lease') LIMIT 1"
        return connection.execute(waiting, [list(shards)]).fetchone() is not None


def attempts(url: str) -> int:
    """How many calls were made."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM attempts").fetchone()
        return int(row[0]) if row else 0


def drain(url: str, http: str = "") -> float:
    """Seconds that the workers need for everything that was submitted, from when all of them stand ready."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(WORKERS + 1)
    processes = [context.Process(target=work, args=(url, slot, http, ready)) for slot in range(WORKERS)]
    for process in processes:
        process.start()
    ready.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    return time.perf_counter() - began


def counted(owner_url: str, tables: Sequence[str]) -> dict[str, int]:
    """How many rows there are in each table."""
    with psycopg.connect(owner_url) as connection:
        return {t: (connection.execute(f"SELECT count(*) FROM {t}").fetchone() or (0,))[0] for t in tables}


def copy_limit(
    owner_url: str,
    tables: Sequence[str] = TABLES,
    before: Mapping[str, int] = NOTHING_BEFORE,
    connections: int = WORKERS,
) -> tuple[float, int]:
    """Seconds that COPY needs for the rows of the run into empty tables with the same indexes, over as many connections
    as wrote them; how many rows. `before` is how many of each table were there before it.
    """
    work = list[tuple[str, list[bytes]]]()
    with psycopg.connect(owner_url) as connection:
        for table in tables:
            connection.execute(f"CREATE TABLE limit_{table} (LIKE {table} INCLUDING INDEXES INCLUDING DEFAULTS)")
            work += [(table, block) for block in _blocks(connection, table, before.get(table, 0))]
    with ExitStack() as stack, ThreadPoolExecutor(connections) as pool:
        opened = [stack.enter_context(psycopg.connect(owner_url)) for _ in range(connections)]
        began = time.perf_counter()
        list(pool.map(_copy_in, opened, (work[n::connections] for n in range(connections))))
        seconds = time.perf_counter() - began
    return seconds, sum(len(block) for _, block in work)


def _copy_in(connection: psycopg.Connection[Any], work: Sequence[tuple[str, list[bytes]]]) -> None:
    for table, block in work:
        with connection.cursor().copy(f"COPY limit_{table} FROM STDIN") as copy:
            copy.write(b"".join(block))
        connection.commit()


def _blocks(connection: psycopg.Connection[Any], table: str, before: int) -> list[list[bytes]]:
    lines: list[bytes] = []
    with connection.cursor().copy(f"COPY (SELECT * FROM {table}) TO STDOUT") as copy:
        lines.extend(bytes(line) for line in copy)
    lines = lines[min(before, len(lines)) :]
    return [lines[n : n + COPY_BATCH] for n in range(0, len(lines), COPY_BATCH)]


def serve_nothing(port: int) -> None:
    """A server that accepts everything at once, by the shape that each of the systems answers in."""

    async def answer(request: web.Request) -> web.Response:
        said = json.loads(await request.read() or b"{}")
        key = request.headers.get("Idempotency-Key") or said.get("commandId") or said.get("reference") or ""
        done = {
            "key": key,
            "reference": key,
            "ref": key,
            "commandId": key,
            "object": said.get("object"),
            "state": "OPEN",
        }
        states = {"/subscriptions": "ACTIVE", "/reservations": "RESERVED", "/appointments": "BOOKED"}
        done |= {"state": states.get(request.path, "OPEN"), "accountId": "A", "subscriptionId": "S"}
        done |= {"reservationId": "R", "appointmentId": "P", "result": {"status": "ACCEPTED", "serviceRef": "V"}}
        return web.json_response(done, status=202 if "commandId" in said else 201)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


async def bare_loop(url: str, calls: int) -> float:
    """Seconds that a bare client needs for as many calls."""
    async with aiohttp.ClientSession() as session:
        gate = asyncio.Semaphore(CALLS_AT_ONCE)

        async def call(n: int) -> None:
            async with gate, session.post(f"{url}/accounts", json={"object": f"o/{n}"}) as answer:
                await answer.read()

        began = time.perf_counter()
        await asyncio.gather(*(call(n) for n in range(calls)))
        return time.perf_counter() - began


def with_installation(body: Callable[[str, str], dict[str, Any]]) -> dict[str, Any]:
    """Runs a measurement on a fresh database that waits for the disk like in production."""
    with tempfile.TemporaryDirectory(prefix="fallsafe-bench-") as folder, Embedded(Path(folder)) as server:
        migrate(server.url("fallsafe_owner"))
        return body(server.url("fallsafe_owner"), server.url())


def no_op(count: int) -> Callable[[str, str], dict[str, Any]]:
    """The whole product with a connector that answers at once (callbacks are answered at once, too)."""

    def measure(owner_url: str, url: str) -> dict[str, Any]:
        submitted = asyncio.run(submit(url, count))
        seconds = drain(url)
        limit, rows = copy_limit(owner_url)
        return {
            "submit": f"{count / submitted:,.0f} orders/s",
            "no-op connector": f"{attempts(url) / seconds:,.0f} tasks/s",
            "copy of the same rows": f"{attempts(url) / limit:,.0f} tasks/s ({rows:,} rows)",
            "share of copy": f"{limit / seconds:.1%}",
        }

    return measure


def over_http(count: int) -> Callable[[str, str], dict[str, Any]]:
    """The same over HTTP, beside a bare client; what a callback would finish is left waiting for it."""

    def measure(_: str, url: str) -> dict[str, Any]:
        port = 28_431
        server = multiprocessing.get_context("spawn").Process(target=serve_nothing, args=(port,), daemon=True)
        server.start()
        time.sleep(2)
        try:
            asyncio.run(submit(url, count))
            seconds = drain(url, f"http://127.0.0.1:{port}")
            calls = attempts(url)
            bare = asyncio.run(bare_loop(f"http://127.0.0.1:{port}", calls))
        finally:
            server.terminate()
        return {
            "over HTTP": f"{calls / seconds:,.0f} tasks/s",
            "bare client": f"{calls / bare:,.0f} calls/s",
            "share of bare": f"{bare / seconds:.1%}",
        }

    return measure


def setting(url: str, name: str) -> str:
    """What a setting of the server says."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        return str(row[0]) if row else ""


def machine(_: str, url: str) -> dict[str, Any]:
    """What was measured on."""
    return {
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, psycopg {psycopg.__version__}",
        "server": f"PostgreSQL {setting(url, 'server_version')}, fsync {setting(url, 'fsync')}, "
        f"synchronous_commit {setting(url, 'synchronous_commit')}",
    }


def main() -> None:
    """Prints the figures, with what they were measured on."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--orders", type=int, default=5_000)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    measured: dict[str, Any] = {"orders": f"{given.orders:,}, {WORKERS} workers"}
    for measure in (machine, no_op(given.orders), over_http(given.orders)):
        measured |= with_installation(measure)
    measured |= slow.measure(min(4 * given.orders, SLOW_ORDERS), with_installation)
    for name, value in measured.items():
        print(f"  {name:<24}{value}")
    if given.json:
        given.json.write_text(json.dumps(measured, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()

"""How fast the pages and the API's lists are: whole requests through the application, as a browser or a client would
make them, over as many open cases as are asked for, each beside its goal. CPU is that of this process and of the
database's together, so that a busy machine can be told from a slow page. Printed by `python bench/desk.py --cases
100000`, and by `make bench`.
"""

import argparse
import asyncio
import os
import re
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import uvicorn
from fastapi import FastAPI
from playwright.async_api import CDPSession, Error, async_playwright

import cases
from fallsafe import policyset
from fallsafe.api.deps import Deps
from fallsafe.cli.processes import stand
from fallsafe.cli.serve import application
from fallsafe.core.access import system
from fallsafe.flows import access
from fallsafe.flows.context import Context
from fallsafe.security.tokens import digest_of, new_token
from fallsafe.store.queue import fold
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault

TRIES, TRIES_WITHOUT_A_GOAL, WARM = 100, 20, 6
CLICKS = 15
FIRST_ID = 250_000_000_000_000_000
CHANGED_AT_ONCE, FOLDED_EACH = 200, 50
API = "/api/v1/fallout-cases"


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked for in one go, and the goal in milliseconds at the percentile that counts; none where it has
    none.
    """

    name: str
    paths: tuple[str, ...]
    goal: float = 0.0
    percentile: int = 50


FIRST_PAGE = Ask("queue, first page with facets", ("/queue",), 100)
PAGES = (
    FIRST_PAGE,
    Ask("queue, filter by kind", ("/queue?q=severity%3Acritical%2Chigh+owner%3ANETWORK_OPERATIONS",)),
    Ask("queue, filter by time", ("/queue?q=sla%3Abreached",)),
    Ask("queue, filter by customer", ("/queue?q=customer%3A%22Halcyon+Care%22",)),
    Ask("queue, filter by text that many have", ("/queue?q=ADR-4011",), 100),
    Ask("queue, filter by an order's number", ("/queue?q=W-100123",), 100),
    Ask("queue, most money first", ("/queue?sort=value",)),
)
CASE_PAGE = Ask("case page", ("/cases/{case}",), 30)
API_FIRST = Ask("API, first page with facets", (f"{API}?sort=priority", f"{API}/facets"), 50, 99)
API_CASE = Ask("API, case with timeline", (f"{API}/{{case}}", f"{API}/{{case}}/timeline"), 20, 99)
COLD_KILOBYTES, CLICK_MILLISECONDS = 100, 250


def measure(owner_url: str, url: str, count: int) -> dict[str, Any]:
    """Prints each figure beside its goal, over `count` open cases."""
    policy = policyset.load(policyset.shipped("telco"))
    began = time.perf_counter()
    cases.seed(owner_url, count, policy.id, FIRST_ID)
    print(f"  {count:,} cases written in {time.perf_counter() - began:.0f} s")
    asyncio.run(_measure(owner_url, url, count))
    return {}


async def _measure(owner_url: str, url: str, count: int) -> None:
    store = Database(url, "bench", Vault(bytes(32)))
    await store.open()
    await store.transact(fold)
    policy = policyset.load(policyset.shipped("telco"))
    context = Context({policy.id: policy}, policy, {}, lambda: 0.5, "", "bench")
    deps = Deps(store, lambda: context, {})
    app = application(deps)
    token = new_token()
    ensured = access.ensure_token
    await store.transact(lambda tx: ensured(tx, "bench", "person", ["operator"], digest_of(token), system("bench")))
    case = psycopg.connect(owner_url).execute("SELECT max(id) FROM cases").fetchone()[0]
    transport, headers = httpx2.ASGITransport(app=app), {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://desk", headers=headers) as client:

        async def take(ask: Ask, suffix: str = "") -> None:
            print(f"  {ask.name + suffix:<52}{await _timed(client, ask, f'F-{case}', owner_url)}", flush=True)

        for ask in (*PAGES, CASE_PAGE, API_FIRST, API_CASE):  # the first of each reads templates and makes plans
            for path in (path.format(case=f"F-{case}") for path in ask.paths * WARM):
                await client.get(path)
        stand()
        for ask in (*PAGES, CASE_PAGE, API_FIRST, API_CASE):
            await take(ask)
        await _change(owner_url, store, count)
        for ask in (FIRST_PAGE, CASE_PAGE, API_FIRST, API_CASE):
            await take(ask, ", after 20 % changed")
        print(f"  {'cold page':<52}{await _cold(client)}")
        print(f"  {'facet click to painted':<52}{await _clicks(app, owner_url, headers)}")
    await store.close()


async def _change(owner_url: str, store: Database, count: int) -> None:
    """A fifth of the cases moves, by many statements as flows make them; the numbers are folded as workers do."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM cases WHERE hashint8(id) % 5 = 0").fetchall()]
        for n, first in enumerate(range(0, len(ids), CHANGED_AT_ONCE)):
            part = ids[first : first + CHANGED_AT_ONCE]
            connection.execute(
                "UPDATE cases SET state = 'diagnosing', occurrences = occurrences + 1 WHERE id = ANY(%s)", (part,)
            )
            if n % FOLDED_EACH == 0:
                await store.transact(fold)


async def _timed(client: httpx2.AsyncClient, ask: Ask, case: str, owner_url: str) -> str:
    paths, took, size = [path.format(case=case) for path in ask.paths], list[float](), 0
    cpu = _cpu(owner_url)
    tries = TRIES if ask.goal else TRIES_WITHOUT_A_GOAL
    for _ in range(tries):
        began = time.perf_counter()
        for path in paths:
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text[:300]
            size = len(answer.content)
        took.append((time.perf_counter() - began) * 1000)
    spent = _since(cpu, owner_url) * 1000 / tries
    half, most = statistics.median(took), statistics.quantiles(took, n=100)[98]
    told = f"p50 {half:,.1f} ms, p99 {most:,.1f} ms, CPU {spent:,.1f} ms, {size / 1024:,.0f} KB"
    value = half if ask.percentile == 50 else most
    return told + (_goal(value, ask.goal, f"p{ask.percentile}", "ms") if ask.goal else "")


def _goal(value: float, goal: float, what: str, unit: str) -> str:
    return f"; goal {what} {goal:g} {unit}: {'reached' if value <= goal else 'MISSED'}"


def _cpu(owner_url: str) -> dict[int, float]:
    """Seconds that this process (0) and each session of its database have computed so far."""
    with psycopg.connect(owner_url) as connection:
        pids = [row[0] for row in connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = 'fallsafe'")]
    return {0: time.process_time(), **{pid: _ticks(pid) / os.sysconf("SC_CLK_TCK") for pid in pids}}


def _since(before: dict[int, float], owner_url: str) -> float:
    """Seconds that they have computed since; a session that began or ended meanwhile is left out."""
    return sum(seconds - before[pid] for pid, seconds in _cpu(owner_url).items() if pid in before)


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


async def _cold(client: httpx2.AsyncClient) -> str:
    """What a browser loads that has nothing yet, as it is sent."""
    sent, page = 0, (await client.get("/queue")).text
    files = sorted(
        {"/queue"}
        | set(re.findall(r'(?:href|src)="(/static/[^"#]+)', page))
        | set(re.findall(r'(/static/[^"#]+icons.svg)', page))
    )
    for path in files:
        async with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            async for chunk in answer.aiter_raw():
                sent += len(chunk)
    return f"{sent / 1024:,.0f} KB in {len(files)} requests{_goal(sent / 1024, COLD_KILOBYTES, 'of', 'KB')}"


# From a click on a facet to the frame after the list has become another.
CLICK = """
(wanted) => new Promise((done) => {
    const link = document.querySelectorAll(".facets li a")[wanted], old = document.getElementById("desk");
    const began = performance.now();
    const look = () => document.getElementById("desk") === old
        ? requestAnimationFrame(look)
        : requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
    link.click();
    look();
})
"""


async def _clicks(app: FastAPI, owner_url: str, headers: dict[str, str]) -> str:
    """Facet after facet in a real browser, over a socket; what is chosen is dropped again between them."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.browser.conftest import FLAGS, find_chromium

    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        except Error:
            return "not measured: no Chromium was found"
        async with _served(app) as address:
            page = await browser.new_page(viewport={"width": 1440, "height": 900}, extra_http_headers=headers)
            await page.goto(f"{address}/queue")
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable", {"timeDomain": "threadTicks"})
            page_before, before = await _page_seconds(session), _cpu(owner_url)
            took = [float(await page.evaluate(CLICK, n % 5)) for n in range(CLICKS)]
            spent = (await _page_seconds(session) - page_before, _since(before, owner_url))
            await browser.close()
    half = statistics.median(took)
    cpu = " + ".join(f"{seconds * 1000 / CLICKS:,.0f}" for seconds in spent)
    told = f"p50 {half:,.0f} ms, slowest {max(took):,.0f} ms, CPU of page + server {cpu} ms"
    return told + _goal(half, CLICK_MILLISECONDS, "p50", "ms")


async def _page_seconds(session: CDPSession) -> float:
    """Seconds that the page's own thread has computed so far."""
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[str]:
    """The application at an address of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - safe because uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


def main() -> None:
    """Prints the figures."""
    from run import with_installation

    asked = argparse.ArgumentParser(description=__doc__)
    many = "how many cases are open; the goals of pages are for 100,000, those of the API for 1,000,000"
    asked.add_argument("--cases", type=int, default=100_000, help=many)
    count = asked.parse_args().cases
    with_installation(lambda owner, url: measure(owner, url, count))


if __name__ == "__main__":
    main()

"""How fast the pages of the workbench are: whole requests through the application, as a browser would make them, over
as many open cases as are asked for. Printed by `python bench/desk.py --cases 100000`, and by `make bench`.
"""

import argparse
import asyncio
import statistics
import time
from typing import Any

import httpx2
import psycopg
from fastapi import FastAPI

import cases
from fallsafe import policyset
from fallsafe.core.access import Actor
from fallsafe.flows.context import Context
from fallsafe.store.queue import fold
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workbench.pages import create_pages

TRIES = 30
FIRST_ID = 250_000_000_000_000_000
PAGES = {
    "first page with facets": "/queue",
    "filter by kind": "/queue?q=severity%3Acritical%2Chigh+owner%3ANETWORK_OPERATIONS",
    "filter by time": "/queue?q=sla%3Abreached",
    "filter by customer": "/queue?q=customer%3A%22Halcyon+Care%22",
    "filter by text": "/queue?q=ADR-4011",
    "by value": "/queue?sort=value",
}
AFTER_CHANGES = "first page after 20 % changed"


class Signed:
    """Everybody is an operator."""

    def __init__(self, database: Database) -> None:
        self.database = database
        policy = policyset.load(policyset.shipped("telco"))
        self._context = Context({policy.id: policy}, policy, {}, lambda: 0.5, "", "bench")

    def context(self) -> Context:
        return self._context

    async def authenticate(self, _: object) -> Actor:
        return Actor("person", "jonas", frozenset({"operator"}))

    def stopping(self) -> bool:
        return False


def measure(owner_url: str, url: str, count: int) -> dict[str, Any]:
    """Each page's median and the slowest of thirty, over `count` open cases."""
    policy = policyset.load(policyset.shipped("telco"))
    began = time.perf_counter()
    cases.seed(owner_url, count, policy.id, FIRST_ID)
    print(f"  {count:,} cases written in {time.perf_counter() - began:.0f} s")
    return asyncio.run(_measure(owner_url, url))


async def _measure(owner_url: str, url: str) -> dict[str, Any]:
    store = Database(url, "bench", Vault(bytes(32)))
    await store.open()
    await store.transact(fold)
    app, said = FastAPI(), dict[str, Any]()
    app.include_router(create_pages(Signed(store)))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://desk") as client:
        for name, path in PAGES.items():
            said[name] = await _timed(client, path)
        case = psycopg.connect(owner_url).execute("SELECT max(id) FROM cases").fetchone()[0]
        said["case page"] = await _timed(client, f"/cases/F-{case}")
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("UPDATE cases SET touched_at = touched_at, state = 'diagnosing' WHERE id % 5 = 0")
        said[AFTER_CHANGES] = await _timed(client, "/queue")
        said["cold page"] = await _cold(client)
    await store.close()
    return said


async def _timed(client: httpx2.AsyncClient, path: str) -> str:
    took, size = [], 0
    for _ in range(TRIES):
        began = time.perf_counter()
        answer = await client.get(path)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text[:300]
        size = len(answer.content)
    took.sort()
    return f"p50 {statistics.median(took):,.1f} ms, slowest {took[-1]:,.1f} ms, {size / 1024:,.0f} KB"


async def _cold(client: httpx2.AsyncClient) -> str:
    """What a browser loads that has nothing yet, as it is sent."""
    import re

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
    return f"{sent / 1024:,.0f} KB in {len(files)} requests"


def main() -> None:
    """Prints the figures."""
    from run import with_installation

    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--cases", type=int, default=100_000)
    count = asked.parse_args().cases
    for name, value in with_installation(lambda owner, url: measure(owner, url, count)).items():
        print(f"  {name:<32}{value}")


if __name__ == "__main__":
    main()

"""Whether this process lives, whether it can work, and its numbers. Open to whoever reaches the port; nothing personal
is in it.
"""

import asyncio
from collections import Counter

import msgspec
import psycopg
from fastapi import APIRouter
from psycopg_pool import PoolTimeout
from starlette.responses import Response

from fallsafe.api.deps import Deps
from fallsafe.store.queue import open_cells
from fallsafe.store.reads import coverage

READY_SECONDS_MAX = 3


class HealthDoor:
    """The routes /healthz, /readyz and /metrics."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def health(self) -> Response:
        """The process answers."""
        return _said({"status": "ok"})

    async def ready(self) -> Response:
        """The database answers, and this installation may send."""
        try:
            async with asyncio.timeout(READY_SECONDS_MAX):
                row = (await self.deps.database.fetch("installation/read"))[0]
        except (psycopg.Error, PoolTimeout, TimeoutError):
            return _said({"status": "no_database", "hint": "the database cannot be reached"}, 503)
        if not row["sending"]:
            hint = f"nothing is sent: {row['stopped_because']}; fallsafe audit rewound ends it"
            return _said({"status": "stopped", "hint": hint}, 503)
        return _said({"status": "stopping" if self.deps.stopping() else "ok"}, 503 if self.deps.stopping() else 200)

    async def metrics(self) -> Response:
        """The numbers of this process and of the database, for Prometheus."""
        metrics, database = self.deps.metrics, self.deps.database
        try:
            found = await coverage(database, self.deps.context().newest.limits.look_lag_max)
            metrics.coverage.set(found.percent)
            metrics.late.set(found.late)
            numbers = Counter[tuple[str, str]]()
            for cell in await open_cells(database):
                numbers[cell.severity, cell.owner] += cell.cases
            metrics.set_open_cases(numbers)
            metrics.sending.set(int((await database.fetch("installation/read"))[0]["sending"]))
        except (psycopg.OperationalError, PoolTimeout):
            pass  # safe because the numbers of this process are true without the database
        body, media = metrics.text()
        return Response(body, media_type=media)

    def router(self) -> APIRouter:
        """The routes at the root."""
        made = APIRouter(tags=["health"])
        for path, endpoint in (("/healthz", self.health), ("/readyz", self.ready), ("/metrics", self.metrics)):
            made.add_api_route(path, endpoint, methods=["GET"], response_model=None)
        return made


def _said(value: dict[str, str], status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, "application/json")

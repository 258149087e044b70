"""The process of API and pages: `python -m fallsafe.cli.serve`, started by the supervisor."""

import asyncio
import os
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from fallsafe.api.app import create_app
from fallsafe.api.deps import Deps
from fallsafe.cli.credentials import ensure_admin
from fallsafe.cli.processes import database, keep_fresh, patiently, policies, stand
from fallsafe.cli.settings import Settings, read_settings
from fallsafe.cli.wiring import AlsoAccepted, read_wiring
from fallsafe.telemetry.logs import configure
from fallsafe.workbench.pages import create_pages
from fallsafe.workers.keeper import Keeper


def application(deps: Deps) -> FastAPI:
    """Everything that answers at the address of the API: the API and the pages."""
    app = create_app(deps)
    app.include_router(create_pages(deps))
    return app


async def serve(settings: Settings) -> None:
    """The process of API and pages."""
    configure("api", sys.stderr)
    wiring = read_wiring(settings.home)
    store = await database(settings, wiring, "api")
    kept = await patiently(lambda: policies(store, wiring, "api"))
    await patiently(lambda: ensure_admin(store, settings.home))
    port = urlsplit(wiring.api).port or settings.port
    server: uvicorn.Server | None = None
    deps = Deps(
        database=store,
        context=kept.context,
        secrets=wiring.secrets,
        also_accepted=AlsoAccepted(settings.home),
        stopping=lambda: server is not None and server.should_exit,
        published=kept.take,
    )
    app = application(deps)
    stand()
    server = uvicorn.Server(uvicorn.Config(app, host=settings.host, port=port, log_config=None))
    keeper = Keeper(
        store, kept.context, time.monotonic, kind="api", pid=os.getpid(), anchors_file=settings.anchors_file
    )
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as beside:  # whatever of it fails ends the process, and it is started anew
        fresh = beside.create_task(keep_fresh(kept, store))
        beside.create_task(keeper.run(ended))
        await server.serve()
        ended.set()
        fresh.cancel()
    await store.close()


if __name__ == "__main__":
    asyncio.run(serve(read_settings(os.environ, Path.cwd())))

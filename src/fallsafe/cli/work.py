"""One worker process: `python -m fallsafe.cli.work NAME [STEP…]`, started by the supervisor, without those steps."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import uvloop

from fallsafe.cli.killpoints import hook_of, watched
from fallsafe.cli.processes import database, keep_fresh, patiently, policies, stand
from fallsafe.cli.settings import Settings, read_settings
from fallsafe.cli.wiring import read_wiring
from fallsafe.connectors.files import FileReader
from fallsafe.connectors.ways import FILE, Ways, places
from fallsafe.telemetry.logs import configure
from fallsafe.workers.collector import Collector
from fallsafe.workers.keeper import WORKER, Keeper
from fallsafe.workers.loop import STEPS, Setup, Worker
from fallsafe.workers.monitors import Monitors


async def work(settings: Settings, name: str, steps: tuple[str, ...] = STEPS) -> None:
    """One worker process."""
    configure(name, sys.stderr)
    wiring = read_wiring(settings.home)
    hook = hook_of(settings.kill, settings.home, name)
    store = await database(settings, wiring, name, hook)
    kept = await patiently(lambda: policies(store, wiring, name))
    connector = watched(Ways(wiring.systems, wiring.secrets, time.monotonic), hook)
    collector = Collector(store, kept.context, FileReader(places(wiring.systems, FILE)), time.time)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    keeper = Keeper(
        store, kept.context, time.monotonic, kind=WORKER, pid=os.getpid(), anchors_file=settings.anchors_file
    )
    worker = Worker(store, kept.context, connector, time.monotonic, Setup(steps, lambda: keeper.shards), hook)
    stand(batches=True)
    async with asyncio.TaskGroup() as beside:  # whatever of it fails ends the process, and it is started anew
        fresh = beside.create_task(keep_fresh(kept, store))
        beside.create_task(keeper.run(stopping))
        beside.create_task(Monitors(store, kept.context).run(stopping))
        beside.create_task(collector.run(stopping))
        await worker.run(stopping)
        fresh.cancel()
    await connector.close()
    await store.close()


if __name__ == "__main__":
    taken = tuple(step for step in STEPS if step not in sys.argv[2:])
    uvloop.run(work(read_settings(os.environ, Path.cwd()), sys.argv[1], taken))

"""The processes of one installation: what each is handed, and how it runs. Everything is put together here, nowhere
else.
"""

import asyncio
import contextlib
import gc
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from fallsafe import policyset
from fallsafe.cli.killpoints import Hook, nothing
from fallsafe.cli.logged import log_lines
from fallsafe.cli.settings import Settings
from fallsafe.cli.wiring import Wiring
from fallsafe.flows.policy import REFRESH_SECONDS, Policies
from fallsafe.store import anchors
from fallsafe.store.tx import PASSING, Database
from fallsafe.store.vault import Vault, master_key

R = TypeVar("R")
START_SECONDS_BETWEEN = 0.2
# How many values a process that works in batches makes before it looks for garbage: those of a batch go by themselves.
VALUES_BETWEEN = (50_000, 50, 50)


def stand(*, batches: bool = False) -> None:
    """What stands by now stands for the life of the process: to look through it for garbage would hold up some request
    for a tenth of a second, again and again. A process of `batches` looks for garbage less often, too.
    """
    gc.collect()
    gc.freeze()
    if batches:
        gc.set_threshold(*VALUES_BETWEEN)


async def database(settings: Settings, wiring: Wiring, owner: str, hook: Hook = nothing) -> Database:
    """The store as a process of this home opens it; it expects of the database what the home's last anchor says."""
    last = anchors.newest(settings.anchors_file)
    opened = Database(
        wiring.database_url,
        owner,
        Vault(master_key(settings.master_key_file)),
        heads=last.heads if last else None,
        rewinds=last.rewinds if last else 0,
        hook=hook,
        told=log_lines,
    )
    await opened.open()
    return opened


async def policies(store: Database, wiring: Wiring, worker: str) -> Policies:
    """The policy sets in force; the shipped one is published where none ever was."""
    folder = Path(wiring.policy) if wiring.policy else policyset.shipped("telco")
    lease = timedelta(seconds=wiring.lease_beyond_call)
    kept = Policies(wiring.time_scale, random.random, wiring.api, worker, lease)
    await kept.start(store, policyset.load(folder, wiring.time_scale))
    return kept


async def patiently(call: Callable[[], Awaitable[R]]) -> R:
    """Makes a call of the start of a process; a database that is away, or just coming up, is waited for."""
    while True:
        try:
            return await call()
        except PASSING:
            await asyncio.sleep(START_SECONDS_BETWEEN)


async def keep_fresh(kept: Policies, store: Database) -> None:
    """Takes on what other processes published, for as long as this process runs."""
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        with contextlib.suppress(*PASSING):
            await kept.refresh(store)

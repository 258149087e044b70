"""The processes of one installation: what each is handed, and how it runs. Everything is put together here, nowhere
else.
"""

import asyncio
import contextlib
import json
import os
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from fallsafe import policyset
from fallsafe.cli.killpoints import Hook, nothing
from fallsafe.cli.settings import Settings
from fallsafe.flows.context import LEASE_BEYOND_CALL
from fallsafe.flows.policy import REFRESH_SECONDS, Policies
from fallsafe.store.tx import PASSING, Database
from fallsafe.store.vault import Vault, master_key

R = TypeVar("R")
START_SECONDS_BETWEEN = 0.2
SANDBOX = {"billing": ("BIL",), "logistics": ("WHS", "WFM"), "provisioning": ("PRV",)}


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where everything answers and the secret of each system; `run/wiring.json`, readable by its owner only.

    `policy` is the folder of the policy set, empty for the shipped one; `lease_beyond_call` is in seconds.
    """

    database_url: str
    api: str
    systems: Mapping[str, str]
    secrets: Mapping[str, str]
    time_scale: float
    policy: str = ""
    lease_beyond_call: float = LEASE_BEYOND_CALL.total_seconds()

    def write(self, home: Path) -> None:
        """Hands it to the children of this home."""
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(home / "run" / "wiring.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as out:
            json.dump({name: getattr(self, name) for name in self.__slots__}, out)


def read_wiring(home: Path) -> Wiring:
    """What the supervisor wrote."""
    return Wiring(**json.loads((home / "run" / "wiring.json").read_text()))


def new_secrets() -> dict[str, str]:
    """A secret for each sandbox system, made anew for each run."""
    return {code: secrets.token_hex(16) for codes in SANDBOX.values() for code in codes}


async def database(settings: Settings, wiring: Wiring, owner: str, hook: Hook = nothing) -> Database:
    """The store as a process of this home opens it."""
    opened = Database(wiring.database_url, owner, Vault(master_key(settings.master_key_file)), hook=hook)
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

"""What tests of flows share: a database, the shipped policy at the drill's time scale, and the order of §26."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fallsafe import policyset
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "test", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def context() -> Context:
    """The shipped telco set, unscaled and open at all hours, with dice that always show the middle."""
    policy = replace(policyset.load(policyset.shipped("telco")), windows=())
    gates = {system: n for n, system in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")

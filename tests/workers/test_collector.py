"""What partners put into folders is kept once, whoever reads it and how often; what is wrong with a file has one owner
until it is over (§6, §10, P1, P5).
"""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.connectors.test_folders import RSP, Partner, answer
from tests.flows import orders as world
from tests.flows.test_callbacks import loose_cases

from fallsafe import policyset
from fallsafe.connectors.contract_suite import SYSTEM
from fallsafe.connectors.files import FileReader
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.collector import Collector

HOURS_LATER = 7_200.0


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "test", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def context() -> Context:
    """The shipped set, with the partner of the test as one more system that takes files."""
    policy = policyset.load(policyset.shipped("telco"))
    partner = replace(policy.systems["WHF"], code=SYSTEM)
    policy = replace(policy, systems={**policy.systems, SYSTEM: partner})
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")


async def codes(store: Database) -> list[str]:
    return sorted(case.code for case in await loose_cases(store))


class WhenFilesAreCollected:
    async def test_lines_are_kept_once_and_files_have_an_owner_until_they_come(
        self, store: Database, context: Context, tmp_path: Path
    ) -> None:
        await world.open_gates(store, context)
        partner, late = Partner(tmp_path), [0.0]

        async def collect() -> None:
            """By a process that has just started, and so remembers nothing."""
            reader = FileReader({SYSTEM: tmp_path})
            collector = Collector(store, lambda: context, reader, lambda: time.time() + late[0])
            assert await collector.step(SYSTEM)

        ours = await partner.sent(1)
        partner.puts(RSP[1], answer(1), {"result": "OK"})
        partner.puts(RSP[3], answer(3))
        await collect()
        assert await codes(store) == ["CALLBACK_UNMATCHED", "FILE_MISSING"]
        kept = await store.fetch("inbox/of_event", system=SYSTEM, event_id=f"{RSP[1]}#1")
        late[0] = HOURS_LATER
        await collect()
        assert await codes(store) == ["CALLBACK_UNMATCHED", "FILE_MISSING", "FILE_NOT_ACKNOWLEDGED"]
        assert await store.fetch("inbox/of_event", system=SYSTEM, event_id=f"{RSP[1]}#1") == kept

        partner.puts(RSP[2], answer(2))
        partner.acknowledges(ours, result="FILE_REJECTED", text="16 never came")
        await collect()
        await collect()
        assert await codes(store) == ["CALLBACK_UNMATCHED", "FILE_REJECTED"]

"""The live monitors (P1, P2, P5): what nobody looks at, what went out twice, what was altered becomes a case, once."""

from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest
from tests.flows.orders import claim, drill, lose_agenda, seen, submit

from fallsafe import policyset
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault
from fallsafe.workers.monitors import Monitors


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "worker-1", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="module")
def context() -> Context:
    """The shipped telco set, open at all hours."""
    policy = replace(policyset.load(policyset.shipped("telco")), windows=())
    gates = {system: n for n, system in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")


async def codes(store: Database) -> list[str]:
    """The codes of all cases without an order."""
    rows = await store.fetch("cases/of_orders", ids=[0])
    return [row["code"] for row in rows]


class WhenNobodyWouldLookAtAnOrder:
    """P1."""

    async def test_it_becomes_a_case_and_is_looked_at_again(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        """So is what belongs to no order, and that ends once it was looked at."""
        (answer,) = await submit(store, context, drill())
        await lose_agenda(store, answer.id)
        monitors = Monitors(store, lambda: context)
        assert await monitors.step() == 1
        order = await seen(store, answer.id)
        (case,) = order.open_cases
        assert (case.code, case.detector) == ("ORDER_STUCK", "scanner")
        assert "agenda entry" in case.raw_message
        gaps = await store.fetch("reads/coverage_gaps")
        assert {gap["thing"] for gap in gaps} <= {"task"}

        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute(
                "INSERT INTO agenda (shard, gate, due_at, kind, id) VALUES (0, 0, now() - interval '1 h', 'apply', 64)"
            )
            assert [await monitors.step(), await monitors.step()] == [1, 0]
            owner.execute("DELETE FROM agenda WHERE kind = 'apply'")
        await monitors.step()
        (alone,) = await store.fetch("cases/of_orders", ids=[0])
        assert (alone["code"], alone["state"], "'apply'" in alone["raw_message"]) == ("ORDER_STUCK", "resolved", True)

    async def test_the_same_gap_is_one_case(self, store: Database, context: Context) -> None:
        (answer,) = await submit(store, context, drill())
        await lose_agenda(store, answer.id)
        monitors = Monitors(store, lambda: context)
        assert [await monitors.step(), await monitors.step()] == [1, 0]

    async def test_an_order_in_good_order_is_no_case(self, store: Database, context: Context, owner_url: str) -> None:
        """Nor is one that would be asked about while nothing is sent at all."""
        (answer,) = await submit(store, context, drill())
        assert await Monitors(store, lambda: context).step() == 0
        task_id = next(iter((await seen(store, answer.id)).tasks))
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("UPDATE installation SET sending = false")
            for kind in ("check", "compare"):
                row = (answer.id % 64, kind, task_id, answer.id)
                owner.execute(
                    "INSERT INTO agenda (shard, gate, due_at, kind, id, order_id) "
                    "VALUES (%s, 0, now() - interval '1 hour', %s, %s, %s)",
                    row,
                )
        assert await Monitors(store, lambda: context).step() == 0


class WhenSomethingWentOutTwice:
    """P2."""

    async def test_an_attempt_without_proof_about_the_one_before_is_a_case(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        (answer,) = await submit(store, context, drill())
        first = (await claim(store, context))[0]
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute(
                "INSERT INTO attempts (order_id, command_id, n, at, worker, lease_until, contract_set) "
                "SELECT order_id, command_id, 2, at + interval '1 s', worker, lease_until, contract_set FROM attempts "
                "WHERE command_id = %s",
                (first.command_id,),
            )
        monitors = Monitors(store, lambda: context)
        assert [await monitors.step(), await monitors.step()] == [1, 0]
        cases = (await seen(store, answer.id)).open_cases
        assert [(c.code, c.command_id) for c in cases] == [("DUPLICATE_EFFECT", first.command_id)]


class WhenSomethingWasAltered:
    """P5."""

    async def test_a_record_that_is_not_what_was_written_is_a_case(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        await submit(store, context, drill())
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("ALTER TABLE journal DISABLE TRIGGER ALL")
            owner.execute("UPDATE journal SET payload = replace(payload, 'CU-1', 'CU-2') WHERE thing = 'order'")
        assert await Monitors(store, lambda: context).step() >= 1
        assert set(await codes(store)) == {"EVIDENCE_ALTERED"}

    async def test_bytes_that_are_not_those_that_were_sealed_are_a_case(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        await submit(store, context, drill())
        with psycopg.connect(owner_url, autocommit=True) as owner:
            owner.execute("ALTER TABLE evidence DISABLE TRIGGER ALL")
            owner.execute("UPDATE evidence SET sealed = sealed || '\\x00'")
        monitors = Monitors(store, lambda: context)
        assert [await monitors.step(), await monitors.step()] == [1, 0]
        assert await codes(store) == ["EVIDENCE_ALTERED"]

    async def test_a_journal_as_it_was_written_is_none(self, store: Database, context: Context) -> None:
        for n in range(3):
            await submit(store, context, replace(drill(), external_id=str(n)))
        monitors = Monitors(store, lambda: context)
        assert [await monitors.step() for _ in range(3)] == [0, 0, 0]

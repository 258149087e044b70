"""Whoever dies with orders in hand leaves their names; each is then taken alone, and the third death sets it aside
(§15, P4).
"""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import psycopg
import pytest
from tests.flows import orders as world

from fallsafe import policyset
from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Applied, Context
from fallsafe.store.rows import read_row
from fallsafe.store.tx import Database, Tx
from fallsafe.store.vault import Vault
from fallsafe.workers.in_hand import DEATHS_MAX, InHand

Parts = list[list[int]]


class Death(BaseException):
    """The process is gone: nothing after it runs."""


@pytest.fixture
def context() -> Context:
    """The shipped telco set, open at all hours."""
    policy = replace(policyset.load(policyset.shipped("telco")), windows=())
    gates = {code: n for n, code in enumerate(sorted(policy.systems), 1)}
    return Context({policy.id: policy}, policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    """The product's own store on a fresh database."""
    database = Database(database_url, "worker-1", Vault(bytes(32)))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def ids(store: Database, context: Context) -> list[int]:
    """Five orders."""
    answers = await world.submit(store, context, *(world.drill(f"{n}") for n in range(5)))
    return [answer.id for answer in answers if isinstance(answer, Applied)]


class Lives:
    """One worker life after another over the same rows."""

    def __init__(self, store: Database, context: Context) -> None:
        self.store, self.context = store, context

    async def one(
        self,
        things: Sequence[int],
        dies_with: Callable[[Sequence[int]], bool] = lambda _: False,
        doing: str = "dispatcher",
        name: str = "worker-1",
    ) -> Parts:
        """A new life that works on some orders; the parts that it did, and whether it died while it did them."""
        hand = InHand(self.store, lambda: self.context, time.monotonic, name)
        await hand.beat()
        done: Parts = []

        async def work(tx: Tx, part: Sequence[int]) -> None:
            await tx.lock(part)
            if dies_with(part):
                raise Death

        try:
            async for part, _ in hand.each(doing, things, lambda i: i, work):
                done.append(sorted(part))
        except Death:
            done.append([])
        return done


@pytest.fixture
def lives(store: Database, context: Context) -> Lives:
    """Worker lives."""
    return Lives(store, context)


async def cases_of(store: Database, order_id: int) -> list[Case]:
    """The cases of an order."""
    return [read_row(Case, row) for row in await store.fetch("cases/of_orders", ids=[order_id])]


class WhenAWorkerDiesWithOrdersInHand:
    async def test_the_next_one_takes_each_of_them_alone(self, lives: Lives, ids: list[int]) -> None:
        await lives.one(ids[:3], dies_with=lambda _: True)
        assert await lives.one(ids) == [ids[3:], *([i] for i in ids[:3])]

    async def test_each_is_like_any_other_again_once_the_same_work_was_done_with_it(
        self, lives: Lives, ids: list[int]
    ) -> None:
        await lives.one(ids[:3], dies_with=lambda _: True)
        await lives.one(ids)
        assert await lives.one(ids) == [ids]

    async def test_other_work_does_not_clear_it(self, lives: Lives, ids: list[int]) -> None:
        await lives.one(ids[:1], dies_with=lambda _: True, doing="record")
        await lives.one(ids, doing="dispatcher")
        assert await lives.one(ids, doing="record") == [ids[1:], ids[:1]]

    async def test_one_that_stops_in_good_order_leaves_no_suspicion(self, lives: Lives, ids: list[int]) -> None:
        await lives.one(ids)
        assert await lives.one(ids) == [ids]

    async def test_what_a_worker_left_that_never_came_back_is_taken_up_by_another(
        self, lives: Lives, ids: list[int], owner_url: str
    ) -> None:
        await lives.one(ids[:2], dies_with=lambda _: True)
        assert await lives.one(ids, name="worker-2") == [ids]
        with psycopg.connect(owner_url) as connection:
            connection.execute("UPDATE workers SET in_hand = %s, seen_at = seen_at - interval '1 minute'", (ids[:2],))
        assert await lives.one(ids, name="worker-3") == [ids[2:], ids[:1], ids[1:2]]

    async def test_what_a_worker_that_lives_has_in_hand_is_nobody_elses(
        self, lives: Lives, ids: list[int], store: Database
    ) -> None:
        hand = InHand(store, lambda: lives.context, time.monotonic, "worker-1")
        await hand.beat()
        seen: list[Parts] = []

        async def work(tx: Tx, part: Sequence[int]) -> None:
            seen.append(await lives.one(ids, name="worker-2"))

        async for _ in hand.each("dispatcher", ids, lambda i: i, work):
            pass
        assert seen == [[ids]]


class WhenWorkersDieWithOneOrderAgainAndAgain:
    async def test_the_third_death_alone_sets_it_aside_with_a_case_and_the_others_go_on(
        self, lives: Lives, ids: list[int], store: Database
    ) -> None:
        poison = ids[2]
        for _ in range(1 + DEATHS_MAX):
            await lives.one(ids, dies_with=lambda part: poison in part)
        others = [i for i in ids if i != poison]
        assert await lives.one(ids) == [others]
        (case,) = await cases_of(store, poison)
        assert (case.code, case.state.value, case.owner_group) == ("ORDER_QUARANTINED", "assigned", "OMS_ENGINEERING")
        order = await world.seen(store, poison)
        assert isinstance(order.order.frozen, dict)
        assert order.order.frozen["by"] == "quarantine"

    async def test_two_deaths_are_not_three(self, lives: Lives, ids: list[int], store: Database) -> None:
        for _ in range(1 + DEATHS_MAX - 1):
            await lives.one(ids, dies_with=lambda part: ids[2] in part)
        await lives.one(ids)
        assert await cases_of(store, ids[2]) == []

    async def test_it_stays_set_aside_in_every_later_life_until_somebody_lets_it_go(
        self, lives: Lives, ids: list[int], store: Database
    ) -> None:
        for _ in range(1 + DEATHS_MAX):
            await lives.one(ids, dies_with=lambda part: ids[2] in part)
        for name in ("worker-1", "worker-2"):
            assert await lives.one(ids, name=name) == [[i for i in ids if i != ids[2]]]
        (case,) = await cases_of(store, ids[2])
        engineer = Actor("person", "anna", frozenset({"engineer"}))
        await world.repair(store, lives.context, case.id, "THAW", {"what": "order"}, engineer)
        assert await lives.one(ids) == [ids]

    async def test_its_looks_stand_in_nobodys_way(self, lives: Lives, ids: list[int], store: Database) -> None:
        for _ in range(1 + DEATHS_MAX):
            await lives.one(ids, dies_with=lambda part: ids[2] in part)
        hand = InHand(store, lambda: lives.context, time.monotonic, "worker-1")
        await hand.beat()
        due = await world.due(store, lives.context, "send")
        left = await hand.put_off(due)
        assert {d.order_id for d in due} - {d.order_id for d in left} == {ids[2]}
        again = await world.due(store, lives.context, "send")
        assert ids[2] not in {d.order_id for d in again}
        assert await store.fetch("reads/coverage_gaps") == []

        (case,) = await cases_of(store, ids[2])
        engineer = Actor("person", "anna", frozenset({"engineer"}))
        await world.repair(store, lives.context, case.id, "THAW", {"what": "order"}, engineer)
        for _ in range(2):  # a worker that has not heard of it yet does not put it off once more
            back = await world.due(store, lives.context, "send")
            assert ids[2] in {d.order_id for d in back}
            await hand.put_off(back)
        another = InHand(store, lambda: lives.context, time.monotonic, "worker-2")
        await another.beat()
        assert await another.put_off(back) == back

    async def test_one_that_cannot_even_be_read_has_a_case_without_an_order(
        self, lives: Lives, ids: list[int], store: Database, owner_url: str
    ) -> None:
        with psycopg.connect(owner_url) as connection:
            connection.execute("UPDATE order_keys SET wrapped = %s WHERE order_id = %s", (bytes(60), ids[2]))
        lives.store = Database(store.url, "worker-1", Vault(bytes(32)))
        await lives.store.open()
        for _ in range(1 + DEATHS_MAX):
            await _dies_of_what_it_reads(lives, ids)
        assert await lives.one(ids) == [[i for i in ids if i != ids[2]]]
        await lives.store.close()
        (case,) = await cases_of(store, 0)
        assert str(ids[2]) in case.raw_message


async def _dies_of_what_it_reads(lives: Lives, ids: list[int]) -> None:
    try:
        await lives.one(ids)
    except Exception as error:  # noqa: BLE001 safe because its name is what is asked about
        assert type(error).__name__ == "Tampered"


class WhenTheDatabaseRefusesOne:
    async def test_it_is_found_by_halves_and_set_aside_at_once_and_the_others_are_done(
        self, store: Database, context: Context, ids: list[int]
    ) -> None:
        hand = InHand(store, lambda: context, time.monotonic, "worker-1")
        await hand.beat()

        async def work(tx: Tx, part: Sequence[int]) -> None:
            await tx.lock(part)
            if ids[3] in part:
                raise psycopg.errors.NumericValueOutOfRange("integer out of range")

        done = [i async for part, _ in hand.each("dispatcher", ids, lambda i: i, work) for i in part]
        assert sorted(done) == [i for i in ids if i != ids[3]]
        assert [case.code for case in await cases_of(store, ids[3])] == ["ORDER_QUARANTINED"]

    async def test_a_callback_without_an_order_is_set_aside_too(self, store: Database, context: Context) -> None:
        hand = InHand(store, lambda: context, time.monotonic, "worker-1")
        await hand.beat()
        now = (await store.fetch("tx/now"))[0]["clock_timestamp"]
        due = [Due("apply", 4711, None, now)]

        async def work(tx: Tx, part: Sequence[Due]) -> None:
            raise psycopg.errors.DataError("cannot be read")

        assert [part async for part, _ in hand.each("callbacks", due, lambda d: d.id, work)] == []
        assert await hand.put_off(due) == []
        (case,) = await cases_of(store, 0)
        assert "4711" in case.raw_message


class WhenTransactionsLastTooLong:
    """A slow machine, or a slow database: what is too much for one transaction is not tried as one for ever."""

    async def rounds(self, lives: Lives, ids: list[int], most: int) -> list[Parts]:
        """What one life does in each of some rounds with all of these orders, when a transaction with more than `most`
        is taken away.
        """
        hand = InHand(lives.store, lambda: lives.context, time.monotonic, "worker-1")
        await hand.beat()

        async def work(tx: Tx, part: Sequence[int]) -> None:
            if len(part) > most:
                raise psycopg.errors.AdminShutdown("terminating connection due to administrator command")

        seen: list[Parts] = []
        for _ in range(4):
            done: Parts = []
            with contextlib.suppress(psycopg.OperationalError):
                async for part, _ in hand.each("dispatcher", ids, lambda i: i, work):
                    done.append(sorted(part))
            seen.append(done)
        return seen

    async def test_the_next_ones_are_smaller_until_they_last(self, lives: Lives, ids: list[int]) -> None:
        rounds = await self.rounds(lives, ids, most=1)
        assert rounds[:2] == [[], []]
        assert rounds[2] == [[i] for i in ids]

    async def test_they_grow_again_once_they_last(self, lives: Lives, ids: list[int]) -> None:
        rounds = await self.rounds(lives, ids, most=4)
        assert rounds[0] == []
        assert rounds[1] == [ids[:2], ids[2:4], ids[4:]]
        assert rounds[2] == [ids[:4], ids[4:]]

    async def test_nothing_is_cut_where_all_is_well(self, lives: Lives, ids: list[int]) -> None:
        assert await self.rounds(lives, ids, most=5) == [[ids]] * 4

"""§12 through the flows: what is proved not sent goes out again by policy, and what is spent goes on when a person says
so.
"""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.flows import orders as world
from tests.flows.test_s26_thread import OPERATOR, current, gaps, lost, until_activation

from fallsafe import policyset
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.commands.outcome import Done, NotSent
from fallsafe.core.orders.task import TaskState
from fallsafe.core.recover.breaker import Came, Heard
from fallsafe.flows import commands, downstreams
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Aggregate, Why


async def refused(store: Database, context: Context, times: int) -> int:
    """The activation's connection was refused so often."""
    order_id, claimed = await until_activation(store, context)
    for n in range(times):
        await world.answer(store, context, claimed, NotSent("refused"))
        if n + 1 < times:
            (claimed,) = await again(store, context, order_id)
    return order_id


async def again(store: Database, context: Context, order_id: int) -> list[commands.Claimed]:
    """What is claimed once the wait is over."""
    task_id = world.task(await world.seen(store, order_id), "activateFiberService").id
    await world.make_due(store, "send", task_id, order_id)
    return await world.claim(store, context)


def activation(order: Aggregate) -> Command:
    """The command of the activation."""
    found = order.current(world.task(order, "activateFiberService").id)
    assert found is not None
    return found


async def resend(store: Database, context: Context, order_id: int) -> Answer:
    """An operator asks that the activation goes out again."""
    asked = [activation(await world.seen(store, order_id)).id]
    (answer,) = await store.transact(lambda tx: commands.resend(tx, context, asked, OPERATOR, "it is up again"))
    return answer


class WhenASystemAsksToWaitForLong:
    @pytest.mark.parametrize(("hours", "cases"), [(0.5, 0), (23, 1)])
    async def test_beyond_the_window_a_person_is_told_instead(
        self, store: Database, context: Context, hours: float, cases: int
    ) -> None:
        """Retry-After is honored within the retry window; nobody waits for a day without a case."""
        order_id, claimed = await until_activation(store, context)
        told = NotSent("http_429", "http_429", timedelta(hours=hours))
        await world.answer(store, context, claimed, told)
        order = await world.seen(store, order_id)
        assert (current(order), len(order.open_cases)) == (CommandState.INTENDED, cases)
        assert await gaps(store) == []


class WhenACommandWaitedForLongBeforeItsFirstSend:
    async def test_its_window_begins_with_its_first_send(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)

        async def age(tx: Tx) -> None:
            (order,) = await tx.lock([order_id])
            old = activation(order).intended_at - timedelta(days=2)
            order.put(replace(activation(order), intended_at=old), "age", Why(OPERATOR, "a test"))

        await store.transact(age)
        await world.answer(store, context, claimed, NotSent("refused"))
        assert (await world.seen(store, order_id)).open_cases == []


class WhenTheSendersOwnProcessWasTooSlow:
    async def test_no_attempt_is_spent_and_nobody_is_blamed(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)
        for _ in range(6):
            await world.answer(store, context, claimed, NotSent("too_late_to_start"))
            (claimed,) = await world.claim(store, context)
        order = await world.seen(store, order_id)
        assert (activation(order).retries, order.open_cases) == (0, [])


class WhenTheLeaseOfAQuestionThatCostsNothingEndsAtAStoppedSystem:
    async def test_no_attempt_is_spent_and_its_task_waits_like_the_others(
        self, store: Database, context: Context
    ) -> None:
        whole = world.item("fiber", "FIBER-HOME-COMPLETE", parent="")
        (taken,) = await world.submit(store, context, replace(world.drill(), items=(whole,)))
        asked = next(c for c in await world.claim(store, context) if not c.operation.effect)
        down = [Heard(asked.operation.system, 1, Came.BACK)] * 5
        await store.transact(lambda tx: downstreams.observe(tx, context, down, world.ACTOR))

        async def end_lease(tx: Tx) -> None:
            (order,) = await tx.lock([taken.id])
            ended = replace(order.commands[asked.command_id], lease_until=await tx.now())
            order.put(ended, "age", Why(OPERATOR, "a test"))

        await store.transact(end_lease)
        task_id = (await world.seen(store, taken.id)).commands[asked.command_id].task_id
        await world.make_due(store, "lease", task_id, taken.id)
        leases = await world.due(store, context, "lease")
        await store.transact(lambda tx: commands.expire_leases(tx, context, leases, world.ACTOR))
        order = await world.seen(store, taken.id)
        assert (order.commands[asked.command_id].retries, order.tasks[task_id].state) == (0, TaskState.PARKED)


class WhenAttemptsAreSpent:
    async def test_there_is_a_case_and_nothing_goes_out_by_itself(self, store: Database, context: Context) -> None:
        order_id = await refused(store, context, 3)
        (case,) = (await world.seen(store, order_id)).open_cases
        assert case.code == "RETRY_EXHAUSTED"
        assert await world.claim(store, context) == []
        assert await gaps(store) == []

        # §12.2, paymentAuthorization: two tries, then people review the payment, and nothing is delivered.
        shop = policyset.load(policyset.shipped("commerce"))
        gates = {system: n for n, system in enumerate(sorted(shop.systems), 1)}
        sells = replace(context, policies={shop.id: shop}, newest=shop, gates=gates)
        cart = replace(world.drill("cart"), items=(world.item("cart", "DIGITAL-GOODS", parent=""),))
        (taken,) = await world.submit(store, sells, cart)
        sent = list[str]()
        while claimed := await world.claim(store, sells):
            for one in claimed:
                sent.append(one.operation.name)
                pays = one.operation.name == "PAY.authorize"
                await world.answer(store, sells, one, NotSent("refused") if pays else Done("REF-1"))
            paid = world.task(await world.seen(store, taken.id), "authorizePayment")
            waits = await store.fetch("agenda/of_orders", ids=[taken.id])
            if ("send", paid.id) in {(row["kind"], row["id"]) for row in waits}:
                await world.make_due(store, "send", paid.id, taken.id)
        order = await world.seen(store, taken.id)
        assert sent.count("PAY.authorize") == 2
        assert [(case.code, case.owner_group) for case in order.open_cases] == [("PAYMENT_REVIEW", "PAYMENTS")]
        assert world.task(order, "deliverLicence").state is TaskState.PLANNED

    async def test_a_person_lets_the_same_command_go_out_again(self, store: Database, context: Context) -> None:
        order_id = await refused(store, context, 3)
        assert isinstance(await resend(store, context, order_id), Applied)
        (claimed,) = await world.claim(store, context)
        assert (claimed.key, claimed.attempt) == ("CRM/777/fiber.activateFiberService/fulfill/1", 4)
        await world.answer(store, context, claimed, NotSent("refused"))
        assert len((await world.seen(store, order_id)).open_cases) == 1

    async def test_one_that_waits_by_itself_needs_nobody(self, store: Database, context: Context) -> None:
        order_id = await refused(store, context, 1)
        answer = await resend(store, context, order_id)
        assert isinstance(answer, Refused)
        assert answer.refusal.code == "ALREADY_INTENDED"

    async def test_attempts_count_anew_after_it_was_proved_absent(self, store: Database, context: Context) -> None:
        order_id, _ = await lost(store, context)

        async def absent(tx: Tx) -> None:
            (order,) = await tx.lock([order_id])
            proved = replace(activation(order), state=CommandState.ABSENT, retries=2, first_empty_at=await tx.now())
            order.put(proved, "find_absent", Why(OPERATOR, "a test"))

        await store.transact(absent)
        assert isinstance(await resend(store, context, order_id), Applied)
        (claimed,) = await world.claim(store, context)
        await world.answer(store, context, claimed, NotSent("refused"))
        order = await world.seen(store, order_id)
        assert (activation(order).retries, activation(order).state) == (1, CommandState.INTENDED)

"""A consequence never opens beside its cause, and nothing is hidden under the case of what stops nothing (§6, P1)."""

from tests.flows import orders as world
from tests.flows.test_signals import judge, said, tell

from fallsafe.core.commands.outcome import Done
from fallsafe.core.orders.task import TaskState
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database


class WhenAFailureComesBehindATaskWithAnOpenCase:
    async def test_it_joins_that_case_while_the_task_stops_it(self, store: Database, context: Context) -> None:
        (order,) = await world.submit(store, context, world.drill())
        assert isinstance(order, Applied)
        await tell(store, context, said("A-1", task="createBillingAccount", item="billing"))
        await judge(store, context)
        await tell(store, context, said("A-2", task="createSubscription", item="billing", code="OTHER"))
        await judge(store, context)
        (case,) = (await world.seen(store, order.id)).open_cases
        assert case.occurrences == 2

    async def test_it_is_a_case_of_its_own_where_that_task_is_over(self, store: Database, context: Context) -> None:
        (order,) = await world.submit(store, context, world.drill())
        assert isinstance(order, Applied)
        claimed = next(c for c in await world.claim(store, context) if c.operation.name == "BIL.createAccount")
        await world.answer(store, context, claimed, Done("ACC-1", {"accountId": "ACC-1"}))
        await tell(store, context, said("A-1", task="createBillingAccount", item="billing"))
        await judge(store, context)
        await tell(store, context, said("A-2", task="createSubscription", item="billing", code="OTHER"))
        await judge(store, context)
        here = await world.seen(store, order.id)
        over = world.task(here, "createBillingAccount")
        assert over.state is TaskState.COMPLETED
        assert {case.task_id for case in here.open_cases} == {over.id, world.task(here, "createSubscription").id}

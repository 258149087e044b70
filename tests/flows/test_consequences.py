"""A consequence never opens beside its cause, and nothing is hidden under the case of what stops nothing (§6, P1)."""

from tests.flows import orders as world
from tests.flows.test_signals import judge, said, tell

from fallsafe.core.access import Actor
from fallsafe.core.commands.outcome import Done, Fact, Rejected, Says
from fallsafe.core.orders.task import TaskState
from fallsafe.flows import amending, facts, settle
from fallsafe.flows.context import Answer, Applied, Context
from fallsafe.flows.facts import Told
from fallsafe.flows.raising import Reported, raise_case
from fallsafe.flows.turn import begin
from fallsafe.store.tx import Database, Tx


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

    async def test_what_somebody_says_of_it_is_a_case_of_its_own_where_the_other_ends_with_its_work(
        self, store: Database, context: Context
    ) -> None:
        """P4: their word stands until they take it back, whatever becomes of the task before."""
        (order,) = await world.submit(store, context, world.drill())
        assert isinstance(order, Applied)
        claimed = next(c for c in await world.claim(store, context) if c.operation.name == "BIL.createAccount")
        await world.answer(store, context, claimed, Rejected("NO_SUCH_PERSON", "no"))
        operator = Actor("person", "ben", frozenset({"operator"}))

        async def say(code: str) -> Answer:
            told = Reported(order.id, "billing", "createSubscription", code, "she waits for it", "she called")
            return await store.transact(lambda tx: raise_case(tx, context, told, operator))

        unnamed = await say("")  # that a step waits says no more than the case of what it waits for
        await tell(store, context, said("A-1", task="createSubscription", item="billing", code="OTHER"))
        await judge(store, context)
        named = await say("PRICE_MISMATCH")
        assert isinstance(unnamed, Applied) and isinstance(named, Applied)
        assert (unnamed.already, named.already) == (True, False)
        here = await world.seen(store, order.id)
        later, first = (world.task(here, step).id for step in ("createSubscription", "createBillingAccount"))
        assert sorted(case.task_id for case in here.open_cases) == sorted((first, later, later))

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

    async def test_it_is_a_case_of_its_own_where_it_was_sent_before_that_task_was_frozen(
        self, store: Database, context: Context
    ) -> None:
        (order,) = await world.submit(store, context, world.drill())
        assert isinstance(order, Applied)
        sent = {}
        while claimed := await world.claim(store, context):
            for one in claimed:
                sent[one.operation.name] = one
                if one.operation.name not in ("PRV.configureIp", "BIL.createSubscription"):
                    await world.answer(store, context, one, Done("R-1"))
        over = world.task(await world.seen(store, order.id), "activateFiberService")
        await tell(store, context, said("A-1", task="activateFiberService", item="fiber"))
        await judge(store, context)

        async def done_twice(tx: Tx) -> None:
            (here,) = await tx.lock([order.id])
            turn = await begin(tx, context, world.ACTOR)
            await facts.apply(turn, here, here.current(over.id), Told(Fact(Says.DONE, "callback", "R-2")))
            await settle.end(turn)

        await store.transact(done_twice)
        await world.answer(store, context, sent["PRV.configureIp"], Rejected("PORT_FAULT", "no"))
        here = await world.seen(store, order.id)
        failed = world.task(here, "activateStaticIp")
        assert here.tasks[over.id].frozen
        assert failed.state is TaskState.FAILED
        assert {over.id, failed.id} == {case.task_id for case in here.open_cases}


class WhenATaskWasGivenUp:
    async def test_nothing_of_it_is_made_anew(self, store: Database, context: Context) -> None:
        """Neither by a repair nor by an amendment that is accepted: its item stays as it was decided."""
        (order,) = await world.submit(store, context, world.drill())
        assert isinstance(order, Applied)
        for _ in range(6):
            for claimed in await world.claim(store, context):
                refused = claimed.operation.name == "PRV.configureIp"
                outcome = Rejected("PORT_FAULT", "no") if refused else Done("R-1")
                await world.answer(store, context, claimed, outcome)
        (case,) = (await world.seen(store, order.id)).open_cases
        manager, operator = (Actor("person", role, frozenset({role})) for role in ("manager", "operator"))
        other = {"code": "RESOURCE_CONFLICT", "because": "so it is"}
        await world.repair(store, context, case.id, "OVERRIDE_CLASSIFICATION", other, operator)
        await world.repair(store, context, case.id, "CANCEL_ITEM", {"consent": "they do not want it"}, manager)
        await tell(store, context, said("A-1", task="activateStaticIp", item="static-ip", code="PAYLOAD_REJECTED"))
        await judge(store, context)
        (case,) = (await world.seen(store, order.id)).open_cases
        other = {"code": "PAYLOAD_REJECTED", "because": "so it is"}
        await world.repair(store, context, case.id, "OVERRIDE_CLASSIFICATION", other, operator)

        elsewhere = {"correctedElsewhere": "they did"}
        shown = await world.preview(store, context, case.id, "SUPERSEDE_REJECTED", elsewhere, operator)
        assert [c.why for c in shown.preview.plan.conditions if c.name == "not_over"] == [
            "activateStaticIp is cancelled"
        ]

        changes = {"changes": {"termMonths": 36}}
        await world.repair(store, context, case.id, "REQUEST_AMENDMENT", changes, operator)
        (asked,) = await store.fetch("audit/amendments")
        crm = Actor("machine", "crm", frozenset({"machine"}))
        returned = [amending.Returned(asked["id"], "Q-1", "agreed")]
        await store.transact(lambda tx: amending.accept(tx, context, returned, crm))
        here = await world.seen(store, order.id)
        assert world.task(here, "activateStaticIp").state is TaskState.CANCELLED

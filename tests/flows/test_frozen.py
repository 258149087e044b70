"""What stands still for a case: the case stays open until somebody lets go, whatever else ends it (P1, §10)."""

from collections.abc import Mapping
from functools import partial

from tests.flows import orders as world
from tests.flows.test_signals import judge, said, tell

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case
from fallsafe.core.cases.work import Withdraw
from fallsafe.core.commands.outcome import Done, Rejected
from fallsafe.core.orders.frozen import marks_of
from fallsafe.flows import casework, commands, repairs
from fallsafe.flows.context import Context, Refused
from fallsafe.flows.raising import Reported, raise_case
from fallsafe.flows.repairs import Seen
from fallsafe.flows.turn import begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Aggregate

BEN, EVA = Actor("person", "ben", frozenset({"operator"})), Actor("person", "eva", frozenset({"engineer"}))


async def opened(store: Database, context: Context, order_id: int, *signals: dict) -> list[Case]:
    """The open cases of an order after these signals."""
    await tell(store, context, *signals)
    await judge(store, context)
    return (await world.seen(store, order_id)).open_cases


def standing_for(order: Aggregate) -> set[int | None]:
    """The cases that something of an order stands still for."""
    marks = [order.order.frozen, *(task.frozen for task in order.tasks.values())]
    return {mark.get("case") for mark in marks if isinstance(mark, Mapping)}


class WhenSomebodyHasFrozenAnOrderAndNothingElseHoldsItsCase:
    async def test_the_case_ends_when_they_let_go(self, store: Database, context: Context) -> None:
        (order,) = await world.submit(store, context, world.drill())
        (case,) = await opened(store, context, order.id, said("A-1", task="createSubscription", item="billing"))
        await world.repair(store, context, case.id, "FREEZE", {"what": "order"}, BEN)
        (case,) = await opened(store, context, order.id, said("E-1", ends="A-1"))
        assert standing_for(await world.seen(store, order.id)) == {case.id}
        await world.repair(store, context, case.id, "THAW", {"what": "order"}, BEN)
        here = await world.seen(store, order.id)
        assert (here.order.frozen, here.cases[case.id].state) == (None, "resolved")
        assert here.cases[case.id].resolution["type"] == "SelfHealed"

    async def test_it_proves_nothing_of_what_somebody_says_and_both_groups_have_to_agree(
        self, store: Database, context: Context
    ) -> None:
        (order,) = await world.submit(store, context, world.drill())
        early_ids = []
        for code in ("RETRY_EXHAUSTED", "BILLING_ACCOUNT_EXISTS"):
            early = Reported(order.id, "billing", "createBillingAccount", code, "odd", "she called")
            early_ids.append((await store.transact(partial(raise_case, context=context, told=early, actor=BEN))).id)
        waiting = await store.fetch("agenda/of_orders", ids=[order.id])
        assert "mend" not in {row["kind"] for row in waiting}  # nothing runs by itself because somebody calls it so
        for claimed in await world.claim(store, context):
            refused = Rejected("ACCOUNT_EXISTS", "it exists") if claimed.operation.name == "BIL.createAccount" else None
            await world.answer(store, context, claimed, refused or Done("R-1"))
        before, failed = (await world.seen(store, order.id)).open_cases
        assert [before.id, failed.id] == early_ids and (before.detector, failed.detector) == ("person", "outcome")

        async def owner(tx: Tx) -> str:
            (here,) = await tx.lock([order.id])
            turn = await begin(tx, context, BEN)
            return commands.owner_of(turn, here, failed.task_id or 0, failed.system)

        assert await store.transact(owner) == failed.owner_group != before.owner_group
        await world.repair(store, context, before.id, "MERGE", {"into": outside("case", failed.id)}, BEN)
        await world.repair(store, context, failed.id, "REDO_FROM_TASK", {}, EVA)
        for claimed in await world.claim(store, context):
            await world.answer(store, context, claimed, Done("R-1"))
        ended = (await world.seen(store, order.id)).cases[failed.id]
        assert ended.state == "resolved" and ended.resolution["verified"] is False
        odd = Reported(order.id, "router", "reserveRouter", "PRICE_MISMATCH", "charged twice", "she called")
        mine = (await store.transact(lambda tx: raise_case(tx, context, odd, BEN))).id
        for action in ("FREEZE", "THAW"):
            await world.repair(store, context, mine, action, {"what": "task"}, BEN)
        case = (await world.seen(store, order.id)).cases[mine]
        assert (case.state, case.resolution) == ("assigned", None)

        about = {"task": "reserveRouter", "item": "router", "operation": "WHS.ship", "system": "WHS"}
        seen_twice = await opened(store, context, order.id, said("A-1", code="ALREADY_SHIPPED", **about))
        theirs = next(one for one in seen_twice if one.raw_code == "ALREADY_SHIPPED")
        assert standing_for(await world.seen(store, order.id)) == {theirs.id} and theirs.owner_group != case.owner_group
        shown = await world.preview(store, context, mine, "THAW", {"what": "task"}, BEN)
        assert shown.repair is not None and shown.repair.state == "awaited"
        seen = [Seen(shown.repair.id, shown.repair.hash)]
        second = Actor("person", "mei", frozenset({"operator"}), frozenset({case.owner_group}))
        (answer,) = await store.transact(lambda tx: repairs.approve(tx, context, seen, second, "yes"))
        assert isinstance(answer, Refused) and theirs.owner_group in answer.refusal.why

    async def test_it_stands_still_for_the_case_that_this_one_is_merged_into(
        self, store: Database, context: Context
    ) -> None:
        (order,) = await world.submit(store, context, world.drill())
        about = {"task": "createSubscription", "item": "billing"}
        other = said("A-2", code="ADDRESS_NOT_SERVICEABLE", **about)
        one, two = await opened(store, context, order.id, said("A-1", **about), other)
        await world.repair(store, context, one.id, "FREEZE", {"what": "order"}, BEN)
        await world.repair(store, context, one.id, "MERGE", {"into": outside("case", two.id)}, BEN)
        assert await opened(store, context, order.id, said("E-1", ends="A-1"), said("E-2", ends="A-2"))
        here = await world.seen(store, order.id)
        assert standing_for(here) == {case.id for case in here.open_cases} == {two.id}


class WhenAShipmentMayHappenTwice:
    async def test_its_task_stands_still_for_its_case_until_somebody_lets_go(
        self, store: Database, context: Context
    ) -> None:
        about = {"task": "reserveRouter", "item": "router", "code": "ALREADY_SHIPPED"}
        about |= {"operation": "WHS.ship", "system": "WHS"}
        first, second, third = await world.submit(store, context, *(world.drill(str(n)) for n in (1, 2, 3)))
        claimed = {c.order_id: c for c in await world.claim(store, context) if c.operation.name == "WHS.reserve"}

        taken_back = [said("A-1", "1", **about), said("E-1", "1", ends="A-1")]
        assert await opened(store, context, first.id, *taken_back) == []
        assert standing_for(await world.seen(store, first.id)) == set()

        assert await opened(store, context, second.id, said("A-2", "2", **about))
        (case,) = await opened(store, context, second.id, said("E-2", "2", ends="A-2"))
        assert standing_for(await world.seen(store, second.id)) == {case.id}

        (case,) = await opened(store, context, third.id, said("A-3", "3", **about))
        await world.answer(store, context, claimed[third.id], Done("R-1"))
        here = await world.seen(store, third.id)
        assert standing_for(here) == {case.id} == {case.id for case in here.open_cases}


class WhenWhatWouldChargeIsBlockedByACase:
    async def test_it_waits_for_each_of_them_whatever_else_it_stands_still_for(self, store, context) -> None:
        (order,) = await world.submit(store, context, world.drill())
        item = {"item": "billing", "task": "createSubscription"}
        (case,) = await opened(store, context, order.id, said("A-1", **item))
        *_, other = sorted(await opened(store, context, order.id, said("A-2")), key=lambda one: one.id)
        charge, given = {"what": "billing"}, {"code": "PRICE_MISMATCH", "because": "so it is"}
        await world.repair(store, context, case.id, "FREEZE", {"what": "task"}, BEN)
        for one in (case, other):
            await world.repair(store, context, one.id, "OVERRIDE_CLASSIFICATION", given, BEN)
            await world.repair(store, context, one.id, "BLOCK_BILLING_HANDOFF", {}, BEN)

        async def marks() -> int:
            task = next(t for t in (await world.seen(store, order.id)).tasks.values() if t.step == item["task"])
            return len(marks_of(task.frozen))

        assert await marks() == 3
        await world.repair(store, context, case.id, "THAW", {"what": "task"}, BEN)
        assert await marks() == 1  # the other case still keeps it
        await world.repair(store, context, other.id, "THAW", charge, BEN)
        assert await marks() == 0

    async def test_it_goes_on_when_somebody_ends_the_case(self, store: Database, context: Context) -> None:
        (order,) = await world.submit(store, context, world.drill())
        (case,) = await opened(store, context, order.id, said("A-1", code="PRORATION_MISMATCH"))
        given = {"code": "PRICE_MISMATCH", "because": "so it is"}
        await world.repair(store, context, case.id, "OVERRIDE_CLASSIFICATION", given, BEN)
        await world.repair(store, context, case.id, "BLOCK_BILLING_HANDOFF", {}, BEN)
        assert any(t.frozen for t in (await world.seen(store, order.id)).tasks.values())
        await store.transact(lambda tx: casework.work(tx, context, [case.id], BEN, Withdraw(), "it is nothing"))
        here = await world.seen(store, order.id)
        assert (here.open_cases, [t.step for t in here.tasks.values() if t.frozen]) == ([], [])

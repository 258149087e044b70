"""§5.1 Catalog, §15: what cannot be planned is held and seen, the rest runs, and the fix lets it go on."""

from dataclasses import replace

from tests.flows import orders as world

from fallsafe.core.access import Actor
from fallsafe.core.commands.outcome import Done
from fallsafe.core.orders.draft import OrderDraft
from fallsafe.core.orders.item import ItemState
from fallsafe.core.orders.plan import PlanStep
from fallsafe.core.orders.task import TaskState
from fallsafe.flows import lapse, planning, review, settle
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Applied, Context, Refused
from fallsafe.flows.turn import begin
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Aggregate

ENGINEER = Actor("person", "you", frozenset({"engineer"}))
UNMAPPED = "CLOUD-PBX"


def with_unmapped_router() -> OrderDraft:
    """The drill's order with a router that no template knows."""
    draft = world.drill()
    items = tuple(replace(i, offer=UNMAPPED) if i.external_id == "router" else i for i in draft.items)
    return replace(draft, items=items)


def mapped(context: Context) -> Context:
    """The context after the mapping was published: the unmapped offer is planned like the router."""
    policy = context.newest
    plans = {**policy.plans, (UNMAPPED, "add"): replace(policy.plans["WIFI-ROUTER", "add"], offer=UNMAPPED)}
    newest = replace(policy, id="telco@2026-11-02+fixed", plans=plans)
    return replace(context, newest=newest, policies={**context.policies, newest.id: newest})


async def submit(store: Database, context: Context) -> int:
    """The order with an item that cannot be planned."""
    (answer,) = await world.submit(store, context, with_unmapped_router())
    assert isinstance(answer, Applied)
    return answer.id


def item_states(order: Aggregate) -> dict[str, ItemState]:
    """States by external id."""
    return {i.external_id: i.state for i in order.items.values()}


class WhenAnItemHasNoMapping:
    """§5.1, §10 "stale catalog mapping"."""

    async def test_it_is_held_with_a_catalog_case_and_the_rest_runs(self, store: Database, context: Context) -> None:
        order = await world.seen(store, await submit(store, context))
        assert item_states(order)["router"] is ItemState.HELD
        assert [c.code for c in order.open_cases] == ["PRODUCT_MAPPING_MISSING"]
        assert order.open_cases[0].domain == "Catalog"
        assert world.task(order, "createBillingAccount").state is TaskState.READY
        assert await store.fetch("reads/coverage_gaps") == []

    async def test_planning_again_without_a_fix_is_refused_and_says_why(
        self, store: Database, context: Context
    ) -> None:
        order_id = await submit(store, context)
        (answer,) = await store.transact(lambda tx: planning.plan_again(tx, context, [order_id], ENGINEER, "try"))
        assert isinstance(answer, Refused)
        assert answer.refusal.code == "STILL_HELD"
        assert UNMAPPED in answer.refusal.why

    async def test_after_the_fix_its_tasks_are_added_and_its_case_ends(self, store: Database, context: Context) -> None:
        order_id = await submit(store, context)
        fixed = mapped(context)
        (answer,) = await store.transact(lambda tx: planning.plan_again(tx, fixed, [order_id], ENGINEER, "mapped"))
        assert answer == Applied("order", order_id)
        order = await world.seen(store, order_id)
        assert world.task(order, "reserveRouter").state is TaskState.READY
        assert order.open_cases == []
        assert order.order.policy_set == fixed.newest.id
        sent = {c.operation.name for c in await world.claim(store, fixed)}
        assert "WHS.reserve" in sent

    async def test_the_fix_ends_no_other_case_of_its_item(self, store: Database, context: Context) -> None:
        first = await submit(store, context)
        twin = replace(with_unmapped_router(), external_id="778")
        held_first = tuple(sorted(twin.items, key=lambda item: item.offer != UNMAPPED))
        (answer,) = await world.submit(store, context, replace(twin, items=held_first, customer_ref="CU-777"))
        fixed = mapped(context)
        await store.transact(lambda tx: planning.plan_again(tx, fixed, [first, answer.id], ENGINEER, "mapped"))
        order = await world.seen(store, answer.id)
        assert order.order.frozen
        assert [c.code for c in order.open_cases] == ["SUSPECTED_DUPLICATE_ORDER"]

    async def test_it_is_planned_again_by_itself_once_a_set_can(self, store: Database, context: Context) -> None:
        order_id = await submit(store, context)
        fixed = mapped(context)
        held = next(i.id for i in (await world.seen(store, order_id)).items.values() if i.hold_code)
        due = [Due("retry", held, order_id, (await world.seen(store, order_id)).order.received_at)]
        await world.make_due(store, "retry", held, order_id)
        await store.transact(lambda tx: planning.replan_due(tx, fixed, due, world.ACTOR))
        order = await world.seen(store, order_id)
        assert item_states(order)["router"] is ItemState.IN_PROGRESS

    async def test_nobody_without_the_right_plans_again(self, store: Database, context: Context) -> None:
        order_id = await submit(store, context)
        support = Actor("person", "ann", frozenset({"support"}))
        (answer,) = await store.transact(lambda tx: planning.plan_again(tx, context, [order_id], support, "try"))
        assert isinstance(answer, Refused)
        assert answer.refusal.code == "NOT_ALLOWED"


class WhenAnOrderIsReviewed:
    """§15.1."""

    async def test_an_order_with_a_reason_only_gets_its_next_look(self, store: Database, context: Context) -> None:
        order_id = await submit(store, context)
        await world.make_due(store, "review", order_id, order_id)
        looks = await world.due(store, context, "review")
        await store.transact(lambda tx: review.review(tx, context, looks, world.ACTOR))
        order = await world.seen(store, order_id)
        assert {c.code for c in order.open_cases} == {"PRODUCT_MAPPING_MISSING"}
        assert await store.fetch("reads/coverage_gaps") == []

    async def test_a_task_whose_predecessors_are_done_but_waits_is_a_case(
        self, store: Database, context: Context
    ) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        for claimed in await world.claim(store, context):
            await world.answer(store, context, claimed, Done("R-1"))
        await world.lose_agenda(store, answer.id)
        await world.grow_old(store, answer.id)
        await world.make_due(store, "review", answer.id, answer.id)
        looks = await world.due(store, context, "review")
        await store.transact(lambda tx: review.review(tx, context, looks, world.ACTOR))
        order = await world.seen(store, answer.id)
        assert "ORDER_STUCK" in {c.code for c in order.open_cases}


class WhatTheOrderGainedMeanwhile:
    """Model rule 9: what runs keeps its plan, whatever else the newest set says of it, and whatever was added to it."""

    async def test_a_set_that_also_adds_a_step_to_what_runs_plans_what_was_held(
        self, store: Database, context: Context
    ) -> None:
        order_id = await submit(store, context)
        newest = mapped(context).newest
        template = newest.plans["FIBER-HOME-1G", "add"]
        before = PlanStep("checkCoverage", "checkServiceability", ())
        first = replace(template.steps[0], after=(*template.steps[0].after, before.step))
        longer = replace(template, steps=(before, first, *template.steps[1:]))
        newest = replace(newest, plans={**newest.plans, ("FIBER-HOME-1G", "add"): longer})
        fixed = replace(context, newest=newest, policies={**context.policies, newest.id: newest})
        (answer,) = await store.transact(lambda tx: planning.plan_again(tx, fixed, [order_id], ENGINEER, "mapped"))
        assert answer == Applied("order", order_id)
        steps = {t.step for t in (await world.seen(store, order_id)).tasks.values()}
        assert "reserveRouter" in steps
        assert "checkCoverage" not in steps

    async def test_a_task_beside_the_plan_does_not_keep_an_item_held(self, store: Database, context: Context) -> None:
        order_id = await submit(store, context)

        async def beside_it(tx: Tx) -> None:
            (order,) = await tx.lock([order_id])
            turn = await begin(tx, context, world.ACTOR)
            task = world.task(order, "createBillingAccount")
            made = await lapse.beside(turn, task, turn.policy(order).task_types[task.type], "createBillingAccountAgain")
            order.put(replace(made, state=TaskState.FAILED), "plan", turn.why("for a test"))
            await settle.end(turn)

        await store.transact(beside_it)
        fixed = mapped(context)
        (answer,) = await store.transact(lambda tx: planning.plan_again(tx, fixed, [order_id], ENGINEER, "mapped"))
        assert answer == Applied("order", order_id)

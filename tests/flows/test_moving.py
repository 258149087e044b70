"""Policy drifts while orders run (model rule 9, §1): a running order keeps what it was planned with, is judged by the
newest, and goes to a newer set only by an action that was shown first.
"""

from dataclasses import replace

import pytest
from tests.flows import orders as world
from tests.flows.test_signals import judge, said, tell
from tests.policyset.sets import TELCO

from fallsafe.core.access import Actor
from fallsafe.core.commands.outcome import Accepted, Done, Rejected
from fallsafe.core.errors import SetNotRead
from fallsafe.core.orders.task import TaskState
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows import moving
from fallsafe.flows.context import Applied, Context, Refused
from fallsafe.flows.policy import Policies, publish
from fallsafe.policyset import load_files
from fallsafe.store.tx import Database
from fallsafe.store.work import Aggregate

ENGINEER = Actor("person", "you", frozenset({"engineer"}))
OPERATOR = Actor("person", "she", frozenset({"operator"}))
ADDRESS = """  - offer: STATIC-IP
    action: add
    steps:
      - step: activateStaticIp
        task_type: activateStaticIp
"""
OTHER_ADDRESS = """  - offer: STATIC-IP
    action: add
    steps:
      - step: reserveIpAddress
        task_type: reserveIpAddress
      - step: configureAddress
        task_type: activateStaticIp
        after: [reserveIpAddress]
"""
ROUTER = """      - step: reserveRouter
        task_type: reserveRouter
  - offer: WIFI-ROUTER-PRO
"""
SHIPPED_ROUTER = """      - step: reserveRouter
        task_type: reserveRouter
      - step: shipmentRequest
        task_type: shipmentRequest
        after: [reserveRouter]
  - offer: WIFI-ROUTER-PRO
"""
SUBSCRIPTION = (
    "operation: BIL.createSubscription\n    from: sent\n    expected: PT10S\n    warning: PT2M\n    breach: PT15M"
)
OUT_OF_STOCK = "owner: SUPPLY_CHAIN\n    automation: propose\n    first_step: Wait for stock"
RENAMED_ROUTER = ROUTER.replace("step: reserveRouter", "step: holdRouter", 1)


def edited(*edits: tuple[str, str, str]) -> PolicySet:
    """The shipped set with some places of its files rewritten."""
    files = dict(TELCO)
    for file, was, now in edits:
        text = files[file].decode()
        assert text.count(was) >= 1, (file, was)
        files[file] = text.replace(was, now, 1).encode()
    return replace(load_files(files), windows=())


NEWER = edited(
    ("plans.yaml", ADDRESS, OTHER_ADDRESS),
    ("plans.yaml", "{offer: STATIC-IP, step: activateStaticIp}", "{offer: STATIC-IP, step: configureAddress}"),
    ("plans.yaml", ROUTER, SHIPPED_ROUTER),
    ("task_types.yaml", SUBSCRIPTION, SUBSCRIPTION.replace("PT15M", "PT30M")),
    ("classification.yaml", OUT_OF_STOCK, OUT_OF_STOCK.replace("SUPPLY_CHAIN", "ORDER_DESK")),
)
WITHOUT_ROUTER = edited(
    ("plans.yaml", ROUTER, RENAMED_ROUTER),
    ("plans.yaml", "{offer: WIFI-ROUTER, step: reserveRouter}", "{offer: WIFI-ROUTER, step: holdRouter}"),
)


def under(context: Context, newest: PolicySet) -> Context:
    """The context once another set is in force."""
    return replace(context, newest=newest, policies={**context.policies, newest.id: newest})


async def begun(store: Database, context: Context) -> int:
    """An order whose account, router and appointment are done, and whose fiber activation was accepted."""
    (answer,) = await world.submit(store, context, world.drill())
    assert isinstance(answer, Applied)
    for _ in range(3):
        for claimed in await world.claim(store, context):
            there = claimed.operation.completion == "callback"
            await world.answer(store, context, claimed, Accepted("SRV-1") if there else Done("R-1"))
    return answer.id


def steps(order: Aggregate) -> dict[str, str]:
    """The state of each step."""
    return {f"{order.items[t.item_id].external_id}.{t.step}": t.state.value for t in order.tasks.values()}


class WhenAnotherSetIsInForce:
    async def test_a_running_order_keeps_its_plan_and_times_and_is_judged_by_the_newest(
        self, store: Database, context: Context
    ) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        newer = under(context, NEWER)
        (later,) = await world.submit(store, newer, world.drill("778"))
        for claimed in await world.claim(store, newer):
            if claimed.operation.name == "WHS.reserve":
                await world.answer(store, newer, claimed, Rejected("SKU_OUT_OF_STOCK", "none left"))
        old, new = await world.seen(store, answer.id), await world.seen(store, later.id)
        assert "router.shipmentRequest" not in steps(old)
        assert {"router.shipmentRequest", "static-ip.configureAddress"} <= steps(new).keys()
        assert (old.order.policy_set, new.order.policy_set) == (context.newest.id, NEWER.id)
        for order in (old, new):
            (case,) = order.open_cases
            assert (case.code, case.owner_group, case.policy_set) == ("SKU_OUT_OF_STOCK", "ORDER_DESK", NEWER.id)
        sent = next(r for r in old.records if r.verb == "send") if old.records else None
        assert sent is None or sent.policy_set in ("", context.newest.id)
        attempts = {c.contract_set for c in old.commands.values() if c.attempts}
        assert attempts == {context.newest.id}

    async def test_a_process_that_has_not_read_a_set_yet_leaves_its_orders_as_they_are(
        self, store: Database, context: Context
    ) -> None:
        await store.transact(lambda tx: publish(tx, context.newest, ENGINEER, "the first"))
        kept = Policies(1.0, lambda: 0.5, "http://127.0.0.1:8420", "worker-1")
        await kept.start(store, context.newest)
        await store.transact(lambda tx: publish(tx, NEWER, ENGINEER, "the second", force=False))
        (answer,) = await world.submit(store, under(context, NEWER), world.drill())
        before = await world.seen(store, answer.id)
        with pytest.raises(SetNotRead):
            await world.claim(store, kept.context())
        assert (await world.seen(store, answer.id)).order.version == before.order.version
        assert await store.fetch("reads/coverage_gaps") == []
        assert await kept.refresh(store)
        assert not await kept.refresh(store)
        assert kept.context().newest.id == context.newest.id
        assert {claimed.order_id for claimed in await world.claim(store, kept.context())} == {answer.id}


class WhenARunningOrderIsMoved:
    async def test_it_is_shown_what_comes_goes_and_changes_and_nothing_happens(
        self, store: Database, context: Context
    ) -> None:
        order_id, newer = await begun(store, context), under(context, NEWER)
        before = await world.seen(store, order_id)
        (looked,) = await store.transact(lambda tx: moving.preview(tx, newer, [order_id], NEWER))
        assert looked.move is not None
        assert looked.verdict == "moves"
        assert set(looked.move.added) == {
            ("router", "shipmentRequest"),
            ("static-ip", "reserveIpAddress"),
            ("static-ip", "configureAddress"),
        }
        assert looked.removed == ("static-ip.activateStaticIp",)
        assert looked.move.changes == ("billing.createSubscription: breach was 0:15:00, is 0:30:00",)
        after = await world.seen(store, order_id)
        assert (after.order, after.tasks) == (before.order, before.tasks)

    async def test_what_was_done_stays_what_waits_follows_the_other_plan_and_all_is_in_the_journal(
        self, store: Database, context: Context
    ) -> None:
        order_id, newer = await begun(store, context), under(context, NEWER)
        looked = await store.transact(lambda tx: moving.preview(tx, newer, [order_id], NEWER))
        shown = moving.hash_of(NEWER.id, looked)
        _, answers = await store.transact(
            lambda tx: moving.run(tx, newer, [order_id], NEWER, ENGINEER, "ship the router", shown)
        )
        assert answers == [Applied("order", order_id)]
        order = await world.seen(store, order_id)
        assert order.order.policy_set == NEWER.id
        assert steps(order) == {
            "fiber.scheduleInstallation": "completed",
            "fiber.activateFiberService": "waiting_callback",
            "static-ip.activateStaticIp": "skipped",
            "static-ip.reserveIpAddress": "ready",
            "static-ip.configureAddress": "planned",
            "router.reserveRouter": "completed",
            "router.shipmentRequest": "ready",
            "billing.createBillingAccount": "completed",
            "billing.createSubscription": "planned",
        }
        again = await store.transact(lambda tx: moving.preview(tx, newer, [order_id], NEWER))
        assert [one.verdict for one in again] == ["stays"]
        assert await store.fetch("reads/coverage_gaps") == []
        rows = await store.fetch("promises/journal", ids=[order_id])
        moved = [row["payload"] for row in rows if '"verb":"move_policy"' in row["payload"]]
        assert all('"actor":"person:you"' in said for said in moved)
        assert f'"policySet":"{NEWER.id}"' in moved[0] and '"reason":"ship the router"' in moved[0]
        sent = {claimed.operation.name for claimed in await world.claim(store, newer)}
        assert sent == {"RIN.reserveAddress", "WHS.ship"}

    async def test_it_is_refused_where_what_was_done_does_not_exist_there(
        self, store: Database, context: Context
    ) -> None:
        order_id, other = await begun(store, context), under(context, WITHOUT_ROUTER)
        (looked,) = await store.transact(lambda tx: moving.preview(tx, other, [order_id], WITHOUT_ROUTER))
        assert looked.refusal is not None
        assert (looked.verdict, looked.refusal.code) == ("refused", "STEP_NOT_THERE")
        assert "router.reserveRouter is completed" in looked.refusal.why
        shown = moving.hash_of(WITHOUT_ROUTER.id, [looked])
        _, (answer,) = await store.transact(
            lambda tx: moving.run(tx, other, [order_id], WITHOUT_ROUTER, ENGINEER, "try", shown)
        )
        assert isinstance(answer, Refused)
        order = await world.seen(store, order_id)
        assert order.order.policy_set == context.newest.id
        assert not any(t.state is TaskState.SKIPPED for t in order.tasks.values())

    @pytest.mark.parametrize(
        ("actor", "shown", "code"), [(ENGINEER, "0" * 64, "CHANGED_MEANWHILE"), (OPERATOR, "", "NOT_ALLOWED")]
    )
    async def test_nothing_is_done_that_was_not_shown_or_by_whom_may_not(
        self, store: Database, context: Context, actor: Actor, shown: str, code: str
    ) -> None:
        order_id, newer = await begun(store, context), under(context, NEWER)
        _, (answer,) = await store.transact(lambda tx: moving.run(tx, newer, [order_id], NEWER, actor, "now", shown))
        assert isinstance(answer, Refused)
        assert (answer.refusal.code, bool(answer.refusal.hint)) == (code, True)
        assert (await world.seen(store, order_id)).order.policy_set == context.newest.id
        rows = await store.fetch("promises/journal", ids=[order_id])
        assert sum('"verb":"refuse_move_policy"' in row["payload"] for row in rows) == 1


class WhatDoesNotGoOn:
    """What was given up, done or begun gains no work by another plan."""

    NEWER = edited(("plans.yaml", ADDRESS, OTHER_ADDRESS.replace("configureAddress", "activateStaticIp")))

    async def moved(self, store: Database, context: Context, order_id: int) -> dict[str, TaskState]:
        newer = under(context, self.NEWER)
        looked = await store.transact(lambda tx: moving.preview(tx, newer, [order_id], self.NEWER))
        shown = moving.hash_of(self.NEWER.id, looked)
        assert looked[0].move is not None
        assert (
            "static-ip.reserveIpAddress: does not come, what it was for has begun or was given up"
            in looked[0].move.changes
        )
        await store.transact(lambda tx: moving.run(tx, newer, [order_id], self.NEWER, ENGINEER, "so", shown))
        order = await world.seen(store, order_id)
        return {t.step: t.state for t in order.tasks.values() if order.items[t.item_id].external_id == "static-ip"}

    async def test_an_item_that_was_given_up_gains_no_step(self, store: Database, context: Context) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        wrong = said("A-1", task="activateStaticIp", item="static-ip", code="ADDRESS_NOT_SERVICEABLE")
        await tell(store, context, wrong)
        await judge(store, context)
        (case,) = (await world.seen(store, answer.id)).open_cases
        manager = Actor("person", "hal", frozenset({"manager"}))
        await world.repair(store, context, case.id, "CANCEL_ITEM", {"consent": "they do not want it"}, manager)
        assert await self.moved(store, context, answer.id) == {"activateStaticIp": TaskState.CANCELLED}

    async def test_a_step_that_was_begun_gains_none_before_it(self, store: Database, context: Context) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        for _ in range(3):
            for claimed in await world.claim(store, context):
                await world.answer(store, context, claimed, Done("R-1"))
        assert await self.moved(store, context, answer.id) == {"activateStaticIp": TaskState.COMPLETED}

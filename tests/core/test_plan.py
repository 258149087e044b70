"""Planning: what can be planned runs, what cannot is held with its reason, and nothing starts before what it waits
for.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.things import a_task, an_item

from fallsafe.core.orders.plan import (
    TASKS_MAX,
    WAITS_MAX,
    Plan,
    PlanItem,
    PlannedTask,
    PlanStep,
    PlanTemplate,
    check_size,
    of_items,
    plan_order,
    replan,
)
from fallsafe.core.orders.task import TaskState, still_pending, waiting_for_held


@dataclass(frozen=True)
class Sold:
    retired: bool = False


def template(offer: str, *steps: PlanStep, **after_items: tuple[tuple[str, str], ...]) -> PlanTemplate:
    return PlanTemplate(offer, "add", steps, after_items)


def step(name: str, *after: str) -> PlanStep:
    return PlanStep(name, name, after)


FIBER = template(
    "FIBER-HOME-1G",
    step("scheduleInstallation"),
    step("activateFiberService", "scheduleInstallation"),
    scheduleInstallation=(("WIFI-ROUTER", "reserveRouter"),),
)
STATIC_IP = template(
    "STATIC-IP", step("activateStaticIp"), activateStaticIp=(("FIBER-HOME-1G", "activateFiberService"),)
)
ROUTER = template("WIFI-ROUTER", step("reserveRouter"))
BILLING = template(
    "MONTHLY-BILLING",
    step("createBillingAccount"),
    step("createSubscription", "createBillingAccount"),
    createSubscription=(("FIBER-HOME-1G", "activateFiberService"),),
)
TEMPLATES = {(t.offer, t.action): t for t in (FIBER, STATIC_IP, ROUTER, BILLING)}
OFFERS = {offer: Sold() for offer, _ in TEMPLATES}
DRILL = (
    PlanItem("fiber", "", "add", "FIBER-HOME-1G"),
    PlanItem("static-ip", "fiber", "add", "STATIC-IP"),
    PlanItem("router", "fiber", "add", "WIFI-ROUTER"),
    PlanItem("billing", "fiber", "add", "MONTHLY-BILLING"),
)


def graph(plan: Plan) -> dict[str, set[str]]:
    names = [f"{t.item_external_id}.{t.step}" for t in plan.tasks]
    return {name: {names[n] for n in t.after} for name, t in zip(names, plan.tasks, strict=True)}


class WhenTheOrderOfTheDrillIsPlanned:
    def test_each_task_waits_for_what_the_specification_says(self):
        assert graph(plan_order(DRILL, TEMPLATES, OFFERS)) == {
            "fiber.scheduleInstallation": {"router.reserveRouter"},
            "fiber.activateFiberService": {"fiber.scheduleInstallation"},
            "static-ip.activateStaticIp": {"fiber.activateFiberService"},
            "router.reserveRouter": set(),
            "billing.createBillingAccount": set(),
            "billing.createSubscription": {"billing.createBillingAccount", "fiber.activateFiberService"},
        }

    def test_nothing_is_held(self):
        assert plan_order(DRILL, TEMPLATES, OFFERS).holds == {}

    def test_the_order_of_the_items_does_not_matter(self):
        assert graph(plan_order(DRILL[::-1], TEMPLATES, OFFERS)) == graph(plan_order(DRILL, TEMPLATES, OFFERS))

    def test_what_was_not_ordered_is_not_waited_for(self):
        without_router = [i for i in DRILL if i.external_id != "router"]
        assert graph(plan_order(without_router, TEMPLATES, OFFERS))["fiber.scheduleInstallation"] == set()

    def test_a_stored_order_is_planned_alike(self):
        items = [
            an_item(i.external_id, id=n, parent_id=1 if i.parent else None, offer=i.offer)
            for n, i in enumerate(DRILL, 1)
        ]
        assert of_items(items, None) == DRILL


class WhenAnItemCannotBePlanned:
    # what is wrong                                 its code
    @pytest.mark.parametrize(
        ("offers", "templates", "code"),
        [
            ({k: v for k, v in OFFERS.items() if k != "WIFI-ROUTER"}, TEMPLATES, "PRODUCT_MAPPING_MISSING"),
            (OFFERS, {k: v for k, v in TEMPLATES.items() if k[0] != "WIFI-ROUTER"}, "PRODUCT_MAPPING_MISSING"),
            (OFFERS, TEMPLATES | {("WIFI-ROUTER", "add"): template("WIFI-ROUTER")}, "PRODUCT_MAPPING_MISSING"),
            (OFFERS | {"WIFI-ROUTER": Sold(retired=True)}, TEMPLATES, "OFFER_RETIRED"),
            (
                OFFERS,
                TEMPLATES | {("WIFI-ROUTER", "add"): template("WIFI-ROUTER", step("reserveRouter", "nothing"))},
                "DECOMPOSITION_ERROR",
            ),
            (
                OFFERS,
                TEMPLATES | {("WIFI-ROUTER", "add"): template("WIFI-ROUTER", step("again"), step("again"))},
                "DECOMPOSITION_ERROR",
            ),
        ],
    )
    def test_it_is_held_with_the_reason_and_the_rest_is_planned(self, offers, templates, code):
        plan = plan_order(DRILL, templates, offers)
        assert {item: hold.code for item, hold in plan.holds.items()} == {"router": code}
        assert plan.holds["router"].why
        assert {t.item_external_id for t in plan.tasks} == {"fiber", "static-ip", "billing"}

    def test_what_must_wait_for_it_waits_and_what_need_not_goes_on(self):
        plan = plan_order(DRILL, TEMPLATES, OFFERS | {"WIFI-ROUTER": Sold(retired=True)})
        pending = {t.step: (len(t.after) + len(t.waits_for_held), t.waits_for_held) for t in plan.tasks}
        assert pending["scheduleInstallation"] == (1, ("router",))
        assert pending["createBillingAccount"] == (0, ())

    def test_a_stored_task_is_not_ready_before_the_held_item_is_planned(self):
        other = a_task(5, TaskState.COMPLETED)
        task = a_task(4, TaskState.PLANNED, depends_on=(5,), waiting=waiting_for_held(("router",)))
        assert still_pending(task, {4: task, 5: other}) == 1
        freed = a_task(4, TaskState.PLANNED, depends_on=(5,), waiting=waiting_for_held(()))
        assert still_pending(freed, {4: freed, 5: other}) == 0

    def test_a_retired_offer_can_still_be_ended(self):
        end = PlanTemplate("WIFI-ROUTER", "delete", (step("createReturn"),), {})
        item = PlanItem("router", "", "delete", "WIFI-ROUTER")
        plan = plan_order([item], {("WIFI-ROUTER", "delete"): end}, {"WIFI-ROUTER": Sold(retired=True)})
        assert not plan.holds
        assert len(plan.tasks) == 1

    def test_an_item_that_does_not_change_has_no_work_and_holds_nobody_up(self):
        same = (PlanItem("fiber", "", "noChange", "FIBER-HOME-1G"), DRILL[1])
        plan = plan_order(same, TEMPLATES, OFFERS)
        assert graph(plan) == {"static-ip.activateStaticIp": set()}

    def test_steps_that_wait_for_each_other_hold_their_items(self):
        router = template(
            "WIFI-ROUTER", step("reserveRouter"), reserveRouter=(("FIBER-HOME-1G", "activateFiberService"),)
        )
        plan = plan_order(DRILL, TEMPLATES | {("WIFI-ROUTER", "add"): router}, OFFERS)
        assert {item: hold.code for item, hold in plan.holds.items()} == {
            "fiber": "DECOMPOSITION_ERROR",
            "router": "DECOMPOSITION_ERROR",
        }
        assert {t.step: t.waits_for_held for t in plan.tasks} == {
            "activateStaticIp": ("fiber",),
            "createBillingAccount": (),
            "createSubscription": ("fiber",),
        }


class WhenTheReasonOfAHoldIsGone:
    def test_only_the_held_item_gains_tasks_and_those_that_waited_are_wired(self):
        held = plan_order(DRILL, TEMPLATES, OFFERS | {"WIFI-ROUTER": Sold(retired=True)})
        names = [(t.item_external_id, t.step) for t in held.tasks]
        existing = {name: {names[n] for n in t.after} for name, t in zip(names, held.tasks, strict=True)}
        plan = plan_order(DRILL, TEMPLATES, OFFERS)
        change = replan(plan, existing, set(held.holds))
        assert [plan.tasks[n].step for n in change.add] == ["reserveRouter"]
        assert [plan.tasks[n].step for n in change.rewire] == ["scheduleInstallation"]

    def test_a_newer_template_does_not_change_what_already_runs(self):
        existing = {(t.item_external_id, t.step): set() for t in plan_order(DRILL, TEMPLATES, OFFERS).tasks}
        longer = template("WIFI-ROUTER", step("reserveRouter"), step("shipRouter", "reserveRouter"))
        plan = plan_order(DRILL, TEMPLATES | {("WIFI-ROUTER", "add"): longer}, OFFERS)
        assert replan(plan, existing, set()).add == ()


class WhenAnOrderHasManySites:
    SITES = tuple(
        item
        for site in ("north", "south")
        for item in (
            PlanItem(f"{site}-fiber", site, "add", "FIBER-HOME-1G"),
            PlanItem(f"{site}-ip", f"{site}-fiber", "add", "STATIC-IP"),
            PlanItem(f"{site}-router", site, "add", "WIFI-ROUTER"),
        )
    )

    def test_each_site_waits_for_its_own(self):
        places = (PlanItem("north", "", "noChange", "SITE"), PlanItem("south", "", "noChange", "SITE"))
        planned = graph(plan_order((*places, *self.SITES), TEMPLATES, OFFERS))
        assert planned["south-ip.activateStaticIp"] == {"south-fiber.activateFiberService"}
        assert planned["south-fiber.scheduleInstallation"] == {"south-router.reserveRouter"}


class WhenItemsDependOnItems:
    def test_the_first_steps_wait_for_the_last_of_the_other_item(self):
        items = (PlanItem("a", "", "add", "FIBER-HOME-1G", ("b",)), PlanItem("b", "", "add", "MONTHLY-BILLING"))
        templates = TEMPLATES | {
            ("MONTHLY-BILLING", "add"): template(
                "MONTHLY-BILLING", step("one"), step("two", "one"), step("three", "one")
            )
        }
        planned = graph(plan_order(items, templates, OFFERS))
        assert planned["a.scheduleInstallation"] == {"b.two", "b.three"}
        assert planned["a.activateFiberService"] == {"a.scheduleInstallation"}

    def test_dependencies_are_read_back_from_the_snapshot(self):
        snapshot = {"items": [{"externalId": "a", "dependsOn": ["b"]}, {"externalId": "b", "dependsOn": []}]}
        items = of_items([an_item("a", id=1), an_item("b", id=2)], snapshot)
        assert [i.depends_on for i in items] == [("b",), ()]


class WhenAnOrderIsTooLarge:
    def test_it_is_refused_with_what_would_work(self):
        task = PlannedTask("a", "one", "one", True, ())
        assert check_size(Plan((task,) * TASKS_MAX, {}), "cannot take order") is None
        refusal = check_size(Plan((task,) * (TASKS_MAX + 1), {}), "cannot take order")
        assert (refusal.code, refusal.pointer) == ("TOO_MANY_TASKS", "/items")

    def test_nor_may_its_tasks_wait_for_each_other_without_end(self):
        waiting = PlannedTask("a", "one", "one", True, tuple(range(WAITS_MAX)))
        assert check_size(Plan((waiting,), {}), "cannot take order") is None
        more = replace(waiting, after=(0,))
        assert check_size(Plan((waiting, more), {}), "cannot take order").code == "TOO_MANY_WAITS"


OFFER_NAMES = ("A", "B", "C")
STEP_NAMES = ("s1", "s2", "s3")


@st.composite
def worlds(draw):
    """Any catalog and any order, sensible or not."""
    names = st.sampled_from(STEP_NAMES)
    links = st.lists(st.tuples(st.sampled_from(OFFER_NAMES), names), max_size=2).map(tuple)
    templates = {}
    for offer in draw(st.sets(st.sampled_from(OFFER_NAMES))):
        steps = tuple(
            PlanStep(n, n, tuple(draw(st.sets(names, max_size=2))))
            for n in draw(st.lists(names, unique=True, min_size=1))
        )
        templates[offer, "add"] = PlanTemplate(offer, "add", steps, draw(st.dictionaries(names, links, max_size=2)))
    count = draw(st.integers(1, 6))
    items = tuple(
        PlanItem(
            f"i{n}",
            draw(st.sampled_from(["", *(f"i{m}" for m in range(n))])),
            draw(st.sampled_from(["add", "noChange"])),
            draw(st.sampled_from(OFFER_NAMES)),
            tuple(draw(st.sets(st.sampled_from([f"i{m}" for m in range(count)]), max_size=2))),
        )
        for n in range(count)
    )
    return items, templates, {o: Sold(draw(st.booleans())) for o in draw(st.sets(st.sampled_from(OFFER_NAMES)))}


class WhenAnyCatalogMeetsAnyOrder:
    @given(worlds())
    @settings(max_examples=200, deadline=None)
    def test_every_item_that_changes_is_planned_or_held_and_every_planned_task_can_come_up(self, world):
        items, templates, offers = world
        plan = plan_order(items, templates, offers)
        planned = {t.item_external_id for t in plan.tasks}
        changing = {i.external_id for i in items if i.action != "noChange"}
        assert planned | set(plan.holds) == changing
        assert not planned & set(plan.holds)
        done: set[int] = set()
        while ready := {n for n, t in enumerate(plan.tasks) if n not in done and set(t.after) <= done}:
            done |= ready
        assert len(done) == len(plan.tasks)
        assert all(set(t.waits_for_held) <= set(plan.holds) for t in plan.tasks)

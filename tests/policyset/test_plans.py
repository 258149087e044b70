"""Every offer × action of every shipped set becomes a plan that ends, alone and in the families it is sold in (§4)."""

from collections.abc import Iterable, Sequence

import pytest

from fallsafe.core.orders.plan import Plan, PlanItem, plan_order
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.policyset import load, shipped_sets

SETS = {name: load(folder) for name, folder in shipped_sets().items()}

# what is sold together: external id, offer, parent
ORDERS: dict[str, tuple[str, Sequence[tuple[str, str, str]]]] = {
    "fiber": ("add", [("f", "FIBER-HOME-1G", ""), ("ip", "STATIC-IP", "f"), ("r", "WIFI-ROUTER", "f"),
                      ("b", "MONTHLY-BILLING", "f")]),
    "fiber ends": ("delete", [("f", "FIBER-HOME-1G", ""), ("ip", "STATIC-IP", "f"), ("r", "WIFI-ROUTER", "f"),
                              ("b", "MONTHLY-BILLING", "f")]),
    "fiber moves": ("modify", [("f", "FIBER-HOME-1G", "")]),
    "everything": ("add", [("f", "FIBER-HOME-COMPLETE", ""), ("ip", "STATIC-IP", "f"),
                           ("r", "WIFI-ROUTER-DELIVERED", "f"), ("b", "SERVICE-BILLING", "f")]),
    "mobile": ("add", [("m", "MOBILE-PORT-IN", ""), ("e", "ESIM", "m"), ("n", "NUMBER-PORT-IN", "m"),
                       ("b", "SERVICE-BILLING", "m"), ("c", "CONTENT-ADDON", "m")]),
    "content": ("add", [("c", "CONTENT-ADDON", "")]),
    "business": ("add", [("net", "BUSINESS-NETWORK", ""),
                         ("s1", "BUSINESS-ACCESS", "net"), ("l1", "ACCESS-LINE", "s1"), ("b1", "SERVICE-BILLING", "s1"),
                         ("s2", "BUSINESS-ACCESS", "net"), ("l2", "ACCESS-LINE-BY-FILE", "s2"),
                         ("b2", "SERVICE-BILLING", "s2"), ("r2", "WIFI-ROUTER-DELIVERED", "s2")]),
}  # fmt: skip


def planned(policy: PolicySet, items: Iterable[PlanItem]) -> Plan:
    """The plan, none of whose items is held."""
    made = plan_order(tuple(items), policy.plans, policy.offers)
    assert made.holds == {}
    return made


def before(plan: Plan, item: str, step: str) -> set[str]:
    """Everything that must be final before a step, as `item.step`."""
    at = {(t.item_external_id, t.step): n for n, t in enumerate(plan.tasks)}
    reached, front = set[int](), [at[item, step]]
    while front:
        new = set(plan.tasks[front.pop()].after) - reached
        reached |= new
        front += new
    return {f"{plan.tasks[n].item_external_id}.{plan.tasks[n].step}" for n in reached}


class WhenAnOfferIsSold:
    def test_every_plan_can_be_planned_alone_and_all_it_needs_is_there(self):
        for name, policy in SETS.items():
            for (offer, action), template in policy.plans.items():
                made = planned(policy, [PlanItem("one", "", action, offer)])
                assert len(made.tasks) == len(template.steps), (name, offer, action)
                for task in made.tasks:
                    assert policy.task_types[task.task_type].operation in policy.operations, (name, task.task_type)

    @pytest.mark.parametrize("sold", ORDERS)
    def test_what_is_sold_together_becomes_one_graph(self, sold):
        action, items = ORDERS[sold]
        made = planned(
            SETS["telco/2026-11-01"], [PlanItem(name, parent, action, offer) for name, offer, parent in items]
        )
        assert {t.item_external_id for t in made.tasks} == {name for name, _, _ in items}
        assert any(not t.after for t in made.tasks)


class WhenOneThingMustNotComeBeforeAnother:
    def plan(self, sold: str) -> Plan:
        action, items = ORDERS[sold]
        return planned(SETS["telco/2026-11-01"], [PlanItem(n, parent, action, offer) for n, offer, parent in items])

    def test_the_old_service_is_ceased_only_after_the_new_one_was_proved(self):
        assert {"f.activateFiberService", "f.updateProductInventory"} <= before(
            self.plan("fiber moves"), "f", "ceaseService"
        )

    def test_nothing_is_charged_before_the_service_is_recorded(self):
        assert {"f.activateFiberService", "f.updateProductInventory"} <= before(
            self.plan("everything"), "b", "startCharging"
        )

    def test_the_technician_comes_when_the_router_is_there(self):
        assert "r.deliverParcel" in before(self.plan("everything"), "f", "performInstallation")

    def test_a_number_moves_only_to_a_subscriber_that_is_ready(self):
        assert {"m.provisionSubscriber", "n.confirmPortDate"} <= before(self.plan("mobile"), "n", "executePort")

    def test_each_site_waits_for_its_own_line_and_nothing_for_an_unsigned_contract(self):
        plan = self.plan("business")
        assert "l1.orderAccessLine" in before(plan, "s1", "cutOverSite")
        assert "l2.orderAccessLineByFile" not in before(plan, "s1", "cutOverSite")
        assert "net.collectSignature" in before(plan, "l2", "orderAccessLineByFile")
        assert "s2.updateProductInventory" in before(plan, "b2", "startCharging")
        assert "s1.updateProductInventory" not in before(plan, "b2", "startCharging")

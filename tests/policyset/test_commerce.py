"""The shipped commerce set: goods, downloads, drop shipment, marketplace orders and returns, with the contracts that
moving money and goods needs.
"""

from datetime import timedelta

import pytest
from tests.policyset.test_plans import SETS, before, planned

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.orders.plan import Plan, PlanItem
from fallsafe.core.policy.policy_set import retry_for

SET = SETS["commerce/2026-11-01"]
SAVED, SAME = Repeat.REPLAYS_SAVED_ERROR, Repeat.SAME_RESULT
M, H, FOREVER = timedelta(minutes=1), timedelta(hours=1), None

# operation, same key again, key lives, settle window, second look, ways to look, statuses of answers that prove nothing
# happened
CONTRACTS = [
    ("PAY.authorize", SAVED, 24 * H, M, 5 * M, ("key", "reference"), set()),
    ("PAY.capture", SAVED, 24 * H, M, 5 * M, ("key", "reference"), set()),
    ("PAY.refund", SAVED, 24 * H, 5 * M, 30 * M, ("reference",), set()),
    ("PAY.void", SAME, 24 * H, M, 5 * M, ("reference",), set()),
    ("GFT.redeem", SAME, FOREVER, M, M, ("key",), {429}),
    ("TAX.commit", SAME, FOREVER, M, 5 * M, ("reference",), {429}),
    ("WMS.reserve", Repeat.REJECTS_DUPLICATE, 720 * H, 5 * M, 15 * M, ("reference",), {429}),
    ("CAR.label", SAME, 24 * H, 15 * M, H, ("reference",), set()),
    ("DIG.assign", SAME, FOREVER, M, M, ("reference",), {429}),
    ("INV.issue", SAME, FOREVER, M, 5 * M, ("reference",), {429}),
    ("MKT.confirmShipment", SAME, FOREVER, 5 * M, 30 * M, ("reference",), {429}),
]
# what is ordered (external id, offer), a step, what must come before it
ORDERS = [
    ([("g", "GOODS")], "g.capturePayment", {"g.screenFraud", "g.authorizePayment", "g.pickAndPack", "g.createLabel"}),
    ([("g", "GOODS")], "g.issueInvoice", {"g.capturePayment", "g.commitTax"}),
    ([("g", "GOODS"), ("c", "GIFT-CARD")], "g.authorizePayment", {"c.redeemGiftCard", "g.screenFraud"}),
    ([("d", "DIGITAL-GOODS")], "d.capturePayment", {"d.authorizePayment", "d.deliverLicence"}),
    ([("v", "VENDOR-GOODS")], "v.capturePayment", {"v.authorizePayment", "v.orderFromVendor"}),
    ([("m", "MARKETPLACE-GOODS")], "m.deliverParcel", {"m.createLabel", "m.confirmToMarketplace"}),
]


def plan(sold: list[tuple[str, str]], action: str = "add") -> Plan:
    """The plan of what is sold together."""
    return planned(SET, [PlanItem(name, "", action, offer) for name, offer in sold])


class WhenTheSetIsUsed:
    @pytest.mark.parametrize(("name", "repeat", "lives", "settles", "second", "ways", "proof"), CONTRACTS)
    def test_its_contracts_are_those_that_such_systems_have(self, name, repeat, lives, settles, second, ways, proof):
        contract = SET.operations[name]
        assert (contract.repeat, contract.key_lives) == (repeat, lives)
        assert (contract.settle_window, contract.second_look) == (settles, second)
        assert tuple(way.method for way in contract.look_ups) == ways
        assert proof >= contract.not_sent_statuses - {503}

    @pytest.mark.parametrize(("sold", "step", "first"), ORDERS)
    def test_what_costs_money_comes_after_what_may_still_fail(self, sold, step, first):
        item, _, name = step.partition(".")
        assert first <= before(plan(sold), item, name)

    def test_a_return_is_paid_back_only_once_it_was_received(self):
        assert "g.receiveReturn" in before(plan([("g", "GOODS")], "delete"), "g", "refundPayment")

    def test_money_is_tried_again_seldom_and_never_after_a_time_out(self):
        for task, attempts in (("authorizePayment", 2), ("capturePayment", 3), ("orderFromVendor", 1)):
            retry = retry_for(SET, task)
            assert retry.attempts_max == attempts
            assert "UNKNOWN_OUTCOME" not in retry.codes

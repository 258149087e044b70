"""§17.1: the specification's five internal states and what the customer is told, by the messages that are shipped."""

from datetime import timedelta

import pytest
from tests.core.things import HOUR, NOW, a_case, a_task, an_item, an_order

from fallsafe import policyset
from fallsafe.core.comms.boundary import customer_view
from fallsafe.core.orders.order import OrderState
from fallsafe.core.orders.task import TaskState
from fallsafe.core.triage.impact import Impact, impact_of
from fallsafe.core.triage.taxonomy import Recoverability

# internal state                      what the customer reads begins with
FIVE = [
    ("ADDRESS_NOT_SERVICEABLE", "We need to verify your service address."),
    ("MISSING_CALLBACK", "Your activation is taking longer than expected."),
    ("SKU_OUT_OF_STOCK", "Your shipment is delayed."),
    ("UNKNOWN_OUTCOME", "We are confirming your activation status."),
]


def said(telco, code, *, order=None, tasks=(), **values):
    case = a_case(code=code, message_key=telco.codes[code].message) if code else None
    view = customer_view(
        order or an_order(),
        [an_item()],
        tasks,
        [case] if case else [],
        telco.messages,
        "en",
        NOW,
        NOW + HOUR,
        titles={code: offer.title for code, offer in telco.offers.items()},
        values=values,
    )
    return view.text


class WhenAnInternalStateIsToldToTheCustomer:
    @pytest.mark.parametrize(("code", "begins"), FIVE)
    def test_it_is_truthful_without_internal_detail(self, telco, code, begins):
        text = said(telco, code, link="https://shop.example/check")
        assert text.startswith(begins)
        assert code not in text

    def test_a_billing_failure_that_the_customer_does_not_notice_is_not_told(self, telco):
        assert telco.codes["CHARGE_COMPONENT_REJECTED"].message == "hidden"
        assert said(telco, "CHARGE_COMPONENT_REJECTED").startswith("We are working on your order.")

    def test_every_code_has_a_message_that_exists(self, telco):
        assert {c.message for c in telco.codes.values() if c.message} <= telco.messages.keys()

    @pytest.mark.parametrize("policy", ["telco", "commerce"])
    def test_where_no_code_decides_there_is_a_message_for_every_recoverability_and_impact(self, policy):
        shipped = policyset.load(policyset.shipped(policy))
        every = {(kind.value, hurt.value) for kind in Recoverability for hurt in Impact}
        assert shipped.message_by_failure.keys() == every
        assert set(shipped.message_by_failure.values()) <= shipped.messages.keys()
        assert shipped.codes["UNCLASSIFIED"].message == ""

    # domain, cause, regulated                              whom it hurts
    @pytest.mark.parametrize(
        ("domain", "cause", "regulated", "hurts"),
        [
            ("Provisioning", "no_answer", False, Impact.CUSTOMER),
            ("Provisioning", "missing", True, Impact.COMPLIANCE),
            ("Provisioning", "missing", False, Impact.CUSTOMER),
            ("Inventory", "idempotency", False, Impact.COST),
            ("Billing", "invalid", False, Impact.REVENUE),
            ("Platform", "defect", False, Impact.OPERATIONAL),
            ("Inventory", "mismatch", False, Impact.DATA_QUALITY),
        ],
    )
    def test_whom_a_failure_hurts_is_known_by_its_domain_and_cause(self, domain, cause, regulated, hurts):
        assert impact_of(domain, cause, regulated=regulated) is hurts

    def test_every_code_leads_to_something_that_may_be_said_without_further_evidence(self, telco):
        for code, known in telco.codes.items():
            assert not known.message or said(telco, code)

    def test_nothing_is_completed_before_every_step_is(self, telco):
        done = an_order(state=OrderState.COMPLETED)
        assert "active and ready" in said(telco, "", order=done, tasks=[a_task(4, TaskState.COMPLETED)])
        for state in (TaskState.UNKNOWN, TaskState.WAITING_CALLBACK, TaskState.FAILED):
            assert "active and ready" not in said(telco, "", order=done, tasks=[a_task(4, state)])

    def test_an_order_whose_date_can_be_kept_is_on_track(self, telco):
        assert said(telco, "") == "Your order is on track. Planned date: 3 July 2026."

    def test_one_whose_date_has_passed_is_not(self, telco):
        late = an_order(committed_at=NOW - timedelta(days=1))
        assert said(telco, "", order=late).startswith("We are working on your order.")

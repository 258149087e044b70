"""Approvals: bound to what was approved, and never outliving their time (§22: stale approval after a price change)."""

import pytest
from tests.core.things import DAY, HOUR, NOW, a_draft

from fallsafe.core.orders.approvals import check_approvals, order_facts
from fallsafe.core.orders.draft import ApprovalDraft

MARK, OTHER = "a" * 64, "b" * 64
REQUIRED = (("discount", "A discount above 20 % needs the approval of the deal desk."),)


def approval(fingerprint: str = MARK, what: str = "discount", expires_at=None) -> ApprovalDraft:
    return ApprovalDraft(what, fingerprint, "mia", NOW - DAY, expires_at)


class WhenAnOrderNeedsAnApproval:
    # it carries                                              its hold
    @pytest.mark.parametrize(
        ("approvals", "code"),
        [
            ((), "APPROVAL_MISSING"),
            ((approval(),), None),
            ((approval(OTHER),), "APPROVAL_STALE"),
            ((approval(OTHER), approval()), None),
            ((approval(what="order_value"),), "APPROVAL_MISSING"),
            ((approval(expires_at=NOW + HOUR),), None),
            ((approval(expires_at=NOW),), "APPROVAL_MISSING"),
            ((approval(OTHER, expires_at=NOW - HOUR),), "APPROVAL_MISSING"),
        ],
    )
    def test_only_a_living_one_for_this_content_counts(self, approvals, code):
        hold = check_approvals(MARK, {}, approvals, REQUIRED, NOW)
        assert (hold.code if hold else None) == code

    def test_one_for_the_accepted_quote_counts(self):
        assert check_approvals(MARK, {"fingerprint": OTHER}, (approval(OTHER),), REQUIRED, NOW) is None

    def test_each_that_is_required_is_asked_for(self):
        required = (*REQUIRED, ("order_value", "It is worth much."))
        assert check_approvals(MARK, {}, (approval(),), required, NOW).code == "APPROVAL_MISSING"

    def test_the_sentence_says_which_rule_and_whose_approval(self):
        why = check_approvals(MARK, {}, (approval(OTHER),), REQUIRED, NOW).why
        assert why == f"{REQUIRED[0][1]} The approval 'discount' by mia was given for other content."

    def test_an_order_that_needs_none_goes_on(self):
        assert check_approvals(MARK, None, (), (), NOW) is None


class WhenConditionsReadAnOrder:
    def test_amounts_and_the_discount_are_there(self):
        draft = a_draft(quote={"discountPercent": 25})
        facts = order_facts(draft, draft.items)
        assert (facts["discountPercent"], facts["orderValueMinor"]) == (25, 60_000)

    @pytest.mark.parametrize("quote", [{}, {"discountPercent": "much"}, {"discountPercent": True}])
    def test_a_discount_that_is_no_number_is_none(self, quote):
        assert order_facts(a_draft(quote=quote), ())["discountPercent"] == 0

"""What changed between two sets, in words, each with from when it counts (model rule 9)."""

import pytest
from tests.policyset.sets import TELCO, with_text

from fallsafe.core.policy.diff import Counts
from fallsafe.policyset import PolicyError, differences

FIBER = """      - step: activateFiberService
        task_type: activateFiberService
        after: [scheduleInstallation]
"""
CHECKED_FIBER = """      - step: checkServiceability
        task_type: checkServiceability
        after: [scheduleInstallation]
      - step: activateFiberService
        task_type: activateFiberService
        after: [checkServiceability]
"""
FIBER_IS_CHECKED = (
    "plan FIBER-HOME-1G × add: loses scheduleInstallation in steps activateFiberService after; "
    "gains checkServiceability in steps activateFiberService after; "
    "gains checkServiceability after scheduleInstallation in steps"
)
ROUTER = """  - offer: WIFI-ROUTER
    action: add
    steps:
      - step: reserveRouter
        task_type: reserveRouter
"""
DELAYED = (
    "message shipment_delayed: texts en was Your shipment is delayed. New expected date: {date}., "
    "is Your parcel is delayed. New expected date: {date}."
)
# file, what stands there, what is written instead, the sentence, from when it counts
CHANGES = [
    ("operations.yaml", "key_lives: PT24H", "key_lives: PT48H",
     "contract BIL.createAccount: key_lives was PT24H, is PT48H", Counts.WHEN_PLANNED),
    ("classification.yaml", "owner: SUPPLY_CHAIN\n    automation: propose\n    first_step: Wait for stock",
     "owner: ORDER_DESK\n    automation: propose\n    first_step: Wait for stock",
     "rule H01: owner was SUPPLY_CHAIN, is ORDER_DESK", Counts.AT_ONCE),
    ("classification.yaml", "codes: [SKU_OUT_OF_STOCK]", "codes: [SKU_OUT_OF_STOCK, NO_STOCK]",
     "rule H01: gains NO_STOCK in codes", Counts.AT_ONCE),
    ("plans.yaml", FIBER, CHECKED_FIBER, FIBER_IS_CHECKED, Counts.WHEN_PLANNED),
    ("plans.yaml", ROUTER, "", "plan WIFI-ROUTER × add is gone", Counts.WHEN_PLANNED),
    ("offers.yaml", "  STATIC-IP:", "  STATIC-IP-6: {title: Static IPv6 prefix}\n  STATIC-IP:",
     "offer STATIC-IP-6 is new", Counts.WHEN_PLANNED),
    ("task_types.yaml", "breach: PT15M\n    at_breach: look_up\n    ponr: soft # early termination",
     "breach: PT20M\n    at_breach: look_up\n    ponr: soft # early termination",
     "task type activateFiberService: breach was PT15M, is PT20M", Counts.WHEN_PLANNED),
    ("retry.yaml", "  activateVoice: network_activation\n", "", "retry of task type activateVoice is gone",
     Counts.WHEN_PLANNED),
    ("messages.yaml", 'en: "Your shipment is delayed. New', 'en: "Your parcel is delayed. New',
     DELAYED, Counts.AT_ONCE),
    ("severity.yaml", "points: 40, sentence", "points: 45, sentence",
     "factor customer impact: rows the promised date has passed points was 40, is 45", Counts.AT_ONCE),
    ("ownership.yaml", "escalates_to: Care duty manager", "escalates_to: Head of care",
     "team CUSTOMER_CARE: escalates_to was Care duty manager, is Head of care", Counts.AT_ONCE),
    ("holidays.yaml", '  - "2026-12-25"\n', '  - "2026-12-25"\n  - "2026-12-26"\n', "holiday 2026-12-26 is new",
     Counts.AT_ONCE),
]  # fmt: skip


class WhenTwoSetsAreCompared:
    @pytest.mark.parametrize(("file", "was", "now", "sentence", "counts"), CHANGES, ids=[c[3][:40] for c in CHANGES])
    def test_each_change_is_one_sentence_that_names_the_thing(self, file, was, now, sentence, counts):
        found = differences(TELCO, with_text(file, was, now))
        assert [(change.sentence, change.counts) for change in found] == [(sentence, counts)]

    def test_a_comment_or_another_order_of_entries_is_no_change(self):
        assert differences(TELCO, TELCO) == ()
        moved = with_text("offers.yaml", "  STATIC-IP: {title: Static IP address}\n", "")
        moved["offers.yaml"] += b"  STATIC-IP: {title: Static IP address} # at the end\n"
        assert differences(TELCO, moved) == ()

    def test_what_cannot_be_read_cannot_be_compared(self):
        with pytest.raises(PolicyError, match=r"offers\.yaml:1"):
            differences(TELCO, {**TELCO, "offers.yaml": b"}{"})

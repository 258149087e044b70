"""§2: an exception is evidence, fallout is a managed state. The table of the specification, row by row."""

from datetime import timedelta

import pytest
from tests.core.things import NOW, a_command

from fallsafe.core.commands.disposition import Disposition, dispose
from fallsafe.core.commands.ledger import CommandState, Purpose, next_state
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.orders.approvals import check_approvals
from fallsafe.core.recover.strategy import FailureFacts, Freeze, Ignore, OpenCase, Reconcile, needs_a_case, recover
from fallsafe.core.triage.taxonomy import Recoverability

R, S = Recoverability, CommandState
SOON = NOW + timedelta(seconds=10)

# situation: what is known of it, is it fallout?
SITUATIONS = {
    "503 from provisioning, retry allowed": (
        FailureFacts("DOWNSTREAM_BUSY", "Provisioning", "unreachable", R.TRANSIENT, "act", retry_at=SOON),
        False,
    ),
    "503 from provisioning, attempts spent": (
        FailureFacts("DOWNSTREAM_BUSY", "Provisioning", "unreachable", R.TRANSIENT, "act"),
        True,
    ),
    "400, a required field is missing": (
        FailureFacts("PAYLOAD_INCOMPLETE", "Data", "invalid", R.REPAIRABLE, command=S.REJECTED),
        True,
    ),
    "accepted, and no callback arrives": (
        FailureFacts("MISSING_CALLBACK", "Provisioning", "no_answer", R.UNKNOWN_OUTCOME, command=S.UNKNOWN),
        True,
    ),
    "the installer misses the appointment": (
        FailureFacts("APPOINTMENT_MISSED", "Manual Ops", "missed", R.REPAIRABLE, executor="manual", overdue=True),
        True,
    ),
    "the discount was never approved": (
        FailureFacts("APPROVAL_MISSING", "Pricing", "policy", R.POLICY_EXCEPTION),
        True,
    ),
    "a callback comes twice": (
        FailureFacts("", "Platform", "", R.TRANSIENT, disposition=Disposition.DUPLICATE),
        False,
    ),
    "a command took effect twice": (
        FailureFacts("DUPLICATE_EFFECT", "Billing", "idempotency", R.COMPENSATABLE, command=S.DONE),
        True,
    ),
}


class WhenSomethingHappens:
    @pytest.mark.parametrize(("facts", "fallout"), SITUATIONS.values(), ids=SITUATIONS.keys())
    def test_it_is_fallout_when_the_order_cannot_safely_go_on_by_itself(self, facts, fallout):
        assert needs_a_case(recover(facts)) is fallout

    def test_an_unknown_outcome_is_found_out_first(self):
        assert recover(SITUATIONS["accepted, and no callback arrives"][0]) == Reconcile()

    def test_a_second_effect_freezes_what_it_touched(self):
        assert recover(SITUATIONS["a command took effect twice"][0]) == Freeze()

    def test_a_duplicate_callback_moves_nothing(self):
        verdict = dispose(a_command(S.DONE, attempts=1, reference="SRV-1"), Fact(Says.DONE, "callback", "SRV-1"))
        assert (verdict.verb, verdict.opens) == (None, None)
        assert recover(SITUATIONS["a callback comes twice"][0]) == Ignore()

    def test_a_missing_approval_is_found_before_the_first_command(self):
        assert check_approvals("f" * 64, None, (), [("discount", "Above 20 %.")], NOW).code == "APPROVAL_MISSING"
        assert recover(SITUATIONS["the discount was never approved"][0]) == OpenCase()

    def test_a_503_that_proves_that_nothing_happened_leaves_the_same_command_to_be_sent(self):
        verdict = dispose(a_command(S.SENDING, attempts=1), Fact(Says.NOT_SENT, "answer", attempt=1))
        assert next_state(S.SENDING, verdict.verb, Purpose.FULFILL) is S.INTENDED

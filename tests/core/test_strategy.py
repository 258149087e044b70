"""The recovery matrix of §10, row by row: the safe default happens, the dangerous one never does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import DAY, MINUTE, NOW

from fallsafe.core.commands.disposition import Disposition
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.recover.strategy import (
    MATRIX,
    AskCustomer,
    BlockHandoff,
    CancelItem,
    Escalate,
    FailureFacts,
    Freeze,
    Ignore,
    OpenCase,
    Park,
    Reconcile,
    RetrySameCommand,
    Stop,
    Undo,
    Wait,
    needs_a_case,
    recover,
    row_of,
)
from fallsafe.core.triage.taxonomy import DOMAINS, Recoverability

R = Recoverability
LATER = NOW + MINUTE
REJECTED = FailureFacts("PAYLOAD_REJECTED", "Data", "invalid", R.REPAIRABLE, command=CommandState.REJECTED)
BUSY = FailureFacts(
    "DOWNSTREAM_BUSY", "Provisioning", "unreachable", R.TRANSIENT, "act", command=CommandState.INTENDED, retry_at=LATER
)
LOST = FailureFacts(
    "MISSING_CALLBACK", "Provisioning", "no_answer", R.UNKNOWN_OUTCOME, "act", command=CommandState.UNKNOWN
)

# failure mode of §10                 the facts                                    safe default              dangerous
MATRIX_OF_THE_SPECIFICATION = [
    ("transient HTTP 503", BUSY, RetrySameCommand(LATER), "retry at once, for ever"),
    ("validation reject", REJECTED, OpenCase(), RetrySameCommand),
    ("missing callback", LOST, Reconcile(), RetrySameCommand),
    ("duplicate callback", replace(REJECTED, code="", disposition=Disposition.DUPLICATE), Ignore(), Undo),
    (
        "partial downstream completion",
        FailureFacts("PARTIAL_COMPLETION", "Provisioning", "partial", R.UNKNOWN_OUTCOME, command=CommandState.REJECTED),
        Reconcile(),
        CancelItem,
    ),
    (
        "billing mismatch",
        FailureFacts("PRICE_MISMATCH", "Pricing", "mismatch", R.POLICY_EXCEPTION, command=CommandState.REJECTED),
        BlockHandoff(),
        RetrySameCommand,
    ),
    (
        "stale catalog mapping",
        FailureFacts("PRODUCT_MAPPING_MISSING", "Catalog", "mapping", R.REPAIRABLE, retry_at=LATER),
        Stop(),
        RetrySameCommand,
    ),
    (
        "manual task overdue",
        FailureFacts("MANUAL_TASK_OVERDUE", "Manual Ops", "missed", R.REPAIRABLE, executor="manual", overdue=True),
        Escalate(),
        Ignore,
    ),
    (
        "customer data missing",
        FailureFacts("TAX_ID_MISSING", "Data", "missing", R.REPAIRABLE, "propose", command=CommandState.REJECTED),
        AskCustomer(),
        RetrySameCommand,
    ),
    (
        "duplicate shipment risk",
        FailureFacts("DUPLICATE_SHIPMENT_RISK", "Inventory", "idempotency", R.UNKNOWN_OUTCOME, retry_at=LATER),
        Freeze(),
        RetrySameCommand,
    ),
]
# beside the ten rows
OTHERS = [
    (replace(BUSY, retry_at=None), OpenCase()),  # attempts are spent
    (replace(BUSY, system_tripped=True), Park()),
    (replace(REJECTED, wait_until=NOW + DAY), Wait(NOW + DAY)),
    (replace(REJECTED, disposition=Disposition.CONFLICT), OpenCase()),
    (replace(REJECTED, disposition=Disposition.CONFLICT, second_effect=True), Freeze()),
    (replace(REJECTED, code="ABSENCE_WRONG", disposition=Disposition.LATE), OpenCase()),
    (replace(LOST, command=CommandState.ABSENT, retry_at=NOW), RetrySameCommand(NOW)),
    (replace(LOST, command=CommandState.ABSENT), OpenCase()),  # the contract recognizes no repeat, or its key is gone
    (replace(LOST, command=CommandState.INTENDED, repeat_refused=True), OpenCase()),
    (replace(REJECTED, recoverability=R.TERMINAL), OpenCase()),  # nobody has decided that yet
    (replace(REJECTED, proved_terminal=True), CancelItem()),
    (replace(REJECTED, proved_terminal=True, effects=2), Undo()),
    (FailureFacts("TAX_ID_MISSING", "Data", "missing", R.REPAIRABLE, "person"), OpenCase()),
]


class WhenAFailureIsRecovered:
    @pytest.mark.parametrize(("facts", "safe"), [(f, s) for _, f, s, _ in MATRIX_OF_THE_SPECIFICATION] + OTHERS)
    def test_the_safe_default_happens(self, facts, safe):
        assert recover(facts) == safe

    @pytest.mark.parametrize(
        ("facts", "dangerous"), [(f, d) for _, f, _, d in MATRIX_OF_THE_SPECIFICATION if isinstance(d, type)]
    )
    def test_the_dangerous_default_is_named_as_never(self, facts, dangerous):
        assert dangerous in row_of(facts).never

    def test_a_busy_system_is_not_asked_again_at_once_nor_for_ever(self):
        assert recover(BUSY).at > NOW
        assert recover(replace(BUSY, retry_at=None)) == OpenCase()

    def test_each_of_the_ten_rows_has_a_row_of_its_own(self):
        assert len({row_of(f).name for _, f, _, _ in MATRIX_OF_THE_SPECIFICATION}) == 10
        assert len({row.name for row in MATRIX}) == len(MATRIX)


FACTS = st.builds(
    FailureFacts,
    code=st.sampled_from(["UNKNOWN_OUTCOME", "DUPLICATE_SHIPMENT_RISK", "DOWNSTREAM_BUSY", "OFFER_RETIRED"]),
    domain=st.sampled_from(DOMAINS),
    cause=st.sampled_from(["no_answer", "partial", "mismatch", "missing", "mapping", "customer_action", "unreachable"]),
    recoverability=st.sampled_from(R),
    automation=st.sampled_from(["act", "propose", "person"]),
    disposition=st.sampled_from(Disposition),
    second_effect=st.booleans(),
    repeat_refused=st.booleans(),
    command=st.none() | st.sampled_from(CommandState),
    executor=st.sampled_from(["command", "manual", "external"]),
    overdue=st.booleans(),
    retry_at=st.none() | st.just(LATER),
    wait_until=st.none() | st.just(LATER),
    system_tripped=st.booleans(),
    proved_terminal=st.booleans(),
    effects=st.integers(0, 3),
)


class WhenAnythingFails:
    @given(FACTS)
    def test_no_row_ever_does_what_it_is_there_to_prevent(self, facts):
        assert not isinstance(recover(facts), row_of(facts).never)

    @given(FACTS)
    def test_while_nobody_can_prove_what_happened_nothing_is_sent_undone_or_cancelled(self, facts):
        if facts.outcome_unknown and facts.command is not CommandState.ABSENT:
            assert not isinstance(recover(facts), RetrySameCommand | Undo | CancelItem)

    @given(FACTS)
    def test_it_is_settled_by_itself_or_becomes_a_case(self, facts):
        step = recover(facts)
        assert needs_a_case(step) != isinstance(step, Ignore | Wait | RetrySameCommand | Park)

    def test_the_last_row_takes_what_no_other_does(self):
        assert MATRIX[-1].holds(REJECTED)

"""Case work in the core: what keeps a case from being ended, how two become one, when a claim and a wait are over, and
which failures a success of the work ends (§8, §9, P1, P4, P7).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.core.things import a_case, a_command, a_task, an_item, an_order

from fallsafe.core.cases.case import is_of_the_work
from fallsafe.core.cases.work import Around, Claim, Wait, decide, joined, lapsed, standing, waited
from fallsafe.core.commands.ledger import CommandState, Purpose
from fallsafe.core.orders.draft import instant
from fallsafe.core.orders.item import ItemState
from fallsafe.core.orders.task import TaskState

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOBODY = Around("", "", {})


class WhenAnItemIsHeld:
    @pytest.mark.parametrize(
        ("hold_code", "detector", "stands"),
        [("PRODUCT_MAPPING_MISSING", "person", True), ("PRODUCT_MAPPING_MISSING", "planning", True),
         ("", "planning", True), ("", "person", False)],
    )  # fmt: skip
    def test_a_case_of_it_ends_only_where_nothing_but_somebodys_word_holds_it(self, hold_code, detector, stands):
        item = an_item(state=ItemState.HELD, hold_code=hold_code)
        case = a_case(task_id=None, item_id=item.id, detector=detector)
        assert bool(standing(case, an_order(), item, None)) is stands


class WhenAnEngineWasToBeToldSomethingAndItsRetriesAreSpent:
    def test_its_case_stands_until_the_word_was_sent(self) -> None:
        step = a_task(state=TaskState.HANDED_OVER, executor="external")
        intended, done = (
            a_command(state, purpose=Purpose.RESUME) for state in (CommandState.INTENDED, CommandState.DONE)
        )
        assert "has not been sent" in standing(a_case(), None, None, step, intended)
        assert standing(a_case(), None, None, step, done) == ""


class WhenTwoCasesOfOneFailureBecomeOne:
    def test_it_is_as_old_as_late_and_as_high_up_as_the_older(self):
        older = a_case(
            id=1, detector="planning", detected_at=NOW - HOUR, occurred_at=NOW - 2 * HOUR, sla_due_at=NOW + HOUR,
            escalated_to="HEAD", occurrences=3,
        )  # fmt: skip
        newer = a_case(id=2, detector="person", detected_at=NOW, occurred_at=NOW, sla_due_at=None, occurrences=1)
        both = joined(newer, older, NOW)
        assert (both.id, both.detected_at, both.occurred_at) == (2, NOW - HOUR, NOW - 2 * HOUR)
        assert (both.sla_due_at, both.escalated_to, both.occurrences) == (NOW + HOUR, "HEAD", 4)
        assert both.detector == "planning"
        assert joined(older, newer, NOW).detector == "planning"
        assert joined(replace(newer, task_id=4), older, NOW).detector == "person"


class WhenTimeIsOver:
    def test_a_claim_is_kept_as_long_as_its_case_waits_and_no_longer(self):
        (step,) = decide(a_case(), "F-1", Claim("ann"), NOBODY, NOW)
        (step,) = decide(step.case, "F-1", Wait("network", "a date", NOW + 20 * HOUR), NOBODY, NOW)
        assert lapsed(step.case, NOW + 19 * HOUR) is None
        free = lapsed(step.case, NOW + 20 * HOUR)
        assert free is not None and free.assignee == ""

    def test_a_wait_ends_with_its_time_and_stands_on_the_day_of_whoever_has_the_case(self):
        (step,) = decide(a_case(), "F-1", Wait("network", "a date", NOW + HOUR), NOBODY, NOW)
        assert waited(step.case, NOW) is None
        on = waited(step.case, NOW + HOUR)
        assert on is not None and on.waiting_for is None
        assert on.handling["follow_up_at"] == (NOW + HOUR).isoformat()
        assert waited(on, NOW + 2 * HOUR) is None


class WhenTheWorkIsDone:
    @pytest.mark.parametrize(
        ("detector", "code", "repaired", "ends"),
        [
            ("outcome", "PAYLOAD_REJECTED", False, True),
            ("outcome", "DUPLICATE_EFFECT", False, False),
            ("person", "PRICE_MISMATCH", False, False),
            ("signal", "LINE_DOWN", False, False),
            ("person", "MISSING_CALLBACK", False, True),
            ("person", "PRICE_MISMATCH", True, True),
        ],
    )
    def test_that_ends_what_is_about_the_work_and_no_other_word(self, detector, code, repaired, ends):
        case = a_case(detector=detector, code=code, repair={"id": "RA-1"} if repaired else None)
        assert is_of_the_work(case) is ends


class WhenATimeIsGiven:
    @pytest.mark.parametrize(
        "text",
        ["2099-06-30T23:59:60Z", "2099-01-01T00:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "soon"],
    )
    def test_what_no_calendar_has_is_none(self, text):
        with pytest.raises((ValueError, OverflowError)):
            instant(text)

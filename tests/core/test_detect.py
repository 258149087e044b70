"""Direct detection (§6.1) and silence (§6.2): a signal keeps the system's own words and knows where it happened."""

import pytest
from tests.core.things import HOUR, MINUTE, NOW, a_command, a_task, an_operation

from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, NotSent, Rejected, Says
from fallsafe.core.detect.direct import detect, detect_silence
from fallsafe.core.detect.signal import Detector
from fallsafe.core.events import event_name
from fallsafe.core.orders.task import TaskState


def signal(outcome, **more):
    return detect(a_task(), a_command(), outcome, an_operation(), NOW, **more)


class WhenAnAttemptComesBack:
    @pytest.mark.parametrize("outcome", [Accepted(), Done("R"), Looked(Says.ABSENT)])
    def test_what_went_well_gives_no_signal(self, outcome):
        assert signal(outcome) is None

    # outcome                                                  sign        raw code       words
    @pytest.mark.parametrize(
        ("outcome", "sign", "raw_code", "message"),
        [
            (
                Rejected("BC-1404 ACCOUNT_NOT_FOUND", "acct unknown"),
                "rejected",
                "BC-1404 ACCOUNT_NOT_FOUND",
                "acct unknown",
            ),
            (NotSent("refused"), "refused", "", ""),
            (NotSent("http_429", "TOO_MANY"), "http_429", "TOO_MANY", ""),
            (Lost("timeout"), "timeout", "", ""),
            (Lost("already_done", "DUPLICATE_REQUEST", "seen"), "already_done", "DUPLICATE_REQUEST", "seen"),
        ],
    )
    def test_the_words_of_the_system_are_kept(self, outcome, sign, raw_code, message):
        found = signal(outcome)
        assert (found.sign, found.raw_code, found.message) == (sign, raw_code, message)

    def test_it_knows_where_it_happened(self):
        found = signal(Lost("timeout"), offer="FIBER-HOME-1G", evidence=(7,), spent=True)
        assert (found.order_id, found.item_id, found.task_id, found.command_id) == (1, 1, 4, 9)
        assert (found.system, found.operation, found.effect) == ("PRV", "PRV.activateService", True)
        assert (found.step, found.offer, found.evidence, found.spent) == (
            "activateFiberService",
            "FIBER-HOME-1G",
            (7,),
            True,
        )


class WhenAnAcceptedCommandIsSilent:
    def test_before_the_breach_it_is_only_waiting(self):
        task = a_task(4, TaskState.WAITING_CALLBACK, breach_at=NOW + MINUTE)
        assert detect_silence(task, a_command(), an_operation(), NOW) is None
        assert detect_silence(a_task(), a_command(), an_operation(), NOW) is None

    def test_past_it_the_failure_happened_at_the_breach_and_was_seen_now(self):
        task = a_task(4, TaskState.WAITING_CALLBACK, breach_at=NOW - HOUR)
        found = detect_silence(task, a_command(), an_operation(), NOW)
        assert (found.detector, found.sign) == (Detector.OVERDUE, "silent")
        assert (found.occurred_at, found.detected_at) == (NOW - HOUR, NOW)


class WhenARecordIsShownAsAnEvent:
    @pytest.mark.parametrize(
        ("thing", "verb", "name"),
        [
            ("command", "lose", "UnknownOutcomeDetected"),
            ("command", "find_absent", "ExternalStateReconciled"),
            ("case", "detect", "FalloutDetected"),
            ("case", "heal", "FalloutResolved"),
            ("task", "dependencies_met", "TaskDependenciesMet"),
        ],
    )
    def test_it_has_the_name_of_the_specification_or_that_of_thing_and_verb(self, thing, verb, name):
        assert event_name(thing, verb) == name

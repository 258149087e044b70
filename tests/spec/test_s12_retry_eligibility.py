"""§12.1: the six conditions under which the same command may go out again; take one away, and it does not."""

from datetime import timedelta

import pytest
from tests.core.things import DAY, HOUR, NOW, a_command, a_lost_command, an_operation

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.ledger import CommandState, may_send
from fallsafe.core.recover.retry import RetryPolicy, decide

POLICY = RetryPolicy("x", frozenset({"DOWNSTREAM_BUSY"}), 3, (timedelta(seconds=10),), 0.0, HOUR, "case")


def again(*, code="DOWNSTREAM_BUSY", failures=1, state=CommandState.INTENDED, after=timedelta(0)):
    command = a_command(state, attempts=failures, retries=failures, failing_since=NOW)
    return decide(POLICY, command, NOW + after, 0.5, code) is not None


class WhenAFailureIsTransient:
    def test_it_is_retried_when_all_conditions_hold(self):
        assert again()

    @pytest.mark.parametrize(
        ("missing", "changes"),
        [
            ("the failure is transient", {"code": "ADDRESS_NOT_SERVICEABLE"}),
            ("no human correction is required", {"code": "PAYLOAD_INCOMPLETE", "state": CommandState.REJECTED}),
            ("the retry budget is not exceeded: attempts", {"failures": 3}),
            ("the retry budget is not exceeded: window", {"after": HOUR}),
            ("the external outcome is known", {"state": CommandState.UNKNOWN}),
        ],
    )
    def test_it_is_not_where_one_is_missing(self, missing, changes):
        assert not again(**changes), missing

    # the command is idempotent, and the other system is safe against duplicates
    @pytest.mark.parametrize(
        ("repeat", "key_lives", "may"),
        [
            (Repeat.SAME_RESULT, DAY, True),
            (Repeat.REJECTS_DUPLICATE, DAY, True),
            (Repeat.REPLAYS_SAVED_ERROR, DAY, False),
            (Repeat.UNSUPPORTED, DAY, False),
            (Repeat.SAME_RESULT, HOUR, False),
        ],
    )
    def test_after_an_attempt_that_may_have_left_the_same_identity_must_be_recognized(self, repeat, key_lives, may):
        command = a_lost_command(state=CommandState.INTENDED)
        operation = an_operation(repeat=repeat, key_lives=key_lives)
        assert (may_send(command, operation, NOW + 2 * HOUR) is None) is may

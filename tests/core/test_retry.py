"""Retry (§12): only what proved that nothing happened, only as often and as long as policy says."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import HOUR, MINUTE, NOW, a_command

from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.recover.retry import RetryPolicy, decide, delay

SECOND = timedelta(seconds=1)
POLICY = RetryPolicy(
    name="default",
    codes=frozenset({"DOWNSTREAM_UNREACHABLE", "DOWNSTREAM_BUSY"}),
    attempts_max=5,
    delays=(10 * SECOND, 30 * SECOND, 90 * SECOND),
    jitter=0.2,
    window=HOUR,
    on_exhaustion="case",
)
MIDDLE = 0.5


def failed(failures: int, state=CommandState.INTENDED):
    """A command that failed so often in a row since now."""
    return a_command(state, attempts=failures, retries=failures, failing_since=NOW)


def at(failures: int, *, code="DOWNSTREAM_BUSY", state=CommandState.INTENDED, after=timedelta(0), **more):
    return decide(POLICY, failed(failures, state), NOW + after, MIDDLE, code, **more)


class WhenNothingLeft:
    @pytest.mark.parametrize(("failures", "seconds"), [(1, 10), (2, 30), (3, 90), (4, 90)])
    def test_the_same_command_goes_out_again_after_a_growing_wait(self, failures, seconds):
        assert at(failures) == NOW + seconds * SECOND

    def test_attempts_have_an_end(self):
        assert at(5) is None

    def test_the_window_has_an_end(self):
        assert at(2, after=HOUR - 30 * SECOND) == NOW + HOUR
        assert at(2, after=HOUR - 29 * SECOND) is None

    def test_what_the_other_system_asked_for_is_not_undercut(self):
        assert at(1, retry_after=5 * MINUTE) == NOW + 5 * MINUTE
        assert at(1, retry_after=SECOND) == NOW + 10 * SECOND
        assert at(1, retry_after=2 * HOUR) is None

    def test_a_policy_with_one_attempt_never_retries(self):
        once = RetryPolicy("shipment", POLICY.codes, 1, (), 0, HOUR, "case")
        assert decide(once, failed(1), NOW, MIDDLE, "DOWNSTREAM_BUSY") is None


class WhenItMustNotBeTriedAgain:
    @pytest.mark.parametrize("code", ["UNKNOWN_OUTCOME", "ADDRESS_NOT_SERVICEABLE", ""])
    def test_a_code_that_policy_does_not_name_is_not(self, code):
        assert at(1, code=code) is None

    @pytest.mark.parametrize("state", [s for s in CommandState if s is not CommandState.INTENDED])
    def test_no_state_but_intended_is(self, state):
        assert at(1, state=state) is None


class WhenTheDiceFall:
    @given(st.floats(0, 1, exclude_max=True), st.integers(1, 9))
    def test_the_wait_spreads_by_the_jitter_and_no_further(self, dice, failures):
        wait = delay(POLICY, failures, dice)
        base = POLICY.delays[min(failures, 3) - 1]
        assert 0.8 * base <= wait <= 1.2 * base

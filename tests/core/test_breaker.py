"""The breaker of a downstream (§12.3): so many proofs in a row that nothing left, and one that tries again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import MINUTE, NOW

from fallsafe.core.recover.breaker import (
    Came,
    Downstream,
    Floor,
    Health,
    Heard,
    advance,
    hear,
    probe,
    watch,
)

FLOOR = Floor(5, (10 * timedelta(seconds=1), MINUTE), MINUTE)
CLEAR = Downstream("PRV", 1, Health.CLEAR, None, None, "", 0, 0, None, None, 0)
BACK, THROUGH, NOWHERE = Came.BACK, Came.THROUGH, Came.NOWHERE


def heard(*came: Came, task: int = 1, **more: object) -> list[Heard]:
    return [Heard("PRV", task, each, **more) for each in came]  # type: ignore[arg-type]


TRIPPED = hear(CLEAR, heard(*[BACK] * 5), FLOOR, NOW)[0]
PROBING = probe(TRIPPED, 7, NOW)


class WhenAttemptsComeBackUnsent:
    @pytest.mark.parametrize(
        ("came", "state"),
        [
            ([BACK] * 4, Health.CLEAR),
            ([BACK] * 5, Health.TRIPPED),
            ([BACK] * 4 + [THROUGH, BACK], Health.CLEAR),  # not in a row
            ([BACK] * 3 + [NOWHERE] + [BACK] * 2, Health.TRIPPED),  # a time-out proves nothing, either way
            ([NOWHERE] * 50, Health.CLEAR),
        ],
    )
    def test_so_many_in_a_row_stop_it(self, came, state):
        known, verb = hear(CLEAR, heard(*came), FLOOR, NOW)
        assert known.state is state
        assert verb == ("trip" if state is Health.TRIPPED else "")

    def test_they_may_come_one_by_one(self):
        known = CLEAR
        for _ in range(5):
            known, _ = hear(known, heard(BACK), FLOOR, NOW)
        assert (known.state, known.since) == (Health.TRIPPED, NOW)

    def test_what_it_asks_for_is_not_undercut(self):
        known, _ = hear(CLEAR, heard(*[BACK] * 5, retry_after=5 * MINUTE), FLOOR, NOW)
        assert known.look_at == NOW + 5 * MINUTE


class WhenItIsStopped:
    def test_nothing_is_let_through_but_the_canary(self):
        assert not TRIPPED.lets(7)
        assert (PROBING.lets(7), PROBING.lets(8)) == (True, False)

    def test_what_was_under_way_says_nothing_new(self):
        assert hear(TRIPPED, heard(THROUGH, BACK), FLOOR, NOW) == (TRIPPED, "")
        assert hear(PROBING, heard(THROUGH, task=8), FLOOR, NOW) == (PROBING, "")

    @pytest.mark.parametrize(
        ("came", "state", "verb"),
        [
            (THROUGH, Health.RELEASING, "release"),
            (BACK, Health.TRIPPED, "fail"),
            (NOWHERE, Health.TRIPPED, "fail"),
        ],
    )
    def test_the_canary_decides(self, came, state, verb):
        known, moved = hear(PROBING, heard(came, task=7), FLOOR, NOW)
        assert (known.state, moved) == (state, verb)

    def test_each_canary_that_fails_makes_the_wait_longer(self):
        first, _ = hear(PROBING, heard(BACK, task=7), FLOOR, NOW)
        assert (TRIPPED.look_at, first.look_at) == (NOW + timedelta(seconds=10), NOW + MINUTE)
        assert first.since == NOW

    def test_a_canary_that_is_not_heard_of_gives_way(self):
        assert watch(PROBING, True, FLOOR, NOW + MINUTE).state is Health.TRIPPED
        assert watch(PROBING, True, FLOOR, NOW + MINUTE / 2).state is Health.PROBING

    def test_a_canary_that_will_not_try_gives_way_at_once(self):
        later = NOW + timedelta(seconds=5)
        given_up = watch(PROBING, False, FLOOR, later)
        assert (given_up.state, given_up.look_at, given_up.probes) == (Health.TRIPPED, later, 0)


class WhenItWorksAgain:
    def test_it_may_fail_again_while_what_was_parked_goes_on(self):
        releasing, _ = hear(PROBING, heard(THROUGH, task=7), FLOOR, NOW)
        assert releasing.lets(8)
        assert hear(releasing, heard(*[BACK] * 5), FLOOR, NOW)[0].state is Health.TRIPPED
        assert advance(releasing, "clear", NOW, "").state is Health.CLEAR


class WhenAnythingIsHeard:
    @given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from(Came)), max_size=30))
    def test_only_five_in_a_row_ever_stop_it(self, said):
        known, verb = hear(CLEAR, [Heard("PRV", task, came) for task, came in said], FLOOR, NOW)
        came = [each for _, each in said if each is not NOWHERE]
        runs = "".join("b" if each is BACK else "t" for each in came)
        assert (verb == "trip") is ("bbbbb" in runs)
        assert replace(known, failures=0).state in (Health.CLEAR, Health.TRIPPED)

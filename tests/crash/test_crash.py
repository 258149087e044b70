"""Workers, database and API die at every moment that matters; nothing is lost, and nothing is done twice (§11, §15, P1,
P2).

One run, many questions to it. The judge of "twice" is the disk of the systems outside, read after they have ended.
"""

import itertools
from collections import Counter

import pytest
from tests.crash.run import HITS_MIN, ORDERS, RANDOM_KILLS_MIN, Report, play
from tests.crash.seen import QUARANTINED, STEPS_AN_ORDER, effect_of, open_cases

from fallsafe.cli.killpoints import POINTS

TICKS_APART_SECONDS_MAX = 0.5
FINAL = ("completed", "skipped", "cancelled", "undone")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The run that all these tests are about."""
    return play(tmp_path_factory.mktemp("crash") / "home", seed=26)


class WhenProcessesDieAtEveryMoment:
    """§11, P2."""

    def test_each_kill_point_was_hit_often_enough_to_mean_something(self, run: Report) -> None:
        assert {point: run.hits[point] for point in POINTS if run.hits[point] < HITS_MIN} == {}

    def test_workers_were_also_killed_at_no_point_in_particular(self, run: Report) -> None:
        assert run.random_kills >= RANDOM_KILLS_MIN

    def test_the_database_and_the_api_died_in_the_middle_of_it(self, run: Report) -> None:
        assert (run.database_crashes, run.api_crashes) == (1, 1)

    def test_nothing_ended_that_was_not_killed(self, run: Report) -> None:
        assert run.ended_by_itself == []

    def test_no_effect_exists_twice(self, run: Report) -> None:
        assert {thing: count for thing, count in run.effects.items() if count > 1} == {}

    def test_every_task_that_is_completed_has_its_one_effect(self, run: Report) -> None:
        done = [task for task in run.tasks if task["state"] == "completed"]
        assert [effect_of(task) for task in done if run.effects.get(effect_of(task)) != 1] == []

    def test_no_effect_exists_that_no_task_says_is_completed_or_asks_about(self, run: Report) -> None:
        known = {effect_of(task) for task in run.tasks if task["state"] == "completed" or set_aside(run, task)}
        assert set(run.effects) - known == set()

    def test_every_order_is_there_with_its_whole_plan(self, run: Report) -> None:
        assert Counter(Counter(task["order_name"] for task in run.tasks).values()) == {STEPS_AN_ORDER: ORDERS}

    def test_every_order_is_final_or_says_why_it_is_not(self, run: Report) -> None:
        unfinished = {n: f for n, f in run.files.items() if f["order"]["state"] != "completed"}
        assert {n: f["progress"] for n, f in unfinished.items() if f["progress"]["verdict"] != "reason"} == {}
        assert {n for n, f in unfinished.items() if not open_cases(f)} == set()

    def test_what_is_not_completed_waits_for_a_person_because_a_repeat_is_not_safe_there(self, run: Report) -> None:
        unfinished = [task for task in run.tasks if task["state"] != "completed"]
        left = Counter(task["operation"] for task in unfinished if not set_aside(run, task))
        assert set(left) <= {"BIL.createSubscription"}
        assert left.total() < ORDERS / 2

    def test_few_orders_are_set_aside_because_workers_died_with_them_again_and_again(self, run: Report) -> None:
        assert sum(QUARANTINED in open_cases(file) for file in run.files.values()) < ORDERS / 10

    def test_the_journal_folds_into_the_rows(self, run: Report) -> None:
        assert run.audit is not None
        assert run.audit.findings == ()

    def test_no_checker_of_a_promise_finds_anything(self, run: Report) -> None:
        assert run.broken == []


class WhenSomebodyLooksAtTheCoverageAllTheWhile:
    """P1."""

    def test_everything_live_is_looked_at_again_at_every_tick(self, run: Report) -> None:
        assert [tick for tick in run.ticks if tick.gaps] == []

    def test_the_ticks_are_close_and_there_was_something_to_see(self, run: Report) -> None:
        apart = sorted(b.at - a.at for a, b in itertools.pairwise(run.ticks))
        assert apart[len(apart) * 95 // 100] < TICKS_APART_SECONDS_MAX
        assert max(tick.live for tick in run.ticks) > ORDERS

    def test_the_api_says_the_same_number(self, run: Report) -> None:
        assert (run.coverage["percent"], run.coverage["gaps"]) == (100, 0)


def set_aside(run: Report, task: dict[str, str]) -> bool:
    """Whether a task is of an order that no worker takes before a person has looked."""
    return QUARANTINED in open_cases(run.files[task["order_name"]])

"""Severity (§5.3): derived from eight factors with reasons; the case of §26 is critical on every day of the week."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import DAY, HOUR, NOW, a_case, an_item, an_order

from fallsafe.core.calendar import zone_of
from fallsafe.core.orders.item import ItemState
from fallsafe.core.orders.order import OrderState
from fallsafe.core.triage.severity import (
    Factor,
    FactorRow,
    Floor,
    Level,
    SeverityPolicy,
    derive,
    severity_facts,
    worth_of,
)

FIBER = an_item("fiber", id=1, state=ItemState.HELD)
DRILL = (
    FIBER,
    an_item("static-ip", id=2, parent_id=1, state=ItemState.HELD),
    an_item("router", id=3, parent_id=1, one_off_minor=6_000, state=ItemState.COMPLETED),
    an_item("billing", id=4, parent_id=1, monthly_minor=4_500, state=ItemState.HELD),
)


def facts(*, order=None, now=NOW, holidays=frozenset(), **told):
    known = {
        "item": FIBER,
        "worth": worth_of(DRILL),
        "case": a_case(domain="Provisioning", recoverability="unknown_outcome"),
        "outcome_unknown": True,
        "moves_money_or_goods": False,
        "blocked_tasks": 2,
        "same_fingerprint_24h": 1,
    }
    return severity_facts(order=order or an_order(), now=now, holidays=holidays, **{**known, **told})


def row(condition, points, sentence=""):
    return FactorRow(condition, points, sentence or f"{points} points")


POLICY = SeverityPolicy(
    factors=(
        Factor(
            "customer impact",
            (
                row(lambda f: f["promise"] == "passed", 40, "the promised date has passed"),
                row(lambda f: f["promise"] == "at_risk", 30, "the promised date is at risk"),
                row(lambda f: f["promise"] == "safe", 10, "late, and the promised date can still be kept"),
            ),
        ),
        Factor("revenue impact", (row(lambda f: f["monthlyMinor"] > 0, 4, "monthly revenue is blocked"),)),
        Factor("order value", (row(lambda f: f["orderValueMinor"] >= 50_000, 5, "a year is worth 500 or more"),)),
        Factor("customer segment", (row(lambda f: f["segment"] == "consumer", 3, "consumer"),)),
        Factor(
            "time left",
            (
                row(lambda f: f["hoursLeft"] < 0, 30, "the time is over"),
                row(lambda f: f["hoursLeft"] <= 4, 20, "four hours or less are left"),
                row(lambda f: f["promiseWorkingDaysLeft"] <= 1, 15, "by the end of the next working day"),
                row(lambda f: f["promiseWorkingDaysLeft"] <= 3, 5, "within three working days"),
            ),
        ),
        Factor("blast radius", (row(lambda f: f["blockedTasks"] > 0, 5, "{blockedTasks} tasks wait behind it"),)),
    ),
    floors=(
        Floor(lambda f: f["outcomeUnknown"] and f["promiseWorkingDaysLeft"] <= 1, Level.CRITICAL, "unknown and near"),
        Floor(lambda f: f["outcomeUnknown"] and f["movesMoneyOrGoods"], Level.HIGH, "money or goods move"),
        Floor(lambda f: f["lateSuccess"], Level.CRITICAL, "it came after it was cancelled"),
        Floor(lambda f: f["test"], Level.LOW, "the order is a test", cap=True),
    ),
    medium_from=30,
    high_from=60,
    critical_from=90,
)


class WhenTheActivationOfTheDrillTimesOut:
    def test_it_is_62_points_and_critical_with_at_least_four_reasons(self):
        severity = derive(POLICY, facts())
        assert (severity.points, severity.level) == (62, Level.CRITICAL)
        assert len([r for r in severity.reasons if r.points]) == 6

    def test_every_term_says_why(self):
        reasons = {r.factor: (r.points, r.sentence) for r in derive(POLICY, facts()).reasons}
        assert reasons["blast radius"] == (5, "2 tasks wait behind it")
        assert reasons["floor"] == (0, "unknown and near")

    def test_found_absent_and_sent_again_it_is_high_by_its_points(self):
        severity = derive(POLICY, facts(outcome_unknown=False))
        assert (severity.points, severity.level) == (62, Level.HIGH)

    # now in Jakarta          promised "tomorrow 17:00"
    @pytest.mark.parametrize("day", range(7))
    @pytest.mark.parametrize("hour", [0, 10, 23])
    def test_tomorrow_is_critical_on_every_day_of_the_week(self, day, hour):
        now = datetime(2026, 7, 2 + day, hour, 30, tzinfo=zone_of("Asia/Jakarta"))
        promised = (now + timedelta(days=1)).replace(hour=17, minute=0)
        severity = derive(POLICY, facts(order=an_order(committed_at=promised), now=now))
        assert (severity.points, severity.level) == (62, Level.CRITICAL)

    def test_a_holiday_tomorrow_changes_nothing(self):
        assert derive(POLICY, facts(holidays=frozenset({"2026-07-03"}))).level is Level.CRITICAL


# promised           now is        the promise is
PROMISES = [
    (NOW + DAY, "at_risk"),
    (NOW + 2 * DAY, "safe"),  # Saturday, after the end of Friday
    (NOW + 5 * DAY, "safe"),
    (NOW - HOUR, "passed"),
    (None, "none"),
]


class WhenFactsAreGathered:
    @pytest.mark.parametrize(("committed_at", "promise"), PROMISES)
    def test_the_promise_is_read_on_the_calendar_of_the_order(self, committed_at, promise):
        assert facts(order=an_order(committed_at=committed_at))["promise"] == promise

    def test_where_nothing_is_promised_everything_is_far_away(self):
        read = facts(order=an_order(committed_at=None))
        assert (read["promiseWorkingDaysLeft"], read["hoursLeft"]) == (99, 9999.0)

    def test_a_final_order_promises_nothing_any_more(self):
        read = facts(order=an_order(state=OrderState.COMPLETED, committed_at=NOW - DAY))
        assert (read["promise"], read["hoursLeft"]) == ("none", 9999.0)

    def test_the_nearer_of_promise_and_resolution_counts(self):
        assert facts(resolution_due_at=NOW + HOUR)["hoursLeft"] == 1.0
        assert facts(resolution_due_at=NOW + 90 * DAY)["hoursLeft"] == 31.0
        assert facts(resolution_due_at=NOW - 2 * HOUR)["hoursLeft"] == -2.0

    def test_amounts_are_those_of_the_order_and_of_what_does_not_run_yet(self):
        read = facts()
        assert (read["orderValueMinor"], read["monthlyMinor"]) == (60_000, 4_500)
        running = [an_item("a", monthly_minor=9, state=ItemState.COMPLETED), an_item("b", monthly_minor=1)]
        assert facts(worth=worth_of(running))["monthlyMinor"] == 1

    def test_a_code_says_by_itself_that_it_is_late_or_double(self):
        assert facts(case=a_case(code="LATE_SUCCESS"))["lateSuccess"] is True
        assert facts(case=a_case(code="DUPLICATE_EFFECT"))["duplicateEffect"] is True
        assert facts()["lateSuccess"] is False

    def test_without_an_item_the_order_is_regulated_when_any_item_is(self):
        assert facts(item=None, worth=worth_of([an_item(regulated=True)]))["regulated"] is True
        assert facts(item=FIBER, worth=worth_of([an_item(regulated=True)]))["regulated"] is False


class WhenALevelIsDerived:
    @pytest.mark.parametrize(
        ("points", "level"),
        [
            (0, Level.LOW),
            (29, Level.LOW),
            (30, Level.MEDIUM),
            (59, Level.MEDIUM),
            (60, Level.HIGH),
            (90, Level.CRITICAL),
        ],
    )
    def test_it_begins_where_policy_says(self, points, level):
        policy = SeverityPolicy((Factor("all", (row(lambda f: True, points),)),), (), 30, 60, 90)
        assert derive(policy, {}).level is level

    def test_the_first_row_that_holds_counts(self):
        policy = SeverityPolicy((Factor("x", (row(lambda f: True, 7), row(lambda f: True, 99))),), (), 30, 60, 90)
        assert derive(policy, {}).points == 7

    def test_a_test_order_is_low_whatever_else_holds(self):
        severity = derive(POLICY, facts(order=an_order(test=True)))
        assert (severity.points, severity.level) == (62, Level.LOW)
        assert "the order is a test" in {r.sentence for r in severity.reasons}

    def test_a_floor_never_lowers(self):
        low = Floor(lambda f: True, Level.LOW, "at least low")
        policy = SeverityPolicy((Factor("x", (row(lambda f: True, 95),)),), (low,), 30, 60, 90)
        assert derive(policy, {}).level is Level.CRITICAL

    @given(st.lists(st.integers(0, 100), max_size=8))
    def test_the_terms_always_add_up(self, points):
        factors = tuple(Factor(f"f{n}", (row(lambda f: True, p),)) for n, p in enumerate(points))
        severity = derive(SeverityPolicy(factors, (), 30, 60, 90), {})
        assert severity.points == sum(points) == sum(r.points for r in severity.reasons)

"""Working days: the same promise is near or far depending on the day of the week, the zone and the holidays."""

from datetime import UTC, datetime

import pytest

from fallsafe.core.calendar import clock_words, end_of_next_working_day, working_days_left, zone_of
from fallsafe.core.orders.windows import Hours, Outside, Weekly, closed_until

JAKARTA = "Asia/Jakarta"


def at(text: str, zone: str = JAKARTA) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_of(zone)).astimezone(UTC)


# now in Jakarta        promised              holidays          left
DAYS = [
    ("2026-07-02 10:00", "2026-07-02 17:00", set(), 0),  # Thursday, today
    ("2026-07-02 10:00", "2026-07-03 17:00", set(), 1),  # tomorrow is Friday
    ("2026-07-02 10:00", "2026-07-04 17:00", set(), 2),  # Saturday comes after the end of the next working day
    ("2026-07-02 10:00", "2026-07-06 17:00", set(), 2),
    ("2026-07-02 23:59", "2026-07-03 17:00", set(), 1),
    ("2026-07-03 10:00", "2026-07-04 17:00", set(), 1),  # Friday: Saturday is within one working day
    ("2026-07-03 10:00", "2026-07-06 17:00", set(), 1),
    ("2026-07-04 10:00", "2026-07-05 17:00", set(), 1),  # Saturday
    ("2026-07-05 10:00", "2026-07-06 17:00", set(), 1),  # Sunday
    ("2026-07-02 10:00", "2026-07-03 17:00", {"2026-07-03"}, 1),  # the next working day is Monday
    ("2026-07-02 10:00", "2026-07-07 17:00", {"2026-07-03"}, 2),
    ("2026-07-02 10:00", "2026-07-01 17:00", set(), 0),  # passed
    ("2026-07-02 10:00", "2036-07-01 17:00", set(), 99),
]


class WhenWorkingDaysAreCounted:
    @pytest.mark.parametrize(("now", "promised", "holidays", "left"), DAYS)
    def test_the_promise_comes_by_the_end_of_that_working_day(self, now, promised, holidays, left):
        assert working_days_left(at(now), at(promised), JAKARTA, holidays) == left

    def test_nothing_promised_is_far_away(self):
        assert working_days_left(at("2026-07-02 10:00"), None, JAKARTA, set()) == 99

    def test_the_day_is_that_of_the_zone_of_the_promise(self):
        late_on_thursday_in_utc = datetime(2026, 7, 2, 20, tzinfo=UTC)  # already Friday in Jakarta
        promised = at("2026-07-03 17:00")
        assert working_days_left(late_on_thursday_in_utc, promised, JAKARTA, set()) == 0
        assert working_days_left(late_on_thursday_in_utc, promised, "UTC", set()) == 1

    def test_the_next_working_day_ends_at_midnight_of_the_zone(self):
        assert end_of_next_working_day(at("2026-07-03 10:00"), JAKARTA, set()) == at("2026-07-07 00:00")


class WhenAZoneIsNamed:
    @pytest.mark.parametrize("name", ["Asia/Nowhere", "", "../etc/passwd", "Asia"])
    def test_what_is_no_zone_is_none(self, name):
        assert zone_of(name) is None


class WhenATimeIsSaidToAPerson:
    def test_the_day_is_left_out_today(self):
        now = datetime(2026, 7, 2, 10, 20, tzinfo=UTC)
        assert clock_words(datetime(2026, 7, 2, 10, 35, tzinfo=UTC), now) == "10:35:00 UTC"
        assert clock_words(datetime(2026, 7, 3, 10, 35, tzinfo=UTC), now) == "2026-07-03 10:35 UTC"


class WhenAnHourIsGoneThroughTwice:
    """A window ends by the clock on the wall, and what waits for its end never waits for a time that is over."""

    @pytest.mark.parametrize(("at", "ends"), [("00:10", "00:30"), ("01:10", "01:30")])
    def test_a_window_ends_in_the_hour_that_it_is(self, at: str, ends: str) -> None:
        now, until = (datetime.fromisoformat(f"2026-10-25T{clock}:00+00:00") for clock in (at, ends))
        closed = Weekly(Hours(frozenset({6}), begin=60, end=150))
        opens = Outside(Hours(frozenset({6}), begin=150, end=600))
        assert [closed_until(rule, now, "Europe/Berlin", frozenset()) for rule in (closed, opens)] == [until, until]

"""Working days and clock words: told the zone and the holidays, never asking what time it is (§6.2, model rule 7).

Times inside are UTC. A day is a day of the zone in which a promise was given; Saturday, Sunday and the told holidays
are no working days.
"""

from collections.abc import Set
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
LOOK_AHEAD_DAYS_MAX = 400
"""Beyond this many days nobody counts working days any more."""
MANY_WORKING_DAYS = 99
"""What `working_days_left` says when nothing is promised, or the date is too far away to matter."""


@lru_cache(maxsize=512)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of that name, or None where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # KeyError: not in the tables; the others: not a name, or a folder of them
        return None


def local_date(at: datetime, zone: str) -> date:
    """The calendar day that `at` falls on in the zone (UTC where the zone is not known)."""
    return at.astimezone(zone_of(zone) or UTC).date()


def is_working_day(day: date, holidays: Set[str]) -> bool:
    """Whether people work on it: Monday to Friday and no holiday. `holidays` are ISO dates."""
    return day.weekday() < 5 and day.isoformat() not in holidays


def next_working_day(day: date, holidays: Set[str]) -> date:
    """The first working day after `day`."""
    for _ in range(LOOK_AHEAD_DAYS_MAX):
        day += ONE_DAY
        if is_working_day(day, holidays):
            return day
    return day


def end_of_next_working_day(now: datetime, zone: str, holidays: Set[str]) -> datetime:
    """The first instant after the next working day, in UTC: what is promised before it is promised within one working
    day.
    """
    after = next_working_day(local_date(now, zone), holidays) + ONE_DAY
    return datetime.combine(after, time(), zone_of(zone) or UTC).astimezone(UTC)


def working_days_left(now: datetime, until: datetime | None, zone: str, holidays: Set[str]) -> int:
    """By the end of which working day `until` comes: 0 = today's, 1 = the next one's, and so on; `MANY_WORKING_DAYS`
    where there is no date.

    A date on a day off counts with the working day after it: on Friday, Saturday is within one working day.
    """
    if until is None:
        return MANY_WORKING_DAYS
    return _days_between(local_date(now, zone), local_date(until, zone), frozenset(holidays))


@lru_cache(maxsize=1024)
def _days_between(day: date, promised: date, holidays: frozenset[str]) -> int:
    for left in range(MANY_WORKING_DAYS):
        if promised <= day:
            return left
        day = next_working_day(day, holidays)
    return MANY_WORKING_DAYS


def clock_words(at: datetime, now: datetime) -> str:
    """A time for a sentence to a person: the clock in UTC, with the day when it is another one than today."""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"

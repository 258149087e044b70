"""When a system takes no work: windows that recur, and hours outside of which nobody is there (§6.2, §15.1).

A window is told in the time of a zone; where that time is set forward or back it begins and ends by the clock on the
wall. A task that waits for a window says so; nothing about it is late.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from fallsafe.core.calendar import LOOK_AHEAD_DAYS_MAX, zone_of

DAY_MINUTES = 24 * 60
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """Days of the week (0 = Monday) and minutes of the day, from and to; `holidays` says whether holidays count as
    other days.
    """

    days: frozenset[int]
    begin: int
    end: int
    holidays: bool = True

    def on(self, day: date, off: Set[str]) -> bool:
        """Whether the day is one of them. `off` are the holidays, as ISO dates."""
        return day.weekday() in self.days and (self.holidays or day.isoformat() not in off)


@dataclass(frozen=True, slots=True)
class Weekly:
    """Closed on some days between two times of the day."""

    hours: Hours


@dataclass(frozen=True, slots=True)
class Outside:
    """Closed whenever somebody's hours are over."""

    hours: Hours


@dataclass(frozen=True, slots=True)
class Monthly:
    """Closed from a time on the last day of each month to one on the first of the next, in minutes of the day."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Yearly:
    """Closed from a day of the year to the end of another, as (month, day)."""

    begin: tuple[int, int]
    end: tuple[int, int]


Rule = Weekly | Outside | Monthly | Yearly


@dataclass(frozen=True, slots=True)
class Window:
    """When some systems take no work. `actions` are those of items that wait (empty: all); `zone` is the time zone
    (empty: that of the order).
    """

    code: str
    title: str
    systems: frozenset[str]
    rule: Rule
    actions: frozenset[str] = frozenset()
    zone: str = ""


@dataclass(frozen=True, slots=True)
class CutOff:
    """Until when what comes counts for the same day: minutes of the day."""

    code: str
    title: str
    system: str
    at: int
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Shut:
    """The window that a task waits for, and when it is over."""

    window: Window
    until: datetime


def shut(windows: Iterable[Window], system: str, action: str, zone: str, off: Set[str], now: datetime) -> Shut | None:
    """The window that keeps work of a system from being done now, the one that ends last; None where none does."""
    found = [
        Shut(window, until)
        for window in windows
        if system in window.systems and (not window.actions or action in window.actions)
        if (until := closed_until(window.rule, now, window.zone or zone, off)) is not None
    ]
    return max(found, key=lambda one: one.until, default=None)


def closed_until(rule: Rule, now: datetime, zone: str, off: Set[str]) -> datetime | None:
    """When it is open again, in UTC; None where it is open now."""
    local = now.astimezone(zone_of(zone) or UTC)
    until = _closed_until(rule, local, off)
    return _to_come(until, local).astimezone(UTC) if until is not None else None


def _closed_until(rule: Rule, local: datetime, off: Set[str]) -> datetime | None:
    match rule:
        case Weekly(hours):
            return _end_of(hours, local, off)
        case Outside(hours):
            return None if _end_of(hours, local, off) is not None else _next_begin(hours, local, off)
        case Monthly(begin, end):
            return _month_end(begin, end, local)
        case Yearly(first, last):
            return _season_end(first, last, local)


def _minutes(local: datetime) -> int:
    return local.hour * 60 + local.minute


def at_minute(day: date, minute: int, there: tzinfo | None) -> datetime:
    """A minute of a day on the clock of a zone; minute 1440 is the next midnight."""
    day, minute = (day + ONE_DAY, 0) if minute >= DAY_MINUTES else (day, minute)
    return datetime.combine(day, time(minute // 60, minute % 60), there)


def _to_come(at: datetime, local: datetime) -> datetime:
    """A time that is still to come by the clock on the wall: where that hour is gone through twice, the second one,
    once it is that one's turn.
    """
    return at if at.astimezone(UTC) > local.astimezone(UTC) else at.replace(fold=1)


def _end_of(hours: Hours, local: datetime, off: Set[str]) -> datetime | None:
    """When the hours that it is within end; a stretch that goes on after midnight is gone through day by day."""
    day, found = local.date(), None
    if not hours.on(day, off) or not hours.begin <= _minutes(local) < hours.end:
        return None
    for _ in range(LOOK_AHEAD_DAYS_MAX):
        found = at_minute(day, hours.end, local.tzinfo)
        day += ONE_DAY
        if hours.end < DAY_MINUTES or hours.begin > 0 or not hours.on(day, off):
            break
    return found


def _next_begin(hours: Hours, local: datetime, off: Set[str]) -> datetime | None:
    day = local.date()
    for _ in range(LOOK_AHEAD_DAYS_MAX):
        begin = at_minute(day, hours.begin, local.tzinfo)
        if hours.on(day, off) and begin > local:
            return begin
        day += ONE_DAY
    return None


def _month_end(begin: int, end: int, local: datetime) -> datetime | None:
    day = local.date()
    if (day + ONE_DAY).day == 1 and _minutes(local) >= begin:
        return at_minute(day + ONE_DAY, end, local.tzinfo)
    return at_minute(day, end, local.tzinfo) if day.day == 1 and _minutes(local) < end else None


def _season_end(begin: tuple[int, int], end: tuple[int, int], local: datetime) -> datetime | None:
    today = (local.month, local.day)
    inside = begin <= today <= end if begin <= end else today >= begin or today <= end
    if not inside:
        return None
    year = local.year + (begin > end and today >= begin)
    return at_minute(date(year, *end), DAY_MINUTES, local.tzinfo)


def next_cut_off(cut_offs: Mapping[str, CutOff], system: str, zone: str, now: datetime) -> datetime | None:
    """When what comes now for a system counts from; None where it has no cut-off."""
    one = cut_offs.get(system)
    if one is None:
        return None
    local = now.astimezone(zone_of(one.zone or zone) or UTC)
    today = at_minute(local.date(), one.at, local.tzinfo)
    due = today if today > local else at_minute(local.date() + ONE_DAY, one.at, local.tzinfo)
    return due.astimezone(UTC)

"""Reads working hours, the windows in which systems take no work, and cut-offs (§6.2, §15.1).

They speak of dates of the world outside, so at a time scale other than 1 windows and cut-offs do not apply.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fallsafe.core.calendar import zone_of
from fallsafe.core.commands.contract import System
from fallsafe.core.orders.windows import DAY_MINUTES, CutOff, Hours, Monthly, Outside, Rule, Weekly, Window, Yearly
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(24(?=:00)|[01][0-9]|2[0-3]):([0-5][0-9])")
_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
HOURS = 'write "08:00-18:00", from the earlier to the later, in quotes'
RULES = ("weekly", "outside", "monthly", "yearly")


@dataclass(frozen=True, slots=True)
class Times:
    """What the file gives."""

    calendars: Mapping[str, Hours]
    windows: tuple[Window, ...]
    cut_offs: Mapping[str, CutOff]


def times(part: Part, systems: Mapping[str, System], findings: Findings) -> Times:
    """The calendars, windows and cut-offs of a set; none of the last two where time is scaled."""
    calendars = {name: _hours(below, findings) for name, below in part.at("calendars").entries()}
    windows = tuple(_window(code, below, calendars, systems, findings) for code, below in part.at("windows").entries())
    cut_offs = [_cut_off(code, below, systems, findings) for code, below in part.at("cut_offs").entries()]
    if findings.time_scale != 1:
        return Times(calendars, (), {})
    return Times(calendars, windows, {one.system: one for one in cut_offs})


def _hours(part: Part, findings: Findings) -> Hours:
    begin, end = _stretch(part.at("hours"), findings)
    days = frozenset(DAYS.index(day.text()) for day in part.at("days").each() if day.text() in DAYS)
    for day in part.at("days").each():
        findings.name(day, "day", DAYS)
    return Hours(days or frozenset(range(7)), begin, end, part.at("holidays").text() != "off")


def _stretch(place: Part, findings: Findings) -> tuple[int, int]:
    begin, _, end = place.text().partition("-")
    first, last = _minute(begin), _minute(end)
    if first is None or last is None or not first < last:
        findings.add(place, f"{place.text()!r} are no hours of a day", HOURS)
        return 0, DAY_MINUTES
    return first, last


def _minute(text: str) -> int | None:
    found = _CLOCK.fullmatch(text)
    minute = int(found[1]) * 60 + int(found[2]) if found else DAY_MINUTES + 1
    return minute if minute <= DAY_MINUTES else None


def _window(
    code: str, part: Part, calendars: Mapping[str, Hours], systems: Mapping[str, System], findings: Findings
) -> Window:
    for system in part.at("systems").each():
        findings.name(system, "system", systems)
    return Window(
        code=code,
        title=part.at("title").text(),
        systems=frozenset(part.at("systems").texts()),
        rule=_rule(part, calendars, findings),
        actions=frozenset(part.at("actions").texts()),
        zone=_zone(part.at("zone"), findings),
    )


def _rule(part: Part, calendars: Mapping[str, Hours], findings: Findings) -> Rule:
    named = [kind for kind in RULES if part.at(kind).value is not None]
    if len(named) != 1:
        findings.add(part, f"a window has one of {', '.join(RULES)}", f"this one has {' and '.join(named) or 'none'}")
        return Weekly(Hours(frozenset(), 0, 0))
    below = part.at(named[0])
    match named[0]:
        case "outside":
            return Outside(calendars.get(findings.name(below, "calendar", calendars), Hours(frozenset(), 0, 0)))
        case "monthly":
            begin, end = (_clock(below.at(key), findings) for key in ("last_day_from", "first_day_until"))
            return Monthly(begin, end)
        case "yearly":
            first, last = (_day(below.at(key), findings) for key in ("from", "until"))
            return Yearly(first, last)
        case _:
            return Weekly(_hours(below, findings))


def _clock(place: Part, findings: Findings) -> int:
    found = _minute(place.text())
    if found is None:
        findings.add(place, f"{place.text()!r} is no time of a day", 'write "20:00", in quotes')
    return found or 0


def _day(place: Part, findings: Findings) -> tuple[int, int]:
    found = _DAY.fullmatch(place.text())
    if found is None:
        findings.add(place, f"{place.text()!r} is no day of a year", 'write "12-15", month and day in quotes')
        return 1, 1
    return int(found[1]), int(found[2])


def _zone(place: Part, findings: Findings) -> str:
    if place.text() and zone_of(place.text()) is None:
        findings.add(
            place, f"no time zone is called {place.text()!r}", "for example Asia/Jakarta; left out: the order's"
        )
    return place.text()


def _cut_off(code: str, part: Part, systems: Mapping[str, System], findings: Findings) -> CutOff:
    system = findings.name(part.at("system"), "system", systems)
    zone = _zone(part.at("zone"), findings)
    return CutOff(code, part.at("title").text(), system, _clock(part.at("at"), findings), zone)

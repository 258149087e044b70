"""Durations of policy: ISO 8601 without years and months, which have no fixed length, divided by the time scale (§16)."""

from datetime import timedelta

import isodate  # type: ignore[import-untyped]

from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part

RIGHT = "write for example PT10S, PT5M, PT4H or P2D; a month is P30D"


def duration(
    part: Part, problems: list[Problem], time_scale: float = 1.0, least: timedelta = timedelta(0)
) -> timedelta:
    """The duration at a place, divided by `time_scale`. What is none, negative or below `least` is a problem, and zero is handed back."""
    text = part.text()
    try:
        parsed = isodate.parse_duration(text)
    except (isodate.ISO8601Error, ValueError, OverflowError):
        problems.append(part.wrong(f"{text!r} is not an ISO 8601 duration", RIGHT))
        return timedelta(0)
    if not isinstance(parsed, timedelta):
        problems.append(part.wrong(f"{text!r} has years or months, which have no fixed length", RIGHT))
        return timedelta(0)
    if parsed < least:
        problems.append(part.wrong(f"{text!r} is too short", f"at least {isodate.duration_isoformat(least)}"))
        return timedelta(0)
    return parsed / time_scale


def durations(part: Part, problems: list[Problem], time_scale: float) -> tuple[timedelta, ...]:
    """A list of durations."""
    return tuple(duration(below, problems, time_scale) for below in part.each())

"""What is found while a set is built: every problem is noted and the building goes on, so that one check tells all.

Names are looked up and durations read here, since both are the places where files of policy go wrong most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import isodate  # type: ignore[import-untyped]

from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest

DURATION = "write for example PT10S, PT5M, PT4H or P2D; a month is P30D"


@dataclass(slots=True)
class Findings:
    """The problems found so far. `time_scale` is what durations of policy are divided by."""

    time_scale: float = 1.0
    problems: list[Problem] = field(default_factory=list)

    def add(self, place: Part, what: str, would_be_right: str) -> None:
        """Note a problem at a place."""
        self.problems.append(place.wrong(what, would_be_right))

    def name(self, place: Part, kind: str, known: Iterable[str], *also: str) -> str:
        """The name at a place; a problem where neither `known` nor `also` has it."""
        word, names = place.text(), known if isinstance(known, Mapping | frozenset) else tuple(known)
        if word not in names and word not in also:
            self.add(place, f"no {kind} is called {word!r}", nearest(word, names, "known:"))
        return word

    def duration(self, place: Part, least: timedelta = timedelta(0), *, scaled: bool = True) -> timedelta:
        """The ISO 8601 duration at a place, divided by the time scale where it is `scaled`.

        What is none, has years or months (they have no fixed length), or is shorter than `least` is a problem, and zero
        is handed back.
        """
        text = place.text()
        try:
            parsed = isodate.parse_duration(text)
        except (isodate.ISO8601Error, ValueError, OverflowError):
            self.add(place, f"{text!r} is not an ISO 8601 duration", DURATION)
            return timedelta(0)
        if not isinstance(parsed, timedelta):
            self.add(place, f"{text!r} has years or months, which have no fixed length", DURATION)
            return timedelta(0)
        if parsed < least:
            self.add(place, f"{text!r} is too short", f"at least {isodate.duration_isoformat(least)}")
            return timedelta(0)
        return parsed / self.time_scale if scaled else parsed

    def durations(self, place: Part) -> tuple[timedelta, ...]:
        """A list of durations of policy."""
        return tuple(self.duration(below) for below in place.each())

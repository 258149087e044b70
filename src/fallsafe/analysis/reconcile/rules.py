"""How two values are told to be equal, and what a person may say about it. Pure values; nothing is read here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum


class WrongUse(Exception):
    """The question makes no sense as it was put; says what, and what would."""


class As(StrEnum):
    """What two values are compared as."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"


class Side(StrEnum):
    """Which of the two is meant."""

    A = "a"
    B = "b"


@dataclass(frozen=True, slots=True)
class Rule:
    """How the values of one pair of columns are compared.

    `tolerance` is the largest difference that still counts as equal: a number, or seconds for times. `authority` is the
    side that is right where they differ, if one is. `comma`: a comma in a text is its decimal sign. What cannot be read
    as a number or time is compared as text.
    """

    compared_as: As = As.TEXT
    ignore_case: bool = False
    trim: bool = False
    comma: bool = False
    tolerance: Decimal | None = None
    authority: Side | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked for. Names are of A, or `A=B` where B calls the column differently; `*` is every column."""

    keys: Sequence[str]
    compare: Sequence[str] = ()
    ignore: Sequence[str] = ()
    ignore_case: Sequence[str] = ()
    trim: Sequence[str] = ()
    number: Sequence[str] = ()
    time: Sequence[str] = ()
    text: Sequence[str] = ()
    decimal_comma: Sequence[str] = ()
    tolerance: Mapping[str, str] = field(default_factory=dict)
    authority: Mapping[str, str] = field(default_factory=dict)
    changed: str = ""
    settle: timedelta | None = None
    as_of: datetime | None = None


UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    """`90s`, `15m`, `2h`, `1d`, or ISO 8601 without years and months. Another text is `WrongUse`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)", text.strip(), re.IGNORECASE)
    if found:
        return timedelta(seconds=float(found[1]) * UNITS[found[2].lower()])
    iso = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", text.strip())
    if iso and any(iso.groups()):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    raise WrongUse(f"{text!r} is no duration; write it like 90s, 15m, 2h, 1d or PT15M")


def tolerance(text: str, compared_as: As) -> Decimal:
    """The largest difference that counts as equal: a number, or for times a duration. Negative ones are `WrongUse`."""
    if compared_as is As.TIME:
        return Decimal(str(duration(text).total_seconds()))
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or found < 0:
        raise WrongUse(
            f"{text!r} is no tolerance; write a number from 0 on, like 0.01, or for times a duration like 5m"
        )
    return found

"""What the register of addresses, the network and the tax office know of places, as their own truth.

A street has house numbers; up to one of them the network reaches, and from one of them on another tax area begins. What
was surveyed before this sandbox was, and is named by somebody else's id or not described at all, is taken as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fallsafe.core.events import Json

NOT_FOUND, SEVERAL, NOT_SERVICEABLE = "ADDRESS_NOT_FOUND", "MULTIPLE_MATCHES", "ADDRESS_NOT_SERVICEABLE"
OWN_PREFIX = "AD-"
_NUMBER = re.compile(r"^(?P<street>.*?)[ ,]+(?P<number>\d+)\s*[A-Za-z]?$")


@dataclass(frozen=True, slots=True)
class Street:
    """A street of a city: its house numbers, the last one that the network reaches, and the first of the other area."""

    name: str
    city: str
    code: str
    numbers: int
    reached: int
    area: str
    other_from: int
    other_area: str


STREETS = (
    Street("Jalan Melati", "Jakarta", "JKT-MELATI", 40, 36, "TJ-JKT", 21, "TJ-TNG"),
    Street("Jalan Mawar", "Jakarta", "JKT-MAWAR", 90, 12, "TJ-JKT", 91, "TJ-JKT"),
    Street("Hauptstrasse", "Hamburg", "HAM-HAUPT", 200, 200, "TJ-HAM", 201, "TJ-HAM"),
    Street("Hauptstrasse", "Bremen", "HB-HAUPT", 120, 120, "TJ-HB", 121, "TJ-HB"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a place: the register's name of it, whether the network reaches it, and its tax area."""

    address: str
    reached: bool
    area: str


def resolve(told: Mapping[str, Json]) -> Found | str | None:
    """What is known of a place as it is described; a code where the register does not know it; None where nothing is
    described that is for it to know.
    """
    named = told.get("address") or told.get("place")
    if isinstance(named, str) and named.startswith(OWN_PREFIX):
        return _by_name(named)
    street = str(told.get("street") or "")
    if not street:
        return None
    written = _NUMBER.match(street)
    name, number = (written["street"], written["number"]) if written else (street, "")
    number = str(told.get("houseNumber") or number)
    return _by_words(name, number, str(told.get("city") or ""))


def area_of_city(told: Mapping[str, Json]) -> str:
    """The tax area of a city, where that is all that is known; empty where it is not known either."""
    city = str(told.get("city") or "").lower()
    areas = {street.area for street in STREETS if street.city.lower() == city}
    return min(areas) if areas else ""


def _by_name(named: str) -> Found | str | None:
    code, _, number = named.removeprefix(OWN_PREFIX).rpartition("-")
    street = next((s for s in STREETS if s.code == code), None)
    if street is None:
        return None
    if not number.isdecimal() or not 1 <= int(number) <= street.numbers:
        return NOT_FOUND
    return _found(street, int(number))


def _by_words(name: str, number: str, city: str) -> Found | str:
    fitting = [s for s in STREETS if s.name.lower() == name.lower() and city.lower() in ("", s.city.lower())]
    if len(fitting) > 1:
        return SEVERAL
    digits = re.match(r"\d+", number)
    if not fitting or digits is None or not 1 <= int(digits[0]) <= fitting[0].numbers:
        return NOT_FOUND
    return _found(fitting[0], int(digits[0]))


def _found(street: Street, number: int) -> Found:
    area = street.other_area if number >= street.other_from else street.area
    return Found(f"{OWN_PREFIX}{street.code}-{number}", number <= street.reached, area)

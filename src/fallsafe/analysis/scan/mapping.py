"""The mapping: which column is what, in at most ten lines of TOML that a person can edit and hand back.

    order = "Auftrag"
    time = "Zeitpunkt"
    zone = "Europe/Berlin"

A line with an empty value says that there is no such column. What a mapping does not mention is recognized as before.
"""

import tomllib
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fallsafe.analysis.scan.layout import DATES, Layout, Role
from fallsafe.analysis.sources import Table

LINES_MAX = 10
SETTINGS = ("zone", "day_first", "finish", "delimiter", "encoding")
_FIRST = (Role.ORDER, Role.TIME, Role.EVENT, Role.TASK, Role.DUE)
_ASKED_FOR = {Role.ORDER: "the order's number", Role.TIME: "when it happened", Role.EVENT: "what happened"}


class WrongMapping(ValueError):
    """The mapping cannot be used; the sentence says which line, and what would be right."""


def parse(text: str) -> dict[str, str]:
    """The lines of a mapping. Raises `WrongMapping`."""
    try:
        lines = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongMapping(f'the mapping is not TOML ({error}); a line is: order = "name of the column"') from None
    known = (*Role, *DATES, *SETTINGS)
    for key, value in lines.items():
        if key not in known:
            raise WrongMapping(f"the mapping says {key!r}, which is none of {', '.join(known)}")
        if not isinstance(value, str | bool):
            raise WrongMapping(f'the mapping\'s {key!r} must be a name in quotes, for example {key} = "name"')
    said = {key: str(value).lower() if isinstance(value, bool) else value for key, value in lines.items()}
    _check_zone(said.get("zone", ""))
    return said


def _check_zone(zone: str) -> None:
    if not zone:
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongMapping(f"the mapping's zone {zone!r} is not known; write it like Europe/Berlin") from None


def checked(said: Mapping[str, str], table: Table, names: frozenset[str]) -> None:
    """Whether every column that the mapping names is in the file. Raises `WrongMapping`."""
    for key, value in said.items():
        if key == Role.ORDER and table.format == "ocel":  # it may name a type of objects
            continue
        if value and key not in SETTINGS and value not in names:
            shown = ", ".join(sorted(names)[:30])
            raise WrongMapping(
                f"the mapping says {key} = {value!r}, and {table.place} has no such column; it has {shown}"
            )


def offered(layout: Layout) -> str:
    """The mapping of what was recognized, ready to edit. What is missing stands there with an empty value."""
    return "\n".join(list(_lines(layout))[:LINES_MAX])


def _lines(layout: Layout) -> Iterator[str]:
    wanted = [
        r for r in _FIRST if r in layout.roles or (r in _ASKED_FOR and not (layout.dates and r is not Role.ORDER))
    ]
    for role in wanted:
        column = layout.roles.get(role)
        yield _line(role.value, column.name) if column else f'{role.value} = "?"  # {_ASKED_FOR[role]}'
    if layout.day_first is not None:
        yield f"day_first = {str(layout.day_first).lower()}"
    for key, column in layout.dates:
        yield _line(key, column.name)
    for role, column in layout.roles.items():
        if role not in _FIRST:
            yield _line(role.value, column.name)


def _line(key: str, name: str) -> str:
    text = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'{key} = "{text}"'

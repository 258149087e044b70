"""Statements live in files, one each, named by their verb: `queries/<word>/<verb>.sql`. This module reads them once.

The first line of a file is a comment that says why the statement exists. What several statements are narrowed by stands
in a file of its own, in parts, and only the parts that something is asked of go into a statement: the database plans
what is asked, not all that could be.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import LiteralString

NARROWED_BY = "/* reads/matching */"
"""Where a statement is narrowed by the parts of `reads/matching`, each under a line `-- when <name>`."""
NARROWED_KEPT = 500
MAY_BE_LEFT_OUT = "IS NULL OR"
"""How a statement says that something may not be given."""
ALWAYS = frozenset({"open"})
"""What is asked by the plainest of lists."""
NOTHING: Mapping[str, object] = MappingProxyType({})


def sql(name: str, given: Mapping[str, object] = NOTHING) -> LiteralString:
    """The text of `queries/<name>.sql` (`orders/lock`), narrowed by what is `given`. A missing file is a bug and raises
    `FileNotFoundError`.
    """
    text = _read(name)
    return _narrowed(text, _asked_of(given)) if NARROWED_BY in text else text


def has_one_plan(name: str, given: Mapping[str, object]) -> bool:
    """Whether one plan is good for whatever a statement is given; else it is planned for what it is given, since a plan
    for any question reads everything.
    """
    text = _read(name)
    return MAY_BE_LEFT_OUT not in text and (NARROWED_BY not in text or set(_asked_of(given)) <= ALWAYS)


def _asked_of(given: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(when for when in _parts() if given.get(when) not in (None, False))


@lru_cache(NARROWED_KEPT)
def _narrowed(text: LiteralString, wanted: tuple[str, ...]) -> LiteralString:
    parts = _parts()
    return text.replace(NARROWED_BY, "".join([parts[when] for when in wanted]))


@cache
def _parts() -> dict[str, LiteralString]:
    made = dict[str, LiteralString]()
    for part in _read("reads/matching").split("-- when ")[1:]:
        when, _, text = part.partition("\n")
        made[when] = text
    return made


@cache
def _read(name: str) -> LiteralString:
    return files("fallsafe.store").joinpath(f"queries/{name}.sql").read_text(encoding="utf-8")

"""Statements live in files, one each, named by their verb: `queries/<word>/<verb>.sql`. This module reads them once.

The first line of a file is a comment that says why the statement exists. What several statements ask in the same words
stands in a file of its own, and its name in theirs.
"""

from functools import cache
from importlib.resources import files
from typing import LiteralString

PARTS = ("reads/matching",)
"""What statements share; each names it in a comment: `/* reads/matching */`."""


@cache
def sql(name: str) -> LiteralString:
    """The text of `queries/<name>.sql` (`orders/lock`). A missing file is a bug and raises `FileNotFoundError`."""
    text = _read(name)
    for part in PARTS:
        text = text.replace(f"/* {part} */", f"{_read(part)}\n") if f"/* {part} */" in text else text
    return text


def _read(name: str) -> LiteralString:
    return files("fallsafe.store").joinpath(f"queries/{name}.sql").read_text(encoding="utf-8")

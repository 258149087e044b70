"""Statements live in files, one each, named by their verb: `queries/<word>/<verb>.sql`. This module reads them once.

The first line of a file is a comment that says why the statement exists.
"""

from functools import cache
from importlib.resources import files
from typing import LiteralString


@cache
def sql(name: str) -> LiteralString:
    """The text of `queries/<name>.sql` (`orders/lock`). A missing file is a bug and raises `FileNotFoundError`."""
    return files("fallsafe.store").joinpath(f"queries/{name}.sql").read_text(encoding="utf-8")

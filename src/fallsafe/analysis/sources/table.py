"""What is known about a file after it was opened: its columns, how many rows were read, and what was not."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit


class Unreadable(Exception):
    """The file cannot be used at all; the sentence says which, why, and what would work."""


class Kind(StrEnum):
    """What the values of a column look like, whatever their type: in a text file all values are text."""

    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"  # a date with a time of day, written as ISO 8601 (with T or a blank)
    DATE = "date"  # a day alone, written as ISO 8601
    BOOLEAN = "boolean"
    NESTED = "nested"  # JSON objects or lists
    TEXT = "text"
    EMPTY = "empty"  # no value in any of the rows looked at


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `name` is unique in its table without regard to case; `header` is what the file calls it."""

    name: str
    header: str
    type: str  # DuckDB's; VARCHAR for all columns of text formats
    kind: Kind
    nearly: Kind | None = None  # what most values of a text look like


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that were not read, and why: `examples` are a few of them, `line 17: a,b,c` with the line cut short."""

    why: str
    rows: int
    examples: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The number of rows with the reason; what is no row, such as the end of a broken archive, has no number."""
        return f"{self.rows:,} row{'' if self.rows == 1 else 's'}: {self.why}" if self.rows else self.why


@dataclass(frozen=True, slots=True)
class Reading:
    """What a person may say about a file where the content does not tell; empty means: find out."""

    encoding: str = ""
    delimiter: str = ""
    header: bool | None = None
    in_place: bool = False  # a large file need not be copied: it is asked few questions


@dataclass(frozen=True, slots=True)
class Table:
    """An opened file or database table.

    `relation` is its name in the engine, ready to be put into SQL. Rows keep the order of the file (`rowid` in text
    formats). `understood` are sentences on how the file was read; `left_out` what of it is missing in the table.
    `parts` are further relations of formats that hold several (OCEL: `objects`, `values`, `links`).

    A large file may be read in place: then `rows` counts lines, `sample` is a relation with some rows from all over it,
    and `account`, told of how many rows use was made, says how many there are and what is missing.
    """

    relation: str
    place: str  # as given, without a password
    format: str  # csv, parquet, json lines, json, ocel, xes, postgresql
    columns: tuple[Column, ...]
    rows: int
    understood: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    sample: str = ""
    account: Callable[[int], tuple[int, tuple[LeftOut, ...]]] | None = None

    def column(self, name: str) -> Column | None:
        """The column of that name or header, exactly or else without regard to case and blanks around it."""
        for same in (str, lambda text: text.strip().casefold()):
            for column in self.columns:
                if same(name) in (same(column.name), same(column.header)):
                    return column
        return None

    @property
    def rows_left_out(self) -> int:
        return sum(part.rows for part in self.left_out)


def without_password(place: str) -> str:
    """The place as it may be printed."""
    parts = urlsplit(place)
    cleaned = re.sub(r"(?<=[?&])password=[^&#]*", "password=***", place)
    return cleaned.replace(f":{parts.password}@", ":***@", 1) if parts.password else cleaned

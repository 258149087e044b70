"""What the values of each column look like: times, numbers, categories, words of the trade, objects inside a text.

A sample is enough to recognize a column; what is decided on it is held against all rows when they are read, and what
does not fit is left out and counted.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from fallsafe.analysis.scan.times import TimeForm, form_of, native
from fallsafe.analysis.scan.words import Word, word_of
from fallsafe.analysis.sources import Column, Engine, Kind, Table
from fallsafe.analysis.sql import literal, quoted, statement

WHOLE_ROWS_MAX = 20_000
SAMPLE_ROWS = 4_000
EXAMINED_MAX = 1_000
KEYS_MAX = 40
CATEGORIES_MAX = 60
NAMED_LIKE_TIME = re.compile(
    r"time|date|datum|zeit|\bts\b|_ts|_at$|At$|stamp|when|fecha|day|required|due|promis|deadline", re.IGNORECASE
)
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")
_TRUTH = frozenset({"0", "1", "true", "false", "yes", "no", "y", "n", "t", "f", "ja", "nein"})


@dataclass(frozen=True)
class Profile:
    """One column, or one key of the objects in a column. `text` is the SQL that gives its value as text, `raw` the one
    that gives it as the file has it; `values` are those of the sample, row by row.
    """

    name: str
    text: str
    raw: str
    values: tuple[str | None, ...]
    declared: TimeForm | None = None

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """The values that are there."""
        return tuple(v for v in self.values if v)

    @cached_property
    def some(self) -> tuple[str, ...]:
        """A fixed choice of the values that are there, enough to see what they look like."""
        return self.filled[:: max(1, len(self.filled) // EXAMINED_MAX)]

    @property
    def fill(self) -> float:
        """The share of rows that have a value."""
        return len(self.filled) / len(self.values) if self.values else 0.0

    @cached_property
    def distinct(self) -> frozenset[str]:
        """The different values."""
        return frozenset(self.filled)

    @cached_property
    def form(self) -> TimeForm | None:
        """How its times are written; None for what is no time."""
        return self.declared or form_of(self.some, named_like_time=bool(NAMED_LIKE_TIME.search(self.name)))

    @cached_property
    def is_number(self) -> bool:
        """Whether nearly all values are numbers."""
        return bool(self.some) and sum(_NUMBER.fullmatch(v) is not None for v in self.some) >= 0.95 * len(self.some)

    @property
    def is_truth(self) -> bool:
        """Whether the values are yes and no."""
        return bool(self.distinct) and {v.lower() for v in self.distinct} <= _TRUTH

    @property
    def is_category(self) -> bool:
        """Few values that come again and again."""
        return 0 < len(self.distinct) <= max(3, min(CATEGORIES_MAX, len(self.filled) // 2))

    @cached_property
    def is_identifier(self) -> bool:
        """Short values without blanks around, no times, no fractions: what ids look like."""
        if not self.distinct or self.form is not None:
            return False
        odd = any(len(v) > 64 or v.count(" ") > 2 or v[:1] in "{[" for v in self.some)
        fractions = self.is_number and any("." in v or "," in v for v in self.some)
        return not odd and not fractions

    @cached_property
    def spoken(self) -> float:
        """The share of its different values that are words of an order's life."""
        some = sorted(self.distinct)[:CATEGORIES_MAX]
        return sum(word_of(v) is not Word.NOTE for v in some) / len(some) if some else 0.0


def profiles(engine: Engine, table: Table) -> tuple[Profile, ...]:
    """A profile of every column, and of every key of objects that stand in a column."""
    named = table.columns
    rows = _sampled(engine, table)
    columns = tuple(zip(*rows, strict=True)) if rows else tuple(() for _ in named)
    return tuple(p for column, values in zip(named, columns, strict=True) for p in _of_column(column, values))


def _sampled(engine: Engine, table: Table) -> list[tuple[str | None, ...]]:
    texts = ", ".join(f"CAST({quoted(c.name)} AS VARCHAR)" for c in table.columns)
    if table.sample or table.rows <= WHOLE_ROWS_MAX:
        text = statement("scan/sample_whole", columns=texts, relation=table.sample or table.relation)
    else:
        percent = max(SAMPLE_ROWS * 100 / table.rows, 0.05)
        text = statement(
            "scan/sample_some",
            columns=texts,
            relation=table.relation,
            percent=f"{percent:.4f}",
            head=str(SAMPLE_ROWS // 4),
        )
    return engine.connection.execute(text).fetchmany(WHOLE_ROWS_MAX)


def _of_column(column: Column, values: Sequence[str | None]) -> Iterator[Profile]:
    name = quoted(column.name)
    padded = any(v is not None and v != v.strip() for v in values)
    values = [v.strip() if v is not None else None for v in values] if padded else values
    text = name if column.type == "VARCHAR" else f"CAST({name} AS VARCHAR)"
    profile = Profile(column.name, f"trim({text})" if padded else text, name, tuple(values), native(column.type))
    objects = [o for v in profile.filled if v[:1] == "{" and (o := _object(v)) is not None]
    if column.kind is Kind.NESTED or (objects and len(objects) >= 0.5 * len(profile.filled)):
        yield from _of_keys(column, name, values, objects)
    else:
        yield profile


def _of_keys(
    column: Column, name: str, values: Sequence[str | None], objects: Iterable[Mapping[str, object]]
) -> Iterator[Profile]:
    keys = dict.fromkeys(k for o in objects for k, v in o.items() if not isinstance(v, dict | list))
    read = [(_object(v) or {}) if v else {} for v in values]
    for key in list(keys)[:KEYS_MAX]:
        path = literal('$."' + key.replace('"', '\\"') + '"')
        text = f"TRY(json_extract_string({name}, {path}))"
        found = tuple(None if (v := o.get(key)) is None else _spelt(v) for o in read)
        yield Profile(f"{column.name}.{key}", text, text, found)


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _object(text: str) -> dict[str, object] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None

"""How a text table is written: its delimiter, its quotes, where its header is, and what its columns are called.

Found out on the head of the file by trying each delimiter and taking the one under which the most rows have equally
many fields. What was decided is said in sentences, so that a wrong guess is seen and can be overruled.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x1f")
SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "blank", "\x1f": "unit separator"}
RECORDS_MAX = 500
PREAMBLE_MAX = 20
# From so many short rows and this share on, trailing empty fields are how this file is written and no accident.
SHORT_ROWS = 3
SHORT_SHARE = 0.05
VALUE = re.compile(r"[+-]?[\d.,]+(e[+-]?\d+)?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|true|false", re.IGNORECASE)

Record = Sequence[str]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to read the file. `skip` is the number of lines before the first row, the header among them."""

    delimiter: str
    quote: str
    escape: str
    skip: int
    headers: tuple[str, ...]
    padded: bool  # rows with fewer fields are filled up with empty ones
    understood: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Tried:
    delimiter: str
    width: int
    share: float
    start: int  # records before the first that is as wide as most


def dialect_of(text: str, whole: bool, delimiter: str, header: bool | None) -> Dialect:
    """What the head of a file says about it; `delimiter` and `header` overrule what would be found out."""
    quote, escape = _quotes(text)
    tries = [_try(text, whole, one, quote, escape) for one in ([delimiter] if delimiter else DELIMITERS)]
    best = max(tries, key=lambda t: (t.width > 1, t.start == 0, round(t.share, 1), t.width))
    if best.width <= 1:
        best = _Tried(delimiter or ",", 1, 1.0, 0)
    records, ends = _records(text, whole, best.delimiter, quote, escape)
    start = best.start
    first = records[start] if start < len(records) else []
    named = _is_header(first, records[start + 1 :]) if header is None else header
    width = max(best.width, len(first)) if len(records) <= start + 2 else best.width
    rows = records[start + named :]
    short = sum(len(row) < width for row in rows)
    padded = short >= max(SHORT_ROWS, len(rows) * SHORT_SHARE)
    return Dialect(
        delimiter=best.delimiter,
        quote=quote,
        escape=escape,
        skip=ends[start] if named and ends else (ends[start - 1] if start else 0),
        headers=tuple(_headers(first if named else (), width)),
        padded=padded,
        understood=tuple(_sentences(best, named, start, padded, first, width)),
    )


def unique(headers: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names that differ from each other without regard to case, and a sentence for each that had to be changed."""
    names: list[str] = []
    said: list[str] = []
    taken: set[str] = set()
    for place, header in enumerate(headers, 1):
        wanted = name = header.strip() or f"column{place}"
        number = 2
        while name.casefold() in taken:
            name, number = f"{wanted}_{number}", number + 1
        if name != header.strip():
            why = f"the header {header.strip()!r} is there twice" if header.strip() else "it has no header"
            said.append(f"column {place} is called {name!r}: {why}")
        taken.add(name.casefold())
        names.append(name)
    return names, said


def _quotes(text: str) -> tuple[str, str]:
    if '"' not in text and re.search(r"(^|[,;\t|])'[^'\n]*'([,;\t|]|$)", text, re.MULTILINE):
        return "'", "'"
    return '"', "\\" if '\\"' in text and '""' not in text.replace('\\"', "") else '"'


def _records(text: str, whole: bool, delimiter: str, quote: str, escape: str) -> tuple[list[Record], list[int]]:
    """The first records and the number of lines at the end of each; a last record that was cut is left out."""
    csv.field_size_limit(max(len(text) + 1, csv.field_size_limit()))
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").split("\n")
    if not whole and len(lines) > 1:
        lines.pop()
    reader = csv.reader(
        [f"{line}\n" for line in lines],
        delimiter=delimiter,
        quotechar=quote,
        doublequote=escape == quote,
        escapechar="\\" if escape == "\\" else None,
    )
    records: list[Record] = []
    ends: list[int] = []
    for record in reader:
        if record:
            records.append(record)
            ends.append(reader.line_num)
        if len(records) == RECORDS_MAX:
            break
    return records, ends


def _try(text: str, whole: bool, delimiter: str, quote: str, escape: str) -> _Tried:
    records, _ = _records(text, whole, delimiter, quote, escape)
    widths = Counter(len(record) for record in records)
    if not widths:
        return _Tried(delimiter, 0, 0.0, 0)
    wide = {width: count for width, count in widths.items() if width > 1} or dict(widths)
    width = max(wide, key=lambda w: (wide[w], w))
    start = next(place for place, record in enumerate(records) if len(record) == width)
    if start > PREAMBLE_MAX or widths[width] <= start:
        return _Tried(delimiter, 1, 0.0, 0)
    if len(records[0]) > 1:  # a first row of another width is a header that does not fit, or a ragged row
        start = 0
    return _Tried(delimiter, width, widths[width] / (len(records) - start), start)


def _is_header(first: Record, rest: Sequence[Record]) -> bool:
    """Names look like names: none is a number or a date, and none is there again as a value below."""
    if not any(cell.strip() for cell in first) or any(VALUE.fullmatch(cell.strip()) for cell in first):
        return False
    return not any(
        cell and len(cell) > 1 and any(place < len(row) and row[place] == cell for row in rest[:50])
        for place, cell in enumerate(first)
    )


def _headers(first: Record, width: int) -> list[str]:
    named = [name.strip() for name in first][:width]
    return named + [""] * (width - len(named)) if first else [f"column{place}" for place in range(1, width + 1)]


def _sentences(best: _Tried, named: bool, start: int, padded: bool, first: Record, width: int) -> Iterable[str]:
    if width == 1:
        yield "one column: no delimiter was found"
    else:
        yield f"{width} columns, delimited by {SPOKEN.get(best.delimiter, repr(best.delimiter))}"
    if start:
        lines = "the line" if start == 1 else f"the {start} lines"
        yield f"skipped {lines} before the header, which do not look like rows"
    if not named:
        yield "there is no header; the columns are called column1, column2, …"
    elif len(first) != width:
        yield f"the header has {len(first)} names for {width} columns"
    if padded:
        yield "rows with fewer fields are common here and were filled up with empty ones"

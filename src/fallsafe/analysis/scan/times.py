"""How the times of a column are written, found out from its values, and the expression that reads them.

Everything becomes UTC. A time without an offset is read in the zone of the file. Where day and month cannot be told
apart the guess is said to be one: the caller looks at all rows, or asks.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fallsafe.analysis.sql import literal

SHARE_MIN = 0.8
"""From this share of readable values on a column is one of times; the others are left out and counted."""
FORMATS_MAX = 6
YEARS = range(1970, 2101)
"""Years outside are typing errors or stand for "never"."""
_MONTHS = {
    m: n for n, m in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_CLOCK = (
    r"(?:(?P<gap>[T ,]\s?)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<second>:\d{2})?(?P<part>[.,]\d+)?"
    r"(?P<half>\s?[AaPp]\.?[Mm]\.?)?)?"
)
_OFFSET = r"(?P<pad>\s?)(?P<offset>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
_NUMERIC = re.compile(
    r"(?P<a>\d{1,4})(?P<sep>[-/. ])(?P<b>\d{1,2}|[A-Za-z]{3,9})\.?(?P=sep)(?P<c>\d{1,4})" + _CLOCK + _OFFSET
)
_AMERICAN = re.compile(rf"(?P<b>[A-Za-z]{{3,9}})\.? (?P<a>\d{{1,2}}), (?P<c>\d{{4}}){_CLOCK}{_OFFSET}")
_COMPACT = re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?P<clock>([01]\d|2[0-3])[0-5]\d([0-5]\d)?)?")


class Written(StrEnum):
    """The ways in which times are written."""

    NATIVE = "native"  # the file knows that it is a time
    ISO = "iso"
    ISO_OFFSET = "iso_offset"
    FORMATS = "formats"
    EPOCH = "epoch"
    EXCEL = "excel"


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How a column's times are written. `formats` are patterns of `strptime`, the most frequent first; `scale` is the
    number of seconds of one unit of an epoch. `ambiguous` = nothing in the sample tells day from month; `naive` = some
    times have no offset; `day_only` = no time of day anywhere in the sample.
    """

    written: Written
    formats: tuple[str, ...] = ()
    scale: float = 1.0
    ambiguous: bool = False
    naive: bool = True
    day_only: bool = False

    def expression(self, text: str, zone: str = "UTC") -> str:
        """SQL that reads the text (or native value) `text` into a UTC timestamp, NULL where it cannot be read."""
        match self.written:
            case Written.NATIVE:
                return f"timezone('UTC', {text})" if not self.naive else _local(f"CAST({text} AS TIMESTAMP)", zone)
            case Written.ISO:
                return _local(f"TRY_CAST({text} AS TIMESTAMP)", zone)
            case Written.ISO_OFFSET:
                offset = f"timezone('UTC', TRY_CAST({text} AS TIMESTAMPTZ))"
                read = f"CASE WHEN suffix({text}, 'Z') THEN TRY_CAST({text} AS TIMESTAMP) ELSE {offset} END"
                return read if not self.naive or zone == "UTC" else _mixed(text, read, zone)
            case Written.FORMATS:
                read = f"try_strptime({text}, [{', '.join(map(literal, self.formats))}])"
                if any("%z" in f for f in self.formats):
                    return f"timezone('UTC', {read})"
                return _local(read, zone) if self.naive else read
            case Written.EPOCH:
                return f"make_timestamp(TRY_CAST(TRY_CAST({text} AS DOUBLE) * {self.scale * 1_000_000:.0f} AS BIGINT))"
            case Written.EXCEL:
                days = f"(TRY_CAST({text} AS DOUBLE) - 25569)"
                return _local(f"make_timestamp(TRY_CAST({days} * 86400000000 AS BIGINT))", zone)

    def swapped(self) -> "TimeForm":
        """The same with day and month the other way round."""
        turned = tuple(f.replace("%d", "%%").replace("%m", "%d").replace("%%", "%m") for f in self.formats)
        return TimeForm(self.written, turned, self.scale, False, self.naive, self.day_only)


def _mixed(text: str, read: str, zone: str) -> str:
    """Times of which some have an offset: the others are local ones."""
    has_offset = f"regexp_matches({text}, ':[0-9]{{2}}.*(Z|UTC|GMT|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$')"
    return f"CASE WHEN {has_offset} THEN {read} ELSE {_local(f'TRY_CAST({text} AS TIMESTAMP)', zone)} END"


def _local(expression: str, zone: str) -> str:
    return expression if zone == "UTC" else f"timezone('UTC', timezone({literal(zone)}, {expression}))"


@dataclass(frozen=True, slots=True)
class _Parts:
    order: str  # ymd, dmy, mdy or "?" where day and month could be either
    text: str  # the format, with {d} and {m} for what is not known
    offset: str  # as written: empty, +02:00, or a name for UTC
    pad: str
    clock: bool
    iso: bool


def form_of(values: Sequence[str], *, named_like_time: bool = False) -> TimeForm | None:
    """How these values write times; None where most of them are none."""
    sample = values
    if not sample:
        return None
    parts = [p for v in sample if (p := _parts(v.strip())) is not None]
    if len(parts) >= SHARE_MIN * len(sample):
        return _of_parts(parts)
    return _of_numbers(sample, named_like_time)


def native(type_name: str) -> TimeForm | None:
    """The form of a column that the file itself declares to be a time."""
    name = type_name.upper()
    if name.startswith("TIMESTAMP WITH TIME ZONE") or name == "TIMESTAMPTZ":
        return TimeForm(Written.NATIVE, naive=False)
    if name.startswith("TIMESTAMP") or name in ("DATE", "DATETIME"):
        return TimeForm(Written.NATIVE, day_only=name == "DATE")
    return None


def _parts(value: str) -> _Parts | None:
    found = _NUMERIC.fullmatch(value) or _AMERICAN.fullmatch(value)
    if found is None:
        return None
    a, b, c = found["a"], found["b"], found["c"]
    tail = _clock_format(found)
    offset = found["offset"] or ""
    if b.isalpha():
        return _with_month_name(found, tail, offset)
    sep = found["sep"]
    if len(a) == 4 and 1 <= int(b) <= 12 and 1 <= int(c) <= 31:
        iso = sep == "-" and "%I" not in tail and "," not in tail and not (found["pad"] and offset)
        return _Parts("ymd", f"%Y{sep}%m{sep}%d{tail}", offset, found["pad"], found["hour"] is not None, iso)
    if len(a) > 2 or len(c) not in (2, 4):
        return None
    year = "%Y" if len(c) == 4 else "%y"
    order = _day_or_month(int(a), int(b))
    form = f"{{0}}{sep}{{1}}{sep}{year}{tail}"
    return _Parts(order, form, offset, found["pad"], found["hour"] is not None, False) if order else None


def _with_month_name(found: re.Match[str], tail: str, offset: str) -> _Parts | None:
    name = found["b"]
    if name[:3].lower() not in _MONTHS or not 1 <= int(found["a"]) <= 31:
        return None
    month = "%b" if len(name) == 3 else "%B"
    year = "%Y" if len(found["c"]) == 4 else "%y"
    if "sep" in found.re.groupindex:
        sep = found["sep"]
        return _Parts("ymd", f"%d{sep}{month}{sep}{year}{tail}", offset, found["pad"], found["hour"] is not None, False)
    return _Parts("ymd", f"{month} %d, {year}{tail}", offset, found["pad"], found["hour"] is not None, False)


def _day_or_month(first: int, second: int) -> str:
    if not (1 <= first <= 31 and 1 <= second <= 31) or (first > 12 and second > 12):
        return ""
    return "dmy" if first > 12 else "mdy" if second > 12 else "?"


def _clock_format(found: re.Match[str]) -> str:
    if found["hour"] is None:
        return ""
    hour = "%I" if found["half"] else "%H"
    second = ":%S" if found["second"] else ""
    part = f"{found['part'][0]}%f" if found["part"] else ""
    half = (" %p" if found["half"].startswith(" ") else "%p") if found["half"] else ""
    return f"{found['gap']}{hour}:%M{second}{part}{half}"


def _of_parts(parts: Sequence[_Parts]) -> TimeForm:
    clock, offset = any(p.clock for p in parts), any(p.offset for p in parts)
    if sum(p.iso for p in parts) >= SHARE_MIN * len(parts):
        naive = any(not p.offset for p in parts)
        return TimeForm(Written.ISO_OFFSET if offset else Written.ISO, naive=naive, day_only=not clock)
    orders = Counter(p.order for p in parts if p.order in ("dmy", "mdy"))
    unknown = any(p.order == "?" for p in parts)
    order = orders.most_common(1)[0][0] if orders else _likely(parts)
    first, second = ("%m", "%d") if order == "mdy" else ("%d", "%m")
    numbered = any(p.offset[:1] in ("+", "-") for p in parts if p.offset)
    texts = Counter(p.text.format(first, second) + _offset_format(p, numbered) for p in parts)
    formats = tuple(text for text, _ in texts.most_common(FORMATS_MAX))
    return TimeForm(
        Written.FORMATS,
        formats,
        ambiguous=unknown and not orders,
        naive=any(not p.offset for p in parts),
        day_only=not clock,
    )


def _offset_format(parts: _Parts, numbered: bool) -> str:
    """The offset in a format: by its number where any is one, else the name of UTC as it stands there."""
    return f"{parts.pad}%z" if numbered and parts.offset else f"{parts.pad}{parts.offset}"


def _likely(parts: Iterable[_Parts]) -> str:
    """Where nothing tells: points are European, a half of the day is American, and day first is the more usual."""
    texts = [p.text for p in parts]
    return "mdy" if any("%p" in t for t in texts) else "dmy"


def _of_numbers(sample: Sequence[str], named_like_time: bool) -> TimeForm | None:
    compact = sum(_COMPACT.fullmatch(v) is not None for v in sample)
    if compact >= SHARE_MIN * len(sample):
        formats = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
        lengths = Counter(len(v) for v in sample if len(v) in formats)
        return TimeForm(
            Written.FORMATS, tuple(formats[n] for n, _ in lengths.most_common()), day_only=set(lengths) == {8}
        )
    numbers = [float(v) for v in sample if re.fullmatch(r"\d{5}(\.\d+)?|\d{10}(\.\d+)?|\d{13}|\d{16}", v)]
    if len(numbers) < SHARE_MIN * len(sample):
        return None
    scale = next((s for s in (1.0, 1e-3, 1e-6) if all(9e8 < n * s < 4.2e9 for n in numbers)), None)
    if scale is not None and (named_like_time or scale < 1.0):
        return TimeForm(Written.EPOCH, scale=scale, naive=False)
    if named_like_time and all(25_570 < n < 73_050 for n in numbers):
        return TimeForm(Written.EXCEL, day_only=all(n.is_integer() for n in numbers))
    return None

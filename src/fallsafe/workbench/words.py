"""States, times, durations and money in the words that a person reads. The same words as everywhere in the product,
without underscores.

A word that is not in a table is shown as it is, so that nothing new stays invisible.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from fallsafe.core.calendar import zone_of
from fallsafe.core.orders.task import TaskState

ORDER_WORDS = {"in_progress": "In progress", "held": "Held", "partial": "Partly completed"}
ITEM_WORDS = {"held": "Blocked", "in_progress": "In progress"}
TASK_WORDS: Mapping[str, str] = {
    TaskState.PLANNED: "Waiting",
    TaskState.READY: "Ready to send",
    TaskState.SENDING: "Sending",
    TaskState.WAITING_CALLBACK: "Waiting for its result",
    TaskState.UNKNOWN: "Outcome unknown",
    TaskState.COMPLETED: "Done",
    TaskState.HANDED_OVER: "Handed over",
    TaskState.UNDO_UNKNOWN: "Undo unknown",
    TaskState.UNDO_FAILED: "Undo failed",
}
COMMAND_WORDS = {
    "unknown": "Outcome unknown",
    "absent": "Proved absent",
    "accepted": "Accepted, not finished",
    "done": "Done",
}
CASE_WORDS = {"not_resolved": "Ended, not resolved"}
RECOVERABILITY_WORDS = {"unknown_outcome": "Unknown outcome", "policy_exception": "Policy exception"}
CURRENCY_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "BHD": 3, "KWD": 3, "OMR": 3, "JOD": 3, "TND": 3}


def words(word: str, table: Mapping[str, str] | None = None) -> str:
    """A state or code word for people: from the table, else without underscores and with a capital."""
    found = (table or {}).get(word)
    if found is not None:
        return found
    plain = word.replace("_", " ").strip()
    return plain[:1].upper() + plain[1:]


def span(length: timedelta) -> str:
    """A length of time in its two largest units: `3 h 40 m`, `2 d 4 h`, under five minutes `3 m 20 s`."""
    seconds = int(abs(length).total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 300:
        return _two(seconds, 60, "m", 1, "s")
    if seconds < 3600:
        return f"{seconds // 60} m"
    if seconds < 48 * 3600:
        return _two(seconds, 3600, "h", 60, "m")
    return _two(seconds, 86400, "d", 3600, "h")


def _two(seconds: int, large: int, large_word: str, small: int, small_word: str) -> str:
    rest = seconds % large // small
    return f"{seconds // large} {large_word}" + (f" {rest} {small_word}" if rest else "")


def until(at: datetime, now: datetime) -> str:
    """How long is left, or how long it is over."""
    return f"{span(at - now)} left" if at > now else f"{span(now - at)} over"


def clock(at: datetime, now: datetime) -> str:
    """A time of day in UTC to the second, with the day when it is another one than today."""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%d %b %H:%M:%S}"


def full(at: datetime) -> str:
    """A time for tooltips and print: day, time and zone."""
    return f"{at.astimezone(UTC):%a %d %b %Y %H:%M:%S} UTC"


def promised(at: datetime, zone: str, now: datetime) -> str:
    """A promised date as it was promised: in its own zone, with `today` and `tomorrow` in that zone."""
    where = zone_of(zone) or UTC
    local, today = at.astimezone(where), now.astimezone(where).date()
    days = (local.date() - today).days
    day = {0: "today", 1: "tomorrow", -1: "yesterday"}.get(days, f"{local:%a %d %b}")
    name = zone if zone_of(zone) else "UTC"
    return f"{day} {local:%H:%M} ({name})"


def money(minor: int, currency: str) -> str:
    """An amount of minor units with its currency; an em dash for nothing."""
    if not minor:
        return "—"
    digits = CURRENCY_DIGITS.get(currency, 2)
    return f"{minor / 10**digits:,.{digits}f} {currency}".rstrip()


def size(count: int) -> str:
    """A number of bytes for people."""
    return f"{count} B" if count < 1024 else f"{count / 1024:.1f} KiB"


def many(count: int, one: str, more: str = "") -> str:
    """`1 task`, `2 tasks`."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def lowered(text: str) -> str:
    """A title in the middle of a sentence: its first letter small, the rest as it is."""
    return text[:1].lower() + text[1:]

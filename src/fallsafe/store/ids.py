"""Ids: 64-bit integers, milliseconds since 2025 (41 bits), lane slot (8), counter (14), never below the last one kept
in the lane head.

Outside they carry a prefix that says what they are (`O-`, `OI-`, `T-`, `C-`, `F-`, `E-`, `S-`, `R-`, `RA-`,
`AM-`).
"""

from datetime import UTC, datetime

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
PREFIX = {
    "order": "O",
    "item": "OI",
    "task": "T",
    "command": "C",
    "case": "F",
    "evidence": "E",
    "inbox": "CB",
    "signal": "S",
    "report": "R",
    "view": "V",
    "repair": "RA",
    "amendment": "AM",
    "automation": "AU",
}


class IdMaker:
    """Gives the ids of one lane. `last` is the last id that a committed transaction of the lane gave."""

    def __init__(self, lane: int, last: int) -> None:
        self._lane = lane
        self._milliseconds = last >> 22
        self._counter = last & 0x3FFF
        self.last = last

    def next(self, now: datetime) -> int:
        """The next id. Ids of a lane never go back, also when the clock does."""
        milliseconds = int((now - EPOCH).total_seconds() * 1000)
        if milliseconds > self._milliseconds:
            self._milliseconds, self._counter = milliseconds, 0
        elif self._counter < 0x3FFF:
            self._counter += 1
        else:
            self._milliseconds, self._counter = self._milliseconds + 1, 0
        self.last = (self._milliseconds << 22) | (self._lane << 14) | self._counter
        return self.last


def first_id(at: datetime) -> int:
    """No id that was given at that time, or later, is below this."""
    return max(int((at - EPOCH).total_seconds() * 1000), 0) << 22


def outside(thing: str, number: int) -> str:
    """`outside("case", 7)` is `F-7`."""
    return f"{PREFIX[thing]}-{number}"


def inside(thing: str, text: str) -> int | None:
    """The number of an outside id of that thing, or None when it is not one."""
    prefix, _, digits = text.partition("-")
    if prefix != PREFIX[thing] or not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        return None
    number = int(digits)
    return number if number < 2**63 else None

"""What a worker may use of each downstream just now: calls at once, which it holds by a lease that all workers see,
calls in a time, and repeats.

A gate that has no room is not read, so that what waits for one downstream never stands before what waits for another.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fallsafe.core.commands.capacity import TURN_SECONDS, Holding, to_hold
from fallsafe.core.commands.contract import System
from fallsafe.flows.context import Context
from fallsafe.store.canonical import instant
from fallsafe.store.tx import Database

LOOK_SECONDS = 0.5
LEASE = timedelta(seconds=30)
BURST_SECONDS = 1.0


@dataclass(slots=True)
class Bucket:
    """Fills by so much a second up to `most`; what is taken from it is gone. It begins empty."""

    per_second: float
    most: float
    level: float = 0.0
    at: float | None = None

    def fill(self, now: float) -> None:
        """Lets time pass until `now` (seconds, of any clock that never goes back)."""
        gone = 0.0 if self.at is None else max(0.0, now - self.at)
        self.level, self.at = min(self.most, self.level + gone * self.per_second), now

    def resize(self, per_second: float, most: float) -> None:
        """Another part of the whole."""
        self.per_second, self.most = per_second, most
        self.level = min(self.level, most)


@dataclass(slots=True)
class _Gate:
    """One downstream as this worker may use it."""

    slots: int = 0
    until: float = float("-inf")
    busy: int = 0
    full: bool = False
    rate: Bucket | None = None
    repeats: Bucket = field(default_factory=lambda: Bucket(0.0, 0.0))
    share: float = 0.0


class Gates:
    """The gates of one worker, called `name` among all; `monotonic` is the clock of its lease and of its rates."""

    def __init__(
        self, database: Database, context: Callable[[], Context], monotonic: Callable[[], float], name: str
    ) -> None:
        self._database, self._context, self._monotonic, self._name = database, context, monotonic, name
        self._gates: dict[int, _Gate] = {}
        self._looked_at: float | None = None

    async def look(self, now: datetime) -> None:
        """Takes what is this worker's, and gives back what is not; called before each time that something is claimed.
        `now` is the database's clock.
        """
        began = self._monotonic()
        if self._looked_at is not None and began - self._looked_at < LOOK_SECONDS:
            return
        rows = {row["gate"]: row["held"] for row in await self._database.fetch("gates/held")}
        wanted = self._wanted(rows, now)
        written = {gate: held for gate, held in wanted.items() if held != rows[gate]}
        got = set(wanted) - set(written)
        if written:
            was = msgspec.json.encode({gate: rows[gate] for gate in written}).decode()
            then = msgspec.json.encode(written).decode()
            got |= {row["gate"] for row in await self._database.fetch("gates/hold", was=was, then=then)}
        systems = self._systems()
        for gate in got:
            self._gates[gate].until = began + LEASE.total_seconds() / 2  # at least so much of it is left
            _resize(self._gates[gate], systems[gate], wanted[gate][self._name][0])
        self._looked_at = began

    def _wanted(self, rows: Mapping[int, Any], now: datetime) -> dict[int, Any]:
        """What all hold of each gate, with what this worker may hold from now."""
        turn, wanted = int(now.timestamp()) // TURN_SECONDS, dict[int, Any]()
        for gate, system in self._systems().items():
            held = rows.get(gate)
            if held is None:
                continue
            others = [one for one in _read(held) if one.worker != self._name and one.until > now]
            mine, state = held.get(self._name), self._gates.setdefault(gate, _Gate())
            slots = to_hold(system.concurrency, others, self._name, state.busy, turn)
            fresh = mine is not None and datetime.fromisoformat(mine[1]) > now + LEASE / 2
            until = mine[1] if fresh and mine is not None else instant(now + LEASE)
            left = {one.worker: held[one.worker] for one in others}
            wanted[gate] = {**left, self._name: [slots, until, state.full]}
            state.full = False
        return wanted

    def _systems(self) -> dict[int, System]:
        context = self._context()
        sets = [*context.policies.values(), context.newest]  # orders may still use what the newest does not name
        known = {code: system for each in sets for code, system in each.systems.items()}
        return {gate: known[code] for code, gate in context.gates.items() if code in known}

    def rooms(self) -> dict[int, int]:
        """How many calls may begin now at each gate; none where the lease may have run out."""
        now = self._monotonic()
        return {gate: _room(state, now) for gate, state in self._gates.items() if now < state.until}

    def repeats(self) -> Counter[str]:
        """How many repeats may go out now to each system."""
        now, left, context = self._monotonic(), Counter[str](), self._context()
        for code, gate in context.gates.items():
            state = self._gates.get(gate)
            if state is not None:
                state.repeats.fill(now)
                left[code] = int(state.repeats.level)
        return left

    def begin(self, gate: int, *, repeat: bool) -> None:
        """A call begins; a first send earns a share of a repeat."""
        state = self._gates.setdefault(gate, _Gate())
        state.busy += 1
        if state.rate is not None:
            state.rate.level -= 1
        state.repeats.level = min(state.repeats.most, state.repeats.level + (-1 if repeat else state.share))

    def end(self, gate: int) -> None:
        """A call has ended."""
        self._gates[gate].busy -= 1


def _resize(state: _Gate, system: System, slots: int) -> None:
    """The part of a gate is another; of what is limited in time it is the same part."""
    part, budget, state.slots = slots / system.concurrency, system.retry_budget, slots
    if system.rate is None:
        state.rate = None
    else:
        state.rate = state.rate or Bucket(0.0, 1.0)
        per_second = system.rate.per_second * part
        state.rate.resize(per_second, max(1.0, per_second * BURST_SECONDS))
    most = max(1.0, budget.least.calls * part)
    state.repeats.level += most - state.repeats.most if not state.repeats.most else 0.0
    state.repeats.resize(budget.least.per_second * part, most)
    state.share = budget.share


def _room(state: _Gate, now: float) -> int:
    room = state.slots - state.busy
    if state.rate is not None:
        state.rate.fill(now)
        room = min(room, int(state.rate.level))
    state.full |= room <= 0
    return room


def _read(held: Mapping[str, Any]) -> list[Holding]:
    return [Holding(name, one[0], datetime.fromisoformat(one[1]), one[2]) for name, one in held.items()]

"""The breaker of a downstream (§12.3): when its tasks wait because it works for nobody, who tries whether it works
again, and when all of them may go on.

What counts is proof that nothing left: so many in a row, and nothing that came through between them. A time-out is no
such proof, and no proof of the contrary either.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fallsafe.core.lifecycle import move
from fallsafe.core.values import replace


class Health(StrEnum):
    """Whether a downstream is sent to."""

    CLEAR = "clear"
    TRIPPED = "tripped"  # nothing is sent; its tasks park
    PROBING = "probing"  # one task, the canary, tries
    RELEASING = "releasing"  # it works again; what was parked goes on


H = Health
DOWNSTREAM_LIFECYCLE: dict[tuple[Health, str], Health] = {
    (H.CLEAR, "trip"): H.TRIPPED,
    (H.TRIPPED, "probe"): H.PROBING,
    (H.PROBING, "fail"): H.TRIPPED,  # the canary did not get through, or was not heard of in time
    (H.PROBING, "release"): H.RELEASING,
    (H.RELEASING, "trip"): H.TRIPPED,
    (H.RELEASING, "clear"): H.CLEAR,
}
STOPPED = frozenset({H.TRIPPED, H.PROBING})
DOWN_CAUSES = frozenset({"unreachable", "throttled"})
"""The causes of a failure that speak of the whole system; a busy element of it does not."""


class Came(StrEnum):
    """What an attempt says of the system that it went to."""

    THROUGH = "through"  # it answered, whatever it said
    BACK = "back"  # proof that nothing left, for a cause that is the system's
    NOWHERE = "nowhere"  # nobody knows


@dataclass(frozen=True, slots=True)
class Heard:
    """One attempt that ended: of which task, and what it says of its system. `retry_after` is what the system asked
    for.
    """

    system: str
    task_id: int
    came: Came
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Downstream:
    """What is known of one downstream. `since` is when it was stopped last, `changed_at` when its state changed.
    `failures` counts proofs in a row that nothing left, `probes` the canaries of
    this outage that failed; `canary` is the task that tries or was the last to, `look_at` when it is looked at again,
    `moves` how often its state has changed.
    """

    system: str
    gate: int
    state: Health
    since: datetime | None
    changed_at: datetime | None
    why: str
    failures: int
    probes: int
    canary: int | None
    look_at: datetime | None
    moves: int

    @property
    def is_stopped(self) -> bool:
        """Whether nothing but its canary is sent."""
        return self.state in STOPPED

    def lets(self, task_id: int) -> bool:
        """Whether a task may be sent now."""
        return not self.is_stopped or (self.state is Health.PROBING and self.canary == task_id)


CANARY_LOOK_EVERY = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Floor:
    """Policy: after how many proofs in a row a system counts as down, the waits before the first, second, … canary (the
    last repeats), and how long a canary may take.
    """

    failures: int
    probe_delays: tuple[timedelta, ...]
    canary_within: timedelta


def advance(known: Downstream, verb: str, now: datetime, why: str, **changes: object) -> Downstream:
    """The downstream after a verb of its table."""
    moved = replace(known, state=move(DOWNSTREAM_LIFECYCLE, known.state, verb), changed_at=now, why=why)
    return replace(moved, **changes)  # type: ignore[arg-type]  # safe because callers name its own fields


def hear(known: Downstream, heard: Iterable[Heard], floor: Floor, now: datetime) -> tuple[Downstream, str]:
    """What attempts that ended, in their order, make of a downstream, and the verb that moved it (empty: none).

    While it is stopped only the canary counts: what was under way when it tripped says nothing new.
    """
    for one in heard:
        if known.state is Health.PROBING and one.task_id == known.canary:
            return _probed(known, one, floor, now)
        if known.is_stopped:
            continue
        known = _counted(known, one)
        if known.failures >= floor.failures:
            return _tripped(known, one, floor, now)
    return known, ""


def _counted(known: Downstream, one: Heard) -> Downstream:
    match one.came:
        case Came.THROUGH:
            return replace(known, failures=0)
        case Came.BACK:
            return replace(known, failures=known.failures + 1)
        case Came.NOWHERE:
            return known


def _tripped(known: Downstream, one: Heard, floor: Floor, now: datetime) -> tuple[Downstream, str]:
    why = f"{known.failures} attempts in a row came back unsent"
    at = now + max(floor.probe_delays[0], one.retry_after or timedelta(0))
    return advance(known, "trip", now, why, since=now, probes=0, canary=None, look_at=at), "trip"


def _probed(known: Downstream, one: Heard, floor: Floor, now: datetime) -> tuple[Downstream, str]:
    if one.came is Came.THROUGH:
        why = "the canary came through"
        return advance(known, "release", now, why, failures=0, probes=0, look_at=now), "release"
    return fail(known, "the canary did not come through", floor, now, one.retry_after), "fail"


def fail(known: Downstream, why: str, floor: Floor, now: datetime, retry_after: timedelta | None = None) -> Downstream:
    """The canary failed, or was not heard of in time: the next one tries after a wait that grows."""
    probes = known.probes + 1
    wait = floor.probe_delays[min(probes, len(floor.probe_delays) - 1)]
    at = now + max(wait, retry_after or timedelta(0))
    return advance(known, "fail", now, why, probes=probes, look_at=at)


def probe(known: Downstream, task_id: int, now: datetime) -> Downstream:
    """One task tries whether it works again; soon after it is looked whether it does."""
    why = "one task tries whether it works again"
    return advance(known, "probe", now, why, canary=task_id, look_at=now + CANARY_LOOK_EVERY)


def watch(known: Downstream, tries: bool, floor: Floor, now: datetime) -> Downstream:
    """A look at a canary that was not heard of yet; `tries` is whether it is on its way, or will be. One that will not
    try (it is held, or looked up first) gives way to the next at once.
    """
    since = known.changed_at or now
    if now >= since + floor.canary_within:
        return fail(known, "nothing was heard of the canary in time", floor, now)
    if not tries and now >= since + CANARY_LOOK_EVERY:
        return advance(known, "fail", now, "the canary does not try", look_at=now)
    return replace(known, look_at=now + CANARY_LOOK_EVERY)

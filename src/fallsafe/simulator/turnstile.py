"""The turnstile: every session of every process stands here before each statement, commit and send, and the seed
releases one at a time.

A statement that would wait for a lock is tried again after the next end of a transaction. When everybody who holds
anything waits for somebody else, the order in which locks are taken is wrong, and the run has failed.
"""

import asyncio
import random
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Protocol


class WorldBroken(Exception):
    """The run has failed; what happened is said by the message and by the trace."""


class Standing(Protocol):
    """Whoever may stand at the turnstile: a process of the world."""

    name: str
    dead: bool

    def may_go(self) -> bool:
        """Whether it runs just now (it is not halted)."""
        ...


@dataclass(eq=False, slots=True)
class Place:
    """One that stands: who, before what, in which session (0 = none), and how it is let through."""

    who: Standing
    before: str
    session: int
    gate: "asyncio.Future[None]"


LIFE: ContextVar["Standing | None"] = ContextVar("life", default=None)


def _never(_: Place) -> bool:
    return False


@dataclass(slots=True)
class Turnstile:
    """Who stands, who waits for a lock, and which sessions have a transaction open. `interrupts` is asked before a
    place is let through; it is true when something else was done with it (its process was ended, or halted).
    """

    dice: random.Random
    trace: Callable[[str, str], None]
    interrupts: Callable[[Place], bool] = _never
    standing: list[Place] = field(default_factory=list)
    waiting: list[Place] = field(default_factory=list)
    open: dict[int, Standing] = field(default_factory=dict)
    steps: int = 0
    waits: int = 0

    async def stand(self, who: Standing, before: str, session: int = 0) -> None:
        """Stands until it is this one's turn."""
        place = Place(who, before, session, asyncio.get_running_loop().create_future())
        self.standing.append(place)
        await place.gate

    async def wait_for_lock(self, who: Standing, before: str, session: int) -> None:
        """Stands aside until a transaction has ended, and then until it is this one's turn."""
        place = Place(who, before, session, asyncio.get_running_loop().create_future())
        self.waiting.append(place)
        self.waits += 1
        await place.gate

    def ended(self, session: int) -> None:
        """A transaction has ended: whoever waited for a lock stands again."""
        self.open.pop(session, None)
        self.standing += self.waiting
        self.waiting.clear()

    def leave(self, who: Standing) -> None:
        """A process has ended: it stands nowhere any more."""
        self.standing = [p for p in self.standing if p.who is not who]
        self.waiting = [p for p in self.waiting if p.who is not who]

    def release(self) -> bool:
        """Lets one through that may go; False when there is none. Raises `WorldBroken` when locks are in a circle."""
        self._look_for_a_circle()
        free = [p for p in self.standing if p.who.may_go()]
        if not free:
            return False
        place = free[int(self.dice.random() * len(free))]
        if self.interrupts(place):
            return True
        self.standing.remove(place)
        self.steps += 1
        self.trace(place.who.name, place.before)
        if not place.gate.done():
            place.gate.set_result(None)
        return True

    def _look_for_a_circle(self) -> None:
        stuck = {p.session for p in self.waiting}
        if stuck and self.open.keys() <= stuck:
            who = "; ".join(f"{p.who.name} before {p.before}" for p in self.waiting)
            raise WorldBroken(f"locks are taken in a wrong order, everybody waits for somebody: {who}")

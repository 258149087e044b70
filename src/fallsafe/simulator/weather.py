"""What happens to a world as a whole: systems that are down or slow, a database that is away or is put back to an
earlier moment, a clock that steps.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from fallsafe.store.sql import sql

if TYPE_CHECKING:
    from fallsafe.simulator.world import World

SPAN_SECONDS = (300.0, 2_700.0)
LONG, LONG_SECONDS = 0.35, (13_000.0, 20_000.0)  # faults go on while what waited for a visit is finished
EARLY, EARLY_SECONDS = ("system_storm",), 15.0  # while orders still come in


class Weather:
    """The weather of one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.restored = False
        self.unnoticed = False
        self._seconds = self._uniform(*(LONG_SECONDS if world.dice() < LONG else SPAN_SECONDS))
        self._early: list[asyncio.Task[None]] = []
        events: dict[str, Callable[[], Awaitable[None]]] = {
            "database_restored": self._restore,
            "database_away": self._away,
            "clock_forward": self._forward,
            "clock_back": self._back,
            "system_slow": self._slow,
            "system_down": self._down,
            "system_storm": self._storm,
            "key_expired": self._forget_keys,
        }
        self._due = [(name, event) for name, event in events.items() if world.mishaps.strikes(name)]

    @property
    def restores(self) -> bool:
        """Whether the database will go back in time."""
        return any(name == "database_restored" for name, _ in self._due)

    def begin(self) -> None:
        """Lets happen what happens while orders still come in."""
        loop = asyncio.get_running_loop()
        early = [event for name, event in self._due if name in EARLY]
        self._early = [loop.create_task(self._at_some_time(event, EARLY_SECONDS)) for event in early]

    async def over(self) -> None:
        """Lets all of it happen, and returns when it is over."""
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._at_some_time(event)) for name, event in self._due if name not in EARLY]
        await asyncio.sleep(self._seconds)
        for task in (*tasks, *self._early):
            await task

    async def _at_some_time(self, event: Callable[[], Awaitable[None]], within: float = 0.0) -> None:
        await asyncio.sleep(self._uniform(1, within or self._seconds / 2))
        await event()

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._world.dice()

    async def _restore(self) -> None:
        """A copy is taken; some time later everything is put back to it. Then a person ends the stop, and the orders
        that were lost are handed in again.
        """
        world = self._world
        copy, known = world.ground.copy(), self._heads()
        await asyncio.sleep(self._uniform(0.5, 60))
        if not self._is_remembered(known):
            world.mishaps.count["database_restored"] -= 1
            return  # what nobody remembers nobody can miss: nothing was acknowledged since, or only to who is dead
        self.unnoticed = True
        for life in world.lives.values():
            life.halted = False
        world.break_connections()
        world.ground.restore(copy)
        world.judge.database_went_back()
        self.restored = True
        world._tell("", "the database was restored to an earlier moment")
        world.dirty = True
        await world.people.end_the_rewind()
        self.unnoticed = False
        await world.people.submit_lost()
        await asyncio.sleep(self._uniform(60, 300))
        self.restored = False

    def _heads(self) -> dict[int, int]:
        rows = self._world.ground.judge.execute(sql("lanes/heads")).fetchall()
        return {row["lane"]: row["seq"] for row in rows}

    def _is_remembered(self, known: Mapping[int, int]) -> bool:
        """Whether some process lives that was told of more than stands in the copy."""
        heads = [head for life in self._world.lives.values() for head in life.database.heads.items()]
        return any(seq > known.get(lane, 0) for lane, (seq, _) in heads)

    async def _away(self) -> None:
        world = self._world
        world.away_until = world.loop.time() + self._uniform(0.5, 40)
        world.break_connections()
        await asyncio.sleep(max(0.0, world.away_until - world.loop.time()))

    async def _forward(self) -> None:
        """Mostly by minutes; now and then by more than a day, as after a machine that stood still."""
        span = (1, 3_000) if self._world.dice() < 0.8 else (86_400, 100_000)
        self._world.skew += timedelta(seconds=self._uniform(*span))

    async def _back(self) -> None:
        self._world.skew -= timedelta(seconds=self._uniform(1, 900))

    async def _slow(self) -> None:
        world, usual = self._world, self._world.outside.travel
        world.outside.travel = self._uniform(0.5, 6)
        await asyncio.sleep(self._uniform(20, 300))
        world.outside.travel = usual

    async def _down(self) -> None:
        outside = self._world.outside
        systems = sorted({request.system for request in outside.ledger.requests}) or ["BIL"]
        system = systems[int(self._world.dice() * len(systems))]
        outside.down.add(system)
        await asyncio.sleep(self._uniform(10, 400))
        outside.down.discard(system)

    async def _storm(self) -> None:
        """A system takes nothing for long, and says so: it is too busy, asks to slow down, or is not there at all."""
        outside = self._world.outside
        system = ("BIL", "WHS", "WFM", "PRV")[int(self._world.dice() * 4)]
        self._world._tell("", f"a storm over {system}")
        outside.storms[system] = ("busy", "throttled", "refused")[int(self._world.dice() * 3)]
        how = outside.storms[system]
        await asyncio.sleep(self._uniform(300, 2_400))
        del outside.storms[system]
        self._world._tell("", f"the storm over {system} is over")
        if self._world.mishaps.strikes("storm_comes_back"):
            await self._come_back(system, how)

    async def _come_back(self, system: str, how: str) -> None:
        """The storm comes back as soon as somebody was answered again."""
        outside = self._world.outside
        asked = len(outside.ledger.requests)
        for _ in range(600):
            await asyncio.sleep(1.0)
            if any(request.system == system for request in outside.ledger.requests[asked:]):
                break
        self._world._tell("", f"the storm over {system} comes back")
        outside.storms[system] = how
        await asyncio.sleep(self._uniform(60, 300))
        del outside.storms[system]

    async def _forget_keys(self) -> None:
        """Accounts cannot be looked up for longer than their keys live, and some answers were lost before that."""
        outside = self._world.outside
        outside.lost_kinds.add("BIL.createAccount")
        await asyncio.sleep(self._uniform(5, 60))
        outside.lost_kinds.discard("BIL.createAccount")
        outside.broken_until["BIL.createAccount"] = self._world.loop.time() + 26 * 3600

"""The one person of a world who reads the contractor's replies: says what they say, twice now and then, and again where
what was said has been lost.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fallsafe.simulator.folders import KINDS, LETTER_KIND
from fallsafe.simulator.mishaps import LETTERS
from fallsafe.simulator.people import TOKENS
from fallsafe.store.ids import outside
from fallsafe.store.sql import sql

if TYPE_CHECKING:
    from fallsafe.simulator.world import World

READS_SECONDS = (900.0, 7_200.0)
SEEN = {"seen": "the trench is closed, with a photo", "where": "mail of Monday"}
OPEN = ("sending", "accepted", "unknown")


class Clerk:
    """The reader of replies in one world, with dice of their own."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._dice = random.Random(f"{world.plan.seed}/clerk")  # noqa: S311  safe because a seed must give the same
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Starts to read; nobody has to wait for it."""
        self._task = asyncio.get_running_loop().create_task(self._read())

    def _strikes(self, fault: str) -> bool:
        mishaps = self._world.mishaps
        if mishaps.healthy or mishaps.stopped:
            return False
        struck = self._dice.random() < min(0.9, LETTERS[fault] * mishaps.profile.factor)
        mishaps.count[fault] += struck
        return struck

    async def _read(self) -> None:
        """Answers for whatever letter was read at the far end, as long as nobody knows what became of it."""
        while True:
            await asyncio.sleep(self._dice.uniform(*READS_SECONDS))
            for row in self._world.ground.judge.execute(sql("promises/letters"), {"operation": LETTER_KIND}).fetchall():
                if row["state"] in OPEN and self._world.outside.truth.by_key(KINDS[LETTER_KIND], row["key"]):
                    await self._answer(row)

    async def _answer(self, row: Mapping[str, Any]) -> None:
        if self._strikes("reply_of_delay"):
            await self._say(row, {"says": "delayed", "code": "DELAYED", "date": "2026-12-10T08:00:00Z", **SEEN})
            return
        said = {"says": "done", "reference": "CW-7", **SEEN}
        asks = [self._say(row, said) for _ in range(1 + self._strikes("reply_twice"))]
        await asyncio.gather(*asks)

    async def _say(self, row: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        life = self._world.door()
        if life is None or life.doors is None:
            return
        name, headers = outside("command", row["id"]), {"Authorization": f"Bearer {TOKENS['operator.ben']}"}
        call = partial(life.doors.commands.reply, command_id=name)
        told = await life.doors.ask(call, f"/api/v1/commands/{name}/reply", json.dumps(said).encode(), headers)
        self._world._tell(row["external_id"], f"operator.ben says {said['says']} of {name}: {told.status} {told.code}")

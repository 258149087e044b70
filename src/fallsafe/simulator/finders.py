"""Those who see in a world that something is wrong before any system says so: they open a case about a step, perhaps
two at once, perhaps about one that is fine. Some then have the step left out or its item given up; what is left open is
withdrawn in the end.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fallsafe.simulator.life import NOTHING, Told
from fallsafe.simulator.people import TOKENS, Call
from fallsafe.simulator.sellers import Begin, Row
from fallsafe.simulator.turnstile import WorldBroken
from fallsafe.store.ids import outside
from fallsafe.store.sql import sql

if TYPE_CHECKING:
    from fallsafe.simulator.world import World

OPENED = 201


class Finders:
    """Everybody who finds something in one world, with dice of their own; `begin_repair` is how somebody begins a
    repair.
    """

    def __init__(self, world: "World", begin_repair: Begin) -> None:
        self._world, self._begin_repair = world, begin_repair
        self._dice = random.Random(f"{world.plan.seed}/finders")  # noqa: S311  safe because a seed must give the same
        self._tasks: list[asyncio.Task[None]] = []
        self._opened: list[str] = []

    def begin(self) -> None:
        """Starts to look around."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._look()))

    async def done(self) -> None:
        """All that was begun comes to its end, and nothing is left open that was nothing."""
        while self._tasks:
            await self._tasks.pop(0)
        for case in self._opened:
            await self._work(case, "withdraw", {"reason": "it was nothing"})

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._world.mishaps.stopped:
            await asyncio.sleep(self._dice.uniform(15, 300))
            rows = self._world.ground.judge.execute(sql("promises/to_find")).fetchall()
            if rows and self._world.mishaps.strikes("seen_by_a_person", self._dice):
                rare = [row for row in rows if row["optional"] or row["fresh"] or row["state"] in ("parked", "failed")]
                row = self._dice.choice(rare if rare and self._dice.random() < 0.7 else rows)
                case = await self._open(row)
                if case:
                    self._tasks.append(loop.create_task(self._deal_with(row, case)))

    async def _open(self, row: Row) -> str:
        """Opens a case, perhaps twice at once with the same key; its name, where it is a new one."""
        said = {"orderId": outside("order", row["order_id"]), "item": row["item"], "task": row["step"]}
        body = json.dumps({**said, "text": "she says it cannot be right", "reason": "she called"}).encode()
        asks = [self._ask(body)]
        if self._world.mishaps.strikes("seen_twice", self._dice):
            asks.append(self._ask(body))
        taken = [json.loads(told.body) for told in await asyncio.gather(*asks) if told.status == OPENED]
        if len({one["id"] for one in taken}) > 1 and not self._world.judge.rewound:
            self._world.fail(WorldBroken(f"P4: one thing that was seen is {len(taken)} cases: {taken}"))
        new = [one["id"] for one in taken if not one["already"]]
        self._opened += new[:1]
        return new[0] if new else ""

    async def _deal_with(self, row: Row, case: str) -> None:
        """Somebody takes it up sooner or later: the step is left out, its item given up, or it was nothing."""
        await asyncio.sleep(self._dice.uniform(1, 40 if row["fresh"] or row["optional"] else 240))
        if self._dice.random() < 0.3:
            await self._work(case, "diagnose", {})
        about: Mapping[str, Any] = {"id": int(case.partition("-")[2])}
        if row["optional"] and self._dice.random() < 0.8:
            await self._begin_repair(about, "SKIP_TASK", {})
        elif self._dice.random() < (0.8 if row["fresh"] else 0.2):
            await self._begin_repair(about, "CANCEL_ITEM", {"consent": "they do not want it any more"})
        elif self._dice.random() < 0.5:
            await self._work(case, "withdraw", {"reason": "it was nothing"})

    async def _work(self, case: str, action: str, given: Mapping[str, str]) -> None:
        life = self._world.door()
        if life is not None and life.doors is not None:
            call: Call = partial(life.doors.casework.handler(action), case_id=case)
            headers = {"Authorization": f"Bearer {TOKENS['operator.ben']}"}
            path = f"/api/v1/fallout-cases/{case}/{action}"
            told = await life.doors.ask(call, path, json.dumps(given).encode(), headers)
            self._world._tell("", f"operator.ben asks {action} of {case}: {told.status} {told.code}")

    async def _ask(self, body: bytes) -> Told:
        life = self._world.door()
        if life is None or life.doors is None:
            return NOTHING
        headers = {"Authorization": f"Bearer {TOKENS['support.chris']}"}
        told = await life.doors.ask(life.doors.casework.open, "/api/v1/fallout-cases", body, headers)
        self._world._tell("", f"support.chris opens a case: {told.status} {told.code}")
        return told

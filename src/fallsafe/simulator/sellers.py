"""Those who sell in a world: while an order is under way they want another date, another content, or an end. They say
so, perhaps twice at once; later somebody deals with it, and the order goes on.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fallsafe.flows.revising import KINDS
from fallsafe.simulator.life import NOTHING, Told
from fallsafe.simulator.people import TOKENS, Call
from fallsafe.simulator.turnstile import WorldBroken
from fallsafe.store.ids import outside
from fallsafe.store.sql import sql

if TYPE_CHECKING:
    from fallsafe.simulator.world import World

Row = Mapping[str, Any]
Begin = Callable[[Row, str, Mapping[str, Any]], Awaitable[None]]
TAKEN = 202
TRIES = 12
"""How often somebody tries to let a changed order go on; it waits behind every outcome that is not known."""


class Sellers:
    """Everybody who sells in one world, with dice of their own; `begin_repair` is how somebody begins a repair."""

    def __init__(self, world: "World", begin_repair: Begin) -> None:
        self._world, self._begin_repair = world, begin_repair
        self._dice = random.Random(f"{world.plan.seed}/sellers")  # noqa: S311  safe because a seed must give the same
        self._tasks: list[asyncio.Task[None]] = []
        self._said = 0

    def begin(self) -> None:
        """Starts to sell."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._sell()))

    async def done(self) -> None:
        """All that was begun comes to its end."""
        while self._tasks:
            await self._tasks.pop(0)

    def _strikes(self, fault: str) -> bool:
        return self._world.mishaps.strikes(fault, self._dice)

    async def _sell(self) -> None:
        while not self._world.mishaps.stopped:
            await asyncio.sleep(self._dice.uniform(30, 400))
            rows = self._world.ground.judge.execute(sql("promises/to_revise")).fetchall()
            if rows and self._strikes("revised"):
                met = [row for row in rows if row["previewed"]]
                order = self._dice.choice(met if met and self._dice.random() < 0.7 else rows)
                await self._revise(order)
                self._tasks.append(asyncio.get_running_loop().create_task(self._deal_with(order)))

    async def _revise(self, order: Row) -> None:
        """Tells of a change, perhaps twice at once, and again while nothing comes back."""
        self._said += 1
        said = {"externalId": f"REV-{self._said}", "kind": self._dice.choice(KINDS), "what": "she called, and said so"}
        body, name = json.dumps(said).encode(), outside("order", order["id"])
        asks = [self._ask(name, body)]
        if self._strikes("revised_twice"):
            asks.append(self._ask(name, body))
        told = await asyncio.gather(*asks)
        first = sum(t.status == TAKEN and not json.loads(t.body)["already"] for t in told)
        if first > 1 and not self._world.judge.rewound:
            self._world.fail(WorldBroken(f"P6: {said['externalId']} of {name} was taken in {first} times"))

    async def _deal_with(self, order: Row) -> None:
        """Somebody lets the order go on once all its outcomes are known, and says that it was dealt with."""
        await asyncio.sleep(self._dice.uniform(20, 600))
        for n in range(TRIES):
            rows = self._world.ground.judge.execute(sql("promises/upstream_cases"), {"id": order["id"]}).fetchall()
            if not rows:
                return
            await self._begin_repair(rows[0], "THAW", {"what": "order"})
            await self._resolve(outside("case", rows[0]["id"]))
            await asyncio.sleep(60 * (n + 1))

    async def _resolve(self, case: str) -> None:
        life = self._world.door()
        if life is None or life.doors is None:
            return
        call: Call = partial(life.doors.casework.handler("resolve"), case_id=case)
        body = json.dumps({"type": "HandedOff", "text": "it was dealt with"}).encode()
        headers = {"Authorization": f"Bearer {TOKENS['operator.ben']}"}
        await life.doors.ask(call, f"/api/v1/fallout-cases/{case}/resolve", body, headers)

    async def _ask(self, order: str, body: bytes) -> Told:
        life = self._world.door()
        if life is None or life.doors is None:
            return NOTHING
        call: Call = partial(life.doors.orders.revise, order_id=order)
        headers = {"Authorization": f"Bearer {TOKENS['machine.crm']}"}
        told = await life.doors.ask(call, f"/api/v1/orders/{order}/revisions", body, headers)
        self._world._tell("", f"machine.crm revises {order}: {told.status} {told.code}")
        return told

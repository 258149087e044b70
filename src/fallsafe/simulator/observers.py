"""Those who watch orders from outside in a world: they tell what they see, before its order is known, twice, about
orders that nobody brings, and take it back, sometimes before it was judged.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fallsafe.flows import comparing
from fallsafe.simulator.mishaps import SIGNALS
from fallsafe.simulator.people import TOKENS
from fallsafe.simulator.promises import Broken
from fallsafe.simulator.turnstile import WorldBroken
from fallsafe.store.sql import sql

if TYPE_CHECKING:
    from fallsafe.simulator.world import World

SOURCE = "MON"
STEPS = ("activateFiberService", "reserveRouter", "createSubscription", "notifyCustomer", "")
CODES = ("LINE_DOWN", "ADDRESS_NOT_SERVICEABLE", "SOMETHING_ELSE")
TAKEN = (200, 202)


class Observers:
    """Everybody who watches in one world, with dice of their own."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._dice = random.Random(f"{world.plan.seed}/observers")  # noqa: S311  safe because a seed must give the same
        self._tasks: list[asyncio.Task[None]] = []
        self.taken: set[str] = set()
        self.ended: set[str] = set()
        self.bodies: set[bytes] = set()

    def begin(self) -> None:
        """Starts to watch."""
        loop = asyncio.get_running_loop()
        for number in range(1 + self._world.plan.orders // 2):
            self._tasks.append(loop.create_task(self._see(number)))

    async def done(self) -> None:
        """All that was seen is told."""
        for task in self._tasks:
            await task

    def _strikes(self, fault: str) -> bool:
        mishaps = self._world.mishaps
        struck = not mishaps.healthy and self._dice.random() < min(0.9, SIGNALS[fault] * mishaps.profile.factor)
        mishaps.count[fault] += struck
        return struck

    async def _see(self, number: int) -> None:
        order = f"s{self._dice.randrange(self._world.plan.orders):03}"
        early, stray = self._strikes("signal_early"), self._strikes("signal_stray")
        name = f"A-{number}"
        told = self._signal(name, "nobody" if stray else order)
        await asyncio.sleep(self._dice.uniform(0, 2) if early else self._dice.uniform(5, 300))
        if self._strikes("signal_end_first"):
            await self._until_taken(self._end(number, told))
            await self._until_taken(told)
            self.ended |= {name}
            return
        await self._until_taken(told)
        if self._strikes("signal_alike"):
            await self._until_taken({**told, "externalId": f"B-{number}"})
        if self._strikes("signal_twice"):
            await self._until_taken(told)
        if self._strikes("signal_otherwise"):
            await self._otherwise(told)
        if self._strikes("signal_ended"):
            await asyncio.sleep(self._dice.choice((0.0, 60.0, 600.0)))
            await self._until_taken(self._end(number, told))
            self.ended |= {name}

    def _signal(self, name: str, order: str) -> dict[str, Any]:
        about = {"source": "CRM", "externalId": order}
        seen = {"task": self._dice.choice(STEPS), "code": self._dice.choice(CODES)}
        return {"source": SOURCE, "externalId": name, "order": about, "message": f"seen {name}", **seen}

    def _end(self, number: int, told: dict[str, Any]) -> dict[str, Any]:
        return {"source": SOURCE, "externalId": f"E-{number}", "order": told["order"], "ends": told["externalId"]}

    async def _otherwise(self, told: dict[str, Any]) -> None:
        status = await self._tell({**told, "message": "something else"})
        if status in TAKEN and not self._world.judge.rewound:
            what = f"signal {told['externalId']} was told with another content, and taken for the same"
            self._world.fail(WorldBroken(f"P6: {what}"))

    async def _until_taken(self, told: dict[str, Any]) -> None:
        while True:
            status = await self._tell(told)
            if status in TAKEN:
                self.taken |= {str(told["externalId"])}
                return
            if status not in (0, 409, 503) or (status == 409 and not self._world.judge.rewound):
                self._world.fail(WorldBroken(f"P0: a good signal was answered {status}"))
                return
            await asyncio.sleep(self._dice.uniform(0.2, 4))

    async def _tell(self, told: dict[str, Any]) -> int:
        life = self._world.door()
        if life is None or life.doors is None:
            return 0
        body = json.dumps(told, indent=self._dice.choice((None, 1))).encode()
        self.bodies.add(body)
        headers = {"Authorization": f"Bearer {TOKENS['machine.crm']}"}
        answer = await life.doors.ask(life.doors.signals.tell, "/api/v1/signals", body, headers)
        order = str(told["order"]["externalId"])
        self._world._tell(order, f"in    signal {told['externalId']} {told.get('ends', '')}: {answer.status}")
        return answer.status

    # -- what must have come of it --------------------------------------------------------------------------------

    def broken(self) -> Iterator[Broken]:
        """What was told and taken is there, once, and is what it should have become."""
        rows = self._world.ground.judge.execute(sql("promises/signals")).fetchall()
        there = {row["external_id"]: row for row in rows}
        floor = min(policy.limits.brake.floor for policy in self._world.sets.values() if policy.limits.brake)
        ended = self.ended | {row["ends"] for row in rows if row["source"] == comparing.SOURCE}
        for name in sorted(self.taken - there.keys()):
            yield Broken("P5", f"signal {name}", "was taken, and is not there")
        for name, row in there.items():
            where, order = f"signal {name}", row["order_id"] or 0
            if name in ended and row["state"] != "ended":
                yield Broken("P6", where, f"was taken back, and is {row['state']}", order)
            wanted = "ended" if row["ends"] else "unmatched" if row["order_external_id"] == "nobody" else "standing"
            if row["state"] == "candidate" and name not in ended:
                yield from _held_back(row, rows, floor)
            elif name not in ended and row["state"] != wanted:
                yield Broken("P1", where, f"is {row['state']} in the end, and should be {wanted}", order)


def _held_back(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], floor: int) -> Iterator[Broken]:
    """What the brake holds back is one too many: so many of its source or its rule have opened cases."""
    for name in ("source", "rule"):
        if sum(other[name] == row[name] and other["case_id"] is not None for other in rows) >= floor:
            return
    where = f"signal {row['external_id']}"
    yield Broken("P4", where, "is held back by the brake, and hardly anything was said before", row["order_id"] or 0)

"""Policy that becomes another while orders run: a newer set is published and put in force, processes learn of it one
after another, running orders are moved to it as they were shown, and sometimes the older one is put in force again.

The newer set has another plan, other times, another contract and other owners, reservations that lapse within hours,
and a brake that holds early; it is as right as the older one.
"""

import asyncio
import json
import random
from functools import cache
from typing import TYPE_CHECKING

from fallsafe import policyset
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.policy import REFRESH_SECONDS
from fallsafe.simulator.life import Told
from fallsafe.store.tx import PASSING, Rewound

if TYPE_CHECKING:
    from fallsafe.simulator.life import Life
    from fallsafe.simulator.world import World

LIKELY, MOVED_LIKELY, TAKEN_BACK_LIKELY = 0.5, 0.7, 0.25
TRIES_MAX = 40
WHO = "engineer.anna"
# File, what stands there, what stands there in the newer set.
CHANGES = (
    (
        "plans.yaml",
        "      - step: activateStaticIp\n        task_type: activateStaticIp\n        after_items:\n",
        (
            "      - step: reserveIpAddress\n        task_type: reserveIpAddress\n"
            "      - step: activateStaticIp\n        task_type: activateStaticIp\n        after: [reserveIpAddress]\n"
            "        after_items:\n"
        ),
    ),
    (
        "task_types.yaml",
        "operation: BIL.createSubscription\n    from: sent\n    expected: PT10S\n    warning: PT2M\n    breach: PT15M",
        "operation: BIL.createSubscription\n    from: sent\n    expected: PT10S\n    warning: PT2M\n    breach: PT30M",
    ),
    ("operations.yaml", "key_lives: PT24H\n    settle_window: PT1M", "key_lives: PT12H\n    settle_window: PT2M"),
    (
        "classification.yaml",
        "owner: SUPPLY_CHAIN\n    automation: propose\n    first_step: Wait for stock",
        "owner: ORDER_DESK\n    automation: propose\n    first_step: Wait for stock",
    ),
    (
        "task_types.yaml",
        "valid: P7D\n    renew: extendStock\n    renew_before: P1D",
        "valid: PT2H\n    renew: extendStock\n    renew_before: PT30M",
    ),
    (
        "task_types.yaml",
        "valid: P14D\n    renew: extendReservation\n    renew_before: P2D",
        "valid: PT1H\n    renew: extendReservation\n    renew_before: PT40M",
    ),
    ("limits.yaml", "brake: {floor: 50, ratio: 0.05,", "brake: {floor: 3, ratio: 0.05,"),
)


@cache
def newer_files() -> dict[str, bytes]:
    """The files of the newer set. Raises `ValueError` where the shipped set does not say any more what it changes."""
    files = dict(policyset.read_folder(policyset.shipped("telco")))
    for name, was, now in CHANGES:
        text = files[name].decode()
        if was not in text:
            raise ValueError(f"{name} does not say {was[:60]!r} any more")
        files[name] = text.replace(was, now, 1).encode()
    return files


def newer() -> PolicySet:
    """The newer set."""
    return policyset.load_files(newer_files())


class Drift:
    """The change of policy in one world, in about half of them; none where the database will be restored."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._dice = random.Random(f"{world.plan.seed}/drift")  # noqa: S311  safe because a seed must give the same
        self.happens = self._dice.random() < LIKELY

    async def run(self) -> None:
        """All of it, at its time."""
        older, set_id = self._world.policy, newer().id
        await asyncio.sleep(self._dice.uniform(0, 14))
        texts = {name: body.decode() for name, body in newer_files().items()}
        await self._until("publish", {"files": texts, "reason": "orders take longer", "activate": False})
        await asyncio.sleep(self._dice.uniform(0, 3))
        await self._until("activate", {"reason": "from today"}, set_id)
        self._world.mishaps.count["policy_activated"] += 1
        await asyncio.sleep(self._dice.uniform(1, 90))
        if self._dice.random() < MOVED_LIKELY:
            await self._move(older.id, set_id)
        if self._dice.random() < TAKEN_BACK_LIKELY:
            await self._until("activate", {"reason": "it was better before"}, older.id)

    async def _until(self, what: str, body: object, set_id: str = "") -> None:
        """Asks until a door has done it; whatever came of it, processes look whether something is new."""
        for _ in range(TRIES_MAX):
            told = await self._ask(what, body, set_id)
            for life in list(self._world.lives.values()):
                life.start_work(self._learn(life))
            if told.status in (200, 201):
                return
            await asyncio.sleep(self._dice.uniform(0.5, 10))
        self._world.people._fail(f"P6: {what} of a policy set that is right was never done")

    async def _learn(self, life: "Life") -> None:
        """A process looks at most `REFRESH_SECONDS` later, and again where the database is away."""
        await asyncio.sleep(self._dice.uniform(0, REFRESH_SECONDS))
        while True:
            try:
                await life.policies.refresh(life.database)
                return
            except (*PASSING, Rewound):
                await asyncio.sleep(1)

    async def _move(self, origin: str, target: str) -> None:
        """Looks at what would happen to all running orders, and has it done while that still holds."""
        for _ in range(TRIES_MAX):
            shown = await self._ask("moves_preview", {"from": origin}, target)
            if shown.status == 200:
                said = json.loads(shown.body)
                ids = [order["id"] for order in said["orders"]]
                if not ids:
                    return
                body = {"orderIds": ids, "hash": said["hash"], "reason": "the newer plan is better"}
                done = await self._ask("moves", body, target)
                if done.status == 200:
                    moved = [order for order in json.loads(done.body)["orders"] if order["verdict"] == "moves"]
                    self._world.mishaps.count["order_moved"] += len(moved)
                    return
            await asyncio.sleep(self._dice.uniform(0.2, 5))

    async def _ask(self, what: str, body: object, set_id: str = "") -> Told:
        return await self._world.people._ask(WHO, what, json.dumps(body).encode(), {}, set_id)

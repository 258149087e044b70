"""The other engine of a world: it executes orders of its own, tells where they stand late, twice, in any order or only
in the end, and does what people have it told.
"""

import asyncio
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from fallsafe.simulator.life import NOTHING, Told
from fallsafe.simulator.mishaps import REPORTS
from fallsafe.simulator.outside import Memory
from fallsafe.simulator.people import TOKENS
from fallsafe.simulator.promises import Broken
from fallsafe.simulator.sandbox.disk import Disk
from fallsafe.simulator.sandbox.engine import CODE, OVER, Engine, Report, Work
from fallsafe.simulator.turnstile import WorldBroken
from fallsafe.store.ids import outside
from fallsafe.store.sql import sql

if TYPE_CHECKING:
    from fallsafe.simulator.world import World

BEGIN_SECONDS = datetime(2026, 12, 7, 8, tzinfo=UTC).timestamp()
ORDERS_EACH = 4
STEPS = ("check", "reserve", "activate", "bill")
LATE_SECONDS = (20.0, 1_500.0)
PATIENCE_SECONDS = 4 * 3600.0
STEP_SECONDS = (5.0, 240.0)
SAYS = {
    "planned": "planned", "in_progress": "handed_over", "completed": "completed", "failed": "failed",
    "skipped": "skipped", "cancelled": "cancelled",
}  # fmt: skip


class Upstream:
    """The engine of one world, with dice of its own."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._dice = random.Random(f"{world.plan.seed}/engine")  # noqa: S311  safe because a seed must give the same
        self._engine = Engine(cast(Disk, Memory()), lambda: BEGIN_SECONDS + world.loop.time())
        world.outside.truth.heard = self._engine.steer
        self._taken: set[str] = set()
        self._beside: list[asyncio.Task[None]] = []
        self.bodies: set[bytes] = set()

    def begin(self) -> None:
        """Takes its orders on, and works."""
        for number in range(max(1, self._world.plan.orders // ORDERS_EACH)):
            self._engine.take(self._order(number))
        loop = asyncio.get_running_loop()
        self._beside += [loop.create_task(self._work()), loop.create_task(self._steer())]

    def names(self) -> list[tuple[str, str]]:
        """Its orders with a step of each, for whoever watches them."""
        return [(name, work.steps[-1].step) for name, work in self._engine.works.items()]

    def _order(self, number: int) -> dict[str, Any]:
        steps = []
        for n, step in enumerate(STEPS[: self._dice.randint(2, len(STEPS))]):
            after = [STEPS[self._dice.randrange(n)]] if n and self._dice.random() < 0.8 else []
            told = {"step": step, "item": "line", "after": after, "seconds": self._dice.uniform(*STEP_SECONDS)}
            steps.append({**told, "fails": self._strikes("engine_step_fails"), "code": "PORT_FAULT"})
        return {"orderId": f"e{number:03}", "customerRef": f"CE-{number}", "steps": steps}

    def _strikes(self, fault: str) -> int:
        mishaps = self._world.mishaps
        struck = not mishaps.healthy and self._dice.random() < min(0.9, REPORTS[fault] * mishaps.profile.factor)
        mishaps.count[fault] += struck
        return int(struck)

    # -- telling --------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        """Works until nothing is left to be done, and tells each change."""
        loop = asyncio.get_running_loop()
        while True:
            self._engine.advance()
            fresh = [report for event, report in self._engine.untold.items() if event not in self._taken]
            self._taken |= {report.event_id for report in fresh}
            self._beside += [loop.create_task(self._report(report)) for report in fresh]
            if self._world.mishaps.stopped and not fresh and self._engine.next_at() is None:
                return
            await asyncio.sleep(self._dice.uniform(1, 20))

    async def _report(self, report: Report) -> None:
        if self._strikes("report_never"):
            return
        if self._strikes("report_late"):
            await asyncio.sleep(self._dice.uniform(*LATE_SECONDS))
        together = [report]
        if self._strikes("report_of_all"):
            together.append(self._whole(report.order_id, f"{report.event_id}/all"))
        await self._until_taken(together)
        if self._strikes("report_twice"):
            await asyncio.sleep(self._dice.choice((0.0, 5.0, 900.0)))
            await self._until_taken([report])
        if self._strikes("report_otherwise"):
            await self._otherwise(report)
        self._engine.told(report)

    def _whole(self, order_id: str, event_id: str) -> Report:
        return self._engine.whole(order_id, event_id)

    async def _otherwise(self, report: Report) -> None:
        """The same event with another content: a mistake that must not be taken."""
        told = await self._tell([Report(report.event_id, report.order_id, {**report.told, "state": "failed"})])
        if told.status == 200 and json.loads(told.body)["refused"] != 1 and not self._world.judge.rewound:
            self._fail(f"P6: report {report.event_id} was told with another content, and taken")

    async def _until_taken(self, reports: list[Report]) -> None:
        while True:
            told = await self._tell(reports)
            if told.status == 200:
                if json.loads(told.body)["refused"] and not self._world.judge.rewound:
                    self._fail(f"P0: a good report was refused: {told.body!r}")
                return
            if told.status not in (0, 503):
                self._fail(f"P0: good reports were answered {told.status} {told.code}")
                return
            await asyncio.sleep(self._dice.uniform(0.2, 4))

    async def _tell(self, reports: list[Report]) -> Told:
        life = self._world.door()
        if life is None or life.doors is None:
            return NOTHING
        self._dice.shuffle(reports)
        body = json.dumps({"source": CODE, "reports": [report.told for report in reports]}).encode()
        headers = {"Authorization": f"Bearer {TOKENS['machine.crm']}"}
        answer = await life.doors.ask(life.doors.reports.report, "/api/v1/reports", body, headers)
        for report in reports:
            self._world._tell(report.order_id, f"in    report {report.event_id}: {answer.status}")
        return answer

    def _fail(self, what: str) -> None:
        self._world.fail(WorldBroken(what))

    # -- being told -----------------------------------------------------------------------------------------------

    async def _steer(self) -> None:
        """People have it told what to do about its failures, until none is left or nobody has patience any more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_SECONDS
        while loop.time() < end:
            await asyncio.sleep(self._dice.uniform(20, 200))
            failed = [(w, s) for w in self._engine.works.values() for s in w.steps if s.state == "failed"]
            if not failed:
                if self._world.mishaps.stopped and self._engine.next_at() is None:
                    return
                continue
            work, step = self._dice.choice(failed)
            task = self._task(work.order_id, step.step)
            if task is not None:
                await self._ask(task, self._dice.choice(("retry", "resume", "retry", "skip", "cancel")))

    def _task(self, order_id: str, step: str) -> int | None:
        rows = self._world.ground.judge.execute(sql("promises/steps")).fetchall()
        return next((r["id"] for r in rows if (r["external_id"], r["step"]) == (order_id, step)), None)

    async def _ask(self, task: int, verb: str) -> None:
        life = self._world.door()
        if life is None or life.doors is None:
            return
        name, steer = outside("task", task), life.doors.orders.steer
        call = partial(steer, task_id=name, verb=verb)
        asks = [("operator.ben", b'{"reason":"it was repaired"}'), ("engineer.anna", b'{"reason":"so do I think"}')]
        for who, body in asks[: 1 + self._strikes("engine_told_twice")]:
            headers = {"Authorization": f"Bearer {TOKENS[who]}"}
            told = await life.doors.ask(call, f"/api/v1/tasks/{name}/{verb}", body, headers)
            self._world._tell("", f"{who} asks {verb} {name}: {told.status} {told.code}")

    # -- the end --------------------------------------------------------------------------------------------------

    async def done(self) -> None:
        """It has ended its work, and what it never told is told once more as a whole."""
        while left := [task for task in self._beside if not task.done()]:
            await asyncio.wait(left)
        while (at := self._engine.next_at()) is not None:
            await asyncio.sleep(max(1.0, at - self._engine.clock()))
            self._engine.advance()
        for work in self._engine.works.values():
            await self._until_taken([self._whole(work.order_id, f"{work.order_id}/end/{self._dice.random()}")])

    def broken(self) -> Iterator[Broken]:
        """Its orders stand here as they stand there."""
        rows = self._world.ground.judge.execute(sql("promises/steps")).fetchall()
        here = {(r["external_id"], r["step"]): r for r in rows}
        for work in self._engine.works.values():
            for step in work.steps:
                row = here.get((work.order_id, step.step))
                if row is None or row["state"] != SAYS[step.state]:
                    what = f"{step.step} is {step.state} at its engine, and {row['state'] if row else 'nothing'} here"
                    yield Broken("P5", f"order {CODE}:{work.order_id}", what, row["order_id"] if row else 0)
            yield from self._as_a_whole(work, [r for r in rows if r["external_id"] == work.order_id])

    def _as_a_whole(self, work: Work, rows: list[dict[str, Any]]) -> Iterator[Broken]:
        over = {step.state for step in work.steps} <= OVER
        for row in rows[:1]:
            if over != (row["order_state"] in ("completed", "cancelled")) and not row["cases"]:
                what = f"is {work.word} at its engine, and {row['order_state']} here, without a case"
                yield Broken("P1", f"order {CODE}:{work.order_id}", what, row["order_id"])
            if row["contradictions"] and not self._world.judge.rewound:
                what = "never contradicted itself, and a case says so"
                yield Broken("P6", f"order {CODE}:{work.order_id}", what, row["order_id"])

"""Those who repair in a world: they preview what they think will help, let it lie, run it twice, two at once, and ask
others to agree; some ask for what they may not, or approve what they asked for themselves. They are honest: they send a
corrected request, or say what happened, only where they know what is true outside.
"""

import asyncio
import json
import random
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from fallsafe.simulator.finders import Finders
from fallsafe.simulator.life import Told
from fallsafe.simulator.people import TOKENS, Call
from fallsafe.simulator.promises import Broken
from fallsafe.simulator.sellers import Sellers
from fallsafe.simulator.turnstile import WorldBroken
from fallsafe.store.ids import outside
from fallsafe.store.sql import sql

if TYPE_CHECKING:
    from fallsafe.simulator.world import World

Row = Mapping[str, Any]
DECIDED = (200, 202)
NO_PLACE = ("ADDRESS_REJECTED", "ADDRESS_NOT_SERVICEABLE", "ADDRESS_AMBIGUOUS")
STREET = {"street": "Jalan Melati", "city": "Jakarta", "customerConfirmationRef": "CALL-1"}
ANYTHING: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("SUPERSEDE_REJECTED", {}), ("RESEND_SAME_KEY", {}), ("SKIP_TASK", {}), ("THAW", {})),
    *(("ADD_TASK", {"taskType": "determineTax"}), ("RECHECK_FEASIBILITY", {}), ("RENEW_RESERVATION", {})),
    *(
        (action, {"code": "PAYLOAD_REJECTED", "because": "it looks like it"})
        for action in ("OVERRIDE_CLASSIFICATION", "SPLIT")
    ),
    ("CREATE_FOLLOW_UP", {"what": "call them", "ownerGroup": "ORDER_DESK", "until": "2026-12-20T08:00:00Z"}),
    ("BLOCK_BILLING_HANDOFF", {}),
)
DEALS: Mapping[str, tuple[str, ...]] = {
    "PRV": ("characteristics.profile",),
    "ENT": ("characteristics.right",),
    "OTT": ("characteristics.product",),
    "BIL": ("monthlyMinor", "offer"),
}
"""What a request says of the deal, by its system."""
OF_MANAGERS = ("CANCEL_ITEM",)
NOT_BEGUN = ("planned", "ready", "parked", "failed")
BUSY_SECONDS = 1_800.0
PATIENCE = 40
"""How often somebody asks again when nothing comes back."""


class Menders:
    """Everybody who repairs in one world, with dice of their own."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._dice = random.Random(f"{world.plan.seed}/menders")  # noqa: S311  safe because a seed must give the same
        self._tasks: list[asyncio.Task[None]] = []
        self._ran: set[str] = set()
        self._stopped: list[Row] = []
        self._sellers = Sellers(world, self._begin)
        self._finders = Finders(world, self._begin)

    def begin(self) -> None:
        """Starts to repair."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._mend()) for _ in range(2)]
        self._sellers.begin()
        self._finders.begin()

    async def done(self) -> None:
        """All that was begun comes to its end, and what was stopped goes on."""
        for task in self._tasks:
            await task
        for case in self._stopped:
            await self._begin(case, "THAW", {"what": "order"})
        await self._sellers.done()
        await self._finders.done()

    def _strikes(self, fault: str) -> bool:
        return self._world.mishaps.strikes(fault, self._dice)

    async def _let_run(self) -> None:
        """Somebody lets what may run by itself do so."""
        life = self._world.door()
        for action in ("RESEND_SAME_KEY", "RECHECK_FEASIBILITY"):
            if life is not None and life.doors is not None:
                call: Call = partial(life.doors.automations.switch("on"), code=action)
                headers = {"Authorization": f"Bearer {TOKENS['engineer.anna']}"}
                await life.doors.ask(call, f"/api/v1/automations/{action}/on", b"{}", headers)

    async def _mend(self) -> None:
        await asyncio.sleep(self._dice.uniform(5, 60))
        if self._dice.random() < 0.5:
            await self._let_run()
        while not self._world.mishaps.stopped:
            await asyncio.sleep(self._dice.uniform(20, 200) * (1 if self._world.loop.time() < BUSY_SECONDS else 10))
            rows = self._world.ground.judge.execute(sql("promises/to_repair")).fetchall()
            if rows:
                rare = [r for r in rows if r["optional"] or r["twin"] or r["state"] in ("absent", "rejected")]
                case = self._dice.choice(rare if rare and self._dice.random() < 0.5 else rows)
                await self._begin(case, *self._idea(case))

    def _idea(self, case: Row) -> tuple[str, dict[str, Any]]:
        """What somebody thinks will help with a case."""
        if self._strikes("repair_of_anything"):
            return self._dice.choice(ANYTHING)
        if self._strikes("repair_stops_all"):
            self._stopped.append(case)
            return "FREEZE", {"what": "order"}
        if case["code"] in NO_PLACE and case["state"] == "rejected":
            number = str(self._dice.choice((8, 9, 12, 30, 38, 388)))
            return "CORRECT_SERVICE_ADDRESS", {**STREET, "houseNumber": number}
        deal = DEALS.get(case["operation"].split(".")[0])
        if (
            case["state"] == "rejected"
            and deal
            and not self._was_done(case)
            and self._strikes("repair_changes_the_deal")
        ):
            return "SUPERSEDE_REJECTED", {"fields": {f"item.{self._dice.choice(deal)}": "2G"}}
        if case["state"] in ("rejected", "absent") and self._dice.random() < 0.35:
            return "REQUEST_AMENDMENT", {"changes": {"termMonths": self._dice.choice((12, 24, 36))}}
        there = bool(self._world.outside.effects_by_key.get(case["key"]))
        if case["optional"] and self._dice.random() < 0.7:
            return "SKIP_TASK", {}
        if case["twin"] and self._dice.random() < 0.5:
            return "MERGE", {"into": outside("case", case["twin"])}
        if case["task_state"] in NOT_BEGUN and not self._exists(case) and self._dice.random() < 0.5:
            return "CANCEL_ITEM", {"consent": "they do not want it any more"}
        match case["state"]:
            case "unknown" if there and self._dice.random() < 0.6:
                return "DECLARE_OUTCOME", {"outcome": "done", "seen": "it stands in their list", "where": "screen 7"}
            case "unknown":
                return "RECONCILE_NOW", {}
            case "rejected" if not self._was_done(case):
                return "SUPERSEDE_REJECTED", {"fields": {"item.characteristics.slot": f"S{self._dice.randrange(9)}"}}
            case "absent" if not self._was_done(case) and self._dice.random() < 0.4:
                return "SUPERSEDE_REJECTED", {"correctedElsewhere": "they opened it for us"}
            case _:
                return "RESEND_SAME_KEY", {}

    def _exists(self, case: Row) -> bool:
        """Whether anything was ever done for its item."""
        name = f" {case['source']}/{case['external_id']}/{case['item']}"
        return any(what.endswith(name) and count for what, count in self._world.outside.effects.items())

    def _was_done(self, case: Row) -> bool:
        name = f"{case['operation']} {case['source']}/{case['external_id']}/{case['item']}"
        return bool(self._world.outside.effects.get(name))

    async def _begin(self, case: Row, action: str, given: Mapping[str, Any]) -> None:
        """From the preview to its end."""
        able = "manager.hal" if action in OF_MANAGERS else "operator.ben"
        who = "support.chris" if self._strikes("repair_without_right") else able
        body = {"action": action, "input": given, "reason": "they told us"}
        name = outside("case", case["id"])
        shown = await self._ask(who, "preview", name, "", body)
        seen = json.loads(shown.body) if shown.status == 200 else {}
        if not seen.get("id"):
            return
        if self._strikes("preview_left_lying"):
            await asyncio.sleep(self._dice.choice((60.0, 900.0, 5_000.0)) * self._dice.random())
        decided = {"hash": seen["hash"], "reason": "go"}
        if seen["state"] == "awaited":
            if self._strikes("run_unapproved"):
                await self._ask(who, "run", name, seen["id"], decided)
            if self._strikes("approver_is_the_asker"):
                told = await self._ask(who, "approve", name, seen["id"], decided)
                if told.status in DECIDED:
                    self._fail(f"P6: {seen['id']} was approved by {who}, who asked for it")
            agreed = await self._ask("manager.fay", "approve", name, seen["id"], decided)
            if agreed.status not in DECIDED:
                return
        await self._run(who, name, seen, decided)

    async def _run(self, who: str, name: str, seen: Row, decided: Row) -> None:
        """Runs it, perhaps twice, perhaps two at once, and again while nothing comes back."""
        asks = [self._ask(who, "run", name, seen["id"], decided)]
        if self._strikes("run_twice"):
            asks.append(self._ask(who, "run", name, seen["id"], decided))
        if self._strikes("run_by_two"):
            asks.append(self._ask("engineer.anna", "run", name, seen["id"], decided))
        told = await asyncio.gather(*asks)
        for _ in range(PATIENCE):
            if any(t.status not in (0, 503) for t in told):
                break
            await asyncio.sleep(self._dice.uniform(0.5, 5))
            told = [await self._ask(who, "run", name, seen["id"], decided)]
        taken = [json.loads(t.body) for t in told if t.status in DECIDED]
        self._ran |= {str(seen["id"])} if taken else set()
        if sum(not t["already"] for t in taken) > 1:
            self._fail(f"P6: {seen['id']} was run more than once")
        if taken and seen["action"] == "REQUEST_AMENDMENT":
            await self._answer(name)
        if any(t["already"] and not t["runBy"] for t in taken):
            self._fail(f"P6: nobody is told who ran {seen['id']}")

    async def _answer(self, case: str) -> None:
        """Those who sell say yes or no to what was asked of them about a case, or nothing."""
        life = self._world.door()
        if life is None or life.doors is None or self._dice.random() < 0.2:
            return
        rows = self._world.ground.judge.execute(sql("audit/amendments")).fetchall()
        asked = [r for r in rows if outside("case", r["case_id"]) == case and r["state"] == "handed_off"]
        verb = self._dice.choice(("accept", "accept", "decline"))
        for one in asked:
            number, headers = outside("amendment", one["id"]), {"Authorization": f"Bearer {TOKENS['machine.crm']}"}
            call: Call = partial(life.doors.amendments.answer(verb), amendment_id=number)
            body = json.dumps({"reference": "Q-1"}).encode()
            told = await life.doors.ask(call, f"/api/v1/amendments/{number}/{verb}", body, headers)
            self._world._tell("", f"machine.crm {verb}s {number}: {told.status} {told.code}")

    def _fail(self, what: str) -> None:
        if not self._world.judge.rewound:
            self._world.fail(WorldBroken(what))

    async def _ask(self, who: str, verb: str, case: str, name: str, body: Mapping[str, Any]) -> Told:
        life = self._world.door()
        if life is None or life.doors is None:
            return Told(0)
        door, path = life.doors.repairs, f"/api/v1/fallout-cases/{case}/repairs"
        if verb == "preview":
            call: Call = partial(door.preview, case_id=case)
            path = f"{path}/preview"
        else:
            call = partial(door.decision(verb), case_id=case, repair_id=name)
            path = f"{path}/{name}/{verb}"
        headers = {"Authorization": f"Bearer {TOKENS[who]}"}
        told = await life.doors.ask(call, path, json.dumps(body).encode(), headers)
        self._world._tell("", f"{who} asks {verb} {body.get('action', name)} of {case}: {told.status} {told.code}")
        return told

    # -- what must have come of it --------------------------------------------------------------------------------

    def broken(self) -> Iterator[Broken]:
        """What was told to be run is there, and was run."""
        rows = self._world.ground.judge.execute(sql("audit/repairs")).fetchall()
        ran = {outside("repair", row["id"]) for row in rows if row["run_at"] is not None}
        for name in sorted(self._ran - ran):
            yield Broken("P6", f"repair {name}", "was told to be run, and was not")

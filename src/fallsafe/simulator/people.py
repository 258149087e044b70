"""The people of a world, and the systems upstream: they hand orders in, twice, wrongly, again after a loss; they ask
for looks and for repeats, two at once, and some of them may not.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from fallsafe.core.access import EVERY_GROUP, Actor, system
from fallsafe.flows import access, installation
from fallsafe.simulator.drift import Drift
from fallsafe.simulator.life import NOTHING, Told
from fallsafe.simulator.promises import Broken
from fallsafe.simulator.sold import Line, sold
from fallsafe.store.ids import outside
from fallsafe.store.sql import sql
from fallsafe.store.tx import PASSING, Rewound

if TYPE_CHECKING:
    from fallsafe.simulator.life import Doors, Life
    from fallsafe.simulator.world import World

# Who there is, with their roles: the role stands in the name, so that a judge can tell without asking.
PEOPLE = {
    "engineer.anna": ("engineer",),
    "operator.ben": ("operator",),
    "support.chris": ("support",),
    "manager.fay": ("manager",),
    "manager.hal": ("manager",),
    "admin.dora": ("admin",),
    "machine.crm": ("machine",),
    "operator.gil": ("operator",),
}
GROUPS: Mapping[str, tuple[str, ...]] = {"operator.gil": ("ORDER_DESK", "BILLING_OPS")}
"""The owner groups of those who do not work for all."""
TOKENS = {name: f"token-of-{name}" for name in PEOPLE}
AT_A_PLACE = ("FIBER-HOME-COMPLETE",)
UNPLANNABLE = Line("old-tv", "TV-CLASSIC-2009", "", 900)
CASE_WORK: Mapping[str, Mapping[str, str]] = {
    "transfer": {"assignee": "operator.ben", "reason": "he knows it"},
    "accept": {},
    "return": {"reason": "it is not ours"},
    "consult": {"group": "ORDER_DESK", "asked": "is it still wanted?"},
    "reply": {"group": "ORDER_DESK", "answer": "it is"},
    "refer": {"system": "JIRA", "reference": "NET-7"},
    "follow-up": {"at": "2026-12-08T08:00:00Z"},
    "claim": {},
    "diagnose": {},
    "comment": {"text": "the customer called"},
    "evidence": {"name": "letter.txt", "mediaType": "text/plain", "content": "dGhleSBzYXkgdGhhdCBpdCBpcyBkb25l"},
    "wait": {"whom": "network", "what": "an answer", "until": "2026-12-08T08:00:00Z"},
    "go-on": {},
    "escalate": {"reason": "it takes too long"},
    "withdraw": {"reason": "it is nothing"},
    "resolve": {"type": "SolvedElsewhere", "text": "they say that it is done"},
    "reopen": {"reason": "it is not"},
}
AWAY = {"ownerGroup": "ORDER_DESK", "reason": "it is theirs"}
TRANSFERS: tuple[Mapping[str, str], ...] = (
    CASE_WORK["transfer"],
    AWAY,
    {**AWAY, "done": "looked it up", "asked": "call the customer"},
)
"""To a person, to another group without a word, and to another group with what it has to know."""
OFTEN = (*CASE_WORK, "transfer", "transfer", "transfer")
ADMIN = Actor("person", "admin.dora", frozenset({"admin"}))
SPAN_SECONDS = 20.0
PROMISED = "2026-12-09T16:00:00Z"
"""By when some customers were promised all of their order."""
TWIN = "d"
"""How the name of an order begins that is another one once more."""
Call = Callable[[Request], Awaitable[Response]]


async def install(life: "Life") -> None:
    """Makes the people and their tokens known, once for all worlds."""
    from fallsafe.security.tokens import digest_of

    actor = system("installation")
    for name, roles in PEOPLE.items():

        async def known(tx: Any, name: str = name, roles: tuple[str, ...] = roles) -> None:
            await access.ensure_person(tx, name, name, roles, actor)
            kind = "machine" if "machine" in roles else "person"
            groups = GROUPS.get(name, (EVERY_GROUP,))
            await access.ensure_token(tx, name, kind, roles, digest_of(TOKENS[name]), actor, groups)

        await life.database.transact(known)


class People:
    """Everybody in one world."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._mishaps = world.mishaps
        self._beside: list[asyncio.Task[None]] = []
        self.accepted: dict[str, str] = {}
        self.twins: set[str] = set()
        self.drift = Drift(world)

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._world.dice()

    def _start(self, work: Any) -> None:
        self._beside.append(asyncio.get_running_loop().create_task(work))

    # -- orders -------------------------------------------------------------------------------------------------

    async def submit_all(self) -> None:
        """Hands all orders in over some time; returns when each was taken or refused."""
        self._start(self._operators())
        if self.drift.happens and not self._world.weather.restores:
            self._start(self.drift.run())
        loop = asyncio.get_running_loop()
        await asyncio.gather(*[loop.create_task(self._submit(n)) for n in range(self._world.plan.orders)])

    def order(self, number: int, *, changed: bool = False) -> dict[str, Any]:
        """One order as JSON; the same for the same number."""
        world, name = self._world, f"s{number:03}"
        kind = sold(world.plan.seed, number)
        lines = [*kind.lines, UNPLANNABLE] if self._is_unplannable(number) else list(kind.lines)
        return {
            "source": "CRM",
            "externalId": name,
            "customerRef": f"CU-{name}",
            "segment": "business" if number % 5 == 0 else "consumer",
            "vulnerable": number % 11 == 0,
            "correlationId": f"corr-{world.plan.seed}-{name}",
            **({"committedAt": PROMISED} if number % 3 == 1 else {}),
            "items": [
                {"externalId": line.name, "offer": line.offer, "action": kind.action, "currency": "EUR"}
                | {"monthlyMinor": line.monthly_minor + changed}
                | ({"parent": line.parent} if line.parent else {})
                | ({"place": self._place(number)} if line.offer in AT_A_PLACE else {})
                for line in lines
            ],
        }

    def _at_a_place(self, number: int) -> bool:
        return any(line.offer in AT_A_PLACE for line in sold(self._world.plan.seed, number).lines)

    def _place(self, number: int) -> dict[str, str]:
        """Where somebody lives; some say a house number that there is not."""
        wrong = not self._mishaps.healthy and number % 3 == 0
        return {"street": "Jalan Melati", "houseNumber": "388" if wrong else "8", "city": "Jakarta"}

    def _is_unplannable(self, number: int) -> bool:
        return not self._mishaps.healthy and (self._world.plan.seed * 31 + number * 17) % 100 < 5

    async def _submit(self, number: int) -> None:
        await asyncio.sleep(self._uniform(0, SPAN_SECONDS))
        if self._is_unplannable(number):
            self._mishaps.count["unplannable_order"] += 1
        body = json.dumps(self.order(number)).encode()
        if self._mishaps.strikes("submitted_unreadable"):
            await self._ask("machine.crm", "orders", body[: len(body) // 2], {})
        told = await self._until_taken(number, body)
        if self._mishaps.strikes("submitted_twice"):
            again = await self._ask("machine.crm", "orders", body, _key(number))
            if again.status in (200, 201) and told.body != again.body and again.body:
                self._compare(number, told, again)
        if self._at_a_place(number) and self._mishaps.strikes("submitted_as_another"):
            await self._as_another(number)
        if self._mishaps.strikes("submitted_otherwise"):
            other = json.dumps(self.order(number, changed=True)).encode()
            taken = await self._ask("machine.crm", "orders", other, {})
            if taken.status in (200, 201) and not self._world.judge.rewound:
                self._fail(f"P6: order s{number:03} was handed in with another content, and taken for the same")

    async def _as_another(self, number: int) -> None:
        """The same wish once more under another name: it is stopped before anything of it is sent."""
        twin = {**self.order(number), "externalId": f"{TWIN}{number:03}"}
        told = await self._ask("machine.crm", "orders", json.dumps(twin).encode(), {})
        if told.status in (200, 201):
            self.twins |= {twin["externalId"]}

    def broken(self) -> Iterator[Broken]:
        """Whatever was wished a second time under another name was stopped before its first command."""
        rows = self._world.ground.judge.execute(sql("promises/twins"), {"names": sorted(self.twins)}).fetchall()
        for row in rows:
            if row["sent"] and not row["stopped"]:
                what = "is like a live order, and was sent without having been stopped"
                yield Broken("P6", f"order {row['external_id']}", what, row["id"])

    def _compare(self, number: int, first: Told, again: Told) -> None:
        from fallsafe.simulator.turnstile import WorldBroken

        one, other = json.loads(first.body).get("id"), json.loads(again.body).get("id")
        if one != other and not self._world.judge.rewound:
            self._world.fail(WorldBroken(f"P6: order s{number:03} was handed in twice, and is {one} and {other}"))

    async def _until_taken(self, number: int, body: bytes) -> Told:
        while True:
            told = await self._ask("machine.crm", "orders", body, _key(number))
            if told.status in (200, 201):
                self._note_poison(told)
                return told
            if told.status not in (0, 409, 503):
                from fallsafe.simulator.turnstile import WorldBroken

                self._world.fail(WorldBroken(f"P0: a good order was answered {told.status} {told.code}"))
            await asyncio.sleep(self._uniform(0.2, 4))

    def _note_poison(self, told: Told) -> None:
        if self._mishaps.strikes("poison_order"):
            self._world.poison.add(int(json.loads(told.body)["id"].partition("-")[2]))

    async def submit_lost(self) -> None:
        """After a restore: the source hands in again what is not there any more."""
        rows = self._world.ground.judge.execute(sql("promises/names")).fetchall()
        there = {row["external_id"] for row in rows}
        for number in range(self._world.plan.orders):
            if f"s{number:03}" not in there:
                await self._until_taken(number, json.dumps(self.order(number)).encode())

    # -- people -------------------------------------------------------------------------------------------------

    async def _operators(self) -> None:
        """Looks at what is stuck and asks for something, now and then."""
        while not self._mishaps.stopped:
            await asyncio.sleep(self._uniform(10, 120))
            if self._world.dice() < 0.4:
                await self._work_on_a_case()
                continue
            rows = self._world.ground.judge.execute(sql("promises/doubtful")).fetchall()
            if not rows:
                continue
            row = rows[int(self._world.dice() * len(rows))]
            await self._act(row)

    async def _work_on_a_case(self) -> None:
        """Somebody does something with any case, whether it makes sense or not."""
        rows = self._world.ground.judge.execute(sql("promises/any_case")).fetchall()
        if rows:
            action = OFTEN[int(self._world.dice() * len(OFTEN))]
            dice = self._world.dice()
            who = "support.chris" if dice < 0.3 else "operator.gil" if dice < 0.6 else "operator.ben"
            name = outside("case", rows[int(self._world.dice() * len(rows))]["id"])
            body = CASE_WORK[action]
            if action == "transfer":
                body = TRANSFERS[int(self._world.dice() * len(TRANSFERS))]
                action = action if "ownerGroup" in body else "assign"
            asks = [self._ask(who, f"case/{action}", json.dumps(body).encode(), {}, name)]
            if self._mishaps.strikes("two_operators"):
                asks.append(self._ask("engineer.anna", "case/withdraw", b'{"reason":"it is nothing"}', {}, name))
            await asyncio.gather(*asks)

    async def _act(self, row: Mapping[str, Any]) -> None:
        verb = "resend" if row["state"] in ("absent", "intended") or self._world.dice() < 0.3 else "reconcile"
        if row["hold_code"]:
            order = outside("order", row["order_id"])
            await self._ask("engineer.anna", "plan_again", b'{"reason":"perhaps now"}', {}, order)
            return
        who = "support.chris" if self._mishaps.strikes("operator_without_right") else "operator.ben"
        name = outside("command", row["id"])
        calls = [self._ask(who, verb, b'{"reason":"it takes too long"}', {}, name)]
        if self._mishaps.strikes("two_operators"):
            calls.append(self._ask("engineer.anna", verb, b'{"reason":"so do I think"}', {}, name))
        before = self._refusals(row["id"])
        answers = await asyncio.gather(*calls)
        refused = sum(told.status in (403, 409, 422) for told in answers)
        if self._refusals(row["id"]) < before + refused and not self._world.judge.rewound:
            self._fail(f"P6: {verb} of {name} was refused {refused} times, and not all of them are written down")

    def _refusals(self, command_id: int) -> int:
        """How many refusals about a command are written down."""
        rows = self._world.ground.judge.execute(sql("promises/refusals"), {"id": command_id}).fetchall()
        return int(rows[0]["refusals"])

    def _fail(self, what: str) -> None:
        from fallsafe.simulator.turnstile import WorldBroken

        self._world.fail(WorldBroken(what))

    async def _ask(self, who: str, what: str, body: bytes, headers: Mapping[str, str], name: str = "") -> Told:
        """Somebody asks a door for something; no answer when no door is there."""
        life = self._world.door()
        if life is None or life.doors is None:
            return NOTHING
        doors = life.doors
        if what == "orders":
            call: Call = doors.orders.submit
            path = "/api/v1/orders"
        elif what == "plan_again":
            call, path = partial(doors.orders.plan, order_id=name), f"/api/v1/orders/{name}/plan-again"
        elif what in ("publish", "activate", "moves_preview", "moves"):
            call, path = _of_policy(doors, what, name)
        elif what.startswith("case/"):
            action = what.partition("/")[2]
            call, path = partial(doors.casework.handler(action), case_id=name), f"/api/v1/fallout-cases/{name}/{action}"
        else:
            named = {"reconcile": doors.commands.reconcile, "resend": doors.commands.resend}[what]
            call, path = partial(named, command_id=name), f"/api/v1/commands/{name}/{what}"
        told = await doors.ask(call, path, body, {"Authorization": f"Bearer {TOKENS[who]}", **headers})
        self._world._tell("", f"{who} asks {what} {name}: {told.status} {told.code}")
        return told

    async def end_the_rewind(self) -> None:
        """Waits until the product has stopped, thinks about it, and lets it go on."""
        world = self._world
        for _ in range(400):
            await asyncio.sleep(self._uniform(5, 20))
            state = world.ground.judge.execute(sql("installation/read")).fetchall()[0]
            if state["sending"]:
                continue
            life = world.door()
            if life is None:
                continue
            task = life.begin(self._end_rewind(life))
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is None:
                return
            if not task.cancelled() and not isinstance(task.exception(), (*PASSING, Rewound)):
                raise task.exception() or AssertionError
        from fallsafe.simulator.turnstile import WorldBroken

        raise WorldBroken("P2: the database went back in time, and nobody noticed")

    async def _end_rewind(self, life: "Life") -> None:
        context = life.policies.context()
        await life.database.transact(lambda tx: installation.end_rewind(tx, context, ADMIN, "it was restored"))

    async def done(self) -> None:
        """Whatever was begun comes to its end."""
        for task in self._beside:
            await task


def _of_policy(doors: "Doors", what: str, set_id: str) -> tuple[Call, str]:
    """The door of policy that somebody asks for something."""
    if what == "publish":
        return doors.policies.publish, "/api/v1/policy-sets"
    if what == "activate":
        return partial(doors.policies.activate, set_id=set_id), f"/api/v1/policy-sets/{set_id}/activate"
    moves = doors.moves.preview if what == "moves_preview" else doors.moves.run
    return partial(moves, set_id=set_id), f"/api/v1/policy-sets/{set_id}/moves"


def _key(number: int) -> dict[str, str]:
    """The Idempotency-Key of a submission, for some of the sources."""
    return {"Idempotency-Key": f"submit-{number}"} if number % 2 else {}

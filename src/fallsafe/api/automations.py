"""What runs by itself, at the door: whether it may, what came of it, and the switch."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.actions import reason_of
from fallsafe.api.bodies import body_of
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.problems import problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import BASE
from fallsafe.core.access import system
from fallsafe.core.repair.automation import OFF, Ran, Switch
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.flows import automating
from fallsafe.flows.context import Applied
from fallsafe.store.canonical import instant
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx

SWITCHES = {"on": True, "off": False}
DOCS = {
    "on": "Lets an action run by itself, within the budget of policy.",
    "off": "Stops an action from running by itself, at once.",
}


class AutomationsDoor:
    """The routes under /automations."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(self, request: Request) -> Response:
        """What may run by itself, what came of it, and its share of what was mended."""
        await self.deps.who(request)
        actions = [a for a in self.deps.context().newest.actions.values() if a.automatic.codes]
        async with self.deps.database.read() as reader:
            since = (await reader.fetch("tx/now"))[0]["clock_timestamp"] - automating.DAY
            switches = await automating.switches_of(reader)
            ran = await automating.ran_of(reader, [a.code for a in actions], since)
            by = str(system(automating.WHO))
            (counted,) = await reader.fetch("automations/rate", since=since, by=by)
        rate = counted["by_itself"] / counted["proved"] if counted["proved"] else None
        items = [_shape(a, switches.get(a.code), ran[a.code]) for a in sorted(actions, key=lambda a: a.code)]
        return send(wire.Automations(items=items, rate=rate))

    def switch(self, verb: str) -> Callable[..., Awaitable[Response]]:
        """What moves the switch of one action."""

        async def act(request: Request, code: str) -> Response:
            actor = await self.deps.who(request)
            body = await body_of(request)
            reason, context = await reason_of(body) or f"asked by {actor} at the API", self.deps.context()

            async def change(tx: Tx) -> Change:
                (answer,) = await automating.switch(tx, context, [code], SWITCHES[verb], actor, reason)
                return told(answer, lambda a: done(_asked(a)), lambda r: problem_of(r.refusal))

            return await make(self.deps.database, asked_of(request, actor, body), change)

        act.__name__, act.__doc__ = f"switch_{verb}", DOCS[verb]
        return act

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["automations"])
        add(made, "GET", "/automations", self.find, answers=ref(wire.Automations))
        for verb in SWITCHES:
            path = f"/automations/{{code}}/{verb}"
            add(
                made, "POST", path, self.switch(verb), answers=ref(wire.Asked), takes="reason", problems=(403, 409, 422)
            )
        return made


def _asked(applied: Applied) -> wire.Asked:
    name = outside("automation", applied.id)
    return wire.Asked(result="accepted", id=name, href=f"{BASE}/automations", already=applied.already)


def _shape(action: RepairAction, switch: Switch | None, ran: list[Ran]) -> wire.Automation:
    allowed = action.automatic
    return wire.Automation(
        action=action.code,
        title=action.title,
        state=switch.state if switch else OFF,
        why=switch.why if switch else "",
        switched_by=switch.by if switch else "",
        switched_at=instant(switch.at) if switch and switch.by else None,
        codes=sorted(allowed.codes),
        per_hour=allowed.per_hour,
        per_system=allowed.per_system,
        stop_after=allowed.stop_after,
        ran=len(ran),
        proved=sum(one.proved is True for one in ran),
        failed=sum(one.proved is False for one in ran),
    )

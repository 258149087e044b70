"""Repairs at the door (§8.3, §9, §19): the actions of a case, and each repair from its preview to what it came to. A
door sends nothing and decides nothing: it asks a flow.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.actions import check_version
from fallsafe.api.answers import case_actions
from fallsafe.api.bodies import body_of, check_shape, read_json
from fallsafe.api.cases import HINT
from fallsafe.api.changes import Change, asked_of, done, make, not_done
from fallsafe.api.deps import Deps
from fallsafe.api.problems import not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.core.access import Actor
from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.preview import Change as FieldChange
from fallsafe.core.repair.request import TO_ASK, Repair, checks_of, progress_of, proves
from fallsafe.flows import repairs
from fallsafe.flows.context import Answer, Context, Refused
from fallsafe.flows.discretion import HIDDEN
from fallsafe.store.ids import inside, outside
from fallsafe.store.reads import CaseFile, case_file
from fallsafe.store.tx import Tx

REPAIR_HINT = "a repair is named RA- and a number; GET /fallout-cases/{id}/repairs lists those of a case"
Decide = Callable[[Tx, Context, Sequence[repairs.Seen], Actor, str], Awaitable[list[Answer]]]
DECISIONS: dict[str, Decide] = {"run": repairs.run, "approve": repairs.approve, "decline": repairs.decline}
DOCS = {
    "run": "Runs what was previewed, once. Whoever comes second is told who did it.",
    "approve": "A second person agrees to what they read.",
    "decline": "A second person says no, or whoever asked takes it back.",
}


class RepairsDoor:
    """The routes under /fallout-cases/{id} that show, preview, agree to and run repairs."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def actions(self, request: Request, case_id: str) -> Response:
        """The actions that there are for a case: what each does, what it must be given, and why it is locked."""
        actor = await self.deps.who(request)
        file = await self._file(case_id)
        return send({"items": case_actions(file, await self.deps.asker(request, actor)), "after": ""})

    async def find(self, request: Request, case_id: str) -> Response:
        """The repairs of a case, newest first."""
        await self.deps.who(request)
        file = await self._file(case_id)
        newest = self.deps.context().newest
        return send({"items": [repair_answer(one, file, newest) for one in reversed(file.repairs)], "after": ""})

    async def show(self, request: Request, case_id: str, repair_id: str) -> Response:
        """One repair of a case."""
        await self.deps.who(request)
        file, number = await self._file(case_id), inside("repair", repair_id)
        one = next((r for r in file.repairs if r.id == number), None)
        if one is None:
            raise not_found("repair", repair_id, REPAIR_HINT)
        return send(repair_answer(one, file, self.deps.context().newest))

    async def preview(self, request: Request, case_id: str) -> Response:
        """Shows what an action would do, and keeps it to be run where every condition is met. Nothing is sent."""
        actor = await self.deps.who(request)
        body = await body_of(request)
        given = check_shape("repair_preview", read_json(body))
        number, context = inside("case", case_id), self.deps.context()
        if number is None:
            raise not_found("case", case_id, HINT)
        asked = repairs.Asked(number, given["action"], given.get("input", {}), said(given, actor))

        async def change(tx: Tx) -> Change:
            await check_version(tx, request, number)
            shown = await repairs.show(tx, context, asked, actor)
            if isinstance(shown, Refused):
                return not_done(problem_of(shown.refusal))
            return done(shown_answer(shown, asked), kept=shown_answer(shown, asked, discreet=True))

        return await make(self.deps.database, asked_of(request, actor, body), change)

    def decision(self, verb: str) -> Callable[..., Awaitable[Response]]:
        """What answers to one decision about a repair."""
        decide = DECISIONS[verb]

        async def act(request: Request, case_id: str, repair_id: str) -> Response:
            actor = await self.deps.who(request)
            body = await body_of(request)
            given, context = check_shape("repair_seen", read_json(body)), self.deps.context()
            case, number = inside("case", case_id), inside("repair", repair_id)
            if case is None or number is None:
                raise not_found("repair", repair_id, REPAIR_HINT)
            reason = said(given, actor)

            async def change(tx: Tx) -> Change:
                await check_version(tx, request, case)
                seen = [repairs.Seen(number, given["hash"], case)]
                (answer,) = await decide(tx, context, seen, actor, reason)
                if isinstance(answer, Refused):
                    return not_done(problem_of(answer.refusal))
                return done(decided(tx, number, answer.already), 202 if verb == "run" else 200)

            return await make(self.deps.database, asked_of(request, actor, body), change)

        act.__name__, act.__doc__ = f"{verb}_repair", DOCS[verb]
        return act

    async def _file(self, case_id: str) -> CaseFile:
        number = inside("case", case_id)
        file = await case_file(self.deps.database, number) if number is not None else None
        if file is None:
            raise not_found("case", case_id, HINT)
        return file

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["repairs"])
        one, wrong = "/fallout-cases/{case_id}", (403, 404, 409, 412, 422)
        shown, decided_ = ref(wire.Repair), ref(wire.RepairDone)
        add(made, "GET", f"{one}/actions", self.actions, answers=wire.pages(wire.CaseAction), problems=(404,))
        add(made, "GET", f"{one}/repairs", self.find, answers=wire.pages(wire.Repair), problems=(404,))
        add(made, "GET", f"{one}/repairs/{{repair_id}}", self.show, answers=shown, problems=(404,))
        path = f"{one}/repairs/preview"
        add(made, "POST", path, self.preview, answers=shown, takes="repair_preview", problems=wrong, if_match=True)
        for verb in DECISIONS:
            path, status = f"{one}/repairs/{{repair_id}}/{verb}", 202 if verb == "run" else 200
            handler = self.decision(verb)
            add(
                made, "POST", path, handler, answers=decided_, status=status, takes="repair_seen", problems=wrong,
                if_match=True,
            )  # fmt: skip
        return made


def said(given: dict[str, Any], actor: Actor) -> str:
    """The reason, which stands in the journal."""
    return given.get("reason", "") or f"asked by {actor} at the API"


def decided(tx: Tx, repair_id: int, already: bool) -> wire.RepairDone:
    """What became of a repair, and by whom, so that whoever comes second is told."""
    _, repair = repairs.find(tx, repair_id)
    assert repair is not None
    return wire.RepairDone(
        id=outside("repair", repair.id),
        state=repair.state.value,
        already=already,
        run_by=repair.run_by,
        run_at=shapes.at(repair.run_at),
        approved_by=repair.approved_by,
        command_id=shapes.named("command", repair.command_id),
        href=href_of(repair),
    )


def href_of(repair: Repair) -> str:
    """Where a repair is read."""
    case = outside("case", repair.case_id)
    return f"{shapes.BASE}/fallout-cases/{case}/repairs/{outside('repair', repair.id)}"


def shown_answer(shown: repairs.Shown, asked: repairs.Asked, *, discreet: bool = False) -> wire.Repair:
    """A preview that was just made; without an id where it cannot be run. `discreet` is without personal values, as it
    is kept for whoever asks the same again.
    """

    def told(change: FieldChange, value: Json) -> Json:
        return HIDDEN if discreet and change.personal and value is not None else value

    made, one, plan = shown.preview, shown.repair, shown.preview.plan
    asks = wire.Agreement(why=made.approval, roles=made.approvers, by="", at=None)
    return wire.Repair(
        id=outside("repair", one.id) if one else "",
        case_id=outside("case", asked.case_id),
        action=made.action.code,
        title=made.action.title,
        state=one.state.value if one else "not_ready",
        progress="",
        ready=made.ready,
        hash=one.hash if one else "",
        conditions=[wire.Condition(name=c.name, sentence=c.sentence, met=c.met, why=c.why) for c in plan.conditions],
        changes=[
            wire.FieldChange(
                name=c.name, title=c.title, field_class=c.field_class, old=told(c, c.old), new=told(c, c.new)
            )
            for c in plan.changes
        ],
        sends=[
            wire.RepairSending(purpose=s.purpose, operation=s.operation, key=s.key, effect=s.effect, what=s.what)
            for s in plan.sends
        ],
        after=[wire.StateAfter(thing=a.thing, name=a.name, was=a.was, then=a.then) for a in plan.after],
        checks=[wire.RepairCheck(title=check.title, result=TO_ASK) for check in made.action.checks],
        customer=wire.CustomerHears(**asdict(shown.customer)),
        approval=asks if made.approval else None,
        reason=one.reason if one else "",
        asked_by=one.asked_by if one else "",
        asked_at=shapes.at(one.asked_at) if one else None,
        expires_at=shapes.at(one.expires_at) if one else None,
        run_by="",
        run_at=None,
        command_id=None,
        ended_because="",
        version=shown.version,
        href=href_of(one) if one else "",
    )


def repair_answer(one: Repair, file: CaseFile, newest: PolicySet) -> wire.Repair:
    """A repair as it is kept."""
    action, kept = newest.actions.get(one.action), one.preview if isinstance(one.preview, dict) else {}
    command = file.file.command(one.command_id) if file.file else None
    return wire.Repair(
        id=outside("repair", one.id),
        case_id=outside("case", one.case_id),
        action=one.action,
        title=action.title if action else one.action,
        state=one.state.value,
        progress=progress_of(one, command, proves(outside("repair", one.id), file.case.resolution)),
        ready=all(c["met"] for c in kept.get("conditions", ())),
        hash=one.hash,
        conditions=[wire.Condition(**c) for c in kept.get("conditions", ())],
        changes=[
            wire.FieldChange(**{name: c[name] for name in ("name", "title", "field_class", "old", "new")})
            for c in kept.get("changes", ())
        ],
        sends=[wire.RepairSending(**s) for s in kept.get("sends", ())],
        after=[wire.StateAfter(**a) for a in kept.get("after", ())],
        checks=[wire.RepairCheck(title=title, result=result) for title, result in checks_of(one, file.findings)],
        customer=wire.CustomerHears(**kept["customer"]) if "customer" in kept else None,
        approval=_agreement(one),
        reason=one.reason,
        asked_by=one.asked_by,
        asked_at=shapes.at(one.asked_at),
        expires_at=shapes.at(one.expires_at),
        run_by=one.run_by,
        run_at=shapes.at(one.run_at),
        command_id=shapes.named("command", one.command_id),
        ended_because=one.ended_because,
        version=file.order.version if file.order else 0,
        href=href_of(one),
    )


def _agreement(one: Repair) -> wire.Agreement | None:
    asked = one.approval if isinstance(one.approval, dict) else None
    if asked is None:
        return None
    return wire.Agreement(
        why=str(asked["why"]), roles=asked["roles"], by=one.approved_by, at=shapes.at(one.approved_at)
    )

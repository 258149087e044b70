"""Requests to change the deal at the door (§18): what was handed off, and what those who sell say about it. A door
decides nothing: it asks a flow.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.actions import asked_for
from fallsafe.api.bodies import body_of, check_shape, read_json
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.problems import Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.core.access import Actor
from fallsafe.core.repair.amendment import Amendment, AmendmentState
from fallsafe.flows import amending
from fallsafe.flows.context import Answer, Context
from fallsafe.store.canonical import instant
from fallsafe.store.ids import inside, outside
from fallsafe.store.reads import amendments_found
from fallsafe.store.tx import Tx

HINT = "a request is named AM- and a number; GET /amendments lists them"
Answers = Callable[[Tx, Context, Sequence[amending.Returned], Actor], Awaitable[list[Answer]]]
ANSWERS: dict[str, Answers] = {"accept": amending.accept, "decline": amending.decline}
DOCS = {
    "accept": "Those who sell say that the change was agreed to: the new content supersedes, both are kept.",
    "decline": "Those who sell say that it will not be; the deal stays, and the case goes on.",
}
NEWEST = 2**63 - 1


class AmendmentsDoor:
    """The routes under /amendments."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(
        self,
        request: Request,
        state: str = "",
        orderId: str = "",  # noqa: N803  safe because the parameter is named as outside
        after: str = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Requests to change the deal, newest first."""
        await self.deps.who(request)
        if state not in ("", *AmendmentState):
            raise Problem(400, "STATE_UNKNOWN", f"no request is {state[:30]}", ", ".join(AmendmentState), "/state")
        order = inside("order", orderId) if orderId else 0
        before = inside("amendment", after) if after else NEWEST
        if order is None or before is None:
            raise Problem(400, "NOT_A_NAME", "orderId is named O- and a number, after as the last answer says", HINT)
        found = await amendments_found(self.deps.database, state, order, before, limit)
        last = outside("amendment", found[-1].id) if len(found) == limit else ""
        return send({"items": [shape(one) for one in found], "after": last})

    async def show(self, request: Request, amendment_id: str) -> Response:
        """One request."""
        await self.deps.who(request)
        number = inside("amendment", amendment_id)
        found = await amendments_found(self.deps.database, "", 0, number + 1, 1) if number is not None else []
        if not found or found[0].id != number:
            raise not_found("amendment", amendment_id, HINT)
        return send(shape(found[0]))

    def answer(self, verb: str) -> Callable[..., Awaitable[Response]]:
        """What takes one answer from outside."""
        flow = ANSWERS[verb]

        async def act(request: Request, amendment_id: str) -> Response:
            actor = await self.deps.who(request)
            body = await body_of(request)
            given, context = check_shape("amendment_answer", read_json(body)), self.deps.context()
            number = inside("amendment", amendment_id)
            if number is None:
                raise not_found("amendment", amendment_id, HINT)
            one = amending.Returned(number, given["reference"], given.get("reason", ""))

            async def change(tx: Tx) -> Change:
                (answered,) = await flow(tx, context, [one], actor)
                return told(answered, lambda a: done(asked_for(a)), lambda r: problem_of(r.refusal))

            return await make(self.deps.database, asked_of(request, actor, body), change)

        act.__name__, act.__doc__ = f"{verb}_amendment", DOCS[verb]
        return act

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["amendments"])
        one, wrong = "/amendments/{amendment_id}", (403, 404, 409, 422)
        add(made, "GET", "/amendments", self.find, answers=wire.pages(wire.Amendment))
        add(made, "GET", one, self.show, answers=ref(wire.Amendment), problems=(404,))
        for verb in ANSWERS:
            path, takes = f"{one}/{verb}", "amendment_answer"
            add(made, "POST", path, self.answer(verb), answers=ref(wire.Asked), takes=takes, problems=wrong)
        return made


def shape(one: Amendment) -> wire.Amendment:
    """A request as it is shown."""
    return wire.Amendment(
        id=outside("amendment", one.id),
        order_id=outside("order", one.order_id),
        case_id=outside("case", one.case_id),
        repair_id=outside("repair", one.repair_id),
        kind=one.kind,
        state=one.state.value,
        item=one.item,
        diff=[
            wire.AmendmentClause(path=c["name"], title=c["title"], old=c["old"], new=c["new"]) for c in _rows(one.diff)
        ],
        requires=[str(each) for each in one.requires] if isinstance(one.requires, list) else [],
        effects=[wire.AmendmentEffect(step=e["name"], reference=e["was"], then=e["then"]) for e in _rows(one.effects)],
        replaced_by=dict(one.replaced_by) if isinstance(one.replaced_by, dict) else None,
        asked_by=one.asked_by,
        asked_at=instant(one.asked_at),
        expires_at=instant(one.expires_at),
        answered_by=one.answered_by,
        answered_at=shapes.at(one.answered_at),
        reference=one.reference,
        ended_because=one.ended_because,
        superseded=dict(one.superseded) if isinstance(one.superseded, dict) else None,
        fingerprint_was=one.fingerprint_was,
        fingerprint_now=one.fingerprint_now,
    )


def _rows(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []

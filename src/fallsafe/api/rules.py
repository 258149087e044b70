"""Rules at the door: how right each version of a rule was, what a braked detector holds back, and taking a wrong rule
back with all that it opened.
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.bodies import body_of, check_shape, read_json
from fallsafe.api.changes import Change, asked_of, done, make, not_done
from fallsafe.api.deps import Deps
from fallsafe.api.problems import problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.flows import signals
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.store.ids import outside
from fallsafe.store.rules import RuleVersion, rule_versions
from fallsafe.store.tx import Tx


class RulesDoor:
    """The routes under /rules, and the one that admits candidates."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(
        self,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        rule: Annotated[str, Query(max_length=60)] = "",
    ) -> Response:
        """Each version of a rule with what became of its cases: how many were withdrawn, how many stood, what it would
        have said in shadow.
        """
        await self.deps.who(request)
        rows = await rule_versions(self.deps.database, rule=rule, limit=limit)
        return send({"items": [_row(row) for row in rows], "after": ""})

    async def withdraw(self, request: Request, rule: str) -> Response:
        """Withdraws all open cases of one version of a rule together, and the candidates that it has; up to 500 at a
        time.
        """
        actor = await self.deps.who(request)
        body = await body_of(request)
        given = check_shape("withdraw_rule", read_json(body))
        asked = asked_of(request, actor, body)

        async def change(tx: Tx) -> Change:
            found = await signals.withdraw_rule(
                tx, self.deps.context(), rule, given["policySet"], actor, given["reason"]
            )
            return _counted(found, "case")

        return await make(self.deps.database, asked, change)

    async def admit(self, request: Request) -> Response:
        """Lets candidates that a brake held back open or join their cases, the oldest 200 of them."""
        actor = await self.deps.who(request)
        body = await body_of(request)
        given = check_shape("admit", read_json(body))
        asked = asked_of(request, actor, body)

        async def change(tx: Tx) -> Change:
            source, rule = given.get("source"), given.get("rule")
            found = await signals.admit(tx, self.deps.context(), source, rule, actor, given["reason"])
            return _counted(found, "signal")

        return await make(self.deps.database, asked, change)

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["rules"])
        add(made, "GET", "/rules", self.find, answers=wire.pages(wire.Rule))
        problems = (403, 409)
        counted = ref(wire.Counted)
        add(
            made, "POST", "/rules/{rule}/withdraw", self.withdraw, answers=counted, takes="withdraw_rule",
            problems=problems,
        )  # fmt: skip
        add(made, "POST", "/signals/admit", self.admit, answers=counted, takes="admit", problems=problems)
        return made


def _row(found: RuleVersion) -> wire.Rule:
    return wire.Rule(
        rule=found.rule,
        policy_set=found.policy_set,
        cases=found.cases,
        withdrawn=found.withdrawn,
        confirmed=found.confirmed,
        precision=found.precision,
        candidates=found.candidates,
        shadow=found.shadow,
    )


def _counted(found: Sequence[Answer], thing: str) -> Change:
    """How many it was done with, and which; a refusal of the whole is one of the request."""
    refused = [answer for answer in found if isinstance(answer, Refused)]
    if refused and refused[0].id == 0:
        return not_done(problem_of(refused[0].refusal))
    ids = [outside(thing, answer.id) for answer in found if isinstance(answer, Applied)]
    return done(wire.Counted(done=len(ids), refused=len(refused), ids=ids))

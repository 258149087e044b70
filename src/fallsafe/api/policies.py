"""Policy sets: listed, read with their files, published."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.bodies import ORDER_BYTES_MAX, body_of, check_shape, json_of
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.problems import Fault, Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import at
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.policy import publish
from fallsafe.policyset import PolicyError, load_files
from fallsafe.store.policy_sets import Published, published_set, published_sets
from fallsafe.store.tx import Tx


class PoliciesDoor:
    """The routes /policy-sets."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(self, request: Request) -> Response:
        """The policy sets, newest first."""
        await self.deps.who(request)
        return send({"items": [_shape(s, self.deps.context().newest) for s in await self._all()], "after": ""})

    async def show(self, request: Request, set_id: str) -> Response:
        """One policy set with its files."""
        await self.deps.who(request)
        found = await published_set(self.deps.database, set_id)
        loaded = self.deps.context().policies.get(set_id)
        newest = self.deps.context().newest
        if found is not None:
            return send(_shape(found, newest, found.files))
        if loaded is None:
            raise not_found("policy set", set_id, "GET /policy-sets lists them")
        return send(_shape(_unpublished(loaded), newest, _texts(loaded)))

    async def _all(self) -> list[Published]:
        """What was published, and what this process runs by without that."""
        published = list(await published_sets(self.deps.database))
        known = {s.id for s in published}
        return published + [_unpublished(p) for p in self.deps.context().policies.values() if p.id not in known]

    async def publish(self, request: Request) -> Response:
        """Publishes a set: in force for triage, ownership, service levels and messages at once, for plans and
        contracts from the next order on. Refused with file and line for whatever is wrong with it.
        """
        actor = await self.deps.allowed(request, "publish_policy", "cannot publish a policy set")
        body = await body_of(request, ORDER_BYTES_MAX)
        wanted, asked = check_shape("policy_set", await json_of(body)), asked_of(request, actor, body)
        files = {name: text.encode() for name, text in wanted["files"].items()}
        try:
            policy = await asyncio.to_thread(load_files, files, self.deps.context().newest.time_scale)
        except PolicyError as error:
            raise _wrong(error) from None

        async def change(tx: Tx) -> Change:
            answer = await publish(tx, policy, actor, wanted["reason"])
            mine = _shape(_unpublished(policy), policy)
            return told(
                answer, lambda a: done(mine, 200 if a.already else 201), lambda refused: problem_of(refused.refusal)
            )

        answer = await make(self.deps.database, asked, change)
        self.deps.published(policy)
        return answer

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["policy"])
        add(made, "GET", "/policy-sets", self.find, answers=wire.pages(wire.PolicySet))
        add(
            made,
            "POST",
            "/policy-sets",
            self.publish,
            answers=ref(wire.PolicySet),
            status=201,
            takes="policy_set",
            problems=(403, 409, 422),
        )
        add(made, "GET", "/policy-sets/{set_id}", self.show, answers=ref(wire.PolicySet), problems=(404,))
        return made


def _shape(given: Published, newest: PolicySet, files: object = None) -> wire.PolicySet:
    return wire.PolicySet(
        id=given.id,
        name=given.name,
        date=given.date,
        digest=given.digest,
        newest=given.id == newest.id,
        published_at=at(given.published_at),
        published_by=given.published_by,
        reason=given.reason,
        files=dict(files) if isinstance(files, dict) else None,
    )


def _unpublished(policy: PolicySet) -> Published:
    return Published(policy.id, policy.name, policy.date, policy.digest, None, "", "", 0, {})


def _wrong(error: PolicyError) -> Problem:
    """Everything that is wrong with a set, each with its file and line."""
    faults = tuple(
        Fault(f"/files/{p.file}", f"line {p.line}: {p.what}" if p.line else p.what, "POLICY_WRONG", p.would_be_right)
        for p in error.problems
    )
    why = f"the set has {len(error.problems)} faults; the first: {error.problems[0]}"
    return Problem(422, "POLICY_WRONG", why, faults[0].hint, faults[0].pointer, faults)


def _texts(policy: PolicySet) -> dict[str, str]:
    return {name: body.decode("utf-8", "replace") for name, body in policy.files.items()}

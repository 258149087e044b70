"""Policy sets that are being written: listed, read with what is wrong with them, saved, compared, published, given
up.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.bodies import ORDER_BYTES_MAX, body_of, check_shape, json_of
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.policies import checked, compared, loaded, shape, take, unpublished, version_of
from fallsafe.api.problems import Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import at
from fallsafe.flows import policy_drafts as flows
from fallsafe.store.policy_sets import Draft, draft_of, drafts, in_force, published_set
from fallsafe.store.tx import Tx

NAME_LENGTH_MAX = 60


class DraftsDoor:
    """The routes under /policy-drafts."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(self, request: Request) -> Response:
        """The sets that are being written, by name."""
        await self.deps.who(request)
        return send({"items": [_shape(one) for one in await drafts(self.deps.database)], "after": ""})

    async def show(self, request: Request, name: str) -> Response:
        """A draft with its files and all that is wrong with them; the ETag is its version."""
        await self.deps.who(request)
        found = await self._one(name)
        problems = (await checked(found.files)).problems
        return send(_shape(found, problems), tag=str(found.version))

    async def diff(self, request: Request, name: str) -> Response:
        """What a draft has that the set in force has not."""
        await self.deps.who(request)
        found, newest = await self._one(name), self.deps.context().newest
        against = unpublished(newest)
        return send(await compared(against.id, against.files, f"draft of {name}", found.files))

    async def _one(self, name: str) -> Draft:
        found = await draft_of(self.deps.database, name)
        if found is None:
            raise not_found("draft of", name, "GET /policy-drafts lists them; PUT one to begin it")
        return found

    async def save(self, request: Request, name: str) -> Response:
        """Saves a draft, whatever is wrong with it. Of one that is there the If-Match must be the version that was
        read; the same files again change nothing.
        """
        actor = await self.deps.allowed(request, flows.DRAFT, f"cannot save the draft of {name[:NAME_LENGTH_MAX]}")
        body = await body_of(request, ORDER_BYTES_MAX)
        wanted, version = check_shape("policy_draft", await json_of(body)), version_of(request)
        if not name.isascii() or not name.replace("-", "a").isalnum() or len(name) > NAME_LENGTH_MAX:
            raise Problem(422, "NAME_WRONG", f"no set can be called {name[:80]}", "small letters, as in telco", "/path")

        async def change(tx: Tx) -> Change:
            answer = await flows.save(tx, name, wanted["files"], actor, wanted["reason"], version)
            saved = await draft_of(tx, name)
            return told(answer, lambda _: done(_shape(saved) if saved else None), lambda said: problem_of(said.refusal))

        return await make(self.deps.database, None, change)

    async def publish(self, request: Request, name: str) -> Response:
        """Publishes a draft: checked as it stands now, immutable from then on, and in force unless `activate` is
        false. Refused with file and line for whatever is wrong with it.
        """
        actor = await self.deps.allowed(request, "publish_policy", "cannot publish a policy set")
        body = await body_of(request)
        wanted, asked = check_shape("policy_publish", await json_of(body)), asked_of(request, actor, body)
        found, version = await draft_of(self.deps.database, name), version_of(request)
        policy = await loaded(self.deps, found.files) if found is not None else None
        version = found.version if version is None and found is not None else version

        async def change(tx: Tx) -> Change:
            force = wanted.get("activate", True)
            answer = await flows.publish_draft(tx, name, version, policy, actor, wanted["reason"], force=force)
            mine = shape(unpublished(policy), (await in_force(tx)).set_id) if policy is not None else None
            return told(answer, lambda _: done(mine, 201), lambda said: problem_of(said.refusal))

        answer = await make(self.deps.database, asked, change)
        if policy is not None and await published_set(self.deps.database, policy.id) is not None:
            await take(self.deps, policy)
        return answer

    async def discard(self, request: Request, name: str) -> Response:
        """Gives a draft up; what was in it stays."""
        actor = await self.deps.allowed(request, flows.DRAFT, f"cannot discard the draft of {name[:NAME_LENGTH_MAX]}")
        body = await body_of(request)
        wanted, asked = check_shape("policy_reason", await json_of(body)), asked_of(request, actor, body)
        found, version = await draft_of(self.deps.database, name), version_of(request)
        gone = _shape(found, state="discarded") if found is not None else None

        async def change(tx: Tx) -> Change:
            answer = await flows.discard(tx, name, actor, wanted["reason"], version)
            return told(answer, lambda _: done(gone), lambda said: problem_of(said.refusal))

        return await make(self.deps.database, asked, change)

    def router(self) -> APIRouter:
        """The routes."""
        made, one = APIRouter(tags=["policy"]), ref(wire.PolicyDraft)
        path, minds = "/policy-drafts/{name}", (403, 404, 409, 412)
        add(made, "GET", "/policy-drafts", self.find, answers=wire.pages(wire.PolicyDraft))
        add(made, "GET", path, self.show, answers=one, problems=(404,))
        add(made, "GET", f"{path}/diff", self.diff, answers=ref(wire.PolicyDiff), problems=(404, 422))
        add(made, "PUT", path, self.save, answers=one, takes="policy_draft", problems=(403, 412, 422), if_match=True)
        add(
            made, "POST", f"{path}/publish", self.publish, answers=ref(wire.PolicySet), status=201,
            takes="policy_publish", problems=(*minds, 422), if_match=True,
        )  # fmt: skip
        add(
            made, "POST", f"{path}/discard", self.discard, answers=one, takes="policy_reason", problems=minds,
            if_match=True,
        )  # fmt: skip
        return made


def _shape(one: Draft, problems: object = None, state: str = "") -> wire.PolicyDraft:
    return wire.PolicyDraft(
        name=one.name,
        version=one.version,
        state=state or one.state,
        edited_at=at(one.edited_at) or "",
        edited_by=one.edited_by,
        reason=one.reason,
        files=dict(one.files) if problems is not None else None,
        problems=list(problems) if isinstance(problems, list) else None,
    )

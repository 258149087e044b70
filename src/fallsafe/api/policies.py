"""Policy sets: listed, read with their files, checked, compared, published, put in force."""

import asyncio
from collections.abc import Mapping, Sequence

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
from fallsafe.core.policy import diff
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.policy import activate, publish
from fallsafe.policyset import PolicyError, check_files, differences, load_files
from fallsafe.policyset import Problem as Wrong
from fallsafe.store.policy_sets import Published, in_force, published_set, published_sets
from fallsafe.store.tx import Tx


class PoliciesDoor:
    """The routes under /policy-sets."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(self, request: Request) -> Response:
        """The policy sets, newest first, each with whether it is in force."""
        await self.deps.who(request)
        now = await self._in_force()
        return send({"items": [shape(s, now) for s in await self._all()], "after": ""}, tag=now)

    async def show(self, request: Request, set_id: str) -> Response:
        """One policy set with its files."""
        await self.deps.who(request)
        found = await self._one(set_id)
        return send(shape(found, await self._in_force(), found.files))

    async def _in_force(self) -> str:
        """The set in force; where none was ever put so, the one that this process runs by."""
        return (await in_force(self.deps.database)).set_id or self.deps.context().newest.id

    async def _one(self, set_id: str) -> Published:
        """A set that was published, or that this process runs by. Raises `Problem` 404."""
        found = await published_set(self.deps.database, set_id)
        loaded = self.deps.context().policies.get(set_id)
        if found is not None:
            return found
        if loaded is None:
            raise not_found("policy set", set_id, "GET /policy-sets lists them")
        return unpublished(loaded)

    async def _all(self) -> list[Published]:
        """What was published, and what this process runs by without that."""
        published = list(await published_sets(self.deps.database))
        known = {s.id for s in published}
        return published + [unpublished(p) for p in self.deps.context().policies.values() if p.id not in known]

    async def diff(self, request: Request, set_id: str) -> Response:
        """What a set has that another has not, in words, and from when each change counts; `against` names the other
        one, else it is the one in force.
        """
        await self.deps.who(request)
        now = await self._one(set_id)
        was = await self._one(request.query_params.get("against") or await self._in_force())
        return send(await compared(was.id, was.files, now.id, now.files))

    async def check(self, request: Request) -> Response:
        """Says whether files may be used as a set, else everything that is wrong, each with file and line. Nothing is
        kept.
        """
        await self.deps.who(request)
        wanted = check_shape("policy_files", await json_of(await body_of(request, ORDER_BYTES_MAX)))
        return send(await checked(wanted["files"]))

    async def publish(self, request: Request) -> Response:
        """Publishes a set: in force for triage, ownership, service levels and messages at once, for plans and
        contracts from the next order on; with `activate` false, not before it is put in force. Refused with file and
        line for whatever is wrong with it.
        """
        actor = await self.deps.allowed(request, "publish_policy", "cannot publish a policy set")
        body = await body_of(request, ORDER_BYTES_MAX)
        wanted, asked = check_shape("policy_set", await json_of(body)), asked_of(request, actor, body)
        policy, force = await loaded(self.deps, wanted["files"]), wanted.get("activate", True)

        async def change(tx: Tx) -> Change:
            answer = await publish(tx, policy, actor, wanted["reason"], force=force)
            mine = shape(unpublished(policy), (await in_force(tx)).set_id)
            return told(
                answer, lambda a: done(mine, 200 if a.already else 201), lambda refused: problem_of(refused.refusal)
            )

        answer = await make(self.deps.database, asked, change)
        await take(self.deps, policy)
        return answer

    async def activate(self, request: Request, set_id: str) -> Response:
        """Puts a published set in force, a newer or an older one: for new orders, and for triage, ownership, service
        levels and messages of all. With If-Match only instead of the set that it names.
        """
        actor = await self.deps.allowed(request, "activate_policy", f"cannot put {set_id[:80]} in force")
        body = await body_of(request)
        wanted, asked = check_shape("policy_reason", await json_of(body)), asked_of(request, actor, body)
        instead_of, found = tag_of(request), await published_set(self.deps.database, set_id)

        async def change(tx: Tx) -> Change:
            answer = await activate(tx, set_id, actor, wanted["reason"], instead_of)
            mine = shape(found, set_id) if found is not None else None
            return told(answer, lambda _: done(mine), lambda refused: problem_of(refused.refusal))

        answer = await make(self.deps.database, asked, change)
        policy = self.deps.context().policies.get(set_id)
        if policy is not None:
            await take(self.deps, policy)
        return answer

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["policy"])
        one = ref(wire.PolicySet)
        add(made, "GET", "/policy-sets", self.find, answers=wire.pages(wire.PolicySet))
        add(
            made, "POST", "/policy-sets", self.publish, answers=one, status=201, again=200, takes="policy_set",
            problems=(403, 409, 422),
        )  # fmt: skip
        add(made, "POST", "/policy-sets/check", self.check, answers=ref(wire.PolicyChecked), takes="policy_files")
        add(made, "GET", "/policy-sets/{set_id}", self.show, answers=one, problems=(404,))
        add(
            made, "GET", "/policy-sets/{set_id}/diff", self.diff, answers=ref(wire.PolicyDiff),
            problems=(404, 422),
        )  # fmt: skip
        add(
            made, "POST", "/policy-sets/{set_id}/activate", self.activate, answers=one, takes="policy_reason",
            problems=(403, 404, 409, 412), if_match=True,
        )  # fmt: skip
        return made


async def loaded(deps: Deps, texts: Mapping[str, str]) -> PolicySet:
    """The set that files are. Raises `Problem` 422 with everything that is wrong."""
    try:
        return await asyncio.to_thread(load_files, bytes_of(texts), deps.context().newest.time_scale)
    except PolicyError as error:
        raise wrong(error.problems) from None


async def take(deps: Deps, policy: PolicySet) -> None:
    """This process knows a set at once, and whether it is in force."""
    deps.published(policy, (await in_force(deps.database)).set_id == policy.id)


def shape(given: Published, in_force_id: str, files: object = None) -> wire.PolicySet:
    """A set as it is told."""
    activated = given.activated
    return wire.PolicySet(
        id=given.id,
        name=given.name,
        date=given.date,
        digest=given.digest,
        in_force=given.id == in_force_id,
        published_at=at(given.published_at),
        published_by=given.published_by,
        reason=given.reason,
        activated_at=at(activated.at) if activated else None,
        activated_by=activated.by if activated else "",
        activated_because=activated.reason if activated else "",
        files=dict(files) if isinstance(files, dict) else None,
    )


def unpublished(policy: PolicySet) -> Published:
    """A set that is only loaded, as if it had been published."""
    texts = {name: body.decode("utf-8", "replace") for name, body in policy.files.items()}
    return Published(policy.id, policy.name, policy.date, policy.digest, None, "", "", 0, texts)


def tag_of(request: Request) -> str | None:
    """What an If-Match header names, without its quotes; None where there is none."""
    given = request.headers.get("if-match")
    return given.strip().removeprefix("W/").strip('"') if given is not None else None


def version_of(request: Request) -> int | None:
    """The version that an If-Match header names. Raises `Problem` 412 where it is no version at all."""
    tag = tag_of(request)
    if tag is None:
        return None
    if not tag.isdecimal() or len(tag) > 9:
        why = f"{tag[:40]} is no version"
        raise Problem(412, "CHANGED_MEANWHILE", why, "send the ETag of what you read")
    return int(tag)


async def compared(was: str, before: Mapping[str, str], now: str, after: Mapping[str, str]) -> wire.PolicyDiff:
    """Two sets side by side. Raises `Problem` 422 where the files of one cannot be read."""
    try:
        changes = await asyncio.to_thread(differences, bytes_of(before), bytes_of(after))
    except PolicyError as error:
        raise wrong(error.problems) from None
    return wire.PolicyDiff(was, now, [_change(one) for one in changes])


def _change(one: diff.Change) -> wire.PolicyChange:
    return wire.PolicyChange(one.kind, one.thing, one.name, one.turn.value, one.counts.value, one.sentence)


async def checked(texts: Mapping[str, str]) -> wire.PolicyChecked:
    """Whether files may be used as a set, and what is wrong."""
    found = await asyncio.to_thread(check_files, bytes_of(texts))
    name = "" if found else (await asyncio.to_thread(load_files, bytes_of(texts))).id
    return wire.PolicyChecked(not found, name or None, [_problem(one) for one in found])


def bytes_of(texts: Mapping[str, str]) -> dict[str, bytes]:
    """Files as they are digested."""
    return {name: text.encode() for name, text in texts.items()}


def _problem(one: Wrong) -> wire.PolicyProblem:
    return wire.PolicyProblem(one.file, one.line, one.pointer, one.what, one.would_be_right)


def wrong(problems: Sequence[Wrong]) -> Problem:
    """Everything that is wrong with a set, each with its file and line."""
    faults = tuple(
        Fault(f"/files/{p.file}", f"line {p.line}: {p.what}" if p.line else p.what, "POLICY_WRONG", p.would_be_right)
        for p in problems
    )
    why = f"the set has {len(problems)} faults; the first: {problems[0]}"
    return Problem(422, "POLICY_WRONG", why, faults[0].hint, faults[0].pointer, faults)

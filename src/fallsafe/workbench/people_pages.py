"""The pages of people: who may come in and what they may do; for whoever manages them, a form for each, and for
everybody one for their own password. What a form asks for is what the API and its verbs do.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from fallsafe.core.access import EVERY_GROUP, PERSON_NAME, ROLES, Actor, may, who_may
from fallsafe.core.errors import Refusal
from fallsafe.flows import access
from fallsafe.flows.context import Refused
from fallsafe.security import passwords
from fallsafe.security.tokens import TOKEN_LENGTH_MAX, digest_of
from fallsafe.store.access import Person, people, person_by_name
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, not_ours, note, now_of, own_form, sign_in, sorry
from fallsafe.workbench.guard import SESSION_COOKIE
from fallsafe.workbench.paper import html

HERE, MANAGES = "people", "manage_people"
PROVED_AT_ONCE = 2
TITLE_MAX, REASON_MAX, GROUPS_MAX = 100, 500, 50
VERSION = re.compile(r"[0-9]{1,9}")
Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class PeopleDoor:
    """The routes under /people."""

    deps: Deps
    proving: asyncio.Semaphore

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (
            ("/people", self.show, "GET"),
            ("/people", self.put, "POST"),
            ("/people/{name}", self.one, "GET"),
            ("/people/{name}/password", self.password, "POST"),
        )

    async def show(self, request: Request) -> Response:
        """Everybody, those who have left last."""
        actor = await self.deps.authenticate(request)
        return sign_in(request) if actor is None else await self._all(request, actor)

    async def one(self, request: Request, name: str) -> Response:
        """Somebody."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        found = await person_by_name(self.deps.database, name)
        if found is None:
            return await sorry(self.deps, request, 404, "There is nobody of that name", (name[:60],), actor)
        return await self._one(request, actor, found)

    async def put(self, request: Request) -> Response:
        """Makes somebody known, or says what they may do from now on."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        name, known = form.get("name", "").strip(), form.get("seen", "") != ""
        wanted, reason = await self._wanted(name, form), form.get("reason", "").strip()[:REASON_MAX]
        refusal = _why_not_whole(wanted, reason)
        if refusal is not None:
            await note(self.deps, request, actor, refusal.code, refusal.why)
        else:
            seen = int(form["seen"]) if VERSION.fullmatch(form.get("seen", "")) else 0
            context = self.deps.context()
            answer = await self.deps.database.transact(
                lambda tx: access.put_person(tx, context, wanted, seen, actor, reason)
            )
            if not isinstance(answer, Refused):
                return RedirectResponse(f"/people/{name}", 303)
            refusal = answer.refusal
        found = await person_by_name(self.deps.database, name) if known else None
        if found is None:
            return await self._all(request, actor, wanted, reason, refusal)
        return await self._one(request, actor, found, wanted, reason, refusal)

    async def password(self, request: Request, name: str) -> Response:
        """A new password for somebody."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        found = await person_by_name(self.deps.database, name)
        if form is None:
            return await not_ours(self.deps, request, actor)
        if found is None:
            return await sorry(self.deps, request, 404, "There is nobody of that name", (name[:60],), actor)
        wanted, old = form.get("password", ""), form.get("old", "")
        weak, what = passwords.why_not(wanted, name), f"cannot set the password of {name}"
        if weak:
            await note(self.deps, request, actor, "PASSWORD_WEAK", weak)
            return await self._one(
                request, actor, found, refusal=Refusal("PASSWORD_WEAK", what, weak, "a few words do")
            )
        async with self.proving:
            right = bool(old) and await asyncio.to_thread(passwords.proves, old, found.password)
            proof = await asyncio.to_thread(passwords.proof_of, wanted)
        proved = found.password if right else None
        session = digest_of(request.cookies.get(SESSION_COOKIE, "")[:TOKEN_LENGTH_MAX])
        answer = await self.deps.database.transact(
            lambda tx: access.set_password(tx, name, proof, actor, tried=bool(old), proved=proved, session=session)
        )
        if isinstance(answer, Refused):
            return await self._one(request, actor, found, refusal=answer.refusal)
        return RedirectResponse(f"/people/{name}?set=yes", 303)

    async def _wanted(self, name: str, form: dict[str, str]) -> Person:
        roles = tuple(sorted(filter(None, form.get("roles", "").split(","))))
        groups = tuple(sorted(filter(None, form.get("groups", "").split(",")))[:GROUPS_MAX]) or (EVERY_GROUP,)
        left_at = await now_of(self.deps) if form.get("left") else None
        return Person(name, form.get("title", "").strip()[:TITLE_MAX], roles, groups, "", 0, None, left_at, 1)

    async def _all(
        self,
        request: Request,
        actor: Actor,
        wanted: Person | None = None,
        reason: str = "",
        refusal: Refusal | None = None,
    ) -> Response:
        return html(
            "people.html",
            409 if refusal is not None else 200,
            **await self._around(request, actor, refusal, reason),
            rows=await people(self.deps.database),
            wanted=wanted,
        )

    async def _one(
        self,
        request: Request,
        actor: Actor,
        found: Person,
        wanted: Person | None = None,
        reason: str = "",
        refusal: Refusal | None = None,
    ) -> Response:
        return html(
            "person.html",
            409 if refusal is not None else 200,
            **await self._around(request, actor, refusal, reason),
            found=found,
            wanted=wanted or found,
            theirs=actor.kind == "person" and actor.name == found.name,
            was_set=request.query_params.get("set") == "yes",
        )

    async def _around(self, request: Request, actor: Actor, refusal: Refusal | None, reason: str) -> dict[str, object]:
        owners = self.deps.context().newest.owners
        return {
            **await base(self.deps, request, actor, HERE),
            "now": await now_of(self.deps),
            "refusal": refusal,
            "reason": reason,
            "all_roles": ROLES,
            "all_groups": [(code, owner.title) for code, owner in sorted(owners.items())],
            "manages": may(actor, MANAGES),
            "managers": ", ".join(who_may(MANAGES)),
        }


def _why_not_whole(wanted: Person, reason: str) -> Refusal | None:
    """What a form lacks, before the flow is asked."""
    what = f"cannot change {wanted.name[:60] or 'somebody without a name'}"
    if PERSON_NAME.fullmatch(wanted.name) is None:
        return Refusal(
            "NAME_WRONG", what, f"nobody can be called {wanted.name[:80]!r}", "as in mei.lin or mei@example.org"
        )
    if not wanted.title or not reason or not wanted.roles:
        lacks = "a title" if not wanted.title else "a role" if not wanted.roles else "a reason"
        return Refusal("NOT_WHOLE", what, f"{lacks} is missing", "what was written is still in the form")
    return None

"""Who may come in: people and what they may do, their passwords and sessions, tokens made and revoked, and a sign-in at
this machine by a one-time link.

A password is proved in a thread, at most a few at once, and before the transaction that counts it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address
from time import monotonic
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fallsafe.api import wire
from fallsafe.api.bodies import body_of, check_shape, json_of
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import SESSION_COOKIE, Deps
from fallsafe.api.drafts import instant_of
from fallsafe.api.policies import version_of
from fallsafe.api.problems import Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import at
from fallsafe.core.access import EVERY_GROUP, OF_A_GROUP, PERSON_NAME, RIGHTS, may, who_may, why_not
from fallsafe.flows import access
from fallsafe.flows.context import Applied, Refused
from fallsafe.security import passwords
from fallsafe.security.tokens import TOKEN_LENGTH_MAX, digest_of, new_token
from fallsafe.store.access import Person, Token, people, person_by_name, person_of, token_of
from fallsafe.store.tx import Tx

TOKEN_LIVES, TOKEN_LIVES_MAX = timedelta(days=366), timedelta(days=3_660)
FIRST_PAGE = "/queue"
NAME_LENGTH_MAX = 60
PROVED_AT_ONCE = 2
TRIES_MAX, TRIES_SECONDS, ADDRESSES_MAX = 100, 900.0, 10_000
FORM_BYTES_MAX = 4_096
PAGE, PAGE_MAX = 50, 200
T = TypeVar("T")


class Tries:
    """Wrong passwords from each address in the last quarter of an hour, as this process saw them."""

    def __init__(self) -> None:
        self._at: OrderedDict[str, list[float]] = OrderedDict()

    def are_too_many(self, address: str) -> bool:
        """Whether no more passwords are taken from there for a while."""
        return len(self._recent(address)) >= TRIES_MAX

    def add(self, address: str) -> None:
        """One more."""
        self._at[address] = [*self._recent(address), monotonic()][-TRIES_MAX:]
        self._at.move_to_end(address)
        if len(self._at) > ADDRESSES_MAX:
            self._at.popitem(last=False)

    def _recent(self, address: str) -> list[float]:
        return [at for at in self._at.get(address, ()) if at > monotonic() - TRIES_SECONDS]


class PeopleDoor:
    """The routes /people, /tokens, /me, /permissions, /sign-in and /sign-out."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps
        self._proving = asyncio.Semaphore(PROVED_AT_ONCE)
        self._tries = Tries()

    async def me(self, request: Request) -> Response:
        """Who asks, and what they may do."""
        actor = await self.deps.who(request)
        rights = sorted(action for action in RIGHTS if may(actor, action))
        roles, groups = sorted(actor.roles), sorted(actor.groups)
        return send(wire.Me(kind=actor.kind, name=actor.name, roles=roles, groups=groups, rights=rights))

    async def permissions(self, request: Request, group: str = "") -> Response:
        """For every right whether the one who asks has it, and why not; with `group`, for what that group owns."""
        actor = await self.deps.who(request)
        if group and group not in self.deps.context().newest.owners:
            raise Problem(422, "GROUP_UNKNOWN", f"there is no owner group {group[:60]}", "", "/group")
        listed = []
        for action in sorted(RIGHTS):
            why = why_not(actor, action, group)
            listed.append(wire.Permission(action, not why, why, who_may(action), action in OF_A_GROUP))
        return send({"items": listed, "after": ""})

    async def people(self, request: Request) -> Response:
        """Everybody who may sign in, those who have left last."""
        await self.deps.who(request)
        return send({"items": [_person(one) for one in await people(self.deps.database)], "after": ""})

    async def person(self, request: Request, name: str) -> Response:
        """Somebody by their name; the ETag is their version."""
        await self.deps.who(request)
        found = await person_by_name(self.deps.database, name)
        if found is None:
            raise not_found("person", name, "GET /people lists them; PUT makes somebody known")
        return send(_person(found), tag=str(found.version))

    async def put(self, request: Request, name: str) -> Response:
        """Makes somebody known, or says what they may do from now on. Their sessions end. Who has `left` signs in no
        more, and their tokens open nothing.
        """
        actor = await self.deps.who(request)
        wanted, seen = check_shape("person", await json_of(await body_of(request))), version_of(request)
        if PERSON_NAME.fullmatch(name) is None:
            raise Problem(422, "NAME_WRONG", f"nobody can be called {name[:80]}", "as in mei.lin or mei@example.org")
        roles, groups = tuple(sorted(wanted["roles"])), tuple(sorted(wanted.get("groups", (EVERY_GROUP,))))
        left_at = await self.deps.now() if wanted.get("left") else None
        person = Person(name, wanted["title"], roles, groups, "", 0, None, left_at, 1)

        async def change(tx: Tx) -> Change:
            answer = await access.put_person(tx, self.deps.context(), person, seen, actor, wanted["reason"])
            rows = await tx.fetch("people/by_name", person=name)
            return told(answer, lambda _: done(_person(person_of(rows[0]))), lambda said: problem_of(said.refusal))

        return await make(self.deps.database, None, change)

    async def password(self, request: Request, name: str) -> Response:
        """A new password for somebody: by themselves with the `old` one, or by whoever manages people. Whoever else is
        signed in as them is no longer.
        """
        actor = await self.deps.who(request)
        wanted = check_shape("password", await json_of(await body_of(request)))
        weak = passwords.why_not(wanted["password"], name)
        if weak:
            raise Problem(422, "PASSWORD_WEAK", f"this is no password: {weak}", "a few words do well", "/password")
        proved = await self._prove(name, wanted["old"]) if "old" in wanted else None
        proof = await self._in_thread(passwords.proof_of, wanted["password"])
        session = digest_of(request.cookies.get(SESSION_COOKIE, "")[:TOKEN_LENGTH_MAX])

        async def change(tx: Tx) -> Change:
            answer = await access.set_password(
                tx, name, proof, actor, tried="old" in wanted, proved=proved, session=session
            )
            return told(answer, lambda _: Change(204, b""), lambda said: problem_of(said.refusal))

        await make(self.deps.database, None, change)
        return Response(status_code=204)

    async def _prove(self, name: str, password: str) -> str | None:
        """What this password was proved against; None where it is not theirs. Nobody's takes as long."""
        known = await person_by_name(self.deps.database, name)
        proof = known.password if known is not None else ""
        return proof if await self._in_thread(passwords.proves, password, proof) else None

    async def _in_thread(self, work: Callable[..., T], *given: str) -> T:
        async with self._proving:
            return await asyncio.to_thread(work, *given)

    async def tokens(self, request: Request, after: str = "", limit: int = PAGE) -> Response:
        """API tokens, the newest first: whose they are and what they may, never the token."""
        await self.deps.allowed(request, "manage_tokens", "cannot list tokens")
        if not 1 <= limit <= PAGE_MAX or (after and not _is_number(after)):
            raise Problem(422, "PAGE_WRONG", f"a page has 1 to {PAGE_MAX} tokens, and begins after an id", "", "/limit")
        rows = await self.deps.database.fetch("tokens/all", before=int(after) if after else None, limit=limit)
        kept = [_kept(token_of(row)) for row in rows]
        return send({"items": kept, "after": kept[-1].id if len(kept) == limit else ""})

    async def create(self, request: Request) -> Response:
        """Makes a token, which ends after a year where nothing else is said. It is in this answer and nowhere else. It
        is made anew when the same request is sent again, since it was never stored, hence an Idempotency-Key is
        refused here.
        """
        actor = await self.deps.who(request)
        if "idempotency-key" in request.headers:
            why = "a token is shown once and never stored, so that no answer can be given again"
            raise Problem(400, "IDEMPOTENCY_KEY", why, "leave the Idempotency-Key out, and revoke what is too much")
        wanted = check_shape("token", await json_of(await body_of(request)))
        now = await self.deps.now()
        until = instant_of(wanted.get("expiresAt"), "/expiresAt") or now + TOKEN_LIVES
        self._check_end(until, now)
        token, kind, roles = new_token(), wanted.get("kind", "machine"), tuple(wanted["roles"])
        groups = tuple(wanted.get("groups", (EVERY_GROUP,)))

        def made(applied: Applied) -> Change:
            return done(
                wire.Token(
                    id=str(applied.id),
                    name=wanted["name"],
                    kind=kind,
                    roles=roles,
                    groups=groups,
                    expires_at=at(until),
                    token=token,
                ),
                201,
            )

        async def change(tx: Tx) -> Change:
            answer = await access.create_token(
                tx,
                self.deps.context(),
                person=wanted["name"],
                actor_kind=kind,
                roles=roles,
                groups=groups,
                digest=digest_of(token),
                expires_at=until,
                actor=actor,
                reason=wanted.get("reason", ""),
            )
            return told(answer, made, lambda refused: problem_of(refused.refusal))

        answer = await make(self.deps.database, None, change)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _check_end(self, until: datetime, now: datetime) -> None:
        if not now < until <= now + TOKEN_LIVES_MAX:
            raise Problem(422, "EXPIRES_WRONG", "a token ends in the future, within ten years", "", "/expiresAt")

    async def revoke(self, request: Request, token_id: str) -> Response:
        """A token that opens nothing from now on."""
        actor = await self.deps.who(request)
        if not _is_number(token_id):
            raise not_found("token", token_id, "a token is named by the id that it was made with")

        async def change(tx: Tx) -> Change:
            answer = await access.revoke_token(tx, int(token_id), actor, "asked at the API")
            return told(answer, lambda _: Change(204, b""), lambda refused: problem_of(refused.refusal))

        await make(self.deps.database, asked_of(request, actor, b""), change)
        return Response(status_code=204)

    async def sign_in(self, request: Request, code: str = "", then: str = FIRST_PAGE) -> Response:
        """Opens a session by a one-time code, once, on this machine only."""
        if not _is_here(request):
            self.deps.metrics.strangers.labels("sign_in_from_elsewhere").inc()
            raise Problem(403, "NOT_HERE", "one signs in by a link on the machine that Fallsafe runs on", "")
        session = new_token()
        digest = digest_of(code[:TOKEN_LENGTH_MAX])

        async def use(tx: Tx) -> Applied | Refused:
            return await access.use_code(tx, digest, digest_of(session))

        answer = await self.deps.database.transact(use)
        if isinstance(answer, Refused):
            raise problem_of(answer.refusal)
        return _signed_in(request, session, then)

    async def sign_in_by_password(self, request: Request) -> Response:
        """Opens a session by the form of the page `/welcome`; where it does not, that page says why."""
        given = await read_form(request) if is_from_here(request) else None
        if given is None:
            raise Problem(403, "FOREIGN_PAGE", "this sign-in did not come from a page of this installation", "")
        name, then = given.get("name", "")[:NAME_LENGTH_MAX].strip(), local_path(given.get("then", FIRST_PAGE))
        address, password = request.client.host if request.client else "", given.get("password", "")
        if self._tries.are_too_many(address):
            return _to(f"/welcome?{urlencode({'wrong': 'too_many', 'then': then})}")
        proved = await self._prove(name, password[: passwords.LENGTH_MAX + 1])
        session = new_token()

        async def enter(tx: Tx) -> Applied | Refused:
            return await access.sign_in(tx, name, proved, digest_of(session))

        answer = await self.deps.database.transact(enter)
        if isinstance(answer, Applied):
            return _signed_in(request, session, then)
        self.deps.metrics.strangers.labels("password").inc()
        self._tries.add(address)
        wrong = {"SIGN_IN_LOCKED": "locked"}.get(answer.refusal.code, "password")
        return _to(f"/welcome?{urlencode({'wrong': wrong, 'then': then})}")

    async def sign_out(self, request: Request) -> Response:
        """Ends the session of the browser that asks."""
        session = request.cookies.get(SESSION_COOKIE, "")[:TOKEN_LENGTH_MAX]
        if not is_from_here(request):
            raise Problem(403, "FOREIGN_PAGE", "this did not come from a page of this installation", "")

        async def leave(tx: Tx) -> None:
            await access.sign_out(tx, digest_of(session))

        await self.deps.database.transact(leave)
        back = _to("/welcome")
        back.delete_cookie(SESSION_COOKIE)
        return back

    def router(self) -> APIRouter:
        """The routes below /api/v1."""
        made = APIRouter(tags=["access"])
        add(made, "GET", "/me", self.me, answers=ref(wire.Me))
        add(made, "GET", "/permissions", self.permissions, answers=wire.pages(wire.Permission), problems=(422,))
        one, path = ref(wire.Person), "/people/{name}"
        add(made, "GET", "/people", self.people, answers=wire.pages(wire.Person))
        add(made, "GET", path, self.person, answers=one, problems=(404,))
        add(made, "PUT", path, self.put, answers=one, takes="person", problems=(403, 412, 422), if_match=True)
        add(
            made, "PUT", f"{path}/password", self.password, answers=None, status=204, takes="password",
            problems=(403, 404, 409, 422),
        )  # fmt: skip
        add(made, "GET", "/tokens", self.tokens, answers=wire.pages(wire.KeptToken), problems=(403, 422))
        add(
            made,
            "POST",
            "/tokens",
            self.create,
            answers=ref(wire.Token),
            status=201,
            takes="token",
            problems=(403, 422),
        )
        add(made, "DELETE", "/tokens/{token_id}", self.revoke, answers=None, status=204, problems=(403, 404))
        return made


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a small form; None where it is none."""
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or int(length) > FORM_BYTES_MAX:
        return None
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    try:
        fields = parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return None
    return {name: text.replace("\0", "") for name, text in fields}


def is_from_here(request: Request) -> bool:
    """Whether a form was sent from a page of this server, as far as the browser says."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def _signed_in(request: Request, session: str, then: str) -> Response:
    back = _to(local_path(then))
    back.set_cookie(
        SESSION_COOKIE, session, max_age=int(access.SESSION_LIVES.total_seconds()), httponly=True, samesite="lax",
        secure=_is_encrypted(request),
    )  # fmt: skip
    return back


def _is_encrypted(request: Request) -> bool:
    """Whether the browser came by HTTPS, here or at a proxy before us: then it keeps the session from anything else."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _to(path: str) -> Response:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _person(one: Person) -> wire.Person:
    return wire.Person(
        name=one.name, title=one.title, roles=one.roles, groups=one.groups, has_password=bool(one.password),
        locked_until=at(one.locked_until), left_at=at(one.left_at), version=one.version,
    )  # fmt: skip


def _kept(one: Token) -> wire.KeptToken:
    return wire.KeptToken(
        id=str(one.id), name=one.person, kind=one.actor_kind, roles=one.roles, groups=one.groups,
        created_at=at(one.created_at) or "", expires_at=at(one.expires_at), revoked_at=at(one.revoked_at),
    )  # fmt: skip


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _is_here(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def local_path(path: str) -> str:
    """A path to go to after the sign-in, on this server only; anything else becomes the list of cases."""
    fine = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if fine and path.isascii() else FIRST_PAGE

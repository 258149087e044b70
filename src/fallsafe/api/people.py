"""Who may come in: tokens made and revoked, who asks, and a person's sign-in at this machine by a one-time link."""

from datetime import datetime, timedelta
from ipaddress import ip_address

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fallsafe.api import wire
from fallsafe.api.bodies import body_of, check_shape, json_of
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import SESSION_COOKIE, Deps
from fallsafe.api.drafts import instant_of
from fallsafe.api.problems import Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import at
from fallsafe.core.access import RIGHTS, may
from fallsafe.flows import access
from fallsafe.flows.context import Applied, Refused
from fallsafe.security.tokens import TOKEN_LENGTH_MAX, digest_of, new_token
from fallsafe.store.tx import Tx

TOKEN_LIVES_MAX = timedelta(days=3_660)
FIRST_PAGE = "/queue"


class PeopleDoor:
    """The routes /tokens, /me and /sign-in."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def me(self, request: Request) -> Response:
        """Who asks, and what they may do."""
        actor = await self.deps.who(request)
        rights = sorted(action for action in RIGHTS if may(actor, action))
        return send(wire.Me(kind=actor.kind, name=actor.name, roles=sorted(actor.roles), rights=rights))

    async def create(self, request: Request) -> Response:
        """Makes a token. It is in this answer and nowhere else. It is made anew when the same request is sent again,
        since it was never stored, hence an Idempotency-Key is refused here.
        """
        actor = await self.deps.who(request)
        if "idempotency-key" in request.headers:
            why = "a token is shown once and never stored, so that no answer can be given again"
            raise Problem(400, "IDEMPOTENCY_KEY", why, "leave the Idempotency-Key out, and revoke what is too much")
        wanted = check_shape("token", await json_of(await body_of(request)))
        until = instant_of(wanted.get("expiresAt"), "/expiresAt")
        self._check_end(until, await self.deps.now())
        token, kind, roles = new_token(), wanted.get("kind", "machine"), tuple(wanted["roles"])

        def made(applied: Applied) -> Change:
            return done(
                wire.Token(
                    id=str(applied.id), name=wanted["name"], kind=kind, roles=roles, expires_at=at(until), token=token
                ),
                201,
            )

        async def change(tx: Tx) -> Change:
            answer = await access.create_token(
                tx,
                person=wanted["name"],
                actor_kind=kind,
                roles=roles,
                digest=digest_of(token),
                expires_at=until,
                actor=actor,
                reason=wanted.get("reason", ""),
            )
            return told(answer, made, lambda refused: problem_of(refused.refusal))

        answer = await make(self.deps.database, None, change)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _check_end(self, until: datetime | None, now: datetime) -> None:
        if until is not None and not now < until <= now + TOKEN_LIVES_MAX:
            raise Problem(422, "EXPIRES_WRONG", "a token ends in the future, within ten years", "", "/expiresAt")

    async def revoke(self, request: Request, token_id: str) -> Response:
        """A token that opens nothing from now on."""
        actor = await self.deps.who(request)
        if not token_id.isascii() or not token_id.isdigit() or len(token_id) > 18:
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
        back = RedirectResponse(local_path(then), 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
        seconds = int(access.SESSION_LIVES.total_seconds())
        back.set_cookie(
            SESSION_COOKIE, session, max_age=seconds, httponly=True, samesite="lax", secure=self.deps.secure_cookies
        )
        return back

    def router(self) -> APIRouter:
        """The routes below /api/v1."""
        made = APIRouter(tags=["access"])
        add(made, "GET", "/me", self.me, answers=ref(wire.Me))
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


def _is_here(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def local_path(path: str) -> str:
    """A path to go to after the sign-in, on this server only; anything else becomes the list of cases."""
    fine = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if fine and path.isascii() else FIRST_PAGE

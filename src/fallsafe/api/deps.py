"""What the doors are handed, and who is there.

An API token comes in a header; a person's session in a cookie, which no script can read and no other site can make use
of: a change by cookie must say that it comes from a page of ours. Whoever has neither is counted, not journaled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from fallsafe.api.answers import LOCALE, Asker
from fallsafe.api.problems import TITLES, Problem
from fallsafe.core.access import Actor, may
from fallsafe.core.errors import Refusal
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows import access
from fallsafe.flows.context import Context
from fallsafe.security.tokens import TOKEN_LENGTH_MAX, digest_of
from fallsafe.store.access import Token, token_by_digest
from fallsafe.store.tx import Database, Tx
from fallsafe.telemetry.metrics import Metrics

SESSION_COOKIE = "fallsafe_session"
REFUSALS = frozenset({400, 404, 405, 409, 412, 413, 415, 422})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOCALES_MAX = 20


def _no_other(_: str) -> Sequence[str]:
    return ()


def _never() -> bool:
    return False


def _nothing(_policy: PolicySet, _in_force: bool) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Deps:
    """The store, the policy in force, the secrets that callbacks are signed with (by system), and the numbers.

    `also_accepted` gives secrets that a system may sign with beside its own, while one gives way to another.
    `stopping` says that the server is about to stop; `published` is told of a set that was published or put in force
    here, and whether it is in force, so that this process knows at once.
    """

    database: Database
    context: Callable[[], Context]
    secrets: Mapping[str, str]
    also_accepted: Callable[[str], Sequence[str]] = _no_other
    stopping: Callable[[], bool] = _never
    published: Callable[[PolicySet, bool], None] = _nothing
    metrics: Metrics = field(default_factory=Metrics)

    async def now(self) -> datetime:
        """The database's clock."""
        now: datetime = (await self.database.fetch("tx/now"))[0]["clock_timestamp"]
        return now

    async def authenticate(self, request: Request) -> Actor | None:
        """Who is behind a request, by the token in its header or the session in its cookie; None when nobody is."""
        token = await self._token(request)
        return token.actor if token is not None else None

    async def _token(self, request: Request) -> Token | None:
        given, kinds = _bearer(request), ("api",)
        if given is None:
            given, kinds = request.cookies.get(SESSION_COOKIE), ("session",)
        if not given or len(given) > TOKEN_LENGTH_MAX:
            return None
        token = await token_by_digest(self.database, digest_of(given))
        if token is None or token.kind not in kinds:
            return None
        now = await self.now() if token.expires_at is not None else token.created_at  # what never ends needs no clock
        return token if token.counts(now) else None

    async def who(self, request: Request) -> Actor:
        """Who is there. Raises `Problem` 401 for nobody, 403 for a change by cookie that no page of ours made."""
        actor = await self.authenticate(request)
        if actor is None:
            self.metrics.strangers.labels("token" if _bearer(request) is not None else "nothing").inc()
            hint = "send Authorization: Bearer <token>; the token of this installation is in its home"
            raise Problem(401, "NOT_SIGNED_IN", "no valid token or session came with the request", hint)
        if _bearer(request) is None and request.method not in SAFE_METHODS and not _from_our_page(request):
            self.metrics.strangers.labels("foreign_page").inc()
            why = "this change did not come from a page of this installation"
            refusal = Refusal("FOREIGN_PAGE", f"cannot {request.method} {_route(request)}", why, "use its own pages")
            await self.database.transact(lambda tx: access.note_wrong_request(tx, actor, refusal))
            raise Problem(403, "FOREIGN_PAGE", why, refusal.hint, recorded=True)
        request.state.actor = actor
        return actor

    async def allowed(self, request: Request, action: str, what: str) -> Actor:
        """Who is there, with the right to an action. Without it that is journaled, then `Problem` 403 is raised."""
        actor = await self.who(request)
        if not may(actor, action):

            async def note(tx: Tx) -> str:
                return (await access.note_refusal(tx, actor, action, what)).why

            why = await self.database.transact(note)
            raise Problem(403, "NOT_ALLOWED", f"{what}: {why}", "ask somebody who has one of them", recorded=True)
        return actor

    async def note(self, request: Request, problem: Problem) -> None:
        """Records that a change was refused at the door itself, where somebody is there who asked for it."""
        actor: Actor | None = getattr(request.state, "actor", None)
        if actor is None or problem.recorded or request.method in SAFE_METHODS or problem.status not in REFUSALS:
            return
        what = f"cannot {request.method} {_route(request)}"
        refusal = Refusal(problem.code, what, TITLES[problem.status], problem.hint, problem.pointer)
        await self.database.transact(lambda tx: access.note_wrong_request(tx, actor, refusal))

    async def asker(self, request: Request, actor: Actor) -> Asker:
        """Who asks, when, and under which policy."""
        return Asker(actor, await self.now(), self.context(), _locale(request, self.context().newest))


def _route(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path_format", ""))


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _from_our_page(request: Request) -> bool:
    return request.headers.get("sec-fetch-site") == "same-origin" or "x-csrf" in request.headers


def _locale(request: Request, policy: PolicySet) -> str:
    """The first language of the request that the messages are written in."""
    written = {locale for message in policy.messages.values() for locale in message.texts}
    for part in request.headers.get("accept-language", "").split(",")[:LOCALES_MAX]:
        locale = part.partition(";")[0].strip().lower()
        for known in (locale, locale.partition("-")[0]):
            if known in written:
                return known
    return LOCALE

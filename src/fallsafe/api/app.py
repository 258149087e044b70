"""The routes of machines and of signing in. Errors are problem+json (RFC 9457)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from fallsafe.api import sessions
from fallsafe.core.access import Actor
from fallsafe.core.commands.callback import Unreadable, address
from fallsafe.flows import callbacks
from fallsafe.flows.callbacks import Received
from fallsafe.flows.context import Applied, Context
from fallsafe.security.signature import verify
from fallsafe.store.tx import Database

CALLBACK_BYTES_MAX = 256 * 1024
COOKIE = "fallsafe_session"
PERSON = "you"
PERSON_ROLES = frozenset({"operator", "engineer"})


@dataclass(frozen=True, slots=True)
class Deps:
    """What the doors are handed: store, policy in force, secrets by system, the key of sessions, the clock, the end."""

    database: Database
    context: Callable[[], Context]
    secrets: Mapping[str, str]
    session_key: bytes
    run_folder: Path
    wall_clock: Callable[[], float]
    stopping: Callable[[], bool]

    async def authenticate(self, request: Request) -> Actor | None:
        """The person behind the session cookie."""
        person = sessions.person_of(self.session_key, request.cookies.get(COOKIE, ""), self.wall_clock())
        return Actor("person", person, PERSON_ROLES) if person else None


def create_app(deps: Deps) -> FastAPI:
    """The application without pages; the composition root mounts those beside."""
    app = FastAPI(title="Fallsafe", docs_url=None, redoc_url=None)

    @app.get("/healthz")
    async def health() -> dict[str, str]:
        """Answers while the database answers."""
        await deps.database.fetch("tx/now")
        return {"status": "ok"}

    @app.get("/api/v1/coverage")
    async def coverage() -> dict[str, object]:
        """What is live and has neither a reason to wait nor a next look; an empty list is all well (P1)."""
        gaps = await deps.database.fetch("reads/coverage_gaps")
        return {"covered": not gaps, "gaps": [{"thing": g["thing"], "gap": g["gap"]} for g in gaps]}

    @app.get("/sign-in", include_in_schema=False)
    async def sign_in(code: str = "", then: str = "/queue") -> Response:
        """Opens a session by the one-time code that `fallsafe up` printed."""
        if not sessions.use_code(deps.run_folder, code, deps.wall_clock()):
            return problem(403, "CODE_USED", "this sign-in link was used or is over", "fallsafe up prints a new one")
        answer = RedirectResponse(then if then.startswith("/") and not then.startswith("//") else "/queue", 303)
        cookie = sessions.session(deps.session_key, PERSON, deps.wall_clock())
        answer.set_cookie(COOKIE, cookie, httponly=True, samesite="lax", max_age=sessions.SESSION_SECONDS)
        return answer

    @app.post("/api/v1/downstreams/{name}/callbacks")
    async def callback(name: str, request: Request) -> Response:
        """Takes a callback in: signature checked, bytes kept once, answered after the commit; a worker applies it."""
        return await take_callback(deps, name, request)

    return app


async def take_callback(deps: Deps, name: str, request: Request) -> Response:
    """The callback door. Refused: an unknown system, a wrong signature, too many bytes, a body without event id or
    key.
    """
    system = deps.context().newest.systems.get(name)
    if system is None or system.callback is None:
        return problem(404, "NO_SUCH_SYSTEM", f"no system {name} calls back here", "see systems of the policy set")
    body = await _body(request)
    if body is None:
        return problem(413, "TOO_LARGE", f"a callback has at most {CALLBACK_BYTES_MAX} bytes", "send less")
    given = request.headers.get(system.callback.signature_header, "")
    if not verify(deps.secrets.get(name, ""), body, given):
        return problem(401, "SIGNATURE_WRONG", "the signature is not right for these bytes", "sign the bytes as sent")
    try:
        place = address(system.callback, msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return problem(400, "NOT_JSON", "the body is not JSON in UTF-8", "send one JSON object")
    if isinstance(place, Unreadable):
        return problem(400, "UNREADABLE", place.why, "name the event and the key of the command", place.pointer)
    media = request.headers.get("content-type", "application/json")
    one = Received(name, place.event_id, place.key, body, media, f"POST {request.url.path}")
    actor = Actor("machine", name, frozenset({"machine"}))
    (kept,) = await deps.database.transact(lambda tx: callbacks.receive(tx, deps.context(), [one], actor))
    return JSONResponse({"received": True, "already": isinstance(kept, Applied) and kept.already}, 202)


async def _body(request: Request) -> bytes | None:
    taken = bytearray()
    async for part in request.stream():
        taken += part
        if len(taken) > CALLBACK_BYTES_MAX:
            return None
    return bytes(taken)


def problem(status: int, code: str, detail: str, hint: str, pointer: str = "") -> Response:
    """An error as people and machines read it: what is wrong, where, and what would be right."""
    said = {"type": "about:blank", "status": status, "code": code, "detail": detail, "hint": hint, "pointer": pointer}
    return JSONResponse(said, status, media_type="application/problem+json")

"""The REST API as an application: its doors under `/api/v1`, health at the root, and one way to say that something went
wrong.

`create_app` has no state of its own beside what it is handed. Pages are mounted beside it by the composition root.
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fallsafe import __version__
from fallsafe.api import wire
from fallsafe.api.amendments import AmendmentsDoor
from fallsafe.api.automations import AutomationsDoor
from fallsafe.api.callbacks import CallbacksDoor
from fallsafe.api.cases import CasesDoor
from fallsafe.api.casework import CaseWorkDoor
from fallsafe.api.commands import CommandsDoor
from fallsafe.api.day import DayDoor
from fallsafe.api.deps import Deps
from fallsafe.api.downstreams import DownstreamsDoor
from fallsafe.api.feed import FeedDoor
from fallsafe.api.health import HealthDoor
from fallsafe.api.installation import InstallationDoor
from fallsafe.api.moves import MovesDoor
from fallsafe.api.orders import OrdersDoor
from fallsafe.api.people import PeopleDoor
from fallsafe.api.policies import PoliciesDoor
from fallsafe.api.policy_drafts import DraftsDoor
from fallsafe.api.problems import TITLES, Problem
from fallsafe.api.repairs import RepairsDoor
from fallsafe.api.reports import ReportsDoor
from fallsafe.api.rules import RulesDoor
from fallsafe.api.shapes import BASE
from fallsafe.api.signals import SignalsDoor
from fallsafe.api.views import ViewsDoor
from fallsafe.core.errors import SetNotRead
from fallsafe.store.trail import BadCursor
from fallsafe.store.tx import PASSING, Rewound
from fallsafe.telemetry.logs import fields, logger

REQUEST_ID_LENGTH_MAX = 100
ABOUT = """Finds orders that stopped or went wrong while being fulfilled, finds out what really happened, and recovers
them safely. Errors are problem+json; every POST takes an Idempotency-Key; lists go on after the cursor they end with.
"""


def create_app(deps: Deps) -> FastAPI:
    """The application over these dependencies."""
    app = FastAPI(
        title="Fallsafe", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    people = PeopleDoor(deps)
    api = APIRouter(prefix=BASE)
    doors = (
        OrdersDoor,
        CommandsDoor,
        CaseWorkDoor,
        RepairsDoor,
        AmendmentsDoor,
        RulesDoor,
        AutomationsDoor,
        DayDoor,
        CasesDoor,
        CallbacksDoor,
        DownstreamsDoor,
        SignalsDoor,
        ReportsDoor,
        FeedDoor,
        PoliciesDoor,
        DraftsDoor,
        MovesDoor,
        InstallationDoor,
        ViewsDoor,
    )
    for door in (*(make(deps) for make in doors), people):
        api.include_router(door.router())
    app.include_router(api)
    app.include_router(HealthDoor(deps).router())
    hidden: dict[str, Any] = {"include_in_schema": False, "response_model": None}
    app.add_api_route("/sign-in", people.sign_in, methods=["GET"], **hidden)
    app.add_api_route("/sign-in", people.sign_in_by_password, methods=["POST"], **hidden)
    app.add_api_route("/sign-out", people.sign_out, methods=["POST"], **hidden)
    app.add_api_route("/openapi.json", _openapi_of(app), methods=["GET"], include_in_schema=False, response_model=None)
    app.add_middleware(Watch, deps=deps)
    _say_problems(app, deps)
    return app


def _openapi_of(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def openapi() -> dict[str, Any]:
        """The description of the API, made once: routes from FastAPI, schemas from the structs that are sent."""
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
            parts = made.setdefault("components", {})
            parts["schemas"] = {**wire.schemas(), "Problem": PROBLEM}
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{"token": []}]
            for path in made["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None) if "422" not in _own(operation) else None
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return openapi


def _own(operation: dict[str, Any]) -> tuple[str, ...]:
    """The statuses that the route itself declares; FastAPI adds its own 422, which this API answers as 400."""
    return tuple(s for s, r in operation["responses"].items() if "application/problem+json" in r.get("content", {}))


PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "pointer", "hint"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is not done, and why."},
        "code": {"type": "string", "description": "A stable word."},
        "pointer": {"type": "string", "description": "The JSON pointer of the field at fault, empty where it is none."},
        "hint": {"type": "string", "description": "What would work."},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


class Watch:
    """Counts and times each request, gives it an id that its log lines carry, and refuses NUL in addresses.

    A plain ASGI wrapper, so that a stream of events passes through it as it is.
    """

    def __init__(self, app: ASGIApp, deps: Deps) -> None:
        self._app, self._deps = app, deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(scope)
        started, status = time.perf_counter(), [500]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                status[0] = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with fields(causationId=request_id):
            try:
                if b"%00" in scope.get("raw_path", b"") or b"%00" in scope["query_string"]:
                    refused = Problem(400, "NUL", "the address holds a NUL character", "leave it out")
                    await refused.response()(scope, receive, sending)
                else:
                    await self._app(scope, receive, sending)
            finally:
                self._count(scope, status[0], time.perf_counter() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path_format", "") or "none"
        self._deps.metrics.requests.labels(scope["method"] if route != "none" else "any", route, str(status)).inc()
        self._deps.metrics.seconds.labels(route).observe(seconds)


def request_id_of(scope: Scope) -> str:
    """The id that a request brought, where it is short printable ASCII; else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    fine = (
        given.isascii() and 0 < len(given) <= REQUEST_ID_LENGTH_MAX and given.decode("ascii", "replace").isprintable()
    )
    return given.decode() if fine else f"req-{secrets.token_hex(8)}"


def _say_problems(app: FastAPI, deps: Deps) -> None:
    """Every way in which a request can fail, as problem+json. Only a bug is a 500, and it is logged."""
    app.add_exception_handler(Problem, _of_problem(deps))
    app.add_exception_handler(BadCursor, _of_cursor)
    app.add_exception_handler(RequestValidationError, _of_parameter)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(ClientDisconnect, _of_disconnect)
    for kind in (*PASSING, PoolTimeout):
        app.add_exception_handler(kind, _of_database)
    app.add_exception_handler(SetNotRead, _of_unread)
    app.add_exception_handler(Rewound, _of_rewound)
    app.add_exception_handler(Exception, _of_bug)


def _of_problem(deps: Deps) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def say(request: Request, error: Exception) -> Response:
        """The problem, once the journal has it."""
        assert isinstance(error, Problem)
        try:
            await deps.note(request, error)
        except (*PASSING, PoolTimeout) as lost:
            return await _of_database(request, lost)
        except Rewound as stopped:
            return await _of_rewound(request, stopped)
        return error.response()

    return say


async def _of_cursor(_: Request, error: Exception) -> Response:
    hint = "use what the page before ended with, or begin without one"
    return Problem(400, "CURSOR", str(error), hint, "/query/after").response()


async def _of_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    pointer = "/" + "/".join(str(part) for part in first["loc"])
    return Problem(400, "PARAMETER", f"{first['msg']} ({pointer})"[:500], "see /openapi.json", pointer).response()


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = TITLES.get(error.status_code, "Not done")
    detail = f"{title}: {request.method} {request.url.path[:200]}"
    hint = "see /openapi.json for what there is"
    return Problem(error.status_code, "NOT_HERE", detail, hint).response(error.headers)


async def _of_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody is there to read it


async def _of_database(_: Request, error: Exception) -> Response:
    logger().warning("database not reached", kind=type(error).__name__)
    why = "the database cannot be reached"
    hint = "ask again in a moment, with the same Idempotency-Key"
    return Problem(503, "DATABASE", why, hint, retry_after=1).response()


async def _of_unread(_: Request, error: Exception) -> Response:
    why = f"policy set {error} was published a moment ago and is not read here yet"
    return Problem(503, "SET_NOT_READ", why, "ask again in a few seconds", retry_after=5).response()


async def _of_rewound(_: Request, error: Exception) -> Response:
    hint = "a person ends it: fallsafe audit rewound"
    return Problem(503, "DATABASE_REWOUND", f"the database went back in time: {error}", hint).response()


async def _of_bug(request: Request, error: Exception) -> Response:
    logger().error("a bug was met", route=request.url.path[:200], exc_info=error)
    return Problem(500, "BUG", "this is a fault of the product", "its log says more").response()

"""What every page has around it: who is signed in, where one is, the numbers in the menu, the theme; how a form is
read; and how a page says that something is not there.
"""

import gzip
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qs, urlencode

import psycopg
from fastapi import Request
from fastapi.routing import APIRoute
from psycopg_pool import PoolTimeout
from starlette.responses import RedirectResponse, Response, StreamingResponse

from fallsafe.core.access import Actor, may
from fallsafe.core.cases.views import role_views
from fallsafe.core.errors import Refusal
from fallsafe.core.repair.approval import RIGHT as APPROVES
from fallsafe.flows import access
from fallsafe.flows.views import views_of
from fallsafe.store.ids import outside
from fallsafe.store.overview import in_the_menu
from fallsafe.store.trail import BadCursor
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.guard import HEADERS, form_token, is_ours, local_path
from fallsafe.workbench.paper import html
from fallsafe.workbench.words import size

FORM_BYTES_MAX = 64 * 1024
DRAINED_MAX = 32 * 1024 * 1024
UPLOAD_BYTES_MAX = 5 * 1024 * 1024
NAME_LETTERS_MAX = 200
FIELDS_MAX = 20
PACKED_FROM = 2_048
THEMES, THEME_COOKIE = ("auto", "dark", "light"), "fallsafe_theme"
DENSITIES, DENSITY_COOKIE = ("roomy", "compact"), "fallsafe_density"
KEPT_DAYS = 365
WHOSE = {"own": "", "team": "of your team", "everyone": "of everyone"}

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class TooLong(Exception):
    """A form that is longer than any of ours; `most` is what fits."""

    def __init__(self, most: int) -> None:
        super().__init__(f"more than {most} bytes")
        self.most = most


class HoldsNul(Exception):
    """A form with a character that no text has."""


class PageRoute(APIRoute):
    """A route whose every answer carries the headers of a page, and whose expected troubles are pages too."""

    def get_route_handler(self) -> Handler:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            lines: tuple[str, ...]
            try:
                response = await inner(request)
            except BadCursor:
                lines = ("Its address was not given by this product, or is from another time.",)
                response = message(request, 400, "This page of the list is not there", lines)
            except TooLong as error:
                lines = (f"A form holds {size(error.most)}. Nothing was changed.", "Go back, and send less of it.")
                response = message(request, 413, "That is more than fits", lines)
            except HoldsNul:
                lines = ("A text of it holds a NUL character. Nothing was changed.", "Go back, and leave it out.")
                response = message(request, 400, "This form cannot be read", lines)
            except (psycopg.OperationalError, PoolTimeout):
                lines = ("Nothing was changed. The page works again as soon as the database does.",)
                response = message(request, 503, "The database cannot be reached", lines)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return _packed(request, response)

        return handler


def _packed(request: Request, response: Response) -> Response:
    """A whole page goes out packed to a browser that unpacks it; streams and small answers as they are."""
    if "gzip" not in request.headers.get("accept-encoding", "") or "content-encoding" in response.headers:
        return response
    if isinstance(response, StreamingResponse) or len(response.body) < PACKED_FROM:
        return response
    response.body = gzip.compress(bytes(response.body), 4, mtime=0)
    response.headers["content-encoding"] = "gzip"
    response.headers["content-length"] = str(len(response.body))
    response.headers["vary"] = f"{response.headers['vary']}, Accept-Encoding"
    return response


async def base(deps: Deps, request: Request, actor: Actor, here: str) -> dict[str, Any]:
    """What `base.html` needs for somebody who is signed in. `here` is the page of the menu that one is on."""
    found = await in_the_menu(deps.database, str(actor))
    numbers = {"queue": found.open, "unknown": found.unknown}
    if may(actor, APPROVES):
        numbers["approvals"] = found.awaited
    saved = await views_of(deps.database, actor)
    return {
        **_look(request),
        "actor": actor,
        "here": here,
        "numbers": numbers,
        "csrf": form_token(request),
        "judges_rules": may(actor, "end_case"),
        "role_views": [(view.title, _view_url(view.query, view.sort)) for view in role_views(actor)],
        "views": [(view.title, f"/views/{outside('view', view.id)}", WHOSE[view.scope]) for view in saved],
    }


async def now_of(deps: Deps) -> datetime:
    """The database's clock."""
    now: datetime = (await deps.database.fetch("tx/now"))[0]["clock_timestamp"]
    return now


def _view_url(query: str, sort: str) -> str:
    return f"/queue?{urlencode({'q': query} | ({'sort': sort} if sort != 'priority' else {}))}"


def _look(request: Request) -> dict[str, Any]:
    theme = request.cookies.get(THEME_COOKIE, THEMES[0])
    theme = theme if theme in THEMES else THEMES[0]
    density = request.cookies.get(DENSITY_COOKIE, DENSITIES[0])
    query = f"?{request.url.query}" if request.url.query and request.method == "GET" else ""
    return {
        "theme": theme,
        "next_theme": THEMES[(THEMES.index(theme) + 1) % len(THEMES)],
        "density": density if density in DENSITIES else DENSITIES[0],
        "path": f"{request.url.path}{query}",
    }


def message(request: Request, status: int, title: str, lines: tuple[str, ...]) -> Response:
    """A page that says one thing, for whoever it is."""
    values = {**_look(request), "actor": None, "here": "", "numbers": {}, "csrf": "", "views": [], "role_views": []}
    return html("message.html", status, **values, title=title, lines=lines, command="", link=("/queue", "Repair queue"))


async def sorry(
    deps: Deps, request: Request, status: int, title: str, lines: tuple[str, ...], actor: Actor
) -> Response:
    """The same within the menu of somebody who is signed in. That a form was refused by the page itself is recorded;
    what a flow has refused is in the journal already.
    """
    if request.method == "POST" and status in REFUSED_HERE:
        await note(deps, request, actor, REFUSED_HERE[status], title)
    values = await base(deps, request, actor, "")
    return html("message.html", status, **values, title=title, lines=lines, command="", link=("/queue", "Repair queue"))


REFUSED_HERE = {400: "FORM_INCOMPLETE", 404: "NOT_FOUND"}


async def note(deps: Deps, request: Request, actor: Actor, code: str, why: str) -> None:
    """Records that a form was refused before any flow was asked; what was in it is not kept."""
    route = getattr(request.scope.get("route"), "path_format", "")
    refusal = Refusal(code, f"cannot POST {route}", why, "open the page again")
    await deps.database.transact(lambda tx: access.note_wrong_request(tx, actor, refusal))


async def no_such_case(deps: Deps, request: Request, actor: Actor, case_id: str) -> Response:
    """Nothing has this name."""
    lines = (
        f"Nothing is known by the name {case_id[:40]}.",
        "A case is named F- and a number; the list has those that are open.",
    )
    return await sorry(deps, request, 404, "There is no such case", lines, actor)


async def not_ours(deps: Deps, request: Request, actor: Actor) -> Response:
    """A form that was not sent from a page of this session; that it was refused is recorded."""
    await note(deps, request, actor, "FOREIGN_FORM", "it was not sent from a page of this session")
    lines = ("Nothing was changed. Open the page again and use its own form.",)
    return await sorry(deps, request, 403, "This form did not come from here", lines, actor)


WRONG = {
    "password": "Nobody has that name and password. Try again.",
    "locked": "Too many passwords were wrong. Wait some minutes, or ask whoever manages people.",
    "too_many": "Too many passwords were wrong from here. Wait a quarter of an hour.",
}


def sign_in(request: Request, wrong: str = "", then: str = "") -> Response:
    """How one comes in; afterwards one is where one wanted to be. `wrong` says what became of the last try."""
    values = {**_look(request), "actor": None, "here": "", "numbers": {}, "csrf": "", "views": [], "role_views": []}
    path = then or (values["path"] if request.method == "GET" else "/queue")
    return html("sign_in.html", 401, **values, wrong=WRONG.get(wrong, ""), then=local_path(path))


async def welcome(request: Request, wrong: str = "", then: str = "/queue") -> Response:
    """The page where one signs in."""
    return sign_in(request, wrong, then)


async def read_form(request: Request, bytes_max: int = FORM_BYTES_MAX) -> dict[str, str] | None:
    """The fields of a small form, or None when it is none. Of a field that stands in it several times all values are
    kept, parted by commas. Raises `TooLong`.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    body = await _whole(request, bytes_max)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=max(FIELDS_MAX, bytes_max // 20))
    except ValueError:
        return None
    return {name: ",".join(values) for name, values in fields.items()}


async def _whole(request: Request, bytes_max: int) -> bytes:
    """The bytes of a form. Raises `TooLong`."""
    body, length = b"", 0
    async for chunk in request.stream():  # read to its end, so that the browser hears the answer
        length += len(chunk)
        body += chunk if length <= bytes_max else b""
        if length > DRAINED_MAX:
            break
    if length > bytes_max:
        raise TooLong(bytes_max)
    return body


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form: what it is called, what kind of bytes it is said to be, and the bytes."""

    name: str
    media_type: str
    body: bytes


async def own_upload(deps: Deps, request: Request, actor: Actor) -> tuple[dict[str, str], Upload | None] | None:
    """The fields of a form of this session that brings a file, and the file where one was chosen; None for any other
    form. Raises `TooLong` and `HoldsNul`, which are recorded.
    """
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        return None
    try:
        body = await _whole(request, UPLOAD_BYTES_MAX)
    except TooLong:
        await note(deps, request, actor, "TOO_LARGE", f"a form with a file holds {size(UPLOAD_BYTES_MAX)}")
        raise
    parts = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body, policy=HTTP)
    fields, upload = dict[str, str](), None
    for part in parts.iter_parts() if parts.is_multipart() else ():
        content = part.get_payload(decode=True)
        found = content if isinstance(content, bytes) else b""
        name = str(part.get_param("name", "", "content-disposition"))
        if part.get_filename():
            upload = Upload(str(part.get_filename())[:NAME_LETTERS_MAX], part.get_content_type(), found)
        else:
            fields[name] = found.decode("utf-8", "replace")
    await _check_texts(deps, request, actor, (*fields, *fields.values(), upload.name if upload else ""))
    return (fields, upload) if is_ours(request, fields.get("csrf", "")) else None


async def own_form(
    deps: Deps, request: Request, actor: Actor, bytes_max: int = FORM_BYTES_MAX
) -> dict[str, str] | None:
    """The fields of a form that was sent from a page of this session; None for any other. Raises `TooLong` and
    `HoldsNul`, which are recorded.
    """
    try:
        form = await read_form(request, bytes_max)
    except TooLong:
        await note(deps, request, actor, "TOO_LARGE", f"a form holds {size(bytes_max)}")
        raise
    await _check_texts(deps, request, actor, (*(form or {}), *(form or {}).values()))
    return form if form is not None and is_ours(request, form.get("csrf", "")) else None


async def _check_texts(deps: Deps, request: Request, actor: Actor, texts: Iterable[str]) -> None:
    if any("\0" in text for text in texts):
        await note(deps, request, actor, "NUL", "a text holds a NUL character")
        raise HoldsNul


async def theme(to: str = "auto", back: str = "/queue") -> Response:
    """Remembers the theme in a cookie and goes back."""
    return _remember(THEME_COOKIE, to, THEMES, back)


async def density(to: str = "roomy", back: str = "/queue") -> Response:
    """Remembers how close rows stand, and goes back."""
    return _remember(DENSITY_COOKIE, to, DENSITIES, back)


def _remember(cookie: str, to: str, known: tuple[str, ...], back: str) -> Response:
    response = RedirectResponse(local_path(back), 303)
    if to in known[1:]:
        response.set_cookie(cookie, to, max_age=int(timedelta(days=KEPT_DAYS).total_seconds()), samesite="lax")
    else:
        response.delete_cookie(cookie)
    return response

"""What keeps a page safe in a browser: headers that allow only our own files, and a token that only our own forms
carry.

The token is derived from the session cookie, which no script and no other site can read; it needs no memory and is the
same in every process.
"""

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.requests import Request

SESSION_COOKIE = "fallsafe_session"
POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Vary": "Cookie, HX-Request",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def form_token(request: Request) -> str:
    """The token for the forms of this session; empty where there is no session cookie."""
    session = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(session.encode(), b"forms of the workbench", sha256).hexdigest() if session else ""


def is_ours(request: Request, token: str) -> bool:
    """Whether a form was sent from one of our own pages, in this very session."""
    wanted = form_token(request)
    if not wanted or not hmac.compare_digest(wanted.encode(), token.encode()):
        return False
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def local_path(path: str) -> str:
    """A path to go back to, on this server only; anything else becomes the list of cases."""
    parts = urlsplit(path)
    fine = (
        path.startswith("/")
        and not path.startswith("//")
        and "\\" not in path
        and not parts.netloc
        and not parts.scheme
    )
    return path if fine and path.isprintable() else "/queue"

"""What a door says when something is not done: `application/problem+json` (RFC 9457), always with what, why, where and
what would work.

A `Problem` is raised by whatever reads a request; a `Refusal` of a flow becomes one only after its commit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.responses import Response

from fallsafe.core.errors import Refusal

MEDIA_TYPE = "application/problem+json"
DETAIL_LENGTH_MAX = 1_000
ERRORS_MAX = 20

TITLES = {
    400: "The request cannot be read",
    401: "Nobody is signed in",
    403: "Not allowed",
    404: "There is no such thing",
    405: "That is not done here",
    409: "Not possible in this state",
    412: "It is another by now",
    413: "Too large",
    415: "Not a media type that is read here",
    422: "A rule does not allow it",
    429: "Too much at once",
    503: "Not possible at the moment",
}
# Refusals of flows that are about more than a state. What is not named here is a matter of state, hence 409.
STATUS_OF = {
    "NOT_ALLOWED": 403,
    "CODE_USED": 403,
    "NOT_FOUND": 404,
    "NO_SUCH_ORDER": 404,
    "NO_SUCH_ITEM": 422,
    "NO_SUCH_STEP": 422,
    "STEP_UNCLEAR": 422,
    "CODE_UNKNOWN": 422,
    "CHANGED_MEANWHILE": 412,
    "ROLE_UNKNOWN": 422,
    "GROUP_UNKNOWN": 422,
    "PERSON_UNKNOWN": 422,
    "WRONG_PASSWORD": 403,
    "TITLE_WRONG": 422,
    "SCOPE_UNKNOWN": 422,
    "NO_ITEMS": 422,
    "TOO_MANY_ITEMS": 422,
    "TOO_MANY_TASKS": 422,
    "TOO_MANY_WAITS": 422,
    "NESTED_TOO_DEEP": 422,
    "AMOUNTS_TOO_LARGE": 422,
    "ITEM_ID_TWICE": 422,
    "ITEM_ID_WRONG": 422,
    "PARENT_UNKNOWN": 422,
    "PARENT_CYCLE": 422,
    "DEPENDENCY_UNKNOWN": 422,
    "DEPENDENCY_CYCLE": 422,
    "QUANTITY_WRONG": 422,
    "ACTION_UNKNOWN": 422,
    "TIME_ZONE_UNKNOWN": 422,
    "SOURCE_WITH_SLASH": 422,
    "LINK_TO_ITSELF": 422,
    "POLICY_WRONG": 422,
    "REASON_MISSING": 422,
    "INPUT_WRONG": 422,
    "FIELD_LOCKED": 422,
    "BUSINESS_CORRECTION": 422,
    "SELF_APPROVAL": 403,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a body: where, and what."""

    pointer: str
    detail: str
    code: str = ""
    hint: str = ""


@dataclass(slots=True, eq=False)
class Problem(Exception):
    """An answer that is not what was asked for. `errors` lists every fault of a body, `retry_after` is in seconds;
    `recorded` says that the journal has the refusal already.
    """

    status: int
    code: str
    detail: str
    hint: str = ""
    pointer: str = ""
    errors: Sequence[Fault] = field(default_factory=tuple)
    retry_after: int = 0
    recorded: bool = False

    def content(self) -> dict[str, Any]:
        """The body as it is sent."""
        said: dict[str, Any] = {
            "type": f"urn:fallsafe:problem:{self.code}",
            "title": TITLES.get(self.status, "Not done"),
            "status": self.status,
            "detail": self.detail[:DETAIL_LENGTH_MAX],
            "code": self.code,
            "pointer": self.pointer,
            "hint": self.hint,
        }
        if self.errors:
            said["errors"] = [
                {"pointer": e.pointer, "detail": e.detail[:DETAIL_LENGTH_MAX], "code": e.code, "hint": e.hint}
                for e in self.errors[:ERRORS_MAX]
            ]
        return said

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The answer."""
        more = {**(headers or {}), **({"Retry-After": str(self.retry_after)} if self.retry_after else {})}
        if self.status == 401:
            more.setdefault("WWW-Authenticate", 'Bearer realm="fallsafe"')
        return Response(msgspec.json.encode(self.content()), self.status, more, MEDIA_TYPE)


def problem_of(refusal: Refusal) -> Problem:
    """What a refusal is at a door, word for word. Its flow has recorded it, unless there is nothing it is about."""
    status, said = STATUS_OF.get(refusal.code, 409), f"{refusal.what}: {refusal.why}"
    return Problem(status, refusal.code, said, refusal.hint, refusal.pointer, recorded=status != 404)


def not_found(what: str, name: str, hint: str) -> Problem:
    """Nothing has this name."""
    return Problem(404, "NOT_FOUND", f"there is no {what} {name[:80]}", hint)

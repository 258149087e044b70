"""How a route is declared: its path, its function, and what the OpenAPI says of its body and its answers."""

from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from fallsafe.api.bodies import schema

KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same body is done once and answered alike, for seven days.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
IF_MATCH_PARAMETER = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The tag of what was seen; where it is another meanwhile, nothing is done (412).",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
PROBLEM = {"$ref": "#/components/schemas/Problem"}


def send(value: Any, status: int = 200, *, tag: str = "") -> Response:
    """A struct as JSON; `tag` is what If-Match may name."""
    headers = {"ETag": f'"{tag}"'} if tag else None
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def ref(kind: type[Any]) -> dict[str, Any]:
    """The schema of a struct of `wire`."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def add(
    router: APIRouter,
    method: str,
    path: str,
    endpoint: Callable[..., Any],
    *,
    answers: dict[str, Any] | None,
    status: int = 200,
    takes: str = "",
    problems: tuple[int, ...] = (),
    media: str = "application/json",
    if_match: bool = False,
    again: int = 0,
) -> None:
    """Declares one route. `takes` names the schema of its body, `answers` is the schema of what it sends; `if_match`
    says that it minds the header of that name, `again` with which status it answers a repeat where that is another.
    """
    sent = {"description": "Done", "content": {media: {"schema": answers}}} if answers else {}
    given = dict.fromkeys((status, again) if again else (status,), sent)
    wrong = (400, 401, *((413, 415) if method in ("POST", "PUT") else ()), *problems)
    wrong = (*wrong, *((409,) if method == "POST" else ()), 503)  # an Idempotency-Key may name another request
    extra: dict[str, Any] = {}
    parameters = [KEY_PARAMETER] * (method == "POST") + [IF_MATCH_PARAMETER] * if_match
    if parameters:
        extra["parameters"] = parameters
    if takes:
        body = {k: v for k, v in schema(takes).items() if k != "$schema"}
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": inlined(body)}}}
    router.add_api_route(
        path,
        endpoint,
        methods=[method],
        response_model=None,
        status_code=status,
        responses={
            **({s: {"description": "Done", **v} for s, v in given.items()}),
            **{
                s: {"description": "Not done", "content": {"application/problem+json": {"schema": PROBLEM}}}
                for s in wrong
            },
        },
        openapi_extra=extra,
    )


def inlined(given: dict[str, Any]) -> dict[str, Any]:
    """A schema without `$defs`: what they hold stands where it is named, since an OpenAPI has other places."""
    parts: dict[str, Any] = given.get("$defs", {})

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(each) for each in value]
        if not isinstance(value, dict):
            return value
        name = str(value.get("$ref", "")).removeprefix("#/$defs/")
        whole = {**parts[name], **{k: v for k, v in value.items() if k != "$ref"}} if name in parts else value
        return {key: walk(each) for key, each in whole.items() if key != "$defs"}

    made: dict[str, Any] = walk(given)
    return made

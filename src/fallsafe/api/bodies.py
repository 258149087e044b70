"""Reading a request body: limited, strict, and with the place of whatever is wrong.

JSON is taken in UTF-8 only. Keys that stand twice, NUL characters, half surrogate pairs, numbers that do not fit into
64 bits and nesting deeper than 64 are refused, each with its JSON pointer: what one reader would take and the next
would not is where two systems begin to disagree.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs
from starlette.requests import Request

from fallsafe.api.problems import ERRORS_MAX, Fault, Problem
from fallsafe.core.events import Json

REQUEST_BYTES_MAX = 1024 * 1024
ORDER_BYTES_MAX = 5 * 1024 * 1024
CALLBACK_BYTES_MAX = 256 * 1024
DEPTH_MAX = 64
NUMBER_MIN, NUMBER_MAX = -(2**63), 2**63 - 1
IN_A_THREAD_FROM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Twice:
    """Stands in place of an object in which a key stands twice."""

    key: str


async def body_of(request: Request, limit: int = REQUEST_BYTES_MAX, *, media: bool = True) -> bytes:
    """The bytes of the body. Raises `Problem` 413 beyond the limit, 415 for another media type or a packed body."""
    if media:
        _check_media(request)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:12]) > limit:
        raise _too_large(limit)
    taken = bytearray()
    async for part in request.stream():
        taken += part
        if len(taken) > limit:
            raise _too_large(limit)
    return bytes(taken)


def _check_media(request: Request) -> None:
    media = request.headers.get("content-type", "application/json")
    kind, _, parameters = media.partition(";")
    charset = parameters.partition("charset=")[2].strip(' "').lower()
    if kind.strip().lower() != "application/json" and not kind.strip().lower().endswith("+json"):
        hint = "send JSON, with Content-Type: application/json"
        raise Problem(415, "MEDIA_TYPE", f"the body is said to be {kind.strip()[:80]}", hint)
    if charset not in ("", "utf-8", "utf8"):
        raise Problem(415, "ENCODING", f"the body is said to be in {charset[:40]}", "send UTF-8")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Problem(415, "ENCODING", "the body is packed", "send it as it is, without Content-Encoding")


def _too_large(limit: int) -> Problem:
    return Problem(413, "TOO_LARGE", f"the body has more than {limit:,} bytes, which is the most here", "send less")


async def json_of(body: bytes) -> Json:
    """The value of a body. Raises `Problem` 400 with the place of what is wrong. A large body is read in a thread."""
    if len(body) < IN_A_THREAD_FROM_BYTES:
        return read_json(body)
    return await asyncio.to_thread(read_json, body)


def read_json(body: bytes) -> Json:
    """The value of a body. Raises `Problem` 400."""
    if not body.strip():
        raise Problem(400, "NOT_JSON", "the body is empty", "send a JSON object")
    value = _parse(_text(body))
    fault = next(_faults(value), None)
    if fault is not None:
        raise Problem(400, fault.code, f"{fault.detail} at {fault.pointer or 'the top'}", fault.hint, fault.pointer)
    return value


def _text(body: bytes) -> str:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        why = f"the body is not UTF-8: byte {error.start} cannot be read"
        raise Problem(400, "ENCODING", why, "send UTF-8") from None
    if text.startswith("\ufeff"):
        raise Problem(400, "ENCODING", "the body begins with a byte order mark", "send UTF-8 without one")
    return text


def _parse(text: str) -> Json:
    def no_constant(name: str) -> Json:
        raise Problem(400, "NOT_JSON", f"{name} is no JSON value", "leave it out, or use null")

    try:
        value: Json = json.loads(text, object_pairs_hook=_once, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        why = f"the body is not JSON: {error.msg}, line {error.lineno} column {error.colno}"
        raise Problem(400, "NOT_JSON", why, "send one JSON value") from None
    except RecursionError:
        raise _deep("") from None
    except ValueError:
        raise Problem(400, "NUMBER", "a number has far too many digits", "numbers fit into 64 bits") from None
    return value


def _deep(pointer: str) -> Problem:
    hint = f"nest at most {DEPTH_MAX} deep"
    return Problem(400, "TOO_DEEP", f"the body is nested deeper than {DEPTH_MAX}", hint, pointer)


def _once(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen = set[str]()
    for key, _ in pairs:
        if key in seen:
            return Twice(key)
        seen.add(key)
    return found


def _faults(value: Any) -> Iterator[Fault]:
    """Everything that JSON allows and this product does not, in the order of the body."""
    stack: list[tuple[Any, str, int]] = [(value, "", 1)]
    while stack:
        here, pointer, depth = stack.pop()
        if isinstance(here, Twice):
            yield Fault(f"{pointer}/{escaped(here.key)}", "a key stands twice", "KEY_TWICE", "give each key once")
        elif isinstance(here, str):
            yield from _of_text(here, pointer)
        elif isinstance(here, float) and not abs(here) < float("inf"):
            yield Fault(pointer, "a number is too large", "NUMBER", "numbers fit into 64 bits")
        elif isinstance(here, int) and not NUMBER_MIN <= here <= NUMBER_MAX:
            yield Fault(pointer, "a number is too large", "NUMBER", "whole numbers fit into 64 bits")
        elif isinstance(here, dict | list):
            if depth > DEPTH_MAX:
                raise _deep(pointer)
            if isinstance(here, dict):
                for key in here:
                    yield from _of_text(key, pointer)
            parts = here.items() if isinstance(here, dict) else enumerate(here)
            stack += reversed([(each, f"{pointer}/{escaped(str(key))}", depth + 1) for key, each in parts])


def _of_text(text: str, pointer: str) -> Iterator[Fault]:
    if "\0" in text:
        yield Fault(pointer, "a text holds a NUL character", "NUL", "leave NUL characters out")
    elif not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        yield Fault(pointer, "a text holds half of a character", "ENCODING", "escape whole characters only")


def escaped(key: str) -> str:
    """A key as a part of a JSON pointer; what cannot be written in UTF-8 becomes a question mark."""
    plain = key.encode("utf-8", "replace").decode()[:100]
    return plain.replace("~", "~0").replace("/", "~1")


@cache
def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a body, as it is shipped and as the OpenAPI shows it."""
    text = files("fallsafe.api").joinpath(f"schemas/{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def _validator(name: str) -> jsonschema_rs.Draft202012Validator:
    # The mask keeps values, which may be personal, out of error messages.
    return jsonschema_rs.Draft202012Validator(
        schema(name), validate_formats=True, mask="the value", retriever=_no_retriever
    )


def _no_retriever(uri: str) -> Any:
    raise LookupError(f"schemas name nothing outside themselves, but one names {uri}")


def faults_of(name: str, value: Json) -> list[Fault]:
    """What is wrong with the shape of a value, at most `ERRORS_MAX` faults; empty when it fits."""
    found: list[Fault] = []
    for error in _validator(name).iter_errors(value):
        found.append(_fault(error))
        if len(found) == ERRORS_MAX:
            break
    return found


def _fault(error: jsonschema_rs.ValidationError) -> Fault:
    pointer = "".join(f"/{escaped(str(part))}" for part in error.instance_path)
    told = error.kind.as_dict()
    match error.kind.name:
        case "additionalProperties":
            name = str(next(iter(told["unexpected"])))
            return Fault(f"{pointer}/{escaped(name)}", "there is no such field", "FIELD_UNKNOWN", "leave it out")
        case "required":
            name = str(told["property"])
            return Fault(f"{pointer}/{escaped(name)}", "this field is missing", "FIELD_MISSING", "send it")
        case _:
            return Fault(pointer, error.message[:300], "SHAPE", "see the schema in /openapi.json")


def check_shape(name: str, value: Json, code: str = "SHAPE") -> dict[str, Any]:
    """The value as an object of the schema. Raises `Problem` 400 that lists the faults and points at the first."""
    faults = faults_of(name, value)
    if faults or not isinstance(value, dict):
        first = faults[0] if faults else Fault("", "an object is wanted", code)
        detail = f"{first.detail} ({first.pointer or 'the top'})"
        raise Problem(400, first.code if first.code != "SHAPE" else code, detail, first.hint, first.pointer, faults)
    return value

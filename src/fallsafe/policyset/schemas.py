"""Holds a policy file against its JSON Schema and says in plain words, with the line, what would be right.

The schemas stand beside the sets (`policy/schemas`), so that an editor can use them too. Nothing is ever fetched for
them.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from fallsafe.policyset.problem import Problem
from fallsafe.policyset.shipped import policies
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest

KINDS = (
    "set", "systems", "operations", "task_types", "offers", "plans", "retry", "classification", "codes", "severity",
    "ownership", "messages", "actions", "undo", "approvals", "limits", "holidays", "calendars",
)  # fmt: skip


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"schemas are complete in themselves; {uri} is not fetched")


@cache
def schema(kind: str) -> Mapping[str, Any]:
    """The JSON Schema of a kind of file."""
    loaded: Mapping[str, Any] = json.loads((policies() / "schemas" / f"{kind}.json").read_bytes())
    return loaded


@cache
def _validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(dict(schema(kind)), validate_formats=True, retriever=_fetch_nothing)


def against_schema(kind: str, part: Part) -> Iterator[Problem]:
    """What a file has that its kind does not allow, and what it lacks."""
    for error in _validator(kind).iter_errors(part.value):
        place = part
        for step in error.instance_path:
            place = place.at(step)
        yield from _explain(kind, place, error)


def _explain(kind: str, place: Part, error: jsonschema_rs.ValidationError) -> Iterator[Problem]:
    rule = _rule_at(kind, [str(step) for step in error.schema_path])
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            allowed = rule.get("properties", {})
            for name in names:
                yield place.at(name).wrong(f"{name!r} is not known here", nearest(name, allowed, "known are"))
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            below = rule.get("properties", {}).get(name.strip("\"'"), {})
            yield place.wrong(f"{name.strip(chr(34))!r} is missing", f"add it: {_meaning(below)}")
        case jsonschema_rs.ValidationErrorKind.Enum(options=options):
            yield place.wrong(
                f"{place.value!r} is not one of its words",
                nearest(str(place.value), [str(o) for o in options], "it is one of"),
            )
        case jsonschema_rs.ValidationErrorKind.PropertyNames(error=inner):
            yield place.at(str(inner.instance)).wrong(f"{inner.instance!r} is no name for this", _meaning(rule))
        case _:
            yield place.wrong(_plain(error.message), _meaning(rule))


def _rule_at(kind: str, steps: list[str]) -> Mapping[str, Any]:
    """The part of the schema that holds the keyword which failed, with references followed."""
    here: Any = schema(kind)
    for step in steps[:-1]:
        here = _resolved(kind, here)
        here = here[int(step)] if isinstance(here, list) else here.get(step, {})
    found = _resolved(kind, here)
    return found if isinstance(found, Mapping) else {}


def _resolved(kind: str, here: Any) -> Any:
    while isinstance(here, Mapping) and str(here.get("$ref", "")).startswith("#/$defs/"):
        here = schema(kind)["$defs"][here["$ref"].removeprefix("#/$defs/")]
    return here


def _meaning(rule: Mapping[str, Any]) -> str:
    keys = ", ".join(rule.get("properties", ()))
    return str(rule.get("description") or (f"a mapping with {keys}" if keys else "see the schema of the file"))


def _plain(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:200]}…"

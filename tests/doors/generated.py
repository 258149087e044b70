"""Requests made from the description of the API: right ones by its schemas, and wrong ones that differ in one place."""

import json
import random
from typing import Any

MOST_PARTS = 3
TEXTS = ("", "a", "O-1", "F-1", "C-1", "T-1", "E-1", "CRM:777", "PRV", "ä ü", "🙂", "a/b", "' OR 1=1", "x" * 300, "-1")
NASTY: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 2**31, 2**63, 10**30, 1e308, "", "a\0b", "\ud800", "x" * 5_000, [], {}, [[]], {"a": {}},
    ["a", 1, None], {"": ""}, "2026-13-45T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00",
)  # fmt: skip
BYTES = (b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 10_000, b"NaN", b'"\\ud800"', b"1e999")


def right(schema: dict, dice: random.Random) -> Any:
    """A value that a schema allows, at the edges of what it allows more often than not."""
    if "enum" in schema:
        return dice.choice(schema["enum"])
    if "anyOf" in schema:
        return right(dice.choice(schema["anyOf"]), dice)
    kind = schema.get("type", "string")
    kind = dice.choice(kind) if isinstance(kind, list) else kind
    return {"object": an_object, "array": an_array, "string": a_text}.get(kind, a_plain)(schema | {"type": kind}, dice)


def an_object(schema: dict, dice: random.Random) -> dict:
    known = schema.get("properties", {})
    names = [n for n in known if n in schema.get("required", ()) or dice.random() < 0.4]
    made = {name: right(known[name], dice) for name in names}
    more = schema.get("additionalProperties", {})
    if not known and isinstance(more, dict):
        made |= {f"name{n}.yaml": right(more, dice) for n in range(dice.randint(1, MOST_PARTS))}
    return made


def an_array(schema: dict, dice: random.Random) -> list:
    size = dice.randint(schema.get("minItems", 0), MOST_PARTS)
    return [right(schema.get("items", {}), dice) for _ in range(size)]


def a_text(schema: dict, dice: random.Random) -> str:
    if schema.get("format") == "date-time":
        return dice.choice(("2026-11-25T10:00:00Z", "1985-04-12T23:20:50.52+14:00", "2199-12-31T23:59:59-12:00"))
    if "pattern" in schema:
        return dice.choice(("EUR", "abc"))
    least, most = schema.get("minLength", 0), schema.get("maxLength", 60)
    return dice.choice(("a" * max(least, 1), "ü" * least, "z" * min(most, 500), "id 7", "🙂" * max(1, least)))[:most]


def a_plain(schema: dict, dice: random.Random) -> Any:
    match schema["type"]:
        case "integer" | "number":
            low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1)
            return dice.choice((low, high, max(low, min(high, 1))))
        case "boolean":
            return dice.random() < 0.5
        case _:
            return None


def wrong(value: Any, dice: random.Random) -> Any:
    """The same value with one place of it spoiled: another value, a part too many, or one too few."""
    if isinstance(value, dict) and value and dice.random() < 0.8:
        name = dice.choice(list(value))
        if dice.random() < 0.2:
            return {n: v for n, v in value.items() if n != name}
        if dice.random() < 0.2:
            return {**value, dice.choice(("colour", "\0", "~/")): 1}
        return {**value, name: wrong(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        at = dice.randrange(len(value))
        return [*value[:at], wrong(value[at], dice), *value[at + 1 :]]
    return dice.choice(NASTY)


def a_body(schema: dict, dice: random.Random, spoiled: bool) -> bytes:
    if spoiled and dice.random() < 0.3:
        return dice.choice(BYTES)
    value = right(schema, dice)
    return json.dumps(wrong(value, dice) if spoiled else value).encode()


def requests_of(described: dict, dice: random.Random, count: int, spoiled: bool) -> list[dict]:
    """For every operation some requests: its name, method, path with everything filled in, query, headers, body."""
    made = []
    for path, verbs in described["paths"].items():
        for method, operation in verbs.items():
            made += [a_request(method, path, operation, dice, spoiled) for _ in range(count)]
    return made


def a_request(method: str, path: str, operation: dict, dice: random.Random, spoiled: bool) -> dict:
    query, headers, named = {}, {}, f"{method.upper()} {path.removeprefix('/api/v1')}"
    for parameter in operation.get("parameters", ()):
        name, shape = parameter["name"], parameter["schema"]
        value = dice.choice((*TEXTS, "9" * 40)) if spoiled and dice.random() < 0.5 else right(shape, dice)
        if parameter["in"] == "path":
            path = path.replace(f"{{{name}}}", dice.choice(TEXTS[1:]))
        elif parameter["in"] == "query" and dice.random() < 0.5:
            query[name] = "" if value is None else str(value)
        elif parameter["in"] == "header" and dice.random() < 0.3:
            headers[name] = dice.choice(("k-1", "k-2", "", "x" * 300))
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    content = a_body(body, dice, spoiled) if body else b"{}" if method == "post" else b""
    if content:
        headers["Content-Type"] = "application/json"
    return {
        "operation": named,
        "method": method.upper(),
        "url": path,
        "params": query,
        "headers": headers,
        "content": content,
    }

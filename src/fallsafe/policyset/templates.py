"""Request templates: what an operation sends, written in policy with `{fact}` placeholders and compiled into pure callables (§12.1).

The same facts give the same bytes: JSON without spaces, keys in the order of the template. `{fact?}` leaves its entry out where the fact is
absent, `{one|other}` takes the first that is there. A body entry that is one placeholder and nothing else keeps the fact's own kind (a
number stays a number); anywhere else a fact is written as text. In a path every value is quoted, slashes too.

The facts that a template may name are those of `FACTS`; a star stands for any name. They are handed in nested: `order.externalId` is
`facts["order"]["externalId"]`. `results` holds the finished tasks of the same order by the name of their step.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from fallsafe.core.commands.contract import Request
from fallsafe.core.events import Json
from fallsafe.policyset.facts import Fact
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest

FACTS: Mapping[str, Fact] = {
    "key": Fact("text", "idempotency key of the command", "CRM/777/fiber.activateFiberService/fulfill/1"),
    "object": Fact("text", "business object: source/order/item", "CRM/777/fiber"),
    "callbackUrl": Fact(
        "text",
        "where the system may call back, with the key in it",
        "http://127.0.0.1:8420/api/v1/downstreams/PRV/callbacks",
    ),
    "order.externalId": Fact("text", "the order's id upstream", "777"),
    "order.source": Fact("text", "upstream system", "CRM"),
    "order.customerRef": Fact("text", "the customer's reference upstream", "CU-88121"),
    "order.segment": Fact("text", "customer segment", "consumer"),
    "order.committedAt": Fact("text", "promised date, RFC 3339", "2026-11-02T10:00:00.000000Z"),
    "order.timeZone": Fact("text", "zone in which dates were promised", "Asia/Jakarta"),
    "item.externalId": Fact("text", "the item's id upstream", "fiber"),
    "item.offer": Fact("text", "offer", "FIBER-HOME-1G"),
    "item.action": Fact("text", "add, modify or delete", "add"),
    "item.quantity": Fact("whole", "how many", 1),
    "item.monthlyMinor": Fact("whole", "monthly amount in minor units", 4_500),
    "item.oneOffMinor": Fact("whole", "one-off amount in minor units", 6_000),
    "item.currency": Fact("text", "currency of the amounts", "EUR"),
    "item.characteristics.*": Fact("any", "a characteristic of the item", "x"),
    "item.place.*": Fact("any", "a field of the item's place", "x"),
    "task.step": Fact("text", "step of the plan", "activateFiberService"),
    "task.type": Fact("text", "task type", "activateFiberService"),
    "results.*.reference": Fact("text", "what the other system calls the result of a finished step", "SRV-1"),
    "results.*.*": Fact("any", "a field of the result of a finished step", "x"),
    "target.key": Fact(
        "text", "look-ups: key of the command that is looked up", "CRM/777/fiber.activateFiberService/fulfill/1"
    ),
    "target.object": Fact("text", "look-ups: its business object", "CRM/777/fiber"),
    "target.reference": Fact("text", "look-ups: its reference, where one is known", "SRV-1"),
}

SAMPLE: Mapping[str, Json] = {
    "key": FACTS["key"].sample,
    "object": FACTS["object"].sample,
    "callbackUrl": FACTS["callbackUrl"].sample,
    "order": {name.removeprefix("order."): fact.sample for name, fact in FACTS.items() if name.startswith("order.")},
    "item": {
        **{
            name.removeprefix("item."): fact.sample
            for name, fact in FACTS.items()
            if name.startswith("item.") and "*" not in name
        },
        "characteristics": {},
        "place": {},
    },
    "task": {"step": FACTS["task.step"].sample, "type": FACTS["task.type"].sample},
    "results": {},
    "target": {name.removeprefix("target."): fact.sample for name, fact in FACTS.items() if name.startswith("target.")},
}

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_HEADER = re.compile(r"[\x20-\x7e]*")


class TemplateError(Exception):
    """A request that cannot be built: `fact` is the one that is missing or cannot be written where it is asked for."""

    def __init__(self, fact: str, why: str) -> None:
        super().__init__(f"the request cannot be built: {fact} {why}")
        self.fact = fact


@dataclass(frozen=True, slots=True)
class _Hole:
    """One placeholder: the paths of its alternatives, and whether it may stay empty."""

    text: str
    paths: tuple[tuple[str, ...], ...]
    optional: bool

    def fill(self, facts: Mapping[str, Json]) -> Json:
        for path in self.paths:
            value = _find(facts, path)
            if value is not None:
                return value
        if self.optional:
            return None
        raise TemplateError(" or ".join(".".join(path) for path in self.paths), "is missing")


Piece = str | _Hole
Node = str | int | float | bool | None | _Hole | tuple[Piece, ...] | Sequence["Node"] | Mapping[str, "Node"]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled request template; calling it with facts builds the request, or raises `TemplateError`."""

    method: str
    path: tuple[Piece, ...]
    headers: tuple[tuple[str, tuple[Piece, ...]], ...]
    body: Node
    has_body: bool

    def __call__(self, facts: Mapping[str, Json]) -> Request:
        path = "".join(piece if isinstance(piece, str) else quote(_text(piece, facts), safe="") for piece in self.path)
        headers = tuple((name, _header(name, pieces, facts)) for name, pieces in self.headers)
        if not self.has_body:
            return Request(self.method, path, headers, b"", "")
        return Request(self.method, path, headers, msgspec.json.encode(_fill(self.body, facts)), "application/json")

    def names(self) -> Iterator[str]:
        """Every fact that the template may read."""
        for hole in (
            *_holes(self.path),
            *(h for _, pieces in self.headers for h in _holes(pieces)),
            *_holes_in(self.body),
        ):
            for path in hole.paths:
                yield ".".join(path)


def template(part: Part, problems: list[Problem]) -> Template:
    """Compile the request at a place: `method`, `path`, `headers`, `body`. Unknown facts and broken placeholders are problems."""
    path = _pieces(part.at("path"), problems, optional_allowed=False)
    if not part.at("path").text().startswith("/"):
        problems.append(
            part.at("path").wrong(
                f"path {part.at('path').text()!r}", "a path starts with / (the address of the system stands in systems)"
            )
        )
    headers = tuple(
        (name, _pieces(value, problems, optional_allowed=False)) for name, value in part.at("headers").items()
    )
    body = part.at("body")
    method = part.at("method").text("POST")
    return Template(method, path, headers, _node(body, problems), body.value is not None)


def unknown_fact(name: str) -> bool:
    """Whether no fact of `FACTS` has this name."""
    return name not in FACTS and not any(_fits(name, pattern) for pattern in FACTS if "*" in pattern)


def _fits(name: str, pattern: str) -> bool:
    words, stars = name.split("."), pattern.split(".")
    if len(words) < len(stars) or (len(words) > len(stars) and stars[-1] != "*"):
        return False
    return all(star in ("*", word) for word, star in zip(words, stars, strict=False))


def _pieces(part: Part, problems: list[Problem], *, optional_allowed: bool) -> tuple[Piece, ...]:
    text = part.text()
    built: list[Piece] = []
    at = 0
    for match in _PLACEHOLDER.finditer(text):
        if match.start() > at:
            built.append(text[at : match.start()])
        built.append(_hole(part, match.group(1), problems, optional_allowed=optional_allowed))
        at = match.end()
    built.append(text[at:])
    if any("{" in piece or "}" in piece for piece in built if isinstance(piece, str)):
        problems.append(part.wrong(f"{text!r} has a brace without its pair", "a placeholder is written {fact}"))
    return tuple(piece for piece in built if piece != "")


def _hole(part: Part, inside: str, problems: list[Problem], *, optional_allowed: bool) -> _Hole:
    optional = inside.endswith("?")
    names = inside.removesuffix("?").split("|")
    for name in names:
        if not _NAME.fullmatch(name):
            problems.append(part.wrong(f"{{{inside}}} is no placeholder", "write {fact}, {fact?} or {one|other}"))
        elif unknown_fact(name):
            problems.append(part.wrong(f"no fact is called {name!r}", nearest(name, FACTS, "the facts are")))
    if optional and not optional_allowed:
        problems.append(
            part.wrong(f"{{{inside}}} may be absent here", "only a body entry that is nothing else may be left out")
        )
    return _Hole(inside, tuple(tuple(name.split(".")) for name in names), optional)


def _node(part: Part, problems: list[Problem]) -> Node:
    if isinstance(part.value, Mapping):
        return {key: _node(below, problems) for key, below in part.items()}
    if isinstance(part.value, list):
        return [_node(below, problems) for below in part.each()]
    if not isinstance(part.value, str):
        return part.value
    whole = _PLACEHOLDER.fullmatch(part.value)
    pieces = _pieces(part, problems, optional_allowed=whole is not None)
    if whole is not None and isinstance(pieces[0], _Hole):
        return pieces[0]
    return pieces if any(isinstance(piece, _Hole) for piece in pieces) else part.value


def _fill(node: Node, facts: Mapping[str, Json]) -> Json:
    if isinstance(node, _Hole):
        return _plain(node.fill(facts))
    if isinstance(node, tuple):
        return "".join(piece if isinstance(piece, str) else _text(piece, facts) for piece in node)
    if isinstance(node, Mapping):
        filled = ((key, below, _fill(below, facts)) for key, below in node.items())
        return {key: value for key, below, value in filled if not (value is None and isinstance(below, _Hole))}
    if isinstance(node, list):
        return [_fill(below, facts) for below in node]
    return node  # type: ignore[return-value]


def _plain(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list | tuple) else value


def _text(hole: _Hole, facts: Mapping[str, Json]) -> str:
    value = hole.fill(facts)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(hole.text, "is not a single value")


def _header(name: str, pieces: tuple[Piece, ...], facts: Mapping[str, Json]) -> str:
    value = "".join(piece if isinstance(piece, str) else _text(piece, facts) for piece in pieces)
    if not _HEADER.fullmatch(value):
        raise TemplateError(f"header {name}", "would hold signs that a header cannot carry")
    return value


def _find(facts: Mapping[str, Json], path: tuple[str, ...]) -> Json:
    here: Json = facts
    for word in path:
        if not isinstance(here, Mapping):
            return None
        here = here.get(word)
    return here


def _holes(pieces: tuple[Piece, ...]) -> Iterator[_Hole]:
    return (piece for piece in pieces if isinstance(piece, _Hole))


def _holes_in(node: Node) -> Iterator[_Hole]:
    if isinstance(node, _Hole):
        yield node
    elif isinstance(node, tuple):
        yield from _holes(node)
    elif isinstance(node, Mapping):
        for below in node.values():
            yield from _holes_in(below)
    elif isinstance(node, list):
        for below in node:
            yield from _holes_in(below)

"""Request templates: what an operation sends, written in policy with `{fact}` placeholders and compiled into pure
callables (§12.1).

The same facts give the same bytes: JSON without spaces, keys in the order of the template. `{fact?}` leaves its entry
out where the fact is absent, `{one|other}` takes the first that is there. A body entry that is one placeholder and
nothing else keeps the fact's own kind (a number stays a number); anywhere else a fact is written as text. In a path
every value is quoted, slashes too.

The facts that a template may name are those of `FACTS`; a star stands for any name. They are handed in nested:
`order.externalId` is `facts["order"]["externalId"]`. `results` holds the finished tasks of the same order by the name
of their step. An answer is compared with the facts `key` and `object`; for a look-up these are the ones of the command
that is looked up.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from fallsafe.core.commands.contract import Request
from fallsafe.core.events import Json
from fallsafe.policyset.facts import Fact
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part

FACTS: Mapping[str, Fact] = {
    "key": Fact("text", "idempotency key of the command", "CRM/777/fiber.activateFiberService/fulfill/1"),
    "object": Fact("text", "business object: source/order/item", "CRM/777/fiber"),
    "callbackUrl": Fact("text", "where the system may call back, with the key in it", "http://127.0.0.1/callbacks"),
    "order.externalId": Fact("text", "the order's id upstream", "777"),
    "order.source": Fact("text", "upstream system", "CRM"),
    "order.customerRef": Fact("text", "the customer's reference upstream", "CU-88121"),
    "order.segment": Fact("text", "customer segment", "consumer"),
    "order.requestedAt": Fact("text", "date that was asked for, RFC 3339", "2026-11-02T10:00:00.000000Z"),
    "order.supplierAt": Fact("text", "date that a supplier gave, RFC 3339", "2026-11-02T10:00:00.000000Z"),
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
    "customer.*": Fact("any", "a field of the person who is the customer", "x"),
    "task.step": Fact("text", "step of the plan", "activateFiberService"),
    "task.type": Fact("text", "task type", "activateFiberService"),
    "verb": Fact("text", "what another engine is told to do with the step: resume, retry, skip or cancel", "retry"),
    "results.*.reference": Fact("text", "what the other system calls the result of a finished step", "SRV-1"),
    "results.*.*": Fact("any", "a field of the result of a finished step", "x"),
    "before.reference": Fact(
        "text", "what the other system calls the result of the step that this one follows", "PO-1"
    ),
    "target.key": Fact(
        "text", "look-ups: key of the command that is looked up", "CRM/777/fiber.activateFiberService/fulfill/1"
    ),
    "target.object": Fact("text", "look-ups: its business object", "CRM/777/fiber"),
    "target.reference": Fact("text", "look-ups: its reference, where one is known", "SRV-1"),
}

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_HEADER = re.compile(r"[\x20-\x7e]*")
JSON = "application/json"


class TemplateError(Exception):
    """A request that cannot be built: `fact` is the one that is missing or cannot be written where it is asked for."""

    def __init__(self, fact: str, why: str) -> None:
        super().__init__(f"the request cannot be built: {fact} {why}")
        self.fact = fact


@dataclass(frozen=True, slots=True)
class Hole:
    """One placeholder: the paths of its alternatives, and whether it may stay empty."""

    text: str
    paths: tuple[tuple[str, ...], ...]
    optional: bool

    def fill(self, facts: Mapping[str, Json]) -> Json:
        """The first of its facts that is there; None where none is and none need be. Raises `TemplateError` else."""
        for path in self.paths:
            value = _find(facts, path)
            if value is not None:
                return value
        if self.optional:
            return None
        raise TemplateError(" or ".join(".".join(path) for path in self.paths), "is missing")

    def word(self, facts: Mapping[str, Json]) -> str:
        """The fact as text. Raises `TemplateError` where it is a list or a mapping."""
        value = self.fill(facts)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float):
            return str(value)
        raise TemplateError(self.text, "is not a single value")


@dataclass(frozen=True, slots=True)
class Line:
    """Text with placeholders in it."""

    pieces: tuple[str | Hole, ...]

    def fill(self, facts: Mapping[str, Json], *, quoted: bool = False) -> str:
        """The text with its facts; `quoted` makes each of them safe for a path."""
        words = (piece if isinstance(piece, str) else _quote(piece.word(facts), quoted) for piece in self.pieces)
        return "".join(words)


Node = str | int | float | bool | None | Hole | Line | list["Node"] | dict[str, "Node"]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled request template; calling it with facts builds the request, or raises `TemplateError`."""

    method: str
    path: Line
    headers: tuple[tuple[str, Line], ...]
    body: Node

    def __call__(self, facts: Mapping[str, Json]) -> Request:
        path = self.path.fill(facts, quoted=True)
        headers = tuple((name, _header(name, line.fill(facts))) for name, line in self.headers)
        if self.body is None:
            return Request(self.method, path, headers, b"", "")
        return Request(self.method, path, headers, msgspec.json.encode(_fill(self.body, facts)), JSON)

    def names(self) -> Iterator[str]:
        """Every fact that the template may read."""
        for node in (self.path, *(line for _, line in self.headers), self.body):
            yield from _names(node)

    def names_at(self, where: str) -> Iterator[str]:
        """The facts that stand in one place of the request: `path`, `header NAME` or `body /pointer`."""
        kind, _, rest = where.partition(" ")
        if kind == "header":
            nodes: list[Node] = [line for name, line in self.headers if name.lower() == rest.lower()]
        else:
            nodes = [self.path if kind == "path" else _at(self.body, rest)]
        return (name for node in nodes for name in _names(node))

    def fails_on(self, facts: Mapping[str, Json]) -> str:
        """Why the request cannot be built from these facts; empty if it can."""
        try:
            self(facts)
        except TemplateError as error:
            return str(error)
        return ""


def template(part: Part, findings: Findings) -> Template:
    """Compile the request at a place: `method`, `path`, `headers`, `body`. Unknown facts and broken placeholders are
    problems.
    """
    path, body = part.at("path"), part.at("body")
    if not path.text().startswith("/"):
        right = "a path starts with / (the address of the system stands in systems)"
        findings.add(path, f"path {path.text()!r}", right)
    headers = tuple((name, _line(value, findings)) for name, value in part.at("headers").entries())
    return Template(part.at("method").text("POST"), _line(path, findings), headers, _node(body, findings))


def alone(part: Part, findings: Findings) -> Hole | None:
    """The one placeholder that a text is; a problem where it is anything else. What it names may be absent."""
    match = _PLACEHOLDER.fullmatch(part.text())
    if match is None:
        findings.add(part, f"{part.text()!r} is not one placeholder", "write {fact} or {one|other}")
        return None
    made = _hole(part, match.group(1), findings)
    return Hole(made.text, made.paths, optional=True)


def is_fact(name: str) -> bool:
    """Whether `FACTS` has a fact of this name."""
    return name in FACTS or any(_fits(name, pattern) for pattern in FACTS if "*" in pattern)


def sample_facts(names: Iterable[str]) -> dict[str, Json]:
    """Plausible values of some facts, nested as templates read them."""
    built: dict[str, Json] = {}
    for name in names:
        *above, last = name.split(".")
        here = built
        for word in above:
            below = here.setdefault(word, {})
            here = below if isinstance(below, dict) else {}
        here[last] = FACTS[name].sample if name in FACTS else "x"
    return built


def _fits(name: str, pattern: str) -> bool:
    words, stars = name.split("."), pattern.split(".")
    if len(words) < len(stars) or (len(words) > len(stars) and stars[-1] != "*"):
        return False
    return all(star in ("*", word) for word, star in zip(words, stars, strict=False))


def _line(part: Part, findings: Findings) -> Line:
    return Line(tuple(_pieces(part, findings, optional_allowed=False)))


def _pieces(part: Part, findings: Findings, *, optional_allowed: bool) -> list[str | Hole]:
    text, at = part.text(), 0
    built: list[str | Hole] = []
    for match in _PLACEHOLDER.finditer(text):
        built += [text[at : match.start()], _hole(part, match.group(1), findings)]
        at = match.end()
    built.append(text[at:])
    if any("{" in piece or "}" in piece for piece in built if isinstance(piece, str)):
        findings.add(part, f"{text!r} has a brace without its pair", "a placeholder is written {fact}")
    if not optional_allowed and any(piece.optional for piece in built if isinstance(piece, Hole)):
        findings.add(part, f"{text!r} may be absent", "only a body entry that is nothing else may be left out")
    return [piece for piece in built if piece != ""]


def _hole(part: Part, inside: str, findings: Findings) -> Hole:
    names = inside.removesuffix("?").split("|")
    for name in names:
        if not _NAME.fullmatch(name):
            findings.add(part, f"{{{inside}}} is no placeholder", "write {fact}, {fact?} or {one|other}")
        elif not is_fact(name):
            findings.name(Part(part.file, name, part.pointer), "fact", FACTS)
    return Hole(inside, tuple(tuple(name.split(".")) for name in names), inside.endswith("?"))


def _node(part: Part, findings: Findings) -> Node:
    if isinstance(part.value, Mapping):
        return {key: _node(below, findings) for key, below in part.entries()}
    if isinstance(part.value, list):
        return [_node(below, findings) for below in part.each()]
    if not isinstance(part.value, str):
        return part.value
    alone = _PLACEHOLDER.fullmatch(part.value) is not None
    pieces = _pieces(part, findings, optional_allowed=alone)
    if alone and isinstance(pieces[0], Hole):
        return pieces[0]
    return Line(tuple(pieces)) if any(isinstance(piece, Hole) for piece in pieces) else part.value


def _fill(node: Node, facts: Mapping[str, Json]) -> Json:
    if isinstance(node, Hole):
        return _plain(node.fill(facts))
    if isinstance(node, Line):
        return node.fill(facts)
    if isinstance(node, dict):
        filled = ((key, below, _fill(below, facts)) for key, below in node.items())
        return {key: value for key, below, value in filled if not (value is None and isinstance(below, Hole))}
    if isinstance(node, list):
        return [_fill(below, facts) for below in node]
    return node


def _plain(value: Json) -> Json:
    """A value as the encoder takes it, whatever kind of mapping it was handed in as."""
    if isinstance(value, Mapping):
        return {key: _plain(below) for key, below in value.items()}
    return [_plain(below) for below in value] if isinstance(value, list) else value


def _quote(word: str, quoted: bool) -> str:
    return quote(word, safe="") if quoted else word


def _header(name: str, value: str) -> str:
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


def _at(body: Node, pointer: str) -> Node:
    here = body
    for word in pointer.split("/")[1:]:
        here = here.get(word) if isinstance(here, dict) else None
    return here


def _names(node: Node) -> Iterator[str]:
    if isinstance(node, Hole):
        yield from (".".join(path) for path in node.paths)
    elif isinstance(node, Line):
        yield from (name for piece in node.pieces if isinstance(piece, Hole) for name in _names(piece))
    elif isinstance(node, dict | list):
        for below in node.values() if isinstance(node, dict) else node:
            yield from _names(below)

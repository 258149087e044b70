"""A policy file as values that remember their lines, so that every refusal can point at the place.

Read as the plain part of YAML 1.2: `no`, `on` and dates are words, a key stands once, and anchors are refused, because
what a reviewer reads must be what the product reads.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from fallsafe.core.events import Json
from fallsafe.policyset.problem import Problem

FILE_BYTES_MAX = 1_048_576
DEPTH_MAX = 20


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads nodes only, quickly where libyaml is built in; what a word means is decided below, not by YAML 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - the shape that PyYAML asks for


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
_INT = re.compile(r"-?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Json] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True)
class File:
    """One parsed file: its value and the line of every pointer in it."""

    name: str
    value: Json
    lines: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Part:
    """A place in a file: walk down with `at`, read with `text`, `number`, `flag`; a file's schema has made sure that
    the types fit.
    """

    file: File
    value: Json
    pointer: str = ""

    def at(self, key: str | int) -> "Part":
        """The part below a key or a position; an absent one has the value None and the line of what it is missing
        from.
        """
        here = self.value
        below: Json = None
        if isinstance(here, Mapping):
            below = here.get(str(key))
        elif isinstance(here, list) and isinstance(key, int) and key < len(here):
            below = here[key]
        return Part(self.file, below, f"{self.pointer}/{escape(str(key))}")

    def entries(self) -> Iterator[tuple[str, "Part"]]:
        """The entries of a mapping, in the order of the file."""
        if isinstance(self.value, Mapping):
            for key in self.value:
                yield key, self.at(key)

    def each(self) -> Iterator["Part"]:
        """The elements of a list, or the values of a mapping."""
        if isinstance(self.value, list):
            for position in range(len(self.value)):
                yield self.at(position)
        for _, below in self.entries():
            yield below

    def text(self, default: str = "") -> str:
        """The value as text; `default` where it is absent."""
        return default if self.value is None else str(self.value)

    def number(self, default: float = 0) -> float:
        """The value as a number; `default` where it is absent."""
        return self.value if isinstance(self.value, int | float) else default

    def flag(self, default: bool = False) -> bool:
        """The value as yes or no; `default` where it is absent."""
        return self.value if isinstance(self.value, bool) else default

    def texts(self) -> tuple[str, ...]:
        """The elements of a list as text."""
        return tuple(part.text() for part in self.each())

    @property
    def line(self) -> int:
        """The line of this place, or of the nearest thing around it."""
        pointer = self.pointer
        while pointer and pointer not in self.file.lines:
            pointer = pointer.rpartition("/")[0]
        return self.file.lines.get(pointer, 0)

    def wrong(self, what: str, would_be_right: str) -> Problem:
        """A problem at this place."""
        return Problem(self.file.name, self.line, self.pointer, what, would_be_right)


def escape(key: str) -> str:
    """A key as a step of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def read(name: str, data: bytes) -> File | Problem:
    """Parse one file. What cannot be read is a problem with its line."""
    if len(data) > FILE_BYTES_MAX:
        return Problem(name, 0, "", f"{len(data)} bytes", f"a policy file has at most {FILE_BYTES_MAX}")
    try:
        node = yaml.compose(data.decode("utf-8"), Loader=_Loader)
        return _File(name).build(node)
    except UnicodeDecodeError as error:
        return Problem(name, data[: error.start].count(b"\n") + 1, "", "not UTF-8", "save the file as UTF-8")
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return Problem(
            name, line, "", f"not YAML: {error.problem or error.context}", "mind indentation, quotes and colons"
        )
    except yaml.YAMLError as error:
        return Problem(name, 0, "", f"not YAML: {error}", "only printable characters may stand in the file")
    except _NotPlainError as error:
        return error.problem


class _NotPlainError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(slots=True)
class _File:
    name: str
    lines: dict[str, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def build(self, node: yaml.Node | None) -> File:
        if node is None:
            raise _NotPlainError(
                Problem(self.name, 0, "", "the file is empty", "write its entries, or leave the file out")
            )
        value = self._value(node, "")
        return File(self.name, value, self.lines)

    def _value(self, node: yaml.Node, pointer: str) -> Json:
        line = node.start_mark.line + 1
        self.lines.setdefault(pointer, line)
        if id(node) in self.seen:
            self._refuse(line, pointer, "an anchor is used twice", "write the value out where it is meant")
        if pointer.count("/") > DEPTH_MAX:
            self._refuse(line, pointer, f"nested deeper than {DEPTH_MAX}", "no policy file needs that")
        if node.tag not in _PLAIN_TAGS:
            self._refuse(line, pointer, f"a tag ({node.tag})", "leave it out")
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, pointer)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, f"{pointer}/{position}") for position, child in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, pointer: str) -> Json:
        built: dict[str, Json] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(line, pointer, "a key that is not a word", "a key is plain text")
            below = f"{pointer}/{escape(key)}"
            if key in built:
                self._refuse(
                    line, below, f"{key!r} stands twice", f"keep one of them (the first is in line {self.lines[below]})"
                )
            self.lines[below] = line
            built[key] = self._value(value_node, below)
        return built

    def _refuse(self, line: int, pointer: str, what: str, right: str) -> None:
        raise _NotPlainError(Problem(self.name, line, pointer, what, right))


def _scalar(node: yaml.Node) -> Json:
    text = str(node.value)
    if getattr(node, "style", None):  # quoted, or a block: always text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text

"""The judge: what really happened, read from the sandbox's own files alone, whether its processes live or not (§11,
P2).

"Twice" is measured here, in effects outside, never in what the product believes that it sent.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fallsafe.core.events import Json
from fallsafe.simulator.sandbox.disk import EFFECTS, REQUESTS, Line, read_lines
from fallsafe.simulator.sandbox.kinds import EVERY


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request that a system received. `status` None = never answered; `fault` empty = none struck.

    A look-up by key has an empty `object`, one by reference an empty `key`.
    """

    at: str
    method: str
    path: str
    operation: str
    key: str
    object: str
    status: int | None
    fault: str


@dataclass(frozen=True, slots=True)
class SeenEffect:
    """One real effect."""

    at: str
    operation: str
    key: str
    object: str
    id: str


def folder(home: Path, name: str) -> Path:
    """Where a system of the sandbox keeps its truth."""
    return home / "sandbox" / name


def effects(home: Path) -> dict[str, int]:
    """How often each thing was done, by "<operation> <object>", over all systems."""
    return dict(Counter(f"{effect.operation} {effect.object}" for effect in all_effects(home)))


def effects_by_key(home: Path) -> dict[str, int]:
    """How often something was done under each key, over all systems."""
    return dict(Counter(effect.key for effect in all_effects(home)))


def all_effects(home: Path) -> list[SeenEffect]:
    """Every effect of every system, oldest first."""
    lines = [line for name in EVERY for line in read_lines(folder(home, name) / EFFECTS)]
    fields = ("at", "operation", "key", "object", "id")
    return sorted((SeenEffect(*(_text(line, field) for field in fields)) for line in lines), key=lambda seen: seen.at)


def requests(home: Path, name: str) -> list[SeenRequest]:
    """Every request that one process received, in the order in which they came."""
    return [_seen(line) for line in read_lines(folder(home, name) / REQUESTS)]


def _seen(line: Line) -> SeenRequest:
    status = line.get("status")
    at, method, path, operation, key, about = (
        _text(line, field) for field in ("at", "method", "path", "operation", "key", "object")
    )
    answered = status if isinstance(status, int) else None
    return SeenRequest(at, method, path, operation, key, about, answered, _text(line, "fault"))


def _text(line: Line, field: str) -> str:
    value: Json = line.get(field)
    return value if isinstance(value, str) else ""

"""Severity is derived, never guessed: eight factors, each with points and a sentence, and floors (§5.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fallsafe.core.events import Json


class Level(StrEnum):
    """From low to critical; `rank` orders them."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low … 3 for critical."""
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class FactorRow:
    """One step of a factor: when the condition holds, so many points, with this sentence (placeholders are facts)."""

    condition: Callable[[Mapping[str, Json]], bool]
    points: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Factor:
    """One of the eight factors of §5.3; its first row that holds counts."""

    name: str
    rows: tuple[FactorRow, ...]


@dataclass(frozen=True, slots=True)
class Floor:
    """A level that the case does not fall below while the condition holds; `cap` instead keeps it at the level (test
    orders).
    """

    condition: Callable[[Mapping[str, Json]], bool]
    level: Level
    sentence: str
    cap: bool = False


@dataclass(frozen=True, slots=True)
class SeverityPolicy:
    """Factors, floors, and the points at which a level begins."""

    factors: tuple[Factor, ...]
    floors: tuple[Floor, ...]
    medium_from: int
    high_from: int
    critical_from: int


@dataclass(frozen=True, slots=True)
class Reason:
    """One term of the sum, or a floor (points 0)."""

    points: int
    sentence: str
    factor: str


@dataclass(frozen=True, slots=True)
class Severity:
    """The level, the points, and every term."""

    level: Level
    points: int
    reasons: tuple[Reason, ...]

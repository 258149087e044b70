"""Severity is derived, never guessed: eight factors, each with points and a sentence, and floors (§5.3)."""

import re
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from fallsafe.core.calendar import end_of_next_working_day, working_days_left
from fallsafe.core.events import Json
from fallsafe.core.orders.item import FINAL_ITEM_STATES, Item, monthly_minor, order_value_minor
from fallsafe.core.orders.order import Order


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


HOURS_LEFT_OF_NOTHING = 9999.0
"""What `hoursLeft` says where nothing is promised and no resolution time runs."""


class Classified(Protocol):
    """What severity reads of a case: what it is, not how bad it was found before."""

    @property
    def code(self) -> str: ...
    @property
    def domain(self) -> str: ...
    @property
    def recoverability(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Worth:
    """What an order is worth, and what of it is not billed yet, in minor units; and whether any of it is regulated."""

    order_minor: int
    monthly_minor: int
    regulated: bool


def worth_of(items: Iterable[Item]) -> Worth:
    """The worth of an order by all its items."""
    every = tuple(items)
    left = monthly_minor(i for i in every if i.state not in FINAL_ITEM_STATES)
    return Worth(order_value_minor(every), left, any(i.regulated for i in every))


def severity_facts(
    *,
    order: Order,
    item: Item | None,
    worth: Worth,
    case: Classified,
    outcome_unknown: bool,
    moves_money_or_goods: bool,
    blocked_tasks: int,
    same_fingerprint_24h: int,
    now: datetime,
    holidays: Set[str],
    resolution_due_at: datetime | None = None,
    reopened: bool = False,
    system_tripped: bool = False,
    option_missing: bool = False,
    engineer_on_site: bool = False,
    emergency_off: bool = False,
) -> dict[str, Json]:
    """Every fact that factors and floors may read, by name (§5.3). Money in minor units; the promise in the order's
    zone.

    `hoursLeft` is to the nearer of the promised date and `resolution_due_at`, if that is told. The promise is `at_risk`
    when a failure stands and the date is not later than the end of the next working day; a final order promises nothing
    any more.
    """
    promised = None if order.is_final else order.committed_at
    return {
        "segment": order.segment,
        "priority": order.priority,
        "vulnerable": order.vulnerable,
        "test": order.test,
        "orderValueMinor": worth.order_minor,
        "monthlyMinor": worth.monthly_minor,
        "regulated": item.regulated if item is not None else worth.regulated,
        "existingService": item.existing_service if item is not None else "",
        "outcomeUnknown": outcome_unknown,
        "movesMoneyOrGoods": moves_money_or_goods,
        "promise": _promise(promised, now, order.time_zone, holidays),
        "promiseWorkingDaysLeft": working_days_left(now, promised, order.time_zone, holidays),
        "hoursLeft": _hours_left(now, promised, resolution_due_at),
        "blockedTasks": blocked_tasks,
        "sameFingerprint24h": same_fingerprint_24h,
        "reopened": reopened,
        "systemTripped": system_tripped,
        "lateSuccess": case.code == "LATE_SUCCESS",
        "duplicateEffect": case.code == "DUPLICATE_EFFECT",
        "optionMissing": option_missing,
        "code": case.code,
        "domain": case.domain,
        "recoverability": case.recoverability,
        "engineerOnSite": engineer_on_site,
        "emergencyOff": emergency_off,
    }


def derive(policy: SeverityPolicy, facts: Mapping[str, Json]) -> Severity:
    """How bad it is, and every term: of each factor the first row that holds counts, then floors raise and caps
    lower.
    """
    terms = tuple(reason for factor in policy.factors if (reason := _term(factor, facts)) is not None)
    points = sum(term.points for term in terms)
    level, floors = _by_floors(policy, _by_points(policy, points), facts)
    return Severity(level, points, terms + floors)


def _term(factor: Factor, facts: Mapping[str, Json]) -> Reason | None:
    row = next((row for row in factor.rows if row.condition(facts)), None)
    return Reason(row.points, _said(row.sentence, facts), factor.name) if row is not None and row.points else None


def _by_points(policy: SeverityPolicy, points: int) -> Level:
    begins = (
        (policy.critical_from, Level.CRITICAL),
        (policy.high_from, Level.HIGH),
        (policy.medium_from, Level.MEDIUM),
    )
    return next((level for begin, level in begins if points >= begin), Level.LOW)


def _by_floors(policy: SeverityPolicy, level: Level, facts: Mapping[str, Json]) -> tuple[Level, tuple[Reason, ...]]:
    """The level after floors, then caps; the reasons are those that hold, whether or not they changed the level."""
    hold = [floor for floor in policy.floors if floor.condition(facts)]
    for floor in sorted(hold, key=lambda f: f.cap):
        lowers, raises = floor.cap and floor.level.rank < level.rank, not floor.cap and floor.level.rank > level.rank
        level = floor.level if lowers or raises else level
    return level, tuple(Reason(0, _said(f.sentence, facts), "cap" if f.cap else "floor") for f in hold)


def _promise(promised: datetime | None, now: datetime, zone: str, holidays: Set[str]) -> str:
    if promised is None:
        return "none"
    if promised < now:
        return "passed"
    return "at_risk" if promised < end_of_next_working_day(now, zone, holidays) else "safe"


def _hours_left(now: datetime, *ends: datetime | None) -> float:
    nearest = min((end for end in ends if end is not None), default=None)
    return HOURS_LEFT_OF_NOTHING if nearest is None else round((nearest - now).total_seconds() / 3600, 2)


_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _said(sentence: str, facts: Mapping[str, Json]) -> str:
    return _PLACEHOLDER.sub(lambda m: str(facts.get(m[1], m[0])), sentence)

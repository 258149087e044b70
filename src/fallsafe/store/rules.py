"""What the doors show of rules: each version with what became of its cases, and the detectors that are braked."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fallsafe.store.rows import read_row
from fallsafe.store.tx import Database


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """One rule of one policy set: how many cases it opened, how many of them are open, were withdrawn or stood, how
    many candidates are held back, and how often it would have read a signal otherwise in shadow.
    """

    rule: str
    policy_set: str
    cases: int
    open: int
    withdrawn: int
    confirmed: int
    candidates: int
    shadow: int
    last_at: datetime | None

    @property
    def precision(self) -> float | None:
        """The share of its judged cases that stood; None before one was judged."""
        judged = self.confirmed + self.withdrawn
        return round(self.confirmed / judged, 4) if judged else None


async def rule_versions(database: Database, *, rule: str = "", limit: int = 200) -> list[RuleVersion]:
    """Versions of all rules, or of one, that found anything; the newest finds first."""
    return [read_row(RuleVersion, row) for row in await database.fetch("reads/rules", rule=rule, limit=limit)]


async def braked(database: Database) -> Mapping[str, int]:
    """The detectors that open nothing just now (`rule/N12`, `source/MON`), each with the case that says so."""
    rows = await database.fetch("reads/braked")
    return {row["case_key"].partition("DETECTOR_BRAKED/")[2]: row["id"] for row in rows}

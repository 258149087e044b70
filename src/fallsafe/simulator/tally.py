"""How often each row of each table was taken, and each fault: a row that no run ever takes was never tried.

The tables are the product's own. Rows that nothing built so far can take are listed here with the reason.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fallsafe.core.cases.case import CASE_LIFECYCLE
from fallsafe.core.commands.ledger import COMMAND_LIFECYCLE, FACT_LIFECYCLE, QUERY_LIFECYCLE
from fallsafe.core.orders.order import PHASE_LIFECYCLE
from fallsafe.core.orders.task import TASK_LIFECYCLE
from fallsafe.core.recover.breaker import DOWNSTREAM_LIFECYCLE
from fallsafe.core.recover.strategy import MATRIX
from fallsafe.simulator.mishaps import ALL

DISPOSITIONS = (
    "done applied", "done duplicate", "done conflict", "rejected applied", "rejected late", "rejected duplicate",
    "rejected conflict", "accepted applied", "accepted duplicate", "accepted late", "accepted out_of_order",
    "progress notice", "progress applied", "progress out_of_order", "pending applied", "not_sent applied",
    "not_sent late", "lost applied", "lost duplicate", "lost late", "absent applied",
)  # fmt: skip
RECOVER = "recover/"
SAID = re.compile(r"^\w+ says (\w+)")

NOT_BUILT = {
    "undoing and closing are not built": (
        "query intended withdraw", "query sending reject",
        "task completed undo", "task undone redo", "case resolved close", "case not_resolved close",
    ),
    "a repair passes through repairing in one transaction": tuple(
        f"case repairing {verb}" for verb in ("heal", "withdraw", "merge", "give_up")
    ),
    "no worlds have tasks of people yet, and the word of another engine moves its tasks by rule 3": (
        "task ready hand_over", "task handed_over done", "task handed_over fail",
    ),
    "a case is detected, classified and assigned in one transaction": (
        *(
            f"case {state} {verb}"
            for state in ("detected", "classified")
            for verb in ("heal", "withdraw", "merge", "give_up")
        ),
    ),
    "cancellations are not built": (
        "phase acknowledged reject", "phase running assess_cancellation",
        "phase assessing_cancellation refuse_cancellation", "phase assessing_cancellation accept_cancellation",
        "phase pending_cancellation cancel",
    ),
    "nobody can prove yet that an item cannot go on": ("recover terminal_with_effects", "recover terminal"),
}  # fmt: skip


@dataclass(slots=True)
class Tally:
    """Counts of rows taken and of faults."""

    rows: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    transitions: int = 0
    _purpose: dict[int, str] = field(default_factory=dict)

    def record(self, record: Mapping[str, Any]) -> None:
        """Counts what one record took."""
        thing, verb, was, now = record["thing"], record["verb"], record["was"], record["now"]
        if thing == "command" and record["delta"].get("purpose"):
            self._purpose[record["thingId"]] = record["delta"]["purpose"]
        if verb.startswith("refuse_"):
            self.rows[f"refusal {record['facts'].get('code')}"] += 1
        if was and was != now:
            self.transitions += 1
        name = "query" if thing == "command" and self._purpose.get(record["thingId"]) == "query" else thing
        if was:
            self.rows[f"{name} {was} {verb}"] += 1
        if thing == "order" and "phase" in record["delta"] and was:
            self.rows["phase acknowledged start"] += record["delta"]["phase"] == "running"
        if record["rule"].startswith(RECOVER) and verb == "recover":
            self.rows[f"recover {record['rule'].removeprefix(RECOVER)}"] += 1
        self._disposition(record)

    def _disposition(self, record: Mapping[str, Any]) -> None:
        if record["rule"].startswith("disposition/"):
            said = SAID.match(record["reason"])
            if said is not None:
                self.rows[f"disposition {said[1]} {record['rule'].partition('/')[2]}"] += 1

    def with_faults(self, faults: Mapping[str, int]) -> "Tally":
        """The tally with the faults of its world."""
        self.faults.update(faults)
        return self

    def add(self, other: "Tally") -> None:
        """Adds what another world took."""
        self.rows.update(other.rows)
        self.faults.update(other.faults)
        self.transitions += other.transitions


def wanted() -> list[str]:
    """Every row of every table, by name."""
    return [
        *(f"command {at.value} {verb}" for at, verb in COMMAND_LIFECYCLE),
        *(f"command {at.value} {verb}" for at, verb in FACT_LIFECYCLE),
        *(f"query {at.value} {verb}" for at, verb in QUERY_LIFECYCLE),
        *(f"task {at.value} {verb}" for at, verb in TASK_LIFECYCLE),
        *(f"case {at.value} {verb}" for at, verb in CASE_LIFECYCLE),
        *(f"phase {at.value} {verb}" for at, verb in PHASE_LIFECYCLE),
        *(f"disposition {name}" for name in DISPOSITIONS),
        *(f"recover {row.name}" for row in MATRIX),
        *(f"downstream {at.value} {verb}" for at, verb in DOWNSTREAM_LIFECYCLE),
    ]


def untaken(tally: Tally) -> tuple[list[str], list[str], list[str]]:
    """Rows with count 0: those that should have been taken, those that nothing built so far can take (with the
    reason), and faults with count 0.
    """
    excused = {row: reason for reason, rows in NOT_BUILT.items() for row in rows}
    zero = [row for row in dict.fromkeys(wanted()) if not tally.rows[row]]
    return (
        [row for row in zero if row not in excused],
        [f"{row} ({excused[row]})" for row in zero if row in excused],
        [fault for fault in ALL if not tally.faults[fault]],
    )

"""Which times of a task the rules compare, and how to ask for no more of them than the files can have.

Ten million events have a few million tasks, and each time that is kept for every task costs as much as reading a
column. Most files have few words: what no phrase can give is a constant, and what two rules ask for is computed once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fallsafe.analysis.scan.meaning import Meaning
from fallsafe.analysis.scan.words import Word
from fallsafe.analysis.sql import statement

W = Word
TIMES: tuple[tuple[str, str, tuple[Word, ...], bool], ...] = (
    # name, which of them, words, whether the time must be the event's own
    ("started_at", "min", (W.STARTED, W.WAITING), False),
    ("worked_at", "max", (W.STARTED, W.WAITING, W.RETRIED), False),
    ("done_at", "min", (W.SHIPPED, W.COMPLETED, W.SKIPPED), False),
    ("done_last_at", "max", (W.SHIPPED, W.COMPLETED, W.SKIPPED), False),
    ("reopened_at", "max", (W.REOPENED,), False),
    ("stopped_at", "min", (W.REJECTED, W.CANCELLED), False),
    ("case_at", "max", (W.CASE_OPENED,), False),
    ("case_closed_at", "max", (W.CASE_CLOSED,), False),
    ("new_last_at", "max", (W.CREATED,), True),
    ("begun_at", "min", (W.CONFIRMED, W.STARTED, W.SHIPPED, W.COMPLETED), True),
    ("begun_last_at", "max", (W.CONFIRMED, W.STARTED), True),
    ("out_at", "min", (W.SHIPPED, W.COMPLETED), True),
    ("out_last_at", "max", (W.SHIPPED,), True),
    ("over_at", "min", (W.COMPLETED,), True),
)
MILESTONES = (("created_at", 1), ("confirmed_at", 2), ("shipped_at", 3), ("delivered_at", 4), ("completed_at", 5))
KIND_BIT = "(CASE WHEN kind BETWEEN 1 AND 62 THEN 1::BIGINT << (kind - 1) ELSE 0::BIGINT END)"
"""The place of a kind of work in masks, as SQL."""
_DONE = frozenset({W.SHIPPED, W.COMPLETED, W.SKIPPED})
_OVER = (W.SHIPPED, W.COMPLETED, W.SKIPPED, W.CANCELLED)
_OPEN = (
    W.PLANNED, W.HELD, W.STARTED, W.WAITING, W.HELD_CUSTOMER, W.HELD_OUTSIDE, W.CASE_OPENED, W.FAILED, W.UNKNOWN,
    W.RETRIED, W.REOPENED,
)  # fmt: skip


@dataclass(slots=True)
class Asked:
    """Columns of `task` and the aggregates that they come from; equal aggregates are asked for once."""

    columns: list[str]
    aggregates: dict[str, str]

    def add(self, name: str, expression: str) -> None:
        """A column from an aggregate."""
        inner = self.aggregates.setdefault(expression, f"a{len(self.aggregates)}")
        self.columns.append(f"{inner} AS {name}")

    def add_nothing(self, name: str, kind: str) -> None:
        """A column that no row can fill."""
        self.columns.append(f"NULL::{kind} AS {name}")


def asked(meanings: Sequence[Meaning], has: Collection[str]) -> tuple[str, str]:
    """The columns and aggregates of `make_task`. `has` are the attributes that any row has, `dated` among them where
    some events have no time of their own.
    """
    undated = "dated" in has
    made = Asked([], {})
    words = {m.word for m in meanings}
    own = " AND dated" if undated else ""
    for name, which, wanted, must_be_own in TIMES:
        there = sorted(set(wanted) & words)
        condition = f"code IN ({_listed(there)}){own if must_be_own else ''}"
        _time(made, name, f"{which}(ts) FILTER ({condition})" if there else "")
    made.add("times_done", f"count(*) FILTER (code = {int(W.COMPLETED)})::INTEGER")
    _time(made, "first_at", "min(ts)" if W.REOPENED in words else "")
    made.add("state", "max(code) FILTER (NOT dated)") if undated else made.add_nothing("state", "TINYINT")
    made.add("until", "max_by(until, moment)") if "until" in has else made.add_nothing("until", "TIMESTAMP")
    for name, which in (("one_team", "min"), ("other_team", "max")):
        made.add(name, f"{which}(hash(team))") if "team" in has else made.add_nothing(name, "UBIGINT")
    inner = [f"{expression} AS {alias}" for expression, alias in made.aggregates.items()]
    return ",\n    ".join(made.columns), ",\n        ".join(inner)


def asked_of_orders(meanings: Sequence[Meaning], finish: Collection[int], has: Collection[str]) -> str:
    """The columns of `make_ord` that depend on the files."""
    words, steps = {m.word for m in meanings}, {m.step for m in meanings}
    last = "max(moment) FILTER (dated)" if "dated" in has else "max(moment)"
    made = {
        "last_dated": last,
        "done_last_at": _of("max", "code", _DONE & words if not finish else ()),
        "stopped_at": _of("min", "code", {W.REJECTED, W.CANCELLED} & words, "kind = 0 AND "),
        "reopened_at": _of("max", "code", {W.REOPENED} & words, "kind = 0 AND "),
        "finish_at": _of("min", "meaning", finish),
        "finish_last_at": _of("max", "meaning", finish if W.REOPENED in words else ()),
        "due": "max_by(due, moment)" if "due" in has else "NULL::TIMESTAMP",
        "until": "max_by(until, moment)" if "until" in has else "NULL::TIMESTAMP",
        "customer": "max(hash(customer)) FILTER (customer IS NOT NULL)"
        if {"customer", "product"} <= set(has)
        else "NULL::UBIGINT",
    }
    made |= {name: _of("min", "step", {step} & steps) for name, step in MILESTONES}
    return ",\n        ".join(f"{expression} AS {name}" for name, expression in made.items())


def _of(which: str, column: str, values: Iterable[int], only: str = "") -> str:
    """The first or last time of those events, as far as there can be any."""
    there = sorted(values)
    return f"{which}(ts) FILTER ({only}{column} IN ({_listed(there)}))" if there else "NULL::TIMESTAMP"


def work_of_orders() -> str:
    """What is asked of the tasks of orders that end with all their work, for `make_ord`."""
    gaps = {"over": _listed(_OVER), "open": _listed(_OPEN), "kind_bit": KIND_BIT}
    return statement("scan/work_of_orders", **gaps)


def _time(made: Asked, name: str, expression: str) -> None:
    made.add(name, expression) if expression else made.add_nothing(name, "TIMESTAMP")


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(n)) for n in numbers)

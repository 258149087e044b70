"""Which times of a task the rules compare, and how to ask for no more of them than the files can have.

Ten million events have a few million tasks, and each time that is kept for every task costs as much as reading a
column. Most files have few words: what no phrase can give is a constant, and what two rules ask for is computed once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from fallsafe.analysis.scan.meaning import Meaning
from fallsafe.analysis.scan.words import Word

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
ATTRIBUTES = (
    ("due", "TIMESTAMP"), ("until", "TIMESTAMP"), ("team", "VARCHAR"), ("product", "VARCHAR"), ("customer", "VARCHAR"),
)  # fmt: skip
"""What an order has the latest word of; of tasks, of which there are many more, only what a rule needs is asked."""


KIND_BIT = "(CASE WHEN kind BETWEEN 1 AND 62 THEN 1::BIGINT << (kind - 1) ELSE 0::BIGINT END)"
"""The place of a kind of work in masks, as SQL."""
_OVER = (W.SHIPPED, W.COMPLETED, W.SKIPPED, W.CANCELLED)
_OPEN = (
    W.PLANNED, W.STARTED, W.WAITING, W.HELD_CUSTOMER, W.HELD_OUTSIDE, W.CASE_OPENED, W.FAILED, W.UNKNOWN, W.RETRIED,
    W.REOPENED,
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


def asked(
    meanings: Sequence[Meaning], finish: Collection[int], has: Collection[str], *, undated: bool
) -> tuple[str, str]:
    """The columns and aggregates of `make_task`. `has` are the attributes that any row has; `undated` says that some
    events have no time of their own.
    """
    made = Asked([], {})
    words, steps = {m.word for m in meanings}, {m.step for m in meanings}
    own = " AND dated" if undated else ""
    for name, which, wanted, must_be_own in TIMES:
        there = sorted(set(wanted) & words)
        condition = f"code IN ({_listed(there)}){own if must_be_own else ''}"
        _time(made, name, f"{which}(ts) FILTER ({condition})" if there else "")
    for name, step in MILESTONES:
        _time(made, name, f"min(ts) FILTER (step = {step})" if step in steps else "")
    _time(made, "finish_at", f"min(ts) FILTER (meaning IN ({_listed(finish)}))" if finish else "")
    _time(made, "finish_last_at", f"max(ts) FILTER (meaning IN ({_listed(finish)}))" if finish else "")
    made.add("times_done", f"count(*) FILTER (code = {int(W.COMPLETED)})::INTEGER")
    made.add("first_at", "min(ts)")
    made.add("last_dated", "max(moment) FILTER (dated)" if undated else "max(moment)")
    made.add("state", "max(code) FILTER (NOT dated)") if undated else made.add_nothing("state", "TINYINT")
    made.add("until", "max_by(until, moment)") if "until" in has else made.add_nothing("until", "TIMESTAMP")
    for name, which in (("one_team", "min"), ("other_team", "max")):
        made.add(name, f"{which}(hash(team))") if "team" in has else made.add_nothing(name, "UBIGINT")
    inner = [f"{expression} AS {alias}" for expression, alias in made.aggregates.items()]
    return ",\n    ".join(made.columns), ",\n        ".join(inner)


def asked_of_orders(meanings: Sequence[Meaning], finish: Collection[int]) -> str:
    """The columns of `make_ord` that depend on the files. Without a phrase that ends orders, what work they need and
    have done is asked for as well.
    """
    words, steps = {m.word for m in meanings}, {m.step for m in meanings}
    made = [f"min({name}) AS {name}" if step in steps else f"NULL::TIMESTAMP AS {name}" for name, step in MILESTONES]
    for name, which, wanted in (
        ("stopped_at", "min", (W.REJECTED, W.CANCELLED)),
        ("reopened_at", "max", (W.REOPENED,)),
    ):
        there = words & set(wanted)
        made.append(f"{which}({name}) FILTER (kind = 0) AS {name}" if there else f"NULL::TIMESTAMP AS {name}")
    made += [f"{which}({name}) AS {name}" for which, name in (("min", "finish_at"), ("max", "finish_last_at"))]
    if not finish:
        state = "((last >> 12) & 31)"
        made += [
            f"bit_or(CASE WHEN {state} IN ({_listed(_OVER)}) THEN {KIND_BIT} ELSE 0::BIGINT END) AS done_kinds",
            "bit_or(coalesce(needs, 0)) AS needs",
            f"count(*) FILTER (kind > 0 AND {state} IN ({_listed(_OPEN)}))::INTEGER AS open_tasks",
        ]
    return ",\n        ".join(made)


def attributes(has: Collection[str]) -> str:
    """The latest word of each attribute of an order, as columns of `make_ord`."""
    return ", ".join(
        f"max_by({name}, moment) AS {name}" if name in has else f"NULL::{kind} AS {name}" for name, kind in ATTRIBUTES
    )


def _time(made: Asked, name: str, expression: str) -> None:
    made.add(name, expression) if expression else made.add_nothing(name, "TIMESTAMP")


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(n)) for n in numbers)

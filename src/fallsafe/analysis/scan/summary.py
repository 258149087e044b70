"""Sums findings up: by kind, work, group, product and week; the handful of causes that explain most; the worst orders
with what happened to them.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import groupby, islice
from textwrap import indent

from fallsafe.analysis.scan.find import iso
from fallsafe.analysis.scan.findings import INFORMATION, Finding, Kind
from fallsafe.analysis.scan.scan import Scan
from fallsafe.analysis.sql import statement
from fallsafe.core.events import Json

WORST_MAX = 20
TIMELINE_MAX = 60
CAUSES_MAX = 6
EXPLAINED_SHARE = 0.95
ROWS_MAX = 12
CONCENTRATED = 0.7

_WEIGHTS: Mapping[Kind, int] = {
    Kind.STUCK: 60,
    Kind.OVERDUE: 50,
    Kind.CONTRADICTORY: 45,
    Kind.DUPLICATE: 40,
    Kind.LATE: 25,
    Kind.AT_RISK: 20,
    Kind.PING_PONG: 15,
    Kind.REOPENED: 12,
    Kind.IMPOSSIBLE_TIME: 8,
    Kind.PRICE_DIFFERS: 6,
    Kind.DISCONTINUED: 1,
    Kind.UNFINISHED: 0,
}
_TIMES = ("silentSeconds", "overSeconds", "lateSeconds")


@dataclass(frozen=True, slots=True)
class Cause:
    """Something to be mended, with how many orders it touches, what these have in common, and one of them."""

    said: str
    kind: Kind
    orders: int
    share: float
    common: str
    example: str


@dataclass(frozen=True, slots=True)
class Step:
    """One event of an order's timeline."""

    at: datetime
    what: str
    task_id: str
    team: str


@dataclass(frozen=True, slots=True)
class Worst:
    """One of the worst orders: its findings and what happened to it."""

    order_id: str
    product: str
    group: str
    findings: tuple[Finding, ...]
    timeline: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """All totals. Tables map a name to the number of orders of each kind; `failing` are orders with any finding that is
    more than information.
    """

    orders: int
    events: int
    failing: int
    by_kind: Mapping[Kind, tuple[int, int]]  # orders, findings
    by_task_type: Mapping[str, Mapping[Kind, int]]
    by_group: Mapping[str, Mapping[Kind, int]]
    by_product: Mapping[str, Mapping[Kind, int]]
    by_week: Mapping[str, Mapping[Kind, int]]
    causes: tuple[Cause, ...]
    explained: int
    worst: tuple[Worst, ...]


def summed(scan: Scan) -> Summary:
    """The summary of a scan; the engine must still be open."""
    tally = _Tally()
    for some in _batches(groupby(scan.findings, key=lambda f: f.order_id)):
        attributes = _attributes(scan, [order for order, findings in some.items() if _is_failing(findings)])
        for order, findings in some.items():
            tally.add(order, findings, *attributes.get(order, ("", "")))
    causes, explained = tally.causes()
    return Summary(
        orders=scan.orders,
        events=scan.scene.events,
        failing=tally.failing,
        by_kind={k: (tally.orders[k], tally.findings[k]) for k in Kind if k in tally.findings},
        by_task_type=_most(tally.by_task_type),
        by_group=_most(tally.by_group),
        by_product=_most(tally.by_product),
        by_week=dict(sorted(tally.by_week.items())),
        causes=causes,
        explained=explained,
        worst=_worst(scan, tally.worst()),
    )


ORDERS_AT_ONCE = 5_000
_Cause = tuple[str, Kind]
_Counts = defaultdict[str, Counter[Kind]]


def _batches(orders: Iterable[tuple[str, Iterable[Finding]]]) -> Iterator[dict[str, tuple[Finding, ...]]]:
    """The findings of some orders at a time."""
    while some := {order: tuple(findings) for order, findings in islice(orders, ORDERS_AT_ONCE)}:
        yield some


def _is_failing(findings: Iterable[Finding]) -> bool:
    return any(f.kind not in INFORMATION for f in findings)


def _attributes(scan: Scan, orders: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Group and product of each of these orders."""
    if not orders:
        return {}
    rows = scan.scene.engine.connection.execute(statement("scan/attributes"), {"orders": list(orders)}).fetchall()
    return {order: (team or "", product or "") for order, team, product in rows}


class _Tally:
    """Adds up order by order. It grows with what orders can have in common, and not with their number: of causes it
    keeps how many orders have which of them together.
    """

    def __init__(self) -> None:
        self.failing = 0
        self.orders, self.findings = Counter[Kind](), Counter[Kind]()
        self.by_task_type, self.by_group, self.by_product, self.by_week = (_Counts(Counter) for _ in range(4))
        self._together = Counter[frozenset[_Cause]]()
        self._examples = dict[_Cause, str]()
        self._products, self._groups = (defaultdict[_Cause | None, Counter[str]](Counter) for _ in range(2))
        self._worst = list[tuple[float, str, str, str, tuple[Finding, ...]]]()

    def add(self, order: str, findings: Sequence[Finding], group: str, product: str) -> None:
        """Takes in an order with all that was found about it. Orders must come in their order."""
        self.findings.update(f.kind for f in findings)
        self.orders.update({f.kind for f in findings})
        failures = tuple(f for f in findings if f.kind not in INFORMATION)
        if not failures:
            return
        self.failing += 1
        for counts, name_of in (
            (self.by_task_type, lambda f: str(f.facts.get("taskType") or "")),
            (self.by_group, lambda f: group),
            (self.by_product, lambda f: product),
            (self.by_week, _week),
        ):
            for name, kind in dict.fromkeys((name_of(f), f.kind) for f in failures):
                if name:
                    counts[name][kind] += 1
        self._add_causes(order, frozenset((f.cause, f.kind) for f in failures), group, product)
        self._worst.append((-_badness(failures), order, group, product, failures))
        if len(self._worst) > 50 * WORST_MAX:
            self._worst = nsmallest(WORST_MAX, self._worst, key=lambda w: w[:2])

    def _add_causes(self, order: str, causes: frozenset[_Cause], group: str, product: str) -> None:
        self._together[causes] += 1
        for cause in causes:
            self._examples.setdefault(cause, order)
        for one in (*causes, None):  # None is all orders
            self._products[one][product] += 1
            self._groups[one][group] += 1

    def worst(self) -> list[tuple[str, str, str, tuple[Finding, ...]]]:
        """The worst orders with group, product and failures, the worst first."""
        return [w[1:] for w in nsmallest(WORST_MAX, self._worst, key=lambda w: w[:2])]

    def causes(self) -> tuple[tuple[Cause, ...], int]:
        """The causes that explain most orders, greedily: each next one by the orders that are not explained yet."""
        left, chosen = dict(self._together), list[Cause]()
        while left and len(chosen) < CAUSES_MAX and self.failing - sum(left.values()) < EXPLAINED_SHARE * self.failing:
            covers = Counter[_Cause]()
            for causes, n in left.items():
                covers.update(dict.fromkeys(causes, n))
            best = max(covers, key=lambda c: (covers[c], _WEIGHTS[c[1]], c[0]))
            orders = sum(n for causes, n in self._together.items() if best in causes)
            common, example = self._common(best, orders), self._examples[best]
            chosen.append(Cause(best[0], best[1], orders, orders / self.failing, common, example))
            left = {causes: n for causes, n in left.items() if best not in causes}
        return tuple(chosen), self.failing - sum(left.values())

    def _common(self, cause: _Cause, orders: int) -> str:
        """What most of these orders have in common and the others have not."""
        for counts, what in ((self._products, "product"), (self._groups, "group")):
            mine = Counter({name: n for name, n in counts[cause].items() if name})
            if not mine:
                continue
            name, n = mine.most_common(1)[0]
            overall = counts[None][name]
            if n >= CONCENTRATED * orders and orders >= 3 and n / orders > 1.5 * overall / self.failing:
                return f"{n} of {orders} have the {what} {name}"
        return ""


def _most(counts: Mapping[str, Mapping[Kind, int]]) -> dict[str, Mapping[Kind, int]]:
    """The names with the most."""
    ranked = sorted(counts, key=lambda name: (-sum(counts[name].values()), name))
    return {name: counts[name] for name in ranked[:ROWS_MAX]}


def _week(finding: Finding) -> str:
    return f"{finding.since:%G-W%V}" if finding.since is not None else ""


def _worst(scan: Scan, ranked: Sequence[tuple[str, str, str, tuple[Finding, ...]]]) -> tuple[Worst, ...]:
    steps = _timelines(scan, [order for order, *_ in ranked])
    return tuple(
        Worst(order, product, group, findings, tuple(steps.get(order, ())))
        for order, group, product, findings in ranked
    )


def _badness(findings: Iterable[Finding]) -> float:
    """How bad an order is: each kind counts once, by its weight and, in the logarithm of days, by how long."""
    kinds = dict[Kind, float]()
    for f in findings:
        long = max((t for name in _TIMES if isinstance(t := f.facts.get(name), int)), default=0)
        score = _WEIGHTS[f.kind] * (1 + 0.25 * math.log1p(long / timedelta(days=1).total_seconds()))
        kinds[f.kind] = max(kinds.get(f.kind, 0.0), score)
    return sum(kinds.values())


def _timelines(scan: Scan, orders: Sequence[str]) -> dict[str, list[Step]]:
    rows = scan.scene.engine.connection.execute(
        statement("scan/timelines"), {"orders": list(orders), "most": TIMELINE_MAX}
    ).fetchall()
    steps = defaultdict[str, list[Step]](list)
    for order, at, meaning, task, team in rows:
        steps[order].append(Step(at, scan.scene.meanings[meaning].said, task or "", team or ""))
    return steps


def as_json(scan: Scan, summary: Summary, mapping: str, more: Mapping[str, Json]) -> Iterator[str]:
    """The documented shape, in pieces: `asOf`, `orders` with their findings, `totals`, `leftOut`, and what is to be
    said besides.
    """
    yield f'{{\n  "asOf": {json.dumps(iso(scan.scene.as_of))},\n  "orders": ['
    before = "\n"
    for order, findings in groupby(scan.findings, key=lambda f: f.order_id):
        yield before + _indented({"orderId": order, "findings": [_finding(f) for f in findings]}, 4)
        before = ",\n"
    yield "]" if before == "\n" else "\n  ]"
    left_out: list[Json] = [{"why": p.why, "rows": p.rows, "examples": list[Json](p.examples)} for p in scan.left_out]
    for name, value in {"totals": _totals(scan, summary, mapping), "leftOut": left_out, **more}.items():
        yield f",\n  {json.dumps(name)}: {_indented(value, 2).lstrip()}"
    yield "\n}\n"


def _indented(value: Json, by: int) -> str:
    return indent(json.dumps(value, indent=2), " " * by)


def _finding(f: Finding) -> Json:
    return {
        "kind": f.kind.value,
        "since": iso(f.since),
        "taskId": f.task_id,
        "reason": f.reason,
        "facts": dict(f.facts),
    }


def _totals(scan: Scan, summary: Summary, mapping: str) -> Json:
    return {
        "orders": summary.orders,
        "events": summary.events,
        "ordersWithFailures": summary.failing,
        "byKind": {k.value: {"orders": o, "findings": n} for k, (o, n) in summary.by_kind.items()},
        "byTaskType": _counts(summary.by_task_type),
        "byGroup": _counts(summary.by_group),
        "byProduct": _counts(summary.by_product),
        "byWeek": _counts(summary.by_week),
        "causes": [
            {
                "cause": c.said,
                "kind": c.kind.value,
                "orders": c.orders,
                "common": c.common or None,
                "example": c.example,
            }
            for c in summary.causes
        ],
        "ordersExplained": summary.explained,
        "worst": [_worst_json(w) for w in summary.worst],
        "understood": list[Json](scan.understood),
        "unsure": list[Json](scan.unsure),
        "mapping": mapping,
    }


def _counts(table: Mapping[str, Mapping[Kind, int]]) -> Json:
    return {name: {kind.value: kinds[kind] for kind in Kind if kind in kinds} for name, kinds in table.items()}


def _worst_json(w: Worst) -> Json:
    return {
        "orderId": w.order_id,
        "kinds": list[Json](dict.fromkeys(f.kind.value for f in w.findings)),
        "timeline": [
            {"at": iso(s.at), "what": s.what, "taskId": s.task_id or None, "group": s.team or None} for s in w.timeline
        ],
    }

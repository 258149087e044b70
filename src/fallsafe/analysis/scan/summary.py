"""Sums findings up: by kind, work, group, product and week; the handful of causes that explain most; the worst orders
with what happened to them.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

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


Attributes = Mapping[str, tuple[str, str]]


def summed(scan: Scan) -> Summary:
    """The summary of a scan; the engine must still be open."""
    failures = [f for f in scan.findings if f.kind not in INFORMATION]
    of_order = _attributes(scan, {f.order_id for f in failures})
    kinds = defaultdict[Kind, list[str]](list)
    for f in scan.findings:
        kinds[f.kind].append(f.order_id)
    causes, explained = _causes(failures, of_order)
    return Summary(
        orders=scan.scene.orders,
        events=scan.events,
        failing=len({f.order_id for f in failures}),
        by_kind={kind: (len(set(kinds[kind])), len(kinds[kind])) for kind in Kind if kind in kinds},
        by_task_type=_table(failures, lambda f: str(f.facts.get("taskType") or "")),
        by_group=_table(failures, lambda f: of_order.get(f.order_id, ("", ""))[0]),
        by_product=_table(failures, lambda f: of_order.get(f.order_id, ("", ""))[1]),
        by_week=dict(sorted(_table(failures, _week, most=10_000).items())),
        causes=causes,
        explained=explained,
        worst=_worst(scan, failures, of_order),
    )


def _attributes(scan: Scan, orders: Iterable[str]) -> dict[str, tuple[str, str]]:
    rows = scan.scene.engine.connection.execute(statement("scan/attributes"), {"orders": sorted(orders)}).fetchall()
    return {order: (team or "", product or "") for order, team, product in rows}


def _week(finding: Finding) -> str:
    return f"{finding.since:%G-W%V}" if finding.since is not None else ""


def _table(
    findings: Iterable[Finding], name_of: Callable[[Finding], str], most: int = ROWS_MAX
) -> dict[str, Mapping[Kind, int]]:
    seen = defaultdict[str, dict[Kind, set[str]]](lambda: defaultdict(set))
    for f in findings:
        if name := name_of(f):
            seen[name][f.kind].add(f.order_id)
    counted = {name: {kind: len(orders) for kind, orders in kinds.items()} for name, kinds in seen.items()}
    ranked = sorted(counted, key=lambda name: (-sum(counted[name].values()), name))
    return {name: counted[name] for name in ranked[:most]}


def _causes(failures: Sequence[Finding], of_order: Attributes) -> tuple[tuple[Cause, ...], int]:
    """The causes that explain most orders, greedily: each next one by the orders that those before do not explain."""
    touched = defaultdict[tuple[str, Kind], set[str]](set)
    for f in failures:
        touched[f.cause, f.kind].add(f.order_id)
    total = {f.order_id for f in failures}
    explained, causes = set[str](), list[Cause]()
    while touched and len(causes) < CAUSES_MAX and len(explained) < EXPLAINED_SHARE * len(total):
        best = max(touched, key=lambda c: (len(touched[c] - explained), _WEIGHTS[c[1]], c[0]))
        orders = touched.pop(best)
        if not orders - explained:
            break
        explained |= orders
        common = _common(orders, total, of_order)
        causes.append(Cause(best[0], best[1], len(orders), len(orders) / len(total), common, min(orders)))
    return tuple(causes), len(explained)


def _common(orders: set[str], total: set[str], of_order: Attributes) -> str:
    """What most of these orders have in common and the others have not."""
    for place, what in ((1, "product"), (0, "group")):
        mine = Counter(of_order[o][place] for o in orders if of_order.get(o, ("", ""))[place])
        if not mine:
            continue
        name, n = mine.most_common(1)[0]
        overall = sum(of_order.get(o, ("", ""))[place] == name for o in total)
        if n >= CONCENTRATED * len(orders) and len(orders) >= 3 and n / len(orders) > 1.5 * overall / len(total):
            return f"{n} of {len(orders)} have the {what} {name}"
    return ""


def _worst(scan: Scan, failures: Sequence[Finding], of_order: Attributes) -> tuple[Worst, ...]:
    by_order = defaultdict[str, list[Finding]](list)
    for f in failures:
        by_order[f.order_id].append(f)
    ranked = sorted(by_order, key=lambda order: (-_badness(by_order[order]), order))[:WORST_MAX]
    steps = _timelines(scan, ranked)
    return tuple(
        Worst(
            o, of_order.get(o, ("", ""))[1], of_order.get(o, ("", ""))[0], tuple(by_order[o]), tuple(steps.get(o, ()))
        )
        for o in ranked
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


def as_json(scan: Scan, summary: Summary, mapping: str) -> dict[str, Json]:
    """The documented shape: `asOf`, `orders` with their findings, `totals`, `leftOut`."""
    orders = defaultdict[str, list[Json]](list)
    for f in scan.findings:
        orders[f.order_id].append(_finding(f))
    return {
        "asOf": iso(scan.scene.as_of),
        "orders": [{"orderId": order, "findings": found} for order, found in orders.items()],
        "totals": _totals(scan, summary, mapping),
        "leftOut": [{"why": p.why, "rows": p.rows, "examples": list[Json](p.examples)} for p in scan.left_out],
    }


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
    return {name: {kind.value: n for kind, n in kinds.items()} for name, kinds in table.items()}


def _worst_json(w: Worst) -> Json:
    return {
        "orderId": w.order_id,
        "kinds": list[Json](dict.fromkeys(f.kind.value for f in w.findings)),
        "timeline": [
            {"at": iso(s.at), "what": s.what, "taskId": s.task_id or None, "group": s.team or None} for s in w.timeline
        ],
    }

"""The orders of a scan as their engine would report them, and its findings as signals about them.

The files are all that is known of these orders: the last word of a task is its state. What the file says has failed,
and nobody took up, is reported as failed; where a next try is usual, and may still come, the work is in progress.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fallsafe.analysis.brought import SAID_MAX, Found
from fallsafe.analysis.scan.find import iso
from fallsafe.analysis.scan.findings import INFORMATION, Finding, Kind
from fallsafe.analysis.scan.scan import Scan
from fallsafe.analysis.scan.words import Word
from fallsafe.core.orders.progress import Clause

BY = "scan"
FAILURES = frozenset(kind.value for kind in Kind if kind not in INFORMATION)
ORDERS_AT_ONCE = 5_000
ONE_ITEM = "1"
UNKNOWN_OFFER = "unknown"

_SAYS = {
    Word.SHIPPED: "completed",
    Word.COMPLETED: "completed",
    Word.SKIPPED: "skipped",
    Word.REJECTED: "cancelled",
    Word.CANCELLED: "cancelled",
}
_NOT_BEGUN = frozenset({Word.NOTE, Word.CREATED, Word.CONFIRMED, Word.PLANNED})
_OF_ALL = frozenset({Clause.NOTHING_SCHEDULED.value, Clause.LOOK_OVERDUE.value})
"""Clauses that are broken by no step in particular."""
_FAILED = frozenset({Word.FAILED, Word.UNKNOWN, Word.CASE_OPENED})

Row = Mapping[str, Any]
Names = Mapping[int, tuple[str, str]]
"""The item and step of each row of an order's tasks."""


class Watched:
    """The findings of a scan, of the wanted kinds, with the orders that they are about. The engine must be open."""

    def __init__(self, scan: Scan, kinds: frozenset[str]) -> None:
        self._scan = scan
        self._by_order: dict[str, list[Finding]] = {}
        for finding in scan.findings:
            if finding.kind.value in kinds:
                self._by_order.setdefault(finding.order_id, []).append(finding)
        self.found: list[Found] = []
        self._contents: dict[str, dict[str, Any]] = {}
        for row in self._rows(list(self._by_order)):
            self._take(row)
        for name in self._by_order.keys() - self._contents.keys():  # none of its times can be right
            self.found += [_found(finding, "", "") for finding in self._by_order[name]]
            self._contents[name] = {"orderId": name, "state": "in_progress", "tasks": []}

    def contents(self, orders: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What is reported of these orders, as far as the files have them."""
        names = list(orders)
        for row in self._rows([name for name in names if name not in self._contents]):
            self._take(row)
        return {name: self._contents[name] for name in names if name in self._contents}

    def _rows(self, orders: Sequence[str]) -> Iterator[Row]:
        for start in range(0, len(orders), ORDERS_AT_ONCE):
            self._scan.portions.take(orders[start : start + ORDERS_AT_ONCE])
            yield from self._scan.scene.rows("scan/watched_orders")

    def _take(self, row: Row) -> None:
        names = self._names(row["tasks"])
        findings = self._by_order.get(row["order_id"], ())
        self.found += [_found(finding, *self._place(row["tasks"], finding, names)) for finding in findings]
        self._contents[row["order_id"]] = self._content(row, findings, names)

    def _names(self, tasks: Sequence[Row]) -> dict[int, tuple[str, str]]:
        """Steps are called by the file's ids where these tell them apart, else by the kind of work."""
        ids = Counter(t["task"] for t in tasks if t["kind"])
        names = {}
        for n, task in enumerate(tasks):
            if task["kind"]:
                kind, own = self._scan.scene.meanings[task["meaning"]].name, task["task"]
                is_own = own and own != task["item"]
                step = own if is_own and ids[own] == 1 else f"{kind} {own}" if is_own else kind
                names[n] = task["item"] or ONE_ITEM, step
        return names

    def _content(self, row: Row, findings: Sequence[Finding], names: Names) -> dict[str, Any]:
        over = row["finished_at"] or row["stopped_at"]
        state = "completed" if row["finished_at"] else "cancelled" if row["stopped_at"] else "in_progress"
        products = {t["item"] or ONE_ITEM: t["product"] for t in row["tasks"]}
        order: dict[str, Any] = {
            "requestedAt": iso(row["first_at"]),
            "committedAt": iso(row["due"]),
            "items": [
                {"externalId": item, "action": "add", "offer": product or row["product"] or UNKNOWN_OFFER}
                for item, product in sorted(products.items())
            ],
        }
        tasks = [self._task(row["tasks"][n], name, state if over else "", findings) for n, name in names.items()]
        return {"orderId": row["order_id"], "state": state, "order": order, "tasks": tasks}

    def _task(self, task: Row, name: tuple[str, str], over: str, findings: Sequence[Finding]) -> dict[str, Any]:
        kind, word = self._scan.scene.meanings[task["meaning"]].name, Word(task["code"])
        told = {"item": name[0], "task": name[1], "type": kind}
        says = "completed" if word in _NOT_BEGUN and task["done_at"] is not None else _SAYS.get(word, "")
        if says:
            return told | {"state": says}
        if over:
            return told | {"state": "cancelled" if over == "cancelled" else "skipped"}
        failure = next((f for f in findings if word in _FAILED and _is_of(f, task, kind)), None)
        if failure is not None:
            code = {"code": f"{BY}.{failure.kind}", "message": failure.reason[:SAID_MAX]}
            return told | {"state": "failed"} | code
        return told | {"state": "ready" if word in _NOT_BEGUN else "in_progress"}

    def _place(self, tasks: Sequence[Row], finding: Finding, names: Names) -> tuple[str, str]:
        """The item and step that a finding is about, as the report calls them."""
        if finding.task_id is None or finding.facts.get("clause") in _OF_ALL:
            return "", ""
        kind = finding.facts.get("taskType")
        of_id = [n for n in names if tasks[n]["task"] == finding.task_id]
        exact = [n for n in of_id if kind is None or self._scan.scene.meanings[tasks[n]["meaning"]].name == kind]
        if len(exact) == 1:
            return names[exact[0]]
        items = {task["item"] for task in tasks}
        return (finding.task_id, "") if finding.task_id and finding.task_id in items else ("", "")


def _found(finding: Finding, item: str, step: str) -> Found:
    return Found(
        order_id=finding.order_id,
        kind=finding.kind.value,
        said=finding.reason[:SAID_MAX],
        since=finding.since,
        item=item,
        step=step,
        about=finding.cause,
        facts=finding.facts,
    )


def _is_of(finding: Finding, task: Row, kind: str) -> bool:
    """Whether a finding says that nobody took this failure up."""
    clause = finding.facts.get("clause")
    same = finding.task_id == task["task"] and finding.facts.get("taskType") == kind
    return finding.kind is Kind.STUCK and clause == Clause.FAILURE_WITHOUT_CASE.value and same

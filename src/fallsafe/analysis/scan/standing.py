"""Which unfinished orders have no reason to be where they are: asked of the core's own rule of progress (§15.1).

A file has no commands, cases or agenda. What it says is put into the core's terms: the last word of a task is its
state, the usual time from its beginning is its breach, and after what has happened to an order so far the usual rest is
when its next step is due. The core then says which reason holds or which clause is broken; nothing is judged here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fallsafe.analysis.scan.findings import Finding, Kind
from fallsafe.analysis.scan.learn import Learned
from fallsafe.analysis.scan.meaning import Meaning
from fallsafe.analysis.scan.words import Word
from fallsafe.core.events import Json
from fallsafe.core.orders.order import Order, OrderState, Phase
from fallsafe.core.orders.progress import Clause, Reason, Stuck, progress
from fallsafe.core.orders.task import Task, TaskState

_STATE = {
    Word.NOTE: TaskState.READY,
    Word.CREATED: TaskState.READY,
    Word.CONFIRMED: TaskState.READY,
    Word.PLANNED: TaskState.READY,
    Word.HELD: TaskState.HANDED_OVER,
    Word.STARTED: TaskState.HANDED_OVER,
    Word.WAITING: TaskState.WAITING_CALLBACK,
    Word.HELD_CUSTOMER: TaskState.READY,
    Word.HELD_OUTSIDE: TaskState.READY,
    Word.CASE_OPENED: TaskState.FAILED,
    Word.FAILED: TaskState.FAILED,
    Word.UNKNOWN: TaskState.UNKNOWN,
    Word.RETRIED: TaskState.HANDED_OVER,
    Word.CASE_CLOSED: TaskState.READY,
    Word.SHIPPED: TaskState.COMPLETED,
    Word.COMPLETED: TaskState.COMPLETED,
    Word.SKIPPED: TaskState.SKIPPED,
    Word.REJECTED: TaskState.FAILED,
    Word.CANCELLED: TaskState.CANCELLED,
    Word.REOPENED: TaskState.HANDED_OVER,
}
"""The state of a task after its last word, as far as progress is concerned."""
_WAITS = {Word.HELD_CUSTOMER: "customer", Word.HELD_OUTSIDE: "supplier"}
_FAILED = frozenset({TaskState.FAILED, TaskState.UNKNOWN})
AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case that the file says is open."""

    id: int
    code: str
    task_id: int | None
    item_id: int | None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An unfinished order as the files have it; `tasks` are rows of the statement `scan/open_orders`."""

    order_id: str
    last_at: datetime
    rests_since: datetime | None
    mask: int
    meaning: int
    until: datetime | None
    tasks: Sequence[Mapping[str, Any]]

    @property
    def told(self) -> Sequence[Mapping[str, Any]]:
        """The same with the order's own state last: its work says more of why it stands still."""
        return sorted(self.tasks, key=lambda row: not row["kind"])


class Standing:
    """Judges unfinished orders against what was learned."""

    def __init__(self, learned: Learned, meanings: Sequence[Meaning], as_of: datetime) -> None:
        self._learned, self._meanings, self._as_of = learned, meanings, as_of
        self.unjudged = 0  # orders for which nothing was learned that could say how long is too long

    def stuck(self, orders: Iterable[OpenOrder]) -> Iterator[Finding]:
        """A finding for every order whose progress the core finds broken."""
        for order in orders:
            judged = self._judge(order)
            if isinstance(judged, Stuck):
                yield self._found(order, judged)

    def _judge(self, order: OpenOrder) -> Reason | Stuck:
        silent_until = self._silent_until(order)
        rested = silent_until is not None and silent_until < self._as_of
        tasks = [self._task(n, t, order, rested) for n, t in enumerate(order.told, 1)]
        cases = [OpenCase(t.id, "", t.id, None) for t, row in zip(tasks, order.told, strict=True) if _case_open(row)]
        due = max((d for d in (silent_until, order.until) if d is not None), default=None)
        if due is None:
            self.unjudged += 1
        look = self._as_of if due is None else due if due >= self._as_of else None
        return progress(_ORDER, tasks, (), cases, look, self._as_of, recent=AT_ONCE, lag=AT_ONCE)

    def _silent_until(self, order: OpenOrder) -> datetime | None:
        """Until when silence is usual after what has happened so far; None where nothing was learned."""
        usual = self._learned.steps.get(order.mask)
        if usual is None or usual.n < 20:
            usual = self._learned.words.get(order.meaning)
        return order.last_at + usual.breach if usual is not None else None

    def _task(self, n: int, row: Mapping[str, Any], order: OpenOrder, rested: bool) -> Task:
        word = Word(row["code"])
        state = _STATE[word]
        if state in _FAILED and not rested and self._silent_until(order) is not None:
            state = TaskState.PARKED  # a next try is usual and still may come
        usual = self._learned.durations.get(row["kind"])
        began = row["worked_at"] or row["at"]
        if usual is not None and word is not Word.HELD:
            breach: datetime | None = began + usual.breach
        else:
            breach = self._silent_until(order)
        party = _WAITS.get(word)
        return Task(
            n, 1, 0, row["task"], "", "", "", "command", True, state, 0, (), (), "", "", None, began, None,
            row["done_at"], None, None, breach, None, "", None, {"for": party} if party else None, None,
        )  # fmt: skip

    def _found(self, order: OpenOrder, stuck: Stuck) -> Finding:
        row = order.told[stuck.task_id - 1] if stuck.task_id is not None else order.tasks[-1]
        meaning = self._meanings[row["meaning"]]
        since = row["at"] if stuck.task_id is not None else order.last_at
        reason, unblock = _sentences(stuck.clause, meaning, since)
        silent = self._as_of - since
        facts: dict[str, Json] = {
            "clause": stuck.clause.value,
            "unblock": unblock,
            "lastEvent": meaning.said,
            "taskType": meaning.name,
            "silentSeconds": int(silent.total_seconds()),
        }
        usual = self._learned.durations.get(row["kind"]) if stuck.clause is Clause.PAST_BREACH else None
        usual = usual or self._learned.steps.get(order.mask) or self._learned.words.get(order.meaning)
        if usual is not None:
            facts |= {
                "usualSeconds": round(usual.median.total_seconds(), 3),
                "limitSeconds": int(usual.breach.total_seconds()),
            }
        task = row["task"] if meaning.kind else None
        return Finding(order.order_id, Kind.STUCK, since, task, reason, facts, f"stuck after {meaning.said}")


def _sentences(clause: Clause, last: Meaning, since: datetime) -> tuple[str, str]:
    """What is wrong and what would unblock it, in the words of the file."""
    day = f"{since:%Y-%m-%d %H:%M}"
    name = last.name if last.kind else "the order"
    match clause:
        case Clause.PAST_BREACH:
            return (
                f"{last.said} since {day}, longer than that ever usually takes",
                f"find out what became of {name}",
            )
        case Clause.FAILURE_WITHOUT_CASE:
            return f"{last.said} since {day}, and nobody took it up", f"give the failure of {name} an owner"
        case Clause.DEPENDENCY_DONE:
            return f"all that {name} waits for is done, and it still waits since {day}", f"release {name}"
        case Clause.NOTHING_SCHEDULED | Clause.LOOK_OVERDUE:
            why = f"nothing has happened since {last.said} at {day}, and nothing is under way"
            return why, f"start the step that usually follows {last.said}"


def _case_open(row: Mapping[str, Any]) -> bool:
    opened, closed = row["case_at"], row["case_closed_at"]
    return opened is not None and (closed is None or closed < opened)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER = Order(
    1, "", "", Phase.RUNNING, OrderState.IN_PROGRESS, 1, _EPOCH, _EPOCH, "", "UTC", "", "", 0, False, False, "", "", "",
    None, None, None, None, None, None, None, "", None, None, None, None, "", "", None, 0, 0, "",
)  # fmt: skip
"""An order of which progress only asks whether it is final: it is not."""

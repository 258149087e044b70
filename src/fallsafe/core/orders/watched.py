"""Orders that another engine executes: it reports where they stand, and we watch (§6, model rule 3).

The engine's word on its own task wins, also backwards, in the order of its revisions (else of its times). A report may
come late, twice, or before an earlier one: what is older than what is known moves nothing, and two different words
under one revision are a contradiction that a person must see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.events import Json
from fallsafe.core.orders.draft import OrderDraft, instant, order_draft
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState

EXTERNAL = "external"
WHOLE = "fulfill"
"""The step of an item whose engine tells of no steps: the item as a whole."""

# What an engine may say of a step or of an order as a whole, and what that makes of a step.
WORDS: Mapping[str, TaskState] = {
    "acknowledged": TaskState.PLANNED,
    "planned": TaskState.PLANNED,
    "ready": TaskState.READY,
    "in_progress": TaskState.HANDED_OVER,
    "held": TaskState.HANDED_OVER,
    "completed": TaskState.COMPLETED,
    "failed": TaskState.FAILED,
    "skipped": TaskState.SKIPPED,
    "cancelled": TaskState.CANCELLED,
}
# What an engine may be told to do with a step, and the states in which that makes sense.
LIVE = frozenset(TaskState) - FINAL_TASK_STATES
VERBS: Mapping[str, frozenset[TaskState]] = {
    "resume": frozenset({TaskState.PLANNED, TaskState.READY, TaskState.HANDED_OVER, TaskState.FAILED}),
    "retry": frozenset({TaskState.FAILED}),
    "skip": LIVE,
    "cancel": LIVE,
}
AGREED = ("skip", "cancel")
"""What leaves a step out, so that a second person agrees to it: by the repair action SKIP_TASK."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a word stands among the words of its engine: its revision, and its time (UTC) by the engine's clock.
    `event_id` is the report that has it.
    """

    revision: int | None
    at: datetime | None
    event_id: str = ""

    def newer_than(self, other: "Mark | None") -> bool | None:
        """Whether this word was spoken after the other; None when they are one and the same moment.

        By revision where both have one, else by time; where they have nothing in common, by when it came.
        """
        if other is None:
            return True
        if self.revision is not None and other.revision is not None:
            return None if self.revision == other.revision else self.revision > other.revision
        if self.at is None or other.at is None:
            return True
        return None if self.at == other.at else self.at > other.at

    def told(self, word: str) -> Json:
        """As it is kept beside what it says."""
        at = self.at.isoformat() if self.at else None
        return {"revision": self.revision, "at": at, "state": word, "eventId": self.event_id}


def mark_of(reported: Json) -> Mark | None:
    """The mark of what was last said, as it is kept."""
    if not isinstance(reported, Mapping):
        return None
    revision, at = reported.get("revision"), reported.get("at")
    return Mark(
        revision if isinstance(revision, int) else None,
        datetime.fromisoformat(at) if isinstance(at, str) else None,
        str(reported.get("eventId", "")),
    )


class Reading(StrEnum):
    """How a word is read against what is known."""

    MOVES = "moves"
    GOES_BACK = "goes_back"  # it moves as well, and takes back what was final
    CONFIRMS = "confirms"  # spoken later, and the same
    SAME = "same"  # once more
    LATE = "late"  # older than what is known: kept, nothing moves
    CONTRADICTS = "contradicts"  # under the same mark something else: kept, nothing moves


def read(state: TaskState, known: Mark | None, says: TaskState, mark: Mark) -> Reading:
    """How a word about a task is read, from the state that it has and the mark of what was last said of it."""
    newer = mark.newer_than(known)
    if newer is False:
        return Reading.LATE
    if newer is None:
        return Reading.SAME if says is state else Reading.CONTRADICTS
    if says is state:
        return Reading.CONFIRMS
    return Reading.GOES_BACK if state in FINAL_TASK_STATES else Reading.MOVES


@dataclass(frozen=True, slots=True)
class TaskWord:
    """What a report says of one step. `item` is the external id of its item (empty = the first), `depends_on` are
    (item, step); `due_at` is until when the engine wants to have done it.
    """

    item: str
    step: str
    type: str
    system: str
    operation: str
    word: str
    mandatory: bool
    depends_on: tuple[tuple[str, str], ...]
    mark: Mark
    due_at: datetime | None
    reference: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ReportDraft:
    """One report about one order of an engine. `word` is its word on the order as a whole (empty = none), `content` the
    order as it was agreed, where the report has it.
    """

    source: str
    event_id: str
    external_id: str
    mark: Mark
    word: str
    content: OrderDraft | None
    tasks: tuple[TaskWord, ...]

    @property
    def name(self) -> tuple[str, str]:
        """What makes it unique, for life."""
        return self.source, self.event_id


def report_draft(source: str, told: Mapping[str, Json]) -> ReportDraft:
    """The draft of a report that a door has found to be of the right shape."""
    external_id, mark = str(told["orderId"]), _mark(told, Mark(None, None, str(told["eventId"])))
    order, tasks = told.get("order"), told.get("tasks")
    named = {"source": source, "externalId": external_id}
    return ReportDraft(
        source=source,
        event_id=str(told["eventId"]),
        external_id=external_id,
        mark=mark,
        word=str(told.get("state", "")),
        content=order_draft({**order, **named}, b"") if isinstance(order, Mapping) else None,
        tasks=tuple(_task_word(t, mark) for t in tasks if isinstance(t, Mapping)) if isinstance(tasks, list) else (),
    )


def _mark(told: Mapping[str, Json], otherwise: Mark) -> Mark:
    revision, said = told.get("revision"), told.get("at")
    if revision is None and said is None:
        return otherwise
    at = instant(said) if isinstance(said, str) else None
    return Mark(revision if isinstance(revision, int) else None, at, otherwise.event_id)


def _task_word(told: Mapping[str, Json], mark: Mark) -> TaskWord:
    waits, due = told.get("dependsOn"), told.get("dueAt")
    item = str(told.get("item", ""))
    return TaskWord(
        item=item,
        step=str(told["task"]),
        type=str(told.get("type", "")),
        system=str(told.get("system", "")),
        operation=str(told.get("operation", "")),
        word=str(told["state"]),
        mandatory=told.get("mandatory", True) is True,
        depends_on=tuple(
            (str(w.get("item", item)), str(w["task"])) for w in waits if isinstance(w, Mapping)
        ) if isinstance(waits, list) else (),
        mark=_mark(told, mark),
        due_at=instant(due) if isinstance(due, str) else None,
        reference=str(told.get("reference", "")),
        code=str(told.get("code", "")),
        message=str(told.get("message", "")),
    )  # fmt: skip


def is_watched(task: Task) -> bool:
    """Whether another engine executes a task."""
    return task.executor == EXTERNAL

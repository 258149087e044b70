"""The plan of an order as a drawing: a box for each task, where it stands, what the failure blocks, and the lines
between them.

A plan larger than `BOXES_MAX` is drawn around its failing task.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.store.ids import outside
from fallsafe.workbench.layout import BOX_HEIGHT, BOX_WIDTH, COLUMN_GAP, Layout, arrange
from fallsafe.workbench.words import TASK_WORDS, clock, lowered, words

BOXES_MAX = 60
TITLE_LETTERS_MAX = 22
NOTE_LETTERS_MAX = 24

KIND_OF = {
    TaskState.COMPLETED: "done",
    TaskState.SKIPPED: "left",
    TaskState.CANCELLED: "left",
    TaskState.UNDONE: "left",
    TaskState.UNKNOWN: "unknown",
    TaskState.UNDO_UNKNOWN: "unknown",
    TaskState.FAILED: "failed",
    TaskState.UNDO_FAILED: "failed",
    TaskState.PLANNED: "waiting",
    TaskState.PARKED: "waiting",
}
LEGEND = (
    ("done", "done"),
    ("unknown", "unknown"),
    ("failed", "failed"),
    ("moving", "moving"),
    ("waiting", "waiting"),
    ("blocked", "blocked"),
    ("left", "left out"),
)


@dataclass(frozen=True, slots=True)
class Box:
    """A task in the drawing: its corner, what it is called, its note (cut, and whole), and `kind`: done, unknown,
    failed, moving, waiting, blocked, left.
    """

    id: str
    title: str
    full_title: str
    note: str
    full_note: str
    kind: str
    x: float
    y: float
    failing: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A dependency: an SVG path and the kind of where it comes from (done, unknown, …)."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it. `left_out` counts tasks that are not drawn."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: int
    height: int
    legend: tuple[tuple[str, str], ...]
    left_out: int


def blocked_by(tasks: Iterable[Task], failing: Iterable[int]) -> dict[int, int]:
    """For each task that cannot start, the failing task that is nearest before it (§15.1)."""
    by_id = {t.id: t for t in tasks}
    cause: dict[int, int] = {}
    front = [(root, root) for root in failing if root in by_id and by_id[root].state not in FINAL_TASK_STATES]
    while front:
        root, at = front.pop(0)
        for after in by_id[at].next:
            task = by_id.get(after)
            if task is not None and after not in cause and task.state is TaskState.PLANNED:
                cause[after] = root
                front.append((root, after))
    return cause


def draw(tasks: Sequence[Task], policy: PolicySet, failing: Sequence[int], now: datetime) -> Drawing:
    """The drawing of a plan. `failing` are the tasks of open cases, the first of them the one the page is about."""
    titles = {t.id: title_of(t, policy) for t in tasks}
    cause = blocked_by(tasks, failing)
    shown = around(tasks, failing, BOXES_MAX)
    by_id = {t.id: t for t in shown}
    edges = [(before, t.id) for t in shown for before in t.depends_on if before in by_id]
    layout = arrange([t.id for t in shown], edges)
    kinds = {t.id: _kind(t, cause) for t in tasks}
    boxes = tuple(_box(t, titles, kinds[t.id], cause, layout, t.id in failing, now) for t in shown)
    lines = tuple(Line(_path(layout, a, b), kinds[a]) for a, b in edges)
    counts = {kind: sum(1 for k in kinds.values() if k == kind) for kind, _ in LEGEND}
    legend = tuple((kind, f"{counts[kind]} {word}") for kind, word in LEGEND if counts[kind])
    return Drawing(boxes, lines, round(layout.width), round(layout.height), legend, len(tasks) - len(shown))


def title_of(task: Task, policy: PolicySet) -> str:
    """What a task is called."""
    kind = policy.task_types.get(task.type)
    return kind.title if kind else words(task.step)


def around(tasks: Sequence[Task], failing: Sequence[int], tasks_max: int) -> list[Task]:
    """At most `tasks_max` tasks: those nearest to the failing ones, in the order of the plan."""
    if len(tasks) <= tasks_max:
        return list(tasks)
    by_id = {t.id: t for t in tasks}
    front = [t for t in failing if t in by_id] or [tasks[0].id]
    near = dict.fromkeys(front)
    while front and len(near) < tasks_max:
        task = by_id[front.pop(0)]
        for other in (*task.depends_on, *task.next):
            if other in by_id and other not in near and len(near) < tasks_max:
                near[other] = None
                front.append(other)
    return [t for t in tasks if t.id in near]


def _kind(task: Task, cause: Mapping[int, int]) -> str:
    return "blocked" if task.id in cause else KIND_OF.get(task.state, "moving")


def _box(
    task: Task,
    titles: Mapping[int, str],
    kind: str,
    cause: Mapping[int, int],
    layout: Layout,
    failing: bool,
    now: datetime,
) -> Box:
    x, y = layout.centers[task.id]
    note = _note(task, kind, titles.get(cause.get(task.id, 0), ""), now)
    return Box(
        outside("task", task.id),
        _cut(titles[task.id], TITLE_LETTERS_MAX),
        titles[task.id],
        _cut(note, NOTE_LETTERS_MAX),
        note,
        kind,
        round(x - BOX_WIDTH / 2, 1),
        round(y - BOX_HEIGHT / 2, 1),
        failing,
    )


def _note(task: Task, kind: str, cause: str, now: datetime) -> str:
    if kind == "blocked":
        return f"Blocked by {lowered(cause)}"
    if kind == "done" and task.completed_at is not None:
        return f"Done {clock(task.completed_at, now)}"
    if task.state is TaskState.PLANNED:
        return f"Waits for {task.pending} {'task' if task.pending == 1 else 'tasks'}"
    return words(task.state, TASK_WORDS)


def _cut(text: str, letters_max: int) -> str:
    return text if len(text) <= letters_max else text[: letters_max - 1].rstrip() + "…"


def _path(layout: Layout, a: int, b: int) -> str:
    """A line from the right side of one box to the left side of another, level through the columns that it crosses."""
    (ax, ay), (bx, by) = layout.centers[a], layout.centers[b]
    half = BOX_WIDTH / 2
    points = [(ax + half, ay)]
    for x, y in layout.ways[a, b]:
        points += [(x - half, y), (x + half, y)]
    points.append((bx - half - 3, by))
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for (x1, y1), (x2, y2) in pairwise(points):
        bend = min(COLUMN_GAP / 2, (x2 - x1) / 2)
        parts.append(
            f"H{x2:.1f}"
            if abs(y1 - y2) < 0.5
            else f"C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        )
    return "".join(parts)

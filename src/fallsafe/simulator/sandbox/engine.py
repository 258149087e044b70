"""A small order engine of its own: it takes orders, works on their steps, fails where it is told to, reports each
change under a growing revision, and does what it is told with a step: resume, retry, skip, cancel.

Its orders and all that became of them stand in `orders.jsonl`, from which it is rebuilt. Nothing here waits or speaks:
`advance` lets happen what is due, `untold` is what still has to be reported.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from fallsafe.core.events import Json
from fallsafe.simulator.sandbox.disk import ORDERS, BrokenFile, Disk, Line, read_lines
from fallsafe.simulator.sandbox.truth import Held, stamp

CODE = "ENG"
REPORT = "ENG.report"
OVER = frozenset({"completed", "skipped", "cancelled"})
DONE = frozenset({"completed", "skipped"})
STEPS_MAX = 200


class WrongOrder(Exception):
    """An order that the engine cannot take: says where, and what would be right."""


@dataclass(slots=True)
class Step:
    """One step of an order: after which steps it begins, how long it takes, how often it will still fail."""

    step: str
    item: str
    after: tuple[str, ...]
    seconds: float
    fails: int
    code: str
    state: str = "planned"
    ends_at: float = 0.0


@dataclass(slots=True)
class Work:
    """One order of the engine. `agreed` is what a report says of its content."""

    order_id: str
    agreed: Mapping[str, Json]
    steps: list[Step]
    revision: int = 0

    @property
    def word(self) -> str:
        """The engine's word on the order as a whole."""
        states = {step.state for step in self.steps}
        if states <= OVER:
            return "cancelled" if states == {"cancelled"} else "completed"
        return "held" if "failed" in states and not states & {"in_progress"} else "in_progress"


@dataclass(frozen=True, slots=True)
class Report:
    """One report that has to be told: its event id, the order, and its JSON."""

    event_id: str
    order_id: str
    told: Mapping[str, Json]


@dataclass(slots=True)
class Engine:
    """The engine of one process over its disk. `clock` gives epoch seconds."""

    disk: Disk
    clock: Callable[[], float]
    works: dict[str, Work] = field(default_factory=dict)
    untold: dict[str, Report] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in read_lines(self.disk.folder / ORDERS):
            self._replay(line)

    # -- what happens ---------------------------------------------------------------------------------------------

    def take(self, told: Json) -> Work:
        """Takes an order on. Raises `WrongOrder`; one that is known already is not taken again."""
        work = work_of(told)
        known = self.works.get(work.order_id)
        if known is not None:
            return known
        self.disk.append(ORDERS, {"what": "order", "order": told, "at": stamp(self.clock())})
        self.works[work.order_id] = work
        self._begin(work, work.steps)
        return work

    def advance(self) -> None:
        """Lets happen whatever is due."""
        now = self.clock()
        for work in self.works.values():
            ended = [s for s in work.steps if s.state == "in_progress" and s.ends_at <= now]
            for step in ended:
                step.state = "failed" if step.fails else "completed"
                step.fails = max(0, step.fails - 1)
            if ended:
                self._begin(work, ended)

    def next_at(self) -> float | None:
        """When something is due next (epoch seconds)."""
        return min(
            (s.ends_at for work in self.works.values() for s in work.steps if s.state == "in_progress"), default=None
        )

    def steer(self, held: Held) -> None:
        """Does what a word asks for, where it can be done; the report says what came of it."""
        verb, name = str(held.asked.fields.get("verb")), str(held.asked.fields.get("step"))
        _, order_id, item = (*held.asked.object.split("/", 2), "", "")[:3]
        work = self.works.get(order_id)
        step = next((s for s in work.steps if (s.step, s.item) == (name, item)), None) if work else None
        if work is None or step is None or step.state in OVER:
            return
        if verb in ("resume", "retry"):
            if step.state != "failed":
                return
            step.state, step.ends_at = "in_progress", self.clock() + step.seconds
        else:
            step.state = "skipped" if verb == "skip" else "cancelled"
        self._begin(work, [step])

    def _begin(self, work: Work, changed: list[Step]) -> None:
        """Begins what need not wait any more, cancels what waits in vain, and writes down a report of all that
        changed.
        """
        while waiting := [step for step in work.steps if step.state == "planned" and _state_of(work, step)]:
            for step in waiting:
                step.state, step.ends_at = _state_of(work, step), self.clock() + step.seconds
                changed = changed if step in changed else [*changed, step]
        work.revision += 1
        report = self._report(work, changed)
        self.untold[report.event_id] = report
        moved: Json = [_moved(step) for step in work.steps]
        line: Line = {"what": "moved", "order": work.order_id, "revision": work.revision, "steps": moved}
        self.disk.append(ORDERS, {**line, "report": cast(Json, report.told)})

    def _report(self, work: Work, changed: list[Step]) -> Report:
        event_id = f"{work.order_id}/{work.revision}"
        told: dict[str, Json] = {
            "eventId": event_id, "orderId": work.order_id, "revision": work.revision, "at": stamp(self.clock()),
            "state": work.word, "tasks": [_told(work, step) for step in changed],
        }  # fmt: skip
        if work.revision == 1:
            told["order"] = work.agreed
        return Report(event_id, work.order_id, told)

    def told(self, report: Report) -> None:
        """A report was heard."""
        self.untold.pop(report.event_id, None)
        self.disk.append(ORDERS, {"what": "told", "order": report.order_id, "event": report.event_id})

    def whole(self, order_id: str, event_id: str) -> Report:
        """A report of everything about an order, as it stands: for whoever has lost what was told before."""
        work = self.works[order_id]
        told = dict(self._report(work, work.steps).told) | {"eventId": event_id, "order": work.agreed}
        return Report(event_id, order_id, told)

    # -- after a restart ------------------------------------------------------------------------------------------

    def _replay(self, line: Line) -> None:
        match str(line["what"]):
            case "order":
                work = work_of(line["order"])
                self.works[work.order_id] = work
            case "moved":
                self._replay_move(line)
            case "told":
                self.untold.pop(str(line["event"]), None)
            case other:
                raise BrokenFile(f"{self.disk.folder / ORDERS}: a line of the unknown kind {other!r}")

    def _replay_move(self, line: Line) -> None:
        work, told = self.works[str(line["order"])], cast(Mapping[str, Json], line["report"])
        work.revision = int(cast(int, line["revision"]))
        moved = {(str(m["step"]), str(m["item"])): m for m in cast(list[Mapping[str, Json]], line["steps"])}
        for n, step in enumerate(work.steps):
            at = moved[step.step, step.item]
            ends = float(cast(float, at["endsAt"]))
            work.steps[n] = replace(step, state=str(at["state"]), ends_at=ends, fails=int(cast(int, at["fails"])))
        event_id = str(told["eventId"])
        self.untold[event_id] = Report(event_id, work.order_id, told)


def _state_of(work: Work, step: Step) -> str:
    """What becomes of a step that waits; empty while it waits."""
    before = [other.state for other in work.steps if other.step in step.after]
    if "cancelled" in before:
        return "cancelled"
    return "in_progress" if all(state in DONE for state in before) else ""


def _moved(step: Step) -> dict[str, Json]:
    at: dict[str, Json] = {"step": step.step, "item": step.item, "state": step.state}
    return at | {"endsAt": step.ends_at, "fails": step.fails}


def _told(work: Work, step: Step) -> dict[str, Json]:
    items = {s.step: s.item for s in work.steps}
    waits: list[Json] = [{"task": name, "item": items[name]} for name in step.after if name in items]
    said: dict[str, Json] = {"task": step.step, "item": step.item, "state": step.state, "dependsOn": waits}
    return said | ({"code": step.code, "message": f"{step.step} did not work"} if step.state == "failed" else {})


def work_of(told: Json) -> Work:
    """An order as it is handed to the engine. Raises `WrongOrder`."""
    if not isinstance(told, Mapping) or not isinstance(told.get("orderId"), str):
        raise WrongOrder("/orderId: an order has a name")
    steps = told.get("steps")
    if not isinstance(steps, list) or not 1 <= len(steps) <= STEPS_MAX:
        raise WrongOrder(f"/steps: 1 to {STEPS_MAX} steps")
    items = told.get("items")
    agreed: dict[str, Json] = {
        name: told[name] for name in ("customerRef", "committedAt", "segment", "correlationId") if name in told
    }
    named = list(dict.fromkeys(step.item for step in _steps(steps)))
    agreed["items"] = (
        items if isinstance(items, list) else [{"externalId": n, "action": "add", "offer": n} for n in named]
    )
    return Work(str(told["orderId"]), agreed, list(_steps(steps)))


def _steps(steps: list[Json]) -> Iterator[Step]:
    for n, told in enumerate(steps):
        if not isinstance(told, Mapping) or not isinstance(told.get("step"), str):
            raise WrongOrder(f"/steps/{n}/step: a step has a name")
        after, seconds, fails = told.get("after", []), told.get("seconds", 0.0), told.get("fails", 0)
        yield Step(
            step=str(told["step"]),
            item=str(told.get("item", "1")),
            after=tuple(str(a) for a in after) if isinstance(after, list) else (),
            seconds=float(seconds) if isinstance(seconds, int | float) else 0.0,
            fails=fails if isinstance(fails, int) else 0,
            code=str(told.get("code", "PORT_FAULT")),
        )

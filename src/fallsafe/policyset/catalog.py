"""Reads task types, offers, plan templates, undo and teams: what an order becomes, and whose each part is (§4, §13.2,
§16).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fallsafe.core.commands.contract import Operation
from fallsafe.core.events import Json
from fallsafe.core.orders.intake import find_circle
from fallsafe.core.orders.plan import PlanStep, PlanTemplate
from fallsafe.core.orders.task import CUT_OFF, TaskType
from fallsafe.core.orders.windows import Hours
from fallsafe.core.policy.policy_set import Offer, OwnerGroup
from fallsafe.core.triage.taxonomy import UndoRow
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part
from fallsafe.policyset.templates import Hole, alone

NONE = "none"
ANCHORS = ("ready", "sent", "accepted")
RENEWED_EARLY = 10
"""An effect is looked at when this part of its life is left, where nothing says how long before it lapses."""
COMMAND = "command"
UNDO_COLUMNS = ("system", "operation", "risk", "possible_while", "effect", "proof")

Operations = Mapping[str, Operation]
Undo = Mapping[str, UndoRow]
Plans = Mapping[tuple[str, str], PlanTemplate]


def task_types(part: Part, operations: Operations, undo: Undo, findings: Findings) -> dict[str, TaskType]:
    """The task types by name. An effect that can neither be undone nor is past return is a problem."""
    dates = {name: dated(below, findings) for name, below in part.at("dates").entries()}
    types = {
        name: _task_type(name, below, operations, undo, dates, findings)
        for name, below in part.at("task_types").entries()
    }
    for below in part.at("task_types").each():
        if below.at("renew").value is not None:
            findings.name(below.at("renew"), "task type", types)
            if below.at("valid").value is None:
                findings.add(below.at("renew"), "what never lapses is renewed", "say how long it is `valid`")
    return types


@dataclass(frozen=True, slots=True)
class DateOf:
    """A date of the world outside: the first of some facts of an order that is there, as RFC 3339."""

    hole: Hole

    def __call__(self, facts: Mapping[str, Json]) -> datetime | None:
        value = self.hole.fill(facts)
        try:
            at = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            return None
        return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at


def dated(part: Part, findings: Findings) -> DateOf | None:
    """A date from facts; None for the next cut-off, and where time is scaled, since dates outside are not."""
    if part.text() == CUT_OFF:
        return None
    made = alone(part, findings)
    return DateOf(made) if made is not None and findings.time_scale == 1 else None


def _task_type(
    name: str, part: Part, operations: Operations, undo: Undo, dates: Mapping[str, DateOf | None], findings: Findings
) -> TaskType:
    executor = part.at("executor").text(COMMAND)
    operation = _operation(part, executor, operations, findings)
    if operation in operations and operations[operation].effect:
        _can_be_undone(part, undo, findings)
    expected, warning, breach = (findings.duration(part.at(when)) for when in ("expected", "warning", "breach"))
    if not expected <= warning <= breach:
        findings.add(part.at("warning"), "the times do not grow", "expected is the shortest, breach the longest")
    valid, anchor, ponr_from = part.at("valid"), part.at("from"), part.at("ponr_from")
    findings.name(anchor, "moment", ANCHORS, *dates)
    if ponr_from.value is not None:
        findings.name(ponr_from.at("date"), "date", dates)
    lasts = None if valid.value is None else findings.duration(valid, timedelta(seconds=1))
    early = part.at("renew_before")
    return TaskType(
        name=name,
        title=part.at("title").text(),
        system=operation.partition(".")[0],
        operation=operation,
        executor=executor,
        anchor=anchor.text(),
        expected=expected,
        warning=warning,
        breach=breach,
        at_breach=part.at("at_breach").text(),
        undo="" if part.at("undo").text() == NONE else part.at("undo").text(),
        ponr=part.at("ponr").text(),
        valid=lasts,
        owner=part.at("owner").text(),
        dated=dates.get(anchor.text()),
        ponr_dated=dates.get(ponr_from.at("date").text()),
        ponr_before=timedelta(0) if ponr_from.at("before").value is None else findings.duration(ponr_from.at("before")),
        renew=part.at("renew").text(),
        renew_before=findings.duration(early) if early.value is not None else (lasts or timedelta(0)) / RENEWED_EARLY,
    )


def _operation(part: Part, executor: str, operations: Operations, findings: Findings) -> str:
    """What a task asks of which system; people are asked for nothing."""
    named = part.at("operation")
    if executor == COMMAND and named.value is None:
        findings.add(part, "no operation does it", "name its `operation`, or say `executor: manual`")
        return ""
    if executor != COMMAND:
        if named.value is not None:
            findings.add(named, "people do it, and an operation is named", "leave out one of the two")
        return ""
    return findings.name(named, "operation", operations)


def _can_be_undone(part: Part, undo: Undo, findings: Findings) -> None:
    if part.at("undo").text(NONE) != NONE:
        findings.name(part.at("undo"), "undo", undo)
    elif part.at("ponr").text() != "hard":
        right = "name its `undo`, or say `ponr: hard` if nothing leads back"
        findings.add(part, "an effect that has no undo and no point of no return", right)


def undo_rows(part: Part, findings: Findings) -> dict[str, UndoRow]:
    """The ways to undo an effect, by name."""
    rows = {
        name: UndoRow(name, *(below.at(column).text() for column in UNDO_COLUMNS))
        for name, below in part.at("undo").entries()
    }
    for name, row in rows.items():
        if row.operation.partition(".")[0] != row.system:
            place = part.at("undo").at(name).at("operation")
            findings.add(place, f"{row.operation} is no operation of {row.system}", f"write {row.system}.<verb>")
    return rows


def offers(part: Part) -> dict[str, Offer]:
    """The offers by code."""
    return {
        code: Offer(code, below.at("title").text(), below.at("retired").flag())
        for code, below in part.at("offers").entries()
    }


def owners(part: Part, calendars: Mapping[str, Hours], findings: Findings) -> dict[str, OwnerGroup]:
    """The teams by code."""
    columns = ("title", "works_on", "escalates_to", "calendar", "after_hours")
    for below in part.at("groups").each():
        findings.name(below.at("calendar"), "calendar", calendars)
    return {
        code: OwnerGroup(code, *(below.at(key).text() for key in columns))
        for code, below in part.at("groups").entries()
    }


def plans(
    part: Part, sold: Mapping[str, Offer], types: Mapping[str, TaskType], findings: Findings
) -> dict[tuple[str, str], PlanTemplate]:
    """The plan templates by offer and action. Unknown names, steps that stand twice and circles are problems."""
    built: dict[tuple[str, str], PlanTemplate] = {}
    places: dict[tuple[str, str], Part] = {}
    for below in part.at("plans").each():
        offer, action = findings.name(below.at("offer"), "offer", sold), below.at("action").text()
        if (offer, action) in built:
            first = places[offer, action].line
            findings.add(below, f"{action} of {offer} has two plans", f"keep one (the first is in line {first})")
        built[offer, action] = _plan(offer, action, below, types, findings)
        places[offer, action] = below
    _steps_exist(built, places, findings)
    _no_circle(built, places, findings)
    return built


def _plan(offer: str, action: str, part: Part, types: Mapping[str, TaskType], findings: Findings) -> PlanTemplate:
    steps: list[PlanStep] = []
    across: dict[str, tuple[tuple[str, str], ...]] = {}
    for below in part.at("steps").each():
        step = PlanStep(
            step=below.at("step").text(),
            task_type=findings.name(below.at("task_type"), "task type", types),
            after=below.at("after").texts(),
            mandatory=below.at("mandatory").flag(default=True),
        )
        if any(other.step == step.step for other in steps):
            findings.add(below.at("step"), f"step {step.step!r} stands twice", "a step has a name of its own")
        steps.append(step)
        if below.at("after_items").value:
            across[step.step] = tuple(
                (o.at("offer").text(), o.at("step").text()) for o in below.at("after_items").each()
            )
    return PlanTemplate(offer, action, tuple(steps), across)


def _steps_exist(built: Plans, places: Mapping[tuple[str, str], Part], findings: Findings) -> None:
    steps_of: dict[str, set[str]] = {}
    for plan in built.values():
        steps_of.setdefault(plan.offer, set()).update(step.step for step in plan.steps)
    for key, plan in built.items():
        own = frozenset(step.step for step in plan.steps)
        for step in places[key].at("steps").each():
            for before in step.at("after").each():
                findings.name(before, f"step of {plan.offer}", own)
            for other in step.at("after_items").each():
                offer = other.at("offer").text()
                findings.name(other.at("step"), f"step of {offer}", frozenset(steps_of.get(offer, ())))


def _no_circle(built: Plans, places: Mapping[tuple[str, str], Part], findings: Findings) -> None:
    """A step of another item is looked for in each plan of its offer: an order may have any of its actions."""
    has: dict[tuple[str, str], list[str]] = {}
    for (offer, action), plan in built.items():
        for step in plan.steps:
            has.setdefault((offer, step.step), []).append(f"{offer}.{action}.{step.step}")
    before: dict[str, list[str]] = {}
    where: dict[str, Part] = {}
    for (offer, action), plan in built.items():
        for position, step in enumerate(plan.steps):
            node = f"{offer}.{action}.{step.step}"
            own = [f"{offer}.{action}.{name}" for name in step.after]
            others = [other for named in plan.after_items.get(step.step, ()) for other in has.get(named, ())]
            before[node] = own + others
            where[node] = places[offer, action].at("steps").at(position)
    circle = find_circle(before)
    if circle:
        names = " waits for ".join([*circle, circle[0]])
        findings.add(where[circle[0]], f"steps in a circle: {names}", "take one `after` or `after_items` away")

"""Reads task types, offers, plan templates, undo and teams: what an order becomes, and whose each part is (§4, §13.2, §16)."""

from collections.abc import Mapping
from datetime import timedelta

from fallsafe.core.commands.contract import Operation
from fallsafe.core.orders.plan import PlanStep, PlanTemplate
from fallsafe.core.orders.task import TaskType
from fallsafe.core.policy.policy_set import Offer, OwnerGroup
from fallsafe.core.triage.taxonomy import UndoRow
from fallsafe.policyset.durations import duration
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest


def task_types(
    part: Part,
    operations: Mapping[str, Operation],
    undo: Mapping[str, UndoRow],
    problems: list[Problem],
    time_scale: float,
) -> dict[str, TaskType]:
    """The task types by name. An effect that can neither be undone nor is past return is a problem."""
    return {
        name: _task_type(name, below, operations, undo, problems, time_scale)
        for name, below in part.at("task_types").items()
    }


def _task_type(
    name: str,
    part: Part,
    operations: Mapping[str, Operation],
    undo: Mapping[str, UndoRow],
    problems: list[Problem],
    time_scale: float,
) -> TaskType:
    operation = part.at("operation").text()
    if operation not in operations:
        problems.append(
            part.at("operation").wrong(
                f"no operation is called {operation!r}", nearest(operation, operations, "the operations are")
            )
        )
    elif operations[operation].effect:
        _can_be_undone(part, undo, problems)
    expected, warning, breach = (
        duration(part.at(when), problems, time_scale) for when in ("expected", "warning", "breach")
    )
    if not expected <= warning <= breach:
        problems.append(
            part.at("warning").wrong("the times do not grow", "expected is the shortest, breach the longest")
        )
    return TaskType(
        name=name,
        title=part.at("title").text(),
        system=operation.partition(".")[0],
        operation=operation,
        executor=part.at("executor").text("command"),
        anchor=part.at("from").text(),
        expected=expected,
        warning=warning,
        breach=breach,
        at_breach=part.at("at_breach").text(),
        undo="" if part.at("undo").text() == "none" else part.at("undo").text(),
        ponr=part.at("ponr").text(),
        valid=None
        if part.at("valid").value is None
        else duration(part.at("valid"), problems, time_scale, timedelta(seconds=1)),
        owner=part.at("owner").text(),
    )


def _can_be_undone(part: Part, undo: Mapping[str, UndoRow], problems: list[Problem]) -> None:
    name = part.at("undo").text("none")
    if name != "none":
        if name not in undo:
            problems.append(part.at("undo").wrong(f"no undo is called {name!r}", nearest(name, undo, "the undos are")))
    elif part.at("ponr").text() != "hard":
        problems.append(
            part.wrong(
                "an effect that has no undo and no point of no return",
                "name its `undo`, or say `ponr: hard` if nothing leads back",
            )
        )


def undo_rows(part: Part, problems: list[Problem]) -> dict[str, UndoRow]:
    """The ways to undo an effect, by name."""
    rows = {}
    for name, below in part.at("undo").items():
        row = UndoRow(
            name,
            *(below.at(key).text() for key in ("system", "operation", "risk", "possible_while", "effect", "proof")),
        )
        if row.operation.partition(".")[0] != row.system:
            problems.append(
                below.at("operation").wrong(
                    f"{row.operation} is no operation of {row.system}", f"write {row.system}.<verb>"
                )
            )
        rows[name] = row
    return rows


def offers(part: Part) -> dict[str, Offer]:
    """The offers by code."""
    return {
        code: Offer(code, below.at("title").text(), below.at("retired").flag())
        for code, below in part.at("offers").items()
    }


def owners(part: Part) -> dict[str, OwnerGroup]:
    """The teams by code."""
    return {
        code: OwnerGroup(code, *(below.at(key).text() for key in ("title", "works_on", "escalates_to")))
        for code, below in part.at("groups").items()
    }


def plans(
    part: Part, known_offers: Mapping[str, Offer], types: Mapping[str, TaskType], problems: list[Problem]
) -> dict[tuple[str, str], PlanTemplate]:
    """The plan templates by offer and action. Unknown names, steps that stand twice and circles are problems."""
    built: dict[tuple[str, str], PlanTemplate] = {}
    places: dict[tuple[str, str], Part] = {}
    for below in part.at("plans").each():
        offer, action = below.at("offer").text(), below.at("action").text()
        if offer not in known_offers:
            problems.append(
                below.at("offer").wrong(f"no offer is called {offer!r}", nearest(offer, known_offers, "the offers are"))
            )
        if (offer, action) in built:
            problems.append(
                below.wrong(
                    f"{offer} × {action} has two plans", f"keep one (the first is in line {places[offer, action].line})"
                )
            )
        built[offer, action] = _plan(offer, action, below, types, problems)
        places[offer, action] = below
    _steps_exist(built, places, problems)
    _no_circles(built, places, problems)
    return built


def _plan(offer: str, action: str, part: Part, types: Mapping[str, TaskType], problems: list[Problem]) -> PlanTemplate:
    steps: list[PlanStep] = []
    across: dict[str, tuple[tuple[str, str], ...]] = {}
    for below in part.at("steps").each():
        name, task_type = below.at("step").text(), below.at("task_type").text()
        if any(step.step == name for step in steps):
            problems.append(below.at("step").wrong(f"step {name!r} stands twice", "a step has a name of its own"))
        if task_type not in types:
            problems.append(
                below.at("task_type").wrong(
                    f"no task type is called {task_type!r}", nearest(task_type, types, "the task types are")
                )
            )
        steps.append(PlanStep(name, task_type, below.at("after").texts(), below.at("mandatory").flag(default=True)))
        others = tuple((other.at("offer").text(), other.at("step").text()) for other in below.at("after_items").each())
        if others:
            across[name] = others
    return PlanTemplate(offer, action, tuple(steps), across)


def _steps_exist(
    built: Mapping[tuple[str, str], PlanTemplate], places: Mapping[tuple[str, str], Part], problems: list[Problem]
) -> None:
    by_offer: dict[str, set[str]] = {}
    for plan in built.values():
        by_offer.setdefault(plan.offer, set()).update(step.step for step in plan.steps)
    for key, plan in built.items():
        own = {step.step for step in plan.steps}
        for position, step in enumerate(plan.steps):
            place = places[key].at("steps").at(position)
            for number, before in enumerate(step.after):
                if before not in own:
                    problems.append(
                        place.at("after")
                        .at(number)
                        .wrong(f"{plan.offer} has no step {before!r}", nearest(before, own, "its steps are"))
                    )
            for number, (offer, before) in enumerate(plan.after_items.get(step.step, ())):
                if before not in by_offer.get(offer, set()):
                    problems.append(
                        place.at("after_items")
                        .at(number)
                        .wrong(
                            f"no plan of {offer} has a step {before!r}",
                            nearest(before, by_offer.get(offer, ()), "its steps are"),
                        )
                    )


def _no_circles(
    built: Mapping[tuple[str, str], PlanTemplate], places: Mapping[tuple[str, str], Part], problems: list[Problem]
) -> None:
    before: dict[tuple[str, str], list[tuple[str, str]]] = {}
    where: dict[tuple[str, str], Part] = {}
    for key, plan in built.items():
        for position, step in enumerate(plan.steps):
            node = (plan.offer, step.step)
            before.setdefault(node, []).extend(
                [(plan.offer, name) for name in step.after] + list(plan.after_items.get(step.step, ()))
            )
            where[node] = places[key].at("steps").at(position)
    left = dict(before)
    while free := [node for node, needs in left.items() if not any(need in left for need in needs)]:
        for node in free:
            del left[node]
    if left:
        names = " → ".join(f"{offer}.{step}" for offer, step in sorted(left))
        first = min(left, key=lambda node: where[node].line)
        problems.append(where[first].wrong(f"steps wait for each other in a circle: {names}", "take one `after` away"))

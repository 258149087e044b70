"""From offer and action to a graph of tasks: the plan template, and the reasons why an item cannot be planned (§5.1
Catalog).

An item that cannot be planned is held with its code; what can be planned runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import ItemDraft
from fallsafe.core.orders.item import Item


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of a template. `after` names steps of the same item; an optional one may fail or be skipped."""

    step: str
    task_type: str
    after: tuple[str, ...]
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class PlanTemplate:
    """The steps for one offer × action.

    `after_items` maps a step to the steps of other items that must be final first, as (offer, step). Which item is
    meant is said by `related`; an offer that the order does not have is not waited for.
    """

    offer: str
    action: str
    steps: tuple[PlanStep, ...]
    after_items: Mapping[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an item is not planned: the normalized code and the sentence."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task before it has an id: `after` are positions in the same list.

    `waits_for_held` are external ids of held items whose steps it must wait for: they have no tasks yet, so the count
    of what it waits for never reaches zero before they are planned.
    """

    item_external_id: str
    step: str
    task_type: str
    mandatory: bool
    after: tuple[int, ...]
    waits_for_held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The graph of one order and the items that had to be held, by external id."""

    tasks: tuple[PlannedTask, ...]
    holds: Mapping[str, Hold]
    facts: Json = None


TASKS_MAX = 2_000
WAITS_MAX = 20_000
"""How many times a task of one order may wait for another. Items that wait for each other by offer multiply."""
PRODUCT_MAPPING_MISSING = "PRODUCT_MAPPING_MISSING"
OFFER_RETIRED = "OFFER_RETIRED"
DECOMPOSITION_ERROR = "DECOMPOSITION_ERROR"


class Offered(Protocol):
    """What planning reads of an offer of the catalog."""

    @property
    def retired(self) -> bool: ...


Templates = Mapping[tuple[str, str], PlanTemplate]


@dataclass(frozen=True, slots=True)
class PlanItem:
    """What planning reads of an item, drafted or stored; `parent` and `depends_on` are external ids."""

    external_id: str
    parent: str
    action: str
    offer: str
    depends_on: tuple[str, ...] = ()


def of_drafts(items: Iterable[ItemDraft]) -> tuple[PlanItem, ...]:
    """The items of an order that is being taken in."""
    return tuple(PlanItem(i.external_id, i.parent, i.action, i.offer, i.depends_on) for i in items)


def of_items(items: Iterable[Item], snapshot: Json) -> tuple[PlanItem, ...]:
    """The items of a stored order, to plan again; what they depend on stands in its snapshot."""
    every = tuple(items)
    names = {i.id: i.external_id for i in every}
    waits = dict(_depends_on(snapshot))
    return tuple(
        PlanItem(i.external_id, names.get(i.parent_id or 0, ""), i.action, i.offer, waits.get(i.external_id, ()))
        for i in every
    )


def _depends_on(snapshot: Json) -> Iterator[tuple[str, tuple[str, ...]]]:
    items = snapshot.get("items") if isinstance(snapshot, Mapping) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, Mapping):
            named = item.get("dependsOn")
            yield str(item.get("externalId")), tuple(str(n) for n in named) if isinstance(named, list) else ()


def plan_order(items: Sequence[PlanItem], templates: Templates, offers: Mapping[str, Offered]) -> Plan:
    """The graph of an order's work, and why items could not be planned.

    What can be planned is planned; a task that must wait for a held item waits visibly (`waits_for_held`). Tasks that
    would wait for each other in a circle hold their items: the templates do not fit together. Items with `noChange`
    have no work.
    """
    holds = {i.external_id: hold for i in items if (hold := _why_held(i, templates, offers)) is not None}
    while True:
        tasks = _graph(items, templates, holds)
        circle = _in_circles(tasks)
        if not circle:
            return Plan(tasks, holds)
        named = ", ".join(sorted(f"{tasks[n].item_external_id}.{tasks[n].step}" for n in circle))
        why = f"these steps would wait for each other: {named}"
        holds |= {tasks[n].item_external_id: Hold(DECOMPOSITION_ERROR, why) for n in circle}


def _why_held(item: PlanItem, templates: Templates, offers: Mapping[str, Offered]) -> Hold | None:
    if item.action == "noChange":
        return None
    offer = offers.get(item.offer)
    if offer is None:
        return Hold(PRODUCT_MAPPING_MISSING, f"the catalog does not know the offer {item.offer}")
    if offer.retired and item.action == "add":
        return Hold(OFFER_RETIRED, f"the offer {item.offer} is no longer sold")
    template = templates.get((item.offer, item.action))
    if template is None or not template.steps:
        return Hold(PRODUCT_MAPPING_MISSING, f"there is no plan for {item.action} of {item.offer}")
    steps = {s.step for s in template.steps}
    dangling = sorted({a for s in template.steps for a in s.after} - steps)
    if dangling or len(steps) < len(template.steps):
        wrong = f"waits for {dangling[0]}, which is none of its steps" if dangling else "names a step twice"
        return Hold(DECOMPOSITION_ERROR, f"the plan for {item.action} of {item.offer} {wrong}")
    return None


def _graph(items: Sequence[PlanItem], templates: Templates, holds: Mapping[str, Hold]) -> tuple[PlannedTask, ...]:
    planned = [
        (item, templates[item.offer, item.action])
        for item in items
        if item.external_id not in holds and item.action != "noChange"
    ]
    steps = [(item, template, step) for item, template in planned for step in template.steps]
    at = {(item.external_id, step.step): n for n, (item, _, step) in enumerate(steps)}
    ends = {item.external_id: _ends(template) for item, template in planned}
    kin = _Kin(items)

    def task(item: PlanItem, template: PlanTemplate, step: PlanStep) -> PlannedTask:
        waits = {(item.external_id, name) for name in step.after}
        waits |= {
            (o, name) for offer, name in template.after_items.get(step.step, ()) for o in kin.related(item, offer)
        }
        if not step.after:  # a first step waits for all that its item depends on
            waits |= {(other, end) for other in item.depends_on for end in ends.get(other, ("",))}
        after = sorted(at[w] for w in waits if w in at)
        held = sorted({other for other, _ in waits if other in holds})
        return PlannedTask(item.external_id, step.step, step.task_type, step.mandatory, tuple(after), tuple(held))

    return tuple(task(*one) for one in steps)


def _ends(template: PlanTemplate) -> tuple[str, ...]:
    """The steps of an item that none of its other steps waits for: when they are final, the item's work is."""
    inner = {a for s in template.steps for a in s.after}
    return tuple(s.step for s in template.steps if s.step not in inner)


class _Kin:
    """The families of an order's items, to find which item of an offer another one means."""

    def __init__(self, items: Sequence[PlanItem]) -> None:
        self.parent = {i.external_id: i.parent for i in items}
        self.offer = {i.external_id: i.offer for i in items}
        # By the elder of a family ("" = the whole order) and offer: the items, parted by the offer of their branch.
        self.offered: dict[tuple[str, str], dict[str, list[str]]] = {}
        for item in items:
            if item.action != "noChange":
                for elder, branch in self.families(item.external_id):
                    below = self.offered.setdefault((elder, item.offer), {})
                    below.setdefault(self.offer.get(branch, ""), []).append(item.external_id)

    def families(self, name: str) -> Iterator[tuple[str, str]]:
        """The families of an item, the smallest first: the elder, and the branch below it that the item is in."""
        branch, seen = "", set[str]()
        while name and name not in seen:
            seen.add(name)
            yield name, branch
            branch, name = name, self.parent.get(name, "")
        yield "", branch

    def related(self, item: PlanItem, offer: str) -> tuple[str, ...]:
        """The items of that offer that are meant: those of the smallest family that has any, so that each site of a
        large order waits for its own; what stands below another site is never meant.
        """
        for elder, mine in self.families(item.external_id):
            branches = self.offered.get((elder, offer), {})
            alike = self.offer.get(mine, "")
            near = tuple(
                name
                for branch, names in branches.items()
                if not (alike and branch == alike)
                for name in names
                if name != item.external_id
            )
            if near:
                return near
        return ()


def _in_circles(tasks: Sequence[PlannedTask]) -> frozenset[int]:
    """Positions of tasks that can never start, nor ever be reached from one that can."""
    left = _peeled({n: set(t.after) for n, t in enumerate(tasks)})
    backwards: dict[int, set[int]] = {n: set() for n in left}
    for n, waits in left.items():
        for before in waits:
            backwards[before].add(n)
    return frozenset(_peeled(backwards))


def _peeled(waits: dict[int, set[int]]) -> dict[int, set[int]]:
    """What is left of a graph when everything that waits for nothing is taken away, again and again."""
    behind: dict[int, list[int]] = {}
    for n, before in waits.items():
        for b in before:
            behind.setdefault(b, []).append(n)
    free = [n for n, before in waits.items() if not before]
    left = {n: set(before) for n, before in waits.items()}
    while free:
        done = free.pop()
        del left[done]
        for n in behind.get(done, ()):
            left[n].discard(done)
            if not left[n]:
                free.append(n)
    return left


def check_size(plan: Plan, what: str) -> Refusal | None:
    """The refusal of an order with more tasks, or more waits between them, than one order may have; None when it may be
    stored.
    """
    tasks, waits = len(plan.tasks), sum(len(task.after) for task in plan.tasks)
    hint = "split it by place into linked orders"
    if tasks > TASKS_MAX:
        return Refusal(
            "TOO_MANY_TASKS", what, f"its plan has {tasks} tasks, and {TASKS_MAX} is the most", hint, "/items"
        )
    if waits > WAITS_MAX:
        why = f"its tasks wait for each other {waits} times, and {WAITS_MAX} is the most"
        return Refusal("TOO_MANY_WAITS", what, why, f"{hint}, or nest its items by place", "/items")
    return None


@dataclass(frozen=True, slots=True)
class Replan:
    """What planning again changes, as positions in the new plan: tasks to add, and existing ones that wait for others
    now.
    """

    add: tuple[int, ...]
    rewire: tuple[int, ...]


def replan(plan: Plan, existing: Mapping[tuple[str, str], Set[tuple[str, str]]], held_before: Set[str]) -> Replan:
    """What a new plan adds to a running order after the reason of a hold was taken away (model rule 9).

    `existing` maps (item, step) to what it waits for now; `held_before` are the items that had no tasks. Only those
    items gain tasks: what runs keeps the plan it was planned with, and gains only the predecessors that were missing.
    """
    names = [(t.item_external_id, t.step) for t in plan.tasks]
    add = tuple(n for n, t in enumerate(plan.tasks) if t.item_external_id in held_before and names[n] not in existing)
    added = {names[n] for n in add}
    rewire = tuple(
        n
        for n, t in enumerate(plan.tasks)
        if names[n] in existing and ({names[b] for b in t.after} & added) - existing[names[n]]
    )
    return Replan(add, rewire)

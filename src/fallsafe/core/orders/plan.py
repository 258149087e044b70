"""From offer and action to a graph of tasks: the plan template, and the reasons why an item cannot be planned (§5.1
Catalog).

An item that cannot be planned is held with its code; what can be planned runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fallsafe.core.events import Json


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of a template. `after` names steps as `step` (same item) or `offer-role:step` of a related item,
    `optional` steps may be skipped.
    """

    step: str
    task_type: str
    after: tuple[str, ...]
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class PlanTemplate:
    """The steps for one offer × action. `after_items` names steps of other items of the order that must be final first:
    (offer, step).
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
    """A task before it has an id: `after` are positions in the same list."""

    item_external_id: str
    step: str
    task_type: str
    mandatory: bool
    after: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The graph of one order and the items that had to be held, by external id."""

    tasks: tuple[PlannedTask, ...]
    holds: Mapping[str, Hold]
    facts: Json = None

"""The sentence by which a repair is remembered (§9, principle 1): the audit template of its action, filled with who did
it, to what, what changed, what was sent, and who agreed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fallsafe.core.events import Json
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.preview import Given, Plan

PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
NAMES = ("who", "reason", "case", "order", "item", "step", "changes", "sends", "agreed")
"""What a template may name beside what the action was given (`input.where`)."""
INPUT = "input."
VALUE_LETTERS_MAX = 200
TOLD_LETTERS_MAX = 500
"""An input that may be longer is what somebody wrote freely: it is kept sealed, and no template says it."""


@dataclass(frozen=True, slots=True)
class Done:
    """A repair that is run: by whom, why, for what, and who agreed ("" = nobody had to)."""

    who: str
    reason: str
    case: str
    order: str
    item: str
    step: str
    agreed: str


def audit_sentence(action: RepairAction, done: Done, plan: Plan, given: Given) -> str:
    """The sentence; personal values are not in it, only the names of the fields that hold them."""
    known: Mapping[str, str] = {
        "who": done.who,
        "reason": done.reason,
        "case": done.case,
        "order": done.order,
        "item": done.item or "the whole order",
        "step": done.step or "no step",
        "agreed": f"agreed by {done.agreed}" if done.agreed else "nobody else had to agree",
        "changes": _changes(plan),
        "sends": "; ".join(f"{s.operation}, key {s.key}" if s.key else s.operation for s in plan.sends) or "nothing",
    }
    return PLACEHOLDER.sub(lambda m: _value(m[1], known, given), action.audit)


def _value(name: str, known: Mapping[str, str], given: Given) -> str:
    if not name.startswith(INPUT):
        return known[name]
    value = given.get(name.removeprefix(INPUT))
    return "not given" if value is None else str(value)[:VALUE_LETTERS_MAX]


def _changes(plan: Plan) -> str:
    told = (c.title if c.personal else f"{c.title}: {_plain(c.old)} → {_plain(c.new)}" for c in plan.changes)
    return "; ".join(told) or "no field"


def _plain(value: Json) -> str:
    return "nothing" if value is None else str(value)


def unknown_names(template: str, given: Json, corrects: Mapping[str, str]) -> list[str]:
    """What a template names that there is not, or that it may not say: what a repair corrects, or what somebody wrote
    freely, may be personal.
    """
    properties = given.get("properties") if isinstance(given, Mapping) else None
    inputs = properties if isinstance(properties, Mapping) else {}
    told = (name for name, schema in inputs.items() if name not in corrects and not _is_free_text(schema))
    known = {*NAMES, *(f"{INPUT}{name}" for name in told)}
    return [name for name in PLACEHOLDER.findall(template) if name not in known]


def _is_free_text(schema: Json) -> bool:
    longest = schema.get("maxLength") if isinstance(schema, Mapping) else None
    return isinstance(longest, int) and longest > TOLD_LETTERS_MAX

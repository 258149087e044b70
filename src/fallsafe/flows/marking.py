"""What every repair writes beside its effect: why, and that its case waits for the proof."""

from fallsafe.core.events import Json
from fallsafe.core.repair.preview import Scene
from fallsafe.core.repair.request import Repair
from fallsafe.core.values import replace
from fallsafe.flows import cases
from fallsafe.flows.turn import Turn
from fallsafe.store.ids import outside
from fallsafe.store.work import Aggregate, Why


def why_of(turn: Turn, repair: Repair, supersedes: str = "") -> Why:
    """The reason of a record that a repair leads to."""
    name, rule = outside("repair", repair.id), f"actions/{repair.action}"
    said = {"supersedes": supersedes} if supersedes else {}
    return replace(turn.why(repair.reason, policy=turn.context.newest, rule=rule, causation=name), facts=said)


def mark(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair) -> None:
    """The case waits for the proof of what was done."""
    resolves = turn.context.newest.actions[repair.action].resolves
    said: Json = {
        "id": outside("repair", repair.id), "action": repair.action, "resolves": resolves, "by": repair.run_by,
    }  # fmt: skip
    cases.begin_repair(turn, aggregate, aggregate.cases[scene.case.id], said, repair.reason)

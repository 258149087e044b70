"""What the actions beside corrections and resends would do: of the case itself, of the plan of its order, and of what
would have to be undone first. Pure, like all planners.
"""

from collections.abc import Mapping

from fallsafe.core.cases.case import CONTRADICTIONS, PERSONS_RULE, Case, case_key
from fallsafe.core.commands.ledger import CommandState, Purpose, key_for, still_in_doubt
from fallsafe.core.lifecycle import may
from fallsafe.core.orders.draft import INSTANT_HINT, instant
from fallsafe.core.orders.item import NO_UNDO
from fallsafe.core.orders.task import FINAL_TASK_STATES, TASK_LIFECYCLE, Task, TaskState
from fallsafe.core.repair import actions
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.preview import (
    After,
    Change,
    Condition,
    Given,
    NewTask,
    Plan,
    Planner,
    Scene,
    Sending,
    provided,
)


def wait_for(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """Somebody outside is asked, and the case waits for them; when the time is over it is looked at again."""
    case, until = scene.case, str(given.get("until", ""))
    after = (After("case", f"F-{case.id}", "open", "waiting"),)
    return Plan((_ahead(scene, until),), after=after, reads={"waiting": case.waiting_for})


def override_classification(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """A person judges a failure otherwise than the rules did; their judgement is offered as a rule."""
    case, code = scene.case, str(given.get("code", ""))
    known = provided("known", "Policy knows the code.", code in scene.codes, f"policy knows no {code}", "CODE_UNKNOWN")
    other = provided("other", "It is another judgement.", code != case.code, f"it is {code} already", "NO_CHANGE")
    key = case_key(case.order_id, case.task_id or case.item_id, code)
    twin = next((c for c in scene.others if c.case_key == key), None)
    why = f"F-{twin.id if twin else 0} is open for the same failure"
    single = provided(
        "single", "No other case is of that failure.", twin is None, why, "ALREADY_OPEN", "merge the two: MERGE"
    )
    seen = _contradiction(case) if is_contradiction_seen(case) else ""
    plain = provided("plain", "It is no contradiction that was seen.", not seen, seen, "CONTRADICTION")
    changes = (Change("case.code", "classification", "free", case.code, code),)
    return Plan((known, other, plain, single), changes, after=(After("case", f"F-{case.id}", case.code, code),))


def is_contradiction_seen(case: Case) -> bool:
    """Whether facts contradict each other; that a person called it so, a person may take back."""
    return case.code in CONTRADICTIONS and not case.rule.startswith(PERSONS_RULE)


def _contradiction(case: Case) -> str:
    return f"{case.code} is a contradiction, which has to be looked at by itself"


def merge(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """Two cases of one failure become one: this one ends, and the other one says so."""
    name, case = str(given.get("into", "")), scene.case
    into = next((c for c in scene.others if f"F-{c.id}" == name), None)
    there = _other_case(name, into)
    if into is None:
        return Plan((there,))
    same = (into.task_id, into.item_id) == (case.task_id, case.item_id)
    why = f"{name} is about something else, and this failure would have no case of its own"
    one = provided("one_failure", "Both are about the same task.", same, why, "FAILURE_STANDS", "relate them: RELATE")
    plain = provided(
        "plain", "It is no contradiction.", case.code not in CONTRADICTIONS, _contradiction(case), "CONTRADICTION"
    )
    after = (After("case", f"F-{case.id}", case.state.value, "merged"),)
    return Plan((there, one, plain), after=after, reads={"into": name}, touches=(into.owner_group,))


def _other_case(name: str, found: Case | None) -> Condition:
    sentence = "The other case is open, and of the same order."
    return provided("there", sentence, found is not None, f"there is no {name} here", "NO_SUCH_CASE")


def split(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """A case that holds two failures is parted: the other one gets a case of its own, for the same task."""
    case, code = scene.case, str(given.get("code", ""))
    known = provided("known", "Policy knows the code.", code in scene.codes, f"policy knows no {code}", "CODE_UNKNOWN")
    other = provided("other", "It is another failure.", code != case.code, f"{code} is what it is about", "NO_CHANGE")
    twice = provided("twice", "More than one was seen.", case.occurrences > 1, "only one was seen", "NOTHING_TO_PART")
    key = case_key(case.order_id, case.task_id or case.item_id, code)
    twin = next((c for c in scene.others if c.case_key == key), None)
    why, hint = f"F-{twin.id if twin else 0} is open for that failure already", "relate the two: RELATE"
    single = provided("single", "That failure has no case yet.", twin is None, why, "ALREADY_OPEN", hint)
    after = (After("case", "a new one", "not there", code),)
    return Plan((known, other, twice, single), after=after, reads={"occurrences": case.occurrences})


FOLLOW_UP = "FOLLOW_UP"
"""The code of the case that work for later is."""


def follow_up(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """Work for later gets a case of its own, with an owner and a date; the failure does not wait for it."""
    group, until = str(given.get("ownerGroup", "")), str(given.get("until", ""))
    why, hint = f"there is no owner group {group}", ", ".join(sorted(scene.groups))
    owner = provided("owner", "Somebody owns it.", group in scene.groups, why, "OWNER_UNKNOWN", hint)
    key = case_key(scene.case.order_id, scene.case.id, FOLLOW_UP)
    twin = next((c for c in scene.others if c.case_key == key), None)
    why = f"F-{twin.id if twin else 0} is open for later already"
    single = provided("single", "Nothing of it is left for later yet.", twin is None, why, "ALREADY_OPEN")
    after = (After("case", "a new one", "not there", f"{group}, until {until}"),)
    return Plan((owner, _ahead(scene, until), single), after=after)


def _ahead(scene: Scene, until: str) -> Condition:
    sentence = "There is time for it."
    try:
        there = instant(until) > scene.now
    except (ValueError, OverflowError):
        return Condition("ahead", sentence, f"{until} is no instant with a zone", "INSTANT", INSTANT_HINT)
    return provided("ahead", sentence, there, f"{until} is over already", "WAIT_IS_OVER", "say a time to come")


def block_billing(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """What would charge for the order, and has not begun, stands still until the case ends or somebody lets it go."""
    held = {task.id for task in actions.blocked(scene)}
    steps = [t for t in scene.charging if t.id not in held]
    why = "nothing that charges is left to begin" if not scene.charging else "all of it stands still already"
    there = provided("charging", "Something would still charge.", bool(steps), why, "NOTHING_CHARGES")
    after = (After("task", t.step, "frozen" if t.frozen else "going on", "kept from charging") for t in steps)
    return Plan((there,), after=tuple(after))


def mark_completed(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """A person says, with what they saw, that what the other side is silent about is done."""
    command, operation = scene.command, scene.operation
    if command is None or operation is None:
        why = "people do it, and this release hands no task to people"
        return Plan((Condition("command", "A command asked for it.", why, "MANUAL_WORK", "comment on the case"),))
    silent = command.state in (CommandState.ACCEPTED, CommandState.ABSENT)
    why, hint = f"C-{command.id} is {command.state.value}", "what was refused is asked for anew: SUPERSEDE_REJECTED"
    waits = provided("silent", "They took it on, or it was not found.", silent, why, "NOT_WAITING", hint)
    looked = not operation.look_ups or command.looks > 0
    hint = "it is looked up by itself when it is late"
    asked = provided("asked", "Where it can be asked, it was.", looked, "nobody has asked yet", "NOT_ASKED", hint)
    after = (After("command", f"C-{command.id}", command.state.value, CommandState.DONE.value),)
    return Plan((waits, asked), after=after, reads={"looks": command.looks})


def plan_again(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """A held item is planned by the newest policy set, and with it whatever else of its order is held and can be; what
    runs keeps its plan (model rule 9).
    """
    item, made = scene.item, scene.replanned
    held = item is not None and bool(item.hold_code)
    why = "none of it is held for want of a plan"
    there = provided("held", "An item waits for a plan.", held, why, "NOTHING_HELD")
    if item is None or made is None:
        return Plan((there,))
    cannot = made.held.get(item.external_id, "")
    able = provided(
        "plannable", "The newest policy set can plan it.", not cannot, cannot, "STILL_HELD", "publish the mapping first"
    )
    items = [After("item", name, "held", "in_progress") for name in made.freed]
    tasks = [After("task", f"{t.step} of {t.item}", "not there", "planned") for t in made.tasks]
    sends = tuple(_in_its_turn(scene, task) for task in made.tasks if task.operation)
    return Plan((there, able), sends=sends, after=(*items, *tasks), reads={"newest": scene.newest})


def _in_its_turn(scene: Scene, task: NewTask) -> Sending:
    key = key_for(scene.order.source, scene.order.external_id, task.item, task.step, Purpose.FULFILL, 1)
    what = f"{task.step} of {task.item}, when its turn comes"
    return Sending(Purpose.FULFILL.value, task.operation, key, task.effect, what)


def renew_reservation(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """What lapses, or has lapsed, is renewed by a task of its own."""
    new = scene.renewal
    why = "nothing of it lapses, or policy says nothing that renews it, or one is under way"
    there = provided("renewable", "Something lapses that can be renewed.", new is not None, why, "NOTHING_LAPSES")
    return Plan((there,)) if new is None else _new_task(scene, there, new.step, new.operation)


def add_task(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """One more task from the list of the action: a second visit, a check, a shipment that was forgotten."""
    kind, n = str(given.get("taskType", "")), _added(scene, str(given.get("taskType", "")))
    operation, why = scene.types.get(kind, ""), f"policy knows no {kind}"
    there = provided("known", "Policy knows the task type.", bool(operation), why, "TASK_TYPE_UNKNOWN")
    works = any(t.state not in FINAL_TASK_STATES for t in _own(scene))
    live = provided("live", "Its item still has work.", works, "its item has nothing left to do", "ITEM_ENDED")
    made = _new_task(scene, there, f"{kind}Added{n}", operation)
    return Plan((there, live), sends=made.sends, after=made.after, reads={"n": n})


def _added(scene: Scene, kind: str) -> int:
    return 1 + sum(1 for task in _own(scene) if task.step.startswith(f"{kind}Added"))


def _own(scene: Scene) -> list[Task]:
    return [t for t in scene.tasks.values() if scene.item is not None and t.item_id == scene.item.id]


def _new_task(scene: Scene, condition: Condition, step: str, operation: str) -> Plan:
    item = scene.item.external_id if scene.item else ""
    key = key_for(scene.order.source, scene.order.external_id, item, step, Purpose.FULFILL, 1)
    sends = (Sending(Purpose.FULFILL.value, operation, key, True, f"{step}, a task of its own"),)
    return Plan((condition,), sends=sends, after=(After("task", step, "not there", "ready"),), reads={"step": step})


def adopt(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """What exists outside under another key is taken over by its reference: nothing is sent, and it stays unverified
    until something proves it.
    """
    return actions.declare_outcome(scene, action, {**given, "outcome": "done"})


def redo(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """The refused task is done anew; an earlier one only where nothing of it has to be undone."""
    step = str(given.get("step") or (scene.task.step if scene.task else ""))
    before = [t for t in _own(scene) if t.step == step and t.state is TaskState.COMPLETED]
    if not before:
        return actions.supersede_rejected(scene, action, {"correctedElsewhere": "redone"})
    return Plan((_nothing_undone(before),), after=_effects(before))


def undo_first(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """What would be undone is listed, newest first, with what undoes it; this release undoes nothing."""
    done = [t for t in _own(scene) if _is_effect(t)]
    done.sort(key=lambda t: (t.completed_at or scene.now, t.id), reverse=True)
    sentence, why = "Something was done that can be undone.", "nothing of it exists outside"
    there = provided("effects", sentence, bool(done), why, "NO_EFFECT")
    return Plan((there, _nothing_undone(done)), after=_effects(done))


def _is_effect(task: Task) -> bool:
    """Whether it exists outside until something undoes it, or for good: past a hard point of no return nothing does."""
    return task.state is TaskState.COMPLETED and (task.undo not in NO_UNDO or task.ponr == "hard")


def _nothing_undone(done: list[Task]) -> Condition:
    steps = ", ".join(f"{t.step} ({_way_back(t)})" for t in done)
    why = f"{steps} would have to be undone, and this release undoes nothing"
    hint = "ask the people of those systems: REQUEST_FIX_ELSEWHERE; or CANCEL_AND_REORDER"
    return provided("undone", "Nothing has to be undone.", not done, why, "UNDO_NEEDED", hint)


def _way_back(task: Task) -> str:
    return "past its point of no return" if task.undo in NO_UNDO else task.undo


def _effects(done: list[Task]) -> tuple[After, ...]:
    return tuple(After("effect", t.step, t.reference, f"undo: {t.undo}") for t in done)


def cancel_item(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """An item of which nothing exists outside is given up, with the customer's consent; what waits for it in other
    items keeps it from that.
    """
    own, item = _own(scene), scene.item
    left = [t for t in own if t.state not in FINAL_TASK_STATES]
    busy = sorted(t.step for t in left if not may(TASK_LIFECYCLE, t.state, "cancel"))
    quiet = provided(
        "quiet", "Nothing of it is under way.", not busy, f"{', '.join(busy)} is under way", "TASK_UNDER_WAY"
    )
    doubt = sorted(c.key for c in scene.all_commands if still_in_doubt(c) and c.task_id in {t.id for t in own})
    known = provided(
        "known", "Its outcomes are known.", not doubt, f"{', '.join(doubt)} may have left", "OUTCOME_UNKNOWN"
    )
    waits = sorted(t.step for t in scene.tasks.values() if item and t.item_id != item.id and _waits(t, own))
    why, hint = f"{', '.join(waits)} waits for it", "REQUEST_AMENDMENT, or CANCEL_AND_REORDER"
    alone = provided("alone", "No other item waits for it.", not waits, why, "OTHERS_WAIT", hint)
    there = provided("item", "It is about an item.", bool(item and own), "it has no item with tasks", "NO_ITEM")
    after = tuple(After("task", t.step, t.state.value, TaskState.CANCELLED.value) for t in left)
    return Plan((there, quiet, known, alone, _nothing_undone([t for t in own if _is_effect(t)])), after=after)


def _waits(task: Task, own: list[Task]) -> bool:
    return task.state not in FINAL_TASK_STATES and bool({t.id for t in own} & {*task.depends_on})


FURTHER: Mapping[str, Planner] = {
    "wait_for": wait_for,
    "OVERRIDE_CLASSIFICATION": override_classification,
    "MERGE": merge,
    "SPLIT": split,
    "CREATE_FOLLOW_UP": follow_up,
    "BLOCK_BILLING_HANDOFF": block_billing,
    "MARK_EXTERNAL_COMPLETED": mark_completed,
    "PLAN_AGAIN": plan_again,
    "RENEW_RESERVATION": renew_reservation,
    "ADD_TASK": add_task,
    "ADOPT_EXTERNAL_RESULT": adopt,
    "REDO_FROM_TASK": redo,
    "undo_first": undo_first,
    "CANCEL_ITEM": cancel_item,
}

"""What each action would do with a scene: its own conditions, changes, commands and states after. Pure; the flow that
runs an action does what its plan says, and nothing else.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from difflib import SequenceMatcher

from fallsafe.core.commands.contract import Operation, repeat_is_harmless
from fallsafe.core.commands.ledger import (
    PERSON_SAID,
    Command,
    CommandState,
    Purpose,
    key_for,
    key_lives,
    may_intend,
    may_send,
    still_in_doubt,
)
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import may
from fallsafe.core.orders.frozen import BLOCKED_BY, PERSON, UPSTREAM, Mark, marks_of, without
from fallsafe.core.orders.item import NO_UNDO
from fallsafe.core.orders.task import FINAL_TASK_STATES, TASK_LIFECYCLE, Task, TaskState
from fallsafe.core.orders.watched import VERBS, is_watched
from fallsafe.core.recover.reconcile import why_not_declared
from fallsafe.core.repair import clauses, correction
from fallsafe.core.repair.amendment import Amendment, AmendmentState, replacement
from fallsafe.core.repair.catalogue import LOCKED, SENSITIVE, Check, RepairAction, class_of
from fallsafe.core.repair.preview import After, Change, Condition, Given, Plan, Planner, Scene, Sending, provided
from fallsafe.core.values import replace

CHARACTERISTIC, PLACE, CUSTOMER = "item.characteristics.", "item.place.", "customer."
CORRECTABLE = (CHARACTERISTIC, PLACE, CUSTOMER)
PERSONAL = (PLACE, CUSTOMER)
NO_COMMAND = "this case has no command"


def _met(name: str, sentence: str, refusal: Refusal | None) -> Condition:
    """A condition that a rule of another room decides."""
    if refusal is None:
        return Condition(name, sentence)
    return Condition(name, sentence, refusal.why, refusal.code, refusal.hint)


def reconcile_now(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """Looks are due at once; they only ask."""
    command, operation = scene.command, scene.operation
    unknown = command is not None and command.state is CommandState.UNKNOWN
    state = command.state.value if command else "not there"
    asked = provided(
        "unknown", "Its outcome is unknown.", unknown, f"its outcome is not unknown: it is {state}", "NOT_UNKNOWN"
    )
    if command is None or operation is None:
        return Plan((asked,))
    ways = tuple(
        Sending("query", way.operation, command.key, False, f"asks what became of it, by {way.method}")
        for way in operation.look_ups
    )
    return Plan((asked,), sends=ways)


def why_not_resend(what: str, command: Command, operation: Operation, now: datetime, scheduled: bool) -> Refusal | None:
    """Whether the same command may go out again with its key because somebody asks for it; None is yes (rule 2)."""
    if command.purpose is Purpose.QUERY:
        return Refusal("IS_A_QUESTION", what, "it only asks", "reconcile the command that it asks about")
    if command.state is CommandState.ABSENT:
        return _why_not_repeat(what, command, operation, now)
    refusal = may_send(command, operation, now)
    if refusal is None and scheduled:
        return Refusal("ALREADY_INTENDED", what, "it is waiting to be sent by itself", "nothing needs to be done")
    return refusal


def _why_not_repeat(what: str, command: Command, operation: Operation, now: datetime) -> Refusal | None:
    hint = "preview RESEND_SAME_KEY: a second person has to approve it; or supersede it"
    if not repeat_is_harmless(operation):
        why = f"{operation.name} does not recognise a repeat, and an earlier attempt may have left"
        return Refusal("REPEAT_NOT_SAFE", what, why, hint)
    if not key_lives(command, operation, now):
        return Refusal("KEY_EXPIRED", what, f"its key {command.key} has expired at {command.system}", hint)
    return None


RISKY = frozenset({"REPEAT_NOT_SAFE", "KEY_EXPIRED"})


def resend_same_key(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """The same command, key and bytes go out again."""
    command, operation = scene.command, scene.operation
    if command is None or operation is None:
        return Plan((Condition("command", "It has a command.", NO_COMMAND),))
    refusal = why_not_resend("cannot send it again", command, operation, scene.now, scene.scheduled)
    risky = refusal.why if refusal is not None and refusal.code in RISKY else ""
    sendable = _met("sendable", "The same command may go out again.", None if risky else refusal)
    told = Sending(
        command.purpose.value, operation.name, command.key, operation.effect, "the same command, key and bytes"
    )
    after = [After("command", f"C-{command.id}", command.state.value, CommandState.INTENDED.value)]
    if scene.task is not None and command.state is CommandState.ABSENT:
        after.append(After("task", scene.task.step, scene.task.state.value, TaskState.READY.value))
    reads: dict[str, Json] = {
        "contract.repeat": operation.repeat.value,
        "key.lives": key_lives(command, operation, scene.now),
        "scheduled": scene.scheduled,
    }
    conditions = (sendable, _not_over(scene), _current(scene), _relied(scene))
    return Plan(conditions, sends=(told,), after=tuple(after), risky=risky and f"{risky}.", reads=reads)


def _current(scene: Scene) -> Condition:
    """Its bytes say what is agreed now."""
    refusal = why_outdated("", scene.outdated)
    return _met("current", "Its request says what is agreed now.", refusal)


def why_outdated(what: str, changed: Amendment | None) -> Refusal | None:
    """Whether a command says what was agreed before a change of the deal; None is no."""
    if changed is None:
        return None
    why = f"its request was written for what was agreed before AM-{changed.id}"
    return Refusal("AGREED_ANEW", what, why, "ask for what is agreed now: SUPERSEDE_REJECTED")


def supersede_rejected(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """A corrected request as a new command with a new key, after a proved rejection or absence; the chain is kept."""
    fields = given.get("fields")
    wanted = fields if isinstance(fields, Mapping) else {}
    return _made_anew(scene, action, wanted, elsewhere=bool(given.get("correctedElsewhere")))


def correct(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """What the action says that its input corrects is corrected, and the refused request is made anew. What it asks
    again first stands in its checks; an action that corrects nothing only asks, and then the same is asked for anew.
    """
    wanted = wanted_of(action, given)
    made = _made_anew(scene, action, wanted, elsewhere=bool(action.checks and not action.corrects))
    named = scene.asked & {*action.corrects.values(), *(check.gives for check in action.checks)}
    why = f"{scene.command.operation if scene.command else 'it'} does not name what is corrected"
    reads = provided(
        "named", "Its request names what is corrected.", bool(named or not action.corrects), why, "NOT_NAMED",
        "see its other actions",
    )  # fmt: skip
    asks = tuple(_asking(check) for check in action.checks)
    return replace(
        made, conditions=(reads, _same_person(scene, made.changes), *made.conditions), sends=(*asks, *made.sends)
    )


def wanted_of(action: RepairAction, given: Given) -> dict[str, Json]:
    """What is wanted of each fact that an action corrects, by fact."""
    return {fact: given[name] for name, fact in action.corrects.items() if given.get(name) is not None}


def personal_in(action: RepairAction, given: Given) -> list[Json]:
    """The personal values that an action is given; nothing that is written of it may say them."""
    fields, changes = _mapping(given.get("fields", {})), _mapping(given.get("changes", {}))
    corrected = [*wanted_of(action, given).items(), *fields.items()]
    return [
        *(value for name, value in corrected if name.startswith(PERSONAL)),
        *(value for name, value in changes.items() if name.startswith(clauses.PERSONAL)),
    ]


def _asking(check: Check) -> Sending:
    return Sending("query", check.operation, "", False, check.title)


ALIKE_MIN = 0.7
"""How much of a name must stay for it to be another spelling of the same one."""


def _same_person(scene: Scene, changes: tuple[Change, ...]) -> Condition:
    """A corrected name is a spelling of the name that was accepted, whatever it was corrected to since: another person
    is another deal (§18.1).
    """
    names = [c for c in changes if c.name == f"{CUSTOMER}name" and c.old]
    other = [c for c in names if not _is_spelling(scene.accepted_name or str(c.old), str(c.new))]
    why = "the name would be that of another person" if other else ""
    hint = "hand it off as a change of the deal: REQUEST_AMENDMENT"
    return Condition("same_person", "The name stays that of the same person.", why, "BUSINESS_CORRECTION", hint)


def _is_spelling(accepted: str, wanted: str) -> bool:
    return SequenceMatcher(None, accepted.lower(), wanted.lower()).ratio() >= ALIKE_MIN


def _made_anew(scene: Scene, action: RepairAction, wanted: Mapping[str, Json], *, elsewhere: bool) -> Plan:
    """The request that was refused as a new command, with what is wanted in place of what was wrong."""
    command, operation, task, item = scene.command, scene.operation, scene.task, scene.item
    if command is None or operation is None or task is None or item is None:
        return Plan((Condition("command", "It has a command.", NO_COMMAND),))
    changes = tuple(_corrections(scene, action, wanted))
    changes += tuple(_of_neighbours(scene, changes))
    said = provided(
        "corrected",
        "Something is corrected, here or elsewhere.",
        bool(changes or elsewhere),
        "nothing is corrected, so that the same would be refused again",
        hint="give `fields`, or say in `correctedElsewhere` who corrected what",
    )
    conditions = (
        _may_supersede(scene, command), _not_over(scene), _relied(scene), said, *_locked(changes),
        _guard(scene, action, changes), _not_done_with(scene, action, changes),
    )  # fmt: skip
    n = 1 + max(c.n for c in scene.commands if c.purpose is command.purpose)
    key = key_for(scene.order.source, scene.order.external_id, item.external_id, task.step, command.purpose, n)
    sensitive = [c.name for c in changes if c.field_class == SENSITIVE]
    risky = second_effect(command) or (f"{', '.join(sensitive)} changes." if sensitive else "")
    return Plan(
        conditions,
        changes,
        (
            Sending(
                command.purpose.value,
                operation.name,
                key,
                operation.effect,
                f"a new command in place of C-{command.id}",
            ),
        ),
        (
            After("command", f"C-{command.id}", command.state.value, CommandState.SUPERSEDED.value),
            After("task", task.step, task.state.value, TaskState.READY.value),
        ),
        risky,
        {"n": n, "facts": {name: scene.salted(value) for name, value in sorted(scene.values.items())}},
    )


def _not_over(scene: Scene) -> Condition:
    """What was skipped, given up or done does not begin again by a new command."""
    state = scene.task.state if scene.task is not None else None
    why = f"{scene.task.step} is {state}" if scene.task is not None else ""
    hint = "nothing of it goes on; add a task from the list where it is wanted after all: ADD_TASK"
    return provided("not_over", "Its task is not over.", state not in FINAL_TASK_STATES, why, "ALREADY_DECIDED", hint)


def second_effect(command: Command) -> str:
    """Why a new key could be a second effect although the first one is believed not to be there; empty where that is
    proved.
    """
    if command.state is CommandState.ABSENT:
        return "It was found absent, and a new key would be a second effect if that is wrong."
    if command.finding == PERSON_SAID:
        return "That it was refused is a person's word, and a new key would be a second effect if that is wrong."
    return ""


def _relied(scene: Scene) -> Condition:
    """What it relies on counts still."""
    return _met("relied", "What it relies on counts still.", scene.lapsed)


def _not_done_with(scene: Scene, action: RepairAction, changes: tuple[Change, ...]) -> Condition:
    """Nothing was done with what was wrong: an effect that was made with it would have to be undone and made anew."""
    touched = {c.name for c in changes} | {check.gives for check in action.checks if check.gives and changes}
    steps = sorted({step for name in touched for step in scene.done_with.get(name, ())})
    why = f"{', '.join(steps)} was done, or is asked for, with what was wrong, and would have to be undone"
    hint = "this release undoes nothing: REQUEST_AMENDMENT, or let its people correct it: REQUEST_FIX_ELSEWHERE"
    return provided("not_done_with", "Nothing was done with what was wrong.", not steps, why, "UNDO_NEEDED", hint)


def _may_supersede(scene: Scene, command: Command) -> Condition:
    """Only what is proved not to be there is replaced: by a rejection, or by two looks that found nothing."""
    proved = command.state in (CommandState.REJECTED, CommandState.ABSENT)
    if command.state is CommandState.UNKNOWN:
        refusal = may_intend([command], Purpose.FULFILL, scene.now)
        return _met("proved", "It is proved that nothing happened.", refusal)
    why = f"C-{command.id} is {command.state.value}"
    beside = may_intend([c for c in scene.commands if c.id != command.id], Purpose.FULFILL, scene.now)
    if proved and beside is not None:
        return _met("proved", "It is proved that nothing happened.", beside)
    hint = "only what was rejected, or is proved absent, is superseded"
    return provided("proved", "It is proved that nothing happened.", proved, why, "NOT_REJECTED", hint)


def _corrections(scene: Scene, action: RepairAction, wanted: Mapping[str, Json]) -> list[Change]:
    return [
        Change(
            name,
            name.removeprefix(CHARACTERISTIC),
            class_of(action, name),
            scene.values.get(name),
            value,
            personal=name.startswith(PERSONAL),
        )
        for name, value in sorted(wanted.items())
        if scene.values.get(name) != value
    ]


def _of_neighbours(scene: Scene, changes: tuple[Change, ...]) -> Iterator[Change]:
    """What is corrected of a place is corrected for every item there."""
    for change in changes:
        for name in scene.neighbours if change.name.startswith(PLACE) else ():
            yield replace(change, title=f"{change.title} of {name}")


def _locked(changes: tuple[Change, ...]) -> list[Condition]:
    locked = [c.name for c in changes if c.field_class == LOCKED or not c.name.startswith(CORRECTABLE)]
    why = f"{', '.join(locked)} cannot be corrected by a repair" if locked else ""
    hint = "if the deal is to change: REQUEST_AMENDMENT"
    return [Condition("fields", "Only fields that may be corrected change.", why, "FIELD_LOCKED", hint)]


def _guard(scene: Scene, action: RepairAction, changes: tuple[Change, ...]) -> Condition:
    """No clause of the accepted deal changes but those that policy makes data, no further than it lets them."""
    item = scene.item.external_id if scene.item else ""
    free = {
        f"items/{item}/characteristics/{c.name.removeprefix(CHARACTERISTIC)}"
        for c in changes
        if c.field_class != LOCKED and not _beyond(action, c.name, _accepted(scene, item, action, c.name), c.new)
    }
    wanted = {c.name.removeprefix(CHARACTERISTIC): c.new for c in changes if c.name.startswith(CHARACTERISTIC)}
    clauses = correction.diff(scene.order.snapshot, _with(scene.order.snapshot, item, wanted), free.__contains__)
    return deal_kept(correction.business(clauses))


def _accepted(scene: Scene, item: str, action: RepairAction, name: str) -> Json:
    """What a characteristic of an item was when the deal was made; a date that was not named then is the one that the
    order was promised for, or asked for. None where there is none.
    """
    snapshot = _mapping(scene.order.snapshot)
    items = snapshot.get("items")
    own = [_mapping(one) for one in items if _mapping(one).get("externalId") == item] if isinstance(items, list) else []
    named = _mapping(own[0].get("characteristics")).get(name.removeprefix(CHARACTERISTIC)) if own else None
    if named is None and isinstance(action.tolerance.get(name), timedelta):
        return snapshot.get("committedAt") or snapshot.get("requestedAt")
    return named


def _beyond(action: RepairAction, name: str, accepted: Json, wanted: Json) -> bool:
    """Whether a date or an amount goes further from what was accepted than policy lets it; what cannot be compared
    does.
    """
    most = action.tolerance.get(name)
    if most is None:
        return False
    try:
        if isinstance(most, timedelta):
            return abs(datetime.fromisoformat(str(wanted)) - datetime.fromisoformat(str(accepted))) > most
        return abs(int(str(wanted)) - int(str(accepted))) > most
    except (ValueError, TypeError):
        return True


def deal_kept(clauses: tuple[correction.Clause, ...]) -> Condition:
    """The condition that nothing of the deal changes."""
    why = "; ".join(f"{c.path} is {c.what} ({c.old} → {c.new})" for c in clauses)
    hint = "hand it off as a change of the deal: REQUEST_AMENDMENT"
    return Condition("deal", "Nothing of what was agreed changes.", why, "BUSINESS_CORRECTION", hint)


def _with(content: Json, item: str, characteristics: Mapping[str, Json]) -> Json:
    """The accepted content as it would be with other characteristics of one item."""
    if not isinstance(content, Mapping) or not isinstance(content.get("items"), list):
        return content
    items = [
        {**each, "characteristics": {**_mapping(each.get("characteristics")), **characteristics}}
        if isinstance(each, Mapping) and each.get("externalId") == item
        else each
        for each in content["items"]  # type: ignore[union-attr]  # safe because it is a list
    ]
    return {**content, "items": items}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def skip_task(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """An optional task is left out; what waited for it goes on."""
    task, command = scene.task, scene.command
    if task is None:
        return Plan((Condition("task", "It has a task.", "this case has no task"),))
    if is_watched(task):
        return _tell_engine(scene, task, str(given.get("verb", "skip")))
    if given.get("verb", "skip") != "skip":
        why, hint = f"{task.step} is executed here, by no other engine", "skip it, or give its item up: CANCEL_ITEM"
        return Plan((Condition("watched", "Another engine executes it.", why, "NOT_WATCHED", hint),))
    way = "repair it; or cancel the item, or change the deal"
    optional = provided(
        "optional", "The task is optional.", not task.mandatory, f"{task.step} is mandatory", "TASK_MANDATORY", way
    )
    open_ = provided("not_begun", "Nothing of it is under way.", may(TASK_LIFECYCLE, task.state, "skip"),
                f"{task.step} is {task.state.value}", "TASK_UNDER_WAY", "find out what became of it first")  # fmt: skip
    left = command is not None and command.state is CommandState.INTENDED and still_in_doubt(command)
    gone = provided("not_left", "Nothing of it may have left.", not left, "an earlier attempt may have left",
               "OUTCOME_UNKNOWN", "find out first")  # fmt: skip
    after = [After("task", task.step, task.state.value, TaskState.SKIPPED.value)]
    if command is not None and command.state is CommandState.INTENDED:
        after.append(After("command", f"C-{command.id}", command.state.value, CommandState.WITHDRAWN.value))
    return Plan((optional, open_, gone), after=tuple(after), reads={"task.mandatory": task.mandatory})


def _tell_engine(scene: Scene, task: Task, verb: str) -> Plan:
    """The engine that executes a step is told to leave it out; the step moves when the engine says so."""
    live = provided("live", "The step is not over.", task.state in VERBS[verb], f"it is {task.state}", "TASK_IS_OVER")
    alone = _met("alone", "Nothing of it is under way.", may_intend(scene.commands, Purpose.RESUME, scene.now))
    why = f"the order's policy knows no way to tell {scene.order.source}"
    hint = f"do it at {scene.order.source}; its next report is heard here"
    can = provided("told", "Its engine can be told.", bool(scene.engine), why, "ENGINE_CANNOT", hint)
    n = 1 + sum(c.purpose is Purpose.RESUME for c in scene.commands)
    item = scene.item.external_id if scene.item else ""
    key = key_for(scene.order.source, scene.order.external_id, item, task.step, Purpose.RESUME, n)
    sends = (Sending(Purpose.RESUME.value, scene.engine, key, True, f"tells it to {verb} {task.step}"),)
    after = (After("task", task.step, task.state.value, f"{LEFT_OUT[verb].value}, once the engine says so"),)
    return Plan((live, alone, can), sends=sends, after=after, reads={"verb": verb, "task.mandatory": task.mandatory})


LEFT_OUT = {"skip": TaskState.SKIPPED, "cancel": TaskState.CANCELLED}


def freeze(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """Nothing of it is claimed, repaired or skipped any more; facts still move it."""
    name, frozen = _name(scene, given), frozen_thing(scene, given)
    free = provided("free", "It is not frozen yet.", not frozen, f"{name} is frozen already", "FROZEN", "thaw it")
    return Plan((free,), after=(After(*_thing(scene, given), "going on", "frozen"),))


def thaw(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """It goes on where it stood, unless it would charge and another case keeps it from that; what stands still because
    those who sell want it changed waits behind every outcome that is not known.
    """
    name, frozen, charges = _name(scene, given), frozen_thing(scene, given), given.get("what") == CHARGES
    marks, left = ([], None) if charges else let_go(scene, given)
    others = [f"F-{mark[BLOCKED_BY]}" for mark in marks_of(left)]
    why = f"{name} is kept from charging by {', '.join(others)}" if others else f"{name} is not frozen"
    hint = "let it charge there" if others else "nothing holds it"
    stands = provided("frozen", "It is frozen.", bool(frozen if charges else marks), why, "NOT_FROZEN", hint)
    waits = any(mark.get("by") == UPSTREAM for mark in marks)
    doubts = sorted(f"C-{c.id}" for c in scene.all_commands if waits and c.state is CommandState.UNKNOWN)
    why, sentence = f"the outcome of {', '.join(doubts)} is unknown", "It does not wait behind an unknown outcome."
    known = provided("outcomes_known", sentence, not doubts, why, "OUTCOME_UNKNOWN", "first find out")
    by = _by_no_person(marks)
    risky = f"{name} was not frozen by a person, but by {by}." if by else ""
    then = f"kept from charging by {', '.join(others)}" if others else "going on"
    after = (
        tuple(After("task", t.step, "frozen", _once_charged(t)) for t in blocked(scene))
        if charges
        else (After(*_thing(scene, given), "frozen", then),)
    )
    conditions = (stands, known, _not_reordered(scene, given))
    return Plan(conditions, after=after, risky=risky, reads={"frozen": frozen}, touches=_whose(scene, marks))


def _once_charged(task: Task) -> str:
    """The state of what may charge again."""
    return "frozen" if len(marks_of(task.frozen)) > 1 else "going on"


def _whose(scene: Scene, marks: list[Mark]) -> tuple[str, ...]:
    """The owner groups of the other cases that something stands still for."""
    whose = {mark.get("case") for mark in marks} | {mark.get("why") for mark in marks}
    return tuple(case.owner_group for case in scene.others if {case.id, case.code} & whose)


def _not_reordered(scene: Scene, given: Given) -> Condition:
    """What was stopped because it is ordered anew does not go on beside the other order."""
    one, sentence = scene.reorder, "It is not ordered anew elsewhere."
    if one is None or _thing(scene, given)[0] != "order":
        return Condition("not_reordered", sentence)
    if one.state is AmendmentState.ACCEPTED:
        why, hint = f"it was closed here for {replacement(one)}", "go on with that; its people end what is left here"
    else:
        why = f"AM-{one.id} asks that {replacement(one)} takes its place"
        hint = f"have that declined first: fallsafe amendment decline AM-{one.id}"
    return Condition("not_reordered", sentence, why, "REORDERED", hint)


def _by_no_person(marks: list[Mark]) -> str:
    """By whom else something is frozen, and why: `policy: APPROVAL_MISSING and upstream: date`."""
    every = dict.fromkeys(str(mark.get("by", "")) for mark in marks)
    told = {by: ", ".join(str(mark.get("why", "")) for mark in marks if mark.get("by") == by) for by in every}
    return " and ".join(f"{by}: {because}" for by, because in told.items() if by not in ("", PERSON))


def _name(scene: Scene, given: Given) -> str:
    thing, name = _thing(scene, given)
    return name if thing == CHARGES else f"{thing} {name}"


def frozen_thing(scene: Scene, given: Given) -> Json:
    """The marks of what somebody wants to stop or let go, as they are kept; of what charges, by its tasks."""
    thing, _ = _thing(scene, given)
    if thing == CHARGES:
        return {f"T-{t.id}": t.frozen for t in blocked(scene)} or None
    of_task = scene.task.frozen if scene.task else None
    return scene.order.frozen if thing == "order" else of_task


def let_go(scene: Scene, given: Given) -> tuple[list[Mark], Json]:
    """The reasons that are over where somebody lets it go, and what it is frozen for then: another case that keeps it
    from charging keeps it.
    """
    frozen = frozen_thing(scene, given)
    goes = [mark for mark in marks_of(frozen) if mark.get(BLOCKED_BY) in (None, scene.case.id)]
    return goes, without(frozen, lambda mark: mark in goes)


CHARGES = "billing"


def blocked(scene: Scene) -> list[Task]:
    """What would charge and stands still because of the case."""
    return [t for t in scene.charging if any(m.get(BLOCKED_BY) == scene.case.id for m in marks_of(t.frozen))]


def _thing(scene: Scene, given: Given) -> tuple[str, str]:
    if given.get("what") == CHARGES:
        return CHARGES, "what charges"
    if given.get("what") == "order" or scene.task is None:
        return "order", scene.order.external_id
    return "task", scene.task.step


FOUND = {"done": CommandState.DONE, "rejected": CommandState.REJECTED, "absent": CommandState.ABSENT}


def declare_outcome(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """A person looked where no system can be asked, or where asking did not settle it, and says what happened, with
    evidence (rule 2).
    """
    command, operation, said = scene.command, scene.operation, str(given.get("outcome", ""))
    unknown = command is not None and command.state is CommandState.UNKNOWN
    state = command.state.value if command else "not there"
    asked = provided(
        "unknown", "Its outcome is unknown.", unknown, f"its outcome is not unknown: it is {state}", "NOT_UNKNOWN"
    )
    if command is None or operation is None or not unknown or said not in FOUND:
        return Plan((asked,))
    refusal = why_not_declared("", command, operation, scene.all_commands, scene.now, done=said == "done")
    looked = _met("asked", "Whatever can be asked was asked, and did not settle it.", refusal)
    after = After("command", f"C-{command.id}", command.state.value, FOUND[said].value)
    return Plan((asked, looked), after=(after,), reads={"outcome": said})


def request_amendment(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """A change of the deal is handed off with its diff, clause by clause, what it needs, and what was done for what was
    agreed before; nothing of it is done here (§18).
    """
    fields, item = given.get("changes"), str(given.get("item") or (scene.item.external_id if scene.item else ""))
    wanted, content = dict(fields) if isinstance(fields, Mapping) else {}, scene.order.snapshot
    known = item in clauses.items_of(content) or not any(map(clauses.is_of_item, wanted))
    there = provided("item", "The item is part of the deal.", known, f"the deal has no item {item!r}", "NO_SUCH_ITEM")
    strange = sorted(n for n in wanted if not clauses.is_clause(n))
    clauses_known = provided(
        "clauses", "What changes are clauses of the deal.", not strange, f"no clause is called {', '.join(strange)}",
        "NO_SUCH_CLAUSE", f"clauses are {clauses.NAMES}",
    )  # fmt: skip
    wrong = clauses.wrong(wanted, content, item, scene.offers)
    fits = provided(
        "fits", "Each clause is what an order may say.", not wrong, "; ".join(wrong), "CLAUSE_WRONG",
        "say it as an order is handed in",
    )  # fmt: skip
    asked = clauses.amended(content, item, wanted, *_stand_ins(scene, item, wanted))
    found = correction.business(correction.diff(content, asked, lambda _: False))
    differs = provided(
        "differs", "It changes what was agreed.", bool(found), "it is what was agreed already", "NO_CHANGE",
        "if only data is wrong: SUPERSEDE_REJECTED",
    )  # fmt: skip
    changes = tuple(Change(c.path, f"{c.what}: needs {c.requires}", LOCKED, c.old, c.new) for c in found)
    effects = [After("effect", t.step, t.reference, FOR_THE_FORMER) for t in scene.done_for([c.path for c in found])]
    after = (*effects, After("amendment", item, "not there", "handed_off"))
    return Plan((there, clauses_known, fits, differs, _still_here(scene)), changes, after=after)


FOR_THE_FORMER = "stays as it was agreed before, until its people change it"


def _still_here(scene: Scene) -> Condition:
    """The order is not closed here for another one."""
    closed = scene.reorder is not None and scene.reorder.state is AmendmentState.ACCEPTED
    why = f"it was closed here for {replacement(scene.reorder)}" if closed and scene.reorder else ""
    hint = "change the deal of the other order"
    return Condition("still_here", "The order is not closed here for another one.", why, "REORDERED", hint)


def _stand_ins(scene: Scene, item: str, wanted: Mapping[str, Json]) -> tuple[Json, Json]:
    """What stands in the deal for a place and a person that are asked for; None where they stay. Both are personal."""
    place, person = clauses.below(wanted, clauses.PLACE), clauses.below(wanted, clauses.CUSTOMER)
    return (
        {"personal": f"items/{item}/place", "digest": scene.salted(place)} if place else None,
        {"personal": "parties/person", "digest": scene.salted(person)} if person else None,
    )


def cancel_and_reorder(scene: Scene, action: RepairAction, given: Given) -> Plan:
    """The order stands still, and who sells is asked to close it here and order anew: every effect that exists outside
    is listed, to be adopted by the other order or undone (§18.2).
    """
    adopt = {step.strip() for step in str(given.get("adopt", "")).split(",") if step.strip()}
    done = [t for t in scene.tasks.values() if t.state is TaskState.COMPLETED]
    strange = sorted(adopt - {t.step for t in done})
    known = provided("effects", "What is adopted exists.", not strange, f"nothing was done by {', '.join(strange)}")
    own = (scene.order.source, scene.order.external_id)
    named = (str(given.get("newSource", scene.order.source)), str(given.get("newOrder", "")))
    other = provided("other", "The other order is another one.", named != own, "it is this very order", "SAME_ORDER")
    effects = [After("effect", t.step, t.reference, "adopt" if t.step in adopt else _undone(t)) for t in done]
    doubt = [t for t in scene.tasks.values() if t.state in clauses.UNDER_WAY]
    effects += [After("effect", t.step, t.reference, f"find out what becomes of it, then {_undone(t)}") for t in doubt]
    was = "frozen" if scene.order.frozen else "going on"
    conditions = (known, other, _not_reordered(scene, {"what": "order"}))
    return Plan(conditions, after=(*effects, After("order", scene.order.external_id, was, "frozen")))


def _undone(task: Task) -> str:
    return "nothing to undo" if task.undo in NO_UNDO else f"undo: {task.undo}"


PLANNERS: Mapping[str, Planner] = {
    "RECONCILE_NOW": reconcile_now,
    "RESEND_SAME_KEY": resend_same_key,
    "SUPERSEDE_REJECTED": supersede_rejected,
    "SKIP_TASK": skip_task,
    "FREEZE": freeze,
    "THAW": thaw,
    "DECLARE_OUTCOME": declare_outcome,
    "REQUEST_AMENDMENT": request_amendment,
    "CANCEL_AND_REORDER": cancel_and_reorder,
    "correct": correct,
}

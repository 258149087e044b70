"""What a repair would do, computed without any effect: conditions, old and new of every field, what would be sent, what
the states would be, and whether a second person has to agree (§9).

The hash binds what was read, the rules that decided and what was given. Whatever is not read may change meanwhile.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case, is_told
from fallsafe.core.commands.contract import Operation
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.snapshot import canonical
from fallsafe.core.orders.task import Task, is_frozen
from fallsafe.core.orders.watched import is_watched
from fallsafe.core.repair.amendment import Amendment
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.values import replace

Given = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Renewal:
    """How what lapses would be renewed: which task lapses, and step and operation of the task that renews it."""

    task_id: int
    step: str
    operation: str


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task that would be planned: item and step, and what its command asks ("" = it has none)."""

    item: str
    step: str
    operation: str
    effect: bool


@dataclass(frozen=True, slots=True)
class Replanned:
    """What the set in force would make of the held items of an order: those that it frees, the tasks that they would
    have, and why the others stay as they are, each by item.
    """

    freed: Sequence[str]
    tasks: Sequence[NewTask]
    held: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a repair may read: the case with its order, item, task and commands, the contract of its command, whether
    that is on its way by itself (`scheduled`), what its request reads (`asked`, and of its item `values`), and what it
    relies on that does not count any more (`lapsed`). `neighbours` are the other items at the same place, `done_with`
    names for a fact the steps that had an effect made with it, wherever it is corrected. `others` are the other open
    cases of the order, `codes` and `types` what policy knows (a task type gives its operation), `groups` who may own
    it, `charging` the tasks of the order that would charge and have not begun, `newest` the set in force, `replanned`
    what that would plan of what is held, `engine` the operation by which another engine is told what to do with its
    steps ("" = none). `salted` gives the digest of a value that may be personal.

    Of the deal: `offers` are those that are sold, `done_for` gives the tasks that were done or are under way with
    clauses of some paths, `costs` is what the order costs at once and each month, in minor units, `reorder` is the
    request by which the order is closed here, `outdated` the one that changed what the command says, `accepted_name`
    the customer's name as it was accepted.
    """

    case: Case
    order: Order
    item: Item | None
    task: Task | None
    tasks: Mapping[int, Task]
    commands: Sequence[Command]
    command: Command | None
    operation: Operation | None
    scheduled: bool
    now: datetime
    salted: Callable[[Json], str]
    values: Mapping[str, Json] = field(default_factory=dict)
    lapsed: Refusal | None = None
    asked: frozenset[str] = frozenset()
    neighbours: Sequence[str] = ()
    done_with: Mapping[str, Sequence[str]] = field(default_factory=dict)
    others: Sequence[Case] = ()
    all_commands: Sequence[Command] = ()
    codes: frozenset[str] = frozenset()
    types: Mapping[str, str] = field(default_factory=dict)
    groups: frozenset[str] = frozenset()
    charging: Sequence[Task] = ()
    newest: str = ""
    replanned: Replanned | None = None
    engine: str = ""
    renewal: Renewal | None = None
    offers: frozenset[str] = frozenset()
    done_for: Callable[[Sequence[str]], Sequence[Task]] = lambda _: ()
    reorder: Amendment | None = None
    outdated: Amendment | None = None
    accepted_name: str = ""
    costs: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must hold before it is run; `why` says why it does not, empty where it does."""

    name: str
    sentence: str
    why: str = ""
    code: str = "PRECONDITION"
    hint: str = ""

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return not self.why


def provided(name: str, sentence: str, holds: bool, why: str, code: str = "PRECONDITION", hint: str = "") -> Condition:
    """A condition that is met where it holds; `why` says why not."""
    return Condition(name, sentence, "" if holds else why, code, hint)


@dataclass(frozen=True, slots=True)
class Change:
    """Old and new of one field; `personal` values are shown to those who may see them and kept as digests."""

    name: str
    title: str
    field_class: str
    old: Json
    new: Json
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Sending:
    """A command that would go out: what it asks, of whom, under which key, and whether it has an effect there."""

    purpose: str
    operation: str
    key: str
    effect: bool
    what: str


@dataclass(frozen=True, slots=True)
class After:
    """The state that a thing would be in."""

    thing: str
    name: str
    was: str
    then: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What one action says of one scene. `risky` is the sentence for which a second person is needed; `reads` are the
    values that decided, by name; `touches` the owner groups of other cases that it changes.
    """

    conditions: tuple[Condition, ...]
    changes: tuple[Change, ...] = ()
    sends: tuple[Sending, ...] = ()
    after: tuple[After, ...] = ()
    risky: str = ""
    reads: Mapping[str, Json] = field(default_factory=dict)
    touches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan with its hash, why a second person has to agree, and the roles of which they have one."""

    action: RepairAction
    plan: Plan
    approval: str
    approvers: tuple[str, ...]
    reads: Mapping[str, Json]
    hash: str

    @property
    def ready(self) -> bool:
        """Whether every condition is met."""
        return all(condition.met for condition in self.plan.conditions)

    @property
    def needs_approval(self) -> bool:
        """Whether a second person has to agree."""
        return bool(self.approval)


Planner = Callable[[Scene, RepairAction, Given], Plan]


def common(scene: Scene, action: RepairAction, made: Plan, actor: Actor | None) -> list[Condition]:
    """What must hold for every action. `actor` None where who asks was asked before."""
    case, command = scene.case, scene.command
    conditions = [
        Condition(
            "case_open",
            "The case is open.",
            "" if case.state in OPEN_CASE_STATES else f"it is {case.state.value}",
            "CASE_NOT_OPEN",
            "comment on it, or reopen it",
        )
    ]
    if actor is not None:
        why = next(filter(None, (action.why_not(actor, group) for group in (case.owner_group, *made.touches))), "")
        conditions.append(Condition("role", "You may run it.", why, "NOT_ALLOWED", "ask somebody who may"))
    if action.locked_while_unknown:
        unknown = command is not None and command.state is CommandState.UNKNOWN
        why = f"the outcome of C-{command.id} is unknown" if unknown and command is not None else ""
        hint = f"first find out: fallsafe command reconcile C-{command.id}" if command is not None else ""
        conditions.append(Condition("outcome_known", "Its outcome is known.", why, "OUTCOME_UNKNOWN", hint))
    if action.does not in WHILE_FROZEN:
        conditions.append(Condition("not_frozen", "Nothing of it is frozen.", frozen_why(scene), "FROZEN", "thaw it"))
    if action.does in ONLY_EXECUTED_HERE:
        why = "another engine executes it" if scene.task is not None and is_watched(scene.task) else ""
        conditions.append(
            Condition("executed_here", "It is executed here.", why, "EXECUTED_ELSEWHERE", TELL_THE_ENGINE)
        )
    return conditions


TELL_THE_ENGINE = "have its engine told: POST /tasks/{task_id}/resume or retry; to leave it out: SKIP_TASK"
ONLY_EXECUTED_HERE = frozenset(
    {
        *("SUPERSEDE_REJECTED", "correct", "PLAN_AGAIN", "RENEW_RESERVATION", "ADD_TASK"),
        *("MARK_EXTERNAL_COMPLETED", "REDO_FROM_TASK", "undo_first", "CANCEL_ITEM", "MERGE"),
    }
)
"""What changes the plan of an order, or a task of it; where another engine has the plan, that engine is told. That a
step failed there, and that a word to the engine is in doubt, are two failures, of which the second ends by itself.
"""


WHILE_FROZEN = frozenset(
    {
        *("THAW", "FREEZE", "RECONCILE_NOW", "DECLARE_OUTCOME", "ADOPT_EXTERNAL_RESULT", "REQUEST_AMENDMENT"),
        *("CANCEL_AND_REORDER", "wait_for", "OVERRIDE_CLASSIFICATION", "MERGE", "SPLIT", "RELATE"),
        *("CREATE_FOLLOW_UP", "BLOCK_BILLING_HANDOFF"),
    }
)
"""While frozen nothing is repaired; what only asks, only says, or ends the freezing is."""


def frozen_why(scene: Scene) -> str:
    """Why it stands still; empty where it does not."""
    if scene.order.frozen:
        return "its order is frozen"
    return f"its task {scene.task.step} is frozen" if scene.task and is_frozen(scene.task, scene.tasks) else ""


def preview(scene: Scene, action: RepairAction, given: Given, plan: Planner, actor: Actor | None) -> Preview:
    """What it would do. `actor` is whoever asks; what they may is a condition, and no part of the hash."""
    made = plan(scene, action, given)
    made = replace(made, touches=(*made.touches, *_also_touched(scene, made)))
    conditions = (*common(scene, action, made, actor), *made.conditions)
    whole = replace(made, conditions=conditions)
    groups: list[Json] = [*sorted({*made.touches})]
    reads = {**_read_by_all(scene, action), **made.reads, TOUCHES: groups}
    approval, approvers = approval_of(action, made), action.approvers_for(at_stake(scene))
    bound: dict[str, Json] = {
        "reads": reads,
        "given": scene.salted(dict(given)),
        "sends": [_plain(s) for s in made.sends],
        "after": [_plain(a) for a in made.after],
        "changes": [[c.name, c.title, scene.salted(c.old), scene.salted(c.new)] for c in made.changes],
        "approval": approval,
        "approvers": [*approvers],
    }
    return Preview(action, whole, approval, approvers, reads, hashlib.sha256(canonical(bound)).hexdigest())


def at_stake(scene: Scene) -> int:
    """What the order costs, in minor units, where the command of the case moves money or goods; 0 else."""
    return scene.costs if scene.operation is not None and scene.operation.moves_money_or_goods else 0


TOUCHES = "touches"
"""Among what a preview has read: the owner groups of other cases that it changes."""
OF_THE_WORK = ("task", "command")


def _also_touched(scene: Scene, made: Plan) -> list[str]:
    """Whoever owns what the product saw of a task: a case of the same task that somebody opened gives nobody a right
    to that.
    """
    changed = made.sends or any(one.thing in OF_THE_WORK for one in made.after)
    if not is_told(scene.case) or scene.case.task_id is None or not changed:
        return []
    return [c.owner_group for c in scene.others if c.task_id == scene.case.task_id and not is_told(c)]


def _plain(value: Sending | After) -> Json:
    return dict(asdict(value))


def approval_of(action: RepairAction, plan: Plan) -> str:
    """Why a second person has to agree; empty where none has."""
    match action.approves_when:
        case "always":
            return action.approval or f"{action.title} needs a second person."
        case "risk":
            return plan.risky
        case _:
            return ""


def _read_by_all(scene: Scene, action: RepairAction) -> dict[str, Json]:
    """The values that decide for every action, by name."""
    command, task = scene.command, scene.task
    return {
        "action": action.digest,
        "case": f"F-{scene.case.id}",
        "case.open": scene.case.state in OPEN_CASE_STATES,
        "case.code": scene.case.code,
        "order.fingerprint": scene.order.fingerprint,
        "order.phase": scene.order.phase.value,
        "order.frozen": bool(scene.order.frozen),
        "order.policySet": scene.order.policy_set,
        "task.state": task.state.value if task else "",
        "task.frozen": bool(task and is_frozen(task, scene.tasks)),
        "command": f"C-{command.id}" if command else "",
        "command.state": command.state.value if command else "",
        "command.attempts": command.attempts if command else 0,
        "command.contract": command.contract_set if command else "",
    }


def unmet(made: Preview, what: str) -> Refusal | None:
    """The first condition that is not met, as a refusal."""
    for condition in made.plan.conditions:
        if not condition.met:
            return Refusal(condition.code, what, condition.why, condition.hint or "see what its preview says")
    return None


def differences(was: Mapping[str, Json], now: Mapping[str, Json]) -> list[str]:
    """What moved since a preview, in words: `command.state: rejected → superseded`."""
    names = sorted(was.keys() | now.keys())
    return [f"{name}: {was.get(name)} → {now.get(name)}" for name in names if was.get(name) != now.get(name)]

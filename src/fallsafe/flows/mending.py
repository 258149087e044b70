"""What running the actions beside corrections and resends does: of the case itself, and of the plan of its order."""

from collections.abc import Mapping

from fallsafe.core.cases.case import CASE_LIFECYCLE, PERSONS_RULE, Case, CaseState, advance, case_key
from fallsafe.core.cases.work import joined, link
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.errors import Bug
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.draft import instant
from fallsafe.core.orders.frozen import BLOCKED_BY, PERSON, Mark, frozen_by, marks_of, with_mark
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import FINAL_TASK_STATES, TASK_LIFECYCLE, Task
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.actions import blocked
from fallsafe.core.repair.further import FOLLOW_UP
from fallsafe.core.repair.preview import Given, Scene
from fallsafe.core.repair.request import Repair
from fallsafe.core.triage.classify import Rule
from fallsafe.core.triage.fingerprint import fingerprint
from fallsafe.core.values import replace
from fallsafe.flows import amending, cases, lapse, moves, parking, planning
from fallsafe.flows.discretion import discreet
from fallsafe.flows.marking import why_of
from fallsafe.flows.moves import move_command
from fallsafe.flows.turn import Turn
from fallsafe.store.ids import outside
from fallsafe.store.work import Aggregate, Entry, Why


async def wait_for(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """The case waits for whoever was asked; the next look is when their time is over."""
    until = instant(str(given["until"]))
    whom = await discreet(turn, aggregate, str(given.get("whom", "customer")))
    what = await discreet(turn, aggregate, str(given["what"]))
    said: Json = {
        "for": whom, "what": what, "reference": outside("repair", repair.id), "until": until.isoformat(),
    }  # fmt: skip
    case = replace(aggregate.cases[scene.case.id], waiting_for=said, touched_at=turn.now)
    case = replace(case, next_action=f"Look again when {whom} has answered, or the time is over")
    aggregate.put(case, "wait", why_of(turn, repair))
    turn.tx.clear("review", case.id)
    turn.tx.file(Entry("review", case.id, case.order_id, until))
    return None


async def override(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """The case is what a person says it is; the record carries the rule that would have said so."""
    case, code = aggregate.cases[scene.case.id], str(given["code"])
    changed = _judged(turn, case, code, repair)
    draft: Json = {"system": case.system, "operation": case.operation, "codes": [case.raw_code], "code": code}
    why = replace(why_of(turn, repair), facts={"ruleDraft": draft, "was": case.code})
    aggregate.put(changed, "override", why)
    return None


def _judged(turn: Turn, case: Case, code: str, repair: Repair) -> Case:
    """A case as one of a code that a person named."""
    newest = turn.context.newest
    rule = next((r for r in _rules(newest) if r.code == code), None)
    changed = replace(
        case,
        code=code,
        case_key=case_key(case.order_id, case.task_id or case.item_id, code),
        message_key=newest.codes[code].message,
        touched_at=turn.now,
        rule=f"{PERSONS_RULE}{outside('repair', repair.id)}",
        policy_set=newest.id,
    )
    if rule is None:
        return changed
    return replace(changed, recoverability=rule.recoverability.value, cause=rule.cause, next_action=rule.first_step)


def _rules(newest: PolicySet) -> list[Rule]:
    return [rule for rules in newest.rules.exact.values() for rule in rules]


async def merge(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """This case ends in the other one, which counts what was seen of both, and for which stands still what stood still
    for this one.
    """
    into = next(c for c in aggregate.open_cases if outside("case", c.id) == given["into"])
    case, why = aggregate.cases[scene.case.id], why_of(turn, repair)
    resolution: Json = {"type": "Merged", "verified": False, "into": outside("case", into.id)}
    aggregate.put(advance(case, "merge", turn.now, resolution=resolution, repair=None), "merge", why)
    both = joined(into, case, turn.now)
    aggregate.put(replace(both, related=link(both.related, outside("case", case.id), cases.MERGED)), "join", why)
    amending.take_over(turn, aggregate, case, into, why)
    turn.tx.clear("review", case.id)
    held: list[Order | Task] = [aggregate.order, *aggregate.tasks.values()]
    for row in held:
        handed = _handed(row.frozen, case, into)
        if handed != row.frozen:
            aggregate.put(replace(row, frozen=handed), "freeze", why)
    return None


def _handed(frozen: Json, case: Case, into: Case) -> Json:
    """The marks of what stands still, where they named one case naming the other."""
    return frozen_by(
        [{n: into.id if n in MARKS and v == case.id else v for n, v in mark.items()} for mark in marks_of(frozen)]
    )


MARKS = ("case", BLOCKED_BY)
"""How the mark of what stands still names the case that it stands still for: until somebody lets go, or until that
ends.
"""


async def split(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """The other failure has a case of its own from now on, with the same owner."""
    case, why = aggregate.cases[scene.case.id], why_of(turn, repair)
    new = _judged(turn, await _new(turn, case, str(given["code"])), str(given["code"]), repair)
    new = _begun(aggregate, replace(new, related=link(None, outside("case", case.id), "split from")), why)
    less = replace(case, occurrences=case.occurrences - 1, touched_at=turn.now)
    aggregate.put(replace(less, related=link(less.related, outside("case", new.id), "split")), "part", why)
    cases.look_again(turn, new)
    return None


async def follow_up(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """What is left for later: a case about the order, which blocks nothing, with an owner and the day of its look."""
    case, why, group = aggregate.cases[scene.case.id], why_of(turn, repair), str(given["ownerGroup"])
    what, until = await discreet(turn, aggregate, str(given["what"])), instant(str(given["until"]))
    said: Json = {"for": group, "what": what, "reference": outside("repair", repair.id), "until": until.isoformat()}
    new = _judged(turn, await _new(turn, case, FOLLOW_UP), FOLLOW_UP, repair)
    new = replace(
        new, item_id=None, task_id=None, command_id=None, owner_group=group,
        case_key=case_key(case.order_id, case.id, FOLLOW_UP),
        next_action=what, blocked_tasks=0, amount_minor=0, related=link(None, outside("case", case.id), "follows up"),
    )  # fmt: skip
    new = _begun(aggregate, new, why)
    aggregate.put(replace(new, waiting_for=said), "wait", why)
    linked = replace(case, related=link(case.related, outside("case", new.id), "followed up"), touched_at=turn.now)
    aggregate.put(linked, "relate", why)
    turn.tx.file(Entry("review", new.id, new.order_id, until))
    return None


def _begun(aggregate: Aggregate, new: Case, why: Why) -> Case:
    """A case that a person made of another one, detected, classified and assigned like every other."""
    owner = new.owner_group
    detected = replace(new, owner_group="")
    aggregate.put(detected, "detect", why)
    classified = replace(detected, state=move(CASE_LIFECYCLE, detected.state, "classify"))
    aggregate.put(classified, "classify", why)
    assigned = replace(classified, state=move(CASE_LIFECYCLE, classified.state, "assign"), owner_group=owner)
    aggregate.put(assigned, "assign", why)
    return assigned


async def _new(turn: Turn, case: Case, code: str) -> Case:
    """A case like another one, but of a failure of its own, which nobody has worked on yet."""
    return replace(
        case, id=await turn.tx.new_id(), state=CaseState.DETECTED, occurrences=1, detected_at=turn.now,
        occurred_at=turn.now, assignee="", escalated_to="", waiting_for=None, resolution=None, repair=None,
        handling=None, fingerprint=fingerprint(case.system, case.operation, code, case.raw_message),
    )  # fmt: skip


async def block_billing(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """What would charge stands still while the case is open."""
    by: Mark = {
        "by": PERSON, "who": repair.run_by, "why": outside("repair", repair.id), "until": None,
        BLOCKED_BY: scene.case.id,
    }  # fmt: skip
    held = {task.id for task in blocked(scene)}
    for task in (t for t in scene.charging if t.id not in held):
        aggregate.put(replace(task, frozen=with_mark(task.frozen, by)), "freeze", why_of(turn, repair))
    return None


async def plan_again(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """What is held is planned by the newest set."""
    await planning.replan(turn, aggregate, repair.reason)
    return None


async def renew(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """What lapses is renewed by a task of its own."""
    new = scene.renewal
    if new is None:
        raise Bug("a renewal was run of what does not lapse")
    policy, lapsing = turn.policy(aggregate), aggregate.tasks[new.task_id]
    kind = policy.task_types[policy.task_types[lapsing.type].renew]
    made = await lapse.beside(turn, lapsing, kind, new.step)
    return await _begin(turn, aggregate, repair, made)


async def add_task(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """One more task of the item; nothing waits for it but the end of the item."""
    kind = turn.policy(aggregate).task_types[str(given["taskType"])]
    shown = repair.reads if isinstance(repair.reads, Mapping) else {}
    beside = next(t for t in aggregate.tasks.values() if scene.item is not None and t.item_id == scene.item.id)
    made = await lapse.beside(turn, beside, kind, f"{kind.name}Added{shown['n']}")
    return await _begin(turn, aggregate, repair, replace(made, depends_on=(), mandatory=True))


async def _begin(turn: Turn, aggregate: Aggregate, repair: Repair, made: Task) -> int | None:
    """The case does not wait for it: what failed stands as it did."""
    aggregate.put(made, "plan", why_of(turn, repair))
    await moves.make_ready(turn, aggregate, made, why_of(turn, repair))
    command = aggregate.current(made.id)
    return command.id if command is not None else None


async def cancel_item(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """Its tasks are cancelled; its case ends as not resolved, never as recovered."""
    why, item = why_of(turn, repair), scene.item
    own = [t for t in aggregate.tasks.values() if item is not None and t.item_id == item.id]
    for task in (t for t in own if t.state not in FINAL_TASK_STATES):
        command = aggregate.current(task.id)
        if command is not None and command.state is CommandState.INTENDED:
            await move_command(turn, aggregate, command, "withdraw", why)
        now = aggregate.tasks[task.id]
        state = move(TASK_LIFECYCLE, now.state, "cancel")
        aggregate.put(replace(now, state=state, waiting=None), "cancel", why)
        for kind in (*moves.LIVE_KINDS, parking.KIND):
            turn.tx.clear(kind, task.id)
    resolution: Json = {
        "type": "Cancelled",
        "verified": False,
        "repair": outside("repair", repair.id),
        "by": repair.run_by,
    }
    ids = {t.id for t in own}
    for case in aggregate.open_cases:
        if case.task_id in ids:
            given_up = advance(case, "give_up", turn.now, resolution=resolution, repair=None)
            aggregate.put(given_up, "give_up", why)
            turn.tx.clear("review", case.id)
    return None

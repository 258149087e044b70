"""What a repair reads, and what running one does: for each action the steps that its preview told, and no other."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fallsafe.core.cases.case import Case
from fallsafe.core.commands.ledger import Command, CommandState, Purpose
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.errors import Bug
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.frozen import BLOCKED_BY, PERSON, SUCCESSOR, without
from fallsafe.core.orders.item import Item, monthly_minor, one_off_minor
from fallsafe.core.orders.snapshot import canonical
from fallsafe.core.orders.task import TASK_LIFECYCLE, Task, TaskState
from fallsafe.core.orders.watched import is_watched
from fallsafe.core.repair.actions import CHARGES, CORRECTABLE, CUSTOMER, PLACE, blocked, let_go, why_not_resend
from fallsafe.core.repair.amendment import REORDER, reorder_of
from fallsafe.core.repair.clauses import customer_at
from fallsafe.core.repair.preview import Given, Scene
from fallsafe.core.repair.request import Repair
from fallsafe.core.values import replace
from fallsafe.flows import (
    amending,
    cases,
    checking,
    commands,
    correcting,
    facts,
    lapse,
    mending,
    moves,
    parking,
    payload,
    planning,
    quarantine,
    recover,
    signals,
    steering,
)
from fallsafe.flows.facts import Told
from fallsafe.flows.marking import mark, why_of
from fallsafe.flows.moves import move_command, times
from fallsafe.flows.stopping import stop
from fallsafe.flows.turn import Turn
from fallsafe.store.ids import outside
from fallsafe.store.work import Aggregate, Why

Effect = Callable[[Turn, Aggregate, Scene, Repair, Given], Awaitable[int | None]]


async def scene_of(turn: Turn, aggregate: Aggregate, case: Case) -> Scene:
    """What a repair of a case may read, as it stands under the lock of its order."""
    task, item = aggregate.tasks.get(case.task_id or 0), aggregate.items.get(case.item_id or 0)
    command = _command(aggregate, case)
    operation = facts.contract(turn, aggregate, command)[1] if command else None
    rows = await turn.tx.fetch("agenda/of_orders", ids=[aggregate.order.id])
    waiting = {row["id"] for row in rows if row["kind"] in ("send", parking.KIND)}
    asked = turn.policy(aggregate).request_facts.get(command.operation, frozenset()) if command else frozenset()
    personal = (await commands.personal_of(turn, [aggregate.order.id])).get(aggregate.order.id, {})
    near = correcting.neighbours(aggregate, item, personal) if item is not None else []
    return Scene(
        case=case,
        order=aggregate.order,
        item=item,
        task=task,
        tasks=aggregate.tasks,
        commands=[
            c for c in aggregate.commands.values() if c.task_id == case.task_id and c.purpose is not Purpose.QUERY
        ],
        command=command,
        operation=operation,
        scheduled=bool(task and task.id in waiting),
        now=turn.now,
        salted=lambda value: aggregate.key.digest(canonical(value)),
        values=_values(turn, aggregate, case, command, asked, personal),
        asked=asked,
        neighbours=sorted(one.external_id for one in near),
        done_with=_done_with(turn, aggregate, item, task, near),
        others=[c for c in aggregate.open_cases if c.id != case.id],
        all_commands=[*aggregate.commands.values()],
        codes=frozenset(turn.context.newest.codes),
        types={name: kind.operation for name, kind in turn.policy(aggregate).task_types.items() if kind.operation},
        groups=frozenset(turn.context.newest.owners),
        charging=_charging(turn, aggregate),
        newest=turn.context.newest.id,
        engine=steering.way_to_tell(turn, aggregate),
        replanned=planning.foreseen(turn, aggregate) if item is not None and item.hold_code else None,
        renewal=lapse.renewal(turn, aggregate, task) if task is not None else None,
        lapsed=lapse.why_not(turn, aggregate, task, "cannot go on") if task else None,
        offers=amending.offers(turn),
        done_for=lambda paths: amending.done_for(turn, aggregate, paths),
        reorder=reorder_of(aggregate.amendments.values()),
        outdated=commands.outdated_by(turn, aggregate, command) if command else None,
        accepted_name=_accepted_name(aggregate, personal),
        costs=one_off_minor(aggregate.items.values()) + monthly_minor(aggregate.items.values()),
    )


def _charging(turn: Turn, aggregate: Aggregate) -> list[Task]:
    """The tasks of an order that would charge for it and have not begun."""
    policy = turn.policy(aggregate)
    billing = {name for name, one in policy.operations.items() if policy.systems[one.system].domain == BILLING}
    quiet = (TaskState.PLANNED, TaskState.READY, TaskState.PARKED)
    return [t for t in aggregate.tasks.values() if t.operation in billing and t.state in quiet]


BILLING = "Billing"
"""The domain of the systems that charge."""


def _done_with(
    turn: Turn, aggregate: Aggregate, item: Item | None, failed: Task | None, near: Sequence[Item]
) -> dict[str, list[str]]:
    """For each fact the other steps that had an effect made with it, or that are asked for with it: of the item; for a
    place of every item there; for the customer of the whole order.
    """
    policy, found = turn.policy(aggregate), defaultdict[str, list[str]](list)
    there = {one.id for one in near}
    for task in aggregate.tasks.values():
        operation, command = policy.operations.get(task.operation), aggregate.current(task.id)
        written = command is not None and command.request_evidence_id is not None
        stands = task.state in (*UNDER_WAY, TaskState.COMPLETED) or (task.state is TaskState.READY and written)
        if item is None or task is failed or not stands or operation is None or not operation.effect:
            continue
        own = task.item_id == item.id
        name = task.step if own else f"{task.step} of {aggregate.items[task.item_id].external_id}"
        for fact in policy.request_facts.get(task.operation, ()):
            same_place = fact.startswith(PLACE) and task.item_id in there
            if own or same_place or fact.startswith(CUSTOMER):
                found[fact].append(name)
    return found


UNDER_WAY = (TaskState.SENDING, TaskState.WAITING_CALLBACK, TaskState.UNKNOWN)


def _command(aggregate: Aggregate, case: Case) -> Command | None:
    """The command that speaks for a case: the newest of its task, or the word to another engine that it is about."""
    own = aggregate.commands.get(case.command_id or 0)
    if case.task_id is None or (own is not None and own.purpose is Purpose.RESUME):
        return own
    return aggregate.current(case.task_id) or own


def _values(
    turn: Turn,
    aggregate: Aggregate,
    case: Case,
    command: Command | None,
    asked: frozenset[str],
    personal: payload.Personal,
) -> dict[str, Json]:
    """What the request of a command reads of its order, by fact, and all of its item that may be corrected."""
    task = aggregate.tasks.get(case.task_id or 0)
    if command is None or task is None:
        return {}
    known = payload.facts(turn, aggregate, task, command.key, personal)
    names = {name for name in asked if name.startswith(("item.", "order.", "results."))}
    item = known["item"] if isinstance(known["item"], Mapping) else {}
    correctable = (item.get("characteristics"), item.get("place"), known["customer"])
    for prefix, held in zip(CORRECTABLE, correctable, strict=True):
        names |= {f"{prefix}{name}" for name in held} if isinstance(held, Mapping) else set()
    return {name: value for name in sorted(names) if (value := _at(known, name)) is not None}


def _accepted_name(aggregate: Aggregate, personal: payload.Personal) -> str:
    """The name of the customer as it was accepted, whatever was corrected since; empty where none was."""
    at, content = customer_at(aggregate.order.snapshot), aggregate.order.snapshot
    parties = content.get("parties") if isinstance(content, Mapping) else None
    party = parties[at] if at is not None and isinstance(parties, list) else None
    person = personal.get(str(_at(party, "person.personal"))) if isinstance(party, Mapping) else None
    return str(person.get("name") or "") if isinstance(person, Mapping) else ""


def _at(known: Mapping[str, Json], name: str) -> Json:
    here: Json = known
    for word in name.split("."):
        here = here.get(word) if isinstance(here, Mapping) else None
    return here


def _must(command: Command | None) -> Command:
    if command is None:
        raise Bug("a repair was run of a case without a command")
    return command


async def _reconcile_now(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    command = _must(scene.command)
    recover.look_now(turn, aggregate, command, repair.reason)
    return command.id


async def _resend(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    command, operation = _must(scene.command), scene.operation
    refused = operation and why_not_resend("", command, operation, turn.now, scene.scheduled)
    mark(turn, aggregate, scene, repair)
    await commands.go_again(
        turn, aggregate, command, repair.reason, approved=outside("repair", repair.id) if refused else ""
    )
    return command.id


async def _supersede(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """Old and new stand side by side for good; the new one has a key of its own."""
    fields = given.get("fields")
    wanted = fields if isinstance(fields, Mapping) else {}
    await correcting.correct(turn, aggregate, scene, why_of(turn, repair), wanted, {})
    return await replace_command(turn, aggregate, scene, repair)


async def _correct(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    fields = await checking.corrected(turn, aggregate, repair)
    answered = checking.answered_of(aggregate, repair)
    await correcting.correct(turn, aggregate, scene, why_of(turn, repair), fields, answered)
    return await replace_command(turn, aggregate, scene, repair)


async def replace_command(
    turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, because: Why | None = None
) -> int:
    """A new command in place of one that is proved not to be there; its task is ready again. `because` is what led to
    it, where that is not the repair itself.
    """
    old, task = _must(scene.command), aggregate.tasks[_must(scene.command).task_id]
    mark(turn, aggregate, scene, repair)
    why = why_of(turn, repair, supersedes=outside("command", old.id))
    why = why if because is None else replace(because, facts={**because.facts, **why.facts})
    await move_command(turn, aggregate, old, "supersede", why)
    kind, state = turn.policy(aggregate).task_types[task.type], move(TASK_LIFECYCLE, task.state, "repair")
    ready = replace(task, state=state, **times(task, state, kind, turn.now))
    aggregate.put(ready, "repair", why)
    n = 1 + max(c.n for c in scene.commands if c.purpose is old.purpose)
    made = await moves.intend(turn, aggregate, ready, n, why, old.purpose, old.operation, old.method)
    return made.id


async def _skip(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    if scene.task is None:
        raise Bug("a task was skipped that is not there")
    why, command = why_of(turn, repair), scene.command
    if is_watched(scene.task):
        told = await steering.tell(turn, aggregate, aggregate.tasks[scene.task.id], str(given.get("verb", "skip")), why)
        return told.id
    if command is not None and command.state is CommandState.INTENDED:
        await move_command(turn, aggregate, command, "withdraw", why)
    task = aggregate.tasks[scene.task.id]
    left = replace(task, state=move(TASK_LIFECYCLE, task.state, "skip"), waiting=None)
    aggregate.put(left, "skip", why)
    for kind in (*moves.LIVE_KINDS, parking.KIND):
        turn.tx.clear(kind, task.id)
    said: dict[str, Json] = {
        "id": outside("repair", repair.id), "resolves": "Skipped", "by": repair.run_by,
    }  # fmt: skip
    await moves.release_dependants(turn, aggregate, left)
    cases.skipped(turn, aggregate, scene.case.id, left, said, repair.reason)
    return None


async def _freeze(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    name = outside("repair", repair.id)
    by: Json = {"by": PERSON, "who": repair.run_by, "why": name, "until": None, "case": scene.case.id}
    _put(turn, aggregate, scene, repair, given, "freeze", by)
    return None


async def _thaw(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    if given.get("what") == CHARGES:
        for task in blocked(scene):
            left = without(task.frozen, lambda mark: mark.get(BLOCKED_BY) == scene.case.id)
            aggregate.put(replace(aggregate.tasks[task.id], frozen=left), "thaw", why_of(turn, repair))
        return None
    gone, left = let_go(scene, given)
    whose = [case for mark in gone if isinstance(case := mark.get("case"), int)]
    _put(turn, aggregate, scene, repair, given, "thaw", left)
    if any(mark.get("by") == quarantine.BY for mark in gone):
        await quarantine.give_back(turn, aggregate)
    for case_id in whose:
        cases.let_go(turn, aggregate, case_id, outside("repair", repair.id))
    if whose:
        await signals.end_taken_back(turn, whose)
    return None


def _put(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given, verb: str, frozen: Json) -> None:
    why = why_of(turn, repair)
    if given.get("what") == "order" or scene.task is None:
        aggregate.put(replace(aggregate.order, frozen=frozen), verb, why)
    else:
        aggregate.put(replace(aggregate.tasks[scene.task.id], frozen=frozen), verb, why)


async def _declare(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """A person's word goes the way of every other fact; what they saw is evidence of its own."""
    command = _must(scene.command)
    seen = await turn.tx.add_evidence(
        aggregate.order.id,
        aggregate.key,
        kind="declaration",
        source=repair.run_by,
        body=str(given["seen"]).encode(),
        media_type="text/plain; charset=utf-8",
        head=outside("repair", repair.id),
        command_id=command.id,
    )
    says = {"done": Says.DONE, "rejected": Says.REJECTED, "absent": Says.ABSENT}[str(given["outcome"])]
    if says is Says.DONE:
        mark(turn, aggregate, scene, repair)
    code = "DECLARED_REJECTED" if says is Says.REJECTED else ""
    fact = Fact(says, "person", str(given.get("reference", "")), code, "", 0)
    await facts.apply(turn, aggregate, aggregate.commands[command.id], Told(fact, (seen.id,)))
    return command.id


async def _adopt(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """A person's word that it is there, with its reference; what they saw is evidence."""
    return await _declare(turn, aggregate, scene, repair, {**given, "outcome": "done"})


async def _mark_completed(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """A person's word that it is done, with what they saw: a fact like every other."""
    return await _declare(turn, aggregate, scene, repair, {**given, "outcome": "done"})


async def _redo(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    return await replace_command(turn, aggregate, scene, repair)


async def _nothing(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    raise Bug(f"{repair.action} was run, and its conditions never hold")


async def _hand_off(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """The deal is not touched: who sells is asked, with the diff, and the case waits for their answer."""
    item = str(given.get("item") or (scene.item.external_id if scene.item else ""))
    await amending.hand_off(turn, aggregate, repair, why_of(turn, repair), item)
    return None


async def _reorder(turn: Turn, aggregate: Aggregate, scene: Scene, repair: Repair, given: Given) -> int | None:
    """Nothing more is sent for the order, and who sells is asked to close it and order anew."""
    name, why = outside("repair", repair.id), why_of(turn, repair)
    by: Json = {"source": given.get("newSource") or aggregate.order.source, "externalId": given["newOrder"]}
    stop(aggregate, SUCCESSOR, name, why, who=repair.run_by, case=scene.case.id)
    await amending.hand_off(turn, aggregate, repair, why, "", REORDER, by)
    return None


EFFECTS: Mapping[str, Effect] = {
    "RECONCILE_NOW": _reconcile_now,
    "RESEND_SAME_KEY": _resend,
    "SUPERSEDE_REJECTED": _supersede,
    "SKIP_TASK": _skip,
    "FREEZE": _freeze,
    "THAW": _thaw,
    "DECLARE_OUTCOME": _declare,
    "REQUEST_AMENDMENT": _hand_off,
    "CANCEL_AND_REORDER": _reorder,
    "correct": _correct,
    "wait_for": mending.wait_for,
    "OVERRIDE_CLASSIFICATION": mending.override,
    "MERGE": mending.merge,
    "SPLIT": mending.split,
    "CREATE_FOLLOW_UP": mending.follow_up,
    "BLOCK_BILLING_HANDOFF": mending.block_billing,
    "MARK_EXTERNAL_COMPLETED": _mark_completed,
    "PLAN_AGAIN": mending.plan_again,
    "RENEW_RESERVATION": mending.renew,
    "ADD_TASK": mending.add_task,
    "ADOPT_EXTERNAL_RESULT": _adopt,
    "REDO_FROM_TASK": _redo,
    "undo_first": _nothing,
    "CANCEL_ITEM": mending.cancel_item,
}
"""What running each action does; the same names as `core.repair.plans.PLANS`."""

"""Repairs of cases: previewed, agreed to by a second person, run once; each change a record, each refusal one too (§9).

A preview changes nothing but itself. Running re-makes it from what stands now: where its hash is another, what was
agreed to is void, and nothing is done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from fallsafe.core.access import Actor, may, refused, works_elsewhere
from fallsafe.core.cases.case import Case
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.snapshot import canonical
from fallsafe.core.repair.actions import personal_in
from fallsafe.core.repair.approval import expired, may_decide, may_decline, why_not_run
from fallsafe.core.repair.catalogue import APPROVAL_LIVES, RepairAction
from fallsafe.core.repair.plans import PLANS
from fallsafe.core.repair.preview import TOUCHES, Given, Preview, Scene, differences, preview, unmet
from fallsafe.core.repair.remembered import Done, audit_sentence
from fallsafe.core.repair.request import REPAIR_LIFECYCLE, UNDER_WAY, WAITING, Repair, RepairState, who_did
from fallsafe.core.values import replace
from fallsafe.flows import checking, settle
from fallsafe.flows.casework import no_such
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import HIDDEN, discreet, learn
from fallsafe.flows.marking import mark
from fallsafe.flows.payload import read_json
from fallsafe.flows.repairing import EFFECTS, scene_of
from fallsafe.flows.telling import customer_hears, once_helped
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

GIVEN = "application/json"
READS_VALUES = "read_evidence"
"""The right to see the personal values that a correction would replace."""
WAITING_MAX = 100
"""How many previews of one case may wait to be run."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see: which action of which case, with what, and why."""

    case_id: int
    action: str
    given: Mapping[str, Json]
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A repair that somebody has read: its name, the hash that they saw, and the case under which they found it (0 =
    under none).
    """

    repair_id: int
    hash: str
    case_id: int = 0


@dataclass(frozen=True, slots=True)
class CustomerHears:
    """What the customer may be told, by the keys and texts of messages: now, and once the repair has helped."""

    now_key: str
    now: str
    then_key: str
    then: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a preview came to; `repair` is None where its conditions are not met, so that nothing can be run. `customer`
    is what they may hear. What is personal of the order is in `preview` only for those who may read evidence.
    """

    preview: Preview
    repair: Repair | None
    version: int
    customer: CustomerHears


async def show(tx: Tx, context: Context, asked: Asked, actor: Actor) -> Shown | Refused:
    """Computes what an action would do, and keeps it to be run where every condition is met; where one is not, that is
    written down. Nothing else changes.

    Refused: a case that is not there or has no order, an action that is not for it, what does not fit the schema.
    """
    found = await _open(tx, context, asked.case_id, actor)
    if isinstance(found, Refused):
        return found
    turn, aggregate, case = found
    action = context.newest.actions.get(asked.action)
    refusal = _why_not_asked(turn, case, action, asked)
    if refusal is not None or action is None:
        refusal = refusal or Refusal("NOT_FOUND", "", "")
        aggregate.refuse("case", case.id, "preview", refusal, turn.why(action=asked.action[:60]))
        return Refused("case", case.id, refusal)
    await learn(turn, aggregate, personal_in(action, asked.given))
    scene = await scene_of(turn, aggregate, case)
    made = preview(scene, action, asked.given, PLANS[action.does], actor)
    customer = _customer(turn, aggregate, case, made)
    repair = await _kept(turn, aggregate, case, made, asked, customer) if made.ready else None
    seen = _as_seen(turn, aggregate, case, made)
    if not made.ready:
        await _note(turn, aggregate, made, asked)
    await settle.end(turn)
    return Shown(seen, repair, aggregate.order.version + len(aggregate.records), customer)


def _as_seen(turn: Turn, aggregate: Aggregate, case: Case, made: Preview) -> Preview:
    """A preview with the personal values that the order holds, for those who may read evidence; that they saw them is
    written down. Others see those that they gave themselves.
    """
    held = [c.name for c in made.plan.changes if c.personal and c.old is not None]
    if not held:
        return made
    if may(turn.actor, READS_VALUES):
        why = turn.why("saw the values that are to be corrected", fields=held)
        aggregate.record("case", case.id, "read_values", why, str(case.state), str(case.state))
        return made
    changes = tuple(replace(c, old=HIDDEN) if c.name in held else c for c in made.plan.changes)
    return replace(made, plan=replace(made.plan, changes=changes))


async def _note(turn: Turn, aggregate: Aggregate, made: Preview, asked: Asked) -> None:
    """What somebody wanted, and why it cannot be, is written down."""
    refusal = unmet(made, f"cannot run {asked.action} for case {outside('case', asked.case_id)}")
    if refusal is not None:
        why = await discreet(turn, aggregate, refusal.why)
        reason = await discreet(turn, aggregate, asked.reason)
        facts = turn.why(action=asked.action, askedBecause=reason)
        aggregate.refuse("case", asked.case_id, "preview", replace(refusal, why=why), facts)


def _customer(turn: Turn, aggregate: Aggregate, case: Case, made: Preview) -> CustomerHears:
    known = (turn.context.newest, aggregate.order, [*aggregate.items.values()], [*aggregate.tasks.values()])
    cases = [*aggregate.cases.values()]
    now = customer_hears(*known, cases, turn.now, case)
    then = once_helped(*known, cases, turn.now, case, made.plan.after)
    return CustomerHears(now.key, now.text, then.key, then.text)


async def run_by_itself(
    turn: Turn, aggregate: Aggregate, case: Case, action: RepairAction, given: Mapping[str, Json]
) -> bool:
    """Previews and runs an action in the name of the product; whether it was run. What needs a second person waits for
    one, and what cannot be run is refused, like a person's.
    """
    scene = await scene_of(turn, aggregate, case)
    made = preview(scene, action, given, PLANS[action.does], None)
    what = f"cannot run {action.code} by itself for case {outside('case', case.id)}"
    refusal = unmet(made, what)
    if refusal is not None:
        aggregate.refuse("case", case.id, "automate", refusal, turn.why(action=action.code))
        return False
    asked = Asked(case.id, action.code, given, f"by itself, for {case.code}")
    repair = await _kept(turn, aggregate, case, made, asked, _customer(turn, aggregate, case, made))
    if repair is None or repair.state is not RepairState.PREVIEWED:
        return False
    await _begin(turn, aggregate, repair, action, repair.reason)
    return True


async def _open(tx: Tx, context: Context, case_id: int, actor: Actor) -> tuple[Turn, Aggregate, Case] | Refused:
    rows = await tx.fetch("cases/by_ids", ids=[case_id])
    if not rows:
        return Refused("case", case_id, no_such(case_id))
    order_id = rows[0]["order_id"]
    if not order_id:
        what = f"cannot repair case {outside('case', case_id)}"
        return Refused("case", case_id, Refusal("NO_ORDER", what, "it belongs to no order", "see its case work"))
    await tx.lock([order_id])
    await tx.load_repairs()
    turn = await begin(tx, context, actor)
    aggregate = tx.aggregates[order_id]
    return turn, aggregate, aggregate.cases[case_id]


def _why_not_asked(turn: Turn, case: Case, action: RepairAction | None, asked: Asked) -> Refusal | None:
    what = f"cannot preview {asked.action[:60]} for case {outside('case', case.id)}"
    known = [a.code for a in actions_of(turn.context, case) if a.does in PLANS]
    if action is None or action.does not in PLANS or not action.available:
        why = (action.because if action else "") or "this release has no such repair"
        return Refusal("ACTION_NOT_AVAILABLE", what, why, f"available here: {', '.join(known) or 'none'}", "/action")
    if action.code not in known:
        why = f"{action.code} is no way out of {case.code}"
        return Refusal("ACTION_NOT_FOR_THIS", what, why, f"available here: {', '.join(known) or 'none'}", "/action")
    why = action.why_not(turn.actor, case.owner_group)
    if why:
        return refused(what, why)
    wrong = action.wrong(dict(asked.given))
    if wrong:
        return Refusal("INPUT_WRONG", what, wrong[0].what, wrong[0].hint, f"/input{wrong[0].pointer}")
    return None


def actions_of(context: Context, case: Case) -> list[RepairAction]:
    """The actions that there are for a case: those of its code, and those for every case."""
    newest = context.newest
    known = newest.codes.get(case.code)
    codes = known.actions if known else ()
    more = [a.code for a in newest.actions.values() if a.every_case and a.code not in codes]
    return [newest.actions[code] for code in (*codes, *more) if code in newest.actions]


async def _kept(
    turn: Turn, aggregate: Aggregate, case: Case, made: Preview, asked: Asked, customer: CustomerHears
) -> Repair | None:
    """The repair of a preview; the same one where the same person has just seen the same."""
    own = [r for r in aggregate.repairs.values() if r.case_id == case.id and r.state in WAITING]
    alike = [r for r in own if (r.hash, r.asked_by) == (made.hash, str(turn.actor)) and r.expires_at > turn.now]
    if alike:
        return alike[0]
    for old in (r for r in own if r.expires_at <= turn.now):
        _move(turn, aggregate, old, "void", "its time was over")
    _make_room(turn, aggregate, [r for r in own if r.expires_at > turn.now])
    number = await turn.tx.new_id()
    sealed = await turn.tx.add_evidence(
        aggregate.order.id,
        aggregate.key,
        kind="repair_input",
        source=str(turn.actor),
        body=canonical(dict(asked.given)),
        media_type=GIVEN,
        head=outside("repair", number),
    )
    action, waits = made.action, made.needs_approval
    repair = Repair(
        id=number,
        order_id=aggregate.order.id,
        case_id=case.id,
        action=action.code,
        state=RepairState.AWAITED if waits else RepairState.PREVIEWED,
        asked_by=str(turn.actor),
        asked_at=turn.now,
        expires_at=turn.now + (max(action.lives, APPROVAL_LIVES) if waits else action.lives),
        hash=made.hash,
        reads=dict(made.reads),
        preview=told(made, aggregate, customer),
        input_evidence_id=sealed.id,
        reason=await discreet(turn, aggregate, asked.reason),
        approval={"why": made.approval, "roles": [*made.approvers]} if waits else None,
        approved_by="",
        approved_at=None,
        run_by="",
        run_at=None,
        command_id=None,
        ended_because="",
    )
    why = turn.why(repair.reason, policy=turn.context.newest, rule=f"actions/{action.code}", evidence=(sealed.id,))
    aggregate.put(repair, "preview", why)
    return repair


def _make_room(turn: Turn, aggregate: Aggregate, waiting: Sequence[Repair]) -> None:
    """Where too many wait, one ends: of those that nobody has agreed to, the asker's oldest, else the oldest of those
    that wait for nobody.
    """
    open_ = [r for r in waiting if r.state is not RepairState.APPROVED]
    if len(waiting) >= WAITING_MAX and open_:
        who = str(turn.actor)
        first = min(open_, key=lambda r: (r.asked_by != who, r.state is RepairState.AWAITED, r.asked_at, r.id))
        _move(turn, aggregate, first, "void", "too many waited")


def told(made: Preview, aggregate: Aggregate, customer: CustomerHears) -> Json:
    """A preview as it may stand in a row: personal values are digests."""
    plan = made.plan

    def kept(value: Json) -> Json:
        return {"digest": aggregate.key.digest(canonical(value))}

    changes: list[Json] = [
        {**asdict(c), **({"old": kept(c.old), "new": kept(c.new)} if c.personal else {})} for c in plan.changes
    ]
    return {
        "conditions": [{"name": c.name, "sentence": c.sentence, "met": c.met, "why": c.why} for c in plan.conditions],
        "changes": changes,
        "sends": [asdict(s) for s in plan.sends],
        "after": [asdict(a) for a in plan.after],
        "checks": [check.title for check in made.action.checks],
        "customer": asdict(customer),
    }


def _move(
    turn: Turn,
    aggregate: Aggregate,
    repair: Repair,
    verb: str,
    because: str = "",
    evidence: tuple[int, ...] = (),
    audit: str = "",
    reason: str = "",
) -> Repair:
    """`because` says why it ended, `reason` what whoever did it said."""
    then = replace(repair, state=move(REPAIR_LIFECYCLE, repair.state, verb))
    if because:
        then = replace(then, ended_because=because)
    name, rule = outside("repair", repair.id), f"actions/{repair.action}"
    why = turn.why(because or reason or repair.reason, rule=rule, causation=name, evidence=evidence, hash=repair.hash)
    aggregate.put(then, verb, replace(why, facts={**why.facts, "audit": audit}) if audit else why)
    return then


async def approve(tx: Tx, context: Context, seen: Sequence[Seen], actor: Actor, reason: str) -> list[Answer]:
    """A second person agrees to what they saw. Refused: whoever asked, a machine, another hash, what ended or moved."""
    turn = await _lock(tx, context, seen, actor)
    answers = [await _approve_one(turn, one, reason) for one in seen]
    await settle.end(turn)
    return answers


async def _approve_one(turn: Turn, seen: Seen, reason: str) -> Answer:
    what = f"cannot approve {outside('repair', seen.repair_id)}"
    aggregate, repair = _named(turn.tx, seen)
    if aggregate is None or repair is None:
        return _nothing(turn, seen, what)
    reason = await _of_repair(turn, aggregate, repair, reason)
    if repair.state is RepairState.APPROVED and repair.approved_by == str(turn.actor) and repair.hash == seen.hash:
        return Applied("repair", repair.id, already=True)
    group = _group(aggregate, repair)
    refusal = may_decide(repair, turn.actor, seen.hash, what, group) or _not_awaited(repair, what)
    refusal = refusal or expired(repair, turn.now, what) or await moved(turn, aggregate, repair, what)
    refusal = refusal or _touches_others(repair, turn.actor, what)
    if refusal is not None:
        return _refuse(turn, aggregate, repair, "approve", refusal, reason)
    agreed = replace(repair, approved_by=str(turn.actor), approved_at=turn.now)
    _move(turn, aggregate, agreed, "approve", reason=reason)
    return Applied("repair", repair.id)


def _touches_others(repair: Repair, actor: Actor, what: str) -> Refusal | None:
    """Whoever agrees works for every group that owns a case which it changes."""
    groups = repair.reads.get(TOUCHES) if isinstance(repair.reads, Mapping) else None
    why = [works_elsewhere(actor, str(group)) for group in groups] if isinstance(groups, list) else []
    return next((refused(what, each) for each in why if each), None)


async def _of_repair(turn: Turn, aggregate: Aggregate, repair: Repair, text: str) -> str:
    """What somebody says of a repair, without the personal values of its order and those that it was given."""
    action = turn.context.newest.actions.get(repair.action)
    if action is not None:
        await learn(turn, aggregate, personal_in(action, await given_of(turn, aggregate, repair)))
    return await discreet(turn, aggregate, text)


def _group(aggregate: Aggregate, repair: Repair) -> str:
    return aggregate.cases[repair.case_id].owner_group


def _not_awaited(repair: Repair, what: str) -> Refusal | None:
    if repair.state is RepairState.AWAITED:
        return None
    if repair.state is RepairState.PREVIEWED:
        return Refusal("APPROVAL_NOT_NEEDED", what, "nobody has to agree to it", "it may be run as it is")
    return Refusal("REPAIR_ENDED", what, f"it is {repair.state.value}{_by(repair)}", "preview it again")


def _by(repair: Repair) -> str:
    if repair.run_at is not None:
        return f": {repair.run_by} ran it at {repair.run_at:%Y-%m-%d %H:%M:%S} UTC"
    return f": {repair.ended_because or repair.approved_by}"


async def decline(tx: Tx, context: Context, seen: Sequence[Seen], actor: Actor, reason: str) -> list[Answer]:
    """A second person says no, or whoever asked takes it back; it can be previewed again."""
    turn = await _lock(tx, context, seen, actor)
    answers = [await _decline_one(turn, one, reason) for one in seen]
    await settle.end(turn)
    return answers


async def _decline_one(turn: Turn, seen: Seen, reason: str) -> Answer:
    what = f"cannot decline {outside('repair', seen.repair_id)}"
    aggregate, repair = _named(turn.tx, seen)
    if aggregate is None or repair is None:
        return _nothing(turn, seen, what)
    reason = await _of_repair(turn, aggregate, repair, reason)
    refusal = may_decline(repair, turn.actor, what, _group(aggregate, repair))
    if refusal is None and repair.state is RepairState.DECLINED:
        return Applied("repair", repair.id, already=True)
    if refusal is None and repair.state not in WAITING:
        refusal = Refusal(
            "REPAIR_ENDED", what, f"it is {repair.state.value}{_by(repair)}", "nothing is left to decline"
        )
    if refusal is not None:
        return _refuse(turn, aggregate, repair, "decline", refusal, reason)
    _move(turn, aggregate, repair, "decline", f"{turn.actor}: {reason}" if reason else str(turn.actor))
    return Applied("repair", repair.id)


async def run(tx: Tx, context: Context, seen: Sequence[Seen], actor: Actor, reason: str) -> list[Answer]:
    """Runs what was previewed, once: everything is asked again first, and what is run is what was seen, or nothing.

    One that was run before is answered as done already, whoever asks; the repair says by whom. Refused: without the
    right, another hash, without the approval that it needs, what is over, what moved, what does not hold any more.
    """
    turn = await _lock(tx, context, seen, actor)
    answers = [await _run_one(turn, one, reason) for one in seen]
    await settle.end(turn)
    return answers


async def _run_one(turn: Turn, seen: Seen, reason: str) -> Answer:
    what = f"cannot run {outside('repair', seen.repair_id)}"
    aggregate, repair = _named(turn.tx, seen)
    if aggregate is None or repair is None:
        return _nothing(turn, seen, what)
    reason = await _of_repair(turn, aggregate, repair, reason)
    action = _action(turn, repair)
    if action is None:
        refusal: Refusal | None = None if repair.state in UNDER_WAY else _gone(repair, what)
    elif why := action.why_not(turn.actor, _group(aggregate, repair)):
        refusal = refused(what, why)
    else:
        refusal = why_not_run(repair, seen.hash, turn.now, what)
    if refusal is None and repair.state in UNDER_WAY:
        return Applied("repair", repair.id, already=True)
    refusal = refusal or await moved(turn, aggregate, repair, what, turn.actor)
    if refusal is not None:
        return _refuse(turn, aggregate, repair, "run", refusal, reason)
    await _begin(turn, aggregate, repair, action, reason)
    return Applied("repair", repair.id)


async def _begin(turn: Turn, aggregate: Aggregate, repair: Repair, action: RepairAction | None, reason: str) -> None:
    """The repair is written down as run by whoever ran it; what it asks again is asked first."""
    ran = replace(repair, run_by=str(turn.actor), run_at=turn.now)
    if action is None or not action.checks:
        await do(turn, aggregate, ran, reason=reason)
        return
    asked = checking.started(turn, aggregate, ran, action)
    _move(turn, aggregate, asked, "check", reason=reason)
    mark(turn, aggregate, await scene_of(turn, aggregate, aggregate.cases[repair.case_id]), asked)


async def do(
    turn: Turn, aggregate: Aggregate, repair: Repair, evidence: tuple[int, ...] = (), reason: str = ""
) -> None:
    """The repair is written down as run, then what its preview says is done. `evidence` is what let it go on, `reason`
    what whoever ran it said.
    """
    scene = await scene_of(turn, aggregate, aggregate.cases[repair.case_id])
    given = await given_of(turn, aggregate, repair)
    action = turn.context.newest.actions[repair.action]
    await learn(turn, aggregate, personal_in(action, given))
    audit = await _remembered(turn, aggregate, repair, action, scene, given)
    ran = _move(turn, aggregate, repair, "run", evidence=evidence, audit=audit, reason=reason)
    command_id = await EFFECTS[action.does](turn, aggregate, scene, ran, given)
    if command_id is not None:
        named = replace(ran, command_id=command_id)
        aggregate.put(named, "name", turn.why("what it speaks of", causation=outside("repair", repair.id)))


async def _remembered(
    turn: Turn, aggregate: Aggregate, repair: Repair, action: RepairAction, scene: Scene, given: Given
) -> str:
    """The sentence of its audit template (§9, principle 1)."""
    done = Done(
        who=repair.run_by,
        reason=repair.reason,
        case=outside("case", scene.case.id),
        order=outside("order", aggregate.order.id),
        item=scene.item.external_id if scene.item else "",
        step=scene.task.step if scene.task else "",
        agreed=repair.approved_by,
    )
    plan = PLANS[action.does](scene, action, given)
    return await discreet(turn, aggregate, audit_sentence(action, done, plan, given))


async def moved(
    turn: Turn, aggregate: Aggregate, repair: Repair, what: str, runs: Actor | None = None
) -> Refusal | None:
    """Whether the world is another than the one that was seen. None where the preview still says the same, and whoever
    `runs` it may.
    """
    action = _action(turn, repair)
    case = aggregate.cases[repair.case_id]
    if action is None:
        return _gone(repair, what)
    if all(action.code != one.code for one in actions_of(turn.context, case)):
        return Refusal("MOVED", what, f"{action.code} is no way out of {case.code}", "preview another way out")
    scene = await scene_of(turn, aggregate, case)
    given = await given_of(turn, aggregate, repair)
    made = preview(scene, action, given, PLANS[action.does], runs)
    if made.hash == repair.hash:
        return unmet(made, what)
    reads = repair.reads if isinstance(repair.reads, Mapping) else {}
    changed = "; ".join(differences(reads, made.reads)) or "what it would do is another"
    other = who_did([*aggregate.repairs.values()], repair.case_id, repair.asked_at)
    by = f"{other.run_by} ran {outside('repair', other.id)} ({other.action}) meanwhile; " if other is not None else ""
    return Refusal("MOVED", what, f"{by}what it read has changed: {changed}", "preview it again")


def _action(turn: Turn, repair: Repair) -> RepairAction | None:
    """The action of a repair as the set in force knows it; None where it does not, or does not run it any more."""
    action = turn.context.newest.actions.get(repair.action)
    return action if action is not None and action.available and action.does in PLANS else None


def _gone(repair: Repair, what: str) -> Refusal:
    why = f"the policy set in force has no {repair.action} any more"
    return Refusal("ACTION_GONE", what, why, "preview another way out")


async def given_of(turn: Turn, aggregate: Aggregate, repair: Repair) -> Mapping[str, Json]:
    """What was given with a repair, opened."""
    added = {e.id: sealed for e, sealed in turn.tx.pages.evidence}
    if repair.input_evidence_id in added:
        found = read_json(aggregate.key.open(added[repair.input_evidence_id]))
        return found if isinstance(found, Mapping) else {}
    rows = await turn.tx.fetch("evidence/open", orders=[aggregate.order.id], ids=[repair.input_evidence_id])
    found = read_json(aggregate.key.open(bytes(rows[0]["sealed"])))
    return found if isinstance(found, Mapping) else {}


VOIDS = frozenset({"MOVED", "PREVIEW_EXPIRED", "ACTION_GONE"})


def _refuse(turn: Turn, aggregate: Aggregate, repair: Repair, verb: str, refusal: Refusal, reason: str) -> Answer:
    """Writes a refusal down; what was seen of a world that is no more, or for too long, is void."""
    if refusal.code in VOIDS and repair.state in WAITING:
        _move(turn, aggregate, repair, "void", refusal.why)
    aggregate.refuse("repair", repair.id, verb, refusal, turn.why(askedBecause=reason))
    return Refused("repair", repair.id, refusal)


async def _lock(tx: Tx, context: Context, seen: Iterable[Seen], actor: Actor) -> Turn:
    rows = await tx.fetch("repairs/orders_of", ids=[one.repair_id for one in seen])
    await tx.lock(row["order_id"] for row in rows)
    await tx.load_repairs()
    return await begin(tx, context, actor)


def find(tx: Tx, repair_id: int) -> tuple[Aggregate | None, Repair | None]:
    """A repair among the locked orders."""
    for aggregate in tx.aggregates.values():
        if repair_id in aggregate.repairs:
            return aggregate, aggregate.repairs[repair_id]
    return None, None


def _named(tx: Tx, seen: Seen) -> tuple[Aggregate | None, Repair | None]:
    """What somebody has read, where it is one of the case under which they found it."""
    aggregate, repair = find(tx, seen.repair_id)
    if repair is not None and seen.case_id not in (0, repair.case_id):
        return None, None
    return aggregate, repair


def _nothing(turn: Turn, seen: Seen, what: str) -> Answer:
    hint = "preview one: POST /fallout-cases/{id}/repairs/preview"
    return Refused("repair", seen.repair_id, Refusal("NOT_FOUND", what, "there is no such repair", hint))

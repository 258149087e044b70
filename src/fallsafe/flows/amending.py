"""Requests to change the deal, from their hand-off to what came back (§18.2): nothing of the deal is changed here
before it was accepted outside, and then what was accepted before is kept beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.cases.case import OPEN_CASE_STATES
from fallsafe.core.commands.ledger import CommandState, may_have_left
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import may, move
from fallsafe.core.orders import snapshot
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.task import TASK_LIFECYCLE, Task
from fallsafe.core.repair.actions import CHARACTERISTICS, PLACE_CLAUSE, amended
from fallsafe.core.repair.amendment import (
    AMEND,
    AMENDMENT_LIFECYCLE,
    REORDER,
    Amendment,
    AmendmentState,
    item_after,
    same_plan,
    why_not_answer,
)
from fallsafe.core.repair.request import Repair
from fallsafe.core.values import replace
from fallsafe.flows import commands, correcting, payload, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.moves import intend, move_command
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry, Why

ANSWERS_WITHIN = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back from outside: for which request, under which reference of theirs, and why."""

    amendment_id: int
    reference: str
    reason: str


async def hand_off(
    turn: Turn, aggregate: Aggregate, repair: Repair, why: Why, item: str, kind: str = AMEND, replaced_by: Json = None
) -> Amendment:
    """The request that a repair becomes; its case waits for the answer."""
    diff = _shown(repair, "changes")
    effects: list[Json] = [a for a in _shown(repair, "after") if isinstance(a, Mapping) and a["thing"] == "effect"]
    until = turn.now + ANSWERS_WITHIN / turn.context.newest.time_scale
    made = Amendment(
        id=await turn.tx.new_id(),
        order_id=aggregate.order.id,
        case_id=repair.case_id,
        repair_id=repair.id,
        kind=kind,
        state=AmendmentState.HANDED_OFF,
        item=item,
        diff=diff,
        requires=_requires(diff) if kind == AMEND else ["cancel and reorder"],
        effects=effects,
        replaced_by=replaced_by,
        asked_by=repair.run_by,
        asked_at=turn.now,
        expires_at=until,
        input_evidence_id=repair.input_evidence_id,
        answered_by="",
        answered_at=None,
        reference="",
        ended_because="",
        superseded=None,
        fingerprint_was=aggregate.order.fingerprint,
        fingerprint_now="",
    )
    name: Json = outside("amendment", made.id)
    told = replace(why, facts={"diff": diff, "amendment": name}, evidence=(made.input_evidence_id,))
    aggregate.put(made, "hand_off", told)
    aggregate.record("order", aggregate.order.id, "hand_off", told)
    _wait(turn, aggregate, made, why)
    turn.tx.file(Entry("review", made.id, made.order_id, until))
    return made


def _shown(repair: Repair, what: str) -> list[Json]:
    shown = repair.preview if isinstance(repair.preview, Mapping) else {}
    found = shown.get(what)
    return [*found] if isinstance(found, list) else []


def _requires(diff: Sequence[Json]) -> list[Json]:
    """What the clauses need together (§18.2)."""
    return [*sorted({str(c["title"]).rpartition("needs ")[2] for c in diff if isinstance(c, Mapping)})]


def _wait(turn: Turn, aggregate: Aggregate, made: Amendment, why: Why) -> None:
    name, until = outside("amendment", made.id), made.expires_at.isoformat()
    said: Json = {"for": "amendment", "what": "a change of the deal", "reference": name, "until": until}
    case = replace(aggregate.cases[made.case_id], waiting_for=said, touched_at=turn.now)
    aggregate.put(case, "wait", why)


async def accept(tx: Tx, context: Context, returned: Sequence[Returned], actor: Actor) -> list[Answer]:
    """Those who sell say that the change was agreed to: the new content supersedes, both are kept, the order goes on.
    Refused: without the right, what has ended, what was asked of another content.
    """
    turn = await _lock(tx, context, returned, actor)
    answers = [await _accept_one(turn, one) for one in returned]
    await settle.end(turn)
    return answers


async def decline(tx: Tx, context: Context, returned: Sequence[Returned], actor: Actor) -> list[Answer]:
    """Those who sell say that it will not be: the deal stays as it was, and the case goes on."""
    turn = await _lock(tx, context, returned, actor)
    answers = [await _decline_one(turn, one) for one in returned]
    await settle.end(turn)
    return answers


async def _lock(tx: Tx, context: Context, returned: Sequence[Returned], actor: Actor) -> Turn:
    rows = await tx.fetch("amendments/orders_of", ids=[one.amendment_id for one in returned])
    await tx.lock({i for row in rows for i in (row["order_id"], row["other_id"]) if i})
    await tx.load_repairs()
    return await begin(tx, context, actor)


def _find(tx: Tx, amendment_id: int) -> tuple[Aggregate | None, Amendment | None]:
    for aggregate in tx.aggregates.values():
        if amendment_id in aggregate.amendments:
            return aggregate, aggregate.amendments[amendment_id]
    return None, None


async def _may(
    turn: Turn, one: Returned, verb: str, state: AmendmentState
) -> tuple[Aggregate, Amendment, str] | Answer:
    """The request that is answered, with the reason as it may stand in rows; or the answer where it cannot be."""
    what = f"cannot {verb} {outside('amendment', one.amendment_id)}"
    aggregate, found = _find(turn.tx, one.amendment_id)
    if aggregate is None or found is None:
        hint = "GET /amendments lists them"
        return Refused("amendment", one.amendment_id, Refusal("NOT_FOUND", what, "there is no such request", hint))
    reason = await discreet(turn, aggregate, one.reason)
    refusal = not_allowed(turn.actor, "answer_amendment", what)
    if refusal is None and found.state is state:
        return Applied("amendment", found.id, already=True)
    refusal = refusal or why_not_answer(found, aggregate.order.fingerprint, turn.now, what)
    if refusal is not None:
        aggregate.refuse("amendment", found.id, verb, refusal, turn.why(askedBecause=reason))
        return Refused("amendment", found.id, refusal)
    return aggregate, found, reason


async def _accept_one(turn: Turn, one: Returned) -> Answer:
    found = await _may(turn, one, "accept", AmendmentState.ACCEPTED)
    if isinstance(found, Applied | Refused):
        return found
    aggregate, request, reason = found
    reference = await discreet(turn, aggregate, one.reference)
    why = turn.why(reason or "agreed to outside", causation=outside("amendment", request.id), reference=reference)
    if request.kind == REORDER:
        _end(turn, aggregate, request, "accept", reason, why, reference=reference)
        _link(turn, aggregate, request, why)
        _go_on(turn, aggregate, request, "Every effect is adopted by the other order, or undone", why)
        return Applied("amendment", request.id)
    await _supersede(turn, aggregate, request, why, reason, reference)
    return Applied("amendment", request.id)


async def _supersede(
    turn: Turn, aggregate: Aggregate, request: Amendment, why: Why, reason: str, reference: str
) -> None:
    """The new content takes the place of the old one, which is kept; then the order goes on."""
    from fallsafe.flows import repairs

    repair = aggregate.repairs[request.repair_id]
    given = await repairs.given_of(turn, aggregate, repair)
    asked = given.get("changes")
    wanted = dict(asked) if isinstance(asked, Mapping) else {}
    item = next(i for i in aggregate.items.values() if i.external_id == request.item)
    place, sealed = await _place(turn, aggregate, item, why, wanted)
    content = amended(aggregate.order.snapshot, request.item, wanted, place)
    now = snapshot.fingerprint(content)
    old, fingerprint = aggregate.order.snapshot, aggregate.order.fingerprint
    _end(turn, aggregate, request, "accept", reason, why, superseded=old, fingerprint_now=now, reference=reference)
    _others(turn, aggregate, request, fingerprint, why)
    told = replace(why, facts={**why.facts, "personal": sealed}) if sealed else why
    aggregate.put(replace(aggregate.order, snapshot=content, fingerprint=now), "amend", told)
    inner = {n.removeprefix(CHARACTERISTICS): v for n, v in wanted.items() if n.startswith(CHARACTERISTICS)}
    known = item.characteristics if isinstance(item.characteristics, Mapping) else {}
    changed = replace(item, characteristics={**known, **inner}, **item_after(wanted))  # type: ignore[arg-type]  # safe because the schema of the action fits the columns
    if place is not None:
        changed = replace(changed, place={"personal": place["personal"]})
    aggregate.put(changed, "amend", why)
    await _resume(turn, aggregate, request, repair, changed, why)


async def _place(
    turn: Turn, aggregate: Aggregate, item: Item, why: Why, wanted: Mapping[str, Json]
) -> tuple[Mapping[str, Json] | None, dict[str, Json]]:
    """The stand-in of a place that was agreed to anew, sealed beside the one before; None where it stays."""
    fields = {n.removeprefix(PLACE_CLAUSE): v for n, v in wanted.items() if n.startswith(PLACE_CLAUSE)}
    if not fields:
        return None, {}
    personal = (await commands.personal_of(turn, [aggregate.order.id]))[aggregate.order.id]
    old = personal.get(payload.place_path(item))
    kept = {n: v for n, v in old.items() if n != "id"} if isinstance(old, Mapping) else {}
    value: Json = {**kept, **fields}
    path, sealed = correcting.seal_anew(turn, aggregate, f"items/{item.external_id}/place", why.causation, value)
    return {"personal": path, "digest": aggregate.key.digest(snapshot.canonical(value))}, {path: sealed}


def _end(
    turn: Turn,
    aggregate: Aggregate,
    request: Amendment,
    verb: str,
    because: str,
    why: Why,
    *,
    superseded: Json = None,
    fingerprint_now: str = "",
    reference: str = "",
) -> None:
    ended = replace(
        request,
        state=move(AMENDMENT_LIFECYCLE, request.state, verb),
        answered_by=str(turn.actor),
        answered_at=turn.now,
        reference=reference,
        ended_because=because,
        superseded=superseded,
        fingerprint_now=fingerprint_now,
    )
    aggregate.put(ended, verb, why)
    turn.tx.clear("review", request.id)


def _others(turn: Turn, aggregate: Aggregate, request: Amendment, fingerprint: str, why: Why) -> None:
    """What else was asked of the content that is no more is over."""
    for other in list(aggregate.amendments.values()):
        open_ = other.state is AmendmentState.HANDED_OFF and other.id != request.id
        if open_ and other.fingerprint_was == fingerprint:
            because = f"{outside('amendment', request.id)} was accepted first"
            _end(turn, aggregate, other, "supersede", because, why)
            _go_on(turn, aggregate, other, "Ask for the change of the deal anew: REQUEST_AMENDMENT", why)


async def _resume(turn: Turn, aggregate: Aggregate, request: Amendment, repair: Repair, item: Item, why: Why) -> None:
    """The refused request goes out for what is agreed to now, where its plan is the same; else a person goes on."""
    from fallsafe.flows import repairing

    case = aggregate.cases[request.case_id]
    _go_on(turn, aggregate, request, case.next_action, why)
    plan = turn.policy(aggregate).plans.get((item.offer, item.action))
    steps = [(step.step, step.task_type) for step in plan.steps] if plan is not None else []
    own = [task for task in aggregate.tasks.values() if task.item_id == item.id]
    task = aggregate.tasks.get(case.task_id or 0)
    command = aggregate.current(task.id) if task is not None and may(TASK_LIFECYCLE, task.state, "repair") else None
    if case.state not in OPEN_CASE_STATES:
        return
    await _write_anew(turn, aggregate, own, why)
    if plan is None or not same_plan(steps, own):
        _go_on(turn, aggregate, request, f"The plan of {item.offer} is another: cancel and reorder", why)
    elif command is not None and command.state in (CommandState.REJECTED, CommandState.ABSENT):
        scene = await repairing.scene_of(turn, aggregate, aggregate.cases[case.id])
        await repairing.replace_command(turn, aggregate, scene, repair, why)


async def _write_anew(turn: Turn, aggregate: Aggregate, own: Sequence[Task], why: Why) -> None:
    """A request that was written for the old content, and of which nothing ever left, is written anew."""
    for task in own:
        command = aggregate.current(task.id)
        written = command is not None and command.request_evidence_id is not None
        if command is not None and written and command.state is CommandState.INTENDED and not may_have_left(command):
            await move_command(turn, aggregate, command, "withdraw", why)
            await intend(turn, aggregate, aggregate.tasks[task.id], command.n + 1, why)


def _go_on(turn: Turn, aggregate: Aggregate, request: Amendment, step: str, why: Why) -> None:
    """Its case waits no longer."""
    case = aggregate.cases[request.case_id]
    if case.state in OPEN_CASE_STATES:
        on = replace(case, waiting_for=None, next_action=step, touched_at=turn.now)
        aggregate.put(on, "go_on", why)


def _link(turn: Turn, aggregate: Aggregate, request: Amendment, why: Why) -> None:
    """Both orders name each other, where both are here."""
    by = request.replaced_by if isinstance(request.replaced_by, Mapping) else {}
    order = aggregate.order
    name = (by.get("source"), by.get("externalId"))
    other = next((a for a in turn.tx.aggregates.values() if (a.order.source, a.order.external_id) == name), None)
    _add_link(aggregate, {"kind": "replaced_by", **by}, why)
    if other is not None:
        _add_link(other, {"kind": "replaces", "source": order.source, "externalId": order.external_id}, why)


def _add_link(aggregate: Aggregate, link: Json, why: Why) -> None:
    links = [*aggregate.order.links] if isinstance(aggregate.order.links, list) else []
    if link not in links:
        aggregate.put(replace(aggregate.order, links=[*links, link]), "link", why)


async def _decline_one(turn: Turn, one: Returned) -> Answer:
    found = await _may(turn, one, "decline", AmendmentState.DECLINED)
    if isinstance(found, Applied | Refused):
        return found
    aggregate, request, reason = found
    reference = await discreet(turn, aggregate, one.reference)
    _give_up(turn, aggregate, request, "decline", reason or "declined outside", reference)
    return Applied("amendment", request.id)


def look(turn: Turn, aggregate: Aggregate, request: Amendment) -> None:
    """The look at a request that nobody has answered: it expires when its time is over."""
    if request.state is not AmendmentState.HANDED_OFF:
        return
    if turn.now < request.expires_at:
        turn.tx.file(Entry("review", request.id, request.order_id, request.expires_at))
    else:
        _give_up(turn, aggregate, request, "expire", "nobody answered in time", "")


def _give_up(turn: Turn, aggregate: Aggregate, request: Amendment, verb: str, because: str, reference: str) -> None:
    """The deal stays what it was; what was stopped for another order goes on."""
    why = turn.why(because, causation=outside("amendment", request.id))
    _end(turn, aggregate, request, verb, because, why, reference=reference)
    mark = aggregate.order.frozen
    if (
        request.kind == REORDER
        and isinstance(mark, Mapping)
        and mark.get("why") == outside("repair", request.repair_id)
    ):
        aggregate.put(replace(aggregate.order, frozen=None), "thaw", why)
    said = (
        "The change of the deal was declined" if verb == "decline" else "Nobody answered about the change of the deal"
    )
    _go_on(turn, aggregate, request, f"{said}: choose another way out", why)

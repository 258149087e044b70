"""Requests to change the deal, from their hand-off to what came back (§18.2): nothing of the deal is changed here
before it was accepted outside, and then what was accepted before is kept beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.commands.ledger import Command, CommandState, may_have_left
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import may, move
from fallsafe.core.orders import snapshot
from fallsafe.core.orders.draft import stored_approvals
from fallsafe.core.orders.frozen import SUCCESSOR, without
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.task import TASK_LIFECYCLE, Task
from fallsafe.core.orders.watched import is_watched
from fallsafe.core.repair import clauses
from fallsafe.core.repair.actions import second_effect
from fallsafe.core.repair.amendment import (
    AMEND,
    AMENDMENT_LIFECYCLE,
    REORDER,
    Amendment,
    AmendmentState,
    replacement,
    same_plan,
    why_not_answer,
)
from fallsafe.core.repair.approval import self_approval
from fallsafe.core.repair.request import Repair
from fallsafe.core.values import replace
from fallsafe.flows import approvals, commands, correcting, failures, payload, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.moves import intend, move_command
from fallsafe.flows.stopping import stop
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry, Why

ANSWERS_WITHIN = timedelta(days=5)
DONE_FOR_FORMER_DEAL = "DONE_FOR_FORMER_DEAL"


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
    Refused: without the right, to whoever asked for it, what has ended, what was asked of another content.
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
    if verb == "accept":
        refusal = refusal or _own_wish(turn, aggregate, found, what)
    refusal = refusal or why_not_answer(found, aggregate.order.fingerprint, turn.now, what)
    if refusal is not None:
        aggregate.refuse("amendment", found.id, verb, refusal, turn.why(askedBecause=reason))
        return Refused("amendment", found.id, refusal)
    return aggregate, found, reason


def _own_wish(turn: Turn, aggregate: Aggregate, request: Amendment, what: str) -> Refusal | None:
    """Whoever previewed or ran it does not say that it was agreed to outside (model rule 5)."""
    askers = (request.asked_by, aggregate.repairs[request.repair_id].asked_by)
    return next((refusal for who in askers if (refusal := self_approval(turn.actor, who, what))), None)


async def _accept_one(turn: Turn, one: Returned) -> Answer:
    found = await _may(turn, one, "accept", AmendmentState.ACCEPTED)
    if isinstance(found, Applied | Refused):
        return found
    aggregate, request, reason = found
    reference = await discreet(turn, aggregate, one.reference)
    why = turn.why(reason or "agreed to outside", causation=outside("amendment", request.id), reference=reference)
    if request.kind == REORDER:
        _end(turn, aggregate, request, "accept", reason, why, reference=reference)
        _others(turn, aggregate, request, why)
        stop(aggregate, SUCCESSOR, f"closed here for {replacement(request)}", why)
        _link(turn, aggregate, request, why)
        _go_on(turn, aggregate, request, "Every effect is adopted by the other order, or undone", why)
        return Applied("amendment", request.id)
    return await _supersede(turn, aggregate, request, why, reason, reference)


async def _supersede(
    turn: Turn, aggregate: Aggregate, request: Amendment, why: Why, reason: str, reference: str
) -> Answer:
    """The new content takes the place of the old one, which is kept; then the order goes on, unless something was done
    for the old one, or an approval is missing.
    """
    from fallsafe.flows import repairs

    repair = aggregate.repairs[request.repair_id]
    asked = (await repairs.given_of(turn, aggregate, repair)).get("changes")
    wanted = dict(asked) if isinstance(asked, Mapping) else {}
    refusal = _cannot_be(turn, aggregate, request, wanted)
    if refusal is not None:
        aggregate.refuse("amendment", request.id, "accept", refusal, why)
        return Refused("amendment", request.id, refusal)
    item = _item_of(aggregate, request)
    begun = done_for(turn, aggregate, clauses.paths_of(request))
    place, of_place = await _place(turn, aggregate, item, why, wanted)
    person, of_person = await _person(turn, aggregate, why, wanted)
    content = clauses.amended(aggregate.order.snapshot, request.item, wanted, place, person)
    now, old, sealed = snapshot.fingerprint(content), aggregate.order.snapshot, {**of_place, **of_person}
    _end(turn, aggregate, request, "accept", reason, why, superseded=old, fingerprint_now=now, reference=reference)
    _others(turn, aggregate, request, why)
    told = replace(why, facts={**why.facts, "personal": sealed}) if sealed else why
    changed = replace(aggregate.order, snapshot=content, fingerprint=now, **_order_after(aggregate, wanted, person))  # type: ignore[arg-type]  # safe because each clause fits its column
    aggregate.put(changed, "amend", told)
    if item is not None:
        _amend_item(aggregate, item, wanted, place, why)
    if begun or _has_another_plan(turn, aggregate, request):
        _stop_what_was_before(turn, aggregate, request, begun, why)
    before = [one.superseded for one in aggregate.amendments.values() if one.state is AmendmentState.ACCEPTED]
    anew = clauses.quoted_anew(aggregate.order.quote, [content for content in before if content is not None])
    approvals.hold(turn, aggregate, anew, stored_approvals(aggregate.order.approvals))
    await _resume(turn, aggregate, request, repair, begun, why)
    return Applied("amendment", request.id)


def _cannot_be(turn: Turn, aggregate: Aggregate, request: Amendment, wanted: Mapping[str, Json]) -> Refusal | None:
    """Whether what was asked for cannot be agreed to any more, by the catalog that is in force."""
    wrong = clauses.wrong(wanted, aggregate.order.snapshot, request.item, offers(turn))
    what, hint = f"cannot accept {outside('amendment', request.id)}", "decline it, and ask for what can be agreed to"
    return Refusal("CLAUSE_WRONG", what, "; ".join(wrong), hint) if wrong else None


def offers(turn: Turn) -> frozenset[str]:
    """What the catalog in force sells."""
    return frozenset(name for name, offer in turn.context.newest.offers.items() if not offer.retired)


def _order_after(
    aggregate: Aggregate, wanted: Mapping[str, Json], person: Mapping[str, Json] | None
) -> dict[str, Json]:
    """The columns of an order that are others by clauses."""
    was, changed = aggregate.order, clauses.order_after(wanted)
    if clauses.below(wanted, clauses.QUOTE):
        quote = was.quote if isinstance(was.quote, Mapping) else {}
        changed["quote"] = {**quote, **clauses.below(wanted, clauses.QUOTE)}
    if person is not None:
        at = clauses.customer_at({"parties": was.parties})
        rows = was.parties if isinstance(was.parties, list) else []
        changed["parties"] = [
            {**row, "personal": person["personal"]} if n == at and isinstance(row, Mapping) else row
            for n, row in enumerate(rows)
        ]
    return changed  # type: ignore[return-value]  # safe because dates are the columns' own values


def _amend_item(
    aggregate: Aggregate, item: Item, wanted: Mapping[str, Json], place: Mapping[str, Json] | None, why: Why
) -> None:
    known = item.characteristics if isinstance(item.characteristics, Mapping) else {}
    inner = clauses.below(wanted, clauses.CHARACTERISTICS)
    changed = replace(item, characteristics={**known, **inner}, **clauses.item_after(wanted))  # type: ignore[arg-type]  # safe because each clause fits its column
    if place is not None:
        changed = replace(changed, place={"personal": place["personal"]})
    if changed != item:
        aggregate.put(changed, "amend", why)


async def _place(
    turn: Turn, aggregate: Aggregate, item: Item | None, why: Why, wanted: Mapping[str, Json]
) -> tuple[Mapping[str, Json] | None, dict[str, Json]]:
    """The stand-in of a place that was agreed to anew, sealed beside the one before; None where it stays."""
    fields = clauses.below(wanted, clauses.PLACE)
    if not fields or item is None:
        return None, {}
    first = f"items/{item.external_id}/place"
    return await _anew(turn, aggregate, payload.place_path(item), first, why, fields)


async def _person(
    turn: Turn, aggregate: Aggregate, why: Why, wanted: Mapping[str, Json]
) -> tuple[Mapping[str, Json] | None, dict[str, Json]]:
    """The stand-in of a customer that was agreed to anew, sealed beside the one before; None where they stay."""
    fields, at = clauses.below(wanted, clauses.CUSTOMER), clauses.customer_at(aggregate.order.snapshot)
    if not fields or at is None:
        return None, {}
    return await _anew(turn, aggregate, payload.customer_path(aggregate.order), f"parties/{at}/person", why, fields)


async def _anew(
    turn: Turn, aggregate: Aggregate, was: str, first: str, why: Why, fields: Mapping[str, Json]
) -> tuple[Mapping[str, Json], dict[str, Json]]:
    personal = (await commands.personal_of(turn, [aggregate.order.id]))[aggregate.order.id]
    old = personal.get(was)
    kept = {n: v for n, v in old.items() if n != "id"} if isinstance(old, Mapping) else {}
    value: Json = {**kept, **fields}
    path, sealed = correcting.seal_anew(turn, aggregate, first, why.causation, value)
    return {"personal": path, "digest": aggregate.key.digest(snapshot.canonical(value))}, {path: sealed}


def done_for(turn: Turn, aggregate: Aggregate, paths: Sequence[str]) -> list[Task]:
    """The tasks that were done, or are under way, with the clauses of some paths as they are agreed now."""
    left = {t for t in aggregate.tasks if (c := aggregate.current(t)) is not None and may_have_left(c) and _waits(c)}
    reads = turn.policy(aggregate).request_facts
    return clauses.done_for(paths, aggregate.items, aggregate.tasks, left, reads)


def _waits(command: Command) -> bool:
    return command.state is CommandState.INTENDED


def _stop_what_was_before(
    turn: Turn, aggregate: Aggregate, request: Amendment, begun: Sequence[Task], why: Why
) -> None:
    """Something outside, or the plan, is what was agreed before: nothing more is sent until people have dealt with
    that (§18.2).
    """
    steps, item = ", ".join(sorted(t.step for t in begun)), _item_of(aggregate, request)
    stop(aggregate, "policy", DONE_FOR_FORMER_DEAL, why)
    what = f"{steps} was done, or is under way," if begun else f"the work of {request.item} was planned"
    said = f"{what} for what was agreed before {outside('amendment', request.id)}"
    signal = Signal(
        detector=Detector.INTAKE,
        order_id=aggregate.order.id,
        item_id=begun[0].item_id if begun or item is None else item.id,
        task_id=None,
        command_id=None,
        system="OMS",
        operation="OMS.amend",
        raw_code=DONE_FOR_FORMER_DEAL,
        message=said,
        sign=DONE_FOR_FORMER_DEAL,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
    )
    failures.meet(turn, aggregate, signal, DONE_FOR_FORMER_DEAL)


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


def _others(turn: Turn, aggregate: Aggregate, request: Amendment, why: Why) -> None:
    """What else was asked of the content that is no more, or of an order that is closed here, is over."""
    for other in list(aggregate.amendments.values()):
        if other.state is AmendmentState.HANDED_OFF and other.id != request.id:
            because = f"{outside('amendment', request.id)} was accepted first"
            _end(turn, aggregate, other, "supersede", because, why)
            _let_go(aggregate, other, why)
            _go_on(turn, aggregate, other, "Ask for the change of the deal anew: REQUEST_AMENDMENT", why)


def _let_go(aggregate: Aggregate, request: Amendment, why: Why) -> None:
    """What was stopped for another order goes on, where that will not take its place."""
    left = without(aggregate.order.frozen, lambda mark: mark.get("by") == SUCCESSOR)
    if request.kind == REORDER and left != aggregate.order.frozen:
        aggregate.put(replace(aggregate.order, frozen=left), "thaw", why)


async def _resume(
    turn: Turn, aggregate: Aggregate, request: Amendment, repair: Repair, begun: Sequence[Task], why: Why
) -> None:
    """The refused request goes out for what is agreed to now, where nothing else is left; else a person goes on."""
    from fallsafe.flows import repairing

    case = aggregate.cases[request.case_id]
    task = aggregate.tasks.get(case.task_id or 0)
    ours = task is not None and not is_watched(task) and may(TASK_LIFECYCLE, task.state, "repair")
    command = aggregate.current(task.id) if task is not None and ours else None
    await _write_anew(turn, aggregate, clauses.paths_of(request), why)
    left = _left_to_people(turn, aggregate, request, begun, command)
    _go_on(turn, aggregate, request, left or case.next_action, why)
    rejected = command is not None and command.state is CommandState.REJECTED
    if case.state in OPEN_CASE_STATES and rejected and not left:
        scene = await repairing.scene_of(turn, aggregate, aggregate.cases[case.id])
        await repairing.replace_command(turn, aggregate, scene, repair, why)


def _left_to_people(
    turn: Turn, aggregate: Aggregate, request: Amendment, begun: Sequence[Task], command: Command | None
) -> str:
    """What a person does before the order goes on; empty where nothing is left to them."""
    item = _item_of(aggregate, request)
    if item is not None and _has_another_plan(turn, aggregate, request):
        return f"The plan of {item.offer} is another: cancel and reorder"
    if begun:
        return f"First deal with what was done for what was agreed before: {', '.join(sorted(t.step for t in begun))}"
    if command is not None and second_effect(command):
        name = outside("command", command.id)
        return f"{name} is not proved refused: SUPERSEDE_REJECTED asks for what is agreed now, with a second person"
    return ""


def _item_of(aggregate: Aggregate, request: Amendment) -> Item | None:
    return next((i for i in aggregate.items.values() if i.external_id == request.item), None)


def _has_another_plan(turn: Turn, aggregate: Aggregate, request: Amendment) -> bool:
    """Whether what is sold now is done by other steps than those that were planned here for it."""
    item = _item_of(aggregate, request)
    sold = f"items/{request.item}/offer" in clauses.paths_of(request)
    if item is None or not sold or item.hold_code or aggregate.order.reported is not None:
        return False
    plan = turn.policy(aggregate).plans.get((item.offer, item.action))
    own = [task for task in aggregate.tasks.values() if task.item_id == item.id]
    return plan is None or not same_plan([(step.step, step.task_type) for step in plan.steps], own)


async def _write_anew(turn: Turn, aggregate: Aggregate, paths: Sequence[str], why: Why) -> None:
    """A request that was written for the old content, and of which nothing ever left, is written anew."""
    reads = turn.policy(aggregate).request_facts
    for task in [*aggregate.tasks.values()]:
        command = aggregate.current(task.id) if not is_watched(task) else None
        if command is None or command.request_evidence_id is None or not _waits(command) or may_have_left(command):
            continue
        if clauses.reads_one_of(task, aggregate.items[task.item_id], paths, reads):
            await move_command(turn, aggregate, command, "withdraw", why)
            await intend(turn, aggregate, aggregate.tasks[task.id], command.n + 1, why)


def take_over(turn: Turn, aggregate: Aggregate, case: Case, into: Case, why: Why) -> None:
    """What was asked of those who sell about a case that ends in another one is that other one's from now on."""
    for request in list(aggregate.amendments.values()):
        if request.case_id == case.id and request.state is AmendmentState.HANDED_OFF:
            aggregate.put(replace(request, case_id=into.id), "take_over", why)
            _wait(turn, aggregate, aggregate.amendments[request.id], why)


def _go_on(turn: Turn, aggregate: Aggregate, request: Amendment, step: str, why: Why) -> None:
    """Its case waits for it no longer; what else it waits for it still does."""
    case = aggregate.cases[request.case_id]
    waits = case.waiting_for if isinstance(case.waiting_for, Mapping) else {}
    if case.state in OPEN_CASE_STATES:
        left = None if waits.get("reference") == outside("amendment", request.id) else case.waiting_for
        aggregate.put(replace(case, waiting_for=left, next_action=step, touched_at=turn.now), "go_on", why)


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
    _let_go(aggregate, request, why)
    said = (
        "The change of the deal was declined" if verb == "decline" else "Nobody answered about the change of the deal"
    )
    _go_on(turn, aggregate, request, f"{said}: choose another way out", why)

"""What those who sell want changed of an order that is under way: another date, another content, or an end (model rule
10). It is written down at once and stops what has not been sent; it waits behind every outcome that is not known, takes
what was previewed off the table, and stands on the order's cases until somebody has dealt with it.
"""

from dataclasses import dataclass

from fallsafe.core.access import Actor, not_allowed, refused, works_elsewhere
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.frozen import UPSTREAM
from fallsafe.core.repair.request import REPAIR_LIFECYCLE, WAITING
from fallsafe.core.values import replace
from fallsafe.flows import failures, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.stopping import stop
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

CODE, KINDS = "UPSTREAM_CHANGE", ("revision", "date", "cancellation")


@dataclass(frozen=True, slots=True)
class Revision:
    """What was asked for: of which order, by which id of theirs, what kind (`KINDS`), and its bytes."""

    order_id: int
    external_id: str
    kind: str
    body: bytes


async def revise(tx: Tx, context: Context, asked: Revision, actor: Actor) -> Answer:
    """Takes in one revision. Refused: without the right, of an order that is over, another content under a known id."""
    aggregate = next(iter(await tx.lock([asked.order_id])), None)
    turn = await begin(tx, context, actor)
    what = f"cannot take in {asked.kind} {asked.external_id[:60]}"
    if aggregate is None:
        hint = "GET /orders lists them"
        return Refused("order", asked.order_id, Refusal("NOT_FOUND", what, "there is no such order", hint))
    await tx.load_repairs()
    refusal = not_allowed(actor, "submit_order", what) or _works_elsewhere(aggregate, actor, what)
    known = await tx.fetch("evidence/revision", order_id=asked.order_id, head=asked.external_id)
    if refusal is None and known:
        if known[0]["digest"] == aggregate.key.digest(asked.body):
            return Applied("order", asked.order_id, already=True)
        why = "a revision of that id is here with another content"
        refusal = Refusal("ALREADY_EXISTS", what, why, "use another external id", "/externalId")
    if refusal is None and aggregate.order.is_final:
        refusal = Refusal("ORDER_ENDED", what, f"the order is {aggregate.order.state.value}", "order anew")
    if refusal is not None:
        aggregate.refuse("order", asked.order_id, "revise", refusal, turn.why())
        return Refused("order", asked.order_id, refusal)
    await _take(turn, aggregate, asked)
    await settle.end(turn)
    return Applied("order", asked.order_id)


def _works_elsewhere(aggregate: Aggregate, actor: Actor, what: str) -> Refusal | None:
    """What stops an order is for those who sell, and for people of a group that owns one of its cases: whoever may not
    freeze it may not stop it by this door either.
    """
    owners = sorted({case.owner_group for case in aggregate.open_cases})
    why = [works_elsewhere(actor, owner) for owner in owners if actor.kind == "person"]
    return refused(what, why[0]) if why and all(why) else None


async def _take(turn: Turn, aggregate: Aggregate, asked: Revision) -> None:
    kept = await turn.tx.add_evidence(
        aggregate.order.id, aggregate.key, kind="revision", source=str(turn.actor), body=asked.body,
        media_type="application/json", head=asked.external_id,
    )  # fmt: skip
    why = turn.why(
        f"a {asked.kind} came from upstream", evidence=(kept.id,), kind=asked.kind, revision=asked.external_id
    )
    aggregate.record("order", aggregate.order.id, "revise", why)
    stop(aggregate, UPSTREAM, asked.kind, why, revision=asked.external_id)
    for repair in [r for r in aggregate.repairs.values() if r.state in WAITING]:
        ended = replace(repair, state=move(REPAIR_LIFECYCLE, repair.state, "void"), ended_because=why.reason)
        aggregate.put(ended, "void", why)
    doubts = sorted(outside("command", c.id) for c in aggregate.commands.values() if c.state is CommandState.UNKNOWN)
    first = f"First find out what became of {', '.join(doubts)}; then" if doubts else "Then"
    for case in aggregate.open_cases:
        step = f"A {asked.kind} came from upstream. {first} deal with {asked.external_id}"
        aggregate.put(replace(case, next_action=step, touched_at=turn.now), "revise", why)
    failures.meet(turn, aggregate, _signal(turn, aggregate, asked, kept.id), CODE)


def _signal(turn: Turn, aggregate: Aggregate, asked: Revision, evidence: int) -> Signal:
    return Signal(
        detector=Detector.INTAKE,
        order_id=aggregate.order.id,
        item_id=min(aggregate.items, default=None),
        task_id=None,
        command_id=None,
        system="OMS",
        operation="OMS.revise",
        raw_code=CODE,
        message=f"a {asked.kind} came while the order was under way",
        sign=CODE,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
        evidence=(evidence,),
    )

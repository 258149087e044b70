"""Orders as they are taken in: stored and acknowledged, sealed, planned as far as they can be, held with a case where
they cannot.

A repeat of the same order is answered as such; another content under the same name is refused. Nothing is half-stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fallsafe.core.access import Actor
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders import intake, plan, snapshot
from fallsafe.core.orders.draft import ApprovalDraft, ItemDraft, OrderDraft
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import Order, OrderState, Phase
from fallsafe.core.repair.amendment import AmendmentState
from fallsafe.core.values import replace
from fallsafe.flows import approvals, duplicates, planning, settle, signals
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.correcting import seal
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.tx import Tx
from fallsafe.store.vault import OrderKey
from fallsafe.store.work import Aggregate

NOTHING_NAMED: Mapping[str, int] = {}
ITEMS_OF_A_LARGE_ORDER = 100
"""Below it no plan comes near the limits of one order."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A draft beside the order row that would carry it."""

    draft: OrderDraft
    order: Order


async def submit(tx: Tx, context: Context, drafts: Sequence[OrderDraft], actor: Actor) -> list[Answer]:
    """Takes orders in, many at once; one answer for each, in the order given.

    Refused: what breaks the rules of the graph (`core.orders.intake`), what is too large to be one order
    (`core.orders.plan.check_size`), and another content under a known name. A repeat of the same content is `Applied`
    with `already`.
    """
    turn = await begin(tx, context, actor)
    broken = [intake.check_order(d) or _too_large(turn, d) for d in drafts]
    fresh = {(d.source, d.external_id): d for d, wrong in zip(drafts, broken, strict=True) if not wrong}
    standing = await duplicates.live(turn, list(fresh.values()))
    taken = [_Taken(d, await order_row(turn, d)) for d in fresh.values()]
    made = {a.order.id: a for a in await tx.create([t.order for t in taken])}
    for one in taken:
        if one.order.id in made:
            await _store(turn, made[one.order.id], one.draft)
            duplicates.suspect(turn, made[one.order.id], one.draft, standing)
    await signals.find_waiting(tx, ((a.order.source, a.order.external_id) for a in made.values()), turn.now)
    known = await _known(turn, [t for t in taken if t.order.id not in made])
    by_name = {(t.draft.source, t.draft.external_id): t.order.id for t in taken}
    answers: list[Answer] = []
    for draft, wrong in zip(drafts, broken, strict=True):
        answers.append(_answer(turn, draft, wrong, by_name, made, known, fresh))
    await settle.end(turn)
    return answers


def _too_large(turn: Turn, draft: OrderDraft) -> tuple[Refusal, ...]:
    """Whether an order has more work than one order may have. Only one of many items can."""
    if len(draft.items) < ITEMS_OF_A_LARGE_ORDER:
        return ()
    newest = turn.context.newest
    made = plan.plan_order(plan.of_drafts(draft.items), newest.plans, newest.offers)
    refusal = plan.check_size(made, f"cannot take order {draft.external_id!r} of {draft.source!r}")
    return () if refusal is None else (refusal,)


def _answer(
    turn: Turn,
    draft: OrderDraft,
    wrong: tuple[Refusal, ...],
    by_name: dict[tuple[str, str], int],
    made: dict[int, Aggregate],
    known: dict[tuple[str, str], Aggregate],
    fresh: dict[tuple[str, str], OrderDraft],
) -> Answer:
    if wrong:
        return Refused("order", 0, wrong[0])
    name = (draft.source, draft.external_id)
    aggregate = made.get(by_name[name]) or known[name]
    mine = aggregate.order.id in made and fresh[name] is draft
    if mine or fingerprint_of(draft, aggregate.key) in _agreed(aggregate):
        return Applied("order", aggregate.order.id, already=aggregate.order.id not in made)
    refusal = Refusal(
        "ALREADY_EXISTS",
        f"cannot take in order {draft.external_id} of {draft.source}",
        "an order of that name is here with another content",
        "send the change as a revision, or use another external id",
        "/externalId",
    )
    aggregate.refuse("order", aggregate.order.id, "submit", refusal, turn.why())
    return Refused("order", aggregate.order.id, refusal)


def _agreed(aggregate: Aggregate) -> set[str]:
    """The fingerprints of all that was ever agreed of an order: what it is now, and what that superseded."""
    accepted = (a for a in aggregate.amendments.values() if a.state is AmendmentState.ACCEPTED)
    return {aggregate.order.fingerprint, *(a.fingerprint_was for a in accepted)}


async def _known(turn: Turn, repeats: Sequence[_Taken]) -> dict[tuple[str, str], Aggregate]:
    """The stored orders of names that were there before, under their locks."""
    if not repeats:
        return {}
    rows = await turn.tx.fetch(
        "orders/named",
        sources=[t.draft.source for t in repeats],
        externals=[t.draft.external_id for t in repeats],
    )
    found = await turn.tx.lock(row["id"] for row in rows)
    await turn.tx.load_repairs()
    return {(a.order.source, a.order.external_id): a for a in found}


def _stand_ins(draft: OrderDraft) -> dict[str, Json]:
    """Personal values by their paths."""
    places: dict[str, Json] = {f"items/{i.external_id}/place": i.place for i in draft.items if i.place}
    return places | {f"parties/{n}/person": p.person for n, p in enumerate(draft.parties) if p.person}


def _content(draft: OrderDraft, key: OrderKey) -> dict[str, Json]:
    personal = _stand_ins(draft)

    def stand_in(path: str) -> Json:
        return {"personal": path, "digest": key.digest(snapshot.canonical(personal[path]))}

    return snapshot.content_of(draft, stand_in)


def fingerprint_of(draft: OrderDraft, key: OrderKey) -> str:
    """What tells whether an order is the one that was agreed."""
    return snapshot.fingerprint(_content(draft, key))


async def order_row(turn: Turn, draft: OrderDraft) -> Order:
    """The order's row before its content is sealed."""
    return Order(
        id=await turn.tx.new_id(),
        source=draft.source,
        external_id=draft.external_id,
        phase=Phase.ACKNOWLEDGED,
        state=OrderState.ACKNOWLEDGED,
        version=0,
        received_at=turn.now,
        last_at=turn.now,
        policy_set=turn.context.newest.id,
        time_zone=draft.time_zone,
        customer_ref=draft.customer_ref,
        segment=draft.segment,
        priority=draft.priority,
        vulnerable=draft.vulnerable,
        test=draft.test,
        channel=draft.channel,
        region=draft.region,
        catalog_version=draft.catalog_version,
        requested_at=draft.requested_at,
        committed_first_at=draft.committed_at,
        committed_at=draft.committed_at,
        supplier_at=None,
        forecast_at=None,
        actual_at=None,
        snapshot={},
        fingerprint="",
        quote=dict(draft.quote),
        approvals=[_approval(a) for a in draft.approvals],
        parties=[{"role": p.role, "ref": p.ref} for p in draft.parties],
        links=[{"kind": ln.kind, "source": ln.source, "externalId": ln.external_id} for ln in draft.links],
        correlation_id=draft.correlation_id,
        traceparent=draft.traceparent,
        frozen=None,
        last_lane=0,
        last_seq=0,
        last_digest="",
    )


def _approval(given: ApprovalDraft) -> Json:
    ends = snapshot.instant_text(given.expires_at)
    return {
        "what": given.what,
        "fingerprint": given.fingerprint,
        "by": given.by,
        **({"expiresAt": ends} if ends else {}),
    }


async def _store(turn: Turn, aggregate: Aggregate, draft: OrderDraft) -> None:
    """Writes the order, its sealed personal values, its bytes, its items and its plan."""
    body = await turn.tx.add_evidence(
        aggregate.order.id,
        aggregate.key,
        kind="order",
        source=draft.source,
        body=draft.body,
        media_type="application/json",
    )
    await acknowledge(turn, aggregate, draft, (body.id,))
    approvals.hold(turn, aggregate, aggregate.order.quote, draft.approvals)
    await planning.plan_new(turn, aggregate, plan.of_drafts(draft.items))


async def acknowledge(
    turn: Turn,
    aggregate: Aggregate,
    draft: OrderDraft,
    evidence: tuple[int, ...],
    named: Mapping[str, int] = NOTHING_NAMED,
) -> None:
    """Writes what was agreed: the snapshot with its fingerprint, personal values sealed, and the items. `named` are
    items that were only named so far, by what they are called now.
    """
    content = _content(draft, aggregate.key)
    sealed = {path: seal(turn, aggregate, path, value) for path, value in sorted(_stand_ins(draft).items())}
    order = replace(aggregate.order, snapshot=content, fingerprint=snapshot.fingerprint(content))
    why = turn.why("taken in", policy=turn.context.newest, evidence=evidence, personal=sealed)
    aggregate.put(order, "acknowledge", why)
    await put_items(turn, aggregate, draft.items, named)


async def put_items(
    turn: Turn, aggregate: Aggregate, items: Sequence[ItemDraft], named: Mapping[str, int] = NOTHING_NAMED
) -> None:
    """Writes items that are not there yet, or were only named so far, parents and children in any order."""
    ids = {i.external_id: i.id for i in aggregate.items.values()} | dict(named)
    fresh = [i for i in items if i.external_id not in ids or i.external_id in named]
    ids |= {i.external_id: await turn.tx.new_id() for i in fresh if i.external_id not in ids}
    for item in fresh:
        there = aggregate.items.get(ids[item.external_id])
        made = _item(aggregate, item, ids)
        aggregate.put(made if there is None else replace(made, state=there.state), "acknowledge", turn.why("taken in"))


def _item(aggregate: Aggregate, item: ItemDraft, ids: dict[str, int]) -> Item:
    return Item(
        id=ids[item.external_id],
        order_id=aggregate.order.id,
        external_id=item.external_id,
        parent_id=ids.get(item.parent) if item.parent else None,
        action=item.action,
        offer=item.offer,
        quantity=item.quantity,
        place={"personal": f"items/{item.external_id}/place"} if item.place else None,
        characteristics=dict(item.characteristics),
        one_off_minor=item.one_off_minor,
        monthly_minor=item.monthly_minor,
        currency=item.currency,
        term_months=item.term_months,
        regulated=item.regulated,
        existing_service=item.existing_service,
        state=ItemState.ACKNOWLEDGED,
        hold_code="",
    )

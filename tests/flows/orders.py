"""The order of §26 as it is handed in, and the outside world as a test plays it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fallsafe.core.access import Actor, system
from fallsafe.core.commands.outcome import Lost, Outcome, RawBytes, Reply
from fallsafe.core.orders.draft import ItemDraft, OrderDraft, PartyDraft
from fallsafe.core.orders.order import SHARDS
from fallsafe.core.orders.task import Task
from fallsafe.core.repair.preview import Given
from fallsafe.flows import commands, orders, recover, repairs
from fallsafe.flows.commands import Attempted, Claimed, Due
from fallsafe.flows.context import Answer, Applied, Context
from fallsafe.flows.repairs import Asked, Seen, Shown
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Aggregate, Entry, Why

TIMES = ("ready_at", "sent_at", "accepted_at", "completed_at", "expected_at", "warning_at", "breach_at")

ACTOR = system("test")


def item(external_id: str, offer: str, parent: str = "fiber", **changed: Any) -> ItemDraft:
    """One item of the drill's order."""
    given = ItemDraft(external_id, parent, "add", offer, 1, {}, {}, 0, 0, "EUR", 24, False, "none", ())
    return replace(given, **changed)


def drill(external_id: str = "777") -> OrderDraft:
    """Fiber, static address, router and billing, promised for a day far away."""
    place = {"id": "PL-1", "street": "Jalan Melati 8", "city": "Jakarta"}
    return OrderDraft(
        source="CRM",
        external_id=external_id,
        time_zone="Asia/Jakarta",
        customer_ref=f"CU-{external_id}",
        segment="consumer",
        priority=2,
        vulnerable=False,
        test=False,
        channel="web",
        region="west",
        catalog_version="2026.11",
        requested_at=None,
        committed_at=datetime(2027, 3, 1, 10, tzinfo=UTC),
        quote={"id": "Q-1"},
        approvals=(),
        parties=(PartyDraft("customer", "CU-1", {"name": "Sari Wulandari", "phone": "+62 811 000 111"}),),
        links=(),
        correlation_id="corr-1",
        traceparent="",
        items=(
            item("fiber", "FIBER-HOME-1G", parent="", place=place, monthly_minor=4500, one_off_minor=6000),
            item("static-ip", "STATIC-IP"),
            item("router", "WIFI-ROUTER"),
            item("billing", "MONTHLY-BILLING"),
        ),
        body=b'{"externalId":"777","name":"Sari Wulandari"}',
    )


async def open_gates(store: Database, context: Context) -> None:
    """Gives every system its gate, as publishing its set does: workers hold their part of each."""
    await store.transact(lambda tx: tx.execute("gates/insert", systems=sorted(context.newest.systems)))
    assert {row["system"]: row["gate"] for row in await store.fetch("gates/all")} == context.gates


async def submit(store: Database, context: Context, *drafts: OrderDraft) -> list[Answer]:
    """Takes orders in, as a door does."""
    return await store.transact(lambda tx: orders.submit(tx, context, drafts, ACTOR))


async def due(store: Database, context: Context, kind: str) -> list[Due]:
    """Everything of one kind that is due now, as a worker that owns every shard reads it."""
    now = (await store.fetch("tx/now"))[0]["clock_timestamp"]
    gates = [0, *context.gates.values()]
    rows = await store.fetch(
        "agenda/due", gates=gates, rooms=[1000] * len(gates), shards=list(range(SHARDS)), now=now, kinds=[kind]
    )
    return [Due(r["kind"], r["id"], r["order_id"], r["due_at"]) for r in rows]


async def claim(store: Database, context: Context) -> list[Claimed]:
    """Claims every send that is due."""
    sends = await due(store, context, "send")
    return await store.transact(lambda tx: commands.claim(tx, context, sends, ACTOR))


async def look(store: Database, context: Context) -> list[Claimed]:
    """Claims every look that is due."""
    looks = await due(store, context, "lookup")
    return await store.transact(lambda tx: recover.claim_looks(tx, context, looks, ACTOR))


async def ask_in_vain(store: Database, context: Context) -> None:
    """What is unknown was sent yesterday, and is asked about in every way; nobody answers."""
    day = timedelta(days=1)

    async def age(tx: Tx) -> None:
        looks = await due(store, context, "lookup")
        await tx.lock({one.order_id or 0 for one in looks})
        for one in looks:
            order = tx.aggregates[one.order_id or 0]
            sent = order.current(one.id)
            if sent is not None and sent.last_sent_at is not None:
                old = {"last_sent_at": sent.last_sent_at - day, "ended_at": sent.last_sent_at - day}
                order.put(replace(sent, **old), "age", Why(ACTOR, "a test"))

    await store.transact(age)
    for one in await look(store, context):
        await answer(store, context, one, Lost("timeout"))


async def answer(store: Database, context: Context, claimed: Claimed, outcome: Outcome) -> None:
    """Records what one attempt brought."""
    reply = Reply(outcome, (RawBytes("answer", repr(outcome).encode(), "text/plain", "200"),))
    await store.transact(lambda tx: commands.record_replies(tx, context, [Attempted(claimed, reply)], ACTOR))


async def seen(store: Database, order_id: int) -> Aggregate:
    """The order as it stands."""

    async def body(tx: Tx) -> Aggregate:
        return (await tx.lock([order_id]))[0]

    return await store.transact(body)


def task(order: Aggregate, step: str) -> Task:
    """A task of the order by its step."""
    return next(t for t in order.tasks.values() if t.step == step)


async def make_due(store: Database, kind: str, thing_id: int, order_id: int | None) -> None:
    """A look is due now, whatever was filed before."""

    async def body(tx: Tx) -> None:
        tx.clear(kind, thing_id)
        tx.file(Entry(kind, thing_id, order_id, await tx.now()))

    await store.transact(body)


async def grow_old(store: Database, order_id: int) -> None:
    """Everything that happened to an order's tasks happened a week earlier."""
    week = timedelta(days=7)

    async def body(tx: Tx) -> None:
        (order,) = await tx.lock([order_id])
        for task_ in list(order.tasks.values()):
            old = {n: at - week for n in TIMES if (at := getattr(task_, n)) is not None}
            order.put(replace(task_, **old), "age", Why(ACTOR, "a test"))

    await store.transact(body)


async def lose_agenda(store: Database, order_id: int) -> None:
    """Every look at an order is lost, as if something had gone wrong."""

    async def body(tx: Tx) -> None:
        for row in await tx.fetch("agenda/of_orders", ids=[order_id]):
            tx.clear(row["kind"], row["id"])

    await store.transact(body)


async def preview(store: Database, context: Context, case_id: int, action: str, given: Given, who: Actor) -> Shown:
    """What a repair of a case would do."""
    asked = Asked(case_id, action, given, "it must be")
    shown = await store.transact(lambda tx: repairs.show(tx, context, asked, who))
    assert isinstance(shown, Shown), shown
    return shown


async def repair(store: Database, context: Context, case_id: int, action: str, given: Given, who: Actor) -> None:
    """A repair that is previewed, approved by somebody else where it must be, and run."""
    shown = await preview(store, context, case_id, action, given, who)
    assert shown.repair is not None, [c for c in shown.preview.plan.conditions if not c.met]
    seen = [Seen(shown.repair.id, shown.repair.hash)]
    second = Actor("person", "the second one", frozenset({"manager"}))
    await store.transact(lambda tx: repairs.approve(tx, context, seen, second, "yes"))
    (answer,) = await store.transact(lambda tx: repairs.run(tx, context, seen, who, "go"))
    assert isinstance(answer, Applied), answer

"""Time as policy has it: windows in which a system takes no work, effects that lapse, points of no return that come
with a date (§6.2, §12, §13, §15.1).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.flows import orders as world
from tests.flows.test_moving import OPERATOR

from fallsafe.core.commands.outcome import Done
from fallsafe.core.orders.progress import Reason, ReasonKind, progress
from fallsafe.core.orders.task import TaskState, WayBack, no_return_at, way_back
from fallsafe.core.orders.windows import Window, Yearly
from fallsafe.flows import commands, payload, repairs, review
from fallsafe.flows.context import Applied, Context, Refused
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Aggregate, Why

ALWAYS = Window("W-BILL", "Billing counts", frozenset({"BIL"}), Yearly((1, 1), (12, 31)))
DAY = timedelta(days=1)


@pytest.fixture
def shut(context: Context) -> Context:
    """The context while billing takes no work."""
    policy = replace(context.newest, windows=(ALWAYS,))
    return replace(context, newest=policy, policies={policy.id: policy})


async def take(store: Database, context: Context, **changed: object) -> int:
    """An order that was taken in."""
    (answer,) = await world.submit(store, context, replace(world.drill(), **changed))
    assert isinstance(answer, Applied)
    return answer.id


async def verbs(store: Database, order_id: int, verb: str) -> int:
    """How often the journal of an order has a verb."""
    rows = await store.fetch("promises/journal", ids=[order_id])
    return sum(f'"verb":"{verb}"' in row["payload"] for row in rows)


async def age(store: Database, order_id: int, step: str, left: timedelta) -> None:
    """So much is left of the life of a step's effect."""

    async def body(tx: Tx) -> None:
        (order,) = await tx.lock([order_id])
        task = world.task(order, step)
        order.put(replace(task, valid_until=await tx.now() + left), "age", Why(world.ACTOR, "a test"))

    await store.transact(body)
    await world.make_due(store, "review", world.task(await world.seen(store, order_id), step).id, order_id)


async def look(store: Database, context: Context) -> None:
    """The looks that are due."""
    due = await world.due(store, context, "review")
    await store.transact(lambda tx: review.review(tx, context, due, world.ACTOR))


async def reserved(store: Database, context: Context) -> int:
    """An order of whose steps one is a reservation that a later one relies on."""
    order_id = await take(store, context)
    for claimed in await world.claim(store, context):
        await world.answer(store, context, claimed, Done("RS-1"))
    return order_id


def codes(order: Aggregate) -> list[str]:
    """The codes of the open cases."""
    return sorted(case.code for case in order.open_cases)


class WhenASystemTakesNoWork:
    async def test_the_task_says_for_which_window_it_waits_and_goes_by_itself_when_that_is_over(
        self, store: Database, context: Context, shut: Context
    ) -> None:
        order_id = await take(store, shut)
        sent = {claimed.operation.system for claimed in await world.claim(store, shut)}
        assert sent and "BIL" not in sent  # others do not wait with it
        order = await world.seen(store, order_id)
        task = world.task(order, "createBillingAccount")
        until = datetime(task.ready_at.year + 1, 1, 1, tzinfo=UTC) if task.ready_at else None
        jakarta = timedelta(hours=7)
        assert task.waiting == {"for": "window", "window": "W-BILL", "until": (until - jakarta).isoformat()}
        (entry,) = [r for r in await store.fetch("agenda/of_orders", ids=[order_id]) if r["id"] == task.id]
        assert (entry["kind"], entry["due_at"]) == ("send", until - jakarta)
        assert [c.attempts for c in order.commands.values() if c.task_id == task.id] == [0]
        assert (task.state, order.open_cases) == (TaskState.READY, [])
        tasks, now = list(order.tasks.values()), order.order.last_at
        said = progress(order.order, tasks, {}, [], entry["due_at"], now)
        assert isinstance(said, Reason)
        waits = f"task T-{task.id} (createBillingAccount) waits for the end of W-BILL"
        assert (said.kind, said.why) == (ReasonKind.EXTERNAL_WAIT, waits)
        assert await store.fetch("reads/coverage_gaps") == []

        await world.make_due(store, "send", task.id, order_id)  # looked at again while it is shut: nothing is new
        assert await world.claim(store, shut) == []
        assert await verbs(store, order_id, "wait") == 1
        await world.make_due(store, "send", task.id, order_id)
        (claimed,) = await world.claim(store, context)
        assert claimed.operation.name == "BIL.createAccount"
        gone_on = world.task(await world.seen(store, order_id), "createBillingAccount")
        assert (gone_on.state, gone_on.waiting) == (TaskState.SENDING, None)

    async def test_a_case_opens_only_where_the_promise_ends_before_the_window_does(
        self, store: Database, shut: Context
    ) -> None:
        (now,) = await store.fetch("tx/now")
        order_id = await take(store, shut, committed_at=now["clock_timestamp"] + timedelta(minutes=1))
        await world.claim(store, shut)
        order = await world.seen(store, order_id)
        assert codes(order) == ["PROMISE_BROKEN"]
        task = world.task(order, "createBillingAccount")
        await world.make_due(store, "send", task.id, order_id)
        await world.claim(store, shut)
        assert codes(await world.seen(store, order_id)) == ["PROMISE_BROKEN"]


class WhenAnEffectLapses:
    async def test_it_is_renewed_before_and_counts_for_longer(self, store: Database, context: Context) -> None:
        order_id = await reserved(store, context)
        router = world.task(await world.seen(store, order_id), "reserveRouter")
        assert router.valid_until is not None and router.completed_at is not None
        assert router.valid_until - router.completed_at == 7 * DAY
        assert [c.operation.name for c in await world.claim(store, context)] == ["WFM.book"]  # it relies on it
        await look(store, context)  # not before a day is left
        assert await world.claim(store, context) == []
        await age(store, order_id, "reserveRouter", DAY / 2)
        await look(store, context)
        await look(store, context)
        (claimed,) = await world.claim(store, context)
        assert claimed.operation.name == "WHS.extend"
        assert b'"reservation":"RS-1"' in claimed.request.body
        await age(store, order_id, "reserveRouter", -DAY)
        await look(store, context)  # it lapses while nobody knows yet whether it was renewed: looked at again
        waiting = await store.fetch("agenda/of_orders", ids=[order_id])
        assert [row["kind"] for row in waiting if row["id"] == router.id] == ["review"]
        await world.answer(store, context, claimed, Done("RX-1"))
        order = await world.seen(store, order_id)
        longer = world.task(order, "reserveRouter")
        assert longer.valid_until is not None and longer.valid_until > router.valid_until - DAY
        assert world.task(order, "reserveRouterRenewal1").state is TaskState.COMPLETED
        assert codes(order) == []
        assert await store.fetch("reads/coverage_gaps") == []

    async def test_a_renewal_that_fails_is_a_case_and_nothing_relies_on_what_has_lapsed(
        self, store: Database, context: Context
    ) -> None:
        order_id = await reserved(store, context)
        order = await world.seen(store, order_id)
        router, relying = world.task(order, "reserveRouter"), world.task(order, "scheduleInstallation")
        assert router.id in relying.depends_on
        await age(store, order_id, "reserveRouter", -DAY)
        await look(store, context)
        assert codes(await world.seen(store, order_id)) == ["RESERVATION_LAPSED"]
        await world.make_due(store, "send", relying.id, order_id)
        assert await world.claim(store, context) == []
        order = await world.seen(store, order_id)
        command = order.current(relying.id)
        assert command is not None and command.attempts == 0
        assert await verbs(store, order_id, "refuse_send") == 1
        (answer,) = await store.transact(lambda tx: commands.resend(tx, context, [command.id], OPERATOR, "go"))
        assert isinstance(answer, Refused)
        assert (answer.refusal.code, "reserveRouter" in answer.refusal.hint) == ("PREDECESSOR_LAPSED", True)
        case = next(c for c in (await world.seen(store, order_id)).open_cases if c.code == "RESERVATION_LAPSED")
        asked = repairs.Asked(case.id, "RENEW_RESERVATION", {}, "it is still wanted")
        shown = await store.transact(lambda tx: repairs.show(tx, context, asked, OPERATOR))
        assert isinstance(shown, repairs.Shown) and shown.repair is not None
        seen = [repairs.Seen(shown.repair.id, shown.repair.hash)]
        (ran,) = await store.transact(lambda tx: repairs.run(tx, context, seen, OPERATOR, "go"))
        assert isinstance(ran, Applied)
        claims = await world.claim(store, context)
        renewal = next(c for c in claims if c.operation.name == "WHS.extend")
        await world.answer(store, context, renewal, Done("RX-1"))
        renewed = world.task(await world.seen(store, order_id), "reserveRouter")
        assert renewed.valid_until is not None and renewed.valid_until > datetime.now(UTC)
        await world.make_due(store, "send", relying.id, order_id)
        (claimed,) = await world.claim(store, context)
        assert claimed.operation.name == "WFM.book"
        assert codes(await world.seen(store, order_id)) == []
        assert await store.fetch("reads/coverage_gaps") == []


class WhenAPointOfNoReturnComesWithTime:
    async def test_it_is_the_date_of_the_world_outside_less_what_policy_says(
        self, store: Database, context: Context
    ) -> None:
        slot = datetime(2027, 2, 1, 8, tzinfo=UTC)
        items = world.drill().items
        fiber = replace(items[0], characteristics={"slotBegin": slot.isoformat()})
        order_id = await take(store, context, items=(fiber, *items[1:]))
        order = await world.seen(store, order_id)
        task = world.task(order, "scheduleInstallation")
        kind = context.newest.task_types[task.type]
        facts = payload.of_order(order.order, order.items, order.tasks, task, {})
        assert no_return_at(task, kind, facts) == slot - DAY
        nothing = {**order.items, task.item_id: replace(order.items[task.item_id], characteristics={})}
        unknown = payload.of_order(order.order, nothing, order.tasks, task, {})
        assert no_return_at(task, kind, unknown) is None

    # ponr, date known, hours to it                the way back
    @pytest.mark.parametrize(
        ("ponr", "known", "hours", "way"),
        [
            ("none", True, -1, WayBack.FREE),
            ("soft", True, 1, WayBack.FREE),
            ("soft", True, -1, WayBack.AT_A_COST),
            ("soft", False, 0, WayBack.AT_A_COST),
            ("hard", True, 1, WayBack.FREE),
            ("hard", True, 0, WayBack.NONE),
            ("hard", False, 0, WayBack.NONE),
        ],
    )
    async def test_it_decides_whether_an_effect_can_be_taken_back(
        self, store: Database, context: Context, ponr: str, known: bool, hours: int, way: WayBack
    ) -> None:
        order = await world.seen(store, await take(store, context))
        task, now = world.task(order, "scheduleInstallation"), order.order.received_at
        date = now + timedelta(hours=hours)
        kind = replace(
            context.newest.task_types[task.type], ponr=ponr, ponr_before=timedelta(0),
            ponr_dated=lambda _: date if known else None,
        )  # fmt: skip
        assert way_back(task, kind, {}, now)[0] is way

"""What other systems say of work that goes on there, without being asked or because they were (§10, §17)."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.flows import orders as world
from tests.flows.test_callbacks import apply

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES
from fallsafe.core.commands.ledger import CommandState, Purpose
from fallsafe.core.commands.outcome import Accepted, Looked, RawBytes, Reply, Says
from fallsafe.core.orders.task import TaskState
from fallsafe.flows import callbacks, commands
from fallsafe.flows.callbacks import Received
from fallsafe.flows.commands import Attempted
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database
from fallsafe.store.work import Aggregate

WHA = Actor("machine", "WHA", frozenset({"machine"}))
PROMISED = world.drill().committed_at
LINE = "CRM/901/line.orderAccessLine/fulfill/1"
assert PROMISED is not None


async def a_line(store: Database, context: Context) -> tuple[int, str]:
    """An order whose access line was ordered and taken on; its id and key."""
    items = (
        world.item("site", "BUSINESS-ACCESS", parent=""),
        world.item("line", "ACCESS-LINE", parent="site", place={"id": "PL-9"}),
    )
    (answer,) = await world.submit(store, context, replace(world.drill("901"), items=items))
    assert isinstance(answer, Applied)
    return answer.id, await until(store, context, "WHA.order")


async def until(store: Database, context: Context, operation: str) -> str:
    """Everything is done at once until an operation is sent, which is only taken on; its key."""
    for _ in range(40):
        for claimed in await world.claim(store, context):
            if claimed.operation.name == operation:
                await world.answer(store, context, claimed, Accepted("REF-1"))
                return claimed.key
            await world.answer(store, context, claimed, world_done(claimed))
    raise AssertionError(f"{operation} was never sent")


def world_done(claimed: commands.Claimed) -> Any:
    from fallsafe.core.commands.outcome import Done

    return Done("REF-0", {"state": "DONE"})


async def tell(store: Database, context: Context, key: str, event: str, number: str, **more: str) -> None:
    """A notice of the partner, received and applied."""
    said = {"eventId": number, "yourRef": key, "object": key.rpartition(".")[0], "order": "REF-1", "event": event}
    body = json.dumps({**said, **more}).encode()
    one = Received("WHA", number, key, body, "application/json", "POST /callbacks")
    await store.transact(lambda tx: callbacks.receive(tx, context, [one], WHA))
    await apply(store, context)


def waits(order: Aggregate) -> Any:
    """The task that waits for the partner."""
    return next(t for t in order.tasks.values() if t.state is TaskState.WAITING_CALLBACK)


def codes(order: Aggregate) -> list[str]:
    return sorted(c.code for c in order.cases.values() if c.state in OPEN_CASE_STATES)


class WhenAPartnerGivesADate:
    async def test_it_is_expected_then_and_our_promise_stands_or_is_seen_to_break(
        self, store: Database, context: Context
    ) -> None:
        order_id, key = await a_line(store, context)
        kept = PROMISED - timedelta(days=3)
        await tell(store, context, key, "COMMITTED", "EV-1", newDate=kept.isoformat())
        order = await world.seen(store, order_id)
        task, kind = waits(order), context.newest.task_types["orderAccessLine"]
        assert (order.order.supplier_at, order.order.committed_at) == (kept, PROMISED)
        assert (task.expected_at, task.breach_at) == (kept + kind.expected, kept + kind.breach)
        assert task.waiting == {"for": "supplier", "system": "WHA", "until": kept.isoformat()}
        rows = await store.fetch("agenda/of_orders", ids=[order_id])
        assert [r["due_at"] for r in rows if (r["kind"], r["id"]) == ("overdue", task.id)] == [task.breach_at]
        assert codes(order) == []
        late = (PROMISED + timedelta(days=3)).isoformat()
        for number in ("EV-2", "EV-3"):
            await tell(store, context, key, "COMMITTED", number, newDate=late)
        order = await world.seen(store, order_id)
        (case,) = order.cases.values()
        assert (case.code, case.occurrences, order.order.committed_at) == ("PROMISE_BROKEN", 1, PROMISED)

    async def test_a_delay_is_a_case_only_where_our_own_date_breaks(self, store: Database, context: Context) -> None:
        order_id, key = await a_line(store, context)
        await tell(store, context, key, "DELAYED", "EV-1", newDate=(PROMISED - timedelta(days=1)).isoformat())
        assert codes(await world.seen(store, order_id)) == []
        late = PROMISED + timedelta(days=9)
        await tell(store, context, key, "DELAYED", "EV-2", newDate=late.date().isoformat(), text="no capacity")
        order = await world.seen(store, order_id)
        assert codes(order) == ["PARTNER_DELAY"]
        end_of_the_day = datetime.fromisoformat(f"{late.date()}T00:00:00+00:00") + timedelta(days=1)
        assert (order.order.supplier_at, order.order.committed_at) == (end_of_the_day, PROMISED)
        assert order.commands[next(iter(order.cases.values())).command_id or 0].state is CommandState.ACCEPTED

    @pytest.mark.parametrize(
        ("event", "code"),
        [
            ("DELAYED", "PARTNER_DELAY"),
            ("INFORMATION_REQUIRED", "PARTNER_NEEDS_INFORMATION"),
            ("REAPPOINT", "APPOINTMENT_REBOOK_NEEDED"),
            ("EXTRA_COST", "COST_APPROVAL_NEEDED"),
        ],
    )
    async def test_trouble_without_a_date_is_a_case_and_ends_with_the_work(
        self, store: Database, context: Context, event: str, code: str
    ) -> None:
        order_id, key = await a_line(store, context)
        for number in ("EV-1", "EV-1", "EV-2"):
            await tell(store, context, key, event, number, text="which floor")
        order = await world.seen(store, order_id)
        (case,) = order.cases.values()
        assert (case.code, case.occurrences) == (code, 2)
        await tell(store, context, key, "COMPLETED", "EV-3")
        order = await world.seen(store, order_id)
        assert codes(order) == []
        assert all(t.waiting is None for t in order.tasks.values() if t.state is TaskState.COMPLETED)


class WhenASystemHasToBeAsked:
    async def test_it_is_asked_every_so_often_and_what_it_says_counts(self, store: Database, context: Context) -> None:
        """§6.2: silence of a carrier is normal for days; it is asked all the same."""
        items = (world.item("router", "WIFI-ROUTER-DELIVERED", parent="", place={"id": "PL-9"}),)
        (answer,) = await world.submit(store, context, replace(world.drill("902"), items=items))
        assert isinstance(answer, Applied)
        key = await until(store, context, "SHP.track")
        order = await world.seen(store, answer.id)
        task = waits(order)
        rows = await store.fetch("agenda/of_orders", ids=[answer.id])
        (due,) = [r["due_at"] for r in rows if (r["kind"], r["id"]) == ("lookup", task.id)]
        assert due == task.accepted_at + context.newest.operations["SHP.track"].poll_every

        late = PROMISED + timedelta(days=2)
        for says, code, date in ((Says.PENDING, "", None), (Says.ABSENT, "", None), (Says.PENDING, "DELAYED", late)):
            await self.ask(store, context, task.id, answer.id, Looked(says, "TR-1", code, "storm", None, date))
            order = await world.seen(store, answer.id)
            assert waits(order).id == task.id
        assert codes(order) == ["PARTNER_DELAY"]
        await self.ask(store, context, task.id, answer.id, Looked(Says.DONE, "TR-1"))
        order = await world.seen(store, answer.id)
        sent = [c for c in order.commands.values() if c.task_id == task.id and c.purpose is Purpose.FULFILL]
        assert [(c.key, c.state, c.attempts) for c in sent] == [(key, CommandState.DONE, 1)]
        assert order.tasks[task.id].state is TaskState.COMPLETED
        assert codes(order) == []

    @staticmethod
    async def ask(store: Database, context: Context, task_id: int, order_id: int, answer: Looked) -> None:
        await world.make_due(store, "lookup", task_id, order_id)
        (question,) = await world.look(store, context)
        reply = Reply(answer, (RawBytes("answer", b'{"state":"X"}', "application/json", "200"),))
        await store.transact(lambda tx: commands.record_replies(tx, context, [Attempted(question, reply)], WHA))

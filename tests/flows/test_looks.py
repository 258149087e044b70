"""Looks at unknown outcomes stay on the agenda, whoever asks for them and when (§11, §15, P1)."""

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
from tests.flows import orders as world

from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.commands.outcome import Looked, Lost, RawBytes, Reply, Says
from fallsafe.flows import commands
from fallsafe.flows.commands import Attempted, Claimed
from fallsafe.flows.context import Applied, Context
from fallsafe.store.reads import order_file
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Why


async def say(store: Database, context: Context, question: Claimed, says: Says, body: bytes) -> None:
    """Answers one question, in the other system's bytes."""
    reply = Reply(Looked(says), (RawBytes("answer", body, "application/json", "200"),))
    await store.transact(lambda tx: commands.record_replies(tx, context, [Attempted(question, reply)], world.ACTOR))


class WhenOneWayFindsItAndAnotherFindsNothing:
    async def test_it_is_done_by_the_answer_that_says_so_and_stands_on_both(
        self, store: Database, context: Context
    ) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        claimed = next(c for c in await world.claim(store, context) if c.operation.name == "BIL.createAccount")
        await world.answer(store, context, claimed, Lost("timeout"))
        by_key, by_reference = await world.look(store, context)
        await say(store, context, by_key, Says.DONE, b'{"accountId":"ACC-42","status":"active"}')
        await say(store, context, by_reference, Says.ABSENT, b'{"accountId":"none of this"}')

        order = await world.seen(store, answer.id)
        lines = await store.fetch("reads/journal", id=answer.id, after=0, limit=1000)
        found = next(msgspec.json.decode(line["payload"]) for line in lines if line["verb"] == "find_done")
        file = await order_file(store, answer.id)
        assert file is not None
        kept = {e.command_id: e.id for e in file.evidence}
        assert order.commands[claimed.command_id].state is CommandState.DONE
        assert {kept[by_key.command_id], kept[by_reference.command_id]} <= set(found["evidence"])


class WhenALookIsDueWhileTheQuestionsOfTheLastOneAreOut:
    async def test_nothing_is_asked_twice_and_the_look_stays_on_the_agenda(
        self, store: Database, context: Context
    ) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        claimed = next(c for c in await world.claim(store, context) if c.operation.name == "WHS.reserve")
        await world.answer(store, context, claimed, Lost("timeout"))
        questions = await world.look(store, context)
        order = await world.seen(store, answer.id)
        command = order.commands[claimed.command_id]
        await world.make_due(store, "lookup", command.task_id, answer.id)

        assert [q.operation.name for q in questions] == ["WHS.queryReservation"] * 2
        assert await world.look(store, context) == []
        rows = await store.fetch("agenda/of_orders", ids=[answer.id])
        leases = [c.lease_until for c in order.commands.values() if c.target_id == command.id and c.lease_until]
        assert command.state is CommandState.UNKNOWN
        assert [r["due_at"] for r in rows if (r["kind"], r["id"]) == ("lookup", command.task_id)] == [max(leases)]


class WhenAnEmptyLookDoesNotCountAnyMore:
    async def test_the_next_one_is_the_first_of_the_two(self, store: Database, context: Context) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        claimed = next(c for c in await world.claim(store, context) if c.operation.name == "WHS.reserve")
        await world.answer(store, context, claimed, Lost("timeout"))

        async def doubt(tx: Tx) -> datetime:
            """The settle window is over since an hour; what was looked for before that counted when it was shorter."""
            (order,) = await tx.lock([answer.id])
            at = await tx.now() - timedelta(hours=1)
            command = order.commands[claimed.command_id]
            old = replace(command, first_sent_at=at, last_sent_at=at, ended_at=at, first_empty_at=at)
            order.put(old, "age", Why(world.ACTOR, "a test"))
            return at

        doubted_at = await store.transact(doubt)
        for question in await world.look(store, context):
            await say(store, context, question, Says.ABSENT, b'{"code":"NOT_FOUND"}')
        counted = (await world.seen(store, answer.id)).commands[claimed.command_id].first_empty_at
        assert counted is not None
        assert counted > doubted_at + claimed.operation.settle_window


class WhenItIsFoundUnfinishedAfterItsBreach:
    async def test_it_is_late_once_more_later_and_then_earlier_answers_do_not_count(
        self, store: Database, context: Context
    ) -> None:
        (answer,) = await world.submit(store, context, world.drill())
        assert isinstance(answer, Applied)
        claimed = next(c for c in await world.claim(store, context) if c.operation.name == "BIL.createAccount")
        await world.answer(store, context, claimed, Lost("timeout"))
        task_id = (await world.seen(store, answer.id)).commands[claimed.command_id].task_id

        async def grow_late(tx: Tx) -> None:
            (order,) = await tx.lock([answer.id])
            late = replace(order.tasks[task_id], breach_at=await tx.now() - timedelta(hours=1))
            order.put(late, "age", Why(world.ACTOR, "a test"))

        await store.transact(grow_late)
        for question in await world.look(store, context):
            await say(store, context, question, Says.PENDING, b'{"status":"in progress"}')
        assert await world.due(store, context, "overdue") == []

        await world.make_due(store, "lookup", task_id, answer.id)
        (asked,) = await world.look(store, context)
        await store.transact(grow_late)
        await world.make_due(store, "overdue", task_id, answer.id)
        silent = await world.due(store, context, "overdue")
        await store.transact(lambda tx: commands.find_overdue(tx, context, silent, world.ACTOR))
        await world.answer(
            store, context, asked, Lost("timeout")
        )  # how far it was is not answered, and it is asked now
        for question in await world.look(store, context):
            await say(store, context, question, Says.REJECTED, b'{"code":"NO"}')
        order = await world.seen(store, answer.id)
        assert order.commands[claimed.command_id].state is CommandState.REJECTED
        assert "LOOKUP_UNDECIDED" not in {case.code for case in order.cases.values()}

"""Looks at unknown outcomes stay on the agenda, whoever asks for them and when (§11, §15, P1)."""

from tests.flows import orders as world

from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.commands.outcome import Lost
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database


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

"""§11 through the flows: looks that settle nothing do not go on for ever unseen, and what belongs to somebody else is a
contradiction.
"""

from tests.flows import orders as world
from tests.flows.test_s26_thread import current, gaps, lost

from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.commands.outcome import Done, Looked, Lost, Says
from fallsafe.flows.commands import Claimed
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database


async def look_now(store: Database, context: Context, order_id: int) -> list[Claimed]:
    """The questions of the next look, whose time has come."""
    task_id = world.task(await world.seen(store, order_id), "activateFiberService").id
    await world.make_due(store, "lookup", task_id, order_id)
    return await world.look(store, context)


class WhenNoLookBringsAnAnswer:
    async def test_after_the_last_wait_a_person_is_told_and_looks_go_on(
        self, store: Database, context: Context
    ) -> None:
        order_id, _ = await lost(store, context)
        told = []
        for _ in context.newest.limits.look_delays:
            (case,) = (await world.seen(store, order_id)).open_cases
            told.append(case.next_action)
            for question in await look_now(store, context, order_id):
                await world.answer(store, context, question, Lost("http_500"))
        (case,) = (await world.seen(store, order_id)).open_cases
        assert case.next_action not in told
        assert case.next_action.startswith("Ask the people of the system")
        assert await gaps(store) == []

    async def test_an_answer_that_comes_in_the_end_still_settles_it(self, store: Database, context: Context) -> None:
        order_id, _ = await lost(store, context)
        for _ in context.newest.limits.look_delays:
            for question in await look_now(store, context, order_id):
                await world.answer(store, context, question, Lost("http_500"))
        for question in await look_now(store, context, order_id):
            await world.answer(store, context, question, Looked(Says.DONE, "SRV-1"))
        order = await world.seen(store, order_id)
        assert (current(order), order.open_cases) == (CommandState.DONE, [])


class WhenALookFindsTheEffectOfAnotherKey:
    async def test_a_person_is_asked_at_once_and_nothing_is_sent(self, store: Database, context: Context) -> None:
        order_id, claimed = await lost(store, context)
        for question in await world.look(store, context):
            found = Looked(Says.ABSENT) if "by-key" in question.request.path else Lost("other_key")
            await world.answer(store, context, question, found)
        order = await world.seen(store, order_id)
        assert {c.code for c in order.open_cases} == {"UNKNOWN_OUTCOME", "LOOKUP_UNDECIDED"}
        assert current(order) is CommandState.UNKNOWN
        assert await world.claim(store, context) == []
        await world.answer(store, context, claimed, Done("SRV-1"))
        assert [c.code for c in (await world.seen(store, order_id)).open_cases] == ["LOOKUP_UNDECIDED"]

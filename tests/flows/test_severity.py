"""§5.3 through the flows: how bad a case is follows the facts, also those of other orders, as long as they stand."""

from tests.flows import orders as world
from tests.flows.test_callbacks import accepted, apply, receive, said

from fallsafe.core.access import system
from fallsafe.core.commands.outcome import Rejected
from fallsafe.flows import review
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database
from fallsafe.store.work import Aggregate

ALIKE = "10 failures like it in 24 hours"


async def alike(store: Database, context: Context, count: int) -> list[int]:
    """So many orders whose billing account was refused for the same reason, one after another."""
    given = await world.submit(store, context, *(world.drill(str(n)) for n in range(count)))
    for claimed in await world.claim(store, context):
        if claimed.operation.name == "BIL.createAccount":
            refused = Rejected("BC-1422 TAX_ID_INVALID", f"tax id of {claimed.command_id} is wrong")
            await world.answer(store, context, claimed, refused)
    return [one.id for one in given if isinstance(one, Applied)]


def sentences(order: Aggregate) -> list[str]:
    """Why its case is as bad as it is."""
    (case,) = order.open_cases
    assert isinstance(case.reasons, list)
    return [str(reason["sentence"]) for reason in case.reasons if isinstance(reason, dict)]


class WhenManyOrdersFailAlike:
    async def test_the_eleventh_case_says_so_and_goes_on_saying_it(self, store: Database, context: Context) -> None:
        order_ids = await alike(store, context, 11)
        cases = [(await world.seen(store, i)) for i in order_ids]
        assert [ALIKE in sentences(order) for order in cases].count(True) == 1

    async def test_a_look_at_the_first_case_finds_it_too(self, store: Database, context: Context) -> None:
        order_ids = await alike(store, context, 11)
        first = await world.seen(store, order_ids[0])
        (case,) = first.open_cases
        await world.make_due(store, "review", case.id, first.order.id)
        looks = await world.due(store, context, "review")
        await store.transact(lambda tx: review.review(tx, context, looks, system("scanner")))
        assert ALIKE in sentences(await world.seen(store, order_ids[0]))


class WhenACaseOpensAndEndsInOneTurn:
    async def test_it_says_how_bad_it_was(self, store: Database, context: Context) -> None:
        order_id = await accepted(store, context)
        await receive(store, context, said("EV-O", object="CRM/nobody/nothing"), said("EV-1"))
        await apply(store, context)
        (case,) = (await world.seen(store, order_id)).cases.values()
        assert (case.state, bool(case.reasons), case.sla_due_at is not None) == ("resolved", True, True)

"""A new order that looks like a live one is frozen before its first command (model rule 11)."""

import asyncio
from dataclasses import replace

from tests.flows import orders as world

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES
from fallsafe.core.commands.outcome import Done
from fallsafe.core.orders.draft import LinkDraft, OrderDraft
from fallsafe.flows.context import Applied, Context
from fallsafe.store.tx import Database

CODE = "SUSPECTED_DUPLICATE_ORDER"


def wants(external_id: str, customer: str = "CU-9", **changed: object) -> OrderDraft:
    """The drill's order for one customer, under a name of its own."""
    return replace(world.drill(external_id), customer_ref=customer, **changed)


def elsewhere(draft: OrderDraft) -> OrderDraft:
    """The same order for another place."""
    first, *rest = draft.items
    return replace(draft, items=(replace(first, place={"id": "PL-2"}), *rest))


async def take(store: Database, context: Context, *drafts: OrderDraft) -> list[int]:
    answers = await world.submit(store, context, *drafts)
    return [answer.id for answer in answers if isinstance(answer, Applied)]


async def codes(store: Database, order_id: int) -> list[str]:
    order = await world.seen(store, order_id)
    assert bool(order.order.frozen) is bool(order.open_cases)
    return [case.code for case in order.cases.values() if case.state in OPEN_CASE_STATES]


class WhenACustomerSeemsToOrderTwice:
    async def test_nothing_of_the_second_is_sent_and_somebody_asks(self, store: Database, context: Context) -> None:
        first, second = await take(store, context, wants("1"), wants("2"))
        (third,) = await take(store, context, wants("3"))
        assert [await codes(store, one) for one in (first, second, third)] == [[], [CODE], [CODE]]
        claimed = await world.claim(store, context)
        assert {one.order_id for one in claimed} == {first}
        case = next(iter((await world.seen(store, second)).cases.values()))
        assert case.raw_message.startswith("like order CRM/1,")

        (unapproved,) = await take(store, context, wants("4", quote={"discountPercent": 25}))
        assert sorted(await codes(store, unapproved)) == ["APPROVAL_MISSING", CODE]
        case = next(iter((await world.seen(store, unapproved)).open_cases))
        ben = Actor("person", "ben", frozenset({"operator"}))
        seen = (await world.preview(store, context, case.id, "THAW", {"what": "order"}, ben)).preview
        assert seen.approval.endswith(f"but by policy: APPROVAL_MISSING and recover: {CODE}.")

    async def test_two_that_come_at_once_see_each_other(self, store: Database, context: Context) -> None:
        taken = await asyncio.gather(*(take(store, context, wants(f"{n}")) for n in range(4)))
        found = [await codes(store, one) for (one,) in taken]
        assert sorted(found) == [[], [CODE], [CODE], [CODE]]

    async def test_what_differs_or_is_said_to_go_together_is_no_duplicate(
        self, store: Database, context: Context
    ) -> None:
        first, *_ = wants("2").items
        other_action = replace(wants("4"), items=(replace(first, action="delete"),))
        linked = replace(wants("5"), links=(LinkDraft("replaces", "CRM", "1"),))
        drafts = (wants("1"), wants("2", customer="CU-8"), elsewhere(wants("3")), other_action, linked)
        for one in await take(store, context, *drafts):
            assert await codes(store, one) == []

    async def test_what_is_over_counts_no_more(self, store: Database, context: Context) -> None:
        (first,) = await take(store, context, wants("1"))
        for _ in range(9):
            for claimed in await world.claim(store, context):
                await world.answer(store, context, claimed, Done(f"R-{claimed.command_id}"))
        assert (await world.seen(store, first)).order.is_final
        (second,) = await take(store, context, wants("2"))
        assert await codes(store, second) == []

    async def test_a_set_that_names_no_time_asks_nobody(self, store: Database, context: Context) -> None:
        limits = replace(context.newest.limits, duplicate_within=None)
        policy = replace(context.newest, limits=limits)
        carefree = replace(context, newest=policy, policies={policy.id: policy})
        for one in await take(store, carefree, wants("1"), wants("2")):
            assert await codes(store, one) == []

"""Model rule 6: a customer's name stands sealed in one place, whoever repeats it in their words."""

from dataclasses import replace

import pytest
from tests.flows import orders as world
from tests.flows.test_callbacks import accepted, apply, receive, said
from tests.flows.test_s26_thread import OPERATOR, lost, until_activation

from fallsafe.core.commands.outcome import Accepted, Done, Looked, Rejected, Says
from fallsafe.core.triage.fingerprint import fingerprint
from fallsafe.flows import recover, replies
from fallsafe.flows.context import Applied, Context
from fallsafe.flows.discretion import hide, redacted
from fallsafe.flows.replies import Reply
from fallsafe.store.reads import order_file
from fallsafe.store.tx import Database

WORDS = ("Sari", "SARI", "Wulandari", "WULANDARI", "Melati")


async def everything(store: Database, order_id: int) -> str:
    """All that is written of an order in clear: rows, journal, what was said."""
    order = await world.seen(store, order_id)
    lines = await store.fetch("reads/journal", id=order_id, after=0, limit=1000)
    file = await order_file(store, order_id)
    assert file is not None
    rows = [order.order, *order.items.values(), *order.tasks.values(), *order.commands.values(), *order.cases.values()]
    return repr([line["payload"] for line in lines]) + repr(rows) + repr([outcome.message for outcome in file.outcomes])


class WhenSomebodySeesEvidenceWhoMayNotSeeTheWholeOfIt:
    @pytest.mark.parametrize(
        ("body", "seen"),
        [
            ('{"phone": 49151123}', '{"phone": [personal]}'),
            ('{"phone": 49151123, "name": "M\\u00fcller"}', '{"phone": "[personal]", "name": "[personal]"}'),
            (
                '{"paid": true, "amount": 4500, "name": "M\\u00fcller"}',
                '{"paid": true, "amount": 4500, "name": "[personal]"}',
            ),
        ],
    )
    def test_a_value_is_hidden_however_it_is_written(self, body: str, seen: str) -> None:
        private = ("49151123", "Müller")
        assert redacted(body.encode(), "internal", lambda text: hide(text, private)).decode() == seen


class WhenAnotherSystemRepeatsTheCustomersName:
    async def test_the_refusal_is_kept_without_it(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)
        words = "no drop for SARI WULANDARI at Jalan Melati 8, ask Wulandari"
        await world.answer(store, context, claimed, Rejected("ADDRESS_NOT_SERVICEABLE", words))
        (case,) = (await world.seen(store, order_id)).open_cases
        assert case.raw_message == "no drop for [personal] at [personal], ask [personal]"
        assert not [word for word in WORDS if word in await everything(store, order_id)]

    async def test_failures_alike_are_one_group_whoever_the_customer_is(
        self, store: Database, context: Context
    ) -> None:
        order_id, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, Rejected("NO_PORT", "none left for Sari Wulandari"))
        (case,) = (await world.seen(store, order_id)).open_cases
        other = "none left for [personal]"
        assert case.fingerprint == fingerprint(case.system, case.operation, case.code, other)

    async def test_an_answer_is_evidence_and_stands_nowhere_else(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, Done("SRV-1", {"customer": "Sari Wulandari", "note": "a\0b"}))
        order = await world.seen(store, order_id)
        assert world.task(order, "activateFiberService").result is None
        assert "Sari" not in await everything(store, order_id)

    async def test_nor_does_what_people_say_of_a_letter(self, store: Database, context: Context) -> None:
        works = replace(world.drill(), items=(world.item("works", "CIVIL-WORKS", parent=""),))
        (order,) = await world.submit(store, context, works)
        (claimed,) = await world.claim(store, context)
        await world.answer(store, context, claimed, Accepted("CW-1"))
        read = [Reply(claimed.command_id, "done", "it is closed", "letter to Sari Wulandari")]
        (answer,) = await store.transact(lambda tx: replies.take(tx, context, read, OPERATOR))
        assert isinstance(answer, Applied), answer
        file = await order_file(store, order.id)
        assert file is not None and "letter to [personal]" in repr(file) and "Wulandari" not in repr(file)

    async def test_nor_does_what_a_callback_or_a_look_up_says(self, store: Database, context: Context) -> None:
        order_id = await accepted(store, context)
        await receive(store, context, said(status="REJECTED", code="X", text="not for Sari Wulandari", customer="Sari"))
        await apply(store, context)
        assert "Sari" not in await everything(store, order_id)

    async def test_nor_does_the_inventory(self, store: Database, context: Context) -> None:
        order_id, _ = await lost(store, context)
        for question in await world.look(store, context):
            found = Looked(Says.REJECTED, "", "NO_PORT", "none for Sari Wulandari", {"holder": "Sari Wulandari"})
            await world.answer(store, context, question, found)
        (case, *_) = (await world.seen(store, order_id)).open_cases
        assert "Sari" not in await everything(store, order_id)
        assert case.order_id == order_id


class WhenAPersonWritesItInAReason:
    @pytest.mark.parametrize("reason", ["Sari Wulandari called", "please, for wulandari"])
    async def test_it_is_kept_without_it(self, store: Database, context: Context, reason: str) -> None:
        order_id, claimed = await lost(store, context)
        asked = [claimed.command_id]
        await store.transact(lambda tx: recover.reconcile_now(tx, context, asked, OPERATOR, reason))
        told = await everything(store, order_id)
        assert "[personal]" in told
        assert "ulandari" not in told

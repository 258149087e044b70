"""Callbacks through the flows: each is kept once, moves only what its sender may speak of, and never stays without an
owner (P2, P4, P5).
"""

import json
from dataclasses import replace
from typing import Any

import psycopg
from tests.flows import orders as world
from tests.flows.test_s26_thread import current, until_activation

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case
from fallsafe.core.cases.query import CaseQuery
from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.commands.outcome import Accepted, Done, Lost, NotSent
from fallsafe.flows import callbacks
from fallsafe.flows.access import open_evidence
from fallsafe.flows.callbacks import Received
from fallsafe.flows.context import Applied, Context
from fallsafe.store.audit import verify
from fallsafe.store.evidence import evidence_by_id
from fallsafe.store.queue import Asked, find
from fallsafe.store.reads import order_file
from fallsafe.store.tx import Database

PRV = Actor("machine", "PRV", frozenset({"machine"}))
EVERY_APPLY = {"gates": [0], "rooms": [100], "shards": list(range(64)), "now": "infinity", "kinds": ["apply"]}
KEY = "CRM/777/fiber.activateFiberService/fulfill/1"


def said(event: str = "EV-1", key: str = KEY, system: str = "PRV", **changed: Any) -> Received:
    """A callback of the activation system that says that the service is active."""
    body = {
        "eventId": event,
        "commandId": key,
        "object": "CRM/777/fiber",
        "status": "ACTIVE",
        "serviceRef": "SRV-CRM/777/fiber",
        **changed,
    }
    return Received(system, event, key, json.dumps(body).encode(), "application/json", "POST /callbacks")


async def receive(store: Database, context: Context, *received: Received) -> None:
    """Takes callbacks in, as the door does."""
    await store.transact(lambda tx: callbacks.receive(tx, context, received, PRV))


async def apply(store: Database, context: Context) -> None:
    """Applies what is due."""
    entries = await world.due(store, context, "apply")
    await store.transact(lambda tx: callbacks.apply(tx, context, entries, PRV))


async def accepted(store: Database, context: Context) -> int:
    """The order of the drill, whose activation was taken on."""
    order_id, claimed = await until_activation(store, context)
    await world.answer(store, context, claimed, Accepted("SRV-CRM/777/fiber"))
    return order_id


async def every_try(store: Database, context: Context) -> None:
    """Looks for the commands of callbacks until nobody looks any more."""
    for _ in range(len(context.newest.limits.unmatched_delays) + 2):
        for row in await store.fetch("agenda/due", **EVERY_APPLY):
            await world.make_due(store, "apply", row["id"], None)
        await apply(store, context)


async def loose_cases(store: Database) -> list[Case]:
    """Open cases that belong to no order."""
    return [
        row.case
        for row in (await find(store, Asked(CaseQuery()), sort="newest", limit=50)).rows
        if row.case.order_id == 0
    ]


class WhenACallbackSaysDone:
    async def test_it_completes_its_command(self, store: Database, context: Context) -> None:
        order_id = await accepted(store, context)
        await receive(store, context, said())
        await apply(store, context)
        assert current(await world.seen(store, order_id)) is CommandState.DONE

    async def test_its_bytes_end_with_the_key_of_its_order(self, store: Database, context: Context) -> None:
        """Model rule 6: destroying the order's key must make them meaningless."""
        order_id = await accepted(store, context)
        await receive(store, context, said(name="Sari Wulandari"))
        file = await order_file(store, order_id)
        assert file is not None
        (kept,) = [e for e in file.evidence if e.kind == "callback"]
        sealed = await evidence_by_id(store, kept.id)
        assert sealed is not None and sealed.order_id == order_id
        whole = await store.transact(lambda tx: open_evidence(tx, world.ACTOR, sealed, whole=True))
        assert b"Sari Wulandari" in whole

    async def test_what_was_verified_before_is_verified_after_it(
        self, store: Database, context: Context, owner_url: str
    ) -> None:
        """Nor is an answer lost whose order is not here any more, as after a restore."""
        _, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, Accepted("SRV-CRM/777/fiber"))
        await receive(store, context, said(), said("EV-2", key="CRM/0/x"))
        await apply(store, context)
        gone = replace(claimed, order_id=claimed.order_id + 64, command_id=claimed.command_id + 64)
        await world.answer(store, context, gone, Done("SRV-9"))
        assert verify(owner_url).findings == ()
        with psycopg.connect(owner_url) as owner:
            kept = owner.execute("SELECT kind FROM evidence WHERE order_id = 0 ORDER BY id").fetchall()
        assert kept == [("callback",), ("answer",)]


class WhenACallbackNamesACommandOfAnotherSystem:
    async def test_it_moves_nothing_and_gets_an_owner(self, store: Database, context: Context) -> None:
        """A system's own signature does not let it speak for another one (P2, P3)."""
        order_id = await accepted(store, context)
        await receive(
            store, context, said(key="CRM/777/billing.createBillingAccount/fulfill/1", object="CRM/777/billing")
        )
        before = (await world.seen(store, order_id)).order.version
        await every_try(store, context)
        assert (await world.seen(store, order_id)).order.version == before
        (case,) = await loose_cases(store)
        assert (case.code, case.owner_group) == ("CALLBACK_UNMATCHED", "INTEGRATION_ENGINEERING")

    async def test_a_question_is_no_command_that_can_be_done(self, store: Database, context: Context) -> None:
        order_id, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, Lost("timeout"))
        (asked, *_) = await world.look(store, context)
        await receive(store, context, said(key=asked.key))
        await apply(store, context)
        order = await world.seen(store, order_id)
        assert order.commands[asked.command_id].state is CommandState.SENDING
        assert current(order) is CommandState.UNKNOWN


class WhenACallbackMatchesNothing:
    async def test_it_is_looked_for_again_and_then_becomes_one_case(self, store: Database, context: Context) -> None:
        await receive(store, context, said("EV-8", key="CRM/404/x"), said("EV-9", key="CRM/404/x"))
        await apply(store, context)
        assert await loose_cases(store) == []
        await every_try(store, context)
        (case,) = await loose_cases(store)
        assert (case.system, case.occurrences) == ("PRV", 2)
        assert await store.fetch("reads/coverage_gaps") == []


class WhenACallbackCannotBeReadAsAnAnswer:
    async def test_nothing_moves_and_somebody_owns_it_until_the_true_answer_comes(
        self, store: Database, context: Context
    ) -> None:
        order_id = await accepted(store, context)
        await receive(store, context, said(object="CRM/778/fiber"))
        await apply(store, context)
        order = await world.seen(store, order_id)
        assert current(order) is CommandState.ACCEPTED
        (case,) = order.open_cases
        assert (case.code, case.task_id) == ("CALLBACK_UNMATCHED", world.task(order, "activateFiberService").id)
        await receive(store, context, said("EV-2"))
        await apply(store, context)
        order = await world.seen(store, order_id)
        assert (current(order), order.open_cases) == (CommandState.DONE, [])


class WhenACallbackSaysThatTheyHaveWhatCameBackUnsent:
    async def test_it_does_not_go_out_again_where_they_would_take_it_for_another_one(
        self, store: Database, context: Context
    ) -> None:
        """P2: that nothing had left was wrong; a person looks before anything is sent."""
        policy = context.newest
        forgets = replace(policy.operations["PRV.activateService"], repeat=Repeat.UNSUPPORTED)
        policy = replace(policy, operations={**policy.operations, forgets.name: forgets})
        context = replace(context, policies={policy.id: policy}, newest=policy)
        order_id, claimed = await until_activation(store, context)
        await world.answer(store, context, claimed, NotSent("refused"))
        await receive(store, context, said(status="IN_PROGRESS"))
        await apply(store, context)
        order = await world.seen(store, order_id)
        task = world.task(order, "activateFiberService")
        assert current(order) is CommandState.INTENDED
        assert "ABSENCE_WRONG" in {case.code for case in order.open_cases if case.task_id == task.id}
        await world.make_due(store, "send", task.id, order_id)
        assert task.id not in {order.commands[one.command_id].task_id for one in await world.claim(store, context)}


class WhenADoubtAndItsEndComeTogether:
    async def test_the_case_is_there_and_healed(self, store: Database, context: Context) -> None:
        """One batch: cancelled, then active. Nobody is left with a case about something that is done."""
        order_id = await accepted(store, context)
        await receive(store, context, said("EV-1", status="CANCELLED"), said("EV-2"))
        await apply(store, context)
        order = await world.seen(store, order_id)
        assert (current(order), order.open_cases) == (CommandState.DONE, [])
        assert [c.state.value for c in order.cases.values()] == ["resolved"]


class WhenOneEventIdIsUsedForTwoStatements:
    async def test_the_second_one_is_kept_and_seen(self, store: Database, context: Context) -> None:
        await accepted(store, context)
        await receive(store, context, said(status="IN_PROGRESS"))
        await receive(store, context, said(status="REJECTED", code="NO_PORT"))
        (case,) = await loose_cases(store)
        assert (case.raw_code, case.system) == ("EVENT_ID_REUSED", "PRV")

    async def test_two_in_one_batch_are_told_apart_too(self, store: Database, context: Context) -> None:
        await receive(store, context, said(), said(status="REJECTED"), said())
        (case,) = await loose_cases(store)
        assert case.occurrences == 1

    async def test_a_true_repeat_is_no_case(self, store: Database, context: Context) -> None:
        await accepted(store, context)
        await receive(store, context, said())
        again = await store.transact(lambda tx: callbacks.receive(tx, context, [said()], PRV))
        assert isinstance(again[0], Applied) and again[0].already
        assert await loose_cases(store) == []

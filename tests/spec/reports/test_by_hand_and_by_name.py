"""Failures that others have reported in public, retold at our doors: what only a person can find out, what is handed
out more than once, and what is said about another thing than it seems. Each test takes the steps of a report in their
order and asserts what must not happen.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from tests.doors.conftest import Api, an_item, an_order
from tests.doors.test_api_callbacks import a_callback, send
from tests.doors.test_api_cases import play, the_case
from tests.doors.test_api_repairs import OK, decide, go_on, shown
from tests.doors.test_api_signals import a_signal
from tests.flows import orders as world
from tests.flows.test_callbacks import EVERY_APPLY

from fallsafe.core.access import system
from fallsafe.core.commands.outcome import Accepted, Lost, Rejected
from fallsafe.flows import callbacks, commands, signals
from fallsafe.store.tx import Tx
from fallsafe.store.work import Why

SUBSCRIPTION, ACTIVATION = (
    "CRM/777/billing.createSubscription/fulfill/1",
    "CRM/777/fiber.activateFiberService/fulfill/1",
)
RIGHT = {"X-Signature": ""}


async def states(api: Api) -> dict[str, str]:
    """The state of each step of the order."""
    return {task["step"]: task["state"] for task in (await api.get("/orders/CRM:777"))["tasks"]}


async def codes(api: Api, **asked: Any) -> list[str]:
    """The codes of the open cases."""
    return sorted(row["code"] for row in (await api.get("/fallout-cases", **asked))["items"])


async def apply(api: Api, tries: int = 1) -> None:
    """Lets a worker apply what came, as often as it would look for its command."""
    for _ in range(tries):
        for row in await api.database.fetch("agenda/due", **EVERY_APPLY):
            await world.make_due(api.database, "apply", row["id"], None)
        due = await world.due(api.database, api.context, "apply")
        await api.database.transact(lambda tx, it=due: callbacks.apply(tx, api.context, it, system("callbacks")))


async def the_sender_dies(api: Api, operation: str) -> None:
    """A command is sent by a process that is never heard of again, and its lease runs out."""
    (one,) = [c for c in await world.claim(api.database, api.context) if c.operation.name == operation]

    async def later(tx: Tx) -> None:
        (order,) = await tx.lock([one.order_id])
        now = await tx.now()
        gone = replace(order.commands[one.command_id], lease_until=now - timedelta(seconds=1))
        order.put(gone, "age", Why(world.ACTOR, "a test"))
        tx.clear("lease", gone.task_id)

    await api.database.transact(later)
    order = await world.seen(api.database, one.order_id)
    await world.make_due(api.database, "lease", order.commands[one.command_id].task_id, one.order_id)
    due = await world.due(api.database, api.context, "lease")
    await api.database.transact(lambda tx: commands.expire_leases(tx, api.context, due, system("leases")))


class WhenACreateCannotBeDeterminedAfterACrash:
    """A controller died between its call and its note of the result; people removed the marker by hand, unchecked."""

    async def test_saying_that_it_never_happened_needs_proof_and_a_second_person(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        for _ in range(9):
            claimed = await world.claim(api.database, api.context)
            for one in claimed:
                done = one.operation.name != "BIL.createSubscription"
                await world.answer(api.database, api.context, one, OK if done else Lost("lease_expired"))
        case = await the_case(api)
        (command,) = case["notToBeSent"]
        assert (command["state"], command["key"]) == ("unknown", SUBSCRIPTION)
        assert (await api.post(f"/commands/{command['id']}/resend", {}, status=409))["code"] == "OUTCOME_UNKNOWN"

        await world.ask_in_vain(api.database, api.context)
        said = await shown(api, "DECLARE_OUTCOME", status=422, outcome="absent", seen="none", where="here")
        assert said["pointer"] == "/input/seen"
        proof = "list of today's subscriptions by order number: no row, EV-7"
        seen = await shown(api, "DECLARE_OUTCOME", outcome="absent", seen=proof, where="BIL screen 7")
        assert (await decide(api, seen, status=409))["code"] == "APPROVAL_NEEDED"
        assert await go_on(api) == []
        await decide(api, seen, "approve", "manager")
        await decide(api, seen)
        assert await go_on(api) == []
        again = await shown(api, "RESEND_SAME_KEY")
        await decide(api, again, "approve", "manager")
        await decide(api, again)
        assert await go_on(api) == [SUBSCRIPTION]

    async def test_a_sender_that_died_is_never_followed_by_another_send(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        await the_sender_dies(api, "BIL.createAccount")
        assert (await states(api))["createBillingAccount"] == "unknown"
        assert [one.key for one in await world.claim(api.database, api.context) if "createBilling" in one.key] == []
        assert await codes(api) == ["UNKNOWN_OUTCOME"]


class WhenNothingCanBeAskedAndTheTruthComesInAReport:
    """A refund without key and without query: the truth shows only in the settlement report of the next day."""

    async def test_a_retry_is_refused_and_the_report_is_what_ends_it(self, api: Api) -> None:
        items = [
            an_item("site", "BUSINESS-ACCESS", place={"id": "PL-3"}),
            an_item("works", "CIVIL-WORKS", parent="site"),
        ]
        await api.post("/orders", an_order(items=items), "machine", 201)
        await go_on(api, {"CIV.build": Lost("disk")})
        for _ in range(3):
            for one in await api.database.fetch("agenda/due", **{**EVERY_APPLY, "kinds": ["lookup"]}):
                await world.make_due(api.database, "lookup", one["id"], one["order_id"])
            assert await world.look(api.database, api.context) == []
        open_ = {row["code"]: row["id"] for row in (await api.get("/fallout-cases"))["items"]}
        assert open_.keys() == {"UNKNOWN_OUTCOME", "LOOKUP_UNDECIDED"}
        case = await api.get(f"/fallout-cases/{open_['LOOKUP_UNDECIDED']}")
        (command,) = case["notToBeSent"]
        assert command["operation"] == "CIV.build"
        assert (await api.post(f"/commands/{command['id']}/resend", {}, status=409))["code"] == "OUTCOME_UNKNOWN"
        assert (await api.get("/coverage"))["percent"] == 100
        assert "ORDER_STUCK" not in await codes(api)
        proof = "line 14 of the report of 3 March: executed, with the reference"
        given = {"outcome": "done", "seen": proof, "where": "settlement report"}
        asked = {"action": "DECLARE_OUTCOME", "input": given, "reason": "the report came"}
        seen = await api.post(f"/fallout-cases/{case['id']}/repairs/preview", asked)
        await decide(api, seen, "approve", "manager")
        await decide(api, seen)
        shown_ = await api.get(f"/commands/{command['id']}")
        assert (shown_["state"], len(shown_["attempts"])) == ("done", 1)
        assert (await api.get(f"/fallout-cases/{case['id']}"))["state"] in ("revalidating", "resolved")
        assert (await states(api))["buildAccess"] == "completed"
        assert await go_on(api) == []


class WhenOneTaskIsHandedOutMoreThanOnce:
    """A broker gave a delayed job to three workers, because it was not acknowledged in time."""

    async def test_one_of_them_sends_it_and_nobody_opens_a_case(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        workers = [replace(api.context, worker=f"w{n}") for n in range(3)]
        due = await world.due(api.database, api.context, "send")
        found = await asyncio.gather(
            *(api.database.transact(lambda tx, c=c: commands.claim(tx, c, due, system("dispatcher"))) for c in workers)
        )
        sent = Counter(one.key for claimed in found for one in claimed)
        assert sent and set(sent.values()) == {1}
        assert await codes(api) == []


class WhenAResultIsToldUnderAnotherReference:
    """A capture notice was processed, but its record was not found; the order stayed unpaid and nobody was told."""

    async def test_it_is_kept_with_an_owner_and_the_silent_task_is_found_out(self, api: Api) -> None:
        order_id = await play(api, {"PRV.activateService": Accepted("SRV-1")})
        status, _ = await send(api, a_callback(commandId="P-1-OLD"))
        assert status == 202
        await apply(api, tries=len(api.context.newest.limits.unmatched_delays) + 2)
        assert await codes(api) == ["CALLBACK_UNMATCHED"]
        assert (await states(api))["activateFiberService"] == "waiting_callback"
        order = await world.seen(api.database, int(order_id.removeprefix("O-")))
        await world.grow_old(api.database, order.order.id)
        task = world.task(order, "activateFiberService")
        await world.make_due(api.database, "overdue", task.id, order.order.id)
        due = await world.due(api.database, api.context, "overdue")
        await api.database.transact(lambda tx: commands.find_overdue(tx, api.context, due, system("overdue")))
        assert await codes(api) == ["CALLBACK_UNMATCHED", "MISSING_CALLBACK"]
        after = await states(api)
        assert (after["activateFiberService"], after["activateStaticIp"]) == ("unknown", "planned")
        assert await go_on(api) == []


class WhenSomethingExistsOutsideWithoutAnOrder:
    """Captured payments had no order, some for two weeks; a script that somebody ran by hand found them."""

    async def test_each_has_an_owner_and_no_order_is_made_up(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        for name, order in (("PAY-1", "nobody"), ("PAY-2", "777")):
            told = a_signal(name, order, source="RECONCILE", code="EXISTS_ONLY_OUTSIDE", message="captured 42.00 EUR")
            await api.post("/signals", told, "machine", 202)
        for _ in range(len(api.context.newest.limits.unmatched_delays) + 2):
            for row in await api.database.fetch("agenda/due", **{**EVERY_APPLY, "kinds": ["signal"]}):
                await world.make_due(api.database, "signal", row["id"], None)
            due = await world.due(api.database, api.context, "signal")
            await api.database.transact(lambda tx, it=due: signals.apply(tx, api.context, it, system("signals")))
        assert await codes(api) == ["SIGNAL_UNMATCHED", "UNCLASSIFIED"]
        assert len((await api.get("/orders"))["items"]) == 1
        told = {row["externalId"]: row["state"] for row in (await api.get("/signals", source="RECONCILE"))["items"]}
        assert told == {"PAY-1": "unmatched", "PAY-2": "standing"}


class WhenAnEarlierGenerationSpeaksUp:
    """After a suspension the step had a new key; a late word of the old one was taken for the new one's."""

    async def test_what_is_said_of_the_first_command_does_not_touch_the_second(self, api: Api) -> None:
        await self.corrected(api)
        refused = {"status": "REJECTED", "code": "PARAM_MISSING", "eventId": "c1"}
        assert (await send(api, a_callback(**refused)))[0] == 202
        await apply(api)
        assert (await states(api))["activateFiberService"] == "waiting_callback"
        assert await codes(api) == ["PAYLOAD_INCOMPLETE"]  # until the second one is done

        # That the first was done after all is a contradiction for a person.
        assert (await send(api, a_callback(eventId="c2", serviceRef="P-OLD")))[0] == 202
        await apply(api)
        (row,) = [row for row in (await api.get("/fallout-cases"))["items"] if row["code"] == "LATE_SUCCESS"]
        assert row["severity"] == "critical"
        assert (await states(api))["activateFiberService"] == "waiting_callback"
        assert await go_on(api) == []

        new = a_callback(commandId=f"{ACTIVATION[:-1]}2", eventId="c3", serviceRef="P-NEW")
        assert (await send(api, new))[0] == 202
        await apply(api)
        assert (await states(api))["activateFiberService"] == "completed"
        assert await codes(api) == ["LATE_SUCCESS"]

    @staticmethod
    async def corrected(api: Api) -> None:
        """The activation was refused, and a corrected one took its place and was taken on."""
        await play(api, {"PRV.activateService": Rejected("PARAM_MISSING", "no port")})
        seen = await shown(api, "SUPERSEDE_REJECTED", correctedElsewhere="the port was entered in the inventory")
        await decide(api, seen)
        keys = await go_on(api, {"PRV.activateService": Accepted("SRV-2")})
        assert keys[0] == f"{ACTIVATION[:-1]}2"

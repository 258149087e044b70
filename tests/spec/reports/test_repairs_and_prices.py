"""Failures that others have reported in public, retold at the API: repairs that change a price or lead nowhere,
work that is confirmed twice, states that are set by hand, retries that take more than was looked at (families C, E, I,
J, K, L). What needs something to be undone, or work that is handed to people, is not among them.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.doors.conftest import Api, an_item, an_order
from tests.doors.conftest import api as api
from tests.doors.conftest import application as application
from tests.doors.conftest import telco_policy as telco_policy
from tests.doors.test_api_callbacks import a_callback, send
from tests.doors.test_api_cases import play, the_case
from tests.doors.test_api_mending import agreed, seen_of, why_not
from tests.doors.test_api_repairs import OK, SLOT_TAKEN, again, decide, go_on
from tests.flows import orders as world
from tests.flows.test_planning import UNMAPPED, mapped
from tests.spec.reports.test_by_hand_and_by_name import apply

from fallsafe.core.commands.outcome import Accepted, Done, Looked, Lost, Rejected, Says
from fallsafe.flows import checking

NOT_FOUND = {"ADR.normalize": Rejected("ADDRESS_NOT_FOUND", "no such house number")}
RIGHT = {"houseNumber": "20", "customerConfirmationRef": "CALL-55"}
WRONG_HOUSE = {"street": "Jalan Melati", "houseNumber": "88", "city": "Jakarta"}


async def a_wrong_house(api: Api) -> dict:
    """The case of an order whose house number is mistyped, sold for 100.00 a month."""
    items = [an_item("fiber", "FIBER-HOME-COMPLETE", monthlyMinor=10_000, place=WRONG_HOUSE)]
    await api.post("/orders", an_order("55", items=items), "machine", 201)
    await go_on(api, NOT_FOUND)
    return await the_case(api)


async def answered(api: Api, **references: str) -> None:
    """Every question of a repair is answered, by operation; the tax office is asked of the old house first."""
    taxed = iter((references.get("TAX_before", "TJ-JKT"), references.get("TAX_after", "TJ-JKT")))
    while due := await world.due(api.database, api.context, "check"):
        for one in await api.database.transact(lambda tx: checking.claim(tx, api.context, due, world.ACTOR)):
            known = {"ADR.normalize": "AD-JKT-MELATI-20", "ADR.qualify": "QU-1"}
            reference = known.get(one.operation.name) or next(taxed)
            await world.answer(api.database, api.context, one, Looked(Says.DONE, reference))


class WhenAHouseNumberIsCorrected:
    """I: fixing a house number re-prices the order."""

    async def test_the_price_stays_that_of_the_snapshot_and_nothing_commercial_moves(self, api: Api) -> None:
        case = await a_wrong_house(api)
        before = await api.get(f"/orders/{case['orderId']}")
        seen = await seen_of(api, case["id"], "CORRECT_SERVICE_ADDRESS", **RIGHT)
        await decide(api, seen)
        await answered(api)
        (claimed,) = await world.claim(api.database, api.context)
        assert claimed.key == "CRM/55/fiber.normalizeAddress/fulfill/2"
        assert b'"houseNumber":"20"' in claimed.request.body and b"AD-JKT-MELATI-20" in claimed.request.body
        await world.answer(api.database, api.context, claimed, Done("AD-JKT-MELATI-20"))
        after = await api.get(f"/orders/{case['orderId']}")
        assert after["order"]["fingerprint"] == before["order"]["fingerprint"]
        (item,) = after["items"]
        assert (item["monthlyMinor"], item["offer"]) == (10_000, "FIBER-HOME-COMPLETE")
        one = await api.get(f"/fallout-cases/{case['id']}")
        assert (one["state"], one["resolution"]["type"]) == ("resolved", "DataCorrected")

    async def test_another_tax_needs_the_customer_before_anything_goes_on(self, api: Api) -> None:
        case = await a_wrong_house(api)
        seen = await seen_of(api, case["id"], "CORRECT_SERVICE_ADDRESS", **RIGHT)
        await decide(api, seen)
        await answered(api, TAX_after="TJ-TNG")
        assert (await again(api, seen))["endedBecause"].startswith("BUSINESS_CORRECTION: what the customer pays")
        assert await go_on(api) == []
        one = await api.get(f"/fallout-cases/{case['id']}")
        assert (one["state"], one["nextAction"]) == ("diagnosing", checking.HAND_OFF)
        seen = await seen_of(api, case["id"], "CORRECT_SERVICE_ADDRESS", **RIGHT)
        await decide(api, seen)
        await answered(api, TAX_before="", TAX_after="")
        ended = (await again(api, seen))["endedBecause"]
        assert ended == "CHECK_REFUSED: The tax area stays the same: TAX says yes, and does not say which"
        assert await go_on(api) == []

    async def test_what_was_done_for_another_item_there_or_with_the_name_elsewhere_counts(self, api: Api) -> None:
        items = [an_item("aaa", "FIBER-HOME-1G", place=WRONG_HOUSE)]
        items.append(an_item("fiber", "FIBER-HOME-COMPLETE", place=WRONG_HOUSE))
        order = (await api.post("/orders", an_order("56", items=items), "machine", 201))["id"]
        await go_on(api, NOT_FOUND)
        (case,) = (await api.get("/fallout-cases", orderId=order))["items"]
        seen = await seen_of(api, case["id"], "CORRECT_SERVICE_ADDRESS", **RIGHT)
        assert "activateFiberService of aaa" in why_not(seen)["not_done_with"]
        assert [c["title"] for c in seen["changes"]] == ["item.place.houseNumber", "item.place.houseNumber of aaa"]

        items = [an_item(name, "BUSINESS-NETWORK") for name in ("aaa", "bbb")]
        order = (await api.post("/orders", an_order("58", items=items), "machine", 201))["id"]
        while claimed := await world.claim(api.database, api.context):
            for one in claimed:
                unknown = one.operation.name == "DOC.send" and "/bbb." in one.key
                await world.answer(api.database, api.context, one, Rejected("SIGNER_UNKNOWN", "x") if unknown else OK)
        (case,) = (await api.get("/fallout-cases", orderId=order))["items"]
        judged = {"code": "PAYLOAD_REJECTED", "because": "it is the payload"}
        if case["code"] != judged["code"]:
            await decide(api, await seen_of(api, case["id"], "OVERRIDE_CLASSIFICATION", **judged))
        spelt = {"name": "Sari Wulandary", "proof": "identity card, seen at the shop"}
        seen = await seen_of(api, case["id"], "CORRECT_NAME_SPELLING", **spelt)
        assert " of aaa was done" in why_not(seen)["not_done_with"]


class WhenARunFailedForAReasonThatIsGone:
    """I: a second run is refused because the first one counts as done already."""

    async def test_that_it_is_done_already_is_no_success_and_what_never_happened_is_sent_again(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        case = (await the_case(api))["id"]
        seen = await seen_of(api, case, "SUPERSEDE_REJECTED", correctedElsewhere="the planner was repaired")
        await decide(api, seen)
        twice = {"WFM.book": Lost("already_done", "ALREADY_PROVISIONED", "it counts as done")}
        assert await go_on(api, twice) == ["CRM/777/fiber.scheduleInstallation/fulfill/2"]
        files = [await api.get(f"/fallout-cases/{row['id']}") for row in (await api.get("/fallout-cases"))["items"]]
        (one,) = [file for file in files if file["classification"]["recoverability"] == "unknown_outcome"]
        case = one["id"]
        assert one["states"]["task"] == "unknown"
        offered = {a["code"] for a in (await api.get(f"/fallout-cases/{case}/actions"))["items"] if not a["locked"]}
        assert {"RECONCILE_NOW", "DECLARE_OUTCOME"} <= offered and await go_on(api) == []
        await world.ask_in_vain(api.database, api.context)
        said = {"outcome": "absent", "seen": "their calendar of the day has no such visit", "where": "screen 2"}
        await agreed(api, await seen_of(api, case, "DECLARE_OUTCOME", **said))
        await agreed(api, await seen_of(api, case, "REDO_FROM_TASK", "engineer"), "engineer")
        assert "CRM/777/fiber.scheduleInstallation/fulfill/3" in await go_on(api)
        assert (await api.get("/fallout-cases"))["items"] == []

    async def test_it_is_asked_for_anew_and_somebody_may_always_do_something(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        for n in (2, 3):
            case = await the_case(api)
            seen = await seen_of(api, case["id"], "SUPERSEDE_REJECTED", correctedElsewhere="the planner was repaired")
            await decide(api, seen)
            assert await go_on(api, SLOT_TAKEN) == [f"CRM/777/fiber.scheduleInstallation/fulfill/{n}"]
            assert any(a["href"] for a in (await the_case(api))["actions"])
        assert (await the_case(api))["occurrences"] == 3


class WhenTwoRepairsWantTheSameSlot:
    """J: an approver confirms two requests for one appointment."""

    async def test_the_second_one_is_void_when_the_first_was_run(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        case = await the_case(api)
        choice = {"slot": "2027-03-10T09:00", "customerChoice": "she chose nine o'clock"}
        first = await seen_of(api, case["id"], "REBOOK_APPOINTMENT", **choice)
        second = await seen_of(api, case["id"], "REBOOK_APPOINTMENT", "support", **choice)
        paths = [f"/api/v1/fallout-cases/{case['id']}/repairs/{one['id']}/run" for one in (first, second)]
        told = await asyncio.gather(
            api.client.post(paths[0], headers=api.as_("operator"), json={"hash": first["hash"]}),
            api.client.post(paths[1], headers=api.as_("support"), json={"hash": second["hash"]}),
        )
        assert sorted(answer.status_code for answer in told) == [202, 409]
        refused = next(answer.json() for answer in told if answer.status_code == 409)
        assert refused["code"] == "MOVED" and "ran RA-" in refused["detail"]
        assert (await go_on(api)).count("CRM/777/fiber.scheduleInstallation/fulfill/2") == 1


class WhenSomebodyWantsToPushAnOrderOn:
    """K: a state is set by hand although what it stands for has failed, or a mandatory proof is missing."""

    async def test_no_door_moves_it_past_what_is_mandatory(self, api: Api) -> None:
        refused = Rejected("BC-1404 ACCOUNT_NOT_FOUND", "unknown")
        order = await play(api, {"BIL.createSubscription": refused})
        case = await the_case(api)
        for role in ("support", "operator", "finance", "manager", "admin"):
            for path in (f"/orders/{order}/state", f"/fallout-cases/{case['id']}/state", f"/orders/{order}/complete"):
                answer = await api.client.post(f"/api/v1{path}", headers=api.as_(role), json={"state": "completed"})
                assert answer.status_code in (404, 405)
        skipped = await seen_of(api, case["id"], "SKIP_TASK")
        assert why_not(skipped).keys() == {"optional"} and skipped["id"] == ""
        assert why_not(await seen_of(api, case["id"], "SKIP_TASK", verb="cancel")).keys() == {"watched"}
        ended = await api.post(
            f"/fallout-cases/{case['id']}/resolve", {"type": "HandedOff", "text": "paid"}, status=409
        )
        assert ended["code"] == "FAILURE_STANDS"
        given_up = await seen_of(api, case["id"], "CANCEL_ITEM", "manager", consent="he wants out of it")
        assert why_not(given_up).keys() == {"undone"} and given_up["id"] == ""
        assert (await api.get(f"/orders/{order}"))["order"]["state"] != "completed"
        assert await go_on(api) == []


class WhenWhatWasCancelledIsOrderedAnew:
    """F: a delivery was cancelled and a copy of it made; calculating states brought the cancelled one back."""

    async def test_the_cancelled_step_stays_so_for_ever_and_only_the_new_one_is_sent(self, api: Api) -> None:
        order = await play(api, {"PRV.configureIp": Rejected("IP_POOL_EXHAUSTED", "no address is free")})
        case = await the_case(api)
        seen = await seen_of(api, case["id"], "CANCEL_ITEM", "manager", consent="he orders it anew")
        await agreed(api, seen, "manager")
        one = await api.get(f"/fallout-cases/{case['id']}")
        assert (one["state"], one["resolution"]["type"]) == ("not_resolved", "Cancelled")
        anew = an_order("778", links=[{"kind": "replaces", "source": "CRM", "externalId": "777"}])
        await api.post("/orders", anew, "machine", 201)
        sent = await go_on(api)
        key = "CRM/777/static-ip.activateStaticIp/fulfill/1"
        assert [k for k in sent if k.endswith("static-ip.activateStaticIp/fulfill/1")] == [key.replace("777", "778")]
        assert not [k for k in sent if k.startswith("CRM/777/")]
        assert (await send(api, a_callback(commandId=key, object="CRM/777/static-ip", eventId="late")))[0] == 202
        await apply(api)
        told = await api.get(f"/orders/{order}")
        assert {i["externalId"]: i["state"] for i in told["items"]}["static-ip"] == "cancelled"
        assert {t["step"]: t["state"] for t in told["tasks"]}["activateStaticIp"] == "cancelled"
        (late,) = (await api.get("/fallout-cases"))["items"]
        assert (late["code"], late["severity"]) == ("CALLBACK_CONFLICT", "critical")
        assert await go_on(api) == []


class WhenTheOrderIsSentAgainAfterTheDealChanged:
    async def test_the_order_as_it_was_first_agreed_is_known_still(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        case = await the_case(api)
        seen = await seen_of(api, case["id"], "REQUEST_AMENDMENT", "support", changes={"termMonths": 36})
        await decide(api, seen, role="support")
        (asked,) = (await api.get("/amendments"))["items"]
        await api.post(f"/amendments/{asked['id']}/accept", {"reference": "Q-1"}, "machine")
        assert (await api.post("/orders", an_order(), "machine", 200))["id"] == case["orderId"]
        other = await api.post("/orders", an_order(customerRef="CU-2"), "machine", 409)
        assert other["code"] == "ALREADY_EXISTS"


class WhenOneItemHasNoMapping:
    """I: the whole order is lost because one of its items has no mapping."""

    async def test_it_is_stored_the_rest_goes_on_and_the_item_is_planned_after_the_mapping(self, api: Api) -> None:
        items = [an_item("fiber", "FIBER-HOME-1G"), an_item("pbx", UNMAPPED), an_item("pbx-2", UNMAPPED)]
        taken = await api.post("/orders", an_order("57", items=items), "machine", 201)
        keys = await go_on(api)
        assert keys and not any("pbx" in key for key in keys)
        case, other = [
            await api.get(f"/fallout-cases/{row['id']}") for row in (await api.get("/fallout-cases"))["items"]
        ]
        assert (case["classification"]["code"], case["classification"]["domain"]) == (
            "PRODUCT_MAPPING_MISSING",
            "Catalog",
        )
        assert case["upstream"]["control"]
        early = await seen_of(api, case["id"], "PLAN_AGAIN", "engineer")
        assert why_not(early).keys() == {"plannable"} and early["id"] == ""
        fixed = api.under(mapped(api.context))
        seen = await seen_of(fixed, case["id"], "PLAN_AGAIN", "engineer")
        assert [a["name"] for a in seen["after"] if a["thing"] == "item"] == ["pbx", "pbx-2"]
        assert {f"CRM/57/{item}.reserveRouter/fulfill/1" for item in ("pbx", "pbx-2")} <= {
            s["key"] for s in seen["sends"]
        }
        await decide(fixed, seen, role="engineer")
        assert any("/pbx.reserveRouter/" in key for key in await go_on(fixed))
        assert (await fixed.get(f"/orders/{taken['id']}"))["order"]["state"] == "completed"
        for one in (case, other):
            assert (await fixed.get(f"/fallout-cases/{one['id']}"))["state"] == "resolved"


class WhenANewerPlanIsPublishedWhileAnOrderIsRepaired:
    """I: whoever edits a running instance gets the newest definition instead of its own."""

    async def test_it_is_shown_and_repaired_by_the_plan_that_it_was_made_with(self, api: Api) -> None:
        order = await play(api, SLOT_TAKEN)
        case = (await the_case(api))["id"]
        before = await api.get(f"/orders/{order}")
        newest = replace(
            api.context.newest, id="telco@2026-11-02+newer",
            plans={**api.context.newest.plans, ("FIBER-HOME-1G", "add"): api.context.newest.plans["STATIC-IP", "add"]},
        )  # fmt: skip
        newer = api.under(replace(api.context, newest=newest, policies={**api.context.policies, newest.id: newest}))
        seen = await seen_of(newer, case, "SUPERSEDE_REJECTED", correctedElsewhere="the planners freed it")
        await decide(newer, seen)
        keys = await go_on(newer)
        assert keys[0] == "CRM/777/fiber.scheduleInstallation/fulfill/2"
        after = await newer.get(f"/orders/{order}")
        assert [t["step"] for t in after["tasks"]] == [t["step"] for t in before["tasks"]]
        assert (after["order"]["policySet"], after["order"]["state"]) == (before["order"]["policySet"], "completed")


class WhenTwoWantTheLastOne:
    """J: two customers complete checkout for the last unit."""

    async def test_the_second_is_not_charged_and_gets_another_one_only_at_the_price_that_was_agreed(
        self, api: Api
    ) -> None:
        for name in ("O1", "O2"):
            await api.post("/orders", an_order(name), "machine", 201)
        keys = list[str]()
        while claimed := await world.claim(api.database, api.context):
            for one in claimed:
                gone = one.key.startswith("CRM/O2/router.reserveRouter")
                keys.append(one.key)
                said = Rejected("SKU_OUT_OF_STOCK", "none left") if gone else Done(f"REF-{len(keys)}")
                await world.answer(api.database, api.context, one, said)
        case = await the_case(api)
        assert (case["classification"]["rawCode"], case["classification"]["domain"]) == (
            "SKU_OUT_OF_STOCK",
            "Inventory",
        )
        assert any("CRM/O1/billing.createSubscription" in key for key in keys)
        assert case["upstream"]["control"]
        premium = await seen_of(
            api, case["id"], "REQUEST_AMENDMENT", changes={"offer": "WIFI-ROUTER-PRO", "monthlyMinor": 3000}
        )
        assert [c["name"] for c in premium["changes"]] and premium["sends"] == []
        refused = await seen_of(api, case["id"], "SUPERSEDE_REJECTED", fields={"item.offer": "WIFI-ROUTER-PRO"})
        assert refused["id"] == "" and why_not(refused)["fields"]
        seen = await seen_of(api, case["id"], "SELECT_REPLACEMENT", sku="WIFI-ROUTER-B", stock="Jakarta, aisle 4")
        await decide(api, seen)
        assert "CRM/O2/router.reserveRouter/fulfill/2" in await go_on(api)
        assert (await api.get(f"/fallout-cases/{case['id']}"))["resolution"]["type"] == "DataCorrected"


class WhenTheSameFailureIsTakenUpTwice:
    """E: one failed message is retried once in a batch and once by hand."""

    async def test_one_of_them_sends_it_and_the_other_one_is_told(self, api: Api) -> None:
        await play(api, {"BIL.createSubscription": Lost("timeout"), "PRV.activateService": OK})
        case = (await the_case(api))["id"]
        await world.ask_in_vain(api.database, api.context)
        said = {"outcome": "absent", "seen": "their list of today has no such charge", "where": "screen 3"}
        await agreed(api, await seen_of(api, case, "DECLARE_OUTCOME", **said))
        both = [(role, await seen_of(api, case, "RESEND_SAME_KEY", role)) for role in ("operator", "engineer")]
        for _, one in both:
            if one["state"] == "awaited":
                await decide(api, one, "approve", "manager")
        path = f"/api/v1/fallout-cases/{case}/repairs"
        calls = [
            api.client.post(f"{path}/{one['id']}/run", headers=api.as_(role), json={"hash": one["hash"]})
            for role, one in both
        ]
        answers = await asyncio.gather(*calls)
        assert sorted(a.status_code for a in answers) == [202, 409]
        assert "ran RA-" in next(a.json()["detail"] for a in answers if a.status_code == 409)
        assert (await go_on(api)).count("CRM/777/billing.createSubscription/fulfill/1") == 1


class WhenAGroupIsWorkedOnAndGrows:
    """E: a group retry picks up more failures than the operator looked at."""

    async def test_what_was_looked_at_is_worked_on_and_newcomers_stay_open(self, api: Api) -> None:
        async def fail(*names: str) -> None:
            for name in names:
                await api.post("/orders", an_order(name), "machine", 201)
            await go_on(api, SLOT_TAKEN)

        await fail("G1", "G2", "G3")
        looked_at = [row["id"] for row in (await api.get("/fallout-cases"))["items"]]
        await fail("G4", "G5")
        body = {"action": "claim", "caseIds": looked_at}
        assert (await api.post("/fallout-cases/actions", body))["done"] == 3
        rows = (await api.get("/fallout-cases"))["items"]
        assert sorted(bool(r["assignee"]) for r in rows) == [False] * 2 + [True] * 3
        for row in rows:
            if row["assignee"]:
                seen = await seen_of(api, row["id"], "SUPERSEDE_REJECTED", correctedElsewhere="the calendar is back")
                await decide(api, seen)
        keys = await go_on(api)
        assert {key.split("/")[1] for key in keys} == {"G1", "G2", "G3"}
        left = (await api.get("/fallout-cases"))["items"]
        assert {r["orderExternalId"] for r in left} == {"G4", "G5"}


class WhenSomethingIsSaidToBeDoneWithoutAProof:
    """K: a delivery is closed without the signature that it needs."""

    async def test_it_is_not_done_without_what_was_seen_nor_by_one_person(self, api: Api) -> None:
        items = [an_item("films", "CONTENT-ADDON")]
        order = (await api.post("/orders", an_order("65", items=items), "machine", 201))["id"]
        await go_on(api, {"OTT.subscribe": Lost("timeout")})
        case = (await the_case(api))["id"]
        early = await seen_of(api, case, "MARK_EXTERNAL_COMPLETED", seen="a letter of theirs", where="mailbox")
        assert why_not(early)["outcome_known"] and early["id"] == ""
        said = {"outcome": "absent", "seen": "their hotline finds nothing of today", "where": "hotline"}
        await agreed(api, await seen_of(api, case, "DECLARE_OUTCOME", **said))
        for wrong in ({}, {"seen": "", "where": "van"}, {"seen": "the signature of the customer", "where": ""}):
            assert (await seen_of(api, case, "MARK_EXTERNAL_COMPLETED", status=422, **wrong))["code"] == "INPUT_WRONG"
        seen = await seen_of(api, case, "MARK_EXTERNAL_COMPLETED", seen="a letter, signed today", where="mailbox")
        assert seen["state"] == "awaited" and seen["sends"] == []
        assert (await decide(api, seen, status=409))["code"] == "APPROVAL_NEEDED"
        assert (await api.get(f"/orders/{order}"))["order"]["state"] != "completed" and await go_on(api) == []
        await agreed(api, seen)
        one = await api.get(f"/fallout-cases/{case}")
        assert (one["state"], one["resolution"]["verified"], one["states"]["task"]) == ("resolved", False, "completed")
        assert "CRM/65/films.subscribeContent/fulfill/1" not in await go_on(api)


class WhenClocksDisagree:
    """L: the elapsed time is negative because two machines disagree."""

    async def test_our_clock_decides_and_what_theirs_said_is_kept(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        await go_on(api, {"PRV.activateService": Accepted("JOB-1")})
        past = (datetime.now(UTC) - timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
        ahead = (datetime.now(UTC) + timedelta(minutes=5)).isoformat().replace("+00:00", "Z")
        for event, status, when in (("c1", "IN_PROGRESS", past), ("c2", "ACTIVE", ahead)):
            assert (await send(api, a_callback(eventId=event, status=status, occurredAt=when)))[0] == 202
            await apply(api)
        order = (await api.get("/orders", source="CRM", externalId="777"))["items"][0]["id"]
        commands = (await api.get(f"/orders/{order}/commands", limit=200))["items"]
        (done,) = [c for c in commands if c["operation"] == "PRV.activateService"]
        assert done["state"] == "done" and (await api.get("/fallout-cases"))["items"] == []
        trail = [r["at"] for r in (await api.get("/journal", orderId=order, limit=200))["items"]]
        assert trail == sorted(trail) and max(trail) < ahead
        assert await go_on(api) != []


class WhenTheAnswerAndTheCallbackTellTheSame:
    """C: stock is taken twice for one payment, because the answer and the notice each completed it."""

    async def test_the_step_is_completed_once_and_what_follows_leaves_once(self, api: Api) -> None:
        order = (await api.post("/orders", an_order(), "machine", 201))["id"]
        sent = list[str]()
        while claimed := await world.claim(api.database, api.context):
            sent += [one.key for one in claimed]
            for one in claimed:
                answer = world.answer(api.database, api.context, one, Done("SRV-1"))
                if one.operation.name != "PRV.activateService":
                    await answer
                    continue
                notices = [send(api, a_callback(eventId=f"p{n}")) for n in range(3)]
                told = await asyncio.gather(answer, *notices)
                assert [status for status, _ in told[1:]] == [202] * 3  # type: ignore[misc]  # safe because of notices
                await asyncio.gather(*(apply(api) for _ in range(2)))
        assert max(Counter(sent).values()) == 1
        lines = (await api.get("/journal", orderId=order, limit=200))["items"]
        moved = Counter((line["thingId"], line["now"]) for line in lines if line["was"] != line["now"])
        done = [t["id"] for t in (await api.get(f"/orders/{order}"))["tasks"]]
        assert {moved[task, "completed"] for task in done} == {1}
        assert (await api.get(f"/orders/{order}"))["order"]["state"] == "completed"


class WhenAnEventIsPlayedAgain:
    """E: a replay by-passes the guard of the live path, or the guard swallows what was never done."""

    async def test_what_was_only_received_is_applied_and_what_was_applied_does_nothing_more(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        await go_on(api, {"PRV.activateService": Accepted("SRV-1")})
        assert (await send(api, a_callback()))[0] == 202  # taken in, and then the process dies
        assert (await send(api, a_callback()))[0] == 202
        await apply(api)
        sent = await go_on(api)
        assert [key for key in sent if "activateStaticIp" in key] == ["CRM/777/static-ip.activateStaticIp/fulfill/1"]
        both = await asyncio.gather(*(send(api, a_callback()) for _ in range(2)))
        assert [status for status, _ in both] == [202, 202]
        await apply(api)
        assert await go_on(api) == [] and (await api.get("/fallout-cases"))["items"] == []


class WhenBrokenOnesStandAtTheHead:
    """E: fifty broken orders are taken again and again, and no later one is ever sent."""

    async def test_they_are_cases_of_one_group_and_the_later_ones_go_on(self, api: Api) -> None:
        async def hand_in(*names: str) -> None:
            for name in names:
                await api.post("/orders", an_order(name), "machine", 201)

        broken = [f"B{n}" for n in range(4)]
        await hand_in(*broken)
        await go_on(api, {"WHS.reserve": Rejected("PRODUCT_GONE", "it was deleted")})
        before = (await api.get("/fallout-cases", limit=50))["items"]
        await hand_in("L1", "L2")
        keys = await go_on(api)
        assert {key.split("/")[1] for key in keys} == {"L1", "L2"}
        orders = {o["externalId"]: o["state"] for o in (await api.get("/orders", limit=50))["items"]}
        assert {orders[name] for name in ("L1", "L2")} == {"completed"}
        cases = (await api.get("/fallout-cases", limit=50))["items"]
        assert {c["orderExternalId"] for c in cases} == set(broken) and [c["id"] for c in cases] == [
            c["id"] for c in before
        ]
        kinds = [(await api.get(f"/fallout-cases/{c['id']}"))["classification"] for c in cases]
        assert {(k["rawCode"], k["code"]) for k in kinds} == {("PRODUCT_GONE", kinds[0]["code"])}


class WhenWhatIsPaidForIsNotThere:
    """E: a counter cannot be written, so the rule that charges sees an empty one and charges again."""

    async def test_nothing_is_charged_anew_while_its_case_is_open(self, api: Api) -> None:
        refused = {"BIL.createSubscription": Rejected("READONLY", "the balance cannot be written")}
        wanted = {"customerRef": "CU-35"}
        await api.post("/orders", an_order("T0", **wanted), "machine", 201)
        assert any("createBillingAccount" in key for key in await go_on(api, refused))
        for n in (1, 2, 3):
            await api.post("/orders", an_order(f"T{n}", **wanted), "machine", 201)
            assert await go_on(api, refused) == []
        rows = (await api.get("/fallout-cases"))["items"]
        found = Counter(row["code"] for row in rows)
        assert found["SUSPECTED_DUPLICATE_ORDER"] == 3 and sum(found.values()) == 4

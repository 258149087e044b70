"""Failures that others have reported in public, retold at the API: repairs that change a price or lead nowhere,
work that is confirmed twice, states that are set by hand (families C, I, J, K).
"""

import asyncio

from tests.doors.conftest import Api, an_item, an_order
from tests.doors.conftest import api as api
from tests.doors.conftest import application as application
from tests.doors.conftest import telco_policy as telco_policy
from tests.doors.test_api_cases import play, the_case
from tests.doors.test_api_mending import seen_of, why_not
from tests.doors.test_api_repairs import SLOT_TAKEN, again, decide, go_on
from tests.flows import orders as world

from fallsafe.core.commands.outcome import Done, Looked, Rejected, Says
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


class WhenARunFailedForAReasonThatIsGone:
    """I: a second run is refused because the first one counts as done already."""

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
        skipped = await seen_of(api, case["id"], "SKIP_TASK", status=409)
        assert skipped["code"] == "ACTION_NOT_FOR_THIS"
        ended = await api.post(
            f"/fallout-cases/{case['id']}/resolve", {"type": "HandedOff", "text": "paid"}, status=409
        )
        assert ended["code"] == "FAILURE_STANDS"
        given_up = await seen_of(api, case["id"], "CANCEL_ITEM", "manager", consent="he wants out of it")
        assert why_not(given_up).keys() == {"undone"} and given_up["id"] == ""
        assert (await api.get(f"/orders/{order}"))["order"]["state"] != "completed"
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

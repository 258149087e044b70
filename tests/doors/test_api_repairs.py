"""Repairs at the REST door (§8.3, §9, §24): a typed action is shown, agreed to by a second person where it is risky,
run once, proved; and nobody does by it what it is not for.
"""

from dataclasses import replace
from typing import Any

from tests.doors.conftest import Api
from tests.doors.test_api_cases import play, the_case
from tests.doors.test_api_signals import a_signal, judge
from tests.flows import orders as world

from fallsafe.core.access import Actor
from fallsafe.core.commands.outcome import Done, Looked, Lost, Outcome, Rejected, Says
from fallsafe.flows import repairs
from fallsafe.flows.context import Refused
from fallsafe.store.ids import inside

SLOT_TAKEN: dict[str, Outcome] = {"WFM.book": Rejected("SLOT_TAKEN", "somebody else has it")}
OK = Done("REF-2")


async def shown(api: Api, action: str, role: str = "operator", status: int = 200, **given: Any) -> dict:
    """The preview of an action of the one open case."""
    case = await the_case(api)
    body = {"action": action, "input": given, "reason": "they told us"}
    return await api.post(f"/fallout-cases/{case['id']}/repairs/preview", body, role, status)


async def decide(api: Api, seen: dict, verb: str = "run", role: str = "operator", status: int = 0) -> dict:
    """What becomes of a decision about a preview."""
    path = f"/fallout-cases/{seen['caseId']}/repairs/{seen['id']}/{verb}"
    return await api.post(path, {"hash": seen["hash"], "reason": "go"}, role, status or (202 if verb == "run" else 200))


async def again(api: Api, seen: dict) -> dict:
    """A repair as it stands now."""
    return await api.get(f"/fallout-cases/{seen['caseId']}/repairs/{seen['id']}")


async def go_on(api: Api, answers: dict[str, Outcome] | None = None) -> list[str]:
    """Sends all that is due; the keys that left."""
    keys = []
    while claimed := await world.claim(api.database, api.context):
        for one in claimed:
            keys.append(one.key)
            await world.answer(api.database, api.context, one, (answers or {}).get(one.operation.name, OK))
    return keys


class WhenARequestWasRefused:
    """§9: a corrected payload is a new command that supersedes the old one."""

    async def test_it_is_shown_before_anything_happens_and_run_as_it_was_shown(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        before = await the_case(api)
        seen = await shown(api, "SUPERSEDE_REJECTED", fields={"item.characteristics.slot": "PM"})
        assert (seen["ready"], seen["state"], seen["approval"]) == (True, "previewed", None)
        assert [(c["name"], c["old"], c["new"]) for c in seen["changes"]] == [
            ("item.characteristics.slot", None, "PM"),
        ]
        (sends,) = seen["sends"]
        assert sends["key"] == "CRM/777/fiber.scheduleInstallation/fulfill/2" and sends["effect"]
        assert {(a["thing"], a["was"], a["then"]) for a in seen["after"]} == {
            ("command", "rejected", "superseded"), ("task", "failed", "ready"),
        }  # fmt: skip
        hears = seen["customer"]
        assert (hears["nowKey"], hears["now"]) == (before["customer"]["key"], before["customer"]["text"])
        assert (hears["thenKey"], "planned date" in hears["then"].lower()) == ("on_track", True)
        assert (await the_case(api))["states"] == before["states"] and await go_on(api) == []
        ran = await decide(api, seen)
        assert (ran["already"], ran["runBy"]) == (False, "person:a-operator")
        assert (await again(api, seen))["progress"] == "requested"
        assert (await the_case(api))["state"] == "revalidating"
        keys = await go_on(api)
        assert keys[0] == sends["key"]
        one = await api.get(f"/fallout-cases/{before['id']}")
        assert (one["state"], one["resolution"]["type"], one["resolution"]["verified"]) == (
            "resolved", "DataCorrected", True,
        )  # fmt: skip
        assert one["resolution"]["repair"] == seen["id"] and (await again(api, seen))["progress"] == "verified"
        trail = (await api.get(f"/fallout-cases/{before['id']}/timeline", limit=1000))["items"]
        assert any(r["verb"] == "supersede" and seen["id"] == r["causation"] for r in trail)
        (kept,) = [r["facts"]["audit"] for r in trail if (r["thing"], r["verb"]) == ("repair", "run")]
        assert kept == (
            "person:a-operator put a corrected request in place of the one for scheduleInstallation of fiber: slot: "
            "nothing → PM (corrected elsewhere: not given); sent WFM.book, key CRM/777/fiber.scheduleInstallation/"
            "fulfill/2; nobody else had to agree; they told us."
        )

    async def test_refused_again_it_is_looked_into_anew(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        seen = await shown(api, "SUPERSEDE_REJECTED", correctedElsewhere="the planner freed the slot")
        await decide(api, seen)
        await go_on(api, SLOT_TAKEN)
        case = await the_case(api)
        assert (case["state"], case["occurrences"]) == ("diagnosing", 2)
        assert (await again(api, seen))["progress"] == "refused"

    async def test_what_was_sold_cannot_be_changed_by_it(self, api: Api) -> None:
        """§24 anti-pattern 7: a repair that changes the commercial meaning."""
        await play(api, SLOT_TAKEN)
        for name in ("item.characteristics.profile", "item.monthlyMinor", "item.offer", "order.customerRef"):
            seen = await shown(api, "SUPERSEDE_REJECTED", fields={name: "1"})
            assert not seen["ready"] and seen["id"] == ""
            assert any("cannot be corrected" in c["why"] for c in seen["conditions"])
        case = await the_case(api)
        tried = [
            line for line in (await api.get(f"/fallout-cases/{case['id']}/timeline", limit=1000))["items"]
            if line["verb"] == "refuse_preview"
        ]  # fmt: skip
        assert [(line["actor"], line["facts"]["code"]) for line in tried] == [("person:a-operator", "FIELD_LOCKED")] * 4
        assert await go_on(api) == []


class WhenAnActionIsTakenOutOfThePolicyMeanwhile:
    async def test_what_was_previewed_by_it_is_void_and_nothing_is_done(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        seen = await shown(api, "SUPERSEDE_REJECTED", fields={"item.characteristics.slot": "PM"})
        left = {code: a for code, a in api.context.newest.actions.items() if code != "SUPERSEDE_REJECTED"}
        without = replace(api.context, newest=replace(api.context.newest, actions=left))
        number = inside("repair", seen["id"]) or 0
        asked, operator = [repairs.Seen(number, seen["hash"])], Actor("person", "a-operator", frozenset({"operator"}))
        (answer,) = await api.database.transact(lambda tx: repairs.run(tx, without, asked, operator, "go"))
        assert isinstance(answer, Refused) and answer.refusal.code == "ACTION_GONE"
        assert (await again(api, seen))["state"] == "voided" and await go_on(api) == []


class WhenTheAccountIsNotKnownThere:
    async def test_it_is_pointed_to_the_right_one_by_two_people_and_goes_on(self, api: Api) -> None:
        refused = Rejected("BC-1404 ACCOUNT_NOT_FOUND", "acct 88121 unknown")
        await play(api, {"BIL.createSubscription": refused})
        assert (await the_case(api))["classification"]["code"] == "BILLING_ACCOUNT_MISSING"
        proof = "billing screen 4: open, the name and the tax number are this customer's"
        wrong = await shown(api, "FIX_ACCOUNT_MAPPING", status=422, accountId="BA 4711; --", proof=proof)
        assert wrong["pointer"] == "/input/accountId"
        seen = await shown(api, "FIX_ACCOUNT_MAPPING", accountId="BA-4711", proof=proof)
        assert seen["state"] == "awaited" and seen["changes"][0]["new"] == "BA-4711"
        assert (await decide(api, seen, status=409))["code"] == "APPROVAL_NEEDED"
        await decide(api, seen, "approve", "finance")
        await decide(api, seen)
        (claimed,) = await world.claim(api.database, api.context)
        assert claimed.key == "CRM/777/billing.createSubscription/fulfill/2"
        assert b'"accountId":"BA-4711"' in claimed.request.body
        await world.answer(api.database, api.context, claimed, OK)
        one = await api.get(f"/fallout-cases/{seen['caseId']}")
        assert (one["state"], one["resolution"]["type"], one["resolution"]["repair"]) == (
            "resolved", "DataCorrected", seen["id"],
        )  # fmt: skip


class WhenTheDealIsToChange:
    """§9.3, §18: what was bought, paid, received or agreed is handed off with its diff; nothing of it is done here."""

    async def test_a_replacement_of_another_price_becomes_an_amendment_request(self, api: Api) -> None:
        await play(api, {"WHS.reserve": Rejected("SKU_OUT_OF_STOCK", "none left")})
        wanted = {"offer": "WIFI-ROUTER-PRO", "monthlyMinor": 500, "characteristics.colour": "red"}
        seen = await shown(api, "REQUEST_AMENDMENT", "support", changes=wanted, consent="she said yes on the phone")
        assert {(c["name"], c["old"], c["new"]) for c in seen["changes"]} == {
            ("items/router/offer", "WIFI-ROUTER", "WIFI-ROUTER-PRO"),
            ("items/router/monthlyMinor", 0, 500),
            ("items/router/characteristics/colour", None, "red"),
        }
        assert any("quote revision" in c["title"] for c in seen["changes"]) and seen["sends"] == []
        before = (await api.get(f"/orders/{(await the_case(api))['orderId']}"))["items"]
        await decide(api, seen, role="support")
        case = await the_case(api)
        (asked,) = (await api.get("/amendments"))["items"]
        assert (case["waitingFor"]["for"], case["waitingFor"]["reference"]) == ("amendment", asked["id"])
        assert (asked["state"], asked["repairId"]) == ("handed_off", seen["id"])
        assert (await api.get(f"/orders/{case['orderId']}"))["items"] == before and await go_on(api) == []
        trail = (await api.get(f"/fallout-cases/{case['id']}/timeline", limit=1000))["items"]
        assert "AmendmentRequested" in {line["event"] for line in trail}
        for given, code in (
            ({"changes": {"offer": "WIFI-ROUTER"}}, "it is what was agreed already"),
            ({"changes": {"colour": "red"}}, "no clause is called colour"),
            ({"changes": {"offer": "X"}, "item": "nothing"}, "the deal has no item"),
        ):
            wrong = await shown(api, "REQUEST_AMENDMENT", "support", **given)
            assert not wrong["ready"] and any(code in c["why"] for c in wrong["conditions"])

    async def test_what_was_done_for_the_former_one_and_a_missing_approval_stop_the_order(self, api: Api) -> None:
        order = await play(api, {"BIL.createSubscription": Rejected("PRICE_PLAN_RETIRED", "retired")})
        case = (await the_case(api))["id"]
        clauses = {
            "characteristics.profile": "FIBER-100M", "customerRef": "CU-9", "customer.name": "Marin Hartono Ltd",
            "committedAt": "2027-04-01T00:00:00Z", "quote.discountPercent": 25,
        }  # fmt: skip
        seen = await shown(api, "REQUEST_AMENDMENT", item="fiber", changes=clauses)
        done = {a["name"] for a in seen["after"] if a["thing"] == "effect"}
        assert {"activateFiberService", "createBillingAccount"} <= done
        await decide(api, seen)
        (asked,) = (await api.get("/amendments"))["items"]
        assert {e["step"] for e in asked["effects"]} == done and "Marin" not in str(asked)
        await api.post(f"/amendments/{asked['id']}/accept", {"reference": "Q-1"}, "machine")
        there = (await api.get(f"/orders/{order}"))["order"]
        assert (there["customerRef"], there["committedAt"], there["quote"]) == (
            "CU-9", "2027-04-01T00:00:00.000000Z", {"discountPercent": 25},
        )  # fmt: skip
        assert there["frozen"]["by"] == "policy" and await go_on(api) == []
        cases = {c["code"]: c for c in (await api.get("/fallout-cases"))["items"]}
        assert {"DONE_FOR_FORMER_DEAL", "APPROVAL_MISSING"} < cases.keys() and len(cases) == 3
        assert "activateFiberService" in (await api.get(f"/fallout-cases/{case}"))["nextAction"]
        for code in ("DONE_FOR_FORMER_DEAL", "APPROVAL_MISSING"):
            ends = {"type": "HandedOff", "text": "they were told"}
            one = await api.post(f"/fallout-cases/{cases[code]['id']}/resolve", ends, status=409)
            assert one["code"] == "FAILURE_STANDS"
        body = {"action": "THAW", "input": {"what": "order"}, "reason": "they changed it"}
        thaw = await api.post(f"/fallout-cases/{cases['APPROVAL_MISSING']['id']}/repairs/preview", body)
        assert thaw["state"] == "awaited"
        assert thaw["approval"]["why"].endswith("but by policy: DONE_FOR_FORMER_DEAL, APPROVAL_MISSING.")
        lines = await api.get("/journal", orderId=order, limit=200)
        assert "Marin" not in str(lines) and (await api.get("/coverage"))["percent"] == 100

    async def test_what_was_only_found_absent_is_left_to_two_people_and_says_what_is_agreed_now(self, api: Api) -> None:
        await play(api, {"BIL.createSubscription": Lost("timeout"), "PRV.activateService": OK})
        case, said = await the_case(api), {"seen": "not in their list of today", "where": "screen 7"}
        await world.ask_in_vain(api.database, api.context)
        absent = await shown(api, "DECLARE_OUTCOME", outcome="absent", **said)
        await decide(api, absent, "approve", "manager")
        await decide(api, absent)
        wish = await shown(api, "REQUEST_AMENDMENT", "finance", item="billing", changes={"monthlyMinor": 900})
        await decide(api, wish, role="finance")
        (asked,) = (await api.get("/amendments"))["items"]
        waits = {"whom": "the customer", "what": "her answer", "until": "2099-01-01T00:00:00Z"}
        await api.post(f"/fallout-cases/{case['id']}/wait", waits)
        await api.post(f"/amendments/{asked['id']}/accept", {"reference": "Q-3"}, "machine")
        assert await go_on(api) == []
        one = await the_case(api)
        assert one["waitingFor"]["for"] == "the customer" and "is not proved refused" in one["nextAction"]
        resend = await shown(api, "RESEND_SAME_KEY")
        assert not resend["ready"] and any("agreed before" in c["why"] for c in resend["conditions"])
        door = await api.post(f"/commands/{case['commandId']}/resend", {"reason": "again"}, status=409)
        assert door["code"] in ("REPEAT_NOT_SAFE", "AGREED_ANEW")
        anew = await shown(api, "SUPERSEDE_REJECTED", correctedElsewhere="agreed as Q-3")
        assert anew["state"] == "awaited"


class WhenTwoWantTheSame:
    async def test_a_second_preview_of_the_same_is_void_and_says_who_did_it(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        mine = await shown(api, "SUPERSEDE_REJECTED", correctedElsewhere="freed it")
        theirs = await shown(api, "SUPERSEDE_REJECTED", "engineer", fields={"item.characteristics.slot": "PM"})
        await decide(api, theirs, role="engineer")
        refused = await decide(api, mine, status=409)
        assert refused["code"] == "MOVED" and "person:a-engineer ran RA-" in refused["detail"]
        assert (await again(api, mine))["state"] == "voided"
        assert (await decide(api, mine, status=409))["code"] == "REPAIR_ENDED"
        assert await go_on(api) != []


class WhenASecondPersonHasToAgree:
    async def absent(self, api: Api, monthly: int = 4500) -> dict:
        """A booking that was lost, and that somebody says never happened."""
        await play(api, {"BIL.createSubscription": Lost("timeout"), "PRV.activateService": OK}, monthly)
        await world.ask_in_vain(api.database, api.context)
        return await shown(
            api, "DECLARE_OUTCOME", outcome="absent", seen="nothing in their list of today", where="BIL screen 7"
        )

    async def test_nobody_approves_what_they_asked_for_and_no_machine_approves(self, api: Api) -> None:
        seen = await self.absent(api, monthly=60_000)
        assert seen["state"] == "awaited" and seen["approval"]["why"]
        assert seen["approval"]["roles"] == ["finance", "manager"]
        assert (await decide(api, seen, status=409))["code"] == "APPROVAL_NEEDED"
        assert (await decide(api, seen, "approve", status=403))["code"] == "SELF_APPROVAL"
        for role in ("machine", "support", "auditor", "engineer"):
            assert (await decide(api, seen, "approve", role, 403))["code"] == "NOT_ALLOWED"
        other = {**seen, "hash": "0" * 64}
        assert (await decide(api, other, "approve", "manager", 409))["code"] == "OTHER_PREVIEW"
        assert (await the_case(api))["states"]["task"] == "unknown"
        await decide(api, seen, "approve", "manager")
        await decide(api, seen)
        (command,) = (await the_case(api))["notToBeSent"]
        assert (command["state"], command["operation"]) == ("absent", "BIL.createSubscription")
        assert await go_on(api) == []
        repeat = await shown(api, "RESEND_SAME_KEY")
        assert repeat["state"] == "awaited" and "does not recognise a repeat" in repeat["approval"]["why"]
        assert (await decide(api, repeat, "decline", "manager"))["state"] == "declined"
        assert (await decide(api, repeat, status=409))["code"] == "REPAIR_ENDED"
        repeat = await shown(api, "RESEND_SAME_KEY")
        await decide(api, repeat, "approve", "manager")
        await decide(api, repeat)
        assert await go_on(api) == ["CRM/777/billing.createSubscription/fulfill/1"]
        one = await api.get(f"/fallout-cases/{seen['caseId']}")
        assert (one["resolution"]["type"], one["resolution"]["verified"]) == ("RetriedSameKey", True)
        trail = (await api.get(f"/fallout-cases/{seen['caseId']}/timeline", limit=1000))["items"]
        said = {line["verb"]: line["reason"] for line in trail if line["thingId"] == repeat["id"]}
        assert (said["preview"], said["approve"], said["run"]) == ("they told us", "go", "go")

    async def test_a_world_that_moved_voids_what_was_agreed_to(self, api: Api, monkeypatch) -> None:
        seen = await self.absent(api)
        await decide(api, seen, "approve", "manager")
        monkeypatch.setattr(repairs, "WAITING_MAX", 2)
        later = {"ownerGroup": "ORDER_DESK", "until": "2099-01-01T00:00:00Z"}
        calls = [await shown(api, "CREATE_FOLLOW_UP", "support", what=f"call, time {n}", **later) for n in range(3)]
        assert [(await again(api, one))["state"] for one in (*calls, seen)] == [
            "voided", "voided", "previewed", "approved",
        ]  # fmt: skip
        case = await the_case(api)
        task, order = inside("task", case["taskId"]), inside("order", case["orderId"])
        await world.make_due(api.database, "lookup", task or 0, order)
        for claimed in await world.look(api.database, api.context):
            await world.answer(api.database, api.context, claimed, Looked(Says.DONE, "SUB-1"))
        refused = await decide(api, seen, status=409)
        assert refused["code"] == "MOVED" and "command.state: unknown → done" in refused["detail"]
        assert (await again(api, seen))["state"] == "voided"


class WhenWhatIsAskedIsWrong:
    async def test_it_is_refused_with_its_place_and_nothing_changes(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        case = await the_case(api)
        path = f"/fallout-cases/{case['id']}/repairs/preview"
        for body, role, status, code, pointer in (
            ({"action": "SUPERSEDE_REJECTED", "input": {"x": 1}}, "operator", 422, "INPUT_WRONG", "/input/x"),
            ({"action": "SUPERSEDE_REJECTED", "input": {"fields": {"a": []}}}, "operator", 422, "INPUT_WRONG",
             "/input/fields/a"),
            ({"action": "NOTHING"}, "operator", 409, "ACTION_NOT_AVAILABLE", "/action"),
            ({"action": "CONSULT"}, "operator", 409, "ACTION_NOT_AVAILABLE", "/action"),
            ({"action": "COMPENSATE_TASK"}, "operator", 409, "ACTION_NOT_FOR_THIS", "/action"),
            ({"action": "CORRECT_CONTACT"}, "operator", 409, "ACTION_NOT_FOR_THIS", "/action"),
            ({"action": "SUPERSEDE_REJECTED"}, "support", 403, "NOT_ALLOWED", ""),
            ({"action": "SUPERSEDE_REJECTED"}, "machine", 403, "NOT_ALLOWED", ""),
            ({}, "operator", 400, "FIELD_MISSING", "/action"),
        ):  # fmt: skip
            refused = await api.post(path, body, role, status)
            assert (refused["code"], refused["pointer"]) == (code, pointer)
        seen = await shown(api, "SUPERSEDE_REJECTED", correctedElsewhere="freed it")
        stale = await api.post(
            path, {"action": "SUPERSEDE_REJECTED"}, status=412, **{"If-Match": f'"{case["version"]}"'}
        )
        assert stale["code"] == "VERSION"
        assert (await decide(api, seen, role="support", status=403))["code"] == "NOT_ALLOWED"
        assert await go_on(api) == []

    async def test_the_actions_of_a_case_are_listed_with_their_schema_and_why_they_are_locked(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        listed = {a["code"]: a for a in (await api.get(f"/fallout-cases/{case['id']}/actions"))["items"]}
        assert any("unknown" in why for why in listed["RESEND_SAME_KEY"]["locked"])
        assert listed["FREEZE"]["href"].endswith("/repairs/preview") and not listed["FREEZE"]["locked"]
        assert listed["DECLARE_OUTCOME"]["input"]["required"] == ["outcome", "seen", "where"]
        assert all(a["locked"] or a["href"] for a in listed.values())


class WhenACaseEndedOnAPersonsWord:
    """P7: resolved without a proof is watched, and taken up again by itself when the failure shows itself again."""

    async def test_the_same_failure_takes_it_up_again(self, api: Api) -> None:
        await play(api, {})
        told = await api.post("/signals", a_signal(task="reserveRouter"), "machine", 202)
        await judge(api)
        case = (await api.get(f"/signals/{told['id']}"))["caseId"]
        await api.post(f"/fallout-cases/{case}/resolve", {"type": "SolvedElsewhere", "text": "they changed the cable"})
        assert not (await api.get(f"/fallout-cases/{case}"))["resolution"]["verified"]
        again = await api.post("/signals", a_signal("A-2", task="reserveRouter"), "machine", 202)
        await judge(api)
        one = await api.get(f"/fallout-cases/{case}")
        assert (await api.get(f"/signals/{again['id']}"))["caseId"] == case
        assert (one["state"], one["resolution"], one["occurrences"]) == ("assigned", None, 2)
        await self._it_does_so_whatever_it_was_judged_to_be(api, case)
        assert (await api.get("/coverage"))["percent"] == 100

    @staticmethod
    async def _it_does_so_whatever_it_was_judged_to_be(api: Api, case: str) -> None:
        await decide(api, await shown(api, "OVERRIDE_CLASSIFICATION", code="PAYLOAD_REJECTED", because="wrong data"))
        for name in ("A-3", "A-4"):  # while it is open, and once it is said to be over
            told = await api.post("/signals", a_signal(name, task="reserveRouter"), "machine", 202)
            await judge(api)
            assert (await api.get(f"/signals/{told['id']}"))["caseId"] == case
            assert (await api.get(f"/fallout-cases/{case}"))["state"] == "assigned"
            over = {"type": "SolvedElsewhere", "text": "they changed the cable"}
            await api.post(f"/fallout-cases/{case}/resolve", over)

"""The five principles of safe repair (§9) and the eight anti-patterns (§24): each test is named after its own, tries
the wrong thing at every door, and fails to do it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from tests.doors.conftest import Api
from tests.doors.every_door import Doors, every_door
from tests.doors.test_api_cases import play, the_case
from tests.doors.test_api_mending import UNREACHED, agreed, seen_of
from tests.doors.test_api_repairs import OK, SLOT_TAKEN, again, decide, go_on, shown
from tests.flows import orders as world
from tests.spec.interlock import writing_routes

from fallsafe.core.commands.outcome import Looked, Lost, Rejected, Says
from fallsafe.flows import checking
from fallsafe.store.ids import inside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Why

ADDRESS = {"street": "Jalan Melati", "houseNumber": "8", "customerConfirmationRef": "CALL-1"}
NO_ACCOUNT = {"BIL.createSubscription": Rejected("BC-1404 ACCOUNT_NOT_FOUND", "acct 88121 unknown")}


@pytest.fixture
async def doors(api: Api) -> AsyncIterator[Doors]:
    """The API, the command line and the pages."""
    async with every_door(api) as made:
        yield made


async def trail(api: Api, case: str) -> list[dict]:
    """What happened to the order of a case."""
    return (await api.get(f"/fallout-cases/{case}/timeline", limit=1000))["items"]


class WhenARepairIsSafe:
    """§9."""

    async def test_principle_1_it_is_auditable(self, api: Api, doors: Doors) -> None:
        await play(api, NO_ACCOUNT)
        case = await the_case(api)
        proof = "billing screen 4: open, and the tax number is this customer's"
        seen = await shown(api, "FIX_ACCOUNT_MAPPING", accountId="BA-4711", proof=proof)
        await doors.no_decision(seen, "run", "RA-1", id="RA-1")
        await doors.no_decision(seen, "run", "a second person has not agreed to it yet")
        refused = [line for line in await trail(api, case["id"]) if line["verb"] == "refuse_run"]
        assert [line["actor"] for line in refused] == ["person:a-operator"] * 3
        await agreed(api, seen)
        assert len(await go_on(api)) >= 1
        one, lines = await again(api, seen), await trail(api, case["id"])
        assert (one["askedBy"], one["runBy"], one["approval"]["by"]) == (
            "person:a-operator", "person:a-operator", "person:a-manager",
        )  # fmt: skip
        assert one["askedAt"] and one["runAt"] and one["approval"]["at"] and one["reason"] == "they told us"
        assert [(c["name"], c["old"], c["new"]) for c in one["changes"]] == [
            ("item.characteristics.accountId", None, "BA-4711")
        ]
        assert [s["key"] for s in one["sends"]] == ["CRM/777/billing.createSubscription/fulfill/2"]
        led = [line for line in lines if line["causation"] == seen["id"]]
        assert {"supersede", "intend", "correct"} <= {line["verb"] for line in led}
        assert any(line["evidence"] for line in lines if line["verb"] == "preview")
        assert proof not in json.dumps(lines)
        assert (await decide(api, seen, "approve", "finance", 409))["code"] == "REPAIR_ENDED"

    async def test_principle_2_it_revalidates_and_a_check_that_says_no_leaves_it_blocked(
        self, api: Api, doors: Doors
    ) -> None:
        await play(api, UNREACHED)
        case = await the_case(api)
        await doors.no_preview(case["id"], "CORRECT_SERVICE_ADDRESS", "would have to be undone", **ADDRESS)
        seen = await seen_of(api, case["id"], "RECHECK_FEASIBILITY")
        assert (await decide(api, seen))["state"] == "checking" and await go_on(api) == []
        due = await world.due(api.database, api.context, "check")
        (asked,) = await api.database.transact(lambda tx: checking.claim(tx, api.context, due, world.ACTOR))
        assert (asked.purpose.value, asked.operation.name) == ("query", "ADR.qualify")
        await world.answer(api.database, api.context, asked, Looked(Says.REJECTED, "", "ADDRESS_NOT_SERVICEABLE"))
        one = await api.get(f"/fallout-cases/{case['id']}")
        assert (one["state"], one["states"]["task"]) == ("diagnosing", "failed") and await go_on(api) == []
        assert (await again(api, seen))["endedBecause"].startswith("CHECK_REFUSED")
        await doors.no_decision(seen, "run", "it is failed: CHECK_REFUSED")
        assert await go_on(api) == []

    async def test_principle_3_it_respects_the_snapshot(self, api: Api, doors: Doors) -> None:
        order = await play(api, SLOT_TAKEN)
        before, case = (await api.get(f"/orders/{order}"))["order"]["fingerprint"], (await the_case(api))["id"]
        for field in ("item.monthlyMinor", "item.offer", "item.termMonths", "order.customerRef", "item.quantity"):
            await doors.no_preview(case, "SUPERSEDE_REJECTED", "cannot be corrected by a repair", fields={field: 1})
        asked = await shown(api, "REQUEST_AMENDMENT", "support", changes={"monthlyMinor": 1})
        await decide(api, asked, role="support")
        assert (await api.get(f"/orders/{order}"))["order"]["fingerprint"] == before and await go_on(api) == []
        (request,) = (await api.get("/amendments"))["items"]
        for role in ("operator", "support", "engineer"):
            path = f"/amendments/{request['id']}/accept"
            assert (await api.post(path, {"reference": "Q-1"}, role, 403))["code"] == "NOT_ALLOWED"
        made = await api.post("/tokens", {"name": "a-support", "roles": ["machine"]}, "admin", 201)
        api.tokens["theirs"] = made["token"]
        own = await api.post(path, {"reference": "Q-1"}, "theirs", 403)
        assert own["code"] == "SELF_APPROVAL" and "as person:a-support" in own["detail"]

    async def test_principle_4_it_is_idempotent(self, api: Api, doors: Doors) -> None:
        await play(api, SLOT_TAKEN)
        seen = await shown(api, "SUPERSEDE_REJECTED", correctedElsewhere="they freed it")
        path = f"/fallout-cases/{seen['caseId']}/repairs/{seen['id']}/run"
        await doors.no_decision(seen, "run", "read the preview again", hash="0" * 64)
        key = {"Idempotency-Key": "click-1"}
        first = await api.post(path, {"hash": seen["hash"]}, status=202, **key)
        assert await api.post(path, {"hash": seen["hash"]}, status=202, **key) == first
        replayed = await api.post(path, {"hash": "0" * 64}, status=409, **key)
        assert replayed["code"] == "IDEMPOTENCY_KEY_REUSED"
        assert (await api.post(path, {"hash": seen["hash"]}, status=202))["already"]
        code, said = await doors.cli("engineer", "repair", "run", seen["caseId"], seen["id"], "--hash", seen["hash"])
        assert code == 0 and "by person:a-operator" in said and "(it was before)" in said
        clicked = await doors.page("operator", f"/cases/{seen['caseId']}/repairs/{seen['id']}/run", hash=seen["hash"])
        assert clicked.status_code == 303
        assert (await go_on(api)).count("CRM/777/fiber.scheduleInstallation/fulfill/2") == 1

    async def test_principle_5_it_does_not_hide_what_happened(self, api: Api, doors: Doors) -> None:
        await play(api, SLOT_TAKEN)
        seen = await shown(api, "SUPERSEDE_REJECTED", correctedElsewhere="they freed it")
        await decide(api, seen)
        await go_on(api)
        found = (await api.get("/fallout-cases", state="any"))["items"]
        assert [c["id"] for c in found] == [seen["caseId"]]
        one = await api.get(f"/fallout-cases/{seen['caseId']}")
        assert one["classification"]["rawCode"] == "SLOT_TAKEN" and one["resolution"]["evidence"]
        assert not [r for r in writing_routes() if r.startswith("DELETE") and ("case" in r or "repair" in r)]
        await doors.no_such_thing("DELETE", f"/fallout-cases/{seen['caseId']}", "case", "delete", seen["caseId"])
        assert seen["caseId"] in (await doors.cli("support", "case", "list", "is:any"))[1]
        assert seen["caseId"] in (await (await doors.browser("operator")).get("/queue", params={"q": "is:any"})).text


class WhenSomebodyTriesAnAntiPattern:
    """§24."""

    async def test_anti_pattern_1_failed_is_no_end(self, api: Api, doors: Doors) -> None:
        order = await play(api, SLOT_TAKEN)
        states = (await the_case(api))["states"]
        assert states["task"] == "failed" and states["order"] != "failed" and states["item"] != "failed"
        for verb in ("fail", "cancel"):
            await doors.no_such_thing("POST", f"/orders/{order}/{verb}", "order", verb, order)
        seen = await shown(api, "REBOOK_APPOINTMENT", slot="PM", customerChoice="she called at nine")
        await decide(api, seen)
        await go_on(api)
        assert (await api.get(f"/orders/{order}"))["order"]["state"] != "failed"

    async def test_anti_pattern_2_a_direct_update_is_found_and_the_journal_cannot_be_rewritten(
        self, api: Api, doors: Doors
    ) -> None:
        await play(api, SLOT_TAKEN)
        case = (await the_case(api))["id"]
        await doors.no_such_thing("PATCH", f"/fallout-cases/{case}", "case", "set", case, "--state", "resolved")
        of_none = ("policy-drafts", "people")
        assert not [r for r in writing_routes() if r.startswith(("PATCH", "PUT")) and not any(w in r for w in of_none)]
        with psycopg.connect(api.database.url) as connection:
            for statement in ("UPDATE journal SET verb = 'x'", "DELETE FROM journal", "DELETE FROM evidence"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
                connection.rollback()

    async def test_anti_pattern_3_nothing_is_retried_because_somebody_wants_it(self, api: Api, doors: Doors) -> None:
        await play(api, {"BIL.createSubscription": Lost("timeout"), "PRV.activateService": OK})
        (command,) = (await the_case(api))["notToBeSent"]
        for role in ("operator", "engineer", "admin"):
            refused = await api.post(f"/commands/{command['id']}/resend", {"reason": "now"}, role, 409)
            assert refused["code"] == "OUTCOME_UNKNOWN" and refused["hint"]
            code, said = await doors.cli(role, "command", "resend", command["id"])
            assert code == 1 and "OUTCOME_UNKNOWN" in said
        for action in ("RESEND_SAME_KEY", "CANCEL_ITEM", "COMPENSATE_TASK"):
            given = {"consent": "she wants it"} if action == "CANCEL_ITEM" else {}
            why = f"the outcome of {command['id']} is unknown"
            await doors.no_preview((await the_case(api))["id"], action, why, "admin", **given)
        assert await go_on(api) == []

    async def test_anti_pattern_4_the_raw_error_stands_beside_every_judgement(self, api: Api, doors: Doors) -> None:
        await play(api, NO_ACCOUNT)
        case = await the_case(api)
        judged = {"code": "PAYLOAD_REJECTED", "because": "it looks like another one"}
        await doors.no_preview(
            case["id"], "OVERRIDE_CLASSIFICATION", "policy knows no OK", code="OK", because="I say so"
        )
        await doors.no_such_thing("DELETE", f"/evidence/{case['evidence'][0]}", "evidence", "delete")
        await decide(api, await seen_of(api, case["id"], "OVERRIDE_CLASSIFICATION", **judged))
        one = (await api.get(f"/fallout-cases/{case['id']}"))["classification"]
        assert (one["code"], one["rawCode"]) == ("PAYLOAD_REJECTED", "BC-1404 ACCOUNT_NOT_FOUND")
        evidence = (await api.get(f"/fallout-cases/{case['id']}"))["evidence"]
        opened = [await api.client.get(f"/api/v1/evidence/{e}", headers=api.as_("engineer")) for e in evidence]
        assert any(b"ACCOUNT_NOT_FOUND" in answer.content for answer in opened)

    async def test_anti_pattern_5_no_case_is_without_an_owner(self, api: Api, doors: Doors) -> None:
        await play(api, {**NO_ACCOUNT, "PRV.configureIp": Rejected("SOMETHING_NEW", "who knows")})
        rows = (await api.get("/fallout-cases"))["items"]
        assert len(rows) == 2 and all(r["ownerGroup"] for r in rows)
        away = {"ownerGroup": "NOBODY", "reason": "not ours"}
        await doors.no_work(rows[0]["id"], "transfer", "there is no owner group NOBODY", **away)
        await api.post(f"/fallout-cases/{rows[0]['id']}/transfer", {**away, "ownerGroup": ""}, status=400)

    async def test_anti_pattern_6_work_is_not_hidden(self, api: Api, doors: Doors) -> None:
        await play(api, SLOT_TAKEN)
        case = await the_case(api)
        stands = "and that needs somebody who owns it"
        await doors.no_work(case["id"], "resolve", stands, type="SolvedElsewhere", text="by phone")
        await doors.no_work(case["id"], "withdraw", stands, reason="no")
        script = "<script>alert(1)</script> they moved the cable"
        await api.post(f"/fallout-cases/{case['id']}/comment", {"text": script})
        (kept,) = (await api.get(f"/fallout-cases/{case['id']}/comments"))["items"]
        assert kept["text"] == script
        big = json.dumps({"text": "x" * 10_000_000}).encode()
        assert (await api.post(f"/fallout-cases/{case['id']}/comment", big, status=413))["code"]
        verbs = [line["verb"] for line in await trail(api, case["id"])]
        assert {"refuse_resolve", "refuse_withdraw", "comment"} <= set(verbs)

    async def test_anti_pattern_7_a_repair_does_not_change_the_deal(self, api: Api, doors: Doors) -> None:
        await play(api, {"WHS.reserve": Rejected("SKU_OUT_OF_STOCK", "none left")})
        case = await the_case(api)
        premium = {"sku": "ROUTER-PREMIUM", "stock": "Jakarta"}
        wrong = await seen_of(api, case["id"], "SELECT_REPLACEMENT", status=422, **premium)
        assert (wrong["code"], wrong["pointer"]) == ("INPUT_WRONG", "/input/sku")
        await doors.no_preview(case["id"], "SELECT_REPLACEMENT", "INPUT_WRONG", **premium)
        seen = await seen_of(api, case["id"], "SELECT_REPLACEMENT", sku="WIFI-ROUTER-B", stock="Jakarta, aisle 4")
        await decide(api, seen)
        (claimed,) = await world.claim(api.database, api.context)
        assert b'"sku":"WIFI-ROUTER-B"' in claimed.request.body

    async def test_anti_pattern_8_an_unknown_outcome_is_found_out_and_not_decided(self, api: Api, doors: Doors) -> None:
        await play(api, {"BIL.createSubscription": Lost("timeout"), "PRV.activateService": OK})
        await world.ask_in_vain(api.database, api.context)
        said = {"outcome": "absent", "seen": "nothing in their list of today", "where": "screen 7"}
        seen = await shown(api, "DECLARE_OUTCOME", **said)
        assert seen["state"] == "awaited"
        await doors.no_decision(seen, "approve", "a second person has to agree")
        await doors.no_decision(seen, "run", "a second person has not agreed to it yet")
        await doors.no_work(seen["caseId"], "resolve", "is unknown", type="ReconciledDone", text="surely")
        assert (await decide(api, seen, "approve", "machine", 403))["code"] == "NOT_ALLOWED"
        await decide(api, seen, "approve", "manager")
        number, case = inside("repair", seen["id"]) or 0, await the_case(api)

        async def grow_old(tx: Tx) -> None:
            (order,) = await tx.lock([inside("order", case["orderId"]) or 0])
            await tx.load_repairs()
            one = order.repairs[number]
            order.put(replace(one, expires_at=await tx.now() - timedelta(seconds=1)), "age", Why(world.ACTOR, "a test"))

        await api.database.transact(grow_old)
        assert (await decide(api, seen, status=409))["code"] == "PREVIEW_EXPIRED"
        await doors.no_decision(seen, "run", "it is voided: its preview was good until")
        assert (await the_case(api))["states"]["task"] == "unknown" and await go_on(api) == []
        await agreed(api, await shown(api, "DECLARE_OUTCOME", **{**said, "outcome": "rejected"}))
        elsewhere = {"correctedElsewhere": "they opened it for us"}
        anew = await seen_of(api, seen["caseId"], "SUPERSEDE_REJECTED", **elsewhere)
        assert anew["state"] == "awaited" and "a person's word" in anew["approval"]["why"]
        assert (await decide(api, anew, status=409))["code"] == "APPROVAL_NEEDED" and await go_on(api) == []


class WhenTwoOperatorsRunTheSameRepairAtTheSameInstant:
    async def test_a_hundred_times_one_effect_each_and_the_other_is_told_who(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        case = (await the_case(api))["id"]
        for n in range(2, 102):
            seen = await seen_of(api, case, "SUPERSEDE_REJECTED", correctedElsewhere=f"freed it, time {n}")
            path = f"/api/v1/fallout-cases/{case}/repairs/{seen['id']}/run"
            calls: list[Any] = [
                api.client.post(path, headers=api.as_(role), json={"hash": seen["hash"]})
                for role in ("operator", "engineer")
            ]
            answers = [a.json() for a in await asyncio.gather(*calls)]
            assert sorted(a["already"] for a in answers) == [False, True]
            assert len({a["runBy"] for a in answers}) == 1 and answers[0]["runBy"]
            assert await go_on(api, SLOT_TAKEN) == [f"CRM/777/fiber.scheduleInstallation/fulfill/{n}"]

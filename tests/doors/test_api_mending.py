"""The actions beside corrections at the REST door (§8.3, §9): of the case itself, of the plan of its order, and those
that would have to undo something, which are refused with what that is.
"""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
from tests.doors.conftest import Api, an_item, an_order
from tests.doors.test_api_authorisation import somebody
from tests.doors.test_api_cases import play, the_case
from tests.doors.test_api_repairs import OK, SLOT_TAKEN, again, decide, go_on
from tests.flows import orders as world

from fallsafe.core.commands.outcome import Looked, Lost, Rejected, Says
from fallsafe.flows import automating, checking
from fallsafe.flows.commands import Due
from fallsafe.store.ids import inside
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault

POOL = {"PRV.configureIp": Rejected("IP_POOL_EXHAUSTED", "no address is free")}
LATER = "2099-01-01T00:00:00Z"


async def seen_of(api: Api, case: str, action: str, role: str = "operator", status: int = 200, **given: object) -> dict:
    """The preview of an action of a case."""
    body = {"action": action, "input": given, "reason": "they told us"}
    return await api.post(f"/fallout-cases/{case}/repairs/preview", body, role, status)


def why_not(seen: dict) -> dict[str, str]:
    """The conditions that are not met, by name."""
    return {c["name"]: c["why"] for c in seen["conditions"] if not c["met"]}


async def agreed(api: Api, seen: dict, role: str = "operator") -> dict:
    """It is agreed to by a second person, and run."""
    await decide(api, seen, "approve", "manager" if role != "manager" else "finance")
    return await decide(api, seen, role=role)


class WhenTheCaseItselfIsWorkedOn:
    async def test_others_are_asked_it_is_judged_anew_and_linked(self, api: Api) -> None:
        await play(api, {**POOL, "BIL.createSubscription": Rejected("BC-1404 ACCOUNT_NOT_FOUND", "unknown")})
        pool, account = sorted((await api.get("/fallout-cases"))["items"], key=lambda c: c["operation"], reverse=True)
        asked = {"whom": "billing", "what": "no account", "right": "x", "until": "2020-01-01T00:00:00Z"}
        late = await seen_of(api, account["id"], "REQUEST_FIX_ELSEWHERE", **asked)
        assert why_not(late).keys() == {"ahead"} and late["id"] == ""
        seen = await seen_of(
            api, account["id"], "REQUEST_FIX_ELSEWHERE", whom="billing", what="the account of Sari Wulandari is closed",
            right="open it", until=LATER,
        )  # fmt: skip
        assert (await decide(api, {**seen, "caseId": pool["id"]}, status=404))["code"] == "NOT_FOUND"
        await decide(api, seen)
        one = await api.get(f"/fallout-cases/{account['id']}")
        assert one["waitingFor"] == {
            "for": "billing", "what": "the account of [personal] is closed", "reference": seen["id"],
            "until": "2099-01-01T00:00:00+00:00",
        }  # fmt: skip

        assert why_not(await seen_of(api, pool["id"], "OVERRIDE_CLASSIFICATION", code="NO_SUCH", because="I know it"))
        before = await seen_of(api, pool["id"], "SUPERSEDE_REJECTED", correctedElsewhere="they made room")
        seen = await seen_of(api, pool["id"], "OVERRIDE_CLASSIFICATION", code="PAYLOAD_REJECTED", because="wrong pool")
        await decide(api, seen)
        moved = await decide(api, before, status=409)
        assert moved["code"] == "MOVED" and f"case.code: {pool['code']} → PAYLOAD_REJECTED" in moved["detail"]
        one = await api.get(f"/fallout-cases/{pool['id']}")
        judged = one["classification"]
        assert (judged["code"], judged["rule"]) == ("PAYLOAD_REJECTED", f"person/{seen['id']}")
        found = {text: (await api.get("/fallout-cases", q=text))["items"] for text in ("payload", pool["code"])}
        assert {text: [c["id"] for c in cases] for text, cases in found.items()} == {
            "payload": [pool["id"]], pool["code"]: [],
        }  # fmt: skip

        await api.post(f"/fallout-cases/{pool['id']}/relate", {"to": account["id"], "how": "caused_by"})
        other = await seen_of(api, pool["id"], "MERGE", into=account["id"])
        assert "no case of its own" in why_not(other)["one_failure"]
        assert await go_on(api) == []

    async def test_charging_stops_while_its_case_is_open_and_work_for_later_has_an_owner(self, api: Api) -> None:
        order = await play(api, SLOT_TAKEN)
        case = (await the_case(api))["id"]
        alone = {a["code"]: a["locked"] for a in (await api.get(f"/fallout-cases/{case}/actions"))["items"]}
        assert alone["MERGE"] == ["Its order has no other open case."] and alone["SPLIT"] == [
            "Only one failure was seen."
        ]
        seen = await seen_of(api, case, "OVERRIDE_CLASSIFICATION", code="PRICE_MISMATCH", because="the amount is wrong")
        await decide(api, seen)
        seen = await seen_of(api, case, "BLOCK_BILLING_HANDOFF")
        assert [(a["name"], a["then"]) for a in seen["after"]] == [("createSubscription", "kept from charging")]
        await decide(api, seen)
        assert (
            why_not(await seen_of(api, case, "BLOCK_BILLING_HANDOFF"))["charging"] == "all of it stands still already"
        )
        await agreed(api, await seen_of(api, case, "REDO_FROM_TASK", "engineer"), "engineer")
        assert "CRM/777/billing.createSubscription/fulfill/1" in await go_on(api)
        assert (await api.get(f"/orders/{order}"))["order"][
            "state"
        ] == "completed"  # its case has ended, and charging went on

    @staticmethod
    async def _is_for_those_who_work_for_both(api: Api, one: dict, other: str) -> None:
        """Joining two cases changes both; then the other group gets back what it has."""
        away = {"ownerGroup": "ORDER_DESK", "done": "looked at it", "asked": "is it theirs?", "reason": "half of it"}
        await api.post(f"/fallout-cases/{other}/transfer", away)
        theirs = await somebody(api, "operator", one["owner"]["group"])
        narrow = replace(api, tokens={**api.tokens, "narrow": theirs})
        seen = await seen_of(narrow, one["id"], "MERGE", "narrow", into=other)
        assert "belongs to ORDER_DESK" in why_not(seen)["role"]
        refused = await decide(narrow, await seen_of(api, one["id"], "MERGE", into=other), role="narrow", status=403)
        assert refused["code"] == "NOT_ALLOWED"
        await api.post(f"/fallout-cases/{other}/return", {"reason": "it is not"})

    async def test_a_case_that_was_seen_twice_is_parted_and_later_work_has_a_case(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        case = (await the_case(api))["id"]
        seen = await seen_of(api, case, "SUPERSEDE_REJECTED", correctedElsewhere="freed")
        await decide(api, seen)
        await go_on(api, SLOT_TAKEN)
        same = (await api.get(f"/fallout-cases/{case}"))["classification"]["code"]
        assert why_not(await seen_of(api, case, "SPLIT", code=same, because="two of them"))["other"]
        await decide(api, await seen_of(api, case, "SPLIT", code="PAYLOAD_REJECTED", because="the second one is"))
        later = {"what": "call Sari Wulandari about the old router", "ownerGroup": "ORDER_DESK", "until": LATER}
        assert why_not(await seen_of(api, case, "CREATE_FOLLOW_UP", **{**later, "ownerGroup": "NOBODY"})).keys() == {
            "owner"
        }
        await decide(api, await seen_of(api, case, "CREATE_FOLLOW_UP", **later))
        assert why_not(await seen_of(api, case, "CREATE_FOLLOW_UP", **later)).keys() == {"single"}
        rows = {
            r["code"]: await api.get(f"/fallout-cases/{r['id']}") for r in (await api.get("/fallout-cases"))["items"]
        }
        assert rows.keys() == {"PAYLOAD_REJECTED", "FOLLOW_UP", same}
        parted, left = rows["PAYLOAD_REJECTED"], rows["FOLLOW_UP"]
        trail = (await api.get(f"/fallout-cases/{case}/timeline", limit=1000))["items"]
        for made in (parted, left):
            verbs = [(line["verb"], line["now"]) for line in trail if line["thingId"] == made["id"]]
            assert verbs[:3] == [("detect", "detected"), ("classify", "classified"), ("assign", "assigned")]
        assert parted["links"] == [{"to": case, "how": "split from"}] and parted["occurrences"] == 1
        assert (left["owner"]["group"], left["nextAction"]) == ("ORDER_DESK", "call [personal] about the old router")
        await self._is_for_those_who_work_for_both(api, parted, case)
        await decide(api, await seen_of(api, parted["id"], "MERGE", into=case))
        assert (await api.get(f"/fallout-cases/{parted['id']}"))["state"] == "merged"
        await api.post(f"/fallout-cases/{left['id']}/resolve", {"type": "HandedOff", "text": "called her"})
        assert (await api.get("/coverage"))["percent"] == 100


class WhenThoseWhoSellWantItChanged:
    """Written down at once; what is not sent stops; it waits behind the unknown, and voids what was previewed."""

    async def test_a_cancellation_stops_what_is_not_sent_and_waits_until_what_is_unknown_is_found_out(
        self, api: Api
    ) -> None:
        order = await play(api, {"BIL.createSubscription": Lost("timeout"), "PRV.activateService": OK})
        await world.ask_in_vain(api.database, api.context)
        case = (await the_case(api))["id"]
        said = {"outcome": "done", "seen": "their list has it", "where": "screen 4", "reference": "SUB-9"}
        before = await seen_of(api, case, "DECLARE_OUTCOME", **said)
        asked = {"externalId": "REV-1", "kind": "cancellation", "what": "Sari Wulandari wants out of it"}
        path = f"/orders/{order}/revisions"
        assert (await api.post(path, asked, "support", 403))["code"] == "NOT_ALLOWED"
        assert not (await api.post(path, asked, "machine", 202))["already"]
        assert (await api.post(path, asked, "machine", 202))["already"]
        other = await api.post(path, {**asked, "what": "another"}, "machine", 409)
        assert (other["code"], other["pointer"]) == ("ALREADY_EXISTS", "/externalId")
        assert (await again(api, before))["state"] == "voided"
        assert (await decide(api, before, status=409))["code"] == "REPAIR_ENDED"
        cases = {c["code"]: c["id"] for c in (await api.get("/fallout-cases"))["items"]}
        assert cases.keys() == {"UNKNOWN_OUTCOME", "UPSTREAM_CHANGE"}
        shown = (await api.get(f"/fallout-cases/{case}"))["nextAction"]
        assert shown.startswith("A cancellation came from upstream. First find out what became of C-")
        upstream = cases["UPSTREAM_CHANGE"]
        assert "is unknown" in why_not(await seen_of(api, upstream, "THAW", what="order"))["outcomes_known"]
        await agreed(api, await seen_of(api, case, "DECLARE_OUTCOME", **said))
        assert await go_on(api) == []
        stands = {"type": "HandedOff", "text": "sales were told"}
        assert (await api.post(f"/fallout-cases/{upstream}/resolve", stands, status=409))["code"] == "FAILURE_STANDS"
        seen = await seen_of(api, upstream, "THAW", what="order")
        assert seen["state"] == "awaited" and "but by upstream" in seen["approval"]["why"]
        await agreed(api, seen)
        await go_on(api)
        assert (await api.get(f"/orders/{order}"))["order"]["state"] == "completed"
        await api.post(f"/fallout-cases/{upstream}/resolve", stands)
        late = await api.post(path, {**asked, "externalId": "REV-2"}, "machine", 409)
        assert late["code"] == "ORDER_ENDED"
        lines = await api.get("/journal", orderId=order, limit=200)
        assert "Sari" not in str(lines) and (await api.get("/coverage"))["percent"] == 100


class WhenAPersonalValueIsCorrected:
    async def test_it_is_seen_by_right_and_stands_nowhere_but_sealed(self, api: Api) -> None:
        person = {"name": "Sari Wulandari", "email": "sari.old@example.org"}
        films = [an_item("films", "CONTENT-ADDON", monthlyMinor=900)]
        order = an_order("900", items=films, parties=[{"role": "customer", "ref": "CU-1", "person": person}])
        await api.post("/orders", order, "machine", 201)
        await go_on(api, {"NTF.send": Rejected("MAILBOX_GONE", "no such mailbox")})
        case = (await the_case(api))["id"]
        judged = {"code": "CONTACT_UNREACHABLE", "because": "the mailbox is gone"}
        await decide(api, await seen_of(api, case, "OVERRIDE_CLASSIFICATION", **judged))
        given = {"email": "sari.new@example.org", "confirmation": "a mail from sari.new@example.org"}
        body = {"action": "CORRECT_CONTACT", "input": given, "reason": "she has sari.new@example.org now"}
        path, key = f"/fallout-cases/{case}/repairs/preview", {"Idempotency-Key": "k-1"}
        asked = {role: await api.post(path, body, role, **key) for role in ("support", "operator")}
        assert {role: [(c["old"], c["new"]) for c in one["changes"]] for role, one in asked.items()} == {
            "support": [("[personal]", "sari.new@example.org")],
            "operator": [("sari.old@example.org", "sari.new@example.org")],
        }
        again_ = await api.post(path, body, "operator", **key)
        assert again_["id"] == asked["operator"]["id"]
        assert [(c["old"], c["new"]) for c in again_["changes"]] == [("[personal]", "[personal]")]
        said = {"hash": asked["support"]["hash"], "reason": "sari.new@example.org is right"}
        await api.post(f"/fallout-cases/{case}/repairs/{asked['support']['id']}/run", said, "support", 202)
        trail = (await api.get(f"/fallout-cases/{case}/timeline", limit=1000))["items"]
        assert [line["actor"] for line in trail if line["verb"] == "read_values"] == ["person:a-operator"]
        with psycopg.connect(api.database.url) as database:
            tables = ("idempotency_keys", "repairs", "journal", "cases", "commands")
            rows = [str(database.execute(f"SELECT * FROM {table}").fetchall()) for table in tables]
        assert not any("sari." in row for row in rows)


class WhenSomethingExistsAlreadyThere:
    async def test_it_is_taken_over_by_its_reference_after_a_second_person_agreed(self, api: Api) -> None:
        await play(api, {"BIL.createSubscription": Lost("already_done", "DUPLICATE_REQUEST", "there is one")})
        await world.ask_in_vain(api.database, api.context)
        case = await the_case(api)
        proof = {"seen": "subscription SUB-7 names the customer and the fiber item", "where": "billing screen 3"}
        wrong = await seen_of(api, case["id"], "ADOPT_EXTERNAL_RESULT", status=422, **proof)
        assert wrong["pointer"] == "/input/reference"
        seen = await seen_of(api, case["id"], "ADOPT_EXTERNAL_RESULT", reference="SUB-7", **proof)
        assert seen["state"] == "awaited" and seen["sends"] == []
        await agreed(api, seen)
        one = await api.get(f"/fallout-cases/{case['id']}")
        ended = one["resolution"]
        assert (one["state"], ended["type"], ended["verified"]) == ("resolved", "Adopted", False)
        commands = (await api.get(f"/orders/{case['orderId']}/commands", limit=200))["items"]
        assert [c["reference"] for c in commands if c["operation"] == "BIL.createSubscription"] == ["SUB-7"]


class WhenThePlanIsWorkedOn:
    async def test_a_task_is_added_and_what_was_refused_is_done_again(self, api: Api) -> None:
        await play(api, SLOT_TAKEN)
        case = await the_case(api)
        seen = await seen_of(api, case["id"], "ADD_TASK", taskType="determineTax")
        assert [s["key"] for s in seen["sends"]] == ["CRM/777/fiber.determineTaxAdded1/fulfill/1"]
        await agreed(api, seen)
        assert await go_on(api) == ["CRM/777/fiber.determineTaxAdded1/fulfill/1"]
        assert why_not(await seen_of(api, case["id"], "CANCEL_ITEM", "manager", consent="she does not want it"))[
            "alone"
        ]
        seen = await seen_of(api, case["id"], "REDO_FROM_TASK", "engineer")
        await agreed(api, seen, "engineer")
        assert "CRM/777/fiber.scheduleInstallation/fulfill/2" in await go_on(api)
        assert (await again(api, seen))["progress"] == "verified"


class WhenSomethingWouldHaveToBeUndone:
    """What this release does not do is entered, shown with its effects, and refused."""

    async def test_it_is_refused_and_the_effects_are_listed(self, api: Api) -> None:
        await play(api, {"BIL.createSubscription": Lost("timeout"), "PRV.activateService": OK})
        case = await the_case(api)
        seen = await seen_of(api, case["id"], "COMPENSATE_TASK")
        assert {(a["thing"], a["name"], a["then"]) for a in seen["after"]} == {
            ("effect", "createBillingAccount", "undo: closeAccount"),
        }
        assert "would have to be undone, and this release undoes nothing" in why_not(seen)["undone"]
        assert seen["id"] == "" and await go_on(api) == []

    async def test_what_is_ordered_anew_is_listed_effect_by_effect_and_both_orders_are_linked(self, api: Api) -> None:
        order = await play(api, SLOT_TAKEN)
        case = await the_case(api)
        given = {"newOrder": "778", "adopt": "reserveRouter", "consent": "she signed the other order"}
        seen = await seen_of(api, case["id"], "CANCEL_AND_REORDER", "manager", **given)
        assert {a["name"]: a["then"] for a in seen["after"] if a["thing"] == "effect"} == {
            "reserveRouter": "adopt", "createBillingAccount": "undo: closeAccount",
        }  # fmt: skip
        await agreed(api, seen, "manager")
        assert await go_on(api) == []
        other = await api.post("/orders", an_order("778"), "machine", 201)
        (asked,) = (await api.get("/amendments", state="handed_off"))["items"]
        assert asked["kind"] == "cancel_and_reorder" and len(asked["effects"]) == 2
        path, let_go = f"/amendments/{asked['id']}/accept", {"action": "THAW", "what": "order"}
        assert (await api.post(path, {"reference": "Q-3"}, "manager", 403))["code"] == "SELF_APPROVAL"
        early = await seen_of(api, case["id"], **let_go)
        assert why_not(early) == {"not_reordered": f"{asked['id']} asks that CRM:778 takes its place"}
        await api.post(path, {"reference": "Q-3"}, "machine")
        late = await seen_of(api, case["id"], **let_go)
        assert why_not(late) == {"not_reordered": "it was closed here for CRM:778"}
        again_ = await seen_of(api, case["id"], "SUPERSEDE_REJECTED", correctedElsewhere="freed it")
        assert why_not(again_)["not_frozen"]
        assert not any(key.startswith("CRM/777/") for key in await go_on(api))
        old = (await api.get(f"/orders/{order}"))["order"]
        new = (await api.get(f"/orders/{other['id']}"))["order"]
        assert old["links"] == [{"kind": "replaced_by", "source": "CRM", "externalId": "778"}]
        assert new["links"] == [{"kind": "replaces", "source": "CRM", "externalId": "777"}]


class WhenACaseWithAWishForAnotherDealEndsInAnother:
    async def test_the_other_one_takes_it_over_and_what_stood_still_for_a_new_order_goes_on(self, api: Api) -> None:
        order = await play(api, SLOT_TAKEN)
        case, proof = (await the_case(api))["id"], {"newOrder": "778", "consent": "she said so on the phone"}
        await agreed(api, await seen_of(api, case, "CANCEL_AND_REORDER", "manager", **proof), "manager")
        told = {"orderId": order, "item": "fiber", "task": "scheduleInstallation", "code": "PRICE_MISMATCH"}
        mine = (await api.post("/fallout-cases", {**told, "text": "odd", "reason": "it looks odd"}, status=201))["id"]
        wish = {"changes": {"characteristics.slot": "PM"}, "item": "fiber"}
        await decide(api, await seen_of(api, case, "REQUEST_AMENDMENT", **wish))
        await decide(api, await seen_of(api, case, "MERGE", into=mine))
        asked = {a["kind"]: a for a in (await api.get("/amendments"))["items"]}
        assert {a["caseId"] for a in asked.values()} == {mine}
        assert (await api.get(f"/fallout-cases/{mine}"))["waitingFor"]["for"] == "amendment"
        await api.post(f"/amendments/{asked['amend']['id']}/accept", {"reference": "Q-1"}, "machine")
        assert (await api.get(f"/amendments/{asked['cancel_and_reorder']['id']}"))["state"] == "superseded"
        assert (await api.get(f"/orders/{order}"))["order"]["frozen"] is None
        assert "CRM/777/fiber.scheduleInstallation/fulfill/2" in await go_on(api)
        assert (await api.get(f"/fallout-cases/{mine}"))["resolution"]["type"] == "Amended"


NAMES: dict[str, str] = {}
UNREACHED = {"PRV.activateService": Rejected("ADDRESS_NOT_SERVICEABLE", "no drop within 80 m")}


async def fails(api: Api, name: str) -> Due:
    """An order that fails; its look at what may be done by itself is due."""
    taken = await api.post("/orders", an_order(name), "machine", 201)
    NAMES[name] = taken["id"]
    await go_on(api, UNREACHED)
    (case,) = (await api.get("/fallout-cases", orderId=taken["id"]))["items"]
    number, order = inside("case", case["id"]) or 0, inside("order", taken["id"]) or 0
    await world.make_due(api.database, "mend", number, order)
    return Due("mend", number, order, datetime.now(UTC))


async def mends(api: Api, due: Due) -> None:
    """The look of one worker."""
    await api.database.transact(lambda tx: automating.run(tx, api.context, [due], world.ACTOR))


async def by_itself(api: Api, name: str) -> list[str]:
    """An order that fails, and what is done about it by itself; the keys that left for it."""
    await mends(api, await fails(api, name))
    return await asks_again(api)


async def asks_again(api: Api) -> list[str]:
    """What repairs ask again is asked and answered, and what follows goes out; the keys that left."""
    checks = await world.due(api.database, api.context, "check")
    asked = await api.database.transact(lambda tx: checking.claim(tx, api.context, checks, world.ACTOR))
    for one in asked:
        await world.answer(api.database, api.context, one, Looked(Says.DONE, "QU-1"))
    return [one.key for one in asked] + await go_on(api, UNREACHED)


LOCKED = "SELECT FROM automations WHERE action = %s FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def by_days(api: Api, days: int) -> None:
    """What ran, and what was switched, happened so many days later."""
    with psycopg.connect(api.database.url) as connection:
        connection.execute("UPDATE repairs SET run_at = run_at + make_interval(days => %s)", (days,))
        connection.execute("UPDATE automations SET switched_at = switched_at + make_interval(days => %s)", (days,))


async def two_at_once(api: Api, action: str) -> None:
    """Two workers look at the same instant, and the budget lets one more run: one of them runs it."""
    due = [await fails(api, name) for name in ("709", "710")]
    workers = [Database(api.database.url, f"worker-{n}", Vault(bytes(32))) for n in range(len(due))]
    async with await psycopg.AsyncConnection.connect(api.database.url) as other, AsyncExitStack() as over:
        await other.execute(LOCKED, (action,))
        for worker in workers:
            await worker.open()
            over.push_async_callback(worker.close)
        looks = [asyncio.create_task(mends(replace(api, database=w), d)) for w, d in zip(workers, due, strict=True)]
        while not all(look.done() for look in looks):
            (waiting,) = await (await other.execute(WAITING)).fetchone() or (0,)
            if waiting >= len(looks):
                await other.commit()
        await asyncio.gather(*looks)
    ran = [(await api.get(f"/fallout-cases/F-{one.id}/repairs"))["items"] for one in due]
    assert sorted(len(each) for each in ran) == [0, 1]
    await asks_again(api)


class WhenAnActionRunsByItself:
    """Policy allows it and a person lets it: the same preview and proof, a budget, and an end when it helps nobody."""

    @staticmethod
    async def _within_its_budget(api: Api, action: str) -> None:
        """Four ran in this hour, all for one system: the fifth may, the sixth waits, in all and for one downstream."""

        def at_most(per_hour: int, per_system: int) -> Api:
            newest = api.context.newest
            allowed = replace(newest.actions[action].automatic, per_hour=per_hour, per_system=per_system)
            changed = replace(newest.actions[action], automatic=allowed)
            limited = replace(newest, actions={**newest.actions, action: changed})
            return api.under(
                replace(api.context, newest=limited, policies={**api.context.policies, limited.id: limited})
            )

        assert len(await by_itself(at_most(5, 50), "707")) == 2
        for limits in ((5, 50), (50, 5)):
            name = f"708-{limits[0]}"
            assert await by_itself(at_most(*limits), name) == []
            (waits,) = [
                row for row in await api.database.fetch("agenda/of_orders", ids=[inside("order", NAMES[name])])
                if row["kind"] == "mend"
            ]  # fmt: skip
            assert waits["due_at"] > datetime.now(UTC) + timedelta(minutes=9)
        await two_at_once(at_most(6, 50), action)
        api.under(api.context)

    async def test_it_stops_itself_after_three_that_came_to_nothing_and_is_switched_off_at_once(self, api: Api) -> None:
        switch, action = "/automations/RECHECK_FEASIBILITY", "RECHECK_FEASIBILITY"
        assert (await api.post(f"{switch}/on", {}, "support", 403))["code"] == "NOT_ALLOWED"
        assert (await api.post("/automations/SKIP_TASK/on", {}, "engineer", 409))["code"] == "NOT_AUTOMATIC"
        assert await by_itself(api, "700") == []
        await api.post(f"{switch}/on", {"reason": "the network was extended"}, "engineer")
        for n in range(701, 704):
            assert await by_itself(api, str(n)) == [
                f"CRM/{n}/fiber.activateFiberService/query/1", f"CRM/{n}/fiber.activateFiberService/fulfill/2",
            ]  # fmt: skip
        by_days(api, -3)  # it is counted from when it was switched on, however long ago that was
        assert await by_itself(api, "704") == []
        by_days(api, 3)
        told = {a["action"]: a for a in (await api.get("/automations"))["items"]}[action]
        assert (told["state"], told["why"]) == ("stopped", "3 in a row came to nothing")
        assert (told["ran"], told["proved"], told["failed"], told["switchedBy"]) == (3, 0, 3, "system:automation")
        await api.post(f"{switch}/on", {"reason": "once more"}, "engineer")
        assert len(await by_itself(api, "705")) == 2
        await self._within_its_budget(api, action)
        for verb in ("off", "on"):
            await api.post(f"{switch}/{verb}", {"reason": "one more"}, "engineer")
        await mends(api, await fails(api, "711"))
        await api.post(f"{switch}/off", {"reason": "enough"}, "engineer")
        assert await asks_again(api) == []
        (one,) = (await api.get("/fallout-cases", orderId=NAMES["711"]))["items"]
        (asking,) = (await api.get(f"/fallout-cases/{one['id']}/repairs"))["items"]
        assert asking["endedBecause"] == f"SWITCHED_OFF: {action} runs by itself no more: enough"
        assert await by_itself(api, "706") == []
        (one,) = (await api.get("/fallout-cases", orderId=NAMES["705"]))["items"]
        book = (await api.get(f"/fallout-cases/{one['id']}"))["playbook"]
        assert (book["name"], book["at"], [s["done"] for s in book["steps"]]) == ("PB-ADDRESS", 4, [True] * 4 + [False])
        assert book["recommended"] == {
            "action": "CORRECT_SERVICE_ADDRESS", "title": "Correct the service address", "ran": 0, "proved": 0,
        }  # fmt: skip
        ran = (await api.get(f"/fallout-cases/{one['id']}/repairs"))["items"]
        assert [(r["action"], r["askedBy"], r["progress"]) for r in ran] == [(action, "system:automation", "refused")]

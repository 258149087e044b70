"""Cases at the REST door: the drill of §26 is answered from the API, and nothing is sent while nobody knows (§11)."""

import asyncio

import pytest
from tests.doors.conftest import Api, an_order
from tests.flows import orders as world

from fallsafe.core.commands.outcome import Accepted, Done, Lost, Outcome

ANSWERS: dict[str, Outcome] = {"PRV.activateService": Lost("timeout")}


async def play(api: Api, answers: dict[str, Outcome] = ANSWERS, monthly: int = 4500) -> str:
    """Takes the drill's order in and plays it until nothing is left to send; the order's id."""
    order = an_order()
    order["items"][0]["monthlyMinor"] = monthly
    taken = await api.post("/orders", order, "machine", 201)
    while claimed := await world.claim(api.database, api.context):
        for one in claimed:
            said = answers.get(one.operation.name, Done("REF-1"))
            await world.answer(api.database, api.context, one, said)
    return taken["id"]


async def the_case(api: Api) -> dict:
    """The one open case, whole."""
    (row,) = (await api.get("/fallout-cases"))["items"]
    return await api.get(f"/fallout-cases/{row['id']}")


class WhenFiberActivationTimesOut:
    """The ten questions of §26."""

    async def test_1_to_3_which_case_how_recoverable_and_what_must_not_be_sent(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        assert (case["classification"]["code"], case["classification"]["rule"]) == ("UNKNOWN_OUTCOME", "G06")
        assert case["classification"]["recoverability"] == "unknown_outcome"
        assert case["severity"]["points"] == sum(r["points"] for r in case["severity"]["reasons"])
        assert len(case["severity"]["reasons"]) >= 2
        assert case["owner"]["group"] == "NETWORK_OPERATIONS"
        (command,) = case["notToBeSent"]
        assert (command["operation"], command["state"]) == ("PRV.activateService", "unknown")
        assert command["locked"]["code"] == "OUTCOME_UNKNOWN" and command["locked"]["hint"]

    async def test_4_and_5_which_look_ups_and_which_tasks_wait(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        asked = case["reconciliation"]
        assert asked["needed"] and asked["key"] == "CRM/777/fiber.activateFiberService/fulfill/1"
        assert [look["method"] for look in asked["lookUps"]] == ["key", "reference"]
        assert (asked["settleWindow"], asked["secondLook"]) == ("PT5M", "PT5M")
        assert asked["settlesAt"] and asked["nextLookAt"]
        assert {t["step"] for t in case["blockedTasks"]} == {"activateStaticIp", "createSubscription"}

    async def test_6_and_7_what_the_customer_hears_and_which_service_level_applies(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        assert case["customer"]["text"] and "PRV" not in case["customer"]["text"]
        assert case["sla"]["sentence"] and case["sla"]["dueAt"] and case["sla"]["state"] == "running"

    async def test_8_which_actions_are_allowed_and_why_the_others_are_locked(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        assert {a["code"] for a in case["actions"]} == {
            "RECONCILE_NOW", "DECLARE_OUTCOME", "ESCALATE", "FREEZE", "REQUEST_AMENDMENT", "ADD_TASK",
            "OVERRIDE_CLASSIFICATION", "CREATE_FOLLOW_UP", "RELATE",
        }  # fmt: skip
        assert all(a["href"] for a in case["actions"])
        locked = {a["code"]: a["locked"] for a in case["lockedActions"]}
        assert any("unknown" in why for why in locked["RESEND_SAME_KEY"])
        assert locked["MERGE"] == ["Its order has no other open case."]
        assert all(locked.values())

    async def test_9_and_10_what_would_be_undone_and_what_would_prevent_it(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        assert {u["step"] for u in case["undo"]} == {"createBillingAccount", "reserveRouter", "scheduleInstallation"}
        assert all(u["effect"] for u in case["undo"])
        assert case["upstream"]["control"] and case["upstream"]["causeCategory"]

    async def test_the_six_states_stand_side_by_side(self, api: Api) -> None:
        await play(api)
        states = (await the_case(api))["states"]
        assert states | {"customer": "", "order": ""} == {
            "order": "", "item": "held", "task": "unknown", "case": "assigned", "sla": "running", "customer": "",
        }  # fmt: skip
        assert states["customer"] and states["order"]

    async def test_its_timeline_and_evidence_hold_what_was_sent(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        lines = (await api.get(f"/fallout-cases/{case['id']}/timeline", limit=1000))["items"]
        assert [line["version"] for line in lines] == list(range(1, len(lines) + 1))
        assert {"UnknownOutcomeDetected", "FalloutDetected", "CommandSent"} <= {line["event"] for line in lines}
        assert case["events"]["command.lose"] in {line["eventId"] for line in lines}
        kinds = {e["kind"] for e in (await api.get(f"/fallout-cases/{case['id']}/evidence"))["items"]}
        assert kinds >= {"order", "request", "answer"}

    async def test_a_timeline_goes_on_where_it_ended(self, api: Api) -> None:
        await play(api)
        case, found, after = await the_case(api), list[str](), "0"
        while after:
            page = await api.get(f"/fallout-cases/{case['id']}/timeline", limit=7, after=after)
            found += [line["eventId"] for line in page["items"]]
            after = page["after"]
        whole = await api.get(f"/fallout-cases/{case['id']}/timeline", limit=1000)
        assert found == [line["eventId"] for line in whole["items"]]

    async def test_nobody_can_send_it_again_by_any_route(self, api: Api) -> None:
        await play(api)
        (command,) = (await the_case(api))["notToBeSent"]

        async def resend() -> tuple[int, str]:
            path = f"/api/v1/commands/{command['id']}/resend"
            answer = await api.client.post(path, headers=api.as_("engineer"), json={})
            return answer.status_code, answer.json()["code"]

        assert set(await asyncio.gather(*(resend() for _ in range(20)))) == {(409, "OUTCOME_UNKNOWN")}
        lines = (await api.get("/journal", orderId=command["orderId"], limit=200))["items"]
        assert len([line for line in lines if line["verb"] == "refuse_resend"]) == 20
        assert (await api.get(f"/commands/{command['id']}"))["attempts"][-1]["n"] == 1

    async def test_finding_out_now_is_taken_in_and_follows(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        taken = await api.post(f"/fallout-cases/{case['id']}/reconcile", {"reason": "the customer calls"}, status=202)
        assert (taken["id"], taken["already"]) == (case["commandId"], False)
        assert len(await world.due(api.database, api.context, "lookup")) == 1
        lines = (await api.get("/journal", orderId=case["orderId"], limit=200))["items"]
        assert "the customer calls" in [line["reason"] for line in lines]

    async def test_support_may_look_but_not_reconcile(self, api: Api) -> None:
        await play(api)
        row = (await api.get("/fallout-cases", "support"))["items"][0]
        case = await api.get(f"/fallout-cases/{row['id']}", "support")
        assert "RECONCILE_NOW" not in {a["code"] for a in case["actions"]}
        said = await api.post(f"/fallout-cases/{row['id']}/reconcile", {}, "support", 403)
        assert said["code"] == "NOT_ALLOWED" and "operator" in said["detail"]
        lines = (await api.get("/journal", orderId=row["orderId"], limit=200))["items"]
        assert lines[-1]["verb"] == "refuse_reconcile"


class WhenTheOutcomeIsKnown:
    async def test_there_is_nothing_to_find_out(self, api: Api) -> None:
        order = await play(api, {"PRV.activateService": Accepted("SRV-1")})
        commands = (await api.get(f"/orders/{order}/commands"))["items"]
        (accepted,) = [c for c in commands if c["state"] == "accepted"]
        said = await api.post(f"/commands/{accepted['id']}/reconcile", {}, status=409)
        assert said["code"] == "NOT_UNKNOWN"

    async def test_a_done_command_is_never_sent_again(self, api: Api) -> None:
        order = await play(api)
        done = next(c for c in (await api.get(f"/orders/{order}/commands"))["items"] if c["state"] == "done")
        assert done["locked"]["code"]
        await api.post(f"/commands/{done['id']}/resend", {}, "engineer", 409)


class WhenCasesAreListed:
    async def test_filters_narrow_the_list_and_the_numbers_agree_with_it(self, api: Api) -> None:
        order = await play(api)
        (row,) = (await api.get("/fallout-cases"))["items"]
        other = "critical" if row["severity"] != "critical" else "low"
        for filters, found in (
            ({"severity": "low,medium,high,critical"}, 1),
            ({"ownerGroup": "ORDER_DESK"}, 0),
            ({"ownerGroup": "NETWORK_OPERATIONS"}, 1),
            ({"code": "UNKNOWN_OUTCOME"}, 1),
            ({"state": "assigned"}, 1),
            ({"state": "resolved"}, 0),
            ({"state": "any"}, 1),
            ({"state": "any", "q": "is:unknown", "sort": "value"}, 1),
        ):
            assert len((await api.get("/fallout-cases", **filters))["items"]) == found, filters
            assert len((await api.get("/fallout-cases", orderId=order, **filters))["items"]) == found, filters
        for q, found in (
            (f"is:open is:unknown -severity:{other} assignee:none", 1),
            (f"order:{order} case:{row['id']} system:prv operation:PRV.activateService", 1),
            ("customer:ACME,CUST-1,nobody -customer:other", None),
            (f"source:{row['orderSource']} ref:{row['orderExternalId']} step:activateFiberService", 1),
            (f"-source:{row['orderSource']}", 0),
            ("offer:FIBER-HOME-1G -offer:VOICE region:nowhere", 0),
            ("age:<1h due:>1s seen:<=1 retries:>=0 sla:on_track", 1),
            ("age:>1h", 0),
            ("amount:>99999999", 0),
            ("owner:none", 0),
            ('"outcome is not known" activateService', None),
            ("activateservice", 1),
            ("100%_nothing", 0),
            ("is:waiting", 0),
            ("is:escalated", 0),
            ("is:ended", 0),
            ("is:any -state:resolved", 1),
            ("assignee:me", 0),
        ):
            for sort in ("priority", "due", "newest", "value"):
                rows = (await api.get("/fallout-cases", q=q, sort=sort))["items"]
                counted = await api.get("/fallout-cases/facets", q=q)
                assert counted["total"] == len(rows), (q, sort)
                assert found is None or len(rows) == found, (q, sort)
        whole = await api.get("/fallout-cases/facets", q=f"severity:{other}")
        assert whole["total"] == 0 and whole["values"]["severity"] == {row["severity"]: 1}
        await api.post(f"/fallout-cases/{row['id']}/claim")
        mine = await api.get("/fallout-cases/facets", q="-assignee:none")
        assert (mine["total"], mine["values"]["assignee"]) == (1, {"somebody": 1})
        assert (await api.get("/fallout-cases/facets", q="assignee:me"))["total"] == 1

    async def test_what_is_wrong_with_a_filter_is_said_never_an_empty_list(self, api: Api) -> None:
        for name, value in (
            ("severity", "awful"),
            ("state", "lost"),
            ("ownerGroup", "NOBODY"),
            ("code", "X"),
            ("orderId", "7"),
            ("sort", "colour"),
        ):
            said = await api.get("/fallout-cases", status=400, **{name: value})
            assert (said["code"], said["pointer"]) == ("FILTER_UNKNOWN", f"/query/{name}")
        for path in ("/fallout-cases", "/fallout-cases/facets"):
            said = await api.get(path, status=400, q='severity:high colour:red age:5 "open')
            assert (said["code"], said["pointer"]) == ("FILTER", "/query/q")
            assert [e["detail"].split(":")[0][10:] for e in said["errors"]] == ["15", "26", "32"]
            assert all(e["hint"] for e in said["errors"])

    async def test_pages_end_in_the_id_and_miss_nothing(self, api: Api) -> None:
        for n in range(5):
            await api.post("/orders", f"garbage {n}".encode(), "machine", 400)
        for state in ("open", "any"):
            found, after = [], ""
            while True:
                page = await api.get("/fallout-cases", limit=2, after=after, state=state)
                found += [c["id"] for c in page["items"]]
                after = page["after"]
                if not after:
                    break
            assert len(found) == len(set(found)) == 5 and found == sorted(found, reverse=True)


class WhenAViewIsSaved:
    async def test_its_query_is_kept_in_one_form_and_seen_by_whom_it_is_for(self, api: Api) -> None:
        body = {"title": "Late", "query": "  severity:low  severity:high sla:breached", "scope": "everyone"}
        made = await api.post("/views", body)
        assert (made["query"], made["sort"]) == ("severity:high,low sla:breached", "priority")
        assert (await api.post("/views", {**body, "sort": "due"}))["id"] == made["id"]
        seen = (await api.get("/views", "support"))["items"]
        assert [view["sort"] for view in seen if view["id"] == made["id"]] == ["due"]
        assert {view["team"] for view in seen if view["id"] is None} == {"support"}
        for role, wrong, status, code in (
            ("operator", {"query": "colour:red"}, 400, "FILTER"),
            ("operator", {"scope": "team", "team": "finance"}, 403, "NOT_ALLOWED"),
            ("support", {}, 403, "NOT_ALLOWED"),
            ("machine", {"scope": "own"}, 403, "NOT_ALLOWED"),
            ("operator", {"title": "   "}, 422, "TITLE_WRONG"),
        ):
            said = await api.post("/views", {**body, **wrong}, role, status)
            assert said["code"] == code and said["hint"], wrong
        path = f"/api/v1/views/{made['id']}"
        for role, status in (("support", 403), ("operator", 204), ("operator", 404)):
            assert (await api.client.delete(path, headers=api.as_(role))).status_code == status


class WhenEvidenceIsOpened:
    async def test_it_is_given_as_it_was_and_the_reading_is_recorded(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        pieces = (await api.get(f"/fallout-cases/{case['id']}/evidence"))["items"]
        (order,) = [e for e in pieces if e["kind"] == "order"]
        opened = await api.client.get(order["href"], headers=api.as_("auditor"))
        assert opened.json()["externalId"] == "777"
        assert opened.headers["content-type"] == "application/octet-stream"
        last = (await api.get("/events", limit=200))["items"][-1]["data"]
        assert (last["thing"], last["verb"], last["actor"]) == ("evidence", "read", "person:a-auditor")

    async def test_what_is_personal_or_confidential_is_seen_by_right_and_that_is_recorded(self, api: Api) -> None:
        await play(api)
        await world.ask_in_vain(api.database, api.context)
        case = (await the_case(api))["id"]
        said = {"outcome": "done", "seen": "Sari Wulandari's bill 77 has it", "where": "screen 7"}
        body = {"action": "DECLARE_OUTCOME", "input": said, "reason": "seen"}
        await api.post(f"/fallout-cases/{case}/repairs/preview", body)
        pieces = {e["kind"]: e for e in (await api.get(f"/fallout-cases/{case}/evidence"))["items"]}
        order, proof = pieces["order"], pieces["repair_input"]
        assert (order["sensitivity"], proof["sensitivity"]) == ("personal", "confidential")
        seen = await api.client.get(order["href"], headers=api.as_("operator"))
        assert seen.json()["parties"][0]["person"] == {"name": "[personal]"} and seen.json()["externalId"] == "777"
        hidden = await api.client.get(proof["href"], headers=api.as_("operator"))
        assert hidden.text.startswith("[confidential: ")
        refused = await api.client.get(proof["href"], params={"whole": "true"}, headers=api.as_("operator"))
        assert refused.json()["code"] == "NOT_ALLOWED"
        for piece in (order, proof):
            whole = await api.client.get(piece["href"], params={"whole": "true"}, headers=api.as_("auditor"))
            assert "Sari Wulandari" in whole.text
        lines = [e["data"] for e in (await api.get("/events", limit=200))["items"]][-5:]
        assert [(line["verb"], line["actor"]) for line in lines] == [
            *[("read", "person:a-operator")] * 2, ("refuse_read_whole_evidence", "person:a-operator"),
            *[("read_whole", "person:a-auditor")] * 2,
        ]  # fmt: skip

    async def test_support_may_not_and_that_is_recorded(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        (piece, *_) = (await api.get(f"/fallout-cases/{case['id']}/evidence"))["items"]
        answer = await api.client.get(piece["href"], headers=api.as_("support"))
        assert answer.status_code == 403 and answer.json()["code"] == "NOT_ALLOWED"
        last = (await api.get("/events", limit=200))["items"][-1]["data"]
        assert last["verb"] == "refuse_read_evidence"

    @pytest.mark.parametrize("name", ["E-1", "E-x", "x", "E-99999999999999999999"])
    async def test_what_does_not_exist_is_a_404(self, api: Api, name: str) -> None:
        await api.get(f"/evidence/{name}", status=404)

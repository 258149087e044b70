"""Case work at the REST door (§8, §19): who works on what, what is written about it, and why a case does not end while
its failure stands.
"""

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.doors.conftest import Api, an_order
from tests.doors.test_api_authorisation import somebody
from tests.doors.test_api_cases import play, the_case
from tests.flows import orders as world
from tests.flows.test_callbacks import apply, receive, said

from fallsafe.core.access import system
from fallsafe.core.cases.handling import column_of, handling_of
from fallsafe.core.cases.work import CLAIM_LASTS
from fallsafe.flows import access, installation, review
from fallsafe.store.ids import inside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Why

LATER = "2099-01-01T09:00:00+07:00"


async def loose_case(api: Api) -> str:
    """A case that belongs to no order: bytes that nobody can read as one."""
    await api.post("/orders", b'{"source":', "machine", 400)
    rows = (await api.get("/fallout-cases"))["items"]
    return next(row["id"] for row in rows if row["code"] == "ORDER_UNREADABLE")


class WhenPeopleWorkOnACase:
    async def test_it_is_taken_given_away_raised_and_waits(self, api: Api) -> None:
        await play(api)
        name = (await the_case(api))["id"]
        one = f"/fallout-cases/{name}"
        await api.post(f"{one}/claim")
        assert (await api.post(f"{one}/claim"))["already"]
        other = await api.post(f"{one}/claim", role="engineer", status=409)
        assert other["code"] == "CLAIMED" and "a-operator works on it until" in other["detail"]
        seen = (await api.client.get(f"/api/v1{one}", headers=api.as_("operator"))).headers["ETag"]
        await self._grows_old(api, name, CLAIM_LASTS * 0.6)
        late = await api.post(f"{one}/claim", status=412, **{"If-Match": seen})
        assert late["code"] == "VERSION" and not (await api.post(f"{one}/claim"))["already"]  # it begins anew
        await self._grows_old(api, name, CLAIM_LASTS)
        await api.post(f"{one}/claim", role="engineer")
        await self._grows_old(api, name, CLAIM_LASTS)
        await api.post(f"{one}/wait", {"whom": "network", "what": "an answer", "until": LATER}, "engineer")
        await self._is_looked_at(api, name)
        assert (await the_case(api))["owner"]["assignee"] == "a-engineer"
        await self._has_waited(api, name)
        await self._is_looked_at(api, name)
        assert ((await the_case(api))["owner"]["assignee"], (await the_case(api))["waitingFor"]) == ("", None)
        await api.post(f"{one}/claim")
        await api.post(f"{one}/wait", {"whom": "network", "what": "an answer", "reference": "N-7", "until": LATER})
        waiting = (await the_case(api))["waitingFor"]
        assert (waiting["for"], waiting["reference"]) == ("network", "N-7")
        await api.post(f"{one}/go-on")
        assert (await the_case(api))["waitingFor"] is None
        group = (await the_case(api))["owner"]
        await api.post(f"{one}/escalate", {"reason": "two hours without an answer"})
        raised = (await the_case(api))["owner"]
        assert raised["escalatedTo"] == group["escalatesTo"] and raised["group"] == group["group"]
        await self._is_given_to_somebody_who_is_known(api, one)
        assert (await the_case(api))["owner"]["assignee"] == "eva"
        unknown = await api.post(f"{one}/transfer", {"ownerGroup": "NOBODY", "reason": "x"}, status=409)
        assert unknown["code"] == "OWNER_UNKNOWN" and unknown["pointer"] == "/ownerGroup"
        trail = (await api.get(f"{one}/timeline", limit=1000))["items"]
        verbs = [line["verb"] for line in trail if line["thing"] == "case"]
        wanted = [
            *("claim", "refuse_claim", "claim", "claim", "wait", "go_on", "lapse", "claim"),
            *("wait", "go_on", "escalate", "refuse_transfer", "transfer", "refuse_transfer"),
        ]
        assert [verb for verb in verbs if verb in wanted] == wanted
        assert {line["event"] for line in trail if line["verb"] == "escalate"} == {"FalloutEscalated"}

    @staticmethod
    async def _is_given_to_somebody_who_is_known(api: Api, one: str) -> None:
        eva = {"assignee": "eva", "reason": "she knows it"}
        unknown = await api.post(f"{one}/assign", eva, status=422)
        assert (unknown["code"], unknown["pointer"]) == ("PERSON_UNKNOWN", "/assignee")
        await api.database.transact(
            lambda tx: access.ensure_person(tx, "eva", "Eva", ["operator"], system("installation"))
        )
        await api.post(f"{one}/assign", eva)

    @staticmethod
    async def _has_waited(api: Api, name: str) -> None:
        """The time of whoever it waits for is over."""

        async def later(tx: Tx) -> None:
            (row,) = await tx.fetch("cases/by_ids", ids=[inside("case", name)])
            (order,) = await tx.lock([row["order_id"]])
            case = order.cases[row["id"]]
            over = {**case.waiting_for, "until": case.detected_at.isoformat()}
            order.put(replace(case, waiting_for=over), "age", Why(world.ACTOR, "a test"))

        await api.database.transact(later)

    @staticmethod
    async def _grows_old(api: Api, name: str, by: timedelta) -> None:
        """Time passes for a claim."""

        async def later(tx: Tx) -> None:
            (row,) = await tx.fetch("cases/by_ids", ids=[inside("case", name)])
            (order,) = await tx.lock([row["order_id"]])
            case = order.cases[row["id"]]
            known = handling_of(case.handling, case.detected_at)
            assert known.claimed_until is not None
            older = replace(known, claimed_until=known.claimed_until - by)
            order.put(replace(case, handling=column_of(older)), "age", Why(world.ACTOR, "a test"))

        await api.database.transact(later)

    @staticmethod
    async def _is_looked_at(api: Api, name: str) -> None:
        (row,) = await api.database.fetch("cases/by_ids", ids=[inside("case", name)])
        await world.make_due(api.database, "review", row["id"], row["order_id"])
        due = await world.due(api.database, api.context, "review")
        await api.database.transact(lambda tx: review.review(tx, api.context, due, system("reviewer")))

    async def test_what_is_written_is_sealed_and_read_back(self, api: Api) -> None:
        await play(api)
        one = f"/fallout-cases/{(await the_case(api))['id']}"
        await api.post(f"{one}/comment", {"text": "Called Jane on +62 812 5550 1122: <b>no light</b>"}, "support")
        (said,) = (await api.get(f"{one}/comments"))["items"]
        assert said["text"].endswith("<b>no light</b>") and said["by"] == "person:a-support"
        journal = await _payloads(api)
        assert not any("Called Jane" in payload for payload in journal)
        long = await api.post(f"{one}/comment", {"text": "x" * 10_001}, status=400)
        assert long["pointer"] == "/text"
        letter = b"Dear Sirs, the account is Kto-4711. Sari Wulandari"
        paper = {"name": "letter of Wulandari.txt", "mediaType": "text/plain", "content": b64encode(letter).decode()}
        await api.post(f"{one}/evidence", paper, "support")
        (kept,) = [e for e in (await api.get(f"{one}/evidence"))["items"] if e["kind"] == "attachment"]
        assert (kept["head"], kept["sensitivity"]) == ("letter of [personal].txt", "confidential")
        assert (kept["size"], kept["source"]) == (len(letter), "person:a-support")
        path = f"/api/v1/evidence/{kept['id']}"
        assert b"Kto-4711" not in (await api.client.get(path, headers=api.as_("operator"))).content
        whole = await api.client.get(path, headers=api.as_("engineer"), params={"whole": "true"})
        assert whole.content == letter and not any("Kto-4711" in payload for payload in await _payloads(api))
        assert (await api.post(f"{one}/evidence", paper | {"content": "?"}, status=400))["pointer"] == "/content"
        await self._is_read_by_right(api, one)

    @staticmethod
    async def _is_read_by_right(api: Api, one: str) -> None:
        """What is personal in a comment is seen by those who may see evidence whole, and that they did is recorded.
        Whose values stand in what has no order nobody knows: that is only for those who may see it whole.
        """
        await api.post(f"{one}/comment", {"text": "Sari Wulandari called again"})
        for role in ("operator", "support", "machine"):
            assert (await api.get(f"{one}/comments", role))["items"][-1]["text"] == "[personal] called again"
        assert (await api.get(f"{one}/comments", "operator", 403, whole="true"))["code"] == "NOT_ALLOWED"
        whole = (await api.get(f"{one}/comments", "engineer", whole="true"))["items"]
        assert whole[-1]["text"] == "Sari Wulandari called again"
        lines = [e["data"] for e in (await api.get("/events", limit=200))["items"]][-2:]
        assert {(line["verb"], line["actor"]) for line in lines} == {("read_whole", "person:a-engineer")}

        loose = f"/fallout-cases/{await loose_case(api)}"
        await api.post(f"{loose}/comment", {"text": "their export is broken"})
        for role, seen in (("operator", "their export is broken"), ("support", "[personal]")):
            assert (await api.get(f"{loose}/comments", role))["items"][0]["text"] == seen
        (unread,) = [e for e in (await api.get(f"{loose}/evidence"))["items"] if e["kind"] != "comment"]
        hidden = await api.client.get(unread["href"], headers=api.as_("operator"))
        assert hidden.text == "[confidential: 10 bytes]"
        opened = await api.client.get(unread["href"], headers=api.as_("engineer"), params={"whole": "true"})
        assert opened.content == b'{"source":'

    async def test_nobody_ends_a_case_whose_failure_stands(self, api: Api) -> None:
        await play(api)
        one = f"/fallout-cases/{(await the_case(api))['id']}"
        for action, body in (
            ("withdraw", {"reason": "surely nothing"}),
            ("resolve", {"type": "ReconciledDone", "text": "I saw it"}),
        ):
            refused = await api.post(f"{one}/{action}", body, status=409)
            assert refused["code"] == "FAILURE_STANDS" and "is unknown" in refused["detail"]
            assert (await api.post(f"{one}/{action}", body, "support", 403))["code"] == "NOT_ALLOWED"
        assert (await the_case(api))["states"]["task"] == "unknown"

    async def test_a_case_without_an_order_is_worked_on_too(self, api: Api) -> None:
        name = await loose_case(api)
        one = f"/fallout-cases/{name}"
        await api.post(f"{one}/comment", {"text": "asked the sender"})
        seen = {"If-Match": (await api.client.get(f"/api/v1{one}", headers=api.as_("operator"))).headers["ETag"]}
        await api.post(f"{one}/claim", **seen)
        stale = await api.post(f"{one}/escalate", {"reason": "it is urgent"}, status=412, **seen)
        assert stale["code"] == "VERSION"
        seen = {"If-Match": f'"{(await api.get(one))["version"]}"'}
        await api.post(f"{one}/resolve", {"type": "HandedOff", "text": "they send it again"}, **seen)
        done = await api.get(one)
        assert done["states"]["case"] == "resolved"
        assert done["resolution"] == {"type": "HandedOff", "verified": False, "by": "a-operator"}
        closed = await api.post(f"{one}/claim", status=409)
        assert closed["code"] == "CASE_NOT_OPEN" and "reopen" in closed["hint"]
        await api.post(f"{one}/reopen", {"reason": "it came again, as broken as before"})
        assert (await api.get(one))["states"]["case"] == "assigned"
        texts = [c["text"] for c in (await api.get(f"{one}/comments"))["items"]]
        assert texts == ["asked the sender", "they send it again"]

    async def test_many_at_once_each_with_its_own_answer(self, api: Api) -> None:
        await play(api)
        names = [(await the_case(api))["id"], await loose_case(api)]
        await api.post(f"/fallout-cases/{names[0]}/claim", role="engineer")
        asked = {"action": "claim", "caseIds": [*names, "F-999999999"]}
        answer = await api.post("/fallout-cases/actions", asked)
        assert [a["result"] for a in answer["answers"]] == ["refused", "done", "refused"]
        assert [a["refusal"]["code"] for a in answer["answers"] if a["refusal"]] == ["CLAIMED", "NOT_FOUND"]
        wrong = await api.post("/fallout-cases/actions", {"action": "claim", "caseIds": ["C-1"]}, status=400)
        assert wrong["pointer"] == "/caseIds/0"
        missing = await api.post("/fallout-cases/actions", {"action": "withdraw", "caseIds": names}, status=400)
        assert missing["pointer"] == "/reason"

    async def test_two_who_name_the_same_cases_in_another_order_both_get_theirs(self, api: Api) -> None:
        await api.post("/orders", b'{"source":', "machine", 400)
        await api.post("/orders", b'{"source"', "machine", 400)
        names = [row["id"] for row in (await api.get("/fallout-cases"))["items"]]
        assert len(names) == 2
        text = {"action": "comment", "text": "seen"}
        both = [api.post("/fallout-cases/actions", {**text, "caseIds": names[:: 1 - 2 * (n % 2)]}) for n in range(12)]
        assert [answer["done"] for answer in await asyncio.gather(*both)] == [2] * 12

    async def test_what_a_case_waits_for_is_kept_without_the_customers_name(self, api: Api) -> None:
        await play(api)
        one = f"/fallout-cases/{(await the_case(api))['id']}"
        said = {"whom": "Sari Wulandari", "what": "a call of Wulandari", "reference": "Wulandari-1", "until": LATER}
        await api.post(f"{one}/wait", said)
        assert not any("Wulandari" in payload for payload in await _payloads(api))
        assert "Wulandari" not in json.dumps((await the_case(api))["waitingFor"])

    async def test_a_database_that_went_back_stays_a_case_until_somebody_ends_the_stop(self, api: Api) -> None:
        await api.database.transact(lambda tx: installation.stop(tx, api.context, "it is behind", 0, system("test")))
        (row,) = (await api.get("/fallout-cases"))["items"]
        refused = await api.post(f"/fallout-cases/{row['id']}/withdraw", {"reason": "surely nothing"}, status=409)
        assert refused["code"] == "FAILURE_STANDS" and "nothing is sent" in refused["detail"]

    async def test_the_same_request_again_is_done_once(self, api: Api) -> None:
        await play(api)
        one = f"/fallout-cases/{(await the_case(api))['id']}"
        for _ in range(2):
            await api.post(f"{one}/comment", {"text": "once"}, **{"Idempotency-Key": "c-1"})
        assert len((await api.get(f"{one}/comments"))["items"]) == 1


OTHER = "ORDER_DESK"


class WhenACaseGoesFromGroupToGroup:
    """Given with what was done and what is asked, accepted or returned; asked about without being given (§8)."""

    async def test_the_receiver_returns_or_accepts_it_and_time_and_bounces_are_counted(self, api: Api) -> None:
        await play(api)
        case = await the_case(api)
        one, own = f"/fallout-cases/{case['id']}", case["owner"]["group"]
        away = {"ownerGroup": OTHER, "reason": "not the network"}
        lacks = await api.post(f"{one}/transfer", away, status=409)
        assert (lacks["code"], lacks["pointer"]) == ("HANDOVER_INCOMPLETE", "/done")
        away |= {"done": "asked Sari Wulandari, line tested", "asked": "is the order still wanted?"}
        await api.post(f"{one}/transfer", away)
        desk = await somebody(api, "operator", OTHER)
        home = await somebody(api, "operator", own)
        assert await as_(api, desk, "GET", "/my-day") == [
            (case["id"], f"{own} gives it to {OTHER}: is the order still wanted?")
        ]
        assert (await call(api, home, "POST", f"{one}/accept"))["code"] == "NOT_ALLOWED"
        assert (await call(api, desk, "POST", f"{one}/return"))["status"] == 400  # a return says why
        await call(api, desk, "POST", f"{one}/return", {"reason": "it is wanted, and it is yours"})
        back = await the_case(api)
        assert (back["owner"]["group"], back["handling"]["bounces"], back["handling"]["handover"]) == (own, 1, None)
        assert {group: held >= 0 for group, held in back["handling"]["held"].items()} == {own: True, OTHER: True}
        await api.post(f"{one}/transfer", away)
        handed = (await the_case(api))["handling"]["handover"]
        assert (handed["group"], handed["done"]) == (own, "asked [personal], line tested")
        await call(api, desk, "POST", f"{one}/accept")
        assert (await the_case(api))["handling"]["handover"] is None
        again = await call(api, desk, "POST", f"{one}/accept")
        assert again["code"] == "NOTHING_TO_ACCEPT"

    async def test_a_group_is_asked_and_answers_while_the_case_stays_and_the_day_and_the_shift_are_told(
        self, api: Api
    ) -> None:
        await play(api)
        case = await the_case(api)
        one, own = f"/fallout-cases/{case['id']}", case["owner"]["group"]
        assert (await api.post(f"{one}/consult", {"group": "NOBODY", "asked": "?"}, status=409))["pointer"] == "/group"
        await api.post(f"{one}/consult", {"group": OTHER, "asked": "does she still want it?"})
        desk = await somebody(api, "operator", OTHER)
        assert await as_(api, desk, "GET", "/my-day") == [
            (case["id"], f"a-operator asks {OTHER}: does she still want it?")
        ]
        mine = {"group": OTHER, "answer": "I think so"}
        home = await somebody(api, "operator", own)
        assert (await call(api, home, "POST", f"{one}/reply", mine))["code"] == "NOT_ALLOWED"
        await call(api, desk, "POST", f"{one}/reply", {"group": OTHER, "answer": "yes, she does"})
        assert (await call(api, desk, "POST", f"{one}/reply", mine))["code"] == "NOT_ASKED"
        now = await the_case(api)
        (asked,) = now["handling"]["consults"]
        assert (asked["answer"], asked["answeredBy"], now["owner"]["group"]) == (
            "yes, she does",
            f"operator-{OTHER}",
            own,
        )
        assert await as_(api, desk, "GET", "/my-day") == []

        await api.post(f"{one}/claim")
        soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        assert (await api.post(f"{one}/follow-up", {"at": "2020-01-01T00:00:00Z"}, status=409))["pointer"] == "/at"
        await api.post(f"{one}/follow-up", {"at": soon})
        await api.post(f"{one}/refer", {"system": "JIRA of Wulandari", "reference": "NET-7"})
        assert (await api.post(f"{one}/refer", {"system": "JIRA of Wulandari", "reference": "NET-7"}))["already"]
        (today,) = (await api.get("/my-day"))["items"]
        assert today["case"]["id"] == case["id"] and today["why"][0].startswith("you wanted to see it at")
        sheet = await api.get("/shift-sheet", hours=8)
        assert [(c["id"], c["handling"]["tickets"]) for c in sheet["open"]] == [
            (case["id"], [{"system": "JIRA of [personal]", "reference": "NET-7"}])
        ]
        assert sheet["ended"] == sheet["given"] == []

    async def test_cases_and_orders_are_linked_from_both_sides(self, api: Api) -> None:
        await play(api)
        case, other = await the_case(api), await loose_case(api)
        taken = await api.post("/orders", an_order("778"), "machine", 201)
        one = f"/fallout-cases/{case['id']}"
        assert (await api.post(f"{one}/relate", {"to": "F-1", "how": "parent"}, status=409))["code"] == "NO_SUCH_CASE"
        assert (await api.post(f"{one}/relate", {"to": "O-1", "how": "parent"}, status=409))["code"] == "NO_SUCH_CASE"
        assert (await api.post(f"{one}/relate", {"to": case["id"], "how": "parent"}, status=409))["code"] == "SAME_CASE"
        await api.post(f"{one}/relate", {"to": taken["id"], "how": "caused_by"})
        await api.post(f"{one}/relate", {"to": other, "how": "related"})
        assert (await api.post(f"{one}/relate", {"to": other, "how": "related"}))["already"]
        links = (await api.get(one))["links"]
        assert links == [{"to": taken["id"], "how": "caused_by"}, {"to": other, "how": "related"}]
        await self._somebody_saw(api, case["id"], taken["id"])
        await api.post(f"/fallout-cases/{other}/relate", {"to": case["id"], "how": "parent"})
        assert {"to": other, "how": "child"} in (await api.get(one))["links"]
        assert {"to": case["id"], "how": "parent"} in (await api.get(f"/fallout-cases/{other}"))["links"]

    @staticmethod
    async def _somebody_saw(api: Api, known: str, order: str) -> None:
        """A person opens a case: of what has one already they are told which, of anything else it is a new one."""
        seen = {"orderId": "CRM:777", "task": "activateFiberService", "text": "Jane has no light", "reason": "a call"}
        joined = await api.post("/fallout-cases", seen, "support", 201)
        assert (joined["id"], joined["already"]) == (known, True)
        for wrong, field in ((f"{order}x", None), ("x", "item"), ("x", "task"), ("x", "code")):
            body = seen | ({field: wrong} if field else {"orderId": wrong})
            said = await api.post("/fallout-cases", body, "support", 422 if field else 404)
            assert said["pointer"] == (f"/{field}" if field else "") and said["detail"]
        new = {"orderId": order, "item": "router", "text": "Jane says that it hums", "reason": "a call"}
        made = await api.post("/fallout-cases", new, "support", 201, **{"Idempotency-Key": "o-1"})
        assert made == await api.post("/fallout-cases", new, "support", 201, **{"Idempotency-Key": "o-1"})
        one = await api.get(f"/fallout-cases/{made['id']}")
        assert (one["classification"]["code"], one["state"], one["occurrences"]) == ("UNCLASSIFIED", "assigned", 1)
        assert one["owner"]["group"] and one["severity"]["reasons"]
        assert not any("Jane" in payload for payload in await _payloads(api))
        texts = [c["text"] for c in (await api.get(f"/fallout-cases/{made['id']}/comments"))["items"]]
        assert texts == ["Jane says that it hums"]
        assert (await api.get("/coverage"))["percent"] == 100
        over = {"type": "SolvedElsewhere", "text": "it is to hum"}
        await api.post(f"/fallout-cases/{made['id']}/resolve", over)
        ended = await api.get(f"/fallout-cases/{made['id']}")
        assert (ended["state"], ended["resolution"]["verified"]) == ("resolved", False)


async def call(api: Api, token: str, method: str, path: str, body: object = None) -> dict:
    """What somebody with this token is answered, with its status."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = await api.client.request(method, f"/api/v1{path}", headers=headers, content=json.dumps(body or {}))
    return {"status": answer.status_code, **answer.json()}


async def as_(api: Api, token: str, method: str, path: str) -> list[tuple[str, str]]:
    """Case and first reason of each that waits for somebody."""
    items = (await call(api, token, method, path))["items"]
    return [(one["case"]["id"], one["why"][0]) for one in items]


class WhenWhatACaseWasAboutIsOver:
    async def test_it_ended_by_itself_and_can_be_reopened_with_a_reason(self, api: Api) -> None:
        await play(api)
        name = (await the_case(api))["id"]
        await self._ends(api)
        ended = await api.get(f"/fallout-cases/{name}")
        assert ended["states"]["case"] == "resolved" and ended["resolution"]["verified"]
        await api.post(f"/fallout-cases/{name}/reopen", {"reason": "the customer has no light"}, "support", 403)
        await api.post(f"/fallout-cases/{name}/reopen", {"reason": "the customer has no light"})
        again = await api.get(f"/fallout-cases/{name}")
        assert again["states"]["case"] == "assigned" and again["resolution"] is None
        assert (await api.get("/coverage"))["percent"] == 100  # somebody looks at it again
        await api.post(f"/fallout-cases/{name}/withdraw", {"reason": "the lamp was broken"})
        assert (await api.get(f"/fallout-cases/{name}"))["states"]["case"] == "withdrawn"

    async def _ends(self, api: Api) -> None:
        """The other system says after all that it was done."""
        await receive(api.database, api.context, said())
        await apply(api.database, api.context)


async def _payloads(api: Api) -> list[str]:
    return [row["payload"] for row in await api.database.fetch("promises/all_journal")]

"""Signals at the REST door: one or a batch from any source, refused with the place of the fault, judged by a worker."""

import json

import pytest
from tests.doors.conftest import Api, an_order

from fallsafe.core.access import system
from fallsafe.core.orders.order import SHARDS
from fallsafe.flows import signals
from fallsafe.flows.commands import Due


def a_signal(name: str = "A-1", order: str = "777", **changed: object) -> dict:
    about = {"source": "CRM", "externalId": order}
    return {"source": "MON", "externalId": name, "order": about, "code": "LINE_DOWN", "message": "no light", **changed}


async def judge(api: Api) -> None:
    """Lets a worker judge what is due."""
    now = await api.deps.now()
    rows = await api.database.fetch(
        "agenda/due", gates=[0], rooms=[1000], shards=list(range(SHARDS)), now=now, kinds=["signal"]
    )
    due = [Due(r["kind"], r["id"], r["order_id"], r["due_at"]) for r in rows]
    await api.database.transact(lambda tx: signals.apply(tx, api.context, due, system("signals")))


# What is wrong, the field, and the code that names it.
WRONG = [
    ("no order", {"order": None}, "/order", "SIGNAL_SHAPE"),
    ("neither code nor end", {"code": None}, "", "SIGNAL_SHAPE"),
    ("unknown field", {"colour": "red"}, "/colour", "FIELD_UNKNOWN"),
    ("order without a name", {"order": {"source": "CRM"}}, "/order/externalId", "FIELD_MISSING"),
    ("time without a zone", {"occurredAt": "2026-11-25T10:00:00"}, "/occurredAt", "SIGNAL_SHAPE"),
    ("time beyond the calendar", {"occurredAt": "9999-12-31T23:59:59-23:00"}, "/occurredAt", "INSTANT"),
    ("a count below nothing", {"looked": -1}, "/looked", "SIGNAL_SHAPE"),
    ("NUL", {"message": "a\0b"}, "/message", "NUL"),
]


class WhenASignalIsTold:
    async def test_it_is_kept_and_judged_and_names_its_case(self, api: Api) -> None:
        order = await api.post("/orders", an_order(), "machine", 201)
        told = await api.post("/signals", a_signal(task="reserveRouter"), "machine", 202)
        assert (told["result"], told["source"], told["externalId"]) == ("accepted", "MON", "A-1")
        await judge(api)
        shown = await api.get(f"/signals/{told['id']}")
        assert (shown["state"], shown["orderId"], shown["code"]) == ("standing", order["id"], "UNCLASSIFIED")
        case = await api.get(f"/fallout-cases/{shown['caseId']}")
        assert case["classification"]["rawCode"] == "LINE_DOWN"
        assert shown["evidence"] in case["evidence"]
        opened = await api.client.get(f"/api/v1/evidence/{shown['evidence']}", headers=api.as_("engineer"))
        assert json.loads(opened.content) == a_signal(task="reserveRouter")
        again = await api.post("/signals", a_signal(task="reserveRouter"), "machine", 202)
        assert (again["result"], again["id"]) == ("known", told["id"])
        listed = await api.get("/signals", source="MON", state="standing", caseId=shown["caseId"], orderId=order["id"])
        assert [row["id"] for row in listed["items"]] == [told["id"]]
        assert (await api.get("/signals", source="nobody"))["items"] == []
        assert (await api.get("/coverage"))["percent"] == 100

    async def test_a_batch_answers_for_each_and_one_that_is_wrong_stops_no_other(self, api: Api) -> None:
        wrong = {k: v for k, v in a_signal("A-2").items() if k != "order"}
        body = {"signals": [a_signal(), wrong, a_signal("A-3"), a_signal("A-3"), a_signal("A-3", code="OTHER")]}
        said = await api.post("/signals/batch", body, "machine")
        assert [a["result"] for a in said["answers"]] == ["accepted", "refused", "accepted", "known", "refused"]
        assert (said["accepted"], said["known"], said["refused"]) == (2, 1, 2)
        assert said["answers"][1]["errors"][0]["pointer"] == "/order"
        assert said["answers"][4]["refusal"]["code"] == "SIGNAL_ID_REUSED"
        assert len((await api.get("/signals"))["items"]) == 2

    @pytest.mark.parametrize(("changed", "pointer", "code"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
    async def test_what_is_wrong_is_told_with_its_place(self, api: Api, changed: dict, pointer: str, code: str) -> None:
        body = {k: v for k, v in {**a_signal(), **changed}.items() if v is not None or k == "order"}
        said = await api.post("/signals", json.dumps(body).encode(), "machine", 400)
        assert (said["code"], said["pointer"]) == (code, pointer)
        assert said["detail"] and said["hint"]
        assert (await api.get("/signals"))["items"] == []

    async def test_another_content_under_its_id_and_people_without_the_right_are_refused(self, api: Api) -> None:
        await api.post("/signals", a_signal(), "machine", 202)
        said = await api.post("/signals", a_signal(code="OTHER"), "machine", 409)
        assert (said["code"], said["pointer"]) == ("SIGNAL_ID_REUSED", "/externalId")
        assert (await api.post("/signals", a_signal("A-9"), "auditor", 403))["code"] == "NOT_ALLOWED"
        over = {k: v for k, v in a_signal("E-1", ends="A-1").items() if k not in ("code", "message")}
        said = await api.post("/signals", over, "operator", 403)  # its case would end as proved
        assert said["code"] == "NOT_ALLOWED" and "is no system that saw it" in said["detail"]
        said = await api.post("/signals/batch", {"signals": [over, a_signal("A-2")]}, "operator")
        assert [a["result"] for a in said["answers"]] == ["refused", "accepted"]
        assert (await api.post("/signals", over, "machine", 202))["result"] == "accepted"
        assert (await api.get("/signals/S-1", status=404))["hint"]
        assert (await api.get("/signals", status=400, caseId="x"))["pointer"] == "/query/caseId"


class WhenRulesAreLookedAt:
    async def test_how_right_each_was_is_shown_and_a_wrong_one_is_taken_back_with_all_its_cases(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201)
        await api.post("/signals", a_signal(task="activateFiberService"), "machine", 202)
        await judge(api)
        (rule,) = [row for row in (await api.get("/rules"))["items"] if row["cases"]]
        assert (rule["precision"], rule["withdrawn"], rule["candidates"], rule["shadow"]) == (None, 0, 0, 0)
        wrong = {"policySet": rule["policySet"], "reason": "the monitor was wrong"}
        said = await api.post(f"/rules/{rule['rule']}/withdraw", wrong, "support", 403)
        assert said["code"] == "NOT_ALLOWED" and said["hint"]
        taken = await api.post(f"/rules/{rule['rule']}/withdraw", wrong, "manager")
        assert (taken["done"], taken["refused"], len(taken["ids"])) == (1, 0, 1)
        (rule,) = (await api.get("/rules", rule=rule["rule"]))["items"]
        assert (rule["precision"], rule["withdrawn"]) == (0.0, 1)
        assert (await api.post("/signals/admit", {"reason": "because"}, "manager", 400))["code"]
        assert (await api.post("/signals/admit", {"source": "MON", "reason": "because"}, "manager"))["done"] == 0

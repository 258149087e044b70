"""Orders at the REST door: taken in once, refused with the place of the fault, never half-done, never a 500 (§19)."""

import asyncio
import json
from typing import ClassVar

import pytest
from psycopg.errors import IdleInTransactionSessionTimeout
from tests.doors.conftest import Api, an_item, an_order

NESTED = "[" * 200 + "]" * 200


def with_items(*items: dict, **changed: object) -> bytes:
    return json.dumps(an_order("wrong", items=list(items), **changed)).encode()


def changed(**values: object) -> bytes:
    return json.dumps(an_order("wrong", **values)).encode()


FIBER = an_item("fiber", "FIBER-HOME-1G")
# name, body, status, code, pointer
WRONG = [
    (
        "dependency cycle",
        with_items({**FIBER, "dependsOn": ["ip"]}, an_item("ip", "STATIC-IP", dependsOn=["fiber"])),
        422,
        "DEPENDENCY_CYCLE",
        "/items/0/dependsOn",
    ),
    (
        "dangling dependency",
        with_items({**FIBER, "dependsOn": ["x"]}),
        422,
        "DEPENDENCY_UNKNOWN",
        "/items/0/dependsOn/0",
    ),
    ("parent that is not there", with_items({**FIBER, "parent": "x"}), 422, "PARENT_UNKNOWN", "/items/0/parent"),
    ("duplicate item id", with_items(FIBER, FIBER), 422, "ITEM_ID_TWICE", "/items/1/externalId"),
    ("wrong type", changed(items="many"), 400, "ORDER_SHAPE", "/items"),
    ("unknown field", changed(colour="red"), 400, "FIELD_UNKNOWN", "/colour"),
    ("missing field", with_items({"externalId": "fiber", "action": "add"}), 400, "FIELD_MISSING", "/items/0/offer"),
    ("no items", changed(items=[]), 400, "ORDER_SHAPE", "/items"),
    ("no such time zone", changed(timeZone="Mars/Olympus"), 422, "TIME_ZONE_UNKNOWN", "/timeZone"),
    ("date without a zone", changed(committedAt="2027-03-01T17:00:00"), 400, "ORDER_SHAPE", "/committedAt"),
    ("date beyond the calendar", changed(committedAt="9999-12-31T23:59:59-23:00"), 400, "INSTANT", "/committedAt"),
    ("negative quantity", with_items({**FIBER, "quantity": -2}), 422, "QUANTITY_WRONG", "/items/0/quantity"),
    ("source with a slash", changed(source="C/RM"), 422, "SOURCE_WITH_SLASH", "/source"),
    ("UTF-16", json.dumps(an_order("wrong")).encode("utf-16"), 400, "ENCODING", ""),
    ("Latin-1", '{"source": "Zürich"}'.encode("latin-1"), 400, "ENCODING", ""),
    ("byte order mark", b"\xef\xbb\xbf" + changed(), 400, "ENCODING", ""),
    ("garbage", b"\x00\xff\xfe garbage", 400, "ENCODING", ""),
    ("no JSON", b"<order/>", 400, "NOT_JSON", ""),
    ("nothing", b"", 400, "NOT_JSON", ""),
    ("half of a body", changed()[:100], 400, "NOT_JSON", ""),
    ("a list", b"[]", 400, "ORDER_SHAPE", ""),
    ("key twice", b'{"source": "CRM", "items": [{"offer": 1, "offer": 2}]}', 400, "KEY_TWICE", "/items/0/offer"),
    ("NUL", changed(channel="a\0b"), 400, "NUL", "/channel"),
    ("half a character", changed().replace(b'"CU-wrong"', b'"\\ud800"', 1), 400, "ENCODING", "/customerRef"),
    ("huge number", changed(priority=10**30), 400, "NUMBER", "/priority"),
    (
        "endless number",
        changed().replace(b'"items"', b'"priority": ' + b"9" * 5000 + b', "items"', 1),
        400,
        "NUMBER",
        "",
    ),
    ("infinite number", changed().replace(b'"items"', b'"priority": 1e999, "items"', 1), 400, "NUMBER", "/priority"),
    ("not a number", changed().replace(b'"items"', b'"priority": NaN, "items"', 1), 400, "NOT_JSON", ""),
    (
        "deep nesting",
        changed().replace(b'"items"', f'"quote": {{"a": {NESTED}}}, "items"'.encode(), 1),
        400,
        "TOO_DEEP",
        None,
    ),
    ("bottomless nesting", b'{"a":' * 100_000, 400, "TOO_DEEP", None),
]


class WhenAnOrderIsWrong:
    """Ten kinds and more: a clear error, nothing half-done, the bytes kept, and an owner."""

    @pytest.mark.parametrize(("body", "status", "code", "pointer"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
    async def test_the_error_names_the_place_and_the_refusal_has_an_owner(
        self, api: Api, body: bytes, status: int, code: str, pointer: str | None
    ) -> None:
        said = await api.post("/orders", body, "machine", status)
        assert (said["code"], said["status"]) == (code, status)
        assert said["detail"] and pointer in (None, said["pointer"])
        assert (await api.get("/orders"))["items"] == []
        (case,) = (await api.get("/fallout-cases"))["items"]
        assert (case["code"], case["ownerGroup"]) == ("ORDER_UNREADABLE", "INTEGRATION_ENGINEERING")
        (kept,) = (await api.get(f"/fallout-cases/{case['id']}/evidence"))["items"]
        opened = await api.client.get(f"{kept['href']}?whole=true", headers=api.as_("engineer"))
        assert opened.content == body
        assert (await api.get("/coverage"))["percent"] == 100

    async def test_the_same_bytes_again_join_the_case(self, api: Api) -> None:
        for _ in range(3):
            await api.post("/orders", b"garbage", "machine", 400)
        (case,) = (await api.get("/fallout-cases"))["items"]
        assert (await api.get(f"/fallout-cases/{case['id']}"))["occurrences"] == 3

    async def test_more_than_five_megabytes_are_refused_before_they_are_read(self, api: Api) -> None:
        body = changed(quote={"note": "x" * 5_300_000})
        assert (await api.post("/orders", body, "machine", 413))["code"] == "TOO_LARGE"

    async def test_five_megabytes_are_taken(self, api: Api) -> None:
        body = changed(quote={"note": "x" * 5_000_000})
        await api.post("/orders", body, "machine", 201)

    async def test_another_media_type_is_refused(self, api: Api) -> None:
        said = await api.post("/orders", b"a: 1", "machine", 415, **{"Content-Type": "application/yaml"})
        assert said["code"] == "MEDIA_TYPE"

    async def test_a_packed_body_is_refused(self, api: Api) -> None:
        said = await api.post("/orders", b"\x1f\x8b", "machine", 415, **{"Content-Encoding": "gzip"})
        assert said["code"] == "ENCODING"

    async def test_an_error_never_repeats_a_personal_value(self, api: Api) -> None:
        party = {"role": "customer", "ref": "CU-1", "person": "Sari Wulandari"}
        said = await api.post("/orders", changed(parties=[party]), "machine", 400)
        assert "Sari" not in json.dumps(said)


class WhenAnOrderIsRight:
    async def test_it_is_stored_planned_and_shown(self, api: Api) -> None:
        taken = await api.post("/orders", an_order(), "machine", 201)
        file = await api.get(f"/orders/{taken['id']}")
        assert file["order"]["state"] == "in_progress"
        assert {t["step"] for t in file["tasks"]} >= {"activateFiberService", "createSubscription"}
        assert file["progress"]["verdict"] == "reason"
        assert file["order"]["committedAt"] == "2027-03-01T10:00:00.000000Z"

    async def test_it_is_found_by_what_its_source_calls_it(self, api: Api) -> None:
        taken = await api.post("/orders", an_order("A/7 7"), "machine", 201)
        assert (await api.get("/orders/CRM:A%2F7%207"))["order"]["id"] == taken["id"]
        assert len((await api.get("/orders/CRM:A%2F7%207/tasks"))["items"]) == 6

    async def test_a_date_that_has_passed_makes_it_late_not_wrong(self, api: Api) -> None:
        await api.post("/orders", an_order(committedAt="2020-01-01T00:00:00Z"), "machine", 201)

    async def test_personal_values_are_nowhere_but_sealed(self, api: Api) -> None:
        taken = await api.post("/orders", an_order(), "machine", 201)
        said = [await api.get(f"/orders/{taken['id']}"), await api.get(f"/journal?orderId={taken['id']}", limit=200)]
        assert "Sari" not in json.dumps(said) and "Melati" not in json.dumps(said)

    async def test_an_unknown_offer_holds_its_item_with_a_case_and_the_rest_runs(self, api: Api) -> None:
        items = [*an_order()["items"], an_item("hologram", "HOLOGRAM-9000")]
        taken = await api.post("/orders", an_order(items=items), "machine", 201)
        file = await api.get(f"/orders/{taken['id']}")
        assert {i["externalId"]: i["holdCode"] for i in file["items"]}["hologram"]
        assert [c["domain"] for c in file["cases"]] == ["Catalog"]
        assert any(t["state"] == "ready" for t in file["tasks"])


class WhenTheSameOrderComesAgain:
    async def test_it_is_known_and_nothing_is_done_twice(self, api: Api) -> None:
        first = await api.post("/orders", an_order(), "machine", 201)
        again = await api.post("/orders", an_order(), "machine", 200)
        assert (again["result"], again["id"]) == ("known", first["id"])
        assert len((await api.get("/orders"))["items"]) == 1

    async def test_another_content_under_its_name_is_refused_and_recorded(self, api: Api) -> None:
        first = await api.post("/orders", an_order(), "machine", 201)
        said = await api.post("/orders", an_order(catalogVersion="2027.01"), "machine", 409)
        assert (said["code"], said["pointer"]) == ("ALREADY_EXISTS", "/externalId")
        records = (await api.get(f"/journal?orderId={first['id']}", limit=200))["items"]
        assert [r["verb"] for r in records if r["verb"].startswith("refuse_")] == ["refuse_submit"]

    async def test_fifty_senders_at_once_make_one_order(self, api: Api) -> None:
        async def send() -> int:
            headers = api.as_("machine")
            return (await api.client.post("/api/v1/orders", json=an_order(), headers=headers)).status_code

        assert sorted(await asyncio.gather(*(send() for _ in range(50)))) == [200] * 49 + [201]

    async def test_fifty_orders_at_once_each_get_their_own_answer(self, api: Api) -> None:
        async def send(n: int) -> tuple[int, int, str]:
            order = an_order(f"N-{n}") if n % 10 else with_items({**FIBER, "parent": "x"})
            sent = {"content": order} if isinstance(order, bytes) else {"json": order}
            headers = api.as_("machine", **{"Content-Type": "application/json"})
            answer = await api.client.post("/api/v1/orders", headers=headers, **sent)
            return n, answer.status_code, answer.json().get("externalId", "")

        answers = await asyncio.gather(*(send(n) for n in range(50)))
        assert all(a == ((n, 201, f"N-{n}") if n % 10 else (n, 422, "")) for n, a in enumerate(answers))


class WhenManyComeInOneRequest:
    async def test_each_is_answered_by_itself_in_the_order_given(self, api: Api) -> None:
        await api.post("/orders", an_order("known"), "machine", 201)
        orders = [
            an_order("new"),
            an_order("known"),
            an_order("known", catalogVersion="2027.01"),
            {"source": "CRM"},
            an_order("new"),
        ]
        said = await api.post("/orders/batch", {"orders": orders}, "machine")
        assert [a["result"] for a in said["answers"]] == ["accepted", "known", "refused", "refused", "known"]
        assert (said["accepted"], said["known"], said["refused"]) == (1, 2, 2)
        assert said["answers"][3]["errors"][0]["pointer"] == "/externalId"
        codes = [c["code"] for c in (await api.get("/fallout-cases"))["items"]]
        assert codes == ["ORDER_UNREADABLE"]

    async def test_a_thousand_are_taken_and_more_are_refused(self, api: Api) -> None:
        small = [an_order(f"B-{n}", items=[an_item("router", "WIFI-ROUTER")]) for n in range(1_000)]
        said = await api.post("/orders/batch", {"orders": small}, "machine")
        assert said["accepted"] == 1_000
        wrong = await api.post("/orders/batch", {"orders": [*small, small[0]]}, "machine", 400)
        assert wrong["pointer"] == "/orders"


class WhenAnIdempotencyKeyIsSent:
    KEY: ClassVar[dict[str, str]] = {"Idempotency-Key": "k-1"}

    async def test_the_same_request_is_answered_alike(self, api: Api) -> None:
        first = await api.post("/orders", an_order(), "machine", 201, **self.KEY)
        assert await api.post("/orders", an_order(), "machine", 201, **self.KEY) == first

    async def test_another_body_under_the_key_is_refused(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201, **self.KEY)
        said = await api.post("/orders", an_order("778"), "machine", 409, **self.KEY)
        assert said["code"] == "IDEMPOTENCY_KEY_REUSED"

    async def test_the_key_belongs_to_its_sender(self, api: Api) -> None:
        await api.post("/orders", an_order(), "machine", 201, **self.KEY)
        await api.post("/orders", an_order("778"), "operator", 201, **self.KEY)

    async def test_a_refusal_is_not_kept(self, api: Api) -> None:
        await api.post("/orders", an_order(source="C/RM"), "machine", 422, **self.KEY)
        await api.post("/orders", an_order(), "machine", 201, **self.KEY)

    async def test_a_batch_is_answered_alike(self, api: Api) -> None:
        body = {"orders": [an_order(f"B-{n}") for n in range(3)]}
        first = await api.post("/orders/batch", body, "machine", **self.KEY)
        assert await api.post("/orders/batch", body, "machine", **self.KEY) == first

    async def test_twenty_at_once_do_it_once(self, api: Api) -> None:
        async def send() -> tuple[int, str]:
            headers = api.as_("machine", **self.KEY)
            answer = await api.client.post("/api/v1/orders", json=an_order(), headers=headers)
            return answer.status_code, answer.json()["code"] if answer.status_code > 299 else answer.json()["result"]

        answers = set(await asyncio.gather(*(send() for _ in range(20))))
        assert answers <= {(201, "accepted"), (409, "IDEMPOTENCY_KEY_BUSY")}
        assert len((await api.get("/orders"))["items"]) == 1

    @pytest.mark.parametrize("key", ["", "x" * 201, "tab\there"])
    async def test_a_key_that_is_none_is_refused(self, api: Api, key: str) -> None:
        said = await api.post("/orders", an_order(), "machine", 400, **{"Idempotency-Key": key})
        assert said["code"] == "IDEMPOTENCY_KEY"


class WhenOrdersAreListed:
    async def test_pages_go_on_and_end(self, api: Api) -> None:
        for n in range(5):
            await api.post("/orders", an_order(f"P-{n}"), "machine", 201)
        found, after = [], ""
        while True:
            page = await api.get("/orders", limit=2, after=after)
            found += [o["externalId"] for o in page["items"]]
            after = page["after"]
            if not after:
                break
        assert found == [f"P-{n}" for n in (4, 3, 2, 1, 0)]

    @pytest.mark.parametrize("after", ["x", "e30", "WzEsMl0", "!!!", "a" * 300])
    async def test_a_cursor_that_nobody_gave_is_refused(self, api: Api, after: str) -> None:
        assert (await api.get("/orders", status=400, after=after))["code"] == "CURSOR"

    async def test_a_filter_that_does_not_exist_is_refused(self, api: Api) -> None:
        said = await api.get("/orders", status=400, state="lost")
        assert (said["code"], said["pointer"]) == ("FILTER_UNKNOWN", "/query/state")

    @pytest.mark.parametrize(
        "path", ["/orders/O-1", "/orders/O-x", "/orders/CRM:1", "/orders/%F0%9F%98%80", "/tasks/T-1"]
    )
    async def test_what_does_not_exist_is_a_404(self, api: Api, path: str) -> None:
        assert (await api.get(path, status=404))["code"] == "NOT_FOUND"

    async def test_a_nul_in_an_address_is_refused(self, api: Api) -> None:
        assert (await api.get("/orders?source=%00", status=400))["code"] == "NUL"


class WhenTheDatabaseTakesTheTransactionAway:
    """A transaction that took too long was ended: nothing is stored, and the sender is told to send it again."""

    @pytest.mark.parametrize("path", ["/orders", "/orders/batch"])
    async def test_it_is_not_possible_at_the_moment_and_no_fault_of_the_product(
        self, api: Api, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def ended(_: object) -> None:
            raise IdleInTransactionSessionTimeout("terminating connection due to idle-in-transaction timeout")

        monkeypatch.setattr(api.database, "transact", ended)
        body = an_order() if path == "/orders" else {"orders": [an_order()]}
        said = await api.post(path, body, status=503)
        assert said["code"] == "DATABASE"


class WhenAnOrderIsTooLargeToBeOne:
    @pytest.mark.parametrize(
        ("items", "code"),
        [
            ([an_item(str(n), "FIBER-HOME-1G") for n in range(1_200)], "TOO_MANY_TASKS"),
            ([an_item(str(n), ("FIBER-HOME-1G", "STATIC-IP")[n % 2]) for n in range(400)], "TOO_MANY_WAITS"),
        ],
        ids=["tasks", "waits"],
    )
    async def test_nothing_of_it_is_stored_and_it_says_what_would_work(
        self, api: Api, items: list[dict], code: str
    ) -> None:
        said = await api.post("/orders", an_order("large", items=items), status=422)
        assert (said["code"], said["pointer"]) == (code, "/items")
        assert "split" in said["hint"]
        assert (await api.get("/orders"))["items"] == []
        assert len((await api.get("/fallout-cases"))["items"]) == 1

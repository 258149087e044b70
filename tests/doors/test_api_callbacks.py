"""Callbacks at the REST door: signed bytes are kept once and answered after the commit; nobody's word is nothing."""

import json

import pytest
from tests.doors.conftest import SECRETS, Api

from fallsafe.security.signature import sign

PATH = "/downstreams/PRV/callbacks"
SECRET = SECRETS["PRV"]


def a_callback(**changed: object) -> bytes:
    said = {
        "eventId": "EV-1",
        "commandId": "CRM/777/fiber.activateFiberService/fulfill/1",
        "object": "CRM/777/fiber",
        "status": "ACTIVE",
        "serviceRef": "SRV-1",
        "occurredAt": "2026-11-25T10:00:00Z",
    }
    return json.dumps({**said, **changed}).encode()


async def send(
    api: Api, body: bytes, path: str = PATH, signature: str | None = None, **headers: str
) -> tuple[int, dict]:
    given = {"X-Signature": sign(SECRET, body) if signature is None else signature, **headers}
    given = {name: value for name, value in given.items() if value}
    answer = await api.client.post(f"/api/v1{path}", content=body, headers=given)
    return answer.status_code, answer.json()


async def kept(api: Api) -> int:
    """How many callbacks are kept to be applied."""
    return len(
        [e for e in (await api.get("/events", limit=200))["items"] if e["type"] == "io.fallsafe.InboxReceive.v1"]
    )


FORGED = [
    ("unsigned", {"signature": ""}, 401),
    ("signed by somebody else", {"signature": sign("another secret", a_callback())}, 401),
    ("signature of other bytes", {"signature": sign(SECRET, b"{}")}, 401),
    ("signature without a scheme", {"signature": sign(SECRET, a_callback()).removeprefix("sha256=")}, 401),
    ("signature cut off", {"signature": sign(SECRET, a_callback())[:-1]}, 401),
    ("signature in other signs", {"signature": "sha256=ÿÿÿ"}, 401),
    ("a system without a secret here", {"path": "/downstreams/WFM/callbacks"}, 401),
    ("a system that does not exist", {"path": "/downstreams/XYZ/callbacks"}, 404),
    ("a system that never calls back", {"path": "/downstreams/BIL/callbacks"}, 404),
]
UNREADABLE = [
    ("garbage", b"\xff\x01garbage", "ENCODING", ""),
    ("garbage in ASCII", b"not json at all", "NOT_JSON", ""),
    ("UTF-16", a_callback().decode().encode("utf-16"), "ENCODING", ""),
    ("nothing", b"", "NOT_JSON", ""),
    ("a list", b"[]", "CALLBACK_UNREADABLE", ""),
    ("no event id", a_callback(eventId=None), "CALLBACK_UNREADABLE", "/eventId"),
    ("an event id that is no word", a_callback(eventId={"a": 1}), "CALLBACK_UNREADABLE", "/eventId"),
    ("no key", a_callback(commandId=""), "CALLBACK_UNREADABLE", "/commandId"),
    ("an endless key", a_callback(commandId="k" * 600), "CALLBACK_UNREADABLE", "/commandId"),
    ("a key that holds NUL", a_callback(commandId="a\0b"), "NUL", "/commandId"),
    ("a key twice", b'{"eventId": "1", "eventId": "2", "commandId": "x"}', "KEY_TWICE", "/eventId"),
    ("bottomless nesting", b"[" * 100_000, "TOO_DEEP", ""),
    ("a huge number", a_callback(note=10**40), "NUMBER", "/note"),
]


class WhenACallbackIsNobodysWord:
    @pytest.mark.parametrize(("how", "status"), [f[1:] for f in FORGED], ids=[f[0] for f in FORGED])
    async def test_it_is_refused_counted_and_not_kept(self, api: Api, how: dict, status: int) -> None:
        headers = {}
        if "ÿ" in how.get("signature", ""):
            how = {**how, "signature": ""}
            headers = {"X-Signature": "sha256=ÿ".encode("latin-1")}
        code, said = await send(api, a_callback(), **how, **headers)
        assert (code, bool(said["detail"]), bool(said["hint"])) == (status, True, True)
        assert await kept(api) == 0 and (await api.get("/fallout-cases"))["items"] == []

    async def test_the_number_of_them_is_told(self, api: Api) -> None:
        await send(api, a_callback(), signature="")
        await send(api, a_callback(), signature="sha256=00")
        text = (await api.client.get("/metrics")).text
        assert 'fallsafe_http_without_identity_total{reason="unsigned"} 1.0' in text
        assert 'fallsafe_http_without_identity_total{reason="forged"} 1.0' in text


class WhenASignedCallbackCannotBeRead:
    @pytest.mark.parametrize(("body", "code", "pointer"), [u[1:] for u in UNREADABLE], ids=[u[0] for u in UNREADABLE])
    async def test_the_error_names_the_place_and_somebody_owns_it(
        self, api: Api, body: bytes, code: str, pointer: str
    ) -> None:
        status, said = await send(api, body)
        assert (status, said["code"]) == (400, code)
        assert pointer in ("", said["pointer"])
        assert await kept(api) == 0
        (case,) = (await api.get("/fallout-cases"))["items"]
        assert case["ownerGroup"] and case["system"] == "PRV" and case["id"] in said["hint"]
        (piece,) = (await api.get(f"/fallout-cases/{case['id']}/evidence"))["items"]
        opened = await api.client.get(piece["href"], params={"whole": "true"}, headers=api.as_("engineer"))
        assert opened.content == body

    async def test_one_that_is_too_large_is_refused_before_it_is_read(self, api: Api) -> None:
        status, said = await send(api, a_callback(note="x" * 300_000))
        assert (status, said["code"]) == (413, "TOO_LARGE")


class WhenACallbackIsRight:
    async def test_it_is_kept_once_however_often_it_comes(self, api: Api) -> None:
        assert [await send(api, a_callback()) for _ in range(3)] == [
            (202, {"received": True, "already": False}),
            (202, {"received": True, "already": True}),
            (202, {"received": True, "already": True}),
        ]
        assert await kept(api) == 1

    async def test_no_token_is_needed_and_none_opens_more(self, api: Api) -> None:
        status, _ = await send(api, a_callback(), Authorization="Bearer nonsense")
        assert status == 202

    async def test_its_look_is_on_the_agenda(self, api: Api) -> None:
        await send(api, a_callback())
        assert (await api.get("/coverage"))["percent"] == 100

"""People at the doors: who is known, what they may do for whose cases, how they sign in, how they leave (§19, §21)."""

from dataclasses import replace
from typing import Any

import pytest
from tests.doors.conftest import Api, an_order

from fallsafe.core.access import TRIES
from fallsafe.store import audit

PASSWORD = "a few words that do well"
OTHER = "four words of somebody else"
MEI = {"title": "Mei Lin", "roles": ["operator"], "groups": ["BILLING_OPS"], "reason": "she begins today"}


async def put(api: Api, path: str, body: object, role: str = "admin", status: int = 200, **headers: str) -> Any:
    """A PUT that must answer as told."""
    answer = await api.client.put(f"/api/v1{path}", headers=api.as_(role, **headers), json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def known(api: Api, name: str = "mei", password: str = PASSWORD, **changed: object) -> None:
    await put(api, f"/people/{name}", {**MEI, **changed})
    await put(api, f"/people/{name}/password", {"password": password}, status=204)


async def sign_in(api: Api, name: str = "mei", password: str = PASSWORD, **headers: str) -> Any:
    form = {"name": name, "password": password, "then": "/queue?q=state%3Aopen"}
    return await api.client.post("/sign-in", data=form, headers=headers)


async def said_of(api: Api, thing: str = "person") -> list[dict]:
    return [e["data"] for e in (await api.get("/events", limit=200))["items"] if e["data"]["thing"] == thing]


class WhenSomebodyIsMadeKnown:
    async def test_they_are_listed_changed_by_what_was_seen_and_audited(self, api: Api) -> None:
        made = await put(api, "/people/mei", MEI)
        assert (made["roles"], made["groups"], made["hasPassword"], made["version"]) == (
            ["operator"], ["BILLING_OPS"], False, 1,
        )  # fmt: skip
        again = await put(api, "/people/mei", MEI)
        assert again["version"] == 1
        changed = await put(api, "/people/mei", {**MEI, "groups": ["*"]}, **{"If-Match": '"1"'})
        assert (changed["groups"], changed["version"]) == (["*"], 2)
        stale = await put(api, "/people/mei", MEI, status=412, **{"If-Match": '"1"'})
        assert stale["code"] == "CHANGED_MEANWHILE"
        listed = (await api.get("/people", role="auditor"))["items"]
        assert [one["name"] for one in listed] == ["mei"]
        assert [r["verb"] for r in await said_of(api)] == ["add", "change", "refuse_change"]
        assert audit.verify(api.database.url).findings == ()

    @pytest.mark.parametrize(
        ("body", "code", "pointer"),
        [
            ({**MEI, "roles": ["king"]}, "ROLE_UNKNOWN", "/roles"),
            ({**MEI, "groups": ["NOWHERE"]}, "GROUP_UNKNOWN", "/groups"),
            ({"title": "Mei", "roles": ["operator"]}, "FIELD_MISSING", "/reason"),
            ({**MEI, "password": PASSWORD}, "FIELD_UNKNOWN", "/password"),
        ],
    )
    async def test_what_does_not_exist_is_refused_with_its_place(
        self, api: Api, body: dict, code: str, pointer: str
    ) -> None:
        answer = await api.client.put("/api/v1/people/mei", headers=api.as_("admin"), json=body)
        said = answer.json()
        places = {said.get("pointer"), *(error["pointer"] for error in said.get("errors", ()))}
        assert 400 <= answer.status_code < 500 and pointer in places, said
        assert code in {said["code"], *(error.get("code") for error in said.get("errors", ()))}
        await api.get("/people/mei", status=404)

    async def test_nobody_but_an_administrator_may(self, api: Api) -> None:
        for role in sorted(set(api.tokens) - {"admin"}):
            said = await put(api, "/people/mei", MEI, role, 403)
            assert (said["code"], "admin" in said["detail"]) == ("NOT_ALLOWED", True)
            assert (await put(api, "/people/mei/password", {"password": PASSWORD}, role, 403))["code"] == "NOT_ALLOWED"
        assert (await api.get("/people"))["items"] == []


class WhenSomebodySignsInByPassword:
    async def test_a_session_opens_as_them_and_ends_when_they_sign_out(self, api: Api) -> None:
        await known(api)
        answer = await sign_in(api)
        assert (answer.status_code, answer.headers["location"]) == (303, "/queue?q=state%3Aopen")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie
        me = (await api.client.get("/api/v1/me")).json()
        assert (me["name"], me["roles"], me["groups"]) == ("mei", ["operator"], ["BILLING_OPS"])
        session = answer.cookies["fallsafe_session"]
        assert (await api.client.post("/sign-out")).headers["location"] == "/welcome"
        api.client.cookies.clear()
        gone = await api.client.get("/api/v1/me", headers={"Cookie": f"fallsafe_session={session}"})
        assert gone.status_code == 401
        encrypted = await sign_in(api, Origin="https://fallsafe.test")
        assert "; secure" in encrypted.headers["set-cookie"].lower()
        assert audit.verify(api.database.url).findings == ()

    @pytest.mark.parametrize(("name", "password"), [("mei", OTHER), ("nobody", PASSWORD), ("mei", ""), ("", "")])
    async def test_a_wrong_name_and_a_wrong_password_are_told_alike(self, api: Api, name: str, password: str) -> None:
        await known(api)
        answer = await sign_in(api, name, password)
        assert answer.headers["location"].startswith("/welcome?wrong=password")
        assert "set-cookie" not in answer.headers
        assert answer.headers["location"].endswith("then=%2Fqueue%3Fq%3Dstate%253Aopen")

    async def test_after_too_many_wrong_ones_the_right_one_is_not_taken_either(self, api: Api) -> None:
        await known(api)
        for _ in range(TRIES):
            await sign_in(api, password=OTHER)
        assert (await sign_in(api)).headers["location"].startswith("/welcome?wrong=locked")
        assert (await api.get("/people/mei"))["lockedUntil"] is not None
        refused = [r for r in await said_of(api) if r["verb"] == "refuse_sign_in"]
        assert len(refused) == TRIES + 1
        assert all(PASSWORD not in str(r) and OTHER not in str(r) for r in await said_of(api))
        await put(api, "/people/mei/password", {"password": PASSWORD}, status=204)
        assert (await sign_in(api)).headers["location"].startswith("/queue")

    async def test_another_site_signs_nobody_in_or_out(self, api: Api) -> None:
        await known(api)
        for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await sign_in(api, **headers)).json()["code"] == "FOREIGN_PAGE"
        await sign_in(api)
        assert (await api.client.post("/sign-out", headers={"Origin": "https://evil.test"})).status_code == 403
        assert (await api.client.get("/api/v1/me")).status_code == 200

    @pytest.mark.parametrize("then", ["//evil.test", "https://evil.test", "/\\evil.test"])
    async def test_it_leads_nowhere_else(self, api: Api, then: str) -> None:
        await known(api)
        answer = await api.client.post("/sign-in", data={"name": "mei", "password": PASSWORD, "then": then})
        assert answer.headers["location"] == "/queue"


class WhenAPasswordIsChanged:
    async def test_they_do_it_with_the_old_one_and_other_sessions_end(self, api: Api) -> None:
        await known(api)
        elsewhere = (await sign_in(api)).cookies["fallsafe_session"]
        api.client.cookies.clear()
        here = (await sign_in(api)).cookies["fallsafe_session"]
        ours = {"Sec-Fetch-Site": "same-origin"}
        path = "/api/v1/people/mei/password"
        wrong = await api.client.put(path, json={"password": OTHER, "old": OTHER}, headers=ours)
        assert (wrong.status_code, wrong.json()["code"]) == (403, "WRONG_PASSWORD")
        done = await api.client.put(path, json={"password": OTHER, "old": PASSWORD}, headers=ours)
        assert done.status_code == 204
        api.client.cookies.clear()
        for session, status in ((here, 200), (elsewhere, 401)):
            answer = await api.client.get("/api/v1/me", headers={"Cookie": f"fallsafe_session={session}"})
            assert answer.status_code == status
        assert "wrong=password" in (await sign_in(api)).headers["location"]
        assert (await sign_in(api, password=OTHER)).headers["location"].startswith("/queue")

    async def test_the_old_one_is_guessed_no_more_often_than_at_the_sign_in(self, api: Api) -> None:
        await known(api)
        await sign_in(api)
        ours, path = {"Sec-Fetch-Site": "same-origin"}, "/api/v1/people/mei/password"
        tried = [OTHER] * TRIES + [PASSWORD]
        said = [await api.client.put(path, json={"password": OTHER, "old": old}, headers=ours) for old in tried]
        assert [one.json()["code"] for one in said] == ["WRONG_PASSWORD"] * TRIES + ["SIGN_IN_LOCKED"]
        api.client.cookies.clear()
        assert "wrong=locked" in (await sign_in(api)).headers["location"]

    @pytest.mark.parametrize("weak", ["short", "mei mei mei mei", "aaaaaaaaaaaaaaaa", "x" * 201])
    async def test_a_weak_one_is_refused(self, api: Api, weak: str) -> None:
        await put(api, "/people/mei", MEI)
        said = await put(api, "/people/mei/password", {"password": weak}, status=422)
        assert (said["code"], said["pointer"]) == ("PASSWORD_WEAK", "/password")
        assert weak not in said["detail"]

    async def test_it_stands_nowhere(self, api: Api) -> None:
        await known(api)
        await sign_in(api)
        (row,) = await api.database.fetch("people/by_name", person="mei")
        assert row["password"].startswith("$argon2id$")
        journal = [str(e) for e in (await api.get("/events", limit=200))["items"]]
        assert not any(PASSWORD in line or row["password"] in line for line in journal)


class WhenSomebodyLeaves:
    async def test_their_sessions_and_tokens_end_and_they_come_in_no_more(self, api: Api) -> None:
        await known(api)
        token = await api.post("/tokens", {"name": "mei", "kind": "person", "roles": ["operator"]}, "admin", 201)
        await sign_in(api)
        await put(api, "/people/mei", {**MEI, "left": True, "reason": "her last day"})
        assert (await api.client.get("/api/v1/me")).status_code == 401
        held = {"Authorization": f"Bearer {token['token']}"}
        assert (await api.client.get("/api/v1/me", headers=held)).status_code == 401
        assert "wrong=password" in (await sign_in(api)).headers["location"]
        kept = (await api.get("/tokens", role="admin", limit=1))["items"][0]
        assert (kept["name"], kept["revokedAt"] is not None, "token" in kept) == ("mei", True, False)
        assert audit.verify(api.database.url).findings == ()

    async def test_what_is_taken_from_them_is_taken_from_their_tokens_and_nobody_unknown_gets_one(
        self, api: Api
    ) -> None:
        asked = {"name": "mei", "kind": "person", "roles": ["operator", "manager"]}
        unknown = await api.post("/tokens", asked, "admin", 422)
        assert (unknown["code"], unknown["pointer"]) == ("PERSON_UNKNOWN", "/name")
        left = await put(api, "/people/mei", {**MEI, "left": True}, status=422)
        assert left["code"] == "PERSON_UNKNOWN"
        await known(api, roles=["operator", "manager"])
        made = await api.post("/tokens", asked, "admin", 201)
        assert made["expiresAt"] is not None
        held = {"Authorization": f"Bearer {made['token']}"}
        for roles, effective in ((["operator", "manager"], ["manager", "operator"]), (["operator"], ["operator"])):
            await put(api, "/people/mei", {**MEI, "roles": roles})
            me = (await api.client.get("/api/v1/me", headers=held)).json()
            assert (me["roles"], me["groups"]) == (effective, ["BILLING_OPS"])
        await put(api, "/people/mei", {**MEI, "left": True})
        assert (await api.post("/tokens", asked, "admin", 422))["code"] == "PERSON_UNKNOWN"

    async def test_what_was_changed_behind_the_journal_is_found(self, api: Api) -> None:
        await known(api)
        await api.database.transact(lambda tx: tx.execute("people/set_password", person="mei", proof="$argon2id$x"))
        (found,) = audit.verify(api.database.url).findings
        assert (found.where, found.what) == ("person mei", "is not what its records say")


class WhenACaseBelongsToAnotherGroup:
    async def test_the_answer_says_yes_or_no_and_why(self, api: Api) -> None:
        await put(api, "/people/mei", MEI)
        token = await api.post("/tokens", {"name": "mei", "kind": "person", "roles": ["operator"]}, "admin", 201)
        mei = replace(api, tokens={"operator": token["token"]})
        own = {p["action"]: p for p in (await mei.get("/permissions", group="BILLING_OPS"))["items"]}
        other = {p["action"]: p for p in (await mei.get("/permissions", group="FIELD_OPS"))["items"]}
        assert (own["repair"]["allowed"], other["repair"]["allowed"]) == (True, False)
        assert other["repair"]["why"] == "it belongs to FIELD_OPS, and person:mei works for BILLING_OPS"
        assert other["comment"]["allowed"] and not other["publish_policy"]["allowed"]
        assert "admin, engineer" in other["publish_policy"]["why"]
        await mei.get("/permissions", status=422, group="NOWHERE")

    async def test_an_order_is_submitted_all_the_same(self, api: Api) -> None:
        await api.post("/orders", an_order(), "operator", 201)

"""Who may come in at the REST door, and what is never said aloud (§19: sensitive payload is access-controlled)."""

import json
import logging
import re
import stat
from datetime import timedelta
from io import StringIO
from pathlib import Path

import httpx2
import pytest
from tests.doors.conftest import SECRETS, Api, an_order

from fallsafe.api.app import create_app
from fallsafe.cli.credentials import ensure_admin, sign_in_code
from fallsafe.core.access import RIGHTS, system
from fallsafe.flows import access
from fallsafe.security.tokens import digest_of, new_token
from fallsafe.telemetry import logs

OPEN = {"/healthz", "/readyz", "/metrics"}
SIGNED = {"/api/v1/downstreams/{name}/callbacks"}


async def routes(api: Api) -> list[tuple[str, str]]:
    """Method and path of every route of the API, as the OpenAPI has them."""
    described = (await api.client.get("/openapi.json")).json()
    return [(method.upper(), path) for path, verbs in described["paths"].items() for method in verbs]


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "1", path)


class WhenNobodyIsThere:
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Cookie": "fallsafe_session=x"}])
    async def test_every_route_but_health_and_callbacks_says_401(self, api: Api, headers: dict) -> None:
        for method, path in await routes(api):
            if path not in OPEN | SIGNED:
                answer = await api.client.request(method, filled(path), headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "NOT_SIGNED_IN"), path

    @pytest.mark.parametrize(
        "given", ["", "Bearer", "Bearer ", "Basic eDp5", "bearer \xff", "Bearer " + "x" * 5_000, "Bearer fsk_\u00e9"]
    )
    async def test_strange_headers_are_nobody(self, api: Api, given: str) -> None:
        answer = await api.client.get("/api/v1/me", headers={"Authorization": given.encode("latin-1")})
        assert answer.status_code == 401

    async def test_a_revoked_token_is_nobody(self, api: Api) -> None:
        made = await api.post("/tokens", {"name": "crm", "roles": ["machine"]}, "admin", 201)
        headers = {"Authorization": f"Bearer {made['token']}"}
        assert (await api.client.get("/api/v1/me", headers=headers)).json()["name"] == "crm"
        gone = await api.client.delete(f"/api/v1/tokens/{made['id']}", headers=api.as_("admin"))
        assert gone.status_code == 204
        assert (await api.client.get("/api/v1/me", headers=headers)).status_code == 401

    async def test_a_token_that_has_ended_is_nobody(self, api: Api) -> None:
        token = new_token()

        async def make(tx) -> None:
            await access.create_token(
                tx,
                api.context,
                person="late",
                actor_kind="machine",
                roles=["machine"],
                digest=digest_of(token),
                expires_at=await tx.now() - timedelta(seconds=1),
                actor=system("test"),
            )

        await api.database.transact(make)
        answer = await api.client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


NEEDS = [
    ("POST", "/orders", "submit_order"),
    ("POST", "/orders/batch", "submit_order"),
    ("POST", "/policy-sets", "publish_policy"),
    ("POST", "/tokens", "manage_tokens"),
    ("GET", "/tokens", "manage_tokens"),
    ("DELETE", "/tokens/1", "manage_tokens"),
    ("GET", "/evidence/E-1", "read_evidence"),
]


class WhenARoleHasNoRight:
    @pytest.mark.parametrize(("method", "path", "right"), NEEDS)
    async def test_it_is_refused_with_who_may_and_that_is_recorded(
        self, api: Api, method: str, path: str, right: str
    ) -> None:
        role = next(r for r in api.tokens if r not in RIGHTS[right])
        body = {"content": b"{}"} if method == "GET" else {"content": b'{"name": "x", "roles": ["admin"]}'}
        headers = api.as_(role, **{"Content-Type": "application/json"})
        answer = await api.client.request(method, f"/api/v1{path}", headers=headers, **body)
        said = answer.json()
        assert (answer.status_code, said["code"]) == (403, "NOT_ALLOWED")
        assert all(holder in said["detail"] for holder in RIGHTS[right])
        last = (await api.get("/events", limit=200))["items"][-1]["data"]
        assert last["verb"].startswith("refuse_") and last["actor"].endswith(f":a-{role}")

    async def test_a_role_that_does_not_exist_is_refused(self, api: Api) -> None:
        said = await api.post("/tokens", {"name": "x", "roles": ["king"]}, "admin", 422)
        assert (said["code"], said["pointer"]) == ("ROLE_UNKNOWN", "/roles")


class WhenAPersonSignsIn:
    async def _code(self, api: Api, home: Path) -> str:
        await ensure_admin(api.database, home)
        return await sign_in_code(api.database)

    async def test_the_link_works_once_and_opens_a_session(self, api: Api, tmp_path: Path) -> None:
        code = await self._code(api, tmp_path)
        first = await api.client.get("/sign-in", params={"code": code})
        assert (first.status_code, first.headers["location"]) == (303, "/queue")
        cookie = first.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie
        me = (await api.client.get("/api/v1/me")).json()
        assert (me["kind"], me["name"], me["roles"]) == ("person", "you", ["engineer", "operator"])
        again = await api.client.get("/sign-in", params={"code": code})
        assert (again.status_code, again.json()["code"]) == (403, "CODE_USED")

    async def test_a_change_by_cookie_must_come_from_our_page(self, api: Api, tmp_path: Path) -> None:
        await api.client.get("/sign-in", params={"code": await self._code(api, tmp_path)})
        foreign = await api.client.post("/api/v1/orders", json=an_order(), headers={"Sec-Fetch-Site": "cross-site"})
        assert (foreign.status_code, foreign.json()["code"]) == (403, "FOREIGN_PAGE")
        last = (await api.get("/events", limit=200))["items"][-1]["data"]
        assert (last["actor"], last["facts"]["code"]) == ("person:you", "FOREIGN_PAGE")
        ours = await api.client.post("/api/v1/orders", json=an_order(), headers={"Sec-Fetch-Site": "same-origin"})
        assert ours.status_code == 201

    async def test_a_link_is_no_token_and_a_session_no_header(self, api: Api, tmp_path: Path) -> None:
        code = await self._code(api, tmp_path)
        assert (await api.client.get("/api/v1/me", headers={"Authorization": f"Bearer {code}"})).status_code == 401
        answer = await api.client.get("/sign-in", params={"code": code})
        session = answer.cookies["fallsafe_session"]
        api.client.cookies.clear()
        assert (await api.client.get("/api/v1/me", headers={"Authorization": f"Bearer {session}"})).status_code == 401

    async def test_from_another_machine_it_does_not_work(self, api: Api, tmp_path: Path) -> None:
        code = await self._code(api, tmp_path)
        transport = httpx2.ASGITransport(app=create_app(api.deps), client=("192.0.2.7", 5000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://fallsafe.test") as elsewhere:
            assert (await elsewhere.get("/sign-in", params={"code": code})).json()["code"] == "NOT_HERE"
        assert (await api.client.get("/sign-in", params={"code": code})).status_code == 303

    @pytest.mark.parametrize("then", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:x"])
    async def test_it_leads_nowhere_else(self, api: Api, tmp_path: Path, then: str) -> None:
        answer = await api.client.get("/sign-in", params={"code": await self._code(api, tmp_path), "then": then})
        assert answer.headers["location"] == "/queue"

    async def test_each_step_is_in_the_journal(self, api: Api, tmp_path: Path) -> None:
        await api.client.get("/sign-in", params={"code": await self._code(api, tmp_path)})
        events = [e["data"] for e in (await api.get("/events", limit=200))["items"]]
        made = [(e["verb"], e["facts"]["kind"]) for e in events if e["thing"] == "token"][-3:]
        assert made == [("create", "code"), ("use", "code"), ("create", "session")]


class WhenAHomeIsOpened:
    async def test_its_token_is_made_once_and_readable_by_its_owner_only(self, api: Api, tmp_path: Path) -> None:
        first = await ensure_admin(api.database, tmp_path)
        assert await ensure_admin(api.database, tmp_path) == first
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        answer = await api.client.get("/api/v1/me", headers={"Authorization": f"Bearer {first}"})
        assert "manage_tokens" in answer.json()["rights"]


class WhenSomethingIsLogged:
    async def test_no_secret_is_in_it_and_none_in_the_journal(self, api: Api, tmp_path: Path) -> None:
        out = StringIO()
        logs.configure("api", out, logging.DEBUG)
        try:
            token = await ensure_admin(api.database, tmp_path)
            made = await api.post("/tokens", {"name": "crm", "roles": ["machine"]}, "admin", 201)
            await api.client.post("/api/v1/downstreams/PRV/callbacks", content=b"{}", headers={"X-Signature": "x"})
            logs.logger().info(
                f"called with {token}",
                authorization=f"Bearer {token}",
                url=f"postgresql://me:{SECRETS['PRV']}@host/db",
                nested={"headers": {"X-Signature": f"sha256={'ab' * 32}"}},
            )
            said = out.getvalue() + json.dumps((await api.get("/events", limit=200))["items"])
        finally:
            logs.configure("test", StringIO())
        for secret in (token, made["token"], SECRETS["PRV"], "ab" * 32, digest_of(token), digest_of(made["token"])):
            assert secret not in said
        assert "callback without a valid signature" in said

    def test_an_error_says_where_it_came_from_and_not_what_was_there(self) -> None:
        out = StringIO()
        logs.configure("api", out)
        try:
            name_of_the_customer = "Ayu Lestari"
            try:
                raise RuntimeError(f"{len(name_of_the_customer)} characters are one too many")
            except RuntimeError as error:
                logs.logger().error("a bug was met", exc_info=error)
                logging.getLogger("psycopg.pool").warning("a connection is lost", exc_info=error)
        finally:
            logs.configure("test", StringIO())
        ours, theirs = (json.loads(line) for line in out.getvalue().splitlines())
        assert "11 characters" in str(ours["exception"]) and "test_api_access.py" in str(ours["exception"])
        assert theirs["library"] == "psycopg.pool"
        assert "Ayu" not in out.getvalue()

    async def test_lines_carry_the_request_that_led_to_them(self, api: Api) -> None:
        out, path = StringIO(), "/api/v1/downstreams/PRV/callbacks"
        logs.configure("api", out)
        try:
            # An application of its own: of the unsigned callbacks of a process, the first is logged.
            transport = httpx2.ASGITransport(app=create_app(api.deps))
            async with httpx2.AsyncClient(transport=transport, base_url="http://fallsafe.test") as client:
                answer = await client.post(path, content=b"{}", headers={"X-Request-Id": "req-4711"})
        finally:
            logs.configure("test", StringIO())
        line = json.loads(out.getvalue().splitlines()[0])
        assert (line["causationId"], line["downstreamSystem"], line["process"]) == ("req-4711", "PRV", "api")
        assert answer.headers["x-request-id"] == "req-4711"

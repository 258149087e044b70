"""The API over a real database, asked as the world asks it: with tokens, bytes and headers."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from fallsafe import policyset
from fallsafe.api.deps import Deps
from fallsafe.cli.serve import application as whole
from fallsafe.core.access import system
from fallsafe.flows import access
from fallsafe.flows.context import Context
from fallsafe.security.tokens import digest_of, new_token
from fallsafe.store.tx import Database
from fallsafe.store.vault import Vault

SECRETS = {"PRV": "prv-callback-secret-4711"}


@dataclass
class Api:
    """The application, its store, and a token for each role."""

    database: Database
    context: Context
    deps: Deps
    tokens: dict[str, str]
    client: httpx2.AsyncClient
    application: "Application"

    @property
    def app(self) -> FastAPI:
        """What answers."""
        return self.application.app

    def under(self, context: Context) -> "Api":
        """The API with another policy in force, from now on."""
        deps = replace(self.deps, context=lambda: context)
        self.application.over(deps)
        return replace(self, context=context, deps=deps)

    def as_(self, role: str, **headers: str) -> dict[str, str]:
        """Headers of somebody with one role."""
        return {"Authorization": f"Bearer {self.tokens[role]}", **headers}

    async def get(self, path: str, role: str = "operator", status: int = 200, **params: object) -> dict:
        """A GET that must answer as told."""
        answer = await self.client.get(f"/api/v1{path}", headers=self.as_(role), params=params or None)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def post(
        self, path: str, body: object = None, role: str = "operator", status: int = 200, **headers: str
    ) -> dict:
        """A POST that must answer as told; bytes go as they are."""
        sent = {"content": body} if isinstance(body, bytes) else {"json": body if body is not None else {}}
        more = {"Content-Type": "application/json", **headers}
        answer = await self.client.post(f"/api/v1{path}", headers=self.as_(role, **more), **sent)
        assert answer.status_code == status, answer.text
        return answer.json()


ROLES = ("operator", "support", "engineer", "auditor", "admin", "machine", "finance", "manager")


@pytest.fixture(scope="session")
def telco_policy():
    """The shipped set, open at all hours, read once."""
    return replace(policyset.load(policyset.shipped("telco")), windows=())


class Running:
    """Stands for one thing of the test that is running."""

    one: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.one, name)


class Application:
    """The application that all tests of a process ask, since making one takes longer than most of them."""

    def __init__(self) -> None:
        self._database, self._metrics, self._deps = Running(), Running(), Running()
        self.app = whole(Deps(self._database, lambda: self._deps.context(), SECRETS, metrics=self._metrics))  # type: ignore[arg-type]

    def over(self, deps: Deps) -> FastAPI:
        """The application over what a test has."""
        self._database.one, self._metrics.one, self._deps.one = deps.database, deps.metrics, deps
        return self.app


@pytest.fixture(scope="session")
def application() -> Application:
    """The application, made once."""
    return Application()


@pytest.fixture
async def api(database_url: str, telco_policy, application: Application) -> AsyncIterator[Api]:
    """The API on a database that is as new."""
    database = Database(database_url, "api-test", Vault(bytes(32)))
    await database.open()
    gates = {code: n for n, code in enumerate(sorted(telco_policy.systems), 1)}
    context = Context(
        {telco_policy.id: telco_policy}, telco_policy, gates, lambda: 0.5, "http://127.0.0.1:8420", "api-test"
    )
    deps = Deps(database, lambda: context, SECRETS)
    tokens = {role: new_token() for role in ROLES}

    async def known(tx) -> None:
        for role, token in tokens.items():
            kind = "machine" if role == "machine" else "person"
            await access.ensure_token(tx, f"a-{role}", kind, [role], digest_of(token), system("test"))

    await database.transact(known)
    transport = httpx2.ASGITransport(app=application.over(deps), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://fallsafe.test") as client:
        yield Api(database, context, deps, tokens, client, application)
    await database.close()


def an_order(external_id: str = "777", **changed: object) -> dict:
    """The order of the drill as JSON."""
    order = {
        "source": "CRM",
        "externalId": external_id,
        "timeZone": "Asia/Jakarta",
        "customerRef": f"CU-{external_id}",
        "committedAt": "2027-03-01T17:00:00+07:00",
        "correlationId": "corr-1",
        "parties": [{"role": "customer", "ref": "CU-1", "person": {"name": "Sari Wulandari"}}],
        "items": [
            an_item("fiber", "FIBER-HOME-1G", monthlyMinor=4500, place={"street": "Jalan Melati 8"}),
            an_item("static-ip", "STATIC-IP", parent="fiber"),
            an_item("router", "WIFI-ROUTER", parent="fiber"),
            an_item("billing", "MONTHLY-BILLING", parent="fiber"),
        ],
    }
    return {**order, **changed}


def an_item(external_id: str, offer: str, **changed: object) -> dict:
    """One item as JSON."""
    return {"externalId": external_id, "offer": offer, "action": "add", "currency": "EUR", **changed}

"""The pages over a real database, asked without a network; who asks is told by the session cookie."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from tests.workbench import drill, stored

from fallsafe.core.access import Actor
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database
from fallsafe.workbench.guard import SESSION_COOKIE
from fallsafe.workbench.pages import create_pages

SESSIONS = {"s-operator": drill.OPERATOR, "s-support": drill.SUPPORT}


@dataclass
class Signed:
    """What the pages are handed in tests: a session cookie is enough to be somebody."""

    database: Database
    stop: list[bool] = field(default_factory=list)

    def context(self) -> Context:
        return stored.context()

    async def authenticate(self, request: Request) -> Actor | None:
        return SESSIONS.get(request.cookies.get(SESSION_COOKIE, ""))

    def stopping(self) -> bool:
        return bool(self.stop)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Database]:
    made = await stored.opened(database_url)
    yield made
    await made.close()


@pytest.fixture
async def deps(store: Database) -> Signed:
    return Signed(store)


@pytest.fixture
async def browser(deps: Signed) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that is signed in as an operator."""
    app = FastAPI()
    app.include_router(create_pages(deps))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://desk.test", cookies={SESSION_COOKIE: "s-operator"}
    ) as client:
        yield client

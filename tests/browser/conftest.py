"""A real Chromium over the real pages: uvicorn, a database of its own, and a page that is watched for what it must not
do.

Everything runs in the loop of the test's module. A page is watched from its first byte: requests to another host,
breaches of the content security policy and errors of scripts are collected, and looked at when the test ends.
"""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright
from starlette.requests import Request
from tests.workbench import drill, stored

from fallsafe.core.access import Actor
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database
from fallsafe.workbench.guard import SESSION_COOKIE
from fallsafe.workbench.pages import create_pages

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOW = (
    "no Chromium was found: install it (as root on Debian: apt-get install chromium fonts-inter fonts-noto-core), "
    "name it in FALLSAFE_CHROMIUM, or leave these tests out with BROWSER=0"
)
WATCH = """
window.breaches = [];
const note = (e) => window.breaches.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sample}`);
document.addEventListener("securitypolicyviolation", note);
"""


def find_chromium() -> str | None:
    """The Chromium that somebody named, else the one on the path; None leaves the choice to Playwright."""
    return os.environ.get("FALLSAFE_CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        except Error as error:
            pytest.fail(f"{HOW}\n{error}")
        yield browser
        await browser.close()


class Server(uvicorn.Server):
    """A server that leaves signals to the test runner."""

    def capture_signals(self) -> Any:
        return nullcontext()


@dataclass
class Desk:
    """The pages being served: their address, the database behind them, and what to hand to a browser."""

    url: str
    database: Database
    browser: Browser
    actors: dict[str, Actor] = field(default_factory=lambda: {"operator": drill.OPERATOR, "support": drill.SUPPORT})
    asked: list[str] = field(default_factory=list)
    server: Server | None = None

    def context(self) -> Context:
        return stored.context()

    async def authenticate(self, request: Request) -> Actor | None:
        self.asked.append(request.url.path)
        return self.actors.get(request.cookies.get(SESSION_COOKIE, ""))

    def stopping(self) -> bool:
        return self.server is not None and self.server.should_exit

    @asynccontextmanager
    async def reader(self, who: str = "operator", **options: Any) -> AsyncIterator[BrowserContext]:
        """A browser of somebody who is signed in; `options` are those of a Playwright context."""
        context = await self.browser.new_context(
            base_url=self.url, **{"viewport": {"width": 1440, "height": 900}, **options}
        )
        await context.add_cookies([{"name": SESSION_COOKIE, "value": who, "url": self.url, "httpOnly": True}])
        await context.add_init_script(WATCH)
        yield context
        await context.close()

    @asynccontextmanager
    async def page(self, path: str, who: str = "operator", **options: Any) -> AsyncIterator[Page]:
        """A page that is open at a path. When the test is through with it, it must have kept to the rules."""
        async with self.reader(who, **options) as context:
            page = await context.new_page()
            trouble: list[str] = []
            page.on(
                "request",
                lambda request: (
                    trouble.append(f"asked {request.url}") if not request.url.startswith(self.url) else None
                ),
            )
            page.on("pageerror", lambda error: trouble.append(str(error)))
            page.on(
                "console", lambda said: trouble.append(said.text) if "Content Security Policy" in said.text else None
            )
            await page.goto(path)
            yield page
            if options.get("java_script_enabled", True):
                trouble += await page.evaluate("window.breaches")
            assert trouble == []


@pytest_asyncio.fixture(loop_scope="session")
async def desk(chromium: Browser, database_url: str) -> AsyncIterator[Desk]:
    """The pages over a fresh database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Desk(f"http://127.0.0.1:{port}", await stored.opened(database_url), chromium)
    app = FastAPI()
    app.include_router(create_pages(made))
    made.server = Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(made.server.serve())
    while not made.server.started:  # noqa: ASYNC110 - safe because uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield made
    made.server.should_exit = True
    await serving
    await made.database.close()


@pytest.fixture
def axe() -> Callable[[Page], Awaitable[list[str]]]:
    """Asks axe-core what is wrong with a page: WCAG 2.0 to 2.2 A and AA, and best practice."""
    source = (Path(__file__).parent / "vendor/axe.min.js").read_text()
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]

    async def ask(page: Page) -> list[str]:
        await page.evaluate(source)
        found = await page.evaluate("tags => axe.run(document, { runOnly: tags })", tags)
        return [f"{v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes'][:4]]}" for v in found["violations"]]

    return ask

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
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Request,
    ViewportSize,
    async_playwright,
)
from starlette.requests import Request as Asked
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
DESK: ViewportSize = {"width": 1440, "height": 900}
NOTHING_SPECIAL: dict[str, Any] = dict.fromkeys(("media", "color_scheme", "reduced_motion"), "null")
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


class Tabs:
    """Tabs that are lent again: a new one costs a second of computing, another address in an old one a third of it.

    What a test leaves behind goes: cookies, and with the page everything that it had loaded. The pages of two tests
    have two origins, so neither finds what the other stored. A tab in which something went wrong is not lent again.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self._free: dict[bool, list[Page]] = {True: [], False: []}

    @asynccontextmanager
    async def lend(self, scripts: bool = True, viewport: ViewportSize = DESK, **media: Any) -> AsyncIterator[Page]:
        """An empty tab, with or without JavaScript; `media` are what Playwright lets a page believe of its reader."""
        free = self._free[scripts]
        page = free.pop() if free else await self._open(scripts)
        await page.set_viewport_size(viewport)
        await page.emulate_media(**{**NOTHING_SPECIAL, **media})
        yield page
        await page.goto("about:blank")
        await page.context.clear_cookies()
        free.append(page)

    async def _open(self, scripts: bool) -> Page:
        context = await self.browser.new_context(java_script_enabled=scripts)
        await context.add_init_script(WATCH)
        return await context.new_page()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def tabs(chromium: Browser) -> Tabs:
    """The tabs of all tests."""
    return Tabs(chromium)


class Server(uvicorn.Server):
    """A server that leaves signals to the test runner."""

    def capture_signals(self) -> Any:
        return nullcontext()


@dataclass
class Desk:
    """The pages being served: their address, the database behind them, and what to hand to a browser."""

    url: str
    database: Database
    tabs: Tabs
    actors: dict[str, Actor] = field(default_factory=lambda: {"operator": drill.OPERATOR, "support": drill.SUPPORT})
    asked: list[str] = field(default_factory=list)
    server: Server | None = None
    serving: asyncio.Task[None] | None = None

    def context(self) -> Context:
        return stored.context()

    async def authenticate(self, request: Asked) -> Actor | None:
        self.asked.append(request.url.path)
        return self.actors.get(request.cookies.get(SESSION_COOKIE, ""))

    async def start(self) -> None:
        """The pages are served, at the same address as before."""
        app = FastAPI()
        app.include_router(create_pages(self))
        port = int(self.url.rpartition(":")[2])
        self.server = Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
        self.serving = asyncio.create_task(self.server.serve())
        while not self.server.started:  # noqa: ASYNC110 - safe because uvicorn has no event for it
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """They are not there any more."""
        assert self.server is not None and self.serving is not None
        self.server.should_exit = True
        await self.serving

    def stopping(self) -> bool:
        return self.server is not None and self.server.should_exit

    async def let_in(self, context: BrowserContext, who: str) -> None:
        """Somebody is signed in."""
        await context.add_cookies([{"name": SESSION_COOKIE, "value": who, "url": self.url, "httpOnly": True}])

    @asynccontextmanager
    async def reader(self, who: str = "operator") -> AsyncIterator[BrowserContext]:
        """A browser of somebody who is signed in, for those who open several tabs or stand between it and the pages."""
        context = await self.tabs.browser.new_context(base_url=self.url, viewport=DESK)
        await self.let_in(context, who)
        yield context
        await context.close()

    @asynccontextmanager
    async def page(self, path: str, who: str = "operator", **how: Any) -> AsyncIterator[Page]:
        """A page that is open at a path; `how` are the options of `Tabs.lend`. When the test is through with it, it
        must have kept to the rules.
        """
        async with self.tabs.lend(**how) as page, self.watched(page) as breaches:
            await self.let_in(page.context, who)
            await page.goto(f"{self.url}{path}")
            yield page
            if how.get("scripts", True):
                breaches += await page.evaluate("window.breaches")

    @asynccontextmanager
    async def watched(self, page: Page) -> AsyncIterator[list[str]]:
        """Notes what a page must not do, and fails when there was any."""
        trouble: list[str] = []

        def asked(request: Request) -> None:
            if not request.url.startswith((self.url, "about:")):
                trouble.append(f"asked {request.url}")

        def failed(error: Error) -> None:
            trouble.append(str(error))

        def said(message: ConsoleMessage) -> None:
            if "Content Security Policy" in message.text:
                trouble.append(message.text)

        listeners: dict[str, Any] = {"request": asked, "pageerror": failed, "console": said}
        for event, listener in listeners.items():
            page.on(event, listener)  # type: ignore[call-overload]
        yield trouble
        for event, listener in listeners.items():
            page.remove_listener(event, listener)
        assert trouble == []


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tabs: Tabs, database_url: str) -> AsyncIterator[Desk]:
    """The pages over a fresh database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Desk(f"http://127.0.0.1:{port}", await stored.opened(database_url), tabs)
    await made.start()
    yield made
    await made.stop()
    await made.database.close()


@pytest.fixture
def axe() -> Callable[[Page], Awaitable[dict[str, list[str]]]]:
    """Asks axe-core what is wrong with a page in the light and in the dark: WCAG 2.0 to 2.2 A and AA, best practice."""
    source = (Path(__file__).parent / "vendor/axe.min.js").read_text()
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
    # Only of violations all is wanted; else a name is made for every node that a rule has passed. Of the same page in
    # another theme only what colours decide can be another.
    rules = {"light": tags, "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}

    async def ask(page: Page) -> dict[str, list[str]]:
        await page.evaluate(source)
        wrong: dict[str, list[str]] = {}
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            options = {"runOnly": rules[theme], "resultTypes": ["violations"]}
            found = await page.evaluate("options => axe.run(document, options)", options)
            for v in found["violations"]:
                wrong.setdefault(theme, []).append(
                    f"{v['id']}: {v['help']}: {[n['html'][:160] for n in v['nodes'][:4]]}"
                )
        return wrong

    return ask

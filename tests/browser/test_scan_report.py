"""The report of `fallsafe scan`: one file that reads in both themes, on any width, on paper, for everybody."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page
from tests.analysis.door import run
from tests.analysis.world import make, write_log
from tests.browser.conftest import Tabs

pytestmark = pytest.mark.asyncio(loop_scope="session")
Axe = Callable[[Page], Awaitable[dict[str, list[str]]]]


@pytest.fixture
def report(tmp_path: Path) -> Path:
    made = tmp_path / "report.html"
    log = write_log(make(5, size=120), tmp_path / "<b>orders & more.csv")
    log.write_text(log.read_text() + "only,two\n", encoding="utf-8")
    assert run(log, "--html", made).exit_code == 0
    return made


class WhenAScanIsForwarded:
    @pytest.mark.parametrize("width", [320, 1440])
    async def test_axe_finds_nothing_in_either_theme(self, tabs: Tabs, axe: Axe, report: Path, width: int) -> None:
        async with tabs.lend(viewport={"width": width, "height": 900}) as page:
            await page.goto(report.as_uri())
            for details in await page.query_selector_all("summary"):
                await details.click()
            assert await axe(page) == {}
            wide = await page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width

    async def test_it_needs_nothing_but_itself(self, tabs: Tabs, report: Path) -> None:
        async with tabs.lend() as page:
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            await page.goto(report.as_uri())
            assert asked == [report.as_uri()]

    async def test_names_from_outside_are_shown_and_not_obeyed(self, tabs: Tabs, report: Path) -> None:
        async with tabs.lend() as page:
            await page.goto(report.as_uri())
            assert "<b>orders & more" in await page.inner_text(".lead >> nth=0")

    async def test_it_prints_on_white(self, tabs: Tabs, report: Path) -> None:
        async with tabs.lend(color_scheme="dark", media="print") as page:
            await page.goto(report.as_uri())
            shown = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert shown == "rgb(255, 255, 255)"

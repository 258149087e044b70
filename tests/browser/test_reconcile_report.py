"""The report of `fallsafe reconcile`: one file that reads in both themes, on any width, on paper, for everybody."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, Request
from tests.analysis.asking import csv, reconcile
from tests.browser.conftest import Tabs

pytestmark = pytest.mark.asyncio(loop_scope="session")
Axe = Callable[[Page], Awaitable[dict[str, list[str]]]]

A = "id,state,amount,at\n" + "".join(f"{n},open,{n},2026-01-01T10:{n:02}:00Z\n" for n in range(40)) + "4,x,1,\n,y,1,\n"
B = "id,state,amount,at\n" + "".join(f"{n},Open,{n + n % 3},2026-01-01T10:{n:02}:00Z\n" for n in range(5, 55))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    made = tmp_path / "report.html"
    a, b = csv(tmp_path / "<b>oms & crm.csv", A), csv(tmp_path / "billing.csv", B)
    late = ["--changed", "at", "--settle", "10m", "--as-of", "2026-01-01T10:45:00Z"]
    reconcile(a, b, "--on", "id", "--authority", "amount=a", "--html", made, *late)
    return made


class WhenAReportIsForwarded:
    @pytest.mark.parametrize("width", [320, 1440])
    async def test_axe_finds_nothing_in_either_theme(self, tabs: Tabs, axe: Axe, report: Path, width: int) -> None:
        async with tabs.lend(viewport={"width": width, "height": 900}) as page:
            await page.goto(report.as_uri())
            assert await axe(page) == {}
            assert await page.evaluate("document.documentElement.scrollWidth") <= width

    async def test_it_needs_nothing_but_itself(self, tabs: Tabs, report: Path) -> None:
        async with tabs.lend() as page:
            asked: list[str] = []

            def note(request: Request) -> None:
                asked.append(request.url)

            page.on("request", note)
            await page.goto(report.as_uri())
            page.remove_listener("request", note)
            assert asked == [report.as_uri()]

    async def test_names_from_outside_are_shown_and_not_obeyed(self, tabs: Tabs, report: Path) -> None:
        async with tabs.lend() as page:
            await page.goto(report.as_uri())
            assert "<b>oms & crm" in await page.inner_text(".lead >> nth=0")

    async def test_it_prints_on_white(self, tabs: Tabs, report: Path) -> None:
        async with tabs.lend(color_scheme="dark", media="print") as page:
            await page.goto(report.as_uri())
            shown = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert shown == "rgb(255, 255, 255)"

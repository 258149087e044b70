"""The report of `fallsafe reconcile`: one file that reads in both themes, on any width, on paper, for everybody."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page
from tests.analysis.asking import csv, reconcile

pytestmark = pytest.mark.asyncio(loop_scope="session")
Axe = Callable[[Page], Awaitable[list[str]]]

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
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1440])
    async def test_axe_finds_nothing(self, chromium: Browser, axe: Axe, report: Path, theme: str, width: int) -> None:
        page = await chromium.new_page(color_scheme=theme, viewport={"width": width, "height": 900})
        await page.goto(report.as_uri())
        assert await axe(page) == []
        await page.close()

    async def test_it_needs_nothing_but_itself(self, chromium: Browser, report: Path) -> None:
        page = await chromium.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(report.as_uri())
        assert asked == [report.as_uri()]
        await page.close()

    async def test_names_from_outside_are_shown_and_not_obeyed(self, chromium: Browser, report: Path) -> None:
        page = await chromium.new_page()
        await page.goto(report.as_uri())
        assert "<b>oms & crm" in await page.inner_text(".lead >> nth=0")
        await page.close()

    async def test_it_prints_on_white(self, chromium: Browser, report: Path) -> None:
        page = await chromium.new_page(color_scheme="dark")
        await page.goto(report.as_uri())
        await page.emulate_media(media="print", color_scheme="dark")
        shown = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert shown == "rgb(255, 255, 255)"
        await page.close()

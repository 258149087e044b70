"""A day's work in the browser, over a real installation: processes, systems outside that answer by HTTP, people who
sign in by their links. The disk of the systems outside is the judge.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect
from tests.browser.conftest import DESK
from tests.ports import claim_ports

from fallsafe.cli.credentials import sign_in_code
from fallsafe.cli.install import Installation, running
from fallsafe.cli.processes import database
from fallsafe.cli.scenario import order
from fallsafe.cli.settings import read_settings
from fallsafe.cli.supervise import read_running
from fallsafe.core.access import system
from fallsafe.flows import access
from fallsafe.simulator.sandbox import judge
from fallsafe.simulator.sandbox.control import Control

pytestmark = pytest.mark.asyncio(loop_scope="session")
PORT = claim_ports()
SECONDS_MAX = 60
SLOWLY = 20_000
UNKNOWN, SLOT, ACCOUNT, TWICE = "day-unknown", "day-slot", "day-account", "day-twice"
SLOT_TAKEN = {"operation": "WFM.book", "fault": "refuse", "status": 409, "code": "SLOT_TAKEN"}
# What goes wrong outside, once for each order; the first two questions about the lost answer are not answered either,
# so that nothing settles by itself before a person asks.
FAULTS: dict[str, list[dict[str, Any]]] = {
    "PRV": [
        {"operation": "PRV.activateService", "match": UNKNOWN, "fault": "answer_lost_after_effect"},
        {"operation": "PRV.queryActivation", "match": UNKNOWN, "fault": "http_500_before", "times": 2},
    ],
    "WFM": [{**SLOT_TAKEN, "match": SLOT}, {**SLOT_TAKEN, "match": TWICE}],
    "BIL": [
        {"operation": "BIL.createSubscription", "match": ACCOUNT, "fault": "refuse", "status": 404,
         "code": "BC-1404 ACCOUNT_NOT_FOUND", "text": "acct 88121 unknown"},
    ],
}  # fmt: skip


@dataclass
class Office:
    """A running installation, and who works in it."""

    there: Installation
    browser: Browser
    home: Path

    def ask(self, path: str, body: object = None) -> Any:
        """A request with the token of whoever installed."""
        headers = {"Authorization": f"Bearer {self.there.token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.there.wiring.api}/api/v1{path}", data, headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    async def case_of(self, name: str) -> str:
        """The open case of an order, once it is there."""
        async with asyncio.timeout(SECONDS_MAX):
            while not (found := await self._found(name)):  # noqa: ASYNC110 - safe because it is asked over HTTP
                await asyncio.sleep(0.2)
        return str(found[0]["id"])

    async def _found(self, name: str) -> list[dict[str, Any]]:
        return list((await asyncio.to_thread(self.ask, f"/fallout-cases?q=ref%3A{name}"))["items"])

    async def link(self, who: str) -> str:
        """A link with which somebody signs in once."""
        settings = read_settings({"FALLSAFE_HOME": str(self.home)}, self.home)
        store = await database(settings, self.there.wiring, "sign-in")
        try:
            await store.transact(
                lambda tx: access.ensure_person(tx, "mei", "Mei", ("operator",), system("installation"))
            )
            return f"{self.there.wiring.api}/sign-in?code={await sign_in_code(store, who)}"
        finally:
            await store.close()

    @asynccontextmanager
    async def somebody(self, who: str = "you") -> AsyncIterator[Page]:
        """A page of a browser in which somebody has signed in; it stands at the queue."""
        context = await self.browser.new_context(base_url=self.there.wiring.api, viewport=DESK, reduced_motion="reduce")
        page = await context.new_page()
        await page.goto(await self.link(who))
        yield page
        await context.close()


def answers(home: Path) -> bool:
    """Whether the installation of a home is there."""
    there = read_running(home)
    if there is None:
        return False
    try:
        with urllib.request.urlopen(f"{there.addresses['api']}/readyz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation that was started like anybody's, and is ended like by Ctrl-C. Its waits are long enough for a
    person to come first.
    """
    place = tmp_path_factory.mktemp("office")
    environment = {"FALLSAFE_HOME": str(place), "FALLSAFE_LISTEN": f"127.0.0.1:{PORT}", "FALLSAFE_WORKERS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "fallsafe.cli.main", "up"],
        env={**os.environ, **environment, "FALLSAFE_TIME_SCALE": "1.01"},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + SECONDS_MAX
        while not answers(place):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield place
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def office(home: Path, chromium: Browser) -> Office:
    """Four orders go wrong in it, each in its own way."""
    made = Office(running(home), chromium, home)
    for code, faults in FAULTS.items():
        async with Control(made.there.wiring.systems[code]) as control:
            await control.add_faults(faults)
    for name in (UNKNOWN, SLOT, ACCOUNT, TWICE):
        await asyncio.to_thread(made.ask, "/orders", order(name, datetime.now(UTC)))
    return made


async def tab_to(page: Page, what: str) -> None:
    """Goes on by Tab until what has the focus says so, in its text, its name or its id."""
    for _ in range(60):
        focused = await page.evaluate(
            "(e => [e.id, e.name, e.textContent.trim(), e.getAttribute('aria-label')])(document.activeElement)"
        )
        if what in focused:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reached {what}")


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def filter_by(page: Page, what: str) -> None:
    """Narrows the list by keyboard."""
    await press(page, "g", "q")
    await expect(page.locator("#q")).to_be_visible()
    await press(page, "/")
    await page.keyboard.type(what)
    await press(page, "Enter")
    await expect(page.locator(".chips")).to_contain_text(what.split(" ")[0])
    await expect(page.locator("tr[data-case]")).to_have_count(1)


class WhenTheDrillIsWorkedByKeyboardAlone:
    """§26, from the list to the next case."""

    async def test_it_is_found_understood_found_out_and_proved_and_the_next_is_repaired(self, office: Office):
        slot = await office.case_of(SLOT)
        await office.case_of(UNKNOWN)
        async with office.somebody() as page:
            await filter_by(page, f"is:unknown ref:{UNKNOWN}")
            await press(page, "j", "Enter")
            await expect(page.get_by_role("heading", level=1)).to_contain_text("nobody knows")
            await expect(page.locator("#live")).to_contain_text("Live", timeout=SLOWLY)
            await expect(page.locator(".states li").nth(2)).to_contain_text("Outcome unknown")
            again = page.locator(".locked li", has_text="Send the same command again")
            await expect(again).to_contain_text("Locked while the outcome is unknown: find out first.")
            await expect(page.locator("#part-repair")).to_contain_text("1 look so far", timeout=SLOWLY)
            await press(page, "r")
            await expect(page.locator("#review-and-run")).to_be_focused()
            await press(page, "Enter")
            await expect(
                page.get_by_text("PRV.activateService is not called, and nothing is sent again")
            ).to_be_visible()
            await tab_to(page, "reason")
            await page.keyboard.type("the customer calls")
            await tab_to(page, "run")
            await press(page, "Enter")
            tile = page.locator(".states li").nth(3)
            await expect(tile).to_contain_text("Reconciled done, verified", timeout=SLOWLY)
            await expect(page.locator("#part-timeline")).to_contain_text("the customer calls")

            await filter_by(page, f"ref:{SLOT}")
            await press(page, "n")
            await expect(page.locator(".crumbs")).to_contain_text(slot)
            await expect(page.locator("#part-work")).to_contain_text("you")
            await press(page, "r")
            await tab_to(page, "Send a corrected request as a new command")
            await press(page, "Enter")
            await expect(page.locator("#details")).to_be_visible()
            await tab_to(page, "fields/item.characteristics.slot")
            await page.keyboard.type("PM")
            await tab_to(page, "preview")
            await press(page, "Enter")
            await expect(page.locator("#fresh")).to_contain_text("Sends WFM.book")
            await expect(page.locator("#fresh")).to_contain_text(f"CRM/{SLOT}/fiber.scheduleInstallation/fulfill/2")
            await press(page, "r")
            await expect(page.locator("#run")).to_be_focused()
            await press(page, "Enter")
            await expect(page.locator("#fresh")).to_contain_text("Run, verified", timeout=SLOWLY)
            await press(page, "n")
            await expect(page).not_to_have_url(f"**/{slot}/**")
        done = {what: n for what, n in judge.effects(office.home).items() if UNKNOWN in what or SLOT in what}
        assert set(done.values()) == {1}
        assert sum(what.startswith("PRV.activateService") and UNKNOWN in what for what in done) == 1


class WhenASecondPersonHasToAgree:
    async def test_whoever_asked_cannot_and_the_other_does_by_keyboard(self, office: Office):
        case = await office.case_of(ACCOUNT)
        async with office.somebody() as you, office.somebody("second") as second:
            await you.goto(f"/cases/{case}")
            await you.get_by_role("link", name="Point to the right account").click()
            await you.locator("[name=accountId]").fill("ACC-88121-2")
            await you.locator("[name=proof]").fill("billing screen 4: open, the tax number is this customer's")
            await you.locator("#preview").click()
            await expect(you.locator("#fresh")).to_contain_text("person:you asked for it")
            await expect(you.locator("#run, #approve")).to_have_count(0)
            await press(second, "g", "p")
            mine = second.get_by_role("region", name="Waits for your yes")
            await expect(mine.get_by_role("row")).to_have_count(2)
            await expect(mine).to_contain_text("you")
            await press(second, "j", "Enter")
            await expect(second.locator("#fresh")).to_contain_text("A second person looks at the proof")
            await press(second, "r")
            await expect(second.locator("#approve")).to_be_focused()
            await press(second, "Enter")
            await expect(second.locator("#fresh")).to_contain_text("Approved")
            await expect(second.locator("#run")).to_have_count(0)
            await expect(you.locator("#run")).to_be_visible(timeout=SLOWLY)
            await you.locator("#run").click()
            await expect(you.locator("#fresh")).to_contain_text("person:second")
            await expect(you.locator("#fresh")).to_contain_text("Run, verified", timeout=SLOWLY)


class WhenTwoOperatorsWorkAtOnce:
    async def test_one_does_it_and_the_other_is_told_who_did(self, office: Office):
        case = await office.case_of(TWICE)
        told = {"done": "The slot was refused.", "asked": "Find another one."}
        nobodys = {"ownerGroup": "NETWORK_OPERATIONS", "reason": "whoever comes first", **told}
        await asyncio.to_thread(office.ask, f"/fallout-cases/{case}/transfer", nobodys)
        async with office.somebody() as you, office.somebody("mei") as mei:
            for page in (you, mei):
                await page.route("**/events", lambda route: route.abort())  # neither is told what the other does
                await page.goto(f"/cases/{case}")
            await you.get_by_role("button", name="Take it").click()
            await expect(you.locator("#part-work")).to_contain_text("you")
            await mei.get_by_role("button", name="Take it").click()
            await expect(mei.get_by_role("alert")).to_contain_text(f"cannot take case {case}")
            await expect(mei.get_by_role("alert")).to_contain_text("you works on it")
            for page in (you, mei):
                await page.get_by_role("link", name="Send a corrected request as a new command").click()
                await page.locator("[name='fields/item.characteristics.slot']").fill("PM")
                await page.locator("#preview").click()
                await expect(page.locator("#run")).to_be_visible()
            await asyncio.gather(*(page.locator("#run").click() for page in (you, mei)))
            for page in (you, mei):
                await expect(page.locator("#refusal").or_(page.get_by_text("Run by", exact=True))).to_be_visible()
            refused = [page for page in (you, mei) if await page.get_by_role("alert").count()]
            (late,) = refused
            winner = "person:mei" if late is you else "person:you"
            await expect(late.get_by_role("alert")).to_contain_text(f"{winner} ran RA-")
            await expect(late.get_by_role("alert")).to_contain_text("preview it again")
        key = f"CRM/{TWICE}/fiber.scheduleInstallation/fulfill/2"
        async with asyncio.timeout(SECONDS_MAX):
            while key not in judge.effects_by_key(office.home):  # noqa: ASYNC110 - safe because the disk has no event
                await asyncio.sleep(0.2)
        assert judge.effects_by_key(office.home)[key] == 1


class WhenASessionEndsInTheMiddleOfAForm:
    async def test_nothing_that_was_written_is_lost(self, office: Office):
        found = await asyncio.to_thread(office.ask, f"/fallout-cases?q=is%3Aany+ref%3A{SLOT}")
        case = found["items"][0]["id"]
        async with office.somebody() as page:
            await page.goto(f"/cases/{case}")
            await page.get_by_text("Comment", exact=True).first.click()
            await page.locator("#work-comment").fill("they confirmed the afternoon")
            await page.context.clear_cookies()
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("alert")).to_contain_text("Your session is over. Nothing was sent")
            await expect(page.locator("#work-comment")).to_have_value("they confirmed the afternoon")
            other = await page.context.new_page()
            await other.goto(await office.link("you"))
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator(".said")).to_contain_text("they confirmed the afternoon")

"""Every page of the workbench, and each state that a page can be brought into: can it be used by everybody? A page that
is added to the product and not here is named by the last test.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fastapi.routing import APIRoute
from playwright.async_api import Page, expect
from tests.browser.conftest import Desk
from tests.policyset.sets import TELCO, with_text
from tests.workbench.drill import OPERATOR
from tests.workbench.stored import context, store_drill

from fallsafe.core.access import Actor
from fallsafe.core.cases.work import Claim, Transfer, Wait
from fallsafe.core.repair.request import Repair
from fallsafe.flows import repairs
from fallsafe.flows.access import put_person
from fallsafe.flows.casework import work
from fallsafe.flows.context import Refused
from fallsafe.flows.policy import publish
from fallsafe.flows.policy_drafts import save
from fallsafe.policyset import load_files
from fallsafe.store.access import Person
from fallsafe.store.ids import outside
from fallsafe.workbench.pages import create_pages

pytestmark = pytest.mark.asyncio(loop_scope="session")
Axe = Callable[[Page], Awaitable[dict[str, list[str]]]]
Brought = Callable[[Page], Awaitable[None]]
ADMIN, MEI = Actor("person", "ada", frozenset({"admin", "operator"})), replace(OPERATOR, name="mei")
DOWN = """
INSERT INTO downstreams (system, gate, state, since, changed_at, why, failures, probes, canary, look_at, moves)
VALUES ('BIL', 1, 'tripped', clock_timestamp(), clock_timestamp(), '5 calls in a row were refused', 5, 3, NULL,
        clock_timestamp(), 3)
"""


async def _nothing(_: Page) -> None:
    return None


async def _ticked(page: Page) -> None:
    for key in ("j", "x"):
        await page.keyboard.press(key)
    await expect(page.locator("#chosen")).to_have_text("1 ticked")


async def _selected(page: Page) -> None:
    await _ticked(page)
    await page.keyboard.press("b")
    await page.wait_for_url("**/queue/selected")


async def _worked(page: Page) -> None:
    await _selected(page)
    await page.get_by_label("Take them").check()
    await page.get_by_role("button", name="Do it with 1 case").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("of 1")


async def _peeked(page: Page) -> None:
    for key in ("j", " "):
        await page.keyboard.press(key)
    await expect(page.locator("#peek")).to_be_visible()


async def _keys(page: Page) -> None:
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()


async def _rule_form(page: Page) -> None:
    await page.locator("details[id^=back-] summary").first.click()
    await expect(page.get_by_role("button", name="back").first).to_be_visible()


async def _session_over(page: Page) -> None:
    await page.context.clear_cookies()
    await page.locator("#new-password").evaluate("e => { e.noValidate = true; e.requestSubmit(); }")
    await expect(page.get_by_role("alert")).to_contain_text("Your session is over")


async def _refused(page: Page) -> None:
    await page.locator("#rights [name=title]").fill(" ")
    await page.locator("#rights").evaluate("e => { e.noValidate = true; e.requestSubmit(); }")
    await expect(page.get_by_role("alert")).to_contain_text("a title is missing")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its address, who looks at it, and what brings it into the state that is looked at."""

    path: str
    who: str = "operator"
    brought: Brought = _nothing


# What is looked at; a name in braces is of something that the fixture made.
SHOWN: Mapping[str, Shown] = {
    "queue": Shown("/queue"),
    "queue, a case is ticked": Shown("/queue", brought=_ticked),
    "queue, a case in short": Shown("/queue", brought=_peeked),
    "queue, keys": Shown("/queue", brought=_keys),
    "queue, narrowed": Shown("/queue?q=severity%3Ahigh&sort=newest"),
    "queue, nothing fits": Shown("/queue?q=customer%3Anobody"),
    "queue, broken filter": Shown("/queue?q=severity%3Acritical+colour%3Ared"),
    "selected cases": Shown("/queue?q=ref%3A777", brought=_selected),
    "worked cases": Shown("/queue?q=ref%3A778", brought=_worked),
    "case": Shown("/cases/{case}"),
    "no such case": Shown("/cases/F-1"),
    "order": Shown("/orders/{order}"),
    "my day": Shown("/day"),
    "end of shift": Shown("/shift"),
    "repair, details": Shown("/cases/{case}/repairs/new/DECLARE_OUTCOME"),
    "repair, preview": Shown("/cases/{case}/repairs/{waits}"),
    "repair, run": Shown("/cases/{other}/repairs/{ran}"),
    "unknown outcomes": Shown("/unknown"),
    "groups": Shown("/groups"),
    "approvals": Shown("/approvals"),
    "downstreams": Shown("/downstreams"),
    "dashboard": Shown("/dashboard"),
    "policy": Shown("/policy"),
    "policy set": Shown("/policy/sets/{set}?file=offers.yaml"),
    "policy draft": Shown("/policy/drafts/telco"),
    "rules": Shown("/rules", brought=_rule_form),
    "audit": Shown("/audit"),
    "people": Shown("/people", "admin"),
    "person": Shown("/people/mei", "admin"),
    "person, refused": Shown("/people/mei", "admin", _refused),
    "person, session over": Shown("/people/mei", "admin", _session_over),
    "permissions": Shown("/permissions?right=end_rewind"),
    "search": Shown("/search?q=CUST-1001"),
    "sign in": Shown("/queue", "nobody"),
    "sign in, wrong password": Shown("/welcome?wrong=password", "nobody"),
}
# Routes that are no pages: parts of one, files, streams, and what only leads on.
NO_PAGES = {
    "/", "/queue/rows", "/queue.csv", "/queue.json", "/cases/{case_id}/parts", "/cases/{case_id}/peek", "/session",
    "/events", "/theme", "/density", "/static/{version}/{path:path}", "/views/{view_id}",
}  # fmt: skip

# For each text of a drawing: its colour against the first thing below it that is painted.
CONTRAST = """() => {
    const part = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = (color) => {
        const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map((v) => part(Number(v)));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const painted = (color) => color.startsWith("rgb(");
    const of = (e) => getComputedStyle(e)[e instanceof SVGGeometryElement ? "fill" : "backgroundColor"];
    const low = [];
    let looked = 0;
    for (const text of document.querySelectorAll("svg text")) {
        text.scrollIntoView({ block: "center", inline: "center" });
        const at = text.getBoundingClientRect();
        const stack = document.elementsFromPoint(at.x + at.width / 2, at.y + at.height / 2);
        const below = stack.filter((e) => !(e instanceof SVGTextContentElement)).map(of).find(painted);
        if (!below) continue;
        const [a, b] = [light(getComputedStyle(text).fill), light(below)].sort((x, y) => y - x);
        looked += 1;
        if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${text.textContent}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
    }
    return { low, looked };
}"""
MOVES = """() => [...document.querySelectorAll("*")].filter((e) => {
    const { animationName, animationDuration, transitionDuration } = getComputedStyle(e);
    const lasts = (text) => text.split(",").some((part) => parseFloat(part) > 0.01);
    return (animationName !== "none" && lasts(animationDuration)) || lasts(transitionDuration);
}).map((e) => e.outerHTML.slice(0, 100))"""
OVER = "document.documentElement.scrollWidth - innerWidth"
TEXTS_DRAWN = {"case": 12, "dashboard": 12}


async def something_of_everything(desk: Desk, owner_url: str) -> dict[str, str]:
    """Orders that failed, repairs that wait and that were run, policy that is written and put in force, people, and a
    system that is down; the names of what the pages are about.
    """
    desk.actors["admin"] = ADMIN
    drilled = await store_drill(desk.database)
    other = await store_drill(desk.database, "778", severity="high")
    waits = await _previewed(desk, repairs.Asked(drilled.case, "ADD_TASK", {"taskType": "determineTax"}, "they asked"))
    ran = await _previewed(desk, repairs.Asked(other.case, "FREEZE", {"what": "order"}, "the customer wants to cancel"))
    seen = [repairs.Seen(ran.id, ran.hash)]
    await desk.database.transact(lambda tx: repairs.run(tx, context(), seen, MEI, "run at once"))
    first, second = load_files(TELCO), load_files(with_text("operations.yaml", "key_lives: PT24H", "key_lives: PT48H"))
    wrong = with_text("task_types.yaml", "owner: SUPPLY_CHAIN", "owner: SUPPLY_CHAINS")
    texts = {name: body.decode() for name, body in wrong.items()}
    mei = Person("mei", "Mei Lin", ("operator",), ("BILLING_OPS",), "", 0, None, None, 1)
    for policy, why in ((first, "the first of all"), (second, "keys live longer")):
        await desk.database.transact(lambda tx, policy=policy, why=why: publish(tx, policy, ADMIN, why))
    await desk.database.transact(lambda tx: save(tx, "telco", texts, ADMIN, "to be checked", None))
    await desk.database.transact(lambda tx: put_person(tx, context(), mei, None, ADMIN, "she begins today"))
    await _at_work(desk)
    with psycopg.connect(owner_url) as connection:
        connection.execute(DOWN)
    return {
        "case": outside("case", drilled.case),
        "order": outside("order", drilled.order),
        "other": outside("case", other.case),
        "waits": outside("repair", waits.id),
        "ran": outside("repair", ran.id),
        "set": second.id,
    }


async def _at_work(desk: Desk) -> None:
    """One case that somebody works on and that waits, and one that they gave away and nobody has accepted."""
    mine, given = [await store_drill(desk.database, name, severity="medium") for name in ("779", "780")]
    until = datetime.now(UTC) + timedelta(hours=3)
    wait = Wait("Network operations", "the result of the line test", until, "NET-4711")
    away = Transfer("BILLING_OPS", "", "looked it up by its key", "is the account the right one?", OPERATOR.name)
    for case, ask in ((mine.case, Claim(OPERATOR.name)), (mine.case, wait), (given.case, away)):
        await desk.database.transact(
            lambda tx, case=case, ask=ask: work(tx, context(), [case], OPERATOR, ask, "it is my turn")
        )


async def _previewed(desk: Desk, asked: repairs.Asked) -> Repair:
    shown = await desk.database.transact(lambda tx: repairs.show(tx, context(), asked, MEI))
    assert not isinstance(shown, Refused) and shown.repair is not None
    return shown.repair


class WhenSomebodyNeedsItAccessible:
    async def test_every_page_can_be_read_fits_and_stands_still(self, desk: Desk, owner_url: str, axe: Axe):
        """In the light and in the dark axe finds nothing, and each text of a drawing, which axe cannot judge, has
        4.5 : 1 against what is painted below it; nothing moves for those who asked for stillness; at 320 px nothing has
        to be scrolled sideways.
        """
        names, wrong = await something_of_everything(desk, owner_url), dict[str, object]()
        for name, shown in SHOWN.items():
            async with desk.page(shown.path.format(**names), shown.who, reduced_motion="reduce") as page:
                await shown.brought(page)
                folds = page.locator("details")
                await folds.evaluate_all("all => all.forEach((fold) => { fold.open = true; })")
                found: dict[str, object] = {"axe": await axe(page), "moves": await page.evaluate(MOVES)}
                for theme in ("light", "dark"):
                    await page.emulate_media(color_scheme=theme)
                    drawn = await page.evaluate(CONTRAST)
                    found[f"low contrast, {theme}"] = drawn["low"]
                    assert drawn["looked"] >= TEXTS_DRAWN.get(name, 0), name
                for width in (768, 320):
                    await page.set_viewport_size({"width": width, "height": 800})
                    found[f"px too wide at {width}"] = max(0, await page.evaluate(OVER))
                wrong |= {f"{name}: {what}": one for what, one in found.items() if one}
        assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())

    async def test_text_twice_as_large_still_fits(self, desk: Desk, owner_url: str):
        names, wrong = await something_of_everything(desk, owner_url), dict[str, int]()
        async with desk.reader() as browser:
            page = await browser.new_page()
            await page.set_viewport_size({"width": 1280, "height": 800})
            session = await browser.new_cdp_session(page)
            await session.send("Page.enable")
            await session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})
            for name, shown in SHOWN.items():
                await desk.let_in(browser, shown.who)
                async with desk.watched(page):
                    await page.goto(shown.path.format(**names))
                    await shown.brought(page)
                    assert await page.evaluate("getComputedStyle(document.body).fontSize") == "26px"
                    over = await page.evaluate(OVER)
                    wrong |= {name: over} if over > 0 else {}
        assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


async def test_no_page_is_forgotten(desk: Desk):
    routes = [r for r in create_pages(desk).routes if isinstance(r, APIRoute) and "GET" in r.methods]
    looked_at = {shown.path.partition("?")[0] for shown in SHOWN.values()}
    forgotten = [
        route.path
        for route in routes
        if route.path not in NO_PAGES and not any(route.path_regex.fullmatch(path) for path in looked_at)
    ]
    assert forgotten == []

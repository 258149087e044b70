"""The workbench in a real browser: read, lived with, worked by keyboard, and safe."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from playwright.async_api import Page, Route, expect
from tests.browser.conftest import Desk
from tests.workbench.drill import OPERATOR
from tests.workbench.stored import WHY, Drill, store_drill

from fallsafe.core.cases.case import CaseState
from fallsafe.store.ids import outside
from fallsafe.store.reads import case_file

pytestmark = pytest.mark.asyncio(loop_scope="session")
Axe = Callable[[Page], Awaitable[dict[str, list[str]]]]
LIVE_MILLISECONDS = 15_000


def address(drilled: Drill) -> str:
    return f"/cases/{outside('case', drilled.case)}"


async def until_live(page: Page) -> None:
    """Until the dot says that the page hears what moves."""
    await expect(page.locator("#live")).to_have_attribute("data-state", "live", timeout=LIVE_MILLISECONDS)


class WhenACaseIsOpened:
    async def test_its_six_states_stand_side_by_side(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            tiles = page.locator(".states li")
            await expect(tiles).to_have_count(6)
            layers = ["Order", "Order item", "Task", "Fallout case", "Service level", "Customer may hear"]
            assert await page.locator(".states .layer").all_inner_texts() == layers
            tops = await tiles.evaluate_all("all => all.map(e => Math.round(e.getBoundingClientRect().top))")
            assert len(set(tops)) == 1
            await expect(tiles.nth(2)).to_contain_text("Outcome unknown")

    async def test_the_list_leads_to_it(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page("/") as page:
            await page.locator("#rows").get_by_role("link", name="Sent, but").click()
            await expect(page).to_have_url(re.compile(re.escape(address(drilled)) + "$"))
            await expect(page.get_by_role("heading", level=1)).to_be_visible()

    async def test_a_box_of_the_plan_leads_to_what_was_sent_for_it(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await page.locator("a.box", has_text="Reserve router").click()
            await expect(page.get_by_text("CRM/777/router.reserveRouter/fulfill/1")).to_be_visible()


class WhenOnlyTheKeyboardIsUsed:
    async def test_finding_out_is_reached_reviewed_and_asked_for(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await self._tab_to(page, "review-and-run")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("is not called, and nothing is sent again")).to_be_visible()
            await self._tab_to(page, "reason")
            await page.keyboard.type("customer calls")
            await self._tab_to(page, "run")
            await page.keyboard.press("Enter")
            await expect(page.locator("#part-timeline")).to_contain_text("Asked to find out now")
            await expect(page.locator("#part-timeline")).to_contain_text("customer calls")
        file = await case_file(desk.database, drilled.case)
        assert file.journal[-1].actor == "person:you"

    async def test_what_has_the_focus_can_be_seen(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await self._tab_to(page, "review-and-run")
            width = await page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
            assert width == "2px"

    async def test_the_first_stop_skips_to_the_content(self, desk: Desk):
        async with desk.page("/queue") as page:
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            assert await page.evaluate("document.activeElement.id") == "main"

    async def _tab_to(self, page: Page, target: str) -> None:
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.id") == target:
                return
        pytest.fail(f"Tab never reached {target}")


class WhenTheCaseMovesWhileItIsOpen:
    async def test_the_page_shows_it_by_itself(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await until_live(page)
            await drilled.find_done()
            tiles = page.locator(".states li")
            await expect(tiles.nth(2)).to_contain_text("Done", timeout=LIVE_MILLISECONDS)
            await expect(tiles.nth(3)).to_contain_text("Resolved")
            await expect(page.locator("#part-repair")).to_contain_text("There is nothing to find out")
            await expect(page.locator("#review-and-run")).to_have_count(0)

    async def test_what_moved_before_the_page_could_hear_is_shown_too(self, desk: Desk):
        drilled, moved = await store_drill(desk.database), asyncio.Event()

        async def late(route: Route) -> None:
            await moved.wait()
            await route.continue_()

        async with desk.page("/queue") as other, desk.reader() as browser:
            await until_live(other)
            await browser.route("**/events", late)
            page = await browser.new_page()
            await page.goto(address(drilled))
            await drilled.hand_to(CaseState.REPAIRING)
            await expect(other.locator("tr[data-case]")).to_contain_text("Repairing", timeout=LIVE_MILLISECONDS)
            moved.set()
            await expect(page.locator(".states")).to_contain_text("Repairing", timeout=LIVE_MILLISECONDS)

    async def test_what_the_reader_had_open_and_typed_stays(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await until_live(page)
            await page.locator("#review-and-run").click()
            await page.locator("#reason").fill("half a sen")
            await drilled.move(
                lambda order: order.put(replace(order.cases[drilled.case], next_action="Call them."), "advise", WHY)
            )
            await expect(page.locator("#part-repair")).to_contain_text("Call them.", timeout=LIVE_MILLISECONDS)
            await expect(page.locator("#reason")).to_have_value("half a sen")
            await expect(page.locator("#reason")).to_be_focused()

    async def test_a_form_that_is_being_sent_is_sent(self, desk: Desk):
        drilled, moved = await store_drill(desk.database), asyncio.Event()

        async def late(route: Route) -> None:
            await moved.wait()
            await route.continue_()

        async with desk.page(address(drilled)) as page:
            await until_live(page)
            await page.route("**/session", late)
            await page.locator("#review-and-run").click()
            await page.locator("#reason").fill("they call")
            await page.locator("#run").click()
            await drilled.move(
                lambda order: order.put(replace(order.cases[drilled.case], next_action="Call them."), "advise", WHY)
            )
            await expect(page.locator("#part-repair")).to_contain_text("Call them.", timeout=LIVE_MILLISECONDS)
            moved.set()
            await expect(page.locator("#part-timeline")).to_contain_text("they call")

    async def test_a_row_changes_in_its_place(self, desk: Desk):
        drilled = [await store_drill(desk.database, f"o{n}", severity="high") for n in range(3)]
        async with desk.page("/queue") as page:
            await until_live(page)
            before = await page.locator("tr[data-case]").evaluate_all("all => all.map(e => e.dataset.case)")
            last = next(d for d in drilled if outside("case", d.case) == before[-1])
            await page.locator(f"#open-{before[-1]}").focus()
            await last.move(
                lambda order: order.put(
                    replace(order.cases[last.case], severity="critical", state=CaseState.REPAIRING), "repair", WHY
                )
            )
            row = page.locator(f"#row-{before[-1]}")
            await expect(row).to_contain_text("Repairing", timeout=LIVE_MILLISECONDS)
            await expect(row).to_have_class(re.compile("fresh"))
            assert await page.locator("tr[data-case]").evaluate_all("all => all.map(e => e.dataset.case)") == before
            await expect(page.locator(f"#open-{before[-1]}")).to_be_focused()
            await expect(page.locator("#pulse li").first).to_contain_text("1")

    async def test_new_cases_are_announced_and_do_not_push_in(self, desk: Desk):
        await store_drill(desk.database, "old")
        async with desk.page("/queue") as page:
            await until_live(page)
            await store_drill(desk.database, "new")
            await expect(page.locator("#news")).to_contain_text("1 new. Show", timeout=LIVE_MILLISECONDS)
            await expect(page.locator("tr[data-case]")).to_have_count(1)
            await page.get_by_role("link", name="new. Show").click()
            await expect(page.locator("tr[data-case]")).to_have_count(2)

    async def test_the_eighth_tab_is_as_live_as_the_first_and_another_takes_over(self, desk: Desk):
        """Over HTTP/1.1 a browser has six connections to a host: all tabs share one stream."""
        drilled = await store_drill(desk.database)
        async with desk.reader() as browser:
            tabs = [await browser.new_page() for _ in range(8)]
            for tab in tabs:
                await tab.goto(address(drilled))
                await until_live(tab)
            assert desk.asked.count("/events") == 1
            await drilled.hand_to(CaseState.REPAIRING)
            for tab in tabs:
                await expect(tab.locator(".states")).to_contain_text("Repairing", timeout=LIVE_MILLISECONDS)
            await tabs[0].close()
            await drilled.find_done()
            await expect(tabs[7].locator(".states")).to_contain_text("Resolved", timeout=LIVE_MILLISECONDS)

    async def test_a_page_without_a_stream_says_so(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.reader() as browser:
            page = await browser.new_page()
            await page.route("**/events", lambda route: route.abort())
            await page.goto(address(drilled))
            await expect(page.locator("#live")).to_contain_text("Reconnecting", timeout=LIVE_MILLISECONDS)


class WhenTheQueueIsWorkedByKeyboard:
    async def test_a_case_is_found_looked_at_and_many_are_taken_at_once(self, desk: Desk, axe: Axe):
        drilled = [await store_drill(desk.database, f"o{n}", severity="high") for n in range(4)]
        await store_drill(desk.database, "low", severity="low")
        async with desk.page("/queue", reduced_motion="reduce") as page:
            await until_live(page)
            rows = page.locator("tr[data-case]")
            await page.locator("#n-severity-high").click()
            await expect(rows).to_have_count(4)
            await expect(page).to_have_url(re.compile(r"q=severity%3Ahigh"))
            await expect(page.locator("#q")).to_have_value("severity:high")
            await page.go_back()
            await expect(rows).to_have_count(5)
            await page.go_forward()
            await expect(rows).to_have_count(4)
            await page.keyboard.press("/")
            await page.keyboard.type(" assignee:none")
            await page.keyboard.press("Enter")
            await expect(page.locator(".chips")).to_contain_text("assignee:none")
            await page.keyboard.press("j")
            await page.keyboard.press("j")
            second = await rows.nth(1).get_attribute("data-case")
            await expect(page.locator(f"#open-{second}")).to_be_focused()
            await page.keyboard.press("Space")
            await expect(page.locator("#peek")).to_contain_text("Why high")
            assert await axe(page) == {}
            await page.keyboard.press("Escape")
            await page.keyboard.press("x")
            await page.keyboard.press("j")
            await page.keyboard.press("Shift+X")
            await expect(page.locator("#bar")).to_contain_text("2 ticked")
            moved = next(d for d in drilled if outside("case", d.case) == second)
            await moved.hand_to(CaseState.REPAIRING)
            await expect(rows.nth(1)).to_contain_text("Repairing", timeout=LIVE_MILLISECONDS)
            await expect(page.locator(f"#tick-{second}")).to_be_checked()
            await page.keyboard.press("?")
            await expect(page.locator("#keys")).to_be_visible()
            await page.keyboard.press("j")
            assert await axe(page) == {}
            await page.keyboard.press("Escape")
            await page.keyboard.press("b")
            await expect(page.get_by_role("heading", level=1)).to_have_text("2 cases")
            await page.get_by_label("Take them: I work on them").check()
            await page.get_by_role("button", name="Do it with 2 cases").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Take them: 2 of 2")
            await page.get_by_role("link", name="Back to the list").last.click()
            await expect(rows).to_have_count(2)
            await page.keyboard.press("n")
            await expect(page).to_have_url(re.compile("/cases/F-"))
            await page.keyboard.press("Control+k")
            await page.keyboard.type("low")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text("CRM low")

    async def test_a_view_is_saved_and_its_link_shared(self, desk: Desk):
        await store_drill(desk.database, "one", severity="high")
        async with desk.reader() as browser, desk.reader("support") as other:
            page = await browser.new_page()
            await page.goto("/queue?q=severity%3Ahigh&sort=newest")
            await page.get_by_text("Save view").click()
            await page.get_by_label("Name", exact=True).fill("High, newest first")
            await page.get_by_label("For", exact=True).select_option("everyone")
            await page.get_by_role("button", name="Save", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("High, newest first")
            shared = await other.new_page()
            await shared.goto(page.url)
            await expect(shared.locator("tr[data-case]")).to_have_count(1)
            await expect(shared.locator(".views")).to_contain_text("High, newest first")
            await shared.goto("/queue?q=colour%3Ared")
            await expect(shared.get_by_role("alert")).to_contain_text("there is no key colour")


class WhenAnActionComesTooLate:
    async def test_the_refusal_is_shown_word_for_word(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.reader() as browser:
            page = await browser.new_page()
            await page.route("**/events", lambda route: route.abort())
            await page.goto(address(drilled))
            await page.locator("#review-and-run").click()
            await drilled.find_done()
            await page.locator("#run").click()
            refusal = page.get_by_role("alert")
            await expect(refusal).to_contain_text(f"cannot reconcile command {outside('command', drilled.command)}")
            await expect(refusal).to_contain_text("its outcome is not unknown: it is done")
            await expect(refusal).to_contain_text("only an unknown outcome has to be found out")
            await expect(refusal).to_be_focused()
            await expect(page.locator("#part-timeline")).to_contain_text("Refused: reconcile")


HARM = "<script>alert(1)</script><img src=x onerror=alert(1)>"
FIELDS = "input[maxlength]:not([type=hidden], [type=password], [inputmode]), textarea"
PASTE = """(letters) => {
    const data = new DataTransfer();
    data.setData("text", "x".repeat(letters));
    document.activeElement.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""


class WhenSomethingIsNotAsItShouldBe:
    async def test_a_broken_filter_says_where_it_is_broken_and_nothing_else(self, desk: Desk):
        await store_drill(desk.database)
        async with desk.page("/queue?q=severity%3Acritical+colour%3Ared") as page:
            await expect(page.get_by_role("alert")).to_contain_text("At letter 19: there is no key colour")
            await expect(page.locator("mark")).to_have_text("colour:red")
            await expect(page.locator("#q")).to_have_value("severity:critical colour:red")
            await expect(page.locator("#total, #desk, .acts, .live")).to_have_count(0)

    async def test_a_case_that_is_not_there_any_more_is_said_to_be_gone(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await until_live(page)
            await page.evaluate("document.querySelector('[data-page]').dataset.case = 'F-1'")
            await drilled.hand_to(CaseState.REPAIRING)
            await expect(page.get_by_role("alert")).to_contain_text("is not there any more", timeout=LIVE_MILLISECONDS)
            await page.goto(f"{desk.url}/cases/F-1")
            await expect(page.get_by_role("heading", level=1)).to_have_text("There is no such case")

    async def test_a_page_that_hears_nothing_for_a_minute_calls_itself_stale(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.reader() as browser:
            page = await browser.new_page()
            await page.clock.install()
            await page.goto(address(drilled))
            await until_live(page)
            await page.context.set_offline(True)
            await page.clock.fast_forward(70_000)
            await expect(page.locator("#live")).to_contain_text("Stale: reload to be sure")

    async def test_a_server_that_is_gone_is_said_to_be_gone_and_the_form_is_kept(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await page.get_by_text("Comment", exact=True).first.click()
            await page.locator("#work-comment").fill("they called")
            await desk.stop()
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Nothing was sent")
            await expect(page.get_by_role("alert")).to_be_focused()
            await expect(page.locator("#work-comment")).to_have_value("they called")
            await desk.start()
            await page.get_by_role("button", name="Save").click()
            await expect(page.locator(".said")).to_contain_text("they called")

    async def test_ten_megabytes_in_any_field_are_cut_or_refused_and_that_is_said(self, desk: Desk):
        drilled = await store_drill(desk.database)
        form = f"{address(drilled)}/repairs/new/DECLARE_OUTCOME"
        async with desk.page(form) as page:
            for field in await page.locator(f"#details :is({FIELDS})").all():
                await field.focus()
                await page.evaluate(PASTE, 10_001)
                await expect(page.get_by_role("alert")).to_contain_text("The rest was left out")
            await page.goto(f"{desk.url}{address(drilled)}")
            await page.get_by_text("Comment", exact=True).first.click()
            await page.locator("#work-comment").focus()
            await page.evaluate(PASTE, 10_000_000)
            await expect(page.get_by_role("alert")).to_contain_text("this field holds 10,000 letters")
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            for path in (f"{address(drilled)}/work/comment", form):
                answer = await page.request.post(f"{desk.url}{path}", headers=headers, data="text=" + "x" * 10_000_000)
                assert (answer.status, "That is more than fits" in await answer.text()) == (413, True), path

    async def test_a_script_in_any_field_is_shown_as_text(self, desk: Desk):
        """Of case work, of repairs, of work on many cases, of views, of people, of search and filter."""
        drilled, many = await store_drill(desk.database), await store_drill(desk.database, "778")
        desk.actors["operator"] = replace(OPERATOR, roles=frozenset({"operator", "admin"}))
        asked: list[str] = []
        async with desk.page(address(drilled)) as page:
            page.on("dialog", lambda dialog: asked.append(dialog.message))
            for action, until in {"comment": "", "wait": "2099-01-01T10:00", "transfer": "", "escalate": ""}.items():
                form = f"form[action$='/work/{action}']"
                await self._fill(page, form)
                if until:
                    await page.locator(f"{form} [type=datetime-local]").fill(until)
                async with page.expect_navigation():
                    await page.locator(form).get_by_role("button").click()
            await expect(page.locator(".said")).to_contain_text(HARM)
            await page.goto(f"{desk.url}{address(drilled)}")
            await expect(page.locator("#part-timeline")).to_contain_text(HARM)
            for code in ("DECLARE_OUTCOME", "FREEZE", "MERGE", "OVERRIDE_CLASSIFICATION"):
                await page.goto(f"{desk.url}{address(drilled)}/repairs/new/{code}")
                await self._fill(page, "#details")
                async with page.expect_navigation():
                    await page.locator("#preview").click()
                await expect(page.locator("main")).to_contain_text("alert(1)")
                assert await page.locator("main img, main script").count() == 0, code
            await page.goto(f"{desk.url}/queue?q=ref%3A778")
            for key in ("j", "x", "b"):
                await page.keyboard.press(key)
            await page.wait_for_url("**/queue/selected")
            await page.get_by_label("Comment", exact=True).check()
            await self._fill(page, ".many")
            await page.get_by_role("button", name="Do it with 1 case").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Comment: 1 of 1")
            await page.goto(f"{desk.url}{address(many)}")
            await expect(page.locator(".said")).to_contain_text(HARM)
            await page.goto(f"{desk.url}/people")
            await page.locator("#new-person").evaluate("e => { e.open = true; }")
            await self._fill(page, "#rights")
            await page.get_by_label("auditor").check()
            await page.get_by_role("button", name="Make known").click()
            await expect(page.get_by_role("alert")).to_contain_text("nobody can be called '<script>")
            await page.locator("#person-name").fill("mei")
            await page.get_by_role("button", name="Make known").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(HARM)
            await page.locator("#word").fill(HARM)
            await page.locator("#word").press("Enter")
            await expect(page.locator("main")).to_contain_text(HARM)
            await page.goto(f"{desk.url}/queue")
            await page.get_by_text("Save view").click()
            await page.get_by_label("Name", exact=True).fill(HARM)
            await page.get_by_role("button", name="Save", exact=True).click()
            await expect(page.get_by_role("heading", level=1)).to_have_text(HARM)
            await page.locator("#q").fill(HARM)
            await page.locator("#q").press("Enter")
            await expect(page.locator("main")).to_contain_text("<script>")
            assert await page.locator("main img, main script").count() == 0
        assert asked == []

    async def _fill(self, page: Page, form: str) -> None:
        """A script in each field of text of a form; of what is to be chosen, the first that there is."""
        await page.locator(form).evaluate("e => { const fold = e.closest('details'); if (fold) fold.open = true; }")
        for field in await page.locator(f"{form} :is({FIELDS})").all():
            await field.fill(HARM)
        for choice in await page.locator(f"{form} select[required]").all():
            await choice.select_option(index=0)


class WhenJavaScriptIsOff:
    async def test_everything_can_be_read_and_the_action_be_asked_for(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page("/queue", scripts=False) as page:
            await expect(page.locator("#live")).to_contain_text("As of")
            await page.locator("#rows").get_by_role("link", name="Sent, but").click()
            await expect(page.locator(".states li").nth(2)).to_contain_text("Outcome unknown")
            await page.get_by_role("link", name="State changes").click()
            await expect(page.get_by_role("link", name="State changes")).to_have_attribute("aria-current", "true")
            await page.locator("a.box", has_text="Create billing account").click()
            await expect(page.get_by_text("CRM/777/billing.createBillingAccount/fulfill/1")).to_be_visible()
            await page.locator("#review-and-run").click()
            await page.locator("#run").click()
            await expect(page.locator("#part-timeline")).to_contain_text("Asked to find out now")
        assert drilled

    async def test_the_list_goes_on_by_links(self, desk: Desk):
        for n in range(30):
            await store_drill(desk.database, f"o{n}")
        async with desk.page("/queue", scripts=False) as page:
            await expect(page.locator("tr[data-case]")).to_have_count(25)
            await page.get_by_role("link", name="Next 25").click()
            await expect(page.locator("tr[data-case]")).to_have_count(5)

    async def test_the_theme_can_be_chosen(self, desk: Desk):
        async with desk.page("/queue", scripts=False, color_scheme="light") as page:
            await page.locator("#theme").click()
            await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
            dark = await page.locator("main").evaluate("e => getComputedStyle(e).backgroundColor")
            assert dark == "rgb(20, 24, 30)"


class WhenSomebodyNeedsItAccessible:
    async def test_nothing_moves_for_those_who_asked_for_stillness(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled), reduced_motion="reduce") as page:
            await until_live(page)
            await drilled.hand_to(CaseState.REPAIRING)
            await expect(page.locator(".states")).to_contain_text("Repairing", timeout=LIVE_MILLISECONDS)
            assert await page.locator("#part-head").evaluate("e => getComputedStyle(e).animationName") == "none"

    async def test_the_printed_page_has_the_case_and_not_the_frame(self, desk: Desk):
        drilled = await store_drill(desk.database)
        async with desk.page(address(drilled)) as page:
            await page.emulate_media(media="print")
            await expect(page.locator(".side")).to_be_hidden()
            await expect(page.locator("#part-repair .review")).to_be_hidden()
            await expect(page.locator("#part-timeline")).to_be_visible()

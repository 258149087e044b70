"""Pictures of every page of the workbench in both themes, over believable data: `make shots`, into build/shots."""

import asyncio
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import psycopg  # noqa: E402
import uvicorn  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from playwright.async_api import Page, async_playwright  # noqa: E402
from tests.browser.conftest import FLAGS, find_chromium  # noqa: E402
from tests.workbench import stored  # noqa: E402

import cases  # noqa: E402
import desk  # noqa: E402
from fallsafe.core.access import Actor  # noqa: E402
from fallsafe.flows import repairs  # noqa: E402
from fallsafe.flows.context import Context, Refused  # noqa: E402
from fallsafe.store.embedded import Embedded  # noqa: E402
from fallsafe.store.ids import outside  # noqa: E402
from fallsafe.store.migrate import migrate  # noqa: E402
from fallsafe.store.queue import fold  # noqa: E402
from fallsafe.store.tx import Database  # noqa: E402
from fallsafe.workbench.guard import SESSION_COOKIE  # noqa: E402
from fallsafe.workbench.pages import create_pages  # noqa: E402

PORT, COUNT = 28_440, 1_835
PAGES: dict[str, str] = {
    "queue": "/queue",
    "queue-narrowed": "/queue?q=severity%3Acritical%2Chigh+-assignee%3Anone",
    "queue-broken": "/queue?q=severity%3Acritical+colour%3Ared",
    "queue-empty": "/queue?q=customer%3Anobody",
    "unknown": "/unknown",
    "groups": "/groups",
    "dashboard": "/dashboard",
    "audit": "/audit",
    "permissions": "/permissions?right=publish_policy",
    "search": "/search?q=Halcyon+Care",
    "order": "{order}",
    "approvals": "/approvals",
    "downstreams": "/downstreams",
    "policy": "/policy",
    "repair-form": "{case}/repairs/new/DECLARE_OUTCOME",
    "repair": "{repair}",
    "selected": "/queue?q=severity%3Acritical",
    "case": "{case}",
}


async def picture(page: Page, name: str, path: str, folder: Path) -> None:
    """One page in both themes, and as narrow as a telephone."""
    for theme, width, height in (("light", 1440, 900), ("dark", 1440, 900), ("light", 390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await page.goto(f"http://127.0.0.1:{PORT}{path}")
        if name == "selected":
            await page.locator("#with-all").click()
            await page.wait_for_url("**/queue/selected")
        if name == "queue" and width > 1000:
            for _ in range(3):
                await page.keyboard.press("j")
                await page.keyboard.press("x")
        over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        print(f"{name}-{theme}-{width}" + (f": {over} px too wide" if over > 0 else ""))
        await page.screenshot(path=folder / f"{name}-{theme}-{width}.png")


async def repairs_that_wait(store: Database, context: Context) -> tuple[str, str]:
    """Three people have asked for something; the case and the name of the first, which waits for a second person."""
    seen, absent = "The planner's screen 4 shows no service under this key.", {"outcome": "absent", "where": "screen 4"}
    wishes = (
        ("mei", "DECLARE_OUTCOME", {**absent, "seen": seen}, "their planner looked"),
        ("jonas", "DECLARE_OUTCOME", {**absent, "seen": seen}, "the customer has no light"),
        ("aisha", "FREEZE", {"what": "order"}, "the customer wants to cancel"),
    )
    first = ("", "")
    for n, (who, action, given, reason) in enumerate(wishes):
        drilled = await stored.store_drill(store, f"8{n}1", severity="high")
        asked = repairs.Asked(drilled.case, action, given, reason)
        actor = Actor("person", who, frozenset({"operator"}))
        shown = await store.transact(lambda tx, asked=asked, actor=actor: repairs.show(tx, context, asked, actor))
        assert not isinstance(shown, Refused), shown.refusal
        assert shown.repair is not None, [c for c in shown.preview.plan.conditions if not c.met]
        first = first if n else (outside("case", drilled.case), outside("repair", shown.repair.id))
    return first


DOWN = """
INSERT INTO downstreams (system, gate, state, since, changed_at, why, failures, probes, canary, look_at, moves)
VALUES ('BIL', 1, 'tripped', clock_timestamp() - interval '38 minutes', clock_timestamp() - interval '38 minutes',
        '5 calls in a row were refused: unreachable', 5, 3, NULL, clock_timestamp() + interval '2 minutes', 3)
"""


async def take(owner_url: str, url: str, folder: Path, only: str) -> None:
    """Seeds, serves, and takes each picture."""
    store = await stored.opened(url)
    policy = stored.context().newest
    cases.seed(owner_url, COUNT, policy.id, desk.FIRST_ID, ended_each=19)
    drilled = await stored.store_drill(store, severity="critical")
    case, repair = await repairs_that_wait(store, stored.context())
    with psycopg.connect(owner_url) as connection:
        connection.execute(DOWN)
    await store.transact(fold)
    app = FastAPI()
    app.include_router(create_pages(desk.Signed(store)))
    server = uvicorn.Server(uvicorn.Config(app, port=PORT, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, "--no-sandbox"])
        page = await browser.new_page()
        await page.context.add_cookies(
            [{"name": SESSION_COOKIE, "value": "jonas", "url": f"http://127.0.0.1:{PORT}", "httpOnly": True}]
        )
        for name, path in PAGES.items():
            if only in name:
                await picture(
                    page,
                    name,
                    path.format(
                        case=f"/cases/{outside('case', drilled.case)}",
                        order=f"/orders/{outside('order', drilled.order)}",
                        repair=f"/cases/{case}/repairs/{repair}",
                    ),
                    folder,
                )
        await browser.close()
    server.should_exit = True
    await serving
    await store.close()


def main() -> None:
    """Takes them."""
    folder = ROOT / "build/shots"
    folder.mkdir(parents=True, exist_ok=True)
    only = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory(prefix="fallsafe-shots-") as home, Embedded(Path(home)) as server:
        migrate(server.url("fallsafe_owner"))
        asyncio.run(take(server.url("fallsafe_owner"), server.url(), folder, only))


if __name__ == "__main__":
    main()

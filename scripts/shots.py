"""Pictures of every page of the workbench in both themes, over believable data: `make shots`, into build/shots."""

import asyncio
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import uvicorn  # noqa: E402
from fastapi import FastAPI  # noqa: E402
from playwright.async_api import Page, async_playwright  # noqa: E402
from tests.browser.conftest import FLAGS, find_chromium  # noqa: E402
from tests.workbench import stored  # noqa: E402

import cases  # noqa: E402
import desk  # noqa: E402
from fallsafe.store.embedded import Embedded  # noqa: E402
from fallsafe.store.ids import outside  # noqa: E402
from fallsafe.store.migrate import migrate  # noqa: E402
from fallsafe.store.queue import fold  # noqa: E402
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
    "case": "{case}",
}


async def picture(page: Page, name: str, path: str, folder: Path) -> None:
    """One page in both themes, and as narrow as a telephone."""
    for theme, width, height in (("light", 1440, 900), ("dark", 1440, 900), ("light", 390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await page.goto(f"http://127.0.0.1:{PORT}{path}")
        if name == "queue" and width > 1000:
            for _ in range(3):
                await page.keyboard.press("j")
                await page.keyboard.press("x")
        over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        print(f"{name}-{theme}-{width}" + (f": {over} px too wide" if over > 0 else ""))
        await page.screenshot(path=folder / f"{name}-{theme}-{width}.png")


async def take(owner_url: str, url: str, folder: Path, only: str) -> None:
    """Seeds, serves, and takes each picture."""
    store = await stored.opened(url)
    policy = stored.context().newest
    cases.seed(owner_url, COUNT, policy.id, desk.FIRST_ID, ended_each=19)
    drilled = await stored.store_drill(store, severity="critical")
    await store.transact(fold)
    app = FastAPI()
    app.include_router(create_pages(desk.Signed(store)))
    server = uvicorn.Server(uvicorn.Config(app, port=PORT, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=[*FLAGS, "--no-sandbox"])
        page = await browser.new_page()
        for name, path in PAGES.items():
            if only in name:
                await picture(
                    page,
                    name,
                    path.format(
                        case=f"/cases/{outside('case', drilled.case)}",
                        order=f"/orders/{outside('order', drilled.order)}",
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

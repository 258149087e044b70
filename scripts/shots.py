"""Pictures of every page of the workbench in both themes, over believable data: `make shots`, into build/shots."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from playwright.async_api import Page, async_playwright  # noqa: E402
from tests.browser.conftest import FLAGS, Desk, Tabs, find_chromium  # noqa: E402
from tests.browser.test_every_page import SHOWN, Shown, something_of_everything  # noqa: E402
from tests.workbench import stored  # noqa: E402

import cases  # noqa: E402
import desk as bench  # noqa: E402
from fallsafe.store.embedded import Embedded  # noqa: E402
from fallsafe.store.migrate import migrate  # noqa: E402
from fallsafe.store.queue import fold  # noqa: E402

PORT, COUNT, ENDED_EACH = 28_440, 1_835, 19
LOOKS = (("light", 1440, 900), ("dark", 1440, 900), ("light", 390, 844))


async def picture(desk: Desk, page: Page, name: str, shown: Shown, names: dict[str, str], folder: Path) -> None:
    """One page in both themes, and as narrow as a telephone."""
    for theme, width, height in LOOKS:
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        await desk.let_in(page.context, shown.who)
        await page.goto(f"{desk.url}{shown.path.format(**names)}")
        await shown.brought(page)
        over = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        file = f"{name.replace(', ', '-').replace(' ', '-')}-{theme}-{width}"
        print(file + (f": {over} px too wide" if over > 0 else ""))
        await page.screenshot(path=folder / f"{file}.png")


async def take(owner_url: str, url: str, folder: Path, only: str) -> None:
    """Seeds, serves, and takes each picture."""
    store = await stored.opened(url)
    cases.seed(owner_url, COUNT, stored.context().newest.id, bench.FIRST_ID, ended_each=ENDED_EACH)
    await store.transact(fold)
    async with async_playwright() as playwright:
        flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=flags)
        desk = Desk(f"http://127.0.0.1:{PORT}", store, Tabs(browser))
        names = await something_of_everything(desk, owner_url)
        await desk.start()
        page = await (await browser.new_context()).new_page()
        for name, shown in SHOWN.items():
            if only in name:
                await picture(desk, page, name, shown, names, folder)
        await browser.close()
        await desk.stop()
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

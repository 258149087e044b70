"""The pages of policy: what is in force and why, what is written and what is wrong with it, what would change (§7)."""

from urllib.parse import quote

import httpx2
from tests.policyset.sets import TELCO, with_text

from fallsafe.core.access import Actor
from fallsafe.flows.policy import publish
from fallsafe.flows.policy_drafts import save
from fallsafe.policyset import load_files
from fallsafe.store.tx import Database

ENGINEER = Actor("person", "eva", frozenset({"engineer"}))
LONGER = with_text("operations.yaml", "key_lives: PT24H", "key_lives: PT48H")
WRONG = with_text("task_types.yaml", "owner: SUPPLY_CHAIN", "owner: SUPPLY_<b>CHAINS")


class WhenPolicyIsOpened:
    async def test_it_shows_what_is_in_force_and_why_what_is_written_and_what_is_wrong(
        self, browser: httpx2.AsyncClient, store: Database
    ) -> None:
        assert "Nothing was put in force" in (await browser.get("/policy")).text
        first, second = load_files(TELCO), load_files(LONGER)
        wrong = {name: body.decode() for name, body in WRONG.items()}
        await store.transact(lambda tx: publish(tx, first, ENGINEER, "the first of all"))
        await store.transact(lambda tx: publish(tx, second, ENGINEER, "keys live <longer>"))
        await store.transact(lambda tx: save(tx, "telco", wrong, ENGINEER, "to be checked", None))
        page = (await browser.get("/policy")).text
        for said in (
            "In force",
            "Was in force",
            second.id,
            "person:eva",
            "keys live &lt;longer&gt;",
            "1 fault",
            "to be",
        ):
            assert said in page, said

        one = (await browser.get(f"/policy/sets/{quote(second.id)}")).text
        assert "contract BIL.createAccount: key_lives was PT24H, is PT48H" in one
        assert (first.id in one, "planned from then on" in one) == (True, True)
        file = (await browser.get(f"/policy/sets/{quote(second.id)}", params={"file": "offers.yaml"})).text
        assert "FIBER-HOME-1G" in file
        other = (await browser.get(f"/policy/sets/{quote(first.id)}")).text
        assert "key_lives was PT48H, is PT24H" in other and f"fallsafe policy activate {first.id}" in other

        draft = (await browser.get("/policy/drafts/telco")).text
        line = wrong["task_types.yaml"].splitlines().index("    owner: SUPPLY_<b>CHAINS") + 1
        assert f"task_types.yaml:{line}" in draft and "SUPPLY_&lt;b&gt;CHAINS" in draft
        assert "<b>CHAINS" not in draft

    async def test_what_is_not_there_is_said(self, browser: httpx2.AsyncClient) -> None:
        for path in ("/policy/sets/telco@2099-01-01+0", "/policy/drafts/nothing"):
            answer = await browser.get(path)
            assert (answer.status_code, "There is no such set" in answer.text) == (404, True)
        assert (await browser.get("/policy", headers={"Cookie": ""})).status_code == 401

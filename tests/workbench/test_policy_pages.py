"""The pages of policy: what is in force and why, what is written and what is wrong with it, what would change (§7)."""

import json
from urllib.parse import quote

import httpx2
from tests.doors.test_api_signals import a_signal
from tests.flows import orders as world
from tests.policyset.sets import TELCO, with_text
from tests.workbench import stored
from tests.workbench.stored import store_drill
from tests.workbench.test_pages import csrf_of

from fallsafe.core.access import Actor
from fallsafe.core.detect.signal import signal_draft
from fallsafe.flows import signals
from fallsafe.flows.policy import publish
from fallsafe.flows.policy_drafts import save
from fallsafe.policyset import load_files
from fallsafe.store.rules import rule_versions
from fallsafe.store.tx import Database
from fallsafe.workbench.guard import SESSION_COOKIE

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


class WhenRulesAreLookedAt:
    async def test_a_version_that_was_wrong_is_taken_back_by_whoever_may(
        self, browser: httpx2.AsyncClient, store: Database
    ) -> None:
        for path in ("/policy/sets/telco@2099-01-01+0", "/policy/drafts/nothing"):
            answer = await browser.get(path)
            assert (answer.status_code, "There is no such set" in answer.text) == (404, True)
        assert (await browser.get("/rules", headers={"Cookie": ""})).status_code == 401

        assert "No rule has found anything yet" in (await browser.get("/rules")).text
        drilled = await store_drill(store)
        (row,) = await store.fetch("cases/by_id", id=drilled.case)
        support = {"Cookie": f"{SESSION_COOKIE}=s-support"}
        theirs = (await browser.get("/rules", headers=support)).text
        assert "Taken back by" not in theirs and "Rules are taken back by" in theirs and 'href="/rules"' not in theirs
        page = (await browser.get("/rules")).text
        for said in (row["rule"], row["policy_set"], "Decides", "not judged", "Lets through", 'href="/rules"'):
            assert said in page, said

        form = {"do": "withdraw", "rule": row["rule"], "set": row["policy_set"], "reason": "it read a test as a fault"}
        assert (await browser.post("/rules", data=form)).status_code == 403  # of no page of ours
        form["csrf"] = csrf_of(page)
        assert (await browser.post("/rules", data={**form, "reason": " "})).status_code == 422
        foreign = {**form, "csrf": csrf_of((await browser.get("/queue", headers=support)).text)}
        refused = await browser.post("/rules", data=foreign, headers=support)
        assert (refused.status_code, "Nothing was changed" in refused.text) == (422, True)
        assert (await store.fetch("cases/by_id", id=drilled.case))[0]["state"] == row["state"]

        # Nobody knows yet what became of that order: its case stays. What a monitor thought to see goes.
        done = await browser.post("/rules", data=form)
        assert (done.status_code, done.headers["location"]) == (303, "/rules?done=0&refused=1")
        told = a_signal(code="SERVICE_NOT_FOUND", system="PRV")
        seen = [(signal_draft(told), json.dumps(told).encode())]
        await store.transact(lambda tx: signals.receive(tx, stored.context(), seen, ENGINEER))
        due = await world.due(store, stored.context(), "signal")
        await store.transact(lambda tx: signals.apply(tx, stored.context(), due, world.ACTOR))
        (found,) = [one for one in await rule_versions(store) if one.rule != row["rule"]]
        done = await browser.post("/rules", data={**form, "rule": found.rule})
        after = (await browser.get(done.headers["location"])).text
        assert ("1 done, 0 refused" in after, "Taken back" in after, "0 of 1" in after) == (True, True, True)

"""The repair queue over a real database: its order and pages, its numbers, its exports, views, and work on many cases
at once (§8).
"""

import csv
import io
import re
from datetime import timedelta

import httpx2
from tests.workbench import stored
from tests.workbench.stored import Drill, store_drill

from fallsafe.core.cases.case import CaseState
from fallsafe.core.cases.query import LEVELS
from fallsafe.flows.asking import ask
from fallsafe.store.ids import outside
from fallsafe.store.queue import Asked, case_rows, facets, find, fold, open_cells
from fallsafe.store.tx import Database

HOUR = timedelta(hours=1)
SEVERAL = (
    ("soon", HOUR, {"severity": "low", "amount_minor": 1_00}),
    ("late", -48 * HOUR, {"severity": "critical", "amount_minor": 9_00}),
    ("ahead", 9 * HOUR, {"severity": "critical", "amount_minor": 5_00}),
    ("open", None, {"severity": "high", "amount_minor": 7_00, "assignee": "mei"}),
    ("calm", 3 * HOUR, {"severity": "high", "amount_minor": 0, "customer_impact": "none"}),
)


async def several(store: Database) -> dict[str, Drill]:
    """Cases of different severity, and due at different times from now, each of an order of its own."""
    now = (await store.fetch("tx/now"))[0]["clock_timestamp"]
    return {
        name: await store_drill(store, name, **changed, sla_due_at=now + due if due is not None else None)
        for name, due, changed in SEVERAL
    }


def asked(text: str) -> Asked:
    found = ask(text, stored.context(), "you")
    assert isinstance(found, Asked)
    return found


def cases_of(page: str) -> list[str]:
    return re.findall(r'<tr class="row[^"]*" role="row" id="row-(F-\d+)"', page)


def csrf_of(page: str) -> str:
    return re.search(r'name="csrf" value="(\w+)"', page)[1]


# What somebody writes who looks for the case of the drill (CRM 777, a fibre line that did not answer), and whether they
# find it.
TEXTS = (
    ("a word of its code", "unknown", True),
    ("the beginning of one, in capitals", "OUTC", True),
    ("what its failure is called", '"Outcome unknown"', True),
    ("an operation, of which the sign parts system and verb", "activateServ", True),
    ("the number of its order with its source", "CRM-777", True),
    ("one word of the case and one of the order", "outcome 777", True),
    ("the middle of a word", "nknown", False),
    ("one word that it has and one that it has not", "outcome 778", False),
    ("nothing but signs", '"%_--"', False),
    ("what is more than a word to the database", """\"unknown':*|'x'&!(\"""", False),
)


class WhenTheQueueIsRead:
    async def test_a_case_is_found_by_beginnings_of_its_words(self, store: Database):
        await store_drill(store, "777")
        for what, text, expected in TEXTS:
            page = await find(store, asked(text), sort="priority", limit=2)
            assert [row.order_external_id for row in page.rows] == ["777"] * expected, what
            assert (await facets(store, asked(text))).total == len(page.rows), what

    async def test_every_order_is_cut_into_pages_that_miss_nothing_and_the_numbers_agree(self, store: Database):
        made = await several(store)
        names = {drilled.case: name for name, drilled in made.items()}
        orders = {
            "priority": ["soon", "ahead", "late", "calm", "open"],
            "due": ["late", "soon", "calm", "ahead", "open"],
            "newest": ["calm", "open", "ahead", "late", "soon"],
            "value": ["late", "open", "ahead", "soon", "calm"],
        }
        for sort, expected in orders.items():
            found, after = list[str](), ""
            while True:
                page = await find(store, asked(""), sort=sort, after=after, limit=2)
                found += [names[row.case.id] for row in page.rows]
                after = page.after
                if not after:
                    break
            assert found[: len(expected)] == expected and sorted(found) == sorted(names.values()), sort
        numbers = await facets(store, asked(""))
        assert numbers.total == 5
        assert numbers.values["severity"] == {"critical": 2, "high": 2, "low": 1}
        assert numbers.values["sla"] == {"breached": 1, "on_track": 3, "none": 1}
        for text in (
            "sla:breached",
            "severity:high sla:none",
            "-sla:none",
            "impact:none",
            "age:<1h sla:on_track",
            "is:any",
        ):
            page = await find(store, asked(text), sort="priority", limit=50)
            assert (await facets(store, asked(text))).total == len(page.rows) > 0, text

    async def test_what_is_counted_always_is_what_there_is_however_cases_move(self, store: Database):
        made = await several(store)

        async def recounted() -> bool:
            everything = await facets(store, asked("is:any"))
            open_ones = await facets(store, asked("seen:>=0"))
            cells = await open_cells(store)
            return everything.total == 5 and {
                level: n for level in LEVELS if (n := sum(c.cases for c in cells if c.severity == level))
            } == dict(open_ones.values["severity"])

        assert await recounted()
        await made["late"].hand_to(CaseState.REPAIRING)
        await made["soon"].find_done()
        assert await recounted()
        await store.transact(fold)
        assert await recounted()
        assert len(await store.fetch("reads/case_counts")) == len(await open_cells(store)) > 0
        assert sum(c.cases for c in await open_cells(store)) == 4

    async def test_the_page_and_both_exports_show_the_same(self, browser: httpx2.AsyncClient, store: Database):
        made = await several(store)
        page = (await browser.get("/queue?q=severity:critical")).text
        wanted = [outside("case", made[name].case) for name in ("ahead", "late")]
        assert cases_of(page) == wanted and "2 cases" in page
        table = list(csv.DictReader(io.StringIO((await browser.get("/queue.csv?q=severity:critical")).text)))
        items = (await browser.get("/queue.json?q=severity:critical")).json()["items"]
        assert [row["id"] for row in table] == [item["id"] for item in items] == wanted
        assert all(item["nextAction"] and item["taskStep"] == "activateFiberService" for item in items)
        await store_drill(store, "=1+1", customer_impact="none")
        assert "'=1+1" in (await browser.get("/queue.csv?q=impact:none&sort=newest")).text

    async def test_a_broken_filter_says_where_on_every_way(self, browser: httpx2.AsyncClient):
        for path in ("/queue", "/queue.csv", "/queue.json"):
            answer = await browser.get(path, params={"q": "severity:high colour:<b>"})
            assert answer.status_code == 400
            assert (
                "At letter 15: there is no key colour." in answer.text
                and "<mark>colour:&lt;b&gt;</mark>" in answer.text
            )
        assert (await browser.get("/queue/rows", params={"q": "colour:red"})).status_code == 400

    async def test_an_empty_list_says_why_and_what_to_do(self, browser: httpx2.AsyncClient, store: Database):
        page = (await browser.get("/queue?q=severity:low+assignee:me")).text
        assert "No case matches" in page and "Drop severity:low" in page and "Include what has ended" in page
        assert "No order has been taken in yet." in (await browser.get("/queue")).text
        for path, words in (
            ("/unknown", "Every outcome is known"),
            ("/groups", "No case is open"),
            ("/dashboard", "No case is open."),
            ("/audit", "No record fits"),
            ("/search?q=x", "Nothing is called x"),
        ):
            assert words in (await browser.get(path)).text, path


class WhenOneWorksOnManyCases:
    async def test_the_set_is_frozen_and_each_case_has_its_answer(self, browser: httpx2.AsyncClient, store: Database):
        made = await several(store)
        csrf = csrf_of((await browser.get("/queue")).text)
        ticked = [outside("case", made[name].case) for name in ("soon", "open")]
        shown = (await browser.post("/queue/selected", data={"csrf": csrf, "what": "ticked", "case": ticked})).text
        assert "2 cases" in shown and all(name in shown for name in ticked)
        ids = re.search(r'name="ids" value="([^"]+)"', shown)[1]
        form = {"csrf": csrf, "ids": ids, "back": "/queue?q=severity%3Alow"}
        lacking = await browser.post("/queue/work", data={**form, "action": "transfer", "reason": "busy"})
        assert lacking.status_code == 400 and "Say to whom" in lacking.text
        worked = (await browser.post("/queue/work", data={**form, "action": "claim"})).text
        assert (
            "Take them: 1 of 2" in worked and "mei works on it" in worked and 'href="/queue?q=severity%3Alow"' in worked
        )
        everything = (await browser.post("/queue/selected", data={"csrf": csrf, "what": "all", "q": "is:any"})).text
        assert "5 cases" in everything
        nothing = await browser.post("/queue/selected", data={"csrf": csrf, "what": "ticked"})
        assert nothing.status_code == 400 and "No case was chosen" in nothing.text
        assert (await browser.post("/queue/work", data={**form, "csrf": "another"})).status_code == 403

    async def test_a_number_above_fifty_has_to_be_typed(self, browser: httpx2.AsyncClient):
        csrf = csrf_of((await browser.get("/queue")).text)
        ids = ",".join(f"F-{n}" for n in range(1, 61))
        form = {"csrf": csrf, "ids": ids, "action": "claim"}
        assert "Type the number of cases, 60." in (await browser.post("/queue/work", data=form)).text
        worked = (await browser.post("/queue/work", data={**form, "typed": "60"})).text
        assert "Take them: 0 of 60" in worked and "there is no case F-1" in worked

    async def test_the_next_case_is_the_first_that_nobody_works_on(self, browser: httpx2.AsyncClient, store: Database):
        made = await several(store)
        csrf = csrf_of((await browser.get("/queue")).text)
        taken = [
            (await browser.post("/queue/next", data={"csrf": csrf, "q": "severity:high"})).headers.get("location")
            for _ in range(2)
        ]
        assert taken == [f"/cases/{outside('case', made['calm'].case)}", None]
        (row,) = await case_rows(store, [made["calm"].case])
        assert row.case.assignee == "you"


class WhenAViewIsSaved:
    async def test_it_leads_to_its_list_and_is_seen_by_its_own(self, browser: httpx2.AsyncClient, store: Database):
        await several(store)
        csrf = csrf_of((await browser.get("/queue")).text)
        form = {
            "csrf": csrf,
            "title": "Bad <b>ones</b>",
            "q": "severity:critical",
            "sort": "due",
            "scope": "team:operator",
        }
        saved = await browser.post("/views", data=form)
        address = saved.headers["location"]
        list_of_it = await browser.get(address, follow_redirects=True)
        assert len(cases_of(list_of_it.text)) == 2 and "Bad &lt;b&gt;ones&lt;/b&gt;" in list_of_it.text
        assert "Not saved" not in list_of_it.text
        elsewhere = (await browser.get("/queue", params={"q": "severity:low", "view": address[7:]})).text
        assert "Not saved" in elsewhere
        refused = await browser.post("/views", data={**form, "scope": "team:finance"})
        assert refused.status_code == 409 and "you do not have the role finance" in refused.text
        other = {"Cookie": "fallsafe_session=s-support"}
        browser.cookies.clear()
        assert (await browser.get(address, headers=other)).status_code == 404
        assert "Bad" not in (await browser.get("/queue", headers=other)).text

    async def test_every_name_of_a_thing_is_found(self, browser: httpx2.AsyncClient, store: Database):
        made = await several(store)
        late = made["late"]
        (row,) = await case_rows(store, [late.case])
        for word in (outside("case", late.case), outside("case", late.case).lower()):
            assert (await browser.get("/search", params={"q": word})).headers["location"].startswith("/cases/F-")
        for word in (outside("order", late.order), "late", outside("command", late.command), row.command_key):
            location = (await browser.get("/search", params={"q": word})).headers["location"]
            page = (await browser.get(location)).text
            assert location == f"/orders/{outside('order', late.order)}", word
            assert f'href="/cases/{outside("case", late.case)}"' in page and "activateFiberService" in page, word
            assert "CRM/late/router.reserveRouter/fulfill/1" in page and "Outcome unknown" in page
        assert (await browser.get("/orders/O-1")).status_code == 404
        for word in (row.customer_ref, row.case.raw_code):
            assert "5 o" in (await browser.get("/search", params={"q": word})).text, word


class WhenTheWholeIsLookedAt:
    async def test_each_number_leads_to_what_it_counts(self, browser: httpx2.AsyncClient, store: Database):
        await several(store)
        board = (await browser.get("/dashboard")).text
        links = re.findall(r'aria-label="[^"]*: (\d+)"><rect', board)
        places = re.findall(r'<a href="(/queue\?q=[^"]+)" aria-label="[^"]*: \d+"><rect', board)
        assert len(links) == len(places) > 0
        for place, number in zip(places, links, strict=True):
            assert len(cases_of((await browser.get(place.replace("&amp;", "&"))).text)) == int(number)
        groups = (await browser.get("/groups")).text
        (place,) = re.findall(r'href="(/queue\?q=group[^"]+)"', groups)
        assert len(cases_of((await browser.get(place)).text)) == 5
        unknown = (await browser.get("/unknown")).text
        assert unknown.count("/reconcile") == 5
        why = (await browser.get("/permissions?right=end_rewind")).text
        assert "You may not end rewind: it belongs to admin, and you have" in why

    async def test_the_journal_is_searched(self, browser: httpx2.AsyncClient, store: Database):
        made = await several(store)
        csrf = csrf_of((await browser.get("/queue")).text)
        name = outside("case", made["late"].case)
        await browser.post("/queue/work", data={"csrf": csrf, "ids": name, "action": "claim"})
        await browser.post(f"/cases/{name}/work/withdraw", data={"csrf": csrf, "reason": "surely nothing"})
        people = (await browser.get("/audit?people=yes")).text
        assert people.count("person:you") == 2 and "system:" not in people
        refused = (await browser.get("/audit", params={"refused": "yes", "of": name})).text
        assert "1 record" in refused and "refused: Withdraw" in refused
        whole = (await browser.get("/audit", params={"of": outside("order", made["late"].order)})).text
        assert "Claim" in whole and "Detect" in whole
        assert "is neither an order" in (await browser.get("/audit", params={"of": "X-1"})).text

"""The pages over a real database: what they answer, what they refuse, and that nothing but our own files is allowed."""

import asyncio
import re
from datetime import timedelta

import httpx2
import psycopg
import pytest
from starlette.requests import Request
from tests.policyset.sets import telco
from tests.workbench.stored import Drill, store_drill

from fallsafe.core.cases.case import CaseState
from fallsafe.core.commands.ledger import CommandState
from fallsafe.store.ids import outside
from fallsafe.store.reads import case_file
from fallsafe.store.trail import Moved
from fallsafe.store.tx import Database
from fallsafe.workbench.guard import SESSION_COOKIE, form_token, local_path
from fallsafe.workbench.live import Live, message, told


@pytest.fixture
async def drilled(store: Database) -> Drill:
    return await store_drill(store)


def csrf_of(text: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
    assert found is not None
    return found[1]


def case_url(drilled: Drill) -> str:
    return f"/cases/{outside('case', drilled.case)}"


class WhenNobodyIsSignedIn:
    @pytest.mark.parametrize("path", ["/", "/queue", "/cases/F-1"])
    async def test_a_page_says_how_to_get_a_link(self, browser: httpx2.AsyncClient, path: str):
        answer = await browser.get(path, headers={"Cookie": ""})
        assert answer.status_code == 401
        assert "fallsafe up" in answer.text
        assert 'action="/sign-in"' in answer.text and f'name="then" value="{path}"' in answer.text

    @pytest.mark.parametrize(
        ("wrong", "said"), [("password", "Nobody has that name"), ("locked", "Wait some minutes"), ("<b>", "")]
    )
    async def test_the_page_says_what_became_of_the_last_try(self, browser: httpx2.AsyncClient, wrong: str, said: str):
        answer = await browser.get("/welcome", params={"wrong": wrong, "then": "//evil.test"}, headers={"Cookie": ""})
        assert said in answer.text and ('role="alert"' in answer.text) == bool(said)
        assert 'name="then" value="/queue"' in answer.text

    @pytest.mark.parametrize("path", ["/events", "/queue/rows?ids=F-1", "/cases/F-1/parts"])
    async def test_what_an_open_page_asks_for_is_refused(self, browser: httpx2.AsyncClient, path: str):
        assert (await browser.get(path, headers={"Cookie": ""})).status_code == 401

    async def test_nobody_can_act(self, browser: httpx2.AsyncClient, drilled: Drill):
        answer = await browser.post(f"{case_url(drilled)}/reconcile", data={"csrf": "x"}, headers={"Cookie": ""})
        assert answer.status_code == 401


class WhenTheListIsOpened:
    async def test_an_empty_list_says_why_and_what_to_do(self, browser: httpx2.AsyncClient):
        answer = await browser.get("/queue")
        assert answer.status_code == 200
        assert "No case is open" in answer.text
        assert "fallsafe drill" in answer.text
        assert "No order has been taken in yet." in answer.text

    async def test_a_case_stands_in_it_with_its_names(self, browser: httpx2.AsyncClient, drilled: Drill):
        text = (await browser.get("/")).text
        for name in (
            outside("case", drilled.case),
            outside("order", drilled.order),
            "CUST-1001",
            "Network operations",
            "45.00 EUR",
        ):
            assert name in text
        assert "Unknown</span>" in text

    async def test_what_can_still_be_saved_comes_before_what_is_worse_and_what_is_late(
        self, browser: httpx2.AsyncClient, store: Database
    ):
        now = (await store.fetch("tx/now"))[0]["clock_timestamp"]
        wished = {
            "soon": ("low", now + timedelta(minutes=30)),
            "critical": ("critical", now + timedelta(hours=5)),
            "critical-late": ("critical", now - timedelta(hours=5)),
            "medium": ("medium", None),
        }
        made = {}
        for name in ("critical-late", "medium", "soon", "critical"):
            severity, due = wished[name]
            made[name] = (await store_drill(store, name, severity=severity, sla_due_at=due)).case
        text = (await browser.get("/queue")).text
        assert re.findall(r'data-case="F-(\d+)"', text) == [str(made[name]) for name in wished]

    async def test_pages_follow_one_another_without_a_gap_or_a_repeat(
        self, browser: httpx2.AsyncClient, store: Database
    ):
        made = [(await store_drill(store, f"o{n}", severity=("low", "high")[n % 2])).case for n in range(60)]
        seen, address = [], "/queue"
        while address:
            text = (await browser.get(address)).text
            seen += [int(n) for n in re.findall(r'data-case="F-(\d+)"', text)]
            found = re.search(r'href="(/queue\?after=[^"]+)"', text)
            address = found[1] if found else ""
        assert sorted(seen) == sorted(made)
        assert len(seen) == len(set(seen)) == 60

    @pytest.mark.parametrize("after", ["rubbish", "AAAA", "W10", "x" * 5000, "%ff"])
    async def test_a_cursor_that_no_page_gave_is_a_page_too(self, browser: httpx2.AsyncClient, after: str):
        answer = await browser.get(f"/queue?after={after}")
        assert answer.status_code == 400
        assert "This page of the list is not there" in answer.text


class WhenACaseIsOpened:
    async def test_it_shows_the_six_states_and_the_key(self, browser: httpx2.AsyncClient, drilled: Drill):
        text = (await browser.get(case_url(drilled))).text
        for layer in ("Order", "Order item", "Task", "Fallout case", "Service level", "Customer may hear"):
            assert f'<span class="layer">{layer}</span>' in text
        assert "CRM/777/fiber.activateFiberService/fulfill/1" in text
        assert "We are confirming your activation status." in text

    @pytest.mark.parametrize("name", ["F-1", "F-", "O-1", "F-99999999999999999999", "F-%3Cscript%3E", "x" * 300])
    async def test_a_case_that_does_not_exist_is_a_page_too(self, browser: httpx2.AsyncClient, name: str):
        answer = await browser.get(f"/cases/{name}")
        assert answer.status_code == 404
        assert "There is no such case" in answer.text
        assert "<script>" not in answer.text.replace("<script src", "")

    async def test_what_came_from_outside_is_shown_as_text(self, browser: httpx2.AsyncClient, store: Database):
        made = await store_drill(store, raw_message='<img src=x onerror="alert(1)">')
        text = (await browser.get(case_url(made))).text
        assert "<img" not in text
        assert "&lt;img src=x" in text

    async def test_the_timeline_can_be_narrowed_by_a_link(self, browser: httpx2.AsyncClient, drilled: Drill):
        people = (await browser.get(f"{case_url(drilled)}?show=people")).text
        assert "Nothing of this kind has happened." in people
        assert (await browser.get(f"{case_url(drilled)}?show=nonsense")).status_code == 200


class WhenAnOpenPageLooksAgain:
    async def test_it_gets_only_the_parts_that_are_another(self, browser: httpx2.AsyncClient, drilled: Drill):
        text = (await browser.get(case_url(drilled))).text
        have = dict(re.findall(r'id="part-(\w+)" data-digest="(\w+)"', text))
        assert len(have) == 11
        query = {"have": ",".join(f"{name}:{digest}" for name, digest in have.items())}
        assert (await browser.get(f"{case_url(drilled)}/parts", params=query)).text == ""
        await drilled.find_done()
        again = (await browser.get(f"{case_url(drilled)}/parts", params=query)).text
        changed = re.findall(r'id="part-(\w+)"[^>]*hx-swap-oob="true"', again)
        assert set(changed) >= {"head", "plan", "sent", "timeline", "repair"}
        assert not set(changed) & {"why", "evidence"}

    async def test_a_row_comes_again_with_the_counters(self, browser: httpx2.AsyncClient, drilled: Drill):
        await drilled.find_done()
        answer = await browser.get(f"/queue/rows?ids={outside('case', drilled.case)},F-1,rubbish")
        assert f'id="row-{outside("case", drilled.case)}"' in answer.text
        assert "Resolved" in answer.text
        assert '<span id="total" hx-swap-oob="true">0 cases</span>' in answer.text


class WhenFindingOutIsAskedFor:
    async def test_the_look_is_due_at_once_and_the_asker_stands_in_the_journal(
        self, browser: httpx2.AsyncClient, drilled: Drill
    ):
        token = csrf_of((await browser.get(case_url(drilled))).text)
        answer = await browser.post(f"{case_url(drilled)}/reconcile", data={"csrf": token, "reason": "customer calls"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{case_url(drilled)}#part-repair")
        file = await case_file(drilled.database, drilled.case)
        record = file.journal[-1]
        assert (record.verb, record.actor, record.reason) == ("reconcile", "person:you", "customer calls")
        look = next(entry for entry in file.agenda if entry.kind == "lookup")
        assert look.due_at <= record.at

    async def test_nothing_is_sent_by_it(self, browser: httpx2.AsyncClient, drilled: Drill):
        token = csrf_of((await browser.get(case_url(drilled))).text)
        await browser.post(f"{case_url(drilled)}/reconcile", data={"csrf": token})
        file = await case_file(drilled.database, drilled.case)
        assert file.command.state is CommandState.UNKNOWN
        assert len(file.file.attempts) == 1

    async def test_a_refusal_is_shown_word_for_word_and_kept(self, browser: httpx2.AsyncClient, drilled: Drill):
        token = csrf_of((await browser.get(case_url(drilled))).text)
        await drilled.find_done()
        answer = await browser.post(f"{case_url(drilled)}/reconcile", data={"csrf": token})
        assert answer.status_code == 409
        assert f"cannot reconcile command {outside('command', drilled.command)}" in answer.text
        assert "its outcome is not unknown: it is done" in answer.text
        assert "only an unknown outcome has to be found out" in answer.text
        file = await case_file(drilled.database, drilled.case)
        refused = [line for line in file.journal if line.is_refusal]
        assert [(line.verb, line.actor) for line in refused] == [("refuse_reconcile", "person:you")]

    async def test_who_may_not_is_refused_by_the_flow_too(self, browser: httpx2.AsyncClient, drilled: Drill):
        mine = {"Cookie": f"{SESSION_COOKIE}=s-support"}
        token = form_token(Request({"type": "http", "headers": [(b"cookie", f"{SESSION_COOKIE}=s-support".encode())]}))
        browser.cookies.clear()
        answer = await browser.post(f"{case_url(drilled)}/reconcile", data={"csrf": token}, headers=mine)
        assert answer.status_code == 409
        assert "has none of the roles" in answer.text

    @pytest.mark.parametrize(
        ("form", "headers"),
        [
            ({}, {}),
            ({"csrf": ""}, {}),
            ({"csrf": "0" * 64}, {}),
            ({"csrf": "right"}, {"Origin": "https://evil.example"}),
            ({"csrf": "right"}, {"Sec-Fetch-Site": "cross-site"}),
            ({"csrf": "right"}, {"Content-Type": "text/plain"}),
        ],
    )
    async def test_a_form_that_is_not_ours_changes_nothing(
        self, browser: httpx2.AsyncClient, drilled: Drill, form: dict, headers: dict
    ):
        token = csrf_of((await browser.get(case_url(drilled))).text)
        before = len((await case_file(drilled.database, drilled.case)).journal)
        sent = {name: token if value == "right" else value for name, value in form.items()}
        answer = await browser.post(f"{case_url(drilled)}/reconcile", data=sent, headers=headers)
        assert answer.status_code == 403
        assert len((await case_file(drilled.database, drilled.case)).journal) == before

    async def test_ten_megabytes_are_told_to_be_too_many(self, browser: httpx2.AsyncClient, drilled: Drill):
        token = csrf_of((await browser.get(case_url(drilled))).text)
        sent = {"csrf": token, "text": "x" * 10_000_000}
        answer = await browser.post(f"{case_url(drilled)}/work/comment", data=sent)
        assert answer.status_code == 413
        assert "A form holds 64.0 KiB. Nothing was changed." in answer.text

    async def test_a_form_that_is_sent_twice_does_once_what_it_does(self, browser: httpx2.AsyncClient, drilled: Drill):
        text = (await browser.get(case_url(drilled))).text
        form = {"csrf": csrf_of(text), "key": re.findall(r'name="key" value="(\w+)"', text)[0], "text": "they called"}
        for _ in range(2):
            assert (await browser.post(f"{case_url(drilled)}/work/comment", data=form)).status_code == 303
        await browser.post(f"{case_url(drilled)}/work/comment", data=form | {"text": "they called again"})
        frozen = (await browser.post("/queue/selected", data={"csrf": form["csrf"], "what": "all"})).text
        bulk = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', frozen))
        for _ in range(2):
            answer = await browser.post("/queue/work", data=bulk | {"action": "comment", "text": "to all"})
            assert "Comment: 1 of 1" in answer.text
        said = [line for line in (await case_file(drilled.database, drilled.case)).journal if line.verb == "comment"]
        assert len(said) == 3

    async def test_a_case_without_a_command_has_nothing_to_find_out(
        self, browser: httpx2.AsyncClient, store: Database, drilled: Drill
    ):
        token = csrf_of((await browser.get(case_url(drilled))).text)
        other = await store_drill(store, "778", command_id=None, task_id=None)
        answer = await browser.post(f"{case_url(other)}/reconcile", data={"csrf": token})
        assert answer.status_code == 409


class WhenAPageIsAnswered:
    @pytest.mark.parametrize("path", ["/queue", "/cases/F-1", "/queue?after=x"])
    async def test_it_allows_only_our_own_files_and_is_kept_nowhere(self, browser: httpx2.AsyncClient, path: str):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"

    async def test_it_has_no_style_or_script_of_its_own(self, browser: httpx2.AsyncClient, drilled: Drill):
        for path in ("/queue", case_url(drilled)):
            text = (await browser.get(path)).text
            assert " style=" not in text
            assert "<style" not in text
            assert not re.search(r"<script(?! src=)", text)
            assert not re.search(r'\son[a-z]+="', text)

    async def test_it_names_no_other_host_but_in_the_link_to_a_runbook(
        self, browser: httpx2.AsyncClient, drilled: Drill
    ):
        text = (await browser.get(case_url(drilled))).text
        runbook = telco().playbooks["PB-UNKNOWN"].runbook
        assert runbook and f'<a href="{runbook}" rel="noreferrer">' in text
        assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {"http://www.w3.org/2000/svg", runbook}

    async def test_its_files_are_kept_for_ever_under_their_version(self, browser: httpx2.AsyncClient):
        text = (await browser.get("/queue")).text
        for address in set(re.findall(r'(?:href|src)="(/static/[^"#]+)', text)):
            answer = await browser.get(address)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
        assert (await browser.get("/static/other/workbench.css")).headers["cache-control"] == "no-store"
        assert (await browser.get("/static/other/%2e%2e/pages.py")).status_code == 404

    async def test_the_theme_is_remembered_and_leads_back_to_this_server_only(self, browser: httpx2.AsyncClient):
        answer = await browser.get("/theme?to=dark&back=/cases/F-1")
        assert answer.headers["location"] == "/cases/F-1"
        assert 'data-theme="dark"' in (await browser.get("/queue")).text

    @pytest.mark.parametrize(
        "path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\nb"]
    )
    def test_a_way_back_to_another_place_leads_to_the_list(self, path: str):
        assert local_path(path) == "/queue"


class WhenTheDatabaseIsAway:
    async def test_a_page_says_so_and_that_nothing_was_changed(
        self, deps, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ):
        async def away(*_: object, **__: object) -> list:
            raise psycopg.OperationalError("connection refused")

        monkeypatch.setattr(deps.database, "fetch", away)
        answer = await browser.get("/queue")
        assert answer.status_code == 503
        assert "The database cannot be reached" in answer.text


class WhenSomethingMoves:
    async def test_open_pages_are_told_ids_and_versions_only(self, store: Database, drilled: Drill):
        stop: list[bool] = []
        live, heard, follows = Live(store, lambda: bool(stop)), list[str](), asyncio.Event()

        async def listen() -> None:
            async for text in live.listen():
                heard.append(text)
                if len(heard) == 2:  # the loop knows where the journal stands
                    follows.set()
                if "event: moved" in text:
                    stop.append(True)

        listening = asyncio.create_task(listen())
        await follows.wait()
        await drilled.hand_to(CaseState.REPAIRING)
        await asyncio.wait_for(listening, 20)
        said = next(text for text in heard if "event: moved" in text)
        assert outside("case", drilled.case) in said
        assert outside("order", drilled.order) in said
        assert "repair" not in said
        assert "UNKNOWN" not in said

    def test_things_of_one_order_are_one_line_with_the_newest_version(self):
        moved = [Moved(5, "task", 7, 3), Moved(5, "case", 9, 8), Moved(0, "policy_set", 1, 0)]
        assert told(moved) == {"orders": {"O-5": 8}, "cases": ["F-9"]}

    async def test_a_listener_who_does_not_keep_up_is_told_to_read_everything(self, store: Database):
        live = Live(store, lambda: False)
        stream = live.listen()
        await anext(stream)
        for _ in range(300):
            live._tell(message("moved", {}))
        assert (await anext(stream)).startswith("event: all")
        await stream.aclose()
        assert not live.full


class WhenTheServerStops:
    async def test_open_streams_end_by_themselves(self, deps):
        live = Live(deps.database, deps.stopping)
        stream = live.listen()
        await anext(stream)
        deps.stop.append(True)
        assert [text async for text in stream] == []


class WhenASessionEndsWhileAPageIsOpen:
    async def test_its_stream_ends_too(self, deps, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("fallsafe.workbench.live.ASK_AGAIN_SECONDS", 0.0)
        live, allowed = Live(deps.database, deps.stopping), [True, False]

        async def may_read() -> bool:
            return allowed.pop(0)

        stream = live.listen(may_read)
        await anext(stream)
        live._tell(message("moved", {}))
        assert "event: moved" in await anext(stream)
        live._tell(message("moved", {}))
        assert [text async for text in stream] == []


class WhenSomebodyWorksOnACase:
    async def test_each_form_does_what_its_action_does_at_the_api(self, browser: httpx2.AsyncClient, drilled: Drill):
        url = case_url(drilled)
        csrf = csrf_of((await browser.get(url)).text)
        for action, form in (
            ("claim", {}),
            ("comment", {"text": "<b>no light</b> since Monday"}),
            ("wait", {"whom": "network", "what": "an answer", "until": "2099-01-01T09:00+07:00"}),
            ("escalate", {"reason": "two hours"}),
        ):
            answer = await browser.post(f"{url}/work/{action}", data={"csrf": csrf, **form})
            assert (answer.status_code, answer.headers["location"]) == (303, f"{url}#part-work")
        page = (await browser.get(url)).text
        assert "&lt;b&gt;no light&lt;/b&gt; since Monday" in page
        assert "network: an answer" in page and "It waits no longer" in page and "Escalated to" in page
        assert "2099-01-01 02:00" in page
        assert "It cannot be ended: its task" in page and "It is no failure" not in page

    async def test_what_is_refused_or_not_complete_is_said(self, browser: httpx2.AsyncClient, drilled: Drill):
        url = case_url(drilled)
        csrf = csrf_of((await browser.get(url)).text)
        refused = await browser.post(f"{url}/work/withdraw", data={"csrf": csrf, "reason": "surely nothing"})
        assert refused.status_code == 409 and "needs somebody who owns it" in refused.text
        for action, form in (
            ("comment", {"text": " "}),
            ("wait", {"whom": "a", "what": "b", "until": "soon"}),
            ("wait", {"whom": "a", "what": "b", "until": "0001-01-01T00:00+14:00"}),
            ("x", {}),
        ):
            answer = await browser.post(f"{url}/work/{action}", data={"csrf": csrf, **form})
            assert answer.status_code == 400 and "not complete" in answer.text
        for path, form, status in (
            (f"{url}/work/comment", {"text": "a\0b"}, 400),
            (f"{url}/repairs/new/FREEZE", {"what": "order", "reason": "a\0b"}, 400),
            (f"{url}/repairs/new/REQUEST_AMENDMENT", {"changes/0": "monthlyMinor=--5"}, 409),
            ("/people", {"name": "x", "title": "y", "roles": "operator", "reason": "r", "seen": "9" * 5_000}, 409),
        ):
            assert (await browser.post(path, data={"csrf": csrf, **form})).status_code == status, path
        assert (await browser.post(f"{url}/work/claim", data={"csrf": "another"})).status_code == 403


class WhenACaseIsRepaired:
    """Details, preview, run: each a page, without a script."""

    async def test_the_form_comes_from_the_schema_and_what_was_shown_is_run_once(
        self, browser: httpx2.AsyncClient, drilled: Drill
    ):
        url = case_url(drilled)
        page = (await browser.get(url)).text
        csrf = csrf_of(page)
        assert f'href="{url}/repairs/new/FREEZE"' in page and "RESEND_SAME_KEY" not in page
        details = (await browser.get(f"{url}/repairs/new/FREEZE")).text
        assert "<option>order</option>" in details and 'id="preview"' in details
        form = {"csrf": csrf, "what": "order", "reason": "the <customer> called"}
        shown = await browser.post(f"{url}/repairs/new/FREEZE", data=form)
        assert shown.status_code == 303
        repair = shown.headers["location"]
        preview = (await browser.get(repair)).text
        assert "going on → frozen" in preview and "the &lt;customer&gt; called" in preview
        seen = re.search(r'name="hash" value="([0-9a-f]{64})"', preview)
        assert seen
        wrong = await browser.post(f"{repair}/run", data={"csrf": csrf, "hash": "0" * 64})
        assert wrong.status_code == 409 and "OTHER_PREVIEW" in wrong.text
        for _ in range(2):
            ran = await browser.post(f"{repair}/run", data={"csrf": csrf, "hash": seen[1]})
            assert (ran.status_code, ran.headers["location"]) == (303, repair)
        done = (await browser.get(repair)).text
        assert "Run by" in done and 'id="run"' not in done and "Stop" in (await browser.get(url)).text

    async def test_what_cannot_be_run_keeps_its_form_and_says_why(self, browser: httpx2.AsyncClient, drilled: Drill):
        url = case_url(drilled)
        csrf = csrf_of((await browser.get(url)).text)
        missing = await browser.post(f"{url}/repairs/new/DECLARE_OUTCOME", data={"csrf": csrf, "outcome": "absent"})
        assert missing.status_code == 409 and "INPUT_WRONG" in missing.text
        thawed = await browser.post(f"{url}/repairs/new/THAW", data={"csrf": csrf, "reason": "let it go"})
        assert thawed.status_code == 409 and "is not frozen" in thawed.text and 'value="let it go"' in thawed.text
        said = {"csrf": csrf, "outcome": "absent", "seen": "it stands on their screen", "where": "screen 7"}
        early = await browser.post(f"{url}/repairs/new/DECLARE_OUTCOME", data=said)
        assert early.status_code == 409 and "proves nothing: it is asked by itself after that" in early.text
        shown = await browser.post(f"{url}/repairs/new/ADD_TASK", data={"csrf": csrf, "taskType": "determineTax"})
        page = (await browser.get(shown.headers["location"])).text
        assert "a second person has to agree" in page and 'id="run"' not in page and 'id="approve"' not in page
        assert (await browser.post(f"{url}/repairs/new/FREEZE", data={"csrf": "another"})).status_code == 403
        for path in ("repairs/new/NOTHING", "repairs/RA-1"):
            assert (await browser.get(f"{url}/{path}")).status_code == 404

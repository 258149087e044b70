"""Another engine executes, Fallsafe watches and steers: a real engine in a process of its own, that reports late and
twice, loses the answer to what it is told, and fails; and exports of systems that tell nothing themselves (§6, §11,
model rule 3).
"""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.crash.outside import Installation, forge, installation, until
from typer.testing import CliRunner

from fallsafe.cli import bringing
from fallsafe.cli.main import app
from fallsafe.simulator.sandbox import judge
from fallsafe.simulator.sandbox.control import Control
from fallsafe.store import audit

STEPS = [
    {"step": "check", "item": "line", "seconds": 0.2},
    {"step": "activate", "item": "line", "after": ["check"], "seconds": 0.2, "fails": 1, "code": "PORT_FAULT"},
    {"step": "subscribe", "item": "line", "after": ["activate"], "seconds": 0.2},
    {"step": "survey", "item": "line", "seconds": 0.2, "fails": 1, "code": "NOBODY_HOME"},
]
ORDER = {"orderId": "E-1", "customerRef": "CU-1", "committedAt": "2027-03-01T10:00:00Z", "steps": STEPS}
FAULTS: dict[str, list[dict[str, object]]] = {
    "engine": [
        {"operation": "ENG.report", "match": "E-1/1", "fault": "callback_late", "seconds": 1},
        {"operation": "ENG.report", "match": "E-1/2", "fault": "callback_twice"},
        {"operation": "ENG.steer", "fault": "answer_lost_after_effect"},
    ]
}


def told(there: Installation) -> dict[str, Any]:
    """The order, or nothing while it is not known."""
    try:
        return there.ask("/orders/ENG:E-1")
    except OSError:
        return {}


def states(there: Installation) -> dict[str, str]:
    return {t["step"]: t["state"] for t in told(there).get("tasks", ())}


def task(there: Installation, step: str) -> str:
    return next(t["id"] for t in told(there)["tasks"] if t["step"] == step)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose engine has one order, with the reports of its first failure applied."""
    home = tmp_path_factory.mktemp("watched") / "home"
    with installation(home, FAULTS) as made, forge(made.environment) as smith:
        for name in ("api", "worker-1"):
            smith.start(name, made.home / "log" / f"{name}.log", made.environment)
        until(made.answers, 30, "the API does not answer")

        async def give() -> None:
            async with Control(made.wiring.systems["ENG"]) as control:
                await control.give_orders([ORDER])

        asyncio.run(give())
        wanted = {"check": "completed", "activate": "failed", "subscribe": "planned", "survey": "failed"}
        until(lambda: states(made) == wanted, 30, lambda: str(states(made)))
        yield made


def refused_resend(there: Installation, command: str, group: str) -> dict[str, Any]:
    """What somebody who works for one group is told who wants a word to be sent again."""
    token = there.token_of(f"of-{group}", ["operator"], [group])
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    path = f"{there.wiring.api}/api/v1/commands/{command}/resend"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(path, b"{}", headers, method="POST"), timeout=5)
    return dict(json.loads(refused.value.read()))


def leave_out(there: Installation, case: str, step: str) -> dict[str, Any]:
    """Two people have the engine leave a step out; the command that carries the word."""
    with pytest.raises(urllib.error.HTTPError) as alone:
        there.ask(f"/tasks/{task(there, step)}/skip", {"reason": "the customer sent pictures"})
    refused = json.loads(alone.value.read())
    assert (refused["code"], "SKIP_TASK" in refused["hint"]) == ("APPROVAL_NEEDED", True)
    own, headers = f"{there.wiring.api}/api/v1/fallout-cases/{case}/repairs", {"Content-Type": "application/json"}

    def ask(who: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        mine = {**headers, "Authorization": f"Bearer {there.token_of(who, ['operator'])}"}
        asked = urllib.request.Request(f"{own}/{path}", json.dumps(body).encode(), mine, method="POST")
        return dict(json.loads(urllib.request.urlopen(asked, timeout=5).read()))

    seen = ask("ann", "preview", {"action": "SKIP_TASK", "reason": "the customer sent pictures"})
    assert [(s["purpose"], s["operation"]) for s in seen["sends"]] == [("resume", "ENG.steer")]
    ask("bob", f"{seen['id']}/approve", {"hash": seen["hash"]})
    return {"id": ask("ann", f"{seen['id']}/run", {"hash": seen["hash"]})["commandId"]}


class WhenAnotherEngineExecutes:
    def test_it_is_watched_steered_through_the_ledger_and_ends_as_the_engine_says(self, there: Installation) -> None:
        cases = {c["taskStep"]: c for c in told(there)["cases"]}
        assert {step: c["state"] for step, c in cases.items()} == {"activate": "assigned", "survey": "assigned"}
        assert there.ask(f"/fallout-cases/{cases['activate']['id']}")["classification"]["rawCode"] == "PORT_FAULT"
        assert told(there)["order"]["customerRef"] == "CU-1"

        retried = there.ask(f"/tasks/{task(there, 'activate')}/retry", {"reason": "the port was repaired"})
        until(lambda: there.ask(f"/commands/{retried['id']}")["state"] == "done", 40, "the word is not done")
        command = there.ask(f"/commands/{retried['id']}")
        assert (command["purpose"], command["method"]) == ("resume", "retry")
        assert command["key"] == "ENG/E-1/line.activate/resume/1"
        assert command["lostBecause"] == "timeout"
        until(lambda: states(there)["subscribe"] == "completed", 20, lambda: str(states(there)))

        skipped = leave_out(there, cases["survey"]["id"], "survey")
        until(lambda: there.ask(f"/commands/{skipped['id']}")["state"] == "done", 20, "the skip is not done")
        until(lambda: told(there)["order"]["state"] == "completed", 20, lambda: str(told(there)))
        assert states(there)["survey"] == "skipped"
        after = {c["taskStep"]: c for c in told(there)["cases"] if c["code"] != "UNKNOWN_OUTCOME"}
        assert {c["state"] for c in after.values()} == {"resolved"}
        refused = refused_resend(there, skipped["id"], "FIELD_OPS")
        assert refused["code"] == "NOT_ALLOWED" and "belongs to OMS_ENGINEERING" in refused["detail"]
        assert refused_resend(there, skipped["id"], "OMS_ENGINEERING")["code"] != "NOT_ALLOWED"
        effects = {k: n for k, n in judge.effects_by_key(there.home).items() if k.startswith("ENG/")}
        assert effects == {"ENG/E-1/line.activate/resume/1": 1, "ENG/E-1/line.survey/resume/1": 1}
        assert there.ask("/coverage")["percent"] == 100
        assert audit.verify(there.server.url()).findings == ()


# -- exports ----------------------------------------------------------------------------------------------------------

EXPORT = Path(__file__).parents[2] / "docs" / "start" / "fiber-orders.csv"
GOES_ON = "4065,4065.activate.1,activate,completed,2026-05-01T05:00:00Z,Network,FIBER-1G,K80696,2026-05-31T08:00:00Z\n"


def bring(there: Installation, *words: object, code: int = 0, **settings: str) -> Any:
    """What the command line says of bringing files in; its words where it refuses."""
    own = {**there.environment, "FALLSAFE_URL": there.wiring.api, **settings}
    said = CliRunner().invoke(app, [*map(str, words), "--open-cases"], env=own, catch_exceptions=False)
    assert said.exit_code == code, said.output
    return json.loads(said.stdout)["brought"] if "--json" in words and said.stdout else said.output


def judged(there: Installation, source: str) -> list[dict[str, Any]]:
    """The signals of a source, once all of them are."""

    def all_of_them() -> list[dict[str, Any]]:
        found = there.ask(f"/signals?source={source}&limit=200")["items"]
        return [] if any(s["state"] == "received" for s in found) else found

    until(lambda: bool(all_of_them()), 20, "signals are not judged")
    return all_of_them()


def cases_of(there: Installation, order: str) -> list[dict[str, Any]]:
    return there.ask(f"/orders/{order}")["cases"]


@contextmanager
def cut_off(behind: str, posts: int, *, arrives: bool) -> Iterator[str]:
    """The address of an installation that goes away with the change after so many: before it arrives, or before the
    answer does.
    """
    left = [posts]

    class Between(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on(None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            left[0] -= 1
            if left[0] >= 0:
                self.pass_on(body)
            elif left[0] == -1 and arrives:
                self.answer_of(body)
            self.close_connection = True

        def answer_of(self, body: bytes | None) -> tuple[int, bytes]:
            headers = {n: self.headers[n] for n in ("Authorization", "Content-Type") if n in self.headers}
            asked = urllib.request.Request(f"{behind}{self.path}", body, headers, method=self.command)
            try:
                with urllib.request.urlopen(asked, timeout=30) as answer:
                    return answer.status, answer.read()
            except urllib.error.HTTPError as error:
                return error.code, error.read()

        def pass_on(self, body: bytes | None) -> None:
            status, said = self.answer_of(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Between)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def brought_in(there: Installation, source: str) -> dict[str, Any]:
    """What an installation has of a source once all of it is judged, without ids and times."""
    signals = judged(there, f"{source}.scan")
    orders = {s["orderExternalId"]: there.ask(f"/orders/{source}:{s['orderExternalId']}") for s in signals}
    return {
        name: (
            sorted((t["step"], t["state"]) for t in order["tasks"]),
            sorted((c["code"], c["taskStep"] or "") for c in order["cases"]),
            sorted(s["state"] for s in signals if s["orderExternalId"] == name),
        )
        for name, order in orders.items()
    }


class WhenAnExportIsBroughtIn:
    def test_cut_off_at_any_point_and_done_again_it_is_as_if_done_once(
        self, there: Installation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bringing, "ROWS_AT_ONCE", 4)
        once = bring(there, "scan", EXPORT, "--source", "ONCE", "--json")
        assert (once["reported"], once["raised"]) == (12, 12)
        wanted = brought_in(there, "ONCE")
        for posts, arrives in ((0, False), (1, True), (3, False), (5, True)):
            source = f"CUT{posts}"
            with cut_off(there.wiring.api, posts, arrives=arrives) as address:
                said = bring(there, "scan", EXPORT, "--source", source, code=1, FALLSAFE_URL=address)
                assert "does not answer" in said and "again" in said, said
            done = bring(there, "scan", EXPORT, "--source", source, "--json")
            counted = (done["reported"] + done["unchanged"], done["raised"] + done["standing"], done["refused"])
            assert counted == (12, 12, 0), (posts, done)
            assert brought_in(there, source) == wanted, posts

    def test_without_the_right_to_it_nothing_is_read_and_nothing_begun(self, there: Installation) -> None:
        said = bring(there, "scan", EXPORT, "--source", "NOT", code=1, FALLSAFE_TOKEN="wrong")
        assert "UNAUTHENTICATED" in said.upper() or "token" in said, said
        assert there.ask("/orders?source=NOT")["items"] == []

    def test_each_order_with_a_finding_is_watched_with_a_case_once_and_a_newer_export_heals(
        self, there: Installation, tmp_path: Path
    ) -> None:
        first = bring(there, "scan", EXPORT, "--source", "OLD", "--json")
        none = {"unchanged": 0, "standing": 0, "ended": 0, "settled": 0, "absent": 0, "refused": 0, "reasons": []}
        assert first == {"source": "OLD", "reported": 12, "raised": 12, **none}
        signals = judged(there, "OLD.scan")
        assert {s["state"] for s in signals} == {"standing"} and len(signals) == 12
        assert len({s["caseId"] for s in signals}) == 12

        stuck = there.ask("/orders/OLD:4065")
        steps = {t["step"]: t["state"] for t in stuck["tasks"]}
        assert steps["4065.activate.1"] == "failed" and steps["4065.ship.1"] == "completed"
        assert stuck["order"]["committedAt"] == "2026-05-31T08:00:00.000000Z"
        (case,) = stuck["cases"]
        assert (case["code"], case["taskStep"]) == ("ORDER_STUCK", "4065.activate.1")
        assert {t["steers"] is not None for t in stuck["tasks"]} == {True}

        again = bring(there, "scan", EXPORT, "--source", "OLD", "--json")
        assert again == first | {"reported": 0, "unchanged": 12, "raised": 0, "standing": 12}

        newer = tmp_path / "newer.csv"
        newer.write_text(EXPORT.read_text() + GOES_ON)
        healed = bring(there, "scan", newer, "--source", "OLD", "--json")
        assert (healed["ended"], healed["raised"], healed["standing"]) == (1, 0, 11)
        until(lambda: cases_of(there, "OLD:4065")[0]["state"] == "resolved", 20, "it does not heal")
        (case,) = cases_of(there, "OLD:4065")
        assert there.ask(f"/fallout-cases/{case['id']}")["resolution"]["type"] == "SelfHealed"
        assert {t["state"] for t in there.ask("/orders/OLD:4065")["tasks"]} == {"completed"}
        assert cases_of(there, "OLD:4014")[0]["state"] == "assigned"

        older = bring(there, "scan", EXPORT, "--source", "OLD", "--json", code=1)
        assert "as of 2026-05-01T05:00:00" in older and "nothing was changed" in older
        partial = tmp_path / "partial.csv"
        lines = newer.read_text().splitlines(keepends=True)
        partial.write_text("".join(line for line in lines if not line.startswith("4014")))
        fewer = bring(there, "scan", partial, "--source", "OLD", "--json")
        assert (fewer["absent"], fewer["standing"], fewer["ended"]) == (1, 10, 0)
        assert cases_of(there, "OLD:4014")[0]["state"] == "assigned"

    def test_what_differs_between_two_systems_is_a_case_until_it_does_not(
        self, there: Installation, tmp_path: Path
    ) -> None:
        a, b = tmp_path / "oms.csv", tmp_path / "billing.csv"
        a.write_text("order,state,fee\nR1,active,10\nR2,active,20\nR3,active,30\n")
        b.write_text("order,state,fee\nR1,active,10\nR2,stopped,25\n")
        words = ("reconcile", a, b, "--on", "order", "--source", "TWO", "--json")
        first = bring(there, *words, code=1)
        assert (first["reported"], first["raised"]) == (2, 3)
        assert {s["state"] for s in judged(there, "TWO.reconcile")} == {"standing"}
        (case,) = cases_of(there, "TWO:R2")
        assert case["code"] == "RECORDS_DISAGREE"
        again = bring(there, *words, code=1)
        assert (again["reported"], again["raised"], again["standing"]) == (0, 0, 3)

        b.write_text("order,state,fee\nR1,active,10\nR2,active,25\nR3,active,30\n")
        second = bring(there, *words, code=1)
        assert (second["ended"], second["reported"]) == (2, 1)
        until(lambda: cases_of(there, "TWO:R3")[0]["state"] == "resolved", 20, "it does not heal")
        until(lambda: there.ask("/orders/TWO:R3")["order"]["state"] == "completed", 20, "it is watched on")
        assert cases_of(there, "TWO:R2")[0]["state"] == "assigned"
        b.write_text(a.read_text())
        assert bring(there, *words)["ended"] == 1
        until(lambda: cases_of(there, "TWO:R2")[0]["state"] == "resolved", 20, "it does not heal")

    def test_without_an_installation_it_says_so_before_any_work(self, tmp_path: Path) -> None:
        nobody = {"FALLSAFE_URL": "http://127.0.0.1:9", "FALLSAFE_TOKEN": "x"}
        for words in (["scan", str(EXPORT)], ["reconcile", str(EXPORT), str(EXPORT), "--on", "order_id"]):
            said = CliRunner().invoke(app, [*words, "--open-cases"], env=nobody)
            assert said.exit_code == 1 and "fallsafe up starts an installation" in said.output
        home = {"FALLSAFE_HOME": str(tmp_path / "empty"), "FALLSAFE_URL": "", "FALLSAFE_TOKEN": ""}
        said = CliRunner().invoke(app, ["scan", str(EXPORT), "--open-cases"], env=home)
        assert said.exit_code == 1 and "nothing runs in" in said.output
        said = CliRunner().invoke(app, ["scan", str(EXPORT), "--open-cases", "--source", "a/b"], env=nobody)
        assert said.exit_code == 2 and "without a slash" in said.output

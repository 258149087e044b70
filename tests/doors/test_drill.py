"""§26 as a stranger plays it: one command, real processes and HTTP, and the disk of the other systems as the judge."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from tests.ports import claim_ports
from typer.testing import CliRunner

from fallsafe.cli.main import app
from fallsafe.cli.supervise import read_running
from fallsafe.simulator.sandbox import judge

SECONDS_MAX = 120
PORT = claim_ports()
BESIDE: tuple[tuple[str, tuple[str, ...], dict[str, str]], ...] = (
    ("nobody", ("drill", "--json", "--without", "reconciler", "--seconds", "18"), {}),
    ("picture", ("up", "--drill", "--until", "drill-done", "--exit"), {"FALLSAFE_WORKERS": "1"}),
)
FAILING = {
    "activateFiberService": "PRV.activateService",
    "reserveRouter": "WHS.reserve",
    "createSubscription": "BIL.createSubscription",
    "scheduleInstallation": "WFM.book",
}
DRILL = ("drill", "--json", "--seconds", str(SECONDS_MAX - 20))
OTHER_TRUTHS = ("absent", "pending", "silent")


Beside = dict[str, "tuple[Path, subprocess.Popen[str]]"]


def fallsafe(home: Path, *words: str, **environment: str) -> "subprocess.Popen[str]":
    """The command line as a process of its own, in a home of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "fallsafe.cli.main", *words],
        env={**os.environ, "FALLSAFE_HOME": str(home), "FALLSAFE_LISTEN": f"127.0.0.1:{PORT}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_of(home: Path) -> list[str]:
    """Command lines of every process that still runs in this home."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            said = (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in said:
            found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installation at the drill's pace that was started, and is ended like by Ctrl-C."""
    place = tmp_path_factory.mktemp("home")
    process = fallsafe(place, "up", FALLSAFE_TIME_SCALE="60")
    try:
        deadline = time.monotonic() + SECONDS_MAX
        while read_running(place) is None or not (place / "token").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield place
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


@pytest.fixture(scope="module")
def beside(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Beside:
    """Two more installations, at ports of their own, that mostly wait while the drills of the first are played."""
    found = {}
    for n, (name, words, more) in enumerate(BESIDE, 1):
        place = tmp_path_factory.mktemp(name) / "home"
        listen = f"127.0.0.1:{PORT + n * 20}"
        found[name] = (place, fallsafe(place, *words, FALLSAFE_LISTEN=listen, **more))
    return found


@pytest.fixture(scope="module")
def played(home: Path, beside: object) -> dict[str, dict[str, Any]]:
    """Seven drills at the same time against one installation: four steps that fail, and three other truths outside."""
    begun = {step: fallsafe(home, *DRILL, "--fail", step) for step in FAILING}
    begun |= {truth: fallsafe(home, *DRILL, "--variant", truth) for truth in OTHER_TRUTHS}
    told: dict[str, dict[str, Any]] = {}
    for name, process in begun.items():
        said, trouble = process.communicate(timeout=SECONDS_MAX)
        assert said, trouble
        told[name] = {"exit": process.returncode, **json.loads(said)}
    return told


class WhenTheDrillIsPlayed:
    """§26; P2, P3: measured in effects outside."""

    @pytest.mark.parametrize("name", [*FAILING, *OTHER_TRUTHS])
    def test_every_effect_exists_exactly_once(self, played: dict[str, dict[str, Any]], name: str) -> None:
        assert played[name]["exit"] == 0
        assert len(played[name]["effects"]) == 6
        assert set(played[name]["effects"].values()) == {1}

    @pytest.mark.parametrize(("name", "operation"), FAILING.items())
    def test_ten_questions_are_answered_for_the_step_that_failed(
        self, played: dict[str, dict[str, Any]], name: str, operation: str
    ) -> None:
        answers = played[name]["answers"]
        assert len(answers) == 10
        assert all(a["path"].startswith("/api/v1/") and a["events"] for a in answers)
        assert answers[0]["answer"]["code"] == "UNKNOWN_OUTCOME"
        assert [c["operation"] for c in answers[2]["answer"]] == [operation]
        assert answers[2]["answer"][0]["locked"]["code"] == "OUTCOME_UNKNOWN"

    def test_what_failed_and_what_was_found_is_in_the_logs_with_the_ids_that_lead_on(
        self, home: Path, played: dict[str, dict[str, Any]]
    ) -> None:
        places = [home / "log" / f"{name}.log" for name in ("api", "worker-1", "worker-2")]
        lines = [json.loads(line) for place in places for line in place.read_text().splitlines()]
        found = [line for line in lines if line["event"] == "FalloutDetected"]
        assert {line["downstreamSystem"] for line in found} == {"PRV", "WHS", "BIL", "WFM"}
        assert all(line["orderId"] and line["fulfillmentTaskId"] and line["falloutCaseId"] for line in found)
        assert all(line["causationId"] and line["normalizedFailureCode"] == "UNKNOWN_OUTCOME" for line in found)
        assert {"OrderAcknowledged", "CommandSent", "ExternalStateReconciled", "FalloutResolved"} <= {
            line["event"] for line in lines
        }

    def test_what_is_blocked_depends_on_what_failed(self, played: dict[str, dict[str, Any]]) -> None:
        blocked = {name: set(played[name]["answers"][4]["answer"]) for name in FAILING}
        behind_fiber = {"static-ip.activateStaticIp", "billing.createSubscription"}
        assert blocked["activateFiberService"] == behind_fiber
        assert blocked["reserveRouter"] == behind_fiber | {"fiber.scheduleInstallation", "fiber.activateFiberService"}
        assert blocked["createSubscription"] == set()

    def test_the_case_of_the_fiber_is_critical_with_its_reasons(self, played: dict[str, dict[str, Any]]) -> None:
        case = played["activateFiberService"]["answers"][0]["answer"]
        assert (case["severity"], case["points"]) == ("critical", 62)
        assert len(case["reasons"]) >= 4

    def test_what_never_happened_was_asked_for_twice_with_one_key(
        self, home: Path, played: dict[str, dict[str, Any]]
    ) -> None:
        keys = [a["answer"][0]["key"] for a in played["absent"]["answers"] if a["n"] == 3]
        sent = [r for r in judge.requests(home, "provisioning") if r.key == keys[0] and r.method == "POST"]
        assert len(sent) == 2


class WhenNobodyReconciles:
    """P2: without finding out, nothing goes on."""

    def test_the_drill_fails_and_says_what_is_unknown(self, beside: Beside) -> None:
        _, process = beside["nobody"]
        said, _ = process.communicate(timeout=SECONDS_MAX)
        told = json.loads(said)
        assert process.returncode == 1
        assert len(told["unknown"]) == 1
        assert "PRV.activateService" in told["unknown"][0]
        assert told["unknown"][0].endswith("unknown")


class WhenItIsStartedForThePicture:
    """The README's own words, for docs and tests."""

    def test_it_ends_by_itself_and_leaves_no_process(self, beside: Beside) -> None:
        place, process = beside["picture"]
        said, _ = process.communicate(timeout=SECONDS_MAX)
        assert process.returncode == 0
        assert "6 effects outside, each exactly once" in said
        assert "/sign-in?code=" in said
        assert processes_of(place) == []


class WhenTheCommandLineIsUsed:
    """The same words as the API, for people and for machines."""

    @staticmethod
    def run(home: Path, *words: str) -> Result:
        """One command in this process, against the running installation."""
        return CliRunner().invoke(app, words, env={"FALLSAFE_HOME": str(home)})

    def read(self, home: Path, *words: str) -> Any:
        """The JSON that a command prints."""
        result = self.run(home, *words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    def test_a_case_is_found_and_read(self, home: Path, played: dict[str, dict[str, Any]]) -> None:
        wanted = played["activateFiberService"]
        listed = self.read(home, "case", "list", "--state", "any", "--order", wanted["orderId"])
        assert [c["id"] for c in listed["items"]] == [wanted["caseId"]]
        case = self.read(home, "case", "show", wanted["caseId"])
        assert case["resolution"]["type"] == "ReconciledDone"
        shown = self.run(home, "case", "show", wanted["caseId"])
        assert "UNKNOWN_OUTCOME" in shown.output
        assert "Sent, but nobody knows" in shown.output
        timeline = self.read(home, "case", "timeline", wanted["caseId"])["items"]
        assert "ExternalStateReconciled" in {r["event"] for r in timeline}
        assert self.read(home, "case", "evidence", wanted["caseId"])["items"]

    def test_what_is_done_is_not_sent_again(self, home: Path, played: dict[str, dict[str, Any]]) -> None:
        order = self.read(home, "order", "show", played["activateFiberService"]["orderId"])
        assert order["order"]["state"] == "completed"
        case = self.read(home, "case", "show", played["activateFiberService"]["caseId"])
        assert self.read(home, "command", "show", case["commandId"])["state"] == "done"
        for verb in ("resend", "reconcile"):
            refused = self.run(home, "command", verb, case["commandId"])
            assert refused.exit_code == 1
            assert case["commandId"] in refused.output

    @pytest.mark.parametrize("words", [("order", "list"), ("policy", "list"), ("coverage",), ("events",), ("doctor",)])
    def test_every_list_has_words_and_json(self, home: Path, words: tuple[str, ...]) -> None:
        assert self.read(home, *words)
        said = self.run(home, *words)
        assert said.exit_code == 0
        assert said.output.strip()

    def test_a_wrong_order_is_refused_with_its_place(self, home: Path, tmp_path: Path) -> None:
        place = tmp_path / "order.json"
        place.write_text('{"source": "CRM", "externalId": "x-1", "items": [{"externalId": "a", "offer": "F"}]}')
        refused = self.run(home, "order", "submit", str(place))
        assert refused.exit_code == 1
        assert "/items/0" in refused.output

    def test_everything_live_is_covered(self, home: Path, played: dict[str, dict[str, Any]]) -> None:
        assert played
        assert self.read(home, "coverage")["percent"] == 100

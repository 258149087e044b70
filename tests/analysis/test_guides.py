"""The examples of the guides do what the guides say."""

import json
import re
import shlex
from pathlib import Path

import pytest
from tests.analysis.asking import ask

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guide/reconcile.md"
FINDINGS = ROOT / "docs/reference/scan-findings.md"
START = ROOT / "docs/start/your-own-export.md"


class WhenANewcomerFollowsTheGuide:
    @pytest.mark.parametrize("page", [GUIDE, START], ids=lambda page: page.stem)
    def test_the_example_answers_as_written(self, monkeypatch: pytest.MonkeyPatch, page: Path) -> None:
        monkeypatch.chdir(ROOT)
        text = page.read_text(encoding="utf-8")
        text = text[text.index("$ fallsafe reconcile docs") :]
        command = re.search(r"\$ fallsafe (reconcile docs.*?)\n```", text, re.DOTALL)
        shown = re.search(r"```text\n(.*?)```", text, re.DOTALL)
        assert command is not None and shown is not None
        answer = ask(*shlex.split(command[1].replace("\\\n", " ")))
        assert answer.code == 1
        assert answer.out.startswith(shown[1])

    def test_the_worked_example_of_a_scan_answers_as_written(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(ROOT)
        first, said, *_ = re.findall(r"```text\n(.*?)\n```", START.read_text(encoding="utf-8"), re.DOTALL)
        answer = ask("scan", "docs/start/fiber-orders.csv", "--html", tmp_path / "report.html")
        assert answer.out.startswith(first)
        assert f"4065   stuck          {said} " in answer.out
        assert (tmp_path / "report.html").stat().st_size > 10_000
        told = ask("scan", "docs/start/fiber-orders.csv", "--json").json
        shown = json.loads(re.findall(r"```json\n(.*?)```", FINDINGS.read_text(encoding="utf-8"), re.DOTALL)[0])
        (order,) = shown["orders"]
        (found,) = [one for one in told["orders"] if one["orderId"] == order["orderId"]]
        for name, value in order["findings"][0].items():
            there = found["findings"][0][name]
            assert value == ({key: there[key] for key in value} if name == "facts" else there)
        assert told.keys() == shown.keys()
        assert told["asOf"] == shown["asOf"]

    def test_every_option_of_the_command_is_explained(self) -> None:
        told = set(re.findall(r"--[a-z-]+", GUIDE.read_text(encoding="utf-8")))
        there = set(re.findall(r"--[a-z-]+", ask("reconcile", "--help").out))
        assert there - told <= {"--help", "--threads", "--no-json", "--no-in-database"}

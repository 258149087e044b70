"""The guide's example does what the guide says."""

import re
import shlex
from pathlib import Path

import pytest
from tests.analysis.asking import ask

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs/guide/reconcile.md"
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

    def test_every_option_of_the_command_is_explained(self) -> None:
        told = set(re.findall(r"--[a-z-]+", GUIDE.read_text(encoding="utf-8")))
        there = set(re.findall(r"--[a-z-]+", ask("reconcile", "--help").out))
        assert there - told <= {"--help", "--threads", "--no-json", "--no-in-database"}

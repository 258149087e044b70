"""The door through which the tests of `fallsafe scan` go: the command itself, its JSON, and findings by order."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from fallsafe.cli.main import app


@dataclass(frozen=True)
class Scanned:
    """What `fallsafe scan --json` printed."""

    told: Mapping[str, Any]

    def orders(self, kind: str) -> set[str]:
        """The orders with a finding of that kind."""
        return {o["orderId"] for o in self.told["orders"] for f in o["findings"] if f["kind"] == kind}

    def findings(self, order: str) -> list[Mapping[str, Any]]:
        """The findings of one order."""
        return [f for o in self.told["orders"] if o["orderId"] == order for f in o["findings"]]

    @property
    def kinds(self) -> dict[str, set[str]]:
        """Orders by kind of finding."""
        found = defaultdict[str, set[str]](set)
        for o in self.told["orders"]:
            for f in o["findings"]:
                found[f["kind"]].add(o["orderId"])
        return dict(found)

    @property
    def left_out(self) -> dict[str, int]:
        """Rows that were left out, by reason."""
        return {part["why"]: part["rows"] for part in self.told["leftOut"]}


def run(*arguments: str | Path) -> Result:
    """The command with its arguments; an exception other than its own end fails the test."""
    return CliRunner().invoke(app, ["scan", *map(str, arguments)], catch_exceptions=False)


def scanned(*arguments: str | Path) -> Scanned:
    """The JSON of a scan that must succeed."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return Scanned(json.loads(result.stdout))

"""How the tests of `fallsafe reconcile` ask, and a second opinion that shares nothing with the product."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from fallsafe.cli.main import app

Row = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def totals(self) -> dict[str, int]:
        return dict(self.json["totals"])


def ask(*words: object) -> Answer:
    """Run `fallsafe` with these words."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def reconcile(a: object, b: object, *words: object) -> Answer:
    """Run `fallsafe reconcile` for a program."""
    return ask("reconcile", a, b, "--json", *words)


def csv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def second_opinion(a: Sequence[Row], b: Sequence[Row], key: str, columns: Sequence[str]) -> dict[str, int]:
    """The totals by plain loops."""
    sides: list[dict[str, list[Row]]] = []
    for rows in (a, b):
        by_key: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if row[key]:
                by_key[row[key]].append(row)
        sides.append(by_key)
    totals = dict.fromkeys(("agreeing", "mismatch", "missing", "orphan", "duplicate"), 0)
    for name in sides[0].keys() | sides[1].keys():
        there = [side.get(name, []) for side in sides]
        if any(len(rows) > 1 for rows in there):
            totals["duplicate"] += 1
        elif not there[1]:
            totals["missing"] += 1
        elif not there[0]:
            totals["orphan"] += 1
        else:
            same = all(there[0][0][column] == there[1][0][column] for column in columns)
            totals["agreeing" if same else "mismatch"] += 1
    return totals

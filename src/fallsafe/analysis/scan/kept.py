"""Findings in the order of their orders, however many there are: what does not fit into memory waits in the scratch
folder, in runs that are merged while they are read.
"""

import heapq
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from fallsafe.analysis.scan.findings import Finding, Kind

AT_ONCE = 20_000
"""So many are in memory at most while they are gathered."""
_KINDS = tuple(Kind)
_RANKS = {kind: n for n, kind in enumerate(_KINDS)}

Key = tuple[str, int, str, str]


class Kept:
    """Gathers findings with `add`; afterwards it can be gone through any number of times, by order and the worst first
    within one.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._runs: list[Path] = []
        self._latest: list[Finding] = []
        self._sorted = True

    def add(self, findings: Iterable[Finding]) -> None:
        """Takes them in."""
        for finding in findings:
            self._latest.append(finding)
            self._sorted = False
            if len(self._latest) == AT_ONCE:
                self._write()

    def __iter__(self) -> Iterator[Finding]:
        if not self._sorted:
            self._latest.sort(key=_key)
            self._sorted = True
        return heapq.merge(*(_read(run) for run in self._runs), self._latest, key=_key)

    def _write(self) -> None:
        run = self._scratch / f"findings.{len(self._runs)}"
        with run.open("w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(_row(finding))}\n" for finding in sorted(self._latest, key=_key))
        self._runs.append(run)
        self._latest.clear()


def _key(finding: Finding) -> Key:
    return finding.order_id, _RANKS[finding.kind], finding.task_id or "", finding.reason


def _row(f: Finding) -> list[Any]:
    since = f.since.isoformat() if f.since is not None else None
    return [f.order_id, _RANKS[f.kind], since, f.task_id, f.reason, dict(f.facts), f.cause]


def _read(run: Path) -> Iterator[Finding]:
    with run.open(encoding="utf-8") as file:
        for line in file:
            order, kind, since, *rest = json.loads(line)
            yield Finding(order, _KINDS[kind], datetime.fromisoformat(since) if since else None, *rest)

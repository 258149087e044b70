"""`make sim`: plays worlds of given seeds, says what was taken and what went wrong, and ends with 1 when a promise was
broken.

A long run goes in pieces: `--minutes` ends one, says where the next begins, and `--csv` adds a line about it.
"""

import argparse
import csv
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fallsafe.simulator.running import play_all
from fallsafe.simulator.tally import Tally, untaken
from fallsafe.simulator.world import Plan, Report

COLUMNS = (
    "profile", "first_seed", "last_seed", "worlds", "orders_a_world", "healthy", "broken", "steps", "commits",
    "transitions", "faults", "seconds", "commit", "rows_never_taken", "faults_by_kind",
)  # fmt: skip


@dataclass(slots=True)
class Piece:
    """What one run of worlds came to."""

    tally: Tally = field(default_factory=Tally)
    states: Counter[str] = field(default_factory=Counter)
    seeds: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    healthy: int = 0
    steps: int = 0
    commits: int = 0

    def add(self, report: Report) -> None:
        """Counts one world."""
        self.tally.add(report.tally)
        self.states.update(report.orders)
        self.seeds.append(report.plan.seed)
        self.failed += [report.plan.seed] if report.broken else []
        self.healthy += report.healthy
        self.steps += report.steps
        self.commits += report.commits


def main(arguments: Sequence[str]) -> int:
    """Plays the worlds that are asked for."""
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seeds", default="1", help="a seed, or a range a..b")
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--profile", default="default", choices=("calm", "default", "hell"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no world after so long; 0 = play all")
    parser.add_argument("--csv", type=Path, help="add a line about this piece to a file")
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args(arguments)
    low, _, high = asked.seeds.partition("..")
    seeds = range(int(low), int(high or low) + 1)
    began, piece = time.monotonic(), Piece()
    for batch in _batches(seeds, asked.jobs, asked.orders):
        for report in play_all([Plan(seed, asked.orders, asked.profile) for seed in batch], asked.jobs):
            piece.add(report)
            if report.broken or asked.verbose or len(seeds) < 4:
                say(report)
        if asked.minutes and time.monotonic() - began > asked.minutes * 60 and batch[-1] != seeds[-1]:
            out(f"to be continued: SEEDS={batch[-1] + 1}..{seeds[-1]}")
            break
    seconds = time.monotonic() - began
    summary(piece, seconds)
    if asked.csv:
        write_down(asked.csv, piece, asked.profile, asked.orders, seconds)
    return 1 if piece.failed else 0


def _batches(seeds: range, jobs: int, orders: int) -> Sequence[range]:
    """Seeds in parts of about a minute, or one large world for each job: between two of them a piece may end."""
    size = max(1, 120 // max(1, orders)) * max(1, jobs)
    return [seeds[n : n + size] for n in range(0, len(seeds), size)]


def out(line: str) -> None:
    """One line to whoever asked."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say(report: Report) -> None:
    """What came of one world."""
    for line in report.history:
        out(f"    {line}")
    for line in report.broken:
        out(f"  {line}")
    verdict = "BROKEN" if report.broken else "kept"
    out(
        f"seed {report.plan.seed}: {verdict}; {report.steps} steps, {report.commits} commits, {report.waits} waits, "
        f"{report.hours:.1f} h, {dict(report.orders)}, {'healthy, ' if report.healthy else ''}{report.digest[:12]}"
    )
    if report.broken:
        out(f"  play it again: {report.plan.command}")


def summary(piece: Piece, seconds: float) -> None:
    """What all worlds took together."""
    tally = piece.tally
    out(
        f"{len(piece.seeds)} worlds ({piece.healthy} healthy), {len(piece.failed)} broken {piece.failed or ''}, "
        f"{tally.transitions} transitions, {seconds:.0f} s; orders {dict(piece.states)}"
    )
    out("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.faults.items())))
    for row, count in sorted(tally.rows.items()):
        out(f"  {count:7} {row}") if count and len(piece.seeds) > 20 else None
    rows, excused, faults = untaken(tally)
    out(f"rows that should have been taken and never were: {', '.join(rows) or 'none'}")
    out(f"faults that never struck: {', '.join(faults) or 'none'}")
    out(f"rows that nothing built so far can take: {'; '.join(excused) if len(piece.seeds) > 20 else len(excused)}")


def write_down(place: Path, piece: Piece, profile: str, orders: int, seconds: float) -> None:
    """Adds a line about this piece."""
    new = not place.exists()
    tally = piece.tally
    line = (
        profile, min(piece.seeds), max(piece.seeds), len(piece.seeds), orders, piece.healthy, len(piece.failed),
        piece.steps, piece.commits, tally.transitions, tally.faults.total(), round(seconds), _commit(),
        " ".join(row.replace(" ", "_") for row in untaken(tally)[0]),
        " ".join(f"{name}={count}" for name, count in sorted(tally.faults.items()) if count),
    )  # fmt: skip
    with place.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(line)


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make sim`: plays worlds of given seeds, says what was taken and what went wrong, and ends with 1 when a promise was
broken.
"""

import argparse
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from fallsafe.simulator.ground import ground
from fallsafe.simulator.running import install_once, play
from fallsafe.simulator.tally import Tally, untaken
from fallsafe.simulator.world import Plan, Report


def main(arguments: Sequence[str]) -> int:
    """Plays the worlds that are asked for."""
    parser = argparse.ArgumentParser(prog="make sim", description=__doc__)
    parser.add_argument("--seeds", default="1", help="a seed, or a range a..b")
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--profile", default="default", choices=("calm", "default", "hell"))
    parser.add_argument("--verbose", action="store_true")
    asked = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    low, _, high = asked.seeds.partition("..")
    plans = [Plan(seed, asked.orders, asked.profile) for seed in range(int(low), int(high or low) + 1)]
    tally, states, failed = Tally(), Counter[str](), 0
    began = time.monotonic()
    with ground() as here:
        install_once(here)
        for plan in plans:
            at = time.monotonic()
            report = play(here, plan)
            tally.add(report.tally)
            states.update(report.orders)
            failed += bool(report.broken)
            if report.broken or asked.verbose or len(plans) < 4:
                say(report, time.monotonic() - at)
    summary(tally, states, len(plans), failed, time.monotonic() - began)
    return 1 if failed else 0


def out(line: str) -> None:
    """One line to whoever asked."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say(report: Report, seconds: float) -> None:
    """What came of one world."""
    for line in report.history:
        out(f"    {line}")
    for line in report.broken:
        out(f"  {line}")
    verdict = "BROKEN" if report.broken else "kept"
    out(
        f"seed {report.plan.seed}: {verdict}; {report.steps} steps, {report.commits} commits, {report.waits} waits, "
        f"{report.hours:.1f} h, {dict(report.orders)}, {'healthy, ' if report.healthy else ''}"
        f"{report.digest[:12]}, {seconds:.1f} s"
    )
    if report.broken:
        out(f"  play it again: {report.plan.command}")


def summary(tally: Tally, states: Counter[str], worlds: int, failed: int, seconds: float) -> None:
    """What all worlds took together."""
    out(f"{worlds} worlds, {failed} broken, {tally.transitions} transitions, {seconds:.0f} s; orders {dict(states)}")
    out("faults: " + ", ".join(f"{name} {count}" for name, count in sorted(tally.faults.items())))
    rows, excused, faults = untaken(tally)
    out(f"rows taken: {len([r for r in tally.rows if tally.rows[r]])}; never taken: {', '.join(rows) or 'none'}")
    out(f"faults that never struck: {', '.join(faults) or 'none'}")
    out(f"rows that nothing built so far can take: {len(excused)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

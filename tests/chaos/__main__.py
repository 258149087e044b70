"""`make chaos MINUTES=10`: everything is killed, halted and cut off at random while orders flow; then it is counted."""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.run import Seen, play
from tests.chaos.verdict import SHOWN_MAX, judged


def told(seen: Seen) -> bool:
    """Prints what a run came to; whether all is well."""
    states = Counter(file["order"]["state"] for file in seen.files.values())
    print(f"{seen.handed_in} orders: " + ", ".join(f"{n} {state}" for state, n in sorted(states.items())))
    codes = Counter(
        case["code"]
        for file in seen.files.values()
        for case in file["cases"]
        if case["state"] not in ("resolved", "closed")
    )
    print("open cases: " + (", ".join(f"{n} {code}" for code, n in codes.most_common()) or "none"))
    print(f"{sum(seen.effects.values())} effects outside, {len(seen.effects)} different ones")
    print("strikes: " + ", ".join(f"{n} {what}" for what, n in sorted(seen.strikes.items())))
    print("people: " + ", ".join(f"{n} {what}" for what, n in sorted(seen.people.items())))
    live = max((tick.live for tick in seen.ticks), default=0)
    print(f"coverage looked at {len(seen.ticks)} times, with up to {live} live things")
    if seen.audit is not None:
        print(f"audit: {seen.audit.records} records, {seen.audit.rows} rows, {seen.audit.evidence} pieces of evidence")
    cores, (load, _, _) = os.cpu_count(), os.getloadavg()
    print(f"machine: {cores} cores, load {load:.1f}")
    print(f"settled {seen.settled_seconds:.1f} s after the last strike")
    print("\n".join(seen.times.table()))
    verdicts = list(judged(seen))
    for verdict in verdicts:
        print(f"{'FAIL' if verdict.against else 'ok  '} {verdict.sentence}")
        for what in verdict.against[:SHOWN_MAX]:
            print(f"       {what}")
        if len(verdict.against) > SHOWN_MAX:
            print(f"       … and {len(verdict.against) - SHOWN_MAX} more")
    return not any(verdict.against for verdict in verdicts)


def main(words: list[str]) -> int:
    """Reads the command line, plays, judges. 0 when every promise held."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=None, help="draws the same strikes again")
    parser.add_argument("--home", type=Path, default=None, help="keeps everything there; else it is thrown away")
    read = parser.parse_args(words)
    seed = read.seed if read.seed is not None else random.SystemRandom().randrange(1_000_000)
    began = time.monotonic()
    print(f"chaos for {read.minutes:g} minutes, seed {seed}", flush=True)

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {what}", flush=True)

    with tempfile.TemporaryDirectory(prefix="fallsafe-chaos-") as folder:
        home = read.home or Path(folder)
        well = told(play(home, seed, read.minutes * 60, say))
    print(
        "every promise held"
        if well
        else f"broken; the same strikes again: make chaos MINUTES={read.minutes:g} SEED={seed}"
    )
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

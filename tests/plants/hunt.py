"""Plays worlds of given seeds until a promise is broken, and says which: run by the plants with the sources to judge in
front of all others. Worlds in which nothing goes wrong are passed over; there are others that are worth the time.
"""

import json
import logging
import sys
import time
from pathlib import Path

import structlog

import fallsafe
from fallsafe.simulator.ground import ground
from fallsafe.simulator.running import install_once, play
from fallsafe.simulator.world import Plan, World


def main(sources: str, first: str, last: str, orders: str, profile: str) -> None:
    """One JSON line: the worlds that were played, and what broke the last of them."""
    assert Path(fallsafe.__file__).is_relative_to(sources), f"{fallsafe.__file__} is not what is to be judged"
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    played: list[int] = []
    broken: list[str] = []
    with ground() as here:
        install_once(here)
        began = time.monotonic()
        for seed in range(int(first), int(last) + 1):
            plan = Plan(seed, int(orders), profile)
            if World(here, plan).mishaps.healthy:
                continue
            played.append(seed)
            broken = play(here, plan).broken
            if broken:
                break
    told = {"played": played, "broken": broken, "seconds": time.monotonic() - began}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

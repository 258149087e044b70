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


def main(sources: str, seeds: str, orders: str, profile: str, to_the_end: str) -> None:
    """One JSON line: the worlds that were played, those that are broken, and what broke the first of them."""
    assert Path(fallsafe.__file__).is_relative_to(sources), f"{fallsafe.__file__} is not what is to be judged"
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    played: list[int] = []
    broken: dict[int, list[str]] = {}
    with ground() as here:
        install_once(here)
        began = time.monotonic()
        for seed in map(int, seeds.split(",")):
            plan = Plan(seed, int(orders), profile)
            if World(here, plan).mishaps.healthy:
                continue
            played.append(seed)
            found = play(here, plan).broken
            if found:
                broken[seed] = found
            if found and not int(to_the_end):
                break
    told = {"played": played, "broken": broken, "seconds": time.monotonic() - began}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

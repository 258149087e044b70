"""Plays worlds: one after another on one ground, or many in several processes with a ground each."""

import gc
import logging
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import structlog

from fallsafe.simulator.ground import Ground, ground
from fallsafe.simulator.people import install
from fallsafe.simulator.world import Plan, Report, World

_HERE: list[Ground] = []
_STACK = ExitStack()


def install_once(here: Ground) -> None:
    """Brings a ground to where every world begins: the shipped policy is published, people and tokens are known."""
    world = World(here, Plan(0, 0, "calm"))
    world.mishaps.stop()

    async def installed() -> None:
        world.begin("api-1", "api")
        life = world.lives["api-1"]
        await life.ready.wait()
        await install(life)

    try:
        world.loop.run_until_complete(installed())
    finally:
        world.close()
    here.installed = here.copy()


def play(here: Ground, plan: Plan) -> Report:
    """Plays one world to its end."""
    return World(here, plan).play()


def be_quiet() -> None:
    """The product's own log says what it met in a world that is broken on purpose; nobody needs to read that."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


def play_all(plans: Sequence[Plan], jobs: int) -> Iterator[Report]:
    """Plays worlds, in `jobs` processes; each report as it comes."""
    if jobs < 2 or len(plans) < 2:
        yield from _play_here(plans)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, _settle_down) as pool:
        yield from pool.imap_unordered(_play_there, plans)


def _play_here(plans: Sequence[Plan]) -> Iterator[Report]:
    be_quiet()
    with ground() as here:
        install_once(here)
        for plan in plans:
            yield play(here, plan)


def _settle_down() -> None:
    _stay_on_one_core()
    be_quiet()
    _HERE.append(_STACK.enter_context(ground()))
    install_once(_HERE[0])


def _stay_on_one_core() -> None:
    """A world and its server take turns, so one core is as good as two and spares each turn the way to another one."""
    if sys.platform == "linux":
        cores = sorted(os.sched_getaffinity(0))
        (number,) = multiprocessing.current_process()._identity
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def _play_there(plan: Plan) -> Report:
    return play(_HERE[0], plan)

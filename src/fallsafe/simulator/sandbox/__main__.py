"""Runs one system of the sandbox: `python -m fallsafe.simulator.sandbox provisioning --port 8433 --home DIR`.

It says in one JSON line where it listens, ends on SIGTERM and SIGINT, and, with `--watch-parent`, when the process that
started it is gone. Exit codes: 0 ended, 1 cannot run (the reason is on stderr), 2 wrong use.
"""

import argparse
import asyncio
import fcntl
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from fallsafe.simulator.sandbox.control import NAMES, PORTS, SECRET_PREFIX
from fallsafe.simulator.sandbox.disk import BrokenFile
from fallsafe.simulator.sandbox.faults import WrongFault
from fallsafe.simulator.sandbox.judge import folder
from fallsafe.simulator.sandbox.kinds import systems_of
from fallsafe.simulator.sandbox.server import SHUTDOWN_SECONDS_MAX, System

LOOPBACK = "127.0.0.1"
CALLBACK_DELAY = 0.3
PARENT_LOOK_SECONDS = 0.5
BACKLOG = 1024


class CannotRun(Exception):
    """Why this system cannot run, in a sentence."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Reads the command line; wrong use ends the process with 2."""
    parser = argparse.ArgumentParser(prog="python -m fallsafe.simulator.sandbox", description="one sandbox system")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--home", type=Path, required=True, help="folder below which it keeps sandbox/<name>/")
    parser.add_argument("--port", type=int, help="default 8431 to 8435, and 8440; 0 takes a free one")
    parser.add_argument("--callback-delay", type=float, default=CALLBACK_DELAY, help="seconds from accepted to done")
    parser.add_argument(
        "--report-to", default="", help="the API to which the engine reports, like http://127.0.0.1:8420"
    )
    parser.add_argument(
        "--watch-parent",
        type=int,
        nargs="?",
        const=os.getppid(),
        metavar="PID",
        help="end when the parent process is gone",
    )
    return parser.parse_args(words)


def secrets_of(name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The secrets of the systems that this process plays. Raises CannotRun when one is missing."""
    variables = {code: f"{SECRET_PREFIX}{code}" for code in systems_of(name)}
    missing = [variable for variable in variables.values() if not environment.get(variable)]
    if missing:
        raise CannotRun(f"{name} needs a secret in {' and '.join(missing)}")
    return {code: environment[variable] for code, variable in variables.items()}


def lock(place: Path) -> int:
    """Holds the folder for this process; two writers would spoil the truth. Raises CannotRun."""
    place.mkdir(parents=True, exist_ok=True)
    held = os.open(place / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise CannotRun(f"{place} is in use by another process; end it, or choose another --home") from error
    return held


async def serve(system: System, name: str, port: int, parent: int | None) -> None:
    """Listens until told to end, the parent is gone, or the disk fails."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, ended.set)
    # A client that gave up waiting takes its handler with it; what was decided stays decided.
    runner = web.AppRunner(
        system.app(), handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS_MAX, access_log=None
    )
    writing = asyncio.create_task(system.disk.run())
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, port, backlog=BACKLOG).start()
    except OSError as error:
        raise CannotRun(f"port {port} is taken; choose another with --port, or 0 for any free one") from error
    _say({"name": name, "url": f"http://{LOOPBACK}:{runner.addresses[0][1]}", "pid": os.getpid()})
    watching = asyncio.create_task(_until_parent_is_gone(parent, ended))
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([waiting, writing], return_when=asyncio.FIRST_COMPLETED)
    await system.stop()
    await runner.cleanup()
    watching.cancel()
    waiting.cancel()
    system.disk.end()
    await writing


async def _until_parent_is_gone(parent: int | None, ended: asyncio.Event) -> None:
    if parent is None:
        return
    while os.getppid() == parent:  # noqa: ASYNC110  # safe because no event tells that a parent is gone
        await asyncio.sleep(PARENT_LOOK_SECONDS)
    ended.set()


def _say(line: Mapping[str, str | int]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(words: list[str]) -> int:
    """Runs the system that the command line names; returns the exit code."""
    read = arguments(words)
    place = folder(read.home, read.name)
    try:
        secrets = secrets_of(read.name, os.environ)
        lock(place)
        system = System(read.name, place, secrets, read.callback_delay, read.report_to, read.home / "token")
        port = PORTS[read.name] if read.port is None else read.port
        asyncio.run(serve(system, read.name, port, read.watch_parent))
    except (CannotRun, WrongFault, BrokenFile, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Starts processes of the product in a few milliseconds: everything is imported and the policy set is read once, and
each life is a fork.

A line of JSON on its input asks for one (`name`: `api` or that of a worker; `env`, `log`); it answers with a line that
names the process, and with another when that process has ended, however it went. When its input ends, all that it
started is killed.
"""

import asyncio
import importlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

from fallsafe import policyset
from fallsafe.cli.settings import read_settings
from fallsafe.cli.wiring import read_wiring
from fallsafe.core.policy.policy_set import PolicySet

LOOK_SECONDS = 0.01


def live(life: dict[str, object]) -> None:
    """One process, from here to its end."""
    log = os.open(str(life["log"]), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.update(life["env"])  # type: ignore[arg-type]
    code = 1
    try:
        from fallsafe.cli import serve, work

        settings = read_settings(os.environ, Path.cwd())
        asyncio.run(serve.serve(settings) if life["name"] == "api" else work.work(settings, str(life["name"])))
        code = 0
    except BaseException:  # noqa: BLE001  # safe because the process ends with the code that says so
        traceback.print_exc()
        sys.stderr.flush()
    os._exit(code)


def read_once() -> None:
    """Reads the policy set of the home now. A life that asks for files that were read before gets what was read."""
    wiring = read_wiring(read_settings(os.environ, Path.cwd()).home)
    load, load_files = policyset.load, policyset.load_files
    read = [load(Path(wiring.policy), wiring.time_scale)]

    def again(files: Mapping[str, bytes], time_scale: float = 1.0) -> PolicySet:
        known = next((p for p in read if p.files == files and p.time_scale == time_scale), None)
        if known is None:
            read.append(known := load_files(files, time_scale))
        return known

    policyset.load_files = again
    policyset.load = lambda folder, scale=1.0: read[0] if str(folder) == wiring.policy else load(folder, scale)


def say(**line: object) -> None:
    """One line to whoever asked."""
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()


def run() -> None:
    """Forks on demand until the input ends."""
    living: dict[int, str] = {}
    asked = os.fdopen(0, "rb", buffering=0)  # a line that waits in a buffer would not be selected
    read_once()
    importlib.import_module("fallsafe.cli.serve")  # only now: it takes `load_files` by its name
    importlib.import_module("fallsafe.cli.work")
    say(ready=True)
    while True:
        if select.select([asked], [], [], LOOK_SECONDS)[0]:
            line = asked.readline()
            if not line:
                break
            life = json.loads(line)
            pid = os.fork()
            if pid == 0:
                live(life)
            living[pid] = life["name"]
            say(started=life["name"], pid=pid)
        while living and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            say(ended=living.pop(ended[0]), pid=ended[0], code=os.waitstatus_to_exitcode(ended[1]))
    for pid in living:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    run()

"""The systems of the sandbox, started once for each module of tests, and a key and an object for each test."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.simulator.outside import DELAY, SECRETS, Sandbox

from fallsafe.simulator.sandbox.control import command_line, secret_variables
from fallsafe.simulator.sandbox.kinds import PROCESSES

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """All systems, running."""
    home: Path = tmp_path_factory.mktemp("sandbox")
    environment = {**os.environ, **secret_variables(SECRETS)}
    lines = {name: command_line(name, home, 0, delay=DELAY) for name in PROCESSES}
    started = {name: subprocess.Popen(line, env=environment, stdout=subprocess.PIPE) for name, line in lines.items()}
    try:
        yield Sandbox(home, {name: _url(process) for name, process in started.items()})
    finally:
        for process in started.values():
            process.terminate()
            process.wait()


def _url(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["url"])


@pytest.fixture
def about() -> str:
    """A business object that no other test uses."""
    return f"CRM/{next(NUMBERS):05}/fiber"


@pytest.fixture
def key(about: str) -> str:
    """The key of a command about it."""
    return f"{about}.step/fulfill/1"

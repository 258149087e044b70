"""Starts systems of the sandbox, and speaks to their admin pages: sets faults, reads requests and effects.

Used by the drill, by tests and by whoever wants to see a fault strike.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import aiohttp

from fallsafe.core.events import Json
from fallsafe.simulator.sandbox.judge import folder
from fallsafe.simulator.sandbox.kinds import EVERY, systems_of

NAMES = tuple(EVERY)
PORTS: Mapping[str, int] = {
    "billing": 8431, "logistics": 8432, "provisioning": 8433, "partners": 8434, "engine": 8435, "commerce": 8440,
}  # fmt: skip
SECRET_PREFIX = "FALLSAFE_SECRET_"  # noqa: S105  # safe because it is the name of a variable, not a secret
START_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 5.0
CALL_SECONDS_MAX = 10.0


class ControlError(Exception):
    """A system of the sandbox that did not start or does not do what it was told: says which and why."""


def secret_variables(secrets: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that hand secrets (by system code) to a process."""
    return {f"{SECRET_PREFIX}{code}": secret for code, secret in secrets.items()}


def command_line(
    name: str,
    home: Path,
    port: int,
    *,
    watch_parent: bool = True,
    delay: float | None = None,
    report_to: str = "",
) -> list[str]:
    """What starts a system as a process of its own; it needs `secret_variables` in its environment. `report_to` is the
    API to which the engine reports, with the token of the home.
    """
    line = [sys.executable, "-m", "fallsafe.simulator.sandbox", name, "--port", str(port), "--home", str(home)]
    line += ["--watch-parent", str(os.getpid())] if watch_parent else []
    line += ["--report-to", report_to] if report_to else []
    return line if delay is None else [*line, "--callback-delay", str(delay)]


@dataclass(frozen=True, slots=True)
class Running:
    """A system that runs as a child of this process."""

    name: str
    url: str
    process: asyncio.subprocess.Process

    async def stop(self) -> None:
        """Ends it in good order; kills it when it does not end."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS_MAX)
            except TimeoutError:
                await self.kill()

    async def kill(self) -> None:
        """Ends it without a word, as a crash does."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


async def launch(
    name: str,
    home: Path,
    secrets: Mapping[str, str],
    port: int = 0,
    delay: float | None = None,
    report_to: str = "",
) -> Running:
    """Starts a system and returns when it listens. Port 0 takes a free one. Raises ControlError."""
    environment = {**os.environ, **secret_variables({code: secrets[code] for code in systems_of(name)})}
    place = folder(home, name)
    place.mkdir(parents=True, exist_ok=True)
    # Into a file, not a pipe: nobody reads it while the process runs, and a full pipe would stop it.
    complaints = place / "stderr.log"
    with complaints.open("wb") as stderr:
        words = command_line(name, home, port, delay=delay, report_to=report_to)
        process = await asyncio.create_subprocess_exec(
            *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=stderr
        )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS_MAX)
    except TimeoutError:
        process.kill()
        line = b""
    if not line:
        await process.wait()
        raise ControlError(f"the sandbox system {name} did not start: {complaints.read_text().strip()}")
    return Running(name, str(json.loads(line)["url"]), process)


def write_faults(home: Path, name: str, script: Sequence[Mapping[str, Json]]) -> None:
    """Puts faults where a system that is not running yet reads them at its start."""
    place = folder(home, name)
    place.mkdir(parents=True, exist_ok=True)
    (place / "faults.json").write_text(json.dumps({"faults": list(script)}))


class Control:
    """A way to the admin pages of one running system. Use it as `async with Control(url) as control`."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS_MAX)
        self._session = aiohttp.ClientSession(timeout=timeout, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def give_orders(self, orders: Sequence[Mapping[str, Json]]) -> None:
        """Gives orders to the engine, as `engine.work_of` reads them."""
        await self._call("POST", "orders", {"orders": list(orders)})

    async def set_faults(self, script: Sequence[Mapping[str, Json]]) -> None:
        """Replaces all faults."""
        await self._call("PUT", "faults", {"faults": list(script)})

    async def add_faults(self, script: Sequence[Mapping[str, Json]]) -> None:
        """Adds faults behind those that are there."""
        await self._call("POST", "faults", {"faults": list(script)})

    async def faults(self) -> list[Mapping[str, Json]]:
        """The faults, with the times that remain."""
        return cast(list[Mapping[str, Json]], (await self._call("GET", "faults"))["faults"])

    async def requests(self, after: int = 0) -> list[Mapping[str, Json]]:
        """Every request received since the first `after` of them."""
        page = await self._call("GET", f"requests?after={after}")
        lines = cast(list[Mapping[str, Json]], page["requests"])
        return [*lines, *await self.requests(cast(int, page["next"]))] if lines else []

    async def effects(self) -> dict[str, int]:
        """How often each thing was done, by "<operation> <object>"."""
        return cast(dict[str, int], (await self._call("GET", "effects"))["byObject"])

    async def _call(self, method: str, path: str, body: Json = None) -> Mapping[str, Json]:
        assert self._session is not None, "use it as `async with Control(url) as control`"
        url = f"{self._url}/_sandbox/{path}"
        sent = None if body is None else json.dumps(body).encode()
        async with self._session.request(method, url, data=sent) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise ControlError(f"{method} {url}: {answer.status} {content.decode(errors='replace')}")
        return cast(Mapping[str, Json], json.loads(content))

"""Named points at which a crash test ends a process with SIGKILL, to prove that no moment of a crash loses or doubles
anything (§11, P2).

Nothing here runs unless `FALLSAFE_KILL` names a point; a process that nobody wants dead has a hook that does nothing.
Before it dies a process writes one line to `run/kills.log` and waits for the disk, so that a test can count what was
really hit.
"""

import contextlib
import json
import os
import random
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fallsafe.connectors.port import Connector, Sendable
    from fallsafe.core.commands.outcome import Reply

BEFORE_SEND, DURING, AFTER_ANSWER = "before_send", "during", "after_answer"
BEFORE_COMMIT, AFTER_COMMIT = "before_commit", "after_commit"
POINTS = (BEFORE_SEND, DURING, AFTER_ANSWER, BEFORE_COMMIT, AFTER_COMMIT)
UNDER_WAY_SECONDS_MAX = 0.02

Hook = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a process is to die: at the `hits`-th time that it comes to `point`."""

    point: str
    hits: int

    def __str__(self) -> str:
        return f"{self.point}:{self.hits}"


def parse_kill(text: str) -> Kill:
    """Reads `before_send:3`; without a number the first hit counts. Raises ValueError with what would be right."""
    found = re.fullmatch(r"([a-z_]+)(?::([1-9][0-9]{0,5}))?", text)
    if not found or found[1] not in POINTS:
        raise ValueError(f"write one of {', '.join(POINTS)}, with a colon and the hit that counts, like before_send:3")
    return Kill(found[1], int(found[2] or 1))


def nothing(_: str) -> None:
    """The hook of a process that nobody wants dead."""


def hook_of(kill: Kill | None, home: Path, name: str) -> Hook:
    """The hook for the process `name` of this home."""
    return nothing if kill is None else _Killer(kill, home / "run" / "kills.log", name)


def watched(connector: "Connector", hook: Hook) -> "Connector":
    """The connector with the point `during` while a call is under way; itself where nothing is hooked."""
    return connector if hook is nothing else _UnderWay(connector, hook)


class _Killer:
    """Counts the hits of one point and ends this process at the last of them."""

    def __init__(self, kill: Kill, log: Path, name: str) -> None:
        self._kill, self._log, self._name = kill, log, name
        self._left = kill.hits

    def __call__(self, point: str) -> None:
        if point != self._kill.point:
            return
        self._left -= 1
        if self._left == 0:
            self._write_down()
            os.kill(os.getpid(), signal.SIGKILL)

    def _write_down(self) -> None:
        line = json.dumps({"point": self._kill.point, "hits": self._kill.hits, "name": self._name, "pid": os.getpid()})
        handle = os.open(self._log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(handle, f"{line}\n".encode())
        os.fsync(handle)


class _UnderWay:
    """A connector that comes to `during` a moment after a call began, unless its answer is there before.

    The moment is drawn anew for each call, so that now and then the request has left and now and then it has not.
    """

    def __init__(self, connector: "Connector", hook: Hook) -> None:
        self._connector, self._hook = connector, hook

    async def send(self, sendable: "Sendable") -> "Reply":
        """One attempt."""
        import asyncio  # what reads the settings of a short command does not wait for it

        call = asyncio.ensure_future(self._connector.send(sendable))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(call), random.uniform(0, UNDER_WAY_SECONDS_MAX))  # noqa: S311
        if not call.done():
            self._hook(DURING)
        return await call

    async def close(self) -> None:
        """Gives back what the connector holds."""
        await self._connector.close()

"""The second answers of systems that call back: the course of each accepted command, its end, and the callback that
tells of it.

What was accepted before a restart goes on after it, from where the disk says that it was.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace

import aiohttp
from yarl import URL

from fallsafe.security.signature import sign
from fallsafe.simulator.sandbox.dialects import Body, notice
from fallsafe.simulator.sandbox.disk import Disk
from fallsafe.simulator.sandbox.truth import PENDING, REJECTED, Course, Held, Truth, stamp

RETRY_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # six tries
CALL_SECONDS_MAX = 10.0
CALLS_AT_ONCE_MAX = 64
SIGNATURE_HEADER = "X-Signature"


BY_FILE = "file:"
"""Where a command that came by file says that it wants its answer."""


def _nobody(_: Body) -> None:
    """Nobody takes files."""


class Courses:
    """Runs the courses of one process, each as its own task."""

    def __init__(self, truth: Truth, disk: Disk, secrets: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._truth = truth
        self._disk = disk
        self._secrets = secrets
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self.by_file: Callable[[Body], None] = _nobody

    async def start(self) -> None:
        """Opens the way out and takes up what a former life of this process left."""
        connector = aiohttp.TCPConnector(limit=CALLS_AT_ONCE_MAX)
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS_MAX)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
        for held in self._truth.unfinished():
            self.begin(held)

    def begin(self, held: Held) -> None:
        """Starts, or takes up again, the course of an accepted command."""
        self._keep(self._run(held))

    def _keep(self, course: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(course)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, held: Held) -> None:
        course = held.course
        if course is None:
            return
        if course.notice and held.state == PENDING:
            await self._tell(held, noticed(held, course))
        await self._until(course.ends_at)
        self._truth.end(held)
        await self._disk.flushed()
        if course.callbacks == 0 or held.called_back:
            return
        await self._until(course.call_back_at)
        for _ in range(course.callbacks):
            await self._tell(held, told_of(held))
        self._truth.called_back(held)

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._clock()))

    async def _tell(self, held: Held, told: Body) -> None:
        """Tries until the other side says that it has it; then gives up, as systems do. Who sent a file gets a file."""
        if held.asked.fields["callbackUrl"] == BY_FILE:
            self.by_file(told)
            return
        for wait in (*RETRY_WAITS, None):
            if await self._post(held, told) or wait is None:
                return
            await asyncio.sleep(wait)

    async def _post(self, held: Held, told: Body) -> bool:
        assert self._session is not None
        body = json.dumps(told, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: sign(self._secrets[held.kind.system], body),
        }
        # As it was given: quoting it anew could change the key that stands in it.
        url = URL(str(held.asked.fields["callbackUrl"]), encoded=True)
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.read()
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    async def stop(self) -> None:
        """Gives up what runs; the disk remembers it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()


def noticed(held: Held, course: Course) -> Body:
    """What is told of a command before it ends: where it stands, why, and the date that is expected now."""
    dialect = held.kind.dialect
    date: Body = {dialect.date: stamp(course.expected_at)} if course.expected_at else {}
    return told_of(held, suffix="-N", state=course.notice) | {dialect.text: course.text} | date


def told_of(held: Held, *, suffix: str = "", state: str = "", key: str = "", about: str = "", code: str = "") -> Body:
    """What a callback says of a command that has ended; what is given stands in place of what is so."""
    asked = replace(held.asked, key=key or held.asked.key, object=about or held.asked.object)
    occurred = held.course.ends_at if held.course is not None else held.at
    refused = (held.course.code, held.course.text) if held.state == REJECTED and held.course is not None else None
    refused = (code, "") if code else refused
    event = f"EV-{held.id}{suffix}"
    return notice(held.kind, asked, held.id, event, state or held.state, stamp(occurred), refused)

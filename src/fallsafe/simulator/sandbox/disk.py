"""Append-only JSON lines that are on disk before anybody is answered.

Writers add lines and wait; all lines that came meanwhile share one flush, so that hundreds of requests a second cost a
few flushes. A process that is killed in the middle of a line leaves a torn tail: it was never answered for, and is cut.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fallsafe.core.events import Json

REQUESTS = "requests.jsonl"
EFFECTS = "effects.jsonl"
NOTES = "notes.jsonl"
ORDERS = "orders.jsonl"
FILES = "files.jsonl"
FAULTS = "faults.json"
# In this order they reach the disk: an effect is never there without the request that led to it.
APPENDED = (REQUESTS, EFFECTS, NOTES, ORDERS, FILES)

Line = Mapping[str, Json]


class BrokenFile(Exception):
    """A file of the sandbox that is broken elsewhere than at its tail; says where."""


def read_lines(path: Path) -> Iterator[Line]:
    """The whole lines of a file, oldest first; a torn tail is left out, an absent file is empty."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            yield _line(line, f"{path}:{number}")


def _line(line: bytes, where: str) -> Line:
    try:
        value: Json = json.loads(line)
    except ValueError as error:
        raise BrokenFile(f"{where}: not a JSON line ({error})") from error
    if not isinstance(value, Mapping):
        raise BrokenFile(f"{where}: a line is a JSON object")
    return value


def cut_torn_tail(path: Path) -> None:
    """Takes away what follows the last line end: it was never on disk as a whole."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        os.fsync(file.fileno())


class Disk:
    """The files of one system. `append` and `replace` only collect; what was collected is on disk after `flushed`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name in APPENDED:
            cut_torn_tail(folder / name)
        self.folder = folder
        self._files = {name: os.open(folder / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600) for name in APPENDED}
        self._collected: dict[str, list[bytes]] = {name: [] for name in APPENDED}
        self._replaced: dict[str, bytes] = {}
        self._waiting: list[asyncio.Future[None]] = []
        self._work = asyncio.Event()
        self._ending = False
        _sync_folder(folder)

    def append(self, name: str, line: Line) -> None:
        """Adds a line to one of the append-only files."""
        text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
        self._collected[name].append(text.encode() + b"\n")
        self._work.set()

    def replace(self, name: str, document: Json) -> None:
        """Replaces a whole file, all or nothing."""
        self._replaced[name] = json.dumps(document, indent=1).encode()
        self._work.set()

    async def flushed(self) -> None:
        """Returns when all that was collected before is on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._work.set()
        await done

    async def run(self) -> None:
        """Writes until told to end. An error of the disk ends it: then nobody is answered any more."""
        while not self._ending:
            await self._work.wait()
            await self._flush()
        for file in self._files.values():
            os.close(file)

    def end(self) -> None:
        """Lets `run` write what was collected and end."""
        self._ending = True
        self._work.set()

    async def _flush(self) -> None:
        """Writes what was collected, in one flush, and wakes those who waited for it."""
        self._work.clear()
        collected, self._collected = self._collected, {name: [] for name in APPENDED}
        replaced, self._replaced = self._replaced, {}
        waiting, self._waiting = self._waiting, []
        await asyncio.to_thread(self._write, collected, replaced)
        for done in waiting:
            if not done.done():
                done.set_result(None)

    def _write(self, collected: Mapping[str, list[bytes]], replaced: Mapping[str, bytes]) -> None:
        for name, lines in collected.items():
            if lines:
                _write_all(self._files[name], b"".join(lines))
                os.fdatasync(self._files[name])
        for name, content in replaced.items():
            _replace(self.folder / name, content)


def _write_all(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

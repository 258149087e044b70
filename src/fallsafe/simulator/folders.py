"""The partner that works by files and the contractor who gets letters, in the world's own time: real folders, the
product's own connectors and reader, and at the far end the sandbox's own partner over the truth of the world.

A file may be lost, refused, never acknowledged, answered in halves or not for hours; whoever writes one may be killed
in the middle of it. A letter is answered by another one, which a person reads.
"""

import asyncio
import os
import random
from collections.abc import Callable, Iterator, Set
from contextvars import Context
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec

from fallsafe.connectors import exchange
from fallsafe.connectors.exchange import ACKNOWLEDGED, FROM_PARTNER, OURS, THEIRS, TO_PARTNER, Half
from fallsafe.connectors.files import FileConnector, FileReader, _Gathering
from fallsafe.connectors.mail import MailConnector
from fallsafe.connectors.port import Monotonic
from fallsafe.simulator.mishaps import FILES, Mishaps
from fallsafe.simulator.promises import Broken
from fallsafe.simulator.sandbox.deciding import Deciding
from fallsafe.simulator.sandbox.dialects import Body
from fallsafe.simulator.sandbox.disk import Disk
from fallsafe.simulator.sandbox.faults import Fault, Faults, Strike
from fallsafe.simulator.sandbox.filing import Contractor, Filing
from fallsafe.simulator.sandbox.kinds import all_kinds
from fallsafe.simulator.sandbox.truth import Held, Truth

BY_FILE, BY_LETTER = "WHF", "CIV"
LETTER_KIND = "CIV.build"
REFUSED, SILENT = "FILE_REJECTED", "FILE_NOT_ACKNOWLEDGED"
KINDS = {kind.operation: kind for kind in all_kinds()}
TAKES_SECONDS = (1.0, 600.0)
"""How long the partner takes before it looks at what came, or writes what there is to say."""
HALF_SECONDS = (5.0, 7_200.0)
LOST_SECONDS = (600.0, 20_000.0)
OWED_SECONDS = 7_200.0
"""For how long an acknowledgement is waited for: longer than the patience of the product."""
LOOKS_AGAIN_SECONDS = (600.0, 1_800.0)
STRIKES = {
    "file_lost": Strike.FILE_LOST,
    "file_refused": Strike.REFUSE,
    "file_never_acknowledged": Strike.ACK_NEVER,
    "answers_in_halves": Strike.RESPONSE_HALF,
}


class Folders:
    """The folders of one world, and who works at their far end."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], datetime],
        mishaps: Mishaps,
        place: Path,
        truth: Truth,
        memory: Disk,
        begin: Callable[[Held], None],
    ) -> None:
        self._loop, self._now, self._mishaps, self._place = loop, now, mishaps, place
        self._dice = random.Random(f"{mishaps.dice.random()}/folders")  # noqa: S311  safe because a seed must give the same
        self.script = Faults([])
        deciding = Deciding(truth, self.script, lambda: now().timestamp(), begin, 2.0)
        self._filing = Filing(place / BY_FILE, BY_FILE, KINDS, deciding, memory, wrote=self._stamped)
        self._contractor = Contractor(place / BY_LETTER, KINDS[LETTER_KIND], replace(deciding, script=Faults([])))
        self._working: set[asyncio.Task[None]] = set()
        self._changed = loop.create_future()
        self._lost: set[Path] = set()
        self.acknowledged: set[bytes] = set()
        self.said: set[bytes] = {b""}

    # -- for the processes of the product ---------------------------------------------------------------------------

    def files(self, monotonic: Monotonic) -> "WorldFiles":
        """The way of a process to the partner."""
        return WorldFiles(self, {BY_FILE: self._place / BY_FILE}, monotonic)

    def letters(self, monotonic: Monotonic) -> MailConnector:
        """The way of a process to the contractor."""
        return MailConnector({BY_LETTER: self._place / BY_LETTER}, monotonic)

    def reader(self) -> FileReader:
        """Reads what the partner puts there."""
        return FileReader({BY_FILE: self._place / BY_FILE})

    def break_off(self, body: bytes) -> None:
        """What is left of a file whose writer was killed in the middle of it: nothing under its name."""
        there = self._place / BY_FILE / TO_PARTNER
        there.mkdir(parents=True, exist_ok=True)
        (there / f".{self._dice.randrange(10**9)}-half").write_bytes(body[: len(body) // 2])

    def came(self, system: str) -> None:
        """Something was put there: it is looked at sooner or later."""
        if system == BY_FILE:
            for name in exchange.names(self._place / BY_FILE / TO_PARTNER, OURS, BY_FILE):
                self._stamped(self._place / BY_FILE / TO_PARTNER / str(name))
        self._later(self._dice.uniform(*TAKES_SECONDS), self._files if system == BY_FILE else self._letters)

    async def something_new(self) -> None:
        """Waits until files have changed, or for a while where one is still owed."""
        if not self._is_owed():
            await asyncio.shield(self._changed)
            return
        await asyncio.wait([self._changed], timeout=self._dice.uniform(*LOOKS_AGAIN_SECONDS))

    def _is_owed(self) -> bool:
        """Whether a file of ours is not acknowledged, or one of theirs is missing or half."""
        there, here = self._place / BY_FILE / TO_PARTNER, self._place / BY_FILE / FROM_PARTNER
        said = {name.sequence for name in exchange.names(here, ACKNOWLEDGED, BY_FILE)}
        ours = [name for name in exchange.names(there, OURS, BY_FILE) if name.sequence not in said]
        young = self._now().timestamp() - OWED_SECONDS
        owed = any(exchange.written_at(there, name) > young for name in ours)
        return owed or bool(self._lost) or any(self._halves(here))

    def _halves(self, here: Path) -> Iterator[bool]:
        for name in exchange.names(here, THEIRS, BY_FILE):
            try:
                exchange.read(here, name)
            except Half:
                yield True

    def broken(self, case_keys: Set[str]) -> Iterator[Broken]:
        """Whatever was wrong with a file as a whole was somebody's: refused by the partner, or never acknowledged."""
        there, here = self._place / BY_FILE / TO_PARTNER, self._place / BY_FILE / FROM_PARTNER
        for ours in exchange.names(there, OURS, BY_FILE):
            ack = here / str(replace(ours, kind=ACKNOWLEDGED))
            late = self._now().timestamp() - exchange.written_at(there, ours) > 2 * OWED_SECONDS
            wrong = REFUSED if ack.exists() and REFUSED.encode() in ack.read_bytes() else ""
            wrong = SILENT if not ack.exists() and late else wrong
            if wrong and not any(wrong in key and str(ours) in key for key in case_keys):
                yield Broken("P4", f"file {ours}", f"{wrong}, and no case says so")

    # -- at the far end ---------------------------------------------------------------------------------------------

    def tell(self, said: Body, after: float) -> None:
        """What became of a line goes into the next file."""
        self._loop.call_later(after, self._filing.tell, said)
        self._later(after + self._dice.uniform(*TAKES_SECONDS), self._files)

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        self._loop.call_later(seconds, work, context=Context())

    def _files(self) -> None:
        task = self._loop.create_task(self._look(), context=Context())
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _look(self) -> None:
        fault = self._mishaps.one_of(FILES)
        self.script.faults.clear()
        if fault in STRIKES:
            code = "FILE_DAMAGED" if fault == "file_refused" else ""
            seconds = self._dice.uniform(*HALF_SECONDS)
            self.script.faults[:] = [Fault(STRIKES[fault], seconds=seconds, code=code, text="its end is missing")]
        before = set(self._answers())
        await self._filing.look()
        if fault == "answers_lost":
            for path in sorted(set(self._answers()) - before):
                self._lose(path)

    def _answers(self) -> list[Path]:
        here = self._place / BY_FILE / FROM_PARTNER
        return [here / str(name) for name in exchange.names(here, THEIRS, BY_FILE)]

    def _lose(self, path: Path) -> None:
        """A file of theirs is not there for hours, while the one behind it is; so its number is not given twice."""
        self._stamped(path.parent / str(exchange.write(path.parent, THEIRS, BY_FILE, [])))
        aside = path.with_name(f".{path.name}")
        path.replace(aside)
        self._lost.add(aside)
        self._later(self._dice.uniform(*LOST_SECONDS), lambda: self._find(aside, path))

    def _find(self, aside: Path, path: Path) -> None:
        aside.replace(path)
        self._lost.discard(aside)
        self._stamped(path)

    def _letters(self) -> None:
        self._contractor.look()

    def _stamped(self, path: Path) -> None:
        """A file has the time of the world, is known to the judge, and whoever waits for files wakes."""
        seconds = self._now().timestamp()
        os.utime(path, (seconds, seconds))
        self._note(path)
        if not self._changed.done():
            self._changed.set_result(None)
        self._changed = self._loop.create_future()

    def _note(self, path: Path) -> None:
        """What a file says, for the judge: lines of answers, and of ours with what was said of their file."""
        ours = path.name.replace(ACKNOWLEDGED, OURS, 1)
        try:
            (name,) = [
                n
                for kind in (THEIRS, ACKNOWLEDGED, OURS)
                for n in exchange.names(path.parent, kind, BY_FILE)
                if str(n) == path.name
            ]
            lines = exchange.read(path.parent, name).lines
        except (Half, ValueError):
            return
        if name.kind == OURS:
            return
        self.said |= set(lines)
        if name.kind == ACKNOWLEDGED:
            said = cast(Body, msgspec.json.decode(lines[0]))
            self.said.add(msgspec.json.encode(said))
            sent = (self._place / BY_FILE / TO_PARTNER / ours).read_bytes().splitlines()[1:-1]
            counted = {**said, "counted": said["lines"] == len(sent)}
            lines = tuple(
                msgspec.json.encode({**msgspec.json.decode(line), "acknowledgement": counted}) for line in sent
            )
        self.acknowledged |= set(lines)


class WorldFiles(FileConnector):
    """The product's connector; what it writes has the time of the world, and is noticed at the far end."""

    def __init__(self, folders: Folders, places: dict[str, Path], monotonic: Monotonic) -> None:
        super().__init__(places, monotonic)
        self._folders = folders

    async def _write(self, place: Path, system: str, together: _Gathering) -> None:
        await super()._write(place, system, together)
        self._folders.came(system)

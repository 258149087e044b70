"""The partner that works by files, and the contractor who gets letters: what each finds in its folder it does, by the
same truth and faults as everything else; the partner answers by files of its own, the contractor to nobody.

A file of ours is taken once, in the order of its number; what was taken stands in `files.jsonl`.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import cast

import msgspec

from fallsafe.connectors import exchange
from fallsafe.connectors.exchange import ACKNOWLEDGED, FROM_PARTNER, OURS, THEIRS, TO_PARTNER, Name, Whole
from fallsafe.connectors.files import FILE_REJECTED, TAKEN
from fallsafe.connectors.mail import KEY_LINE, LETTER
from fallsafe.core.events import Json
from fallsafe.simulator.sandbox.callbacks import BY_FILE
from fallsafe.simulator.sandbox.deciding import Deciding
from fallsafe.simulator.sandbox.dialects import Asked, Body, Kind
from fallsafe.simulator.sandbox.disk import FILES, Disk, read_lines
from fallsafe.simulator.sandbox.faults import Fault, Strike

LOOK_SECONDS = 0.2
KIND_OF = {"NEW": "WHF.line", "STOP": "WHF.cancel"}
EXCHANGE, LETTERS = "exchange", "letters"


def _unnoticed(_: Path) -> None:
    """Nobody needs to know of each file."""


@dataclass(slots=True)
class Filing:
    """One partner by file, of the code `system`. `wrote` is told of each file of its own that appears, or grows."""

    folder: Path
    system: str
    kinds: Mapping[str, Kind]
    deciding: Deciding
    disk: Disk
    wrote: Callable[[Path], None] = _unnoticed
    answers: list[Body] = field(default_factory=list)
    taken: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in read_lines(self.disk.folder / FILES):
            self.taken[str(line["file"])] = line["came"] is True

    def tell(self, body: Body) -> None:
        """What became of a line; it goes into the next file."""
        self.answers.append(body)

    async def run(self) -> None:
        """Looks again and again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Takes what has come, and writes what there is to say."""
        for name in exchange.names(self.folder / TO_PARTNER, OURS, self.system):
            if str(name) not in self.taken:
                await self._take(name)
        if self.answers:
            await self._answer()

    async def _take(self, name: Name) -> None:
        fault = self._fault(str(name), Strike.FILE_LOST, Strike.ACK_NEVER, Strike.REFUSE)
        struck = fault.strike if fault is not None else None
        if struck is Strike.FILE_LOST:
            self._note(name, came=False)
            return
        whole = exchange.read(self.folder / TO_PARTNER, name)
        refusal = (fault.code, fault.text) if fault is not None and struck is Strike.REFUSE else self._gap(name)
        if refusal is None:
            self._do(whole)
        await self.disk.flushed()
        self._note(name, came=refusal is None)
        await self.disk.flushed()
        if struck is not Strike.ACK_NEVER:
            self._acknowledge(whole, refusal)

    def _fault(self, about: str, *strikes: Strike) -> Fault | None:
        others = frozenset(Strike) - set(strikes)
        return self.deciding.script.take(f"{self.system}.file", about, (), others)

    def _gap(self, name: Name) -> tuple[str, str] | None:
        """A file is taken only behind the one before it."""
        before = Name(OURS, self.system, name.sequence - 1)
        came = name.sequence == 1 or self.taken.get(str(before), False)
        return None if came else ("SEQUENCE_GAP", f"{before} never came")

    def _note(self, name: Name, *, came: bool) -> None:
        self.taken[str(name)] = came
        self.disk.append(FILES, {"file": str(name), "came": came})

    def _do(self, whole: Whole) -> None:
        for line in whole.lines:
            fields = {**exchange.document(line), "callbackUrl": BY_FILE}
            kind = self.kinds[KIND_OF[str(fields["kind"])]]
            asked = Asked(str(fields["line"]), str(fields["object"]), fields)
            if self.deciding.truth.by_key(kind, asked.key) is not None:
                continue  # it was taken before this process ended
            answer = self.deciding.do(kind, asked)
            said = cast(Mapping[str, Json], msgspec.json.decode(answer.body)) if answer.body else {}
            if answer.status >= 400:
                refused: Body = {"result": "REJECTED", "code": said.get("code"), "text": said.get("text")}
                self.tell({"line": asked.key, "object": asked.object, **refused})

    def _acknowledge(self, whole: Whole, refusal: tuple[str, str] | None) -> None:
        ours = whole.name
        said: dict[str, Json] = {"of": str(ours), "lines": len(whole.lines), "result": TAKEN}
        if refusal is not None:
            said |= {"result": FILE_REJECTED, "code": refusal[0], "text": refusal[1]}
        name = Name(ACKNOWLEDGED, self.system, ours.sequence)
        self._put(self.folder / FROM_PARTNER, name, exchange.content(name, [msgspec.json.encode(said)]))

    async def _answer(self) -> None:
        """Writes one file with all that there is to say, or first half of it."""
        lines = [msgspec.json.encode(body) for body in self.answers]
        self.answers.clear()
        there = self.folder / FROM_PARTNER
        fault = self._fault("", Strike.RESPONSE_HALF)
        if fault is None:
            self.wrote(there / str(exchange.write(there, THEIRS, self.system, lines)))
            return
        last = exchange.names(there, THEIRS, self.system)
        name = Name(THEIRS, self.system, last[-1].sequence + 1 if last else 1)
        whole = exchange.content(name, lines)
        there.mkdir(parents=True, exist_ok=True)
        (there / str(name)).write_bytes(whole[: len(whole) // 2])
        self.wrote(there / str(name))
        await asyncio.sleep(fault.seconds or LOOK_SECONDS)
        self._put(there, name, whole)

    def _put(self, folder: Path, name: Name, whole: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{os.getpid()}-{name}"
        exchange.write_whole(beside, whole)
        beside.replace(folder / str(name))
        self.wrote(folder / str(name))


@dataclass(slots=True)
class Contractor:
    """Somebody who does what a letter says, and tells nobody whom a system could ask."""

    folder: Path
    kind: Kind
    deciding: Deciding

    async def run(self) -> None:
        """Looks again and again."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Reads the letters that have come, each once: its key is known."""
        for path in sorted(self.folder.glob(f"*{LETTER}")) if self.folder.exists() else ():
            self._read(path.read_bytes())
            path.replace(path.with_suffix(".read"))

    def _read(self, content: bytes) -> None:
        letter = message_from_bytes(content, policy=default)
        assert isinstance(letter, EmailMessage)
        lines = (line.partition(": ") for line in letter.get_content().splitlines())
        fields: dict[str, Json] = {name: value for name, colon, value in lines if colon}
        asked = Asked(str(fields[KEY_LINE]), str(fields["object"]), fields)
        if self.deciding.truth.by_key(self.kind, asked.key) is None:
            self.deciding.do(self.kind, asked)

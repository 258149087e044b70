"""Speaks to systems by files (§12.1): lines that leave together stand in one file, which the other side acknowledges
and answers line by line, hours later.

A line is sent when its file stands in the folder of the other side; what is not there was never sent. Whoever asks what
became of a line reads the files: theirs say what happened, ours only that it was sent.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from fallsafe.connectors import exchange
from fallsafe.connectors.exchange import ACKNOWLEDGED, FROM_PARTNER, OURS, THEIRS, TO_PARTNER, Half, Name
from fallsafe.connectors.port import Monotonic, Sendable
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Accepted, Looked, Lost, NotSent, Outcome, RawBytes, Reply, Says
from fallsafe.core.commands.reading import read_look_up
from fallsafe.core.events import Json

GATHER_SECONDS = 0.05
"""How long the first line waits for others that leave with it."""
LINES_MAX = 10_000
FILES_ASKED_MAX = 2_000
"""How many files are read to find a line; where there are more, that it was not found proves nothing."""
JSON_TYPE = "application/json"


@dataclass(slots=True)
class _Gathering:
    """The lines of one system that leave together."""

    lines: list[Sendable] = field(default_factory=list)
    gone: "asyncio.Future[list[Reply]] | None" = None


class FileConnector:
    """A connector for any number of systems; `places` maps system code → the folder that both sides see."""

    def __init__(self, places: Mapping[str, Path], monotonic: Monotonic) -> None:
        self._places, self._monotonic = places, monotonic
        self._gathering: dict[str, _Gathering] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def send(self, sendable: Sendable) -> Reply:
        """Puts one line into the next file, or looks for a line in the files that there are."""
        began = self._monotonic()
        if began >= sendable.start_before:
            return Reply(NotSent("too_late_to_start"))
        place = self._places.get(sendable.operation.system)
        if place is None:
            return Reply(NotSent("no_address"))
        if sendable.purpose is Purpose.QUERY:
            outcome, evidence = await asyncio.to_thread(_look, place, sendable)
            return Reply(outcome, evidence, self._monotonic() - began)
        if not _is_line(sendable.request.body):
            return Reply(NotSent("unsendable"))
        return await self._leave(place, sendable)

    async def close(self) -> None:
        """Lets what is being written be written."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _leave(self, place: Path, sendable: Sendable) -> Reply:
        """Leaves with all that comes within a moment; the first of them sees to it that it does."""
        system = sendable.operation.system
        together = self._gathering.get(system)
        if together is None or len(together.lines) >= LINES_MAX:
            together = self._gathering[system] = _Gathering([], asyncio.get_running_loop().create_future())
            task = asyncio.create_task(self._write(place, system, together))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)
        number = len(together.lines)
        together.lines.append(sendable)
        assert together.gone is not None
        return (await asyncio.shield(together.gone))[number]

    async def _write(self, place: Path, system: str, together: _Gathering) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        if self._gathering.get(system) is together:
            del self._gathering[system]
        began, lines = self._monotonic(), together.lines
        leaving = [one for one in lines if began < one.start_before]
        replies = await asyncio.to_thread(_written, place, system, leaving)
        came = dict(zip(map(id, leaving), replies, strict=True))
        late = Reply(NotSent("too_late_to_start"))
        assert together.gone is not None
        together.gone.set_result([came.get(id(one), late) for one in lines])


def _is_line(body: bytes) -> bool:
    return bool(body) and b"\n" not in body and b"\r" not in body


def _written(place: Path, system: str, lines: list[Sendable]) -> list[Reply]:
    """One file with these lines."""
    if not lines:
        return []
    try:
        name = exchange.write(place / TO_PARTNER, OURS, system, [one.request.body for one in lines])
    except OSError:
        return [Reply(NotSent("cannot_be_written"))] * len(lines)
    except exchange.Unsure as unsure:
        return [Reply(Lost("disk"), (_evidence("request", one.request.body, str(unsure)),)) for one in lines]
    heads = [f"file {name}, line {n} of {len(lines)}" for n in range(1, len(lines) + 1)]
    return [
        Reply(Accepted(f"{name}#{n}"), (_evidence("request", one.request.body, head),))
        for n, (one, head) in enumerate(zip(lines, heads, strict=True), 1)
    ]


def _evidence(kind: str, body: bytes, head: str) -> RawBytes:
    return RawBytes(kind, body, JSON_TYPE, head)


def _look(place: Path, sendable: Sendable) -> tuple[Outcome, tuple[RawBytes, ...]]:
    """What the files say of a line: the newest that the other side said of it, else whether we sent it at all."""
    system, key = sendable.operation.system, sendable.asked["key"]
    theirs = exchange.names(place / FROM_PARTNER, THEIRS, system)
    ours = exchange.names(place / TO_PARTNER, OURS, system)
    for name in reversed(theirs[-FILES_ASKED_MAX:]):
        line = _line_of(place / FROM_PARTNER, name, key)
        if line is not None:
            said = read_look_up(sendable.answers, 200, exchange.document(line), sendable.asked)
            return said, (_evidence("answer", line, f"file {name}"),)
    for name in reversed(ours[-FILES_ASKED_MAX:]):
        line = _line_of(place / TO_PARTNER, name, key)
        if line is not None:
            return _unanswered(place, name)
    if max(len(theirs), len(ours)) > FILES_ASKED_MAX:
        return Lost("too_many_files", "", f"more than {FILES_ASKED_MAX} files; older ones were not read"), ()
    told = f"{len(ours)} files of ours and {len(theirs)} of theirs; no line has this key"
    return Looked(Says.ABSENT), (_evidence("answer", b"", told),)


def _unanswered(place: Path, ours: Name) -> tuple[Outcome, tuple[RawBytes, ...]]:
    """We sent it, and no line of theirs is about it: refused with its whole file, or on its way."""
    said = _acknowledged(place, ours)
    if said is None:
        return Looked(Says.PENDING, str(ours)), (_evidence("answer", b"", f"file {ours} is not acknowledged"),)
    evidence = (_evidence("answer", msgspec.json.encode(said), f"acknowledgement of {ours}"),)
    if said.get("result") == FILE_REJECTED:
        return Looked(Says.REJECTED, "", FILE_REJECTED, _why(said)), evidence
    return Looked(Says.PENDING, str(ours)), evidence


def _acknowledged(place: Path, ours: Name) -> Mapping[str, Json] | None:
    """What the other side says of a file of ours as a whole; None where it says nothing that can be read."""
    try:
        (line,) = exchange.read(place / FROM_PARTNER, replace(ours, kind=ACKNOWLEDGED)).lines
        return exchange.document(line)
    except (FileNotFoundError, Half, ValueError):
        return None


def _line_of(folder: Path, name: Name, key: str) -> bytes | None:
    """The line of a file that has a value which is this key; a file that is not whole says nothing."""
    try:
        lines = exchange.read(folder, name).lines
    except (FileNotFoundError, Half):
        return None
    quoted = key.encode()
    return next((line for line in reversed(lines) if quoted in line and key in exchange.document(line).values()), None)


def _why(said: Mapping[str, Json]) -> str:
    return f"{said.get('code', '')} {said.get('text', '')}".strip()


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of a file says, for whoever takes callbacks in: its bytes, and an event id that only it has."""

    event_id: str
    body: bytes
    head: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a file as a whole: its name, the code and a sentence."""

    file: str
    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Brought:
    """What the files of a system bring: new lines, what is wrong with files, and what was read to its end."""

    lines: tuple[Line, ...]
    troubles: tuple[Trouble, ...]
    read: tuple[Name, ...]


FILE_NOT_ACKNOWLEDGED, FILE_REJECTED, FILE_MISSING = "FILE_NOT_ACKNOWLEDGED", "FILE_REJECTED", "FILE_MISSING"
TAKEN = "TAKEN"
TOLD_MAX = 20


class FileReader:
    """Reads what the other side put there. It remembers in this process what was handed on; after a restart all is read
    again, and known lines are known.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = places
        self._read: dict[Name, tuple[Trouble, ...]] = {}

    @property
    def systems(self) -> tuple[str, ...]:
        """Whose files it reads."""
        return tuple(self._places)

    def read(self, system: str, patience: float, now: float) -> Brought:
        """What is new, and what is wrong. `patience` is how long the other side may take to acknowledge a file, in
        seconds, `now` by the clock of the disk.
        """
        place = self._places[system]
        theirs = exchange.names(place / FROM_PARTNER, THEIRS, system)[-FILES_ASKED_MAX:]
        ours = exchange.names(place / TO_PARTNER, OURS, system)[-FILES_ASKED_MAX:]
        found = [_answers(place, name, patience, now) for name in theirs if name not in self._read]
        for name in ours:
            known = self._read.get(name)
            found.append(_acknowledgement(place, name, patience, now) if known is None else Brought((), known, ()))
        lines = tuple(line for each in found for line in each.lines)
        troubles = (*_gaps(theirs), *(trouble for each in found for trouble in each.troubles))
        return Brought(lines, troubles, tuple(name for each in found for name in each.read))

    def handed_on(self, brought: Brought) -> None:
        """The lines are kept: these files need not be read again."""
        for name in brought.read:
            self._read[name] = tuple(trouble for trouble in brought.troubles if trouble.file == str(name))


def _gaps(theirs: Sequence[Name]) -> list[Trouble]:
    """The numbers that are missing among their files."""
    numbers = {name.sequence: name for name in theirs}
    missing = sorted(set(range(min(numbers), max(numbers) + 1)) - numbers.keys()) if numbers else []
    absent = [replace(theirs[0], sequence=n) for n in missing[:TOLD_MAX]]
    return [Trouble(str(name), FILE_MISSING, f"{name} is not there, and later files are") for name in absent]


def _answers(place: Path, name: Name, patience: float, now: float) -> Brought:
    """The lines of a file of theirs. Half a file is still being written, unless it stays so."""
    try:
        whole = exchange.read(place / FROM_PARTNER, name)
    except Half as half:
        late = now - exchange.written_at(place / FROM_PARTNER, name) > patience
        return Brought((), (Trouble(str(name), FILE_REJECTED, f"{name}: {half}"),) if late else (), ())
    lines = [Line(f"{name}#{n}", line, f"file {name}, line {n}") for n, line in enumerate(whole.lines, 1)]
    return Brought(tuple(lines), (), (name,))


def _acknowledgement(place: Path, ours: Name, patience: float, now: float) -> Brought:
    """What the other side says of a file of ours as a whole, told of each of its lines."""
    sent, said = exchange.read(place / TO_PARTNER, ours), _acknowledged(place, ours)
    if said is None:
        silent = now - sent.written_at > patience
        trouble = Trouble(str(ours), FILE_NOT_ACKNOWLEDGED, f"{ours} is not acknowledged")
        return Brought((), (trouble,) if silent else (), ())
    counted = said.get("lines") == len(sent.lines)
    lines = [_of_line(ours, n, line, {**said, "counted": counted}) for n, line in enumerate(sent.lines, 1)]
    if said.get("result") == TAKEN and counted:
        return Brought(tuple(lines), (), (ours,))
    why = _why(said) if counted else f"{ours} has {len(sent.lines)} lines; they say {said.get('lines')}"
    return Brought(tuple(lines), (Trouble(str(ours), FILE_REJECTED, why),), (ours,))


def _of_line(ours: Name, number: int, line: bytes, said: Mapping[str, Json]) -> Line:
    """A line of ours with what was said of its file."""
    body = msgspec.json.encode({**exchange.document(line), "acknowledgement": said})
    return Line(f"{ours}#{number}", body, f"acknowledgement of {ours}, of line {number}")

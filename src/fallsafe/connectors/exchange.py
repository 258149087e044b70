"""A file that two sides exchange: one JSON document a line, counted in front and behind, so that half a file is seen.

    {"file": "FLS-WHF-000017", "sequence": 17, "lines": 2}
    {"line": "CRM/901/line.orderAccessLineByFile/fulfill/1", …}
    {"line": "CRM/902/line.orderAccessLineByFile/fulfill/1", …}
    {"end": "FLS-WHF-000017", "lines": 2}

A file appears under its name only when all of it is on the disk, and no name is used twice. Each side numbers its files
without gaps. What is acknowledged is a file; what is answered is a line, by its key.
"""

import contextlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec

from fallsafe.core.events import Json

TO_PARTNER, FROM_PARTNER = "to_partner", "from_partner"
OURS, THEIRS, ACKNOWLEDGED = "FLS", "RSP", "ACK"
_NAME = re.compile(r"(FLS|RSP|ACK)-([A-Z][A-Z0-9]{1,9})-([0-9]{6,12})")
SEQUENCE_DIGITS = 6
FILE_BYTES_MAX = 64 * 1024 * 1024


class Half(Exception):
    """A file that is not whole: says what is wrong with it."""


class Unsure(Exception):
    """A file that stands under its name, and may not do so any more after a loss of power."""


@dataclass(frozen=True, slots=True)
class Name:
    """`FLS-WHF-000017`: whose file it is (ours, theirs, or an acknowledgement of ours), of which system, its number."""

    kind: str
    system: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.system}-{self.sequence:0{SEQUENCE_DIGITS}}"


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole file: its lines as bytes, and when it was written (seconds, by the clock of its disk)."""

    name: Name
    lines: tuple[bytes, ...]
    written_at: float


def names(folder: Path, kind: str, system: str) -> list[Name]:
    """The files of a kind in a folder, by their numbers. A folder that is not there has none."""
    try:
        found = [_NAME.fullmatch(entry.name) for entry in os.scandir(folder)]
    except FileNotFoundError:
        return []
    return sorted(
        (Name(m[1], m[2], int(m[3])) for m in found if m is not None and (m[1], m[2]) == (kind, system)),
        key=lambda name: name.sequence,
    )


def read(folder: Path, name: Name) -> Whole:
    """A file of a folder. Raises Half where it is not whole, and FileNotFoundError."""
    path = folder / str(name)
    found = path.stat()
    if found.st_size > FILE_BYTES_MAX:
        raise Half(f"it has {found.st_size} bytes; {FILE_BYTES_MAX} are the most that are read")
    return Whole(name, _lines(name, path.read_bytes()), found.st_mtime)


def written_at(folder: Path, name: Name) -> float:
    """When a file was last written to."""
    return (folder / str(name)).stat().st_mtime


def _lines(name: Name, content: bytes) -> tuple[bytes, ...]:
    if not content.endswith(b"\n"):
        raise Half("it breaks off in a line")
    first, *lines = content[:-1].split(b"\n")
    head = document(first)
    if head.get("file") != str(name) or head.get("sequence") != name.sequence:
        raise Half("its first line does not name it")
    if not lines or document(lines[-1]).get("end") != str(name):
        raise Half(f"its last line is missing; {len(lines)} lines came")
    said = [head.get("lines"), document(lines[-1]).get("lines")]
    if said != [len(lines) - 1] * 2:
        raise Half(f"it says {said[0]} and {said[1]} lines; {len(lines) - 1} came")
    return tuple(lines[:-1])


def document(line: bytes) -> Mapping[str, Json]:
    """A line as an object. Raises Half."""
    try:
        value = cast(Json, msgspec.json.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Half(f"{line[:40]!r} is no JSON") from None
    if not isinstance(value, Mapping):
        raise Half(f"{line[:40]!r} is no object")
    return value


def write(folder: Path, kind: str, system: str, lines: Sequence[bytes]) -> Name:
    """Writes a new file with the next number, all of it or nothing, and returns when it is on the disk.

    Raises OSError where nobody can have seen it, and Unsure where somebody may. Two who write at once get two numbers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f".{os.getpid()}-{os.urandom(4).hex()}"
    try:
        name = _take_name(folder, kind, system, beside, lines)
    finally:
        beside.unlink(missing_ok=True)
    try:
        sync(folder)
    except OSError as error:
        raise Unsure(str(name)) from error
    return name


def _take_name(folder: Path, kind: str, system: str, beside: Path, lines: Sequence[bytes]) -> Name:
    while True:
        last = names(folder, kind, system)
        name = Name(kind, system, last[-1].sequence + 1 if last else 1)
        write_whole(beside, content(name, lines))
        with contextlib.suppress(FileExistsError):
            os.link(beside, folder / str(name))
            return name


def content(name: Name, lines: Iterable[bytes]) -> bytes:
    """The bytes of a file with these lines."""
    every = tuple(lines)
    head = msgspec.json.encode({"file": str(name), "sequence": name.sequence, "lines": len(every)})
    end = msgspec.json.encode({"end": str(name), "lines": len(every)})
    return b"".join(line + b"\n" for line in (head, *every, end))


def write_whole(path: Path, whole: bytes) -> None:
    with path.open("wb") as file:
        file.write(whole)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Waits until the names of a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""How the bytes of a text file become characters: which compression, which encoding, and a stream of UTF-8 in the end.

DuckDB reads plain, gzip and zstandard files in UTF-8 by itself and in parallel; everything else is turned into UTF-8
here and handed over through a pipe, so that no second copy of a large file is written.
"""

import bz2
import codecs
import gzip
import io
import lzma
import os
import re
import threading
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol, cast

from fallsafe.analysis.sources.table import Unreadable

HEAD_BYTES = 1 << 20
CHUNK_BYTES = 1 << 20
PIECE_BYTES, PIECES_MAX = 4_000, 128
# DuckDB's own limit for a line, and ours for a record of any text format.
LINE_BYTES_MAX = 2_000_000

DAMAGE = (OSError, EOFError, lzma.LZMAError, zlib.error)
"""What reading an archive raises where it is cut off or has other bytes than it had."""
CONTROL_SHARE_MAX = 0.05
"""Text has fewer control characters than this; what has more is something else."""

MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
# What is not a table of text at all, with what would work instead.
STRANGERS = {
    b"PK\x03\x04": "is a zip archive or a spreadsheet; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "is an old spreadsheet; save the sheet as CSV",
    b"%PDF": "is a PDF; export the table as CSV",
    b"ORC": "is an ORC file; convert it to Parquet",
    b"Obj\x01": "is an Avro file; convert it to Parquet",
    b"ARROW1": "is an Arrow file; convert it to Parquet",
    b"7z\xbc\xaf": "is a 7z archive; unpack it",
    b"\x7fELF": "is a program; export the table as CSV",
    b"\x89PNG": "is a picture; export the table as CSV",
    b"\xff\xd8\xff": "is a picture; export the table as CSV",
    b"GIF8": "is a picture; export the table as CSV",
}
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
EMPTY_LINE = re.compile(rb"(?<=\n)\r?\n")
SPACES = "\t\n\v\f\r\x01\x1c\x1d\x1e\x1f"
"""Control characters that part lines and fields."""
CHARACTERS_MAX = 100_000
NOT_IN_CP1252 = frozenset(b"\x81\x8d\x8f\x90\x9d")
NAMES = {"cp1252": "Windows-1252", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-8": "UTF-8"}


class Unpacked(Protocol):
    """An open file of bytes, unpacked while it is read."""

    def __enter__(self) -> "Unpacked": ...
    def __exit__(self, *error: object) -> None: ...
    def read(self, size: int = -1, /) -> bytes: ...
    def read1(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of a file, unpacked, and whether they are all of it."""

    data: bytes
    compression: str  # "", gzip, zstd, bzip2, xz
    whole: bool


def compression_of(path: Path) -> str:
    """By content, whatever the name says. Refuses what is no text: archives, spreadsheets."""
    with path.open("rb") as file:
        start = file.read(8)
    for magic, why in STRANGERS.items():
        if start.startswith(magic):
            raise Unreadable(f"{path} {why}")
    return next((name for magic, name in MAGIC.items() if start.startswith(magic)), "")


def unpacked(path: Path, compression: str) -> Unpacked:
    """The file as a stream of its unpacked bytes."""
    match compression:
        case "":
            return cast(Unpacked, path.open("rb"))
        case "gzip":
            return cast(Unpacked, gzip.open(path, "rb"))
        case "bzip2":
            return cast(Unpacked, bz2.open(path, "rb"))
        case "xz":
            return cast(Unpacked, lzma.open(path, "rb"))
        case _:
            return _zstandard(path)


def _zstandard(path: Path) -> Unpacked:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # from Python 3.14 on
    except ImportError:
        raise Unreadable(f"{path} is compressed with zstd and not UTF-8; unpack it first: unzstd {path}") from None
    opened: Unpacked = zstd.open(path, "rb")
    return opened


def head_of(path: Path, compression: str) -> Head:
    """The first mebibyte, unpacked. Refuses archives that cannot be unpacked."""
    try:
        with unpacked(path, compression) as file:
            data = _filled(file, HEAD_BYTES + 1)
    except DAMAGE as error:
        raise Unreadable(f"{path} cannot be unpacked as {compression or 'a plain file'}: {error}") from None
    return Head(data[:HEAD_BYTES], compression, whole=len(data) <= HEAD_BYTES)


def _filled(file: Unpacked, size: int) -> bytes:
    """The next bytes; of a damaged archive all that come before the damage, and only then the error."""
    parts, left = [], size
    try:
        while left and (part := file.read1(left)):
            parts.append(part)
            left -= len(part)
    except DAMAGE:
        if not parts:
            raise
    return b"".join(parts)


def encoding_of(head: Head) -> str:
    """A codec of Python's: by byte order mark, by the zeros of UTF-16, by being valid UTF-8, else Windows-1252."""
    for mark, name in MARKS:
        if head.data.startswith(mark):
            return name
    pairs = len(head.data) // 2
    if pairs and head.data[1::2].count(0) > pairs * 0.3:
        return "utf-16-le"
    if pairs and head.data[0::2].count(0) > pairs * 0.3:
        return "utf-16-be"
    lines = head.data.split(b"\n")
    complete = lines if head.whole else lines[:-1] or lines
    broken = sum(not _is_utf8(line) for line in complete)
    if not broken or broken <= sum(not line.isascii() and _is_utf8(line) for line in complete):
        return "utf-8"
    return "cp1252" if not NOT_IN_CP1252.intersection(head.data) else "latin-1"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def is_text(text: str) -> bool:
    """Whether these are characters that people write; a few odd ones are no reason to doubt it."""
    odd = sum(unicodedata.category(c) == "Cc" and c not in SPACES for c in text[:CHARACTERS_MAX])
    return odd <= CONTROL_SHARE_MAX * len(text[:CHARACTERS_MAX])


def text_of(head: Head, encoding: str) -> str:
    """The head as text, without a byte order mark and without a last character that was cut."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head.data, final=head.whole)
    return text.removeprefix("\ufeff")


@dataclass(slots=True)
class Lines:
    """How many lines went by, and how many of them were empty: what a reader of rows has to account for."""

    count: int = 0
    empty: int = 0
    looks_for_empty: bool = True
    pieces: list[bytes] | None = None
    """Whole lines from all over the file, where they are wanted."""
    _last: bytes = b""
    _end: bytes = b""
    _every: int = 1
    _seen: int = 0
    _decoder: codecs.IncrementalDecoder = field(default_factory=codecs.getincrementaldecoder("utf-8"))
    _broken: bool = False
    _returns: int = 0

    def saw(self, chunk: bytes) -> None:
        self._end = self._end or (b"\n" if b"\n" in chunk or b"\r" not in chunk else b"\r")
        self.count += chunk.count(self._end)
        if self.looks_for_empty:
            joined = self._last + chunk
            if b"\n\n" in joined or b"\n\r\n" in joined:
                self.empty += len(EMPTY_LINE.findall(joined))
        self._last = (self._last + chunk[-2:])[-2:]
        if self.pieces is not None:
            self._keep(chunk, self.pieces)

    def is_plain(self) -> bool:
        """Whether all that went by was UTF-8, and all lines end alike; known where pieces are wanted."""
        return not self._broken and not self._decoder.getstate()[0] and self._returns in (0, self.count)

    def _keep(self, chunk: bytes, pieces: list[bytes]) -> None:
        """Keeps a piece of every chunk, and of every second, fourth, … once there are many."""
        self._returns += chunk.count(b"\r")
        if not chunk.isascii() or self._decoder.getstate()[0]:
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError:
                self._broken = True
        if self._seen % self._every == 0:
            start = chunk.find(self._end) + 1
            pieces.append(chunk[start : chunk.rfind(self._end, start, start + PIECE_BYTES) + 1])
        self._seen += 1
        if len(pieces) == PIECES_MAX:
            del pieces[1::2]
            self._every *= 2

    def through(self) -> int:
        """All lines, with a last one that has no end."""
        return self.count + (1 if self._last and not self._last.endswith(self._end) else 0)


def counted(chunks: Iterator[bytes], lines: Lines) -> Iterator[bytes]:
    """The same chunks, counted as they go by."""
    for chunk in chunks:
        lines.saw(chunk)
        yield chunk


def lines_of(path: Path, compression: str, pieces: list[bytes] | None = None) -> Lines:
    """The lines of a file, counted without looking at what is in them; some of them are put into `pieces`."""
    return _lines(path, compression, Lines(looks_for_empty=False, pieces=pieces))


def empty_lines_of(path: Path, compression: str) -> int:
    """How many lines of a file have nothing in them; to look for them takes much longer than to count lines."""
    return _lines(path, compression, Lines()).empty


def _lines(path: Path, compression: str, lines: Lines) -> Lines:
    try:
        with unpacked(path, compression) as file:
            while chunk := _filled(file, CHUNK_BYTES):
                lines.saw(chunk)
    except DAMAGE as error:
        raise Unreadable(f"{path} is damaged: {error}") from None
    return lines


@dataclass(slots=True)
class Decoded:
    """A file as chunks of UTF-8; afterwards `replaced` is the number of characters that could not be read."""

    path: Path
    compression: str
    encoding: str
    one_ending: bool = False  # every line ends with a line feed, whatever the file has
    replaced: int = 0
    broken: str = ""

    def __iter__(self) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        first = True
        with unpacked(self.path, self.compression) as file:
            while chunk := self._next(file):
                text = decoder.decode(chunk)
                text = text.replace("\r\n", "\n").replace("\r", "\n") if self.one_ending else text
                yield self._counted(text.removeprefix("\ufeff") if first else text)
                first = first and not text
        yield self._counted(decoder.decode(b"", final=True))

    def _next(self, file: Unpacked) -> bytes:
        try:
            chunk = _filled(file, CHUNK_BYTES)
            return chunk + file.read(1) if self.one_ending and chunk.endswith(b"\r") else chunk
        except DAMAGE as error:
            self.broken = f"the archive is damaged: {error}"
            return b""

    def _counted(self, text: str) -> bytes:
        self.replaced += text.count("\ufffd")
        return text.encode()


@dataclass(slots=True)
class Pipe:
    """A named pipe that a thread fills; `error` is what ended the filling before its time."""

    path: Path
    error: BaseException | None = None
    _thread: threading.Thread | None = field(default=None, repr=False)


@contextmanager
def piped(chunks: Callable[[], Iterator[bytes]], path: Path) -> Iterator[Pipe]:
    """A pipe at `path` that delivers the chunks once to whoever opens it."""
    os.mkfifo(path, 0o600)
    pipe = Pipe(path)

    def fill() -> None:
        try:
            with suppress(BrokenPipeError), path.open("wb", buffering=0) as out:
                for chunk in chunks():
                    _write(out, chunk)
        except BaseException as error:  # noqa: BLE001 safe because the reader asks for it and raises it
            pipe.error = error

    pipe._thread = threading.Thread(target=fill, daemon=True)
    pipe._thread.start()
    try:
        yield pipe
    finally:
        _release(pipe)
        path.unlink()


def _write(out: io.RawIOBase | IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[out.write(rest) :]


def _release(pipe: Pipe) -> None:
    """Let go a writer that still waits for a reader: a query can fail before it opens its file."""
    assert pipe._thread is not None
    while pipe._thread.is_alive():
        with suppress(OSError):
            os.close(os.open(pipe.path, os.O_RDONLY | os.O_NONBLOCK))
        pipe._thread.join(0.05)

"""JSON that is too large to hold, value by value: the elements of an array, or of an array inside one large object.

The standard library's scanner does the reading; here is only what feeds it from a stream and knows how far it came.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

CHARACTERS_MAX = 64_000_000


class Broken(Exception):
    """The text is no JSON from here on; says where."""


@dataclass(slots=True)
class JsonStream:
    """A reader over chunks of UTF-8."""

    chunks: Iterator[bytes]
    _text: str = ""
    _at: int = 0
    _before: int = 0  # characters that were let go
    _ended: bool = False
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _scanner: json.JSONDecoder = field(default_factory=json.JSONDecoder)

    def elements(self) -> Iterator[Any]:
        """The elements of the array that begins here."""
        self.expect("[")
        if self.accept("]"):
            return
        while True:
            yield self.value()
            if self.accept("]"):
                return
            self.expect(",")

    def members(self) -> Iterator[str]:
        """The names in the object that begins here; whoever is given one reads its value before asking for the next."""
        self.expect("{")
        if self.accept("}"):
            return
        while True:
            name = self.value()
            self.expect(":")
            yield str(name)
            if self.accept("}"):
                return
            self.expect(",")

    def skip(self) -> None:
        """Pass over the value that begins here without holding it as a whole, however large it is."""
        if self.peek() == "[":
            for _ in self.elements():
                pass
        elif self.peek() == "{":
            for _ in self.members():
                self.skip()
        else:
            self.value()

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n\ufeff":
                self._at += 1
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def accept(self, sign: str) -> bool:
        if self.peek() != sign:
            return False
        self._at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.accept(sign):
            raise Broken(f"{sign!r} was expected at character {self._before + self._at + 1:,}")

    def value(self) -> Any:
        """The value that begins here, whole."""
        self.peek()
        while True:
            try:
                found, end = self._scanner.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise Broken(f"{error.msg} at character {self._before + error.pos + 1:,}") from None
                continue
            if end < len(self._text) or not self._more():
                self._at = end
                return found

    def _more(self) -> bool:
        """Read on: at least as much again as is held, so that a long value is not scanned again and again."""
        self._before += self._at
        self._text, self._at = self._text[self._at :], 0
        if self._ended or len(self._text) > CHARACTERS_MAX:
            return False
        parts, wanted = [self._text], max(len(self._text), 1)
        while wanted > 0 and not self._ended:
            chunk = next(self.chunks, None)
            self._ended = chunk is None
            parts.append(self._decoder.decode(chunk or b"", final=self._ended))
            wanted -= len(parts[-1])
        self._text = "".join(parts)
        return True


def lines(values: Iterable[Any]) -> Iterator[bytes]:
    """Each value as a line of compact JSON, several lines a chunk."""
    held: list[str] = []
    size = 0
    for value in values:
        held.append(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        size += len(held[-1])
        if size > 1_000_000:
            yield ("\n".join(held) + "\n").encode("utf-8", "replace")
            held, size = [], 0
    if held:
        yield ("\n".join(held) + "\n").encode("utf-8", "replace")

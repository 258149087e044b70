"""What each phrase of the files means: which work it is about, what happened to it, how far it shows the order to be.

A kind of work that has a single word is a point in time, whatever the word: a shipment that is only ever `sent` was
done when it was sent. Where other work of the same files is said to end, a word of beginning alone stays a beginning.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fallsafe.analysis.scan.words import ENDS, WORKING, Word, is_order_level, milestone, plain, split_activity, word_of

MEANINGS_MAX = 4_000
"""Phrases beyond are notes: a column with so many is free text."""
BITS = 62
OTHER_KIND = 30_000


@dataclass(frozen=True, slots=True)
class Phrase:
    """A type of work and a word as the files have them, and in how many rows. Either may be empty."""

    type: str
    raw: str
    rows: int


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase means. `no` stands for it in all tables; `kind` numbers the work, 0 = the order itself, and `name`
    is what people call it; `bit` and `kind_bit` are places in masks, 0 for phrases too rare to have one.
    """

    no: int
    type: str
    raw: str
    kind: int
    name: str
    word: Word
    step: int
    bit: int
    kind_bit: int

    @property
    def said(self) -> str:
        """The phrase for a sentence: `activate: started`."""
        return f"{self.name}: {self.raw}" if self.kind and self.type and self.raw else self.raw or self.type


def interpret(phrases: Iterable[Phrase]) -> tuple[Meaning, ...]:
    """The meanings of all phrases, the most frequent first; number 0 is what none of them is."""
    counted = dict[tuple[str, str], int]()
    for p in phrases:
        counted[p.type, p.raw] = counted.get((p.type, p.raw), 0) + p.rows
    ranked = sorted(counted, key=lambda key: (-counted[key], key))[: MEANINGS_MAX - 1]
    read = _ends({key: _read(*key) for key in ranked}, _families(ranked))
    kinds = {name: n for n, name in enumerate(dict.fromkeys(name for name, _ in read.values() if name), 1)}
    made = [Meaning(0, "\0", "\0", OTHER_KIND, "other", Word.NOTE, 0, 0, 0)]
    for no, (key, (name, word)) in enumerate(read.items(), 1):
        kind = kinds.get(name, 0)
        step = milestone(name, key[1] or key[0], word, order_level=not kind)
        bit = 1 << (no - 1) if no <= BITS else 0
        made.append(Meaning(no, *key, kind, name or "order", word, step, bit, _kind_bit(kind)))
    return tuple(made)


def _kind_bit(kind: int) -> int:
    return 1 << (kind - 1) if 0 < kind <= BITS else 0


def _read(kind: str, raw: str) -> tuple[str, Word]:
    """The name of the work (empty = the order itself) and the word."""
    if kind and raw:
        return "" if is_order_level(kind) else kind, word_of(raw)
    return split_activity(kind or raw)


def _families(keys: Sequence[tuple[str, str]]) -> frozenset[str]:
    """What is left of activities without their words, where several words share it (`activate service`)."""
    seen = dict[str, set[Word]]()
    for kind, raw in keys:
        if not (kind and raw):
            rest, word = split_activity(kind or raw)
            seen.setdefault(rest, set()).add(word)
    return frozenset(rest for rest, words in seen.items() if rest and len(words) > 1)


def _ends(
    read: Mapping[tuple[str, str], tuple[str, Word]], families: frozenset[str]
) -> dict[tuple[str, str], tuple[str, Word]]:
    """Gives work that is a single point, or whose end has no word of its own, its end."""
    named = {key: (_whole(key, name, families), word) for key, (name, word) in read.items()}
    words = dict[str, set[Word]]()
    for name, word in named.values():
        words.setdefault(name, set()).add(word)
    somewhere_ends = any(Word.COMPLETED in found and len(found) > 1 for name, found in words.items() if name)
    return {key: (name, _point(name, word, words[name], somewhere_ends)) for key, (name, word) in named.items()}


def _whole(key: tuple[str, str], name: str, families: frozenset[str]) -> str:
    """An activity that stands alone is named as the file names it."""
    kind, raw = key
    alone = not (kind and raw) and name and name not in families
    return kind or raw if alone else name


def _point(name: str, word: Word, words: set[Word], somewhere_ends: bool) -> Word:
    if not name or len(words) > 1 or word in ENDS or word is Word.SHIPPED:
        return word
    if word in WORKING | {Word.PLANNED} and somewhere_ends:
        return word
    if word in (Word.FAILED, Word.UNKNOWN, Word.CASE_OPENED, Word.CASE_CLOSED, Word.RETRIED, Word.REOPENED):
        return word
    return Word.COMPLETED


def matching(meanings: Iterable[Meaning], phrase: str) -> tuple[Meaning, ...]:
    """The meanings that a person means by `ship sent`, `sent` or `ship`."""
    wanted = plain(phrase)
    return tuple(m for m in meanings if m.no and wanted in (plain(f"{m.type} {m.raw}"), plain(m.raw), plain(m.type)))

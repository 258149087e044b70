"""The language in which cases are asked for: one grammar for the API, the pages, the command line, exports and saved
views (§8.1, §19).

`severity:critical,high -owner:none age:>24h "no light"`: a token is `key:value`, several values are parted by commas
and any of them will do, `-` before it means none of them; what has no key is looked for in the texts of a case. Tokens
narrow together. A key or a value that does not exist is an error that says where it stands and what would be right;
nothing is silently left out. Without `is:` and `state:` only open cases are meant.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fallsafe.core.cases.case import OPEN_CASE_STATES, CaseState
from fallsafe.core.triage.taxonomy import DOMAINS, Recoverability

QUERY_LETTERS_MAX = 2_000
TOKENS_MAX = 40
VALUES_MAX = 50
SCOPES = ("open", "ended", "any")
FLAGS = ("waiting", "escalated", "unknown")
"""What `is:` says beside the scope: it waits for somebody, somebody above was told, its outcome is unknown now."""
SLA_WORDS = ("breached", "at_risk", "on_track", "none")
NOBODY, ME = "none", "me"
LEVELS = ("critical", "high", "medium", "low")
FIXED: Mapping[str, tuple[str, ...]] = {
    "is": (*SCOPES, *FLAGS),
    "state": tuple(state.value for state in CaseState),
    "severity": LEVELS,
    "recover": tuple(way.value for way in Recoverability),
    "domain": DOMAINS,
    "sla": SLA_WORDS,
    "impact": ("delayed", "none"),
}
"""Keys whose values are words of the product."""
FROM_POLICY = ("owner", "code", "system")
"""Keys whose values stand in the policy sets."""
FREE = (
    "assignee", "operation", "step", "raw", "group", "customer", "segment", "region", "offer", "catalog", "source",
    "ref", "correlation",
)  # fmt: skip
"""Keys whose values are other people's words, taken exactly: `raw` is the raw code, `group` a fingerprint, `ref` an
external order id.
"""
IDS: Mapping[str, str] = {"case": "F", "order": "O"}
DURATIONS = ("age", "due")
NUMBERS = ("amount", "seen", "retries")
KEYS = tuple(sorted((*FIXED, *FROM_POLICY, *FREE, *IDS, *DURATIONS, *NUMBERS)))
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
WORDS_NAMED_MAX = 14
MANY_MAX = 10**12

VALUE = r'"(?:[^"\\]|\\.)*"|[^\s,"]+'
TOKEN = re.compile(
    rf'(-?)([A-Za-z_]+):((?:{VALUE})?(?:,(?:{VALUE})?)*)(?=\s|$)|(-?)("(?:[^"\\]|\\.)*"|[^\s"]+)(?=\s|$)'
)
ONE_VALUE = re.compile(VALUE)
BOUND = re.compile(r"(<=|>=|<|>)(\d{1,12}(?:\.\d{1,2})?)([smhdw]?)")
PLAIN = re.compile(r'[^\s,":]+')


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a query: where it begins (letters from 0), the piece, what, and what would be right."""

    at: int
    piece: str
    what: str
    hint: str


@dataclass(frozen=True, slots=True)
class Token:
    """One `key:values`; `negated` means none of the values. Values are sorted, and each stands once."""

    key: str
    values: tuple[str, ...]
    negated: bool = False

    def __str__(self) -> str:
        return f"{'-' if self.negated else ''}{self.key}:{','.join(map(_quoted, self.values))}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of a number: `more` or less than `number` (seconds, units of money, times); `equal` when the number
    itself will do.
    """

    more: bool
    number: float
    equal: bool


@dataclass(frozen=True, slots=True)
class CaseQuery:
    """What is asked for. Its text is the one form of it: tokens in the order of their keys, one space, texts last."""

    tokens: tuple[Token, ...] = ()
    texts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((*map(str, self.tokens), *map(_quoted, self.texts)))

    @property
    def scope(self) -> str:
        """`open`, `ended` or `any`: as said by `is:`, else by the states that are named, else open."""
        said = [value for token in self.of("is") for value in token.values if value in SCOPES]
        if said:
            return said[0]
        states = {value for token in self.of("state") if not token.negated for value in token.values}
        if not states or states <= set(OPEN_CASE_STATES):
            return "open"
        return "any" if states & set(OPEN_CASE_STATES) else "ended"

    def of(self, key: str) -> tuple[Token, ...]:
        """The tokens of a key."""
        return tuple(token for token in self.tokens if token.key == key)

    def values(self, key: str, negated: bool = False) -> tuple[str, ...]:
        """The values of a key that are wanted (or not wanted)."""
        return tuple(value for token in self.of(key) if token.negated is negated for value in token.values)

    def without(self, key: str, negated: bool | None = None) -> "CaseQuery":
        """The same without a key."""
        kept = (t for t in self.tokens if t.key != key or (negated is not None and t.negated is not negated))
        return CaseQuery(tuple(kept), self.texts)

    def having(self, key: str, *values: str) -> "CaseQuery":
        """The same with exactly these values of a key."""
        rest = self.without(key)
        return CaseQuery(_sorted((*rest.tokens, Token(key, _each_once(values)))), self.texts) if values else rest

    def toggled(self, key: str, value: str) -> "CaseQuery":
        """The same with a value added to those wanted, or taken away where it was."""
        now = self.values(key)
        wanted = tuple(v for v in now if v != value) if value in now else (*now, value)
        rest = self.without(key, negated=False)
        added = (Token(key, _each_once(wanted)),) if wanted else ()
        return CaseQuery(_sorted((*rest.tokens, *added)), self.texts)

    def flagged(self, flag: str) -> "CaseQuery":
        """The same with a word of `is:` added, or taken away where it was."""
        word = Token("is", (flag,))
        kept = tuple(t for t in self.tokens if t != word)
        return CaseQuery(kept if word in self.tokens else _sorted((*kept, word)), self.texts)

    def scoped(self, scope: str) -> "CaseQuery":
        """The same of another scope (`open`, `ended`, `any`)."""
        kept = (t for t in self.tokens if t.key != "state" and (t.key != "is" or t.values[0] not in SCOPES))
        return CaseQuery(_sorted((*kept, Token("is", (scope,)))), self.texts)


@dataclass(frozen=True, slots=True)
class Known:
    """The words that policy sets give to keys, for example every owner group; whatever is not in it does not exist."""

    words: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, key: str) -> Sequence[str]:
        """The words of a key in the order in which they are named."""
        return FIXED[key] if key in FIXED else sorted(self.words.get(key, frozenset()))


def parse(text: str, known: Known) -> CaseQuery | tuple[Wrong, ...]:
    """Reads a query; everything that is wrong with it at once, where anything is."""
    if len(text) > QUERY_LETTERS_MAX:
        what = f"the filter has {len(text):,} letters"
        return (Wrong(0, text[:20], what, f"{QUERY_LETTERS_MAX:,} are the most"),)
    tokens, texts, wrong = list[Token](), list[str](), list[Wrong]()
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = TOKEN.match(text, at)
        if found is None:
            piece = re.split(r"\s", text[at:], maxsplit=1)[0]
            hint = 'close the quotation mark: key:"two words"' if '"' in piece else "write key:value"
            wrong.append(Wrong(at, piece, f"{piece[:60]} cannot be read", hint))
            at += len(piece)
            continue
        _take(found, known, tokens, texts, wrong)
        at = found.end()
    if not wrong:
        wrong += _together(tokens, texts)
    return tuple(wrong) if wrong else CaseQuery(_sorted(_merged(tokens)), tuple(dict.fromkeys(texts)))


def _take(found: "re.Match[str]", known: Known, tokens: list[Token], texts: list[str], wrong: list[Wrong]) -> None:
    minus, key, values, text_minus, text = found.groups()
    if key is None:
        if text_minus and text.startswith('"'):
            hint = "texts are looked for; leave the minus out"
            wrong.append(Wrong(found.start(), found.group(), "a text cannot be left out", hint))
        else:
            texts.append(_plain(text_minus + text if not text.startswith('"') else text))
        return
    key = key.lower()
    if key not in KEYS:
        hint = f'the keys are {", ".join(KEYS)}; a text with a colon stands in quotation marks: "{found.group()}"'
        wrong.append(Wrong(found.start(), found.group(), f"there is no key {key[:40]}", hint))
        return
    given = [_plain(value) for value in ONE_VALUE.findall(values)]
    read = _read(key, given, known)
    if isinstance(read, tuple):
        tokens.append(Token(key, read, bool(minus)))
        if minus and key in (*DURATIONS, *NUMBERS, "is"):
            opposite = "turn the sign round" if key != "is" else "say is:open, is:ended or is:any"
            wrong.append(Wrong(found.start(), found.group(), f"{key} cannot be left out", opposite))
    else:
        wrong.append(Wrong(found.start(), found.group(), *read.said))


@dataclass(frozen=True, slots=True)
class _No:
    said: tuple[str, str]


def _read(key: str, given: Sequence[str], known: Known) -> tuple[str, ...] | _No:
    """The values of a key as they are kept, or what is wrong with them."""
    if not given or not all(given):
        return _No((f"{key} has no value", f"write {key}:{_example(key, known)}"))
    if len(given) > VALUES_MAX:
        return _No((f"{key} has {len(given)} values", f"{VALUES_MAX} are the most"))
    if key == "is" and len(given) > 1:
        return _No(("is: says one thing at a time", " ".join(f"is:{value}" for value in given[:3])))
    if key in FIXED or key in FROM_POLICY:
        return _words(key, given, known)
    if key in IDS:
        return _ids(key, given)
    if key in DURATIONS or key in NUMBERS:
        return _bounds(key, given)
    return _each_once(given)


def _words(key: str, given: Sequence[str], known: Known) -> tuple[str, ...] | _No:
    words = known.of(key)
    by_letters = {_alike(word): word for word in (*words, NOBODY)} if key == "owner" else {_alike(w): w for w in words}
    strange = next((value for value in given if _alike(value) not in by_letters), None)
    if strange is not None:
        begins = [word for word in words if _alike(word)[:1] == _alike(strange)[:1]] or list(words)
        named = list(words) if len(words) <= WORDS_NAMED_MAX else begins[:WORDS_NAMED_MAX]
        return _No((f"there is no {key} {strange[:40]}", f"use {', '.join(map(_quoted, named))}"))
    return _each_once(by_letters[_alike(value)] for value in given)


def _ids(key: str, given: Sequence[str]) -> tuple[str, ...] | _No:
    prefix = IDS[key]
    strange = next((v for v in given if not re.fullmatch(rf"(?i:{prefix}-)\d{{1,19}}", v) or int(v[2:]) >= 2**63), None)
    if strange is not None:
        a = "an" if key == "order" else "a"
        return _No((f"{strange[:40]} is no {key}", f"{a} {key} is named {prefix}- and a number"))
    return _each_once(value.upper() for value in given)


def _bounds(key: str, given: Sequence[str]) -> tuple[str, ...] | _No:
    example = f"{key}:>24h" if key in DURATIONS else f"{key}:>3"
    found = BOUND.fullmatch(given[0]) if len(given) == 1 else None
    if found is None:
        return _No((f"{key} needs a sign and a number", f"write {example}"))
    if key in DURATIONS and (not found[3] or "." in found[2]):
        return _No((f"{key} needs a whole number with its unit", f"write {example}; units are s, m, h, d, w"))
    if key in NUMBERS and found[3]:
        return _No((f"{key} is a number without a unit", f"write {example}"))
    if float(found[2]) * UNITS.get(found[3], 1) > MANY_MAX / 100:
        return _No((f"{key} is too large", f"{MANY_MAX // 100:,} is the most"))
    return (given[0],)


def _together(tokens: Sequence[Token], texts: Sequence[str]) -> list[Wrong]:
    """What is wrong with tokens that are right each by itself."""
    if len(tokens) + len(texts) > TOKENS_MAX:
        return [Wrong(0, "", f"the filter has {len(tokens) + len(texts)} parts", f"{TOKENS_MAX} are the most")]
    scopes = {v for t in tokens if t.key == "is" for v in t.values if v in SCOPES}
    if len(scopes) > 1:
        return [Wrong(0, "is:", f"is: says {' and '.join(sorted(scopes))}", "say one of open, ended, any")]
    return []


def bound(value: str) -> Bound:
    """A value of a key that is a duration or a number, as `parse` let it in."""
    found = BOUND.fullmatch(value)
    assert found is not None
    return Bound(found[1][0] == ">", float(found[2]) * UNITS.get(found[3], 1), found[1].endswith("="))


def length(value: Bound) -> timedelta:
    """A bound of a duration."""
    return timedelta(seconds=value.number)


def token_text(key: str, values: Iterable[str]) -> str:
    """The text of a token, with quotation marks where a value needs them."""
    return f"{key}:{','.join(map(_quoted, values))}"


def _sorted(tokens: Iterable[Token]) -> tuple[Token, ...]:
    """In the order of the keys; `is` and `state` come first, and equal tokens once."""
    return tuple(sorted(dict.fromkeys(tokens), key=_place))


def _merged(tokens: Iterable[Token]) -> Iterable[Token]:
    """Values that are wanted of one key at several places are wanted in one; limits and `is:` stay apart."""
    together = dict[tuple[str, bool], tuple[str, ...]]()
    for token in tokens:
        if token.key == "is" or token.key in DURATIONS or token.key in NUMBERS:
            yield token
        else:
            place = (token.key, token.negated)
            together[place] = (*together.get(place, ()), *token.values)
    for (key, negated), values in together.items():
        yield Token(key, _each_once(values), negated)


def _place(token: Token) -> tuple[bool, str, bool, tuple[str, ...]]:
    return token.key not in ("is", "state"), token.key, token.negated, token.values


def _each_once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _alike(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _quoted(value: str) -> str:
    if PLAIN.fullmatch(value) and not value.startswith("-"):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _example(key: str, known: Known) -> str:
    words = known.of(key) if key in FIXED or key in FROM_POLICY else ()
    return words[0] if words else {"order": "O-1", "case": "F-1", "age": ">24h", "due": "<2h"}.get(key, "…")

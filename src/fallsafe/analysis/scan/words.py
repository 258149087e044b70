"""What the words of exports mean: states and events of orders and tasks, in the languages that exports are written in.

An export says "Versandt", "order shipped" or "SHP_DISPATCHED" for the same thing. Each phrase is read by the first rule
that fits it, from the most telling to the most general; what no rule fits is a note, and moves nothing.
"""

import re
import tomllib
import unicodedata
from enum import IntEnum
from functools import lru_cache
from pathlib import Path


class Word(IntEnum):
    """What happened. The numbers are in the order of life, so that of two words of one instant the later one counts."""

    NOTE = 0
    CREATED = 1
    CONFIRMED = 2
    PLANNED = 3
    HELD = 4  # nobody says for whom
    STARTED = 5
    WAITING = 6
    HELD_CUSTOMER = 7
    HELD_OUTSIDE = 8
    CASE_OPENED = 9
    FAILED = 10
    UNKNOWN = 11
    RETRIED = 12
    CASE_CLOSED = 13
    SHIPPED = 14
    COMPLETED = 15
    SKIPPED = 16
    REJECTED = 17
    CANCELLED = 18
    REOPENED = 19


ENDS = frozenset({Word.COMPLETED, Word.SKIPPED, Word.CANCELLED, Word.REJECTED})
"""Words after which nothing more has to come."""
WORKING = frozenset({Word.STARTED, Word.WAITING})

_COMPILED = tuple(
    (Word[rule["word"]], re.compile(rf"\b(?:{'|'.join(rule['any'])})\b"))
    for rule in tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))["rule"]
)


_ORDER_LEVEL = re.compile(
    r"^((sales|purchase|customer|product|service) )?(order|header|case|auftrag|bestellung|commande|pedido)?"
    r"( (status|state))?$"
)

MILESTONES = ("", "created", "confirmed", "shipped", "delivered", "completed")
_STEP = {Word.CREATED: 1, Word.CONFIRMED: 2, Word.SHIPPED: 3, Word.COMPLETED: 5}
_NOTICE = re.compile(
    r"\b(notif\w+|notice|email|mail|sms|label|invoice|bill\w*|address|date|cost|quote|check|plan|note)\b"
)
_CONFIRMING = re.compile(r"\b(confirm\w*|approv\w*|accept\w*|bestatig\w+|freigabe)\b")
_SHIPPING = re.compile(r"\b(ship|shipping|shipment|shipped|dispatch\w*|despatch\w*|versand|versenden)\b")
_DELIVERING = re.compile(r"\b(deliver|delivery|delivered|lieferung|zustellung|livraison|entrega)\b")


@lru_cache(maxsize=20_000)
def plain(text: str) -> str:
    """A name or phrase in small letters, without accents, its words apart: `orderShippedAt` → `order shipped at`."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", bare.replace("ß", "ss"))
    return " ".join(re.findall(r"[a-z]+|\d+", parted.lower()))


@lru_cache(maxsize=20_000)
def word_of(text: str) -> Word:
    """What a state or an event means; `NOTE` where no rule fits."""
    phrase = plain(text)
    return next((word for word, rule in _COMPILED if rule.search(phrase)), Word.NOTE)


def is_order_level(kind: str) -> bool:
    """Whether a type of task names the order itself."""
    return _ORDER_LEVEL.match(plain(kind)) is not None


def split_activity(activity: str) -> tuple[str, Word]:
    """An activity such as `Activate service started` as what is worked on and what happened to it."""
    phrase = plain(activity)
    for word, rule in _COMPILED:
        if found := rule.search(phrase):
            rest = " ".join((phrase[: found.start()] + " " + phrase[found.end() :]).split())
            return ("" if is_order_level(rest) else rest), word
    return phrase, Word.NOTE


def milestone(kind: str, text: str, word: Word, *, order_level: bool) -> int:
    """How far along the order's life an event shows it to be, as a position in `MILESTONES`; 0 = it does not show it.

    Of tasks only the end shows it, and only where the name says one such thing: a shipping notice is no shipment.
    """
    if order_level:
        return 4 if word is Word.COMPLETED and _DELIVERING.search(plain(text)) else _STEP.get(word, 0)
    name = plain(kind)
    if word not in (Word.COMPLETED, Word.SHIPPED) or _NOTICE.search(name):
        return 0
    fits = [step for step, rule in ((2, _CONFIRMING), (3, _SHIPPING), (4, _DELIVERING)) if rule.search(name)]
    return fits[0] if len(fits) == 1 else 0

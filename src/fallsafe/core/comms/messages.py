"""What the customer may be told: texts by key and locale, each with the evidence it needs, and a row to fall back to
(§17).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MessageText:
    """One message: text by locale, the placeholders that must be carried by evidence, and the key to fall back to
    (empty = none).
    """

    key: str
    texts: Mapping[str, str]
    needs: tuple[str, ...]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """What may be said now, in one locale, and on which evidence. An empty text means: nothing is said for this failure
    (`hidden`).
    """

    key: str
    locale: str
    text: str
    because: str

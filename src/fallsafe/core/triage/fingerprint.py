"""What a failure is like: the same fingerprint over all orders is one failure group, whatever the numbers in its
words (§5, §22).
"""

import hashlib
import re

WORDS_CHARACTERS_MAX = 500
"""So much of a message tells failures apart; a whole HTML page would not tell more."""

# Whatever holds a digit is a number, an id, a date or a key of one order; e-mail addresses and quoted values are
# personal.
_OF_ONE_ORDER = re.compile(r"\S+@\S+|\"[^\"]*\"|'[^']*'|[\w.-]*\d[\w.-]*")
_SPACES = re.compile(r"\s+")


def pattern_of(message: str) -> str:
    """The message with everything that belongs to one order taken out: `acct 88121 unknown` → `acct # unknown`."""
    words = _OF_ONE_ORDER.sub("#", message[:WORDS_CHARACTERS_MAX])
    return _SPACES.sub(" ", words).strip().casefold()


def fingerprint(system: str, operation: str, code: str, message: str) -> str:
    """16 hex digits that are equal for failures alike: system, operation, normalized code, and the pattern of the
    message.
    """
    parts = "\x1f".join((system, operation, code, pattern_of(message)))
    return hashlib.sha256(parts.encode()).hexdigest()[:16]

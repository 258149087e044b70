"""Says which word was probably meant, so that a refusal can tell what would be right."""

import difflib
from collections.abc import Iterable

SHOWN_MAX = 12


def nearest(word: str, known: Iterable[str], otherwise: str) -> str:
    """`did you mean 'x'?` where a known word is close, else `otherwise` with the known words."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(repr(w) for w in words[:SHOWN_MAX])
    more = f" and {len(words) - SHOWN_MAX} more" if len(words) > SHOWN_MAX else ""
    return f"{otherwise} {shown}{more}" if words else f"{otherwise} none"

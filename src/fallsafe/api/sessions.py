"""Sessions without a table: a signed name with an end, in a cookie that scripts cannot read; opened by a one-time code.

The code lies in a file of the home that only its owner reads, for ten minutes; the first use takes it away.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

CODE_SECONDS = 600
SESSION_SECONDS = 12 * 3600


def make_code(folder: Path, now: float) -> str:
    """Writes a new one-time code into the folder of the running home and returns it. `now` in seconds."""
    code = secrets.token_urlsafe(24)
    handle = os.open(folder / "sign-in", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(f"{hashlib.sha256(code.encode()).hexdigest()} {int(now) + CODE_SECONDS}")
    return code


def use_code(folder: Path, code: str, now: float) -> bool:
    """Whether the code is right and in time; a right one is used up."""
    place = folder / "sign-in"
    try:
        digest, until = place.read_text().split()
    except (OSError, ValueError):
        return False
    right = hmac.compare_digest(digest, hashlib.sha256(code.encode()).hexdigest()) and now < int(until)
    if right:
        place.unlink(missing_ok=True)
    return right


def session(key: bytes, person: str, now: float) -> str:
    """The cookie of a person, good for twelve hours."""
    said = f"{person}.{int(now) + SESSION_SECONDS}"
    return f"{said}.{_sign(key, said)}"


def person_of(key: bytes, cookie: str, now: float) -> str | None:
    """Whose cookie it is; None when it is nobody's or over."""
    said, _, signature = cookie.rpartition(".")
    person, _, until = said.partition(".")
    if not hmac.compare_digest(signature, _sign(key, said)) or not until.isdigit() or now >= int(until):
        return None
    return person


def _sign(key: bytes, said: str) -> str:
    return hmac.new(hashlib.sha256(b"session" + key).digest(), said.encode(), hashlib.sha256).hexdigest()

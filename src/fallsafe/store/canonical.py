"""The canonical form of a record: JSON with sorted keys, no spaces, UTF-8, times in UTC with microseconds. Equal
content gives equal bytes.
"""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

PLAIN = frozenset({str, int, float, bool, type(None)})
"""The types of values that are JSON as they are."""
# The times of one transaction stand in its records again and again.
INSTANTS_KEPT = 4_096

_encoder = msgspec.json.Encoder(order="sorted", enc_hook=str)


@lru_cache(INSTANTS_KEPT)
def instant(at: datetime) -> str:
    """A time as it stands in a record: UTC, six digits of a second, `Z`."""
    here = at if at.tzinfo is UTC else at.astimezone(UTC)
    return here.isoformat(timespec="microseconds")[:-6] + "Z"


def plain(value: Any) -> Any:
    """A value with its times, enumerations and tuples made into canonical JSON values."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


def canonical(value: Any) -> bytes:
    """The one byte form of a value."""
    return _encoder.encode(plain(value))


def written(plain_value: Any) -> bytes:
    """The same for a value that holds nothing but JSON already, without looking into it again."""
    return _encoder.encode(plain_value)


def digest(payload: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(payload).digest()


def link(before: bytes, digest_: bytes) -> bytes:
    """The next link of a lane: H(previous link ‖ digest)."""
    return hashlib.sha256(before + digest_).digest()

"""Signatures of callbacks: HMAC-SHA256 over the bytes of the body, written `sha256=<hex>` in a header.

The body is signed as it travels, before anybody parses it: what was signed and what is kept as evidence are the same
bytes.
"""

import hashlib
import hmac
from collections.abc import Iterable

SCHEME = "sha256="


def sign(secret: str, body: bytes) -> str:
    """The header value that proves that the holder of `secret` wrote `body`. Raises ValueError without a secret."""
    if not secret:
        raise ValueError("a signature needs a secret; an empty one proves nothing")
    return SCHEME + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(secret: str, body: bytes, presented: str) -> bool:
    """Whether `presented` is the signature of `body`, compared in constant time; without a secret nothing is."""
    if not secret:
        return False
    return hmac.compare_digest(sign(secret, body).encode(), presented.strip().lower().encode())


def verify_any(secrets: Iterable[str], body: bytes, presented: str) -> bool:
    """Whether `body` is signed with one of several secrets: while one gives way to another both count."""
    return any(verify(secret, body, presented) for secret in secrets)

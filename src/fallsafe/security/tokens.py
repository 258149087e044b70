"""Tokens: random words that name their holder. Only a digest is ever stored, so that a copy of the database opens
nothing.

A token has 256 bits of chance, hence SHA-256 without salt or stretching is enough: there is no list to try.
"""

import hashlib
import secrets

PREFIX = "fsk_"
TOKEN_LENGTH_MAX = 200


def new_token() -> str:
    """A new token. It is shown once and never stored."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is stored of a token: SHA-256, hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()

"""Passwords: kept as what proves them, never as they are.

Argon2id with the parameters that OWASP names for sign-ins (19 MiB, two passes, one lane). Making and proving one takes
a tenth of a second of a processor, on purpose: do it in a thread, and never within a transaction.
"""

import secrets
from functools import cache

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

LENGTH_MIN, LENGTH_MAX = 12, 200
SALT_BYTES, PROOF_BYTES = 16, 32
PASSES, LANES, MEMORY_KIB = 2, 1, 19 * 1024


def proof_of(password: str) -> str:
    """What is stored of a password."""
    made = Argon2id(
        salt=secrets.token_bytes(SALT_BYTES), length=PROOF_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    )
    return made.derive_phc_encoded(_bytes(password))


def proves(password: str, proof: str) -> bool:
    """Whether this is the password. Where there is no proof it takes as long, and is not."""
    try:
        Argon2id.verify_phc_encoded(_bytes(password), proof or _nobodys())
    except InvalidKey:
        return False
    return bool(proof)


def why_not(password: str, name: str) -> str:
    """Why a password is not good enough, in a sentence; empty where it is."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        return f"it has {len(password)} characters; from {LENGTH_MIN} to {LENGTH_MAX} are asked for"
    if name.lower() in password.lower() or len(set(password)) < LENGTH_MIN // 2:
        return "it is easy to guess: it holds the name, or few different characters"
    return ""


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


@cache
def _nobodys() -> str:
    return proof_of(secrets.token_urlsafe(LENGTH_MIN))

"""Bodies and personal values are sealed with their order's own data key; the data key is wrapped by a master key
outside the database.

AES-256-GCM with the order id as associated data. The digest of a sealed body is salted with a key derived from the
data key, so that destroying the data key makes
body and digest meaningless while chains over the digests stay right (`model` rule 6). The digest of the sealed form
needs no key: it proves offline
that no byte was changed.
"""

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fallsafe.store.kept import kept_once

CACHED_KEYS_MAX = 20_000
NONCE_BYTES, KEY_BYTES = 12, 32

Entropy = Callable[[int], bytes]
"""That many bytes that nobody can guess. Only a simulated world, whose secrets protect nothing, hands in another."""


class Tampered(Exception):
    """Sealed bytes do not open with their key: a byte was changed, or they belong elsewhere."""


class OrderKey:
    """The data key of one order: seals, opens, and salts digests."""

    __slots__ = ("_aead", "_associated", "_entropy", "_salted")

    def __init__(self, order_id: int, key: bytes, entropy: Entropy = os.urandom) -> None:
        self._entropy = entropy
        self._aead = AESGCM(key)
        self._associated = order_id.to_bytes(8, "big")
        self._salted = hmac.new(hashlib.sha256(b"salt" + key).digest(), digestmod="sha256")

    def seal(self, body: bytes) -> bytes:
        """Nonce and ciphertext."""
        nonce = self._entropy(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, body, self._associated)

    def open(self, sealed: bytes) -> bytes:
        """The body. Raises `Tampered` when it is not what was sealed."""
        try:
            return self._aead.decrypt(sealed[:12], sealed[12:], self._associated)
        except (InvalidTag, ValueError):  # cut too short to be anything
            raise Tampered("sealed bytes do not open with the key of their order") from None

    def digest(self, body: bytes) -> str:
        """The salted digest of a body, hex."""
        salted = self._salted.copy()
        salted.update(body)
        return salted.hexdigest()


class Vault:
    """Makes, wraps and keeps data keys. Holds the master key of this installation."""

    def __init__(self, master: bytes, entropy: Entropy = os.urandom) -> None:
        self._master = AESGCM(master)
        self._entropy = entropy
        self._keys: OrderedDict[int, OrderKey] = OrderedDict()

    def make(self, order_id: int) -> tuple[OrderKey, bytes]:
        """A new data key and its wrapped form, which goes into the database. It is not remembered here: only what the
        database has kept is the key of an order.
        """
        key, nonce = self._entropy(KEY_BYTES), self._entropy(NONCE_BYTES)
        wrapped = nonce + self._master.encrypt(nonce, key, order_id.to_bytes(8, "big"))
        return OrderKey(order_id, key, self._entropy), wrapped

    def unwrap(self, order_id: int, wrapped: bytes) -> OrderKey:
        """The data key of an order from its wrapped form, remembered."""
        return self._keep(order_id, self.unwrapped(order_id, wrapped))

    def unwrapped(self, order_id: int, wrapped: bytes) -> OrderKey:
        """The same, not remembered: the transaction that wraps it may yet fail."""
        try:
            key = self._master.decrypt(wrapped[:12], wrapped[12:], order_id.to_bytes(8, "big"))
        except (InvalidTag, ValueError):  # cut too short to be anything
            raise Tampered(
                f"the data key of order {order_id} does not open with this installation's master key"
            ) from None
        return OrderKey(order_id, key, self._entropy)

    def known(self, order_id: int) -> OrderKey | None:
        """The data key, when it was opened before in this process."""
        key = self._keys.get(order_id)
        if key is not None:
            self._keys.move_to_end(order_id)
        return key

    def _keep(self, order_id: int, key: OrderKey) -> OrderKey:
        self._keys[order_id] = key
        if len(self._keys) > CACHED_KEYS_MAX:
            self._keys.popitem(last=False)
        return key


def master_key(path: Path) -> bytes:
    """The master key of this home, made once, readable by its owner only."""
    key = kept_once(path, lambda: os.urandom(32))
    if len(key) != 32:
        raise Tampered(f"{path} must hold exactly 32 bytes; it holds {len(key)}")
    return key

"""A form that is sent twice does once what it does: each carries a key of its own, and what was answered under the key
is kept with the change, as at the API.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256

from fallsafe.core.access import Actor
from fallsafe.store.access import Asked, Told, answer_before, keep_answer
from fallsafe.store.tx import Database, Tx

KEY_LENGTH_MAX = 40
STILL_RUNS = "The same form is being worked on."


def form_key() -> str:
    """A key for one form of a page."""
    return secrets.token_hex(8)


def asked_of(actor: Actor, route: str, form: Mapping[str, str], part: str = "") -> Asked | None:
    """What a form asks for, under its key; None for a form without one. `part` is which part of it. With other words in
    its fields it is another form.
    """
    key = form.get("key", "")
    if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isalnum() or not key.isascii():
        return None
    said = "\n".join(f"{name}={value}" for name, value in sorted(form.items()) if name != "csrf")
    digest = sha256(said.encode()).hexdigest()
    return Asked(str(actor), f"POST {route}", f"{key}-{part}-{digest[:16]}", digest)


async def once(database: Database, asked: Asked | None, work: Callable[[Tx], Awaitable[str]]) -> str:
    """What `work` answered: now, or when the same was asked before; empty answers are not kept. Returns `STILL_RUNS`
    where the same form runs at this moment.
    """

    async def body(tx: Tx) -> str:
        before = await answer_before(tx, asked) if asked is not None else None
        if before is not None:
            return before.answer if isinstance(before, Told) else STILL_RUNS
        answer = await work(tx)
        if asked is not None and answer:
            await keep_answer(tx, asked, 200, answer)
        return answer

    return await database.transact(body)

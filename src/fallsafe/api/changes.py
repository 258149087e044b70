"""How a door changes something: one transaction, an answer that is kept under the Idempotency-Key it came with, and a
refusal that is told only after its commit.

Only what was done is kept. A refusal may be asked again, since the state may have become another.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api.problems import Problem
from fallsafe.core.access import Actor
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.store.access import Asked, Busy, OtherBody, Told, answer_before, keep_answer
from fallsafe.store.tx import Database, Tx

KEY_LENGTH_MAX = 200
REPLAYED = "Idempotent-Replayed"


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction came to: the answer to send, or the problem to raise once it is committed. `kept` is what is
    kept of an answer that says more than may be kept.
    """

    status: int
    body: bytes
    problem: Problem | None = None
    replayed: bool = False
    kept: bytes | None = None

    def response(self) -> Response:
        """The answer. Raises the problem."""
        if self.problem is not None:
            raise self.problem
        headers = {REPLAYED: "true"} if self.replayed else None
        return Response(self.body, self.status, headers, "application/json")


def done(value: Any, status: int = 200, kept: Any = None) -> Change:
    """A change that was made, with what is told of it; and what is `kept` of that, where it is less."""
    return Change(status, msgspec.json.encode(value), kept=None if kept is None else msgspec.json.encode(kept))


def not_done(problem: Problem) -> Change:
    """A change that was not made."""
    return Change(problem.status, b"", problem)


def asked_of(request: Request, actor: Actor, body: bytes) -> Asked | None:
    """The Idempotency-Key of a request in its scope, or None where it has none. Raises `Problem` 400."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        why = f"the Idempotency-Key is empty, longer than {KEY_LENGTH_MAX}, or not printable ASCII"
        raise Problem(400, "IDEMPOTENCY_KEY", why, "use a UUID")
    return Asked(str(actor), f"{request.method} {request.url.path}", key, sha256(body).hexdigest())


async def before(tx: Tx, asked: Asked | None) -> Change | None:
    """What was answered under the key before, or why the request waits; None when it is to be done now."""
    match await answer_before(tx, asked) if asked is not None else None:
        case None:
            return None
        case Told(status, answer):
            return Change(status, answer.encode(), replayed=True)
        case Busy():
            return not_done(busy())
        case OtherBody():
            why = "this Idempotency-Key was used for another body"
            return not_done(Problem(409, "IDEMPOTENCY_KEY_REUSED", why, "use a new key for a new request"))


def busy() -> Problem:
    """A request with the same key still runs."""
    why = "a request with this Idempotency-Key still runs"
    return Problem(409, "IDEMPOTENCY_KEY_BUSY", why, "ask again in a moment", retry_after=1)


async def keep(tx: Tx, asked: Asked | None, change: Change) -> None:
    """Keeps what was done under the key of the request."""
    if asked is not None and change.problem is None:
        await keep_answer(tx, asked, change.status, (change.body if change.kept is None else change.kept).decode())


async def make(database: Database, asked: Asked | None, change: Callable[[Tx], Awaitable[Change]]) -> Response:
    """Makes a change once: in one transaction with the memory of it. Raises its problem after the commit."""

    async def body(tx: Tx) -> Change:
        earlier = await before(tx, asked)
        if earlier is not None:
            return earlier
        made = await change(tx)
        await keep(tx, asked, made)
        return made

    return (await database.transact(body)).response()


def told(answer: Answer, say: Callable[[Applied], Change], problem: Callable[[Refused], Problem]) -> Change:
    """The change that an answer of a flow is."""
    match answer:
        case Applied():
            return say(answer)
        case Refused():
            return not_done(problem(answer))

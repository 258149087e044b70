"""The port that every connector implements, and the one that carries each kind of system's attempts.

A connector returns a `Reply` whatever happens outside; an exception from `send` is a bug and is recorded by the
caller as `Lost`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fallsafe.core.commands.contract import AnswerRule, Operation, Request
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Reply


@dataclass(frozen=True, slots=True)
class Sendable:
    """One attempt that was claimed and committed: what goes out, under which contract, and until when it may start.

    `asked` are the facts that an answer must match (`key`, `object`, …). `start_before` is on the caller's monotonic
    clock: past it the attempt is not
    started and the lease does its work. For a query `answers` are those of the look-up, not of the operation.
    """

    command_id: int
    order_id: int
    attempt: int
    purpose: Purpose
    key: str
    operation: Operation
    request: Request
    answers: tuple[AnswerRule, ...]
    asked: Mapping[str, str]
    start_before: float
    causation: str = ""


class Connector(Protocol):
    """Sends one attempt. Never retries, never follows redirects, never raises for what the other side does."""

    async def send(self, sendable: Sendable) -> Reply:
        """Send and read the answer by the contract. `NotSent` only on the contract's proof that nothing happened."""
        ...

    async def close(self) -> None:
        """Give back sockets."""
        ...


Monotonic = Callable[[], float]

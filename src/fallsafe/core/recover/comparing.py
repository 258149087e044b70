"""Comparison of what an order says was done with what the systems say now (§6.4): each effect is asked about again, a
while after it was done. That it is not found, or not finished, counts only when it is said twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.commands.outcome import Says
from fallsafe.core.recover import polling

MISSING, OTHERWISE = "reconcile.effect_missing", "reconcile.effect_differs"
SAYS_OTHERWISE = frozenset({"cancelled_object", "other_key", "other_object"})
"""What makes an answer no proof of the effect, and says that something else stands there."""


@dataclass(frozen=True, slots=True)
class Comparing:
    """Policy: effects of these operations are asked about once they have stood for `settled`, then `every` so often,
    until they are older than `during`. It is done with the world outside, and follows no time scale.
    """

    operations: tuple[str, ...]
    settled: timedelta
    every: timedelta
    during: timedelta


@dataclass(frozen=True, slots=True)
class Agrees:
    """The other side says what the order says."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """It says otherwise, for the first time."""


@dataclass(frozen=True, slots=True)
class Differs:
    """It says otherwise: the code of the difference, and what is said there."""

    code: str
    said: str


def is_comparison(target: Command, query: Command) -> bool:
    """Whether a question was asked about an effect that was done already."""
    done, sent = target.done_at, query.last_sent_at
    return polling.is_poll(query) and target.state is CommandState.DONE and bool(done and sent and sent > done)


def compare(target: Command, query: Command, before: Sequence[Command]) -> Agrees | AskAgain | Differs:
    """What the answer to a question says of an effect; `before` are the earlier comparisons of it, oldest first."""
    says = Says(query.finding)
    if says is Says.DONE:
        if query.reference and target.reference and query.reference != target.reference:
            return Differs(OTHERWISE, f"knows {query.reference} instead of {target.reference}")
        return Agrees()
    if not before or before[-1].finding in ("", Says.DONE.value):
        return AskAgain()
    if says is Says.ABSENT:
        return Differs(MISSING, f"has nothing of {target.reference or target.key}")
    return Differs(OTHERWISE, f"says {says.value} of {target.reference or target.key}")

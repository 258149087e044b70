"""What a connector may bring back, and what a fact says: values, matched without a default.

`Lost` is not an error: it is the honest answer "we do not know" and leads to finding out, never to sending again.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from fallsafe.core.events import Json


class Says(StrEnum):
    """What an answer, a callback or a look-up says about the effect that was asked for."""

    ACCEPTED = "accepted"
    DONE = "done"
    REJECTED = "rejected"
    PROGRESS = "progress"
    NOT_SENT = "not_sent"  # proof that nothing happened
    LOST = "lost"  # unreadable, or does not answer what was asked
    PENDING = "pending"  # look-ups: known there, not finished
    ABSENT = "absent"  # look-ups: not known there (counts only as the contract says)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken on; the result comes later."""

    reference: str = ""
    result: Json = None


@dataclass(frozen=True, slots=True)
class Done:
    """The effect exists: right key, right object, right state."""

    reference: str = ""
    result: Json = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused, with the system's own code and words kept exactly."""

    raw_code: str
    message: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing can have happened, by the contract's own list of proofs."""

    reason: str
    raw_code: str = ""
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Nobody knows. `reason` is `timeout`, `reset`, `unreadable`, `other_key`, `other_object`, `already_done`,
    `lease_expired`, `silent`, …
    """

    reason: str
    raw_code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Looked:
    """The answer to a look-up: `says` is done, rejected, pending or absent; `unclear` look-ups are `Lost`. `date` is
    when the other side means to have done it.
    """

    says: Says
    reference: str = ""
    raw_code: str = ""
    message: str = ""
    result: Json = None
    date: datetime | None = None


Outcome = Accepted | Done | Rejected | NotSent | Lost | Looked


@dataclass(frozen=True, slots=True)
class RawBytes:
    """Bytes as they went out or came in, before anything was read from them; credentials are never part of them."""

    kind: str  # request, answer, callback, order
    body: bytes
    media_type: str
    head: str = ""  # method and path, or status line and headers that matter


@dataclass(frozen=True, slots=True)
class Reply:
    """What one attempt brought: the outcome as read by the contract, the bytes, and when the attempt ended (monotonic
    seconds it took).
    """

    outcome: Outcome
    evidence: tuple[RawBytes, ...] = ()
    seconds: float = 0.0
    facts: Json = None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something the outside said about one command, stored before it is read. `attempt` 0 is "of no attempt in
    particular"; `date` is when the other side now means to have done it, where it says so.
    """

    says: Says
    source: str  # answer, callback, look_up, lease, breach, person
    reference: str = ""
    raw_code: str = ""
    message: str = ""
    attempt: int = 0
    occurred_at: datetime | None = None
    result: Json = field(default=None)
    date: datetime | None = None

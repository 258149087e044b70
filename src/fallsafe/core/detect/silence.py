"""The silence of a callback channel (§6.2): a system of which nothing comes for much longer than was ever usual, while
words to it wait, has one trouble, and not as many as words wait.

Its own rhythm is the longest pause between its last callbacks: bursts and nights are in it. Silence counts only from
when enough words wait, so that a quiet day is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from fallsafe.core.detect.brake import Brake


@dataclass(frozen=True, slots=True)
class Silence:
    """Policy: a channel is silent where at least `waiting` words have waited, and nothing came, for `times` its longest
    pause and for `at_least`. It has a rhythm once `heard` callbacks have come. `brake` is for when so many channels at
    once, and such a share of those that words wait for, would be silent: then it is rather our own door.
    """

    waiting: int
    heard: int
    times: float
    at_least: timedelta
    brake: Brake


@dataclass(frozen=True, slots=True)
class Channel:
    """What is known of a system that calls back: when its last callbacks came, oldest first, and since when the words
    to it wait, oldest first.
    """

    system: str
    heard: Sequence[datetime]
    waiting: Sequence[datetime]


def pause_of(policy: Silence, heard: Sequence[datetime]) -> timedelta | None:
    """After how long without a callback a channel is silent; None where it has no rhythm yet."""
    if len(heard) < policy.heard:
        return None
    longest = max(after - before for before, after in pairwise(heard))
    return max(policy.at_least, longest * policy.times)


def silent_since(policy: Silence, channel: Channel, now: datetime) -> datetime | None:
    """Since when a channel is silent; None where it is not, or where nobody can say."""
    pause = pause_of(policy, channel.heard)
    if pause is None or len(channel.waiting) < policy.waiting:
        return None
    since = max(channel.heard[-1], channel.waiting[policy.waiting - 1])
    return since if now - since > pause else None

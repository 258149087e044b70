"""When a callback channel is silent (§6.2): much longer than it ever paused, while enough words wait."""

from datetime import timedelta

import pytest
from tests.core.things import HOUR, MINUTE, NOW

from fallsafe.core.detect.brake import Brake
from fallsafe.core.detect.silence import Channel, Silence, silent_since

POLICY = Silence(waiting=5, heard=10, times=3, at_least=HOUR, brake=Brake(3, 0.5, HOUR))
HALF_HOUR, DAY = HOUR / 2, 24 * HOUR


# A callback each, since the last one, how many words wait, how long the youngest of them; silent
@pytest.mark.parametrize(
    ("pause", "heard", "last", "waiting", "youngest", "silent"),
    [
        (HALF_HOUR, 50, 6 * HOUR, 12, 6 * HOUR, True),
        (HALF_HOUR, 50, HOUR, 12, HOUR, False),  # it has paused as long before
        (MINUTE, 50, HALF_HOUR, 12, HALF_HOUR, False),  # a burst before it makes no silence of half an hour
        (MINUTE, 50, 2 * HOUR, 12, 2 * HOUR, True),
        (HALF_HOUR, 9, 6 * HOUR, 12, 6 * HOUR, False),  # nobody knows its rhythm yet
        (HALF_HOUR, 50, 6 * HOUR, 4, 6 * HOUR, False),  # too few wait
        (HALF_HOUR, 50, 6 * HOUR, 12, MINUTE, False),  # they wait since a minute
        (DAY, 50, 2 * DAY, 12, 2 * DAY, False),  # a partner that answers once a day
        (DAY, 50, 4 * DAY, 12, 4 * DAY, True),
    ],
)
def test_silence_is_measured_by_the_channels_own_rhythm(pause, heard, last, waiting, youngest, silent):
    came = [NOW - last - pause * n for n in reversed(range(heard))]
    since = silent_since(POLICY, Channel("SHP", came, [NOW - youngest] * waiting), NOW)
    assert since == (NOW - min(last, youngest) if silent else None)


def test_the_longest_pause_counts():
    came = [NOW - 40 * HOUR, *(NOW - 20 * HOUR - timedelta(minutes=n) for n in reversed(range(10)))]
    waits = [NOW - 30 * HOUR] * 5
    assert silent_since(POLICY, Channel("SHP", came, waits), NOW) is None
    assert silent_since(POLICY, Channel("SHP", came[1:], waits), NOW) == NOW - 20 * HOUR

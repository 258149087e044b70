"""A channel that went silent has one case for as long as it is silent (§6.2)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from fallsafe.core.access import system
from fallsafe.core.detect.brake import Brake
from fallsafe.core.detect.silence import Channel, Silence
from fallsafe.flows import silence
from fallsafe.flows.context import Context
from fallsafe.flows.turn import Turn
from fallsafe.store import audit
from fallsafe.store.tx import Database

TICK = timedelta(microseconds=1)
# Whatever waits now waits too long.
AT_ONCE = Silence(waiting=1, heard=2, times=0.0, at_least=TICK, brake=Brake(50, 0.9, timedelta(hours=1)))


class WhenASilentChannelIsHeardOnceAndIsSilentAgain:
    async def test_its_case_stands_and_ends_when_callbacks_come_again(
        self, store: Database, context: Context, monkeypatch: pytest.MonkeyPatch, owner_url: str
    ) -> None:
        limits = replace(context.newest.limits, silence=AT_ONCE)
        here = replace(context, newest=replace(context.newest, limits=limits))
        heard_before = [timedelta(minutes=3), timedelta(minutes=2)]

        async def channels(turn: Turn, policy: Silence) -> Mapping[str, Channel]:
            heard = [turn.now - before for before in heard_before]
            return {"PRV": Channel("PRV", heard, [turn.now - timedelta(minutes=1)])}

        async def listen() -> tuple[str, int]:
            await store.transact(lambda tx: silence.listen(tx, here, system("test")))
            (row,) = await store.fetch("cases/of_orders", ids=[0])
            return row["state"], row["occurrences"]

        monkeypatch.setattr(silence, "_channels", channels)
        assert await listen() == ("assigned", 1)
        heard_before.append(10 * TICK)
        assert await listen() == ("assigned", 2)
        heard_before[-1] = -TICK
        assert await listen() == ("resolved", 2)
        assert await store.fetch("reads/coverage_gaps") == []
        assert audit.verify(owner_url).findings == ()

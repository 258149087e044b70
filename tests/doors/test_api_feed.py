"""The feed of events: each record once, and never before the one of its order that it follows (§20)."""

import asyncio
import random

import pytest
from tests.doors.conftest import Api, an_order

from fallsafe.store.trail import JournalLine, in_turn


async def whole_feed(api: Api, limit: int) -> list[dict]:
    """Every event, a page at a time."""
    found, after = [], ""
    while True:
        page = await api.get("/events", limit=limit, after=after)
        if not page["items"]:
            return found
        found += page["items"]
        after = page["after"]


class WhenManyWritersWrite:
    @pytest.mark.parametrize("limit", [1, 7, 200])
    async def test_every_order_is_told_from_its_first_version_on(self, api: Api, limit: int) -> None:
        async def send(n: int) -> None:
            batch = {"orders": [an_order(f"{n}-{m}") for m in range(2)]}
            await api.post("/orders/batch", batch, "machine")

        await asyncio.gather(*(send(n) for n in range(4)))
        events = await whole_feed(api, limit)
        ids = [e["id"] for e in events]
        assert len(ids) == len(set(ids)) > 100
        assert len({i.partition("-")[0] for i in ids}) > 1  # more than one lane wrote
        versions: dict[str, int] = {}
        for data in (e["data"] for e in events):
            if data["orderId"]:
                assert data["version"] == versions.get(data["orderId"], 0) + 1
                versions[data["orderId"]] = data["version"]
        assert len(versions) == 8

    async def test_a_reader_goes_on_where_it_was(self, api: Api) -> None:
        await api.post("/orders", an_order("1"), "machine", 201)
        after = (await api.get("/events", after="now"))["after"]
        await api.post("/orders", an_order("2"), "machine", 201)
        page = await api.get("/events", after=after, limit=200)
        assert page["items"][0]["type"] == "io.fallsafe.OrderAcknowledged.v1"
        assert page["items"][0]["specversion"] == "1.0"
        assert len({e["data"]["orderId"] for e in page["items"]}) == 1

    @pytest.mark.parametrize("after", ["x", "e30x", "eyJ4IjoxfQ", "eyIwIjotMX0", "now ", "eyI5OTkiOjF9"])
    async def test_a_cursor_that_nobody_gave_is_refused(self, api: Api, after: str) -> None:
        assert (await api.get("/events", status=400, after=after))["code"] == "CURSOR"


def a_line(lane: int, seq: int, order: int, version: int, before: tuple[int, int]) -> JournalLine:
    return JournalLine(
        lane=lane, seq=seq, order_id=order, version=version, at=None, transaction=(lane, seq), before=(*before, ""),
        actor="", causation="", thing="order", thing_id=order, verb="move", was="", now="", delta={}, reason="",
        policy_set="", rule="", evidence=(), facts={}, digest="",
    )  # fmt: skip


class WhenLanesAreRead:
    """A reader who sees lanes at different moments, as pages of any size cut them."""

    @pytest.mark.parametrize("seed", range(20))
    def test_no_record_comes_before_the_one_it_follows_and_all_come(self, seed: int) -> None:
        dice = random.Random(seed)
        heads, orders, lines = [0] * 4, dict.fromkeys(range(1, 6), (0, 0, 0)), []
        for _ in range(200):
            lane, order = dice.randrange(4), dice.choice(list(orders))
            heads[lane] += 1
            version, *before = orders[order]
            lines.append(a_line(lane, heads[lane], order, version + 1, tuple(before)))
            orders[order] = (version + 1, lane, heads[lane])
        # Times say nothing here: clocks of writers differ.
        lines = [self._at(line, dice.random()) for line in lines]
        positions, told = {}, []
        while len(told) < len(lines):
            limit = dice.randint(1, 9)
            visible = [x for x in lines if positions.get(x.lane, 0) < x.seq <= positions.get(x.lane, 0) + limit]
            page = in_turn(visible, positions, limit)
            assert page
            told += page
            positions |= {x.lane: x.seq for x in page}
        for order in orders:
            mine = [x.version for x in told if x.order_id == order]
            assert mine == list(range(1, len(mine) + 1))

    @staticmethod
    def _at(line: JournalLine, at: float) -> JournalLine:
        object.__setattr__(line, "at", at)
        return line


class WhenTheJournalIsRead:
    async def test_refusals_stand_in_it_like_changes(self, api: Api) -> None:
        first = await api.post("/orders", an_order(), "machine", 201)
        await api.post("/orders", an_order(catalogVersion="x"), "machine", 409)
        lines = (await api.get("/journal", orderId=first["id"], limit=200))["items"]
        assert lines[-1]["facts"]["code"] == "ALREADY_EXISTS"
        everything = await api.get("/journal", limit=200)
        assert lines[-1]["eventId"] in {line["eventId"] for line in everything["items"]}

    @pytest.mark.parametrize("order", ["7", "O-", "F-1"])
    async def test_an_order_that_is_none_is_a_404(self, api: Api, order: str) -> None:
        await api.get("/journal", status=404, orderId=order)


class WhenCoverageIsAsked:
    async def test_a_live_thing_without_a_next_look_is_counted_and_named(self, api: Api) -> None:
        taken = await api.post("/orders", an_order(), "machine", 201)
        assert (await api.get("/coverage"))["percent"] == 100
        number = int(taken["id"].removeprefix("O-"))

        async def lose(tx) -> None:
            tx.clear("review", number)

        await api.database.transact(lose)
        found = await api.get("/coverage")
        assert found["percent"] < 100 and found["gaps"] == 1
        assert (found["firstGaps"][0]["orderId"], found["firstGaps"][0]["thing"]) == (taken["id"], "order")

    async def test_health_is_told_without_a_token(self, api: Api) -> None:
        assert (await api.client.get("/healthz")).json() == {"status": "ok"}
        assert (await api.client.get("/readyz")).json() == {"status": "ok"}
        assert "fallsafe_coverage_percent 100.0" in (await api.client.get("/metrics")).text

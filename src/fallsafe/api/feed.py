"""What happened, for whoever listens: the feed of events, the journal, and coverage."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.deps import Deps
from fallsafe.api.orders import After, Limit
from fallsafe.api.problems import Problem, not_found
from fallsafe.api.routes import add, ref, send
from fallsafe.store.ids import inside
from fallsafe.store.reads import coverage
from fallsafe.store.trail import end_of_feed, feed, order_trail

NOW = "now"


class FeedDoor:
    """The routes /events, /journal and /coverage."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def events(self, request: Request, after: After = "", limit: Limit = 50) -> Response:
        """The feed as CloudEvents. `after` is the cursor of the page before, empty for everything, `now` for what
        comes. An event never comes before the one of its order that it follows; each comes at least once.
        """
        await self.deps.who(request)
        if after == NOW:
            return send({"items": [], "after": await end_of_feed(self.deps.database)})
        page = await feed(self.deps.database, after, limit)
        return send({"items": [shapes.cloud_event(line) for line in page.lines], "after": page.after})

    async def journal(
        self,
        request: Request,
        order_id: Annotated[str, Query(alias="orderId", max_length=40)] = "",
        after: After = "",
        limit: Limit = 50,
    ) -> Response:
        """The records of one order, oldest first (`after` is a version); without one, of everything (`after` is a
        cursor).
        """
        await self.deps.who(request)
        if not order_id:
            page = await feed(self.deps.database, after, limit)
            return send({"items": [shapes.record(line) for line in page.lines], "after": page.after})
        number = inside("order", order_id)
        if number is None:
            raise not_found("order", order_id, "an order is named O- and a number")
        lines = await order_trail(self.deps.database, number, after=_version(after), limit=limit)
        more = str(lines[-1].version) if len(lines) == limit else ""
        return send({"items": [shapes.record(line) for line in lines], "after": more})

    async def coverage(self, request: Request) -> Response:
        """How much of what is live has a time at which it is next looked at, counted anew; 100 is the only good
        number (P1).
        """
        await self.deps.who(request)
        found = await coverage(self.deps.database, self.deps.context().newest.limits.look_lag_max)
        self.deps.metrics.coverage.set(found.percent)
        self.deps.metrics.late.set(found.late)
        return send(shapes.coverage(found))

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["events"])
        events = wire.pages(wire.CloudEvent)
        add(made, "GET", "/events", self.events, answers=events)
        add(made, "GET", "/journal", self.journal, answers=wire.pages(wire.Record), problems=(404,))
        add(made, "GET", "/coverage", self.coverage, answers=ref(wire.Coverage))
        return made


def _version(text: str) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Problem(
            400, "CURSOR", "this is no version of an order", "use what the page before ended with", "/query/after"
        )
    return int(text)

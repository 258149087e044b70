"""My day and the end of a shift, at the door: what waits for whoever asks, and what they leave to others."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.deps import Deps
from fallsafe.api.routes import add, ref, send
from fallsafe.core.access import EVERY_GROUP, Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES
from fallsafe.core.cases.day import given_since, pressing
from fallsafe.store.canonical import instant
from fallsafe.store.queue import case_rows
from fallsafe.store.reads import CaseRow

MOST = 200
SHIFT_HOURS, HOURS_MAX = 8, 72


class DayDoor:
    """The routes /my-day and /shift-sheet."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def day(self, request: Request) -> Response:
        """What waits for whoever asks, the most pressing first: their own cases, and what their groups were given or
        asked. At most 200.
        """
        actor = await self.deps.who(request)
        now, newest = await self.deps.now(), self.deps.context().newest
        found = [(pressing(row.case, actor, now), row) for row in await self._rows(actor, timedelta(0))]
        found = sorted((each for each in found if each[0]), key=lambda each: (each[0][0].rank, each[1].case.id))
        items = [wire.Today(case=shapes.case_row(row, newest), why=[r.sentence for r in why]) for why, row in found]
        return send({"items": items, "after": ""})

    async def shift(
        self,
        request: Request,
        hours: Annotated[int, Query(ge=1, le=HOURS_MAX, description="How long the shift was.")] = SHIFT_HOURS,
    ) -> Response:
        """What whoever asks leaves behind: what they still work on with its next step and what it waits for, what
        ended, and what they gave to others who have not accepted it.
        """
        actor = await self.deps.who(request)
        newest, now = self.deps.context().newest, await self.deps.now()
        since = now - timedelta(hours=hours)
        rows = await self._rows(actor, timedelta(hours=hours))
        own = [row for row in rows if row.case.assignee == actor.name]
        left = [row for row in own if row.case.state in OPEN_CASE_STATES]
        sheet = wire.ShiftSheet(
            person=actor.name,
            since=instant(since),
            until=instant(now),
            open=[_left(row) for row in left],
            ended=[shapes.case_row(row, newest) for row in own if row not in left],
            given=[shapes.case_row(row, newest) for row in rows if given_since(row.case, actor.name, since)],
        )
        return send(sheet)

    async def _rows(self, actor: Actor, back: timedelta) -> tuple[CaseRow, ...]:
        since = await self.deps.now() - back
        found = await self.deps.database.fetch(
            "reads/of_somebody", person=actor.name, groups=sorted(actor.groups), every=EVERY_GROUP in actor.groups,
            since=since, limit=MOST,
        )  # fmt: skip
        return await case_rows(self.deps.database, [row["id"] for row in found])

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["fallout cases"])
        add(made, "GET", "/my-day", self.day, answers=wire.pages(wire.Today))
        add(made, "GET", "/shift-sheet", self.shift, answers=ref(wire.ShiftSheet))
        return made


def _left(row: CaseRow) -> wire.LeftOpen:
    case = row.case
    return wire.LeftOpen(
        id=shapes.named("case", case.id) or "",
        code=case.code,
        severity=case.severity,
        state=case.state.value,
        next_action=case.next_action,
        waiting_for=case.waiting_for,
        handling=shapes.handling(case),
        touched_at=instant(case.touched_at),
    )

"""My day and the end of a shift, at the door: what waits for whoever asks, and what they leave to others."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.deps import Deps
from fallsafe.api.routes import add, ref, send
from fallsafe.core.cases.day import day_of, shift_of
from fallsafe.store.canonical import instant
from fallsafe.store.queue import rows_of_somebody
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
        rows = await rows_of_somebody(self.deps.database, actor, now, MOST)
        found = day_of((row.case for row in rows.values()), actor, now)
        items = [
            wire.Today(case=shapes.case_row(rows[number], newest), why=[one.sentence for one in why])
            for number, why in found.items()
        ]
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
        rows = await rows_of_somebody(self.deps.database, actor, since, MOST)
        left = shift_of((row.case for row in rows.values()), actor.name, since)
        sheet = wire.ShiftSheet(
            person=actor.name,
            since=instant(since),
            until=instant(now),
            open=[_left(rows[number]) for number in left.open],
            ended=[shapes.case_row(rows[number], newest) for number in left.ended],
            given=[shapes.case_row(rows[number], newest) for number in left.given],
        )
        return send(sheet)

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

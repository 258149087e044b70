"""My day and the end of a shift: what waits for whoever is signed in, and what they leave to others."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request
from starlette.responses import Response

from fallsafe.core.cases.day import day_of, shift_of
from fallsafe.core.cases.handling import handling_of
from fallsafe.store.queue import rows_of_somebody
from fallsafe.store.reads import CaseRow
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, now_of, sign_in
from fallsafe.workbench.listing import rows_of
from fallsafe.workbench.paper import html

MOST = 200
SHIFTS = (4, 8, 12, 24)
Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class DayDoor:
    """The routes /day and /shift."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler, method."""
        return (("/day", self.day, "GET"), ("/shift", self.shift, "GET"))

    async def day(self, request: Request) -> Response:
        """What waits for this person, the most pressing first, each with every reason."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        now, policy = await now_of(self.deps), self.deps.context().newest
        found = await rows_of_somebody(self.deps.database, actor, now, MOST)
        day = day_of((row.case for row in found.values()), actor, now)
        return html(
            "day.html",
            **await base(self.deps, request, actor, "day"),
            now=now,
            rows=list(zip(rows_of(_of(found, [*day]), policy, now), day.values(), strict=True)),
        )

    async def shift(self, request: Request, hours: int = 8) -> Response:
        """What this person leaves behind."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        now, policy = await now_of(self.deps), self.deps.context().newest
        hours = hours if hours in SHIFTS else SHIFTS[1]
        since = now - timedelta(hours=hours)
        found = await rows_of_somebody(self.deps.database, actor, since, MOST)
        sheet = shift_of((row.case for row in found.values()), actor.name, since)
        parts = (
            ("Still open", "You work on nothing that is open.", sheet.open),
            ("Ended", "Nothing of yours ended.", sheet.ended),
            ("Given away, not accepted yet", "Nothing that you gave away waits for its receiver.", sheet.given),
        )
        return html(
            "shift.html",
            **await base(self.deps, request, actor, "day"),
            now=now,
            hours=hours,
            shifts=SHIFTS,
            since=since,
            parts=[
                (title, empty, [*zip(rows_of(rows, policy, now), map(_asked, rows), strict=True)])
                for title, empty, ids in parts
                for rows in [_of(found, ids)]
            ],
        )


def _of(found: Mapping[int, CaseRow], ids: Sequence[int]) -> list[CaseRow]:
    return [found[number] for number in ids]


def _asked(row: CaseRow) -> str:
    """What was asked of whoever gets it; empty where nobody was given it."""
    handover = handling_of(row.case.handling, row.case.detected_at).handover
    return handover.asked if handover is not None else ""

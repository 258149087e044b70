"""The installation as a whole: whether it may send, and the word of a person that lets it go on after its database went
back in time.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.actions import reason_of
from fallsafe.api.bodies import body_of
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.problems import problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import BASE, at
from fallsafe.flows.installation import end_rewind
from fallsafe.store.tx import Tx

PATH = "/installation"


class InstallationDoor:
    """The routes /installation."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def show(self, request: Request) -> Response:
        """Whether this installation sends; why and since when not."""
        await self.deps.who(request)
        row = (await self.deps.database.fetch("installation/read"))[0]
        stopped_at = None if row["sending"] else at(row["stopped_at"])
        said = wire.Rewind(
            sending=row["sending"],
            stopped_because="" if row["sending"] else row["stopped_because"],
            stopped_at=stopped_at,
            rewinds=row["rewinds"],
        )
        return send(said)

    async def end_rewind(self, request: Request) -> Response:
        """Lets sending go on after the database went back in time. Every command that stood open in the time that was
        lost is looked up by its key before its next send.
        """
        actor = await self.deps.who(request)
        body = await body_of(request)
        reason, asked, context = await reason_of(body), asked_of(request, actor, body), self.deps.context()
        taken_in = wire.Asked(result="accepted", id="", href=f"{BASE}{PATH}", already=False)

        async def change(tx: Tx) -> Change:
            answer = await end_rewind(tx, context, actor, reason or f"said by {actor} at the API")
            return told(answer, lambda _: done(taken_in, 202), lambda refused: problem_of(refused.refusal))

        return await make(self.deps.database, asked, change)

    def router(self) -> APIRouter:
        """The routes below /api/v1."""
        made = APIRouter(tags=["installation"])
        add(made, "GET", PATH, self.show, answers=ref(wire.Rewind))
        add(
            made,
            "POST",
            f"{PATH}/end-rewind",
            self.end_rewind,
            answers=ref(wire.Asked),
            status=202,
            takes="reason",
            problems=(403, 409),
        )
        return made

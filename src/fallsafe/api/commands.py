"""Commands at the door: read with every attempt; find out now; send again. A door sends nothing: it asks a flow."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.actions import act, asked_for
from fallsafe.api.answers import command_answer
from fallsafe.api.bodies import body_of, check_shape, read_json
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.drafts import instant_of
from fallsafe.api.problems import not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.flows.commands import resend
from fallsafe.flows.recover import reconcile_now
from fallsafe.flows.replies import Reply, take
from fallsafe.store.ids import inside
from fallsafe.store.reads import order_file, order_of_command
from fallsafe.store.tx import Tx

HINT = "a command is named C- and a number; GET /orders/{id}/commands lists them"


class CommandsDoor:
    """The routes under /commands."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def show(self, request: Request, command_id: str) -> Response:
        """One command with its attempts, what was said about it, and why it cannot be sent now."""
        actor = await self.deps.who(request)
        number = inside("command", command_id)
        order_id = await order_of_command(self.deps.database, number) if number is not None else None
        file = await order_file(self.deps.database, order_id) if order_id is not None else None
        found = file.command(number) if file else None
        if file is None or found is None:
            raise not_found("command", command_id, HINT)
        return send(command_answer(found, file, await self.deps.asker(request, actor)))

    async def reconcile(self, request: Request, command_id: str) -> Response:
        """Finds out now what became of a command whose outcome is unknown; 202, and the look follows."""
        await self.deps.who(request)
        return await act(self.deps, request, reconcile_now, number_of(command_id))

    async def resend(self, request: Request, command_id: str) -> Response:
        """Sends a command again with the same key, where that is proved to be safe; refused while nobody knows."""
        await self.deps.who(request)
        return await act(self.deps, request, resend, number_of(command_id))

    async def reply(self, request: Request, command_id: str) -> Response:
        """Says what people replied who cannot be asked by any system; 202, and it counts like any other fact."""
        actor = await self.deps.who(request)
        body = await body_of(request)
        given = check_shape("reply", read_json(body))
        date = instant_of(given["date"], "/date") if "date" in given else None
        reference, code = given.get("reference", ""), given.get("code", "")
        one = Reply(number_of(command_id), given["says"], given["seen"], given["where"], reference, code, date)
        asked = asked_of(request, actor, body)

        async def change(tx: Tx) -> Change:
            (answer,) = await take(tx, self.deps.context(), [one], actor)
            return told(answer, lambda applied: done(asked_for(applied), 202), lambda r: problem_of(r.refusal))

        return await make(self.deps.database, asked, change)

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["commands"])
        one = "/commands/{command_id}"
        add(made, "GET", one, self.show, answers=ref(wire.Command), problems=(404,))
        for verb, endpoint in (("reconcile", self.reconcile), ("resend", self.resend)):
            add(
                made,
                "POST",
                f"{one}/{verb}",
                endpoint,
                answers=ref(wire.Asked),
                status=202,
                takes="reason",
                problems=(403, 404, 409),
            )
        add(
            made,
            "POST",
            f"{one}/reply",
            self.reply,
            answers=ref(wire.Asked),
            status=202,
            takes="reply",
            problems=(403, 404, 409),
        )
        return made


def number_of(command_id: str) -> int:
    """The number of a command. Raises `Problem` 404."""
    number = inside("command", command_id)
    if number is None:
        raise not_found("command", command_id, HINT)
    return number

"""The door for callbacks of other systems: the signature is checked, the bytes are kept once, and the answer goes out
after the commit. A worker applies them.

Whatever is signed is kept, also when it cannot be read: then with a case of somebody who talks to that system. What is
not signed is nobody's word; it is counted.
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.bodies import CALLBACK_BYTES_MAX, body_of, read_json
from fallsafe.api.deps import Deps
from fallsafe.api.problems import Problem, not_found
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import BASE
from fallsafe.core.access import Actor
from fallsafe.core.commands.callback import Address, Unreadable, address
from fallsafe.core.commands.contract import CallbackContract
from fallsafe.core.errors import Refusal
from fallsafe.flows.callbacks import Received, receive
from fallsafe.flows.context import Applied
from fallsafe.flows.unreadable import keep_unreadable
from fallsafe.security.signature import verify_any
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.telemetry.logs import logger

MEDIA_LENGTH_MAX = 200
SAMPLE_EVERY = 100
"""One of so many callbacks without a valid signature is logged; all are counted."""


class CallbacksDoor:
    """The route under /downstreams/{name}/callbacks."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps
        self._forged = 0

    async def receive(self, request: Request, name: str) -> Response:
        """Takes a callback in, once for each event id of its sender. 202 after the commit."""
        contract = self._contract(name)
        body = await body_of(request, CALLBACK_BYTES_MAX, media=False)
        self._check_signature(request, name, contract, body)
        actor = Actor("machine", name, frozenset({"machine"}))
        try:
            place = place_of(contract, body)
        except Problem as problem:
            await self._keep(name, actor, body, request, problem)
            raise
        media = request.headers.get("content-type", "application/json")[:MEDIA_LENGTH_MAX]
        one = Received(name, place.event_id, place.key, body, media, f"POST {BASE}/downstreams/{name}/callbacks")
        context = self.deps.context()

        async def keep(tx: Tx) -> bool:
            (kept,) = await receive(tx, context, [one], actor)
            return isinstance(kept, Applied) and kept.already

        already = await self.deps.database.transact(keep)
        return send(wire.Received(received=True, already=already), 202)

    def _contract(self, name: str) -> CallbackContract:
        system = self.deps.context().newest.systems.get(name)
        if system is None or system.callback is None:
            raise not_found("system that calls back named", name, "GET /downstreams lists the systems")
        return system.callback

    def _check_signature(self, request: Request, name: str, contract: CallbackContract, body: bytes) -> None:
        given = request.headers.get(contract.signature_header, "")
        if verify_any((self.deps.secrets.get(name, ""), *self.deps.also_accepted(name)), body, given):
            return
        reason = "forged" if given else "unsigned"
        self.deps.metrics.strangers.labels(reason).inc()
        if self._forged % SAMPLE_EVERY == 0:
            logger().warning("callback without a valid signature", downstreamSystem=name, reason=reason, size=len(body))
        self._forged += 1
        hint = f"sign the bytes as they are sent, in the header {contract.signature_header}"
        raise Problem(401, "SIGNATURE_WRONG", "the signature is not that of these bytes", hint)

    async def _keep(self, name: str, actor: Actor, body: bytes, request: Request, problem: Problem) -> None:
        refusal = Refusal(problem.code, f"cannot read a callback of {name}", problem.detail, "", problem.pointer)
        context, media = self.deps.context(), request.headers.get("content-type", "")[:MEDIA_LENGTH_MAX]

        async def keep(tx: Tx) -> str:
            kept = await keep_unreadable(
                tx,
                context,
                source=name,
                body=body,
                media_type=media or "application/octet-stream",
                refusals=[refusal],
                actor=actor,
                kind="callback",
            )
            return outside("case", kept.id)

        case_id = await self.deps.database.transact(keep)
        problem.hint = f"{problem.hint}; the bytes are kept, with case {case_id}".lstrip("; ")

    def router(self) -> APIRouter:
        """The route."""
        made = APIRouter(tags=["downstreams"])
        add(
            made,
            "POST",
            "/downstreams/{name}/callbacks",
            self.receive,
            answers=ref(wire.Received),
            status=202,
            problems=(404,),
        )
        return made


def place_of(contract: CallbackContract, body: bytes) -> Address:
    """Event id and key of a callback. Raises `Problem` 400 with what cannot be read and where."""
    found = address(contract, read_json(body))
    if isinstance(found, Unreadable):
        raise Problem(400, "CALLBACK_UNREADABLE", found.why, "name the event and the key of the command", found.pointer)
    return found

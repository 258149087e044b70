"""What a door does for an action: read the reason, ask the flow in one transaction, tell what it answered."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.bodies import body_of, check_shape, read_json
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.problems import Problem, problem_of
from fallsafe.api.shapes import BASE, version_alone
from fallsafe.core.access import Actor
from fallsafe.flows.context import Answer, Applied, Context
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx

Flow = Callable[[Tx, Context, Sequence[int], Actor, str], Awaitable[list[Answer]]]
PATHS = {"order": "orders", "command": "commands", "case": "fallout-cases", "task": "tasks", "amendment": "amendments"}


async def reason_of(body: bytes) -> str:
    """The reason in a body; an empty body has none. Raises `Problem` 400."""
    if not body.strip():
        return ""
    found: str = check_shape("reason", read_json(body)).get("reason", "")
    return found


async def act(deps: Deps, request: Request, flow: Flow, number: int, *, of_case: int = 0) -> Response:
    """Asks a flow for one thing and answers 202 with its id. The flow itself knows who may, and records a refusal.
    `of_case` is the case whose version If-Match may name.
    """
    actor = await deps.who(request)
    body = await body_of(request)
    reason, asked, context = await reason_of(body), asked_of(request, actor, body), deps.context()

    async def change(tx: Tx) -> Change:
        if of_case:
            await check_version(tx, request, of_case)
        (answer,) = await flow(tx, context, [number], actor, reason or f"asked by {actor} at the API")
        return told(answer, lambda applied: done(asked_for(applied), 202), lambda r: problem_of(r.refusal))

    return await make(deps.database, asked, change)


def asked_for(applied: Applied) -> wire.Asked:
    """The answer to an action that was taken in."""
    name = outside(applied.thing, applied.id)
    href = f"{BASE}/{PATHS.get(applied.thing, applied.thing)}/{name}"
    return wire.Asked(result="accepted", id=name, href=href, already=applied.already)


async def check_version(tx: Tx, request: Request, case_id: int) -> None:
    """If-Match: the version of the case that was read, which is that of its order where it has one. Raises `Problem`
    412 where it is another by now.
    """
    wanted = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not wanted or wanted == "*":
        return
    rows = await tx.fetch("cases/by_ids", ids=[case_id])
    if not rows:
        return
    version = await _version(tx, rows[0])
    if str(version) != wanted:
        why = f"the case is at version {version}, and {wanted[:30]} was read"
        raise Problem(412, "VERSION", why, "read it again")


async def _version(tx: Tx, row: Mapping[str, Any]) -> int:
    """The version of a case, under the lock by which it is changed."""
    if row["order_id"]:
        (order,) = await tx.lock([row["order_id"]])
        return order.order.version
    await tx.execute("cases/lock_key", case_key=row["case_key"])
    return version_alone((await tx.fetch("cases/by_id", id=row["id"]))[0]["touched_at"])

"""Moving running orders to another policy set: shown first, with counts and with each order, then done as it was
shown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.bodies import body_of, check_shape, json_of
from fallsafe.api.changes import Change, asked_of, done, make, not_done
from fallsafe.api.deps import Deps
from fallsafe.api.problems import Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.context import Refused
from fallsafe.flows.moving import MOVED_MAX, Looked, hash_of, preview, run
from fallsafe.store.ids import inside, outside
from fallsafe.store.tx import Tx


class MovesDoor:
    """The routes under /policy-sets/{set_id}/moves."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def preview(self, request: Request, set_id: str) -> Response:
        """Shows what moving running orders to a set would do to each of them. Nothing is changed."""
        await self.deps.allowed(request, "move_orders", f"cannot move orders to {set_id[:80]}")
        wanted = check_shape("move_preview", await json_of(await body_of(request)))
        target, (ids, left) = self._target(set_id), await self._which(wanted)
        looked = await self.deps.database.transact(lambda tx: preview(tx, self.deps.context(), ids, target))
        return send(_moves(target, looked, left))

    async def run(self, request: Request, set_id: str) -> Response:
        """Moves running orders as they were shown: the hash is that of the preview, and where anything else would
        happen meanwhile nothing does. An order that may not be moved stays, and the others go.
        """
        actor = await self.deps.allowed(request, "move_orders", f"cannot move orders to {set_id[:80]}")
        body = await body_of(request)
        wanted, asked = check_shape("move", await json_of(body)), asked_of(request, actor, body)
        target, (ids, left) = self._target(set_id), await self._which(wanted)
        context = self.deps.context()

        async def change(tx: Tx) -> Change:
            looked, answers = await run(tx, context, ids, target, actor, wanted["reason"], wanted["hash"])
            refused = (answer.refusal for answer in answers if isinstance(answer, Refused))
            stopped = next((refusal for refusal in refused if refusal.pointer == "/hash"), None)
            return not_done(problem_of(stopped)) if stopped is not None else done(_moves(target, looked, left))

        return await make(self.deps.database, asked, change)

    def _target(self, set_id: str) -> PolicySet:
        target = self.deps.context().policies.get(set_id)
        if target is None:
            raise not_found("policy set", set_id, "GET /policy-sets lists them")
        return target

    async def _which(self, wanted: Mapping[str, Any]) -> tuple[list[int], int]:
        """The orders that are meant, and how many of the set are left beyond them."""
        if "orderIds" in wanted:
            return [_number(text, n) for n, text in enumerate(wanted["orderIds"])], 0
        rows = await self.deps.database.fetch("reads/running_orders", policy_set=wanted["from"], limit=MOVED_MAX)
        return [row["id"] for row in rows], (rows[0]["whole"] - len(rows) if rows else 0)

    def router(self) -> APIRouter:
        """The routes."""
        made, path, moves = APIRouter(tags=["policy"]), "/policy-sets/{set_id}/moves", ref(wire.Moves)
        add(
            made, "POST", f"{path}/preview", self.preview, answers=moves, takes="move_preview", problems=(403, 404, 422)
        )
        add(made, "POST", path, self.run, answers=moves, takes="move", problems=(403, 404, 409, 412, 422))
        return made


def _number(text: str, position: int) -> int:
    number = inside("order", text)
    if number is None:
        pointer = f"/orderIds/{position}"
        raise Problem(422, "ID_WRONG", f"{text} is no id of an order", "an order is called O-…", pointer)
    return number


def _moves(target: PolicySet, looked: Sequence[Looked], left: int) -> wire.Moves:
    moving = [one.move for one in looked if one.move is not None]
    verdicts = [one.verdict for one in looked]
    return wire.Moves(
        to=target.id,
        moves=verdicts.count("moves"),
        stays=verdicts.count("stays"),
        refused=verdicts.count("refused"),
        left=left,
        tasks_added=sum(len(move.added) for move in moving),
        tasks_removed=sum(len(move.removed) for move in moving),
        tasks_changed=sum(len(move.changes) for move in moving),
        hash=hash_of(target.id, looked),
        orders=[_order(one) for one in sorted(looked, key=lambda one: (one.refusal is None, one.move is None))],
    )


def _order(one: Looked) -> wire.MovedOrder:
    move, refusal = one.move, one.refusal
    return wire.MovedOrder(
        id=outside("order", one.order_id),
        was=one.policy_set,
        verdict=one.verdict,
        added=[f"{item}.{step}" for item, step in move.added] if move else [],
        removed=list(one.removed),
        changes=list(move.changes) if move else [],
        code=refusal.code if refusal else "",
        why=refusal.why if refusal else "",
        hint=refusal.hint if refusal else "",
    )

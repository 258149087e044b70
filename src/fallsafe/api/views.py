"""Saved views at the door: those that one sees, a new one, one less."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.bodies import body_of, check_shape, read_json
from fallsafe.api.cases import query_of
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.problems import not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.api.shapes import named
from fallsafe.core.access import Actor
from fallsafe.core.cases.views import EVERYONE, OWN, TEAM, RoleView, View, owner_of, role_views
from fallsafe.flows.views import remove, save, views_of
from fallsafe.store.ids import inside
from fallsafe.store.tx import Tx

HINT = "a view is named V- and a number; GET /views lists them"


class ViewsDoor:
    """The routes under /views."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(self, request: Request) -> Response:
        """What the roles of the one who asks begin with, then what was saved: everyone's, their teams', their own."""
        actor = await self.deps.who(request)
        saved = [_shape(view) for view in await views_of(self.deps.database, actor)]
        return send({"items": [*(_of_role(view, actor) for view in role_views(actor)), *saved], "after": ""})

    async def save(self, request: Request) -> Response:
        """Saves a view, or changes the one of this name. The query is kept in its one form."""
        actor = await self.deps.who(request)
        body = await body_of(request)
        given: Any = check_shape("view", read_json(body))
        query = query_of(given["query"], {}, self.deps.context(), actor).query
        sort, scope, team = given.get("sort", "priority"), given.get("scope", OWN), given.get("team", "")
        title = given["title"].strip()

        async def change(tx: Tx) -> Change:
            answer = await save(tx, actor, scope=scope, team=team, title=title, query=query, sort=sort)
            made = View(answer.id, scope, owner_of(actor, scope, team), title, str(query), sort, actor.name)
            return told(answer, lambda _: done(_shape(made)), lambda refused: problem_of(refused.refusal))

        return await make(self.deps.database, asked_of(request, actor, body), change)

    async def remove(self, request: Request, view_id: str) -> Response:
        """Takes a view away; the journal keeps what it was."""
        actor = await self.deps.who(request)
        number = inside("view", view_id)
        if number is None:
            raise not_found("view", view_id, HINT)

        async def change(tx: Tx) -> Change:
            answer = await remove(tx, actor, number)
            return told(answer, lambda _: Change(204, b""), lambda refused: problem_of(refused.refusal))

        await make(self.deps.database, asked_of(request, actor, b""), change)
        return Response(status_code=204)

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["views"])
        add(made, "GET", "/views", self.find, answers=wire.pages(wire.SavedView))
        add(made, "POST", "/views", self.save, answers=ref(wire.SavedView), takes="view", problems=(403, 409, 422))
        add(made, "DELETE", "/views/{view_id}", self.remove, answers=None, status=204, problems=(403, 404))
        return made


def _shape(view: View) -> wire.SavedView:
    team = view.owner if view.scope == TEAM else ""
    return wire.SavedView(named("view", view.id), view.scope, team, view.title, view.query, view.sort, view.made_by)


def _of_role(view: RoleView, actor: Actor) -> wire.SavedView:
    team = next((role for role in view.roles if role in actor.roles), "")
    return wire.SavedView(None, TEAM if team else EVERYONE, team, view.title, view.query, view.sort, "")

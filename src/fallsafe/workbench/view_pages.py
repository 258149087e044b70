"""Saved views in the browser, and the search for anything by its name.

A view is followed by its address; a link to the list itself shares what one sees without saving it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from fallsafe.core.access import Actor
from fallsafe.core.cases.query import CaseQuery, parse
from fallsafe.core.cases.views import visible
from fallsafe.flows.asking import ask, known_of
from fallsafe.flows.context import Refused
from fallsafe.flows.views import remove, save, view_of
from fallsafe.store.ids import inside, outside
from fallsafe.store.overview import Named, named
from fallsafe.store.queue import SORTS, case_rows
from fallsafe.store.reads import order_of_command
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, not_ours, own_form, sign_in, sorry
from fallsafe.workbench.narrowing import list_url
from fallsafe.workbench.paper import html

WORD_LETTERS_MAX = 200
Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that was found: what it is, what it is called, and where it stands."""

    kind: str
    title: str
    note: str
    href: str


@dataclass(frozen=True, slots=True)
class ViewDoor:
    """The routes under /views and /search."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (
            ("/views", self.save, "POST"),
            ("/views/{view_id}", self.follow, "GET"),
            ("/views/{view_id}/remove", self.remove, "POST"),
            ("/search", self.search, "GET"),
        )

    async def save(self, request: Request) -> Response:
        """Saves what is asked for under a name."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        found = ask(form.get("q", ""), self.deps.context(), actor.name)
        if isinstance(found, tuple):
            lines = (found[0].what, found[0].hint)
            return await sorry(self.deps, request, 400, "The filter cannot be read", lines, actor)
        sort = form.get("sort", "priority")
        scope, _, team = form.get("scope", "own").partition(":")
        title, query = form.get("title", ""), found.query
        answer = await self.deps.database.transact(
            lambda tx: save(
                tx, actor, scope=scope, team=team, title=title, query=query, sort=sort if sort in SORTS else SORTS[0]
            )
        )
        if isinstance(answer, Refused):
            return await self._refused(request, actor, answer)
        return RedirectResponse(f"/views/{outside('view', answer.id)}", 303)

    async def _refused(self, request: Request, actor: Actor, answer: Refused) -> Response:
        lines = (answer.refusal.why, answer.refusal.hint)
        return await sorry(self.deps, request, 409, answer.refusal.what, lines, actor)

    async def follow(self, request: Request, view_id: str) -> Response:
        """The list of a view, for whoever may see it."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        number = inside("view", view_id)
        view = await view_of(self.deps.database, number) if number is not None else None
        if view is None or not visible((view,), actor):
            lines = (
                "It was removed, or it is somebody's own.",
                "A link to the list itself can be shared with anybody.",
            )
            return await sorry(self.deps, request, 404, "There is no such view", lines, actor)
        query = parse(view.query, known_of(self.deps.context()))
        if not isinstance(query, CaseQuery):
            lines = (f"It says {query[0].piece}, and {query[0].what}.", query[0].hint)
            return await sorry(self.deps, request, 409, f"The view {view.title} cannot be read any more", lines, actor)
        address = list_url(query, view.sort)
        return RedirectResponse(f"{address}{'&' if '?' in address else '?'}view={view_id}", 303)

    async def remove(self, request: Request, view_id: str) -> Response:
        """Takes a view away."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form, number = await own_form(self.deps, request, actor), inside("view", view_id)
        if form is None:
            return await not_ours(self.deps, request, actor)
        answer = await self.deps.database.transact(lambda tx: remove(tx, actor, number or 0))
        if isinstance(answer, Refused):
            return await self._refused(request, actor, answer)
        return RedirectResponse("/queue", 303)

    async def search(self, request: Request, q: str = "") -> Response:
        """What a word names; where it is one thing alone, that thing."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        word = q.strip()[:WORD_LETTERS_MAX]
        hits = [hit async for hit in self._hits(word)] if word else []
        if len(hits) == 1 and hits[0].kind in ("case", "order", "command"):
            return RedirectResponse(hits[0].href, 303)
        text = list_url(CaseQuery((), (word,)).scoped("any")) if word else ""
        return html("search.html", **await base(self.deps, request, actor, "search"), word=word, hits=hits, text=text)

    async def _hits(self, word: str) -> AsyncIterator[Hit]:
        case, order = inside("case", word.upper()), inside("order", word.upper())
        command = inside("command", word.upper())
        if case is not None and await case_rows(self.deps.database, [case]):
            yield Hit("case", outside("case", case), "case", f"/cases/{outside('case', case)}")
        if order is not None:
            yield Hit("order", outside("order", order), "order", _page_of(order))
        if command is not None:
            of = await order_of_command(self.deps.database, command)
            if of is not None:
                yield Hit("command", outside("command", command), "its order", _page_of(of))
        for found in await named(self.deps.database, word):
            yield await self._hit(found)

    async def _hit(self, found: Named) -> Hit:
        match found.thing:
            case "order":
                return Hit("order", found.name, found.note, _page_of(found.id))
            case "command":
                of = await order_of_command(self.deps.database, found.id)
                return Hit("command", found.name, found.note, _page_of(of or 0))
            case "raw":
                return Hit("raw code", found.name, found.note, list_url(_query("raw", [found.name])))
            case _:
                return Hit("customer", found.name, found.note, list_url(_query("customer", [found.name])))


def _page_of(order_id: int) -> str:
    return f"/orders/{outside('order', order_id)}"


def _query(key: str, values: Iterable[str]) -> CaseQuery:
    return CaseQuery().having(key, *values)

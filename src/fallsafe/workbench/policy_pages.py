"""The pages of policy: which set is in force since when, by whom and why; what is being written and what is wrong with
it; and what one set has that another has not, with from when each change counts (§7).

They show; what changes a set goes through the API and its verbs, which the pages name.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fastapi import Request
from starlette.responses import Response

from fallsafe.core.access import Actor
from fallsafe.core.policy.diff import Change, Counts
from fallsafe.policyset import PolicyError, Problem, check_files, differences
from fallsafe.store.policy_sets import (
    Published,
    activations,
    draft_of,
    drafts,
    in_force,
    published_set,
    published_sets,
)
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, now_of, sign_in, sorry
from fallsafe.workbench.paper import html

HERE = "policy"
CHANGES_MAX = 300
PROBLEMS_MAX = 200
FILE_BYTES_MAX = 500_000
COUNTS = {
    Counts.AT_ONCE: "for every order at once",
    Counts.WHEN_PLANNED: "for orders that are planned from then on, and for those that are moved",
}
Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sets side by side: the changes by when they count, or what is wrong with the files of one."""

    was: str
    groups: Sequence[tuple[str, Sequence[Change]]] = ()
    changes: int = 0
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class PolicyDoor:
    """The routes under /policy."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (
            ("/policy", self.show, "GET"),
            ("/policy/sets/{set_id}", self.one, "GET"),
            ("/policy/drafts/{name}", self.draft, "GET"),
        )

    async def show(self, request: Request) -> Response:
        """The sets, those that are being written, and what was put in force."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        database = self.deps.database
        writing = [
            (one, len(await _problems((await self._files_of(one.name)) or {}))) for one in await drafts(database)
        ]
        return html(
            "policies.html",
            **await base(self.deps, request, actor, HERE),
            now=await now_of(self.deps),
            in_force=await self._in_force(),
            sets=await self._sets(),
            drafts=writing,
            history=await activations(database),
        )

    async def one(self, request: Request, set_id: str, against: str = "", file: str = "") -> Response:
        """One set: who published it and why, what it changes, and its files."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        known = {one.id: one for one in await self._sets()}
        chosen = await self._set(set_id) if set_id in known else None
        if chosen is None:
            return await self._none(request, actor, f"Nothing was published by the name {set_id[:80]}.")
        others = [other for other in known if other != set_id]
        against = against if against in others else await self._before(set_id, others)
        other = await self._set(against) if against else None
        text = chosen.files.get(file, "")[:FILE_BYTES_MAX]
        return html(
            "policy.html",
            **await self._page(request, actor, set_id),
            set=chosen,
            draft=None,
            others=others,
            file=file if text else "",
            text=text,
            names=sorted(chosen.files),
            problems=(),
            compared=await _compared(against, other.files, chosen.files) if other is not None else None,
        )

    async def draft(self, request: Request, name: str, file: str = "") -> Response:
        """A set that is being written: what is wrong with it, and what it would change."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        found = await draft_of(self.deps.database, name[:80])
        if found is None:
            return await self._none(request, actor, f"Nobody writes a set called {name[:80]}.")
        now = await self._in_force()
        standing, problems = await self._set(now), await _problems(found.files)
        text = found.files.get(file, "")[:FILE_BYTES_MAX]
        compared = None
        if standing is not None and not problems:
            compared = await _compared(now, standing.files, found.files)
        return html(
            "policy.html",
            **await self._page(request, actor, f"Draft of {found.name}"),
            set=None,
            draft=found,
            others=(),
            file=file if text else "",
            text=text,
            names=sorted(found.files),
            problems=problems,
            compared=compared,
        )

    async def _page(self, request: Request, actor: Actor, title: str) -> dict[str, Any]:
        shared = await base(self.deps, request, actor, HERE)
        return {**shared, "title": title, "now": await now_of(self.deps), "in_force": await self._in_force()}

    async def _in_force(self) -> str:
        return (await in_force(self.deps.database)).set_id or self.deps.context().newest.id

    async def _sets(self) -> list[Published]:
        """What was published, and what this process runs by without that."""
        published = list(await published_sets(self.deps.database))
        known = {one.id for one in published}
        loaded = [policy for policy in self.deps.context().policies.values() if policy.id not in known]
        return published + [Published(p.id, p.name, p.date, p.digest, None, "", "", 0, {}) for p in loaded]

    async def _set(self, set_id: str) -> Published | None:
        found = await published_set(self.deps.database, set_id)
        loaded = self.deps.context().policies.get(set_id)
        if found is not None or loaded is None:
            return found
        texts = {name: body.decode("utf-8", "replace") for name, body in loaded.files.items()}
        return Published(loaded.id, loaded.name, loaded.date, loaded.digest, None, "", "", 0, texts)

    async def _files_of(self, name: str) -> Mapping[str, str] | None:
        found = await draft_of(self.deps.database, name)
        return found.files if found is not None else None

    async def _before(self, set_id: str, others: Sequence[str]) -> str:
        """What a set is compared with where nobody says: the one in force, and that one with what it took over from."""
        now = await self._in_force()
        if set_id != now:
            return now if now in others else ""
        history = [name for name, _ in await activations(self.deps.database) if name in others]
        return history[0] if history else next(iter(others), "")

    async def _none(self, request: Request, actor: Actor, line: str) -> Response:
        lines = (line, "The page of policy lists what there is.")
        return await sorry(self.deps, request, 404, "There is no such set", lines, actor)


def _bytes(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {name: text.encode() for name, text in texts.items()}


async def _problems(texts: Mapping[str, str]) -> Sequence[Problem]:
    return (await asyncio.to_thread(check_files, _bytes(texts)))[:PROBLEMS_MAX]


async def _compared(against: str, was: Mapping[str, str], now: Mapping[str, str]) -> Compared:
    try:
        changes = await asyncio.to_thread(differences, _bytes(was), _bytes(now))
    except PolicyError as error:
        return Compared(against, problems=error.problems[:PROBLEMS_MAX])
    shown = sorted(changes[:CHANGES_MAX], key=lambda change: list(COUNTS).index(change.counts))
    groups = [(COUNTS[counts], list(mine)) for counts, mine in groupby(shown, key=lambda change: change.counts)]
    return Compared(against, groups, len(changes))

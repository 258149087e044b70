"""The repair queue: what is asked for, how many there are of each kind, a page of rows; its exports; and the next case
for whoever asks for work (§8).

The address is the state of the page: the same address gives the same list to whoever opens it.
"""

import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from fallsafe.core.access import Actor
from fallsafe.core.cases import work as asks
from fallsafe.core.cases.query import NOBODY, CaseQuery, Wrong
from fallsafe.core.cases.views import visible
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows import casework
from fallsafe.flows.asking import ask, asked
from fallsafe.flows.context import Applied
from fallsafe.flows.views import view_of
from fallsafe.store.canonical import instant
from fallsafe.store.ids import EPOCH, inside, outside
from fallsafe.store.queue import SORTS, Asked, case_rows, facets, find, sort_of
from fallsafe.store.reads import CaseRow, coverage
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, no_such_case, not_ours, note, now_of, own_form, sign_in
from fallsafe.workbench.listing import rows_of
from fallsafe.workbench.narrowing import chips_of, counters_of, facets_of, list_url
from fallsafe.workbench.paper import html
from fallsafe.workbench.words import many

ROWS = 25
ROWS_AGAIN_MAX = 100
EXPORT_MAX = 10_000
EXPORT_PAGE = 500
NEXT_TRIES_MAX = 5
SORT_TITLES = {
    "priority": "Working order",
    "due": "Due first",
    "newest": "Newest first",
    "value": "Most money first",
}
Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class QueueDoor:
    """The routes under /queue, and /."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (
            ("/", self.show, "GET"),
            ("/queue", self.show, "GET"),
            ("/queue/rows", self.rows, "GET"),
            ("/queue.csv", self.as_csv, "GET"),
            ("/queue.json", self.as_json, "GET"),
            ("/queue/next", self.take_next, "POST"),
            ("/cases/{case_id}/peek", self.peek, "GET"),
        )

    async def show(
        self, request: Request, q: str = "", sort: str = "priority", after: str = "", view: str = ""
    ) -> Response:
        """The list that `q` asks for; a filter that cannot be read is shown as it is, with what is wrong."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        context, frame = self.deps.context(), await base(self.deps, request, actor, "queue")
        found = ask(q, context, actor.name)
        if isinstance(found, tuple):
            return html("queue.html", 400, **frame, **_broken(q, sort, found))
        values = await self._list(found, sort, after, context.newest)
        return html("queue.html", **frame, **values | await self._view(view, actor, values["q"], values["sort"]))

    async def _view(self, view_id: str, actor: Actor, q: str, sort: str) -> dict[str, Any]:
        """The saved view that the list is of, and whether it asks for something else by now."""
        number = inside("view", view_id)
        view = await view_of(self.deps.database, number) if number is not None else None
        if view is None or not visible((view,), actor):
            return {}
        return {"view": view, "view_id": view_id, "changed": (view.query, view.sort) != (q, sort)}

    async def _list(self, found: Asked, sort: str, after: str, policy: PolicySet) -> dict[str, Any]:
        query, database = found.query, self.deps.database
        sort = sort_of(query, sort)
        page = await find(database, found, sort=sort, after=after, limit=ROWS)
        numbers = await facets(database, found)
        more = list_url(query, sort)
        return {
            "wrong": (),
            "q": str(query),
            "sort": sort,
            "sorts": [(key, SORT_TITLES[key], list_url(query, key)) for key in SORTS] if query.scope == "open" else [],
            "rows": rows_of(page.rows, policy, page.now),
            "now": page.now,
            "next": f"{more}{'&' if '?' in more else '?'}after={quote(page.after)}" if page.after else "",
            "first": not after,
            "here_first": more,
            "total": numbers.total,
            "more": numbers.more,
            "facets": facets_of(numbers, query, sort, policy),
            "counters": counters_of(numbers, query, sort),
            "chips": chips_of(query, sort),
            "with_ended": list_url(query.scoped("any"), sort) if query.scope == "open" else "",
            "limit": ROWS,
            "seen": _first_id_after(page.now),
            "watched": "" if page.rows or query.tokens or query.texts else await self._watched(policy),
            "oob": False,
            "view": None,
            "view_id": "",
            "changed": False,
        }

    async def _watched(self, policy: PolicySet) -> str:
        found = await coverage(self.deps.database, policy.limits.look_lag_max)
        if not found.live:
            return "No order has been taken in yet."
        return (
            f"{many(found.live, 'thing')} {'is' if found.live == 1 else 'are'} under way, "
            f"and {found.percent:g} % of them have a time at which they are next looked at."
        )

    async def rows(
        self, request: Request, ids: str = "", q: str = "", sort: str = "priority", seen: str = ""
    ) -> Response:
        """Some rows again, for a page that is open; with them all numbers, and how many new cases match."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return Response(status_code=401)
        context = self.deps.context()
        found = ask(q, context, actor.name)
        if isinstance(found, tuple):
            return Response(status_code=400)
        wanted = [number for text in ids.split(",")[:ROWS_AGAIN_MAX] if (number := inside("case", text)) is not None]
        rows = await case_rows(self.deps.database, wanted)
        numbers, now = await facets(self.deps.database, found), await now_of(self.deps)
        return html(
            "rows.html",
            rows=rows_of(rows, context.newest, now),
            now=now,
            total=numbers.total,
            more=numbers.more,
            facets=facets_of(numbers, found.query, sort, context.newest),
            counters=counters_of(numbers, found.query, sort),
            news=await self._news(found, seen),
            here_first=list_url(found.query, sort),
            oob=True,
        )

    async def _news(self, found: Asked, seen: str) -> int:
        """How many of what is asked for was opened since the page was read."""
        if not seen.isdecimal() or len(seen) > 19 or found.query.scope == "ended":
            return 0
        page = await find(self.deps.database, found, sort="newest", limit=ROWS)
        return sum(row.case.id >= int(seen) for row in page.rows)

    async def take_next(self, request: Request) -> Response:
        """Gives the one who asks the first case of the list that nobody works on."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        context, frame = self.deps.context(), await base(self.deps, request, actor, "queue")
        found = ask(form.get("q", ""), context, actor.name)
        if isinstance(found, tuple):
            await note(self.deps, request, actor, "FILTER", found[0].what)
            return html("queue.html", 400, **frame, **_broken(form.get("q", ""), "priority", found))
        free = asked(found.query.without("assignee").having("assignee", NOBODY), context, actor.name)
        page = await find(self.deps.database, free, sort=form.get("sort", "priority"), limit=NEXT_TRIES_MAX)
        for row in page.rows:
            if await self._claim(row.case.id, actor):
                return RedirectResponse(f"/cases/{outside('case', row.case.id)}", 303)
        title = "You may not take a case" if page.rows else "Nothing is left to take"
        lines = (
            "Working on cases is not among the rights of your roles; Permissions says who may."
            if page.rows
            else "Somebody works on every case of this list.",
        )
        link = (list_url(found.query), "Back to the list")
        return html("message.html", 200, **frame, title=title, lines=lines, command="", link=link)

    async def _claim(self, case_id: int, actor: Actor) -> bool:
        context = self.deps.context()
        answers = await self.deps.database.transact(
            lambda tx: casework.work(tx, context, [case_id], actor, asks.Claim(actor.name), "took the next case")
        )
        return isinstance(answers[0], Applied)

    async def peek(self, request: Request, case_id: str) -> Response:
        """A case in short, beside the list."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return Response(status_code=401)
        number = inside("case", case_id)
        rows = await case_rows(self.deps.database, [number]) if number is not None else ()
        if not rows:
            return await no_such_case(self.deps, request, actor, case_id)
        now = await now_of(self.deps)
        (row,) = rows_of(rows, self.deps.context().newest, now)
        return html("peek.html", row=row, now=now)

    async def as_csv(self, request: Request, q: str = "", sort: str = "priority") -> Response:
        """The whole list as a table of text."""
        found = await self._whole(request, q, sort)
        if isinstance(found, Response):
            return found
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(FIELDS)
        writer.writerows([_harmless(value) for value in _fields(row)] for row in found)
        return _file(out.getvalue(), "text/csv; charset=utf-8", "cases.csv")

    async def as_json(self, request: Request, q: str = "", sort: str = "priority") -> Response:
        """The whole list for machines."""
        found = await self._whole(request, q, sort)
        if isinstance(found, Response):
            return found
        items = [dict(zip(FIELDS, _fields(row), strict=True)) for row in found]
        return JSONResponse({"query": q, "items": items}, headers={"Content-Disposition": "attachment"})

    async def _whole(self, request: Request, q: str, sort: str) -> list[CaseRow] | Response:
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        frame, found = await base(self.deps, request, actor, "queue"), ask(q, self.deps.context(), actor.name)
        if isinstance(found, tuple):
            return html("queue.html", 400, **frame, **_broken(q, sort, found))
        numbers = await facets(self.deps.database, found)
        if numbers.more or numbers.total > EXPORT_MAX:
            lines = (f"More than {EXPORT_MAX:,} cases match, and so many are the most in one file. Narrow the filter.",)
            link = (list_url(found.query, sort), "Back to the list")
            return html("message.html", 400, **frame, title="Too many for one file", lines=lines, command="", link=link)
        rows, after = list[CaseRow](), ""
        while len(rows) < EXPORT_MAX:
            page = await find(self.deps.database, found, sort=sort, after=after, limit=EXPORT_PAGE)
            rows += page.rows
            after = page.after
            if not after:
                break
        return rows


# The fields of §8.2, named as in the API.
FIELDS = (
    "id", "orderId", "orderSource", "orderExternalId", "customerRef", "itemExternalId", "taskStep", "ownerGroup",
    "assignee", "severity", "state", "code", "rawCode", "system", "operation", "detectedAt", "slaDueAt", "retries",
    "touchedAt", "nextAction", "customerImpact", "amountMinor", "currency",
)  # fmt: skip


def _fields(row: CaseRow) -> Sequence[str | int | None]:
    case = row.case
    return (
        outside("case", case.id), outside("order", case.order_id) if case.order_id else None, row.order_source,
        row.order_external_id, row.customer_ref, row.item_external_id, row.task_step, case.owner_group, case.assignee,
        case.severity, case.state.value, case.code, case.raw_code, case.system, case.operation,
        instant(case.detected_at), instant(case.sla_due_at) if case.sla_due_at else None, row.retries,
        instant(case.touched_at), case.next_action, case.customer_impact, case.amount_minor, case.currency,
    )  # fmt: skip


def _harmless(value: str | int | None) -> str | int | None:
    """A value that a spreadsheet takes for text, not for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _file(body: str, media: str, name: str) -> Response:
    return Response(body, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _broken(q: str, sort: str, wrong: Sequence[Wrong]) -> dict[str, Any]:
    """A page without a list: the filter as it was given, and each place where it cannot be read."""
    empty = CaseQuery(())
    marked = [(q[: w.at], q[w.at : w.at + max(len(w.piece), 1)], w.what, w.hint) for w in wrong[:10]]
    return {
        "wrong": marked, "q": q, "sort": sort, "sorts": [], "rows": (), "now": None, "next": "", "first": True,
        "here_first": list_url(empty), "total": 0, "more": False, "facets": (), "counters": (), "chips": (),
        "with_ended": "", "limit": ROWS, "seen": "0", "watched": "", "oob": False, "view": None,
        "view_id": "", "changed": False,
    }  # fmt: skip


def _first_id_after(now: datetime) -> str:
    """The lowest id that a case opened after `now` can have: ids carry the time."""
    return str(int((now - EPOCH) / timedelta(milliseconds=1)) << 22)

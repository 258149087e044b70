"""Fallout cases at the door: the list, the case with its answers, timeline and evidence; and finding out now."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import shapes, wire
from fallsafe.api.actions import act
from fallsafe.api.answers import case_file as answers_of
from fallsafe.api.deps import Deps
from fallsafe.api.orders import After, Limit
from fallsafe.api.problems import Fault, Problem, not_found
from fallsafe.api.routes import add, ref, send
from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case
from fallsafe.flows import access
from fallsafe.flows.asking import ask, shorthand
from fallsafe.flows.context import Context
from fallsafe.flows.recover import reconcile_now
from fallsafe.store.evidence import evidence_by_id
from fallsafe.store.ids import inside, outside
from fallsafe.store.queue import SORTS, Asked, facets, find
from fallsafe.store.reads import CaseFile, case_file, case_row, mended
from fallsafe.store.trail import order_trail, thing_trail
from fallsafe.store.vault import Tampered

TIMELINE_MAX = 1_000
HINT = "a case is named F- and a number; GET /fallout-cases lists them"


class CasesDoor:
    """The routes under /fallout-cases and /evidence."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    async def find(
        self,
        request: Request,
        q: Annotated[str, Query(max_length=4_000, description="What is asked for, as in the queue.")] = "",
        sort: Annotated[str, Query(max_length=20, description="priority, due, newest (default) or value.")] = "newest",
        order_id: Annotated[str, Query(alias="orderId", max_length=40)] = "",
        owner_group: Annotated[str, Query(alias="ownerGroup", max_length=400)] = "",
        severity: Annotated[str, Query(max_length=100)] = "",
        state: Annotated[str, Query(max_length=300, description="open (default), any, or states.")] = "",
        code: Annotated[str, Query(max_length=400)] = "",
        limit: Limit = 50,
        after: After = "",
    ) -> Response:
        """Cases that match `q`; without it the open ones. The other filters are shorthand for its tokens; several
        values of one are parted by commas.
        """
        actor = await self.deps.who(request)
        if sort not in SORTS:
            raise Problem(400, "FILTER_UNKNOWN", f"there is no sort {sort}", f"use {', '.join(SORTS)}", "/query/sort")
        given = {"order": order_id, "owner": owner_group, "severity": severity, "state": state, "code": code}
        asked, context = query_of(q, given, self.deps.context(), actor), self.deps.context()
        page = await find(self.deps.database, asked, sort=sort, after=after, limit=limit)
        return send({"items": [shapes.case_row(row, context.newest) for row in page.rows], "after": page.after})

    async def facets(
        self, request: Request, q: Annotated[str, Query(max_length=4_000, description="As in the list.")] = ""
    ) -> Response:
        """How many cases match `q`, and how many there would be with each other value of each kind."""
        actor = await self.deps.who(request)
        found = await facets(self.deps.database, query_of(q, {}, self.deps.context(), actor))
        return send(wire.Facets(found.total, found.more, sorted(found.at_least), found.values))

    async def show(self, request: Request, case_id: str) -> Response:
        """One case: the six states, why, how bad, whose, what has to be found out, what may be done and what not."""
        actor = await self.deps.who(request)
        file = await self._file(case_id)
        done = await mended(self.deps.database, file)
        answer = answers_of(file, await self.deps.asker(request, actor), done)
        return send(answer, tag=str(answer.version))

    async def timeline(
        self,
        request: Request,
        case_id: str,
        after: Annotated[int, Query(ge=0, le=2**63 - 1, description="The version after which to go on.")] = 0,
        limit: Annotated[int, Query(ge=1, le=TIMELINE_MAX)] = 200,
    ) -> Response:
        """What happened to the order of a case, oldest first; every change and every refusal. `after` is a version."""
        await self.deps.who(request)
        case = await self._case(case_id)
        if not case.order_id:
            lines = await thing_trail(self.deps.database, "case", case.id)
            return send({"items": [shapes.record(line) for line in lines], "after": ""})
        lines = await order_trail(self.deps.database, case.order_id, after=after, limit=limit)
        more = str(lines[-1].version) if len(lines) == limit else ""
        return send({"items": [shapes.record(line) for line in lines], "after": more})

    async def evidence(self, request: Request, case_id: str) -> Response:
        """What is known of the evidence of a case, without the bytes."""
        await self.deps.who(request)
        file = await self._file(case_id)
        return send({"items": [shapes.evidence(e) for e in file.evidence], "after": ""})

    async def bytes_of(
        self,
        request: Request,
        evidence_id: str,
        whole: Annotated[bool, Query(description="As it was, with what is personal or confidential.")] = False,
    ) -> Response:
        """A piece of evidence without what is personal or confidential in it, or the whole of it, for those who may;
        that they saw it, and how much of it, is in the journal. Of what belongs to no order nothing is shown but the
        whole.
        """
        right, what = "read_whole_evidence" if whole else "read_evidence", f"cannot open evidence {evidence_id[:40]}"
        actor = await self.deps.allowed(request, right, what)
        number = inside("evidence", evidence_id)
        found = await evidence_by_id(self.deps.database, number) if number is not None else None
        if found is None:
            raise not_found("evidence", evidence_id, "evidence is named E- and a number; a case lists its own")
        try:
            piece = found
            body = await self.deps.database.transact(lambda tx: access.open_evidence(tx, actor, piece, whole=whole))
        except Tampered:
            why = f"the bytes of {evidence_id} do not open with the key of their order: they were changed"
            raise Problem(409, "EVIDENCE_ALTERED", why, "fallsafe audit verify says what else was") from None
        headers = {
            "X-Evidence-Media-Type": found.media_type.encode("ascii", "replace").decode()[:200],
            "Content-Disposition": f'attachment; filename="{outside("evidence", found.id)}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return Response(body, 200, headers, "application/octet-stream")

    async def reconcile(self, request: Request, case_id: str) -> Response:
        """Finds out now what became of the command of a case; 202, and the look follows."""
        await self.deps.who(request)
        case = await self._case(case_id)
        if case.command_id is None:
            why = f"the case {case_id} has no command whose outcome could be found out"
            raise Problem(409, "NOTHING_TO_FIND_OUT", why, "see its nextAction")
        return await act(self.deps, request, reconcile_now, case.command_id, of_case=case.id)

    async def _case(self, case_id: str) -> Case:
        number = inside("case", case_id)
        case = await case_row(self.deps.database, number) if number is not None else None
        if case is None:
            raise not_found("case", case_id, HINT)
        return case

    async def _file(self, case_id: str) -> CaseFile:
        number = inside("case", case_id)
        file = await case_file(self.deps.database, number) if number is not None else None
        if file is None:
            raise not_found("case", case_id, HINT)
        return file

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["fallout cases"])
        one = "/fallout-cases/{case_id}"
        add(made, "GET", "/fallout-cases", self.find, answers=wire.pages(wire.CaseRow))
        add(made, "GET", "/fallout-cases/facets", self.facets, answers=ref(wire.Facets))
        add(made, "GET", one, self.show, answers=ref(wire.CaseFile), problems=(404,))
        add(made, "GET", f"{one}/timeline", self.timeline, answers=wire.pages(wire.Record), problems=(404,))
        add(made, "GET", f"{one}/evidence", self.evidence, answers=wire.pages(wire.Evidence), problems=(404,))
        add(
            made,
            "POST",
            f"{one}/reconcile",
            self.reconcile,
            answers=ref(wire.Asked),
            status=202,
            takes="reason",
            problems=(403, 404, 409, 412),
            if_match=True,
        )
        bytes_ = {"type": "string", "format": "binary"}
        add(
            made,
            "GET",
            "/evidence/{evidence_id}",
            self.bytes_of,
            answers=bytes_,
            problems=(403, 404, 409),
            media="application/octet-stream",
        )
        return made


PARAMETERS = {"order": "orderId", "owner": "ownerGroup"}


def query_of(text: str, given: Mapping[str, str], context: Context, actor: Actor) -> Asked:
    """What is asked for by `q` and the shorthand parameters. Raises `Problem` 400 that says where it is wrong."""
    for key, token in shorthand(given):
        found = ask(token, context, actor.name)
        if isinstance(found, tuple):
            first, name = found[0], PARAMETERS.get(key, key)
            raise Problem(400, "FILTER_UNKNOWN", first.what, first.hint, f"/query/{name}")
    found = ask(text, context, actor.name)
    if isinstance(found, tuple):
        faults = tuple(Fault("/query/q", f"at letter {w.at + 1}: {w.what}", "FILTER", w.hint) for w in found[:20])
        first = found[0]
        what = f"the filter cannot be read at letter {first.at + 1}: {first.what}"
        raise Problem(400, "FILTER", what, first.hint, "/query/q", errors=faults)
    whole = ask(" ".join((text, *(token for _, token in shorthand(given)))), context, actor.name)
    if isinstance(whole, tuple):
        raise Problem(400, "FILTER", whole[0].what, whole[0].hint, "/query/q")
    return whole


def order_number(text: str) -> int | None:
    """The order that a list is narrowed to; None for all. Raises `Problem` 400."""
    return _number(text, "order", "O", "/query/orderId")


def case_number(text: str) -> int | None:
    """The case that a list is narrowed to; None for all. Raises `Problem` 400."""
    return _number(text, "case", "F", "/query/caseId")


def _number(text: str, thing: str, prefix: str, pointer: str) -> int | None:
    number = inside(thing, text) if text else None
    if text and number is None:
        hint = f"{'an' if thing == 'order' else 'a'} {thing} is named {prefix}- and a number"
        raise Problem(400, "FILTER_UNKNOWN", f"{text} is no {thing}", hint, pointer)
    return number

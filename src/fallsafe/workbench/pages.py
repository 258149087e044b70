"""The routes of the workbench: the case, "find out now", the stream of what moved, static files, and what other doors
of the pages add.

A route reads through the store, asks a pure function what the page shows, and renders it. The one action goes through
its flow; a refusal is shown word for word.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case
from fallsafe.core.cases.work import RESOLUTIONS, Ask, Attach
from fallsafe.core.comms.messages import Sentence
from fallsafe.core.errors import Refusal
from fallsafe.core.orders.draft import instant
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows import casework
from fallsafe.flows.access import Said, read_comments
from fallsafe.flows.context import Applied, Refused
from fallsafe.flows.recover import reconcile_now
from fallsafe.flows.telling import customer_hears
from fallsafe.store.ids import inside, outside
from fallsafe.store.reads import CaseFile, case_file, case_row
from fallsafe.store.tx import Tx
from fallsafe.workbench.approval_pages import ApprovalDoor
from fallsafe.workbench.bulk import BulkDoor
from fallsafe.workbench.day_pages import DayDoor
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.downstream_pages import DownstreamDoor
from fallsafe.workbench.frame import (
    PageRoute,
    base,
    density,
    no_such_case,
    not_ours,
    now_of,
    own_form,
    own_upload,
    sign_in,
    sorry,
    theme,
    welcome,
)
from fallsafe.workbench.guard import form_token
from fallsafe.workbench.live import Live
from fallsafe.workbench.marks import digest_of
from fallsafe.workbench.once import asked_of, form_key, once
from fallsafe.workbench.order_pages import OrderDoor
from fallsafe.workbench.overview import OverviewDoor
from fallsafe.workbench.paper import html, markup
from fallsafe.workbench.people_pages import PROVED_AT_ONCE, PeopleDoor
from fallsafe.workbench.policy_pages import PolicyDoor
from fallsafe.workbench.queue_pages import QueueDoor
from fallsafe.workbench.repair_pages import RepairDoor
from fallsafe.workbench.rule_pages import RuleDoor
from fallsafe.workbench.shelf import shelf
from fallsafe.workbench.timeline import CHOICES
from fallsafe.workbench.view_pages import ViewDoor
from fallsafe.workbench.views import CasePage, Look, case_page

REASON_LETTERS_MAX = 200
PARTS = ("head", "plan", "sent", "timeline", "evidence", "repair", "work", "customer", "service", "why", "upstream")
SHOWS = tuple(key for key, _ in CHOICES)


@dataclass(frozen=True, slots=True)
class Door:
    """The routes and what they share."""

    deps: Deps
    live: Live

    async def case(self, request: Request, case_id: str, show: str = "all", whole: str = "") -> Response:
        """One case."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        return await self._case(request, actor, case_id, show, bool(whole))

    async def _case(
        self,
        request: Request,
        actor: Actor,
        case_id: str,
        show: str,
        whole: bool,
        refusal: Refusal | None = None,
        status: int = 200,
    ) -> Response:
        file = await self._file(case_id)
        if file is None:
            return await no_such_case(self.deps, request, actor, case_id)
        look = await self._look(actor, file, show, whole)
        page = self._page(file, look)
        parts = {name: part["html"] for name, part in self._parts(request, file, page, look).items()}
        return html(
            "case.html",
            status,
            **await base(self.deps, request, actor, "case"),
            page=page,
            parts=parts,
            look=look,
            now=look.now,
            refusal=refusal,
        )

    async def parts(
        self, request: Request, case_id: str, have: str = "", show: str = "all", whole: str = ""
    ) -> Response:
        """The parts of an open case page that have become another; `have` names those it has by digest."""
        actor = await self.deps.authenticate(request)
        file = await self._file(case_id) if actor is not None else None
        if actor is None or file is None:
            return Response(status_code=401 if actor is None else 404)
        look = await self._look(actor, file, show, bool(whole))
        known = dict(entry.split(":", 1) for entry in have.split(",")[: len(PARTS)] if ":" in entry)
        made = self._parts(request, file, self._page(file, look), look, known)
        return Response("".join(part["html"] for part in made.values()), media_type="text/html; charset=utf-8")

    async def reconcile(self, request: Request, case_id: str) -> Response:
        """ "Find out now": asks the flow, then shows the case, with the refusal where it refused."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        number = inside("case", case_id)
        case = await case_row(self.deps.database, number) if number is not None else None
        if case is None:
            return await no_such_case(self.deps, request, actor, case_id)
        reason = form.get("reason", "").strip()[:REASON_LETTERS_MAX] or "asked on the case page"
        refusal = await self._find_out(case, actor, reason)
        if refusal is not None:
            return await self._case(request, actor, case_id, "all", False, refusal, 409)
        return RedirectResponse(f"/cases/{case_id}#part-repair", 303)

    async def work(self, request: Request, case_id: str, action: str) -> Response:
        """Case work: asks the flow, then shows the case, with the refusal where it refused."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        number = inside("case", case_id)
        ask = _ask_of(action, form, actor) if action in WORK else None
        if number is None or ask is None:
            why = ("Nothing was changed. Go back: what you wrote is still in the form.",)
            return await sorry(self.deps, request, 400, "The form is not complete", why, actor)
        paper = casework.Paper(form.get("text", "").strip()[:TEXT_LETTERS_MAX].encode())
        return await self._worked(request, actor, case_id, number, action, ask, form, paper)

    async def _worked(
        self,
        request: Request,
        actor: Actor,
        case_id: str,
        number: int,
        action: str,
        ask: Ask,
        form: Mapping[str, str],
        paper: casework.Paper,
    ) -> Response:
        context, reason = self.deps.context(), form.get("reason", "").strip()[:500] or "asked on the case page"
        refused = list[Refusal]()

        async def work(tx: Tx) -> str:
            (answer,) = await casework.work(tx, context, [number], actor, ask, reason, paper)
            refused[:] = [answer.refusal] if isinstance(answer, Refused) else []
            return "" if refused else "done"

        await once(self.deps.database, asked_of(actor, f"/cases/{number}/work/{action}", form), work)
        if refused:
            return await self._case(request, actor, case_id, "all", False, refused[0], 409)
        return RedirectResponse(f"/cases/{case_id}#part-work", 303)

    async def attach(self, request: Request, case_id: str) -> Response:
        """Puts a file to the evidence of a case."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        sent = await own_upload(self.deps, request, actor)
        if sent is None:
            return await not_ours(self.deps, request, actor)
        form, file = sent
        number = inside("case", case_id)
        if number is None or file is None or not file.body:
            why = ("Nothing was changed. Go back, and choose a file that is not empty.",)
            return await sorry(self.deps, request, 400, "No file was chosen", why, actor)
        paper = casework.Paper(file.body, file.media_type, file.name)
        return await self._worked(request, actor, case_id, number, "evidence", Attach(), form, paper)

    async def _find_out(self, case: Case, actor: Actor, reason: str) -> Refusal | None:
        context, command_id = self.deps.context(), case.command_id or 0
        answers = await self.deps.database.transact(lambda tx: reconcile_now(tx, context, [command_id], actor, reason))
        match answers[0]:
            case Applied():
                return None
            case Refused(refusal=refusal):
                return refusal

    async def events(self, request: Request) -> Response:
        """The stream of what moved."""
        if await self.deps.authenticate(request) is None:
            return Response(status_code=401)
        if self.live.full:
            return Response("Too many pages listen.\n", 503, {"Retry-After": "30"}, "text/plain")

        async def may_read() -> bool:
            return await self.deps.authenticate(request) is not None

        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(self.live.listen(may_read), media_type="text/event-stream", headers=headers)

    async def session(self, request: Request) -> Response:
        """Whether who has a page open is still signed in, and the token of their forms: asked before a form is sent,
        so that nothing that was written is lost.
        """
        if await self.deps.authenticate(request) is None:
            return Response(status_code=401)
        return JSONResponse({"csrf": form_token(request)})

    async def _look(self, actor: Actor, file: CaseFile, show: str, whole: bool) -> Look:
        case = file.case
        has_comments = file.file is None or any(e.kind == "comment" for e in file.evidence)
        written = await self._written(actor, case) if has_comments else ()
        return Look(actor, await now_of(self.deps), show if show in SHOWS else "all", whole, comments=written)

    async def _written(self, actor: Actor, case: Case) -> Sequence[Said]:
        order, name = case.order_id, outside("case", case.id)
        return await self.deps.database.transact(lambda tx: read_comments(tx, actor, order, name))

    async def _file(self, case_id: str) -> CaseFile | None:
        number = inside("case", case_id)
        return await case_file(self.deps.database, number) if number is not None else None

    def _page(self, file: CaseFile, look: Look) -> CasePage:
        context = self.deps.context()
        return case_page(file, context.newest, context.policies, _sentence(file, context.newest, look.now), look)

    def _parts(
        self, request: Request, file: CaseFile, page: CasePage, look: Look, known: Mapping[str, str] | None = None
    ) -> dict[str, dict[str, str]]:
        system = self.deps.context().newest.systems.get(file.case.system)
        said = {"next_action": file.case.next_action, "command_system": system.title if system else file.case.system}
        shared = {
            "page": page,
            "now": look.now,
            "csrf": form_token(request),
            "choices": CHOICES,
            "key": form_key(),
            **said,
        }
        values = {
            "head": page.head,
            "plan": page.plan,
            "sent": page.steps,
            "timeline": page.timeline,
            "evidence": page.evidence,
            "repair": (page.repair, said),
            "work": page.work,
            "customer": page.customer,
            "service": page.service,
            "why": page.why,
            "upstream": page.upstream,
        }
        digests = {name: digest_of(value) for name, value in values.items()}
        wanted = [name for name in PARTS if known is None or known.get(name) != digests[name]]
        return {
            name: {"digest": digests[name], "html": _part(name, digests[name], known is not None, shared)}
            for name in wanted
        }


TEXT_LETTERS_MAX = 10_000
# What a form of each action must bring.
WORK: Mapping[str, tuple[str, ...]] = {
    "claim": (), "diagnose": (), "go-on": (), "comment": ("text",), "wait": ("whom", "what", "until"),
    "transfer": ("reason",), "escalate": ("reason",), "withdraw": ("reason",), "resolve": ("type", "text"),
    "reopen": ("reason",), "accept": (), "return": ("reason",), "consult": ("group", "asked"),
    "reply": ("group", "answer"), "refer": ("system", "reference"), "follow-up": ("at",), "relate": ("to", "how"),
}  # fmt: skip


WHEN = {"wait": "until", "follow-up": "at"}


def _ask_of(action: str, form: Mapping[str, str], actor: Actor) -> Ask | None:
    """What a form of case work asks for; None where it is not complete."""
    if not all(form.get(name, "").strip() for name in WORK[action]):
        return None
    if action == "transfer" and not form.get("ownerGroup") and not form.get("assignee"):
        return None
    if form.get("type", RESOLUTIONS[0]) not in RESOLUTIONS:
        return None
    try:
        when = form[WHEN[action]] if action in WHEN else ""
        until = _instant_of(when) if when else None
    except (ValueError, OverflowError):
        return None
    return casework.ask_of(action, {name: value[:300] for name, value in form.items()}, actor, until)


def _instant_of(text: str) -> datetime:
    """The time of a form, which is UTC where it has no zone. Raises ValueError or OverflowError."""
    zoned = datetime.fromisoformat(text).tzinfo is not None
    return instant(text if zoned else f"{text}Z")


def _sentence(file: CaseFile, policy: PolicySet, now: datetime) -> Sentence | None:
    """What the customer of the case's order may hear now; None where there is no order, hence nobody to tell."""
    if file.file is None:
        return None
    whole = file.file
    return customer_hears(policy, whole.order, whole.items, whole.tasks, whole.cases, now, file.case)


def _part(name: str, digest: str, oob: bool, shared: Mapping[str, Any]) -> Any:
    return markup("case/part.html", name=name, digest=digest, oob=oob, **shared)


def create_pages(deps: Deps) -> APIRouter:
    """The router of the workbench, to be mounted without a prefix: `app.include_router(create_pages(deps))`."""
    door = Door(deps, Live(deps.database, deps.stopping))
    router = APIRouter(route_class=PageRoute, include_in_schema=False)
    doors = (
        QueueDoor(deps), BulkDoor(deps), ViewDoor(deps), OverviewDoor(deps), OrderDoor(deps), PolicyDoor(deps),
        RepairDoor(deps), ApprovalDoor(deps), DownstreamDoor(deps), RuleDoor(deps), DayDoor(deps),
        PeopleDoor(deps, asyncio.Semaphore(PROVED_AT_ONCE)),
    )  # fmt: skip
    for path, handler, method in (route for one in doors for route in one.routes()):
        router.add_api_route(path, handler, methods=[method], response_model=None)
    router.add_api_route("/cases/{case_id}", door.case, methods=["GET"], response_model=None)
    router.add_api_route("/cases/{case_id}/parts", door.parts, methods=["GET"], response_model=None)
    router.add_api_route("/cases/{case_id}/reconcile", door.reconcile, methods=["POST"], response_model=None)
    router.add_api_route("/cases/{case_id}/work/evidence", door.attach, methods=["POST"], response_model=None)
    router.add_api_route("/cases/{case_id}/work/{action}", door.work, methods=["POST"], response_model=None)
    router.add_api_route("/session", door.session, methods=["GET"], response_model=None)
    router.add_api_route("/events", door.events, methods=["GET"], response_model=None)
    router.add_api_route("/welcome", welcome, methods=["GET"], response_model=None)
    router.add_api_route("/theme", theme, methods=["GET"], response_model=None)
    router.add_api_route("/density", density, methods=["GET"], response_model=None)
    router.add_api_route("/static/{version}/{path:path}", _static, methods=["GET"], response_model=None)
    return router


async def _static(request: Request, version: str, path: str) -> Response:
    return shelf().serve(request, version, path)

"""The pages of a repair: its details as a form, what it would do, and running it, agreed to where it has to be. They
work without a script; each decision goes through its flow, and a refusal is shown word for word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from fallsafe.core.access import Actor, refused
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.repair.approval import expired, may_decide, may_decline, why_not_run
from fallsafe.core.repair.catalogue import LOCKED, RepairAction, class_of
from fallsafe.core.repair.preview import Preview
from fallsafe.core.repair.request import Repair, RepairState, checks_of, progress_of, proves
from fallsafe.flows import repairs
from fallsafe.flows.context import Refused
from fallsafe.store.ids import inside, outside
from fallsafe.store.reads import CaseFile, case_file
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, no_such_case, not_ours, now_of, own_form, sign_in, sorry
from fallsafe.workbench.paper import html
from fallsafe.workbench.queue_pages import Handler
from fallsafe.workbench.words import words

LONG_TEXT_FROM = 301
REASON_LETTERS_MAX = 500
DECISIONS = {"run": repairs.run, "approve": repairs.approve, "decline": repairs.decline}
FIELDS, CHANGES = "fields", "changes"
CLAUSES_MAX = 3
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form, from the schema of what an action must be given."""

    name: str
    title: str
    help: str
    needed: bool
    choices: tuple[str, ...]
    long: bool
    most: int
    value: str = ""


@dataclass(frozen=True, slots=True)
class RepairDoor:
    """The routes under /cases/{id}/repairs."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler, method."""
        one = "/cases/{case_id}/repairs"
        return (
            (f"{one}/new/{{code}}", self.details, "GET"),
            (f"{one}/new/{{code}}", self.preview, "POST"),
            (f"{one}/{{repair_id}}", self.show, "GET"),
            (f"{one}/{{repair_id}}/{{verb}}", self.decide, "POST"),
        )

    async def details(self, request: Request, case_id: str, code: str) -> Response:
        """What an action must be given."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        return await self._form(request, actor, case_id, code, {})

    async def _form(
        self,
        request: Request,
        actor: Actor,
        case_id: str,
        code: str,
        given: Mapping[str, str],
        refusal: Refusal | None = None,
        made: Preview | None = None,
    ) -> Response:
        file, action = await self._file(case_id), self.deps.context().newest.actions.get(code)
        if file is None:
            return await no_such_case(self.deps, request, actor, case_id)
        if action is None:
            lines = (f"The catalogue has no action {code[:40]}.",)
            return await sorry(self.deps, request, 404, "There is no such action", lines, actor)
        return html(
            "repair.html",
            409 if refusal is not None or made is not None else 200,
            **await base(self.deps, request, actor, "case"),
            case_id=case_id,
            action=action,
            fields=fields_of(action, file, given),
            reason=given.get("reason", ""),
            refusal=refusal,
            unmet=[c for c in made.plan.conditions if not c.met] if made else [],
            one=None,
        )

    async def preview(self, request: Request, case_id: str, code: str) -> Response:
        """Asks the flow what it would do, and shows that; the form again where it cannot be run."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        number, context = inside("case", case_id), self.deps.context()
        action = context.newest.actions.get(code)
        if number is None or action is None:
            return await self._form(request, actor, case_id, code, form)
        reason = form.get("reason", "").strip()[:REASON_LETTERS_MAX] or "asked on the case page"
        asked = repairs.Asked(number, code, given_of(action, form), reason)
        shown = await self.deps.database.transact(lambda tx: repairs.show(tx, context, asked, actor))
        if isinstance(shown, Refused):
            return await self._form(request, actor, case_id, code, form, shown.refusal)
        if shown.repair is None:
            return await self._form(request, actor, case_id, code, form, made=shown.preview)
        return RedirectResponse(f"/cases/{case_id}/repairs/{outside('repair', shown.repair.id)}", 303)

    async def show(self, request: Request, case_id: str, repair_id: str) -> Response:
        """What it does, who agreed, what it came to."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        return await self._show(request, actor, case_id, repair_id)

    async def _show(
        self, request: Request, actor: Actor, case_id: str, repair_id: str, refusal: Refusal | None = None
    ) -> Response:
        file = await self._file(case_id)
        if file is None:
            return await no_such_case(self.deps, request, actor, case_id)
        one = next((r for r in file.repairs if r.id == inside("repair", repair_id)), None)
        action = self.deps.context().newest.actions.get(one.action) if one is not None else None
        if one is None or action is None:
            lines = (f"The case has no repair {repair_id[:40]}.",)
            return await sorry(self.deps, request, 404, "There is no such repair", lines, actor)
        command, now = file.file.command(one.command_id) if file.file else None, await now_of(self.deps)
        return html(
            "repair.html",
            409 if refusal is not None else 200,
            **await base(self.deps, request, actor, "case"),
            case_id=case_id,
            action=action,
            one=one,
            now=now,
            order_id=outside("order", one.order_id),
            name=repair_id,
            kept=one.preview if isinstance(one.preview, dict) else {},
            checks=[(title, words(result)) for title, result in checks_of(one, file.findings)],
            state=words(one.state.value),
            progress=words(progress_of(one, command, proves(repair_id, file.case.resolution))),
            command=outside("command", one.command_id) if one.command_id else "",
            decisions=_decisions(one, action, actor, file.case.owner_group, now),
            refusal=refusal,
        )

    async def decide(self, request: Request, case_id: str, repair_id: str, verb: str) -> Response:
        """Runs, agrees or declines through the flow; shows the repair, with the refusal where it refused."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        number, decision, context = inside("repair", repair_id), DECISIONS.get(verb), self.deps.context()
        if number is None or decision is None:
            return await self._show(request, actor, case_id, repair_id)
        seen = [repairs.Seen(number, form.get("hash", "")[:64], inside("case", case_id) or 0)]
        reason = form.get("reason", "").strip()[:REASON_LETTERS_MAX] or "decided on the page of the repair"
        answers = await self.deps.database.transact(lambda tx: decision(tx, context, seen, actor, reason))
        if isinstance(answers[0], Refused):
            return await self._show(request, actor, case_id, repair_id, answers[0].refusal)
        return RedirectResponse(f"/cases/{case_id}/repairs/{repair_id}", 303)

    async def _file(self, case_id: str) -> CaseFile | None:
        number = inside("case", case_id)
        return await case_file(self.deps.database, number) if number is not None else None


def _decisions(
    one: Repair, action: RepairAction, actor: Actor, group: str, now: datetime
) -> list[tuple[str, str, str]]:
    """(verb, button, why not) of what may be decided about a repair where it stands; `why not` is empty where this
    person may now.
    """
    over = expired(one, now, "")
    if one.state is RepairState.AWAITED:
        first = ("approve", "Approve", may_decide(one, actor, one.hash, "", group) or over)
    elif one.state in (RepairState.PREVIEWED, RepairState.APPROVED):
        why = action.why_not(actor, group)
        refusal = refused("", why) if why else why_not_run(one, one.hash, now, "")
        first = ("run", "Run", refusal)
    else:
        return []
    offered = [first, ("decline", "Decline", may_decline(one, actor, "", group))]
    return [(verb, title, refusal.why if refusal else "") for verb, title, refusal in offered]


def fields_of(action: RepairAction, file: CaseFile, given: Mapping[str, str]) -> list[Field]:
    """The fields of the form, in the order of the schema; a field for each fact that may be corrected."""
    schema = action.given if isinstance(action.given, Mapping) else {}
    properties, needed = schema.get("properties"), schema.get("required")
    made = list[Field]()
    for name, said in properties.items() if isinstance(properties, Mapping) else ():
        if name == FIELDS:
            made += _corrections(action, file, given)
        elif name == CHANGES:
            made += [_clause(n, said, given) for n in range(CLAUSES_MAX) if isinstance(said, Mapping)]
        elif isinstance(said, Mapping):
            made.append(_field(name, said, name in (needed if isinstance(needed, list) else ()), given))
    return made


def _field(name: str, said: Mapping[str, Json], needed: bool, given: Mapping[str, str]) -> Field:
    choices, most = said.get("enum"), said.get("maxLength")
    longest = most if isinstance(most, int) else REASON_LETTERS_MAX
    return Field(
        name=name,
        title=str(said.get("title", name)),
        help=str(said.get("description", "")),
        needed=needed,
        choices=tuple(str(c) for c in choices) if isinstance(choices, list) else (),
        long=longest >= LONG_TEXT_FROM,
        most=longest,
        value=given.get(name, ""),
    )


def _clause(n: int, said: Mapping[str, Json], given: Mapping[str, str]) -> Field:
    """One clause of the deal, written as name=value."""
    name, help_ = f"{CHANGES}/{n}", f"{said.get('description', '')} Write name=value." if n == 0 else ""
    title = str(said.get("title", CHANGES)) if n == 0 else "And"
    return Field(name, title, help_, n == 0, (), False, REASON_LETTERS_MAX, given.get(name, ""))


def _corrections(action: RepairAction, file: CaseFile, given: Mapping[str, str]) -> list[Field]:
    item = file.item
    known = item.characteristics if item is not None and isinstance(item.characteristics, Mapping) else {}
    names = [n for n in action.fields if not n.endswith("*") and class_of(action, n) != LOCKED]
    return [
        Field(
            name=f"{FIELDS}/{name}",
            title=name.rpartition(".")[2],
            help=f"{class_of(action, name)}; it is {known.get(name.rpartition('.')[2], 'not given')}",
            needed=False,
            choices=(),
            long=False,
            most=REASON_LETTERS_MAX,
            value=given.get(f"{FIELDS}/{name}", ""),
        )
        for name in names
    ]


def given_of(action: RepairAction, form: Mapping[str, str]) -> dict[str, Json]:
    """What a form gives: empty fields are not given."""
    schema = action.given if isinstance(action.given, Mapping) else {}
    properties = schema.get("properties")
    known = properties if isinstance(properties, Mapping) else {}
    given: dict[str, Json] = {
        n: form[n].strip() for n in known if n not in (FIELDS, CHANGES) and form.get(n, "").strip()
    }
    inner: dict[str, Json] = {
        name.removeprefix(f"{FIELDS}/"): value.strip()
        for name, value in form.items()
        if name.startswith(f"{FIELDS}/") and value.strip()
    }
    lines = (value.partition("=") for name, value in form.items() if name.startswith(f"{CHANGES}/") and "=" in value)
    clauses: dict[str, Json] = {name.strip(): _number(value.strip()) for name, _, value in lines}
    return {**given, **({FIELDS: inner} if inner else {}), **({CHANGES: clauses} if clauses else {})}


def _number(text: str) -> Json:
    """A whole number as one, anything else as it was written."""
    return int(text) if WHOLE_NUMBER.fullmatch(text) else text

"""One thing done with many cases: the set is frozen and shown first, and only that set is worked on, whatever moved
meanwhile. Each case has its own answer; one that is refused stops no other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response

from fallsafe.core.access import Actor
from fallsafe.core.cases.work import Ask
from fallsafe.flows import casework
from fallsafe.flows.asking import ask
from fallsafe.flows.context import Answer, Refused
from fallsafe.store.ids import inside, outside
from fallsafe.store.queue import FROZEN_MAX, case_rows, freeze
from fallsafe.store.tx import Tx
from fallsafe.workbench import once
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, not_ours, note, now_of, own_form, sign_in
from fallsafe.workbench.listing import rows_of
from fallsafe.workbench.narrowing import list_url
from fallsafe.workbench.paper import html

SHOWN = 25
AT_ONCE = 100
SELECTION_BYTES_MAX = 256 * 1024
TYPED_ABOVE = 50
"""Above so many cases their number has to be typed."""
REFUSALS_SHOWN_MAX = 100
# What a form of each action must bring; ending a case is said of one failure at a time.
MANY: Mapping[str, tuple[str, ...]] = {
    "claim": (), "transfer": ("reason",), "comment": ("text",), "escalate": ("reason",), "go-on": (),
}  # fmt: skip
TITLES = {
    "claim": "Take them",
    "transfer": "Give them away",
    "comment": "Comment",
    "escalate": "Escalate",
    "go-on": "They wait no longer",
}
Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each case: how many were done, how many were so already, and the refusals word for word."""

    done: int = 0
    already: int = 0
    refused: Sequence[tuple[str, str, str, str]] = ()

    def and_of(self, other: "Outcome") -> "Outcome":
        """Both together."""
        return Outcome(self.done + other.done, self.already + other.already, (*self.refused, *other.refused))


@dataclass(frozen=True, slots=True)
class BulkDoor:
    """The routes under /queue that work on many cases."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (("/queue/selected", self.freeze, "POST"), ("/queue/work", self.work, "POST"))

    async def freeze(self, request: Request) -> Response:
        """Shows the set that would be worked on: the ticked cases, or all that match the filter now."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor, SELECTION_BYTES_MAX)
        if form is None:
            return await not_ours(self.deps, request, actor)
        found = ask(form.get("q", ""), self.deps.context(), actor.name)
        if isinstance(found, tuple):
            return await self._no(request, actor, "The filter cannot be read", (found[0].what, found[0].hint), "/queue")
        back = list_url(found.query, form.get("sort", "priority"))
        ids = await freeze(self.deps.database, found) if form.get("what") == "all" else _ids(form.get("case", ""))
        if not ids:
            return await self._no(request, actor, "No case was chosen", ("Tick the cases in the list first.",), back)
        if len(ids) > FROZEN_MAX:
            lines = (f"More than {FROZEN_MAX:,} cases match, and so many are the most at once. Narrow the filter.",)
            return await self._no(request, actor, "Too many at once", lines, back)
        return await self._set(request, actor, ids, back, str(found.query) if form.get("what") == "all" else "")

    async def _set(
        self,
        request: Request,
        actor: Actor,
        ids: Sequence[int],
        back: str,
        query: str,
        wrong: str = "",
        given: Mapping[str, str] | None = None,
    ) -> Response:
        context = self.deps.context()
        rows = await case_rows(self.deps.database, ids[:SHOWN])
        now = await now_of(self.deps)
        return html(
            "selected.html",
            400 if wrong else 200,
            **await base(self.deps, request, actor, "queue"),
            ids=",".join(outside("case", number) for number in ids),
            count=len(ids),
            rows=rows_of(rows, context.newest, now),
            now=now.astimezone(UTC),
            back=back,
            query=query,
            wrong=wrong,
            key=once.form_key(),
            given=dict.fromkeys(("action", "ownerGroup", "assignee", "done", "asked", "text", "reason"), "")
            | dict(given or {}),
            typed=len(ids) > TYPED_ABOVE,
            groups=[(code, group.title) for code, group in sorted(context.newest.owners.items())],
        )

    async def work(self, request: Request) -> Response:
        """Does it with the frozen set, and says what became of each."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor, SELECTION_BYTES_MAX)
        if form is None:
            return await not_ours(self.deps, request, actor)
        ids, back = _ids(form.get("ids", "")), form.get("back", "/queue")
        back = back if back.startswith("/queue") else "/queue"
        if not ids or len(ids) > FROZEN_MAX:
            return await self._no(request, actor, "No case was chosen", ("Tick the cases in the list first.",), back)
        action = form.get("action", "")
        wrong = _wrong(action, form, len(ids))
        if wrong:
            await note(self.deps, request, actor, "FORM_INCOMPLETE", wrong)
            return await self._set(request, actor, ids, back, form.get("query", ""), wrong, form)
        what = casework.ask_of(action, {name: value[:300] for name, value in form.items()}, actor)
        outcome = await self._each(ids, actor, what, form)
        if outcome is None:
            return await self._no(request, actor, "Nothing was done twice", (once.STILL_RUNS,), back)
        return html(
            "worked.html",
            **await base(self.deps, request, actor, "queue"),
            title=TITLES[action],
            outcome=outcome,
            count=len(ids),
            back=back,
        )

    async def _each(self, ids: Sequence[int], actor: Actor, what: Ask, form: Mapping[str, str]) -> Outcome | None:
        """In parts of a transaction each, so that nobody waits long for any of the cases; None where this very form is
        being worked on.
        """
        context, whole = self.deps.context(), Outcome()
        reason = form.get("reason", "").strip()[:500] or f"asked in the queue, with {len(ids)} cases at once"
        paper = casework.Paper(form.get("text", "").strip()[:10_000].encode())
        for first in range(0, len(ids), AT_ONCE):
            part = ids[first : first + AT_ONCE]

            async def work(tx: Tx, part: Sequence[int] = part) -> str:
                answers = await casework.work(tx, context, part, actor, what, reason, paper)
                return msgspec.json.encode(_outcome(answers)).decode()

            asked = once.asked_of(actor, "/queue/work", form, str(first))
            told = await once.once(self.deps.database, asked, work)
            if told == once.STILL_RUNS:
                return None
            whole = whole.and_of(msgspec.json.decode(told, type=Outcome))
        return whole

    async def _no(self, request: Request, actor: Actor, title: str, lines: tuple[str, ...], back: str) -> Response:
        frame: dict[str, Any] = await base(self.deps, request, actor, "queue")
        link = (back, "Back to the list")
        await note(self.deps, request, actor, "FORM_INCOMPLETE", title)
        return html("message.html", 400, **frame, title=title, lines=lines, command="", link=link)


def _outcome(answers: Sequence[Answer]) -> Outcome:
    refused = [
        (outside("case", a.id), a.refusal.what, a.refusal.why, a.refusal.hint)
        for a in answers
        if isinstance(a, Refused)
    ]
    already = sum(not isinstance(a, Refused) and a.already for a in answers)
    return Outcome(len(answers) - len(refused) - already, already, refused)


def _ids(text: str) -> tuple[int, ...]:
    """The cases that are named, each once; what is no name is left out."""
    found = (inside("case", name) for name in text.split(",") if name)
    return tuple(dict.fromkeys(number for number in found if number is not None))


def _wrong(action: str, form: Mapping[str, str], count: int) -> str:
    """What the form lacks; empty where nothing."""
    if action not in MANY:
        return "Say what is to be done."
    if any(not form.get(name, "").strip() for name in MANY[action]):
        return "Say why." if MANY[action] == ("reason",) else "Write the comment."
    if action == "transfer" and not form.get("ownerGroup") and not form.get("assignee"):
        return "Say to whom: a group, a person, or both."
    if count > TYPED_ABOVE and form.get("typed", "").strip().replace(",", "") != str(count):
        return f"Type the number of cases, {count}."
    return ""

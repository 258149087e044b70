"""Case work at the door: who works on a case, what is written about it, what it waits for, and how it ends; with
one case or with many.
"""

from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api import wire
from fallsafe.api.actions import asked_for, check_version
from fallsafe.api.bodies import ORDER_BYTES_MAX, REQUEST_BYTES_MAX, body_of, check_shape, json_of, read_json
from fallsafe.api.cases import HINT
from fallsafe.api.changes import Change, asked_of, done, make, told
from fallsafe.api.deps import Deps
from fallsafe.api.drafts import instant_of
from fallsafe.api.orders import no_such_order, number_of
from fallsafe.api.problems import Problem, not_found, problem_of
from fallsafe.api.routes import add, ref, send
from fallsafe.core.access import Actor
from fallsafe.core.cases.work import Ask
from fallsafe.core.errors import Refusal
from fallsafe.flows import casework, raising
from fallsafe.flows.access import read_comments
from fallsafe.flows.context import Answer, Refused
from fallsafe.store.canonical import instant
from fallsafe.store.ids import inside, outside
from fallsafe.store.reads import case_row
from fallsafe.store.tx import Tx

# Each action with the schema of its body. The batch takes all but `resolve`, which is said of one failure at a time,
# and `evidence`, which is about one.
ACTIONS = {
    "assign": "assign",
    "transfer": "transfer",
    "claim": "reason",
    "diagnose": "reason",
    "comment": "comment",
    "evidence": "evidence",
    "wait": "wait",
    "go-on": "reason",
    "escalate": "must_reason",
    "withdraw": "must_reason",
    "resolve": "resolve",
    "reopen": "must_reason",
    "accept": "reason",
    "return": "must_reason",
    "consult": "consult",
    "reply": "case_reply",
    "refer": "refer",
    "follow-up": "follow_up",
    "relate": "relate",
}
LONGEST = {"evidence": ORDER_BYTES_MAX}
Handler = Callable[..., Awaitable[Response]]


class CaseWorkDoor:
    """The routes under /fallout-cases that change something."""

    def __init__(self, deps: Deps) -> None:
        self.deps = deps

    def handler(self, action: str) -> Handler:
        """What answers to one action with one case."""

        async def act(request: Request, case_id: str) -> Response:
            actor = await self.deps.who(request)
            body = await body_of(request, LONGEST.get(action, REQUEST_BYTES_MAX))
            value: Any = await json_of(body) if body.strip() else {}
            given = check_shape(ACTIONS[action], value)
            ask, context = ask_of(action, given, actor), self.deps.context()
            number, asked = inside("case", case_id), asked_of(request, actor, body)
            if number is None:
                raise not_found("case", case_id, HINT)

            reason, paper = said_of(given, actor)

            async def change(tx: Tx) -> Change:
                await check_version(tx, request, number)
                (answer,) = await casework.work(tx, context, [number], actor, ask, reason, paper)
                return told(answer, lambda a: done(asked_for(a)), lambda r: problem_of(r.refusal))

            return await make(self.deps.database, asked, change)

        act.__name__ = f"{action.replace('-', '_')}_case"
        act.__doc__ = DOCS[action]
        return act

    async def open(self, request: Request) -> Response:
        """Opens a case of what somebody saw, or joins the open one of the same failure, and says so."""
        actor = await self.deps.who(request)
        body = await body_of(request)
        given, context = check_shape("new_case", read_json(body)), self.deps.context()
        number = await number_of(self.deps.database, given["orderId"])
        if number is None:
            raise no_such_order(given["orderId"])
        words = (given.get(name, "") for name in ("item", "task", "code", "text", "reason"))
        seen = raising.Reported(number, *words)

        async def change(tx: Tx) -> Change:
            answer = await raising.raise_case(tx, context, seen, actor)
            return told(answer, lambda a: done(asked_for(a), 201), lambda r: problem_of(r.refusal))

        return await make(self.deps.database, asked_of(request, actor, body), change)

    async def many(self, request: Request) -> Response:
        """Does one thing with up to 200 cases; one answer for each, in the order given. One that is refused stops no
        other.
        """
        actor = await self.deps.who(request)
        body = await body_of(request)
        given = check_shape("case_actions", read_json(body))
        action, names = given.pop("action"), given.pop("caseIds")
        fields = check_shape(ACTIONS[action], given)
        ask, context = ask_of(action, fields, actor), self.deps.context()
        numbers = [inside("case", name) for name in names]
        if None in numbers:
            n = numbers.index(None)
            raise Problem(400, "NOT_A_CASE", f"{names[n]} is no case", HINT, f"/caseIds/{n}")

        async def change(tx: Tx) -> Change:
            found = [number for number in numbers if number is not None]
            answers = await casework.work(tx, context, found, actor, ask, *said_of(fields, actor))
            return done(_worked(answers))

        return await make(self.deps.database, asked_of(request, actor, body), change)

    async def comments(
        self,
        request: Request,
        case_id: str,
        whole: Annotated[bool, Query(description="As it was written, with what is personal.")] = False,
    ) -> Response:
        """What people wrote about a case, oldest first, without what is personal in it; the whole of it for those who
        may read evidence as it was, and that they did is in the journal.
        """
        right = "read_whole_evidence" if whole else "read"
        actor = await self.deps.allowed(request, right, f"cannot read what was written about {case_id[:40]}")
        number = inside("case", case_id)
        case = await case_row(self.deps.database, number) if number is not None else None
        if case is None:
            raise not_found("case", case_id, HINT)
        order, name = case.order_id, outside("case", case.id)
        written = await self.deps.database.transact(lambda tx: read_comments(tx, actor, order, name, whole=whole))
        items = [wire.Comment(by=by, at=instant(at), text=text) for by, at, text in written]
        return send({"items": items, "after": ""})

    def router(self) -> APIRouter:
        """The routes."""
        made = APIRouter(tags=["fallout cases"])
        one = "/fallout-cases/{case_id}"
        for action, takes in ACTIONS.items():
            path, answers = f"{one}/{action}", ref(wire.Asked)
            handler, wrong = self.handler(action), (403, 404, 409, 412, 422)
            add(made, "POST", path, handler, answers=answers, takes=takes, problems=wrong, if_match=True)
        worked, refused = ref(wire.WorkedOn), (403, 404, 409, 422)
        asked = ref(wire.Asked)
        add(made, "POST", "/fallout-cases", self.open, answers=asked, status=201, takes="new_case", problems=refused)
        add(made, "POST", "/fallout-cases/actions", self.many, answers=worked, takes="case_actions")
        add(made, "GET", f"{one}/comments", self.comments, answers=wire.pages(wire.Comment), problems=(403, 404))
        return made


DOCS = {
    "assign": "Gives a case to a person; its group keeps it.",
    "transfer": "Gives a case to another group, which is told what was done and what is asked of it.",
    "claim": "Takes a case that nobody works on.",
    "diagnose": "Says that somebody looks for the cause.",
    "evidence": "Puts a paper, a picture or a letter to the evidence of a case, whatever its state; kept sealed.",
    "comment": "Writes something about a case, whatever its state.",
    "wait": "Lets a case wait for somebody outside; it is looked at again when the time is over.",
    "go-on": "Says that a case waits no longer.",
    "escalate": "Tells whoever stands above the group of a case; the group keeps it.",
    "withdraw": "Says that a case is no failure. Refused while its failure stands.",
    "resolve": "Says that a case is over, and how; it stays unverified. Refused while its failure stands.",
    "reopen": "Takes up again what was resolved.",
    "accept": "Keeps a case that another group has given.",
    "return": "Gives a case back to the group that had it; how often is counted.",
    "consult": "Asks another group about a case, which stays where it is.",
    "reply": "Answers for a group that was asked.",
    "refer": "Says what a case is called in a system of others.",
    "follow-up": "Says when the owner of a case wants to see it; it is looked at then.",
    "relate": "Links a case to another case or to an order, and the other case to it.",
}


def ask_of(action: str, given: Mapping[str, Any], actor: Actor) -> Ask:
    """The action as the core knows it. Raises `Problem` 400."""
    when = {"wait": "until", "follow-up": "at"}.get(action)
    until = instant_of(given[when], f"/{when}") if when else None
    return casework.ask_of(action, given, actor, until)


def said_of(given: Mapping[str, Any], actor: Actor) -> tuple[str, casework.Paper]:
    """The reason, which stands in the journal, and what was written or brought, which is sealed. Raises `Problem`
    400.
    """
    reason = given.get("reason", "") or f"asked by {actor} at the API"
    if "content" not in given:
        return reason, casework.Paper(given.get("text", "").encode())
    try:
        content = b64decode(given["content"], validate=True)
    except ValueError:
        why = "the content is not base64 (/content)"
        raise Problem(400, "NOT_BASE64", why, "send the bytes in base64, with padding", "/content") from None
    return reason, casework.Paper(content, given["mediaType"], given["name"])


def _worked(answers: list[Answer]) -> wire.WorkedOn:
    items = [
        wire.Worked(id=outside("case", a.id), result="refused", refusal=_refusal(a.refusal))
        if isinstance(a, Refused)
        else wire.Worked(id=outside("case", a.id), result="already" if a.already else "done")
        for a in answers
    ]
    return wire.WorkedOn(
        answers=items, done=sum(i.result != "refused" for i in items), refused=sum(i.result == "refused" for i in items)
    )


def _refusal(refusal: Refusal) -> wire.Refusal:
    return wire.Refusal(code=refusal.code, what=refusal.what, why=refusal.why, hint=refusal.hint)

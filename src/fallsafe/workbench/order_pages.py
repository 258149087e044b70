"""One order: its items, its plan, all its cases, and what was sent for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from fallsafe.core.access import Actor, may
from fallsafe.core.cases.case import OPEN_CASE_STATES
from fallsafe.core.errors import Refusal
from fallsafe.flows import raising
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.store.ids import inside, outside
from fallsafe.store.reads import OrderFile, order_file
from fallsafe.store.tx import Tx
from fallsafe.workbench.deps import Deps
from fallsafe.workbench.frame import base, not_ours, now_of, own_form, sign_in, sorry
from fallsafe.workbench.marks import stage_of
from fallsafe.workbench.narrowing import title_of
from fallsafe.workbench.once import asked_of, form_key, once
from fallsafe.workbench.paper import html
from fallsafe.workbench.words import COMMAND_WORDS, ITEM_WORDS, ORDER_WORDS, TASK_WORDS, words

ROWS_MAX = 200
TEXT_LETTERS_MAX, REASON_LETTERS_MAX = 10_000, 500
Handler = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class OrderDoor:
    """The routes under /orders."""

    deps: Deps

    def routes(self) -> tuple[tuple[str, Handler, str], ...]:
        """Path, handler and method of each."""
        return (("/orders/{order_id}", self.show, "GET"), ("/orders/{order_id}/cases", self.open_case, "POST"))

    async def show(self, request: Request, order_id: str) -> Response:
        """One order."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        return await self._show(request, actor, order_id)

    async def open_case(self, request: Request, order_id: str) -> Response:
        """Opens a case of what somebody saw, then shows it; the order again, with the refusal where it was refused."""
        actor = await self.deps.authenticate(request)
        if actor is None:
            return sign_in(request)
        form = await own_form(self.deps, request, actor)
        if form is None:
            return await not_ours(self.deps, request, actor)
        number, context = inside("order", order_id) or 0, self.deps.context()
        said = {name: form.get(name, "").strip() for name in ("item", "task", "code", "text", "reason")}
        if not said["text"] or not said["reason"]:
            why = ("Nothing was changed. Go back: say what you saw, and why it is a failure.",)
            return await sorry(self.deps, request, 400, "The form is not complete", why, actor)
        text, reason = said["text"][:TEXT_LETTERS_MAX], said["reason"][:REASON_LETTERS_MAX]
        seen = raising.Reported(number, said["item"], said["task"], said["code"], text, reason)
        answers = list[Answer]()

        async def work(tx: Tx) -> str:
            answers[:] = [await raising.raise_case(tx, context, seen, actor)]
            return outside("case", answers[0].id) if isinstance(answers[0], Applied) else ""

        name = await once(self.deps.database, asked_of(actor, f"/orders/{number}/cases", form), work)
        if answers and isinstance(answers[0], Refused):
            return await self._show(request, actor, order_id, answers[0].refusal)
        return RedirectResponse(f"/cases/{name}" if inside("case", name) else f"/orders/{order_id}", 303)

    async def _show(self, request: Request, actor: Actor, order_id: str, refusal: Refusal | None = None) -> Response:
        number = inside("order", order_id)
        file = await order_file(self.deps.database, number) if number is not None else None
        if file is None:
            lines = (f"Nothing is known by the name {order_id[:40]}.", "An order is named O- and a number.")
            return await sorry(self.deps, request, 404, "There is no such order", lines, actor)
        now = await now_of(self.deps)
        policy, items = self.deps.context().newest, {item.id: item for item in file.items}
        return html(
            "order.html",
            409 if refusal is not None else 200,
            **await base(self.deps, request, actor, "order"),
            now=now,
            refusal=refusal,
            may_open=may(actor, "open_case"),
            key=form_key(),
            codes=[(code.code, code.title) for code in sorted(policy.codes.values(), key=lambda code: code.title)],
            order=file.order,
            name=outside("order", file.order.id),
            state=words(file.order.state, ORDER_WORDS),
            items=[
                (item, policy.offers[item.offer].title if item.offer in policy.offers else item.offer,
                 words(item.state, ITEM_WORDS))
                for item in file.items[:ROWS_MAX]
            ],
            tasks=[
                (task, items[task.item_id].external_id if task.item_id in items else "", words(task.state, TASK_WORDS),
                 title_of("system", task.system or "none", policy), _waits(file, task.id))
                for task in file.tasks[:ROWS_MAX]
            ],
            cases=[
                (outside("case", case.id), case, title_of("code", case.code, policy), stage_of(case.state),
                 case.state in OPEN_CASE_STATES)
                for case in sorted(file.cases, key=lambda case: -case.id)[:ROWS_MAX]
            ],
            commands=[(outside("command", c.id), c, words(c.state, COMMAND_WORDS)) for c in file.commands[:ROWS_MAX]],
        )  # fmt: skip


def _waits(file: OrderFile, task_id: int) -> str:
    """The steps that a task waits for, by name."""
    task = file.task(task_id)
    before = [file.task(number) for number in task.depends_on] if task is not None else []
    return ", ".join(one.step for one in before if one is not None)

"""Nothing that the API refuses looks possible, nothing that it allows is missing, and the sentence of a refusal is the
same, word for word: for cases in many states, and for each role (§9, P6).
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import httpx2
import pytest
from tests.workbench import stored
from tests.workbench.stored import WHY, Drill, store_drill

from fallsafe.api.deps import Deps
from fallsafe.cli.serve import application
from fallsafe.core.access import ROLES, Actor, system
from fallsafe.core.cases.case import CaseState
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.orders.task import TaskState
from fallsafe.flows import access, casework
from fallsafe.flows.context import Answer, Applied
from fallsafe.security.tokens import digest_of, new_token
from fallsafe.store.ids import outside
from fallsafe.store.tx import Database, Tx
from fallsafe.store.work import Aggregate

WAITS = {"for": "customer", "what": "an answer", "reference": "", "until": "2099-01-01T00:00:00+00:00"}
# Each state of a case, by what its columns are.
CASES: Mapping[str, dict[str, Any]] = {
    "unknown": {},
    "assigned": {"state": CaseState.ASSIGNED},
    "somebody's": {"assignee": "somebody"},
    "waiting": {"waiting_for": WAITS},
    "escalated": {"escalated_to": "NETWORK_LEAD"},
    "resolved": {"state": CaseState.RESOLVED, "resolution": {"type": "SolvedElsewhere", "verified": False}},
    "closed": {"state": CaseState.CLOSED},
    "withdrawn": {"state": CaseState.WITHDRAWN},
    "without a command": {"command_id": None, "task_id": None},
}
# Codes whose requests were refused.
REFUSED = ("ADDRESS_REJECTED", "BILLING_ACCOUNT_MISSING", "UNCLASSIFIED", "RESERVATION_LOST", "APPOINTMENT_SLOT_LOST")


def ended(command: CommandState, task: TaskState) -> Callable[[Drill], Callable[[Aggregate], None]]:
    """The outcome is known: so the command ended, and its task with it."""

    def of(drilled: Drill) -> Callable[[Aggregate], None]:
        def change(order: Aggregate) -> None:
            order.put(replace(order.commands[drilled.command], state=command), "find", WHY)
            order.put(replace(order.tasks[drilled.task], state=task), "find", WHY)

        return change

    return of


def frozen(drilled: Drill) -> Callable[[Aggregate], None]:
    """Somebody stopped the order."""
    return lambda order: order.put(replace(order.order, frozen={"by": "person", "why": "asked"}), "freeze", WHY)


MOVES = {
    "done": ended(CommandState.DONE, TaskState.COMPLETED),
    "rejected": ended(CommandState.REJECTED, TaskState.FAILED),
    "absent": ended(CommandState.ABSENT, TaskState.FAILED),
    "frozen": frozen,
}


@pytest.fixture
async def doors(store: Database) -> AsyncIterator[tuple[httpx2.AsyncClient, dict[str, str]]]:
    """API and pages as one application, and a token for each role."""
    tokens = {role: new_token() for role in ROLES}

    async def known(tx: Tx) -> None:
        for role, token in tokens.items():
            await access.ensure_token(tx, f"a-{role}", "person", [role], digest_of(token), system("test"))

    await store.transact(known)
    app = application(Deps(store, stored.context, {}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://desk.test") as client:
        yield client, tokens


async def every_case(store: Database) -> dict[str, Drill]:
    """A case of each state, each of an order of its own."""
    made = {}
    for n, (name, columns) in enumerate(CASES.items()):
        made[name] = await store_drill(store, f"s{n}", **columns)
    for n, (name, move) in enumerate(MOVES.items()):
        made[name] = await store_drill(store, f"m{n}")
        await made[name].move(move(made[name]))
    for n, code in enumerate(REFUSED):
        made[code] = await store_drill(store, f"r{n}", code=code)
        await made[code].move(MOVES["rejected"](made[code]))
    return made


def on_page(text: str, case: str) -> set[str]:
    """What a page lets its reader do: the last part of the address of each form and link of an action."""
    part = text[text.index('id="part-repair"') : text.index('id="part-customer"')]
    forms = set(re.findall(rf'action="/cases/{case}/(reconcile|work/[a-z-]+)"', part))
    return forms | set(re.findall(rf'href="/cases/{case}/(repairs/new/\w+)"', part))


def door_of(action: Mapping[str, Any]) -> str:
    """Where the page does what the API does at an address."""
    last = action["href"].rpartition("/")[2]
    return f"repairs/new/{action['code']}" if last == "preview" else last if last == "reconcile" else f"work/{last}"


class WhenTheSameCaseIsSeenAtBothDoors:
    async def test_the_page_offers_what_the_api_allows_and_says_of_the_rest_what_it_says(
        self, store: Database, doors: tuple[httpx2.AsyncClient, dict[str, str]]
    ):
        client, tokens = doors
        different, compared = list[str](), 0
        for state, drilled in (await every_case(store)).items():
            case = outside("case", drilled.case)
            for role, token in tokens.items():
                headers = {"Authorization": f"Bearer {token}"}
                actions = (await client.get(f"/api/v1/fallout-cases/{case}/actions", headers=headers)).json()["items"]
                page = (await client.get(f"/cases/{case}", headers=headers)).text
                offered, said = on_page(page, case), unescape(page)
                allowed = {door_of(a) for a in actions if a["href"]}
                catalogued = {door_of({**a, "href": a["href"] or f"/{a['code']}"}) for a in actions} | allowed
                shown = offered & (catalogued | {o for o in offered if o.startswith("repairs/new/")} | {"reconcile"})
                different += [f"{state}, {role}: the page lacks {one}" for one in allowed - offered]
                different += [f"{state}, {role}: the page offers {one}" for one in shown - allowed]
                for action in (a for a in actions if a["locked"]):
                    missing = [why for why in action["locked"] if why not in said]
                    different += [f"{state}, {role}: of {action['code']} the page does not say {w}" for w in missing]
                compared += len(actions)
        assert different == [], "\n".join(different)
        assert compared > 500

    async def test_case_work_is_offered_where_the_flow_does_it_and_nowhere_else(
        self, store: Database, doors: tuple[httpx2.AsyncClient, dict[str, str]]
    ):
        client, tokens = doors
        different = list[str]()
        for state, drilled in (await every_case(store)).items():
            case = outside("case", drilled.case)
            for role, token in tokens.items():
                page = (await client.get(f"/cases/{case}", headers={"Authorization": f"Bearer {token}"})).text
                offered = {one.removeprefix("work/") for one in on_page(page, case) if one.startswith("work/")}
                done = await what_would_be_done(store, drilled, Actor("person", f"a-{role}", frozenset({role})))
                different += [f"{state}, {role}: the page lacks {one}" for one in done - offered]
                different += [f"{state}, {role}: the page offers {one}" for one in offered - done]
        assert different == [], "\n".join(different)


class NotKept(Exception):
    """Ends a transaction that was only asked for its answer."""


ASKS: Mapping[str, dict[str, str]] = {
    "claim": {}, "comment": {}, "evidence": {}, "diagnose": {}, "go-on": {}, "escalate": {}, "withdraw": {},
    "reopen": {},
    "transfer": {"ownerGroup": "ORDER_DESK", "done": "looked", "asked": "look too"},
    "consult": {"group": "ORDER_DESK", "asked": "is it wanted?"}, "accept": {}, "return": {},
    "reply": {"group": "ORDER_DESK", "answer": "yes"}, "refer": {"system": "JIRA", "reference": "X-1"},
    "follow-up": {}, "relate": {"to": "", "how": "related"}, "resolve": {"type": "SolvedElsewhere"},
    "wait": {"whom": "customer", "what": "another answer"},
}  # fmt: skip


async def what_would_be_done(store: Database, drilled: Drill, actor: Actor) -> set[str]:
    """The asks that would change the case, each tried in a transaction that is taken back."""
    done, case = set(), drilled.case
    for name, asked in ASKS.items():
        answers = list[Answer]()
        given = {**asked, "to": outside("order", drilled.order)}

        async def body(tx: Tx, name: str = name, given: dict[str, str] = given, out: list[Answer] = answers) -> None:
            until = await tx.now() + timedelta(days=1) if name in ("wait", "follow-up") else None
            what = casework.ask_of(name, given, actor, until)
            out[:] = await casework.work(tx, stored.context(), [case], actor, what, "asked", casework.Paper(b"a text"))
            raise NotKept

        with pytest.raises(NotKept):
            await store.transact(body)
        if isinstance(answers[0], Applied) and not answers[0].already:
            done.add(name)
    return done

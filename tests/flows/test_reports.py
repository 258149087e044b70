"""Orders of another engine: its word wins in the order of its revisions, in whatever order, and however often, its
reports come; what contradicts is a case (model rule 3).
"""

import random
from functools import partial
from itertools import permutations
from typing import Any

import msgspec
import pytest
from tests.flows.orders import ACTOR, answer, claim, drill, due, lose_agenda, make_due, seen, submit
from tests.flows.test_approvals import amended
from tests.flows.test_signals import judge, known, said

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import CaseState
from fallsafe.core.commands.ledger import Purpose
from fallsafe.core.commands.outcome import Rejected
from fallsafe.core.detect.signal import signal_draft
from fallsafe.core.orders.order import OrderState
from fallsafe.core.orders.task import TaskState
from fallsafe.core.orders.watched import report_draft
from fallsafe.core.recover.breaker import Came, Heard
from fallsafe.flows import commands, downstreams, reports, review, signals, steering
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.store import audit
from fallsafe.store.tx import Database
from fallsafe.store.work import Aggregate

AGREED = {
    "customerRef": "CU-9",
    "committedAt": "2027-03-01T10:00:00Z",
    "items": [
        {"externalId": "line", "action": "add", "offer": "FIBER-HOME-1G", "monthlyMinor": 4500, "currency": "EUR"},
        {"externalId": "bill", "action": "add", "offer": "MONTHLY-BILLING", "parent": "line"},
    ],
}


def step(name: str, state: str, item: str = "line", **more: Any) -> dict[str, Any]:
    return {"task": name, "state": state, "item": item, **more}


def report(event: str, revision: int, *tasks: dict[str, Any], name: str = "E-1", **more: Any) -> dict[str, Any]:
    told = {"eventId": event, "orderId": name, "revision": revision, "tasks": list(tasks)}
    return {**told, "at": f"2026-11-25T10:{revision:02}:00Z", **more}


FIRST = report(
    "EV-1",
    1,
    step("feasibility", "completed"),
    step("activate", "in_progress", system="PRV", dependsOn=[{"task": "feasibility"}]),
    step("subscribe", "planned", "bill", dependsOn=[{"task": "activate", "item": "line"}]),
    order=AGREED,
    state="in_progress",
)


async def tell(store: Database, context: Context, *told: dict[str, Any], source: str = "ENG") -> list[Answer]:
    """Receives reports, as a door does."""
    bodies = [(report_draft(source, one), msgspec.json.encode(one)) for one in told]
    return await store.transact(lambda tx: reports.receive(tx, context, bodies, ACTOR))


async def apply(store: Database, context: Context) -> None:
    """Lets a worker apply all that is due."""
    looks = await due(store, context, "report")
    await store.transact(lambda tx: reports.apply(tx, context, looks, ACTOR))


async def order(store: Database, name: str = "E-1", source: str = "ENG") -> Aggregate:
    """The order as it stands."""
    rows = await store.fetch("orders/named", sources=[source], externals=[name])
    return await seen(store, rows[0]["id"])


def states(aggregate: Aggregate) -> dict[str, str]:
    return {t.step: t.state.value for t in aggregate.tasks.values()}


class WhenAnEngineReports:
    async def test_the_order_is_known_with_its_plan_and_nothing_of_it_is_ever_sent(self, store, context, owner_url):
        await tell(store, context, FIRST)
        await apply(store, context)
        here = await order(store)
        assert states(here) == {"feasibility": "completed", "activate": "handed_over", "subscribe": "planned"}
        assert {t.executor for t in here.tasks.values()} == {"external"}
        assert (here.order.state, here.order.customer_ref) == (OrderState.IN_PROGRESS, "CU-9")
        assert {i.external_id: i.offer for i in here.items.values()} == {
            "line": "FIBER-HOME-1G",
            "bill": "MONTHLY-BILLING",
        }
        assert here.commands == {}
        assert await due(store, context, "send") == []
        assert (await store.fetch("reads/coverage_gaps")) == []
        assert audit.verify(owner_url).findings == ()

    async def test_the_same_report_again_changes_nothing_and_another_under_its_id_is_refused(self, store, context):
        first, again = await tell(store, context, FIRST, FIRST)
        await apply(store, context)
        version = (await order(store)).order.version
        (later,) = await tell(store, context, FIRST)
        (other,) = await tell(store, context, {**FIRST, "revision": 2})
        await apply(store, context)
        assert [isinstance(a, Applied) and a.already for a in (first, again, later)] == [False, True, True]
        assert isinstance(other, Refused)
        assert other.refusal.code == "REPORT_ID_REUSED"
        assert (await order(store)).order.version == version

    async def test_a_failure_is_a_case_by_the_rules_of_its_system_and_ends_with_the_engines_success(
        self, store, context
    ):
        await tell(store, context, FIRST)
        wrong = step("activate", "failed", system="PRV", code="PORT_FAULT", message="port 7 is down")
        await tell(store, context, report("EV-2", 2, wrong))
        await apply(store, context)
        here = await order(store)
        (case,) = here.open_cases
        assert (case.raw_code, case.system, case.detector, case.blocked_tasks) == ("PORT_FAULT", "PRV", "engine", 1)
        assert case.owner_group == context.newest.owners[case.owner_group].code
        await tell(store, context, report("EV-3", 3, step("activate", "in_progress")))
        await apply(store, context)
        assert (await order(store)).cases[case.id].state is not CaseState.RESOLVED
        done = [step("activate", "completed"), step("subscribe", "completed", "bill")]
        await tell(store, context, report("EV-4", 4, *done, state="completed"))
        await apply(store, context)
        here = await order(store)
        healed = here.cases[case.id]
        assert (healed.state, healed.resolution["type"]) == (CaseState.RESOLVED, "SelfHealed")
        assert here.order.state is OrderState.COMPLETED

    async def test_reports_in_any_order_come_to_the_same(self, store, context):
        course = [
            report("EV-1", 1, step("a", "in_progress"), step("b", "planned", dependsOn=[{"task": "a"}]), order=AGREED),
            report("EV-2", 2, step("a", "failed", code="PORT_FAULT")),
            report("EV-3", 3, step("a", "completed"), step("b", "in_progress")),
            report("EV-4", 4, step("b", "completed"), state="completed"),
        ]
        dice = random.Random(7)
        for n, told in enumerate(dice.sample(list(permutations(course)), 6)):
            for one in told:
                await tell(store, context, {**one, "orderId": f"E-{n}", "eventId": f"{n}/{one['eventId']}"})
                if dice.random() < 0.7:
                    await apply(store, context)
            await apply(store, context)
            here = await order(store, f"E-{n}")
            assert states(here) == {"a": "completed", "b": "completed", "fulfill": "completed"}, told
            assert here.order.state is OrderState.COMPLETED, told
            assert {i.external_id for i in here.items.values()} == {"line", "bill"}
            assert here.order.customer_ref == "CU-9"
            assert [c.code for c in here.open_cases] == [], told
        assert (await store.fetch("reads/coverage_gaps")) == []


class WhenTheEngineTakesSomethingBack:
    async def test_its_word_is_applied_and_is_a_case_and_the_customer_is_not_told_that_it_is_done(self, store, context):
        await tell(store, context, report("EV-1", 1, step("a", "completed"), state="completed"))
        await apply(store, context)
        assert (await order(store)).order.state is OrderState.COMPLETED
        await tell(store, context, report("EV-2", 2, step("a", "in_progress"), state="in_progress"))
        await apply(store, context)
        here = await order(store)
        (case,) = here.open_cases
        assert (case.code, case.message_key) == ("ENGINE_CONTRADICTS", "confirming")
        assert (here.order.state, states(here)) == (OrderState.IN_PROGRESS, {"a": "handed_over"})
        assert (await store.fetch("reads/coverage_gaps")) == []

    async def test_a_success_after_a_cancellation_is_a_late_success(self, store, context):
        await tell(store, context, report("EV-1", 1, step("a", "cancelled"), state="cancelled"))
        await apply(store, context)
        assert (await order(store)).order.state is OrderState.CANCELLED
        await tell(store, context, report("EV-2", 2, step("a", "completed")))
        await apply(store, context)
        here = await order(store)
        assert ([c.code for c in here.open_cases], states(here)) == (["LATE_SUCCESS"], {"a": "completed"})
        assert here.order.state is OrderState.COMPLETED

    async def test_two_words_under_one_revision_are_a_contradiction_and_nothing_moves(self, store, context):
        await tell(store, context, report("EV-1", 1, step("a", "in_progress")))
        await tell(store, context, report("EV-2", 1, step("a", "failed")))
        await apply(store, context)
        here = await order(store)
        assert states(here) == {"a": "handed_over"}
        assert [c.code for c in here.open_cases] == ["ENGINE_CONTRADICTS"]

    async def test_a_report_about_an_order_that_we_execute_moves_nothing_and_is_a_case(self, store, context):
        (own,) = await submit(store, context, drill())
        await tell(store, context, report("EV-1", 1, step("a", "completed"), name="777"), source="CRM")
        await apply(store, context)
        here = await seen(store, own.id)
        assert [c.code for c in here.open_cases] == ["ENGINE_CONTRADICTS"]
        assert "a" not in states(here)


class WhenTheEngineIsSilent:
    async def test_a_step_past_its_time_is_a_case_that_its_next_word_ends(self, store, context):
        await tell(store, context, report("EV-1", 1, step("a", "in_progress", dueAt="2026-11-26T10:00:00Z")))
        await apply(store, context)
        here = await order(store)
        (task,) = here.tasks.values()
        await make_due(store, "overdue", task.id, here.order.id)
        looks = await due(store, context, "overdue")
        await store.transact(lambda tx: commands.find_overdue(tx, context, looks, ACTOR))
        here = await order(store)
        (case,) = here.open_cases
        assert (case.code, case.detector, case.task_id) == ("ORDER_STUCK", "overdue", task.id)
        assert "ENG owes a word" in case.raw_message
        assert states(here) == {"a": "handed_over"}
        await tell(store, context, report("EV-2", 2, step("a", "in_progress")))
        await apply(store, context)
        assert (await order(store)).open_cases == []

    async def test_a_step_that_is_only_named_by_one_that_waited_for_it_is_looked_at_too(self, store, context):
        late = step("subscribe", "completed", dependsOn=[{"task": "activate"}])
        await tell(store, context, report("EV-1", 1, late, order=AGREED))
        await apply(store, context)
        (task,) = [t for t in (await order(store)).tasks.values() if t.step == "activate"]
        assert (task.pending, task.breach_at is not None) == (0, True)
        assert await store.fetch("reads/coverage_gaps") == []

    async def test_an_order_that_is_over_for_its_engine_and_has_steps_that_are_not_is_looked_at_soon(
        self, store, context
    ):
        first = report("EV-1", 1, step("a", "completed"), step("b", "in_progress"), state="completed")
        await tell(store, context, first)
        await apply(store, context)
        here = await order(store)
        (late,) = [t for t in here.tasks.values() if t.step == "b"]
        assert late.breach_at is not None
        assert late.breach_at - here.order.last_at <= context.newest.limits.unmatched_delays[-1]
        assert here.order.state is OrderState.IN_PROGRESS


class WhenAnEngineTellsOfNoSteps:
    async def test_its_word_on_the_order_is_its_word_on_each_item(self, store, context):
        await tell(store, context, report("EV-1", 1, state="in_progress", order=AGREED))
        await apply(store, context)
        assert states(await order(store)) == {"fulfill": "handed_over"}
        await tell(store, context, report("EV-2", 2, state="completed"))
        await apply(store, context)
        here = await order(store)
        assert [t.state for t in here.tasks.values()] == [TaskState.COMPLETED] * 2
        assert here.order.state is OrderState.COMPLETED

    async def test_steps_of_which_only_some_name_their_item_belong_to_the_one_that_has_no_name(self, store, context):
        steps = [step("s1", "in_progress", "b"), {"task": "s2", "state": "planned"}]
        await tell(store, context, report("EV-1", 1, *steps))
        await apply(store, context)
        here = await order(store)
        items = {t.step: here.items[t.item_id].external_id for t in here.tasks.values()}
        assert items["s1"] == "b" and items["s2"] != "b"

    async def test_an_order_of_which_nothing_is_told_is_reviewed_like_any_other(self, store, context):
        await tell(store, context, {"eventId": "EV-1", "orderId": "E-1", "revision": 1})
        await apply(store, context)
        here = await order(store)
        await make_due(store, "review", here.order.id, here.order.id)
        looks = await due(store, context, "review")
        await store.transact(lambda tx: review.review(tx, context, looks, ACTOR))
        assert [case.code for case in (await order(store)).open_cases] == ["ORDER_STUCK"]

    async def test_a_signal_that_waited_for_the_order_finds_it(self, store, context):
        about = {"source": "ENG", "externalId": "E-1"}
        told = {**said("A-1"), "order": about}
        bodies = [(signal_draft(told), msgspec.json.encode(told))]
        await store.transact(lambda tx: signals.receive(tx, context, bodies, ACTOR))
        await judge(store, context)
        await tell(store, context, FIRST)
        await apply(store, context)
        await judge(store, context)
        assert (await known(store))["A-1"].state.value == "standing"


class WhenAMonitorSeesItToo:
    """A failure that both an engine and somebody else told of is over when both say so, in either order."""

    @pytest.mark.parametrize("engine_first", [True, False])
    @pytest.mark.parametrize("opened_by_engine", [True, False])
    async def test_it_heals_with_the_last_of_them(self, store, context, engine_first, opened_by_engine):
        about = {"order": {"source": "ENG", "externalId": "E-1"}, "task": "activate", "code": "E42"}

        async def signal(**more: Any) -> None:
            told = {"source": "MON", **about, **more}
            bodies = [(signal_draft(told), msgspec.json.encode(told))]
            await store.transact(lambda tx: signals.receive(tx, context, bodies, ACTOR))
            await judge(store, context)

        async def word(event: str, revision: int, state: str, **more: Any) -> None:
            await tell(store, context, report(event, revision, step("activate", state, **more)))
            await apply(store, context)

        await tell(store, context, FIRST)
        await apply(store, context)
        if opened_by_engine:
            await word("EV-2", 2, "failed", code="E42", system="PRV")
        await signal(externalId="A-1", system="PRV")
        if not opened_by_engine:
            await word("EV-2", 2, "failed", code="E42", system="PRV")
        (case,) = (await order(store)).open_cases

        ends = [
            ("engine", lambda: word("EV-3", 3, "completed")),
            ("monitor", lambda: signal(externalId="A-2", ends="A-1")),
        ]
        for n, (_, end) in enumerate(ends if engine_first else reversed(ends)):
            assert [c.id for c in (await order(store)).open_cases] == [case.id], n
            await end()
        here = await order(store)
        assert here.open_cases == [] and here.cases[case.id].resolution["type"] == "SelfHealed"


class WhenItIsReviewed:
    @pytest.mark.parametrize("state", ["planned", "ready", "in_progress"])
    async def test_an_order_in_time_has_a_reason_to_be_where_it_is(self, store, context, state):
        await tell(store, context, report("EV-1", 1, step("a", state)))
        await apply(store, context)
        here = await order(store)
        await make_due(store, "review", here.order.id, here.order.id)
        looks = await due(store, context, "review")
        person = Actor("system", "scanner")
        await store.transact(lambda tx: review.review(tx, context, looks, person))
        assert (await order(store)).open_cases == []


class WhenTheEngineItselfIsDown:
    async def test_what_it_is_to_be_told_waits_and_goes_out_once_it_works(self, store, context) -> None:
        failed = step("activate", "failed", system="PRV", code="PORT_FAULT", message="port 7 is down")
        await tell(store, context, FIRST, report("EV-2", 2, failed))
        await apply(store, context)
        here = await order(store)
        task = next(t for t in here.tasks.values() if t.step == "activate")
        ben = Actor("person", "ben", frozenset({"operator"}))
        down = [Heard("ENG", 1, Came.BACK)] * 5
        await store.transact(lambda tx: downstreams.observe(tx, context, down, ACTOR))
        steers = partial(steering.steer, task_ids=[task.id], actor=ben, reason="go", verb="retry")
        (told,) = await store.transact(lambda tx: steers(tx, context))
        assert await claim(store, context) == []
        (parked,) = await store.fetch("downstreams/waiting", now="infinity")
        assert (parked["gate"], parked["parked"]) == (context.gates["ENG"], 1)
        assert (await order(store)).tasks[task.id].state is TaskState.FAILED

        assert await store.fetch("reads/coverage_gaps") == []
        await lose_agenda(store, here.order.id)
        gaps = {(row["thing"], row["thing_id"]) for row in await store.fetch("reads/coverage_gaps")}
        assert ("command", told.id) in gaps

        works = {"state": "clear", "since": None, "changed_at": None, "why": "", "failures": 0, "probes": 0}
        works |= {"canary": None, "look_at": None, "moves": 2}
        await store.transact(lambda tx: tx.execute("downstreams/write", system="ENG", **works))
        await make_due(store, "release", task.id, here.order.id)
        called = await due(store, context, "release")
        await store.transact(lambda tx: downstreams.release(tx, context, called, ACTOR))
        (claimed,) = await claim(store, context)
        assert claimed.command_id == told.id

        # What the engine refuses is not told anew by a change of the deal: only its own word moves its step.
        await answer(store, context, claimed, Rejected("NOT_NOW", "not now"))
        case = next(c for c in (await order(store)).open_cases if c.task_id == task.id)
        await amended(store, context, case.id, {"item": "line", "changes": {"termMonths": 12}})
        here = await order(store)
        assert here.tasks[task.id].state is TaskState.FAILED
        assert {c.id for c in here.commands.values() if c.purpose is Purpose.RESUME} == {told.id}

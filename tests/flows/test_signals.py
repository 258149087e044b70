"""Signals from outside: each once, judged by the rules, joined to the one open case of its kind, kept until its order
comes, and taken back (§6, §7).
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
from tests.flows.orders import ACTOR, drill, due, make_due, seen, submit, task
from tests.flows.test_callbacks import loose_cases

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import CaseState
from fallsafe.core.cases.work import Withdraw
from fallsafe.core.detect.brake import Brake
from fallsafe.core.detect.signal import SignalState, signal_draft
from fallsafe.core.triage.classify import index
from fallsafe.flows import casework, signals
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.store import audit
from fallsafe.store.reads import order_file
from fallsafe.store.reads import signals as read_signals
from fallsafe.store.rows import StoredSignal
from fallsafe.store.tx import Database


def said(name: str, order: str = "777", **changed: Any) -> dict[str, Any]:
    """A signal of the line monitor as JSON."""
    about = {"source": "CRM", "externalId": order}
    told = {"source": "MON", "externalId": name, "order": about, "code": "LINE_DOWN", "message": "no light on port 7"}
    return {**told, **changed}


async def tell(store: Database, context: Context, *told: dict[str, Any]) -> list[Answer]:
    """Receives signals, as a door does."""
    bodies = [(signal_draft(one), msgspec.json.encode(one)) for one in told]
    return await store.transact(lambda tx: signals.receive(tx, context, bodies, ACTOR))


async def judge(store: Database, context: Context) -> None:
    """Lets a worker judge all that is due."""
    looks = await due(store, context, "signal")
    await store.transact(lambda tx: signals.apply(tx, context, looks, ACTOR))


async def known(store: Database) -> dict[str, StoredSignal]:
    """Every signal by its source's id."""
    return {view.signal.external_id: view.signal for view in (await read_signals(store, limit=200)).rows}


class WhenASignalComes:
    async def test_it_opens_one_case_with_its_bytes_and_its_raw_code(self, store, context) -> None:
        (order,) = await submit(store, context, drill())
        await tell(store, context, said("A-1", task="activateFiberService", item="fiber"))
        await judge(store, context)
        here = await seen(store, order.id)
        (case,) = here.open_cases
        assert (case.raw_code, case.raw_message) == ("LINE_DOWN", "no light on port 7")
        assert (case.task_id, case.detector) == (task(here, "activateFiberService").id, "signal")
        assert case.system == "PRV"
        (row,) = (await known(store)).values()
        assert (row.state, row.case_id, row.order_id) == (SignalState.STANDING, case.id, order.id)
        assert (row.code, row.rule, row.policy_set) == (case.code, case.rule, context.newest.id)

    async def test_the_same_signal_again_changes_nothing_however_it_is_written(self, store, context) -> None:
        (order,) = await submit(store, context, drill())
        first, second, third = await tell(store, context, said("A-1"), said("A-1"), dict(reversed(said("A-1").items())))
        await judge(store, context)
        (again,) = await tell(store, context, said("A-1"))
        await judge(store, context)
        assert isinstance(first, Applied)
        assert not first.already
        assert all(isinstance(a, Applied) and a.already and a.id == first.id for a in (second, third, again))
        (case,) = (await seen(store, order.id)).open_cases
        assert case.occurrences == 1
        file = await order_file(store, order.id)
        assert file is not None and sum(e.kind == "signal" for e in file.evidence) == 1

    async def test_another_content_under_a_known_id_is_refused_and_the_refusal_recorded(self, store, context) -> None:
        await submit(store, context, drill())
        first, other = await tell(store, context, said("A-1"), said("A-1", message="something else"))
        (later,) = await tell(store, context, said("A-1", code="OTHER"))
        assert isinstance(first, Applied)
        assert [a.refusal.code for a in (other, later) if isinstance(a, Refused)] == ["SIGNAL_ID_REUSED"] * 2
        lines = await store.fetch("reads/journal_of_thing", thing="signal", id=first.id, limit=10)
        assert [line["verb"] for line in lines] == ["receive", "refuse_receive", "refuse_receive"]

    async def test_many_of_one_failure_are_one_case_and_a_failure_alike_elsewhere_has_its_fingerprint(
        self, store, context
    ) -> None:
        one, other = await submit(store, context, drill("777"), drill("778"))
        told = [said(f"A-{n}", task="reserveRouter", message=f"no light on port {n}") for n in range(20)]
        await tell(store, context, *told, said("B-1", "778", task="reserveRouter"))
        await judge(store, context)
        (case,) = (await seen(store, one.id)).open_cases
        (alike,) = (await seen(store, other.id)).open_cases
        assert case.occurrences == 20
        assert case.fingerprint == alike.fingerprint

    async def test_personal_values_in_its_words_stand_nowhere_but_in_its_evidence(self, store, context) -> None:
        (order,) = await submit(store, context, drill())
        await tell(store, context, said("A-1", message="Sari Wulandari called"))
        await judge(store, context)
        (case,) = (await seen(store, order.id)).open_cases
        assert case.raw_message == "[personal] called"
        lines = await store.fetch("reads/journal", id=order.id, after=0, limit=1000)
        assert not any("Sari" in line["payload"] for line in lines)


class WhenItsOrderIsNotHere:
    async def test_it_is_judged_at_once_when_the_order_comes(self, store, context) -> None:
        (answer,) = await tell(store, context, said("A-1"))
        await judge(store, context)
        assert (await known(store))["A-1"].tries == 1
        (order,) = await submit(store, context, drill())
        await judge(store, context)
        row = (await known(store))["A-1"]
        assert (row.id, row.state, row.order_id) == (answer.id, SignalState.STANDING, order.id)
        assert len((await seen(store, order.id)).open_cases) == 1

    async def test_when_nobody_brings_it_there_is_one_case_and_it_ends_when_the_order_comes(
        self, store, context, owner_url
    ) -> None:
        told = await tell(store, context, said("A-1"), said("A-2"))
        for _ in range(len(context.newest.limits.unmatched_delays) + 1):
            for one in told:
                await make_due(store, "signal", one.id, None)
            await judge(store, context)
        assert {row.state for row in (await known(store)).values()} == {SignalState.UNMATCHED}
        (case,) = await store.fetch("cases/of_orders", ids=[0])
        assert (case["code"], case["occurrences"], case["owner_group"]) == (
            "SIGNAL_UNMATCHED",
            2,
            "INTEGRATION_ENGINEERING",
        )
        await tell(store, context, said("B-1", "nobody"))
        for _ in range(len(context.newest.limits.unmatched_delays) + 1):
            await make_due(store, "signal", (await known(store))["B-1"].id, None)
            await judge(store, context)
        await tell(store, context, said("B-2", "nobody"))  # it is still waited for
        ended = []
        for name in ("A-2", "B-1", "B-2"):
            await tell(store, context, said(f"E-{name}", "777" if name == "A-2" else "nobody", ends=name))
            await judge(store, context)
            ended.append([c["state"] for c in await store.fetch("cases/of_orders", ids=[0])].count("resolved"))
        assert ended == [0, 0, 1]  # of an order of which nobody speaks any more there is nothing to find out
        (order,) = await submit(store, context, drill())
        await judge(store, context)
        assert (await known(store))["A-1"].state is SignalState.STANDING
        case = next(c for c in await store.fetch("cases/of_orders", ids=[0]) if c["occurrences"] == 2)
        assert (case["state"], case["resolution"]["type"]) == ("resolved", "SelfHealed")
        assert len((await seen(store, order.id)).open_cases) == 1
        assert audit.verify(owner_url).findings == ()


class WhenItIsTakenBack:
    async def test_the_case_heals_with_the_last_signal_that_it_stands_on(self, store, context) -> None:
        (order,) = await submit(store, context, drill())
        await tell(store, context, said("A-1"), said("A-2"))
        await judge(store, context)
        await tell(store, context, said("E-1", ends="A-1"))
        await judge(store, context)
        assert len((await seen(store, order.id)).open_cases) == 1
        await tell(store, context, said("E-2", ends="A-2"))
        await judge(store, context)
        (case,) = (await seen(store, order.id)).cases.values()
        assert (case.state, case.resolution["type"], case.resolution["verified"]) == (
            CaseState.RESOLVED,
            "SelfHealed",
            True,
        )
        assert {row.state for row in (await known(store)).values()} == {SignalState.ENDED}

    async def test_the_end_may_come_before_the_beginning_was_judged(self, store, context) -> None:
        (order,) = await submit(store, context, drill())
        await tell(store, context, said("E-1", ends="A-1"))
        await judge(store, context)
        told = await tell(store, context, said("A-1"))
        await make_due(store, "signal", (await known(store))["E-1"].id, None)
        await judge(store, context)
        assert {row.state for row in (await known(store)).values()} == {SignalState.ENDED}
        assert not (await seen(store, order.id)).open_cases
        assert len(told) == 1

    async def test_what_somebody_else_saw_too_stays_open(self, store, context) -> None:
        (order,) = await submit(store, context, drill())
        await tell(store, context, said("A-1"), said("X-1", source="DESK"))
        await judge(store, context)
        await tell(store, context, said("E-1", ends="A-1"), said("E-2", source="DESK", ends="A-1"))
        await judge(store, context)
        (case,) = (await seen(store, order.id)).open_cases
        rows = await known(store)
        assert rows["A-1"].state is SignalState.ENDED
        assert rows["X-1"].state is SignalState.STANDING
        assert rows["X-1"].case_id == case.id


class WhenADetectorFindsTooMuch:
    async def test_beyond_floor_and_ratio_one_case_says_so_and_the_rest_wait(self, store, context, monkeypatch) -> None:
        """§6, P11: one owner, not a flood; a person lets them through, or takes the rule back."""
        brake = Brake(floor=2, ratio=0.1, within=timedelta(minutes=15))
        policy = replace(context.newest, limits=replace(context.newest.limits, brake=brake))
        context = replace(context, newest=policy, policies={policy.id: policy})
        names = [f"7{n:02}" for n in range(6)]
        orders = [answer.id for answer in await submit(store, context, *(drill(name) for name in names))]
        for n, name in enumerate(names):
            await tell(store, context, said(f"A-{n}", name, task="activateFiberService", looked=20))
            await judge(store, context)
        rows = await known(store)
        states = [rows[f"A-{n}"].state for n in range(6)]
        assert states == [SignalState.STANDING] * 2 + [SignalState.CANDIDATE] * 4
        assert [len((await seen(store, one)).open_cases) for one in orders] == [1, 1, 0, 0, 0, 0]
        braked = sorted(case.case_key for case in await loose_cases(store))
        rule = rows["A-2"].rule
        assert [key.rpartition("DETECTOR_BRAKED/")[2] for key in braked] == [f"rule/{rule}", "source/MON"]

        boss = Actor("person", "boss", frozenset({"manager"}))
        ids = [case.id for case in await loose_cases(store)]
        kept = await store.transact(lambda tx: casework.work(tx, context, ids, boss, Withdraw(), "it is nothing"))
        assert [answer.refusal.code for answer in kept if isinstance(answer, Refused)] == ["FAILURE_STANDS"] * 2
        clerk = Actor("person", "clerk", frozenset({"support"}))
        (no,) = await store.transact(lambda tx: signals.admit(tx, context, "MON", None, clerk, "they are right"))
        assert isinstance(no, Refused) and no.refusal.code == "NOT_ALLOWED"
        admitted = await store.transact(lambda tx: signals.admit(tx, context, "MON", None, boss, "they are right"))
        assert len(admitted) == 4
        ended = await store.transact(lambda tx: casework.work(tx, context, ids, boss, Withdraw(), "it was right"))
        assert [type(answer) for answer in ended] == [Applied, Applied]
        assert [len((await seen(store, one)).open_cases) for one in orders] == [1] * 6

        (found,) = [row for row in await store.fetch("reads/rules", rule=rule, limit=9) if row["cases"] == 6]
        assert (found["withdrawn"], found["confirmed"], found["candidates"]) == (0, 0, 0)

        async def withdraw(who: Actor) -> list[Answer]:
            wrong = "the monitor was wrong"
            return await store.transact(lambda tx: signals.withdraw_rule(tx, context, rule, policy.id, who, wrong))

        monkeypatch.setattr(signals, "WITHOUT_MANAGER_MAX", 5)
        (no,) = await withdraw(Actor("person", "engineer", frozenset({"engineer"}), frozenset({"*"})))
        assert isinstance(no, Refused) and "6 cases at once" in no.refusal.why
        took = await withdraw(boss)
        assert [getattr(answer, "refusal", None) for answer in took] == [None] * 6
        assert {row.state for row in (await known(store)).values()} == {SignalState.WITHDRAWN}
        for one in orders:
            (case,) = (await seen(store, one)).cases.values()
            assert case.state is CaseState.WITHDRAWN
        (found,) = [row for row in await store.fetch("reads/rules", rule=rule, limit=9) if row["cases"] == 6]
        assert (found["withdrawn"], found["confirmed"]) == (6, 0)

    async def test_what_is_so_no_more_before_it_was_judged_counts_for_nothing(self, store, context) -> None:
        brake = Brake(floor=1, ratio=0.1, within=timedelta(minutes=15))
        policy = replace(context.newest, limits=replace(context.newest.limits, brake=brake))
        context = replace(context, newest=policy, policies={policy.id: policy})
        await submit(store, context, drill("701"), drill("702"))
        told = [said("A-1", "701"), said("A-2", "702"), said("E-1", "701", ends="A-1")]
        await tell(store, context, *told)
        await judge(store, context)
        rows = await known(store)
        states = [rows[name].state for name in ("A-1", "A-2", "E-1")]
        assert states == [SignalState.ENDED, SignalState.STANDING, SignalState.ENDED]

    async def test_a_source_that_looks_at_many_may_find_more(self, store, context) -> None:
        brake = Brake(floor=2, ratio=0.1, within=timedelta(minutes=15))
        policy = replace(context.newest, limits=replace(context.newest.limits, brake=brake))
        context = replace(context, newest=policy, policies={policy.id: policy})
        names = [f"7{n:02}" for n in range(4)]
        await submit(store, context, *(drill(name) for name in names))
        await tell(store, context, *(said(f"A-{n}", name, looked=1_000) for n, name in enumerate(names)))
        await judge(store, context)
        assert {row.state for row in (await known(store)).values()} == {SignalState.STANDING}

    async def test_a_rule_in_shadow_decides_nothing_and_says_what_it_would(self, store, context) -> None:
        rule = replace(context.newest.rules.fallback, id="S01", codes=frozenset({"LINE_DOWN"}), shadow=True)
        rule = replace(rule, code="DEVICE_NOT_REACHABLE")
        at = context.newest.rules
        shadows = index([rule], at.fallback, at.owners, at.domains).shadows
        policy = replace(context.newest, rules=replace(at, shadows=shadows))
        context = replace(context, newest=policy, policies={policy.id: policy})
        await submit(store, context, drill())
        await tell(store, context, said("A-1"))
        await judge(store, context)
        (row,) = (await known(store)).values()
        assert (row.state, row.shadow) == (SignalState.STANDING, ("S01",))
        assert row.code != "DEVICE_NOT_REACHABLE"
        (found,) = await store.fetch("reads/rules", rule="S01", limit=9)
        assert (found["cases"], found["shadow"]) == (0, 1)

"""The order of §26 as it stands right after fiber activation lost its answer, written down by hand as the store would
give it.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case, CaseState
from fallsafe.core.cases.evidence import Evidence
from fallsafe.core.commands.ledger import Command, CommandState, Purpose
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import Order, OrderState, Phase
from fallsafe.core.orders.task import Task, TaskState
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.policyset import load, shipped
from fallsafe.store.reads import Attempt, CaseFile, CaseRow, OrderFile, OutcomeRow
from fallsafe.store.trail import JournalLine
from fallsafe.store.work import Entry

NOW = datetime(2026, 11, 25, 10, 21, 40, tzinfo=UTC)
BASE = 251_658_240_000_016_384
ORDER, FIBER, STATIC_IP, ROUTER, BILLING = BASE, BASE + 1, BASE + 2, BASE + 3, BASE + 4
ACCOUNT, RESERVE, SCHEDULE, ACTIVATE, CONFIGURE, SUBSCRIBE = (BASE + 10 + n for n in range(6))
COMMANDS = {ACCOUNT: BASE + 20, RESERVE: BASE + 21, SCHEDULE: BASE + 22, ACTIVATE: BASE + 23}
QUERY, CASE = BASE + 30, BASE + 40
OPERATOR = Actor("person", "you", frozenset({"operator", "engineer"}))
SUPPORT = Actor("person", "grace", frozenset({"support"}))


@cache
def policy() -> PolicySet:
    """The shipped telco set, at the speed of life."""
    return load(shipped())


def at(minute: int, second: int = 0) -> datetime:
    """A time within the hour of the drill."""
    return datetime(2026, 11, 25, 10, minute, second, tzinfo=UTC)


def order() -> Order:
    """The order, promised for tomorrow at five in Jakarta."""
    return Order(
        id=ORDER,
        source="CRM",
        external_id="777",
        phase=Phase.RUNNING,
        state=OrderState.HELD,
        version=42,
        received_at=at(15),
        last_at=at(21, 5),
        policy_set=policy().id,
        time_zone="Asia/Jakarta",
        customer_ref="CUST-1001",
        segment="consumer",
        priority=3,
        vulnerable=False,
        test=False,
        channel="web",
        region="JKT",
        catalog_version="2026.11",
        requested_at=None,
        committed_first_at=datetime(2026, 11, 26, 10, tzinfo=UTC),
        committed_at=datetime(2026, 11, 26, 10, tzinfo=UTC),
        supplier_at=None,
        forecast_at=None,
        actual_at=None,
        snapshot={},
        fingerprint="f" * 64,
        quote={},
        approvals=[],
        parties=[],
        links=[],
        correlation_id="corr-1",
        traceparent="",
        frozen=None,
        last_lane=1,
        last_seq=42,
        last_digest="",
    )


def item(number: int, name: str, offer: str, state: ItemState, monthly: int = 0) -> Item:
    """One line of the order."""
    return Item(
        id=number,
        order_id=ORDER,
        external_id=name,
        parent_id=None if name == "fiber" else FIBER,
        action="add",
        offer=offer,
        quantity=1,
        place=None,
        characteristics={},
        one_off_minor=6_000 if name == "fiber" else 0,
        monthly_minor=monthly,
        currency="EUR",
        term_months=12,
        regulated=False,
        existing_service="",
        state=state,
        hold_code="",
    )


def task(
    number: int, item_id: int, step: str, state: TaskState, after: tuple[int, ...], then: tuple[int, ...], **more: Any
) -> Task:
    """One step of the plan, with what its type says."""
    kind = policy().task_types[step]
    made = Task(
        id=number,
        order_id=ORDER,
        item_id=item_id,
        step=step,
        type=step,
        system=kind.system,
        operation=kind.operation,
        executor="command",
        mandatory=True,
        state=state,
        pending=len(after) if state is TaskState.PLANNED else 0,
        depends_on=after,
        next=then,
        undo=kind.undo,
        ponr=kind.ponr,
        ready_at=None,
        sent_at=None,
        accepted_at=None,
        completed_at=None,
        expected_at=None,
        warning_at=None,
        breach_at=None,
        valid_until=None,
        reference="",
        result=None,
        waiting=None,
        frozen=None,
    )
    return replace(made, **more)


def tasks() -> tuple[Task, ...]:
    """Three done, one unknown, two behind it."""
    return (
        task(
            ACCOUNT,
            BILLING,
            "createBillingAccount",
            TaskState.COMPLETED,
            (),
            (SUBSCRIBE,),
            completed_at=at(15, 4),
            reference="ACC-9001",
        ),
        task(
            RESERVE,
            ROUTER,
            "reserveRouter",
            TaskState.COMPLETED,
            (),
            (SCHEDULE,),
            completed_at=at(15, 5),
            reference="RSV-77",
        ),
        task(
            SCHEDULE,
            FIBER,
            "scheduleInstallation",
            TaskState.COMPLETED,
            (RESERVE,),
            (ACTIVATE,),
            completed_at=at(16, 2),
            reference="APT-5",
        ),
        task(
            ACTIVATE,
            FIBER,
            "activateFiberService",
            TaskState.UNKNOWN,
            (SCHEDULE,),
            (CONFIGURE, SUBSCRIBE),
            sent_at=at(20, 21),
        ),
        task(CONFIGURE, STATIC_IP, "activateStaticIp", TaskState.PLANNED, (ACTIVATE,), ()),
        task(SUBSCRIBE, BILLING, "createSubscription", TaskState.PLANNED, (ACCOUNT, ACTIVATE), ()),
    )


def command(number: int, of: Task, item_name: str, state: CommandState, sent: datetime, **more: Any) -> Command:
    """The command of a task, sent once."""
    made = Command(
        id=number,
        order_id=ORDER,
        task_id=of.id,
        purpose=Purpose.FULFILL,
        n=1,
        key=f"CRM/777/{item_name}.{of.step}/fulfill/1",
        system=of.system,
        operation=of.operation,
        state=state,
        intended_at=sent,
        attempts=1,
        retries=0,
        payload_digest="",
        request_evidence_id=None,
        first_sent_at=sent,
        last_sent_at=sent,
        ended_at=sent + timedelta(seconds=1),
        accepted_at=None,
        done_at=None,
        lease_until=None,
        lease_worker="",
        reference="",
        lost_because="",
        looks=0,
        empty_looks=0,
        first_empty_at=None,
        pending_looks=0,
        target_id=None,
        look=0,
        method="",
        finding="",
        contract_set=policy().id,
        failing_since=None,
    )
    return replace(made, **more)


def commands() -> tuple[Command, ...]:
    """Three done, one unknown, and the first question about it."""
    by_id = {t.id: t for t in tasks()}
    lost = command(
        COMMANDS[ACTIVATE],
        by_id[ACTIVATE],
        "fiber",
        CommandState.UNKNOWN,
        at(20, 21),
        ended_at=at(20, 31),
        lost_because="timeout",
        looks=1,
    )
    query = replace(
        lost,
        id=QUERY,
        purpose=Purpose.QUERY,
        key="CRM/777/fiber.activateFiberService/query/1",
        operation="PRV.queryActivation",
        state=CommandState.DONE,
        target_id=lost.id,
        look=1,
        method="key",
        finding="absent",
        done_at=at(20, 32),
        lost_because="NOT_FOUND",
        looks=0,
        first_sent_at=at(20, 32),
        last_sent_at=at(20, 32),
    )
    return (
        command(COMMANDS[ACCOUNT], by_id[ACCOUNT], "billing", CommandState.DONE, at(15, 3), reference="ACC-9001"),
        command(COMMANDS[RESERVE], by_id[RESERVE], "router", CommandState.DONE, at(15, 4), reference="RSV-77"),
        command(COMMANDS[SCHEDULE], by_id[SCHEDULE], "fiber", CommandState.DONE, at(16, 1), reference="APT-5"),
        lost,
        query,
    )


def case() -> Case:
    """The case of the lost answer: critical by its floor, owned, being diagnosed."""
    reasons = [
        {"points": 30, "sentence": "the promised date is at risk", "factor": "customer impact"},
        {"points": 4, "sentence": "monthly revenue is blocked", "factor": "revenue impact"},
        {"points": 5, "sentence": "the first year is worth 500 or more", "factor": "order value"},
        {"points": 3, "sentence": "consumer", "factor": "customer segment"},
        {"points": 15, "sentence": "promised by the end of the next working day", "factor": "time left"},
        {"points": 5, "sentence": "2 tasks wait behind it", "factor": "blast radius"},
        {"points": 0, "sentence": "outcome unknown and promised by the end of the next working day", "factor": "floor"},
    ]
    return Case(
        id=CASE,
        order_id=ORDER,
        item_id=FIBER,
        task_id=ACTIVATE,
        command_id=COMMANDS[ACTIVATE],
        case_key=f"{ORDER}/{ACTIVATE}/UNKNOWN_OUTCOME",
        state=CaseState.DIAGNOSING,
        code="UNKNOWN_OUTCOME",
        domain="Provisioning",
        cause="no_answer",
        recoverability="unknown_outcome",
        automation="act",
        severity="critical",
        points=62,
        reasons=reasons,
        owner_group="NETWORK_OPERATIONS",
        assignee="",
        system="PRV",
        operation="PRV.activateService",
        raw_code="timeout",
        raw_message="",
        fingerprint="abc",
        detector="outcome",
        occurred_at=at(20, 31),
        detected_at=at(20, 31),
        touched_at=at(20, 32),
        sla_due_at=at(20, 31) + timedelta(hours=4),
        customer_impact="delayed",
        amount_minor=4_500,
        currency="EUR",
        message_key="confirming",
        blocked_tasks=2,
        occurrences=1,
        next_action="Look up by the original key before anything is sent again.",
        waiting_for=None,
        related=[],
        resolution=None,
        rule="G06",
        policy_set=policy().id,
    )


def line(
    seq: int,
    when: datetime,
    actor: str,
    thing: str,
    number: int,
    verb: str,
    was: str = "",
    now: str = "",
    reason: str = "",
    **more: Any,
) -> JournalLine:
    """One record of the journal; those with one `transaction` were committed together."""
    facts: Mapping[str, Any] = more.pop("facts", {})
    made = JournalLine(
        lane=1,
        seq=seq,
        order_id=ORDER,
        version=seq,
        at=when,
        transaction=(1, seq),
        before=(0, 0, ""),
        actor=actor,
        causation="",
        thing=thing,
        thing_id=number,
        verb=verb,
        was=was,
        now=now,
        delta={},
        reason=reason,
        policy_set="",
        rule="",
        evidence=(),
        facts=facts,
        digest="0" * 64,
    )
    return replace(made, **more)


def journal() -> tuple[JournalLine, ...]:
    """The part of the journal that a reader of the case looks at."""
    key, act, lost = COMMANDS[ACTIVATE], ACTIVATE, "answer says lost (timeout)"
    together: dict[str, Any] = {"transaction": (1, 20)}
    return (
        line(1, at(15), "machine:crm", "order", ORDER, "acknowledge", "", "acknowledged", "taken in"),
        line(
            10,
            at(16, 2),
            "system:dispatcher",
            "task",
            act,
            "dependencies_met",
            "planned",
            "ready",
            "all predecessors are final",
        ),
        line(12, at(20, 21), "system:dispatcher", "command", key, "send", "intended", "sending", "attempt 1 leaves"),
        line(
            13,
            at(20, 21),
            "system:dispatcher",
            "task",
            act,
            "send",
            "ready",
            "sending",
            "attempt 1 leaves",
            transaction=(1, 12),
        ),
        line(
            20,
            at(20, 31),
            "system:dispatcher",
            "command",
            key,
            "lose",
            "sending",
            "unknown",
            lost,
            rule="disposition/applied",
            evidence=(BASE + 51,),
            **together,
        ),
        line(
            21,
            at(20, 31),
            "system:dispatcher",
            "task",
            act,
            "lose",
            "sending",
            "unknown",
            lost,
            rule="disposition/applied",
            **together,
        ),
        line(
            22,
            at(20, 31),
            "system:dispatcher",
            "case",
            CASE,
            "detect",
            "",
            "detected",
            "PRV PRV.activateService: timeout",
            **together,
        ),
        line(
            23,
            at(20, 31),
            "system:dispatcher",
            "case",
            CASE,
            "classify",
            "detected",
            "classified",
            "timeout on an operation with an effect: nobody knows what happened",
            rule="G06",
            policy_set=policy().id,
            **together,
        ),
        line(
            24,
            at(20, 31),
            "system:dispatcher",
            "case",
            CASE,
            "assign",
            "classified",
            "assigned",
            "owner of UNKNOWN_OUTCOME by rule G06",
            **together,
        ),
        line(
            25,
            at(20, 31),
            "system:dispatcher",
            "case",
            CASE,
            "score",
            "assigned",
            "assigned",
            "critical, 62 points",
            **together,
        ),
        line(
            30, at(20, 32), "system:reconciler", "command", key, "look", "unknown", "unknown", "look 1 at what happened"
        ),
        line(
            31,
            at(20, 32),
            "system:reconciler",
            "case",
            CASE,
            "diagnose",
            "assigned",
            "diagnosing",
            "look 1 began by itself",
        ),
        line(
            33,
            at(20, 33),
            "system:reconciler",
            "command",
            QUERY,
            "complete",
            "sending",
            "done",
            "PRV.queryActivation by key says absent",
            evidence=(BASE + 52,),
        ),
        line(
            34,
            at(20, 33),
            "system:reconciler",
            "command",
            key,
            "look_again",
            "unknown",
            "unknown",
            "nothing is found, and the settle window has not ended",
        ),
        line(
            40,
            at(21, 5),
            "person:you",
            "command",
            key,
            "refuse_resend",
            "",
            "",
            f"cannot send command C-{key}",
            facts={
                "code": "OUTCOME_UNKNOWN",
                "why": f"the outcome of C-{key} is unknown since 10:20:31 UTC (timeout)",
                "hint": f"first find out: fallsafe command reconcile C-{key}",
            },
        ),
    )


def evidence() -> tuple[Evidence, ...]:
    """What was sent and what came back."""
    made = Evidence(
        id=BASE + 50,
        order_id=ORDER,
        command_id=COMMANDS[ACTIVATE],
        attempt=1,
        kind="request",
        source="PRV",
        media_type="application/json",
        sensitivity="personal",
        size=312,
        head="POST /activations",
        at=at(20, 21),
        digest="9f2c" * 16,
        sealed_digest="a0" * 32,
    )
    return (
        replace(
            made,
            id=BASE + 49,
            command_id=None,
            attempt=0,
            kind="order",
            source="CRM",
            size=2_310,
            head="POST /api/v1/orders",
            at=at(15),
        ),
        made,
        replace(
            made, id=BASE + 52, command_id=QUERY, kind="answer", size=74, head="404", at=at(20, 33), digest="51de" * 16
        ),
    )


def order_file(**changed: Any) -> OrderFile:
    """The whole file of the order."""
    by_task = {c.task_id: c for c in commands() if c.purpose is Purpose.FULFILL}
    told = [
        OutcomeRow(
            BASE + 60 + n, c.id, 1, (c.ended_at or NOW), "answer", "done", c.reference, "", "", "applied", None, ()
        )
        for n, c in enumerate(by_task.values())
        if c.state is CommandState.DONE
    ]
    lost = OutcomeRow(
        BASE + 69, COMMANDS[ACTIVATE], 1, at(20, 31), "answer", "lost", "", "timeout", "", "applied", None, (BASE + 50,)
    )
    made = OrderFile(
        order=order(),
        items=(
            item(FIBER, "fiber", "FIBER-HOME-1G", ItemState.HELD, 4_500),
            item(STATIC_IP, "static-ip", "STATIC-IP", ItemState.HELD),
            item(ROUTER, "router", "WIFI-ROUTER", ItemState.COMPLETED),
            item(BILLING, "billing", "MONTHLY-BILLING", ItemState.HELD),
        ),
        tasks=tasks(),
        commands=commands(),
        cases=(case(),),
        attempts=tuple(Attempt(c.id, 1, c.first_sent_at or NOW, "worker-1", NOW, policy().id) for c in commands()),
        outcomes=(*told, lost),
        evidence=evidence(),
        agenda=(Entry("lookup", ACTIVATE, ORDER, at(25, 31)), Entry("review", CASE, ORDER, at(35, 31))),
        journal=journal(),
    )
    return replace(made, **changed)


def case_file(**changed: Any) -> CaseFile:
    """The case with the file of its order; `changed` are parts of the order's file."""
    whole = order_file(**changed)
    return CaseFile(whole.cases[0], whole, whole.evidence, whole.agenda, whole.journal, ())


def row(**changed: Any) -> CaseRow:
    """The case as the queue reads it."""
    whole = order()
    made = CaseRow(
        case=case(),
        order_source="CRM",
        order_external_id="777",
        order_state="held",
        customer_ref=whole.customer_ref,
        segment="consumer",
        committed_at=whole.committed_at,
        time_zone=whole.time_zone,
        item_external_id="fiber",
        item_state="held",
        offer="FIBER-HOME-1G",
        task_step="activateFiberService",
        task_state="unknown",
        command_key="k",
        command_state="unknown",
        retries=0,
    )
    return replace(made, **changed)

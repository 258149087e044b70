"""Plausible things for tests of the core: each maker takes only what the test is about."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fallsafe.core.cases.case import Case, CaseState
from fallsafe.core.commands.contract import LookUp, Operation, Repeat, Request
from fallsafe.core.commands.ledger import Command, CommandState, Purpose
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import ItemDraft, OrderDraft, PartyDraft
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import Order, OrderState, Phase
from fallsafe.core.orders.task import Task, TaskState

NOW = datetime(2026, 7, 2, 3, 0, tzinfo=UTC)  # Thursday, 10:00 in Jakarta
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TOMORROW_17_IN_JAKARTA = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)


def _render(_: Mapping[str, Json]) -> Request:
    return Request("POST", "/", (), b"{}", "application/json")


def a_look_up(method: str = "key") -> LookUp:
    return LookUp(method, "PRV.queryActivation", _render, ())


AN_OPERATION = Operation(
    name="PRV.activateService",
    system="PRV",
    effect=True,
    moves_money_or_goods=False,
    completion="callback",
    render=_render,
    answers=(),
    key_lives=timedelta(days=30),
    repeat=Repeat.REJECTS_DUPLICATE,
    look_ups=(a_look_up("key"), a_look_up("reference")),
    settle_window=5 * MINUTE,
    second_look=5 * MINUTE,
    not_sent_statuses=frozenset({429}),
    call_timeout=timedelta(seconds=10),
    object_fact="object",
)


def an_operation(**changes: Any) -> Operation:
    return replace(AN_OPERATION, **changes)


A_COMMAND = Command(
    id=9,
    order_id=1,
    task_id=4,
    purpose=Purpose.FULFILL,
    n=1,
    key="CRM/777/fiber.activateFiberService/fulfill/1",
    system="PRV",
    operation="PRV.activateService",
    state=CommandState.INTENDED,
    intended_at=NOW,
    attempts=0,
    retries=0,
    payload_digest="",
    request_evidence_id=None,
    first_sent_at=None,
    last_sent_at=None,
    ended_at=None,
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
    contract_set="telco@2026-07-01+0123456789ab",
    failing_since=None,
)


def a_command(state: CommandState = CommandState.INTENDED, **changes: Any) -> Command:
    return replace(A_COMMAND, state=state, **changes)


def a_lost_command(**changes: Any) -> Command:
    """Sent at `NOW`, timed out ten seconds later."""
    ended = NOW + timedelta(seconds=10)
    sent = {"attempts": 1, "first_sent_at": NOW, "last_sent_at": NOW, "ended_at": ended, "lost_because": "timeout"}
    return a_command(**{"state": CommandState.UNKNOWN, **sent, **changes})


AN_ORDER = Order(
    id=1,
    source="CRM",
    external_id="777",
    phase=Phase.RUNNING,
    state=OrderState.IN_PROGRESS,
    version=1,
    received_at=NOW,
    last_at=NOW,
    policy_set="telco@2026-07-01+0123456789ab",
    time_zone="Asia/Jakarta",
    customer_ref="CU-1",
    segment="consumer",
    priority=2,
    vulnerable=False,
    test=False,
    channel="web",
    region="JKT",
    catalog_version="2026-06",
    requested_at=None,
    committed_first_at=TOMORROW_17_IN_JAKARTA,
    committed_at=TOMORROW_17_IN_JAKARTA,
    supplier_at=None,
    forecast_at=None,
    actual_at=None,
    snapshot=None,
    fingerprint="f" * 64,
    quote=None,
    approvals=None,
    parties=None,
    links=None,
    correlation_id="",
    traceparent="",
    frozen=None,
    last_lane=0,
    last_seq=0,
    last_digest="",
)


def an_order(**changes: Any) -> Order:
    return replace(AN_ORDER, **changes)


AN_ITEM = Item(
    id=1,
    order_id=1,
    external_id="fiber",
    parent_id=None,
    action="add",
    offer="FIBER-HOME-1G",
    quantity=1,
    place=None,
    characteristics=None,
    one_off_minor=0,
    monthly_minor=0,
    currency="EUR",
    term_months=24,
    regulated=False,
    existing_service="",
    state=ItemState.ACKNOWLEDGED,
    hold_code="",
)


def an_item(external_id: str = "fiber", **changes: Any) -> Item:
    return replace(AN_ITEM, external_id=external_id, **changes)


A_TASK = Task(
    id=4,
    order_id=1,
    item_id=1,
    step="activateFiberService",
    type="activateFiberService",
    system="PRV",
    operation="PRV.activateService",
    executor="command",
    mandatory=True,
    state=TaskState.READY,
    pending=0,
    depends_on=(),
    next=(),
    undo="deactivateService",
    ponr="none",
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


def a_task(id: int = 4, state: TaskState = TaskState.READY, **changes: Any) -> Task:  # noqa: A002
    return replace(A_TASK, id=id, state=state, **changes)


def a_case(**changes: Any) -> Case:
    defaults: dict[str, Any] = {}
    for f in fields(Case):
        kind = str(f.type)
        defaults[f.name] = "" if "str" in kind else 0 if kind == "<class 'int'>" else None
    known = {
        "id": 100,
        "order_id": 1,
        "state": CaseState.ASSIGNED,
        "code": "UNKNOWN_OUTCOME",
        "severity": "high",
        "occurred_at": NOW,
        "detected_at": NOW,
        "touched_at": NOW,
        "occurrences": 1,
    }
    return Case(**{**defaults, **known, **changes})


def an_item_draft(external_id: str = "fiber", **changes: Any) -> ItemDraft:
    draft = ItemDraft(
        external_id=external_id,
        parent="",
        action="add",
        offer="FIBER-HOME-1G",
        quantity=1,
        place={},
        characteristics={},
        one_off_minor=0,
        monthly_minor=0,
        currency="EUR",
        term_months=24,
        regulated=False,
        existing_service="",
        depends_on=(),
    )
    return replace(draft, **changes)


DRILL_ITEMS = (
    an_item_draft("fiber", place={"street": "Jalan Melati 1"}),
    an_item_draft("static-ip", parent="fiber", offer="STATIC-IP"),
    an_item_draft("router", parent="fiber", offer="WIFI-ROUTER", one_off_minor=6_000),
    an_item_draft("billing", parent="fiber", offer="MONTHLY-BILLING", monthly_minor=4_500),
)


def a_draft(items: Sequence[ItemDraft] | None = None, **changes: Any) -> OrderDraft:
    draft = OrderDraft(
        source="CRM",
        external_id="777",
        time_zone="Asia/Jakarta",
        customer_ref="CU-1",
        segment="consumer",
        priority=2,
        vulnerable=False,
        test=False,
        channel="web",
        region="JKT",
        catalog_version="2026-06",
        requested_at=None,
        committed_at=TOMORROW_17_IN_JAKARTA,
        quote={},
        approvals=(),
        parties=(PartyDraft("customer", "CU-1", {"name": "Sari"}),),
        links=(),
        correlation_id="",
        traceparent="",
        items=tuple(DRILL_ITEMS if items is None else items),
        body=b"",
    )
    return replace(draft, **changes)


def a_signal(**changes: Any) -> Signal:
    signal = Signal(
        detector=Detector.OUTCOME,
        order_id=1,
        item_id=1,
        task_id=4,
        command_id=9,
        system="PRV",
        operation="PRV.activateService",
        raw_code="",
        message="",
        sign="",
        effect=True,
        occurred_at=NOW,
        detected_at=NOW,
        step="activateFiberService",
    )
    return replace(signal, **changes)

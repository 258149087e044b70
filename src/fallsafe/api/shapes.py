"""From values of the core to the structs of the API: names and units only, no judgement."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from fallsafe.api import wire
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.evidence import Evidence
from fallsafe.core.cases.handling import handling_of
from fallsafe.core.commands.ledger import Command, Purpose
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, event_name
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, no_return_at
from fallsafe.core.orders.watched import AGREED, VERBS, is_watched
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.payload import of_order
from fallsafe.store.canonical import instant
from fallsafe.store.ids import PREFIX, outside
from fallsafe.store.reads import CaseRow, Coverage, OrderFile, SignalView
from fallsafe.store.trail import JournalLine

BASE = "/api/v1"
SECONDS_A_DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def version_alone(touched_at: datetime) -> int:
    """The version of a case without an order: the microsecond of its last change, of which each is later than the one
    before.
    """
    return (touched_at - EPOCH) // timedelta(microseconds=1)


def at(time: datetime | None) -> str | None:
    """A time as it is sent."""
    return instant(time) if time is not None else None


def named(thing: str, number: int | None) -> str | None:
    """An id as it is sent; None where there is no thing (0 stands for none, too)."""
    return outside(thing, number) if number else None


def duration(length: timedelta) -> str:
    """ISO 8601 without years and months: `PT5M`, `P1DT12H`."""
    days, seconds = divmod(int(length.total_seconds()), SECONDS_A_DAY)
    rest = length.microseconds / 1e6
    hours, minutes, whole = seconds // 3600, seconds // 60 % 60, seconds % 60
    small = f"{whole + rest:.6f}".rstrip("0").rstrip(".") if rest else str(whole)
    time = f"{f'{hours}H' if hours else ''}{f'{minutes}M' if minutes else ''}{f'{small}S' if small != '0' else ''}"
    said = (f"{days}D" if days else "") + (f"T{time}" if time else "")
    return "P" + (said or "T0S")


def refusal(given: Refusal) -> wire.Refusal:
    """A refusal, word for word."""
    return wire.Refusal(code=given.code, what=given.what, why=given.why, hint=given.hint, pointer=given.pointer)


def order(given: Order) -> wire.Order:
    """An order without its parts."""
    return wire.Order(
        id=outside("order", given.id),
        source=given.source,
        external_id=given.external_id,
        phase=given.phase.value,
        state=given.state.value,
        version=given.version,
        received_at=instant(given.received_at),
        last_at=instant(given.last_at),
        policy_set=given.policy_set,
        time_zone=given.time_zone,
        customer_ref=given.customer_ref,
        segment=given.segment,
        priority=given.priority,
        vulnerable=given.vulnerable,
        test=given.test,
        channel=given.channel,
        region=given.region,
        catalog_version=given.catalog_version,
        requested_at=at(given.requested_at),
        committed_first_at=at(given.committed_first_at),
        committed_at=at(given.committed_at),
        supplier_at=at(given.supplier_at),
        forecast_at=at(given.forecast_at),
        actual_at=at(given.actual_at),
        fingerprint=given.fingerprint,
        quote=given.quote,
        approvals=given.approvals,
        parties=given.parties,
        links=given.links,
        correlation_id=given.correlation_id,
        traceparent=given.traceparent,
        frozen=given.frozen,
        reported=given.reported,
        href=f"{BASE}/orders/{outside('order', given.id)}",
    )


def signal(view: SignalView) -> wire.Signal:
    """A signal from outside."""
    given, name = view.signal, outside("signal", view.signal.id)
    return wire.Signal(
        id=name,
        source=given.source,
        external_id=given.external_id,
        order_id=named("order", given.order_id),
        order_source=given.order_source,
        order_external_id=given.order_external_id,
        state=given.state.value,
        case_id=named("case", given.case_id),
        case_state=view.case_state,
        case_changed_at=at(view.case_touched_at),
        code=given.code,
        rule=given.rule,
        policy_set=given.policy_set,
        shadow=list(given.shadow),
        ends=given.ends,
        looked=given.looked,
        occurred_at=instant(given.occurred_at),
        received_at=instant(given.received_at),
        evidence=outside("evidence", given.evidence_id),
        href=f"{BASE}/signals/{name}",
    )


def item(given: Item, policy: PolicySet) -> wire.Item:
    """An item; its place stays sealed."""
    offer = policy.offers.get(given.offer)
    return wire.Item(
        id=outside("item", given.id),
        external_id=given.external_id,
        parent_id=named("item", given.parent_id),
        action=given.action,
        offer=given.offer,
        offer_title=offer.title if offer else "",
        quantity=given.quantity,
        characteristics=given.characteristics,
        one_off_minor=given.one_off_minor,
        monthly_minor=given.monthly_minor,
        currency=given.currency,
        term_months=given.term_months,
        regulated=given.regulated,
        existing_service=given.existing_service,
        state=given.state.value,
        hold_code=given.hold_code,
        sealed=("place",) if given.place else (),
    )


def title_of(task: Task, policy: PolicySet) -> str:
    """What people call the step."""
    kind = policy.task_types.get(task.type)
    return kind.title if kind else task.step


def _no_return_at(given: Task, file: OrderFile, policy: PolicySet) -> datetime | None:
    kind = policy.task_types.get(given.type)
    if kind is None:
        return None
    items, tasks = {one.id: one for one in file.items}, {one.id: one for one in file.tasks}
    return no_return_at(given, kind, of_order(file.order, items, tasks, given, {}))


def task(given: Task, file: OrderFile, policy: PolicySet) -> wire.Task:
    """A task with what it waits for."""
    waits = [t for t in file.tasks if t.id in given.depends_on and t.state not in FINAL_TASK_STATES]
    stops = [c for c in file.cases if c.task_id == given.id and c.state in OPEN_CASE_STATES]
    return wire.Task(
        id=outside("task", given.id),
        order_id=outside("order", given.order_id),
        item_id=outside("item", given.item_id),
        step=given.step,
        type=given.type,
        title=title_of(given, policy),
        system=given.system,
        operation=given.operation,
        executor=given.executor,
        mandatory=given.mandatory,
        state=given.state.value,
        depends_on=[outside("task", t) for t in given.depends_on],
        waits_for=[outside("task", t.id) for t in waits],
        open_cases=[outside("case", c.id) for c in stops],
        undo=given.undo,
        ponr=given.ponr,
        ponr_at=at(_no_return_at(given, file, policy)),
        ready_at=at(given.ready_at),
        sent_at=at(given.sent_at),
        accepted_at=at(given.accepted_at),
        completed_at=at(given.completed_at),
        expected_at=at(given.expected_at),
        warning_at=at(given.warning_at),
        breach_at=at(given.breach_at),
        valid_until=at(given.valid_until),
        reference=given.reference,
        frozen=given.frozen,
        waiting=given.waiting,
        reported=given.reported,
        steers=[v for v, states in VERBS.items() if v not in AGREED and is_watched(given) and given.state in states],
        next_looks=[{"kind": e.kind, "dueAt": instant(e.due_at)} for e in file.agenda if e.id == given.id],
    )


def command(given: Command, file: OrderFile, locked: Refusal | None) -> wire.Command:
    """A command with its attempts, what was said about it, and the questions that were asked."""
    asked = [c for c in file.commands if c.purpose is Purpose.QUERY and c.target_id == given.id]
    return wire.Command(
        id=outside("command", given.id),
        order_id=outside("order", given.order_id),
        task_id=outside("task", given.task_id),
        purpose=given.purpose.value,
        n=given.n,
        key=given.key,
        system=given.system,
        operation=given.operation,
        state=given.state.value,
        intended_at=instant(given.intended_at),
        first_sent_at=at(given.first_sent_at),
        last_sent_at=at(given.last_sent_at),
        ended_at=at(given.ended_at),
        accepted_at=at(given.accepted_at),
        done_at=at(given.done_at),
        lease_until=at(given.lease_until),
        payload_digest=given.payload_digest,
        request_evidence=named("evidence", given.request_evidence_id),
        reference=given.reference,
        lost_because=given.lost_because,
        looks=given.looks,
        empty_looks=given.empty_looks,
        target_id=named("command", given.target_id),
        method=given.method,
        finding=given.finding,
        contract_set=given.contract_set,
        attempts=_attempts(given, file),
        outcomes=_outcomes(given, file),
        questions=[outside("command", c.id) for c in asked],
        locked=refusal(locked) if locked else None,
    )


def _attempts(given: Command, file: OrderFile) -> list[wire.Attempt]:
    return [
        wire.Attempt(
            n=a.n,
            at=instant(a.at),
            worker=a.worker,
            lease_until=instant(a.lease_until),
            contract_set=a.contract_set,
        )
        for a in file.attempts
        if a.command_id == given.id
    ]


def _outcomes(given: Command, file: OrderFile) -> list[wire.Outcome]:
    return [
        wire.Outcome(
            at=instant(o.at),
            attempt=o.attempt,
            source=o.source,
            says=o.says,
            reference=o.reference,
            raw_code=o.raw_code,
            message=o.message,
            disposition=o.disposition,
            occurred_at=at(o.occurred_at),
            evidence=[outside("evidence", i) for i in o.evidence],
        )
        for o in file.outcomes
        if o.command_id == given.id
    ]


def handling(case: Case) -> wire.Handling:
    """How people pass a case on."""
    known = handling_of(case.handling, case.detected_at)
    return wire.Handling(
        handover=wire.Handover(**asdict(known.handover)) if known.handover else None,
        consults=[wire.Consult(**asdict(one)) for one in known.consults],
        tickets=[wire.Ticket(one.system, one.reference) for one in known.tickets],
        follow_up_at=at(known.follow_up_at),
        claimed_until=at(known.claimed_until),
        bounces=known.bounces,
        held=known.held,
        since=instant(known.since),
    )


def case_row(given: CaseRow, policy: PolicySet) -> wire.CaseRow:
    """A case as a list shows it."""
    case = given.case
    known = policy.codes.get(case.code)
    return wire.CaseRow(
        id=outside("case", case.id),
        order_id=named("order", case.order_id),
        order_source=given.order_source,
        order_external_id=given.order_external_id,
        order_state=given.order_state,
        customer_ref=given.customer_ref,
        item_id=named("item", case.item_id),
        item_external_id=given.item_external_id,
        offer=given.offer,
        task_id=named("task", case.task_id),
        task_step=given.task_step,
        task_state=given.task_state,
        state=case.state.value,
        code=case.code,
        raw_code=case.raw_code,
        title=known.title if known else case.code,
        domain=case.domain,
        recoverability=case.recoverability,
        severity=case.severity,
        points=case.points,
        owner_group=case.owner_group,
        assignee=case.assignee,
        system=case.system,
        operation=case.operation,
        detected_at=instant(case.detected_at),
        sla_due_at=at(case.sla_due_at),
        committed_at=at(given.committed_at),
        touched_at=instant(case.touched_at),
        retries=given.retries,
        occurrences=case.occurrences,
        blocked_tasks=case.blocked_tasks,
        customer_impact=case.customer_impact,
        amount_minor=case.amount_minor,
        currency=case.currency,
        next_action=case.next_action,
        href=f"{BASE}/fallout-cases/{outside('case', case.id)}",
    )


def evidence(given: Evidence) -> wire.Evidence:
    """What is known of a piece of evidence."""
    name = outside("evidence", given.id)
    return wire.Evidence(
        id=name,
        order_id=named("order", given.order_id),
        command_id=named("command", given.command_id),
        attempt=given.attempt,
        kind=given.kind,
        source=given.source,
        media_type=given.media_type,
        sensitivity=given.sensitivity,
        size=given.size,
        head=given.head,
        at=instant(given.at),
        digest=given.digest,
        sealed_digest=given.sealed_digest,
        href=f"{BASE}/evidence/{name}",
    )


def record(given: JournalLine) -> wire.Record:
    """A record of the journal."""
    return wire.Record(
        event_id=given.event_id,
        event=event_name(given.thing, given.verb),
        order_id=named("order", given.order_id),
        version=given.version,
        at=instant(given.at),
        actor=given.actor,
        causation=given.causation,
        thing=given.thing,
        thing_id=thing_name(given.thing, given.thing_id),
        verb=given.verb,
        was=given.was,
        now=given.now,
        changes=camel_keys(given.delta),
        reason=given.reason,
        policy_set=given.policy_set,
        rule=given.rule,
        evidence=[outside("evidence", i) for i in given.evidence],
        facts=given.facts,
        digest=given.digest,
    )


def cloud_event(given: JournalLine) -> wire.CloudEvent:
    """A record as an event of the feed; its subject is the case, else the order, else the thing itself (§20)."""
    order_id = named("order", given.order_id)
    own = thing_name(given.thing, given.thing_id)
    return wire.CloudEvent(
        specversion="1.0",
        id=given.event_id,
        source="urn:fallsafe",
        type=f"io.fallsafe.{event_name(given.thing, given.verb)}.v1",
        subject=own if given.thing == "case" else order_id or own,
        time=instant(given.at),
        datacontenttype="application/json",
        data=record(given),
    )


def thing_name(thing: str, number: int) -> str:
    """The id of any thing of a record."""
    return outside(thing, number) if thing in PREFIX else str(number)


def camel_keys(given: Mapping[str, Json]) -> dict[str, Any]:
    """The same object with the names of columns as they are called outside."""
    return {camel(key): value for key, value in given.items()}


def camel(name: str) -> str:
    """`detected_at` → `detectedAt`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def coverage(given: Coverage) -> wire.Coverage:
    """Coverage with the first of its gaps."""
    gaps = [
        wire.Gap(order_id=named("order", order_id), thing=thing, thing_id=thing_name(thing, number), gap=gap)
        for order_id, thing, number, gap in given.first_gaps
    ]
    return wire.Coverage(
        percent=given.percent,
        live=given.live,
        gaps=given.gaps,
        late=given.late,
        waiting_to_send=given.waiting_to_send,
        first_gaps=gaps,
        at=instant(given.at),
    )

"""What the API answers about an order and about a case: the ten questions of §26 are fields of the case.

Nothing is decided here. Each answer is what the core says about the rows that were read, under the policy set that
counts: the newest for triage, ownership, service levels and messages, the one a command was sent under for its
contract.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fallsafe.api import shapes, wire
from fallsafe.api.shapes import at, duration, named, version_alone
from fallsafe.core.access import Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.work import standing
from fallsafe.core.commands.contract import Operation
from fallsafe.core.commands.ledger import Command, CommandState, Purpose, may_send, settles_at
from fallsafe.core.events import Json
from fallsafe.core.orders.progress import Reason, Stuck, progress
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState, WayBack
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.plans import PLANS
from fallsafe.core.triage.impact import impact_of
from fallsafe.core.triage.playbook import position, recommended
from fallsafe.flows.context import Context
from fallsafe.flows.payload import way_back_of
from fallsafe.flows.repairs import actions_of
from fallsafe.flows.telling import customer_hears
from fallsafe.store.canonical import instant
from fallsafe.store.ids import outside
from fallsafe.store.reads import CaseFile, CaseRow, Mended, OrderFile

LOCALE = "en"
RECONCILE = "RECONCILE_NOW"
NOT_SENDABLE = (CommandState.UNKNOWN, CommandState.ABSENT)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, when, and which policy is in force."""

    actor: Actor
    now: datetime
    context: Context
    locale: str = LOCALE

    @property
    def newest(self) -> PolicySet:
        """The set for triage, ownership, service levels and messages."""
        return self.context.newest

    def set_named(self, *ids: str) -> PolicySet:
        """The first of these sets that is loaded, else the newest."""
        return next((p for i in ids if (p := self.context.policies.get(i)) is not None), self.newest)


def order_file(file: OrderFile, asker: Asker) -> wire.OrderFile:
    """An order with everything that a reader of it asks for."""
    planned = asker.set_named(file.order.policy_set)
    return wire.OrderFile(
        order=shapes.order(file.order),
        items=[shapes.item(i, planned) for i in file.items],
        tasks=[shapes.task(t, file, planned) for t in file.tasks],
        cases=[shapes.case_row(row_of(c, file), asker.newest) for c in file.cases],
        progress=progress_of(file, asker),
        customer=customer_of(file, asker, None),
    )


def row_of(case: Case, file: OrderFile) -> CaseRow:
    """A case of a file as a list shows it."""
    item, task, command = file.item(case.item_id), file.task(case.task_id), file.command(case.command_id)
    return CaseRow(
        case=case,
        order_source=file.order.source,
        order_external_id=file.order.external_id,
        order_state=file.order.state.value,
        customer_ref=file.order.customer_ref,
        segment=file.order.segment,
        committed_at=file.order.committed_at,
        time_zone=file.order.time_zone,
        item_external_id=item.external_id if item else "",
        item_state=item.state.value if item else "",
        offer=item.offer if item else "",
        task_step=task.step if task else "",
        task_state=task.state.value if task else "",
        command_key=command.key if command else "",
        command_state=command.state.value if command else "",
        retries=command.retries if command else 0,
    )


def progress_of(file: OrderFile, asker: Asker) -> wire.Progress:
    """Why the order is where it is, or what is broken (§15.1)."""
    due = min((e.due_at for e in file.agenda), default=None)
    cases = [c for c in file.cases if c.state in OPEN_CASE_STATES]
    lag = asker.newest.limits.look_lag_max
    match progress(file.order, file.tasks, file.commands, cases, due, asker.now, lag=lag):
        case Reason(kind, why, until):
            return wire.Progress(verdict="reason", kind=kind.value, why=why, until=at(until), unblock="", task_id=None)
        case Stuck(clause, why, unblock, task_id):
            return wire.Progress(
                verdict="stuck", kind=clause.value, why=why, until=None, unblock=unblock, task_id=named("task", task_id)
            )


def customer_of(file: OrderFile | None, asker: Asker, about: Case | None) -> wire.Customer:
    """What the customer of an order may be told now, in the locale that was asked for."""
    if file is None:
        return wire.Customer(key="", locale=asker.locale, text="", because="there is no order, hence nobody to tell")
    known = (asker.newest, file.order, file.items, file.tasks, file.cases)
    said = customer_hears(*known, asker.now, about, asker.locale)
    return wire.Customer(key=said.key, locale=said.locale, text=said.text, because=said.because)


def command_answer(command: Command, file: OrderFile, asker: Asker) -> wire.Command:
    """A command, with the reason why it cannot be sent now where there is one."""
    operation = contract_of(command, file, asker).operations.get(command.operation)
    asks = command.purpose is Purpose.QUERY or operation is None
    return shapes.command(command, file, None if asks or operation is None else may_send(command, operation, asker.now))


def contract_of(command: Command, file: OrderFile, asker: Asker) -> PolicySet:
    """The set that an attempt is read by: the one it was sent under."""
    return asker.set_named(command.contract_set, file.order.policy_set)


def case_file(file: CaseFile, asker: Asker, mended: Mended) -> wire.CaseFile:
    """A case and the answers to the questions about it (§26). `mended` is what was done about it and its like."""
    case, newest, whole = file.case, asker.newest, file.file
    allowed, locked = _actions(file, asker)
    known = newest.codes.get(case.code)
    customer = customer_of(whole, asker, case)
    return wire.CaseFile(
        id=outside("case", case.id),
        order_id=named("order", case.order_id),
        item_id=named("item", case.item_id),
        task_id=named("task", case.task_id),
        command_id=named("command", case.command_id),
        state=case.state.value,
        states=_states(file, asker, customer),
        classification=_classification(file, newest),
        severity=wire.Severity(level=case.severity, points=case.points, reasons=list(_reasons(case.reasons))),
        sla=_sla(case, newest, asker.now),
        owner=_owner(case, newest),
        occurred_at=instant(case.occurred_at),
        detected_at=instant(case.detected_at),
        touched_at=instant(case.touched_at),
        occurrences=case.occurrences,
        amount_minor=case.amount_minor,
        currency=case.currency,
        next_action=case.next_action,
        playbook=_playbook(file, newest, mended, allowed),
        waiting_for=case.waiting_for,
        resolution=case.resolution,
        reconciliation=_reconciliation(file, asker),
        not_to_be_sent=_not_to_be_sent(whole, asker) if whole else [],
        blocked_tasks=_blocked(case.task_id, whole, asker) if whole else [],
        customer=customer,
        actions=allowed,
        locked_actions=locked,
        undo=_undo(whole, asker) if whole else [],
        upstream=wire.Upstream(
            control=known.upstream_control if known else "", cause_category=known.cause_category if known else ""
        ),
        related=[shapes.case_row(row_of(c, whole), newest) for c in file.related] if whole else [],
        links=[wire.Link(one.get("case") or one["order"], one["how"]) for one in _links(case)],
        handling=shapes.handling(case),
        evidence=[outside("evidence", e.id) for e in file.evidence if _is_about(e.command_id, file)],
        events=_events(file),
        version=whole.order.version if whole else version_alone(case.touched_at),
        href=f"{shapes.BASE}/fallout-cases/{outside('case', case.id)}",
    )


def _links(case: Case) -> list[dict[str, str]]:
    known: Any = case.related
    return [one for one in known if isinstance(one, dict)] if isinstance(known, list) else []


def _playbook(
    file: CaseFile, newest: PolicySet, mended: Mended, allowed: Sequence[wire.Action]
) -> wire.Playbook | None:
    known = newest.codes.get(file.case.code)
    playbook = newest.playbooks.get(known.playbook) if known else None
    if playbook is None:
        return None
    looked = file.newest_command is not None and file.newest_command.looks > 0
    at, titles = position(playbook, mended.done, looked), {a.code: a.title for a in allowed}
    code = recommended(playbook, at, list(titles))
    ran, proved = mended.success.get(code, (0, 0))
    return wire.Playbook(
        name=playbook.name,
        title=playbook.title,
        runbook=playbook.runbook,
        at=at,
        steps=[
            wire.PlaybookStep(by=s.by, action=s.action, text=s.text, done=n < at) for n, s in enumerate(playbook.steps)
        ],
        recommended=wire.Recommended(action=code, title=titles[code], ran=ran, proved=proved) if code else None,
    )


def _is_about(command_id: int | None, file: CaseFile) -> bool:
    """Whether evidence belongs to the failing command or to a question about it."""
    command = file.command
    if command is None or file.file is None:
        return True
    return command_id == command.id or any(c.id == command_id and c.target_id == command.id for c in file.file.commands)


def _states(file: CaseFile, asker: Asker, customer: wire.Customer) -> wire.States:
    order, item, task = file.order, file.item, file.task
    return wire.States(
        order=order.state.value if order else "",
        item=item.state.value if item else "",
        task=task.state.value if task else "",
        case=file.case.state.value,
        sla=_sla_state(file.case, asker.now),
        customer=customer.key,
    )


def _sla_state(case: Case, now: datetime) -> str:
    if case.sla_due_at is None:
        return "none"
    if case.state not in OPEN_CASE_STATES:
        return "met" if case.touched_at <= case.sla_due_at else "breached"
    return "running" if now <= case.sla_due_at else "breached"


def _classification(file: CaseFile, newest: PolicySet) -> wire.Classification:
    case = file.case
    known = newest.codes.get(case.code)
    judged = next((e for e in reversed(file.journal) if e.thing_id == case.id and e.verb == "classify"), None)
    return wire.Classification(
        code=case.code,
        title=known.title if known else case.code,
        domain=case.domain,
        cause=case.cause,
        recoverability=case.recoverability,
        impact=_impact(file),
        automation=case.automation,
        rule=case.rule,
        why=judged.reason if judged else "",
        policy_set=case.policy_set,
        raw_code=case.raw_code,
        raw_message=case.raw_message,
        detector=case.detector,
        fingerprint=case.fingerprint,
    )


def _impact(file: CaseFile) -> str:
    """Whom the failure hurts."""
    case, items = file.case, file.file.items if file.file is not None else ()
    regulated = any(item.id == case.item_id and item.regulated for item in items)
    return impact_of(case.domain, case.cause, regulated=regulated).value


def _reasons(reasons: Json) -> Iterable[wire.Reason]:
    for each in reasons if isinstance(reasons, list) else ():
        if isinstance(each, dict):
            points = each.get("points")
            yield wire.Reason(
                points=points if isinstance(points, int) else 0,
                sentence=str(each.get("sentence", "")),
                factor=str(each.get("factor", "")),
            )


def _sla(case: Case, newest: PolicySet, now: datetime) -> wire.Sla:
    known = newest.codes.get(case.code)
    row = known.sla if known else None

    def length(times: dict[str, timedelta] | None) -> str | None:
        found = times.get(case.severity) if times else None
        return duration(found) if found else None

    return wire.Sla(
        sentence=row.sentence if row else "",
        first_touch=length(dict(row.first_touch)) if row else None,
        resolution=length(dict(row.resolution)) if row else None,
        customer_update=length(dict(row.customer_update)) if row else None,
        due_at=at(case.sla_due_at),
        state=_sla_state(case, now),
    )


def _owner(case: Case, newest: PolicySet) -> wire.Owner:
    owner = newest.owners.get(case.owner_group)
    return wire.Owner(
        group=case.owner_group,
        title=owner.title if owner else case.owner_group,
        assignee=case.assignee,
        escalates_to=owner.escalates_to if owner else "",
        escalated_to=case.escalated_to,
    )


def _operation(file: CaseFile, asker: Asker) -> Operation | None:
    if file.command is None or file.file is None:
        return None
    return contract_of(file.command, file.file, asker).operations.get(file.command.operation)


def _reconciliation(file: CaseFile, asker: Asker) -> wire.Reconciliation | None:
    command, operation = file.command, _operation(file, asker)
    if command is None or operation is None:
        return None
    looks = [e.due_at for e in file.agenda if e.kind == "lookup" and e.id == command.task_id]
    asks = {"key": command.key, "reference": "its business object", "repeat": "the identical request"}
    return wire.Reconciliation(
        command_id=outside("command", command.id),
        key=command.key,
        needed=command.state is CommandState.UNKNOWN,
        look_ups=[
            wire.LookUp(method=w.method, operation=w.operation, asks_with=asks.get(w.method, ""))
            for w in operation.look_ups
        ],
        settle_window=duration(operation.settle_window),
        settles_at=at(settles_at(command, operation)),
        second_look=duration(operation.second_look),
        looks=command.looks,
        empty_looks=command.empty_looks,
        next_look_at=at(min(looks, default=None)),
    )


def _not_to_be_sent(file: OrderFile, asker: Asker) -> list[wire.Command]:
    """Commands of which nobody knows enough to send them again."""
    doubtful = [c for c in file.commands if c.purpose is not Purpose.QUERY and c.state in NOT_SENDABLE]
    return [command_answer(c, file, asker) for c in doubtful]


def _blocked(task_id: int | None, file: OrderFile, asker: Asker) -> list[wire.Blocked]:
    planned, items = asker.set_named(file.order.policy_set), {i.id: i.external_id for i in file.items}
    return [
        wire.Blocked(
            id=outside("task", t.id),
            step=t.step,
            title=shapes.title_of(t, planned),
            item=items.get(t.item_id, ""),
            state=t.state.value,
        )
        for t in behind(task_id, file)
    ]


def behind(task_id: int | None, file: OrderFile) -> list[Task]:
    """The tasks that cannot start before this one is final, directly or not, in the order of the plan."""
    cause = file.task(task_id)
    if cause is None or cause.state in FINAL_TASK_STATES:
        return []
    by_id, reached, front = {t.id: t for t in file.tasks}, set[int](), [cause.id]
    while front:
        for after in by_id[front.pop()].next:
            if after in by_id and after not in reached:
                reached.add(after)
                front.append(after)
    return [t for t in file.tasks if t.id in reached and t.state not in FINAL_TASK_STATES]


# What the doors do for an action of the catalogue, by the end of its path.
ACTION_PATHS = {
    RECONCILE: "reconcile", "TRANSFER": "transfer", "WAIT_UNTIL": "wait", "ESCALATE": "escalate",
    "WITHDRAW": "withdraw", "CONSULT": "consult", "RELATE": "relate",
}  # fmt: skip


def case_actions(file: CaseFile, asker: Asker) -> list[wire.CaseAction]:
    """Every action that there is for a case, with what it must be given and why it is locked."""
    made = list[wire.CaseAction]()
    for action in actions_of(asker.context, file.case):
        why = list(_why_locked(action, file, asker))
        made.append(
            wire.CaseAction(
                code=action.code,
                title=action.title,
                kind=action.kind,
                risk=action.risk,
                roles=action.roles,
                approval=action.approval,
                mode=action.mode,
                sends=action.sends,
                checks=[check.title for check in action.checks],
                input=action.given if isinstance(action.given, dict) else {},
                fields=action.fields,
                locked=why,
                href=_href(action, file) if not why else None,
            )
        )
    return made


def _href(action: RepairAction, file: CaseFile) -> str | None:
    """Where an action is done: case work at its own door, a repair by its preview."""
    path = ACTION_PATHS.get(action.code) or ("repairs/preview" if action.does in PLANS else "")
    return f"{shapes.BASE}/fallout-cases/{outside('case', file.case.id)}/{path}" if path else None


def _actions(file: CaseFile, asker: Asker) -> tuple[list[wire.Action], list[wire.Action]]:
    allowed, locked = list[wire.Action](), list[wire.Action]()
    for action in actions_of(asker.context, file.case):
        why = list(_why_locked(action, file, asker))
        (locked if why else allowed).append(_action(action, file, why))
    return allowed, locked


def _action(action: RepairAction, file: CaseFile, why: list[str]) -> wire.Action:
    return wire.Action(
        code=action.code,
        title=action.title,
        kind=action.kind,
        risk=action.risk,
        approval=action.approval,
        locked=why,
        href=_href(action, file) if not why else None,
    )


def _why_locked(action: RepairAction, file: CaseFile, asker: Asker) -> Iterable[str]:
    stands = standing(file.case, file.order, file.item, file.task, file.command)
    return file.why_locked(action, asker.actor, stands)


def _undo(file: OrderFile, asker: Asker) -> list[wire.Undo]:
    """What exists outside and would have to be undone if the failing step proved impossible, newest first (§13)."""
    planned = asker.set_named(file.order.policy_set)
    done = [t for t in file.tasks if t.state is TaskState.COMPLETED]
    done.sort(key=lambda t: (t.completed_at or file.order.received_at, t.id), reverse=True)
    return [_undo_row(file, t, planned, asker.now) for t in done]


def _undo_row(file: OrderFile, task: Task, planned: PolicySet, now: datetime) -> wire.Undo:
    way, since = way_back_of(file.order, file.items, file.tasks, task, planned, now)
    row = planned.undo.get(task.undo) if way is not WayBack.NONE else None
    return wire.Undo(
        task_id=outside("task", task.id),
        step=task.step,
        title=shapes.title_of(task, planned),
        reference=task.reference,
        undo=row.undo if row else "",
        operation=row.operation if row else "",
        effect=row.effect if row else "nothing undoes it",
        risk=row.risk if row else "",
        possible_while=row.possible_while if row else "",
        proof=row.proof if row else "",
        way_back=way.value if row else WayBack.NONE.value,
        ponr_at=at(since),
    )


def _events(file: CaseFile) -> dict[str, str]:
    """The records on which the answers stand: for each verb of the case and its command the newest."""
    named_: dict[str, str] = {}
    command_id = file.command.id if file.command else 0
    for line in file.journal:
        if (line.thing == "case" and line.thing_id == file.case.id) or (
            line.thing == "command" and line.thing_id == command_id
        ):
            named_[f"{line.thing}.{line.verb}"] = line.event_id
    return named_

"""The list of open cases as the page shows it: one row for each case, a pure function of what was read and the time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.triage.taxonomy import Recoverability
from fallsafe.store.ids import outside
from fallsafe.store.reads import CaseRow
from fallsafe.workbench.marks import Due, Stage, digest_of, due_of, stage_of
from fallsafe.workbench.words import money, words


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list. `digest` changes when anything in the row does but the passing of time."""

    id: str
    order_id: str
    title: str
    code: str
    severity: str
    unknown: bool
    order_name: str
    customer: str
    offer: str
    stage: Stage
    next_action: str
    owner: str
    assignee: str
    due: Due
    detected_at: datetime
    value: str
    segment: str
    item: str
    step: str
    raw_code: str
    retries: int
    occurrences: int
    touched_at: datetime
    impact: str
    waits: str
    escalated_to: str
    reasons: tuple[str, ...]
    digest: str = ""


def rows_of(found: Iterable[CaseRow], policy: PolicySet, now: datetime) -> tuple[Row, ...]:
    """The rows of a page, in the order in which they were read."""
    return tuple(_row(each, policy, now) for each in found)


def _row(found: CaseRow, policy: PolicySet, now: datetime) -> Row:
    case = found.case
    known, owner = policy.codes.get(case.code), policy.owners.get(case.owner_group)
    offer = policy.offers.get(found.offer)
    row = Row(
        id=outside("case", case.id),
        order_id=outside("order", case.order_id) if case.order_id else "",
        title=known.title if known else words(case.code.lower()),
        code=case.code,
        severity=case.severity,
        unknown=case.recoverability == Recoverability.UNKNOWN_OUTCOME and found.command_state in ("unknown", ""),
        order_name=f"{found.order_source} {found.order_external_id}".strip(),
        customer=found.customer_ref,
        offer=offer.title if offer else found.offer,
        stage=stage_of(case.state),
        next_action=case.next_action,
        owner=owner.title if owner else case.owner_group or "Nobody yet",
        assignee=case.assignee,
        due=due_of(case, now),
        detected_at=case.detected_at,
        value=money(case.amount_minor, case.currency),
        segment=words(found.segment),
        item=found.item_external_id,
        step=found.task_step,
        raw_code=case.raw_code,
        retries=found.retries,
        occurrences=case.occurrences,
        touched_at=case.touched_at,
        impact=words(case.customer_impact),
        waits=_waits(case.waiting_for),
        escalated_to=case.escalated_to,
        reasons=tuple(_sentences(case.reasons)),
    )
    return _digested(row)


def _waits(waiting_for: Json) -> str:
    given = waiting_for if isinstance(waiting_for, Mapping) else {}
    return ": ".join(str(given[name]) for name in ("for", "what") if given.get(name))


def _sentences(reasons: Json) -> Iterable[str]:
    for reason in reasons if isinstance(reasons, list) else ():
        if isinstance(reason, Mapping) and reason.get("sentence"):
            yield str(reason["sentence"])


def _digested(row: Row) -> Row:
    return replace(row, digest=digest_of(row))

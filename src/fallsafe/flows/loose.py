"""Cases without an order: opened, joined and moved under a key of their own, each step a record of the journal.

Their rows are locked by that key, since there is no order to lock: what was read under the lock is what is moved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fallsafe.core.cases.case import CASE_LIFECYCLE, OPEN_CASE_STATES, Case, CaseState, advance
from fallsafe.core.detect.signal import Signal
from fallsafe.core.events import Json, Record
from fallsafe.core.lifecycle import move
from fallsafe.core.triage.classify import Classification
from fallsafe.core.triage.fingerprint import fingerprint
from fallsafe.core.triage.severity import Level
from fallsafe.core.values import replace
from fallsafe.flows.cases import judge, message_for
from fallsafe.flows.turn import Turn
from fallsafe.store.rows import delta, read_row
from fallsafe.store.work import Entry

NEXT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Weight:
    """How bad a failure without an order is, with the sentence that says why."""

    level: Level
    points: int
    factor: str
    sentence: str


async def find(turn: Turn, key: str) -> Case | None:
    """The open case of a key, locked; also one that this transaction has opened. Two who ask at once: the second
    waits, and finds what the first has opened.
    """
    here = next((now for _, now in turn.tx.pages.loose_cases.values() if now.case_key == key), None)
    if here is not None:
        return here if here.state in OPEN_CASE_STATES else None
    await turn.tx.execute("cases/lock_key", case_key=key)
    rows = await turn.tx.fetch("cases/open_by_key", case_key=key)
    return read_row(Case, rows[0]) if rows else None


async def open_case(
    turn: Turn, key: str, signal: Signal, code: str, weight: Weight, said: str, facts: dict[str, Json]
) -> Case:
    """Detects, classifies and assigns a new case, and files the next look at it."""
    judged = judge(turn, signal, code)
    case = await _new_case(turn, key, signal, judged, code, weight)
    note(turn, None, case, "detect", said, signal.evidence, facts)
    classified = replace(case, state=move(CASE_LIFECYCLE, case.state, "classify"))
    note(turn, case, classified, "classify", judged.why, rule=judged.rule)
    assigned = replace(classified, state=move(CASE_LIFECYCLE, classified.state, "assign"), owner_group=judged.owner)
    note(turn, classified, assigned, "assign", f"owner of {code} by rule {judged.rule}", rule=judged.rule)
    turn.tx.pages.loose_cases[case.id] = (None, assigned)
    turn.tx.file(Entry("review", case.id, None, turn.now + turn.context.newest.limits.review_every))
    return assigned


def join(turn: Turn, case: Case, reason: str, evidence: tuple[int, ...] = ()) -> Case:
    """The same failure once more."""
    joined = replace(case, occurrences=case.occurrences + 1, touched_at=turn.now)
    put(turn, case, joined, "join", reason, evidence)
    return joined


def move_on(
    turn: Turn, case: Case, verb: str, reason: str, facts: dict[str, Json] | None = None, **changes: Any
) -> Case:
    """The case after a verb of its table."""
    moved = advance(case, verb, turn.now, **changes)
    put(turn, case, moved, verb, reason, facts=facts)
    return moved


def put(
    turn: Turn,
    was: Case,
    now: Case,
    verb: str,
    reason: str,
    evidence: tuple[int, ...] = (),
    facts: dict[str, Json] | None = None,
) -> None:
    """A new value of a case in place of the one that was read under the lock of its key, as one record. It was never
    touched before its last change, whatever the clock says: so its records have an order.
    """
    before, last = turn.tx.pages.loose_cases.get(was.id, (was, was))
    if now.touched_at <= last.touched_at and now is not was:
        now = replace(now, touched_at=last.touched_at + NEXT)
    turn.tx.pages.loose_cases[was.id] = (before, now)
    note(turn, was, now, verb, reason, evidence, facts)


def note(
    turn: Turn,
    was: Case | None,
    now: Case,
    verb: str,
    reason: str,
    evidence: tuple[int, ...] = (),
    facts: Mapping[str, Json] | None = None,
    rule: str = "",
) -> None:
    """The record of a change of a case without an order."""
    turn.tx.loose(
        Record(
            order_id=0,
            actor=str(turn.actor),
            thing="case",
            thing_id=now.id,
            verb=verb,
            was=was.state.value if was else "",
            now=now.state.value,
            delta=delta(was, now),
            reason=reason,
            policy_set=turn.context.newest.id if rule else "",
            rule=rule,
            evidence=evidence,
            facts=facts or {},
        )
    )


async def _new_case(turn: Turn, key: str, signal: Signal, judged: Classification, code: str, weight: Weight) -> Case:
    newest = turn.context.newest
    known = newest.codes.get(code) or newest.codes["UNCLASSIFIED"]
    reasons: Json = [{"points": weight.points, "sentence": weight.sentence, "factor": weight.factor}]
    return Case(
        id=await turn.tx.new_id(),
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        case_key=key,
        state=CaseState.DETECTED,
        code=code,
        domain=judged.domain,
        cause=judged.cause,
        recoverability=judged.recoverability.value,
        automation=judged.automation,
        severity=weight.level.value,
        points=weight.points,
        reasons=reasons,
        owner_group="",
        assignee="",
        system=signal.system,
        operation=signal.operation,
        raw_code=signal.raw_code,
        raw_message=signal.message[:500],
        fingerprint=fingerprint(signal.system, signal.operation, code, signal.message),
        detector=signal.detector.value,
        occurred_at=signal.occurred_at,
        detected_at=turn.now,
        touched_at=turn.now,
        sla_due_at=turn.now + known.sla.resolution[weight.level.value],
        customer_impact="delayed",
        amount_minor=0,
        currency="",
        message_key=message_for(newest, known, judged, None),
        blocked_tasks=0,
        occurrences=1,
        next_action=judged.first_step,
        waiting_for=None,
        related=[],
        resolution=None,
        rule=judged.rule,
        policy_set=newest.id,
    )

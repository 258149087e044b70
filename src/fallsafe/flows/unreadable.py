"""Orders that cannot be taken in: their bytes are kept, and the refusal gets an owner (§7, P4).

The sender is told what is wrong. But a sender that does not listen leaves a customer waiting, so the refusal is a case
of its own, without an order. The same bytes again join the open case.
"""

from collections.abc import Sequence
from dataclasses import replace

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import CASE_LIFECYCLE, Case, CaseState, case_key
from fallsafe.core.cases.evidence import Evidence
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.lifecycle import move
from fallsafe.core.triage.classify import Classification
from fallsafe.core.triage.fingerprint import fingerprint
from fallsafe.core.triage.severity import Level
from fallsafe.flows.cases import judge
from fallsafe.flows.context import Answer, Applied, Context
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.rows import delta, read_row
from fallsafe.store.tx import Tx
from fallsafe.store.work import Entry

CODE = "ORDER_UNREADABLE"
CALLBACK_CODE = "CALLBACK_UNMATCHED"
TOLD_MAX = 20
REASON = "somebody waits for what could not be read, and nothing else will find it"


async def keep_unreadable(
    tx: Tx,
    context: Context,
    *,
    source: str,
    body: bytes,
    media_type: str,
    refusals: Sequence[Refusal],
    actor: Actor,
    kind: str = "order",
) -> Answer:
    """Keeps bytes that could not be read as an order (or `callback`) with everything that is wrong with them, as a case
    of whoever owns such failures. Never refused.
    """
    key = await tx.loose_key()
    turn = await begin(tx, context, actor)
    evidence = await tx.add_evidence(0, key, kind=kind, source=source, body=body, media_type=media_type)
    own_key = case_key(0, None, f"{CODE if kind == 'order' else CALLBACK_CODE}/{evidence.digest[:32]}")
    here = next((now for _, now in tx.pages.loose_cases.values() if now.case_key == own_key), None)
    if here is not None:
        return _join(turn, here, evidence)
    await tx.execute("cases/lock_key", case_key=own_key)
    rows = await tx.fetch("cases/open_by_key", case_key=own_key)
    if rows:
        return _join(turn, read_row(Case, rows[0]), evidence)
    return await _open(turn, own_key, source, kind, refusals, evidence)


def _join(turn: Turn, case: Case, evidence: Evidence) -> Answer:
    joined = replace(case, occurrences=case.occurrences + 1, touched_at=turn.now)
    before = turn.tx.pages.loose_cases.get(case.id, (case, case))[0]
    turn.tx.pages.loose_cases[case.id] = (before, joined)
    _note(turn, case, joined, "join", "handed in again", (evidence.id,))
    return Applied("case", case.id, already=True)


async def _open(
    turn: Turn, own_key: str, source: str, kind: str, refusals: Sequence[Refusal], evidence: Evidence
) -> Answer:
    first = refusals[0]
    code = CODE if kind == "order" else CALLBACK_CODE
    signal = _signal(turn, source, kind, first, evidence)
    judged = judge(turn, signal, code)
    case = await _case(turn, own_key, signal, judged, code)
    faults: list[Json] = [{"code": r.code, "pointer": r.pointer, "why": r.why} for r in refusals[:TOLD_MAX]]
    _note(turn, None, case, "detect", f"{source}: {first.why}", (evidence.id,), {"faults": faults})
    classified = replace(case, state=move(CASE_LIFECYCLE, case.state, "classify"))
    _note(turn, case, classified, "classify", judged.why, rule=judged.rule)
    assigned = replace(classified, state=move(CASE_LIFECYCLE, classified.state, "assign"), owner_group=judged.owner)
    _note(turn, classified, assigned, "assign", f"owner of {code} by rule {judged.rule}", rule=judged.rule)
    turn.tx.pages.loose_cases[case.id] = (None, assigned)
    turn.tx.file(Entry("review", case.id, None, turn.now + turn.context.newest.limits.review_every))
    return Applied("case", case.id)


def _signal(turn: Turn, source: str, kind: str, first: Refusal, evidence: Evidence) -> Signal:
    return Signal(
        detector=Detector.INTAKE if kind == "order" else Detector.CALLBACK,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system=source if source in turn.context.newest.systems else "OMS",
        operation=f"OMS.take_in_{kind}",
        raw_code=first.code,
        message=f"{first.why} {first.pointer}".strip(),
        sign=first.code,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
        evidence=(evidence.id,),
    )


async def _case(turn: Turn, own_key: str, signal: Signal, judged: Classification, code: str) -> Case:
    newest = turn.context.newest
    known = newest.codes.get(code) or newest.codes["UNCLASSIFIED"]
    level, points = Level.MEDIUM, newest.severity.medium_from
    reasons: Json = [{"points": points, "sentence": REASON, "factor": "customer"}]
    return Case(
        id=await turn.tx.new_id(),
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        case_key=own_key,
        state=CaseState.DETECTED,
        code=code,
        domain=judged.domain,
        cause=judged.cause,
        recoverability=judged.recoverability.value,
        automation=judged.automation,
        severity=level.value,
        points=points,
        reasons=reasons,
        owner_group="",
        assignee="",
        system=signal.system,
        operation=signal.operation,
        raw_code=signal.raw_code,
        raw_message=signal.message[:500],
        fingerprint=fingerprint(signal.system, signal.operation, code, signal.message),
        detector=signal.detector.value,
        occurred_at=turn.now,
        detected_at=turn.now,
        touched_at=turn.now,
        sla_due_at=turn.now + known.sla.resolution[level.value],
        customer_impact="delayed",
        amount_minor=0,
        currency="",
        message_key=known.message,
        blocked_tasks=0,
        occurrences=1,
        next_action=judged.first_step,
        waiting_for=None,
        related=[],
        resolution=None,
        rule=judged.rule,
        policy_set=newest.id,
    )


def _note(
    turn: Turn,
    was: Case | None,
    now: Case,
    verb: str,
    reason: str,
    evidence: tuple[int, ...] = (),
    facts: dict[str, Json] | None = None,
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

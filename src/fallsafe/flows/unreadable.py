"""Orders that cannot be taken in: their bytes are kept, and the refusal gets an owner (§7, P4).

The sender is told what is wrong. But a sender that does not listen leaves a customer waiting, so the refusal is a case
of its own, without an order. The same bytes again join the open case.
"""

from collections.abc import Sequence

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import case_key
from fallsafe.core.cases.evidence import Evidence
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.triage.severity import Level
from fallsafe.flows import loose
from fallsafe.flows.context import Answer, Applied, Context
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.tx import Tx

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
    code = CODE if kind == "order" else CALLBACK_CODE
    own_key = case_key(0, None, f"{code}/{evidence.digest[:32]}")
    known = await loose.find(turn, own_key)
    if known is not None:
        return Applied("case", loose.join(turn, known, "handed in again", (evidence.id,)).id, already=True)
    faults: list[Json] = [{"code": r.code, "pointer": r.pointer, "why": r.why} for r in refusals[:TOLD_MAX]]
    signal = _signal(turn, source, kind, refusals[0], evidence)
    weight = loose.Weight(Level.MEDIUM, context.newest.severity.medium_from, "customer", REASON)
    said = f"{source}: {refusals[0].why}"
    return Applied("case", (await loose.open_case(turn, own_key, signal, code, weight, said, {"faults": faults})).id)


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

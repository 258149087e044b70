"""A detector that finds too much has one case of its own; what it finds meanwhile is kept, and opens nothing before
somebody has judged it (§6, P11).
"""

from fallsafe.core.cases.case import Case, case_key
from fallsafe.core.detect.brake import SOURCE
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.triage.severity import Level
from fallsafe.flows import loose
from fallsafe.flows.arrivals import Name
from fallsafe.flows.turn import Turn

CODE = "DETECTOR_BRAKED"
BRAKED = "either very many orders fail alike, or whoever says so is wrong; what it finds opens no further cases"


async def own_brake(turn: Turn, name: Name, more: str, evidence: tuple[int, ...] = ()) -> None:
    """A detector finds too much: one case for whoever owns it; `more` is what another such find says."""
    kind, detector = name
    key, said = case_key(0, None, f"{CODE}/{kind}/{detector}"), f"{kind} {detector} finds too much"
    known = await loose.find(turn, key)
    if known is not None:
        loose.join(turn, known, more, evidence)
        return
    signal = Signal(
        detector=Detector.SIGNAL,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system="OMS",
        operation="",
        raw_code=CODE,
        message=said,
        sign=CODE,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
        evidence=evidence,
    )
    weight = loose.Weight(Level.HIGH, turn.context.newest.severity.high_from, "trust", BRAKED)
    await loose.open_case(turn, key, signal, CODE, weight, said, {kind: detector})


async def kept_back(turn: Turn, case: Case) -> bool:
    """Whether something that the detector of a case found waits for somebody to judge it."""
    kind, _, detector = case.case_key.partition(f"{CODE}/")[2].partition("/")
    source, rule = (detector, None) if kind == SOURCE else (None, detector)
    return bool(await turn.tx.fetch("signals/candidates", source=source, rule=rule, policy_set=None, limit=1))

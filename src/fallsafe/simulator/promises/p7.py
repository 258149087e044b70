"""P7, resolved means proved: what a case says of its end is borne out by what stands, and a person's word alone is
never called verified.
"""

from collections.abc import Iterator, Mapping

from fallsafe.core.cases.case import Case
from fallsafe.simulator.promises.seen import Broken, OrderSeen, Seen

MENDED = ("RetriedSameKey", "DataCorrected", "ReconciledDone", "ReconciledAbsent", "SelfHealed", "Skipped")
OVER = ("completed", "skipped", "cancelled", "undone")
CONTRADICTIONS = ("ABSENCE_WRONG", "CALLBACK_CONFLICT", "DUPLICATE_EFFECT", "ENGINE_CONTRADICTS", "LATE_SUCCESS")


def broken(seen: Seen) -> Iterator[Broken]:
    """Cases that say that they are over, and what does not bear them out."""
    for order in seen.orders.values():
        for case in order.cases.values():
            for what in _of_case(order, case):
                yield Broken("P7", order.where("case", case.id), what, order.order.id)
        if order.records:
            yield from _fails(order)


def _of_case(order: OrderSeen, case: Case) -> Iterator[str]:
    resolution = case.resolution if isinstance(case.resolution, Mapping) else None
    if case.state.value in ("resolved", "closed") and resolution is None:
        yield "is resolved, and does not say how"
    if resolution is None or case.state.value not in ("resolved", "closed"):
        return
    verified, kind = bool(resolution.get("verified")), resolution.get("type")
    if case.repair is not None:
        yield "is resolved, and waits for a repair still"
    if verified and not resolution.get("evidence") and kind in ("RetriedSameKey", "DataCorrected", "ReconciledDone"):
        yield f"is called verified as {kind}, and names no evidence"
    task = order.tasks.get(case.task_id or 0)
    proved = task is None or task.state.value in OVER or order.order.reported is not None
    if verified and resolution.get("repair") and not proved and task is not None:
        yield f"is verified by {resolution['repair']}, and its task {task.step} is {task.state}"
    if verified and _word_alone(order, case):
        yield "is called verified on a person's word alone"


def _word_alone(order: OrderSeen, case: Case) -> bool:
    """Whether what ended it is something that a person said, and nothing else."""
    ends = [r for r in order.records if r["thing"] == "case" and r["thingId"] == case.id and r["verb"] == "heal"]
    evidence = set(ends[-1]["evidence"]) if ends else set()
    said = [r for r in order.records if r["thing"] == "command" and evidence & set(r["evidence"])]
    return bool(evidence) and any(r["reason"].startswith("person says") for r in said)


def _fails(order: OrderSeen) -> Iterator[Broken]:
    """A repair that failed again leaves its case open: one that is revalidating has a command that is not refused."""
    for case in order.open_cases:
        own = [c for c in order.commands.values() if c.task_id == case.task_id and c.purpose.value == "fulfill"]
        newest = max(own, key=lambda c: (c.n, c.id), default=None)
        checking = any(r.case_id == case.id and r.state.value == "checking" for r in order.repairs.values())
        refused = newest is not None and newest.state.value == "rejected"
        if case.state.value == "revalidating" and not checking and newest is not None and refused:
            what = f"is being checked after a repair, and {newest.key} was refused"
            yield Broken("P7", order.where("case", case.id), what, order.order.id)

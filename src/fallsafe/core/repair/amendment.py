"""A request to change the deal (§18): what a business correction becomes. It is handed off with its diff and what that
needs, and comes back from outside: accepted, as new content that supersedes what was accepted before; declined; or not
at all.

Nothing here changes a deal. What is accepted outside is written down, both contents are kept, and the order goes on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.orders.task import Task


class AmendmentState(StrEnum):
    """Where a request stands."""

    HANDED_OFF = "handed_off"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


A = AmendmentState
AMENDMENT_LIFECYCLE: dict[tuple[AmendmentState, str], AmendmentState] = {
    (A.HANDED_OFF, "accept"): A.ACCEPTED,
    (A.HANDED_OFF, "decline"): A.DECLINED,
    (A.HANDED_OFF, "expire"): A.EXPIRED,  # nobody answered in time
    (A.HANDED_OFF, "supersede"): A.SUPERSEDED,  # another one of the same order was accepted first
}
AMEND, REORDER = "amend", "cancel_and_reorder"


@dataclass(frozen=True, slots=True)
class Amendment:
    """One request. `diff` are its clauses without personal values, `requires` what they need (§18.2). Of one that
    cancels and reorders, `effects` are what exists outside, each to adopt or to undo, and `replaced_by` names the other
    order. `superseded` is the content that was accepted before, once this one is.
    """

    id: int
    order_id: int
    case_id: int
    repair_id: int
    kind: str
    state: AmendmentState
    item: str
    diff: Json
    requires: Json
    effects: Json
    replaced_by: Json
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    input_evidence_id: int
    answered_by: str
    answered_at: datetime | None
    reference: str
    ended_because: str
    superseded: Json
    fingerprint_was: str
    fingerprint_now: str


def why_not_answer(one: Amendment, fingerprint: str, now: datetime, what: str) -> Refusal | None:
    """Whether an answer from outside still counts; None is yes. `fingerprint` is that of the content in force."""
    if one.state is not AmendmentState.HANDED_OFF:
        why = f"it is {one.state.value}: {one.ended_because or one.answered_by}"
        return Refusal("AMENDMENT_ENDED", what, why, "ask for the change anew: REQUEST_AMENDMENT")
    if now >= one.expires_at:
        why = f"it was open until {one.expires_at:%Y-%m-%d %H:%M} UTC"
        return Refusal("AMENDMENT_EXPIRED", what, why, "ask for the change anew: REQUEST_AMENDMENT")
    if fingerprint != one.fingerprint_was:
        why = "what was accepted is another content by now"
        return Refusal("MOVED", what, why, "ask for the change anew: REQUEST_AMENDMENT")
    return None


def replacement(one: Amendment) -> str:
    """The order that takes the place of this one, as its source calls it: `CRM:778`."""
    by = one.replaced_by if isinstance(one.replaced_by, Mapping) else {}
    return f"{by.get('source')}:{by.get('externalId')}"


def reorder_of(every: Iterable[Amendment]) -> Amendment | None:
    """The request by which an order is closed here, or is to be; None where there is none."""
    stand = (A.HANDED_OFF, A.ACCEPTED)
    return next((one for one in every if one.kind == REORDER and one.state in stand), None)


def same_plan(steps: Sequence[tuple[str, str]], tasks: Sequence[Task]) -> bool:
    """Whether the plan of what was agreed now has the steps that an item has: (step, task type) of each. Tasks that a
    plan does not name (a renewal, one that was added) may stand beside.
    """
    return {*steps} <= {(task.step, task.type) for task in tasks}

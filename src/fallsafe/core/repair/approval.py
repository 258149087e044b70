"""The second person: who may agree to a repair, and when their yes counts (P6, model rule 5).

Whoever asked never agrees, and neither does a machine. What was agreed to is a hash; what has another hash was not.
"""

from datetime import datetime

from fallsafe.core.access import Actor, may, who_may
from fallsafe.core.errors import Refusal
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.request import Repair, RepairState

RIGHT = "approve_repair"


def may_decide(repair: Repair, action: RepairAction, actor: Actor, given_hash: str, what: str) -> Refusal | None:
    """Whether this person may agree to this repair; None is yes."""
    if actor.kind != "person":
        return Refusal("NOT_ALLOWED", what, f"{actor} is no person, and a machine never approves", "ask a person")
    if not may(actor, RIGHT) or (action.approvers and not actor.roles & {*action.approvers, "admin"}):
        roles = action.approvers or who_may(RIGHT)
        return Refusal("NOT_ALLOWED", what, f"{actor} has none of the roles {', '.join(roles)}", "ask somebody who has")
    if str(actor) == repair.asked_by:
        return Refusal("SELF_APPROVAL", what, f"{actor} asked for it", "a second person has to agree")
    return _other_hash(repair, given_hash, what)


def may_decline(repair: Repair, actor: Actor, what: str) -> Refusal | None:
    """Whether this person may take it off the table: whoever asked, or whoever may agree."""
    if str(actor) == repair.asked_by or (actor.kind == "person" and may(actor, RIGHT)):
        return None
    why = f"{actor} did not ask for it, and has none of the roles {', '.join(who_may(RIGHT))}"
    return Refusal("NOT_ALLOWED", what, why, "ask somebody who has")


def _other_hash(repair: Repair, given_hash: str, what: str) -> Refusal | None:
    if given_hash == repair.hash:
        return None
    why = f"what was seen has the hash {given_hash[:12]}, and this repair {repair.hash[:12]}"
    return Refusal("OTHER_PREVIEW", what, why, "read the preview again and name its hash", "/hash")


def why_not_run(repair: Repair, given_hash: str, now: datetime, what: str) -> Refusal | None:
    """Whether a repair may still be run, by what people decided about it; None is yes. What it read is asked later."""
    wrong = _other_hash(repair, given_hash, what)
    if wrong is not None:
        return wrong
    again = "preview it again"
    match repair.state:
        case RepairState.AWAITED:
            return Refusal("APPROVAL_NEEDED", what, "a second person has not agreed to it yet", "let them approve it")
        case RepairState.DECLINED | RepairState.VOIDED | RepairState.FAILED:
            return Refusal("REPAIR_ENDED", what, f"it is {repair.state.value}: {repair.ended_because}", again)
        case RepairState.PREVIEWED | RepairState.APPROVED:
            return expired(repair, now, what)
        case RepairState.CHECKING | RepairState.RUN:
            return None


def expired(repair: Repair, now: datetime, what: str) -> Refusal | None:
    """Whether the time of a preview is over; None where it is not."""
    if now < repair.expires_at:
        return None
    why = f"its preview was good until {repair.expires_at:%Y-%m-%d %H:%M} UTC"
    return Refusal("PREVIEW_EXPIRED", what, why, "preview it again")

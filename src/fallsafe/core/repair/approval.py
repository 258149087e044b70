"""The second person: who may agree to a repair, and when their yes counts (P6, model rule 5).

Whoever asked never agrees, under no token of theirs, and neither does a machine. What was agreed to is a hash; what has
another hash was not.
"""

from datetime import datetime

from fallsafe.core.access import Actor, has_none_of, refused, why_not
from fallsafe.core.errors import Refusal
from fallsafe.core.repair.request import Repair, RepairState

RIGHT = "approve_repair"


def is_same(actor: Actor, who: str) -> bool:
    """Whether two are one: a token of a machine that bears somebody's name is in their hands (model rule 5). `who` is
    a kind with a name (`person:mei`); the product itself is nobody's hand.
    """
    kind, _, name = who.partition(":")
    return "system" not in (kind, actor.kind) and name.casefold() == actor.name.casefold()


def self_approval(actor: Actor, who: str, what: str) -> Refusal | None:
    """The refusal of somebody who would agree to what they asked for themselves."""
    if not is_same(actor, who):
        return None
    other = f", as {who}" if who != str(actor) else ""
    return Refusal("SELF_APPROVAL", what, f"{actor} asked for it{other}", "a second person has to agree")


def may_decide(repair: Repair, actor: Actor, given_hash: str, what: str, group: str) -> Refusal | None:
    """Whether this person may agree to this repair of a case that `group` owns; None is yes."""
    if actor.kind != "person":
        return Refusal("NOT_ALLOWED", what, f"{actor} is no person, and a machine never approves", "ask a person")
    why = why_not(actor, RIGHT, group)
    roles = repair.approval.get("roles") if isinstance(repair.approval, dict) else None
    approvers = tuple(str(role) for role in roles) if isinstance(roles, list) else ()
    if approvers and not actor.roles & {*approvers, "admin"}:
        why = has_none_of(actor, approvers)
    refusal = refused(what, why) if why else _other_hash(repair, given_hash, what)
    return self_approval(actor, repair.asked_by, what) or refusal


def may_decline(repair: Repair, actor: Actor, what: str, group: str) -> Refusal | None:
    """Whether this person may take it off the table: whoever asked, or whoever may agree."""
    why = why_not(actor, RIGHT, group)
    if is_same(actor, repair.asked_by) or (actor.kind == "person" and not why):
        return None
    return refused(what, f"{actor} did not ask for it; {why}" if why else f"{actor} is no person")


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

"""What an order must carry an approval for, by what is agreed: when it is taken in, and when its deal changes."""

from collections.abc import Iterable

from fallsafe.core.events import Json
from fallsafe.core.orders.approvals import check_approvals, order_facts
from fallsafe.core.orders.draft import ApprovalDraft
from fallsafe.flows import failures, planning
from fallsafe.flows.stopping import stop
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate


def hold(turn: Turn, aggregate: Aggregate, quote: Json, given: Iterable[ApprovalDraft]) -> None:
    """A missing or stale approval stops the order before its next command, with a policy exception as its case.
    `quote` is the accepted one, for whose fingerprint an approval may be given too.
    """
    order, newest = aggregate.order, turn.context.newest
    facts = order_facts(order, aggregate.items.values())
    required = [(rule.what, rule.sentence) for rule in newest.approvals if rule.condition(facts)]
    missing = check_approvals(order.fingerprint, quote, given, required, turn.now)
    if missing is not None:
        stop(aggregate, "policy", missing.code, turn.why(missing.why, policy=newest))
        failures.meet(turn, aggregate, planning.signal(turn, aggregate, None, missing), missing.code)

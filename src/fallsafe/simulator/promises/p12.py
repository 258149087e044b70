"""P12, it explains itself: every classification, severity, next step and refusal names the rule, the policy version and
the facts.
"""

from collections.abc import Iterator

from fallsafe.core.cases.case import Case
from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen

BY_RULE = {("case", "classify"), ("case", "assign"), ("case", "score"), ("command", "send"), ("task", "plan")}
BY_RULE |= {(thing, "recover") for thing in ("order", "item", "task", "command")}
BY_FACT = {"accept", "complete", "reject", "lose", "find_done", "find_rejected", "find_pending", "find_absent"}


def broken(seen: Seen) -> Iterator[Broken]:
    """Decisions that do not say why."""
    for record in seen.records():
        order = seen.orders.get(record["orderId"])
        if order is None:
            continue
        for what in _unexplained(seen, order, record):
            where = order.where(record["thing"], record["thingId"])
            yield Broken("P12", where, f"{record['verb']}: {what}", order.order.id)
    for order in seen.orders.values():
        yield from _kept(order)
        for case in order.cases.values():
            yield from _case(seen, order, case)


def _kept(order: OrderSeen) -> Iterator[Broken]:
    """What is sent of a running order is read by the set that it was planned with, until somebody moves it; whatever
    was sent once, and what is asked about it, by the set under which it was sent.
    """
    now = order.order.policy_set
    sent: dict[int, str] = {}
    for record in order.records:
        if record["thing"] == "order":
            now = record["delta"].get("policy_set", now)
        if (record["thing"], record["verb"]) != ("command", "send"):
            continue
        command = order.commands.get(record["thingId"])
        about = command.target_id if command is not None and command.target_id else record["thingId"]
        wanted = sent.setdefault(about, now)
        if record["policySet"] != wanted:
            where = order.where("command", record["thingId"])
            what = f"was sent by {record['policySet']}, not by {wanted} that it was planned with"
            yield Broken("P12", where, what, order.order.id)


def _unexplained(seen: Seen, order: OrderSeen, record: Row) -> Iterator[str]:
    thing, verb = record["thing"], record["verb"]
    command = order.commands.get(record["thingId"]) if thing == "command" else None
    by_fact = command is not None and command.purpose.value != "query" and verb in BY_FACT
    if (thing, verb) in BY_RULE or by_fact:
        if not record["rule"]:
            yield "names no rule"
        if record["policySet"] not in seen.policies:
            yield f"names no policy set that is known ({record['policySet']!r})"
        if not record["reason"]:
            yield "gives no reason"
    if verb.startswith("refuse_") and not record["facts"].get("hint"):
        yield "refuses, and does not say what would work"


def _case(seen: Seen, order: OrderSeen, case: Case) -> Iterator[Broken]:
    reasons = case.reasons if isinstance(case.reasons, list) else []
    points = sum(int(r["points"]) for r in reasons if isinstance(r, dict) and isinstance(r.get("points"), int))
    where = order.where("case", case.id)
    if not reasons or not all(isinstance(r, dict) and r.get("sentence") for r in reasons):
        yield Broken("P12", where, f"its severity {case.severity} has no reasons", order.order.id)
    elif points != case.points:
        yield Broken("P12", where, f"its reasons sum to {points}, it has {case.points} points", order.order.id)
    if not case.rule or case.policy_set not in seen.policies:
        yield Broken("P12", where, f"names rule {case.rule!r} of {case.policy_set!r}", order.order.id)
    if case.state.value not in ("detected",) and not case.owner_group:
        yield Broken("P12", where, "has no owner", order.order.id)

"""The facts that conditions of policy may read, by name: a misspelt one compiles and fails only when it is asked, so
the check compares every condition with these tables and runs it on the samples (§5.3, §7).

Money is in minor units. Whoever evaluates a condition hands in every fact of its table.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fallsafe.core.events import Json


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: `type` is text, whole, number, flag or list, `values` the only words that it can be (empty = any),
    `sample` a plausible value.
    """

    type: str
    meaning: str
    sample: Json
    values: tuple[str, ...] = ()


SEGMENTS = ("", "consumer", "business", "key_account")

SEVERITY: Mapping[str, Fact] = {
    "segment": Fact("text", "customer segment of the order", "consumer", SEGMENTS),
    "priority": Fact("whole", "priority as given upstream, 0 is the most urgent", 2),
    "vulnerable": Fact("flag", "the customer depends on the service (health, safety)", False),
    "test": Fact("flag", "the order is marked as a test", False),
    "orderValueMinor": Fact("whole", "one-off amounts plus twelve times the monthly ones", 60_000),
    "monthlyMinor": Fact("whole", "what is blocked or wrongly charged each month", 4_500),
    "regulated": Fact("flag", "the item is a regulated service", False),
    "existingService": Fact("text", "state of the service that the customer had before", "", ("", "working", "lost")),
    "outcomeUnknown": Fact("flag", "nobody knows yet whether the effect exists", True),
    "movesMoneyOrGoods": Fact("flag", "the operation moves money or goods", False),
    "promise": Fact("text", "where the promised date stands", "at_risk", ("none", "passed", "at_risk", "safe")),
    "promiseWorkingDaysLeft": Fact(
        "whole", "0 = by the end of today's working day, 1 = of the next; 99 = nothing promised", 1
    ),
    "hoursLeft": Fact(
        "number", "hours to the nearer of resolution time and promised date, negative when over; 9999 = none", 26.5
    ),
    "blockedTasks": Fact("whole", "tasks that wait behind the failure", 2),
    "sameFingerprint24h": Fact("whole", "failures alike in the last 24 hours", 0),
    "reopened": Fact("flag", "the case was resolved before and came back", False),
    "systemTripped": Fact("flag", "sending to the system is stopped", False),
    "lateSuccess": Fact("flag", "the effect came after it was cancelled or undone", False),
    "duplicateEffect": Fact("flag", "a second effect is proved", False),
    "optionMissing": Fact("flag", "the customer has the service without an option", False),
    "code": Fact("text", "normalized code", "UNKNOWN_OUTCOME"),
    "domain": Fact("text", "domain of the failure", "Provisioning"),
    "recoverability": Fact("text", "kind of way out", "unknown_outcome"),
    "engineerOnSite": Fact("flag", "a technician stands at the customer's", False),
    "emergencyOff": Fact("flag", "emergency calling does not work", False),
}

ORDER: Mapping[str, Fact] = {
    "source": Fact("text", "upstream system", "CRM"),
    "segment": Fact("text", "customer segment", "consumer", SEGMENTS),
    "channel": Fact("text", "sales channel", "web"),
    "region": Fact("text", "region", "JKT"),
    "priority": Fact("whole", "priority as given upstream", 2),
    "vulnerable": Fact("flag", "the customer depends on the service", False),
    "test": Fact("flag", "the order is marked as a test", False),
    "discountPercent": Fact(
        "number", "discount of the accepted quote (`quote.discountPercent`), 0 where there is none", 0
    ),
    "orderValueMinor": Fact("whole", "one-off amounts plus twelve times the monthly ones", 60_000),
    "oneOffMinor": Fact("whole", "sum of the one-off amounts", 6_000),
    "monthlyMinor": Fact("whole", "sum of the monthly amounts", 4_500),
    "regulated": Fact("flag", "any item is a regulated service", False),
    "offers": Fact("list", "offers of the items", ["FIBER-HOME-1G", "STATIC-IP"]),
    "actions": Fact("list", "actions of the items", ["add", "add"]),
}

SIGNAL: Mapping[str, Fact] = {
    "system": Fact("text", "system that was spoken to", "PRV"),
    "operation": Fact("text", "operation that was asked for", "PRV.activateService"),
    "rawCode": Fact("text", "the system's own code", "ADDRESS_NOT_SERVICEABLE"),
    "message": Fact("text", "the system's own words", "no drop within 80 m"),
    "sign": Fact("text", "technical sign where there is no code", ""),
    "effect": Fact("flag", "the operation changes something outside", True),
    "spent": Fact("flag", "retries are used up", False),
    "step": Fact("text", "step of the plan", "activateFiberService"),
    "offer": Fact("text", "offer of the item", "FIBER-HOME-1G"),
    "source": Fact("text", "who sent the signal, where it came from outside", ""),
}


def samples(table: Mapping[str, Fact]) -> dict[str, Json]:
    """A plausible value of every fact."""
    return {name: fact.sample for name, fact in table.items()}

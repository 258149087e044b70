"""The words of failure: domains, recoverability, and what the platform knows of each normalized code (§5)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Recoverability(StrEnum):
    """What kind of way out there is (§5.2)."""

    TRANSIENT = "transient"
    REPAIRABLE = "repairable"
    COMPENSATABLE = "compensatable"
    TERMINAL = "terminal"
    UNKNOWN_OUTCOME = "unknown_outcome"
    POLICY_EXCEPTION = "policy_exception"


DOMAINS = (
    "Data",
    "Configuration",
    "Catalog",
    "Pricing",
    "Eligibility",
    "Inventory",
    "Provisioning",
    "Billing",
    "Partner",
    "Manual Ops",
    "Platform",
)


@dataclass(frozen=True, slots=True)
class SlaRow:
    """The times a code's case has, by severity (§16.1): first look and resolution, already divided by the time scale.
    `sentence` is for people.
    """

    first_touch: Mapping[str, timedelta]
    resolution: Mapping[str, timedelta]
    customer_update: Mapping[str, timedelta]
    sentence: str


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of a normalized code: title for people, kind (technical, business, operational), customer message
    key, playbook, the upstream control that would prevent it, the cause category (§23), its SLA row and the repair
    actions that are allowed.
    """

    code: str
    title: str
    kind: str
    message: str
    playbook: str
    upstream_control: str
    cause_category: str
    sla: SlaRow
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UndoRow:
    """How an effect could be undone (§13.2)."""

    undo: str
    system: str
    operation: str
    risk: str
    possible_while: str
    effect: str
    proof: str

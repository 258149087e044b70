"""The policy set: everything configurable as one frozen, dated, digested value. Every decision names the set and the
rule it used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from fallsafe.core.commands.contract import Operation, System
from fallsafe.core.comms.messages import MessageText
from fallsafe.core.detect.brake import Brake
from fallsafe.core.detect.silence import Silence
from fallsafe.core.events import Json
from fallsafe.core.orders.plan import PlanTemplate
from fallsafe.core.orders.task import TaskType
from fallsafe.core.orders.windows import CutOff, Hours, Window
from fallsafe.core.recover.breaker import Floor
from fallsafe.core.recover.comparing import Comparing
from fallsafe.core.recover.retry import RetryPolicy
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.triage.classify import RuleIndex
from fallsafe.core.triage.playbook import Playbook
from fallsafe.core.triage.severity import SeverityPolicy
from fallsafe.core.triage.taxonomy import Code, UndoRow


@dataclass(frozen=True, slots=True)
class OwnerGroup:
    """A team: code, title, what it works on, where it escalates to, when it works, and who is called when it does
    not.
    """

    code: str
    title: str
    works_on: str
    escalates_to: str
    calendar: str = ""
    after_hours: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """An approval that an order must carry before its first command, when the condition holds over its facts."""

    what: str
    sentence: str
    condition: Callable[[Mapping[str, Json]], bool]


@dataclass(frozen=True, slots=True)
class Offer:
    """What the catalog knows of an offer: title, whether it is still sold, actions that have a plan."""

    code: str
    title: str
    retired: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """Named limits and intervals of the set; durations are divided by the time scale. `duplicate_within` is how old a
    live order may be that a new one is taken for a duplicate of, never scaled; None = nobody asks. `brake` is that of
    every detector, `silence` when a callback channel is silent, `comparing` which effects are compared with other
    systems; None = none.
    """

    look_lag_max: timedelta
    review_every: timedelta
    pending_looks_max: int
    look_delays: tuple[timedelta, ...]
    unmatched_delays: tuple[timedelta, ...]
    replan_every: timedelta
    floor: Floor
    silent_after: timedelta
    duplicate_within: timedelta | None = None
    brake: Brake | None = None
    silence: Silence | None = None
    comparing: Comparing | None = None


@dataclass(frozen=True, slots=True)
class PolicySet:
    """One published set. `id` is `name@date+digest` (the first 12 hex digits of the digest of its files). `files` are
    its bytes by name, to publish and to show. `result_fields` are the fields of the result of each step that a request
    of the set may take; nothing else of an answer is kept beside its evidence. `request_facts` are the facts that the
    request of each operation reads.
    """

    id: str
    name: str
    date: str
    digest: str
    time_scale: float
    systems: Mapping[str, System]
    operations: Mapping[str, Operation]
    task_types: Mapping[str, TaskType]
    offers: Mapping[str, Offer]
    plans: Mapping[tuple[str, str], PlanTemplate]
    retry: Mapping[str, RetryPolicy]  # by task type; "" is the default
    rules: RuleIndex
    codes: Mapping[str, Code]
    severity: SeverityPolicy
    owners: Mapping[str, OwnerGroup]
    messages: Mapping[str, MessageText]
    message_by_failure: Mapping[tuple[str, str], str]
    actions: Mapping[str, RepairAction]
    undo: Mapping[str, UndoRow]
    approvals: tuple[ApprovalRule, ...]
    holidays: frozenset[str]
    limits: Limits
    files: Mapping[str, bytes]
    result_fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    calendars: Mapping[str, Hours] = field(default_factory=dict)
    windows: tuple[Window, ...] = ()
    cut_offs: Mapping[str, CutOff] = field(default_factory=dict)  # by system
    request_facts: Mapping[str, frozenset[str]] = field(default_factory=dict)
    playbooks: Mapping[str, Playbook] = field(default_factory=dict)


def retry_for(policy: PolicySet, task_type: str) -> RetryPolicy:
    """The retry policy of a task type, else the default."""
    return policy.retry.get(task_type) or policy.retry[""]

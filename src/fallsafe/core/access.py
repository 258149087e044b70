"""Who may do what: a right is role × action, as data. The doors ask `may`; they hold no rule of their own.

People have roles; a machine (a worker, a connector, an upstream system) has the role `machine` and never approves.
"""

from collections.abc import Iterable
from dataclasses import dataclass

ROLES = ("support", "operator", "engineer", "finance", "manager", "auditor", "admin", "machine")

READERS = frozenset(ROLES) - {"machine"}
RIGHTS: dict[str, frozenset[str]] = {
    "read": frozenset(ROLES),
    "read_evidence": frozenset({"operator", "engineer", "auditor", "admin"}),
    "submit_order": frozenset({"machine", "operator", "engineer", "admin"}),
    "signal": frozenset({"machine", "support", "operator", "engineer", "finance", "admin"}),
    "report": frozenset({"machine", "operator", "engineer", "admin"}),
    "steer": frozenset({"operator", "engineer", "admin"}),
    "reconcile": frozenset({"operator", "engineer", "finance", "admin"}),
    "resend": frozenset({"operator", "engineer", "admin"}),
    "comment": READERS - {"auditor"},
    "work_case": frozenset({"support", "operator", "engineer", "finance", "manager", "admin"}),
    "end_case": frozenset({"operator", "engineer", "finance", "manager", "admin"}),
    "repair": READERS - {"auditor"},
    "answer_amendment": frozenset({"machine", "manager", "admin"}),
    "approve_repair": frozenset({"operator", "engineer", "finance", "manager", "admin"}),
    "plan_again": frozenset({"engineer", "admin"}),
    "draft_policy": frozenset({"admin", "engineer", "operator"}),
    "publish_policy": frozenset({"admin", "engineer"}),
    "activate_policy": frozenset({"admin", "engineer"}),
    "move_orders": frozenset({"admin", "engineer"}),
    "end_rewind": frozenset({"admin"}),
    "manage_tokens": frozenset({"admin"}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose hand it was: `kind` is `person`, `machine` or `system` (the product itself), `name` is theirs, `roles` what
    they hold.
    """

    kind: str
    name: str
    roles: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def system(name: str) -> Actor:
    """The product's own part (`dispatcher`, `reconciler`, …) as an actor."""
    return Actor("system", name, frozenset())


def may(actor: Actor, action: str) -> bool:
    """Whether one of the actor's roles has the right. An unknown action is nobody's."""
    return actor.kind == "system" or bool(actor.roles & RIGHTS.get(action, frozenset()))


def who_may(action: str) -> tuple[str, ...]:
    """The roles that hold a right, for the sentence of a refusal."""
    return tuple(sorted(RIGHTS.get(action, frozenset())))


def unknown_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Those of `roles` that do not exist."""
    return tuple(r for r in roles if r not in ROLES)

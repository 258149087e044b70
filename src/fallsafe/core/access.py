"""Who may do what: a right is role × action × owner group, as data. Doors ask `may` and hold no rule of their own.

People have roles, and work for owner groups: what changes a case is for those who work for the group that owns it, and
for the roles that answer for all groups. Reading, and saying something about a case, is for everybody. A machine (a
worker, a connector, an upstream system) has the role `machine` and never approves.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from fallsafe.core.errors import Refusal

ROLES = ("support", "operator", "engineer", "finance", "manager", "auditor", "admin", "machine")

READERS = frozenset(ROLES) - {"machine"}
RIGHTS: dict[str, frozenset[str]] = {
    "read": frozenset(ROLES),
    "read_evidence": frozenset({"operator", "engineer", "auditor", "admin"}),
    "read_whole_evidence": frozenset({"engineer", "auditor", "admin"}),
    "submit_order": frozenset({"machine", "operator", "engineer", "admin"}),
    "signal": frozenset({"machine", "support", "operator", "engineer", "finance", "admin"}),
    "report": frozenset({"machine", "admin"}),
    "steer": frozenset({"operator", "engineer", "admin"}),
    "reconcile": frozenset({"operator", "engineer", "finance", "admin"}),
    "reply": frozenset({"operator", "engineer", "admin"}),
    "resend": frozenset({"operator", "engineer", "admin"}),
    "comment": READERS - {"auditor"},
    "open_case": READERS - {"auditor"},
    "work_case": frozenset({"support", "operator", "engineer", "finance", "manager", "admin"}),
    "end_case": frozenset({"operator", "engineer", "finance", "manager", "admin"}),
    "repair": READERS - {"auditor"},
    "steer_automation": frozenset({"engineer", "manager", "admin"}),
    "answer_amendment": frozenset({"machine", "manager", "admin"}),
    "approve_repair": frozenset({"operator", "engineer", "finance", "manager", "admin"}),
    "plan_again": frozenset({"engineer", "admin"}),
    "draft_policy": frozenset({"admin", "engineer", "operator"}),
    "publish_policy": frozenset({"admin", "engineer"}),
    "activate_policy": frozenset({"admin", "engineer"}),
    "move_orders": frozenset({"admin", "engineer"}),
    "end_rewind": frozenset({"admin"}),
    "manage_tokens": frozenset({"admin"}),
    "manage_people": frozenset({"admin"}),
}
OF_A_GROUP = frozenset({"work_case", "end_case", "repair", "approve_repair", "reconcile", "reply", "resend", "steer"})
"""The rights that reach as far as the owner groups that somebody works for."""
FOR_ALL_GROUPS = frozenset({"manager", "admin"})
"""The roles that answer for all groups."""
EVERY_GROUP = "*"
"""Stands in place of the names of all groups."""
PERSON_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,59}")
"""What somebody can be called."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Whose hand it was: `kind` is `person`, `machine` or `system` (the product itself), `name` is theirs, `roles` what
    they hold, `groups` the owner groups they work for.
    """

    kind: str
    name: str
    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset({EVERY_GROUP})

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def narrowed(actor: Actor, roles: Iterable[str], groups: Iterable[str]) -> Actor:
    """Whoever acts by a token, with no more than their own roles and groups: what is taken from somebody is taken from
    the tokens that they hold.
    """
    own = frozenset(groups)
    reach = actor.groups if EVERY_GROUP in own else own if EVERY_GROUP in actor.groups else actor.groups & own
    return Actor(actor.kind, actor.name, actor.roles & frozenset(roles), reach)


def system(name: str) -> Actor:
    """The product's own part (`dispatcher`, `reconciler`, …) as an actor."""
    return Actor("system", name, frozenset())


def may(actor: Actor, action: str, group: str = "") -> bool:
    """Whether one of the actor's roles has the right, for what `group` owns (empty = nobody's in particular). An
    unknown action is nobody's.
    """
    return not why_not(actor, action, group)


def why_not(actor: Actor, action: str, group: str = "") -> str:
    """Why the actor may not, in a sentence; empty where they may."""
    if actor.kind == "system":
        return ""
    if not actor.roles & RIGHTS.get(action, frozenset()):
        return has_none_of(actor, who_may(action))
    return works_elsewhere(actor, group) if action in OF_A_GROUP else ""


def not_allowed(actor: Actor, action: str, what: str, group: str = "") -> Refusal | None:
    """The refusal of somebody who may not; None where they may."""
    why = why_not(actor, action, group)
    return refused(what, why) if why else None


def refused(what: str, why: str) -> Refusal:
    """That somebody may not, whatever gives them the right."""
    return Refusal("NOT_ALLOWED", what, why, "ask somebody who may")


def has_none_of(actor: Actor, roles: Iterable[str]) -> str:
    """That somebody has none of these roles."""
    return f"{actor} has none of the roles {', '.join(roles)}"


def works_elsewhere(actor: Actor, group: str) -> str:
    """Why the actor's roles do not reach what this group owns; empty where they do."""
    reaches = actor.kind == "system" or actor.roles & FOR_ALL_GROUPS or actor.groups & {EVERY_GROUP, group}
    if reaches or not group:
        return ""
    own = ", ".join(sorted(actor.groups)) or "no group"
    return f"it belongs to {group}, and {actor} works for {own}"


TRIES = 5
LOCKED_FIRST, LOCKED_MAX, NO_TIME = timedelta(minutes=1), timedelta(minutes=15), timedelta(0)


def locked_for(wrong_in_a_row: int) -> timedelta:
    """How long no password of somebody is taken after so many wrong ones: from the fifth on a minute, then twice as
    long each time, up to a quarter of an hour.
    """
    return min(LOCKED_MAX, LOCKED_FIRST * 2 ** min(wrong_in_a_row - TRIES, 10)) if wrong_in_a_row >= TRIES else NO_TIME


def who_may(action: str) -> tuple[str, ...]:
    """The roles that hold a right, for the sentence of a refusal."""
    return tuple(sorted(RIGHTS.get(action, frozenset())))


def unknown_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Those of `roles` that do not exist."""
    return tuple(r for r in roles if r not in ROLES)

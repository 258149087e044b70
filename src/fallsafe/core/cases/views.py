"""Saved views: a query with a name, for oneself, for a team or for everyone; and those that each role begins with
(§8.1).

A team is a role: whoever has it sees its views, and whoever has it may save one for it. Nobody's view is changed by
somebody else, except by a manager or an administrator.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from fallsafe.core.access import ROLES, Actor
from fallsafe.core.errors import Refusal

OWN, TEAM, EVERYONE = "own", "team", "everyone"
VIEW_SCOPES = (OWN, TEAM, EVERYONE)
TITLE_LETTERS_MAX = 60
VIEWS_OF_ONE_MAX = 50
TIDIERS = frozenset({"manager", "admin"})
"""Who may take away what others saved."""


@dataclass(frozen=True, slots=True)
class View:
    """A saved view. `owner` is the person (`own`), the role (`team`), or empty (`everyone`)."""

    id: int
    scope: str
    owner: str
    title: str
    query: str
    sort: str
    made_by: str


@dataclass(frozen=True, slots=True)
class RoleView:
    """A view that a role begins with."""

    title: str
    query: str
    sort: str
    roles: tuple[str, ...]


ROLE_VIEWS = (
    RoleView("Customers who wait", "impact:delayed", "priority", ("support",)),
    RoleView("Mine", "assignee:me", "priority", ("operator", "support", "engineer", "finance")),
    RoleView("Nobody works on it", "assignee:none", "priority", ("operator", "manager")),
    RoleView("Late or soon late", "sla:at_risk,breached", "priority", ("operator", "manager")),
    RoleView("Waits for somebody", "is:waiting", "due", ("operator", "support")),
    RoleView("Ours to mend", "domain:Catalog,Configuration,Platform", "priority", ("engineer",)),
    RoleView("Seen again and again", "seen:>1", "newest", ("engineer",)),
    RoleView("Billing and prices", "domain:Billing,Pricing", "value", ("finance",)),
    RoleView("Money blocked", "amount:>0", "value", ("finance", "manager")),
    RoleView("Escalated", "is:escalated", "due", ("manager",)),
    RoleView("What has ended", "is:ended", "newest", ("auditor", "manager")),
    RoleView("Everything", "is:any", "newest", ("auditor",)),
)


def role_views(actor: Actor) -> tuple[RoleView, ...]:
    """The views that somebody's roles begin with; whoever administers sees those of an operator."""
    roles = actor.roles or frozenset()
    mine = roles | {"operator"} if "admin" in roles else roles
    return tuple(view for view in ROLE_VIEWS if mine & set(view.roles))


def visible(views: Iterable[View], actor: Actor) -> tuple[View, ...]:
    """Those that somebody sees: their own, those of their roles, and everyone's."""
    return tuple(
        view
        for view in views
        if view.scope == EVERYONE
        or (view.scope == OWN and view.owner == actor.name)
        or (view.scope == TEAM and view.owner in actor.roles)
    )


def owner_of(actor: Actor, scope: str, team: str) -> str:
    """Whose a new view is."""
    return actor.name if scope == OWN else team if scope == TEAM else ""


def why_not_save(actor: Actor, scope: str, team: str, title: str, own_count: int) -> Refusal | None:
    """Why somebody may not save a view; None where they may."""
    what = f"cannot save the view {title[:TITLE_LETTERS_MAX]}"
    if not actor.roles - {"machine"}:
        return Refusal("NOT_ALLOWED", what, "views belong to people", "sign in as a person")
    if scope not in VIEW_SCOPES:
        return Refusal("SCOPE_UNKNOWN", what, f"there is no scope {scope}", f"use {', '.join(VIEW_SCOPES)}", "/scope")
    if not title.strip() or len(title) > TITLE_LETTERS_MAX or not title.isprintable():
        why = f"its name has {len(title)} letters" if title.strip() else "it has no name"
        return Refusal("TITLE_WRONG", what, why, f"1 to {TITLE_LETTERS_MAX} printable letters", "/title")
    if scope == TEAM and team not in actor.roles:
        why = f"you do not have the role {team}" if team in ROLES else f"there is no role {team}"
        return Refusal("NOT_ALLOWED", what, why, f"your roles: {', '.join(sorted(actor.roles))}", "/team")
    if scope == EVERYONE and not actor.roles - {"auditor"}:
        why = "your roles only read"
        return Refusal("NOT_ALLOWED", what, why, "save it for yourself, and share its link", "/scope")
    if own_count >= VIEWS_OF_ONE_MAX:
        return Refusal("TOO_MANY", what, f"there are {own_count} of its kind", f"{VIEWS_OF_ONE_MAX} are the most")
    return None


def why_not_change(actor: Actor, view: View) -> Refusal | None:
    """Why somebody may not change or remove a view that is there; None where they may."""
    if view.made_by == actor.name or (view.scope != OWN and actor.roles & TIDIERS):
        return None
    what = f"cannot change the view {view.title}"
    return Refusal("NOT_ALLOWED", what, f"{view.made_by} saved it", "save it under a name of your own")

"""The repair actions of a policy set (§8.3): what each does, who may, what it must be given, what it may correct, when
a second person agrees, and what has to hold before and after.

An action is a domain command. What it does stands in `core.repair.actions`; what it may do is data, read here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from fallsafe.core.access import Actor, has_none_of, works_elsewhere
from fallsafe.core.events import Json
from fallsafe.core.repair.automation import NEVER, Automatic

PREVIEW_LIVES = timedelta(hours=1)
"""How long a preview may be run where its action says nothing; a person's time at a screen, so it is never scaled."""
APPROVAL_LIVES = timedelta(hours=24)
"""How long a preview waits for a second person."""

CASE_WORK = ("WAIT_UNTIL", "TRANSFER", "CONSULT", "RELATE", "ESCALATE", "WITHDRAW")
"""Actions of the catalogue that are case work, with doors of their own."""
ELSEWHERE = ("MOVE_TO_PLAN_VERSION",)
"""Actions that are done to policy, not to a case."""

AUDIT = "{who} did it for {case}: {reason}; changed {changes}; sent {sends}; {agreed}."
"""How a repair is remembered whose action says nothing of that."""

LOCKED, SENSITIVE, FREE = "locked", "sensitive", "free"
CLASSES = (LOCKED, SENSITIVE, FREE)
"""Who may correct a field: nobody by a repair, somebody with a second person's yes, whoever may run the action."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with what was given: the JSON pointer, what, and what would be right."""

    pointer: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One question that is asked again before the task goes on (§9.2), of an `operation` without effect. `gives` is the
    fact that the reference of its answer becomes. `unchanged` says what of the deal its answer decides: it is asked of
    what was accepted too, and another answer makes a correction one of the deal.
    """

    operation: str
    title: str
    gives: str = ""
    unchanged: str = ""


def _nothing_wrong(_: Json) -> tuple[Wrong, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class RepairAction:
    """One action. `approval` is its rule as a sentence, `approves_when` the rule's name (`never`, `always`, `risk`:
    what the action itself finds risky), `approvers` the roles of a second person, `approvers_above` those that
    take their place where more than an amount is at stake, in minor units of the order's currency, ascending.

    `given` is the JSON Schema of what it must be given, `wrong` that schema compiled. `fields` gives patterns of facts
    (`item.characteristics.*`) their class, the most exact one wins; `tolerance` says how far from what was accepted a
    date or an amount may go before that is another deal. `mode` is automatic, manual or hybrid; `sends` what kinds of
    commands it may make; `checks` what is asked again before resume; `resolves` how a case ends by it. `does` names
    what runs it, `corrects` says which fact each thing that it is given corrects, `automatic` when it may run by
    itself; `audit` is the template of the sentence by which it is remembered.

    `available` says whether this release runs it, and `because` why not; `every_case` that it is for any code. `digest`
    is over its definition.
    """

    code: str
    title: str
    kind: str
    risk: str
    roles: tuple[str, ...]
    approval: str
    locked_while_unknown: bool
    available: bool
    because: str = ""
    approves_when: str = "never"
    approvers: tuple[str, ...] = ()
    approvers_above: tuple[tuple[int, tuple[str, ...]], ...] = ()
    given: Json = None
    wrong: Callable[[Json], tuple[Wrong, ...]] = field(default=_nothing_wrong, compare=False)
    fields: Mapping[str, str] = field(default_factory=dict)
    tolerance: Mapping[str, timedelta | int] = field(default_factory=dict)
    mode: str = "manual"
    sends: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    does: str = ""
    corrects: Mapping[str, str] = field(default_factory=dict)
    automatic: Automatic = NEVER
    resolves: str = ""
    audit: str = AUDIT
    lives: timedelta = PREVIEW_LIVES
    every_case: bool = False
    digest: str = ""

    def why_not(self, actor: Actor, group: str = "") -> str:
        """Why somebody may not run it, for what a group owns; empty where they may."""
        holds = actor.roles & {*self.roles, "admin"}
        return works_elsewhere(actor, group) if holds else has_none_of(actor, self.roles)

    def approvers_for(self, amount_minor: int) -> tuple[str, ...]:
        """The roles of which a second person has one where this much is at stake; empty for any that may agree."""
        roles = self.approvers
        for above, those in self.approvers_above:
            roles = those if amount_minor > above else roles
        return roles


def class_of(action: RepairAction, name: str) -> str:
    """The class of a fact for an action: by its exact name, else by the longest pattern with a star; locked where none
    fits.
    """
    if name in action.fields:
        return action.fields[name]
    fitting = [p for p in action.fields if p.endswith("*") and name.startswith(p[:-1])]
    return action.fields[max(fitting, key=len)] if fitting else LOCKED

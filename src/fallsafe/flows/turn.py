"""A turn: one transaction's work over some orders. It collects signals while facts are applied and, at its end, opens
their cases and derives what follows.

A failure and its case are in the same turn, hence in the same commit (P4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fallsafe.core.access import Actor
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.detect.signal import Signal
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.recover.breaker import Downstream
from fallsafe.core.recover.strategy import Step
from fallsafe.core.triage.classify import Classification
from fallsafe.core.values import replace
from fallsafe.flows.context import Context
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Why

PLAIN = (str, int, float, bool, list, dict, type(None))


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended a failure in the turn that saw it: the command that is done, from which state, on which evidence, and
    whether that proves it (a person's word alone does not).
    """

    command: Command
    was: CommandState
    evidence: tuple[int, ...]
    proved: bool = True


@dataclass(frozen=True, slots=True)
class Raised:
    """A failure of an order that needs a case: its signal, what it was judged to be, and its next step (§10). `ended`
    where a later fact of the same turn has ended it; `stored` the id of a signal from outside, which learns its case.
    """

    aggregate: Aggregate
    signal: Signal
    judged: Classification
    step: Step
    ended: Ended | None = None
    stored: int = 0


@dataclass(slots=True)
class Turn:
    """What the functions of one transaction share. `now` was read after the order locks; `private` are the personal
    values of orders, where they were looked for (`flows.discretion`), `managed` the case that each signal from outside
    came to, `health` the downstreams that something is the matter with, where the flow has read them.
    """

    tx: Tx
    context: Context
    now: datetime
    actor: Actor
    raised: list[Raised] = field(default_factory=list)
    private: dict[int, tuple[str, ...]] = field(default_factory=dict)
    managed: dict[int, int] = field(default_factory=dict)
    health: Mapping[str, Downstream] = field(default_factory=dict)

    def why(
        self,
        reason: str = "",
        *,
        policy: PolicySet | None = None,
        rule: str = "",
        evidence: tuple[int, ...] = (),
        causation: str = "",
        **facts: object,
    ) -> Why:
        """The reason of a record in this turn."""
        plain = {k: v for k, v in facts.items() if isinstance(v, PLAIN)}
        return Why(self.actor, reason, policy.id if policy else "", rule, evidence, causation, plain)

    def policy(self, aggregate: Aggregate) -> PolicySet:
        """The set that the order is judged by."""
        return self.context.policy(aggregate.order.policy_set)


async def begin(tx: Tx, context: Context, actor: Actor) -> Turn:
    """Starts a turn; the clock is read here, so lock before."""
    return Turn(tx, context, await tx.now(), actor)


def as_actor(turn: Turn, actor: Actor) -> Turn:
    """The same turn in somebody else's name."""
    return replace(turn, actor=actor)

"""What every flow is told: policy sets, gates, dice, who works, and where callbacks go; and how it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from fallsafe.core.errors import Refusal, SetNotRead
from fallsafe.core.policy.policy_set import PolicySet

LEASE_BEYOND_CALL = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Applied:
    """Done: which thing (`order`, `command`, `case`, …) and its id. `already` says that it had been done before and
    nothing changed.
    """

    thing: str
    id: int
    already: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Not done, recorded: which thing, and the refusal to show word for word."""

    thing: str
    id: int
    refusal: Refusal


Answer = Applied | Refused


@dataclass(frozen=True, slots=True)
class Context:
    """`policies` by id (every set that a live order was planned with), `newest` the one for triage, ownership, SLA
    and messages; `gates` by system; `dice` gives numbers in [0, 1); `callback_url` is our address for callbacks;
    `worker` names who works. An attempt is leased for its whole call and `lease_beyond_call`; the call must have begun
    within the latter. `repeats` is how many repeats may go out now to each system (None = nobody counts).
    """

    policies: Mapping[str, PolicySet]
    newest: PolicySet
    gates: Mapping[str, int]
    dice: Callable[[], float]
    callback_url: str
    worker: str
    lease_beyond_call: timedelta = LEASE_BEYOND_CALL
    repeats: Mapping[str, int] | None = None

    def policy(self, set_id: str) -> PolicySet:
        """The set that a running order is judged by. Raises `SetNotRead` where it was published a moment ago."""
        try:
            return self.policies[set_id]
        except KeyError:
            raise SetNotRead(set_id) from None

    def gate(self, system: str) -> int:
        """The gate of a downstream; 0 (no gate) when it has none."""
        return self.gates.get(system, 0)

"""Whose a failure is, and what kind: the words "system's" and "task's" of a rule become the group and domain of what
was asked (§5, §7).
"""

from collections.abc import Mapping

from fallsafe.core.detect.signal import Signal
from fallsafe.core.events import Json

SYSTEMS = "system's"
TASKS = "task's"
DOMAIN_OF_NO_SYSTEM = "Platform"


def owner_of(named: str, signal: Signal, owners: Mapping[str, str], facts: Mapping[str, Json], otherwise: str) -> str:
    """The owner group: as named, else that of the system, or of the task (fact `taskOwner`); `otherwise` where nobody
    is known (§24.5).

    A failure without an owner is a graveyard: there always is one.
    """
    if named == TASKS:
        told = facts.get("taskOwner")
        return told if isinstance(told, str) and told else owners.get(signal.system, otherwise)
    return owners.get(signal.system, otherwise) if named == SYSTEMS else named or otherwise


def domain_of(named: str, signal: Signal, domains: Mapping[str, str]) -> str:
    """The failure domain (§5.1): as named, else that of the system that was asked."""
    return domains.get(signal.system, DOMAIN_OF_NO_SYSTEM) if named == SYSTEMS else named or DOMAIN_OF_NO_SYSTEM

"""What both pages share: the mark of something that may be late, severity and state as shapes, and the digest that says
whether a part changed.

Colour is never alone: every mark has a shape and words.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from fallsafe.core.cases.case import OPEN_CASE_STATES, Case, CaseState
from fallsafe.store.queue import AT_RISK_FROM
from fallsafe.workbench.words import CASE_WORDS, words

RING = {
    CaseState.DETECTED: 0,
    CaseState.CLASSIFIED: 15,
    CaseState.ASSIGNED: 30,
    CaseState.DIAGNOSING: 50,
    CaseState.REPAIRING: 70,
    CaseState.REVALIDATING: 85,
}
"""How far the ring of a state is filled, in percent."""


@dataclass(frozen=True, slots=True)
class Due:
    """The time by which a case must be resolved. `kind` is `breached`, `at_risk`, `on_track`, `ended` or `none`."""

    kind: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Stage:
    """The state of a case as a ring: `percent` filled, or `shape` `check` or `dash` when it has ended."""

    word: str
    percent: int
    shape: str


def due_of(case: Case, now: datetime) -> Due:
    """Where the resolution clock of a case stands."""
    if case.state not in OPEN_CASE_STATES:
        return Due("ended", case.sla_due_at)
    if case.sla_due_at is None:
        return Due("none", None)
    if now >= case.sla_due_at:
        return Due("breached", case.sla_due_at)
    whole = case.sla_due_at - case.detected_at
    gone = (now - case.detected_at) / whole if whole else 1.0
    return Due("at_risk" if gone >= AT_RISK_FROM else "on_track", case.sla_due_at)


def stage_of(state: CaseState) -> Stage:
    """The ring and the word of a case's state."""
    shape = "ring" if state in OPEN_CASE_STATES else "check" if state is CaseState.RESOLVED else "dash"
    return Stage(words(state, CASE_WORDS), RING.get(state, 100), shape)


def digest_of(part: object) -> str:
    """A short digest of a part of a page; equal parts have equal digests, in every process."""
    return sha256(repr(part).encode()).hexdigest()[:12]

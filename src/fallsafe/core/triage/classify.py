"""Classification: from a signal to a normalized code, with the rule that decided (§7).

The most specific rule wins: exact code before pattern, operation before any, condition before none. Raw codes stand
beside the normalized
one and are never replaced by it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fallsafe.core.detect.signal import Signal
from fallsafe.core.events import Json
from fallsafe.core.triage.taxonomy import Recoverability


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `system`, `operation` empty = any; `codes` exact raw codes; `pattern` a compiled search over `raw code +
    message`; `signs` technical signs;
    `condition` a compiled expression over the facts; `effect` None = either. `domain`/`owner` may be "system's". A
    `secondary` rule applies only once retries are spent.
    """

    id: str
    system: str
    operation: str
    codes: frozenset[str]
    pattern: Callable[[str], bool] | None
    signs: frozenset[str]
    effect: bool | None
    condition: Callable[[Mapping[str, Json]], bool] | None
    secondary: bool
    code: str
    domain: str
    cause: str
    recoverability: Recoverability
    owner: str
    automation: str  # act, propose, person
    first_step: str


@dataclass(frozen=True, slots=True)
class Classification:
    """The judgement and why: rule id, what it matched on, and every other reading that was possible."""

    code: str
    domain: str
    cause: str
    recoverability: Recoverability
    owner: str
    automation: str
    first_step: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class RuleIndex:
    """The rules of a policy set, hashed by (system, operation, code or sign); built once by `index`."""

    exact: Mapping[tuple[str, str, str], tuple[Rule, ...]]
    scan: tuple[Rule, ...]
    fallback: Rule
    owners: Mapping[str, str]  # system → owner
    domains: Mapping[str, str]  # system → domain


def signs_of(signal: Signal) -> tuple[str, ...]:
    """The keys under which a signal may be found: its raw code, then its sign."""
    return tuple(word for word in (signal.raw_code, signal.sign) if word)

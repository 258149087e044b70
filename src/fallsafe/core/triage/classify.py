"""Classification: from a signal to a normalized code, with the rule that decided (§7).

The most specific rule wins: exact code before pattern, operation before any, condition before none. Raw codes stand
beside the normalized one and are never replaced by it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fallsafe.core.detect.signal import Signal
from fallsafe.core.events import Json
from fallsafe.core.triage.ownership import domain_of, owner_of
from fallsafe.core.triage.taxonomy import Recoverability
from fallsafe.core.values import replace


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `system`, `operation` empty = any; `codes` exact raw codes; `pattern` a compiled search over `raw code +
    message`; `signs` technical signs; `condition` a compiled expression over the facts; `effect` None = either.
    `domain`/`owner` may be "system's". A `secondary` rule applies only once retries are spent; one in
    `shadow` decides nothing, it is only noted where it would.
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
    shadow: bool = False


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
    shadows: "RuleIndex | None" = None


def signs_of(signal: Signal) -> tuple[str, ...]:
    """The keys under which a signal may be found: its raw code, then its sign."""
    return tuple(word for word in (signal.raw_code, signal.sign) if word)


def index(rules: Iterable[Rule], fallback: Rule, owners: Mapping[str, str], domains: Mapping[str, str]) -> RuleIndex:
    """The rules hashed by system, operation and word; those without a code or sign are kept to be gone through."""
    every = tuple(rules)
    shadows = tuple(rule for rule in every if rule.shadow)
    hashed = _hashed((rule for rule in every if not rule.shadow), fallback, owners, domains)
    return replace(hashed, shadows=_hashed(shadows, fallback, owners, domains)) if shadows else hashed


def _hashed(rules: Iterable[Rule], fallback: Rule, owners: Mapping[str, str], domains: Mapping[str, str]) -> RuleIndex:
    exact: dict[tuple[str, str, str], list[Rule]] = {}
    scan: list[Rule] = []
    for rule in rules:
        for word in sorted(rule.codes | rule.signs):
            exact.setdefault((rule.system, rule.operation, word), []).append(rule)
        if rule.pattern is not None or not rule.codes | rule.signs:
            scan.append(rule)
    return RuleIndex({key: tuple(found) for key, found in exact.items()}, tuple(scan), fallback, owners, domains)


def classify(index: RuleIndex, signal: Signal, facts: Mapping[str, Json]) -> Classification:
    """What a signal means (§7): the most specific rule that it reaches, else the fallback, which is a visible queue.

    Once retries are spent a secondary rule comes before all others; before that it is not asked. `facts` are those that
    conditions may read (`signal_facts`), and `taskOwner` where the failure is a task's own.
    """
    readings = sorted(_readings(index, signal, facts), key=lambda r: r.rank, reverse=True)
    best = readings[0] if readings else Reading(index.fallback, 0, "nothing known")
    others = tuple(dict.fromkeys(r.rule.id for r in readings if r.rule is not best.rule))
    rule = best.rule
    return Classification(
        code=rule.code,
        domain=domain_of(rule.domain, signal, index.domains),
        cause=rule.cause,
        recoverability=rule.recoverability,
        owner=owner_of(rule.owner, signal, index.owners, facts, index.fallback.owner),
        automation=rule.automation,
        first_step=rule.first_step,
        rule=rule.id,
        why=_why(best, signal, others),
    )


def read_in_shadow(
    index: RuleIndex, signal: Signal, facts: Mapping[str, Json], judged: Classification
) -> tuple[str, ...]:
    """The rules in shadow that would have read a signal as another code than it was."""
    if index.shadows is None:
        return ()
    readings = _readings(index.shadows, signal, facts)
    return tuple(sorted({reading.rule.id for reading in readings if reading.rule.code != judged.code}))


def signal_facts(signal: Signal) -> dict[str, Json]:
    """The facts that a rule's condition may read."""
    return {
        "system": signal.system,
        "operation": signal.operation,
        "rawCode": signal.raw_code,
        "message": signal.message,
        "sign": signal.sign,
        "effect": signal.effect,
        "spent": signal.spent,
        "step": signal.step,
        "offer": signal.offer,
        "source": signal.source,
    }


@dataclass(frozen=True, slots=True)
class Reading:
    """A rule that a signal reaches, how closely (3 raw code, 2 pattern, 1 sign, 0 nothing but the place), and by
    what.
    """

    rule: Rule
    closeness: int
    matched: str

    @property
    def rank(self) -> tuple[bool, int, bool, bool, bool, bool]:
        """Secondary before primary; then exact code, operation, system, condition, effect before their absence."""
        rule = self.rule
        by_place = (bool(rule.operation), bool(rule.system))
        return (rule.secondary, self.closeness, *by_place, rule.condition is not None, rule.effect is not None)


def _readings(index: RuleIndex, signal: Signal, facts: Mapping[str, Json]) -> Iterator[Reading]:
    places = [(s, o) for o in (signal.operation, "") for s in (signal.system, "")]
    for system, operation in dict.fromkeys(places):
        for word in dict.fromkeys(signs_of(signal)):
            for rule in index.exact.get((system, operation, word), ()):
                if _applies(rule, signal, facts):
                    yield from _by_word(rule, word, signal)
    text = f"{signal.raw_code} {signal.message}"
    for rule in index.scan:
        if _is_about(rule, signal) and (rule.pattern is None or rule.pattern(text)) and _applies(rule, signal, facts):
            yield Reading(rule, 2, "the words") if rule.pattern else Reading(rule, 0, "no word, but the place,")


def _by_word(rule: Rule, word: str, signal: Signal) -> Iterator[Reading]:
    if word == signal.raw_code and word in rule.codes:
        yield Reading(rule, 3, f"raw code {word}")
    elif word == signal.sign and word in rule.signs:
        yield Reading(rule, 1, f"sign {word}")


def _is_about(rule: Rule, signal: Signal) -> bool:
    return rule.system in ("", signal.system) and rule.operation in ("", signal.operation)


def _applies(rule: Rule, signal: Signal, facts: Mapping[str, Json]) -> bool:
    if rule.secondary and not signal.spent:
        return False
    if rule.effect is not None and rule.effect is not signal.effect:
        return False
    return rule.condition is None or rule.condition({**signal_facts(signal), **facts})


def _why(best: Reading, signal: Signal, others: tuple[str, ...]) -> str:
    where = signal.operation or signal.system or "this order"
    spent = ", retries are spent" if best.rule.secondary else ""
    also = f"; it could also be read by {', '.join(others)}" if others else ""
    return f"rule {best.rule.id}: {best.matched} of {where}{spent}{also}"

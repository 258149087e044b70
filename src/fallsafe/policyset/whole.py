"""Checks a set as a whole: that every name one file uses stands in another, and that every rule is reached by its own
sample, alone.

Each file may be right and the set still wrong; what is found here would otherwise be found by an order.
"""

from collections.abc import Iterator, Mapping, Sequence

from fallsafe.core.detect.signal import Signal
from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.catalogue import CASE_WORK, ELSEWHERE
from fallsafe.core.triage.classify import Rule, classify, index, signal_facts
from fallsafe.core.triage.ownership import SYSTEMS, TASKS
from fallsafe.core.triage.taxonomy import DOMAINS
from fallsafe.policyset.conditions import ConditionError
from fallsafe.policyset.contracts import ASKED, Contracts
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.samples import signal_of
from fallsafe.policyset.source import Part
from fallsafe.policyset.templates import sample_facts

# Codes and messages that the product itself says; a set without one of them could not say what has happened.
OWN_CODES = (
    "UNKNOWN_OUTCOME", "MISSING_CALLBACK", "DUPLICATE_REQUEST", "RETRY_EXHAUSTED", "UNCLASSIFIED", "LOOKUP_UNDECIDED",
    "ABSENCE_WRONG", "CALLBACK_CONFLICT", "CALLBACK_UNMATCHED", "LATE_SUCCESS", "DUPLICATE_EFFECT", "OFFER_RETIRED",
    "PRODUCT_MAPPING_MISSING", "DECOMPOSITION_ERROR", "APPROVAL_MISSING", "APPROVAL_STALE", "SUSPECTED_DUPLICATE_ORDER",
    "ORDER_UNREADABLE", "ORDER_STUCK", "ORDER_QUARANTINED", "DATABASE_REWOUND",
    "EVIDENCE_ALTERED", "EFFECT_LAPSING", "RESERVATION_LAPSED", "PROMISE_BROKEN", "FOLLOW_UP", "UPSTREAM_CHANGE",
    "SIGNAL_UNMATCHED", "DETECTOR_BRAKED", "ENGINE_CONTRADICTS", "DONE_FOR_FORMER_DEAL",
)  # fmt: skip
OWN_MESSAGES = (
    "hidden", "on_track", "in_progress", "confirming", "completed", "cancelled", "cancel_in_progress", "not_possible",
)  # fmt: skip

Parts = Mapping[str, Part]
Placed = Sequence[tuple[Part, Rule]]


def check(policy: PolicySet, parts: Parts, rules: Placed, asked: Contracts, findings: Findings) -> None:
    """Note everything that is wrong between the files of a set."""
    _owners(policy, parts, findings)
    _asked(parts, findings)
    _own_words(policy, parts, findings)
    _repair_checks(policy, parts["actions"], findings)
    _offered(policy, parts["actions"], findings)
    _compared(policy, parts["limits"].at("limits").at("compare").at("operations"), findings)
    _requests(policy, asked, findings)
    _rule_words(policy, rules, parts["classification"].at("fallback"), findings)
    _ties(rules, findings)
    _samples(policy, rules, findings)


def _owners(policy: PolicySet, parts: Parts, findings: Findings) -> None:
    for part in parts["systems"].at("systems").each():
        findings.name(part.at("owner"), "group", policy.owners)
        findings.name(part.at("domain"), "domain", DOMAINS)
    for part in parts["task_types"].at("task_types").each():
        findings.name(part.at("owner"), "group", policy.owners)
    for part in parts["undo"].at("undo").each():
        findings.name(part.at("system"), "system", policy.systems)


def _asked(parts: Parts, findings: Findings) -> None:
    """Answers can only be compared with what was asked."""
    for row in _answer_rows(parts):
        for fact in row.at("match").each():
            findings.name(fact, "fact of a question", ASKED)


def _answer_rows(parts: Parts) -> Iterator[Part]:
    for kind in ("operations", "queries"):
        for part in parts["operations"].at(kind).each():
            yield from part.at("answers").each()
    for part in parts["systems"].at("systems").each():
        yield from part.at("refusals").each()
        yield from part.at("callback").at("answers").each()


def _own_words(policy: PolicySet, parts: Parts, findings: Findings) -> None:
    for kind, own, known in (("codes", OWN_CODES, policy.codes), ("messages", OWN_MESSAGES, policy.messages)):
        for word in own:
            if word not in known:
                findings.add(parts[kind].at(kind), f"{word} is missing", "the product itself says it; describe it")


def _repair_checks(policy: PolicySet, file: Part, findings: Findings) -> None:
    """What a repair asks again has no effect, and what it may do by itself is about codes that there are."""
    for action in file.at("actions").each():
        for code in action.at("automatic").at("codes").each():
            findings.name(code, "code", policy.codes)
        for below in action.at("checks").each():
            named = findings.name(below.at("operation"), "operation", policy.operations)
            if named in policy.operations and policy.operations[named].effect:
                right = "a check only asks: name an operation without an effect"
                findings.add(below.at("operation"), f"{named} has an effect", right)


def _offered(policy: PolicySet, file: Part, findings: Findings) -> None:
    """What this release can run is a way out of some failure."""
    offered = {action for code in policy.codes.values() for action in code.actions}
    elsewhere = {*CASE_WORK, *ELSEWHERE}
    for name, below in file.at("actions").entries():
        action = policy.actions.get(name)
        if action is None or not action.available or action.every_case or name in {*offered, *elsewhere}:
            continue
        findings.add(below, f"no code offers {name}", "name it among the actions of a code, or say every_case: true")


def _compared(policy: PolicySet, part: Part, findings: Findings) -> None:
    """Only an effect that can be asked about without a repeat can be compared."""
    for below in part.each():
        known = policy.operations.get(findings.name(below, "operation", policy.operations))
        if known is not None and not (known.effect and any(way.method != "repeat" for way in known.look_ups)):
            findings.add(below, f"{known.name} cannot be asked about", "name an operation with an effect and a look-up")


def _requests(policy: PolicySet, asked: Contracts, findings: Findings) -> None:
    """What a request takes from a finished step can only be there if a plan has the step, or may have: a step is named
    after its task type where nothing says otherwise.
    """
    steps = {step.step for plan in policy.plans.values() for step in plan.steps} | set(policy.task_types)
    for place, template in asked.requests:
        for fact in template.names():
            kind, _, rest = fact.partition(".")
            if kind == "results":
                findings.name(Part(place.file, rest.partition(".")[0], place.pointer), "step of a plan", steps)
        problem = template.fails_on(sample_facts(template.names()))
        if problem:
            findings.add(place, problem, "every request can be built from plausible facts")


def _rule_words(policy: PolicySet, rules: Placed, fallback: Part, findings: Findings) -> None:
    lines: dict[str, int] = {}
    for part, rule in rules:
        if rule.id in lines:
            right = f"give it an id of its own (the first is in line {lines[rule.id]})"
            findings.add(part.at("id"), f"rule {rule.id} stands twice", right)
        lines.setdefault(rule.id, part.line)
        findings.name(part.at("system"), "system", policy.systems, "")
        findings.name(part.at("operation"), "operation", policy.operations, "")
    for part in [*(part for part, _ in rules), fallback]:
        findings.name(part.at("owner"), "group", policy.owners, SYSTEMS, TASKS)
        findings.name(part.at("code"), "code", policy.codes)
        findings.name(part.at("domain"), "domain", DOMAINS, SYSTEMS)


def _ties(rules: Placed, findings: Findings) -> None:
    """Two rules without conditions that name the same word at the same place: only their order would decide."""
    first: dict[tuple[object, ...], Rule] = {}
    for part, rule in rules:
        for kind, word in [*(("code", word) for word in rule.codes), *(("sign", word) for word in rule.signs)]:
            for effect in (True, False) if rule.effect is None else (rule.effect,):
                at = (kind, word, rule.system, rule.operation, rule.secondary, rule.shadow, rule.effect is None, effect)
                other = first.setdefault(at, rule) if rule.condition is None else rule
                if other is not rule and (other.effect is not None or effect):
                    right = "keep one of them, or name an operation or a condition in the other"
                    findings.add(part, f"{other.id} and {rule.id} both stand for the {kind} {word!r}", right)


def _samples(policy: PolicySet, rules: Placed, findings: Findings) -> None:
    """Each rule is what its own sample is read as, whatever the order of the file."""
    at = policy.rules
    backwards = index([rule for _, rule in reversed(rules)], at.fallback, at.owners, at.domains)
    lines = {rule.id: part.line for part, rule in rules}
    for part, rule in rules:
        sample = part.at("sample")
        signal = signal_of(sample, policy.operations, policy.systems)
        if isinstance(signal, str):
            findings.add(sample, f"the sample of {rule.id}: {signal}", "write the raw answer that the rule is for")
            continue
        try:
            ways = [way.shadows if rule.shadow and way.shadows else way for way in (at, backwards)]
            reached, other = (classify(way, signal, signal_facts(signal)).rule for way in ways)
        except ConditionError as error:
            findings.add(sample, f"the sample of {rule.id}: {error}", "the sample has what the condition asks for")
            continue
        if reached != other:
            right = "name the operation in one of them, or make it one rule"
            findings.add(part, f"{reached} and {other} fit the sample of {rule.id} equally well", right)
        elif reached != rule.id:
            right = f"it says {_said(signal)}; correct the rule or the sample"
            findings.add(sample, f"the sample of {rule.id} is read as {_with_line(reached, lines)}", right)


def _with_line(rule: str, lines: Mapping[str, int]) -> str:
    return f"{rule} (line {lines[rule]})" if rule in lines else f"{rule}, the fallback"


def _said(signal: Signal) -> str:
    words: dict[str, Json] = {"raw code": signal.raw_code, "sign": signal.sign, "message": signal.message}
    return ", ".join(f"{kind} {word!r}" for kind, word in words.items() if word) or "nothing"

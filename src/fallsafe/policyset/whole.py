"""Checks a set as a whole: that every name one file uses stands in another, and that every rule is reached by its own sample, alone.

Each file may be right and the set still wrong; what is found here would otherwise be found by an order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.triage.classify import Rule, classify, index, signal_facts
from fallsafe.core.triage.taxonomy import DOMAINS
from fallsafe.policyset.conditions import ConditionError
from fallsafe.policyset.contracts import ASKED, Contracts
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.recover import known_codes
from fallsafe.policyset.samples import signal_of
from fallsafe.policyset.source import Part
from fallsafe.policyset.templates import SAMPLE, TemplateError
from fallsafe.policyset.words import nearest

SYSTEMS = "system's"
TASKS = "task's"

# Codes and messages that the product itself names; a set without one of them could not say what has happened.
OWN_CODES = (
    "UNKNOWN_OUTCOME", "MISSING_CALLBACK", "DUPLICATE_REQUEST", "RETRY_EXHAUSTED", "UNCLASSIFIED", "LOOKUP_UNDECIDED",
    "ABSENCE_WRONG", "CALLBACK_CONFLICT", "CALLBACK_UNMATCHED", "LATE_SUCCESS", "DUPLICATE_EFFECT", "OFFER_RETIRED",
    "PRODUCT_MAPPING_MISSING", "DECOMPOSITION_ERROR", "APPROVAL_MISSING", "APPROVAL_STALE", "SUSPECTED_DUPLICATE_ORDER",
    "ORDER_UNREADABLE", "ORDER_STUCK", "ORDER_QUARANTINED", "DATABASE_REWOUND",
)  # fmt: skip
OWN_MESSAGES = (
    "hidden", "on_track", "in_progress", "confirming", "completed", "cancelled", "cancel_in_progress", "not_possible",
)  # fmt: skip

Placed = Sequence[tuple[Part, Rule]]


def check(policy: PolicySet, parts: Mapping[str, Part], rules: Placed, asked: Contracts) -> Iterator[Problem]:
    """Everything that is wrong between the files of a set."""
    yield from _owners(policy, parts)
    yield from _retry(policy, parts)
    yield from _asked(parts)
    yield from _own_words(policy, parts)
    yield from _renders(policy, asked)
    yield from _rule_words(policy, rules, parts["classification"].at("fallback"))
    yield from _samples(policy, rules)


def _owners(policy: PolicySet, parts: Mapping[str, Part]) -> Iterator[Problem]:
    for code, part in parts["systems"].at("systems").items():
        yield from _group(part.at("owner"), policy)
        if policy.systems[code].domain not in DOMAINS:
            yield part.at("domain").wrong(
                f"no domain is called {part.at('domain').text()!r}",
                nearest(part.at("domain").text(), DOMAINS, "the domains are"),
            )
    for _, part in parts["task_types"].at("task_types").items():
        yield from _group(part.at("owner"), policy)
    for name, part in parts["undo"].at("undo").items():
        if policy.undo[name].system not in policy.systems:
            yield part.at("system").wrong(
                f"no system is called {policy.undo[name].system!r}",
                nearest(policy.undo[name].system, policy.systems, "the systems are"),
            )


def _group(place: Part, policy: PolicySet, *also: str) -> Iterator[Problem]:
    if place.text() not in policy.owners and place.text() not in also:
        yield place.wrong(
            f"no group is called {place.text()!r}", nearest(place.text(), policy.owners, "the groups are")
        )


def _retry(policy: PolicySet, parts: Mapping[str, Part]) -> Iterator[Problem]:
    found: list[Problem] = []
    known_codes(parts["retry"], policy.codes, found)
    yield from found
    for _, part in parts["retry"].at("policies").items():
        yield from _group(part.at("on_exhaustion"), policy, "case")


def _asked(parts: Mapping[str, Part]) -> Iterator[Problem]:
    """Answers can only be compared with what was asked."""
    rows = [row for _, part in parts["operations"].at("operations").items() for row in part.at("answers").each()]
    rows += [row for _, part in parts["operations"].at("queries").items() for row in part.at("answers").each()]
    for _, part in parts["systems"].at("systems").items():
        rows += [*part.at("refusals").each(), *part.at("callback").at("answers").each()]
    for row in rows:
        for _, fact in row.at("match").items():
            if fact.text() not in ASKED:
                yield fact.wrong(
                    f"{fact.text()!r} is never asked", nearest(fact.text(), ASKED, "an answer is compared with")
                )


def _own_words(policy: PolicySet, parts: Mapping[str, Part]) -> Iterator[Problem]:
    for code in OWN_CODES:
        if code not in policy.codes:
            yield (
                parts["codes"]
                .at("codes")
                .wrong(f"the code {code} is missing", "the product itself says it; describe it")
            )
    for key in OWN_MESSAGES:
        if key not in policy.messages:
            yield (
                parts["messages"]
                .at("messages")
                .wrong(f"the message {key} is missing", "the product itself says it; write it")
            )


def _renders(policy: PolicySet, asked: Contracts) -> Iterator[Problem]:
    """Every request can be built from plausible facts."""
    facts: dict[str, Json] = {
        **SAMPLE,
        "results": {step.step: {"reference": "X-1"} for plan in policy.plans.values() for step in plan.steps},
    }
    for place, template in asked.templates:
        try:
            template(facts)
        except TemplateError as error:
            if error.fact.startswith(("results.", "item.characteristics.", "item.place.")) and not _unknown_step(
                error.fact, policy
            ):
                continue
            yield place.wrong(str(error), "results are those of steps of the plans; {fact?} may be absent")


def _unknown_step(fact: str, policy: PolicySet) -> bool:
    steps = {step.step for plan in policy.plans.values() for step in plan.steps}
    return fact.startswith("results.") and fact.split(".")[1] not in steps


def _rule_words(policy: PolicySet, rules: Placed, fallback: Part) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for part, rule in rules:
        if rule.id in seen:
            yield part.at("id").wrong(
                f"rule {rule.id} stands twice", f"give it an id of its own (the first is in line {seen[rule.id]})"
            )
        seen.setdefault(rule.id, part.line)
        if rule.system and rule.system not in policy.systems:
            yield part.at("system").wrong(
                f"no system is called {rule.system!r}", nearest(rule.system, policy.systems, "the systems are")
            )
        if rule.operation and rule.operation not in policy.operations:
            yield part.at("operation").wrong(
                f"no operation is called {rule.operation!r}",
                nearest(rule.operation, policy.operations, "the operations are"),
            )
    for part in [*(part for part, _ in rules), fallback]:
        yield from _group(part.at("owner"), policy, SYSTEMS, TASKS)
        if part.at("code").text() not in policy.codes:
            yield part.at("code").wrong(
                f"no code is called {part.at('code').text()!r}",
                nearest(part.at("code").text(), policy.codes, "the codes are"),
            )
        if part.at("domain").text() not in (*DOMAINS, SYSTEMS):
            yield part.at("domain").wrong(
                f"no domain is called {part.at('domain').text()!r}",
                nearest(part.at("domain").text(), DOMAINS, "the domains are"),
            )


def _samples(policy: PolicySet, rules: Placed) -> Iterator[Problem]:
    """Each rule is what its own sample is read as, whatever the order of the file."""
    places = {rule.id: part for part, rule in rules}
    backwards = index(
        [rule for _, rule in reversed(rules)], policy.rules.fallback, policy.rules.owners, policy.rules.domains
    )
    for part, rule in rules:
        sample = part.at("sample")
        signal = signal_of(sample, policy.operations)
        if isinstance(signal, str):
            yield sample.wrong(f"the sample of {rule.id}: {signal}", "write the raw answer that the rule is for")
            continue
        try:
            facts = signal_facts(signal)
            reached, other = classify(policy.rules, signal, facts).rule, classify(backwards, signal, facts).rule
        except ConditionError as error:
            yield sample.wrong(f"the sample of {rule.id}: {error}", "a condition can be answered for its own sample")
            continue
        if reached != other:
            yield part.wrong(
                f"{reached} and {other} fit the sample of {rule.id} equally well",
                "name the operation in one of them, or make it one rule",
            )
        elif reached != rule.id:
            where = f" (line {places[reached].line})" if reached in places else ""
            yield sample.wrong(
                f"the sample of {rule.id} is read as {reached}{where}",
                f"it says {_said(signal.raw_code, signal.sign, signal.message)}; correct the rule or the sample",
            )
    yield from _ties(rules)


def _ties(rules: Placed) -> Iterator[Problem]:
    """Two rules that name the same word at the same place, so that only the order of the file would decide."""
    first: dict[tuple[object, ...], Rule] = {}
    for part, rule in rules:
        for kind, words in (("code", rule.codes), ("sign", rule.signs)):
            for word in sorted(words):
                for effect in (True, False) if rule.effect is None else (rule.effect,):
                    same = (
                        kind,
                        word,
                        rule.system,
                        rule.operation,
                        rule.secondary,
                        rule.condition is None,
                        rule.effect is None,
                        effect,
                    )
                    other = first.setdefault(same, rule)
                    if other is not rule and rule.condition is None:
                        yield part.wrong(
                            f"{other.id} and {rule.id} both stand for the {kind} {word!r}",
                            "keep one of them, or name an operation or a condition in the other",
                        )


def _said(raw_code: str, sign: str, message: str) -> str:
    words: Iterable[str] = (
        f"raw code {raw_code!r}" if raw_code else "",
        f"sign {sign!r}" if sign else "",
        f"message {message!r}" if message else "",
    )
    return ", ".join(word for word in words if word) or "nothing"

"""Reads what failures are called, what they mean and how bad they are: codes, classification rules, severity (§5,
§7).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from fallsafe.core.triage.classify import Rule
from fallsafe.core.triage.playbook import Playbook, PlaybookStep
from fallsafe.core.triage.severity import Factor, FactorRow, Floor, Level, SeverityPolicy
from fallsafe.core.triage.taxonomy import DOMAINS, Code, Recoverability, SlaRow
from fallsafe.policyset import facts
from fallsafe.policyset.conditions import condition
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part

LEVELS = tuple(level.value for level in Level)
NO_TIMES = SlaRow({}, {}, {}, "")
Table = Mapping[str, facts.Fact]

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_REPEAT_OF_A_REPEAT = re.compile(r"[*+}]\)*[*+{]")


def codes(
    part: Part, actions: Mapping[str, object], messages: Mapping[str, object], findings: Findings
) -> dict[str, Code]:
    """The normalized codes with all that is known of each."""
    rows = {name: _sla(below, findings) for name, below in part.at("sla").entries()}
    names = dict(part.at("playbooks").entries())
    for below in part.at("codes").each():
        findings.name(below.at("playbook"), "playbook", names)
    return {code: _code(code, below, rows, actions, messages, findings) for code, below in part.at("codes").entries()}


def playbooks(part: Part, actions: Mapping[str, object], findings: Findings) -> dict[str, Playbook]:
    """The playbooks by name; a step takes an action that there is."""
    found = {}
    for name, below in part.at("playbooks").entries():
        steps = [
            PlaybookStep(
                step.at("by").text(), findings.name(step.at("action"), "action", actions, ""), step.at("text").text()
            )
            for step in below.at("steps").each()
        ]
        found[name] = Playbook(name, below.at("title").text(), tuple(steps), below.at("runbook").text())
    return found


def _code(
    code: str,
    part: Part,
    rows: Mapping[str, SlaRow],
    actions: Mapping[str, object],
    messages: Mapping[str, object],
    findings: Findings,
) -> Code:
    return Code(
        code=code,
        title=part.at("title").text(),
        kind=part.at("kind").text(),
        message=_message(part.at("message"), messages, findings),
        playbook=part.at("playbook").text(),
        upstream_control=part.at("upstream_control").text(),
        cause_category=part.at("cause_category").text(),
        sla=rows.get(findings.name(part.at("sla"), "row of times", rows), NO_TIMES),
        actions=tuple(findings.name(action, "action", actions) for action in part.at("actions").each()),
    )


def _message(part: Part, messages: Mapping[str, object], findings: Findings) -> str:
    """The message of a code; empty where recoverability and impact decide."""
    return findings.name(part, "message", messages) if part.value is not None else ""


def _sla(part: Part, findings: Findings) -> SlaRow:
    touch, resolution, update = (
        _by_level(part.at(clock), findings) for clock in ("first_touch", "resolution", "customer_update")
    )
    return SlaRow(touch, resolution, update, part.at("sentence").text())


def _by_level(part: Part, findings: Findings) -> dict[str, timedelta]:
    return {level: findings.duration(part.at(level)) for level in LEVELS}


def rules(part: Part, findings: Findings) -> tuple[tuple[Part, Rule], ...]:
    """The classification rules with their places, in the order of the file."""
    return tuple((below, rule(below, findings)) for below in part.at("rules").each())


def rule(part: Part, findings: Findings) -> Rule:
    """One classification rule, or the fallback."""
    return Rule(
        id=part.at("id").text(),
        system=part.at("system").text(),
        operation=part.at("operation").text(),
        codes=frozenset(part.at("codes").texts()),
        pattern=_pattern(part.at("pattern"), findings),
        signs=frozenset(part.at("signs").texts()),
        effect=None if part.at("effect").value is None else part.at("effect").flag(),
        condition=None if part.at("when").value is None else condition(part.at("when"), facts.SIGNAL, findings),
        secondary=part.at("secondary").flag(),
        code=part.at("code").text(),
        domain=part.at("domain").text(),
        cause=part.at("cause").text(),
        recoverability=Recoverability(part.at("recoverability").text()),
        owner=part.at("owner").text(),
        automation=part.at("automation").text(),
        first_step=part.at("first_step").text(),
        shadow=part.at("shadow").flag(),
    )


def _pattern(part: Part, findings: Findings) -> Callable[[str], bool] | None:
    text = part.text()
    if not text:
        return None
    if _REPEAT_OF_A_REPEAT.search(text):
        findings.add(part, "a pattern that may run for ever on a long answer", "no repeat of a repeat, as in (a+)+")
        return None
    try:
        compiled = re.compile(text)
    except re.error as error:
        findings.add(part, f"not a pattern: {error}", "write a regular expression, for example \\bACCOUNT_NOT_FOUND\\b")
        return None
    return lambda said: compiled.search(said) is not None


def severity(part: Part, known: Mapping[str, Code], findings: Findings) -> SeverityPolicy:
    """Factors, floors and levels; their conditions read the facts of `facts.SEVERITY`."""
    table = _table(known)
    medium, high, critical = (int(part.at("levels").at(level).number()) for level in LEVELS[1:])
    if not 0 < medium < high < critical:
        findings.add(part.at("levels"), "the levels do not grow", "0 < medium < high < critical")
    factors = tuple(
        Factor(below.at("name").text(), tuple(_factor_row(row, table, findings) for row in below.at("rows").each()))
        for below in part.at("factors").each()
    )
    floors = tuple(_floor(below, table, findings) for below in part.at("floors").each())
    return SeverityPolicy(factors, floors, medium, high, critical)


def _table(known: Mapping[str, Code]) -> Table:
    """The facts of severity, with the words that code, domain and recoverability can be in this set."""
    words = {
        "code": tuple(known),
        "domain": DOMAINS,
        "recoverability": tuple(kind.value for kind in Recoverability),
    }
    return {**facts.SEVERITY, **{name: replace(facts.SEVERITY[name], values=values) for name, values in words.items()}}


def _factor_row(part: Part, table: Table, findings: Findings) -> FactorRow:
    return FactorRow(
        condition=condition(part.at("when"), table, findings),
        points=int(part.at("points").number()),
        sentence=_sentence(part.at("sentence"), findings),
    )


def _floor(part: Part, table: Table, findings: Findings) -> Floor:
    return Floor(
        condition=condition(part.at("when"), table, findings),
        level=Level(part.at("level").text()),
        sentence=_sentence(part.at("sentence"), findings),
        cap=part.at("cap").flag(),
    )


def _sentence(part: Part, findings: Findings) -> str:
    for name in _PLACEHOLDER.findall(part.text()):
        findings.name(Part(part.file, name, part.pointer), "fact", facts.SEVERITY)
    return part.text()

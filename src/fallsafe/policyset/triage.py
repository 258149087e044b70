"""Reads what failures are called, what they mean and how bad they are: codes, classification rules, severity (§5, §7)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from fallsafe.core.triage.classify import Rule
from fallsafe.core.triage.severity import Factor, FactorRow, Floor, Level, SeverityPolicy
from fallsafe.core.triage.taxonomy import DOMAINS, Code, Recoverability, SlaRow
from fallsafe.policyset import facts
from fallsafe.policyset.conditions import condition, never
from fallsafe.policyset.durations import duration
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest

LEVELS = tuple(level.value for level in Level)
SYSTEMS_OWN = "system's"
PATTERN_MAX = 200
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def codes(
    part: Part,
    actions: Mapping[str, object],
    messages: Mapping[str, object],
    problems: list[Problem],
    time_scale: float,
) -> dict[str, Code]:
    """The normalized codes with all that is known of each."""
    rows = {name: _sla(below, problems, time_scale) for name, below in part.at("sla").items()}
    built = {}
    for code, below in part.at("codes").items():
        _known(below.at("sla"), rows, "row of times", problems)
        _known(below.at("message"), messages, "message", problems)
        for place in below.at("actions").each():
            _known(place, actions, "action", problems)
        built[code] = Code(
            code=code,
            title=below.at("title").text(),
            kind=below.at("kind").text(),
            message=below.at("message").text(),
            playbook=below.at("playbook").text(),
            upstream_control=below.at("upstream_control").text(),
            cause_category=below.at("cause_category").text(),
            sla=rows.get(below.at("sla").text()) or SlaRow({}, {}, {}, ""),
            actions=below.at("actions").texts(),
        )
    return built


def _known(place: Part, known: Mapping[str, object], kind: str, problems: list[Problem]) -> None:
    if place.text() not in known:
        problems.append(place.wrong(f"no {kind} is called {place.text()!r}", nearest(place.text(), known, "known are")))


def _sla(part: Part, problems: list[Problem], time_scale: float) -> SlaRow:
    times = {
        clock: _by_level(part.at(clock), problems, time_scale)
        for clock in ("first_touch", "resolution", "customer_update")
    }
    return SlaRow(times["first_touch"], times["resolution"], times["customer_update"], part.at("sentence").text())


def _by_level(part: Part, problems: list[Problem], time_scale: float) -> dict[str, timedelta]:
    return {level: duration(part.at(level), problems, time_scale) for level in LEVELS}


def rules(part: Part, problems: list[Problem]) -> tuple[tuple[Part, Rule], ...]:
    """The classification rules with their places, in the order of the file."""
    return tuple((below, _rule(below, problems)) for below in part.at("rules").each())


def fallback(part: Part, problems: list[Problem]) -> Rule:
    """The rule for what no other matches."""
    return _rule(part.at("fallback"), problems)


def _rule(part: Part, problems: list[Problem]) -> Rule:
    when = part.at("when")
    return Rule(
        id=part.at("id").text(),
        system=part.at("system").text(),
        operation=part.at("operation").text(),
        codes=frozenset(part.at("codes").texts()),
        pattern=_pattern(part.at("pattern"), problems),
        signs=frozenset(part.at("signs").texts()),
        effect=None if part.at("effect").value is None else part.at("effect").flag(),
        condition=None if when.value is None else condition(when, facts.SIGNAL, problems) or never,
        secondary=part.at("secondary").flag(),
        code=part.at("code").text(),
        domain=part.at("domain").text(),
        cause=part.at("cause").text(),
        recoverability=Recoverability(part.at("recoverability").text()),
        owner=part.at("owner").text(),
        automation=part.at("automation").text(),
        first_step=part.at("first_step").text(),
    )


def _pattern(part: Part, problems: list[Problem]) -> Callable[[str], bool] | None:
    text = part.text()
    if not text:
        return None
    try:
        compiled = re.compile(text)
    except re.error as error:
        problems.append(part.wrong(f"not a pattern: {error}", "write a regular expression"))
        return None
    if len(text) > PATTERN_MAX or re.search(r"[*+}]\)?[*+{]", text):
        problems.append(
            part.wrong("a pattern that may run for very long", f"at most {PATTERN_MAX} signs, no repeat of a repeat")
        )
        return None
    return lambda said: compiled.search(said) is not None


def severity(part: Part, codes_known: Mapping[str, Code], problems: list[Problem]) -> SeverityPolicy:
    """Factors, floors and levels; their conditions read the facts of `facts.SEVERITY`."""
    table = {
        **facts.SEVERITY,
        "code": replace(facts.SEVERITY["code"], values=tuple(codes_known)),
        "domain": replace(facts.SEVERITY["domain"], values=DOMAINS),
        "recoverability": replace(
            facts.SEVERITY["recoverability"], values=tuple(kind.value for kind in Recoverability)
        ),
    }
    medium, high, critical = (int(part.at("levels").at(level).number()) for level in LEVELS[1:])
    if not 0 < medium < high < critical:
        problems.append(part.at("levels").wrong("the levels do not grow", "medium < high < critical"))
    factors = tuple(
        Factor(below.at("name").text(), tuple(_factor_row(row, table, problems) for row in below.at("rows").each()))
        for below in part.at("factors").each()
    )
    floors = tuple(_floor(below, table, problems) for below in part.at("floors").each())
    return SeverityPolicy(factors, floors, medium, high, critical)


def _factor_row(part: Part, table: Mapping[str, facts.Fact], problems: list[Problem]) -> FactorRow:
    return FactorRow(
        condition(part.at("when"), table, problems) or never, int(part.at("points").number()), _sentence(part, problems)
    )


def _floor(part: Part, table: Mapping[str, facts.Fact], problems: list[Problem]) -> Floor:
    return Floor(
        condition(part.at("when"), table, problems) or never,
        Level(part.at("level").text()),
        _sentence(part, problems),
        part.at("cap").flag(),
    )


def _sentence(part: Part, problems: list[Problem]) -> str:
    text = part.at("sentence").text()
    for name in _PLACEHOLDER.findall(text):
        if name not in facts.SEVERITY:
            problems.append(
                part.at("sentence").wrong(f"no fact is called {name!r}", nearest(name, facts.SEVERITY, "the facts are"))
            )
    return text

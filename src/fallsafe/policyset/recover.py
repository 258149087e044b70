"""Reads retry, approvals, limits and holidays: what may be done again, by whom, when (§8, §10, §12)."""

from collections.abc import Mapping
from datetime import timedelta

from fallsafe.core.detect.brake import Brake
from fallsafe.core.detect.silence import Silence
from fallsafe.core.orders.task import TaskType
from fallsafe.core.policy.policy_set import ApprovalRule, Limits
from fallsafe.core.recover.breaker import Floor
from fallsafe.core.recover.comparing import Comparing
from fallsafe.core.recover.retry import RetryPolicy
from fallsafe.core.triage.taxonomy import Code
from fallsafe.policyset import facts
from fallsafe.policyset.conditions import condition
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part

CASE = "case"
CANARY_WITHIN_LEAST = timedelta(seconds=30)
"""Shorter than that no worker could be sure to have sent it, and have recorded what it brought."""


def retry(
    part: Part,
    types: Mapping[str, TaskType],
    codes: Mapping[str, Code],
    owners: Mapping[str, object],
    findings: Findings,
) -> dict[str, RetryPolicy]:
    """The retry policy of each task type that has one of its own, and the default under the empty name."""
    policies = {name: _retry(name, below, findings) for name, below in part.at("policies").entries()}
    for below in part.at("policies").each():
        findings.name(below.at("on_exhaustion"), "group or code", {**owners, **codes}, CASE)
        for code in below.at("codes").each():
            findings.name(code, "code", codes)
    built = {"": policies["default"]}
    for task_type, below in part.at("task_types").entries():
        findings.name(Part(below.file, task_type, below.pointer), "task type", types)
        name = findings.name(below, "retry policy", policies)
        built[task_type] = policies.get(name, policies["default"])
    return built


def _retry(name: str, part: Part, findings: Findings) -> RetryPolicy:
    return RetryPolicy(
        name=name,
        codes=frozenset(part.at("codes").texts()),
        attempts_max=int(part.at("attempts_max").number()),
        delays=findings.durations(part.at("delays")),
        jitter=float(part.at("jitter").number()),
        window=findings.duration(part.at("window")),
        on_exhaustion=part.at("on_exhaustion").text(),
    )


def approvals(part: Part, findings: Findings) -> tuple[ApprovalRule, ...]:
    """The approvals that orders must carry; their conditions read the facts of `facts.ORDER`."""
    return tuple(
        ApprovalRule(
            what=below.at("what").text(),
            sentence=below.at("sentence").text(),
            condition=condition(below.at("when"), facts.ORDER, findings),
        )
        for below in part.at("approvals").each()
    )


def limits(part: Part, findings: Findings) -> Limits:
    """The named limits. `look_lag_max` measures this machine and is not scaled."""
    at = part.at("limits")
    return Limits(
        look_lag_max=findings.duration(at.at("look_lag_max"), scaled=False),
        review_every=findings.duration(at.at("review_every")),
        pending_looks_max=int(at.at("pending_looks_max").number()),
        look_delays=findings.durations(at.at("look_delays")),
        unmatched_delays=findings.durations(at.at("unmatched_delays")),
        replan_every=findings.duration(at.at("replan_every")),
        silent_after=findings.duration(at.at("silent_after")),
        floor=_floor(at.at("down"), findings),
        duplicate_within=_if_given(at.at("duplicate_within"), findings),
        brake=_brake(at.at("brake"), findings),
        silence=_silence(at.at("silence"), findings),
        comparing=_comparing(at.at("compare"), findings),
    )


def _brake(part: Part, findings: Findings) -> Brake | None:
    if part.value is None:
        return None
    floor, ratio = int(part.at("floor").number()), float(part.at("ratio").number())
    return Brake(floor, ratio, findings.duration(part.at("within")))


def _comparing(part: Part, findings: Findings) -> Comparing | None:
    if part.value is None:
        return None
    return Comparing(
        operations=tuple(part.at("operations").texts()),
        settled=findings.duration(part.at("settled"), scaled=False),
        every=findings.duration(part.at("every"), scaled=False),
        during=findings.duration(part.at("during"), scaled=False),
    )


def _silence(part: Part, findings: Findings) -> Silence | None:
    if part.value is None:
        return None
    at_least = findings.duration(part.at("at_least"), scaled=False)
    together = part.at("together")
    return Silence(
        waiting=int(part.at("waiting").number()),
        heard=int(part.at("heard").number()),
        times=float(part.at("times").number()),
        at_least=at_least,
        brake=Brake(int(together.at("floor").number()), float(together.at("ratio").number()), at_least),
    )


def _if_given(part: Part, findings: Findings) -> timedelta | None:
    """How long a live order counts; a date of the world outside, so it follows no scale."""
    return findings.duration(part, scaled=False) if part.value is not None else None


def _floor(part: Part, findings: Findings) -> Floor:
    return Floor(
        failures=int(part.at("after").number()),
        probe_delays=findings.durations(part.at("probe_delays")),
        canary_within=findings.duration(part.at("canary_within"), CANARY_WITHIN_LEAST, scaled=False),
    )


def holidays(part: Part) -> frozenset[str]:
    """The days without work, as ISO dates."""
    return frozenset(part.at("holidays").texts())

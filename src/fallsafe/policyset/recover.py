"""Reads retry, repair actions, approvals, limits and holidays: what may be done again, by whom, when (§8, §10, §12)."""

from collections.abc import Iterable, Mapping

from fallsafe.core.access import unknown_roles
from fallsafe.core.access import ROLES
from fallsafe.core.policy.policy_set import ApprovalRule, Limits
from fallsafe.core.recover.retry import RetryPolicy
from fallsafe.core.triage.taxonomy import RepairAction
from fallsafe.policyset import facts
from fallsafe.policyset.conditions import condition, never
from fallsafe.policyset.durations import duration, durations
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest


def retry(part: Part, types: Iterable[str], problems: list[Problem], time_scale: float) -> dict[str, RetryPolicy]:
    """The retry policy of each task type that has one of its own, and the default under the empty name."""
    policies = {name: _retry(name, below, problems, time_scale) for name, below in part.at("policies").items()}
    built = {"": policies["default"]}
    for task_type, below in part.at("task_types").items():
        if task_type not in set(types):
            problems.append(
                below.wrong(f"no task type is called {task_type!r}", nearest(task_type, types, "the task types are"))
            )
        if below.text() not in policies:
            problems.append(
                below.wrong(
                    f"no retry policy is called {below.text()!r}", nearest(below.text(), policies, "the policies are")
                )
            )
        else:
            built[task_type] = policies[below.text()]
    return built


def _retry(name: str, part: Part, problems: list[Problem], time_scale: float) -> RetryPolicy:
    return RetryPolicy(
        name=name,
        codes=frozenset(part.at("codes").texts()),
        attempts_max=int(part.at("attempts_max").number()),
        delays=durations(part.at("delays"), problems, time_scale),
        jitter=float(part.at("jitter").number()),
        window=duration(part.at("window"), problems, time_scale),
        on_exhaustion=part.at("on_exhaustion").text(),
    )


def actions(part: Part, problems: list[Problem]) -> dict[str, RepairAction]:
    """The repair actions by code."""
    built = {}
    for code, below in part.at("actions").items():
        for role in unknown_roles(below.at("roles").texts()):
            problems.append(
                below.at("roles").wrong(f"no role is called {role!r}", nearest(role, ROLES, "the roles are"))
            )
        built[code] = RepairAction(
            code=code,
            title=below.at("title").text(),
            kind=below.at("kind").text(),
            risk=below.at("risk").text(),
            roles=below.at("roles").texts(),
            approval=below.at("approval").text(),
            locked_while_unknown=below.at("locked_while_unknown").flag(),
            available=below.at("available").flag(),
        )
    return built


def approvals(part: Part, problems: list[Problem]) -> tuple[ApprovalRule, ...]:
    """The approvals that orders must carry; their conditions read the facts of `facts.ORDER`."""
    return tuple(
        ApprovalRule(
            below.at("what").text(),
            below.at("sentence").text(),
            condition(below.at("when"), facts.ORDER, problems) or never,
        )
        for below in part.at("approvals").each()
    )


def limits(part: Part, problems: list[Problem], time_scale: float) -> Limits:
    """The named limits. `look_lag_max` measures this machine and is not scaled."""
    at = part.at("limits")
    return Limits(
        look_lag_max=duration(at.at("look_lag_max"), problems),
        review_every=duration(at.at("review_every"), problems, time_scale),
        pending_looks_max=int(at.at("pending_looks_max").number()),
        look_delays=durations(at.at("look_delays"), problems, time_scale),
        unmatched_delays=durations(at.at("unmatched_delays"), problems, time_scale),
        replan_every=duration(at.at("replan_every"), problems, time_scale),
    )


def holidays(part: Part) -> frozenset[str]:
    """The days without work, as ISO dates."""
    return frozenset(part.at("holidays").texts())


def known_codes(part: Part, codes: Mapping[str, object], problems: list[Problem]) -> None:
    """Refuses a retry policy that names a code that nothing can be classified as."""
    for _, below in part.at("policies").items():
        for place in below.at("codes").each():
            if place.text() not in codes:
                problems.append(
                    place.wrong(f"no code is called {place.text()!r}", nearest(place.text(), codes, "the codes are"))
                )

"""The filter beside the list: facets, quick counters and the chips of what is asked for. Each value is a link to the
list that would be seen with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fallsafe.core.cases.facets import KINDS, Facets
from fallsafe.core.cases.query import LEVELS, NOBODY, SLA_WORDS, CaseQuery, Token
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.workbench.words import CASE_WORDS, RECOVERABILITY_WORDS, words

SHOWN_MAX = 8
TITLES: Mapping[str, str] = {
    "severity": "Severity",
    "sla": "Service level",
    "recover": "Way out",
    "owner": "Owner group",
    "assignee": "Who works on it",
    "system": "System",
    "state": "State",
    "domain": "Domain",
    "code": "Failure",
}
SLA_TITLES = {"breached": "Breached", "at_risk": "At risk", "on_track": "On track", "none": "No time set"}
FIXED_ORDER: Mapping[str, tuple[str, ...]] = {"severity": LEVELS, "sla": SLA_WORDS, "assignee": (NOBODY, "somebody")}


@dataclass(frozen=True, slots=True)
class Choice:
    """A value: what it is called, how many there are, the list with it (or without it, where it is chosen)."""

    id: str
    value: str
    title: str
    count: str
    href: str
    on: bool


@dataclass(frozen=True, slots=True)
class Facet:
    """A kind that cases are narrowed by; `rest` are values beyond those that are shown at once."""

    key: str
    title: str
    choices: tuple[Choice, ...]
    rest: tuple[Choice, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class Counter:
    """A quick counter above the list."""

    id: str
    icon: str
    tone: str
    title: str
    count: str
    href: str
    on: bool


def list_url(query: CaseQuery, sort: str = "priority", path: str = "/queue") -> str:
    """The address of a list."""
    given = {"q": str(query)} | ({"sort": sort} if sort != "priority" else {})
    return f"{path}?{urlencode({k: v for k, v in given.items() if v})}".rstrip("?")


def facets_of(found: Facets, query: CaseQuery, sort: str, policy: PolicySet) -> tuple[Facet, ...]:
    """The facets in their order; values by their own order, else the most frequent first."""
    return tuple(_facet(key, found, query, sort, policy) for key in KINDS if found.values[key])


def _facet(key: str, found: Facets, query: CaseQuery, sort: str, policy: PolicySet) -> Facet:
    values, chosen = found.values[key], _chosen(key, query)
    known = dict.fromkeys((*chosen, *values))
    fixed = FIXED_ORDER.get(key)
    if fixed is not None:
        in_order = [value for value in fixed if value in known]
    else:
        in_order = sorted(known, key=lambda v: (v not in chosen, -values.get(v, 0), v))
    made = [
        Choice(
            f"n-{key}-{value.replace(' ', '_')}",
            value,
            title_of(key, value, policy),
            _number(found, key, value),
            list_url(_with(key, value, query), sort),
            value in chosen,
        )
        for value in in_order
    ]
    return Facet(key, TITLES[key], tuple(made[:SHOWN_MAX]), tuple(made[SHOWN_MAX:]), bool(chosen))


def _number(found: Facets, key: str, value: str) -> str:
    """A number as it is shown, with a plus where there may be more."""
    more = found.more or (key == "sla" and value in found.at_least)
    return f"{found.values[key].get(value, 0):,}{'+' if more else ''}"


def _chosen(key: str, query: CaseQuery) -> tuple[str, ...]:
    if key == "assignee" and query.values("assignee", negated=True) == (NOBODY,):
        return ("somebody",)
    return query.values(key)


def _with(key: str, value: str, query: CaseQuery) -> CaseQuery:
    if key != "assignee":
        return query.toggled(key, value)
    if value in _chosen(key, query):
        return query.without("assignee")
    if value == NOBODY:
        return query.having("assignee", NOBODY)
    rest = query.without("assignee")
    return CaseQuery((*rest.tokens, Token("assignee", (NOBODY,), True)), rest.texts)


def title_of(key: str, value: str, policy: PolicySet) -> str:
    """What people call a value."""
    match key:
        case "owner":
            owner = policy.owners.get(value)
            return owner.title if owner else "Nobody yet" if value == NOBODY else value
        case "code":
            known = policy.codes.get(value)
            return known.title if known else words(value.lower())
        case "system":
            system = policy.systems.get(value)
            return system.title if system else "No system" if value == NOBODY else value
        case "assignee":
            return "Nobody yet" if value == NOBODY else "Somebody"
        case "sla":
            return SLA_TITLES.get(value, value)
        case "recover":
            return words(value, RECOVERABILITY_WORDS)
        case "state":
            return words(value, CASE_WORDS)
        case _:
            return words(value)


def counters_of(found: Facets, query: CaseQuery, sort: str) -> tuple[Counter, ...]:
    """Numbers that a day's work begins with; each adds its token to what is asked for, or takes it away."""
    return tuple(_counters(found, query, sort))


def _counters(found: Facets, query: CaseQuery, sort: str) -> Iterable[Counter]:
    for icon, tone, title, key, value in (
        ("alert-triangle", "critical", "Critical", "severity", "critical"),
        ("urgent", "critical", "Breached", "sla", "breached"),
        ("clock", "high", "At risk", "sla", "at_risk"),
        ("help-hexagon", "unknown", "Outcome unknown", "recover", "unknown_outcome"),
        ("user-search", "", "Nobody yet", "assignee", NOBODY),
    ):
        chosen = value in _chosen(key, query)
        href = list_url(_with(key, value, query), sort)
        yield Counter(f"p-{value}", icon, tone, title, _number(found, key, value), href, chosen)


def chips_of(query: CaseQuery, sort: str) -> tuple[tuple[str, str], ...]:
    """Each part of what is asked for, with the list without it."""
    tokens = [
        (str(token), list_url(CaseQuery(tuple(t for t in query.tokens if t != token), query.texts), sort))
        for token in query.tokens
    ]
    texts = [
        (f"“{text}”", list_url(CaseQuery(query.tokens, tuple(t for t in query.texts if t != text)), sort))
        for text in query.texts
    ]
    return (*tokens, *texts)

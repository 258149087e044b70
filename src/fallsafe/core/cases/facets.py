"""How many cases there are beside a list: of each kind, with everything else that is asked for still asked for.

A facet counts with all tokens but its own, so that its other values say what choosing them would give.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fallsafe.core.cases.query import NOBODY, SCOPES, CaseQuery, Token

KINDS = ("severity", "sla", "recover", "owner", "assignee", "system", "state", "domain", "code")
"""What cases are counted by, in the order in which the facets are shown."""


@dataclass(frozen=True, slots=True)
class Cell:
    """How many cases are alike in everything that is counted by. `sla` is empty where time was not looked at."""

    state: str
    severity: str
    owner: str
    assigned: bool
    code: str
    domain: str
    recover: str
    system: str
    sla: str
    cases: int

    def value(self, key: str) -> str:
        """What the cell's cases have of a key, as a query names it."""
        if key == "assignee":
            return "somebody" if self.assigned else NOBODY
        return str(getattr(self, key)) or (NOBODY if key in ("owner", "system") else "")


@dataclass(frozen=True, slots=True)
class Facets:
    """The number that is asked for, and for each key how many of each value; `more` when there are more than were
    counted, `at_least` names the values of `sla` of which there may be more.
    """

    total: int
    values: Mapping[str, Mapping[str, int]]
    more: bool = False
    at_least: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ByTime:
    """How many are late, at risk, on track or without a time; `at_least` names those of which there may be more."""

    values: Mapping[str, int]
    at_least: frozenset[str]


def is_kind(token: Token) -> bool:
    """Whether cells alone can say if a token holds: who is assigned they know only as somebody or nobody."""
    if token.key == "assignee":
        return token.values == (NOBODY,)
    return token.key in KINDS or (token.key == "is" and token.values[0] in SCOPES)


def rest_of(query: CaseQuery) -> CaseQuery:
    """What cells cannot say: the query without the tokens that they can."""
    kept = tuple(token for token in query.tokens if token.key == "is" or not is_kind(token))
    return CaseQuery(kept, query.texts)


def is_plain(query: CaseQuery) -> bool:
    """Whether it asks for open cases by their kind alone, whatever it says of time."""
    return query.scope == "open" and all(map(is_kind, query.tokens)) and not query.texts


def count(query: CaseQuery, cells: Iterable[Cell], more: bool = False, times: ByTime | None = None) -> Facets:
    """Counts cells that were found for `rest_of` the query. `times` are the numbers by time where the cells do not
    have them.
    """
    unasked = ("is",) if times is None else ("is", "sla")
    wanted = [token for token in query.tokens if is_kind(token) and token.key not in unasked]
    keys = [key for key in KINDS if key != "sla" or times is None]
    values: dict[str, dict[str, int]] = {key: {} for key in KINDS}
    total = 0
    for cell in cells:
        missed = {token.key for token in wanted if not _holds(token, cell)}
        if not missed:
            total += cell.cases
        for key in keys:
            if not missed or missed == {key}:
                value = cell.value(key)
                values[key][value] = values[key].get(value, 0) + cell.cases
    if times is not None:
        values["sla"] = {value: number for value, number in times.values.items() if number}
    return Facets(total, values, more, times.at_least if times is not None else frozenset())


def _holds(token: Token, cell: Cell) -> bool:
    return (cell.value(token.key) in token.values) is not token.negated

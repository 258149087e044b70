"""How many cases there are beside a list: of each kind, with everything else that is asked for still asked for.

A facet counts with all tokens but its own, so that its other values say what choosing them would give.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

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
        return _named(key, self.assigned if key == "assignee" else getattr(self, key))


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


# The fields of a cell that are counted by, in the order of `KINDS`.
OF_CELL = attrgetter(*("assigned" if key == "assignee" else key for key in KINDS))


def _named(key: str, value: str | bool) -> str:
    """What a cell has of a key, as a query names it."""
    if key == "assignee":
        return "somebody" if value else NOBODY
    return str(value) or (NOBODY if key in ("owner", "system") else "")


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
    raw: dict[str, Counter[str | bool]] = {key: Counter() for key in KINDS}
    total = 0
    for cell in cells:
        missed = {token.key for token in wanted if not _holds(token, cell)} if wanted else None
        if not missed:
            total += cell.cases
            for tally, value in zip(raw.values(), OF_CELL(cell), strict=True):
                tally[value] += cell.cases
        elif len(missed) == 1:
            (key,) = missed
            raw[key][getattr(cell, "assigned" if key == "assignee" else key)] += cell.cases
    values = {key: {_named(key, value): n for value, n in tally.items()} for key, tally in raw.items()}
    if times is not None:
        values["sla"] = {value: number for value, number in times.values.items() if number}
    return Facets(total, values, more, times.at_least if times is not None else frozenset())


def _holds(token: Token, cell: Cell) -> bool:
    return (cell.value(token.key) in token.values) is not token.negated

"""How long things usually take in these files, and with what their orders end.

Durations are learned from what went well, with percentiles that some bad cases cannot move: median and ninetieth say
how wide a step is spread, and from that follows how long a silence must be before it can no longer be usual.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fallsafe.analysis.scan.meaning import Meaning, matching
from fallsafe.analysis.scan.tasks import KIND_BIT
from fallsafe.analysis.scan.words import Word
from fallsafe.analysis.sources import Engine
from fallsafe.analysis.sql import statement
from fallsafe.core.policy.policy_set import PolicySet

FEW = 5
"""Fewer finished cases than this teach nothing."""
SOME = 30
"""Fewer than this teach their greatest value at best."""
TAIL = 4.5
"""How many deviations of a normal spread a silence must be away from the usual: once in 300,000 by chance."""
LONGEST = 3
"""No silence is usual beyond so many times the longest after which something still came."""
Z90, Z99 = 1.2816, 2.3263
USUAL_SHARE = 0.2
"""A milestone that this share of orders reaches is where orders end."""
LAST_SHARE = 0.9
TOGETHER_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual: the number of cases it was learned from, median, ninetieth and ninety-ninth percentile, and the
    time beyond which nothing is usual any more.
    """

    n: int
    median: timedelta
    p90: timedelta
    p99: timedelta
    breach: timedelta


@dataclass(frozen=True, slots=True)
class Learned:
    """Everything that was learned. `durations` are by kind of work, `steps` by the mask of what had happened, `words`
    by the last phrase, `rests` what finished orders still took, by mask. `named` are the kinds whose durations a policy
    set says.
    """

    durations: Mapping[int, Usual]
    steps: Mapping[int, Usual]
    words: Mapping[int, Usual]
    rests: Mapping[int, timedelta] = field(default_factory=dict)
    named: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Finish:
    """With what an order is finished: the numbers of phrases of which the first ends it, or none where it ends once all
    its work is done. `said` is a sentence; `explicit` = a word of the order itself says so.
    """

    meanings: tuple[int, ...]
    said: str
    explicit: bool


UNKNOWN = Finish((), "", False)
"""Before anything was learned."""


def usual(n: int, quantiles: Sequence[float], longest: float, grain: float) -> Usual:
    """What follows from percentiles and the longest case, in seconds; `grain` is the coarseness of the times.

    The breach continues the distribution from its ninetieth percentile in the logarithm, by the narrower of its two
    upper slopes, so that a few cases that hung for weeks do not teach that weeks are usual; and not far beyond the
    longest case.
    """
    median, p90, p99 = (max(q, grain / 2, 1e-3) for q in quantiles)
    if n < SOME:
        breach = LONGEST * max(longest, grain)
    else:
        slope = min(math.log(p90 / median) / Z90, math.log(p99 / p90) / (Z99 - Z90))
        breach = max(min(p90 * math.exp(min(slope * (TAIL - Z90), 6.0)), LONGEST * longest), 2 * p90)
    breach += 2 * grain
    return Usual(n, *(timedelta(seconds=s) for s in (median, p90, p99, breach)))


def finish_of(engine: Engine, meanings: Sequence[Meaning], said: str) -> Finish:
    """With what the orders of these files are finished, by the `sample` of them."""
    if said and (chosen := matching(meanings, said)):
        return Finish(tuple(m.no for m in chosen), f"an order is finished with {said!r}, as the mapping says", True)
    steps = engine.connection.execute(statement("scan/finished_words")).fetchall()
    reached = [step for step, share in steps if share >= USUAL_SHARE]
    if reached:
        ends = tuple(m for m in meanings if m.kind == 0 and m.step >= reached[0])
        said = f"an order is finished when it is {_or(m.raw or m.type for m in ends)}"
        return Finish(tuple(m.no for m in ends), said, True)
    ends_of = engine.connection.execute(statement("scan/learn_ends")).fetchall()
    return _last_step(meanings, ends_of)


def _last_step(meanings: Sequence[Meaning], ends: Iterable[tuple[int, int, int]]) -> Finish:
    rows = [(meanings[no], orders, last) for no, orders, last in ends]
    total = sum(last for _, _, last in rows)
    for m, orders, last in sorted(rows, key=lambda r: -r[2]):
        closes = m.word in (Word.COMPLETED, Word.SHIPPED)
        if closes and last >= LAST_SHARE * orders and last >= 0.5 * total:
            return Finish((m.no,), f"an order is finished with {m.said!r}, which nearly always comes last", False)
    return Finish((), "an order is finished when all the work that usually belongs to it is done", False)


def _or(words: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(words))


def needed(engine: Engine, meanings: Sequence[Meaning], finish: Finish) -> dict[int, int]:
    """For each kind of work the mask of kinds that a whole order has with it; empty where one phrase ends an order."""
    if finish.meanings:
        return {}
    company = engine.connection.execute(statement("scan/learn_company", kind_bit=KIND_BIT)).fetchall()
    bits = {m.kind: m.kind_bit for m in meanings if m.kind_bit}
    having = {kind: sum(n for mask, n in company if mask & bit) for kind, bit in bits.items()}
    both = {
        (a, b): sum(n for mask, n in company if mask & bits[a] and mask & bits[b]) for a in bits for b in bits if a != b
    }
    return {
        a: sum(bits[b] for b in bits if a != b and having[a] >= FEW and both[a, b] >= TOGETHER_SHARE * having[a])
        for a in bits
    }


def learn(engine: Engine, grain: float) -> Learned:
    """Durations of work and of rests between steps, from the orders at hand and their `sample`."""
    return Learned(
        durations=_usuals(engine, statement("scan/learn_durations"), grain),
        steps=_usuals(engine, statement("scan/learn_steps", key="mask"), grain),
        words=_usuals(engine, statement("scan/learn_steps", key="meaning"), grain),
        rests={
            key: timedelta(seconds=seconds)
            for key, n, seconds in engine.connection.execute(statement("scan/learn_rests")).fetchall()
            if n >= FEW
        },
    )


def _usuals(engine: Engine, text: str, grain: float) -> dict[int, Usual]:
    rows = engine.connection.execute(text).fetchall()
    return {key: usual(n, quantiles, longest, grain) for key, n, quantiles, longest in rows if n >= FEW}


def told_by(policy: PolicySet, learned: Learned, meanings: Iterable[Meaning]) -> Learned:
    """The same with the durations of a policy set for every kind of work that it knows by name or title."""
    types = {name.casefold(): t for t in policy.task_types.values() for name in (t.name, t.title)}
    known = {m.kind: types[m.name.casefold()] for m in meanings if m.kind and m.name.casefold() in types}
    durations = dict(learned.durations)
    for kind, t in known.items():
        durations[kind] = Usual(0, t.expected, t.warning, t.warning, t.breach)
    return Learned(durations, learned.steps, learned.words, learned.rests, frozenset(known))

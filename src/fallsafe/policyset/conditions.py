"""Conditions of policy: CEL, compiled once and held as a plain callable that the core may ask.

The language has no limit of its own on work, so length, nesting and the size of lists are capped. An error while a condition is asked is
never a false: it is raised, and whoever asked makes a case of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import cel

from fallsafe.core.events import Json
from fallsafe.policyset.facts import Fact, samples
from fallsafe.policyset.problem import Problem
from fallsafe.policyset.source import Part
from fallsafe.policyset.words import nearest

LENGTH_MAX = 400
NESTING_MAX = 8
LIST_MAX = 200

_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(\s*(\w+)\s*,")
_COMPARED = re.compile(r"(\w+)\s*(?:==|!=)\s*(?:'([^']*)'|\"([^\"]*)\")")
_AMONG = re.compile(r"(\w+)\s+in\s+\[([^\]]*)\]")
_WORD = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_OPERATOR = re.compile(r"[^a-zA-Z]")
_FUNCTIONS = frozenset({"size", "contains", "startsWith", "endsWith", "matches", "int", "double", "string", "has"})
_MACRO = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(")


class ConditionError(Exception):
    """A condition that could not be answered: says which, and why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition. Calling it with facts gives true or false; raises `ConditionError` where a fact is absent or of another kind."""

    source: str
    variables: tuple[str, ...]
    program: cel.Program

    def __call__(self, facts: Mapping[str, Json]) -> bool:
        try:
            read = {name: facts[name] for name in self.variables}
        except KeyError as absent:
            raise ConditionError(f"condition {self.source!r} was asked without the fact {absent}") from None
        if any(isinstance(value, list | tuple) and len(value) > LIST_MAX for value in read.values()):
            raise ConditionError(f"condition {self.source!r} was asked over more than {LIST_MAX} elements")
        try:
            answer = self.program.execute(read)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ConditionError(f"condition {self.source!r} failed: {error}") from error
        if not isinstance(answer, bool):
            raise ConditionError(f"condition {self.source!r} answers {answer!r}, not true or false")
        return answer


def never(_facts: Mapping[str, Json]) -> bool:
    """Stands in for a condition that could not be compiled, so that the check can go on and find the rest."""
    return False


def condition(part: Part, table: Mapping[str, Fact], problems: list[Problem]) -> Condition | None:
    """Compile the condition at a place and try it on the samples of `table`; None with a problem where it is wrong."""
    source = part.text()
    refusal = _too_big(source)
    if refusal:
        problems.append(
            part.wrong(refusal, f"at most {LENGTH_MAX} characters, {NESTING_MAX} brackets deep, one walk over a list")
        )
        return None
    try:
        program = cel.compile(source)
    except ValueError as error:
        problems.append(
            part.wrong(
                f"not a condition: {_first_line(error)}",
                "write CEL, for example: segment == 'business' && blockedTasks >= 3",
            )
        )
        return None
    found = _unknown_words(part, program, source, table)
    if found:
        problems.extend(found)
        return None
    compiled = Condition(source, tuple(v for v in program.variables() if v in table), program)
    try:
        compiled(samples(table))
    except ConditionError as error:
        problems.append(part.wrong(f"fails on sample facts: {error}", "a condition answers true or false"))
        return None
    return compiled


def _too_big(source: str) -> str:
    if len(source) > LENGTH_MAX:
        return f"a condition of {len(source)} characters"
    depth = deepest = 0
    for sign in source:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    if deepest > NESTING_MAX:
        return f"a condition nested {deepest} deep"
    return "more than one walk over a list" if len(_MACRO.findall(source)) > 1 else ""


def _unknown_words(part: Part, program: cel.Program, source: str, table: Mapping[str, Fact]) -> list[Problem]:
    bound = set(_BOUND.findall(source))
    found = [
        part.wrong(f"no fact is called {name!r}", nearest(name, table, "the facts are"))
        for name in program.variables()
        if name not in table and name not in bound
    ]
    found += [
        part.wrong(f"no function is called {name!r}", nearest(name, _FUNCTIONS, "the functions are"))
        for name in program.functions()
        if not _OPERATOR.search(name) and name not in _FUNCTIONS
    ]
    found += [
        part.wrong(f"{name} is never {word!r}", nearest(word, table[name].values, "it is one of"))
        for name, word in _compared(source)
        if name in table and table[name].values and word not in table[name].values
    ]
    return found


def _compared(source: str) -> list[tuple[str, str]]:
    pairs = [(name, one or other) for name, one, other in _COMPARED.findall(source)]
    for name, among in _AMONG.findall(source):
        pairs += [(name, one or other) for one, other in _WORD.findall(among)]
    return pairs


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if "ERROR" in line] or [str(error)]
    return lines[0].rpartition("ERROR: ")[2].removeprefix("<input>:")[:200]

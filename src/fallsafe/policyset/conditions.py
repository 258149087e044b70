"""Conditions of policy: CEL, compiled once and held as a plain callable that the core may ask.

The language has no limit of its own on work, so length, nesting and the size of lists are capped. An error while a
condition is asked is never a false: it is raised, and whoever asked makes a case of it.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType

from fallsafe.core.events import Json
from fallsafe.policyset.facts import Fact, samples
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part

# A plain import of the package brings its own command line along, which takes a second at every start of a process.
sys.modules.setdefault("cel.cli", ModuleType("cel.cli"))
import cel  # noqa: E402 safe because only that line has to come before it

LENGTH_MAX = 400
NESTING_MAX = 8
LIST_MAX = 200
KNOWN_MAX = 1_000

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
    """A compiled condition. Calling it with facts gives true or false; raises `ConditionError` where a fact is absent
    or of another kind. What it answered is kept by the values that it read: thousands of failures alike ask the same.
    """

    source: str
    variables: tuple[str, ...]
    program: cel.Program
    known: dict[tuple[Json, ...], bool] = field(default_factory=dict, compare=False, repr=False)

    def __call__(self, facts: Mapping[str, Json]) -> bool:
        try:
            asked = tuple([facts[name] for name in self.variables])
            answer = self.known.get(asked)
        except (KeyError, TypeError):  # absent, or a list, by which nothing can be kept
            return self._ask(facts)
        if answer is None:
            answer = self._ask(facts)
            if len(self.known) >= KNOWN_MAX:
                self.known.clear()
            self.known[asked] = answer
        return answer

    def _ask(self, facts: Mapping[str, Json]) -> bool:
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


def condition(part: Part, table: Mapping[str, Fact], findings: Findings) -> Callable[[Mapping[str, Json]], bool]:
    """Compile the condition at a place and try it on the samples of `table`; `never`, with a problem, where it is
    wrong.
    """
    source = part.text()
    refusal = _too_big(source)
    if refusal:
        right = f"at most {LENGTH_MAX} characters, {NESTING_MAX} brackets deep, one walk over a list"
        findings.add(part, refusal, right)
        return never
    try:
        program = cel.compile(source)
    except ValueError as error:
        findings.add(
            part, f"not a condition: {_first_line(error)}", "write CEL, as in: vulnerable && blockedTasks >= 3"
        )
        return never
    if _has_unknown_words(part, program, table, findings):
        return never
    compiled = Condition(source, tuple(name for name in program.variables() if name in table), program)
    try:
        compiled(samples(table))
    except ConditionError as error:
        findings.add(part, f"fails on sample facts: {error}", "a condition answers true or false")
        return never
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


def _has_unknown_words(part: Part, program: cel.Program, table: Mapping[str, Fact], findings: Findings) -> bool:
    """A misspelt name compiles, and a misspelt word never matches: both are found here and not by an order."""
    before, source = len(findings.problems), part.text()
    for name in program.variables():
        findings.name(Part(part.file, name, part.pointer), "fact", table, *_BOUND.findall(source))
    for name in program.functions():
        if not _OPERATOR.search(name):
            findings.name(Part(part.file, name, part.pointer), "function", _FUNCTIONS)
    for name, word in _compared(source):
        if name in table and table[name].values:
            findings.name(Part(part.file, word, part.pointer), name, table[name].values)
    return len(findings.problems) > before


def _compared(source: str) -> list[tuple[str, str]]:
    pairs = [(name, one or other) for name, one, other in _COMPARED.findall(source)]
    for name, among in _AMONG.findall(source):
        pairs += [(name, one or other) for one, other in _WORD.findall(among)]
    return pairs


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if "ERROR" in line] or [str(error)]
    return lines[0].rpartition("ERROR: ")[2].removeprefix("<input>:")[:200]

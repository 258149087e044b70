"""What is wrong with a policy set: each problem with its place in the file and what would be right (§7, §28)."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` counts from 1 (0 = the file as a whole), `pointer` is a JSON pointer into the
    file, `would_be_right` says what to write instead.
    """

    file: str
    line: int
    pointer: str
    what: str
    would_be_right: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        at = f" (at {self.pointer})" if self.pointer else ""
        tail = f"; {self.would_be_right}" if self.would_be_right else ""
        return f"{place}: {self.what}{at}{tail}"


class PolicyError(Exception):
    """A policy set that may not be used, with everything that is wrong with it in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"this policy set is refused: {count} problem{'' if count == 1 else 's'}"
        super().__init__("\n".join([head, *(str(problem) for problem in self.problems)]))

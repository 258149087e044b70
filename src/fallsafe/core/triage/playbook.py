"""The ordered steps for a kind of failure, and where a case stands in them (§9)."""

from collections.abc import Sequence, Set
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlaybookStep:
    """One step: who does it (`act` by itself, `propose` after a yes, `person`), the action of the catalogue that it
    takes (empty = a look or an instruction), and its words.
    """

    by: str
    action: str
    text: str


@dataclass(frozen=True, slots=True)
class Playbook:
    """What is done about a kind of failure, in order; the first step that settles it ends it. `runbook` is where the
    people who do it write down how (a link, "" = nowhere).
    """

    name: str
    title: str
    steps: tuple[PlaybookStep, ...]
    runbook: str = ""


def position(playbook: Playbook, done: Set[str], looked: bool) -> int:
    """The step that is next: the one after the last whose action was run, or that the product has taken by itself, when
    it has `looked`. As many as there are steps when all are done.
    """
    taken = [n for n, step in enumerate(playbook.steps) if step.action in done]
    by_itself = 0
    while looked and by_itself < len(playbook.steps) and playbook.steps[by_itself].by == "act":
        by_itself += 1
    return max([n + 1 for n in taken] + [by_itself])


def recommended(playbook: Playbook, at: int, offered: Sequence[str]) -> str:
    """The action that is next by rule: that of the next step which has one that is `offered`, else the first one that
    is; empty where none is.
    """
    ahead = (step.action for step in playbook.steps[at:] if step.action in offered)
    return next(ahead, offered[0] if offered else "")

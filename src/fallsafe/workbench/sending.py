"""What was sent: for every task its commands with their one key for life, attempt by attempt, and the questions asked
about them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.commands.ledger import Command, Purpose
from fallsafe.core.orders.task import Task
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.store.ids import outside
from fallsafe.store.reads import Attempt, OrderFile, OutcomeRow
from fallsafe.workbench.plan import KIND_OF, around, blocked_by, title_of
from fallsafe.workbench.words import COMMAND_WORDS, TASK_WORDS, many, words

STEPS_MAX = 120

SAYS = {
    "accepted": "Accepted",
    "done": "Done",
    "rejected": "Rejected",
    "progress": "Under way",
    "not_sent": "Not sent",
    "lost": "No usable answer",
    "pending": "Known there, not finished",
    "absent": "Not known there",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What the outside said once, and how it was read."""

    at: datetime
    source: str
    says: str
    tone: str
    detail: str
    disposition: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt and what came of it; `n` 0 stands for what was said about no attempt in particular."""

    n: int
    at: datetime | None
    worker: str
    told: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """A command: its key, where it stands, its attempts, and the questions that were asked about it."""

    id: str
    purpose: str
    system: str
    operation: str
    key: str
    state: str
    tone: str
    attempts: tuple[Sent, ...]
    questions: tuple["Sending", ...]
    question: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A task of the plan with all that was sent for it."""

    id: str
    title: str
    item: str
    operation: str
    word: str
    kind: str
    blocked_by: str
    commands: tuple[Sending, ...]
    open: bool
    summary: str


@dataclass(frozen=True, slots=True)
class Steps:
    """The tasks that are listed, and how many further away from the failure are not."""

    shown: tuple[Step, ...]
    left_out: int


def steps_of(file: OrderFile, policy: PolicySet, failing: Sequence[int]) -> Steps:
    """The tasks of the plan, at most `STEPS_MAX` around the failing ones, which are unfolded."""
    shown = around(file.tasks, failing, STEPS_MAX)
    cause = blocked_by(file.tasks, failing)
    titles = {t.id: title_of(t, policy) for t in file.tasks}
    items = {i.id: i.external_id for i in file.items}
    steps = tuple(_step(file, t, titles, items.get(t.item_id, ""), cause, t.id in failing) for t in shown)
    return Steps(steps, len(file.tasks) - len(shown))


def _step(
    file: OrderFile, task: Task, titles: Mapping[int, str], item: str, cause: Mapping[int, int], failing: bool
) -> Step:
    own = [c for c in file.commands if c.task_id == task.id and c.purpose is not Purpose.QUERY]
    commands = tuple(_sending(file, c) for c in own)
    sent = sum(c.attempts for c in own)
    return Step(
        id=outside("task", task.id),
        title=titles[task.id],
        item=item,
        operation=task.operation,
        word=words(task.state, TASK_WORDS),
        kind="blocked" if task.id in cause else KIND_OF.get(task.state, "moving"),
        blocked_by=titles.get(cause.get(task.id, 0), ""),
        commands=commands,
        open=failing,
        summary=f"sent {many(sent, 'time')}" if sent else "nothing sent",
    )


def _sending(file: OrderFile, command: Command) -> Sending:
    questions = [c for c in file.commands if c.purpose is Purpose.QUERY and c.target_id == command.id]
    state = command.state.value
    return Sending(
        id=outside("command", command.id),
        purpose=command.purpose.value,
        system=command.system,
        operation=command.operation,
        key=command.key,
        state=words(state, COMMAND_WORDS),
        tone={"unknown": "unknown", "done": "good", "rejected": "bad", "absent": "warn"}.get(state, ""),
        attempts=tuple(_attempts(command, file.attempts, file.outcomes)),
        questions=tuple(_question(file, q) for q in sorted(questions, key=lambda q: (q.look, q.id))),
    )


def _question(file: OrderFile, query: Command) -> Sending:
    found = SAYS.get(query.finding, "") or (
        f"No answer ({query.lost_because})" if query.lost_because else words(query.state.value)
    )
    return Sending(
        id=outside("command", query.id),
        purpose="query",
        system=query.system,
        operation=query.operation,
        key=query.key,
        state=found,
        tone={"done": "good", "absent": "warn", "rejected": "bad"}.get(query.finding, ""),
        attempts=tuple(_attempts(query, file.attempts, file.outcomes)),
        questions=(),
        question=f"Look {query.look}, by {query.method}",
    )


def _attempts(command: Command, attempts: Iterable[Attempt], outcomes: Iterable[OutcomeRow]) -> Iterable[Sent]:
    own = [o for o in outcomes if o.command_id == command.id]
    for attempt in sorted((a for a in attempts if a.command_id == command.id), key=lambda a: a.n):
        yield Sent(attempt.n, attempt.at, attempt.worker, tuple(_told(o) for o in own if o.attempt == attempt.n))
    loose = tuple(_told(o) for o in own if o.attempt == 0)
    if loose:
        yield Sent(0, None, "", loose)


def _told(outcome: OutcomeRow) -> Told:
    details = (outcome.raw_code, outcome.message, f"reference {outcome.reference}" if outcome.reference else "")
    tone = {"done": "good", "rejected": "bad", "lost": "unknown", "absent": "warn"}.get(outcome.says, "")
    return Told(
        at=outcome.at,
        source=words(outcome.source),
        says=SAYS.get(outcome.says, words(outcome.says)),
        tone=tone,
        detail=" · ".join(d for d in details if d),
        disposition=words(outcome.disposition),
        evidence=tuple(outside("evidence", i) for i in outcome.evidence),
    )

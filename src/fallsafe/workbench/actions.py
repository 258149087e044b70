"""The repair card: what may be begun, with "find out now" at its top, and every other action of the policy with the
reason why it is locked.

It decides nothing. The server's flow refuses what may not be; the card only says so beforehand, from the same policy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.access import Actor
from fallsafe.core.cases.work import standing
from fallsafe.core.commands.contract import Operation
from fallsafe.core.commands.ledger import Command, CommandState, Purpose, settles_at
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.plans import PLANS
from fallsafe.core.repair.request import WAITING
from fallsafe.core.repair.request import Repair as Asked
from fallsafe.core.triage.playbook import Playbook, position
from fallsafe.store.ids import outside
from fallsafe.store.reads import CaseFile
from fallsafe.workbench.words import clock, many, span, words

RECONCILE = "RECONCILE_NOW"
PENDING_MAX = 10


@dataclass(frozen=True, slots=True)
class Locked:
    """An action that cannot be run from here now, and every reason why."""

    code: str
    title: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offered:
    """An action that may be begun: its details come next."""

    code: str
    title: str
    risk: str


@dataclass(frozen=True, slots=True)
class Review:
    """What "find out now" will do, before it is asked for: questions, what it never does, and when an empty answer
    counts.
    """

    asks: tuple[str, ...]
    assurance: str
    counts: str


@dataclass(frozen=True, slots=True)
class Repair:
    """The card. `offered` says that the action may be run; `status` what is under way or why there is nothing to do;
    `steps` of its playbook say whether they are passed, and which is next.
    """

    command_id: str
    title: str
    offered: bool
    review: Review | None
    status: str
    looking: bool
    next_look: datetime | None
    looks: str
    locked: tuple[Locked, ...]
    listed: tuple[Offered, ...] = ()
    pending: tuple[tuple[str, str, str], ...] = ()
    playbook: str = ""
    runbook: str = ""
    steps: tuple[tuple[str, bool, bool], ...] = ()


def repair_of(
    file: CaseFile,
    newest: PolicySet,
    planned: PolicySet,
    actor: Actor,
    now: datetime,
) -> Repair:
    """The card for this person. `planned` is the set whose contract the command was sent under."""
    command = file.command
    unknown = command is not None and command.state is CommandState.UNKNOWN
    action = newest.actions.get(RECONCILE)
    why = _why_not_found_out(file, newest, actor)
    operation = planned.operations.get(command.operation) if command is not None else None
    review = _review(command, operation, now) if command is not None and operation is not None and unknown else None
    listed = tuple(_listed(file, newest, actor))
    known = newest.codes.get(file.case.code)
    playbook = newest.playbooks.get(known.playbook) if known else None
    return Repair(
        command_id=outside("command", command.id) if command is not None else "",
        title=action.title if action else "Find out now",
        offered=unknown and not why,
        review=review,
        status=" ".join(why),
        looking=_looking(file, command),
        next_look=_next_look(file, command) if unknown else None,
        looks=_looks(command) if command is not None and command.looks else "",
        locked=tuple(a for a in listed if isinstance(a, Locked)),
        listed=tuple(a for a in listed if isinstance(a, Offered)),
        pending=_pending(file.repairs, newest, now),
        playbook=playbook.title if playbook else "",
        runbook=playbook.runbook if playbook else "",
        steps=_steps(playbook, file),
    )


def _steps(playbook: Playbook | None, file: CaseFile) -> tuple[tuple[str, bool, bool], ...]:
    """The steps of the playbook: the words, whether the case has passed it, and whether it is the next."""
    if playbook is None:
        return ()
    looked = file.newest_command is not None and file.newest_command.looks > 0
    at = position(playbook, {r.action for r in file.repairs if r.run_at is not None}, looked)
    return tuple((step.text, n < at, n == at) for n, step in enumerate(playbook.steps))


def _pending(repairs: Sequence[Asked], newest: PolicySet, now: datetime) -> tuple[tuple[str, str, str], ...]:
    """Name, title and state of the repairs that are good still or were run, newest first."""
    shown = [r for r in reversed(repairs) if r.run_at is not None or (r.state in WAITING and r.expires_at > now)]
    return tuple(
        (outside("repair", r.id), newest.actions[r.action].title, words(r.state.value))
        for r in shown[:PENDING_MAX]
        if r.action in newest.actions
    )


def _review(command: Command, operation: Operation, now: datetime) -> Review:
    asks = tuple(f"{look.operation}, {_way(look.method, command)}" for look in operation.look_ups)
    settles = settles_at(command, operation)
    window = (
        f"the settle window ends {clock(settles, now)} UTC"
        if settles is not None and settles > now
        else "the settle window has ended"
    )
    return Review(
        asks=asks,
        assurance=f"It only asks. {command.operation} is not called, and nothing is sent again.",
        counts="“Not found” counts only when two looks find nothing after the settle window, "
        f"{span(operation.second_look)} apart; {window}.",
    )


def _way(method: str, command: Command) -> str:
    match method:
        case "key":
            return f"by the original key {command.key}"
        case "reference":
            return "by what the command is about, in its inventory"
        case "repeat":
            return "by the identical request, which its contract makes a look-up"
        case other:
            return f"by {other}"


def _why_not_found_out(file: CaseFile, newest: PolicySet, actor: Actor) -> tuple[str, ...]:
    """Every reason why nothing is to be found out here, or not by this person."""
    action = newest.actions.get(RECONCILE)
    if action is None:
        return ("The policy set in force does not know how to find out.",)
    nothing = () if file.command is not None else ("This case has no command whose outcome could be found out.",)
    return (
        *nothing,
        *file.why_locked(action, actor, ""),
    )


def _looking(file: CaseFile, command: Command | None) -> bool:
    commands = file.file.commands if file.file and command is not None else ()
    return any(
        c.purpose is Purpose.QUERY
        and command is not None
        and c.target_id == command.id
        and c.state is CommandState.SENDING
        for c in commands
    )


def _next_look(file: CaseFile, command: Command | None) -> datetime | None:
    due = [
        entry.due_at
        for entry in file.agenda
        if entry.kind == "lookup" and command is not None and entry.id == command.task_id
    ]
    return min(due, default=None)


def _looks(command: Command) -> str:
    found = (
        f", {many(command.empty_looks, 'of them')} after the settle window found nothing" if command.empty_looks else ""
    )
    return many(command.looks, "look") + " so far" + found


def _listed(file: CaseFile, newest: PolicySet, actor: Actor) -> Iterable[Offered | Locked]:
    """Every action that there is for the case but what this card and the card of case work do themselves."""
    known = newest.codes.get(file.case.code)
    codes = known.actions if known else ()
    more = (a.code for a in newest.actions.values() if a.every_case and a.code not in codes)
    stands = standing(file.case, file.order, file.item, file.task, file.command)
    for code in (*codes, *more):
        action = newest.actions.get(code)
        if action is None or code == RECONCILE:
            continue
        why = tuple(file.why_locked(action, actor, stands))
        if why:
            yield Locked(code, action.title, why)
        elif action.does in PLANS:
            yield Offered(code, action.title, action.risk)

"""The repair card: the one action of this release, and every other action of the policy with the reason why it is
locked.

It decides nothing. The server's flow refuses what may not be; the card only says so beforehand, from the same policy.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.access import Actor, may, who_may
from fallsafe.core.commands.contract import Operation
from fallsafe.core.commands.ledger import Command, CommandState, Purpose, settles_at
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.store.ids import outside
from fallsafe.store.reads import CaseFile
from fallsafe.workbench.words import COMMAND_WORDS, clock, many, span, words

RECONCILE = "RECONCILE_NOW"


@dataclass(frozen=True, slots=True)
class Locked:
    """An action that cannot be run from here now, and every reason why."""

    code: str
    title: str
    reasons: tuple[str, ...]


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
    """The card. `offered` says that the action may be run; `status` what is under way or why there is nothing to do."""

    command_id: str
    title: str
    offered: bool
    review: Review | None
    status: str
    looking: bool
    next_look: datetime | None
    looks: str
    locked: tuple[Locked, ...]


def repair_of(file: CaseFile, newest: PolicySet, planned: PolicySet, actor: Actor, now: datetime) -> Repair:
    """The card for this person. `planned` is the set whose contract the command was sent under."""
    command = file.command
    unknown = command is not None and command.state is CommandState.UNKNOWN
    action = newest.actions.get(RECONCILE)
    allowed = may(actor, "reconcile")
    operation = planned.operations.get(command.operation) if command is not None else None
    review = _review(command, operation, now) if command is not None and operation is not None and unknown else None
    return Repair(
        command_id=outside("command", command.id) if command is not None else "",
        title=action.title if action else "Find out now",
        offered=unknown and allowed,
        review=review,
        status=_status(command, unknown, allowed),
        looking=_looking(file, command),
        next_look=_next_look(file, command) if unknown else None,
        looks=_looks(command) if command is not None and command.looks else "",
        locked=tuple(_locked(file, newest, actor, unknown)),
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


def _status(command: Command | None, unknown: bool, allowed: bool) -> str:
    if command is None:
        return "This case has no command whose outcome could be found out."
    if not unknown:
        return f"Nothing to find out: the outcome is known ({words(command.state, COMMAND_WORDS).lower()})."
    if not allowed:
        return f"Your roles do not have this right. It belongs to {', '.join(who_may('reconcile'))}."
    return ""


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


def _locked(file: CaseFile, policy: PolicySet, actor: Actor, unknown: bool) -> Iterable[Locked]:
    known = policy.codes.get(file.case.code)
    for code in known.actions if known else ():
        action = policy.actions.get(code)
        why = tuple(_why_locked(action, actor, unknown)) if action is not None else ()
        if action is not None and code != RECONCILE and why:
            yield Locked(code, action.title, why)


def _why_locked(action: RepairAction, actor: Actor, unknown: bool) -> Iterable[str]:
    if action.locked_while_unknown and unknown:
        yield "Locked while the outcome is unknown: find out first."
    if not action.available:
        yield "Not available in this release."
    if action.roles and not actor.roles & set(action.roles):
        yield f"Needs the role {' or '.join(action.roles)}."

"""How a fact from outside is read: the table of dispositions, which is total (§10, §11, model rule 3).

A fact was stored before it comes here and is never refused. It moves a command forward, or it is kept beside it: as a
duplicate, as too late or out of order, as a contradiction that a person must see, or as a notice. No fact moves a
command backwards, and a success is never overwritten.

A fact with the source `look_up` is the reconciler's finding (`fallsafe.core.recover.reconcile`), never one look alone:
one "not found" proves nothing (P3).
"""

from dataclasses import dataclass
from enum import StrEnum

from fallsafe.core.commands.contract import Repeat
from fallsafe.core.commands.ledger import Command, CommandState, Purpose, may_have_left
from fallsafe.core.commands.outcome import Accepted, Done, Fact, Looked, Lost, NotSent, Outcome, Rejected, Says


class Disposition(StrEnum):
    """What becomes of a fact. Only `applied` moves the command."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    LATE = "late"
    OUT_OF_ORDER = "out_of_order"
    NOTICE = "notice"


ABSENCE_WRONG = "ABSENCE_WRONG"
CALLBACK_CONFLICT = "CALLBACK_CONFLICT"
DUPLICATE_EFFECT = "DUPLICATE_EFFECT"
LATE_SUCCESS = "LATE_SUCCESS"
SAVED_ERROR = "saved_error"

OPENS = (ABSENCE_WRONG, CALLBACK_CONFLICT, DUPLICATE_EFFECT, LATE_SUCCESS)
"""The normalized codes of the cases that a fact can open by itself. A policy set must know each of them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a fact is read: `verb` moves the command (`ledger.next_state`) when it applies, `opens` is the code of a
    case. `sign` is what it comes to where its own words mislead.
    """

    disposition: Disposition
    verb: str | None = None
    opens: str | None = None
    sign: str = ""


def fact_of(outcome: Outcome, attempt: int) -> Fact:
    """What the sender's own answer says, as a fact about the command that was sent.

    A look-up that was answered says `done` about the *query*; what it found is for the reconciler.
    """
    match outcome:
        case Accepted(reference, result):
            return Fact(Says.ACCEPTED, "answer", reference, attempt=attempt, result=result)
        case Done(reference, result):
            return Fact(Says.DONE, "answer", reference, attempt=attempt, result=result)
        case Rejected(raw_code, message, reference):
            return Fact(Says.REJECTED, "answer", reference, raw_code, message, attempt)
        case NotSent(reason, raw_code, _):
            return Fact(Says.NOT_SENT, "answer", raw_code=raw_code, message=reason, attempt=attempt)
        case Lost(reason, raw_code, _):
            return Fact(Says.LOST, "answer", raw_code=raw_code, message=reason, attempt=attempt)
        case Looked(_, reference, raw_code, message, result):
            return Fact(Says.DONE, "answer", reference, raw_code, message, attempt, result=result)


def dispose(command: Command, fact: Fact, repeat: Repeat = Repeat.SAME_RESULT) -> Verdict:
    """How this fact is read for this command. Total: there is an answer for every state and everything said. `repeat`
    is what its contract says that the same key does a second time.
    """
    if command.purpose is Purpose.QUERY:
        return _of_query(command, fact)
    match fact.says:
        case Says.DONE:
            return _done(command, fact)
        case Says.REJECTED:
            return _replayed(command, fact, repeat) or _rejected(command, fact)
        case Says.ACCEPTED | Says.PROGRESS | Says.PENDING:
            return _accepted(command, fact)
        case Says.NOT_SENT:
            return _not_sent(command, fact)
        case Says.LOST:
            return _lost(command, fact)
        case Says.ABSENT:
            return _absent(command, fact)


_DUPLICATE = Verdict(Disposition.DUPLICATE)
_LATE = Verdict(Disposition.LATE)
_OUT_OF_ORDER = Verdict(Disposition.OUT_OF_ORDER)
_NOTICE = Verdict(Disposition.NOTICE)


def _applied(verb: str, opens: str | None = None) -> Verdict:
    return Verdict(Disposition.APPLIED, verb, opens)


def _conflict(opens: str) -> Verdict:
    return Verdict(Disposition.CONFLICT, opens=opens)


def ever_sent(command: Command) -> bool:
    """Whether any attempt of it was started."""
    return command.attempts > 0


def _of_latest_attempt(command: Command, fact: Fact) -> bool:
    return fact.attempt in (0, command.attempts)


def _names_another(command: Command, fact: Fact) -> bool:
    return bool(fact.reference and command.reference and fact.reference != command.reference)


def _found(fact: Fact) -> bool:
    """Whether it was found out by asking, so that the verb is a `find_…`."""
    return fact.source in ("look_up", "person")


def _done(command: Command, fact: Fact) -> Verdict:
    match command.state:
        case CommandState.UNKNOWN:
            return _applied("find_done" if _found(fact) else "complete")
        case CommandState.SENDING | CommandState.ACCEPTED:
            return _applied("complete")
        case CommandState.INTENDED | CommandState.ABSENT:
            # An effect of a command that never left is somebody else's; after a send, "absent" was wrong.
            return _applied("complete", ABSENCE_WRONG) if ever_sent(command) else _conflict(CALLBACK_CONFLICT)
        case CommandState.DONE:
            return _conflict(DUPLICATE_EFFECT) if _names_another(command, fact) else _DUPLICATE
        case CommandState.REJECTED:
            return _conflict(CALLBACK_CONFLICT)
        case CommandState.SUPERSEDED | CommandState.WITHDRAWN:
            return _conflict(LATE_SUCCESS if ever_sent(command) else CALLBACK_CONFLICT)


def _replayed(command: Command, fact: Fact, repeat: Repeat) -> Verdict | None:
    """A rejection in answer to a repeat, where the contract replays what it saved for the key: it is the old error once
    more, and says nothing about the effect of the attempt that was lost. None where it is no such thing.
    """
    answers_a_repeat = fact.source == "answer" and command.attempts > 1 and may_have_left(command)
    if repeat is not Repeat.REPLAYS_SAVED_ERROR or not answers_a_repeat:
        return None
    if command.state is CommandState.SENDING and _of_latest_attempt(command, fact):
        return Verdict(Disposition.APPLIED, "lose", sign=SAVED_ERROR)
    return _DUPLICATE if command.state is CommandState.UNKNOWN else None


def _rejected(command: Command, fact: Fact) -> Verdict:
    match command.state:
        case CommandState.SENDING | CommandState.ACCEPTED | CommandState.UNKNOWN:
            if not _of_latest_attempt(command, fact):
                return _LATE  # what an earlier attempt was told says nothing about the one that is under way
            return _applied("find_rejected" if command.state is CommandState.UNKNOWN and _found(fact) else "reject")
        case CommandState.DONE:
            return _conflict(CALLBACK_CONFLICT)
        case CommandState.REJECTED:
            return _DUPLICATE
        case CommandState.INTENDED | CommandState.ABSENT | CommandState.SUPERSEDED | CommandState.WITHDRAWN:
            return _kept(command)


def _accepted(command: Command, fact: Fact) -> Verdict:
    match command.state:
        case CommandState.SENDING:
            return _applied("accept")
        case CommandState.UNKNOWN:
            return _applied("find_pending" if _found(fact) else "accept")
        case CommandState.ACCEPTED:
            return _NOTICE if fact.says is Says.PROGRESS else _DUPLICATE
        case CommandState.INTENDED | CommandState.ABSENT:
            # They know of it although it was not found. Nothing moves back, but somebody must look before a new key.
            return Verdict(Disposition.LATE, opens=ABSENCE_WRONG) if ever_sent(command) else _OUT_OF_ORDER
        case CommandState.DONE | CommandState.REJECTED | CommandState.SUPERSEDED | CommandState.WITHDRAWN:
            return _OUT_OF_ORDER


def _not_sent(command: Command, fact: Fact) -> Verdict:
    if command.state is CommandState.SENDING and _of_latest_attempt(command, fact):
        return _applied("not_sent")
    return _kept(command)


def _lost(command: Command, fact: Fact) -> Verdict:
    if command.state is CommandState.UNKNOWN:
        return _DUPLICATE
    if not _of_latest_attempt(command, fact):
        return _kept(command)
    if command.state is CommandState.SENDING:
        return _applied("lose")
    # A sender that lost its answer says nothing new once the other side has accepted; silence and nonsense do.
    if command.state is CommandState.ACCEPTED and fact.source in ("breach", "callback", "person"):
        return _applied("lose")
    return _kept(command)


def _absent(command: Command, fact: Fact) -> Verdict:
    if command.state is CommandState.ABSENT:
        return _DUPLICATE
    if command.state is CommandState.UNKNOWN and _found(fact):
        return _applied("find_absent")
    return _kept(command)


def _kept(command: Command) -> Verdict:
    """Nothing moves: too late, or before anything was sent."""
    return _LATE if ever_sent(command) else _OUT_OF_ORDER


def _of_query(command: Command, fact: Fact) -> Verdict:
    if command.state is not CommandState.SENDING or not _of_latest_attempt(command, fact):
        return _kept(command)
    match fact.says:
        case Says.DONE:
            return _applied("complete")
        case Says.REJECTED:
            return _applied("reject")
        case Says.NOT_SENT:
            return _applied("not_sent")
        case Says.ACCEPTED | Says.PROGRESS | Says.PENDING | Says.ABSENT | Says.LOST:
            return _applied("lose")  # a question that got no answer to what was asked is asked again

"""Polls: some systems never say by themselves that they have finished, and are asked every so often (§11).

So is one whose callbacks have stopped. A poll is a look at a command that is accepted, not at one whose outcome is
unknown. Its questions have numbers of their own, below zero, so that no later look takes their answers for its own.
"""

from collections.abc import Iterable

from fallsafe.core.commands.contract import Operation
from fallsafe.core.commands.ledger import Command, CommandState, Purpose
from fallsafe.core.commands.outcome import Looked, Says


def is_polled(command: Command, operation: Operation) -> bool:
    """Whether the other side is asked every so often how far it is with this command."""
    return operation.poll_every is not None and may_be_asked(command, operation)


def may_be_asked(command: Command, operation: Operation) -> bool:
    """Whether the other side can be asked how far it is, also where that is not done every so often."""
    accepted = command.state is CommandState.ACCEPTED and command.purpose is Purpose.FULFILL
    return accepted and bool(operation.look_ups)


def is_poll(query: Command) -> bool:
    """Whether a question is one of a poll."""
    return query.look < 0


def next_number(target: Command, commands: Iterable[Command]) -> int:
    """The number of the next poll of a command."""
    return min([0, *(c.look for c in commands if c.target_id == target.id)]) - 1


def said(answer: Looked) -> Says | None:
    """What the answer to a poll says of the command; None where it says nothing new."""
    match answer.says:
        case Says.DONE | Says.REJECTED:
            return answer.says
        case Says.PENDING if answer.raw_code or answer.date is not None:
            return Says.PROGRESS
        case _:
            return None

"""What people answer who cannot be asked by any system: somebody reads the reply and says what it says, with where it
stands (§11).

It goes the way of every other fact. It is for operations whose result a person reads; what a system says itself nobody
says for it, and where the outcome is unknown the word is a repair with its own proof.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.commands.outcome import Fact, Says
from fallsafe.core.errors import Refusal
from fallsafe.flows import commands, facts, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.facts import Told
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

RIGHT = "reply"
BY_PERSON = "person"
SAID = {"done": Says.DONE, "rejected": Says.REJECTED, "delayed": Says.PROGRESS}


@dataclass(frozen=True, slots=True)
class Reply:
    """What somebody read: `says` is done, rejected or delayed; `seen` their words, `where` they stand. `reference` is
    what the other side calls it, `code` why it was refused or is late, `date` when it is expected now.
    """

    command_id: int
    says: str
    seen: str
    where: str
    reference: str = ""
    code: str = ""
    date: datetime | None = None


async def take(tx: Tx, context: Context, replies: Sequence[Reply], actor: Actor) -> list[Answer]:
    """Takes what people read; one answer for each, in the order given."""
    await tx.lock(await commands.orders_of(tx, [one.command_id for one in replies]))
    turn = await begin(tx, context, actor)
    answers = [await _take_one(turn, one) for one in replies]
    await settle.end(turn)
    return answers


async def _take_one(turn: Turn, one: Reply) -> Answer:
    aggregate, command = commands.find(turn.tx, one.command_id)
    if aggregate is None or command is None:
        return Refused("command", one.command_id, commands.no_such(one.command_id))
    refusal = _why_not(turn, aggregate, command)
    if refusal is not None:
        aggregate.refuse("command", command.id, "reply", refusal, turn.why(causation=command.key))
        return Refused("command", command.id, refusal)
    seen = await turn.tx.add_evidence(
        aggregate.order.id,
        aggregate.key,
        kind="reply",
        source=str(turn.actor),
        body=one.seen.encode(),
        media_type="text/plain; charset=utf-8",
        head=await discreet(turn, aggregate, one.where),
        command_id=command.id,
    )
    code = one.code or ("REFUSED" if one.says == "rejected" else "DELAYED" if one.says == "delayed" else "")
    fact = Fact(SAID[one.says], "person", one.reference, code, "", 0, date=one.date)
    await facts.apply(turn, aggregate, command, Told(fact, (seen.id,), sign=code))
    return Applied("command", command.id)


def _why_not(turn: Turn, aggregate: Aggregate, command: Command) -> Refusal | None:
    what = f"cannot take a reply about command {outside('command', command.id)}"
    refusal = not_allowed(turn.actor, RIGHT, what, commands.owner_of(turn, aggregate, command.task_id, command.system))
    if refusal is not None:
        return refusal
    _, operation = facts.contract(turn, aggregate, command)
    if operation.completion != BY_PERSON:
        why, hint = f"{command.system} says itself what became of it", "wait for it, or find out: reconcile"
        return Refusal("NOT_BY_PERSON", what, why, hint)
    if command.state is CommandState.UNKNOWN:
        why, hint = "its outcome is unknown", "say what happened on its case: preview DECLARE_OUTCOME"
        return Refusal("OUTCOME_UNKNOWN", what, why, hint)
    if command.state is not CommandState.ACCEPTED:
        why = f"it is {command.state.value}"
        return Refusal("NOT_WAITING", what, why, "only what was sent and is not finished waits for a reply")
    return None

"""A notice is what a system says of work that goes on there: that it comes later, that something is missing, that it
costs more (§10). It moves nothing; policy says what it means.

A date that is given becomes the one that the task is measured against, and what the order's supplier says; our own
promise stands as it was given, and that it cannot be kept is a case, also where nothing else is wrong. A notice with a
code is judged like any failure.
"""

from datetime import datetime

from fallsafe.core.commands.ledger import Command, CommandState, Purpose
from fallsafe.core.commands.outcome import Says
from fallsafe.core.events import Json
from fallsafe.core.orders.task import SUPPLIER, Task, supplied_at
from fallsafe.core.values import replace
from fallsafe.flows import facts, failures, moves
from fallsafe.flows.facts import Told
from fallsafe.flows.turn import Turn
from fallsafe.flows.windows import LATE
from fallsafe.store.work import Aggregate

NOTICE = "notice"


def heed(turn: Turn, aggregate: Aggregate, command: Command, told: Told) -> None:
    """What follows from a notice about a command that the other side has accepted and not finished."""
    fact, task = told.fact, aggregate.tasks.get(command.task_id)
    going_on = command.state is CommandState.ACCEPTED and command.purpose is Purpose.FULFILL
    if fact.says is not Says.PROGRESS or task is None or not going_on:
        return
    promised = aggregate.order.committed_at
    kept = fact.date is not None and (promised is None or fact.date <= promised)
    signal = facts.signal_of(turn, aggregate, command, told, NOTICE)
    if fact.date is not None:
        _expect(turn, aggregate, task, command, fact.date, told)
    if fact.raw_code:
        failures.meet(turn, aggregate, signal, known=failures.Known(wait_until=fact.date if kept else None))
    elif fact.date is not None and promised is not None and not kept and fact.date != supplied_at(task):
        said = f"{command.system} expects it at {fact.date.isoformat()}, promised for {promised.isoformat()}"
        failures.meet(turn, aggregate, replace(signal, message=said), LATE)


def _expect(turn: Turn, aggregate: Aggregate, task: Task, command: Command, date: datetime, told: Told) -> None:
    """The task is expected at the date that was given, and looked at again from there."""
    waiting: Json = {"for": SUPPLIER, "system": command.system, "until": date.isoformat()}
    said = f"{command.system} expects it at {date.isoformat()}"
    why = turn.why(said, evidence=told.evidence, causation=command.key)
    aggregate.put(replace(task, waiting=waiting), "expect", why)
    latest = max(at for each in aggregate.tasks.values() if (at := supplied_at(each)) is not None)
    if latest != aggregate.order.supplier_at:
        aggregate.put(replace(aggregate.order, supplier_at=latest), "expect", why)
    moves.retime(turn, aggregate, aggregate.tasks[task.id], why)

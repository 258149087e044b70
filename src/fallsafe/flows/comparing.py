"""Reconciliation across systems (§6.4): what an order says was done is asked about again at the systems that hold it
(network, product and resource inventory, entitlement, billing), each by the look-up of its contract.

A difference is a signal of the source `RECONCILE`: kept with its bytes, judged by rule, held back by the brake or only
seen in shadow like those of every other source. When both sides agree again it ends.
"""

from collections.abc import Sequence
from datetime import datetime

from fallsafe.core.access import Actor
from fallsafe.core.commands.contract import LookUp, Operation
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.detect.signal import signal_draft
from fallsafe.core.events import Json
from fallsafe.core.recover import polling
from fallsafe.core.recover.comparing import OTHERWISE, Agrees, AskAgain, Differs, compare, is_comparison
from fallsafe.flows import commands, facts, recover, settle, signals
from fallsafe.flows.commands import Due, still_stand
from fallsafe.flows.context import Context
from fallsafe.flows.moves import file
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.canonical import canonical
from fallsafe.store.ids import first_id, outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry

SOURCE = "RECONCILE"
AT_ONCE_MAX = 1_000


async def choose(tx: Tx, context: Context) -> int:
    """Files the questions about the effects that are to be compared, the oldest 1,000 of them; how many."""
    policy, now = context.newest.limits.comparing, await tx.now()
    if policy is None:
        return 0
    rows = await tx.fetch(
        "detect/to_compare",
        first=first_id(now - policy.during),
        last=first_id(now - policy.settled),  # what was intended later has not stood for so long
        operations=list(policy.operations),
        settled=now - policy.settled,
        since=now - policy.every,
        now=now,
        limit=AT_ONCE_MAX,
    )
    for row in rows:
        tx.file(Entry("compare", row["task_id"], row["order_id"], now, context.gate(row["system"])))
    return len(rows)


async def claim(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> list[commands.Claimed]:
    """Asks about the effects that are due, one question each."""
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    standing = await still_stand(tx, due, turn.now)
    if not standing or not await commands.may_send_at_all(tx):
        return []
    claimed: list[commands.Claimed] = []
    for d in standing:
        tx.clear("compare", d.id)
        claimed += await _ask(turn, tx.aggregates[d.order_id or 0], d.id)
    await settle.end(turn)
    return claimed


async def _ask(turn: Turn, aggregate: Aggregate, task_id: int) -> list[commands.Claimed]:
    task, target = aggregate.tasks.get(task_id), aggregate.current(task_id)
    if task is None or target is None or target.state is not CommandState.DONE:
        return []
    _, operation = facts.contract(turn, aggregate, target)
    way = _way(operation)
    if way is None:
        return []
    look = polling.next_number(target, aggregate.commands.values())
    return [await recover.ask(turn, aggregate, task, target, way, look)]


def _way(operation: Operation) -> LookUp | None:
    """The way to ask that changes nothing, whatever the other side makes of a repeat."""
    return next((way for way in operation.look_ups if way.method != "repeat"), None)


async def hear(turn: Turn, aggregate: Aggregate, target: Command, query: Command, evidence: tuple[int, ...]) -> None:
    """What the answer to a question says of an effect: a difference is told, one that is over is taken back."""
    asked = [c for c in aggregate.commands.values() if c.target_id == target.id and c.id != query.id]
    before = sorted((c for c in asked if is_comparison(target, c)), key=lambda c: -c.look)
    match compare(target, query, before):
        case Agrees():
            await _take_back(turn, aggregate, target, query)
        case AskAgain():
            _, operation = facts.contract(turn, aggregate, target)
            file(turn, aggregate, "compare", target.task_id, turn.now + operation.second_look, target.system)
        case Differs() as found:
            await _tell(turn, aggregate, target, query, found, evidence)


async def hear_otherwise(
    turn: Turn, aggregate: Aggregate, target: Command, query: Command, reason: str, evidence: tuple[int, ...]
) -> None:
    """The answer was readable and is about something else: another effect, or one that was cancelled."""
    said = f"does not say that {target.reference or target.key} stands ({reason.replace('_', ' ')})"
    await _tell(turn, aggregate, target, query, Differs(OTHERWISE, said), evidence)


async def _tell(
    turn: Turn, aggregate: Aggregate, target: Command, query: Command, found: Differs, evidence: tuple[int, ...]
) -> None:
    task = aggregate.tasks[target.task_id]
    seen = ", ".join(outside("evidence", number) for number in evidence)
    done = f"done on {target.done_at:%Y-%m-%d}" if target.done_at else "done"
    told: dict[str, Json] = {
        **_about(aggregate, target, query),
        "item": aggregate.items[task.item_id].external_id,
        "task": task.step,
        "system": target.system,
        "operation": target.operation,
        "code": found.code,
        "message": f"{task.step} was {done}; {target.system} {found.said} (answer {seen})",
        "looked": await _looked(turn),
    }
    await _receive(turn, told)


async def _take_back(turn: Turn, aggregate: Aggregate, target: Command, query: Command) -> None:
    """Both sides agree: what was said of the effect before is so no more."""
    rows = await turn.tx.fetch("signals/of_effect", order_id=aggregate.order.id, source=SOURCE, effect=f"{target.key}#")
    if not rows:
        return
    told = _about(aggregate, target, query)
    ends = [
        {**told, "externalId": f"{told['externalId']}/{n}", "ends": row["external_id"]} for n, row in enumerate(rows)
    ]
    await _receive(turn, *ends)


def _about(aggregate: Aggregate, target: Command, query: Command) -> dict[str, Json]:
    order = aggregate.order
    about: Json = {"source": order.source, "externalId": order.external_id}
    return {"source": SOURCE, "externalId": f"{target.key}#{query.n}.{query.attempts}", "order": about}


async def _receive(turn: Turn, *told: dict[str, Json]) -> None:
    await signals.receive(turn.tx, turn.context, [(signal_draft(one), canonical(one)) for one in told], turn.actor)


async def _looked(turn: Turn) -> int:
    """How many orders were compared in the time of the brake."""
    brake = turn.context.newest.limits.brake
    if brake is None:
        return 0
    since: datetime = turn.now - brake.within
    return int((await turn.tx.fetch("detect/compared_lately", first=first_id(since)))[0]["orders"])

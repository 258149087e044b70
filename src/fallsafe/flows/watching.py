"""What the live monitors do when a promise is broken (P1, P2, P5): a case is opened, in the transaction that saw it.

What was read without a lock is read again under the lock of its order; what does not hold any more is no case.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import case_key
from fallsafe.core.detect.invariants import Altered, SentTwice, Unseen, said_of_sent_twice, said_of_unseen
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.triage.severity import Level
from fallsafe.flows import failures, loose, settle
from fallsafe.flows.context import Context
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry

STUCK, TWICE, ALTERED = "ORDER_STUCK", "DUPLICATE_EFFECT", "EVIDENCE_ALTERED"
FOUND_MAX = 50
ALTERED_REASON = "what was written down can no longer be relied on"


async def look(tx: Tx, context: Context, lag: timedelta, since: datetime, actor: Actor) -> int:
    """Opens a case for every order with something live that nobody looks at, or that was sent twice. `lag` is how late
    a look may be, `since` from when attempts are looked at. Returns how many orders have one now that had none.
    """
    late = await tx.now() - lag
    suspects = [
        *await tx.fetch("detect/gaps", limit=FOUND_MAX),
        *await tx.fetch("detect/overdue", late=late, limit=FOUND_MAX),
    ]
    twice = [
        SentTwice(row["order_id"], row["command_id"], row["n"])
        for row in await tx.fetch("detect/sent_twice", since=since, limit=FOUND_MAX)
    ]
    ids = sorted({row["order_id"] for row in suspects} | {one.order_id for one in twice})
    if not ids:
        return 0
    await tx.lock(ids, skip_locked=True)
    turn = await begin(tx, context, actor)
    unseen = await _unseen(tx, late)
    for order_id, found in unseen.items():
        _raise(turn, tx.aggregates[order_id], STUCK, said_of_unseen(found), found[0].thing_id)
        tx.file(Entry("review", order_id, order_id, turn.now))
    for one in twice:
        if one.order_id in tx.aggregates:
            _raise(turn, tx.aggregates[one.order_id], TWICE, said_of_sent_twice(one), one.command_id)
    await settle.end(turn)
    return len(unseen) + len(twice)


async def _unseen(tx: Tx, late: datetime) -> dict[int, list[Unseen]]:
    """What is wrong with the locked orders, under their locks."""
    held = sorted(tx.aggregates)
    found: dict[int, list[Unseen]] = defaultdict(list)
    for row in await tx.fetch("detect/gaps_of_orders", ids=held):
        found[row["order_id"]].append(Unseen(row["order_id"], row["thing"], row["thing_id"], gap=row["gap"]))
    for row in await tx.fetch("detect/overdue_of_orders", ids=held, late=late):
        found[row["order_id"]].append(Unseen(row["order_id"], row["thing"], row["thing_id"], row["due_at"]))
    return {order_id: found[order_id] for order_id in sorted(found)}


def _raise(turn: Turn, aggregate: Aggregate, code: str, said: str, thing_id: int) -> None:
    command = aggregate.commands.get(thing_id)
    task = aggregate.tasks.get(command.task_id if command is not None else thing_id)
    signal = Signal(
        detector=Detector.SCANNER,
        order_id=aggregate.order.id,
        item_id=task.item_id if task else min(aggregate.items, default=None),
        task_id=task.id if task else None,
        command_id=command.id if command else None,
        system="OMS",
        operation="OMS.progress",
        raw_code=code,
        message=said,
        sign=code,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
    )
    failures.meet(turn, aggregate, signal, code)


async def note_altered(tx: Tx, context: Context, found: Sequence[Altered], actor: Actor) -> None:
    """Opens one case for each place where what stands is not what was written; a second look joins it."""
    turn = await begin(tx, context, actor)
    for one in found:
        key = case_key(0, None, f"{ALTERED}/{one.where}")
        known = await loose.find(turn, key)
        if known is not None:
            continue
        signal = Signal(
            detector=Detector.SCANNER,
            order_id=0,
            item_id=None,
            task_id=None,
            command_id=None,
            system="OMS",
            operation="OMS.audit",
            raw_code=ALTERED,
            message=f"{one.where}: {one.what}",
            sign=ALTERED,
            effect=False,
            occurred_at=turn.now,
            detected_at=turn.now,
        )
        weight = loose.Weight(Level.CRITICAL, context.newest.severity.critical_from, "evidence", ALTERED_REASON)
        await loose.open_case(turn, key, signal, ALTERED, weight, signal.message, {"where": one.where})

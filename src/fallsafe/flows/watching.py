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
from fallsafe.flows import cases, failures, loose, settle
from fallsafe.flows.context import Context
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry

STUCK, TWICE, ALTERED = "ORDER_STUCK", "DUPLICATE_EFFECT", "EVIDENCE_ALTERED"
FOUND_MAX = 50
ALTERED_REASON = "what was written down can no longer be relied on"
LATE_REASON = "what came from outside is not read, and nobody knows what it says"
SYSTEM = "OMS"


async def look(tx: Tx, context: Context, lag: timedelta, since: datetime, actor: Actor) -> int:
    """Opens a case for every order with something live that nobody looks at, or that was sent twice, and one for each
    kind of look at what belongs to no order. `lag` is how late a look may be, `since` from when attempts are looked at.
    Returns how many have one now that had none.
    """
    late = await tx.now() - lag
    alone = await _look_alone(tx, context, late, actor)
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
        return alone
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
    return alone + len(unseen) + len(twice)


async def _look_alone(tx: Tx, context: Context, late: datetime, actor: Actor) -> int:
    """What belongs to no order and is late: one case for each kind of look, which ends when none of it is late."""
    rows = {_late_key(row["kind"]): row for row in await tx.fetch("detect/overdue_loose", late=late)}
    standing = {row["case_key"] for row in await tx.fetch("cases/loose_of_system", system=SYSTEM, codes=[STUCK])}
    if rows.keys() == standing:
        return 0
    turn = await begin(tx, context, actor)
    for key in sorted(standing - rows.keys()):
        case = await loose.find(turn, key)
        if case is not None:
            loose.move_on(turn, case, "heal", "none of it is late", resolution=cases.healed_by_itself(turn, ()))
            tx.clear("review", case.id)
    fresh = [key for key in sorted(rows.keys() - standing) if await loose.find(turn, key) is None]
    for key in fresh:
        kind, looks, due_at = (rows[key][name] for name in ("kind", "looks", "due_at"))
        said = f"{looks} looks {kind!r} are late, the oldest since {due_at:%Y-%m-%d %H:%M:%S} UTC"
        weight = loose.Weight(Level.HIGH, context.newest.severity.high_from, "blast radius", LATE_REASON)
        await loose.open_case(turn, key, _seen(turn, "OMS.progress", STUCK, said), STUCK, weight, said, {"look": kind})
    return len(fresh)


def _late_key(kind: str) -> str:
    return case_key(0, None, f"{STUCK}/{kind}")


def _seen(turn: Turn, operation: str, code: str, said: str) -> Signal:
    """What a monitor says of no order in particular."""
    return Signal(
        detector=Detector.SCANNER,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system=SYSTEM,
        operation=operation,
        raw_code=code,
        message=said,
        sign=code,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
    )


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
        system=SYSTEM,
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
        signal = _seen(turn, "OMS.audit", ALTERED, f"{one.where}: {one.what}")
        weight = loose.Weight(Level.CRITICAL, context.newest.severity.critical_from, "evidence", ALTERED_REASON)
        await loose.open_case(turn, key, signal, ALTERED, weight, signal.message, {"where": one.where})

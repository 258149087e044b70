"""Setting aside what breaks workers: an order with which three workers died, or that the database refuses to take.

The order is frozen and becomes a case; no worker takes it again before a person has looked. Everything else goes on.
"""

from collections.abc import Sequence

from fallsafe.core.access import Actor
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.flows import failures, settle
from fallsafe.flows.context import Context
from fallsafe.flows.stopping import stop
from fallsafe.flows.turn import Turn, begin
from fallsafe.flows.unreadable import keep_unreadable
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

BY, CODE = "quarantine", "ORDER_QUARANTINED"


async def set_aside(tx: Tx, context: Context, ids: Sequence[int], doing: str, why: str, actor: Actor) -> None:
    """Freezes these orders, each with a case, and takes them away from the workers. An id that is no order's (a
    callback) is set aside with a case of its own.
    """
    await tx.lock(ids)
    turn = await begin(tx, context, actor)
    for one in sorted(set(ids)):
        aggregate = tx.aggregates.get(one)
        if aggregate is None:
            await _loose(turn, one, doing, why)
        else:
            _freeze(turn, aggregate, doing, why)
    await settle.end(turn)
    await tx.execute("suspects/set_aside", ids=sorted(set(ids)), doing=doing, now=turn.now)


async def set_aside_unread(tx: Tx, context: Context, one: int, doing: str, why: str, actor: Actor) -> None:
    """The same where not even the order itself can be read: the case is then without an order, and names it."""
    turn = await begin(tx, context, actor)
    await _loose(turn, one, doing, why)
    await tx.execute("suspects/set_aside", ids=[one], doing=doing, now=turn.now)


def _freeze(turn: Turn, aggregate: Aggregate, doing: str, why: str) -> None:
    stop(aggregate, BY, why, turn.why(why, rule="third_death"))
    signal = Signal(
        detector=Detector.QUARANTINE,
        order_id=aggregate.order.id,
        item_id=min(aggregate.items, default=None),
        task_id=None,
        command_id=None,
        system="OMS",
        operation=f"OMS.{doing}",
        raw_code=CODE,
        message=why,
        sign=CODE,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
    )
    failures.meet(turn, aggregate, signal, CODE)


async def give_back(turn: Turn, aggregate: Aggregate) -> None:
    """A person has looked: workers take the order again, and what was put off is due now."""
    await turn.tx.execute("suspects/give_back", order_id=aggregate.order.id)
    await turn.tx.execute("agenda/call_back", order_id=aggregate.order.id, now=turn.now)


async def _loose(turn: Turn, one: int, doing: str, why: str) -> None:
    hint = "read the log of the workers; what it names is not touched before a person has looked"
    refusal = Refusal(CODE, f"cannot go on with {one}", f"{why} ({doing} of {one})", hint)
    await keep_unreadable(
        turn.tx,
        turn.context,
        source="OMS",
        body=f"{doing} {one}".encode(),
        media_type="text/plain",
        refusals=[refusal],
        actor=turn.actor,
    )

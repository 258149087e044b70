"""The look at what nothing else looks at: whether each live order has a reason to be where it is (§15), each open case.

An order without a reason is a case of its own, which names the clause that is broken and what would unblock it.
"""

from collections.abc import Sequence

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.work import lapsed, waited
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.orders.progress import Stuck, progress
from fallsafe.core.triage.severity import worth_of
from fallsafe.flows import amending, cases, failures, lapse, loose, settle
from fallsafe.flows.commands import Due, still_stand
from fallsafe.flows.context import Context
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.rows import read_row
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry

LAPSED, WAITED = "the claim of {} was over", "the time of whoever it waited for was over"


async def review(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """Looks at orders and cases that are due, and files the next look at each that is still live."""
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    standing = await still_stand(tx, due, turn.now)
    ids = {d.id for d in standing}
    dues = await _next_dues(turn, [d for d in standing if d.id == d.order_id])
    looked_at = [case for aggregate in tx.aggregates.values() for case in aggregate.open_cases if case.id in ids]
    seen = await cases.seen_alike(turn, looked_at)
    if any(d.order_id and d.id != d.order_id and d.id not in seen for d in standing):
        await tx.load_repairs()
    for d in standing:
        tx.clear("review", d.id)
        aggregate = tx.aggregates.get(d.order_id or 0)
        if aggregate is None:
            await _look_at_loose(turn, d)
        elif d.id == aggregate.order.id:
            _look_at_order(turn, aggregate, dues)
        elif d.id in aggregate.tasks:
            await lapse.look(turn, aggregate, aggregate.tasks[d.id])
        elif d.id in aggregate.amendments:
            amending.look(turn, aggregate, aggregate.amendments[d.id])
        elif d.id in seen:
            worth = worth_of(aggregate.items.values())
            cases.score(turn, aggregate, aggregate.cases[d.id], seen[d.id], worth)
            _free(turn, aggregate, aggregate.cases[d.id])
            cases.look_again(turn, aggregate.cases[d.id])
    await settle.end(turn)


async def _next_dues(turn: Turn, orders: Sequence[Due]) -> dict[int, list[Entry]]:
    """The other entries of the orders: when something else will be looked at."""
    found: dict[int, list[Entry]] = {d.id: [] for d in orders}
    for row in await turn.tx.fetch("agenda/of_orders", ids=sorted(found)):
        if not (row["kind"] == "review" and row["id"] == row["order_id"]):
            found[row["order_id"]].append(Entry(row["kind"], row["id"], row["order_id"], row["due_at"], row["gate"]))
    return found


def _look_at_order(turn: Turn, aggregate: Aggregate, dues: dict[int, list[Entry]]) -> None:
    order, policy = aggregate.order, turn.policy(aggregate)
    if order.is_final:
        return
    earliest = min((e.due_at for e in dues[order.id]), default=None)
    found = progress(
        order,
        aggregate.tasks.values(),
        aggregate.commands.values(),
        aggregate.open_cases,
        earliest,
        turn.now,
        lag=policy.limits.look_lag_max,
    )
    if isinstance(found, Stuck):
        failures.meet(turn, aggregate, _stuck(turn, aggregate, found), "ORDER_STUCK")
    turn.tx.file(Entry("review", order.id, order.id, turn.now + policy.limits.review_every))


def _stuck(turn: Turn, aggregate: Aggregate, found: Stuck) -> Signal:
    task = aggregate.tasks.get(found.task_id or 0)
    return Signal(
        detector=Detector.SCANNER,
        order_id=aggregate.order.id,
        item_id=task.item_id if task else min(aggregate.items, default=None),
        task_id=found.task_id,
        command_id=None,
        system="OMS",
        operation="OMS.progress",
        raw_code="",
        message=f"{found.clause.value}: {found.why}; {found.unblock}",
        sign="ORDER_STUCK",
        effect=False,
        occurred_at=aggregate.order.last_at,
        detected_at=turn.now,
    )


def _free(turn: Turn, aggregate: Aggregate, case: Case) -> None:
    """A case that has waited long enough waits no longer; one whose claim is over is anybody's of its group."""
    on = waited(case, turn.now)
    if on is not None:
        aggregate.put(on, "go_on", turn.why(WAITED))
    free = lapsed(on or case, turn.now)
    if free is not None:
        aggregate.put(free, "lapse", turn.why(LAPSED.format(case.assignee)))


async def _look_at_loose(turn: Turn, due: Due) -> None:
    """A case without an order needs its next look, and the end of its wait and its claim."""
    for row in await turn.tx.fetch("cases/by_id", id=due.id):
        case = read_row(Case, row)
        if case.order_id or case.state not in OPEN_CASE_STATES:
            continue
        if lapsed(case, turn.now) is not None or waited(case, turn.now) is not None:
            held = await loose.find(turn, case.case_key)
            if held is not None and held.id == case.id:
                _free_loose(turn, held)
        cases.look_again(turn, case)


def _free_loose(turn: Turn, case: Case) -> None:
    on = waited(case, turn.now)
    if on is not None:
        loose.put(turn, case, on, "go_on", WAITED)
    now, free = on or case, lapsed(on or case, turn.now)
    if free is not None:
        loose.put(turn, now, free, "lapse", LAPSED.format(case.assignee))

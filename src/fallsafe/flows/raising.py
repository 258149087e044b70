"""A case that a person opens: they saw that something is wrong with an order, before any system said so (§19).

Their word is a signal like every other: judged by the newest set, joined to the open case of the same failure, with an
owner and a look from then on. What they wrote is sealed. By itself it moves nothing but the item that it stops.
"""

from dataclasses import dataclass

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.orders.task import Task
from fallsafe.core.recover.strategy import OpenCase
from fallsafe.core.values import replace
from fallsafe.flows import cases, casework, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.turn import Raised, Turn, begin
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

UNCLASSIFIED = "UNCLASSIFIED"


@dataclass(frozen=True, slots=True)
class Reported:
    """What somebody saw: of which order, which of its items and steps ("" = none in particular), what it looks like to
    them (a code of the taxonomy), and in their words.
    """

    order_id: int
    item: str
    step: str
    code: str
    text: str
    reason: str


async def raise_case(tx: Tx, context: Context, told: Reported, actor: Actor) -> Answer:
    """Opens the case of what somebody saw, or joins the open one of the same failure (`already`).

    What is not said to be anything else, of a step that has an open case, is that one's.

    Refused: without the right, of an order, item, step or code that there is none of.
    """
    aggregate = next(iter(await tx.lock([told.order_id])), None)
    turn = await begin(tx, context, actor)
    what = "cannot open a case"
    if aggregate is None:
        return Refused("order", told.order_id, Refusal("NO_SUCH_ORDER", what, "there is no such order", "", "/orderId"))
    refusal = not_allowed(actor, "open_case", what) or _why_not(turn, aggregate, told, what)
    if refusal is not None:
        aggregate.refuse("order", told.order_id, "open_case", refusal, turn.why())
        return Refused("order", told.order_id, refusal)
    known = {case.id: case.occurrences for case in aggregate.cases.values()}
    signal = _signal(turn, aggregate, told)
    own = next((case for case in aggregate.open_cases if case.task_id and case.task_id == signal.task_id), None)
    code = told.code or (own.code if own is not None else UNCLASSIFIED)
    judged = replace(cases.judge(turn, signal, code), code=code)
    turn.raised.append(Raised(aggregate, signal, judged, OpenCase()))
    await settle.end(turn)
    case = next(c for c in aggregate.cases.values() if known.get(c.id) != c.occurrences)
    kept = await casework.keep(turn, case, aggregate.key, casework.Paper(told.text.encode()))
    why = turn.why(await discreet(turn, aggregate, told.reason), evidence=kept)
    aggregate.record("case", case.id, "comment", why, str(case.state), str(case.state))
    return Applied("case", case.id, already=case.id in known)


def _why_not(turn: Turn, aggregate: Aggregate, told: Reported, what: str) -> Refusal | None:
    items = sorted(item.external_id for item in aggregate.items.values())
    if told.item and told.item not in items:
        return Refusal("NO_SUCH_ITEM", what, "the order has no such item", f"its items: {', '.join(items)}", "/item")
    steps = sorted({task.step for task in _tasks(aggregate, told)})
    if told.step and told.step not in steps:
        return Refusal("NO_SUCH_STEP", what, "the order has no such step", f"its steps: {', '.join(steps)}", "/task")
    if told.step and sum(task.step == told.step for task in _tasks(aggregate, told)) > 1:
        return Refusal("STEP_UNCLEAR", what, "several items have that step", "name the item too", "/item")
    if told.code and told.code not in turn.context.newest.codes:
        why = "the taxonomy has no such code"
        return Refusal("CODE_UNKNOWN", what, why, "leave it out, and somebody classifies it", "/code")
    return None


def _tasks(aggregate: Aggregate, told: Reported) -> list[Task]:
    own = {item.id for item in aggregate.items.values() if told.item in ("", item.external_id)}
    return [task for task in aggregate.tasks.values() if task.item_id in own]


def _signal(turn: Turn, aggregate: Aggregate, told: Reported) -> Signal:
    task = next((t for t in _tasks(aggregate, told) if t.step == told.step), None)
    named = next((i for i in aggregate.items.values() if i.external_id == told.item), None)
    item = aggregate.items[task.item_id] if task else named
    operation = turn.context.newest.operations.get(task.operation) if task else None
    return Signal(
        detector=Detector.PERSON,
        order_id=aggregate.order.id,
        item_id=item.id if item else None,
        task_id=task.id if task else None,
        command_id=None,
        system=task.system if task else "",
        operation=task.operation if task else "",
        raw_code=told.code,
        message="seen by a person",
        sign=told.code or UNCLASSIFIED,
        effect=operation.effect if operation else False,
        occurred_at=turn.now,
        detected_at=turn.now,
        step=task.step if task else "",
        offer=item.offer if item else "",
    )

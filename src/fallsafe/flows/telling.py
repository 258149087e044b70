"""What the customer of an order may hear, under the set that is in force: now, and once a repair has helped (§17)."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from fallsafe.core.cases.case import OPEN_CASE_STATES, WATCHED_FOR, Case
from fallsafe.core.comms.boundary import FALLBACK_LOCALE, customer_view
from fallsafe.core.comms.messages import Sentence
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.order import Order
from fallsafe.core.orders.task import Task, TaskState
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.preview import After
from fallsafe.core.values import replace


def customer_hears(
    newest: PolicySet,
    order: Order,
    items: Iterable[Item],
    tasks: Iterable[Task],
    cases: Iterable[Case],
    now: datetime,
    about: Case | None = None,
    locale: str = FALLBACK_LOCALE,
) -> Sentence:
    """The sentence for the customer now. `about` is the case that is read, by which it is told when they hear more."""
    titles = {offer.code: offer.title for offer in newest.offers.values()}
    following = next_update(newest, about, now) if about is not None else None
    return customer_view(
        order, items, tasks, cases, newest.messages, locale, now, following,
        titles=titles, watched_for=WATCHED_FOR / newest.time_scale,
    )  # fmt: skip


def next_update(newest: PolicySet, case: Case, now: datetime) -> datetime | None:
    """When the customer hears more at the latest: the row of the case's code and severity, counted on from its
    detection.
    """
    known = newest.codes.get(case.code)
    every = known.sla.customer_update.get(case.severity) if known else None
    if not every or case.state not in OPEN_CASE_STATES:
        return None
    return case.detected_at + every * (max(now - case.detected_at, timedelta()) // every + 1)


def once_helped(
    newest: PolicySet,
    order: Order,
    items: Iterable[Item],
    tasks: Iterable[Task],
    cases: Iterable[Case],
    now: datetime,
    case: Case,
    after: Iterable[After],
) -> Sentence:
    """The sentence for the customer as it would be once a repair of `case` has helped: its tasks are what `after` says
    of them, and the case is over.
    """
    then: Mapping[str, str] = {one.name: one.then for one in after if one.thing == "task"}
    moved = [replace(t, state=TaskState(then[t.step])) if then.get(t.step) in STATES else t for t in tasks]
    return customer_hears(newest, order, items, moved, [c for c in cases if c.id != case.id], now)


STATES = frozenset(state.value for state in TaskState)

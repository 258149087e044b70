"""What the customer may hear of an order: a projection of evidence, in one sentence, without our inner workings (§17).

Never "completed" while something is unverified, never "failed" or "not possible" while it can be repaired, never a code
or the name of a system. A text whose placeholders or claim no evidence carries gives way to the one that its row names.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fallsafe.core.calendar import zone_of
from fallsafe.core.cases.case import OPEN_CASE_STATES, WATCHED_FOR, Case, is_only_said
from fallsafe.core.comms.messages import MessageText, Sentence
from fallsafe.core.orders.item import Item, ItemState
from fallsafe.core.orders.order import Order, OrderState
from fallsafe.core.orders.task import Task, TaskState
from fallsafe.core.triage.severity import Level

HIDDEN, ON_TRACK = "hidden", "on_track"
FALLBACK_LOCALE = "en"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What can be proved: values by placeholder, and whether the order is verified complete, and something given up
    or cancelled.
    """

    values: Mapping[str, str]
    verified: bool
    given_up: bool
    cancelled: bool


def customer_view(
    order: Order,
    items: Iterable[Item],
    tasks: Iterable[Task],
    cases: Iterable[Case],
    messages: Mapping[str, MessageText],
    locale: str,
    now: datetime,
    next_update: datetime | None,
    *,
    titles: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    watched_for: timedelta = WATCHED_FOR,
) -> Sentence:
    """The sentence for the customer now, and the evidence it stands on. An empty text means that nothing is said.

    `titles` are the catalog's names of offers, `values` further placeholders that somebody can prove (`link`, `what`,
    `contact`, a new `date`). `next_update` is when the customer hears more, `watched_for` how long a case is watched
    that ended without a proof.
    """
    every, steps, known = tuple(items), tuple(tasks), tuple(cases)
    open_ = sorted((c for c in known if c.state in OPEN_CASE_STATES), key=_importance, reverse=True)
    done = {t.id for t in steps if t.state is TaskState.COMPLETED}
    only_said = [c for c in known if c.task_id in done and is_only_said(c, now - watched_for) and _by_repair(c)]
    key, because = _key(order, steps, open_, now)
    evidence = Evidence(
        values={**_dates(order, locale, now, next_update, key), **_named(every, titles or {}), **(values or {})},
        verified=_verified(order, steps, [*open_, *only_said]),
        given_up=any(i.state is ItemState.FAILED for i in every),
        cancelled=any(i.state is ItemState.CANCELLED for i in every) or order.state is OrderState.CANCELLED,
    )
    # Of an order that is over nobody may say that we are still working on it.
    may_be = _chain(key, messages) if not order.is_final or key == "completed" else _chain(key, messages, 1)
    return _say(may_be, locale, evidence, because)


def _key(order: Order, tasks: Sequence[Task], cases: Sequence[Case], now: datetime) -> tuple[str, str]:
    """Which message fits best, and why; whether it may be said is seen afterwards."""
    if order.state is OrderState.COMPLETED:
        return "completed", "the order is completed"
    if order.state is OrderState.CANCELLED:
        return "cancelled", "the order is cancelled"
    if order.state in (OrderState.ASSESSING_CANCELLATION, OrderState.PENDING_CANCELLATION):
        return "cancel_in_progress", "a cancellation is under way"
    if order.is_final:
        return "not_possible", f"the order is {order.state}"
    # That all is well is never said because something is wrong.
    told = next((c for c in cases if c.message_key not in ("", HIDDEN, ON_TRACK)), None)
    if told is not None:
        return told.message_key, f"case F-{told.id} is open"
    if any(t.state in _UNVERIFIED for t in tasks):
        return "confirming", "an outcome is not known yet"
    if cases or not _keeps_its_date(order, now):
        return "in_progress", f"case F-{cases[0].id} is open" if cases else "no date that can be kept is known"
    return ON_TRACK, "nothing stands against the promised date"


def _keeps_its_date(order: Order, now: datetime) -> bool:
    """Whether a promised date lies ahead and nothing that we or a partner expect comes later."""
    promised = order.committed_at
    if promised is None or promised < now or order.frozen:
        return False
    return all(at is None or at <= promised for at in (order.forecast_at, order.supplier_at))


def _verified(order: Order, tasks: Iterable[Task], doubts: Sequence[Case]) -> bool:
    """Whether "completed" is proved: every mandatory step is, nothing that is open says otherwise, and no work is done
    on somebody's word alone.
    """
    done = all(t.state in (TaskState.COMPLETED, TaskState.SKIPPED) for t in tasks if t.mandatory)
    return order.state is OrderState.COMPLETED and done and not doubts


def _by_repair(case: Case) -> bool:
    """Whether a case ended with what a repair of it came to."""
    return isinstance(case.resolution, Mapping) and bool(case.resolution.get("repair"))


def _importance(case: Case) -> tuple[int, int, float]:
    """The worst case first; among equals the oldest."""
    rank = Level(case.severity).rank if case.severity in set(Level) else 0
    return rank, case.points, -case.detected_at.timestamp()


_UNVERIFIED = frozenset({TaskState.UNKNOWN, TaskState.UNDO_UNKNOWN})
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def _say(may_be: Iterable[MessageText], locale: str, evidence: Evidence, because: str) -> Sentence:
    for message in may_be:
        spoken = locale if locale in message.texts else FALLBACK_LOCALE
        text = message.texts.get(spoken, "")
        needs = {*message.needs, *_PLACEHOLDER.findall(text)}
        if text and needs <= evidence.values.keys() and _proved(message.key, evidence):
            said = _PLACEHOLDER.sub(lambda m: evidence.values[m[1]], text)
            return Sentence(message.key, spoken, said, because)
    return Sentence(HIDDEN, locale, "", f"{because}, and nothing more can be proved")


def _chain(key: str, messages: Mapping[str, MessageText], length_max: int = 16) -> Iterator[MessageText]:
    """A message and those it gives way to, each once."""
    seen = set[str]()
    while key and key not in seen and key in messages and len(seen) < length_max:
        seen.add(key)
        yield messages[key]
        key = messages[key].otherwise


def _proved(key: str, evidence: Evidence) -> bool:
    """Whether what a message claims beside its placeholders is so. Others claim only that we are working on it."""
    match key:
        case "completed" | "invoice_later":
            return evidence.verified
        case "not_possible":
            return evidence.given_up
        case "cancelled":
            return evidence.cancelled
        case _:
            return True


def _named(items: Sequence[Item], titles: Mapping[str, str]) -> dict[str, str]:
    """`item` = what the order is about, by the catalog's names; `rest` = what of it is not ready. Left out where a
    name is missing.
    """
    roots = [i for i in items if i.parent_id is None]
    rest = [i for i in items if i.state is not ItemState.COMPLETED]
    named = {"item": roots, "rest": rest}
    return {
        placeholder: ", ".join(titles[i.offer] for i in meant)
        for placeholder, meant in named.items()
        if meant and all(i.offer in titles for i in meant)
    }


def _dates(order: Order, locale: str, now: datetime, next_update: datetime | None, key: str) -> dict[str, str]:
    """`date` is proved only by the promise that is on track: a delay has no new date before somebody gives one."""
    dates = {}
    if key == ON_TRACK and order.committed_at is not None:
        dates["date"] = day_words(order.committed_at, order.time_zone, locale)
    if next_update is not None and next_update > now:
        dates["next_update"] = time_words(next_update, order.time_zone, locale)
    return dates


_MONTHS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ),
    "id": (
        "Januari", "Februari", "Maret", "April", "Mei", "Juni",
        "Juli", "Agustus", "September", "Oktober", "November", "Desember",
    ),
}  # fmt: skip


def day_words(at: datetime, zone: str, locale: str) -> str:
    """A day as people write it: `3 July 2026`, `3. Juli 2026`, `3 Juli 2026`; ISO where the language is not known."""
    local = at.astimezone(zone_of(zone) or UTC)
    months = _MONTHS.get(locale)
    if months is None:
        return local.date().isoformat()
    dot = "." if locale == "de" else ""
    return f"{local.day}{dot} {months[local.month - 1]} {local.year}"


def time_words(at: datetime, zone: str, locale: str) -> str:
    """A day and a time of the day in the customer's zone."""
    local = at.astimezone(zone_of(zone) or UTC)
    return f"{day_words(at, zone, locale)}, {local:%H:%M}"

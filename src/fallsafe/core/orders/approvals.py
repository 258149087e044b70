"""Approvals that an order must carry before its first command: given for exactly this content, and still valid (§2,
§22).

An approval is bound to the fingerprint of what was approved. One for another fingerprint, from before a price was
changed, say, is stale and as good as none.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Protocol

from fallsafe.core.events import Json
from fallsafe.core.orders.draft import ApprovalDraft
from fallsafe.core.orders.item import Priced, monthly_minor, one_off_minor, order_value_minor
from fallsafe.core.orders.plan import Hold

APPROVAL_MISSING = "APPROVAL_MISSING"
APPROVAL_STALE = "APPROVAL_STALE"


class Sold(Protocol):
    """What conditions of approvals read of an order, drafted or stored."""

    @property
    def source(self) -> str: ...
    @property
    def segment(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def vulnerable(self) -> bool: ...
    @property
    def test(self) -> bool: ...
    @property
    def quote(self) -> Json: ...


class SoldItem(Priced, Protocol):
    """What conditions of approvals read of an item."""

    @property
    def offer(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def regulated(self) -> bool: ...


def order_facts(order: Sold, items: Iterable[SoldItem]) -> dict[str, Json]:
    """The facts of an order by name, for the conditions of approvals. Money in minor units."""
    every = tuple(items)
    discount = order.quote.get("discountPercent") if isinstance(order.quote, Mapping) else None
    return {
        "source": order.source,
        "segment": order.segment,
        "channel": order.channel,
        "region": order.region,
        "priority": order.priority,
        "vulnerable": order.vulnerable,
        "test": order.test,
        "discountPercent": discount if isinstance(discount, int | float) and not isinstance(discount, bool) else 0,
        "orderValueMinor": order_value_minor(every),
        "oneOffMinor": one_off_minor(every),
        "monthlyMinor": monthly_minor(every),
        "regulated": any(i.regulated for i in every),
        "offers": [i.offer for i in every],
        "actions": [i.action for i in every],
    }


def check_approvals(
    fingerprint: str,
    quote: Json,
    approvals: Iterable[ApprovalDraft],
    required: Iterable[tuple[str, str]],
    now: datetime,
) -> Hold | None:
    """Why the order may not send its first command yet, or None. `required` are (what, sentence) of the rules that
    hold for it.

    An approval counts for the fingerprint of the snapshot or of the accepted quote. The first rule that is not met
    decides: `APPROVAL_STALE` where one was given for other content, `APPROVAL_MISSING` where none was given or it has
    expired.
    """
    accepted = {fingerprint, _quoted(quote)} - {""}
    given = tuple(approvals)
    for what, sentence in required:
        hold = _check_one(what, sentence, [a for a in given if a.what == what], accepted, now)
        if hold is not None:
            return hold
    return None


def _check_one(what: str, sentence: str, given: list[ApprovalDraft], accepted: set[str], now: datetime) -> Hold | None:
    living = [a for a in given if a.expires_at is None or a.expires_at > now]
    if any(a.fingerprint in accepted for a in living):
        return None
    if living:
        return Hold(APPROVAL_STALE, f"{sentence} The approval {what!r} by {living[0].by} was given for other content.")
    if given:
        return Hold(APPROVAL_MISSING, f"{sentence} The approval {what!r} by {given[0].by} has expired.")
    return Hold(APPROVAL_MISSING, f"{sentence} There is no approval {what!r}.")


def _quoted(quote: Json) -> str:
    mark = quote.get("fingerprint") if isinstance(quote, Mapping) else None
    return mark if isinstance(mark, str) else ""

"""From the JSON of an order to the draft that flows take in. Shapes are checked here, rules by the core."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fallsafe.api.bodies import check_shape
from fallsafe.api.problems import Problem
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import INSTANT_HINT, YEAR_MAX, YEAR_MIN, OrderDraft, instant, order_draft


def draft_of(value: Json, body: bytes) -> OrderDraft:
    """The draft of an order. Raises `Problem` 400 with the pointers of the fields at fault."""
    order = check_shape("order", value, "ORDER_SHAPE")
    check_instants(order, "")
    return order_draft(order, body)


def check_instants(order: Mapping[str, Any], where: str) -> None:
    """That all dates of an order are dates. Raises `Problem` 400."""
    for name in ("requestedAt", "committedAt"):
        instant_of(order.get(name), f"{where}/{name}")
    for n, approval in enumerate(order.get("approvals", [])):
        for name in ("at", "expiresAt"):
            instant_of(approval.get(name), f"{where}/approvals/{n}/{name}")


def instant_of(text: str | None, pointer: str) -> datetime | None:
    """An instant in UTC from RFC 3339. Raises `Problem` 400 where the text is none, or lies outside 1970–2200."""
    if text is None:
        return None
    try:
        return instant(text)
    except (ValueError, OverflowError):
        why = f"this is no instant from {YEAR_MIN} to {YEAR_MAX} with a zone ({pointer})"
        raise Problem(400, "INSTANT", why, INSTANT_HINT, pointer) from None

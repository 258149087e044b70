"""From the JSON of an order to the draft that flows take in. Shapes are checked here, rules by the core."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fallsafe.api.bodies import check_shape
from fallsafe.api.problems import Problem
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import ApprovalDraft, ItemDraft, LinkDraft, OrderDraft, PartyDraft

YEAR_MIN, YEAR_MAX = 1970, 2200


def draft_of(value: Json, body: bytes) -> OrderDraft:
    """The draft of an order. Raises `Problem` 400 with the pointers of the fields at fault."""
    order = check_shape("order", value, "ORDER_SHAPE")
    return OrderDraft(
        source=order["source"],
        external_id=order["externalId"],
        time_zone=order.get("timeZone", "UTC"),
        customer_ref=order.get("customerRef", ""),
        segment=order.get("segment", "consumer"),
        priority=int(order.get("priority", 2)),
        vulnerable=order.get("vulnerable", False),
        test=order.get("test", False),
        channel=order.get("channel", ""),
        region=order.get("region", ""),
        catalog_version=order.get("catalogVersion", ""),
        requested_at=instant_of(order.get("requestedAt"), "/requestedAt"),
        committed_at=instant_of(order.get("committedAt"), "/committedAt"),
        quote=order.get("quote", {}),
        approvals=tuple(_approval(a, f"/approvals/{n}") for n, a in enumerate(order.get("approvals", []))),
        parties=tuple(PartyDraft(p["role"], p["ref"], p.get("person", {})) for p in order.get("parties", [])),
        links=tuple(LinkDraft(one["kind"], one["source"], one["externalId"]) for one in order.get("links", [])),
        correlation_id=order.get("correlationId", ""),
        traceparent=order.get("traceparent", ""),
        items=tuple(_item(item) for item in order["items"]),
        body=body,
    )


def _approval(approval: Mapping[str, Any], pointer: str) -> ApprovalDraft:
    at = instant_of(approval["at"], f"{pointer}/at")
    assert at is not None  # the schema allows no null here
    expires = instant_of(approval.get("expiresAt"), f"{pointer}/expiresAt")
    return ApprovalDraft(approval["what"], approval["fingerprint"], approval["by"], at, expires)


def _item(item: Mapping[str, Any]) -> ItemDraft:
    return ItemDraft(
        external_id=item["externalId"],
        parent=item.get("parent", ""),
        action=item["action"],
        offer=item["offer"],
        quantity=int(item.get("quantity", 1)),
        place=item.get("place", {}),
        characteristics=item.get("characteristics", {}),
        one_off_minor=int(item.get("oneOffMinor", 0)),
        monthly_minor=int(item.get("monthlyMinor", 0)),
        currency=item.get("currency", ""),
        term_months=int(item.get("termMonths", 0)),
        regulated=item.get("regulated", False),
        existing_service=item.get("existingService", "none"),
        depends_on=tuple(item.get("dependsOn", [])),
    )


def instant_of(text: str | None, pointer: str) -> datetime | None:
    """An instant in UTC from RFC 3339. Raises `Problem` 400 where the text is none, or lies outside 1970–2200."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.replace("z", "Z").replace("t", "T"))
        if at.tzinfo is not None and YEAR_MIN <= at.year <= YEAR_MAX:
            return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    why = f"this is no instant from {YEAR_MIN} to {YEAR_MAX} with a zone ({pointer})"
    raise Problem(400, "INSTANT", why, "write it like 2026-11-25T17:00:00+07:00", pointer)

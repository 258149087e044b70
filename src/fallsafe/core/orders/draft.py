"""An order as it is handed in, read but not yet stored: the same words as the order, with personal values still in
place.

`place` of an item and `person` of a party are personal: storing seals them and leaves a reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fallsafe.core.events import Json

NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PartyDraft:
    """A party: its role and reference at the source, and personal values (name, contact) as given."""

    role: str
    ref: str
    person: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ApprovalDraft:
    """An approval and the fingerprint of the content it was given for."""

    what: str
    fingerprint: str
    by: str
    at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LinkDraft:
    """A link to another order: `kind` parent, depends_on, replaces."""

    kind: str
    source: str
    external_id: str


@dataclass(frozen=True, slots=True)
class ItemDraft:
    """One item; money in minor units."""

    external_id: str
    parent: str
    action: str
    offer: str
    quantity: int
    place: Mapping[str, Json]
    characteristics: Mapping[str, Json]
    one_off_minor: int
    monthly_minor: int
    currency: str
    term_months: int
    regulated: bool
    existing_service: str
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """One order of one source with the bytes it came in."""

    source: str
    external_id: str
    time_zone: str
    customer_ref: str
    segment: str
    priority: int
    vulnerable: bool
    test: bool
    channel: str
    region: str
    catalog_version: str
    requested_at: datetime | None
    committed_at: datetime | None
    quote: Mapping[str, Json]
    approvals: tuple[ApprovalDraft, ...]
    parties: tuple[PartyDraft, ...]
    links: tuple[LinkDraft, ...]
    correlation_id: str
    traceparent: str
    items: tuple[ItemDraft, ...]
    body: bytes


def order_draft(told: Mapping[str, Json], body: bytes) -> OrderDraft:
    """The draft of an order that a door has found to be of the right shape."""
    return OrderDraft(
        source=_text(told, "source"),
        external_id=_text(told, "externalId"),
        time_zone=_text(told, "timeZone", "UTC"),
        customer_ref=_text(told, "customerRef"),
        segment=_text(told, "segment", "consumer"),
        priority=_whole(told, "priority", 2),
        vulnerable=told.get("vulnerable") is True,
        test=told.get("test") is True,
        channel=_text(told, "channel"),
        region=_text(told, "region"),
        catalog_version=_text(told, "catalogVersion"),
        requested_at=_instant(told, "requestedAt"),
        committed_at=_instant(told, "committedAt"),
        quote=_object(told, "quote"),
        approvals=tuple(_approval(a) for a in _objects(told, "approvals")),
        parties=tuple(
            PartyDraft(_text(p, "role"), _text(p, "ref"), _object(p, "person")) for p in _objects(told, "parties")
        ),
        links=tuple(
            LinkDraft(_text(one, "kind"), _text(one, "source"), _text(one, "externalId"))
            for one in _objects(told, "links")
        ),
        correlation_id=_text(told, "correlationId"),
        traceparent=_text(told, "traceparent"),
        items=tuple(_item(item) for item in _objects(told, "items")),
        body=body,
    )


def _approval(told: Mapping[str, Json]) -> ApprovalDraft:
    return ApprovalDraft(
        _text(told, "what"),
        _text(told, "fingerprint"),
        _text(told, "by"),
        instant(_text(told, "at")),
        _instant(told, "expiresAt"),
    )


def stored_approvals(rows: Json) -> tuple[ApprovalDraft, ...]:
    """The approvals that an order came with, as they stand in its row; when they were given is not kept there."""
    kept = [each for each in rows if isinstance(each, Mapping)] if isinstance(rows, list) else []
    return tuple(
        ApprovalDraft(_text(a, "what"), _text(a, "fingerprint"), _text(a, "by"), NEVER, _instant(a, "expiresAt"))
        for a in kept
    )


def _item(told: Mapping[str, Json]) -> ItemDraft:
    waits = told.get("dependsOn")
    return ItemDraft(
        external_id=_text(told, "externalId"),
        parent=_text(told, "parent"),
        action=_text(told, "action"),
        offer=_text(told, "offer"),
        quantity=_whole(told, "quantity", 1),
        place=_object(told, "place"),
        characteristics=_object(told, "characteristics"),
        one_off_minor=_whole(told, "oneOffMinor", 0),
        monthly_minor=_whole(told, "monthlyMinor", 0),
        currency=_text(told, "currency"),
        term_months=_whole(told, "termMonths", 0),
        regulated=told.get("regulated") is True,
        existing_service=_text(told, "existingService", "none"),
        depends_on=tuple(str(each) for each in waits) if isinstance(waits, list) else (),
    )


def instant(text: str) -> datetime:
    """An instant in UTC from RFC 3339. Raises ValueError or OverflowError for a text that is none, or that lies
    outside `YEAR_MIN` to `YEAR_MAX`; a second that is put in between two days is none.
    """
    at = datetime.fromisoformat(text.replace("z", "Z").replace("t", "T"))
    if at.tzinfo is None:
        raise ValueError("an instant has a zone")
    if not YEAR_MIN <= at.year <= YEAR_MAX:
        raise ValueError(f"an instant lies between {YEAR_MIN} and {YEAR_MAX}")
    return at.astimezone(UTC)


YEAR_MIN, YEAR_MAX = 1970, 2200
INSTANT_HINT = "write it like 2026-11-25T17:00:00+07:00"


def _instant(told: Mapping[str, Json], name: str) -> datetime | None:
    text = told.get(name)
    return instant(text) if isinstance(text, str) else None


def _text(told: Mapping[str, Json], name: str, otherwise: str = "") -> str:
    value = told.get(name)
    return value if isinstance(value, str) else otherwise


def _whole(told: Mapping[str, Json], name: str, otherwise: int) -> int:
    value = told.get(name)
    return int(value) if isinstance(value, int | float) else otherwise


def _object(told: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = told.get(name)
    return value if isinstance(value, Mapping) else {}


def _objects(told: Mapping[str, Json], name: str) -> list[Mapping[str, Json]]:
    value = told.get(name)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []

"""An order as it is handed in, read but not yet stored: the same words as the order, with personal values still in
place.

`place` of an item and `person` of a party are personal: storing seals them and leaves a reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.events import Json


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

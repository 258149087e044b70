"""The accepted commercial content of an order, its one byte form, and the fingerprint that never changes (§9
principle 3, §18).

What was bought, paid, received, agreed and must be evidenced is in it; where the order came from, who may be told what
and how urgent it is are not. Personal values never are: a reference stands in for each.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from fallsafe.core.errors import Bug
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import ItemDraft, OrderDraft

StandIn = Callable[[str], Json]
"""From the path of a personal value (`items/fiber/place`, `parties/0/person`) to what stands in for it: a reference
and a digest.
"""


def content_of(draft: OrderDraft, stand_in: StandIn) -> dict[str, Json]:
    """The commercial content of an order as accepted. Items are in the order of their ids, so that a list in another
    order is the same content.
    """
    return {
        "catalogVersion": draft.catalog_version,
        "customerRef": draft.customer_ref,
        "requestedAt": instant_text(draft.requested_at),
        "committedAt": instant_text(draft.committed_at),
        "timeZone": draft.time_zone,
        "quote": draft.quote,
        "parties": [
            {"role": party.role, "ref": party.ref, "person": stand_in(f"parties/{n}/person") if party.person else None}
            for n, party in enumerate(draft.parties)
        ],
        "items": [_item(item, stand_in) for item in sorted(draft.items, key=lambda i: i.external_id)],
    }


def _item(item: ItemDraft, stand_in: StandIn) -> dict[str, Json]:
    return {
        "externalId": item.external_id,
        "parent": item.parent,
        "dependsOn": [*sorted(item.depends_on)],
        "action": item.action,
        "offer": item.offer,
        "quantity": item.quantity,
        "place": stand_in(f"items/{item.external_id}/place") if item.place else None,
        "characteristics": item.characteristics,
        "oneOffMinor": item.one_off_minor,
        "monthlyMinor": item.monthly_minor,
        "currency": item.currency,
        "termMonths": item.term_months,
        "regulated": item.regulated,
    }


def instant_text(at: datetime | None) -> str | None:
    """An instant as it stands in the content."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at is not None else None


def fingerprint(content: Json) -> str:
    """SHA-256 of the canonical bytes, as 64 hex digits: equal content, equal fingerprint."""
    return hashlib.sha256(canonical(content)).hexdigest()


def canonical(content: Json) -> bytes:
    """The one byte form: JSON in UTF-8 with sorted keys and no spaces. A whole number is written as one (`45.0` is
    `45`).

    Raises `Bug` for what JSON cannot hold (NaN, infinity, a lone surrogate).
    """
    try:
        return _written(content).encode()
    except UnicodeEncodeError as error:
        raise Bug(f"text that is not Unicode cannot be fingerprinted: {error.reason}") from error


def _written(value: Json) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return f"{{{','.join([f'{_text(key)}:{_written(value[key])}' for key in sorted(value)])}}}"
    if isinstance(value, list):
        return f"[{','.join([_written(each) for each in value])}]"
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    return str(value) if isinstance(value, int) else _number(value)


_WORDS = {None: "null", True: "true", False: "false"}


def _number(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        raise Bug("a number that is none cannot be fingerprinted")
    return str(int(value)) if value.is_integer() else repr(value)


_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_ESCAPES = str.maketrans({chr(n): f"\\u{n:04x}" for n in range(32)} | _NAMED)


def _text(value: str) -> str:
    # Most texts hold nothing that has to be escaped, and finding that out is cheap.
    plain = value.isprintable() and '"' not in value and "\\" not in value
    return f'"{value}"' if plain else f'"{value.translate(_ESCAPES)}"'

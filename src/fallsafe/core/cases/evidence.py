"""Evidence: immutable bytes with a digest, a media type and a sensitivity; sealed with the key of their order (P5,
§9.1).
"""

from dataclasses import dataclass
from datetime import datetime

PERSONAL, CONFIDENTIAL = "personal", "confidential"
"""What may hold values of a person, and what people wrote down as a proof: papers, accounts, what a customer said."""
_CONFIDENTIAL_KINDS = frozenset({"attachment", "declaration", "repair_input", "reply", "revision"})


def sensitivity_of(kind: str) -> str:
    """The class of a kind of evidence."""
    return CONFIDENTIAL if kind in _CONFIDENTIAL_KINDS else PERSONAL


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a piece of evidence without opening it.

    `digest` is the salted digest of the bytes, `sealed_digest` the plain digest of the sealed form, which proves
    without any key that nothing changed. `kind`: order, request, answer, callback; `sensitivity` is its class. `head`
    is the request line or status line with headers that matter, never with credentials.
    """

    id: int
    order_id: int
    command_id: int | None
    attempt: int
    kind: str
    source: str
    media_type: str
    sensitivity: str
    size: int
    head: str
    at: datetime
    digest: str
    sealed_digest: str

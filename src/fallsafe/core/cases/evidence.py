"""Evidence: immutable bytes with a digest, a media type and a sensitivity; sealed with the key of their order (P5,
§9.1).
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a piece of evidence without opening it.

    `digest` is the salted digest of the bytes, `sealed_digest` the plain digest of the sealed form, which proves
    without any key that nothing changed. `kind`: order, request, answer, callback. `head` is the request line or status
    line with headers that matter, never with credentials.
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

"""Evidence read back, still sealed."""

from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.cases.evidence import PERSONAL
from fallsafe.store.tx import Database, Tx


@dataclass(frozen=True, slots=True)
class Sealed:
    """A piece of evidence as it is stored."""

    id: int
    order_id: int
    media_type: str
    sealed: bytes
    sensitivity: str = PERSONAL


async def evidence_by_id(database: Database, evidence_id: int) -> Sealed | None:
    """A piece of evidence wherever it stands, still sealed."""
    rows = await database.fetch("reads/evidence_by_id", id=evidence_id)
    if not rows:
        return None
    row = rows[0]
    return Sealed(row["id"], row["order_id"], row["media_type"], bytes(row["sealed"]), row["sensitivity"])


async def comments_on(tx: Tx, order_id: int, name: str) -> list[tuple[str, datetime, Sealed]]:
    """What people wrote about a case (its public name): who, when and the text, still sealed, oldest first."""
    rows = await tx.fetch("evidence/comments", order_id=order_id, case=name)
    return [
        (row["source"], row["at"], Sealed(row["id"], order_id, row["media_type"], bytes(row["sealed"]))) for row in rows
    ]

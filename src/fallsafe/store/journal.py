"""The one write path: every change and every refusal is a record, placed in the lane of the connection that writes it.

`place` gives records their lane, seq, order version and digests; nothing else makes links. A record names the digest
of its order's record
before it, so that one order can be checked alone, and its lane's links chain everything that the connection ever wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fallsafe.core.events import RECORD_FORMAT, Record
from fallsafe.store.canonical import digest, instant, link, written


@dataclass(slots=True)
class Chain:
    """Where an order's own chain stands: version, and lane, seq and digest of its last record."""

    version: int
    lane: int
    seq: int
    digest: str
    last_at: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the journal, ready to be copied in."""

    lane: int
    seq: int
    order_id: int
    version: int
    at: datetime
    thing: str
    thing_id: int
    verb: str
    payload: str
    digest: bytes
    link: bytes

    def row(self) -> tuple[Any, ...]:
        """The columns in the order of `journal/copy.sql`."""
        return (
            self.lane,
            self.seq,
            self.order_id,
            self.version,
            self.at,
            self.thing,
            self.thing_id,
            self.verb,
            self.payload,
            self.digest,
            self.link,
        )


LOOSE = Chain(0, 0, 0, "", None)


def place(
    records: Sequence[Record],
    chains: dict[int, Chain],
    lane: int,
    seq: int,
    head: bytes,
    now: datetime,
    late: datetime | None = None,
) -> list[Line]:
    """The lines of one transaction. `chains` (by order id) are moved forward; an order's time never goes back. Records
    without an order are of the time `late`, by which they are put in order.
    """
    first, lines = seq + 1, []
    for record in records:
        seq += 1
        chain = chains[record.order_id] if record.order_id else LOOSE
        at = max(now, chain.last_at) if chain.last_at else now
        at = at if record.order_id else late or now
        version = chain.version + 1 if record.order_id else 0
        payload = written(_content(record, chain, lane, seq, version, at, first))
        own = digest(payload)
        head = link(head, own)
        lines.append(
            Line(
                lane,
                seq,
                record.order_id,
                version,
                at,
                record.thing,
                record.thing_id,
                record.verb,
                payload.decode(),
                own,
                head,
            )
        )
        if record.order_id:
            chains[record.order_id] = Chain(version, lane, seq, own.hex(), at)
    return lines


def _content(r: Record, before: Chain, lane: int, seq: int, version: int, at: datetime, first: int) -> dict[str, Any]:
    return {
        "format": RECORD_FORMAT,
        "lane": lane,
        "seq": seq,
        "transaction": [lane, first],
        "orderId": r.order_id,
        "version": version,
        "before": [before.lane, before.seq, before.digest],
        "at": instant(at),
        "actor": r.actor,
        "causation": r.causation,
        "thing": r.thing,
        "thingId": r.thing_id,
        "verb": r.verb,
        "was": r.was,
        "now": r.now,
        "delta": r.delta,
        "reason": r.reason,
        "policySet": r.policy_set,
        "rule": r.rule,
        "evidence": list(r.evidence),
        "facts": r.facts,
    }

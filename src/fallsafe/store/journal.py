"""The one write path: every change and every refusal is a record, placed in the lane of the connection that writes it.

`place` gives records their lane, seq, order version and digests; nothing else makes links. A record names the digest
of its order's record
before it, so that one order can be checked alone, and its lane's links chain everything that the connection ever wrote.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from fallsafe.core.events import RECORD_FORMAT, Json, Record
from fallsafe.store.canonical import digest, instant, link, written


@dataclass(slots=True)
class Chain:
    """Where an order's own chain stands: version, and lane, seq and digest of its last record."""

    version: int
    lane: int
    seq: int
    digest: str
    last_at: datetime | None


class Line(NamedTuple):
    """One row of the journal, its columns in the order of `journal/copy.sql`."""

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


LOOSE = Chain(0, 0, 0, "", None)


class At(NamedTuple):
    """Where and when a transaction's records are placed: the lane, its head, and the times of those with an order and
    of those without one, by which these are put in order.
    """

    lane: int
    seq: int
    link: bytes
    now: datetime
    late: datetime


NOTHING_ADDED: Mapping[int, Json] = MappingProxyType({})


def place(
    records: Sequence[Record], chains: dict[int, Chain], at: At, added: Mapping[int, Json] = NOTHING_ADDED
) -> list[Line]:
    """The lines of one transaction. `chains` (by order id) are moved forward; an order's time never goes back. `added`
    is what is said of evidence that comes with the transaction, by its id.
    """
    seq, head, lines = at.seq, at.link, list[Line]()
    for record in records:
        seq += 1
        chain = chains[record.order_id] if record.order_id else LOOSE
        version, when = chain.version + 1, max(at.now, chain.last_at or at.now)
        if not record.order_id:
            version, when = 0, at.late
        content = _content(record, chain, at, seq, version, when)
        if record.evidence and (own := [added[i] for i in record.evidence if i in added]):
            content["facts"] = {**record.facts, "added": own}
        payload = written(content)
        sealed = digest(payload)
        head = link(head, sealed)
        about = (record.order_id, version, when, record.thing, record.thing_id, record.verb)
        lines.append(Line(at.lane, seq, *about, payload.decode(), sealed, head))
        if record.order_id:
            chains[record.order_id] = Chain(version, at.lane, seq, sealed.hex(), when)
    return lines


def _content(r: Record, before: Chain, at: At, seq: int, version: int, when: datetime) -> dict[str, Any]:
    return {
        "format": RECORD_FORMAT,
        "lane": at.lane,
        "seq": seq,
        "transaction": [at.lane, at.seq + 1],
        "orderId": r.order_id,
        "version": version,
        "before": [before.lane, before.seq, before.digest],
        "at": instant(when),
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
        "evidence": r.evidence,
        "facts": r.facts,
    }

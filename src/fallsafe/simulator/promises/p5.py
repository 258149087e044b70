"""P5, evidence is never lost or changed: what a record says was kept is there, byte for byte as it was sealed.

The chains, the fold of the records and the sealed bytes of everything are checked by the audit (`fallsafe audit
verify`), which runs over the whole database at the end of a run; here is what can be seen order by order.
"""

import json
from collections.abc import Iterator

from fallsafe.simulator.promises.seen import Broken, Kept, OrderSeen, OutsideSeen, Seen

OURS = "RECONCILE"


def broken(seen: Seen) -> Iterator[Broken]:
    """What is missing, or is not what it was."""
    for order in seen.orders.values():
        yield from _chain(order)
        if seen.outside is not None and seen.open_evidence is not None:
            yield from _requests(seen, order)
    if seen.outside is not None and seen.open_kept is not None:
        added = [each["id"] for record in seen.fresh or () for each in record["facts"].get("added", ())]
        for kept in seen.open_kept(added):
            yield from _as_it_came(seen.outside, kept)


def _as_it_came(outside: OutsideSeen, kept: Kept) -> Iterator[Broken]:
    """What others said is kept byte for byte, and nothing that is kept holds a credential."""
    told = {"answer": outside.answers, "callback": outside.callbacks, "signal": outside.signals}
    said = told.get(kept.kind)
    if said is not None and kept.body not in said and not _is_ours(kept):
        yield Broken("P5", f"evidence {kept.id}", f"nobody said this {kept.kind}: {kept.body[:120]!r}")
    for secret in outside.secrets:
        if secret in kept.head or secret.encode() in kept.body:
            yield Broken("P5", f"evidence {kept.id}", f"this {kept.kind} holds a credential")


def _is_ours(kept: Kept) -> bool:
    """Whether the product itself said it, having compared what was done with what others say of it."""
    return kept.kind == "signal" and bool(json.loads(kept.body).get("source") == OURS)


def _chain(order: OrderSeen) -> Iterator[Broken]:
    version, last = 0, [0, 0, ""]
    for record in order.records:
        if record["version"] != version + 1 or record["before"][:2] != last[:2]:
            what = f"record {record['version']} does not follow record {version}"
            yield Broken("P5", order.where(), what, order.order.id)
        version, last = record["version"], [record["lane"], record["seq"], ""]
    if order.records and version != order.order.version:
        what = f"the order is at version {order.order.version}, its records end at {version}"
        yield Broken("P5", order.where(), what, order.order.id)


def _requests(seen: Seen, order: OrderSeen) -> Iterator[Broken]:
    """The bytes that left under a key are the bytes that were kept for it."""
    assert seen.outside is not None
    assert seen.open_evidence is not None
    for command in order.commands.values():
        left = seen.outside.bytes_of_key.get(command.key)
        if not left or command.request_evidence_id is None or command.purpose.value == "query":
            continue
        kept = list(seen.open_evidence(order.order.id, [command.request_evidence_id]))
        if len(kept) != 1 or {body for _, body in left} != set(kept):
            what = f"{command.key}: what left is not what was kept"
            yield Broken("P5", order.where("command", command.id), what, order.order.id)

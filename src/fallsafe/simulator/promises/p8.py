"""P8, a repair never changes the deal, and what ran is what was shown: no clause of what was accepted is another, no
field that is locked was corrected, and no repair ran that was not shown, agreed to where it had to be, and run once.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping

from fallsafe.simulator.promises.seen import Broken, OrderSeen, Row, Seen

# What of an item is part of the deal; of its characteristics what policy does not say that it is data.
DEAL = (
    "action",
    "offer",
    "quantity",
    "one_off_minor",
    "monthly_minor",
    "currency",
    "term_months",
    "regulated",
    "parent_id",
)
ALWAYS_AGREED = (
    "SKIP_TASK", "FIX_ACCOUNT_MAPPING", "ADOPT_EXTERNAL_RESULT", "MARK_EXTERNAL_COMPLETED", "DECLARE_OUTCOME",
)  # fmt: skip
# What an order holds to be fulfilled, and may be put right without asking the customer.
DATA = (
    *("site", "slot", "serial", "lineId", "addressKey", "portRequest", "recipient", "accountId"),
    *("sku", "line", "portDate", "donorAccount", "portingCode"),
)
WRITES = ("supersede", "send_again", "skip")
ENDS = ("run", "check", "void", "decline")


def broken(seen: Seen) -> Iterator[Broken]:
    """What was changed that was sold, and what ran otherwise than it was shown."""
    for order in seen.orders.values():
        if order.order.reported is not None:
            continue
        for where, what in (*_deal(order), *_shown(order), *_revised(order)):
            yield Broken("P8", where, what, order.order.id)
    for record in seen.records():
        one = seen.orders.get(record["orderId"])
        if one is not None and one.order.reported is None:
            yield from _record(one, record)


def _deal(order: OrderSeen) -> Iterator[tuple[str, str]]:
    """The accepted content is what it was, by its fingerprint."""
    content = order.order.snapshot
    if content and hashlib.sha256(_bytes(content)).hexdigest() != order.order.fingerprint:
        yield order.where(), "what was accepted has another fingerprint"


def _bytes(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _record(order: OrderSeen, record: Row) -> Iterator[Broken]:
    """One change that came from a repair."""
    delta, where = record["delta"], order.where(record["thing"], record["thingId"])
    if record["thing"] == "item" and record["was"]:
        changed = [name for name in DEAL if name in delta]
        if changed and not _agreed(order, record):
            yield Broken("P8", where, f"{record['verb']} changed {', '.join(changed)}", order.order.id)
        yield from _corrected(order, record, where)
        if "place" in delta and not _agreed(order, record) and not _shows(order, record, "item.place."):
            yield Broken("P8", where, "its place was corrected, and no repair had shown it", order.order.id)
    person = record["thing"] == "order" and record["was"] and "parties" in delta
    if person and not _agreed(order, record) and not _shows(order, record, "customer."):
        yield Broken("P8", where, "its customer was corrected, and no repair had shown it", order.order.id)
    deal = record["thing"] == "order" and record["was"] and {"snapshot", "fingerprint"} & set(delta)
    if deal and not _agreed(order, record):
        yield Broken("P8", where, f"{record['verb']} changed what was accepted", order.order.id)
    by_repair = str(record["causation"]).startswith(("RA-", "AM-"))
    if record["verb"] == "supersede" and not by_repair:
        yield Broken("P8", where, "was superseded by no repair", order.order.id)


def _agreed(order: OrderSeen, record: Row) -> bool:
    """Whether a record comes from a change of the deal that was accepted outside, and what it superseded is kept."""
    number = str(record["causation"]).removeprefix("AM-")
    one = order.amendments.get(int(number)) if record["verb"] == "amend" and number.isdigit() else None
    kept = one.superseded if one is not None and one.state.value == "accepted" else None
    return kept is not None and hashlib.sha256(_bytes(kept)).hexdigest() == one.fingerprint_was  # type: ignore[union-attr]


def _shows(order: OrderSeen, record: Row, prefix: str) -> bool:
    """Whether the repair that a record comes from had shown a change of such a fact."""
    number = str(record["causation"]).partition("-")[2]
    repair = order.repairs.get(int(number)) if number.isdigit() else None
    preview = repair.preview if repair is not None and isinstance(repair.preview, Mapping) else {}
    return any(str(c["name"]).startswith(prefix) for c in preview.get("changes", ()))  # type: ignore[union-attr, index, call-overload]


def _corrected(order: OrderSeen, record: Row, where: str) -> Iterator[Broken]:
    """Characteristics change only by a repair, and only those that its action leaves free or has agreed to."""
    if "characteristics" not in record["delta"] or _agreed(order, record):
        return
    number = str(record["causation"]).partition("-")[2]
    repair = order.repairs.get(int(number)) if number.isdigit() else None
    if repair is None:
        yield Broken("P8", where, f"{record['verb']} changed characteristics by no repair", order.order.id)
        return
    preview = repair.preview if isinstance(repair.preview, Mapping) else {}
    shown = {str(c["name"]).rpartition(".")[2] for c in preview.get("changes", ())}  # type: ignore[union-attr, index, call-overload]
    before = _before(order, record)
    after = record["delta"]["characteristics"] or {}
    other = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - shown
    sold = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} - {*DATA}
    if sold:
        yield Broken(
            "P8", where, f"{', '.join(sorted(sold))} is part of the deal, and a repair changed it", order.order.id
        )
    if other:
        yield Broken("P8", where, f"{', '.join(sorted(other))} changed, and was not shown", order.order.id)


def _before(order: OrderSeen, record: Row) -> Mapping[str, object]:
    """The characteristics of an item before a record."""
    earlier = [
        r["delta"]["characteristics"]
        for r in order.records
        if r["thing"] == "item" and r["thingId"] == record["thingId"] and r["version"] < record["version"]
        and "characteristics" in r["delta"]
    ]  # fmt: skip
    return (earlier[-1] or {}) if earlier else {}


def _shown(order: OrderSeen) -> Iterator[tuple[str, str]]:
    """Each repair ran at most once, as it was shown, by somebody, and agreed to by another where it had to be."""
    runs = Counter(r["thingId"] for r in order.records if r["thing"] == "repair" and r["verb"] == "run")
    for number, repair in order.repairs.items():
        where = order.where("repair", number)
        if runs[number] > 1:
            yield where, f"was run {runs[number]} times"
        if repair.run_at is None:
            continue
        asked = [q for q in repair.checks if isinstance(q, dict)] if isinstance(repair.checks, list) else []
        said_yes = [c.id for c in order.commands.values() if c.finding == "done"]
        if repair.state.value == "run" and any(q["query"] not in said_yes for q in asked):
            yield where, "was run, and not everything that it asked again had said yes"
        if repair.run_at > repair.expires_at:
            yield where, "was run after its time was over"
        if (repair.approval or repair.action in ALWAYS_AGREED) and not repair.approved_by:
            yield where, "was run, and nobody had agreed to it"
        if repair.approved_by and (
            _name(repair.approved_by) == _name(repair.asked_by) or not repair.approved_by.startswith("person:")
        ):
            yield where, f"{repair.approved_by} agreed to what {repair.asked_by} asked for"
        if order.records:
            yield from _did(order, repair.id, repair.preview, where)
    for number, request in order.amendments.items():
        if request.state.value == "accepted" and _name(request.answered_by) == _name(request.asked_by):
            yield order.where("amendment", number), f"{request.answered_by} accepted what they had asked for themselves"


def _name(who: str) -> str:
    """Whose hand it was, whatever the token."""
    return who.partition(":")[2]


def _revised(order: OrderSeen) -> Iterator[tuple[str, str]]:
    """From the moment at which those who sell want an order changed nothing that was previewed before is run, and
    nothing new leaves before somebody has let it go on.
    """
    for told in (r for r in order.records if r["thing"] == "order" and r["verb"] == "revise"):
        name, of_repairs = told["facts"]["revision"], [r for r in order.records if r["thing"] == "repair"]
        shown = {r["thingId"] for r in of_repairs if r["verb"] == "preview" and r["version"] < told["version"]}
        over = {r["thingId"] for r in of_repairs if r["verb"] in ENDS and r["version"] < told["version"]}
        voided = {r["thingId"] for r in of_repairs if r["verb"] == "void" and r["transaction"] == told["transaction"]}
        for number in sorted(shown - over - voided):
            yield order.where("repair", number), f"was previewed before {name} came, and was not voided by it"
        yield from _left(order, told, name)


def _left(order: OrderSeen, told: Row, name: str) -> Iterator[tuple[str, str]]:
    """What left between a wish of those who sell and the moment at which somebody let the order go on."""
    after = [r for r in order.records if r["version"] > told["version"]]
    let_go = next((r["version"] for r in after if (r["thing"], r["verb"]) == ("order", "thaw")), None)
    for record in (r for r in after if let_go is None or r["version"] < let_go):
        command = order.commands.get(record["thingId"]) if record["thing"] == "command" else None
        if record["verb"] == "send" and command is not None and command.purpose.value != "query":
            yield order.where(), f"{command.key} left after {name} had come"


def _did(order: OrderSeen, number: int, preview: object, where: str) -> Iterator[tuple[str, str]]:
    """What it did to commands and tasks is what its preview said: nothing more, nothing else."""
    shown = preview if isinstance(preview, Mapping) else {}
    keys = {s["key"] for s in shown.get("sends", ()) if s["purpose"] != "query"}
    made = [
        r["delta"].get("key")
        for r in order.records
        if r["causation"] == f"RA-{number}"
        and r["thing"] == "command"
        and r["verb"] == "intend"
        and r["delta"].get("purpose") != "query"
    ]
    for key in made:
        if key not in keys:
            yield where, f"made the command {key}, and had not shown it"
    moves = {(a["thing"], a["was"], a["then"]) for a in shown.get("after", ())}
    for record in order.records:
        mine = record["causation"] == f"RA-{number}" and record["verb"] in WRITES
        if mine and (record["thing"], record["was"], record["now"]) not in moves:
            yield where, f"moved {record['thing']} {record['thingId']} to {record['now']}, and had not shown it"

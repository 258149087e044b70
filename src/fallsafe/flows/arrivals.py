"""What others tell without being asked (signals, reports of engines) is kept before it is read: each thing once for its
source and the source's id, its bytes sealed with the key of the order that it is about, where that is here.

The door answers after that commit; a worker reads and decides. A repeat changes nothing, another content under a known
id is refused and recorded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from fallsafe.core.access import Actor
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.flows import payload
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.store.canonical import canonical
from fallsafe.store.rows import columns, delta, read_row
from fallsafe.store.tx import Tx, as_json
from fallsafe.store.vault import OrderKey
from fallsafe.store.work import Entry

Name = tuple[str, str]


class Row(Protocol):
    """What every kept thing has, whatever else it is."""

    @property
    def id(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def external_id(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def evidence_id(self) -> int: ...
    @property
    def evidence_order_id(self) -> int: ...
    @property
    def state(self) -> str: ...


R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Kept:
    """Where the bytes of a thing were put: its id and time, its evidence, whose key seals that (0 = that of things
    without an order), and the salted digest of its content.
    """

    id: int
    at: datetime
    evidence_id: int
    evidence_order_id: int
    content: str


@dataclass(frozen=True, slots=True)
class Arrival(Generic[R]):
    """One thing as it came: what makes it unique, the order that it is about, its bytes, and its row once these are
    kept.
    """

    name: Name
    order: Name
    body: bytes
    row: Callable[[Kept], R]


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A kind of thing: its name in records and on the agenda, its table, its row, the code of the refusal of an id that
    is used twice, and what would work.
    """

    thing: str
    table: str
    row: type[R]
    reused: str
    hint: str
    pointer: str


async def keep(
    tx: Tx, kind: Kind[R], arrivals: Sequence[Arrival[R]], actor: Actor, due: Callable[[int, datetime], Entry]
) -> list[Answer]:
    """Keeps things, each once, with its agenda entry to be read now; one answer for each, in the order given."""
    first: dict[Name, int] = {}
    for n, one in enumerate(arrivals):
        first.setdefault(one.name, n)
    orders = await orders_of(tx, (one.order for one in arrivals))
    keys = await _keys_of(tx, set(orders.values()), {one.order for one in arrivals} - orders.keys())
    rows = [await _sealed(tx, kind, arrivals[n], orders, keys) for n in first.values()]
    fresh = {r["id"] for r in await tx.fetch(f"{kind.table}/insert", rows=as_json([columns(row) for row in rows]))}
    # What was here already needs no second copy of its bytes.
    copies = {row.evidence_id for row in rows if row.id not in fresh}
    tx.pages.evidence = [(e, s) for e, s in tx.pages.evidence if e.id not in copies]
    for row in rows:
        if row.id in fresh:
            note(tx, actor, kind, None, row, "receive", (row.evidence_id,))
            tx.file(due(row.id, await tx.now()))
    here = {_name(row): row for row in rows if row.id in fresh}
    here |= await _known(tx, kind, [_name(row) for row in rows if row.id not in fresh])
    keys |= await tx.keys_of(sorted({row.evidence_order_id for row in here.values()} - keys.keys()))
    answers: list[Answer] = []
    for n, one in enumerate(arrivals):
        row = here[one.name]
        same = content_of(keys[row.evidence_order_id], one.body) == row.content
        already = row.id not in fresh or first[one.name] != n
        answers.append(Applied(kind.thing, row.id, already) if same else _refused(tx, actor, kind, row))
    return answers


def _name(row: Row) -> Name:
    return row.source, row.external_id


async def orders_of(tx: Tx, names: Iterable[Name]) -> dict[Name, int]:
    """The orders of these names that are here, read without a lock."""
    wanted = sorted(set(names))
    rows = await tx.fetch("orders/named", sources=[s for s, _ in wanted], externals=[e for _, e in wanted])
    return {(row["source"], row["external_id"]): row["id"] for row in rows}


async def _keys_of(tx: Tx, orders: set[int], unknown: set[Name]) -> dict[int, OrderKey]:
    keys = await tx.keys_of(sorted(orders))
    if unknown:
        keys[0] = await tx.loose_key()
    return keys


async def _sealed(
    tx: Tx, kind: Kind[R], one: Arrival[R], orders: Mapping[Name, int], keys: Mapping[int, OrderKey]
) -> R:
    """The row of a thing, its bytes sealed with the key of its order where that is here."""
    order_id = orders.get(one.order, 0)
    key = keys[order_id]
    sealed = await tx.add_evidence(
        order_id, key, kind=kind.thing, source=one.name[0], body=one.body, media_type="application/json"
    )
    return one.row(Kept(await tx.new_id(), await tx.now(), sealed.id, order_id, content_of(key, one.body)))


def content_of(key: OrderKey, body: bytes) -> str:
    """The salted digest of what a thing says, however its bytes were laid out."""
    return key.digest(canonical(payload.read_json(body)))


async def _known(tx: Tx, kind: Kind[R], names: Sequence[Name]) -> dict[Name, R]:
    if not names:
        return {}
    sources, externals = [s for s, _ in names], [e for _, e in names]
    rows = await tx.fetch(f"{kind.table}/of_names", sources=sources, externals=externals)
    return {(row["source"], row["external_id"]): read_row(kind.row, row) for row in rows}


def _refused(tx: Tx, actor: Actor, kind: Kind[R], row: R) -> Refused:
    what = f"cannot take {kind.thing} {row.external_id} of {row.source}"
    why = f"a {kind.thing} of that id is here with another content"
    refusal = Refusal(kind.reused, what, why, kind.hint, kind.pointer)
    facts: dict[str, Json] = {"code": refusal.code, "why": why, "hint": kind.hint}
    state = str(row.state)
    tx.loose(Record(0, str(actor), kind.thing, row.id, "refuse_receive", state, state, {}, what, facts=facts))
    return Refused(kind.thing, row.id, refusal)


def note(
    tx: Tx,
    actor: Actor,
    kind: Kind[R],
    was: R | None,
    now: R,
    verb: str,
    evidence: tuple[int, ...] = (),
    reason: str = "",
    **judged: Any,
) -> None:
    """The loose record of a change of a kept thing."""
    before, after = str(was.state) if was else "", str(now.state)
    change, led = delta(was, now), f"{now.source}/{now.external_id}"
    tx.loose(
        Record(
            0, str(actor), kind.thing, now.id, verb, before, after, change, reason,
            evidence=evidence, causation=led, **judged,
        )
    )  # fmt: skip


async def bodies_of(tx: Tx, rows: Sequence[Row]) -> dict[int, bytes]:
    """What these things say, by their ids."""
    homes = sorted({row.evidence_order_id for row in rows})
    if not homes:
        return {}
    keys = await tx.keys_of(homes)
    opened = await tx.fetch("evidence/open", orders=homes, ids=[row.evidence_id for row in rows])
    plain = {r["id"]: keys[r["order_id"]].open(bytes(r["sealed"])) for r in opened}
    return {row.id: plain[row.evidence_id] for row in rows}

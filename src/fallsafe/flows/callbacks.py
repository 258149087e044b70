"""Callbacks in two steps: received by a door (bytes kept once for each sender and event id, nothing decided), applied
by a worker.

`receive` takes no order lock, so that a slow order never makes a sender wait. What matches no command is looked at
again at growing intervals and then becomes a case of its order-less kind.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from fallsafe.core.access import Actor
from fallsafe.core.commands.callback import Callback, Unreadable, read_callback
from fallsafe.core.commands.contract import System
from fallsafe.core.commands.ledger import Command
from fallsafe.core.events import Record
from fallsafe.flows import facts, payload, settle
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Answer, Applied, Context
from fallsafe.flows.facts import Told
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.rows import Inbox, columns, read_row
from fallsafe.store.tx import Tx, as_json
from fallsafe.store.work import Aggregate, Entry


@dataclass(frozen=True, slots=True)
class Received:
    """One callback whose signature was right: who sent it, which event it is, which key it names, and its bytes."""

    system: str
    event_id: str
    key: str
    body: bytes
    media_type: str
    head: str


async def receive(tx: Tx, context: Context, received: Sequence[Received], actor: Actor) -> list[Answer]:
    """Keeps callbacks, each once, with an entry to be applied now. A repeat is answered as such and changes nothing."""
    now, key = await tx.now(), await tx.loose_key()
    fresh = {(r.system, r.event_id): r for r in received}
    rows, evidence = [], {}
    for r in fresh.values():
        sealed = await tx.add_evidence(
            0, key, kind="callback", source=r.system, body=r.body, media_type=r.media_type, head=r.head
        )
        row = Inbox(await tx.new_id(), r.system, r.event_id, r.key, None, sealed.id, 0, now, 0, "received")
        rows.append(row)
        evidence[row.id] = sealed
    kept = {r["id"] for r in await tx.fetch("inbox/insert", rows=as_json([columns(row) for row in rows]))}
    tx.pages.evidence = [(e, s) for e, s in tx.pages.evidence if any(evidence[i] is e for i in kept)]
    for row in rows:
        if row.id in kept:
            _note(tx, actor, row, "receive", "", columns(row), (row.evidence_id,))
            tx.file(Entry("apply", row.id, None, now))
            tx.pages.hint = True
    names = {(row.system, row.event_id): row.id for row in rows}
    given = [names[r.system, r.event_id] for r in received]
    return [Applied("inbox", i, already=i not in kept) for i in given]


def _note(
    tx: Tx,
    actor: Actor,
    row: Inbox,
    verb: str,
    was: str,
    delta: dict[str, object],
    evidence: tuple[int, ...] = (),
    reason: str = "",
) -> None:
    """The loose record of a change of the inbox."""
    change = {k: v for k, v in delta.items() if isinstance(v, str | int) or v is None}
    tx.loose(
        Record(
            0, str(actor), "inbox", row.id, verb, was, row.state, change, reason, evidence=evidence, causation=row.key
        )
    )


async def apply(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """Applies received callbacks to their commands, in the order they came, by the table of dispositions."""
    ids = [d.id for d in due]
    orders = {r["key"]: r["order_id"] for r in await tx.fetch("inbox/orders_of", ids=ids)}
    await tx.lock((o for o in orders.values() if o is not None), skip_locked=True)
    turn = await begin(tx, context, actor)
    rows = [read_row(Inbox, r) for r in await tx.fetch("inbox/lock", ids=ids)]
    bodies = await _bodies(turn, rows)
    for row in rows:
        order_id = orders.get(row.key)
        if order_id is not None and order_id not in tx.aggregates:
            continue  # somebody holds the order; the entry stands and is taken at the next look
        tx.clear("apply", row.id)
        if row.state == "received":
            await _apply_one(turn, row, order_id, bodies[row.id])
    await settle.end(turn)


async def _bodies(turn: Turn, rows: Sequence[Inbox]) -> dict[int, bytes]:
    if not rows:
        return {}
    key = await turn.tx.loose_key()
    opened = await turn.tx.fetch("evidence/open", orders=[0], ids=[r.evidence_id for r in rows])
    plain = {r["id"]: key.open(bytes(r["sealed"])) for r in opened}
    return {row.id: plain[row.evidence_id] for row in rows}


async def _apply_one(turn: Turn, row: Inbox, order_id: int | None, body: bytes) -> None:
    aggregate = turn.tx.aggregates.get(order_id or 0)
    command = next((c for c in aggregate.commands.values() if c.key == row.key), None) if aggregate else None
    if aggregate is None or command is None:
        await _look_again(turn, row)
        return
    read = _read(turn, aggregate, command, row, body)
    if isinstance(read, Unreadable):
        reason = f"cannot be read as an answer to what was asked: {read.why}"
        aggregate.record("command", command.id, "keep_unreadable", turn.why(reason, causation=row.key, inbox=row.id))
        await _move(turn, row, "unreadable", order_id, reason)
        return
    told = Told(replace(read.fact, attempt=0), (row.evidence_id,), sign=read.fact.raw_code)
    verdict = await facts.apply(turn, aggregate, command, told)
    await _move(turn, row, "applied", order_id, f"{read.fact.says.value}: {verdict.disposition.value}")


def _read(turn: Turn, aggregate: Aggregate, command: Command, row: Inbox, body: bytes) -> Callback | Unreadable:
    policy, _ = facts.contract(turn, aggregate, command)
    system: System = policy.systems[row.system]
    if system.callback is None:
        return Unreadable("no_contract", f"{row.system} has no contract for callbacks")
    asked = {"key": command.key, "object": payload.business_object(aggregate, aggregate.tasks[command.task_id])}
    return read_callback(system.callback, payload.read_json(body), asked)


async def _look_again(turn: Turn, row: Inbox) -> None:
    """Its command is not here (yet): looked at again at growing intervals, then kept as unmatched for a person."""
    delays = turn.context.newest.limits.unmatched_delays
    if row.tries < len(delays):
        await _move(turn, row, "received", None, "no command has this key yet", tries=row.tries + 1)
        turn.tx.file(Entry("apply", row.id, None, turn.now + delays[row.tries]))
    else:
        await _move(turn, row, "unmatched", None, "no command has this key", tries=row.tries)


async def _move(
    turn: Turn, row: Inbox, state: str, order_id: int | None, reason: str, tries: int | None = None
) -> None:
    moved = replace(row, state=state, order_id=order_id, tries=row.tries if tries is None else tries)
    await turn.tx.execute(
        "inbox/move", ids=[row.id], states=[moved.state], tries=[moved.tries], orders=[moved.order_id]
    )
    changed = {k: v for k, v in asdict(moved).items() if v != asdict(row)[k]}
    _note(turn.tx, turn.actor, moved, state if state != row.state else "look_again", row.state, changed, (), reason)

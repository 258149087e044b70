"""Callbacks in two steps: received by a door (bytes kept once for each sender and event id, nothing decided), applied
by a worker.

`receive` takes no order lock, so that a slow order never makes a sender wait. A system speaks of its own commands only,
and only of effects: a key of another system, or of a question, is no command of its. What matches no command is looked
at again at growing intervals and then becomes a case without an order; what cannot be read as an answer to what was
asked, and an event that is told in two ways, become cases at once.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import case_key
from fallsafe.core.commands.callback import Callback, Unreadable, read_callback
from fallsafe.core.commands.contract import System
from fallsafe.core.commands.ledger import Command, Purpose
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.triage.severity import Level
from fallsafe.core.values import replace
from fallsafe.flows import facts, failures, loose, payload, settle
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Answer, Applied, Context
from fallsafe.flows.facts import Told
from fallsafe.flows.turn import Turn, begin
from fallsafe.flows.unreadable import CALLBACK_CODE, keep_unreadable
from fallsafe.store.rows import Inbox, columns, read_row
from fallsafe.store.tx import Tx, as_json
from fallsafe.store.vault import OrderKey
from fallsafe.store.work import Aggregate, Entry

UNMATCHED = "it may be an effect that belongs to no order"


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
    """Keeps callbacks, each once, with an entry to be applied now. A repeat is answered as such and changes nothing;
    other bytes under a known event id are kept with a case of their own. The bytes are sealed with the key of the order
    that they speak of, where it is known.
    """
    now = await tx.now()
    first: dict[tuple[str, str], Received] = {}
    for one in received:
        first.setdefault((one.system, one.event_id), one)
    homes = await _homes(tx, list(first.values()))
    rows, evidence = [], {}
    for one in first.values():
        order_id, key = homes[one.system, one.key]
        sealed = await tx.add_evidence(
            order_id, key, kind="callback", source=one.system, body=one.body, media_type=one.media_type, head=one.head
        )
        row = Inbox(await tx.new_id(), one.system, one.event_id, one.key, None, sealed.id, order_id, now, 0, "received")
        rows.append(row)
        evidence[row.id] = sealed
    kept = {r["id"] for r in await tx.fetch("inbox/insert", rows=as_json([columns(row) for row in rows]))}
    tx.pages.evidence = [(e, s) for e, s in tx.pages.evidence if any(evidence[i] is e for i in kept)]
    for row in rows:
        if row.id in kept:
            _note(tx, actor, row, "receive", "", columns(row), (row.evidence_id,))
            tx.file(Entry("apply", row.id, None, now))
    names = {(row.system, row.event_id): row.id for row in rows}
    given = [names[r.system, r.event_id] for r in received]
    for one, inbox_id in zip(received, given, strict=True):
        if inbox_id not in kept or one is not first[one.system, one.event_id]:
            await _keep_what_differs(tx, context, one, first[one.system, one.event_id], actor)
    return [Applied("inbox", i, already=i not in kept) for i in given]


async def _homes(tx: Tx, received: Sequence[Received]) -> dict[tuple[str, str], tuple[int, OrderKey]]:
    """For each (system, key) the order that it speaks of with its data key; 0 with the key of things without an order
    where none is known.
    """
    names = sorted({(r.system, r.key) for r in received})
    rows = await tx.fetch("inbox/orders_of_keys", systems=[s for s, _ in names], keys=[k for _, k in names])
    orders: dict[tuple[str, str], int] = {(r["system"], r["key"]): r["order_id"] for r in rows}
    keys = await tx.keys_of(sorted(set(orders.values())))
    if len(orders) < len(names):
        keys[0] = await tx.loose_key()
    return {name: (orders.get(name, 0), keys[orders.get(name, 0)]) for name in names}


async def _keep_what_differs(tx: Tx, context: Context, one: Received, first: Received, actor: Actor) -> None:
    """An event id stands for one statement. Where its sender uses it for another one, that is kept too, and seen."""
    rows = await tx.fetch("inbox/of_event", system=one.system, event_id=one.event_id)
    keys = await tx.keys_of([row["order_id"] for row in rows])
    same = one.body == first.body and all(keys[row["order_id"]].digest(one.body) == row["digest"] for row in rows)
    if same:
        return
    what = f"cannot take event {one.event_id} of {one.system} once more"
    why = f"event {one.event_id} came before with other content"
    hint = "give each event an id of its own; ask the sender which of the two is true"
    await keep_unreadable(
        tx,
        context,
        source=one.system,
        body=one.body,
        media_type=one.media_type,
        refusals=[Refusal("EVENT_ID_REUSED", what, why, hint)],
        actor=actor,
        kind="callback",
    )


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
    orders: dict[int, int | None] = {r["id"]: r["order_id"] for r in await tx.fetch("inbox/orders_of", ids=ids)}
    await tx.lock((o for o in orders.values() if o is not None), skip_locked=True)
    turn = await begin(tx, context, actor)
    rows = [read_row(Inbox, r) for r in await tx.fetch("inbox/lock", ids=ids)]
    bodies = await _bodies(turn, rows)
    for row in rows:
        order_id = orders.get(row.id)
        if order_id is not None and order_id not in tx.aggregates:
            continue  # somebody holds the order; the entry stands and is taken at the next look
        tx.clear("apply", row.id)
        if row.state == "received":
            await _apply_one(turn, row, order_id, bodies[row.id])
    await settle.end(turn)


async def _bodies(turn: Turn, rows: Sequence[Inbox]) -> dict[int, bytes]:
    homes = sorted({row.evidence_order_id for row in rows})
    if not homes:
        return {}
    keys = await turn.tx.keys_of(homes)
    opened = await turn.tx.fetch("evidence/open", orders=homes, ids=[r.evidence_id for r in rows])
    plain = {r["id"]: keys[r["order_id"]].open(bytes(r["sealed"])) for r in opened}
    return {row.id: plain[row.evidence_id] for row in rows}


async def _apply_one(turn: Turn, row: Inbox, order_id: int | None, body: bytes) -> None:
    aggregate = turn.tx.aggregates.get(order_id or 0)
    command = _command_of(aggregate, row) if aggregate else None
    if aggregate is None or command is None:
        await _look_again(turn, row)
        return
    read = _read(turn, aggregate, command, row, body)
    if isinstance(read, Unreadable):
        await _keep_unreadable(turn, aggregate, command, row, read)
        return
    told = Told(replace(read.fact, attempt=0), (row.evidence_id,), sign=read.fact.raw_code)
    verdict = await facts.apply(turn, aggregate, command, told)
    await _move(turn, row, "applied", order_id, f"{read.fact.says.value}: {verdict.disposition.value}")


def _command_of(aggregate: Aggregate, row: Inbox) -> Command | None:
    """The command that a callback may speak of: one of its own sender's, with an effect."""
    own = (c for c in aggregate.commands.values() if c.system == row.system and c.purpose is not Purpose.QUERY)
    return next((c for c in own if c.key == row.key), None)


def _read(turn: Turn, aggregate: Aggregate, command: Command, row: Inbox, body: bytes) -> Callback | Unreadable:
    policy, _ = facts.contract(turn, aggregate, command)
    system: System = policy.systems[row.system]
    if system.callback is None:
        return Unreadable("no_contract", f"{row.system} has no contract for callbacks")
    asked = {"key": command.key, "object": payload.business_object(aggregate, aggregate.tasks[command.task_id])}
    return read_callback(system.callback, payload.read_json(body), asked)


async def _keep_unreadable(turn: Turn, aggregate: Aggregate, command: Command, row: Inbox, read: Unreadable) -> None:
    """It names the command and says nothing about it that can be believed: nothing moves, and somebody owns it."""
    reason = f"cannot be read as an answer to what was asked: {read.why}"
    evidence = (row.evidence_id,)
    why = turn.why(reason, evidence=evidence, causation=row.key, inbox=row.id)
    aggregate.record("command", command.id, "keep_unreadable", why, str(command.state), str(command.state))
    task = aggregate.tasks[command.task_id]
    signal = replace(
        _signal(turn, row, reason, read.reason),
        order_id=aggregate.order.id,
        item_id=task.item_id,
        task_id=task.id,
        command_id=command.id,
        step=task.step,
    )
    failures.meet(turn, aggregate, signal, CALLBACK_CODE)
    await _move(turn, row, "unreadable", aggregate.order.id, reason)


async def _look_again(turn: Turn, row: Inbox) -> None:
    """Its command is not here (yet): looked at again at growing intervals, then a case for a person."""
    delays = turn.context.newest.limits.unmatched_delays
    if row.tries < len(delays):
        await _move(turn, row, "received", None, "no command has this key yet", tries=row.tries + 1)
        turn.tx.file(Entry("apply", row.id, None, turn.now + delays[row.tries]))
    else:
        await _move(turn, row, "unmatched", None, "no command has this key", tries=row.tries)
        await _own_unmatched(turn, row)


async def _own_unmatched(turn: Turn, row: Inbox) -> None:
    """What nobody asked for may be an effect without an order: one case for each key that a system speaks of."""
    own_key = case_key(0, None, f"{CALLBACK_CODE}/{row.system}/{row.key}")
    known = await loose.find(turn, own_key)
    if known is not None:
        loose.join(turn, known, "another callback of the same key", (row.evidence_id,))
        return
    said = f"{row.system} speaks of the key {row.key}, and no command of that system has it"
    facts_: dict[str, Json] = {"system": row.system, "key": row.key, "eventId": row.event_id}
    weight = loose.Weight(Level.MEDIUM, turn.context.newest.severity.medium_from, "customer", UNMATCHED)
    await loose.open_case(turn, own_key, _signal(turn, row, said, "unmatched"), CALLBACK_CODE, weight, said, facts_)


def _signal(turn: Turn, row: Inbox, message: str, sign: str) -> Signal:
    return Signal(
        detector=Detector.CALLBACK,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system=row.system,
        operation="",
        raw_code=CALLBACK_CODE,
        message=message,
        sign=sign,
        effect=False,
        occurred_at=row.received_at,
        detected_at=turn.now,
        evidence=(row.evidence_id,),
    )


async def _move(
    turn: Turn, row: Inbox, state: str, order_id: int | None, reason: str, tries: int | None = None
) -> None:
    moved = replace(row, state=state, order_id=order_id, tries=row.tries if tries is None else tries)
    await turn.tx.execute(
        "inbox/move", ids=[row.id], states=[moved.state], tries=[moved.tries], orders=[moved.order_id]
    )
    changed = {k: v for k, v in asdict(moved).items() if v != asdict(row)[k]}
    _note(turn.tx, turn.actor, moved, state if state != row.state else "look_again", row.state, changed, (), reason)

"""The health of downstreams: heard from the attempts that ended, kept in a row of its own for each, written down.

While one is stopped its tasks park, one after another as they fall due, with no attempt spent; one of them, the canary,
tries. When it comes through the parked ones go on, in waves. No order waits for the row of a downstream: what attempts
say of it is noted in a transaction of its own, after theirs.
"""

from collections.abc import Sequence
from datetime import timedelta

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import case_key
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.events import Record
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.order import SHARDS
from fallsafe.core.orders.task import TASK_LIFECYCLE, TaskState
from fallsafe.core.recover import breaker
from fallsafe.core.recover.breaker import Downstream, Health, Heard
from fallsafe.core.triage.severity import Level
from fallsafe.core.values import replace
from fallsafe.flows import cases, loose, settle
from fallsafe.flows.commands import Due, read_health, still_stand
from fallsafe.flows.context import Context
from fallsafe.flows.moves import file
from fallsafe.flows.parking import KIND, STOPPED, lets, park
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.rows import columns, delta, read_row
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry

THING = "downstream"
WAVE_MAX = 1_000
WAVE_EVERY = timedelta(seconds=1)
# A task may be parked by a transaction that began before the release; none lasts longer than this.
SETTLES_AFTER = timedelta(seconds=10)
CODE = "DOWNSTREAM_UNREACHABLE"
UNWRITTEN = frozenset({"failures", "look_at"})  # a counter, and when it is looked at next


async def observe(tx: Tx, context: Context, heard: Sequence[Heard], actor: Actor) -> None:
    """Notes what attempts that ended say of their downstreams: trips one that is down, and releases one whose canary
    came through.
    """
    systems = sorted({one.system for one in heard})
    gates = [context.gate(system) for system in systems]
    await tx.execute("downstreams/make", systems=systems, gates=gates)
    rows = await tx.fetch("downstreams/lock", systems=systems)
    turn = await begin(tx, context, actor)
    for row in rows:
        known = read_row(Downstream, row)
        mine = [one for one in heard if one.system == known.system]
        after, verb = breaker.hear(known, mine, context.newest.limits.floor, turn.now)
        await _put(turn, known, after, verb)


async def _put(turn: Turn, was: Downstream, now: Downstream, verb: str) -> None:
    """Writes a downstream, and what follows from where it came to: its record, its next look, its case."""
    if now == was:
        return
    now = replace(now, moves=now.moves + bool(verb))
    await turn.tx.execute("downstreams/write", **columns(now))
    turn.tx.clear(KIND, now.gate)
    if now.look_at is not None and now.state is not Health.CLEAR:
        turn.tx.file(Entry("release", now.gate, None, now.look_at))
    if verb:
        _note(turn, was, now, verb)
    if verb == "trip":
        await _open_case(turn, now)
    elif verb == "release":
        await _end_case(turn, now)


def _note(turn: Turn, was: Downstream, now: Downstream, verb: str) -> None:
    changed = {name: value for name, value in delta(was, now).items() if name not in UNWRITTEN}
    states = (was.state.value, now.state.value)
    said = Record(0, str(turn.actor), THING, now.gate, verb, *states, changed, now.why, turn.context.newest.id)
    turn.tx.loose(said._replace(rule="limits/floor", facts={"system": now.system}))


def _case_key(system: str) -> str:
    return case_key(0, None, f"{CODE}/{system}")


async def _open_case(turn: Turn, down: Downstream) -> None:
    """One case for its owner, however many tasks wait."""
    key = _case_key(down.system)
    known = await loose.find(turn, key)
    if known is not None:
        loose.join(turn, known, down.why)
        return
    signal = Signal(
        detector=Detector.OUTCOME,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system=down.system,
        operation="",
        raw_code=CODE,
        message=down.why,
        sign=CODE,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
    )
    weight = loose.Weight(Level.HIGH, turn.context.newest.severity.high_from, "blast radius", STOPPED)
    await loose.open_case(turn, key, signal, CODE, weight, down.why, {"system": down.system})


async def _end_case(turn: Turn, down: Downstream) -> None:
    case = await loose.find(turn, _case_key(down.system))
    if case is not None:
        loose.move_on(turn, case, "heal", down.why, resolution=cases.healed_by_itself(turn, ()))
        turn.tx.clear("review", case.id)


# -- tasks ------------------------------------------------------------------------------------------------------------


async def release(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """Looks at parked tasks that were called back, and at downstreams that are due: a canary is chosen, one that was
    not heard of is given up, the next wave is called, and what has nothing left to call is clear.
    """
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    turn = await begin(tx, context, actor)
    standing = await still_stand(tx, due, turn.now)
    turn.health = await read_health(tx)
    for d in standing:
        if d.order_id is not None:
            tx.clear(KIND, d.id)
            _call_back(turn, tx.aggregates[d.order_id], d.id)
    gates = [d.id for d in standing if d.order_id is None]
    for row in await tx.fetch("downstreams/lock_due", gates=gates) if gates else ():
        await _tend(turn, read_row(Downstream, row))
    await settle.end(turn)


def _call_back(turn: Turn, aggregate: Aggregate, task_id: int) -> None:
    """What was parked goes on, with its attempts counted anew, where its downstream lets it."""
    task, command = aggregate.tasks.get(task_id), aggregate.current(task_id)
    if task is None or command is None or command.state is not CommandState.INTENDED:
        return
    if not lets(turn, command):
        park(turn, aggregate, command)
        return
    why = turn.why("its system is tried again", rule="recover/system_down", causation=command.key)
    if command.retries:
        aggregate.put(replace(command, retries=0, failing_since=None), "release", why)
    if task.state is TaskState.PARKED:
        aggregate.put(replace(task, state=move(TASK_LIFECYCLE, task.state, KIND), waiting=None), KIND, why)
    file(turn, aggregate, "send", task.id, turn.now, command.system)


async def _tend(turn: Turn, known: Downstream) -> None:
    if known.look_at is not None and known.look_at > turn.now:
        turn.tx.clear(KIND, known.gate)
        turn.tx.file(Entry("release", known.gate, None, known.look_at))
        return
    floor = turn.context.newest.limits.floor
    match known.state:
        case Health.TRIPPED:
            await _probe(turn, known)
        case Health.PROBING:
            tries = bool(await turn.tx.fetch("downstreams/tries", id=known.canary))
            after = breaker.watch(known, tries, floor, turn.now)
            await _put(turn, known, after, "fail" if after.state is not known.state else "")
        case Health.RELEASING:
            await _call_wave(turn, known)
        case Health.CLEAR:
            turn.tx.clear(KIND, known.gate)


async def _probe(turn: Turn, known: Downstream) -> None:
    """The next task in turn tries; where none waits, it is looked again later."""
    floor = turn.context.newest.limits.floor
    last, shards = known.canary or 0, list(range(SHARDS))
    found = await turn.tx.fetch("downstreams/next_canary", gate=known.gate, shards=shards, now=turn.now, last=last)
    if not found:
        wait = floor.probe_delays[min(known.probes, len(floor.probe_delays) - 1)]
        await _put(turn, known, replace(known, look_at=turn.now + wait), "")
        return
    row = found[0]
    await _put(turn, known, breaker.probe(known, row["id"], turn.now), "probe")
    if row["kind"] == "release":  # the other kind is due already
        turn.tx.file(Entry("release", row["id"], row["order_id"], turn.now, known.gate))


async def _call_wave(turn: Turn, known: Downstream) -> None:
    """Parked tasks are called back, so many at a time; where all went on, and none can come any more, all is well."""
    found = await turn.tx.fetch(
        "downstreams/parked", gate=known.gate, shards=list(range(SHARDS)), now=turn.now, limit=WAVE_MAX
    )
    for row in found:
        if not row["called"]:
            turn.tx.file(Entry("release", row["id"], row["order_id"], turn.now, known.gate))
    if found or known.changed_at is None or turn.now < known.changed_at + SETTLES_AFTER:
        await _put(turn, known, replace(known, look_at=turn.now + WAVE_EVERY), "")
    else:
        clear = breaker.advance(known, "clear", turn.now, "nothing of it waits any more", look_at=None)
        await _put(turn, known, clear, "clear")

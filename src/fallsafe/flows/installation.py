"""The installation as a whole: stopped when its database went back in time, taken up again by a person, and anchored.

While it is stopped nothing is claimed, hence nothing is sent, by whichever process. A stop is counted: what a process
remembers from before a rewind that the database knows of is no longer expected of it.
"""

from datetime import datetime

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.cases.case import Case, CaseState, case_key
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.triage.severity import Level
from fallsafe.flows import loose, rewound, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.rewound import LostTime, Sending
from fallsafe.flows.turn import Turn, begin
from fallsafe.store import anchors
from fallsafe.store.anchors import Anchor
from fallsafe.store.canonical import instant
from fallsafe.store.tx import Tx

CODE = "DATABASE_REWOUND"
KEY = case_key(0, None, CODE)
THING, ONLY_ONE = "installation", 1
REASON = "what was done in the time that the database lost is not known here; everything waits"
ORDERS_AT_ONCE_MAX = 200
TO_REPAIRING = {CaseState.ASSIGNED: "diagnose", CaseState.DIAGNOSING: "repair"}


async def stop(tx: Tx, context: Context, why: str, known: int, actor: Actor) -> int:
    """Stops all sending because the database is behind what was acknowledged after `known` rewinds, and opens the case
    of it. Returns the count of rewinds that is in force now; another process may have stopped it already.
    """
    before = rewound.sending_of((await tx.fetch("installation/lock"))[0])
    if before.rewinds > known:
        return before.rewinds
    turn = await begin(tx, context, actor)
    back_to = (await tx.fetch("installation/back_to"))[0]["at"]
    after = Sending(False, why, turn.now, known + 1)
    await tx.execute("installation/stop", why=why, now=turn.now, rewinds=after.rewinds)
    _note(turn, "stop", before, after, why, {"backTo": instant(back_to) if back_to else None})
    case = await loose.find(turn, KEY)
    if case is not None:
        loose.join(turn, case, why)
    else:
        await _open(turn, why, back_to)
    return after.rewinds


async def _open(turn: Turn, why: str, back_to: datetime | None) -> Case:
    signal = Signal(
        detector=Detector.REWIND,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system="OMS",
        operation="OMS.database",
        raw_code=CODE,
        message=why,
        sign=CODE,
        effect=False,
        occurred_at=back_to or turn.now,
        detected_at=turn.now,
    )
    weight = loose.Weight(Level.CRITICAL, turn.context.newest.severity.critical_from, "customer", REASON)
    return await loose.open_case(turn, KEY, signal, CODE, weight, why, {"backTo": instant(signal.occurred_at)})


def _note(turn: Turn, verb: str, was: Sending, now: Sending, reason: str, facts: dict[str, Json]) -> None:
    """The record of a change of the installation's one row."""
    delta: dict[str, Json] = {
        "sending": now.sending,
        "stopped_because": now.stopped_because,
        "stopped_at": instant(now.stopped_at) if now.stopped_at else None,
        "rewinds": now.rewinds,
    }
    words = {True: "sending", False: "stopped"}
    turn.tx.loose(
        Record(
            0,
            str(turn.actor),
            THING,
            ONLY_ONE,
            verb,
            words[was.sending],
            words[now.sending],
            delta,
            reason,
            facts=facts,
        )
    )


async def end_rewind(tx: Tx, context: Context, actor: Actor, reason: str) -> Answer:
    """A person knows that the database went back, and lets sending go on: every open command is looked up by its key
    before its next send. Refused without the right, and when nothing is stopped.
    """
    before = rewound.sending_of((await tx.fetch("installation/lock"))[0])
    turn = await begin(tx, context, actor)
    refusal = _why_not_end(actor, before)
    if refusal is not None:
        facts: dict[str, Json] = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint}
        refused = Record(0, str(actor), THING, ONLY_ONE, "refuse_end_rewind", "", "", {}, refusal.what, facts=facts)
        tx.loose(refused)
        return Refused(THING, ONLY_ONE, refusal)
    await tx.execute("installation/resume")
    _note(turn, "end_rewind", before, Sending(True, "", before.stopped_at, before.rewinds), reason, {})
    case = await loose.find(turn, KEY) or await _open(turn, before.stopped_because, before.stopped_at)
    while case.state in TO_REPAIRING:
        case = loose.move_on(turn, case, TO_REPAIRING[case.state], reason)
    return Applied(THING, ONLY_ONE)


def _why_not_end(actor: Actor, state: Sending) -> Refusal | None:
    what = "cannot end a rewind"
    refusal = not_allowed(actor, "end_rewind", what)
    if refusal is not None:
        return refusal
    if state.sending:
        return Refusal("NOT_STOPPED", what, "this installation is not stopped", "nothing needs to be done")
    return None


async def look_anew(tx: Tx, context: Context, actor: Actor) -> int:
    """After a person has ended a rewind: commands that stood open in the lost time are looked at anew, some orders at
    a time; when there are no more, the case of the rewind is resolved. Returns how many orders were taken.
    """
    if not await _is_mine(tx):
        return 0
    state = await rewound.sending(tx)
    lost = await rewound.lost_time(tx, state)
    if lost is None or not state.sending or not await _is_repairing(tx):
        return 0
    rows = await tx.fetch("commands/before_stop", until=lost.until, limit=ORDERS_AT_ONCE_MAX)
    taken = await tx.lock((row["order_id"] for row in rows), skip_locked=True)
    turn = await begin(tx, context, actor)
    for aggregate in taken:
        await rewound.doubt_open(turn, aggregate, lost)
    await settle.end(turn)
    if not rows:
        await _resolve(turn, lost)
    return len(taken)


async def _is_repairing(tx: Tx) -> bool:
    return bool(await tx.fetch("cases/open_in_state", case_key=KEY, state=CaseState.REPAIRING.value))


async def _resolve(turn: Turn, lost: LostTime) -> None:
    case = await loose.find(turn, KEY)
    if case is None or case.state is not CaseState.REPAIRING:
        return
    said = "every command that stood open is looked up before it is sent again"
    case = loose.move_on(turn, case, "revalidate", said)
    how: Json = {"type": "RewindEnded", "verified": True, "evidence": [], "at": instant(turn.now)}
    facts: dict[str, Json] = {"lostSince": instant(lost.since), "lostUntil": instant(lost.until)}
    loose.move_on(turn, case, "resolve", said, facts, resolution=how)
    turn.tx.clear("review", case.id)


async def anchor(tx: Tx, actor: Actor, floor: int) -> Anchor | None:
    """Sets the next anchor when one is due; None when not, or when another process is about it. `floor` is the highest
    number in the file of this home.
    """
    if not await _is_mine(tx):
        return None
    last, heads = await anchors.last_anchor(tx), await anchors.heads_now(tx)
    if not anchors.is_due(last, heads, await tx.now()):
        return None
    made = await anchors.make(tx, last, heads, floor, (await rewound.sending(tx)).rewinds)
    said = f"covers {made.records} records"
    tx.loose(Record(0, str(actor), "anchor", made.number, "set", "", "set", {}, said, facts=made.facts()))
    return made


async def _is_mine(tx: Tx) -> bool:
    """Whether this transaction may do what one process at a time does; nobody waits for it."""
    return bool((await tx.fetch("installation/try_lock"))[0]["mine"])

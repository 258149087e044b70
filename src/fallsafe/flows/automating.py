"""Repairs that run by themselves: the same preview, the same journal, the same proof as a person's; within a budget,
and only while somebody lets them. A machine never agrees: what needs a second person waits for one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fallsafe.core.access import Actor, not_allowed, system
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.cases.work import said_by_somebody
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Record
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.repair.automation import AN_HOUR, OFF, ON, STOPPED, Ran, Switch, may_run, why_stop
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.request import Repair
from fallsafe.flows import repairs, settle
from fallsafe.flows.commands import Due, still_stand
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry

WHO = "automation"
RAN_MAX = 1_000
"""Of each action, so many of what it ran last are looked at."""
LATER = timedelta(minutes=10)
"""When a case that the budget left out is tried again."""
DAY = timedelta(days=1)


def automatic_of(newest: PolicySet, code: str) -> RepairAction | None:
    """The action that policy lets run by itself for a code."""
    return next((a for a in newest.actions.values() if a.available and code in a.automatic.codes), None)


def expect(turn: Turn, case: Case) -> None:
    """Files the look at a case for which something may run by itself: what somebody only calls so is theirs to mend."""
    action = automatic_of(turn.context.newest, case.code)
    if action is not None and case.order_id and not said_by_somebody(case):
        turn.tx.file(Entry("mend", case.id, case.order_id, turn.now + action.automatic.after))


async def run(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """Runs what may run by itself for the cases that are due; at the end an action that helped nobody stops itself."""
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    await tx.load_repairs()
    turn = await begin(tx, context, system(WHO))
    standing = await still_stand(tx, due, turn.now)
    actions = sorted(a.code for a in context.newest.actions.values() if a.automatic.codes)
    for code in actions if standing else ():  # whoever else runs them waits, so that each counts what all others ran
        await tx.fetch("automations/lock", action=code)
    switches = await switches_of(tx)
    since = min([turn.now - AN_HOUR, *(one.at for one in switches.values())])
    ran = await ran_of(tx, actions, since)
    for d in standing:
        tx.clear("mend", d.id)
        aggregate = tx.aggregates[d.order_id or 0]
        case = aggregate.cases.get(d.id)
        action = automatic_of(context.newest, case.code) if case is not None else None
        if case is not None and action is not None and case.state in OPEN_CASE_STATES:
            await _mend(turn, aggregate, case, action, switches.get(action.code), ran[action.code])
    await settle.end(turn)


async def _mend(
    turn: Turn, aggregate: Aggregate, case: Case, action: RepairAction, switch: Switch | None, ran: list[Ran]
) -> None:
    """One case: nothing while it is off, later while the budget is spent."""
    if switch is None or switch.state != ON:
        return
    stop = why_stop(action.automatic, switch, ran)
    if stop:
        await _move(turn, switch, STOPPED, stop)
        return
    if not may_run(action.automatic, ran, case.system, turn.now):
        turn.tx.file(Entry("mend", case.id, case.order_id, turn.now + LATER / turn.context.newest.time_scale))
        return
    if await repairs.run_by_itself(turn, aggregate, case, action, action.automatic.given):
        ran.insert(0, Ran(turn.now, case.system, None))


async def switches_of(reader: Any) -> dict[str, Switch]:
    """Every switch by action; `reader` is whatever fetches."""
    rows = await reader.fetch("automations/all")
    return {r["action"]: Switch(r["action"], r["state"], r["why"], r["switched_by"], r["switched_at"]) for r in rows}


async def ran_of(reader: Any, actions: Sequence[str], since: datetime) -> dict[str, list[Ran]]:
    """What ran by itself of each action, newest first, with what became of it."""
    found: dict[str, list[Ran]] = {action: [] for action in actions}
    by = str(system(WHO))
    for row in await reader.fetch("automations/ran", actions=list(actions), by=by, since=since, limit=RAN_MAX):
        found[row["action"]].append(Ran(row["run_at"], row["system"], _proved(row)))
    return found


async def why_not_on(reader: Any, repair: Repair) -> Refusal | None:
    """Why a repair that began by itself may not go on: nobody lets its action run by itself any more. None for those of
    people.
    """
    if repair.run_by != str(system(WHO)):
        return None
    switch = (await switches_of(reader)).get(repair.action)
    if switch is not None and switch.state == ON:
        return None
    why = f"{repair.action} runs by itself no more" + (f": {switch.why}" if switch is not None and switch.why else "")
    return Refusal("SWITCHED_OFF", "", why, f"Decide it yourself: preview {repair.action}")


def _proved(row: Mapping[str, Any]) -> bool | None:
    """Whether a repair helped; None while that is not decided."""
    name = outside("repair", row["id"])
    if row["proved_by"] == name:
        return bool(row["verified"])
    if row["state"] == "failed" or row["command_state"] in ("rejected", "absent"):
        return False
    return None if row["waits_for"] == name or row["state"] == "checking" else False


async def switch(tx: Tx, context: Context, actions: Sequence[str], on: bool, actor: Actor, why: str) -> list[Answer]:
    """A person lets actions run by themselves, or stops them at once. Refused: without the right, an action that policy
    does not let run by itself.
    """
    turn = Turn(tx, context, await tx.now(), actor)
    return [await _switch_one(turn, action, on, why) for action in actions]


async def _switch_one(turn: Turn, code: str, on: bool, why: str) -> Answer:
    what = f"cannot switch {code[:60]} {'on' if on else 'off'}"
    action = turn.context.newest.actions.get(code)
    refusal = not_allowed(turn.actor, "steer_automation", what)
    if refusal is not None:
        return _refused(turn, refusal)
    if action is None or not action.automatic.codes:
        known = ", ".join(sorted(a.code for a in turn.context.newest.actions.values() if a.automatic.codes)) or "none"
        return _refused(
            turn, Refusal("NOT_AUTOMATIC", what, "policy does not let it run by itself", f"those are: {known}")
        )
    await turn.tx.execute("automations/insert", id=await turn.tx.new_id(), action=code, now=turn.now)
    (row,) = await turn.tx.fetch("automations/lock", action=code)
    known_as = Switch(code, row["state"], row["why"], row["switched_by"], row["switched_at"])
    wanted = ON if on else OFF
    if known_as.state == wanted:
        return Applied("automation", row["id"], already=True)
    await _move(turn, known_as, wanted, why)
    return Applied("automation", row["id"])


def _refused(turn: Turn, refusal: Refusal) -> Refused:
    facts = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint}
    turn.tx.loose(Record(0, str(turn.actor), "automation", 0, "refuse_switch", "", "", {}, refusal.what, facts=facts))
    return Refused("automation", 0, refusal)


async def _move(turn: Turn, was: Switch, state: str, why: str) -> None:
    """The switch is moved, with a record; somebody who moved it meanwhile was first."""
    (row,) = await turn.tx.fetch("automations/lock", action=was.action)
    if row["state"] != was.state:
        return
    by = str(turn.actor)
    await turn.tx.execute(
        "automations/write", action=was.action, state=state, was=was.state, why=why, by=by, now=turn.now
    )
    delta = {
        "state": state,
        "why": why,
        "switched_by": by,
        "switched_at": turn.now.isoformat(),
        "moves": row["moves"] + 1,
    }
    facts = {"action": was.action}
    turn.tx.loose(Record(0, by, "automation", row["id"], f"switch_{state}", was.state, state, delta, why, facts=facts))

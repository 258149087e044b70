"""Callback channels that went silent (§6.2, §6.4): one case for the owner of the system, not one for each word that
waits, and the words are asked about while it lasts. It ends by itself when callbacks come again, not with the one word
after which there is silence again.

A rule in shadow only leaves a record; where too many channels fall silent at once the brake makes it one case about us.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case, case_key
from fallsafe.core.detect.brake import RULE, Found, brakes
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.detect.silence import Channel, Silence, pause_of, silent_since
from fallsafe.core.events import Json, Record
from fallsafe.core.triage.classify import read_in_shadow
from fallsafe.core.triage.severity import Level
from fallsafe.flows import braking, cases, loose
from fallsafe.flows.context import Context
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.tx import Tx
from fallsafe.store.work import Entry

CODE = "CALLBACK_CHANNEL_SILENT"
NOBODY_IS_TOLD = "results of many orders may be there, and nobody is told"
LAST = 50
"""So many callbacks of a system are its rhythm."""
ASKED_AT_ONCE_MAX = 1_000


async def listen(tx: Tx, context: Context, actor: Actor) -> int:
    """Looks at every channel; how many cases it opened."""
    policy = context.newest.limits.silence
    if policy is None:
        return 0
    turn = await begin(tx, context, actor)
    channels = await _channels(turn, policy)
    open_ = await _open_cases(turn, channels)
    silent = {name: since for name, one in channels.items() if (since := silent_since(policy, one, turn.now))}
    for system, case in open_.items():
        if system not in silent and max(channels[system].heard, default=case.detected_at) > case.detected_at:
            _end(turn, case)
    fresh = [system for system in silent if system not in open_]
    if fresh and await _is_us(turn, policy, channels, silent):
        return 0
    opened = [await _own(turn, policy, channels[name], since, open_.get(name)) for name, since in silent.items()]
    return sum(opened)


async def _channels(turn: Turn, policy: Silence) -> dict[str, Channel]:
    systems = sorted(code for code, known in turn.context.newest.systems.items() if known.callback is not None)
    rows = await turn.tx.fetch("detect/channels", systems=systems, first=policy.waiting, last=LAST)
    return {row["system"]: Channel(row["system"], row["heard"], row["waiting"]) for row in rows}


async def _open_cases(turn: Turn, channels: Mapping[str, Channel]) -> dict[str, Case]:
    found = {system: await loose.find(turn, _key(system)) for system in sorted(channels)}
    return {system: case for system, case in found.items() if case is not None}


def _key(system: str) -> str:
    return case_key(0, None, f"{CODE}/{system}")


def _end(turn: Turn, case: Case) -> None:
    loose.move_on(turn, case, "heal", "callbacks come again", resolution=cases.healed_by_itself(turn, ()))
    turn.tx.clear("review", case.id)


async def _is_us(turn: Turn, policy: Silence, channels: Mapping[str, Channel], silent: Mapping[str, datetime]) -> bool:
    """Whether so many are silent that it is rather our own door, or this detector; that is one case too."""
    waited_for = sum(1 for one in channels.values() if len(one.waiting) >= policy.waiting)
    if not brakes(policy.brake, Found(len(silent), waited_for), waited_for):
        return False
    await braking.own_brake(turn, (RULE, CODE), f"{', '.join(silent)} are silent at once")
    return True


async def _own(turn: Turn, policy: Silence, channel: Channel, since: datetime, case: Case | None) -> bool:
    """The case of a silent channel, and questions about what waits: when it opens, and again after each such time.
    Whether it opened one.
    """
    if case is not None and turn.now - case.touched_at < policy.at_least:
        return False
    signal = _signal(turn, channel, since)
    if case is None and _in_shadow(turn, signal):
        return False
    asked = await _ask(turn, channel.system)
    if case is not None:
        loose.join(turn, case, f"still silent; {asked} words are asked about")
        return False
    pause = pause_of(policy, channel.heard)
    assert pause is not None  # else nobody could say that it is silent
    last = channel.heard[-1]
    facts: dict[str, Json] = {"system": channel.system, "since": since.isoformat(), "lastHeard": last.isoformat()}
    facts |= {"pauseSeconds": round(pause.total_seconds()), "asked": asked}
    weight = loose.Weight(Level.HIGH, turn.context.newest.severity.high_from, "blast radius", NOBODY_IS_TOLD)
    await loose.open_case(turn, _key(channel.system), signal, CODE, weight, signal.message, facts)
    return True


def _in_shadow(turn: Turn, signal: Signal) -> bool:
    """Whether the rule for it is in shadow: then it leaves a record and opens nothing."""
    judged = cases.judge(turn, signal)
    shadow = read_in_shadow(turn.context.newest.rules, signal, {}, judged)
    if judged.code == CODE or not shadow:
        return False
    gate = turn.context.gate(signal.system)
    said = Record(0, str(turn.actor), "downstream", gate, "seen_in_shadow", "", "", {}, signal.message)
    turn.tx.loose(said._replace(rule=shadow[0], policy_set=turn.context.newest.id, facts={"system": signal.system}))
    return True


async def _ask(turn: Turn, system: str) -> int:
    """Asks how far the words are that have waited longest. A look that finds nothing new moves nothing."""
    rows = await turn.tx.fetch("detect/waiting_words", system=system, limit=ASKED_AT_ONCE_MAX)
    for row in rows:
        turn.tx.file(Entry("lookup", row["task_id"], row["order_id"], turn.now, turn.context.gate(system)))
    return len(rows)


def _signal(turn: Turn, channel: Channel, since: datetime) -> Signal:
    waiting: Sequence[datetime] = channel.waiting
    said = f"{channel.system} has called nobody back since {channel.heard[-1]:%Y-%m-%d %H:%M} UTC"
    return Signal(
        detector=Detector.SCANNER,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system=channel.system,
        operation="",
        raw_code=CODE,
        message=f"{said}; {len(waiting)} words or more wait for it",
        sign=CODE,
        effect=False,
        occurred_at=since,
        detected_at=turn.now,
    )

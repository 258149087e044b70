"""Signals from outside in two steps: received by a door (bytes kept once for each source and its id, nothing decided),
judged by a worker under the lock of their order.

A signal about an order that is not here waits for it: it is looked at at growing intervals, and at once when the order
comes. When the waits are used up the signal is a case without an order, and still finds its order should that come.
One that its source takes back ends; a case that stands on such signals alone heals with the last of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from fallsafe.core.access import FOR_ALL_GROUPS, Actor, has_none_of, not_allowed, refused
from fallsafe.core.cases.case import Case, case_key
from fallsafe.core.cases.work import Withdraw
from fallsafe.core.detect.brake import RULE, SOURCE, Found, brakes, with_one_more
from fallsafe.core.detect.signal import (
    SIGNAL_LIFECYCLE,
    Detector,
    Signal,
    SignalDraft,
    SignalState,
    signal_draft,
)
from fallsafe.core.errors import Bug, Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.lifecycle import may, move
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.progress import NEEDS_A_CASE
from fallsafe.core.orders.task import Task
from fallsafe.core.triage.classify import Classification, read_in_shadow
from fallsafe.core.triage.severity import Level
from fallsafe.core.values import replace
from fallsafe.flows import braking, cases, casework, failures, handed, loose, payload, settle
from fallsafe.flows.arrivals import Arrival, Kept, Kind, Name, bodies_of, keep, note
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.rows import StoredSignal, read_row
from fallsafe.store.tx import Tx, as_json
from fallsafe.store.work import Aggregate, Entry, written

UNMATCHED_CODE = "SIGNAL_UNMATCHED"
ALL_ENDED = "signals_ended"
UNMATCHED = "somebody sees something wrong with an order that is not here"


SIGNALS = Kind(
    "signal",
    "signals",
    StoredSignal,
    "SIGNAL_ID_REUSED",
    "give each signal an id of its own; what is so no more is said by a new one that `ends` it",
    "/externalId",
)


async def receive(tx: Tx, context: Context, told: Sequence[tuple[SignalDraft, bytes]], actor: Actor) -> list[Answer]:
    """Keeps signals, each once, with an entry to be judged now; one answer for each, in the order given. A repeat is
    answered as such and changes nothing; another content under a known id is refused with `SIGNAL_ID_REUSED`, and that
    one is so no more to people.
    """
    refused = {n: _why_not_over(tx, actor) for n, (draft, _) in enumerate(told) if draft.ends}
    arrivals = [
        Arrival(draft.name, (draft.order_source, draft.order_external_id), body, partial(_row, draft))
        for n, (draft, body) in enumerate(told)
        if refused.get(n) is None
    ]
    kept = iter(await keep(tx, SIGNALS, arrivals, actor, lambda signal_id, at: Entry("signal", signal_id, None, at)))
    return [Refused("signal", 0, no) if (no := refused.get(n)) is not None else next(kept) for n in range(len(told))]


def _why_not_over(tx: Tx, actor: Actor) -> Refusal | None:
    """Why somebody may not say that what was seen is so no more: its case ends by that, as proved. A system may of what
    it saw; people end the case, and say by what.
    """
    if actor.kind != "person":
        return None
    what, why = "cannot take back a signal", f"{actor} is no system that saw it"
    refusal = Refusal("NOT_ALLOWED", what, why, "end its case: resolve it, or withdraw it")
    _note_refusal(tx, actor, "end", what, refusal)
    return refusal


def _row(draft: SignalDraft, kept: Kept) -> StoredSignal:
    return StoredSignal(
        id=kept.id,
        source=draft.source,
        external_id=draft.external_id,
        order_source=draft.order_source,
        order_external_id=draft.order_external_id,
        order_id=None,
        ends=draft.ends,
        looked=draft.looked,
        content=kept.content,
        evidence_id=kept.evidence_id,
        evidence_order_id=kept.evidence_order_id,
        occurred_at=min(draft.occurred_at or kept.at, kept.at),
        received_at=kept.at,
        tries=0,
        state=SignalState.RECEIVED,
        case_id=None,
        code="",
        rule="",
        policy_set="",
        shadow=(),
    )


# -- judging ----------------------------------------------------------------------------------------------------------


async def apply(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """Judges received signals and joins them to cases, in the order in which they came. What is so no more before it
    was judged opens nothing, and counts for no brake.
    """
    ids = [d.id for d in due]
    orders: dict[int, int | None] = {r["id"]: r["order_id"] for r in await tx.fetch("signals/orders_of", ids=ids)}
    await tx.lock((o for o in orders.values() if o is not None), skip_locked=True)
    turn = await begin(tx, context, actor)
    work = _Work(turn, [read_row(StoredSignal, r) for r in await tx.fetch("signals/lock", ids=ids)])
    await work.read()
    await work.count()
    for row in work.due(ids):
        order_id = orders.get(row.id)
        if order_id is None or order_id in tx.aggregates:  # else somebody holds the order; the entry stands
            tx.clear("signal", row.id)
            await _apply_one(work, row, order_id)
    await settle.end(turn)
    await work.end()


class _Work:
    """The signals of one transaction as they were loaded and as they become, each written once."""

    def __init__(self, turn: Turn, rows: Sequence[StoredSignal]) -> None:
        self.turn = turn
        self.loaded = {row.id: row for row in rows}
        self.rows = dict(self.loaded)
        self.bodies: dict[int, bytes] = {}
        self._by_name = {(row.source, row.external_id): row.id for row in rows}
        self._judged: dict[int, tuple[int, Classification]] = {}
        self._loosened: set[int] = set()
        self._shadows: dict[int, tuple[str, ...]] = {}
        self._found: dict[Name, Found] = {}
        self._braked: dict[Name, tuple[int, ...]] = {}

    def due(self, ids: Sequence[int]) -> list[StoredSignal]:
        """Those that are to be judged: what ends others first, then the oldest."""
        wanted = set(ids)
        return sorted((row for row in self.loaded.values() if row.id in wanted), key=lambda row: not row.ends)

    def named(self, name: Name) -> StoredSignal | None:
        """A signal of this work by its source and id."""
        return self.rows.get(self._by_name.get(name, 0))

    async def read(self) -> None:
        """Opens what the signals say."""
        self.bodies = await bodies_of(self.turn.tx, list(self.rows.values()))

    async def count(self) -> None:
        """Counts what each source and each rule has found lately, for their brakes."""
        brake = self.turn.context.newest.limits.brake
        if brake is None:
            return
        for row in await self.turn.tx.fetch("signals/found_lately", since=self.turn.now - brake.within):
            for name in ((SOURCE, row["source"]), (RULE, row["rule"])):
                before = self._found.get(name, Found())
                self._found[name] = Found(before.cases + row["cases"], max(before.looked, row["looked"]))

    def holds_back(self, row: StoredSignal, judged: Classification) -> bool:
        """Whether the brake of its source or of its rule keeps a signal from opening a case; else it is counted."""
        brake = self.turn.context.newest.limits.brake
        if brake is None:
            return False
        names = ((SOURCE, row.source), (RULE, judged.rule))
        braked = [name for name in names if brakes(brake, self._found.get(name, Found()), row.looked)]
        for name in braked:
            self._braked[name] = (*self._braked.get(name, ()), row.evidence_id)
        for name in () if braked else names:
            self._found[name] = with_one_more(self._found, name, row.looked)
        return bool(braked)

    def keep_back(
        self, row: StoredSignal, aggregate: Aggregate, judged: Classification, shadow: tuple[str, ...]
    ) -> None:
        """A candidate: it opens nothing before a person admits it."""
        named = {"code": judged.code, "rule": judged.rule, "policy_set": self.turn.context.newest.id}
        self.move(
            row, "hold_back", "its source or rule finds too much", order_id=aggregate.order.id, shadow=shadow, **named
        )

    def draft(self, row: StoredSignal) -> SignalDraft:
        """What a signal says."""
        said = payload.read_json(self.bodies[row.id])
        assert isinstance(said, Mapping)  # the door took nothing else
        return signal_draft(said)

    def look_again(self, row: StoredSignal, after: timedelta, reason: str) -> None:
        """Nothing can be said of it yet."""
        waits = replace(row, tries=row.tries + 1)
        self.rows[row.id] = waits
        note(self.turn.tx, self.turn.actor, SIGNALS, row, waits, "look_again", reason=reason)
        self.turn.tx.file(Entry("signal", row.id, None, self.turn.now + after))

    def move(self, row: StoredSignal, verb: str, reason: str, **changes: Any) -> StoredSignal:
        """The signal after a verb of its table."""
        moved = replace(row, state=move(SIGNAL_LIFECYCLE, row.state, verb), **changes)
        self.rows[row.id] = moved
        judged = {"rule": moved.rule, "policy_set": moved.policy_set}
        note(self.turn.tx, self.turn.actor, SIGNALS, row, moved, verb, (row.evidence_id,), reason, **judged)
        return moved

    def judge(
        self,
        row: StoredSignal,
        aggregate: Aggregate,
        signal: Signal,
        judged: Classification,
        shadow: tuple[str, ...] = (),
    ) -> None:
        """It stands; which case it belongs to is known when the turn has ended."""
        failures.meet(self.turn, aggregate, signal, known=failures.Known(stored=row.id))
        self._shadows[row.id] = shadow
        self._judged[row.id] = aggregate.order.id, judged

    def take_back(self, row: StoredSignal, reason: str) -> None:
        """A signal is so no more; its case is looked at when all of the turn is known."""
        self.move(row, "end", reason)
        self.turn.tx.clear("signal", row.id)
        if row.case_id is not None:
            self._loosened.add(row.case_id)

    async def end(self) -> None:
        """Writes what became of the signals, and heals the cases that nothing of them holds up any more."""
        for signal_id, (order_id, judged) in self._judged.items():
            case_id = self.turn.managed.get(signal_id)
            if case_id is None:
                self.move(self.rows[signal_id], "end", "nothing has to be done about it", order_id=order_id)
                continue
            named: dict[str, Any] = {"code": judged.code, "rule": judged.rule}
            named |= {"policy_set": self.turn.context.newest.id, "shadow": self._shadows.get(signal_id, ())}
            reason = f"belongs to case F-{case_id}"
            self.move(self.rows[signal_id], "join", reason, order_id=order_id, case_id=case_id, **named)
        for name, evidence in sorted(self._braked.items()):
            await braking.own_brake(self.turn, name, f"{len(evidence)} more are kept as candidates", evidence)
        pairs = [(self.loaded[i], row) for i, row in sorted(self.rows.items()) if row != self.loaded[i]]
        if pairs:
            count = await self.turn.tx.execute("signals/write", rows=as_json([written(was, now) for was, now in pairs]))
            if count != len(pairs):
                raise Bug(f"signals: {count} of {len(pairs)} rows stood as they were seen under their locks")
        if self._loosened and await end_taken_back(self.turn, sorted(self._loosened)):
            await settle.end(self.turn)


async def end_taken_back(turn: Turn, case_ids: Sequence[int]) -> bool:
    """Ends those of the cases that stood on signals alone, all of which were taken back by those who saw them (§9.5);
    whether there were any.
    """
    counted = {r["case_id"]: r for r in await turn.tx.fetch("signals/of_cases", ids=list(case_ids))}
    healed = False
    for aggregate in turn.tx.aggregates.values():
        for case in aggregate.open_cases:
            if case.id in counted and _stands_on_nothing(turn, aggregate, case, counted[case.id]):
                cases.end_by_itself(turn, aggregate, case, ALL_ENDED, "all who saw it say that it is so no more")
                healed = True
    return healed


def _stands_on_nothing(turn: Turn, aggregate: Aggregate, case: Case, counted: Mapping[str, Any]) -> bool:
    """No signal of it stands, its task has not failed by what we know of it, and nobody else saw it, or the engine that
    did has ended it.
    """
    task = aggregate.tasks.get(case.task_id or 0)
    failed = task is not None and task.state in NEEDS_A_CASE
    alone = counted["signals"] == case.occurrences or handed.is_over(turn, aggregate, case)
    return counted["standing"] == 0 and alone and not failed


async def standing(tx: Tx, case_ids: Sequence[int]) -> frozenset[int]:
    """Those of the cases that a signal from outside still holds up."""
    if not case_ids:
        return frozenset()
    rows = await tx.fetch("signals/of_cases", ids=list(case_ids))
    return frozenset(row["case_id"] for row in rows if row["standing"])


async def _apply_one(work: _Work, row: StoredSignal, order_id: int | None) -> None:
    row = work.rows[row.id]
    if row.state not in (SignalState.RECEIVED, SignalState.UNMATCHED):
        return
    draft, aggregate = work.draft(row), work.turn.tx.aggregates.get(order_id or 0)
    if row.ends:
        await _end_other(work, row, aggregate)
    elif aggregate is None:
        await _wait(work, row, draft)
    else:
        await _join(work, row, draft, aggregate)


async def _join(work: _Work, row: StoredSignal, draft: SignalDraft, aggregate: Aggregate) -> None:
    """Its order is here: judged, and joined to a case of the order."""
    if row.state is SignalState.UNMATCHED:
        await _end_unmatched(work, row, "the order has come")
    signal = _signal(work.turn, row, draft, aggregate)
    judged = cases.judge(work.turn, signal)
    shadow = read_in_shadow(work.turn.context.newest.rules, signal, {}, judged)
    if work.holds_back(row, judged):
        work.keep_back(row, aggregate, judged, shadow)
    else:
        work.judge(row, aggregate, signal, judged, shadow)


def _signal(turn: Turn, row: StoredSignal, draft: SignalDraft, aggregate: Aggregate) -> Signal:
    item = next((i for i in aggregate.items.values() if i.external_id == draft.item), None) if draft.item else None
    task = _task(aggregate, draft, item)
    system = draft.system or (task.system if task else "")
    operation = draft.operation or (task.operation if task else "")
    known = turn.context.newest.operations.get(operation)
    item = aggregate.items.get(task.item_id) if task else item
    return Signal(
        detector=Detector.SIGNAL,
        order_id=aggregate.order.id,
        item_id=item.id if item else None,
        task_id=task.id if task else None,
        command_id=None,
        system=system,
        operation=operation,
        raw_code=draft.code,
        message=draft.message,
        sign="",
        effect=known.effect if known else False,
        occurred_at=row.occurred_at,
        detected_at=turn.now,
        step=task.step if task else "",
        offer=item.offer if item else "",
        evidence=(row.evidence_id,),
        source=row.source,
    )


def _task(aggregate: Aggregate, draft: SignalDraft, item: Item | None) -> Task | None:
    """The step that a signal names, where it is one of the order's; of several of that name the one of the item."""
    if not draft.step:
        return None
    named = [t for t in aggregate.tasks.values() if t.step == draft.step and (item is None or t.item_id == item.id)]
    return named[0] if len(named) == 1 else None


async def _end_other(work: _Work, row: StoredSignal, aggregate: Aggregate | None) -> None:
    """Says of an earlier signal of its source that it is so no more."""
    other, delays = work.named((row.source, row.ends)), work.turn.context.newest.limits.unmatched_delays
    if other is None and row.tries < len(delays):
        work.look_again(row, delays[row.tries], f"signal {row.ends} is not here, or in other hands")
        return
    own = {"order_id": aggregate.order.id if aggregate else None}
    if other is None or (other.order_source, other.order_external_id) != (row.order_source, row.order_external_id):
        work.move(row, "end", f"there is no signal {row.ends} about that order", **own)
        return
    if may(SIGNAL_LIFECYCLE, other.state, "end"):
        work.take_back(other, f"so no more, says {row.external_id}")
        if other.order_id is None:
            await _end_unmatched(work, other, "nobody speaks of that order any more", alone=True)
    work.move(row, "end", f"{row.ends} is so no more", case_id=other.case_id, **own)


async def _wait(work: _Work, row: StoredSignal, draft: SignalDraft) -> None:
    """Its order is not here (yet): looked at again at growing intervals, then a case for a person."""
    delays = work.turn.context.newest.limits.unmatched_delays
    if row.state is SignalState.UNMATCHED:
        return
    if row.tries < len(delays):
        work.look_again(row, delays[row.tries], "no order of that name is here yet")
        return
    work.move(row, "give_up", "no order of that name has come")
    await _own_unmatched(work.turn, row, draft)


def _unmatched_key(row: StoredSignal) -> str:
    return case_key(0, None, f"{UNMATCHED_CODE}/{row.order_source}/{row.order_external_id}")


async def _own_unmatched(turn: Turn, row: StoredSignal, draft: SignalDraft) -> None:
    """One case for each order that is spoken of and is not here."""
    key = _unmatched_key(row)
    known = await loose.find(turn, key)
    if known is not None:
        loose.join(turn, known, "another signal about the same order", (row.evidence_id,))
        return
    said = f"{row.source} speaks of order {row.order_external_id} of {row.order_source}, which is not here"
    signal = replace(_loose_signal(turn, row, said), system=draft.system)
    facts: dict[str, Json] = {"source": row.source, "signal": row.external_id, "order": row.order_external_id}
    weight = loose.Weight(Level.MEDIUM, turn.context.newest.severity.medium_from, "customer", UNMATCHED)
    await loose.open_case(turn, key, signal, UNMATCHED_CODE, weight, said, facts)


def _loose_signal(turn: Turn, row: StoredSignal, said: str) -> Signal:
    return Signal(
        detector=Detector.SIGNAL,
        order_id=0,
        item_id=None,
        task_id=None,
        command_id=None,
        system="",
        operation="",
        raw_code=UNMATCHED_CODE,
        message=said,
        sign="unmatched",
        effect=False,
        occurred_at=row.occurred_at,
        detected_at=turn.now,
        evidence=(row.evidence_id,),
        source=row.source,
    )


async def _end_unmatched(work: _Work, row: StoredSignal, reason: str, *, alone: bool = False) -> None:
    """The case of an order that nobody knew is over; `alone` where it is not while another signal speaks of that."""
    case = await loose.find(work.turn, _unmatched_key(row))
    if case is None or (alone and await _others_speak(work, row)):
        return
    loose.move_on(work.turn, case, "heal", reason, resolution=cases.healed_by_itself(work.turn, ()))
    work.turn.tx.clear("review", case.id)


async def _others_speak(work: _Work, row: StoredSignal) -> bool:
    """Whether another signal about an order that nobody knows stands."""
    sources, externals = [row.order_source], [row.order_external_id]
    found = await work.turn.tx.fetch("signals/waiting", sources=sources, externals=externals)
    over = {one.id for one in work.rows.values() if one.ends or one.state is SignalState.ENDED}
    return any(each["id"] not in {*over, row.id} for each in found)


async def find_waiting(tx: Tx, names: Iterable[Name], now: datetime) -> None:
    """Orders of these names have just come: the signals that wait for them are looked at now."""
    wanted = sorted(set(names))
    if wanted:
        sources, externals = [s for s, _ in wanted], [e for _, e in wanted]
        for row in await tx.fetch("signals/waiting", sources=sources, externals=externals):
            tx.file(Entry("signal", row["id"], None, now))


# -- what people do about detectors ------------------------------------------------------------------------------------

CANDIDATES_AT_ONCE_MAX = 200
CASES_AT_ONCE_MAX = 500
WITHOUT_MANAGER_MAX = 19


async def admit(
    tx: Tx, context: Context, source: str | None, rule: str | None, actor: Actor, reason: str
) -> list[Answer]:
    """Candidates of a source or a rule are failures after all: each joins or opens its case, the oldest 200 of them."""
    refusal = _why_not(tx, actor, "admit", "cannot admit candidates")
    if refusal is not None:
        return [Refused("signal", 0, refusal)]
    limit = CANDIDATES_AT_ONCE_MAX
    rows = await tx.fetch("signals/candidates", source=source, rule=rule, policy_set=None, limit=limit)
    orders = {row["id"]: row["order_id"] for row in rows}
    await tx.lock(sorted(set(orders.values())))
    turn = await begin(tx, context, actor)
    kept = [read_row(StoredSignal, r) for r in await tx.fetch("signals/by_ids", ids=sorted(orders))]
    work = _Work(turn, [row for row in kept if row.state is SignalState.CANDIDATE])
    await work.read()
    for row in list(work.rows.values()):
        aggregate = tx.aggregates[orders[row.id]]
        signal = _signal(turn, row, work.draft(row), aggregate)
        work.judge(row, aggregate, signal, cases.judge(turn, signal), row.shadow)
    await settle.end(turn)
    await work.end()
    _note(tx, actor, "admit", reason, {"source": source, "rule": rule, "candidates": len(work.rows)})
    return [Applied("signal", row.id) for row in work.rows.values()]


async def withdraw_rule(
    tx: Tx, context: Context, rule: str, policy_set: str, actor: Actor, reason: str
) -> list[Answer]:
    """One version of a rule was wrong: its open cases are withdrawn together, the oldest 500, and what it has found
    meanwhile. One that somebody may not withdraw stops no other. 20 cases and more are a manager's.
    """
    what = f"cannot withdraw the cases of rule {rule}"
    refusal = _why_not(tx, actor, "withdraw", what)
    if refusal is not None:
        return [Refused("signal", 0, refusal)]
    rows = await tx.fetch("cases/open_of_rule", rule=rule, policy_set=policy_set, limit=CASES_AT_ONCE_MAX)
    if len(rows) > WITHOUT_MANAGER_MAX and not actor.roles & FOR_ALL_GROUPS:
        refusal = refused(what, f"{len(rows)} cases at once: {has_none_of(actor, sorted(FOR_ALL_GROUPS))}")
        _note_refusal(tx, actor, "withdraw", what, refusal)
        return [Refused("signal", 0, refusal)]
    answers = await casework.work(tx, context, [row["id"] for row in rows], actor, Withdraw(), reason)
    gone = [answer.id for answer in answers if isinstance(answer, Applied)]
    standing_ids = [row["id"] for row in await tx.fetch("signals/standing_of_cases", ids=gone)]
    held = await tx.fetch("signals/candidates", source=None, rule=rule, policy_set=policy_set, limit=CASES_AT_ONCE_MAX)
    ids = sorted({*standing_ids, *(row["id"] for row in held)})
    turn = await begin(tx, context, actor)
    work = _Work(turn, [read_row(StoredSignal, r) for r in await tx.fetch("signals/by_ids", ids=ids)])
    for row in list(work.rows.values()):
        if may(SIGNAL_LIFECYCLE, row.state, "withdraw"):
            work.move(row, "withdraw", reason)
    await settle.end(turn)
    await work.end()
    _note(tx, actor, "withdraw", reason, {"rule": rule, "policySet": policy_set, "cases": len(gone)})
    return answers


def _why_not(tx: Tx, actor: Actor, verb: str, what: str) -> Refusal | None:
    """Why somebody may not judge detectors; written down."""
    refusal = not_allowed(actor, "end_case", what)
    if refusal is not None:
        _note_refusal(tx, actor, verb, what, refusal)
    return refusal


def _note_refusal(tx: Tx, actor: Actor, verb: str, what: str, refusal: Refusal) -> None:
    _note(tx, actor, f"refuse_{verb}", what, {"code": refusal.code, "why": refusal.why})


def _note(tx: Tx, actor: Actor, verb: str, reason: str, facts: dict[str, Json]) -> None:
    """The record of what somebody did with what a detector found."""
    tx.loose(Record(0, str(actor), "signal", 0, verb, "", "", {}, reason, facts=facts))

"""Orders that another engine executes: its reports are received by a door, and applied by a worker under the order's
lock (model rule 3).

The first report makes the order known; its plan is the one that is reported. What is older than what is known moves
nothing, what takes back a success moves and is a case, and so is a word that contradicts another of the same moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from fallsafe.core.access import Actor
from fallsafe.core.commands.disposition import LATE_SUCCESS, Disposition
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.errors import Bug
from fallsafe.core.events import Json
from fallsafe.core.orders.draft import ItemDraft, OrderDraft, order_draft
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState, still_pending
from fallsafe.core.orders.watched import (
    EXTERNAL,
    WHOLE,
    WORDS,
    Mark,
    Reading,
    ReportDraft,
    TaskWord,
    mark_of,
    read,
    report_draft,
)
from fallsafe.core.values import replace
from fallsafe.flows import cases, failures, handed, orders, payload, settle, signals
from fallsafe.flows.arrivals import Arrival, Kept, Kind, Name, bodies_of, keep, note
from fallsafe.flows.commands import Due
from fallsafe.flows.context import Answer, Context
from fallsafe.flows.discretion import discreet
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.rows import StoredReport, read_row
from fallsafe.store.tx import Tx, as_json
from fallsafe.store.work import Aggregate, Entry, Why, written

REPORTS = Kind(
    "report",
    "reports",
    StoredReport,
    "REPORT_ID_REUSED",
    "give each report an id of its own; what changed since is a new report with a newer revision or time",
    "/eventId",
)
CODE = "ENGINE_CONTRADICTS"
ENGINE_SAYS = "engine_says"
ONE_ITEM = "1"
"""The item of an order whose engine tells of none."""
# Who saw the failures that an engine's later word on the same task ends, where no signal says that they still are.
ENDED_BY_ITS_WORD = (Detector.ENGINE.value, Detector.OVERDUE.value, Detector.SIGNAL.value)


async def receive(tx: Tx, context: Context, told: Sequence[tuple[ReportDraft, bytes]], actor: Actor) -> list[Answer]:
    """Keeps reports, each once, with an entry to be applied now; one answer for each, in the order given. A repeat
    changes nothing; another content under a known id is refused with `REPORT_ID_REUSED`.
    """
    arrivals = [
        Arrival(draft.name, (draft.source, draft.external_id), body, partial(_row, draft)) for draft, body in told
    ]
    return await keep(tx, REPORTS, arrivals, actor, lambda report_id, at: Entry("report", report_id, None, at))


def _row(draft: ReportDraft, kept: Kept) -> StoredReport:
    return StoredReport(
        id=kept.id,
        source=draft.source,
        external_id=draft.event_id,
        order_external_id=draft.external_id,
        order_id=None,
        content=kept.content,
        evidence_id=kept.evidence_id,
        evidence_order_id=kept.evidence_order_id,
        received_at=kept.at,
        state="received",
    )


# -- applying ---------------------------------------------------------------------------------------------------------


async def apply(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> None:
    """Applies received reports, those of one order one after another."""
    rows = [read_row(StoredReport, r) for r in await tx.fetch("reports/lock", ids=[d.id for d in due])]
    bodies = await bodies_of(tx, rows)
    drafts = {row.id: _draft(row, bodies[row.id]) for row in rows if row.state == "received"}
    known = await orders_here(tx, drafts.values())
    turn = await begin(tx, context, actor)
    made = await _make_known(turn, [d for d in drafts.values() if (d.source, d.external_id) not in known])
    await tx.lock(known.values(), skip_locked=True)
    here = {(a.order.source, a.order.external_id): a for a in (*made, *_held(tx, known.values()))}
    pairs = []
    for row in rows:
        draft = drafts.get(row.id)
        aggregate = here.get((draft.source, draft.external_id)) if draft else None
        if draft is not None and aggregate is None:
            continue  # somebody holds the order, or makes it known just now; the entry stands
        tx.clear("report", row.id)
        if draft is not None and aggregate is not None:
            pairs.append((row, await _apply_one(turn, aggregate, row, draft)))
    await settle.end(turn)
    await _end_what_is_over(turn)
    await _write(turn, pairs)
    await signals.find_waiting(tx, ((a.order.source, a.order.external_id) for a in made), turn.now)


def _draft(row: StoredReport, body: bytes) -> ReportDraft:
    said = payload.read_json(body)
    assert isinstance(said, Mapping)  # the door took nothing else
    return report_draft(row.source, said)


async def orders_here(tx: Tx, drafts: Iterable[ReportDraft]) -> dict[Name, int]:
    """The orders that reports are about, where they are here."""
    names = sorted({(d.source, d.external_id) for d in drafts})
    rows = await tx.fetch("orders/named", sources=[s for s, _ in names], externals=[e for _, e in names])
    return {(row["source"], row["external_id"]): row["id"] for row in rows}


def _held(tx: Tx, ids: Iterable[int]) -> list[Aggregate]:
    return [tx.aggregates[i] for i in ids if i in tx.aggregates]


async def _make_known(turn: Turn, drafts: Sequence[ReportDraft]) -> list[Aggregate]:
    """Orders that were never heard of, each once; from a report that has what was agreed, where there is one."""
    first: dict[Name, OrderDraft] = {}
    for draft in sorted(drafts, key=lambda d: d.content is None):
        first.setdefault((draft.source, draft.external_id), draft.content or _nothing_agreed(draft))
    told = [replace(await orders.order_row(turn, one), reported=_never()) for one in first.values()]
    return await turn.tx.create(told)


def _nothing_agreed(draft: ReportDraft) -> OrderDraft:
    """An order of which only the work is known so far."""
    return order_draft({"source": draft.source, "externalId": draft.external_id}, b"")


def _never() -> Json:
    return Mark(None, None).told("")


async def _write(turn: Turn, pairs: Sequence[tuple[StoredReport, StoredReport]]) -> None:
    for was, now in pairs:
        note(turn.tx, turn.actor, REPORTS, was, now, "apply", (now.evidence_id,))
    if pairs:
        count = await turn.tx.execute("reports/write", rows=as_json([written(was, now) for was, now in pairs]))
        if count != len(pairs):
            raise Bug(f"reports: {count} of {len(pairs)} rows stood as they were seen under their locks")


async def _apply_one(turn: Turn, aggregate: Aggregate, row: StoredReport, draft: ReportDraft) -> StoredReport:
    applied = replace(row, state="applied", order_id=aggregate.order.id)
    why = turn.why(
        f"report {draft.event_id} of {draft.source}",
        policy=turn.context.newest,
        rule=ENGINE_SAYS,
        evidence=(row.evidence_id,),
        causation=f"{draft.source}/{draft.event_id}",
    )
    if aggregate.order.reported is None:
        _not_theirs(turn, aggregate, draft, why)
        return applied
    await _take_content(turn, aggregate, draft, why)
    await _take_words(turn, aggregate, draft.tasks, why)
    _take_order_word(turn, aggregate, draft, why)
    await _take_words(turn, aggregate, [*_of_all_steps(aggregate, draft), *_of_whole_items(aggregate)], why)
    _wait_for_them(turn, aggregate)
    return applied


def _not_theirs(turn: Turn, aggregate: Aggregate, draft: ReportDraft, why: Why) -> None:
    """An engine speaks of an order that we execute: nothing moves, and somebody must see it."""
    aggregate.record("order", aggregate.order.id, "keep_report", why)
    said = f"{draft.source} reports on an order that is executed here"
    _contradicts(turn, aggregate, None, said, CODE, why)


# -- what was agreed --------------------------------------------------------------------------------------------------


async def _take_content(turn: Turn, aggregate: Aggregate, draft: ReportDraft, why: Why) -> None:
    """What was agreed is taken from the first report that has it; later ones may promise another date and add items."""
    content = draft.content
    if aggregate.new and not aggregate.records:
        await orders.acknowledge(turn, aggregate, content or _nothing_agreed(draft), why.evidence)
        if content is None:
            aggregate.put(replace(aggregate.order, fingerprint=""), "await_content", why)
    elif content is not None and not aggregate.order.fingerprint:
        await _fill_in(turn, aggregate, content, why)
    elif content is not None:
        await orders.put_items(turn, aggregate, content.items)
        if orders.fingerprint_of(content, aggregate.key) != aggregate.order.fingerprint:
            aggregate.record("order", aggregate.order.id, "keep_other_content", why)


async def _fill_in(turn: Turn, aggregate: Aggregate, content: OrderDraft, why: Why) -> None:
    """What was agreed comes after the first word about the work: the order is what it would have been."""
    agreed, order = await orders.order_row(turn, content), aggregate.order
    own = ("id", "phase", "state", "version", "received_at", "last_at", "policy_set", "frozen", "reported")
    dates, chain = ("supplier_at", "forecast_at", "actual_at"), ("last_lane", "last_seq", "last_digest")
    aggregate.put(
        replace(agreed, **{name: getattr(order, name) for name in (*own, *dates, *chain)}), "take_content", why
    )
    named = {i.external_id: i.id for i in aggregate.items.values() if not i.offer}
    told = [item.external_id for item in content.items]
    if ONE_ITEM in named and ONE_ITEM not in told and told:
        named[told[0]] = named.pop(ONE_ITEM)  # the one that had no name is the first
    await orders.acknowledge(turn, aggregate, content, why.evidence, named)


# -- the work ---------------------------------------------------------------------------------------------------------


async def _take_words(turn: Turn, aggregate: Aggregate, words: Sequence[TaskWord], why: Why) -> None:
    first = _first_item(aggregate)
    named = [_of_item(word, first) for word in words]
    await _put_steps(turn, aggregate, named, why)
    for word in named:
        await _take_word(turn, aggregate, word, why)


def _of_item(word: TaskWord, first: str) -> TaskWord:
    """The word with the name of its item, and of those of what it waits for."""
    waits = tuple((item or first, step) for item, step in word.depends_on)
    return replace(word, item=word.item or first, depends_on=waits)


def _of_all_steps(aggregate: Aggregate, draft: ReportDraft) -> list[TaskWord]:
    """What a cancellation of the order says of each of its steps that is not over."""
    if draft.word != "cancelled" or draft.tasks:
        return []
    items = {i.id: i.external_id for i in aggregate.items.values()}
    live = [t for t in aggregate.tasks.values() if t.state not in FINAL_TASK_STATES and t.step != WHOLE]
    return [_word(items[t.item_id], t.step, draft.word, draft.mark) for t in live]


def _of_whole_items(aggregate: Aggregate) -> list[TaskWord]:
    """What the newest word on the order says of the items whose engine tells of no steps."""
    reported, mark = aggregate.order.reported, mark_of(aggregate.order.reported)
    word = reported.get("state") if isinstance(reported, Mapping) else None
    if not word or mark is None:
        return []
    with_steps = {t.item_id for t in aggregate.tasks.values() if t.step != WHOLE}
    told = {t.item_id: mark_of(t.reported) for t in aggregate.tasks.values() if t.step == WHOLE}
    items = [i for i in aggregate.items.values() if i.id not in with_steps and told.get(i.id) != mark]
    names = [i.external_id for i in items if i.action != "noChange"]
    return [_word(name, WHOLE, str(word), mark) for name in names or ([] if aggregate.items else [ONE_ITEM])]


def _first_item(aggregate: Aggregate) -> str:
    return min(aggregate.items.values(), key=lambda i: i.id).external_id if aggregate.items else ONE_ITEM


def _word(item: str, step: str, word: str, mark: Mark) -> TaskWord:
    return TaskWord(item, step, "", "", "", word, True, (), mark, None, "", "", "")


async def _put_steps(turn: Turn, aggregate: Aggregate, words: Sequence[TaskWord], why: Why) -> None:
    """Items and steps that were not heard of before, and what each waits for."""
    names = {(w.item, w.step): w for w in words}
    waits = {before: None for w in words for before in w.depends_on}
    items = dict.fromkeys(item for item, _ in (*names, *waits))
    known = {i.external_id for i in aggregate.items.values()}
    await orders.put_items(turn, aggregate, [_unknown_item(name) for name in items if name not in known])
    ids = {i.external_id: i.id for i in aggregate.items.values()}
    there = {(aggregate.items[t.item_id].external_id, t.step): t.id for t in aggregate.tasks.values()}
    for item, step in dict.fromkeys((*waits, *names)):
        if (item, step) not in there:
            task = _task(aggregate, ids[item], step, await turn.tx.new_id(), names.get((item, step)))
            there[item, step] = task.id
            aggregate.put(task, "report", why)
    _retire_whole(aggregate, why)
    for name, word in names.items():
        before = tuple(dict.fromkeys(there[one] for one in word.depends_on))
        if word.depends_on:
            _link(aggregate, there[name], before, why)


def _retire_whole(aggregate: Aggregate, why: Why) -> None:
    """An item that was told of as a whole, and now by its steps, is no more than its steps."""
    with_steps = {t.item_id for t in aggregate.tasks.values() if t.step != WHOLE}
    for task in list(aggregate.tasks.values()):
        if task.step == WHOLE and task.item_id in with_steps and task.state not in FINAL_TASK_STATES:
            told = replace(why, reason="its engine tells of its steps")
            aggregate.put(replace(task, state=TaskState.SKIPPED, mandatory=False), "skip", told)


def _unknown_item(name: str) -> ItemDraft:
    return ItemDraft(name, "", "add", "", 1, {}, {}, 0, 0, "", 0, False, "none", ())


def _task(aggregate: Aggregate, item_id: int, step: str, task_id: int, word: TaskWord | None) -> Task:
    return Task(
        id=task_id,
        order_id=aggregate.order.id,
        item_id=item_id,
        step=step,
        type=(word.type if word else "") or step,
        system=(word.system if word else "") or aggregate.order.source,
        operation=word.operation if word else "",
        executor=EXTERNAL,
        mandatory=word.mandatory if word else True,
        state=TaskState.PLANNED,
        pending=0,
        depends_on=(),
        next=(),
        undo="",
        ponr="none",
        ready_at=None,
        sent_at=None,
        accepted_at=None,
        completed_at=None,
        expected_at=None,
        warning_at=None,
        breach_at=None,
        valid_until=None,
        reference="",
        result=None,
        waiting=None,
        frozen=None,
    )


def _link(aggregate: Aggregate, task_id: int, before: tuple[int, ...], why: Why) -> None:
    """What a step waits for, on both sides; a step that would wait for itself, however far round, does not."""
    before = tuple(p for p in before if p != task_id and not _reaches(aggregate, p, task_id))
    task = aggregate.tasks[task_id]
    if task.depends_on == before:
        return
    aggregate.put(replace(task, depends_on=before), "rewire", why)
    for other in list(aggregate.tasks.values()):
        wanted = other.id in before
        if wanted != (task_id in other.next):
            follows = (*other.next, task_id) if wanted else tuple(n for n in other.next if n != task_id)
            aggregate.put(replace(other, next=follows), "rewire", why)


def _reaches(aggregate: Aggregate, start: int, goal: int) -> bool:
    """Whether a task waits, however far back, for another."""
    seen, front = set[int](), [start]
    while front:
        at = front.pop()
        if at == goal:
            return True
        if at not in seen:
            seen.add(at)
            front.extend(aggregate.tasks[at].depends_on)
    return False


def _find(aggregate: Aggregate, word: TaskWord) -> Task:
    items = {i.id: i.external_id for i in aggregate.items.values()}
    return next(t for t in aggregate.tasks.values() if (items[t.item_id], t.step) == (word.item, word.step))


async def _take_word(turn: Turn, aggregate: Aggregate, word: TaskWord, why: Why) -> None:
    """One word about one step, by the marks of what was said before."""
    task, says = _find(aggregate, word), WORDS[word.word]
    reading = read(task.state, mark_of(task.reported), says, word.mark)
    if task.reported is None and reading is Reading.CONFIRMS:
        reading = Reading.MOVES  # the first word about it
    match reading:
        case Reading.LATE | Reading.SAME:
            aggregate.record("task", task.id, f"keep_{reading.value}", why, task.state.value, task.state.value)
        case Reading.CONTRADICTS:
            aggregate.record("task", task.id, "keep_conflict", why, task.state.value, task.state.value)
            said = f"under the same revision {task.step} is {task.state} and {says}"
            _contradicts(turn, aggregate, task, said, CODE, why)
        case Reading.CONFIRMS | Reading.MOVES | Reading.GOES_BACK:
            await _move(turn, aggregate, task, word, says, reading, why)


async def _move(
    turn: Turn, aggregate: Aggregate, task: Task, word: TaskWord, says: TaskState, reading: Reading, why: Why
) -> None:
    moved = replace(
        task,
        state=says,
        reported=word.mark.told(word.word),
        reference=word.reference or task.reference,
        mandatory=word.mandatory,
        system=word.system or task.system,
        operation=word.operation or task.operation,
        type=word.type or task.type,
        completed_at=turn.now if says is TaskState.COMPLETED and reading is not Reading.CONFIRMS else task.completed_at,
    )
    moved = handed.waited_for(turn, aggregate, moved, word.due_at)
    aggregate.put(moved, "report" if reading is not Reading.GOES_BACK else "take_back", why)
    if reading is Reading.GOES_BACK:
        late = says is TaskState.COMPLETED
        said = f"{task.step} was {task.state}, and is {says}"
        _contradicts(turn, aggregate, moved, said, LATE_SUCCESS if late else CODE, why)
    if says is TaskState.FAILED and (reading is not Reading.CONFIRMS or not _has_case(aggregate, task)):
        failed = await _failed(turn, aggregate, moved, word, why)
        failures.meet(turn, aggregate, failed)


def _has_case(aggregate: Aggregate, task: Task) -> bool:
    return any(case.task_id == task.id for case in aggregate.open_cases)


async def _failed(turn: Turn, aggregate: Aggregate, task: Task, word: TaskWord, why: Why) -> Signal:
    """The signal of a step that failed at its engine; read by the rules of the system in which it failed."""
    known = turn.context.newest.operations.get(task.operation)
    item = aggregate.items[task.item_id]
    return replace(
        _signal(turn, aggregate, task, await discreet(turn, aggregate, word.code), word.message, why),
        sign="failed",
        effect=known.effect if known is not None else False,
        occurred_at=min(word.mark.at, turn.now) if word.mark.at is not None else turn.now,
        offer=item.offer,
    )


def _signal(turn: Turn, aggregate: Aggregate, task: Task | None, code: str, message: str, why: Why) -> Signal:
    return Signal(
        detector=Detector.ENGINE,
        order_id=aggregate.order.id,
        item_id=task.item_id if task else None,
        task_id=task.id if task else None,
        command_id=None,
        system=task.system if task else aggregate.order.source,
        operation=task.operation if task else "",
        raw_code=code,
        message=message,
        sign=code,
        effect=False,
        occurred_at=turn.now,
        detected_at=turn.now,
        step=task.step if task else "",
        evidence=why.evidence,
        source=aggregate.order.source,
    )


def _contradicts(turn: Turn, aggregate: Aggregate, task: Task | None, said: str, code: str, why: Why) -> None:
    """What is said does not go together with what stood: a case of its own, whatever else is open."""
    signal = _signal(turn, aggregate, task, code, said, why)
    failures.meet(turn, aggregate, signal, code, failures.Known(Disposition.CONFLICT))


def _take_order_word(turn: Turn, aggregate: Aggregate, draft: ReportDraft, why: Why) -> None:
    """What the newest report says of the order as a whole, and the date that is promised now."""
    order = aggregate.order
    if not draft.mark.newer_than(mark_of(order.reported)):
        return
    said = order.reported.get("state", "") if isinstance(order.reported, Mapping) else ""
    told = replace(order, reported=draft.mark.told(draft.word or str(said)))
    promised = draft.content.committed_at if draft.content is not None else None
    if promised is not None and promised != order.committed_at:
        told = replace(told, committed_at=promised, committed_first_at=order.committed_first_at or promised)
    aggregate.put(told, "report", why)


def _wait_for_them(turn: Turn, aggregate: Aggregate) -> None:
    """Counts anew what each planned step waits for; where it is the engine's turn, somebody looks when it stays silent.
    An order that is said to be over, and has steps that are not, is looked at soon.
    """
    why = turn.why("counted from what it waits for")
    for task in list(aggregate.tasks.values()):
        pending = still_pending(task, aggregate.tasks)
        unseen = task.state is TaskState.PLANNED and not pending and task.breach_at is None
        if pending != task.pending or unseen:
            aggregate.put(handed.waited_for(turn, aggregate, replace(task, pending=pending)), "count", why)
    reported = aggregate.order.reported
    word = reported.get("state") if isinstance(reported, Mapping) else None
    for task in list(aggregate.tasks.values()) if word in ("completed", "cancelled") else ():
        soon = turn.now + turn.context.newest.limits.unmatched_delays[-1]
        if task.state not in FINAL_TASK_STATES and task.breach_at is not None and task.breach_at > soon:
            said = turn.why(f"its engine says that the order is {word}")
            aggregate.put(handed.waited_for(turn, aggregate, task, soon), "hasten", said)


async def _end_what_is_over(turn: Turn) -> None:
    """Failures that the engine's own later words have ended: its step is over, or it has spoken again (§9.5)."""
    found = [
        (aggregate, case)
        for aggregate in turn.tx.aggregates.values()
        for case in aggregate.open_cases
        if case.detector in ENDED_BY_ITS_WORD and handed.is_over(turn, aggregate, case)
    ]
    stands = await signals.standing(turn.tx, [case.id for _, case in found])
    ended = [(aggregate, case) for aggregate, case in found if case.id not in stands]
    for aggregate, case in ended:
        task = aggregate.tasks[case.task_id or 0]
        said = f"{aggregate.order.source} says that {task.step} is {task.state}"
        cases.end_by_itself(turn, aggregate, case, ENGINE_SAYS, said)
    if ended:
        await settle.end(turn)

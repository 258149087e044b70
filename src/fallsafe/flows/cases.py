"""Cases: opened in the commit of their failure, joined by its duplicates, scored as facts change, healed when the
truth came out well.

Classification, ownership, severity and messages come from the newest published set; each record names the rule that
decided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from fallsafe.core.cases.case import (
    CASE_LIFECYCLE,
    OPEN_CASE_STATES,
    PERSONS_RULE,
    TOLD,
    WATCHED_FOR,
    Case,
    CaseState,
    advance,
    case_key,
    is_of_the_work,
    is_only_said,
    joins,
)
from fallsafe.core.cases.work import TO_RESOLVED, said_by_somebody, standing
from fallsafe.core.commands.ledger import Command, CommandState, Purpose
from fallsafe.core.comms.boundary import HIDDEN
from fallsafe.core.detect.signal import Detector, Signal
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.frozen import BLOCKED_BY, Mark, marks_of, with_mark, without
from fallsafe.core.orders.item import Item
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState
from fallsafe.core.orders.watched import is_watched
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.recover.strategy import Freeze
from fallsafe.core.triage.classify import Classification, classify
from fallsafe.core.triage.fingerprint import fingerprint
from fallsafe.core.triage.impact import impact_of
from fallsafe.core.triage.severity import Severity, Worth, derive, severity_facts, worth_of
from fallsafe.core.triage.taxonomy import Code, Recoverability
from fallsafe.core.values import replace
from fallsafe.flows.discretion import discreet, prepare
from fallsafe.flows.turn import Ended, Raised, Turn
from fallsafe.store.ids import outside
from fallsafe.store.work import Aggregate, Entry

CASE_LOOK_EVERY = timedelta(minutes=15)
LOOK_OF_AGE = 8  # an older case changes more slowly: it is looked at after an eighth of its age, hourly at the least
ALIKE_WITHIN = timedelta(days=1)
ALIKE_MAX = 1_000
MERGED = "merged"
"""How a case is linked to one that ended in it."""


def judge(turn: Turn, signal: Signal, code: str = "") -> Classification:
    """What a signal means, by the newest set; a code that the flow already knows keeps the row's other columns."""
    rules = turn.context.newest.rules
    return classify(
        rules,
        signal if not code else replace(signal, raw_code=code, sign=code),
        {"step": signal.step, "offer": signal.offer},
    )


async def open_raised(turn: Turn) -> None:
    """Opens or joins the case of every signal of the turn; one statement counts how often each fingerprint was seen
    in the last day.
    """
    if not turn.raised:
        return
    # Judged by all that was said; kept, and compared with others, without what is personal in it.
    await prepare(turn, (raised.aggregate for raised in turn.raised))
    judged = [(await _discreet(turn, raised), raised.judged) for raised in turn.raised]
    prints = [fingerprint(r.signal.system, r.signal.operation, c.code, r.signal.message) for r, c in judged]
    seen = await _alike(turn, prints)
    amounts = {r.aggregate.order.id: blocked_amount(r.aggregate) for r in turn.raised}
    for (raised, judgement), print_ in zip(judged, prints, strict=True):
        found = _Found(judgement, print_, seen.get(print_, 0), amounts[raised.aggregate.order.id])
        case_id = await _open_one(turn, raised, found)
        if isinstance(raised.step, Freeze):
            _freeze(turn, raised, case_id)
        if raised.stored:
            turn.managed[raised.stored] = case_id
        if raised.ended is not None:
            _heal(turn, raised.aggregate, raised.ended)
        else:
            _repair_failed(turn, raised.aggregate, raised.signal)
    turn.raised.clear()


async def _alike(turn: Turn, prints: Iterable[str]) -> dict[str, int]:
    """How often each fingerprint was seen in the last day, as far as the database knows."""
    since, wanted = turn.now - ALIKE_WITHIN, sorted(set(prints))
    rows = await turn.tx.fetch("cases/alike", fingerprints=wanted, since=since, limit=ALIKE_MAX) if wanted else []
    return {row["fingerprint"]: row["seen"] for row in rows}


async def seen_alike(turn: Turn, cases: Iterable[Case]) -> dict[int, int]:
    """For each case how many others of its fingerprint were seen in the last day."""
    known = list(cases)
    seen = await _alike(turn, (case.fingerprint for case in known))
    return {case.id: seen.get(case.fingerprint, 0) - _counted(turn, case) for case in known}


def _counted(turn: Turn, case: Case) -> bool:
    """Whether the case itself is among those that the database counted."""
    aggregate = turn.tx.aggregates.get(case.order_id)
    stored = aggregate is not None and case.id in aggregate.cases and not aggregate.is_new(case.id)
    return stored and case.detected_at >= turn.now - ALIKE_WITHIN


async def _discreet(turn: Turn, raised: Raised) -> Raised:
    """What may be written down of a signal."""
    signal, order = raised.signal, raised.aggregate
    message, code = await discreet(turn, order, signal.message), await discreet(turn, order, signal.raw_code)
    sign = await discreet(turn, order, signal.sign)
    return replace(raised, signal=replace(signal, message=message, raw_code=code, sign=sign))


@dataclass(frozen=True, slots=True)
class _Found:
    """What was made out about a signal: its meaning, its fingerprint and how often that was seen, and what the order
    does not bill meanwhile.
    """

    judged: Classification
    fingerprint: str
    seen: int
    amount: int


async def _open_one(turn: Turn, raised: Raised, found: _Found) -> int:
    """Opens the case of a signal, or joins it to the open one that it belongs to; the id of the case."""
    aggregate, signal, judged = raised.aggregate, raised.signal, found.judged
    key = case_key(aggregate.order.id, signal.task_id or signal.item_id, judged.code)
    thing = signal.task_id or signal.item_id
    cause = (
        aggregate.open_case(key)
        or _cause(aggregate, raised)
        or next((c for c in aggregate.open_cases if _is_otherwise_judged(c, thing, found.fingerprint)), None)
    )
    if cause is not None:
        joined = replace(cause, occurrences=cause.occurrences + 1, touched_at=turn.now)
        if cause.case_key == key and said_by_somebody(cause) and signal.detector not in TOLD:
            joined = _seen_now(joined, signal, judged)
        aggregate.put(
            joined,
            "join",
            turn.why(
                f"seen again: {judged.code}",
                policy=turn.context.newest,
                rule=judged.rule,
                evidence=signal.evidence,
                causation=_led_to(aggregate, signal),
            ),
        )
        return cause.id
    before = _recurred(turn, aggregate, key, thing, found.fingerprint)
    if before is not None:
        _reopen(turn, aggregate, before, judged, signal)
        return before.id
    return await _detect(turn, aggregate, signal, key, found)


def _seen_now(case: Case, signal: Signal, judged: Classification) -> Case:
    """A case that somebody opened, once the product sees that failure itself: it is what that saw, and of the group
    that owns such failures, unless somebody has passed it on.
    """
    seen = replace(case, detector=signal.detector.value)
    stays = bool(case.handling) or case.owner_group == judged.owner
    return seen if stays else replace(seen, owner_group=judged.owner, assignee="")


def _is_otherwise_judged(case: Case, thing: int | None, fingerprint: str) -> bool:
    """Whether a case is of this very failure, and a person has said that it is another than the rules say."""
    by_person = case.rule.startswith(PERSONS_RULE)
    return by_person and case.fingerprint == fingerprint and thing is not None and thing in (case.task_id, case.item_id)


def _recurred(turn: Turn, aggregate: Aggregate, key: str, thing: int | None, fingerprint: str) -> Case | None:
    """The case of the same failure that ended without a proof, while it is watched; None where there is none."""
    since = turn.now - WATCHED_FOR / turn.context.newest.time_scale
    alike = (c for c in aggregate.cases.values() if c.case_key == key or _is_otherwise_judged(c, thing, fingerprint))
    return max((c for c in alike if is_only_said(c, since)), key=lambda c: c.touched_at, default=None)


def _reopen(turn: Turn, aggregate: Aggregate, case: Case, judged: Classification, signal: Signal) -> None:
    """It was not over: what was only said to be is taken up again, with the failure that shows it."""
    again = advance(case, "reopen", turn.now, resolution=None, occurrences=case.occurrences + 1)
    why = turn.why(
        f"seen again while it was watched: {judged.code}",
        policy=turn.context.newest,
        rule=judged.rule,
        evidence=signal.evidence,
        causation=_led_to(aggregate, signal),
    )
    aggregate.put(again, "reopen", why)
    look_again(turn, again)


def _freeze(turn: Turn, raised: Raised, case_id: int) -> None:
    """The task of a case stands still until somebody has verified what there is; without a task, the whole order."""
    aggregate, signal, judged = raised.aggregate, raised.signal, raised.judged
    why = turn.why(judged.code, policy=turn.context.newest, rule=judged.rule, evidence=signal.evidence)
    mark: Mark = {"by": "recover", "why": judged.code, "until": None, "case": case_id}
    task = aggregate.tasks.get(signal.task_id or 0)
    thing = task or aggregate.order
    frozen = with_mark(thing.frozen, mark)
    if frozen != thing.frozen:
        aggregate.put(replace(thing, frozen=frozen), "freeze", why)


def _cause(aggregate: Aggregate, raised: Raised) -> Case | None:
    """The open case that a failure is a consequence of. Only what waits can be one of another task: what was begun, or
    fails at another engine, did not wait for anything here. What its task is frozen for is a failure of its own; so is
    what somebody says of it, which would else end with work that is none of it.
    """
    task = aggregate.tasks.get(raised.signal.task_id or 0)
    if task is None or is_watched(task) or isinstance(raised.step, Freeze):
        return None
    waits = {t.id: t.depends_on for t in aggregate.tasks.values()} if task.state is TaskState.PLANNED else {}
    causes = _that_stop(aggregate)
    if raised.signal.detector is Detector.PERSON and raised.signal.raw_code:  # they say what it is
        waits = {}
    elif raised.signal.detector is Detector.SIGNAL:  # it stands until its source takes it back, and so must its case
        causes = [case for case in causes if case.task_id == task.id or not is_of_the_work(case)]
    return joins(causes, task.id, raised.judged.code, waits)


def _that_stop(aggregate: Aggregate) -> list[Case]:
    """Open cases that something can be a consequence of: one about a task that is over (a callback that came too late,
    a contradiction) stops nothing that waits for it, unless that task is frozen.
    """
    tasks = aggregate.tasks.values()
    over = {task.id for task in tasks if task.state in FINAL_TASK_STATES and not task.frozen}
    return [case for case in aggregate.open_cases if case.task_id not in over]


async def _detect(turn: Turn, aggregate: Aggregate, signal: Signal, key: str, found: _Found) -> int:
    from fallsafe.flows import automating

    newest, judged, led = turn.context.newest, found.judged, _led_to(aggregate, signal)
    case = await _new_case(turn, aggregate, signal, key, found)
    said = f"{signal.system or 'OMS'} {signal.operation}: {signal.raw_code or signal.sign or judged.code}"
    aggregate.put(
        case,
        "detect",
        turn.why(
            said,
            evidence=signal.evidence,
            causation=led,
            detector=signal.detector.value,
            sameFingerprint24h=found.seen,
        ),
    )
    case = replace(case, state=move(CASE_LIFECYCLE, case.state, "classify"))
    aggregate.put(case, "classify", turn.why(judged.why, policy=newest, rule=judged.rule, causation=led))
    case = replace(case, state=move(CASE_LIFECYCLE, case.state, "assign"), owner_group=judged.owner)
    why = turn.why(f"owner of {judged.code} by rule {judged.rule}", policy=newest, rule=judged.rule, causation=led)
    aggregate.put(case, "assign", why)
    look_again(turn, case)
    automating.expect(turn, case)
    return case.id


def _led_to(aggregate: Aggregate, signal: Signal) -> str:
    """The key of the command that a signal is about."""
    command = aggregate.commands.get(signal.command_id or 0)
    return command.key if command else ""


def look_again(turn: Turn, case: Case) -> None:
    """Files the next look at an open case."""
    newest = turn.context.newest
    soon, late = CASE_LOOK_EVERY / newest.time_scale, newest.limits.review_every
    due = turn.now + max(soon, min(late, (turn.now - case.detected_at) / LOOK_OF_AGE))
    turn.tx.file(Entry("review", case.id, case.order_id or None, due))


async def _new_case(turn: Turn, aggregate: Aggregate, signal: Signal, key: str, found: _Found) -> Case:
    newest, judged = turn.context.newest, found.judged
    code: Code = newest.codes.get(judged.code) or newest.codes["UNCLASSIFIED"]
    item = aggregate.items.get(signal.item_id) if signal.item_id else None
    message = message_for(newest, code, judged, item)
    return Case(
        id=await turn.tx.new_id(),
        order_id=aggregate.order.id,
        item_id=signal.item_id,
        task_id=signal.task_id,
        command_id=signal.command_id,
        case_key=key,
        state=CaseState.DETECTED,
        code=judged.code,
        domain=judged.domain,
        cause=judged.cause,
        recoverability=judged.recoverability.value,
        automation=judged.automation,
        severity="low",
        points=0,
        reasons=[],
        owner_group="",
        assignee="",
        system=signal.system,
        operation=signal.operation,
        raw_code=signal.raw_code or signal.sign,
        raw_message=signal.message[:500],
        fingerprint=found.fingerprint,
        detector=signal.detector.value,
        occurred_at=signal.occurred_at,
        detected_at=turn.now,
        touched_at=turn.now,
        sla_due_at=None,
        customer_impact="delayed" if message != HIDDEN else "none",
        amount_minor=found.amount if item else 0,
        currency=item.currency if item else "",
        message_key=message,
        blocked_tasks=blocked_behind(aggregate, signal.task_id),
        occurrences=1,
        next_action=judged.first_step,
        waiting_for=None,
        related=[],
        resolution=None,
        rule=judged.rule,
        policy_set=newest.id,
    )


def message_for(policy: PolicySet, code: Code, judged: Classification, item: Item | None) -> str:
    """What the customer may hear of a failure: by its code, else by its recoverability and whom it hurts (§17)."""
    hurts = impact_of(judged.domain, judged.cause, regulated=item is not None and item.regulated)
    return code.message or policy.message_by_failure[judged.recoverability.value, hurts.value]


def blocked_behind(aggregate: Aggregate, task_id: int | None) -> int:
    """How many tasks cannot start before this one is final, directly or not."""
    reached, front = set[int](), [task_id] if task_id else []
    while front:
        task = aggregate.tasks.get(front.pop() or 0)
        new = (
            [n for n in task.next if n not in reached and aggregate.tasks[n].state not in FINAL_TASK_STATES]
            if task
            else []
        )
        reached.update(new)
        front.extend(new)
    return len(reached)


def blocked_amount(aggregate: Aggregate) -> int:
    """What is not billed per month while the order stands, in minor units of the currency of its items."""
    return sum(i.monthly_minor for i in aggregate.items.values())


def score(turn: Turn, aggregate: Aggregate, case: Case, seen: int, worth: Worth) -> None:
    """Derives the severity anew and writes it when it, or the count of tasks behind, is another (§5.3). `seen` counts
    the other cases alike.
    """
    newest = turn.context.newest
    judged = _severity(turn, aggregate, case, newest, seen, worth)
    blocked = blocked_behind(aggregate, case.task_id)
    if (
        case.state in OPEN_CASE_STATES
        and (judged.level.value, judged.points, blocked) != (case.severity, case.points, case.blocked_tasks)
    ) or not case.reasons:
        reasons: Json = [{"points": r.points, "sentence": r.sentence, "factor": r.factor} for r in judged.reasons]
        due = (
            case.detected_at
            + newest.codes.get(case.code, newest.codes["UNCLASSIFIED"]).sla.resolution[judged.level.value]
        )
        scored = replace(
            case,
            severity=judged.level.value,
            points=judged.points,
            reasons=reasons,
            blocked_tasks=blocked,
            sla_due_at=due,
        )
        aggregate.put(
            scored, "score", turn.why(f"{judged.level.value}, {judged.points} points", policy=newest, rule="severity")
        )


def _severity(turn: Turn, aggregate: Aggregate, case: Case, newest: PolicySet, seen: int, worth: Worth) -> Severity:
    command = aggregate.current(case.task_id) if case.task_id else None
    operation = newest.operations.get(case.operation)
    facts = severity_facts(
        order=aggregate.order,
        item=aggregate.items.get(case.item_id) if case.item_id else None,
        worth=worth,
        case=case,
        outcome_unknown=command is not None and command.state is CommandState.UNKNOWN,
        moves_money_or_goods=operation.moves_money_or_goods if operation else False,
        blocked_tasks=blocked_behind(aggregate, case.task_id),
        same_fingerprint_24h=seen,
        now=turn.now,
        holidays=newest.holidays,
    )
    return derive(newest.severity, facts)


async def score_all(turn: Turn, aggregates: Iterable[Aggregate]) -> None:
    """Scores every open case of orders, and those that opened and ended in one turn; called when something of them
    changed.
    """
    scored = [(aggregate, _to_score(aggregate)) for aggregate in aggregates]
    seen = await seen_alike(turn, (case for _, cases in scored for case in cases))
    for aggregate, cases in scored:
        worth = worth_of(aggregate.items.values())
        for case in cases:
            score(turn, aggregate, case, seen[case.id], worth)


def _to_score(aggregate: Aggregate) -> list[Case]:
    return [c for c in aggregate.cases.values() if c.state in OPEN_CASE_STATES or aggregate.is_new(c.id)]


def heal(turn: Turn, aggregate: Aggregate, ended: Ended) -> None:
    """The effect exists after all: every open case of its task that this disproves is resolved, verified by the very
    answer that proved it; so is what was seen of it earlier in this turn and has no case yet.

    A contradiction (`ABSENCE_WRONG`, `CALLBACK_CONFLICT`) is not healed by success; it is what has to be looked at.
    Neither is what a person or another system said of the task (that it was charged twice), unless they only asked what
    became of it.
    """
    command = ended.command
    for n, raised in enumerate(turn.raised):
        if raised.aggregate is aggregate and _ends(command, raised.signal.task_id, raised.signal.command_id):
            turn.raised[n] = replace(raised, ended=ended)
    _heal(turn, aggregate, ended)


def _ends(command: Command, task_id: int | None, command_id: int | None) -> bool:
    """Whether a success speaks for a failure: that of the work for all of its task, that of a word to another engine
    only for the word itself.
    """
    return command_id == command.id if command.purpose is Purpose.RESUME else task_id == command.task_id


def _heal(turn: Turn, aggregate: Aggregate, ended: Ended) -> None:
    command, evidence = ended.command, ended.evidence
    for case in aggregate.open_cases:
        ends = _ends(command, case.task_id, case.command_id) and is_of_the_work(case)
        if ends and not has_frozen(aggregate, case):
            proved = ended.proved and not _took_over_a_word(aggregate, case)
            resolution = _resolved_by(turn, case, _resolution(ended.was, case), evidence, proved)
            how = resolution["type"]
            healed = advance(case, "heal", turn.now, resolution=resolution, repair=None)
            why = turn.why(
                f"{how}: {command.operation} is done by {command.key}", evidence=evidence, causation=command.key
            )
            aggregate.put(healed, "heal", why)
            turn.tx.clear("review", case.id)


def _took_over_a_word(aggregate: Aggregate, case: Case) -> bool:
    """Whether a case that somebody opened was merged into it: what they said is not proved by the work."""
    links = [one for one in case.related if isinstance(one, Mapping)] if isinstance(case.related, list) else []
    names = {one.get("case") for one in links if one.get("how") == MERGED}
    return any(outside("case", c.id) in names and not is_of_the_work(c) for c in aggregate.cases.values())


def has_frozen(aggregate: Aggregate, case: Case) -> bool:
    """Whether the order or task of a case stands still for it: it stays open until somebody lets go."""
    task = aggregate.tasks.get(case.task_id or 0)
    marks = [*marks_of(aggregate.order.frozen), *marks_of(task.frozen if task else None)]
    return any(mark.get("case") == case.id for mark in marks)


def let_go(turn: Turn, aggregate: Aggregate, case_id: int, repair: str) -> None:
    """What somebody had frozen goes on; where nothing of its failure stands any more, its case ends by that. What
    somebody says of a task that is over does not: that it goes on proves nothing of it.
    """
    case = aggregate.cases.get(case_id)
    if case is None or case.state not in OPEN_CASE_STATES or has_frozen(aggregate, case):
        return
    item, task = aggregate.items.get(case.item_id or 0), aggregate.tasks.get(case.task_id or 0)
    over = task is not None and task.state in FINAL_TASK_STATES
    if over and not standing(case, aggregate.order, item, task) and is_of_the_work(case):
        end_by_itself(turn, aggregate, case, "actions/THAW", f"let go by {repair}, and nothing of it stands")


def unblock(turn: Turn, aggregate: Aggregate) -> None:
    """What stood still because of a case goes on with its end."""
    over = {case.id for case in aggregate.cases.values() if case.state not in OPEN_CASE_STATES}
    for task in [*aggregate.tasks.values()]:
        left = without(task.frozen, lambda mark: mark.get(BLOCKED_BY) in over)
        if left != task.frozen:
            aggregate.put(replace(task, frozen=left), "thaw", turn.why("the case that it stood still for has ended"))


def _resolved_by(turn: Turn, case: Case, how: str, evidence: tuple[int, ...], proved: bool = True) -> dict[str, Json]:
    """How a case ends: by the repair that it waited for, if any; a person's word alone proves nothing."""
    resolution: dict[str, Json] = {
        "type": how, "verified": proved, "evidence": [*evidence], "at": turn.now.isoformat(),
    }  # fmt: skip
    if isinstance(case.repair, Mapping):
        named = {"type": case.repair["resolves"] or how, "repair": case.repair["id"], "by": case.repair["by"]}
        resolution |= named
    return resolution


def begin_repair(turn: Turn, aggregate: Aggregate, case: Case, repair: Json, reason: str) -> None:
    """A repair of a case was run: it is checked anew, and ends when what it did is proved."""
    why = turn.why(reason, causation=str(repair["id"]) if isinstance(repair, Mapping) else "")
    while case.state is not CaseState.REVALIDATING:
        verb = TO_RESOLVED[case.state]
        case = advance(case, verb, turn.now)
        aggregate.put(replace(case, repair=repair) if verb == "revalidate" else case, verb, why)
    if aggregate.cases[case.id].repair != repair:
        aggregate.put(replace(case, repair=repair, touched_at=turn.now), "repair_again", why)


def _repair_failed(turn: Turn, aggregate: Aggregate, signal: Signal) -> None:
    """What was repaired failed again: its cases are looked into anew."""
    for case in aggregate.open_cases:
        if case.task_id == signal.task_id and case.state is CaseState.REVALIDATING:
            failed = advance(case, "fail", turn.now, repair=None)
            aggregate.put(failed, "fail", turn.why(f"{signal.raw_code or signal.sign or 'it failed'} after a repair"))


def skipped(turn: Turn, aggregate: Aggregate, own: int, task: Task, repair: Mapping[str, Json], reason: str) -> None:
    """A task was left out: what failed of it stands no more. That is proved where what waited for it goes on; where
    nothing does, it is only said, and watched. `own` is the case that it was left out for.
    """
    goes_on = any(aggregate.tasks[n].state is not TaskState.PLANNED for n in task.next)
    for case in aggregate.open_cases:
        if case.id == own or (case.task_id == task.id and is_of_the_work(case)):
            resolution = _resolved_by(turn, replace(case, repair=repair), "Skipped", (), goes_on)
            ended = advance(case, "heal", turn.now, resolution=resolution, repair=None)
            aggregate.put(ended, "heal", turn.why(reason, causation=str(repair["id"])))
            turn.tx.clear("review", case.id)


def end_by_itself(
    turn: Turn, aggregate: Aggregate, case: Case, rule: str, reason: str, evidence: tuple[int, ...] = ()
) -> None:
    """What a case was about is so no more, and whoever saw it says so: resolved, verified by that; not while its order
    or task stands still for it.
    """
    if has_frozen(aggregate, case):
        return
    healed = advance(case, "heal", turn.now, resolution=healed_by_itself(turn, evidence), repair=None)
    aggregate.put(healed, "heal", turn.why(reason, rule=rule, evidence=evidence))
    turn.tx.clear("review", case.id)


def healed_by_itself(turn: Turn, evidence: tuple[int, ...]) -> Json:
    """The resolution of what ended without anything being done about it."""
    return {"type": "SelfHealed", "verified": True, "evidence": [*evidence], "at": turn.now.isoformat()}


def _resolution(was: CommandState, case: Case) -> str:
    if was is CommandState.UNKNOWN:
        return "ReconciledDone"
    return "ReconciledAbsent" if case.recoverability == Recoverability.UNKNOWN_OUTCOME.value else "SelfHealed"


def diagnose(turn: Turn, aggregate: Aggregate, task_id: int, reason: str) -> None:
    """A look-up began: the cases of the task are being diagnosed."""
    for case in aggregate.open_cases:
        if case.task_id == task_id and case.state is CaseState.ASSIGNED:
            moved = replace(case, state=move(CASE_LIFECYCLE, case.state, "diagnose"), touched_at=turn.now)
            aggregate.put(moved, "diagnose", turn.why(reason))


def advise(turn: Turn, aggregate: Aggregate, task_id: int, action: str, reason: str) -> None:
    """Changes the recommended next step of the cases of a task."""
    for case in aggregate.open_cases:
        if case.task_id == task_id and case.next_action != action:
            aggregate.put(replace(case, next_action=action, touched_at=turn.now), "advise", turn.why(reason))


def blocked_items(aggregate: Aggregate) -> set[int]:
    """The items that an open case stops: by a task of theirs that is not over, by the item itself, or by a task that
    one of theirs waits for.
    """
    stopping = _that_stop(aggregate)
    reached = {case.task_id for case in stopping if case.task_id is not None and case.task_id in aggregate.tasks}
    front = list(reached)
    while front:
        new = [n for n in aggregate.tasks[front.pop()].next if n not in reached]
        reached.update(new)
        front.extend(new)
    by_task = {t.item_id for t in map(aggregate.tasks.__getitem__, reached) if t.state is not TaskState.COMPLETED}
    return by_task | {case.item_id for case in stopping if case.task_id is None and case.item_id is not None}

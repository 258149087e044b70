"""What a repair asks again before anything goes on (§9.2): one question after another, each a command of purpose
`query` through the ledger, asked of what would be true after the correction.

All must pass. Where one is refused, cannot be asked, or shows that the deal would be another, the repair fails with
that as its reason: nothing was changed, the task stays as it is, and its case is looked into again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import CaseState, advance
from fallsafe.core.commands.ledger import Command, CommandState
from fallsafe.core.commands.outcome import Looked, NotSent, Says
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json
from fallsafe.core.lifecycle import move
from fallsafe.core.orders.task import Task
from fallsafe.core.repair.actions import wanted_of
from fallsafe.core.repair.catalogue import RepairAction
from fallsafe.core.repair.request import ACCEPTED, CORRECTED, REPAIR_LIFECYCLE, Repair, RepairState
from fallsafe.core.values import replace
from fallsafe.flows import commands, correcting, payload, settle
from fallsafe.flows.commands import Attempted, Claimed, Due, still_stand
from fallsafe.flows.context import Context
from fallsafe.flows.moves import file, move_command
from fallsafe.flows.turn import Turn, begin
from fallsafe.policyset.templates import TemplateError
from fallsafe.store.ids import outside
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate

TRIES_MAX = 6
"""How often one question may come back without an answer before the repair fails."""
HAND_OFF = "Hand off a change of the deal: REQUEST_AMENDMENT"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a repair: of what was `accepted`, or of what would be `corrected`. `query` is its command, 0
    before it is asked; `tries` counts what came back without an answer.
    """

    operation: str
    title: str
    of: str
    gives: str = ""
    unchanged: str = ""
    query: int = 0
    tries: int = 0

    @property
    def must_name(self) -> bool:
        """Whether an answer that names nothing is none: what it names is taken over, or held against another answer."""
        return self.of == ACCEPTED or bool(self.gives or self.unchanged)


def questions_of(action: RepairAction) -> list[Question]:
    """What an action asks, in its order; what must stay the same is asked of both."""
    made = list[Question]()
    for check in action.checks:
        if check.unchanged:
            made.append(Question(check.operation, check.title, ACCEPTED))
        made.append(Question(check.operation, check.title, CORRECTED, check.gives, check.unchanged))
    return made


def started(turn: Turn, aggregate: Aggregate, repair: Repair, action: RepairAction) -> Repair:
    """The repair with its questions; the first of them is asked at once."""
    asked = questions_of(action)
    file(turn, aggregate, "check", repair.id, turn.now, _system(asked[0]))
    return replace(repair, checks=[asdict(one) for one in asked])


def _system(question: Question) -> str:
    return question.operation.partition(".")[0]


def _questions(repair: Repair) -> list[Question]:
    kept = repair.checks if isinstance(repair.checks, list) else []
    return [Question(**one) for one in kept if isinstance(one, Mapping)]  # type: ignore[arg-type]  # safe because asdict wrote it


def _passed(aggregate: Aggregate, question: Question) -> Command | None:
    query = aggregate.commands.get(question.query)
    return query if query is not None and query.finding == Says.DONE.value else None


async def claim(tx: Tx, context: Context, due: Sequence[Due], actor: Actor) -> list[Claimed]:
    """Asks the next question of each repair that is due."""
    await tx.lock((d.order_id for d in due if d.order_id), skip_locked=True)
    await tx.load_repairs()
    turn = await begin(tx, context, actor)
    standing = await still_stand(tx, due, turn.now)
    if not standing or not await commands.may_send_at_all(tx):
        return []
    claimed: list[Claimed] = []
    for d in standing:
        tx.clear("check", d.id)
        aggregate = tx.aggregates[d.order_id or 0]
        repair = aggregate.repairs.get(d.id)
        if repair is None or repair.state is not RepairState.CHECKING:
            continue
        refusal = await _why_not_on(turn, aggregate, repair)
        if refusal is not None:
            fail(turn, aggregate, repair, refusal)
            continue
        claimed += await _ask_next(turn, aggregate, repair)
    await settle.end(turn)
    return claimed


async def _ask_next(turn: Turn, aggregate: Aggregate, repair: Repair) -> list[Claimed]:
    asked = _questions(repair)
    n = next(n for n, one in enumerate(asked) if _passed(aggregate, one) is None)
    case, question = aggregate.cases[repair.case_id], asked[n]
    task = aggregate.tasks.get(case.task_id or 0)
    before = aggregate.commands.get(question.query)
    if before is not None and before.state is CommandState.SENDING:
        return []  # its answer, or its lease, goes on with it
    target = aggregate.current(case.task_id) if case.task_id else None
    operation = turn.policy(aggregate).operations.get(question.operation)
    if task is None or target is None or operation is None:
        fail(turn, aggregate, repair, Refusal("CHECK_NOT_KNOWN", "", f"its order's policy has no {question.operation}"))
        return []
    query = before or await _new_query(turn, aggregate, repair, task, target, question)
    if before is None:
        asked[n] = replace(question, query=query.id)
        aggregate.put(
            replace(repair, checks=[asdict(one) for one in asked]), "ask", turn.why(question.title, causation=query.key)
        )
    try:
        request = operation.render(await _facts(turn, aggregate, repair, task, query.key, asked, question))
    except TemplateError as error:
        fail(turn, aggregate, aggregate.repairs[repair.id], Refusal("CHECK_NOT_ASKED", "", str(error)))
        return []
    about = {"key": query.key, "object": payload.business_object(aggregate, task)}
    return [await commands.send(turn, aggregate, task, query, operation, request, operation.answers, about)]


async def _new_query(
    turn: Turn, aggregate: Aggregate, repair: Repair, task: Task, target: Command, question: Question
) -> Command:
    from fallsafe.flows import recover

    made = await recover.new_query(turn, aggregate, task, target, question.operation, question.of)
    query = replace(made, target_id=None, system=_system(question))
    aggregate.put(query, "intend", turn.why(question.title, causation=outside("repair", repair.id)))
    return query


async def _facts(
    turn: Turn,
    aggregate: Aggregate,
    repair: Repair,
    task: Task,
    key: str,
    asked: Sequence[Question],
    question: Question,
) -> Mapping[str, Json]:
    """What the question may read: of what was accepted, or of what would be true after the correction."""
    personal = (await commands.personal_of(turn, [aggregate.order.id])).get(aggregate.order.id, {})
    known = payload.facts(turn, aggregate, task, key, personal)
    if question.of == ACCEPTED:
        return known
    fields = await fields_of(turn, aggregate, repair, asked)
    answered = {
        t.step: query.reference
        for one in asked
        if one.of == CORRECTED and (query := _passed(aggregate, one)) is not None
        for t in aggregate.tasks.values()
        if t.operation == one.operation and t.item_id == task.item_id
    }
    return correcting.as_corrected(known, fields, answered)


async def fields_of(turn: Turn, aggregate: Aggregate, repair: Repair, asked: Sequence[Question]) -> dict[str, Json]:
    """What is corrected: what was given, and what the register calls it."""
    from fallsafe.flows import repairs

    action = turn.context.newest.actions[repair.action]
    fields = wanted_of(action, await repairs.given_of(turn, aggregate, repair))
    for one in asked:
        query = _passed(aggregate, one)
        if one.gives and query is not None and query.reference:
            fields[one.gives] = query.reference
    return fields


def repair_of(aggregate: Aggregate, query: Command) -> Repair | None:
    """The repair that asks a question; None where it does not any more."""
    checking = (r for r in aggregate.repairs.values() if r.state is RepairState.CHECKING)
    return next((r for r in checking if any(one.query == query.id for one in _questions(r))), None)


async def record(turn: Turn, aggregate: Aggregate, query: Command, one: Attempted, evidence: tuple[int, ...]) -> None:
    """Records the answer to a question of a repair; the next is asked, or the repair comes to its end."""
    from fallsafe.flows import recover

    await turn.tx.load_repairs()
    if query.state is not CommandState.SENDING or one.claimed.attempt != query.attempts:
        why = turn.why("answer to a question that was given up", evidence=evidence, causation=query.key)
        aggregate.record("command", query.id, "keep_late", why)
        return
    outcome = one.reply.outcome
    if not isinstance(outcome, Looked):
        await lose(turn, aggregate, query, evidence, "not_sent" if isinstance(outcome, NotSent) else "lose")
        return
    await recover.complete(turn, aggregate, query, outcome, evidence)
    repair = repair_of(aggregate, query)
    if repair is None:
        return
    question = next(each for each in _questions(repair) if each.query == query.id)
    said = aggregate.commands[query.id].lost_because or outcome.says.value
    if outcome.says is Says.DONE and question.must_name and not outcome.reference:
        said = "yes, and does not say which"
    elif outcome.says is Says.DONE:
        await _go_on(turn, aggregate, repair, evidence)
        return
    refusal = Refusal("CHECK_REFUSED", "", f"{question.title}: {query.system} says {said}")
    fail(turn, aggregate, repair, refusal, evidence)


async def lose(
    turn: Turn, aggregate: Aggregate, query: Command, evidence: tuple[int, ...] = (), verb: str = "lose"
) -> None:
    """A question without an answer is asked again under its own key, not for ever."""
    await turn.tx.load_repairs()
    why = turn.why("no answer to the question", evidence=evidence, causation=query.key)
    await move_command(
        turn, aggregate, query, verb, why, ended_at=turn.now, lease_until=None, lease_worker="", finding=""
    )
    repair = repair_of(aggregate, query)
    if repair is None:
        return
    asked = [replace(q, tries=q.tries + 1) if q.query == query.id else q for q in _questions(repair)]
    tries = max(q.tries for q in asked)
    counted = replace(repair, checks=[asdict(q) for q in asked])
    aggregate.put(counted, "ask_again", turn.why(f"{query.operation} gave no answer", causation=query.key))
    if tries >= TRIES_MAX:
        fail(turn, aggregate, counted, Refusal("CHECK_NOT_ANSWERED", "", f"{query.operation} did not answer"))
        return
    delays = turn.policy(aggregate).limits.look_delays
    file(turn, aggregate, "check", repair.id, turn.now + delays[min(tries, len(delays)) - 1], query.system)


async def _go_on(turn: Turn, aggregate: Aggregate, repair: Repair, evidence: tuple[int, ...]) -> None:
    """The next question; after the last one what was previewed is done, if it still is what it was."""
    from fallsafe.flows import repairs

    asked = _questions(repair)
    left = [one for one in asked if _passed(aggregate, one) is None]
    if left:
        file(turn, aggregate, "check", repair.id, turn.now, _system(left[0]))
        return
    refusal = _other_deal(aggregate, asked) or await _why_not_on(turn, aggregate, repair)
    if refusal is not None:
        fail(turn, aggregate, repair, refusal, evidence)
        return
    await repairs.do(turn, aggregate, repair, evidence)


async def _why_not_on(turn: Turn, aggregate: Aggregate, repair: Repair) -> Refusal | None:
    """Why a repair is neither asked about nor done any more: it began by itself and may not now, or it is not what was
    previewed.
    """
    from fallsafe.flows import automating, repairs

    refusal = await automating.why_not_on(turn.tx, repair)
    return refusal or await repairs.moved(turn, aggregate, repair, "cannot go on")


def _other_deal(aggregate: Aggregate, asked: Sequence[Question]) -> Refusal | None:
    """The commercial guard (§18): whether an answer shows that something of the deal would be another."""
    was: dict[str, str] = {}
    for one in asked:
        query = _passed(aggregate, one)
        if query is not None and one.of == ACCEPTED:
            was[one.operation] = query.reference
        elif query is not None and one.unchanged and query.reference != was.get(one.operation):
            why = f"{one.unchanged} would be another ({was.get(one.operation)} → {query.reference})"
            return Refusal("BUSINESS_CORRECTION", "", why, HAND_OFF)
    return None


def answered_of(aggregate: Aggregate, repair: Repair) -> dict[str, Command]:
    """The questions about what is corrected that passed, by operation."""
    asked = (one for one in _questions(repair) if one.of == CORRECTED)
    return {one.operation: query for one in asked if (query := _passed(aggregate, one)) is not None}


async def corrected(turn: Turn, aggregate: Aggregate, repair: Repair) -> dict[str, Json]:
    """All that a repair corrects, once its questions are answered."""
    return await fields_of(turn, aggregate, repair, _questions(repair))


def fail(turn: Turn, aggregate: Aggregate, repair: Repair, refusal: Refusal, evidence: tuple[int, ...] = ()) -> None:
    """The repair comes to nothing: its case is looked into again, with the reason; nothing was changed."""
    failed = replace(
        repair, state=move(REPAIR_LIFECYCLE, repair.state, "fail"), ended_because=f"{refusal.code}: {refusal.why}"
    )
    name = outside("repair", repair.id)
    why = turn.why(refusal.why, rule=f"actions/{repair.action}", causation=name, evidence=evidence, code=refusal.code)
    aggregate.put(failed, "fail", why)
    turn.tx.clear("check", repair.id)
    case = aggregate.cases[repair.case_id]
    mine = isinstance(case.repair, Mapping) and case.repair.get("id") == name
    if case.state is CaseState.REVALIDATING and mine:
        step = refusal.hint or case.next_action
        aggregate.put(advance(case, "fail", turn.now, repair=None, next_action=step), "fail", why)

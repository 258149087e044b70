"""What the case page shows: pure functions from the case file, the policy sets, who looks and the time.

The page is made of parts. Each is a frozen value with a digest, so that an open page asks only for the parts that have
become another; the passing of time alone makes none of them another.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fallsafe.core.access import Actor, may, who_may
from fallsafe.core.cases.case import OPEN_CASE_STATES, Case
from fallsafe.core.commands.ledger import CommandState, Purpose
from fallsafe.core.comms.messages import Sentence
from fallsafe.core.events import Json
from fallsafe.core.orders.task import FINAL_TASK_STATES, Task, TaskState, WayBack
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.core.triage.taxonomy import Code, Recoverability, UndoRow
from fallsafe.flows.access import Said
from fallsafe.flows.payload import way_back_of
from fallsafe.store.ids import outside
from fallsafe.store.reads import CaseFile, OrderFile
from fallsafe.workbench.actions import Repair, repair_of
from fallsafe.workbench.marks import Due, Stage, due_of, stage_of
from fallsafe.workbench.plan import Drawing, blocked_by, draw, title_of
from fallsafe.workbench.sending import Steps, steps_of
from fallsafe.workbench.timeline import Timeline, timeline_of
from fallsafe.workbench.words import ITEM_WORDS, ORDER_WORDS, RECOVERABILITY_WORDS, TASK_WORDS, money, span, words
from fallsafe.workbench.work import Work, work_of

EVIDENCE_MAX = 100
BLOCKS_NAMED_MAX = 6


@dataclass(frozen=True, slots=True)
class Tile:
    """One of the six states: which, its value, a small line below, and its tone."""

    layer: str
    value: str
    note: str
    tone: str
    due: Due | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Title and the six states side by side."""

    id: str
    code: str
    title: str
    severity: str
    unknown: bool
    stage: Stage
    order_id: str
    order_name: str
    customer: str
    segment: str
    offer: str
    promised_at: datetime | None
    promised_zone: str
    value: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class PlanPart:
    """The drawing, and what the failure blocks: the first by name, and how many more."""

    drawing: Drawing
    failing: str
    blocks: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the severity."""

    points: int
    sentence: str
    factor: str


@dataclass(frozen=True, slots=True)
class Why:
    """Why this severity and this classification, each with the policy set and rule that decided."""

    severity: str
    points: int
    critical_from: int
    terms: tuple[Term, ...]
    floors: tuple[Term, ...]
    facts: tuple[tuple[str, str], ...]
    raw_code: str
    raw_message: str
    rule: str
    because: str
    policy_set: str


@dataclass(frozen=True, slots=True)
class Service:
    """The row of service levels that applies."""

    sentence: str
    rows: tuple[tuple[str, str], ...]
    due: Due
    owner: str
    works_on: str
    escalates_to: str


@dataclass(frozen=True, slots=True)
class Customer:
    """What the customer may be told, why, and what may not be said."""

    text: str
    locale: str
    because: str
    key: str
    never: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of evidence without its bytes; `body` is where they are without what is personal or confidential, `whole`
    where all of it is; empty for those who may not read them.
    """

    id: str
    kind: str
    source: str
    head: str
    media_type: str
    size: int
    at: datetime
    digest: str
    sensitivity: str
    body: str
    whole: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """The newest pieces, how many there are, and who may open a body."""

    pieces: tuple[Piece, ...]
    total: int
    may_read: bool
    readers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undo:
    """One effect that would have to be undone if the failing step proved impossible."""

    task: str
    effect: str
    risk: str
    possible_while: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """What would prevent it, what would have to be undone, and the other open cases of the order."""

    control: str
    cause_category: str
    undo: tuple[Undo, ...]
    no_undo: tuple[str, ...]
    related: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class CasePage:
    """All parts of the page."""

    head: Head
    plan: PlanPart | None
    repair: Repair
    steps: Steps
    timeline: Timeline
    evidence: Evidence
    service: Service
    customer: Customer
    why: Why
    upstream: Upstream
    work: Work


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, when, at how much of the timeline, and what was written about the case."""

    actor: Actor
    now: datetime
    show: str = "all"
    whole: bool = False
    evidence_url: str = "/api/v1/evidence/{id}"
    comments: Sequence[Said] = ()


def case_page(
    file: CaseFile, newest: PolicySet, policies: Mapping[str, PolicySet], sentence: Sentence | None, look: Look
) -> CasePage:
    """The page of one case. `policies` are the sets that orders were planned and commands sent under."""
    planned = policies.get(file.order.policy_set, newest) if file.order else newest
    contract = policies.get(file.command.contract_set, planned) if file.command else planned
    failing = _failing(file)
    return CasePage(
        head=_head(file, newest, sentence, look.now),
        plan=_plan(file, planned, failing, look.now),
        repair=repair_of(file, newest, contract, look.actor, look.now),
        steps=steps_of(file.file, planned, failing) if file.file else Steps((), 0),
        timeline=timeline_of(file.journal, _names(file, planned), _queries(file), look.show, look.whole),
        evidence=_evidence(file, look),
        service=_service(file.case, newest, look.now),
        customer=_customer(file, sentence),
        why=_why(file, newest),
        upstream=_upstream(file, newest, planned, look.now),
        work=work_of(file, newest, look.actor, look.comments, look.now),
    )


def code_of(case: Case, policy: PolicySet) -> Code | None:
    """What the policy knows of the code of a case."""
    return policy.codes.get(case.code)


def _failing(file: CaseFile) -> tuple[int, ...]:
    own = file.case.task_id if file.case.state in OPEN_CASE_STATES else None
    others = [c.task_id for c in file.related]
    return tuple(dict.fromkeys(t for t in (own, *others) if t is not None))


def is_unknown(file: CaseFile) -> bool:
    """Whether the outcome behind the case is unknown at this moment."""
    if file.command is not None:
        return file.command.state is CommandState.UNKNOWN
    return file.case.recoverability == Recoverability.UNKNOWN_OUTCOME and file.case.state in OPEN_CASE_STATES


def _head(file: CaseFile, policy: PolicySet, sentence: Sentence | None, now: datetime) -> Head:
    case, order, item = file.case, file.order, file.item
    known = code_of(case, policy)
    offer = policy.offers.get(item.offer) if item else None
    return Head(
        id=outside("case", case.id),
        code=case.code,
        title=known.title if known else words(case.code.lower()),
        severity=case.severity,
        unknown=is_unknown(file),
        stage=stage_of(case.state),
        order_id=outside("order", order.id) if order else "",
        order_name=f"{order.source} {order.external_id}" if order else "",
        customer=order.customer_ref if order else "",
        segment=words(order.segment) if order else "",
        offer=offer.title if offer else item.offer if item else "",
        promised_at=order.committed_at if order else None,
        promised_zone=order.time_zone if order else "",
        value=money(case.amount_minor, case.currency) if case.amount_minor else "",
        tiles=_tiles(file, policy, sentence, now),
    )


def _tiles(file: CaseFile, policy: PolicySet, sentence: Sentence | None, now: datetime) -> tuple[Tile, ...]:
    case, order, item, task, due = file.case, file.order, file.item, file.task, due_of(file.case, now)
    owner = policy.owners.get(case.owner_group)
    none = Tile("", "None", "", "quiet")
    return (
        Tile("Order", words(order.state, ORDER_WORDS), f"{order.source} {order.external_id}", _tone(order.state))
        if order
        else _named(none, "Order"),
        Tile("Order item", words(item.state, ITEM_WORDS), f"{item.external_id}, {item.offer}", _tone(item.state))
        if item
        else _named(none, "Order item"),
        Tile("Task", words(task.state, TASK_WORDS), task.step, _tone(task.state)) if task else _named(none, "Task"),
        _case_tile(case, owner.title if owner else case.owner_group),
        Tile(
            "Service level",
            _sla_word(due),
            _sla_note(case, policy),
            {"breached": "bad", "at_risk": "warn", "ended": "done"}.get(due.kind, "active"),
            due,
        ),
        _told(sentence),
    )


def _case_tile(case: Case, owner: str) -> Tile:
    """Where the case stands: whose it is while it is open, else how it ended, and whether that is proved."""
    word = stage_of(case.state).word
    if case.state in OPEN_CASE_STATES:
        return Tile("Fallout case", word, owner, "active")
    ended = case.resolution if isinstance(case.resolution, Mapping) else {}
    proved = bool(ended.get("verified"))
    note = f"{_spoken(str(ended.get('type', '')))}{'verified' if proved else 'not verified'}"
    return Tile("Fallout case", word, note, "done" if proved else "warn")


def _spoken(kind: str) -> str:
    """How a case ended, in words: `ReconciledDone` is Reconciled done."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind)
    return f"{parted[:1]}{parted[1:].lower()}, " if kind else ""


def _named(tile: Tile, layer: str) -> Tile:
    return Tile(layer, tile.value, tile.note, tile.tone)


def _told(sentence: Sentence | None) -> Tile:
    if sentence is None or not sentence.text:
        return Tile("Customer may hear", "Nothing", "This failure is not theirs to know.", "quiet")
    return Tile("Customer may hear", "", sentence.text, "done")


def _tone(state: str) -> str:
    return {
        "completed": "done",
        "held": "warn",
        "failed": "bad",
        "rejected": "bad",
        "unknown": "unknown",
        "undo_unknown": "unknown",
        "undo_failed": "bad",
        "parked": "warn",
        "cancelled": "quiet",
    }.get(state, "active")


def _sla_word(due: Due) -> str:
    return {"none": "No time set", "ended": "Ended"}.get(due.kind, "")


def _sla_note(case: Case, policy: PolicySet) -> str:
    known = code_of(case, policy)
    length = known.sla.resolution.get(case.severity) if known else None
    return f"resolve within {span(length)}, {case.severity}" if length else ""


def _plan(file: CaseFile, policy: PolicySet, failing: tuple[int, ...], now: datetime) -> PlanPart | None:
    if file.file is None or not file.file.tasks:
        return None
    drawing = draw(file.file.tasks, policy, failing, now)
    mine = failing[:1] if file.case.task_id in failing else ()
    behind = blocked_by(file.file.tasks, mine)
    blocked = tuple(title_of(t, policy) for t in file.file.tasks if t.id in behind)
    failed = title_of(file.task, policy) if file.task else ""
    return PlanPart(drawing, failed, blocked[:BLOCKS_NAMED_MAX], len(blocked[BLOCKS_NAMED_MAX:]))


def _names(file: CaseFile, policy: PolicySet) -> dict[int, str]:
    """What things are called in the timeline: tasks and their commands by the task's title, items by their name."""
    if file.file is None:
        return {}
    tasks = {t.id: title_of(t, policy) for t in file.file.tasks}
    commands = {c.id: f"{tasks.get(c.task_id, 'command')}, C-{c.id}" for c in file.file.commands}
    items = {i.id: f"{i.external_id} ({i.offer})" for i in file.file.items}
    return {
        file.file.order.id: "order",
        **tasks,
        **commands,
        **items,
        **{c.id: outside("case", c.id) for c in file.file.cases},
    }


def _queries(file: CaseFile) -> frozenset[int]:
    return frozenset(c.id for c in file.file.commands if c.purpose is Purpose.QUERY) if file.file else frozenset()


def _evidence(file: CaseFile, look: Look) -> Evidence:
    allowed, all_of_it = may(look.actor, "read_evidence"), may(look.actor, "read_whole_evidence")
    pieces = tuple(
        Piece(
            outside("evidence", e.id),
            e.kind,
            e.source,
            e.head,
            e.media_type,
            e.size,
            e.at,
            e.digest,
            e.sensitivity,
            look.evidence_url.format(id=outside("evidence", e.id)) if allowed else "",
            f"{look.evidence_url.format(id=outside('evidence', e.id))}?whole=true" if all_of_it else "",
        )
        for e in file.evidence[-EVIDENCE_MAX:]
    )
    return Evidence(pieces, len(file.evidence), allowed, who_may("read_evidence"))


def _service(case: Case, policy: PolicySet, now: datetime) -> Service:
    known, owner = code_of(case, policy), policy.owners.get(case.owner_group)
    rows = tuple(_levels(known, case.severity)) if known else ()
    return Service(
        sentence=known.sla.sentence if known else "",
        rows=rows,
        due=due_of(case, now),
        owner=owner.title if owner else case.owner_group,
        works_on=owner.works_on if owner else "",
        escalates_to=owner.escalates_to if owner else "",
    )


def _levels(code: Code, severity: str) -> Iterable[tuple[str, str]]:
    named: tuple[tuple[str, Mapping[str, timedelta]], ...] = (
        ("First look", code.sla.first_touch),
        ("Resolution", code.sla.resolution),
        ("Customer update", code.sla.customer_update),
    )
    for name, lengths in named:
        if severity in lengths:
            yield name, f"within {span(lengths[severity])}"


def _customer(file: CaseFile, sentence: Sentence | None) -> Customer:
    never = tuple(_never(file))
    if sentence is None:
        return Customer("", "", "", "", never)
    return Customer(sentence.text, sentence.locale, sentence.because, sentence.key, never)


def _never(file: CaseFile) -> Iterable[str]:
    """What would not be the truth, or not theirs to know (§17.2)."""
    task, case = file.task, file.case
    open_case = case.state in OPEN_CASE_STATES
    if task is not None and task.state not in FINAL_TASK_STATES:
        yield "That it is active or completed: nothing proves it yet."
    if is_unknown(file):
        yield "That it failed: nobody knows yet what happened."
    elif open_case:
        yield "That it failed: it can still be repaired."
    inner = [part for part in (case.code, case.raw_code, case.system) if part]
    yield f"Internal words: {', '.join(dict.fromkeys(inner))}."


def _why(file: CaseFile, policy: PolicySet) -> Why:
    case = file.case
    terms = tuple(_terms(case.reasons))
    classified = next(
        (line for line in reversed(file.journal) if line.thing_id == case.id and line.verb == "classify"), None
    )
    return Why(
        severity=case.severity,
        points=case.points,
        critical_from=policy.severity.critical_from,
        terms=tuple(t for t in terms if t.points),
        floors=tuple(t for t in terms if not t.points),
        facts=(
            ("Code", case.code),
            ("Domain", case.domain),
            ("Cause", words(case.cause)),
            ("Way out", words(case.recoverability, RECOVERABILITY_WORDS)),
            ("Seen by", words(case.detector)),
            ("Seen", f"{case.occurrences} ×"),
        ),
        raw_code=case.raw_code,
        raw_message=case.raw_message,
        rule=case.rule,
        because=classified.reason if classified else "",
        policy_set=case.policy_set,
    )


def _terms(reasons: Json) -> Iterable[Term]:
    for reason in reasons if isinstance(reasons, list) else ():
        if isinstance(reason, Mapping):
            points = reason.get("points")
            yield Term(
                points if isinstance(points, int) else 0, str(reason.get("sentence", "")), str(reason.get("factor", ""))
            )


def _undo_of(file: OrderFile, task: Task, planned: PolicySet, now: datetime) -> UndoRow | None:
    """How an effect could be undone now; None where nothing undoes it, or nothing does any more."""
    way, _ = way_back_of(file.order, file.items, file.tasks, task, planned, now)
    return planned.undo.get(task.undo) if way is not WayBack.NONE else None


def _upstream(file: CaseFile, newest: PolicySet, planned: PolicySet, now: datetime) -> Upstream:
    known = code_of(file.case, newest)
    whole = file.file
    done = [t for t in whole.tasks if t.state is TaskState.COMPLETED] if whole else []
    rows = [(t, _undo_of(whole, t, planned, now)) for t in done if whole]
    titles = ((c, code_of(c, newest)) for c in file.related)
    return Upstream(
        control=known.upstream_control if known else "",
        cause_category=known.cause_category if known else "",
        undo=tuple(
            Undo(title_of(t, planned), row.effect, row.risk, row.possible_while) for t, row in rows if row is not None
        ),
        no_undo=tuple(title_of(t, planned) for t, row in rows if row is None),
        related=tuple((outside("case", c.id), code.title if code else c.code, c.severity) for c, code in titles),
    )

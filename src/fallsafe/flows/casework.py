"""Case work: what people do with cases, many at once; each change a record, each refusal one too.

What a person writes may hold anything, so it is sealed evidence of the order; the record names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from fallsafe.core.access import Actor, not_allowed, refused, works_elsewhere
from fallsafe.core.cases import work as asks
from fallsafe.core.cases.case import Case, CaseState
from fallsafe.core.cases.work import RIGHT_OF, Around, Ask, Relate, Reopen, Step, Wait, decide, standing
from fallsafe.core.errors import Refusal
from fallsafe.core.values import replace
from fallsafe.flows import braking, commands, downstreams, installation, loose, rewound, settle
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import inside, outside
from fallsafe.store.rows import read_row
from fallsafe.store.tx import Tx
from fallsafe.store.vault import OrderKey
from fallsafe.store.work import Aggregate, Entry

COMMENT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Paper:
    """What somebody puts to a case: its bytes, what kind they are, and what it is called; empty bytes = nothing."""

    body: bytes = b""
    media_type: str = COMMENT
    name: str = ""


NOTHING = Paper()


def ask_of(action: str, given: Mapping[str, Any], actor: Actor, until: datetime | None = None) -> Ask:
    """What somebody asks for at a door, by the end of its path and the fields that came with it."""
    match action:
        case "assign":
            return asks.Transfer("", given["assignee"], by=actor.name)
        case "transfer":
            group, person = given.get("ownerGroup", ""), given.get("assignee", "")
            return asks.Transfer(group, person, given.get("done", ""), given.get("asked", ""), actor.name)
        case "consult":
            return asks.Consult(given["group"], given["asked"], actor.name)
        case "reply":
            return asks.Reply(given["group"], given["answer"], actor.name)
        case "refer":
            return asks.Refer(given["system"], given["reference"])
        case "relate":
            return asks.Relate(given["to"], given["how"])
        case "follow-up" if until is not None:
            return asks.FollowUp(until)
        case "claim":
            return asks.Claim(actor.name)
        case "wait" if until is not None:
            return Wait(given["whom"], given["what"], until, given.get("reference", ""))
        case "resolve":
            return asks.Resolve(given["type"], actor.name)
        case _:
            return PLAIN[action]


PLAIN: Mapping[str, Ask] = {
    "diagnose": asks.Diagnose(), "comment": asks.Comment(), "evidence": asks.Attach(),
    "go-on": asks.GoOn(), "escalate": asks.Escalate(),
    "withdraw": asks.Withdraw(), "reopen": asks.Reopen(), "accept": asks.Accept(), "return": asks.Return(),
}  # fmt: skip


async def work(
    tx: Tx, context: Context, case_ids: Sequence[int], actor: Actor, ask: Ask, reason: str, paper: Paper = NOTHING
) -> list[Answer]:
    """Does one thing with each of the cases; one answer for each, in the order given. `paper` is what was written or
    brought about it, and is sealed.
    """
    known = {row["id"]: row for row in await tx.fetch("cases/by_ids", ids=list(case_ids))}
    orders = {row["order_id"] for row in known.values() if row["order_id"]}
    other = await _other(tx, ask)
    await tx.lock(orders | ({other.order_id} if other is not None and other.order_id else set()))
    for key in sorted({row["case_key"] for row in known.values() if not row["order_id"]}):
        await tx.execute("cases/lock_key", case_key=key)  # in one order, whatever the order that was asked for
    turn = await begin(tx, context, actor)
    if other is not None and other.order_id and other.order_id not in tx.aggregates:
        other = None
    answers = [
        await (_of_order if known[number]["order_id"] else _loose)(turn, known[number], ask, reason, paper, other)
        if number in known
        else Refused("case", number, no_such(number))
        for number in case_ids
    ]
    await settle.end(turn)
    return answers


@dataclass(frozen=True, slots=True)
class _Other:
    """What a case is to be related to; `case_id` 0 is an order, both 0 a person whom it is to be given to."""

    order_id: int
    case_id: int


async def _other(tx: Tx, ask: Ask) -> _Other | None:
    if isinstance(ask, asks.Transfer):
        rows = await tx.fetch("people/by_name", person=ask.assignee)
        return _Other(0, 0) if rows and rows[0]["left_at"] is None else None
    if not isinstance(ask, Relate):
        return None
    number, order = inside("case", ask.to), inside("order", ask.to)
    for row in await tx.fetch("cases/by_ids", ids=[number]) if number is not None else []:
        return _Other(row["order_id"] or 0, row["id"])
    return _Other(order, 0) if order is not None else None


def no_such(case_id: int) -> Refusal:
    """The refusal for a case that does not exist."""
    what = f"there is no case {outside('case', case_id)}"
    return Refusal("NOT_FOUND", what, "nothing has this name", "GET /fallout-cases lists them")


async def _of_order(
    turn: Turn, row: Mapping[str, Any], ask: Ask, reason: str, paper: Paper, related: _Other | None
) -> Answer:
    aggregate = turn.tx.aggregates[row["order_id"]]
    case = aggregate.cases[row["id"]]
    other = aggregate.open_case(case.case_key)
    item, task = aggregate.items.get(case.item_id or 0), aggregate.tasks.get(case.task_id or 0)
    ask, reason = await _discreetly(turn, aggregate, ask), await discreet(turn, aggregate, reason)
    stands = standing(case, aggregate.order, item, task, aggregate.commands.get(case.command_id or 0))
    decided = _decided(turn, case, ask, stands, other, related is not None)
    if isinstance(decided, Refusal):
        aggregate.refuse("case", case.id, _verb(ask), decided, turn.why(askedBecause=reason))
        return Refused("case", case.id, decided)
    name = await discreet(turn, aggregate, paper.name)
    evidence = await keep(turn, case, aggregate.key, replace(paper, name=name)) if decided and paper.body else ()
    for n, step in enumerate(decided):
        why = turn.why(reason, evidence=evidence if n == len(decided) - 1 else ())
        if step.case is case:
            aggregate.record("case", case.id, step.verb, why, str(case.state), str(case.state))
        else:
            aggregate.put(step.case, step.verb, why)
    if decided and isinstance(ask, Relate) and related is not None:
        _relate_back(turn, related, case, ask, reason)
    _look_again(turn, case, ask, case.order_id, decided)
    return Applied("case", case.id, already=not decided)


async def keep(turn: Turn, case: Case, key: OrderKey, paper: Paper) -> tuple[int, ...]:
    """The evidence that a paper becomes: a comment names its case, anything else what it is called."""
    added = await turn.tx.add_evidence(
        case.order_id,
        key,
        kind="attachment" if paper.name else "comment",
        source=str(turn.actor),
        body=paper.body,
        media_type=paper.media_type,
        head=paper.name or outside("case", case.id),
    )
    return (added.id,)


def _relate_back(turn: Turn, related: _Other, case: Case, ask: Relate, reason: str) -> None:
    """The other case names this one too."""
    aggregate = turn.tx.aggregates.get(related.order_id)
    other = aggregate.cases.get(related.case_id) if aggregate is not None else None
    if aggregate is not None and other is not None:
        linked = asks.link(other.related, outside("case", case.id), asks.HOW_OTHERWISE.get(ask.how, ask.how))
        aggregate.put(replace(other, related=linked, touched_at=turn.now), "relate", turn.why(reason))


SAID = ("whom", "what", "system", "reference", "done", "asked", "answer")
"""What people write of a case that stands on it."""


async def _discreetly(turn: Turn, aggregate: Aggregate, ask: Ask) -> Ask:
    """What stands on the case is without the personal values of its order, like every reason."""
    said = {f.name: getattr(ask, f.name) for f in fields(ask) if f.name in SAID}
    kept: Any = {name: await discreet(turn, aggregate, text) for name, text in said.items()}
    return replace(ask, **kept) if kept else ask


async def _loose(
    turn: Turn, row: Mapping[str, Any], ask: Ask, reason: str, paper: Paper, related: _Other | None
) -> Answer:
    """A case without an order is read anew under the lock of its key."""
    open_one = await loose.find(turn, row["case_key"])
    case = await _newest(turn, row["id"], open_one)
    decided = _decided(turn, case, ask, await _stands_alone(turn, case), open_one, related is not None)
    if isinstance(decided, Refusal):
        loose.note(
            turn, case, case, f"refuse_{_verb(ask)}", decided.what, facts={"code": decided.code, "why": decided.why}
        )
        return Refused("case", case.id, decided)
    evidence = await keep(turn, case, await turn.tx.loose_key(), paper) if decided and paper.body else ()
    for n, step in enumerate(decided):
        loose.put(turn, case, step.case, step.verb, reason, evidence if n == len(decided) - 1 else ())
        case = step.case
    if decided and isinstance(ask, Relate) and related is not None:
        _relate_back(turn, related, case, ask, reason)
    _look_again(turn, case, ask, None, decided)
    return Applied("case", case.id, already=not decided)


async def _stands_alone(turn: Turn, case: Case) -> str:
    """Why the failure of a case without an order stands still; empty where it does not."""
    if case.code == installation.CODE and not (await rewound.sending(turn.tx)).sending:
        return "the database went back in time and nothing is sent; fallsafe audit rewound lets it go on"
    if case.code == installation.CODE and case.state is CaseState.REPAIRING:
        return "what stood open in the time that was lost is being looked at anew; it ends by itself after that"
    if case.code == braking.CODE and await braking.kept_back(turn, case):
        return "what was found meanwhile waits: let it through, or take the rule back that found it"
    down = (await commands.read_health(turn.tx)).get(case.system) if case.code == downstreams.CODE else None
    return f"{case.system} does not work, and its tasks wait" if down is not None and down.is_stopped else ""


async def _newest(turn: Turn, case_id: int, open_one: Case | None) -> Case:
    if open_one is not None and open_one.id == case_id:
        return open_one
    return read_row(Case, (await turn.tx.fetch("cases/by_id", id=case_id))[0])


def _decided(
    turn: Turn, case: Case, ask: Ask, stands: str, other: Case | None, known: bool
) -> tuple[Step, ...] | Refusal:
    name, right = outside("case", case.id), RIGHT_OF[type(ask)]
    what = f"cannot {_verb(ask).replace('_', ' ')} case {name}"
    refusal = not_allowed(turn.actor, right, what, case.owner_group)
    if refusal is None and isinstance(ask, asks.Reply) and (why := works_elsewhere(turn.actor, ask.group)):
        refusal = refused(what, why)
    if refusal is not None:
        return refusal
    another = outside("case", other.id) if other is not None and other.id != case.id else ""
    above = {group: owner.escalates_to for group, owner in turn.context.newest.owners.items()}
    return decide(case, name, ask, Around(stands, another, above, known), turn.now)


def _verb(ask: Ask) -> str:
    return {"GoOn": "go_on", "FollowUp": "follow_up"}.get(type(ask).__name__, type(ask).__name__.lower())


def _look_again(turn: Turn, case: Case, ask: Ask, order_id: int | None, steps: Sequence[Step]) -> None:
    """The next look at a case that is open again, or that waits."""
    if steps and isinstance(ask, Reopen):
        due = turn.now + turn.context.newest.limits.review_every
        turn.tx.file(Entry("review", case.id, order_id, due))
    elif steps and isinstance(ask, Wait):
        turn.tx.file(Entry("review", case.id, order_id, ask.until))
    elif steps and isinstance(ask, asks.FollowUp):
        turn.tx.file(Entry("review", case.id, order_id, ask.at))

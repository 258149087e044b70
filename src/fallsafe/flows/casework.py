"""Case work: what people do with cases, many at once; each change a record, each refusal one too.

What a person writes may hold anything, so it is sealed evidence of the order; the record names it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.cases import work as asks
from fallsafe.core.cases.case import Case
from fallsafe.core.cases.work import RIGHT_OF, Around, Ask, Reopen, Step, Wait, decide, standing
from fallsafe.core.errors import Refusal
from fallsafe.flows import commands, downstreams, installation, loose, rewound
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import discreet
from fallsafe.flows.turn import Turn, begin
from fallsafe.store.ids import outside
from fallsafe.store.rows import read_row
from fallsafe.store.tx import Tx
from fallsafe.store.work import Aggregate, Entry

COMMENT = "text/plain; charset=utf-8"


def ask_of(action: str, given: Mapping[str, Any], actor: Actor, until: datetime | None = None) -> Ask:
    """What somebody asks for at a door, by the end of its path and the fields that came with it."""
    match action:
        case "transfer":
            return asks.Transfer(given.get("ownerGroup", ""), given.get("assignee", ""))
        case "claim":
            return asks.Claim(actor.name)
        case "wait" if until is not None:
            return Wait(given["whom"], given["what"], until, given.get("reference", ""))
        case "resolve":
            return asks.Resolve(given["type"], actor.name)
        case _:
            return PLAIN[action]


PLAIN: Mapping[str, Ask] = {
    "diagnose": asks.Diagnose(), "comment": asks.Comment(), "go-on": asks.GoOn(), "escalate": asks.Escalate(),
    "withdraw": asks.Withdraw(), "reopen": asks.Reopen(),
}  # fmt: skip


async def work(
    tx: Tx, context: Context, case_ids: Sequence[int], actor: Actor, ask: Ask, reason: str, text: str = ""
) -> list[Answer]:
    """Does one thing with each of the cases; one answer for each, in the order given. `text` is what was written
    about it.
    """
    known = {row["id"]: row for row in await tx.fetch("cases/by_ids", ids=list(case_ids))}
    await tx.lock({row["order_id"] for row in known.values() if row["order_id"]})
    for key in sorted({row["case_key"] for row in known.values() if not row["order_id"]}):
        await tx.execute("cases/lock_key", case_key=key)  # in one order, whatever the order that was asked for
    turn = await begin(tx, context, actor)
    return [
        await (_of_order if known[number]["order_id"] else _loose)(turn, known[number], ask, reason, text)
        if number in known
        else Refused("case", number, no_such(number))
        for number in case_ids
    ]


def no_such(case_id: int) -> Refusal:
    """The refusal for a case that does not exist."""
    what = f"there is no case {outside('case', case_id)}"
    return Refusal("NOT_FOUND", what, "nothing has this name", "GET /fallout-cases lists them")


async def _of_order(turn: Turn, row: Mapping[str, Any], ask: Ask, reason: str, text: str) -> Answer:
    aggregate = turn.tx.aggregates[row["order_id"]]
    case = aggregate.cases[row["id"]]
    other = aggregate.open_case(case.case_key)
    item, task = aggregate.items.get(case.item_id or 0), aggregate.tasks.get(case.task_id or 0)
    ask, reason = await _discreetly(turn, aggregate, ask), await discreet(turn, aggregate, reason)
    decided = _decided(turn, case, ask, standing(case, aggregate.order, item, task), other)
    if isinstance(decided, Refusal):
        aggregate.refuse("case", case.id, _verb(ask), decided, turn.why(askedBecause=reason))
        return Refused("case", case.id, decided)
    evidence: tuple[int, ...] = ()
    if text and decided:
        added = await turn.tx.add_evidence(
            aggregate.order.id,
            aggregate.key,
            kind="comment",
            source=str(turn.actor),
            body=text.encode(),
            media_type=COMMENT,
            head=outside("case", case.id),
        )
        evidence = (added.id,)
    for n, step in enumerate(decided):
        why = turn.why(reason, evidence=evidence if n == len(decided) - 1 else ())
        if step.case is case:
            aggregate.record("case", case.id, step.verb, why, str(case.state), str(case.state))
        else:
            aggregate.put(step.case, step.verb, why)
    _look_again(turn, case, ask, case.order_id, decided)
    return Applied("case", case.id, already=not decided)


async def _discreetly(turn: Turn, aggregate: Aggregate, ask: Ask) -> Ask:
    """What stands on the case is without the personal values of its order, like every reason."""
    if not isinstance(ask, Wait):
        return ask
    whom, what = await discreet(turn, aggregate, ask.whom), await discreet(turn, aggregate, ask.what)
    return Wait(whom, what, ask.until, await discreet(turn, aggregate, ask.reference))


async def _loose(turn: Turn, row: Mapping[str, Any], ask: Ask, reason: str, text: str) -> Answer:
    """A case without an order is read anew under the lock of its key."""
    open_one = await loose.find(turn, row["case_key"])
    case = await _newest(turn, row["id"], open_one)
    decided = _decided(turn, case, ask, await _stands_alone(turn, case), open_one)
    if isinstance(decided, Refusal):
        loose.note(
            turn, case, case, f"refuse_{_verb(ask)}", decided.what, facts={"code": decided.code, "why": decided.why}
        )
        return Refused("case", case.id, decided)
    evidence: tuple[int, ...] = ()
    if text and decided:
        added = await turn.tx.add_evidence(
            0,
            await turn.tx.loose_key(),
            kind="comment",
            source=str(turn.actor),
            body=text.encode(),
            media_type=COMMENT,
            head=outside("case", case.id),
        )
        evidence = (added.id,)
    for n, step in enumerate(decided):
        loose.put(turn, case, step.case, step.verb, reason, evidence if n == len(decided) - 1 else ())
        case = step.case
    _look_again(turn, case, ask, None, decided)
    return Applied("case", case.id, already=not decided)


async def _stands_alone(turn: Turn, case: Case) -> str:
    """Why the failure of a case without an order stands still; empty where it does not."""
    if case.code == installation.CODE and not (await rewound.sending(turn.tx)).sending:
        return "the database went back in time and nothing is sent; fallsafe audit rewound lets it go on"
    down = (await commands.read_health(turn.tx)).get(case.system) if case.code == downstreams.CODE else None
    return f"{case.system} does not work, and its tasks wait" if down is not None and down.is_stopped else ""


async def _newest(turn: Turn, case_id: int, open_one: Case | None) -> Case:
    if open_one is not None and open_one.id == case_id:
        return open_one
    return read_row(Case, (await turn.tx.fetch("cases/by_id", id=case_id))[0])


def _decided(turn: Turn, case: Case, ask: Ask, stands: str, other: Case | None) -> tuple[Step, ...] | Refusal:
    name, right = outside("case", case.id), RIGHT_OF[type(ask)]
    refusal = not_allowed(turn.actor, right, f"cannot {_verb(ask).replace('_', ' ')} case {name}", case.owner_group)
    if refusal is not None:
        return refusal
    another = outside("case", other.id) if other is not None and other.id != case.id else ""
    above = {group: owner.escalates_to for group, owner in turn.context.newest.owners.items()}
    return decide(case, name, ask, Around(stands, another, above), turn.now)


def _verb(ask: Ask) -> str:
    return {"GoOn": "go_on"}.get(type(ask).__name__, type(ask).__name__.lower())


def _look_again(turn: Turn, case: Case, ask: Ask, order_id: int | None, steps: Sequence[Step]) -> None:
    """The next look at a case that is open again, or that waits."""
    if steps and isinstance(ask, Reopen):
        due = turn.now + turn.context.newest.limits.review_every
        turn.tx.file(Entry("review", case.id, order_id, due))
    elif steps and isinstance(ask, Wait):
        turn.tx.file(Entry("review", case.id, order_id, ask.until))

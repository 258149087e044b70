"""What was answered to the questions of one look, from the bytes that were kept: all of it is what a finding stands on,
and the result is the one of the answer that says so, whichever came last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fallsafe.core.commands.ledger import Command
from fallsafe.core.commands.outcome import Says
from fallsafe.core.events import Json
from fallsafe.flows import payload
from fallsafe.flows.turn import Turn
from fallsafe.store.work import Aggregate


@dataclass(frozen=True, slots=True)
class Answers:
    """The evidence of every answer of a look, and the words of the one that says done."""

    evidence: tuple[int, ...]
    result: Mapping[str, Json] | None


async def answers(turn: Turn, aggregate: Aggregate, asked: Iterable[Command]) -> Answers:
    """The answers to these questions. One that came in this transaction is not in the database yet."""
    queries = {query.id: query for query in asked}
    found: dict[int, tuple[int, bytes]] = {}
    rows = await turn.tx.fetch("evidence/answers", order_id=aggregate.order.id, commands=sorted(queries))
    for row in rows:
        found[row["command_id"]] = (row["id"], bytes(row["sealed"]))
    for evidence, sealed in turn.tx.pages.evidence:
        if evidence.command_id in queries and evidence.kind == "answer":
            found[evidence.command_id or 0] = (evidence.id, sealed)
    done = [found[i] for i, query in queries.items() if query.finding == Says.DONE.value and i in found]
    said = payload.read_json(aggregate.key.open(done[0][1])) if done else None
    return Answers(tuple(sorted(number for number, _ in found.values())), said if isinstance(said, Mapping) else None)

"""Saved views: saved, changed and removed, each a record of the journal."""

from fallsafe.core.access import Actor
from fallsafe.core.cases.query import CaseQuery
from fallsafe.core.cases.views import View, owner_of, why_not_change, why_not_save
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.store.rows import read_row
from fallsafe.store.tx import Database, Tx


async def views_of(database: Database, actor: Actor) -> tuple[View, ...]:
    """What somebody may see."""
    rows = await database.fetch("saved_views/all", person=actor.name, roles=sorted(actor.roles))
    return tuple(read_row(View, row) for row in rows)


async def view_of(database: Database, view_id: int) -> View | None:
    """One view."""
    rows = await database.fetch("saved_views/by_id", id=view_id)
    return read_row(View, rows[0]) if rows else None


async def save(tx: Tx, actor: Actor, *, scope: str, team: str, title: str, query: CaseQuery, sort: str) -> Answer:
    """Saves a view under its name, or changes the one that has it. Refused as `why_not_save` and `why_not_change`."""
    title, owner = title.strip(), owner_of(actor, scope, team)
    known = await tx.fetch("saved_views/lock", scope=scope, owner=owner, title=title)
    standing = read_row(View, known[0]) if known else None
    count = (await tx.fetch("saved_views/count", scope=scope, owner=owner))[0]["views"] if standing is None else 0
    refusal = why_not_save(actor, scope, team, title, count)
    if refusal is None and standing is not None:
        refusal = why_not_change(actor, standing)
    if refusal is not None:
        return _refused(tx, actor, standing.id if standing else 0, "save", refusal)
    made = View(
        standing.id if standing else await tx.new_id(), scope, owner, title, str(query), sort,
        standing.made_by if standing else actor.name,
    )  # fmt: skip
    if made == standing:
        return Applied("view", made.id, already=True)
    fields = {"scope": scope, "owner": owner, "title": title, "query": made.query, "sort": sort}
    await tx.execute("saved_views/write", id=made.id, made_by=made.made_by, now=await tx.now(), **fields)
    delta: dict[str, Json] = {**fields}
    was = "saved" if standing else ""
    tx.loose(Record(0, str(actor), "view", made.id, "save", was, "saved", delta))
    return Applied("view", made.id)


async def remove(tx: Tx, actor: Actor, view_id: int) -> Answer:
    """Takes a view away. Refused where there is none, or it is somebody else's."""
    rows = await tx.fetch("saved_views/by_id", id=view_id)
    if not rows:
        refusal = Refusal("NOT_FOUND", "cannot remove the view", "there is no such view", "GET /views lists them")
        return Refused("view", view_id, refusal)
    view = read_row(View, rows[0])
    refused = why_not_change(actor, view)
    if refused is not None:
        return _refused(tx, actor, view_id, "remove", refused)
    await tx.execute("saved_views/remove", id=view_id)
    delta: dict[str, Json] = {"title": view.title, "query": view.query}
    tx.loose(Record(0, str(actor), "view", view_id, "remove", "saved", "removed", delta))
    return Applied("view", view_id)


def _refused(tx: Tx, actor: Actor, view_id: int, verb: str, refusal: Refusal) -> Refused:
    facts: dict[str, Json] = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint}
    tx.loose(Record(0, str(actor), "view", view_id, f"refuse_{verb}", "", "", {}, refusal.what, facts=facts))
    return Refused("view", view_id, refusal)

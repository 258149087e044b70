"""Access: tokens, one-time sign-in codes and sessions, made, used and revoked; and the refusals of those who may not.

Every one of these is a record of the journal. A token itself never reaches it, nor its digest: whoever reads the
journal cannot act as anybody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from fallsafe.core.access import Actor, may, unknown_roles, who_may
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.store.access import Token, token_of
from fallsafe.store.audit_loose import token_seal
from fallsafe.store.canonical import instant
from fallsafe.store.tx import Tx

CODE_LIVES = timedelta(minutes=10)
SESSION_LIVES = timedelta(hours=12)
TOKEN_LIVES_MAX = timedelta(days=3_660)


async def create_token(
    tx: Tx,
    *,
    person: str,
    actor_kind: str,
    roles: Sequence[str],
    digest: str,
    expires_at: datetime | None,
    actor: Actor,
    reason: str = "",
) -> Answer:
    """Makes an API token known by its digest. Refused: without the right, with a role that does not exist or none, or
    for a machine that is to approve or administer.
    """
    refusal = _why_not_create(actor, person, roles)
    if refusal is not None:
        return await _refused(tx, actor, "token", 0, "create", refusal)
    return await _put(tx, "api", person, actor_kind, roles, digest, expires_at, actor, reason)


def _why_not_create(actor: Actor, person: str, roles: Sequence[str]) -> Refusal | None:
    what = f"cannot make a token for {person}"
    if not may(actor, "manage_tokens"):
        return not_allowed(actor, "manage_tokens", what)
    unknown = unknown_roles(roles)
    if unknown or not roles:
        why = f"there is no role {', '.join(unknown)}" if unknown else "it would have no role"
        hint = "roles are support, operator, engineer, finance, manager, auditor, admin, machine"
        return Refusal("ROLE_UNKNOWN", what, why, hint, "/roles")
    return None


async def ensure_token(tx: Tx, person: str, actor_kind: str, roles: Sequence[str], digest: str, actor: Actor) -> None:
    """Makes the token of whoever installed known, unless it is; called at each start."""
    known = await tx.fetch("tokens/by_digest", digest=digest)
    if not known:
        await _put(tx, "api", person, actor_kind, roles, digest, None, actor, "made at the first start")


async def ensure_person(tx: Tx, name: str, title: str, roles: Sequence[str], actor: Actor) -> None:
    """Makes somebody known who may sign in, unless they are."""
    now = await tx.now()
    if await tx.fetch("people/insert", person=name, title=title, roles=list(roles), now=now):
        delta: dict[str, Json] = {"name": name, "title": title, "roles": list(roles)}
        tx.loose(Record(0, str(actor), "person", 0, "add", "", "known", delta, "made at the first start"))


async def revoke_token(tx: Tx, token_id: int, actor: Actor, reason: str) -> Answer:
    """A token that counts no more from this commit on. Refused: without the right, or where there is no such token."""
    what = f"cannot revoke token {token_id}"
    if not may(actor, "manage_tokens"):
        return await _refused(tx, actor, "token", token_id, "revoke", not_allowed(actor, "manage_tokens", what))
    rows = await tx.fetch("tokens/lock", id=token_id)
    if not rows:
        return Refused(
            "token", token_id, Refusal("NOT_FOUND", what, "there is no such token", "use the id it was made with")
        )
    token = token_of(rows[0])
    if token.revoked_at is not None:
        return Applied("token", token_id, already=True)
    await tx.execute("tokens/revoke", id=token_id, now=await tx.now())
    _note(tx, token, "revoke", "live", "revoked", actor, reason)
    return Applied("token", token_id)


async def make_code(tx: Tx, person: str, digest: str, actor: Actor) -> Answer:
    """A one-time code with which a person opens a session on this machine; good for ten minutes."""
    rows = await tx.fetch("people/by_name", person=person)
    if not rows:
        refusal = Refusal("NOT_FOUND", f"cannot let {person} sign in", "nobody of that name is known", "")
        return Refused("token", 0, refusal)
    until = await tx.now() + CODE_LIVES
    return await _put(tx, "code", person, "person", rows[0]["roles"], digest, until, actor, "a link to sign in")


async def use_code(tx: Tx, digest: str, session_digest: str) -> Answer:
    """Opens a session by a code, which is then used up. Refused: an unknown, used or expired code."""
    refusal = Refusal(
        "CODE_USED", "cannot sign in", "this link was used, is over, or never was one", "fallsafe up prints a new one"
    )
    rows = await tx.fetch("tokens/lock_by_digest", digest=digest)
    if not rows:
        return Refused("token", 0, refusal)
    code, now = token_of(rows[0]), await tx.now()
    if code.kind != "code" or code.used_at is not None or not code.counts(now):
        return await _refused(tx, code.actor, "token", code.id, "use", refusal)
    await tx.execute("tokens/use", id=code.id, now=now)
    _note(tx, code, "use", "live", "used", code.actor, "signed in")
    until = now + SESSION_LIVES
    return await _put(tx, "session", code.person, "person", code.roles, session_digest, until, code.actor, "signed in")


async def note_refusal(
    tx: Tx, actor: Actor, action: str, what: str, thing: str = "access", thing_id: int = 0
) -> Refusal:
    """Records that somebody asked for what their roles do not allow, and returns what they are told."""
    refusal = not_allowed(actor, action, what)
    await _refused(tx, actor, thing, thing_id, action, refusal)
    return refusal


async def note_reading(tx: Tx, actor: Actor, evidence_id: int, order_id: int) -> None:
    """Records that somebody opened the bytes of a piece of evidence."""
    facts: dict[str, Json] = {"evidence": evidence_id, "orderId": order_id}
    tx.loose(Record(0, str(actor), "evidence", evidence_id, "read", "", "", {}, "opened", facts=facts))


def not_allowed(actor: Actor, action: str, what: str) -> Refusal:
    """The refusal of somebody without the right."""
    holders = ", ".join(who_may(action))
    return Refusal("NOT_ALLOWED", what, f"{actor} has none of the roles {holders}", "ask somebody who has one of them")


async def _put(
    tx: Tx,
    kind: str,
    person: str,
    actor_kind: str,
    roles: Sequence[str],
    digest: str,
    expires_at: datetime | None,
    actor: Actor,
    reason: str,
) -> Answer:
    now, token_id = await tx.now(), await tx.new_id()
    values = {"kind": kind, "person": person, "actor_kind": actor_kind, "roles": list(roles)}
    made = await tx.fetch("tokens/insert", id=token_id, digest=digest, now=now, expires_at=expires_at, **values)
    if made:
        token = Token(token_id, kind, person, actor_kind, tuple(roles), now, expires_at, None, None)
        _note(tx, token, "create", "", "live", actor, reason, {"seal": token_seal(digest)})
    return Applied("token", token_id, already=not made)


def _note(
    tx: Tx,
    token: Token,
    verb: str,
    was: str,
    now: str,
    actor: Actor,
    reason: str,
    more: Mapping[str, Json] | None = None,
) -> None:
    until = instant(token.expires_at) if token.expires_at else None
    facts: dict[str, Json] = {
        "kind": token.kind,
        "person": token.person,
        "actorKind": token.actor_kind,
        "roles": list(token.roles),
        "expiresAt": until,
        **(more or {}),
    }
    tx.loose(Record(0, str(actor), "token", token.id, verb, was, now, {}, reason, facts=facts))


async def _refused(tx: Tx, actor: Actor, thing: str, thing_id: int, verb: str, refusal: Refusal) -> Refused:
    facts: dict[str, Json] = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint}
    tx.loose(Record(0, str(actor), thing, thing_id, f"refuse_{verb}", "", "", {}, refusal.what, facts=facts))
    return Refused(thing, thing_id, refusal)

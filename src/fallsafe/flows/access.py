"""Access: tokens, one-time sign-in codes and sessions, made, used and revoked; people who sign in by a password; and
the refusals of those who may not.

Every one of these is a record of the journal. A token or a password never reaches it, nor what proves it: whoever reads
the journal cannot act as anybody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from fallsafe.core.access import EVERY_GROUP, ROLES, Actor, locked_for, may, not_allowed, refused, unknown_roles
from fallsafe.core.cases.evidence import CONFIDENTIAL
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.values import replace
from fallsafe.flows.context import Answer, Applied, Context, Refused
from fallsafe.flows.discretion import HIDDEN, hide, private_words, redacted
from fallsafe.store.access import Person, Token, person_of, token_of
from fallsafe.store.audit_loose import token_seal
from fallsafe.store.canonical import instant
from fallsafe.store.evidence import Sealed, comments_on
from fallsafe.store.tx import Tx
from fallsafe.store.vault import OrderKey

CODE_LIVES = timedelta(minutes=10)
SESSION_LIVES = timedelta(hours=12)
PERSON = "person"
SIGNED_IN = ("session", "code")


class Said(NamedTuple):
    """A comment: who, when, and the text."""

    by: str
    at: datetime
    text: str


async def create_token(
    tx: Tx,
    context: Context,
    *,
    person: str,
    actor_kind: str,
    roles: Sequence[str],
    groups: Sequence[str] = (EVERY_GROUP,),
    digest: str,
    expires_at: datetime | None,
    actor: Actor,
    reason: str = "",
) -> Answer:
    """Makes an API token known by its digest. Refused: without the right, or with a role or owner group that does not
    exist, or without a role; for a person whom nobody knows, or who has left.
    """
    what = f"cannot make a token for {person}"
    refusal = not_allowed(actor, "manage_tokens", what) or _unknown(context, roles, groups, what)
    if refusal is None and actor_kind == PERSON:
        refusal = _nobody(person, await _locked(tx, person), what)
    if refusal is not None:
        return _refused(tx, actor, "token", 0, "create", refusal)
    whose = Actor(actor_kind, person, frozenset(roles), frozenset(groups))
    return await _put(tx, "api", whose, digest, expires_at, actor, reason)


def _nobody(name: str, known: Person | None, what: str) -> Refusal | None:
    if known is not None and known.left_at is None:
        return None
    why = f"{name} has left" if known is not None else f"nobody is known as {name}"
    return Refusal("PERSON_UNKNOWN", what, why, f"make them known first: fallsafe person put {name}", "/name")


def _unknown(context: Context, roles: Sequence[str], groups: Sequence[str], what: str) -> Refusal | None:
    unknown = unknown_roles(roles)
    if unknown or not roles:
        why = f"there is no role {', '.join(unknown)}" if unknown else "without a role nobody can do anything"
        return Refusal("ROLE_UNKNOWN", what, why, f"roles are {', '.join(ROLES)}", "/roles")
    owners = context.newest.owners
    strange = [group for group in groups if group != EVERY_GROUP and group not in owners]
    if strange:
        hint = f"owner groups are {', '.join(sorted(owners))}, and {EVERY_GROUP} for all"
        return Refusal("GROUP_UNKNOWN", what, f"there is no owner group {', '.join(strange)}", hint, "/groups")
    return None


async def ensure_token(
    tx: Tx,
    person: str,
    actor_kind: str,
    roles: Sequence[str],
    digest: str,
    actor: Actor,
    groups: Sequence[str] = (EVERY_GROUP,),
) -> None:
    """Makes the token of whoever installed known, unless it is; called at each start."""
    known = await tx.fetch("tokens/by_digest", digest=digest)
    if not known:
        whose = Actor(actor_kind, person, frozenset(roles), frozenset(groups))
        await _put(tx, "api", whose, digest, None, actor, "made at the first start")


async def ensure_person(tx: Tx, name: str, title: str, roles: Sequence[str], actor: Actor) -> None:
    """Makes somebody known who may sign in, unless they are."""
    if not await tx.fetch("people/by_name", person=name):
        person = Person(name, title, tuple(roles), (EVERY_GROUP,), "", 0, None, None, 1)
        await _add(tx, person, actor, "made at the first start")


async def put_person(tx: Tx, context: Context, wanted: Person, seen: int | None, actor: Actor, reason: str) -> Answer:
    """Makes somebody known, or says what they may do from now on; who has left signs in no more. Whoever is signed in
    as them is no longer. `seen` is the version that was read. Refused: without the right, with a role or owner group
    that does not exist, or where they changed meanwhile.
    """
    what = f"cannot change {wanted.name}"
    known = await _locked(tx, wanted.name)
    refusal = not_allowed(actor, "manage_people", what) or _unknown(context, wanted.roles, wanted.groups, what)
    if refusal is None and seen is not None and seen != (known.version if known else 0):
        why = f"{wanted.name} is at version {known.version if known else 0}, not {seen}"
        refusal = Refusal("CHANGED_MEANWHILE", what, why, "read it again, then ask with its tag")
    if refusal is None and known is None and wanted.left_at is not None:
        refusal = _nobody(wanted.name, None, what)
    if refusal is not None:
        return _refused(tx, actor, PERSON, 0, "change", refusal)
    if known is None:
        await _add(tx, wanted, actor, reason)
        return Applied(PERSON, 0)
    left_at = (known.left_at or await tx.now()) if wanted.left_at is not None else None
    new = replace(known, title=wanted.title, roles=wanted.roles, groups=wanted.groups, left_at=left_at)
    if new == known:
        return Applied(PERSON, 0, already=True)
    new = replace(new, version=known.version + 1)
    values = {name: list(getattr(new, name)) for name in ("roles", "groups")}
    await tx.execute(
        "people/write", person=new.name, title=new.title, left_at=new.left_at, version=new.version, **values
    )
    _note_person(tx, new, "change", actor, reason)
    await _sign_out(tx, new.name, actor, reason, (*SIGNED_IN, *(("api",) if new.left_at is not None else ())))
    return Applied(PERSON, 0)


async def set_password(
    tx: Tx, name: str, proof: str, actor: Actor, *, tried: bool, proved: str | None, session: str
) -> Answer:
    """A new password for somebody, by what proves it. They do it themselves with the one they have (`tried` = they gave
    one, `proved` is what it was proved against), or whoever manages people does. A wrong one counts like one at the
    sign-in. Whoever else is signed in as them is no longer; `session` is the digest of the session that asks.
    """
    what = f"cannot set the password of {name}"
    known, now = await _locked(tx, name), await tx.now()
    own = known if actor.kind == PERSON and actor.name == name else None
    locked = _locked_out(own, now, what) if own is not None and tried else None
    theirs = own is not None and locked is None and proved == own.password
    refusal = None if theirs else not_allowed(actor, "manage_people", what)
    if refusal is not None and own is not None:
        why = "the password that was given with it is not the one they have"
        wrong = Refusal("WRONG_PASSWORD", what, why, "give the old one, or ask whoever manages people", "/old")
        refusal = locked or wrong
        if tried and locked is None:
            await _count_wrong(tx, own, now)
    if refusal is None and known is None:
        return Refused(PERSON, 0, Refusal("NOT_FOUND", what, "nobody of that name is known", "make them known first"))
    if refusal is not None:
        return _refused(tx, actor, PERSON, 0, "set_password", refusal)
    await tx.execute("people/set_password", person=name, proof=proof)
    facts: dict[str, Json] = {"name": name, "seal": token_seal(proof)}
    tx.loose(Record(0, str(actor), PERSON, 0, "set_password", "", "known", {}, "", facts=facts))
    await _sign_out(tx, name, actor, "a new password", SIGNED_IN, but=session)
    return Applied(PERSON, 0)


async def sign_in(tx: Tx, name: str, proved: str | None, session_digest: str) -> Answer:
    """Opens a session for somebody whose password was proved against `proved` (None: it was not). Refused: nobody of
    that name, who has left, a wrong password, and any password while too many were wrong.
    """
    person, now, what = await _locked(tx, name), await tx.now(), "cannot sign in"
    wrong = Refusal(
        "WRONG_PASSWORD", what, "there is nobody of that name and password", "try again, or ask who manages"
    )
    if person is None or person.left_at is not None:
        return Refused(PERSON, 0, wrong)
    locked = _locked_out(person, now, what)
    if locked is not None:
        return _refused(tx, person.actor, PERSON, 0, "sign_in", locked)
    if not person.password or proved != person.password:
        await _count_wrong(tx, person, now)
        return _refused(tx, person.actor, PERSON, 0, "sign_in", wrong)
    await tx.execute("people/count", person=name, wrong=0, until=None)
    return await _put(tx, "session", person.actor, session_digest, now + SESSION_LIVES, person.actor, "signed in")


def _locked_out(person: Person, now: datetime, what: str) -> Refusal | None:
    if person.locked_until is None or person.locked_until <= now:
        return None
    why = f"too many passwords were wrong; none is taken before {person.locked_until:%H:%M:%S} UTC"
    return Refusal("SIGN_IN_LOCKED", what, why, "wait until then")


async def _count_wrong(tx: Tx, person: Person, now: datetime) -> None:
    count = person.wrong_in_a_row + 1
    await tx.execute("people/count", person=person.name, wrong=count, until=now + locked_for(count))


async def sign_out(tx: Tx, session_digest: str) -> None:
    """Ends a session."""
    rows = await tx.fetch("tokens/lock_by_digest", digest=session_digest)
    session = token_of(rows[0]) if rows else None
    if session is not None and session.kind == "session" and session.revoked_at is None:
        await tx.execute("tokens/revoke", id=session.id, now=await tx.now())
        _note(tx, session, "revoke", "live", "revoked", session.actor, "signed out")


async def _sign_out(tx: Tx, name: str, actor: Actor, reason: str, kinds: Sequence[str], *, but: str = "") -> None:
    rows = await tx.fetch("tokens/revoke_of", person=name, kinds=list(kinds), but=but, now=await tx.now())
    for row in sorted(rows, key=lambda each: int(each["id"])):
        _note(tx, token_of(row), "revoke", "live", "revoked", actor, reason)


async def _locked(tx: Tx, name: str) -> Person | None:
    rows = await tx.fetch("people/lock", person=name)
    return person_of(rows[0]) if rows else None


async def _add(tx: Tx, person: Person, actor: Actor, reason: str) -> None:
    values = {name: list(getattr(person, name)) for name in ("roles", "groups")}
    await tx.fetch("people/insert", person=person.name, title=person.title, now=await tx.now(), **values)
    _note_person(tx, person, "add", actor, reason)


def _note_person(tx: Tx, person: Person, verb: str, actor: Actor, reason: str) -> None:
    lists: dict[str, Json] = {name: list(getattr(person, name)) for name in ("roles", "groups")}
    delta: dict[str, Json] = {"name": person.name, "title": person.title, **lists, "left": person.left_at is not None}
    now = "left" if person.left_at is not None else "known"
    tx.loose(Record(0, str(actor), PERSON, 0, verb, "" if verb == "add" else "known", now, delta, reason))


async def revoke_token(tx: Tx, token_id: int, actor: Actor, reason: str) -> Answer:
    """A token that counts no more from this commit on. Refused: without the right, or where there is no such token."""
    what = f"cannot revoke token {token_id}"
    refusal = not_allowed(actor, "manage_tokens", what)
    if refusal is not None:
        return _refused(tx, actor, "token", token_id, "revoke", refusal)
    rows = await tx.fetch("tokens/lock", id=token_id)
    if not rows:
        missing = Refusal("NOT_FOUND", what, "there is no such token", "use the id it was made with")
        return Refused("token", token_id, missing)
    token = token_of(rows[0])
    if token.revoked_at is not None:
        return Applied("token", token_id, already=True)
    await tx.execute("tokens/revoke", id=token_id, now=await tx.now())
    _note(tx, token, "revoke", "live", "revoked", actor, reason)
    return Applied("token", token_id)


async def make_code(tx: Tx, person: str, digest: str, actor: Actor) -> Answer:
    """A one-time code with which a person opens a session on this machine; good for ten minutes."""
    known = await _locked(tx, person)
    if known is None or known.left_at is not None:
        refusal = Refusal("NOT_FOUND", f"cannot let {person} sign in", "nobody of that name is known", "")
        return Refused("token", 0, refusal)
    return await _put(tx, "code", known.actor, digest, await tx.now() + CODE_LIVES, actor, "a link to sign in")


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
        return _refused(tx, code.actor, "token", code.id, "use", refusal)
    await tx.execute("tokens/use", id=code.id, now=now)
    _note(tx, code, "use", "live", "used", code.actor, "signed in")
    until = now + SESSION_LIVES
    return await _put(tx, "session", code.actor, session_digest, until, code.actor, "signed in")


async def note_refusal(
    tx: Tx, actor: Actor, action: str, what: str, thing: str = "access", thing_id: int = 0
) -> Refusal:
    """Records that somebody asked for what their roles do not allow, and returns what they are told."""
    refusal = not_allowed(actor, action, what) or refused(what, f"{actor} may not")
    _refused(tx, actor, thing, thing_id, action, refusal)
    return refusal


async def note_wrong_request(tx: Tx, actor: Actor, refusal: Refusal) -> None:
    """Records what was refused before any flow was asked: a wrong shape, too many bytes, a version that is over. What
    was sent is not kept.
    """
    _refused(tx, actor, "access", 0, "request", refusal)


async def open_evidence(tx: Tx, actor: Actor, piece: Sealed, *, whole: bool) -> bytes:
    """The bytes of a piece of evidence, as they were (`whole`) or without what is personal or confidential in them;
    which of them somebody saw is recorded. Raises `Tampered`.
    """
    facts = dict[str, Json](evidence=piece.id, orderId=piece.order_id, whole=whole)
    verb, what = ("read_whole", "opened, the whole of it") if whole else ("read", "opened")
    tx.loose(Record(0, str(actor), "evidence", piece.id, verb, "", "", {}, what, facts=facts))
    key, private = await _key_and_words(tx, piece.order_id)
    body = key.open(piece.sealed)
    return body if whole else _redacted(body, piece, private)


async def _key_and_words(tx: Tx, order: int) -> tuple[OrderKey, tuple[str, ...]]:
    if not order:
        return await tx.loose_key(), ()
    key = (await tx.keys_of([order]))[order]
    return key, await private_words(tx, order, key)


def _redacted(body: bytes, piece: Sealed, private: tuple[str, ...]) -> bytes:
    """Whose values stand in what has no order, nobody knows: none of it is shown."""
    sensitivity = piece.sensitivity if piece.order_id else CONFIDENTIAL
    return redacted(body, sensitivity, lambda text: hide(text, private))


async def read_comments(tx: Tx, actor: Actor, order_id: int, case: str, *, whole: bool = False) -> list[Said]:
    """What people wrote about a case (its public name), oldest first, as it was (`whole`, which is recorded) or without
    what is personal in it. Of a case without an order it is for those who may read evidence. Raises `Tampered`.
    """
    written = await comments_on(tx, order_id, case)
    if whole or not written:
        return [Said(by, at, (await open_evidence(tx, actor, piece, whole=True)).decode()) for by, at, piece in written]
    key, private = await _key_and_words(tx, order_id)
    hidden = not order_id and not may(actor, "read_evidence")
    return [
        Said(by, at, HIDDEN if hidden else hide(key.open(piece.sealed).decode(), private)) for by, at, piece in written
    ]


async def _put(
    tx: Tx, kind: str, whose: Actor, digest: str, expires_at: datetime | None, actor: Actor, reason: str
) -> Answer:
    now, token_id = await tx.now(), await tx.new_id()
    token = Token(
        *(token_id, kind, whose.name, whose.kind, tuple(sorted(whose.roles)), tuple(sorted(whose.groups))),
        *(now, expires_at, None, None),
    )
    values = {"kind": kind, "person": token.person, "actor_kind": token.actor_kind}
    lists = {"roles": list(token.roles), "groups": list(token.groups)}
    made = await tx.fetch(
        "tokens/insert", id=token_id, digest=digest, now=now, expires_at=expires_at, **values, **lists
    )
    if made:
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
        "groups": list(token.groups),
        "expiresAt": until,
        **(more or {}),
    }
    tx.loose(Record(0, str(actor), "token", token.id, verb, was, now, {}, reason, facts=facts))


def _refused(tx: Tx, actor: Actor, thing: str, thing_id: int, verb: str, refusal: Refusal) -> Refused:
    facts: dict[str, Json] = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint}
    tx.loose(Record(0, str(actor), thing, thing_id, f"refuse_{verb}", "", "", {}, refusal.what, facts=facts))
    return Refused(thing, thing_id, refusal)

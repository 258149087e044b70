"""Who holds a token, and the answers that were given under an Idempotency-Key: read here, written in transactions.

A token is looked up by its digest. Whether it counts depends on the time, which is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fallsafe.core.access import Actor, narrowed
from fallsafe.core.values import replace
from fallsafe.store.tx import Database, Tx

IDEMPOTENCY_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored: `kind` is `api`, `session` or `code`. The token itself is nowhere."""

    id: int
    kind: str
    person: str
    actor_kind: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    def counts(self, now: datetime) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def actor(self) -> Actor:
        """Who acts with it."""
        return Actor(self.actor_kind, self.person, frozenset(self.roles), frozenset(self.groups))


def token_of(row: Mapping[str, Any]) -> Token:
    """A token from its row."""
    names = ("id", "kind", "person", "actor_kind", "created_at", "expires_at", "revoked_at", "used_at")
    return Token(roles=tuple(row["roles"]), groups=tuple(row["groups"]), **{name: row[name] for name in names})


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in. `password` is what proves it, empty where they have none; `locked_until` is until when
    no password of theirs is taken.
    """

    name: str
    title: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    password: str
    wrong_in_a_row: int
    locked_until: datetime | None
    left_at: datetime | None
    version: int

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return Actor("person", self.name, frozenset(self.roles), frozenset(self.groups))


def person_of(row: Mapping[str, Any]) -> Person:
    """Somebody from their row."""
    names = ("name", "title", "password", "wrong_in_a_row", "locked_until", "left_at", "version")
    return Person(roles=tuple(row["roles"]), groups=tuple(row["groups"]), **{name: row[name] for name in names})


async def person_by_name(database: Database, name: str) -> Person | None:
    """Somebody by their name."""
    rows = await database.fetch("people/by_name", person=name)
    return person_of(rows[0]) if rows else None


async def people(database: Database) -> list[Person]:
    """Everybody, those who have left last."""
    return [person_of(row) for row in await database.fetch("people/all")]


async def token_by_digest(database: Database, digest: str) -> Token | None:
    """The token with this digest, whether it counts or not; it gives no more than whoever holds it may now."""
    rows = await database.fetch("tokens/by_digest", digest=digest)
    if not rows:
        return None
    token, row = token_of(rows[0]), rows[0]
    if row["their_roles"] is None:
        return token
    roles = row["their_roles"] if row["left_at"] is None else ()
    actor = narrowed(token.actor, roles, row["their_groups"])
    return replace(token, roles=tuple(sorted(actor.roles)), groups=tuple(sorted(actor.groups)))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that carries an Idempotency-Key: who, by which route, the key, and the digest of its body."""

    principal: str
    route: str
    key: str
    body_digest: str


@dataclass(frozen=True, slots=True)
class Told:
    """The answer that was given under a key before."""

    status: int
    answer: str


@dataclass(frozen=True, slots=True)
class Busy:
    """A request with the same key still runs."""


@dataclass(frozen=True, slots=True)
class OtherBody:
    """The key was used for another body."""


async def answer_before(tx: Tx, asked: Asked) -> Told | Busy | OtherBody | None:
    """What was answered under this key, or None when the request is the first; it is then the only one that runs."""
    lock = f"{asked.principal} {asked.route} {asked.key}"
    if not (await tx.fetch("idempotency/try_lock", lock=lock))[0]["free"]:
        return Busy()
    since = await tx.now() - IDEMPOTENCY_KEPT
    rows = await tx.fetch("idempotency/find", principal=asked.principal, route=asked.route, key=asked.key, since=since)
    if not rows:
        return None
    return Told(rows[0]["status"], rows[0]["answer"]) if rows[0]["body_digest"] == asked.body_digest else OtherBody()


async def keep_answer(tx: Tx, asked: Asked, status: int, answer: str) -> None:
    """Remembers the answer of a change, in the transaction that made it."""
    await tx.execute(
        "idempotency/keep",
        principal=asked.principal,
        route=asked.route,
        key=asked.key,
        body_digest=asked.body_digest,
        status=status,
        answer=answer,
        now=await tx.now(),
    )

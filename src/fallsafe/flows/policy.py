"""Publishing a policy set, putting one in force, and the sets that a process runs by.

A set is immutable once published, and none is ever taken away: running orders are judged by the set they were planned
with. One of them is in force: for new orders, and for triage, ownership, times and messages of all. What one process
puts in force is so in the others once they look, at most `REFRESH_SECONDS` later.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from fallsafe import policyset
from fallsafe.core.access import Actor, not_allowed, system
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.context import LEASE_BEYOND_CALL, Answer, Applied, Context, Refused
from fallsafe.store.audit_loose import files_seal
from fallsafe.store.canonical import canonical
from fallsafe.store.policy_sets import all_published, in_force
from fallsafe.store.tx import Database, Tx

REFRESH_SECONDS = 5.0
PUBLISH, ACTIVATE = "publish_policy", "activate_policy"


async def publish(tx: Tx, policy: PolicySet, actor: Actor, reason: str, *, force: bool = True) -> Answer:
    """Publishes a set that was checked, and gives its new systems their gates; `force` puts it in force too. A set that
    is there already changes nothing. Refused without the right.
    """
    refusal = not_allowed(actor, PUBLISH, f"cannot publish {policy.id}")
    if refusal is not None:
        return refuse(tx, actor, "policy_set", 0, "publish", refusal, policy.id)
    await tx.execute("policy_sets/lock")
    texts = {name: body.decode() for name, body in policy.files.items()}
    made = await tx.fetch(
        "policy_sets/insert",
        id=policy.id,
        name_=policy.name,
        date=policy.date,
        digest=policy.digest,
        files=canonical(texts).decode(),
        now=await tx.now(),
        by=str(actor),
        reason=reason,
    )
    if not made:
        return Applied("policy_set", 0, already=True)
    await tx.execute("gates/insert", systems=sorted(policy.systems))
    serial: int = made[0]["serial"]
    names: list[Json] = [*sorted(policy.files)]
    about: dict[str, Json] = {"set": policy.id, "digest": policy.digest, "files": names, "seal": files_seal(texts)}
    tx.loose(
        Record(0, str(actor), "policy_set", serial, "publish", "", "published", {}, reason, policy.id, facts=about)
    )
    if force:
        await _put_in_force(tx, serial, policy.id, actor, reason)
    return Applied("policy_set", serial)


async def activate(tx: Tx, set_id: str, actor: Actor, reason: str, instead_of: str | None = None) -> Answer:
    """Puts a published set in force, a newer or an older one; that it is already changes nothing. Refused without the
    right, where no such set was published, or where another one than `instead_of` is in force.
    """
    what = f"cannot put {set_id} in force"
    refusal = not_allowed(actor, ACTIVATE, what)
    if refusal is not None:
        return refuse(tx, actor, "policy_set", 0, "activate", refusal, set_id)
    await tx.execute("policy_sets/lock")
    found, now = await tx.fetch("policy_sets/find", id=set_id), (await in_force(tx)).set_id
    if not found:
        missing = Refusal("NOT_FOUND", what, "no set of this id was published", "fallsafe policy list")
        return Refused("policy_set", 0, missing)
    if instead_of is not None and instead_of != now:
        hint = "see what is in force now: fallsafe policy list"
        refusal = Refusal("CHANGED_MEANWHILE", what, f"{now} is in force, not {instead_of}", hint)
    if refusal is not None:
        return refuse(tx, actor, "policy_set", found[0]["serial"], "activate", refusal, set_id)
    serial: int = found[0]["serial"]
    if set_id == now:
        return Applied("policy_set", serial, already=True)
    await _put_in_force(tx, serial, set_id, actor, reason)
    return Applied("policy_set", serial)


async def _put_in_force(tx: Tx, serial: int, set_id: str, actor: Actor, reason: str) -> None:
    before = (await in_force(tx)).set_id
    made = await tx.fetch("policy_activations/insert", id=set_id, now=await tx.now(), by=str(actor), reason=reason)
    about: dict[str, Json] = {"set": set_id, "insteadOf": before, "serial": made[0]["serial"], "by": str(actor)}
    said = Record(
        0, str(actor), "policy_set", serial, "activate", "published", "published", {}, reason, set_id, facts=about
    )
    tx.loose(said)


def refuse(tx: Tx, actor: Actor, thing: str, thing_id: int, verb: str, refusal: Refusal, about: str) -> Refused:
    """Writes down that something was refused that has no order."""
    facts: dict[str, Json] = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint, "set": about}
    tx.loose(Record(0, str(actor), thing, thing_id, f"refuse_{verb}", "", "", {}, refusal.what, facts=facts))
    return Refused(thing, thing_id, refusal)


class Policies:
    """The policy sets of a process: every published one, and the one that is in force."""

    def __init__(
        self,
        time_scale: float,
        dice: Callable[[], float],
        callback_url: str,
        worker: str,
        lease_beyond_call: timedelta = LEASE_BEYOND_CALL,
        read: Callable[[Mapping[str, bytes], float], PolicySet] = policyset.load_published,
    ) -> None:
        self._read = read
        self._time_scale, self._dice, self._lease = time_scale, dice, lease_beyond_call
        self._callback_url, self._worker = callback_url, worker
        self._read_of = (0, 0)
        self._sets: dict[str, PolicySet] = {}
        self._newest: PolicySet | None = None
        self._gates: Mapping[str, int] = {}

    async def start(self, database: Database, shipped: PolicySet) -> None:
        """Publishes the shipped set where none was published ever, and loads what is there. Called once a process."""
        if not (await in_force(database)).serial:
            first = system("installation")
            await database.transact(lambda tx: publish(tx, shipped, first, "shipped with this release"))
        await self.refresh(database)

    async def refresh(self, database: Database) -> bool:
        """Loads what was published since; whether there was something. Called every `REFRESH_SECONDS`."""
        now = await in_force(database)
        if (now.serial, now.published) == self._read_of:
            return False
        for each in await all_published(database):
            if each.id not in self._sets:
                files = {name: text.encode() for name, text in each.files.items()}
                self._sets[each.id] = self._loaded(each.id, files)
        self._newest = self._sets[now.set_id]
        self._gates = {row["system"]: row["gate"] for row in await database.fetch("gates/all")}
        self._read_of = (now.serial, now.published)
        return True

    def _loaded(self, set_id: str, files: Mapping[str, bytes]) -> PolicySet:
        """A published set. Raises `PolicyError` that names the set beside each file and line."""
        try:
            return self._read(files, self._time_scale)
        except policyset.PolicyError as error:
            named = [replace(problem, file=f"{set_id}/{problem.file}") for problem in error.problems]
            raise policyset.PolicyError(named) from error

    def take(self, policy: PolicySet, force: bool = True) -> None:
        """A set that this process published is known here at once, and in force where it was put so; its gates come
        with the next `refresh`.
        """
        self._sets[policy.id] = policy
        if force:
            self._newest = policy

    def context(self) -> Context:
        """What flows are told now. `start` was called before."""
        assert self._newest is not None
        return Context(
            dict(self._sets), self._newest, self._gates, self._dice, self._callback_url, self._worker, self._lease
        )

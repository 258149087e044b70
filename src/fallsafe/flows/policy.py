"""Publishing a policy set, and the sets that a process runs by.

A set is immutable once published, and none is ever taken away: running orders are judged by the set they were planned
with. What is published by one process is in force in the others once they look, at most `REFRESH_SECONDS` later.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta

from fallsafe import policyset
from fallsafe.core.access import Actor, may, system
from fallsafe.core.events import Json, Record
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.access import not_allowed
from fallsafe.flows.context import LEASE_BEYOND_CALL, Answer, Applied, Context, Refused
from fallsafe.store.audit_loose import files_seal
from fallsafe.store.canonical import canonical
from fallsafe.store.policy_sets import all_published, newest_serial
from fallsafe.store.tx import Database, Tx

REFRESH_SECONDS = 5.0


async def publish(tx: Tx, policy: PolicySet, actor: Actor, reason: str) -> Answer:
    """Publishes a set that was checked, and gives its new systems their gates. A set that is there already changes
    nothing. Refused without the right.
    """
    if not may(actor, "publish_policy"):
        refusal = not_allowed(actor, "publish_policy", f"cannot publish {policy.id}")
        facts: dict[str, Json] = {"code": refusal.code, "why": refusal.why, "hint": refusal.hint, "set": policy.id}
        tx.loose(Record(0, str(actor), "policy_set", 0, "refuse_publish", "", "", {}, refusal.what, facts=facts))
        return Refused("policy_set", 0, refusal)
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
    return Applied("policy_set", serial)


class Policies:
    """The policy sets of a process: every published one, and the newest that is in force."""

    def __init__(
        self,
        time_scale: float,
        dice: Callable[[], float],
        callback_url: str,
        worker: str,
        lease_beyond_call: timedelta = LEASE_BEYOND_CALL,
        read: Callable[[Mapping[str, bytes], float], PolicySet] = policyset.load_files,
    ) -> None:
        self._read = read
        self._time_scale, self._dice, self._lease = time_scale, dice, lease_beyond_call
        self._callback_url, self._worker = callback_url, worker
        self._serial = 0
        self._sets: dict[str, PolicySet] = {}
        self._newest: PolicySet | None = None
        self._gates: Mapping[str, int] = {}

    async def start(self, database: Database, shipped: PolicySet) -> None:
        """Publishes the shipped set where none was published ever, and loads what is there. Called once a process."""
        if not await newest_serial(database):
            first = system("installation")
            await database.transact(lambda tx: publish(tx, shipped, first, "shipped with this release"))
        await self.refresh(database)

    async def refresh(self, database: Database) -> bool:
        """Loads what was published since; whether there was something. Called every `REFRESH_SECONDS`."""
        serial = await newest_serial(database)
        if serial == self._serial:
            return False
        for each in await all_published(database):
            if each.id not in self._sets:
                files = {name: text.encode() for name, text in each.files.items()}
                self._sets[each.id] = self._read(files, self._time_scale)
            self._newest = self._sets[each.id]
        self._gates = {row["system"]: row["gate"] for row in await database.fetch("gates/all")}
        self._serial = serial
        return True

    def take(self, policy: PolicySet) -> None:
        """A set that this process published is in force here at once; its gates come with the next `refresh`."""
        self._sets[policy.id] = self._newest = policy

    def context(self) -> Context:
        """What flows are told now. `start` was called before."""
        assert self._newest is not None
        return Context(
            dict(self._sets), self._newest, self._gates, self._dice, self._callback_url, self._worker, self._lease
        )

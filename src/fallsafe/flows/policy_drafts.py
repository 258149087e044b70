"""Policy sets that are being written: saved as often as one likes, whatever is wrong with them; published once nothing
is; discarded with a reason. Each edit is a record with the seal of its files.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fallsafe.core.access import Actor, not_allowed
from fallsafe.core.errors import Refusal
from fallsafe.core.events import Json, Record
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.context import Answer, Applied, Refused
from fallsafe.flows.policy import PUBLISH, publish, refuse
from fallsafe.store.audit_loose import files_seal
from fallsafe.store.canonical import canonical
from fallsafe.store.policy_sets import Draft, draft_of
from fallsafe.store.tx import Tx

DRAFT = "draft_policy"
Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Edit:
    """A draft after an edit: its id, name, version and state, and the verb that led there."""

    id: int
    name: str
    version: int
    state: str
    verb: str


async def save(tx: Tx, name: str, files: Files, actor: Actor, reason: str, version: int | None) -> Answer:
    """Saves the draft of a name. `version` is the one that the writer saw (None: there was none). The same files again
    change nothing. Refused without the right, or where the draft is another meanwhile.
    """
    what = f"cannot save the draft of {name}"
    found = await _hold(tx, name)
    refusal = not_allowed(actor, DRAFT, what)
    if refusal is not None:
        return _refuse(tx, actor, found, "save", refusal, name)
    if found is not None and files_seal(found.files) == files_seal(files):
        return Applied("policy_draft", found.id, already=True)
    if version != (found.version if found is not None else None):
        return _refuse(tx, actor, found, "save", _changed(what, found, version), name)
    edit = Edit(found.id if found else await tx.new_id(), name, 1 + (found.version if found else 0), "draft", "save")
    return await _write(tx, edit, files, actor, reason)


async def publish_draft(
    tx: Tx, name: str, version: int | None, policy: PolicySet | None, actor: Actor, reason: str, *, force: bool = True
) -> Answer:
    """Publishes a draft that was checked: `policy` is what its files of this `version` are (both None: there was no
    draft). The draft ends with it.
    """
    what = f"cannot publish the draft of {name}"
    found = await _hold(tx, name)
    refusal = not_allowed(actor, PUBLISH, what)
    if refusal is not None:
        return _refuse(tx, actor, found, "publish", refusal, name)
    if found is None or policy is None or found.version != version:
        return _refuse(tx, actor, found, "publish", _changed(what, found, version), name)
    answer = await publish(tx, policy, actor, reason, force=force)
    if isinstance(answer, Refused):
        return answer
    edit = Edit(found.id, name, found.version + 1, "published", "publish")
    return await _write(tx, edit, found.files, actor, reason)


async def discard(tx: Tx, name: str, actor: Actor, reason: str, version: int | None) -> Answer:
    """Gives up the draft of a name; what was in it stays. Refused without the right, where there is none, or where it
    is another than the `version` that was seen.
    """
    what = f"cannot discard the draft of {name}"
    found = await _hold(tx, name)
    refusal = not_allowed(actor, DRAFT, what)
    if refusal is not None:
        return _refuse(tx, actor, found, "discard", refusal, name)
    if found is None or (version is not None and found.version != version):
        return _refuse(tx, actor, found, "discard", _changed(what, found, version), name)
    edit = Edit(found.id, name, found.version + 1, "discarded", "discard")
    return await _write(tx, edit, found.files, actor, reason)


async def _hold(tx: Tx, name: str) -> Draft | None:
    """The open draft, while nobody else writes one."""
    await tx.execute("policy_sets/lock")
    return await draft_of(tx, name)


def _changed(what: str, found: Draft | None, seen: int | None) -> Refusal:
    if found is None:
        hint = f"begin one: fallsafe policy draft <folder of {what.rpartition(' ')[2]}>"
        return Refusal("NOT_FOUND" if seen is None else "CHANGED_MEANWHILE", what, "there is no such draft", hint)
    stands = f"it is at version {found.version}, saved by {found.edited_by}"
    why = f"{stands}, not at {seen}" if seen is not None else f"{stands}, and nobody said that it was seen"
    return Refusal("CHANGED_MEANWHILE", what, why, f'read it, then send its version: If-Match: "{found.version}"')


def _refuse(tx: Tx, actor: Actor, found: Draft | None, verb: str, refusal: Refusal, name: str) -> Refused:
    if refusal.code == "NOT_FOUND":
        return Refused("policy_draft", 0, refusal)
    return refuse(tx, actor, "policy_draft", found.id if found else 0, verb, refusal, name)


async def _write(tx: Tx, edit: Edit, files: Files, actor: Actor, reason: str) -> Answer:
    await tx.execute(
        "policy_drafts/write",
        id=edit.id,
        name_=edit.name,
        version=edit.version,
        state=edit.state,
        files=canonical(dict(files)).decode(),
        now=await tx.now(),
        by=str(actor),
        reason=reason,
    )
    was = "draft" if edit.version > 1 else ""
    about: dict[str, Json] = {"name": edit.name, "version": edit.version, "seal": files_seal(files)}
    tx.loose(Record(0, str(actor), "policy_draft", edit.id, edit.verb, was, edit.state, {}, reason, facts=about))
    return Applied("policy_draft", edit.id)

"""The drill of §26, written into a real database through the store's own transactions, and moved on from there."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from tests.workbench import drill

from fallsafe.core.access import Actor
from fallsafe.core.cases.case import Case, CaseState
from fallsafe.core.commands.ledger import CommandState
from fallsafe.core.orders.task import TaskState
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database, Tx
from fallsafe.store.vault import Vault
from fallsafe.store.work import Aggregate, Entry, Why

IDS = ("id", "order_id", "item_id", "task_id", "command_id", "parent_id", "target_id")
LISTS = ("depends_on", "next")
WHY = Why(Actor("system", "dispatcher"), "planned from the accepted order")


def context() -> Context:
    """What the pages and flows are told: the shipped policy set, no gates."""
    policy = drill.policy()
    return Context({policy.id: policy}, policy, {}, lambda: 0.5, "", "test")


async def opened(url: str) -> Database:
    """A database with a vault of its own."""
    database = Database(url, "test", Vault(bytes(32)))
    await database.open()
    return database


class Drill:
    """The stored order: ids as the database knows them, and the moves that tests make."""

    def __init__(self, database: Database, ids: dict[int, int]) -> None:
        self.database, self.ids = database, ids
        self.order, self.case, self.command, self.task = (
            ids[n] for n in (drill.ORDER, drill.CASE, drill.COMMANDS[drill.ACTIVATE], drill.ACTIVATE)
        )

    async def move(self, change: Callable[[Aggregate], None]) -> None:
        """One transaction over the order."""

        async def body(tx: Tx) -> None:
            (aggregate,) = await tx.lock([self.order])
            change(aggregate)

        await self.database.transact(body)

    async def find_done(self) -> None:
        """Somebody found out that activation had succeeded: command, task and case end."""

        def change(order: Aggregate) -> None:
            command, task, case = order.commands[self.command], order.tasks[self.task], order.cases[self.case]
            order.put(replace(command, state=CommandState.DONE, reference="SRV-5521"), "find_done", WHY)
            order.put(replace(task, state=TaskState.COMPLETED, completed_at=case.detected_at), "find_done", WHY)
            healed = {"type": "ReconciledDone", "verified": True, "evidence": []}
            order.put(replace(case, state=CaseState.RESOLVED, resolution=healed), "heal", WHY)

        await self.move(change)

    async def hand_to(self, state: CaseState) -> None:
        """The case, and only the case, moves."""
        await self.move(lambda order: order.put(replace(order.cases[self.case], state=state), "repair", WHY))


async def store_drill(database: Database, external_id: str = "777", **changed: Any) -> Drill:
    """Writes the whole drill; `changed` are columns of its case. Times are moved so that the case is a minute old."""
    file, ids = drill.order_file(), dict[int, int]()

    async def body(tx: Tx) -> None:
        by = await tx.now() - drill.NOW
        for row in (file.order, *file.items, *file.tasks, *file.commands, *file.cases):
            ids[row.id] = await tx.new_id()
        made = replace(_moved(file.order, ids, by), external_id=external_id, version=0, last_lane=0, last_seq=0)
        (order,) = await tx.create([made])
        order.put(made, "acknowledge", WHY)
        for row in (*file.items, *file.tasks, *file.commands):
            named = _moved(row, ids, by)
            order.put(_keyed(named, external_id), "plan", WHY)
        case: Case = replace(_moved(file.cases[0], ids, by), **changed)
        order.put(
            replace(case, case_key=f"{order.order.id}/{case.task_id}/{case.code}"),
            "detect",
            await _sent(tx, order, ids, by),
        )
        for entry in file.agenda:
            tx.file(Entry(entry.kind, ids[entry.id], order.order.id, entry.due_at + by))
        tx.file(Entry("review", order.order.id, order.order.id, drill.NOW + by + timedelta(hours=1)))

    await database.transact(body)
    return Drill(database, ids)


async def _sent(tx: Tx, order: Aggregate, ids: dict[int, int], by: timedelta) -> Why:
    """Attempts, what was said, and a piece of evidence, named by the reason of the next record."""
    command = ids[drill.COMMANDS[drill.ACTIVATE]]
    evidence = await tx.add_evidence(
        order.order.id,
        order.key,
        kind="request",
        source="PRV",
        body=b'{"commandId":"k"}',
        media_type="application/json",
        head="POST /activations",
        command_id=command,
        attempt=1,
    )
    at, until, heard = drill.at(20, 21) + by, drill.at(20, 51) + by, drill.at(20, 31) + by
    tx.pages.attempts.append((order.order.id, command, 1, at, "worker-1", until, drill.policy().id))
    what = ("answer", "lost", "", "timeout", "", "applied", None, [evidence.id])
    tx.pages.outcomes.append((await tx.new_id(), order.order.id, command, 1, heard, *what))
    return replace(WHY, reason="PRV PRV.activateService: timeout", evidence=(evidence.id,))


def _keyed(row: Any, external_id: str) -> Any:
    return replace(row, key=row.key.replace("/777/", f"/{external_id}/")) if hasattr(row, "key") else row


def _moved(row: Any, ids: dict[int, int], by: timedelta) -> Any:
    """The row under its new ids and at its new times."""
    changed: dict[str, Any] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if field.name in IDS and value is not None:
            changed[field.name] = ids[value]
        elif field.name in LISTS:
            changed[field.name] = tuple(ids[v] for v in value)
        elif isinstance(value, datetime):
            changed[field.name] = value + by
    return replace(row, **changed)

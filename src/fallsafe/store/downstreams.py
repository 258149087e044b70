"""What the doors show of downstreams: their health, and how much waits at each gate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from fallsafe.core.recover.breaker import Downstream
from fallsafe.store.rows import read_row
from fallsafe.store.tx import Database


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits at a gate: parked until the system works again, or due and waiting for its turn."""

    parked: int = 0
    due: int = 0


@dataclass(frozen=True, slots=True)
class Downstreams:
    """All of them at one time: `health` by system, for those that anything was ever the matter with; `waiting` by
    gate.
    """

    now: datetime
    health: Mapping[str, Downstream]
    waiting: Mapping[int, Waiting]


async def downstreams(database: Database) -> Downstreams:
    """How it stands."""
    now: datetime = (await database.fetch("tx/now"))[0]["clock_timestamp"]
    health = {row["system"]: read_row(Downstream, row) for row in await database.fetch("audit/downstreams")}
    rows = await database.fetch("downstreams/waiting", now=now)
    return Downstreams(now, health, {row["gate"]: Waiting(row["parked"], row["waiting"]) for row in rows})

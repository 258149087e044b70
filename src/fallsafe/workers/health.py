"""What a worker hears of its downstreams, and when it is worth a note: whenever something came back unsent, and
whatever came while something was the matter. In good times nothing is written.
"""

from collections.abc import Callable, Sequence

from fallsafe.core.access import system
from fallsafe.core.recover.breaker import Came, Heard
from fallsafe.flows import downstreams
from fallsafe.flows.context import Context
from fallsafe.store.tx import Database

LOOK_SECONDS = 0.2


class Ears:
    """One worker's. `monotonic` is the clock by which it looks which downstreams are in trouble."""

    def __init__(self, database: Database, context: Callable[[], Context], monotonic: Callable[[], float]) -> None:
        self._database, self._context, self._monotonic = database, context, monotonic
        self._looked_at: float | None = None
        self._troubled: frozenset[str] = frozenset()

    async def hear(self, heard: Sequence[Heard]) -> None:
        """Notes what attempts said of their downstreams, where it matters."""
        if not heard:
            return
        await self._look()
        sick = {one.system for one in heard if one.came is Came.BACK} | self._troubled
        noted = [one for one in heard if one.system in sick]
        if noted:
            context = self._context()
            await self._database.transact(lambda tx: downstreams.observe(tx, context, noted, system("dispatcher")))
            self._looked_at = None

    async def _look(self) -> None:
        now = self._monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
            rows = await self._database.fetch("downstreams/troubled")
            self._troubled, self._looked_at = frozenset(row["system"] for row in rows), now

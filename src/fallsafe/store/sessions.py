"""The sessions of one process with the database: those that write, and a pool of those that only read.

This is where the network to the database begins; the simulator hands in sessions of its own, which stand where it says
and break where it says.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

Session = psycopg.AsyncConnection[dict[str, Any]]
TRANSACTION_MAX_SECONDS = 5
READER_SECONDS_MAX = 5.0
# Compiling a plan costs more than any page may take.
READS = "-c jit=off"

set_json_loads(msgspec.json.decode)


class Sessions:
    """Opens sessions at `url` in the name of `owner`; at most `readers` that only read."""

    def __init__(self, url: str, owner: str, readers: int = 4) -> None:
        self._url, self._owner = url, owner
        self._readers: AsyncConnectionPool[Session] = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=readers,
            open=False,
            timeout=READER_SECONDS_MAX,
            # Given up soon and begun anew at the next use: the waits between its tries grow with each.
            reconnect_timeout=READER_SECONDS_MAX,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "application_name": f"fallsafe {owner} reader",
                "options": f"{_options(url)} {READS}",
            },
        )

    async def open(self) -> None:
        """Opens the pool of readers; what writes is opened when it is used."""
        await self._readers.open()

    async def close(self) -> None:
        """Closes the readers. Whoever connected closes what they got."""
        await self._readers.close()

    async def connect(self) -> Session:
        """A session that writes, the caller's own. The database ends it when a transaction stands idle for too long."""
        return await psycopg.AsyncConnection.connect(
            self._url,
            row_factory=dict_row,
            application_name=f"fallsafe {self._owner}",
            options=f"{_options(self._url)} -c idle_in_transaction_session_timeout={TRANSACTION_MAX_SECONDS}s",
        )

    def reader(self) -> AbstractAsyncContextManager[Session]:
        """A session that reads, lent for as long as the context lasts."""
        return self._readers.connection()

    async def check(self) -> None:
        """Replaces readers that a restart of the server broke."""
        await self._readers.check()


def _options(url: str) -> str:
    """The session options that an address brings (a role to take on); ours come behind them."""
    return str(conninfo_to_dict(url).get("options") or "")

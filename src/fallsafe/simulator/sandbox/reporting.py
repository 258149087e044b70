"""How the engine of the sandbox reports: each change is told until it is heard; later, twice or never where a fault
says so. What was not heard before a restart is told after it.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from fallsafe.simulator.sandbox.engine import CODE, REPORT, Engine, Report
from fallsafe.simulator.sandbox.faults import Fault, Faults, Strike

STEP_SECONDS = 0.05
CALL_SECONDS_MAX = 10.0
RETRY_SECONDS = 0.5
OTHERS = frozenset(Strike) - {Strike.CALLBACK_LATE, Strike.CALLBACK_TWICE, Strike.CALLBACK_NEVER}


@dataclass(slots=True)
class Reporting:
    """Lets the engine work and reports what comes of it. `to` is the address of the API (empty: nobody is told),
    `token_file` where its token stands; the file may come later.
    """

    engine: Engine
    script: Faults
    clock: Callable[[], float]
    to: str
    token_file: Path | None
    _beside: set[asyncio.Task[None]] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Works until it is cancelled."""
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS_MAX)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                self.engine.advance()
                for report in [r for e, r in self.engine.untold.items() if e not in self._taken] if self.to else ():
                    self._taken.add(report.event_id)
                    self._keep(self._tell(session, report))
                await asyncio.sleep(STEP_SECONDS)

    def _keep(self, telling: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(telling)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _tell(self, session: aiohttp.ClientSession, report: Report) -> None:
        fault = self.script.take(REPORT, report.event_id, (report.order_id,), OTHERS)
        strike = fault.strike if fault is not None else None
        if strike is Strike.CALLBACK_NEVER:
            return
        if isinstance(fault, Fault) and strike is Strike.CALLBACK_LATE:
            await asyncio.sleep(fault.seconds or 0.0)
        left = 2 if strike is Strike.CALLBACK_TWICE else 1
        while left:
            if await self._heard(session, report):
                left -= 1
            else:
                await asyncio.sleep(RETRY_SECONDS)
        self.engine.told(report)

    async def _heard(self, session: aiohttp.ClientSession, report: Report) -> bool:
        token = ""
        with contextlib.suppress(OSError):
            token = self.token_file.read_text().strip() if self.token_file is not None else ""
        body = json.dumps({"source": CODE, "reports": [report.told]}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        try:
            async with session.post(f"{self.to}/api/v1/reports", data=body, headers=headers) as answer:
                await answer.read()
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

"""One process of the product in a world: a worker or a door, from its start to its end, put together as the command
line does it.

It ends as processes end: at once, with its sessions rolled back and its memory gone, and another one takes its place.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from fallsafe.api.amendments import AmendmentsDoor
from fallsafe.api.automations import AutomationsDoor
from fallsafe.api.callbacks import CallbacksDoor
from fallsafe.api.casework import CaseWorkDoor
from fallsafe.api.commands import CommandsDoor
from fallsafe.api.deps import Deps
from fallsafe.api.moves import MovesDoor
from fallsafe.api.orders import OrdersDoor
from fallsafe.api.policies import PoliciesDoor
from fallsafe.api.problems import Problem
from fallsafe.api.repairs import RepairsDoor
from fallsafe.api.reports import ReportsDoor
from fallsafe.api.signals import SignalsDoor
from fallsafe.connectors.files import FileReader
from fallsafe.connectors.port import Connector
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.flows.policy import Policies
from fallsafe.simulator.folders import BY_FILE
from fallsafe.simulator.sessions import WorldSessions
from fallsafe.simulator.turnstile import LIFE
from fallsafe.store import anchors
from fallsafe.store.tx import PASSING, Database, Rewound
from fallsafe.store.vault import Vault
from fallsafe.workers.collector import Collector
from fallsafe.workers.keeper import WORKER, Keeper
from fallsafe.workers.loop import STEPS, Setup, Worker
from fallsafe.workers.monitors import Monitors

R = TypeVar("R")
MASTER = bytes(32)
CALLBACKS_AT = "http://door"


class Place(Protocol):
    """What a process needs of its world."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that everything runs in."""
        ...

    @property
    def policy(self) -> PolicySet:
        """The shipped policy set."""
        ...

    @property
    def secrets(self) -> Mapping[str, str]:
        """The secret of each system."""
        ...

    @property
    def anchors_file(self) -> Path:
        """Where the anchors of this home are kept."""
        ...

    def sessions_of(self, life: "Life") -> WorldSessions:
        """Its ways into the database."""
        ...

    def connector_of(self, life: "Life") -> Connector:
        """Its way out to other systems."""
        ...

    def entropy(self, count: int) -> bytes:
        """Bytes of the seed."""
        ...

    def dice(self) -> float:
        """A number in [0, 1) of the seed."""
        ...

    def now(self) -> datetime:
        """The world's clock."""
        ...

    def reader(self) -> FileReader:
        """Reads the files that partners put there."""
        ...

    async def something_filed(self) -> None:
        """Waits until partners have put files there, or owe some."""
        ...

    async def rest(self, life: "Life", worked: bool) -> None:
        """Lets a worker rest until something is due."""
        ...

    async def keepers_rest(self, life: "Life") -> None:
        """Lets a keeper rest."""
        ...

    async def monitors_rest(self) -> None:
        """Lets the monitors rest."""
        ...

    def read_policy(self, files: Mapping[str, bytes], scale: float) -> PolicySet:
        """The policy set of these files."""
        ...

    def ended(self, life: "Life", error: BaseException) -> None:
        """A process ended by itself, which none ever should."""
        ...


@dataclass(eq=False)
class Life:
    """One process, from start to end."""

    name: str
    kind: str
    number: int
    world: Place
    dead: bool = False
    halted: bool = False
    tasks: "set[asyncio.Task[Any]]" = field(default_factory=set)

    def __post_init__(self) -> None:
        self.sessions = self.world.sessions_of(self)
        last = anchors.newest(self.world.anchors_file)
        self.database = Database(
            "",
            self.name,
            Vault(MASTER, self.world.entropy),
            heads=last.heads if last else None,
            rewinds=last.rewinds if last else 0,
            sessions=self.sessions,
        )
        self.policies = Policies(1.0, self.world.dice, CALLBACKS_AT, self.name, read=self.world.read_policy)
        self.doors: Doors | None = None
        self.ready = asyncio.Event()
        self.shards: tuple[int, ...] = ()
        self.idle_rounds = 0

    def may_go(self) -> bool:
        """Whether it runs just now."""
        return not self.halted

    def begin(self, work: Coroutine[Any, Any, R]) -> "asyncio.Task[R]":
        """Starts work in this process; it ends with the process."""
        context = contextvars.copy_context()
        context.run(LIFE.set, self)
        return self.world.loop.create_task(work, context=context)

    def start_work(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts work that nobody waits for."""
        self.tasks.add(self.begin(work))

    def end(self) -> None:
        """Ends at once, wherever it is."""
        self.dead = True
        self.sessions.end()
        for task in list(self.tasks):
            task.cancel()

    async def start(self) -> None:
        """From nothing to where it works. A database that is away is waited for."""
        await self.database.open()
        while True:
            try:
                await self.policies.start(self.database, self.world.policy)
                return
            except (*PASSING, Rewound):
                await asyncio.sleep(0.2)

    async def live(self) -> None:
        """The whole life."""
        try:
            await self.start()
            self.start_work(self._watched(self._keep()))
            if self.kind == WORKER:
                self.start_work(self._watched(self._collect()))
                await self._work()
            else:
                self.start_work(self._watched(self._look_around()))
                self.doors = Doors(self)
                self.ready.set()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  safe because the world fails by it
            self.world.ended(self, error)

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  safe because the world fails by it
            self.world.ended(self, error)

    async def _keep(self) -> None:
        keeper = Keeper(
            self.database,
            self.policies.context,
            self.world.loop.time,
            kind=self.kind,
            pid=self.number,
            anchors_file=self.world.anchors_file,
        )
        self.shards = keeper.shards
        while True:
            await keeper.step()
            self.shards = keeper.shards
            await self.world.keepers_rest(self)

    async def _look_around(self) -> None:
        monitors = Monitors(self.database, self.policies.context)
        while True:
            await self.world.monitors_rest()
            with contextlib.suppress(*PASSING, Rewound):
                await monitors.look_around()

    async def _collect(self) -> None:
        clock = self.world.now
        collector = Collector(self.database, self.policies.context, self.world.reader(), lambda: clock().timestamp())
        while True:
            await collector.step(BY_FILE)
            await self.world.something_filed()

    async def _work(self) -> None:
        connector = self.world.connector_of(self)
        setup = Setup(STEPS, lambda: self.shards)
        worker = Worker(self.database, self.policies.context, connector, self.world.loop.time, setup)
        while True:
            try:
                worked = await worker.step()
            except (*PASSING, Rewound):
                worked = False
            await self.world.rest(self, worked)


@dataclass(frozen=True, slots=True)
class Told:
    """What a door answered. Status 0 = nothing came: the process ended, or the connection was lost."""

    status: int
    body: bytes = b""
    code: str = ""


NOTHING = Told(0)


class Doors:
    """The doors of one process, asked as the HTTP server would ask them."""

    def __init__(self, life: Life) -> None:
        self._life = life
        deps = Deps(life.database, life.policies.context, life.world.secrets, published=life.policies.take)
        self.orders, self.commands, self.callbacks = OrdersDoor(deps), CommandsDoor(deps), CallbacksDoor(deps)
        self.signals, self.reports, self.casework = SignalsDoor(deps), ReportsDoor(deps), CaseWorkDoor(deps)
        self.repairs = RepairsDoor(deps)
        self.amendments = AmendmentsDoor(deps)
        self.automations = AutomationsDoor(deps)
        self.policies, self.moves = PoliciesDoor(deps), MovesDoor(deps)

    async def ask(
        self,
        call: Callable[[Request], Awaitable[Response]],
        path: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> Told:
        """One request from outside. When the process ends meanwhile, nothing comes."""
        task = self._life.begin(self._answer(call, path, body, headers))
        await asyncio.wait([task])
        return NOTHING if task.cancelled() else task.result()

    async def _answer(
        self, call: Callable[[Request], Awaitable[Response]], path: str, body: bytes, headers: Mapping[str, str]
    ) -> Told:
        try:
            answer = await call(_request(path, body, headers))
        except Problem as problem:
            return Told(problem.status, b"", problem.code)
        except (*PASSING, PoolTimeout, Rewound):
            return Told(503)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  safe because the world fails by it
            self._life.world.ended(self._life, error)
            return Told(500)
        return Told(answer.status_code, bytes(answer.body))


def _request(path: str, body: bytes, headers: Mapping[str, str]) -> Request:
    named = {"content-type": "application/json", **headers}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode()) for k, v in named.items()],
        "server": ("door", 80),
        "scheme": "http",
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(scope, receive)

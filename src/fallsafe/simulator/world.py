"""One simulated world: processes of the product, systems outside, people, a clock and a network, all out of one seed.

It decides nothing about orders. It lets one session run at a time, lets time pass when nobody can, breaks what the seed
breaks, and has every promise checked after every commit.
"""

import asyncio
import contextlib
import hashlib
import random
import tempfile
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from fallsafe import policyset
from fallsafe.connectors.files import FileReader
from fallsafe.connectors.port import Connector
from fallsafe.core.events import Json
from fallsafe.core.policy.policy_set import PolicySet
from fallsafe.security.signature import sign
from fallsafe.simulator.clerk import Clerk
from fallsafe.simulator.drift import newer
from fallsafe.simulator.ground import Ground
from fallsafe.simulator.judge import Judge
from fallsafe.simulator.life import Life
from fallsafe.simulator.loop import VirtualLoop
from fallsafe.simulator.menders import Menders
from fallsafe.simulator.mishaps import PROFILES, Mishaps
from fallsafe.simulator.observers import Observers
from fallsafe.simulator.outside import Delivery, Outside, Request, WorldConnector
from fallsafe.simulator.people import People
from fallsafe.simulator.sandbox.kinds import all_kinds
from fallsafe.simulator.sessions import Fate, WorldSessions
from fallsafe.simulator.tally import Tally
from fallsafe.simulator.turnstile import LIFE, Place, Standing, Turnstile, WorldBroken
from fallsafe.simulator.upstream import Upstream
from fallsafe.simulator.weather import Weather
from fallsafe.store.sql import sql
from fallsafe.workers.keeper import WORKER

BEGIN = datetime(2026, 12, 7, 8, tzinfo=UTC)
NIGHT, NIGHTS = datetime(2026, 12, 7, 3, 50, tzinfo=UTC), 4
"""One world of so many begins while billing takes no work."""
SYSTEMS = tuple(dict.fromkeys(kind.system for kind in all_kinds()))
STEP_SECONDS = 0.002
LATE_SECONDS = 600.0
STEPS_MIN, STEPS_AN_ORDER = 90_000, 4_000
TRACE_KEPT = 200
SETTLE_HOURS_MAX = 120
QUIET_SECONDS = 600.0
MONITORS_REST_SECONDS = (600.0, 3_600.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a world is made from."""

    seed: int
    orders: int
    profile: str = "default"

    @property
    def command(self) -> str:
        """The command that plays exactly this world again."""
        return f"make sim SEED={self.seed} ORDERS={self.orders} PROFILE={self.profile}"


@dataclass(slots=True)
class Report:
    """What came of a world."""

    plan: Plan
    healthy: bool
    broken: list[str]
    history: list[str]
    digest: str
    links: dict[int, str]
    steps: int
    commits: int
    waits: int
    hours: float
    orders: dict[str, int]
    tally: Tally


@cache
def shipped() -> PolicySet:
    """The policy set that every world runs by."""
    return policyset.load(policyset.shipped("telco"))


class World:
    """One world, from its first moment to its last."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self.ground, self.plan = ground, plan
        self._began = BEGIN if plan.seed % NIGHTS else NIGHT
        self.loop = VirtualLoop(self._idle)
        self.loop.set_task_factory(_belongs)
        self._random = random.Random(f"{plan.seed}/world")  # noqa: S311  safe because a seed must give the same
        self._entropy = random.Random(f"{plan.seed}/entropy")  # noqa: S311
        profile = PROFILES[plan.profile]
        healthy = random.Random(f"{plan.seed}/health").random() < profile.healthy  # noqa: S311
        self.mishaps = Mishaps(random.Random(f"{plan.seed}/mishaps"), profile, healthy)  # noqa: S311
        self.turnstile = Turnstile(random.Random(f"{plan.seed}/turns"), self._trace, self._interrupts)  # noqa: S311
        self.policy = shipped()
        self.sets: Mapping[str, PolicySet] = {policy.id: policy for policy in (self.policy, newer())}
        self.secrets = {code: f"secret-of-{code}-{'x' * 12}" for code in SYSTEMS}
        self._folder = tempfile.TemporaryDirectory(prefix="fallsafe-anchors-")
        self.anchors_file = Path(self._folder.name) / "anchors.jsonl"
        self.skew = timedelta(0)
        self.away_until = -1.0
        self.lives: dict[str, Life] = {}
        self.failure: WorldBroken | None = None
        self.commits = 0
        self.changes = 0
        self.dirty = True
        self.tally = Tally()
        place = Path(self._folder.name)
        self.outside = Outside(
            self.loop, self.now, self.mishaps, self.policy, self.secrets, self._deliver, self._departs, place
        )
        self.clerk = Clerk(self)
        self.judge = Judge(self)
        self.people = People(self)
        self.upstream = Upstream(self)
        self.observers = Observers(self)
        self.menders = Menders(self)
        self.weather = Weather(self)
        self.poison: set[int] = set()
        self.stopping = False
        self._sessions = 0
        self._digest = hashlib.sha256()
        self._last: deque[str] = deque(maxlen=TRACE_KEPT)
        self.history: dict[str, list[str]] = defaultdict(list)
        self._resting: dict[Life, asyncio.Future[None]] = {}
        self._alarm = asyncio.Event()

    # -- what the surroundings of sessions and lives are -------------------------------------------------------

    def now(self) -> datetime:
        """The world's clock."""
        return self._began + timedelta(seconds=round(self.loop.time(), 6)) + self.skew

    def dice(self) -> float:
        """A number in [0, 1) of the seed."""
        return self._random.random()

    def entropy(self, count: int) -> bytes:
        """Bytes of the seed."""
        return self._entropy.randbytes(count)

    def read_policy(self, files: Mapping[str, bytes], scale: float) -> PolicySet:
        """The policy set of these files."""
        return policyset.load_files(files, scale)

    def sessions_of(self, life: Life) -> WorldSessions:
        """The ways of a process into the database."""
        return WorldSessions(self, life, self._next_session)

    def _next_session(self) -> int:
        self._sessions += 1
        return self._sessions

    def connector_of(self, life: Life) -> Connector:
        """The way of a process out."""
        ends = partial(self.crash, life)
        return WorldConnector(self.outside, self.mishaps, life, self.turnstile, self.secrets, ends)

    def reader(self) -> FileReader:
        """Reads the files that partners put there."""
        return self.outside.folders.reader()

    async def something_filed(self) -> None:
        """Waits until partners have put files there, or owe some."""
        await self.outside.folders.something_new()

    def is_away(self) -> bool:
        """Whether the database cannot be reached."""
        return self.loop.time() < self.away_until

    def breaks(self, who: Standing) -> bool:
        """Whether this connection breaks now."""
        return self.is_away() or self.mishaps.strikes("connection_lost")

    def fate_of_commit(self, who: Standing) -> Fate:
        """What becomes of a COMMIT."""
        if self.is_away() or self.mishaps.strikes("commit_not_sent"):
            return Fate.NOT_SENT
        return Fate.UNANSWERED if self.mishaps.strikes("commit_unanswered") else Fate.ANSWERED

    def dies_of(self, lines: Sequence[Sequence[Any]]) -> bool:
        """Whether a worker dies with what it is about to commit: an order of the kind that breaks workers."""
        return any(line[2] in self.poison and '"actor":"system:dispatcher"' in line[8] for line in lines)

    def committed(self, who: Standing, lines: Sequence[Sequence[Any]]) -> None:
        """A transaction was committed: it is told, counted and judged."""
        self.commits += 1
        self.dirty = True
        if not lines:
            return
        self.changes += 1
        self._digest.update(lines[-1][10])
        records = [msgspec.json.decode(line[8]) for line in lines]
        for line, record in zip(lines, records, strict=True):
            self.tally.record(record)
            self._tell_record(who.name, line[2], record)
        self._judge(records)

    def _judge(self, records: Sequence[Mapping[str, Any]]) -> None:
        try:
            self.judge.after_commit(records)
        except WorldBroken as broken:
            self.fail(broken)

    def _departs(self, request: Request) -> None:
        """A request has left."""
        name = request.key or request.path
        self._tell(_order_of(name), f"out   {request.method} {request.path.split('/by-')[0]} {name}")
        try:
            self.judge.departs(request)
        except WorldBroken as broken:
            self.fail(broken)

    def fail(self, broken: WorldBroken) -> None:
        """The run has failed; the loop ends at its next idle moment."""
        self.failure = self.failure or broken

    def ended(self, life: Life, error: BaseException) -> None:
        """A process ended by itself."""
        if isinstance(error, WorldBroken):
            self.fail(error)
            return
        import traceback

        said = "".join(traceback.format_exception(error))[-1500:]
        self.fail(WorldBroken(f"P0: {life.name} ended by itself: {type(error).__name__}: {error}\n{said}"))

    # -- turns --------------------------------------------------------------------------------------------------

    def _idle(self, timeout: float | None) -> None:
        """Nothing is ready: somebody is let through, or time passes."""
        if self.failure is not None:
            raise self.failure
        if self.turnstile.steps > STEPS_MIN + STEPS_AN_ORDER * self.plan.orders:
            raise WorldBroken(f"P0: {self.turnstile.steps} steps, and no end: {self.judge.moving()}")
        if self.turnstile.release():
            self.loop.advance(STEP_SECONDS * self._random.random())
            return
        if self.dirty:
            self.dirty = False
            self._wake_in_time()
            return
        if timeout is None:
            raise WorldBroken("P0: nobody can go on, and nothing will happen any more")
        self.loop.advance(timeout)

    def _interrupts(self, place: Place) -> bool:
        life = place.who
        if not isinstance(life, Life) or self.weather.unnoticed:
            return False  # a loss is known to whoever was told what was lost; they live until they have said so
        if self.mishaps.strikes("crash"):
            self.crash(life)
            return True
        if self.mishaps.strikes("halt"):
            self.halt(life, self._random.choice((2.0, 8.0, 40.0, 70.0, 900.0)))
            return True
        return False

    def crash(self, life: Life) -> None:
        """A process ends at once; a new one takes its place a little later."""
        self._tell("", f"crash of {life.name}")
        self._trace(life.name, "crash")
        self.turnstile.leave(life)
        life.end()
        self._forget(life)
        self.loop.call_later(self._random.uniform(0.1, 4.0), self.begin, life.name, life.kind)

    def _forget(self, life: Life) -> None:
        self._resting.pop(life, None)
        if self.lives.get(life.name) is life:
            del self.lives[life.name]

    def halt(self, life: Life, seconds: float) -> None:
        """A process stands still. The database ends its transactions when that takes too long."""
        self._tell("", f"{life.name} is halted for {seconds:g} s")
        self._trace(life.name, "halt")
        life.halted = True
        if seconds > 5:
            self.loop.call_later(5.0, self._end_transactions, life)
        self.loop.call_later(seconds, self._go_on, life)

    def _end_transactions(self, life: Life) -> None:
        for session in life.sessions.mine:
            if session.in_transaction and life.halted:
                session.end()

    def _go_on(self, life: Life) -> None:
        life.halted = False

    def begin(self, name: str, kind: str) -> None:
        """A process begins."""
        if self.stopping or name in self.lives:
            return
        if self.weather.unnoticed:  # it begins once those who live have said so
            self.loop.call_later(1.0, self.begin, name, kind)
            return
        life = Life(name, kind, 1000 + len(self.lives) + self.commits, self)
        self.lives[name] = life
        life.start_work(life.live())

    def break_connections(self) -> None:
        """Every session is over at once, as when the database restarts."""
        for life in self.lives.values():
            life.sessions.end()
        self._alarm.set()
        self._alarm = asyncio.Event()

    # -- rest ---------------------------------------------------------------------------------------------------

    async def rest(self, life: Life, worked: bool) -> None:
        """A worker rests: a moment after work, else until something is due, longer each time it was in vain."""
        if worked:
            life.idle_rounds = 0
            await asyncio.sleep(self._random.uniform(0.0, 0.5))
            return
        life.idle_rounds += 1
        await asyncio.sleep(min(15.0, 0.05 * 2**life.idle_rounds) * self._random.random())
        future = self._resting[life] = self.loop.create_future()
        self.dirty = True
        await future

    async def keepers_rest(self, life: Life) -> None:
        """A keeper rests: half a minute, and longer when nothing was committed meanwhile."""
        seen = self.changes
        await self._sleep_lightly(self._random.uniform(5, 40))
        for _ in range(40):
            if self.changes > seen + 5 or self.weather.restored:
                return
            await self._sleep_lightly(self._random.uniform(20, 60))

    async def monitors_rest(self) -> None:
        """Monitors rest for a while."""
        await asyncio.sleep(self._random.uniform(*MONITORS_REST_SECONDS))

    async def _sleep_lightly(self, seconds: float) -> None:
        """Sleeps until connections break: then everybody looks within a second, as keepers do."""
        if self.weather.unnoticed:
            seconds = 1.0
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._alarm.wait(), seconds)
            await asyncio.sleep(self._random.random())

    def _wake_in_time(self) -> None:
        """Resting workers wake when the first entry of their shards is due, less punctually when they rest for long,
        and for looks that only look again the later the older the world is.
        """
        late = timedelta(seconds=min(LATE_SECONDS, self.loop.time() / 10))
        rows = self.ground.judge.execute(sql("promises/next_due"), {"late": late}).fetchall()
        first = {row["shard"]: row["due_at"] for row in rows}
        for life, future in list(self._resting.items()):
            due = min((first[s] for s in life.shards if s in first), default=None)
            after = 900.0 if due is None else min(900.0, max(0.0, (due - self.now()).total_seconds()) + 0.001)
            self.loop.call_later(after + self._random.uniform(0, max(0.2, after / 10)), self._wake, life, future)

    def _wake(self, life: Life, future: "asyncio.Future[None]") -> None:
        if not future.done():
            future.set_result(None)
            self._resting.pop(life, None)

    # -- the door -----------------------------------------------------------------------------------------------

    def door(self) -> Life | None:
        """A door that is there."""
        doors = [life for life in self.lives.values() if life.doors is not None and not life.halted]
        return self._random.choice(doors) if doors else None

    async def _deliver(self, one: Delivery) -> bool:
        life = self.door()
        if life is None or life.doors is None:
            return False
        doors = life.doors
        told = await doors.ask(
            lambda request: doors.callbacks.receive(request, one.system),
            f"/api/v1/downstreams/{one.system}/callbacks",
            one.body,
            {"X-Signature": one.signature},
        )
        said: Mapping[str, Json] = msgspec.json.decode(one.body)
        self._tell(_order_of(one.key), f"in    callback {said.get('eventId')} of {one.key}: {told.status}")
        if one.signature != sign(self.secrets[one.system], one.body) and 200 <= told.status < 400:
            self.fail(WorldBroken(f"P6: a callback with a wrong signature was taken: {one.body[:120]!r}"))
        return 200 <= told.status < 500 and told.status != 401

    # -- telling ------------------------------------------------------------------------------------------------

    def _trace(self, who: str, before: str) -> None:
        line = f"{self.loop.time():.6f} {who} {before}"
        self._digest.update(line.encode())
        self._last.append(line)

    def _tell_record(self, who: str, order_id: int, record: Mapping[str, Any]) -> None:
        moved = f"{record['was']}→{record['now']}" if record["was"] != record["now"] else record["now"]
        about = record["causation"] or f"{record['thing']} {record['thingId']}"
        said = f"{who:9} {record['thing']:8} {record['verb']:18} {moved:22} {about}  {record['reason'][:90]}"
        self._tell(self.judge.name_of(order_id, record), said)

    def _tell(self, order: str, said: str) -> None:
        self.history[order].append(f"{self.now():%d %H:%M:%S.%f} {said}")

    # -- the run ------------------------------------------------------------------------------------------------

    def play(self) -> Report:
        """Plays the world to its end."""
        self.ground.restore(self.ground.installed)
        broken: list[str] = []
        try:
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(self._run())
        except WorldBroken as error:
            broken = str(error).split("\n\n")
        finally:
            self.close()
        return self._report(broken)

    async def _run(self) -> None:
        for n in range(2 + (self.dice() < 0.5)):
            self.begin(f"worker-{n + 1}", WORKER)
        for n in range(2):
            self.begin(f"api-{n + 1}", "api")
        self.upstream.begin()
        self.clerk.begin()
        self.observers.begin()
        self.menders.begin()
        self.weather.begin()
        await self.people.submit_all()
        await self.weather.over()
        await self.observers.done()
        self.mishaps.stop()
        for life in self.lives.values():
            life.halted = False
        await self.people.done()
        await self.menders.done()
        await self.upstream.done()
        await self._settle()
        await self.upstream.done()  # words may have reached its engine while all came to rest
        await self._settle()
        self.judge.at_the_end()
        if self.failure is not None:
            raise self.failure

    async def _settle(self) -> None:
        """Faults have stopped: everything must come to rest."""
        limit = self.loop.time() + SETTLE_HOURS_MAX * 3600
        while self.judge.moving():
            await asyncio.sleep(self._random.uniform(60, QUIET_SECONDS))
            if self.loop.time() > limit:
                raise WorldBroken(f"P1: it does not settle in {SETTLE_HOURS_MAX} hours: {self.judge.moving()}")

    def close(self) -> None:
        """Ends everything, wherever it is."""
        self.stopping = True
        for life in list(self.lives.values()):
            life.end()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        self.failure = None
        self.turnstile.standing.clear()
        self.turnstile.waiting.clear()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.close()
        self._folder.cleanup()

    def _report(self, broken: list[str]) -> Report:
        heads = self.ground.judge.execute(sql("lanes/heads")).fetchall()
        return Report(
            plan=self.plan,
            healthy=self.mishaps.healthy,
            broken=broken,
            history=self._history() if broken else [],
            digest=self._digest.hexdigest(),
            links={row["lane"]: bytes(row["link"]).hex() for row in heads},
            steps=self.turnstile.steps,
            commits=self.commits,
            waits=self.turnstile.waits,
            hours=self.loop.time() / 3600,
            orders=self.judge.states(),
            tally=self.tally.with_faults(self.mishaps.count),
        )

    def _history(self) -> list[str]:
        """The shortest useful history: what happened to the world, and to the order that is broken."""
        guilty = self.judge.guilty
        if not guilty:
            return [*self.history.get("", [])[-20:], *list(self._last)[-30:]]
        return [*self.history.get("", [])[-20:], *self.history.get(guilty, [])[-60:]]


def _belongs(loop: asyncio.AbstractEventLoop, work: Any, **named: Any) -> "asyncio.Task[Any]":
    """Every task belongs to the process that started it, and ends with it."""
    task = asyncio.Task(work, loop=loop, **named)
    context = named.get("context")
    life = context.get(LIFE) if context is not None else LIFE.get()
    if isinstance(life, Life):
        life.tasks.add(task)
        task.add_done_callback(life.tasks.discard)
    return task


def _order_of(key: str) -> str:
    """The external id of the order that a key, or a path with one, is about."""
    parts = key.strip("/").split("/")
    return parts[1] if len(parts) > 1 else ""

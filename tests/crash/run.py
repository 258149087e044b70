"""One run of the crash test: orders, workers that die at named points and at any other moment, a database that dies
once, an API that dies once; and what was seen while it went on and when it was over.
"""

import contextlib
import json
import os
import queue
import random
import signal
import threading
import time
import urllib.error
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash import seen
from tests.crash.outside import TIME_SCALE, Forge, Installation, faults_for, forge, installation, name_of, order, until
from tests.crash.seen import Tick

from fallsafe.cli.killpoints import POINTS
from fallsafe.simulator.sandbox import judge
from fallsafe.store.audit import Report as Audit
from fallsafe.store.audit import verify

ORDERS = 100
WORKERS = ("worker-1", "worker-2")
HITS_MIN = 20
RANDOM_KILLS_MIN = 10
KILLS_A_RUN = len(POINTS) * HITS_MIN + RANDOM_KILLS_MIN
HITS_A_LIFE_MAX = 6
LIFE_SECONDS_MAX = 4.0
KILLING_SECONDS_MAX = 400.0
QUIET_SECONDS = 4 * 3600 / TIME_SCALE + 30
KILLED = -signal.SIGKILL
ENDED_WELL = (0, -signal.SIGTERM)


@dataclass
class Report:
    """What was seen."""

    hits: Counter[str] = field(default_factory=Counter)
    random_kills: int = 0
    database_crashes: int = 0
    api_crashes: int = 0
    ended_by_itself: list[str] = field(default_factory=list)
    ticks: list[Tick] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    audit: Audit | None = None
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class Life:
    """One process of the run. `point` is where it will end itself; without one it is killed at `ends_at`."""

    name: str
    point: str
    ends_at: float
    pid: int = 0
    told_to_end: bool = False


def play(home: Path, seed: int) -> Report:
    """The whole run."""
    began = time.monotonic()
    with installation(home, faults_for(range(ORDERS))) as there, forge(there.environment) as smith:
        run = _Run(there, smith, random.Random(seed))
        with seen.watching(there.server.url()) as run.report.ticks:
            run.start_api()
            run.kill_again_and_again()
            run.let_it_end()
        report = run.report
        report.effects = judge.effects(home)
        report.audit = verify(there.server.url())
        report.broken = seen.broken_promises(there)
    report.seconds = time.monotonic() - began
    return report


class _Run:
    def __init__(self, there: Installation, smith: Forge, dice: random.Random) -> None:
        self.there, self.smith, self.dice = there, smith, dice
        self.report = Report()
        self.lives: dict[str, Life] = {}
        self.handed_in = 0
        self.said: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    # -- what is started ----------------------------------------------------------------------------------------

    def start_api(self) -> None:
        """Starts the API and waits for it."""
        self._live("api", "", float("inf"))
        until(self.there.answers, 30, "the API does not answer")

    def _live(self, name: str, kill: str, ends_at: float) -> None:
        self.lives[name] = Life(name, kill.partition(":")[0], ends_at)
        environment = self.there.environment | {"FALLSAFE_KILL": kill}
        self.smith.start(name, self.there.home / "log" / f"{name}.log", environment)

    def _live_until_killed(self, name: str) -> None:
        """A new life with a death of its own: at the point that was hit least, or at any moment."""
        now = time.monotonic()
        if self.dice.random() < RANDOM_KILLS_MIN / KILLS_A_RUN * 1.5:
            self._live(name, "", now + self.dice.uniform(0.3, 1.2))
            return
        planned = Counter(life.point for life in self.lives.values() if life.name != name)
        point = min(POINTS, key=lambda p: (self.report.hits[p] + planned[p], self.dice.random()))
        self._live(name, f"{point}:{self.dice.randint(1, HITS_A_LIFE_MAX)}", now + LIFE_SECONDS_MAX)

    # -- the two halves -----------------------------------------------------------------------------------------

    def kill_again_and_again(self) -> None:
        """Until every point was hit often enough, at random too, and the database and the API died once."""
        deadline = time.monotonic() + KILLING_SECONDS_MAX
        for name in WORKERS:
            self._live_until_killed(name)
        while not self._killed_enough() and time.monotonic() < deadline:
            self._hear()
            self._count_hits()
            self._kill_at_random()
            self._hand_in(int(10 + self._kills()))
            if self._kills() > KILLS_A_RUN // 3 and not self.report.database_crashes:
                self._crash_database()
            if self._kills() > KILLS_A_RUN // 2 and not self.report.api_crashes:
                self._kill_api()
            time.sleep(0.02)

    def let_it_end(self) -> None:
        """The workers live on undisturbed until nothing moves by itself any more; then everything is ended."""
        self._stop(signal.SIGKILL)
        self._hand_in(ORDERS)
        until(lambda: self._hand_in(ORDERS), 30, "the API does not take in the last orders")
        for name in WORKERS:
            self._live(name, "", float("inf"))
        left = seen.settle(self.there.server.url(), QUIET_SECONDS, self._hear)
        assert not left, f"nothing changes any more, and these have not come to rest: {left}"
        self.report.tasks = seen.tasks(self.there.server.url())
        self.report.coverage = self.there.ask("/coverage")
        names = [name_of(n) for n in range(ORDERS)]
        self.report.files = {name: self.there.ask(f"/orders/CRM:{name}") for name in names}
        self._stop(signal.SIGTERM)
        self.there.end_sandbox()

    def _killed_enough(self) -> bool:
        report = self.report
        return (
            all(report.hits[point] >= HITS_MIN for point in POINTS)
            and report.random_kills >= RANDOM_KILLS_MIN
            and bool(report.database_crashes and report.api_crashes)
        )

    def _kills(self) -> int:
        return self.report.hits.total() + self.report.random_kills

    # -- what happens -------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        assert self.smith.process.stdout is not None
        for line in self.smith.process.stdout:
            self.said.put(json.loads(line))

    def _hear(self) -> None:
        """What the forge said: processes that began and ended. One that was not killed is noted, and all live again."""
        while not self.said.empty():
            line = self.said.get()
            if "started" in line:
                self.lives[line["started"]].pid = line["pid"]
                continue
            name, code = line["ended"], line["code"]
            life = self.lives.pop(name)
            if code != KILLED and not (life.told_to_end and code in ENDED_WELL):
                self.report.ended_by_itself.append(f"{name} ended with {code}")
            if life.told_to_end:
                continue
            if name == "api":
                self._live("api", "", float("inf"))
            else:
                self._live_until_killed(name)

    def _count_hits(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            whole, _, _ = (
                (self.there.home / "run" / "kills.log").read_text().rpartition("\n")
            )  # the last is being written
            self.report.hits = Counter(json.loads(line)["point"] for line in whole.splitlines())

    def _kill_at_random(self) -> None:
        now = time.monotonic()
        for life in self.lives.values():
            if life.pid and life.ends_at < now:
                life.ends_at = now + LIFE_SECONDS_MAX
                with contextlib.suppress(ProcessLookupError):
                    os.kill(life.pid, signal.SIGKILL)
                    self.report.random_kills += 1

    def _crash_database(self) -> None:
        self.report.database_crashes += 1
        self.there.server.kill()
        time.sleep(0.5)
        self.there.server.start()

    def _kill_api(self) -> None:
        self.report.api_crashes += 1
        os.kill(self.lives["api"].pid, signal.SIGKILL)

    def _hand_in(self, wanted: int) -> bool:
        """Hands in orders up to a number; whether all of them are known to be there."""
        while self.handed_in < min(wanted, ORDERS):
            try:
                self.there.ask("/orders", order(name_of(self.handed_in)))
            except urllib.error.HTTPError as error:
                assert error.code >= 500, error.read()
                return False
            except OSError:
                return False  # it is down; the same order is handed in again later
            self.handed_in += 1
        return self.handed_in >= min(wanted, ORDERS)

    def _stop(self, sign: signal.Signals) -> None:
        """Ends the workers, and with SIGTERM the API too, and waits."""
        names = [*WORKERS, "api"] if sign == signal.SIGTERM else WORKERS
        until(lambda: self._hear() or self._all_live(), 10, "a process did not start")
        for name in names:
            self.lives[name].told_to_end = True
            with contextlib.suppress(ProcessLookupError):  # it died by itself, of what it was told before
                os.kill(self.lives[name].pid, sign)
        until(lambda: self._hear() or not self.lives.keys() & set(names), 20, "a process does not end")

    def _all_live(self) -> bool:
        return all(life.pid for life in self.lives.values())

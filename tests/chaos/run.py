"""One run of chaos: orders flow in, everything is struck again and again; what was seen while it went on, and when it
was over.

Which strike comes when is drawn from the seed; what it meets is not, for the processes are real.
"""

import contextlib
import os
import queue
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from tests.chaos.measure import Clocks, Times, until_it_holds
from tests.chaos.strikes import Strike, draw
from tests.chaos.world import DATABASE, LEASE_SECONDS, OUR_OWN, OUTSIDE, TIME_SCALE, WORKERS, World, world
from tests.crash import seen
from tests.crash.outside import faults_for, name_of, order, until
from tests.crash.seen import Tick

from fallsafe.simulator.sandbox import judge
from fallsafe.store.audit import Report as Audit
from fallsafe.store.audit import verify

ORDERS_A_SECOND = 2.0
SENDERS = 4
TWICE_EVERY = 7
STRIKES_APART_SECONDS = (1.0, 5.0)
PEOPLE_SECONDS = 1.0
SLOW_SECONDS = 0.8
QUIET_SECONDS = 4 * 3600 / TIME_SCALE + 30

SENDING = "SELECT id, attempts, lease_until FROM commands WHERE state = 'sending' AND lease_worker = %s"
STILL = """
SELECT count(*) AS n FROM commands
WHERE state = 'sending' AND (id, attempts) IN (SELECT * FROM unnest(%s::bigint[], %s::int[]))
"""
SEEN = "SELECT name, pid, seen_at FROM workers"


@dataclass
class Seen:
    """What a run came to."""

    handed_in: int = 0
    strikes: Counter[str] = field(default_factory=Counter)
    times: Times = field(default_factory=Times)
    ticks: list[Tick] = field(default_factory=list)
    people: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    still_busy: list[str] = field(default_factory=list)
    settled_seconds: float = 0.0
    tasks: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)
    effects: dict[str, int] = field(default_factory=dict)
    audit: Audit | None = None
    broken: list[str] = field(default_factory=list)


def play(home: Path, seed: int, seconds: float, say: Callable[[str], None]) -> Seen:
    """The whole run; `say` is told of each strike and of what is started again."""
    dice = random.Random(seed)
    orders = int(seconds * ORDERS_A_SECOND)
    with world(home, dice, faults_for(range(orders)), say) as there:
        chaos = _Chaos(there, dice, orders, say)
        with chaos.flowing(), seen.watching(there.there.server.url()) as chaos.seen.ticks:
            chaos.reign(seconds)
            chaos.let_it_settle()
        chaos.read_the_end()
    chaos.seen.effects = judge.effects(home)
    return chaos.seen


class _Chaos:
    def __init__(self, there: World, dice: random.Random, orders: int, say: Callable[[str], None]) -> None:
        self.world, self.there, self.dice, self.say = there, there.there, dice, say
        self.seen, self.clocks = Seen(), Clocks()
        self.over = threading.Event()
        self.calm = threading.Event()
        self._orders: queue.Queue[int] = queue.Queue()
        self._orders_max = orders
        self._struck: list[threading.Thread] = []

    # -- what goes wrong ----------------------------------------------------------------------------------------

    def reign(self, seconds: float) -> None:
        """Strikes at random until the time is over and all that was struck is back."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(left, self.dice.uniform(*STRIKES_APART_SECONDS)))
            spared = {victim for victim in (*OUR_OWN, *OUTSIDE, DATABASE) if self.clocks.is_down(victim)}
            spared |= {f"link to {name}" for name in self.world.links if self.clocks.is_down(f"link to {name}")}
            strike = draw(self.dice, spared)
            if strike is not None:
                self._strike(strike)
        for thread in self._struck:
            thread.join()
        self.calm.set()

    def _strike(self, strike: Strike) -> None:
        self.say(str(strike))
        self.seen.strikes[f"{strike.victim} {strike.kind}"] += 1
        self.clocks.down(strike.victim)
        thread = threading.Thread(target=self._guarded, args=(strike,), daemon=True)
        self._struck.append(thread)
        thread.start()

    def _guarded(self, strike: Strike) -> None:
        try:
            match strike.kind:
                case "killed":
                    self._kill(strike.victim)
                case "halted":
                    self._halt(strike.victim, strike.seconds)
                case "session killed":
                    self._kill_session()
                case _:
                    self._spoil(strike)
        except Exception as error:  # noqa: BLE001 safe because it is told at the end, and fails the run
            self.seen.surprises.append(f"{strike}: {type(error).__name__}: {error}")
        finally:
            self.clocks.up(strike.victim)

    def _kill(self, victim: str) -> None:
        leased = self._leased(victim)
        if victim == DATABASE:
            self.world.killer.kill()
        else:
            pid = self.world.supervisor.pid(victim)
            assert pid is not None, f"{victim} does not run"
            os.kill(pid, signal.SIGKILL)
        self._measure(f"{_kind(victim)} killed", victim, leased)

    def _halt(self, victim: str, seconds: float) -> None:
        leased = self._leased(victim)
        pids = self.world.killer.processes() if victim == DATABASE else [self.world.supervisor.pid(victim) or 0]
        assert all(pids), f"{victim} does not run"
        _signal(pids, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            _signal(pids, signal.SIGCONT)
        self._measure(f"{_kind(victim)} halted for longer than a lease", victim, leased)

    def _kill_session(self) -> None:
        """One session of the database dies; the server then ends all of them, and begins anew by itself."""
        with self._connected() as connection:
            row = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'fallsafe worker%' ORDER BY pid LIMIT 1"
            ).fetchone()
        if row is not None:
            os.kill(row["pid"], signal.SIGKILL)
            self._measure("database session killed", DATABASE, ([], [], 0.0))

    def _spoil(self, strike: Strike) -> None:
        link, net = self.world.links[strike.victim.removeprefix("link to ")], self.world.net
        match strike.kind:
            case "connections reset":
                net.run(link.reset())
            case "slow":
                link.delay_seconds = SLOW_SECONDS
            case "torn":
                link.tears = True
            case "silent":
                net.run(link.fall_silent(True))
            case "refusing":
                net.run(link.go_away())
        time.sleep(strike.seconds)
        link.delay_seconds, link.tears = 0.0, False
        net.run(link.fall_silent(False))
        if strike.kind == "refusing":
            net.run(link.listen())
        if link.name == DATABASE:
            self._measure(f"link to the database {strike.kind}", DATABASE, ([], [], 0.0))

    # -- how long it was away -----------------------------------------------------------------------------------

    def _leased(self, victim: str) -> tuple[list[int], list[int], float]:
        """The attempts that a worker has under way: ids, numbers, and how long their leases run from now."""
        if victim not in WORKERS:
            return [], [], 0.0
        try:
            with self._connected() as connection:
                rows = connection.execute(SENDING, (victim,)).fetchall()
        except psycopg.OperationalError:
            return [], [], 0.0
        return [r["id"] for r in rows], [r["attempts"] for r in rows], LEASE_SECONDS if rows else 0.0

    def _measure(self, what: str, victim: str, leased: tuple[list[int], list[int], float]) -> None:
        """Notes when it is back, and when the calls that it had under way are somebody's again."""
        clock = (lambda: self.clocks.store) if victim in OUR_OWN else time.monotonic
        began, work_began = clock(), self.clocks.work

        def since() -> float:
            """The last strike counts of those that the same wait outlives."""
            return began if victim in OUTSIDE else max(began, self.clocks.struck[victim in OUR_OWN])

        back = until_it_holds(self._is_back(victim), clock, since)
        self.seen.times.add(what, back)
        if leased[0]:
            self.clocks.up(victim)
            try:
                taken = until_it_holds(self._are_taken_up(leased), lambda: self.clocks.work, lambda: work_began)
            finally:
                self.clocks.down(victim)
            self.seen.times.add(f"{what}: its calls, after their leases", taken - leased[2])

    def _is_back(self, victim: str) -> Callable[[], bool]:
        if victim in OUTSIDE:
            address = self.there.wiring.systems[_code_of(victim)]
            return lambda: _answers(f"{address}/_sandbox/faults")
        if victim == "api":
            return lambda: bool(self.there.ask("/coverage"))
        names = OUR_OWN if victim == DATABASE else (victim,)
        since: list[Any] = []

        def seen_since() -> bool:
            with self._connected() as connection:
                if not since:
                    since.append((connection.execute("SELECT clock_timestamp() AS at").fetchone() or {})["at"])
                alive = {row["name"]: row["seen_at"] for row in connection.execute(SEEN)}
            wanted = [name for name in names if name == victim or not self.clocks.is_down(name)]
            return all(name in alive and alive[name] > since[0] for name in wanted)

        return seen_since

    def _are_taken_up(self, leased: tuple[list[int], list[int], float]) -> Callable[[], bool]:
        def none_left() -> bool:
            with self._connected() as connection:
                return bool((connection.execute(STILL, leased[:2]).fetchone() or {})["n"] == 0)

        return none_left

    def _connected(self) -> Any:
        """A connection that no strike of ours spoils."""
        return psycopg.connect(self.there.server.url(), autocommit=True, row_factory=dict_row, connect_timeout=10)

    # -- what flows ---------------------------------------------------------------------------------------------

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Orders come in, some of them twice at once, and people ask for what they may not have."""
        threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]
        threads += [
            threading.Thread(target=self._feed, daemon=True),
            threading.Thread(target=self._people, daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _feed(self) -> None:
        for number in range(self._orders_max):
            self._orders.put(number)
            if number % TWICE_EVERY == 0:
                self._orders.put(number)
            if not self.calm.is_set():
                time.sleep(1 / ORDERS_A_SECOND)

    def _send(self) -> None:
        while not self.over.is_set():
            with contextlib.suppress(queue.Empty):
                number = self._orders.get(timeout=0.2)
                while not self._taken_in(number) and not self.over.is_set():
                    time.sleep(0.2)
                self._orders.task_done()

    def _taken_in(self, number: int) -> bool:
        try:
            self.there.ask("/orders", order(name_of(number)))
        except urllib.error.HTTPError as error:
            if error.code < 500:
                self.seen.surprises.append(f"order {number} is answered {error.code}: {error.read()[:300]!r}")
                return True
            return False
        except (OSError, ValueError):
            return False  # it is down, or was while it answered; the same order is handed in again
        return True

    def _people(self) -> None:
        """Somebody with every right presses each button on a case, whatever it says."""
        while not self.calm.wait(PEOPLE_SECONDS):
            with contextlib.suppress(OSError, ValueError):
                cases = self.there.ask("/fallout-cases?limit=50")["items"]
                for case in self.dice_of_people.sample(cases, min(2, len(cases))):
                    self._press(f"/fallout-cases/{case['id']}/reconcile")
                    for command in self.there.ask(f"/orders/{case['orderId']}/commands?limit=50")["items"]:
                        self._press(f"/commands/{command['id']}/resend")

    dice_of_people = random.Random(7)

    def _press(self, path: str) -> None:
        verb = path.rpartition("/")[2]
        try:
            self.there.ask(path, {"reason": "it takes so long"})
            self.seen.people[f"{verb}: done"] += 1
        except urllib.error.HTTPError as error:
            if error.code >= 500 and error.code != 503:
                self.seen.surprises.append(f"{path} is answered {error.code}: {error.read()[:300]!r}")
            self.seen.people[f"{verb}: refused" if error.code < 500 else f"{verb}: not answered"] += 1
        except OSError:
            self.seen.people[f"{verb}: not answered"] += 1

    # -- the end ------------------------------------------------------------------------------------------------

    def let_it_settle(self) -> None:
        """Nothing is struck any more: waits until all orders are in and nothing moves by itself."""
        began = time.monotonic()
        self.say("calm")
        until(lambda: self._orders.unfinished_tasks == 0, 240, "the last orders are not taken in")
        self.seen.handed_in = self._orders_max
        self.seen.still_busy = seen.settle(self.there.server.url(), QUIET_SECONDS)
        self.seen.settled_seconds = time.monotonic() - began

    def read_the_end(self) -> None:
        """What the product says when it is over; then its processes end."""
        self.seen.tasks = seen.tasks(self.there.server.url())
        self.seen.coverage = self.there.ask("/coverage")
        names = [name_of(n) for n in range(self.seen.handed_in)]
        self.seen.files = {name: self.there.ask(f"/orders/CRM:{name}") for name in names}
        self.world.supervisor.stop()
        self.seen.audit = verify(self.there.server.url())
        self.seen.broken = seen.broken_promises(self.there)
        self.clocks.end()


def _kind(victim: str) -> str:
    return "worker" if victim in WORKERS else "sandbox system" if victim in OUTSIDE else victim


def _code_of(victim: str) -> str:
    from fallsafe.cli.wiring import SANDBOX

    return SANDBOX[victim.removeprefix("sandbox-")][0]


def _answers(url: str) -> bool:
    with urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)


def _signal(pids: list[int], sign: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)

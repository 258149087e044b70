"""How long the product was away after each strike. Time in which nobody could have worked does not count: a clock that
stands while the database, or every worker, is down.
"""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chaos.world import DATABASE, WORKERS

TICK_SECONDS = 0.02
LOOK_SECONDS = 0.05
GIVEN_UP_SECONDS = 90.0
BACK_SECONDS_MAX = 5.0
DATABASE_AND_WAY = (DATABASE, f"link to {DATABASE}")


class Clocks:
    """Who is down, and seconds in which the database (`store`), and beside it a worker (`work`), could have worked.
    `struck` is when the database, or the way to it, last came back, on the wall's clock and on that of `store`.
    """

    def __init__(self) -> None:
        self._down: dict[str, int] = defaultdict(int)
        self._guard = threading.Lock()
        self.store = self.work = 0.0
        self.struck = (0.0, 0.0)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="clocks", daemon=True)
        self._thread.start()

    def down(self, name: str) -> None:
        """Something is down from now."""
        with self._guard:
            self._down[name] += 1

    def up(self, name: str) -> None:
        """It is no longer."""
        with self._guard:
            self._down[name] -= 1
            if name in DATABASE_AND_WAY:
                self.struck = (time.monotonic(), self.store)

    def is_down(self, name: str) -> bool:
        """Whether something is down."""
        return self._down[name] > 0

    def end(self) -> None:
        """Stops both."""
        self._ending.set()
        self._thread.join()

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._ending.wait(TICK_SECONDS):
            now = time.monotonic()
            if not any(self.is_down(name) for name in DATABASE_AND_WAY):
                self.store += now - last
                if not all(self.is_down(name) for name in WORKERS):
                    self.work += now - last
            last = now


@dataclass
class Times:
    """Seconds by what was measured."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, what: str, seconds: float) -> None:
        """One more."""
        self.seconds[what].append(max(0.0, seconds))

    def late(self) -> list[str]:
        """What took longer than it may."""
        return [
            f"{what}: {s:.1f} s" for what, each in sorted(self.seconds.items()) for s in each if s > BACK_SECONDS_MAX
        ]

    def table(self) -> list[str]:
        """A row for each."""
        head = f"{'back at work':44} {'times':>6} {'median':>8} {'longest':>8}   (at most {BACK_SECONDS_MAX:g} s)"
        rows = [
            f"{what:44} {len(each):6} {statistics.median(each):7.2f}s {max(each):7.2f}s"
            for what, each in sorted(self.seconds.items())
        ]
        return [head, *rows]


def until_it_holds(holds: Callable[[], bool], clock: Callable[[], float], since: Callable[[], float]) -> float:
    """Seconds on a clock until something holds, counted from what `since` says then; waits 90 s at most."""
    deadline = time.monotonic() + GIVEN_UP_SECONDS
    while not _holds(holds):
        if time.monotonic() > deadline:
            return GIVEN_UP_SECONDS
        time.sleep(LOOK_SECONDS)
    return clock() - since()


def _holds(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except Exception:  # noqa: BLE001 safe because what cannot be asked does not hold yet
        return False

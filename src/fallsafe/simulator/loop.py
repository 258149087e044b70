"""An event loop in which time does not pass by itself: when nothing is ready, the world says what happens next.

Nothing in a simulated world waits for a socket, a disk or a thread, so what runs after what depends on the seed alone.
"""

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

DAY_SECONDS = 86_400.0


class _NobodyElse(selectors.SelectSelector):
    """A selector that never looks outside: whenever the loop would wait, it asks the world instead."""

    def __init__(self, idle: Callable[[float | None], None]) -> None:
        super().__init__()
        self._idle = idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._idle(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`idle` is called with the seconds until the next timer (None where there is none) whenever nothing is ready; it
    makes something ready, or lets the time pass by `advance`.
    """

    def __init__(self, idle: Callable[[float | None], None]) -> None:
        self._seconds = 0.0
        super().__init__(_NobodyElse(idle))
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds since the world began."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._seconds += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Does it here and now: a thread would be somebody whom the seed does not know."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  safe because it is raised where the work is awaited
            done.set_exception(error)
        return done

"""Ports for installations that tests start: every test process on this machine has others."""

import fcntl
import os
import tempfile
from pathlib import Path

FIRST, LAST, EACH = 20_000, 32_000, 100  # below the ports that the kernel hands out by itself
_held: list[int] = []


def claim_ports() -> int:
    """The first of `EACH` ports that no other test process uses while this one lives."""
    folder = Path(tempfile.gettempdir()) / "fallsafe-test-ports"
    folder.mkdir(exist_ok=True)
    for port in range(FIRST, LAST, EACH):
        file = os.open(folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            _held.append(file)
            return port
    raise OSError(f"every block of ports from {FIRST} to {LAST} is in use; their locks are in {folder}")

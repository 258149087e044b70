"""§26 as a stranger sees it: one command, real processes, real HTTP, and the disk of the other systems as the judge."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fallsafe.simulator.sandbox import judge

SECONDS_MAX = 90
EFFECTS = 6
FIRST_PORT = 20_000 + os.getpid() % 300 * 40  # another test process on this machine has others
PORTS = {"done": FIRST_PORT, "absent": FIRST_PORT + 20}


def up(home: Path, variant: str) -> "subprocess.Popen[str]":
    """`fallsafe up --drill` in a home of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "fallsafe.cli.main", "up", "--drill", "--variant", variant],
        env={**os.environ, "FALLSAFE_HOME": str(home), "FALLSAFE_LISTEN": f"127.0.0.1:{PORTS[variant]}"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def processes_of(home: Path) -> list[str]:
    """Command lines of every process that still runs in this home."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            said = (place / "environ").read_bytes() + (place / "cmdline").read_bytes()
        except OSError:
            continue
        if str(home).encode() in said:
            found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.xdist_group("up")
class WhenAStrangerStartsTheDrill:
    """P2, P3: measured in effects outside."""

    @pytest.mark.parametrize("variant", ["done", "absent"])
    def test_every_effect_exists_once_and_the_end_leaves_no_process(self, tmp_path: Path, variant: str) -> None:
        home = tmp_path / "home"
        process = up(home, variant)
        try:
            deadline = time.monotonic() + SECONDS_MAX
            while len(judge.effects(home)) < EFFECTS and time.monotonic() < deadline:
                assert process.poll() is None
                time.sleep(0.2)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
        effects = judge.effects(home)
        assert len(effects) == EFFECTS
        assert set(effects.values()) == {1}
        assert processes_of(home) == []

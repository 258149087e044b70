"""The processes of an installation on one machine: started together, watched, started again, and ended together.

All children are in one process group. A watcher in that group waits for the supervisor's end of a pipe: when the
supervisor is gone, however it went, the group is ended, so nothing is left that nobody watches. What runs, where it
listens and with which process id is in `run/run.json`, which counts only while its supervisor holds the lock.
"""

import contextlib
import fcntl
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

GRACE_SECONDS = 5.0
READY_SECONDS_MAX = 60.0
LOOK_SECONDS = 0.05
BACK_OFF_SECONDS_FIRST = 0.1
BACK_OFF_SECONDS_MAX = 10.0
# A child that has lived this long is healthy again: its next end counts as the first.
HEALTHY_SECONDS = 30.0
LOOKS_PER_LOG_CUT = 200
LOG_BYTES_MAX = 50 * 1024 * 1024
PORTS_TRIED_MAX = 200
FROM_OUTSIDE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# A child that ends this often before it was ever ready will not become ready.
ENDS_MAX = 3
# The end of the watcher's input means that the supervisor is gone.
WATCHER = "trap '' TERM INT HUP; read -r _; kill -TERM 0; sleep 2; kill -KILL 0"


class AlreadyRunning(Exception):
    """Another supervisor runs this home; the message says where it answers."""


class NotReady(Exception):
    """A child did not come up; the message names it and has the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep running. `env` comes on top of ours; `ready_url` answers 200 once it can be used."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready_url: str | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """What `run.json` says of a running installation: `addresses` and `pids` by name."""

    pid: int
    addresses: dict[str, str]
    pids: dict[str, int]


@dataclass(slots=True)
class _Kept:
    """A child and its present process. `wanted` is false once it was stopped on purpose."""

    child: Child
    process: "subprocess.Popen[bytes] | None" = None
    wanted: bool = True
    started: float = 0.0
    start_again_at: float = 0.0
    back_off: float = BACK_OFF_SECONDS_FIRST
    ends: int = 0


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """The command line that runs a module of ours as a process of its own, with the Python that runs now."""
    return (sys.executable, "-m", name, *arguments)


def free_port(host: str, wanted: int, taken: Sequence[int] = ()) -> int:
    """The first port from `wanted` upwards on which nothing listens and that is not in `taken`."""
    for port in range(wanted, min(wanted + PORTS_TRIED_MAX, 65536)):
        if port not in taken and _is_free(host, port):
            return port
    raise OSError(f"no free port on {host} from {wanted} on; set FALLSAFE_LISTEN")


def read_running(home: Path) -> Running | None:
    """The installation that runs in this home now; None when there is none, whatever an old file says."""
    try:
        with (home / "run" / "up.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_file(home)
    except OSError:
        pass
    return None


class Supervisor:
    """Keeps the children of one home running, from entering the context to leaving it.

    Ctrl-C, SIGTERM and SIGHUP come out of the body as `KeyboardInterrupt`; leaving ends every child (SIGTERM, and
    SIGKILL after a grace of 5 s, or at once on a second Ctrl-C). `say` is told in a sentence when a child ends or is
    started again; the same is in `log/supervisor.log`.
    """

    def __init__(
        self,
        home: Path,
        children: Sequence[Child] = (),
        addresses: Mapping[str, str] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.home = home
        self._kept = {child.name: _Kept(child) for child in children}
        self._addresses = dict(addresses or {})
        self._say = say
        self._guard = threading.RLock()
        self._ending = threading.Event()
        self._hurry = False
        self._lock: IO[str] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._monitor: threading.Thread | None = None
        self._handlers: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start every child. Raises `AlreadyRunning` when another supervisor has this home."""
        for folder in ("run", "log"):
            (self.home / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = self._take_lock()
        self._listen_to_signals()
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "fallsafe-watcher"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0,
        )  # fmt: skip
        try:
            with self._guard:
                for kept in self._kept.values():
                    self._spawn(kept)
                self._write_file()
        except BaseException:
            self.stop()
            raise
        self._monitor = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._monitor.start()

    def add(self, child: Child, address: str | None = None) -> None:
        """Start one more child and keep it running."""
        with self._guard:
            self._kept[child.name] = _Kept(child)
            if address is not None:
                self._addresses[child.name] = address
            self._spawn(self._kept[child.name])
            self._write_file()

    def wait_ready(self, seconds_max: float = READY_SECONDS_MAX) -> None:
        """Return once every child that has a `ready_url` answers there.

        Raises `NotReady` after `seconds_max`, or as soon as a child has ended three times instead.
        """
        deadline = time.monotonic() + seconds_max
        for name, kept in list(self._kept.items()):
            while kept.child.ready_url and kept.wanted and not _answers(kept.child.ready_url):
                if time.monotonic() > deadline:
                    raise NotReady(f"{name} is not ready after {seconds_max:g} s; {self._last_words(name)}")
                if kept.ends >= ENDS_MAX:
                    raise NotReady(f"{name} ends before it is ready; {self._last_words(name)}")
                time.sleep(LOOK_SECONDS)

    def wait_for_end(self) -> None:
        """Wait until somebody asks for the end (Ctrl-C, SIGTERM), which is raised as `KeyboardInterrupt`."""
        while not self._ending.wait(1.0):
            pass

    def pid(self, name: str) -> int | None:
        """The process id of a child; None while it does not run."""
        process = self._kept[name].process
        return process.pid if process is not None and process.poll() is None else None

    def stop_child(self, name: str) -> None:
        """End a child and leave it ended: SIGTERM, then SIGKILL after the grace."""
        with self._guard:
            kept = self._kept[name]
            kept.wanted = False
            process = kept.process
        if process is not None:
            self._end([process])
        with self._guard:
            self._write_file()

    def kill_child(self, name: str) -> None:
        """End a child with SIGKILL, as a crash would; it is started again like after any crash."""
        process = self._kept[name].process
        if process is not None:
            process.kill()
            process.wait()

    def restart(self, name: str) -> None:
        """Start a child anew, whether it runs, has been stopped or waits to be started again."""
        self.stop_child(name)
        with self._guard:
            kept = self._kept[name]
            kept.wanted, kept.back_off = True, BACK_OFF_SECONDS_FIRST
            self._spawn(kept)
            self._write_file()

    def stop(self) -> None:
        """End every child and take away `run.json`. Calling it again does no harm."""
        self._ending.set()
        if self._monitor is not None:
            self._monitor.join()
        with self._guard:
            processes = [kept.process for kept in self._kept.values() if kept.process is not None]
            for kept in self._kept.values():
                kept.wanted = False
        self._end(processes)
        self._end_group()
        if self._lock is not None:
            (self.home / "run" / "run.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None
        self._restore_signals()

    # -- one child ----------------------------------------------------------------------------------------------

    def _spawn(self, kept: _Kept) -> None:
        assert self._watcher is not None
        with (self.home / "log" / f"{kept.child.name}.log").open("ab") as log:
            kept.process = subprocess.Popen(
                kept.child.argv,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **kept.child.env},
                process_group=self._watcher.pid,
            )  # fmt: skip
        kept.started = time.monotonic()
        kept.start_again_at = 0.0

    def _end(self, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        while any(process.poll() is None for process in processes):
            if self._hurry or time.monotonic() > deadline:
                break
            time.sleep(0.01)
        for process in processes:
            process.kill()
            process.wait()

    def _end_group(self) -> None:
        """End the watcher, and whatever the children have started and left behind."""
        if self._watcher is not None and self._watcher.stdin is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._watcher.pid, signal.SIGKILL)
            self._watcher.stdin.close()
            self._watcher.wait()
        self._watcher = None

    def _last_words(self, name: str) -> str:
        path = self.home / "log" / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines()[-5:] if path.exists() else []
        return f"the end of {path}:\n" + "\n".join(f"    {line}" for line in lines or ["(empty)"])

    # -- watching -----------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        for look in itertools.count():
            if self._ending.wait(LOOK_SECONDS):
                return
            if look % LOOKS_PER_LOG_CUT == 0:
                self._cut_logs()
            with self._guard:
                changed = [kept for kept in self._kept.values() if self._look(kept)]
                if changed:
                    self._write_file()

    def _look(self, kept: _Kept) -> bool:
        """Notice that a child has ended, or start it again when its time has come; true if something changed."""
        if not kept.wanted or kept.process is None or kept.process.poll() is None:
            return False
        now = time.monotonic()
        if not kept.start_again_at:
            if now - kept.started > HEALTHY_SECONDS:
                kept.back_off = BACK_OFF_SECONDS_FIRST
                kept.ends = 0
            kept.ends += 1
            kept.start_again_at = now + kept.back_off
            self._note(f"{kept.child.name} {_how(kept.process.returncode)}; starting it again in {kept.back_off:g} s")
            kept.back_off = min(kept.back_off * 2, BACK_OFF_SECONDS_MAX)
            return True
        if now < kept.start_again_at:
            return False
        self._spawn(kept)
        self._note(f"{kept.child.name} was started again")
        return True

    def _note(self, sentence: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with (self.home / "log" / "supervisor.log").open("a") as log:
            log.write(f"{moment} {sentence}\n")
        self._say(sentence)

    def _cut_logs(self) -> None:
        """A log that has grown too long is kept once under another name and begun anew; its writer appends."""
        for path in (self.home / "log").glob("*.log"):
            if path.stat().st_size > LOG_BYTES_MAX:
                shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)

    # -- the home -----------------------------------------------------------------------------------------------

    def _take_lock(self) -> IO[str]:
        lock = (self.home / "run" / "up.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            other = _read_file(self.home)
            where = f" at {other.addresses.get('api', 'an unknown address')} (process {other.pid})" if other else ""
            raise AlreadyRunning(
                f"{self.home} already runs{where}; stop it first, or choose another FALLSAFE_HOME"
            ) from None
        return lock

    def _write_file(self) -> None:
        pids = {name: pid for name in self._kept if (pid := self.pid(name)) is not None}
        path = self.home / "run" / "run.json"
        unfinished = path.with_suffix(".new")
        unfinished.write_text(json.dumps({"pid": os.getpid(), "addresses": self._addresses, "pids": pids}, indent=2))
        unfinished.replace(path)

    # -- signals ------------------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {sign: signal.signal(sign, self._hear) for sign in FROM_OUTSIDE}

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        if self._ending.is_set():
            self._hurry = True
            return
        self._ending.set()
        raise KeyboardInterrupt

    def _restore_signals(self) -> None:
        for sign, handler in self._handlers.items():
            signal.signal(sign, handler)  # type: ignore[arg-type]
        self._handlers = {}


def _read_file(home: Path) -> Running | None:
    try:
        found = json.loads((home / "run" / "run.json").read_text())
        return Running(found["pid"], found["addresses"], found["pids"])
    except (OSError, ValueError, KeyError):
        return None


def _is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError:
            return False
        return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:  # noqa: S310 - the address is our own
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _how(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

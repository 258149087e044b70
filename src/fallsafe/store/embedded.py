"""A PostgreSQL server of our own for those who have none: found, created, started, watched and stopped.

It listens on a Unix socket only, in a folder that nobody else may enter, so it needs neither port nor password. Its
life is tied to the process that started it: when that process ends, however it ends, a watcher shuts the server down.
What a crash leaves behind (a stale pid file, orphaned server processes, a half-made data folder) is cleared up by the
next start.
"""

import contextlib
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg

from fallsafe.store.programs import Footing, NoServerError, Programs, choose_footing, copy_programs, find_programs
from fallsafe.store.sql import sql

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
ORPHAN_SECONDS_MAX = 5.0
POLL_SECONDS = 0.005
KEEP_SECONDS = 0.2
KEEP_SECONDS_MAX = 10.0
LOG_BYTES_MAX = 10 * 1024 * 1024
# The kernel allows 107 bytes for a socket's path; the rest is room for the socket's lock file.
SOCKET_PATH_BYTES_MAX = 100
PORT = 5432

# Durable by default: a commit that was answered is on disk.
SETTINGS = """\
# Written anew at each start. Change a setting with ALTER SYSTEM, which wins over this file.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
fsync = on
synchronous_commit = on
jit = off
max_wal_size = 2GB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
"""

# Waits until its input closes, which happens when the starter has ended, and then stops the server it was told of.
WATCHER = 'read -r _; [ "$(head -n 1 "$2" 2>/dev/null)" = "$1" ] && kill -INT "$1"'


class Embedded:
    """The server whose data lies below `home` (an installation's folder): `pg/`, `run/` for its socket, `log/`.

    `footing` says as whom the server runs; None finds out. All methods may be called again without harm.
    """

    def __init__(self, home: Path, footing: Footing | None = None) -> None:
        self.home = home.absolute()
        self.footing = footing or choose_footing()
        self._place = self._find_place()
        self.data = self._place / "pg"
        self.log = self.home / "log" / "postgres.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Bring the server up and return when it answers; join the one that already runs for this home.

        Raises `NoServerError`, which says what is in the way and where the log is.
        """
        self._make_folders()
        with self._alone():
            if self._join():
                return
            self._clear_orphans()
            programs = self._programs()
            if not self.data.exists():
                self._create(programs)
            self._launch(programs)
            self._prepare()

    def stop(self) -> None:
        """Shut the server down: open transactions are rolled back, everything committed is on disk."""
        pid = self.pid
        if pid is not None:
            for sign, seconds in ((signal.SIGINT, STOP_SECONDS_MAX), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
                _signal(pid, sign)
                if self._await_end(pid, seconds):
                    break
        self._release_watcher()

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would. For tests."""
        pid = self.pid
        for victim in [*([pid] if pid else []), *self.processes()]:
            _signal(victim, signal.SIGKILL)
        if pid is not None:
            self._await_end(pid, ORPHAN_SECONDS_MAX)
        self._release_watcher()

    def processes(self) -> list[int]:
        """Every process of the server, its parent among them."""
        pids = [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if _works_in(pid, self.data) and _is_alive(pid)]

    @contextlib.contextmanager
    def kept(self, say: Callable[[str], None]) -> Iterator[None]:
        """Brings the server up again whenever it has ended, for as long as the context lasts; `say` is told of it."""
        ending = threading.Event()
        watcher = threading.Thread(target=self._keep, args=(ending, say), name="postgres", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ending.set()
            watcher.join()

    def _keep(self, ending: threading.Event, say: Callable[[str], None]) -> None:
        pause = KEEP_SECONDS
        while not ending.wait(pause):
            if self.pid is not None:
                continue
            say("postgres has ended; starting it again")
            self._release_watcher()
            try:
                self.start()
                pause = KEEP_SECONDS
            except (NoServerError, OSError, psycopg.Error) as error:  # a full disk is one of them
                say(str(error))
                pause = min(pause * 2, KEEP_SECONDS_MAX)

    def url(self, role: str = "fallsafe_app", dbname: str = "fallsafe") -> str:
        """Where `role` finds the database `dbname` of this server."""
        return f"postgresql://{quote(role)}@/{quote(dbname)}?host={quote(str(self.sockets), safe='')}&port={PORT}"

    @property
    def pid(self) -> int | None:
        """The running server's process id; None when it does not run."""
        found = self._read_pid_file()
        return found[0] if found and self._is_ours(found[0]) else None

    @property
    def sockets(self) -> Path:
        """The folder of the socket; a short temporary one where the home's path is too long for a socket."""
        folder = self._place / "run"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES_MAX:
            return folder
        return Path(tempfile.gettempdir()) / f"fallsafe-{os.geteuid()}-{_digest(self.home)}"

    # -- folders ------------------------------------------------------------------------------------------------

    def _find_place(self) -> Path:
        moved = self.home / "pg"
        if moved.is_symlink():
            self.footing = Footing(user=moved.stat().st_uid if moved.exists() else self.footing.user)
        if self.footing.user is None:
            return self.home
        return Path("/var/tmp") / f"fallsafe-{self.footing.user}-{_digest(self.home)}"  # noqa: S108 - owner is checked

    def _make_folders(self) -> None:
        for folder in (self.home, self.home / "run", self.home / "log"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.footing.user is not None:
            _own_folder(self._place, self.footing.user)
            link = self.home / "pg"
            if link.is_dir() and not link.is_symlink():
                raise NoServerError(
                    f"{link} was made where user namespaces were allowed, and here they are not; "
                    "allow them, or move the data to another server and set FALLSAFE_DATABASE_URL"
                )
            if not link.is_symlink():
                link.symlink_to(self.data)
        if self.sockets != self.home / "run":
            _own_folder(self.sockets, self.footing.user)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two processes that start the same home at once: the second waits, then joins."""
        with (self.home / "run" / "postgres.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # -- what runs ----------------------------------------------------------------------------------------------

    def _read_pid_file(self) -> tuple[int, str] | None:
        """The process id and the state (starting, ready, stopping) that the server wrote down."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"
        except (OSError, ValueError, IndexError):
            return None

    def _is_ours(self, pid: int) -> bool:
        if self._server is not None and self._server.pid == pid:
            return self._server.poll() is None
        return _is_alive(pid) and _works_in(pid, self.data)

    def _join(self) -> bool:
        """True when a server of this home runs and is ready; waits for one that is starting or stopping."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while (found := self._read_pid_file()) and self._is_ours(found[0]):
            if found[1] == "ready":
                return True
            if time.monotonic() > deadline:
                raise NoServerError(f"the server {found[0]} has been {found[1]} for too long; see {self.log}")
            time.sleep(POLL_SECONDS)
        return False

    def _clear_orphans(self) -> None:
        """After a crash: let server processes without their parent end, then drop the pid file of a recycled id.

        Safe because only processes that work in this data folder are ended, and the file goes after they have gone.
        """
        found = self._read_pid_file()
        if found is None:
            return
        deadline = time.monotonic() + ORPHAN_SECONDS_MAX
        while orphans := self.processes():
            if time.monotonic() > deadline:
                for pid in orphans:
                    _signal(pid, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
        if _is_alive(found[0]):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    # -- bringing up --------------------------------------------------------------------------------------------

    def _programs(self) -> Programs:
        try:
            major = int((self.data / "PG_VERSION").read_text())
        except (OSError, ValueError):
            major = None
        programs = find_programs(major)
        return programs if self.footing.user is None else copy_programs(programs, self._place)

    def _create(self, programs: Programs) -> None:
        """Make the data folder under another name first: a crash half-way leaves nothing that looks finished."""
        unfinished = self.data.with_name("pg.new")
        subprocess.run(["rm", "-rf", unfinished], check=True)
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        done = subprocess.run(
            [
                *self.footing.prefix,
                programs.folder / "initdb",
                "--pgdata", unfinished,
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--data-checksums",
                "--no-instructions",
                *(locale if programs.major >= 17 else ["--locale=C.UTF-8"]),
            ],
            capture_output=True, text=True, check=False, cwd="/", user=self.footing.user, group=self.footing.user,
            extra_groups=None if self.footing.user is None else [], umask=0o077,
        )  # fmt: skip
        if done.returncode != 0:
            raise NoServerError(f"the data folder {self.data} could not be made: {_last_line(done.stderr)}")
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write("include_if_exists = 'fallsafe.conf'\n")
        unfinished.rename(self.data)

    def _launch(self, programs: Programs) -> None:
        (self.data / "fallsafe.conf").write_text(SETTINGS)
        (self.data / "fallsafe.conf").chmod(0o644)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.rename(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._server = subprocess.Popen(
                [*self.footing.prefix, programs.folder / "postgres", "-D", self.data, "-k", self.sockets],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, umask=0o077,
                user=self.footing.user, group=self.footing.user,
                extra_groups=None if self.footing.user is None else [],
            )  # fmt: skip
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", WATCHER, "fallsafe-watcher", str(self._server.pid), self.data / "postmaster.pid"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._await_ready(self._server)

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._read_pid_file() != (server.pid, "ready"):
            if server.poll() is not None:
                self._release_watcher()
                raise NoServerError(f"PostgreSQL ended at once: {_last_line(_tail(self.log))} (log: {self.log})")
            if time.monotonic() > deadline:
                self.stop()
                raise NoServerError(f"PostgreSQL was not ready after {START_SECONDS_MAX:.0f} s (log: {self.log})")
            time.sleep(POLL_SECONDS)

    def _prepare(self) -> None:
        """The two roles and the database; remembered by a mark, because every start would ask for them otherwise."""
        mark = self.data / "fallsafe.prepared"
        if mark.exists():
            return
        with psycopg.connect(self.url("postgres", "postgres"), autocommit=True) as superuser:
            superuser.execute(sql("cluster/create_roles"))
            if superuser.execute(sql("cluster/find_database"), {"name": "fallsafe"}).fetchone() is None:
                superuser.execute(sql("cluster/create_database"))
        mark.touch()

    # -- bringing down ------------------------------------------------------------------------------------------

    def _await_end(self, pid: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._is_ours(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _release_watcher(self) -> None:
        if self._watcher is not None and self._watcher.stdin is not None:
            self._watcher.stdin.close()
            self._watcher.wait()
        self._watcher = None


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _own_folder(folder: Path, user: int | None) -> None:
    """Make a folder in a place that others may write to, and refuse one that somebody else has put there."""
    owner = os.geteuid() if user is None else user
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid not in (owner, os.geteuid()):
        raise NoServerError(f"{folder} belongs to somebody else; remove it")
    if user is not None:
        (folder / "run").mkdir(mode=0o700, exist_ok=True)
        os.chown(folder / "run", user, -1)


def _signal(pid: int, sign: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, sign)


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended but was not yet collected by its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


def _works_in(pid: int, folder: Path) -> bool:
    """Every process of a PostgreSQL server has the data folder as its working folder."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except OSError:
        return False


def _tail(file: Path) -> str:
    with file.open("rb") as log:
        log.seek(max(0, file.stat().st_size - 4096))
        return log.read().decode(errors="replace")


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line or "error" in line]
    return (fatal or lines or ["it said nothing"])[-1].strip()

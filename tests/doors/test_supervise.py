"""`fallsafe up` keeps its processes running, ends them all together, and leaves nothing behind when it is killed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fallsafe.cli import supervise
from fallsafe.cli.supervise import AlreadyRunning, Child, NotReady, Supervisor, free_port, module, read_running

SLEEPER = (sys.executable, "-S", "-c", "import time; print('hello', flush=True); time.sleep(60)")
# Says where it listens only after a while, like anything that has to load first.
SERVER = """
import http.server, sys, time
time.sleep(0.3)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
STUBBORN = (
    sys.executable,
    "-S",
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
)
PARENT = (
    sys.executable,
    "-S",
    "-c",
    "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)",
)
# A supervisor in a process of its own.
UP = f"""
import sys
from pathlib import Path
from fallsafe.cli.supervise import Child, Supervisor
try:
    children = [Child("one", {SLEEPER!r}), Child("two", {STUBBORN!r})]
    with Supervisor(Path(sys.argv[1]), children, {{"api": "http://x"}}) as up:
        print("up", flush=True)
        up.wait_for_end()
except KeyboardInterrupt:
    print("ended", flush=True)
"""


def wait_until(holds: Callable[[], object]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to be within 10 s")


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def log(home: Path, name: str) -> str:
    path = home / "log" / f"{name}.log"
    return path.read_text() if path.exists() else ""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def up(home: Path) -> Iterator[Supervisor]:
    with Supervisor(home, [Child("one", SLEEPER), Child("two", SLEEPER)], {"api": "http://127.0.0.1:1"}) as supervisor:
        yield supervisor


class WhenItIsUp:
    def test_the_file_says_what_runs_and_where(self, up: Supervisor, home: Path) -> None:
        running = read_running(home)
        assert running is not None
        assert running.pid == os.getpid()
        assert running.addresses == {"api": "http://127.0.0.1:1"}
        assert running.pids == {"one": up.pid("one"), "two": up.pid("two")}

    def test_each_child_writes_its_own_log(self, up: Supervisor, home: Path) -> None:
        wait_until(lambda: log(home, "one") and log(home, "two"))
        assert (log(home, "one"), log(home, "two")) == ("hello\n", "hello\n")

    def test_another_one_in_the_same_home_is_refused_and_told_where_this_one_is(
        self, up: Supervisor, home: Path
    ) -> None:
        with pytest.raises(AlreadyRunning, match=rf"already runs at http://127.0.0.1:1 .process {os.getpid()}"):
            Supervisor(home).start()
        assert up.pid("one")

    def test_a_child_that_is_added_is_kept_and_listed(self, up: Supervisor, home: Path) -> None:
        up.add(Child("billing", SLEEPER), "http://127.0.0.1:2")
        running = read_running(home)
        assert running is not None
        assert running.addresses["billing"] == "http://127.0.0.1:2"
        assert running.pids["billing"] == up.pid("billing")

    def test_a_childs_environment_comes_on_top_of_ours(self, up: Supervisor, home: Path) -> None:
        up.add(Child("speaker", ("/bin/sh", "-c", 'echo "$PLACE $HOME"; sleep 60'), {"PLACE": "here"}))
        wait_until(lambda: log(home, "speaker") == f"here {os.environ['HOME']}\n")


class WhenAChildMustBeReady:
    def test_waiting_ends_when_it_answers(self, home: Path) -> None:
        port = free_port("127.0.0.1", 18431)
        child = Child("web", (sys.executable, "-c", SERVER, str(port)), ready_url=f"http://127.0.0.1:{port}/")
        with Supervisor(home, [child]) as supervisor:
            supervisor.wait_ready()
            with socket.create_connection(("127.0.0.1", port)) as connected:
                assert connected.getpeername() == ("127.0.0.1", port)

    def test_one_that_never_answers_is_named_with_its_last_words(self, home: Path) -> None:
        with Supervisor(home, [Child("web", SLEEPER, ready_url="http://127.0.0.1:9/")]) as supervisor:
            wait_until(lambda: log(home, "web"))
            with pytest.raises(NotReady, match=r"web is not ready after 0.1 s; the end of .*web.log:\n    hello"):
                supervisor.wait_ready(0.1)

    def test_one_that_ends_again_and_again_is_given_up_early(self, home: Path) -> None:
        child = Child("web", ("/bin/sh", "-c", "echo no such table >&2; exit 3"), ready_url="http://127.0.0.1:9/")
        with Supervisor(home, [child]) as supervisor:
            with pytest.raises(NotReady, match=r"web ends before it is ready; .*(\n    no such table)+"):
                supervisor.wait_ready()


class WhenAChildDies:
    def test_it_is_started_again_and_both_are_said(self, home: Path) -> None:
        said: list[str] = []
        with Supervisor(home, [Child("one", SLEEPER)], say=said.append) as supervisor:
            before = supervisor.pid("one")
            supervisor.kill_child("one")
            wait_until(lambda: supervisor.pid("one"))
            assert supervisor.pid("one") != before
            wait_until(lambda: read_running(home).pids == {"one": supervisor.pid("one")})  # type: ignore[union-attr]
        assert said == ["one was ended by SIGKILL; starting it again in 0.1 s", "one was started again"]
        assert [line.split("Z ", 1)[1] for line in log(home, "supervisor").splitlines()] == said

    def test_it_waits_longer_each_time(self, home: Path) -> None:
        said: list[str] = []
        with Supervisor(home, [Child("one", ("/bin/sh", "-c", "exit 3"))], say=said.append):
            wait_until(lambda: len(said) >= 7)
        assert [sentence for sentence in said if "code 3" in sentence][:4] == [
            f"one ended with code 3; starting it again in {seconds} s" for seconds in (0.1, 0.2, 0.4, 0.8)
        ]


class WhenAChildIsStoppedOnPurpose:
    def test_it_stays_stopped_until_it_is_restarted(self, up: Supervisor, home: Path) -> None:
        up.stop_child("one")
        time.sleep(0.3)
        assert up.pid("one") is None
        assert read_running(home).pids.keys() == {"two"}  # type: ignore[union-attr]
        up.restart("one")
        assert up.pid("one")

    def test_restarting_a_running_one_replaces_it(self, up: Supervisor) -> None:
        before = up.pid("one")
        assert before is not None
        up.restart("one")
        assert up.pid("one") != before
        assert not is_alive(before)


class WhenItEnds:
    @pytest.fixture(autouse=True)
    def short_grace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(supervise, "GRACE_SECONDS", 0.5)

    def test_no_child_and_no_file_is_left(self, home: Path) -> None:
        with Supervisor(home, [Child("one", SLEEPER), Child("deaf", STUBBORN)]) as supervisor:
            wait_until(lambda: log(home, "deaf"))
            pids = [supervisor.pid("one"), supervisor.pid("deaf")]
        assert not any(is_alive(pid) for pid in pids if pid)
        assert not (home / "run" / "run.json").exists()
        assert read_running(home) is None

    def test_what_a_child_left_behind_goes_too(self, home: Path) -> None:
        with Supervisor(home, [Child("parent", PARENT)]):
            wait_until(lambda: log(home, "parent"))
            grandchild = int(log(home, "parent"))
            assert is_alive(grandchild)
        wait_until(lambda: not is_alive(grandchild))

    def test_it_can_be_started_again_in_the_same_home(self, home: Path) -> None:
        for _ in range(2):
            with Supervisor(home, [Child("one", SLEEPER)]) as supervisor:
                assert supervisor.pid("one")

    def test_stopping_twice_does_no_harm(self, home: Path) -> None:
        with Supervisor(home, [Child("one", SLEEPER)]) as supervisor:
            supervisor.stop()
        assert supervisor.pid("one") is None


class WhenSomebodyEndsItFromOutside:
    @pytest.fixture
    def process(self, home: Path) -> Iterator["subprocess.Popen[str]"]:
        started = subprocess.Popen([sys.executable, "-c", UP, home], stdout=subprocess.PIPE, text=True)
        assert started.stdout is not None
        assert started.stdout.readline() == "up\n"
        wait_until(lambda: log(home, "two"))
        yield started
        started.kill()
        started.wait()
        started.stdout.close()

    @pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_every_child_is_ended_first(
        self, process: "subprocess.Popen[str]", home: Path, sign: signal.Signals
    ) -> None:
        pids = read_running(home).pids.values()  # type: ignore[union-attr]
        process.send_signal(sign)
        time.sleep(0.3)
        process.send_signal(sign)  # one of the children is deaf; the second time it is not waited for
        assert process.wait(10) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "ended\n"
        assert not any(is_alive(pid) for pid in pids)
        assert read_running(home) is None

    def test_a_killed_one_takes_its_children_along(self, process: "subprocess.Popen[str]", home: Path) -> None:
        pids = read_running(home).pids.values()  # type: ignore[union-attr]
        process.kill()
        process.wait()
        assert read_running(home) is None
        wait_until(lambda: not any(is_alive(pid) for pid in pids))
        with Supervisor(home, [Child("one", SLEEPER)]) as supervisor:
            assert supervisor.pid("one")


class WhenAFileIsLeftFromBefore:
    @pytest.mark.parametrize("content", ['{"pid": 1, "addresses": {}, "pids": {}}', "nonsense", ""])
    def test_it_is_not_believed(self, home: Path, content: str) -> None:
        (home / "run").mkdir(parents=True)
        (home / "run" / "up.lock").touch()
        (home / "run" / "run.json").write_text(content)
        assert read_running(home) is None

    def test_a_broken_one_of_a_running_supervisor_is_no_answer(self, up: Supervisor, home: Path) -> None:
        (home / "run" / "run.json").write_text(json.dumps({"pid": 1}))
        assert read_running(home) is None


class WhenALogGrowsTooLong:
    def test_it_is_begun_anew_and_the_old_one_kept(
        self, up: Supervisor, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wait_until(lambda: log(home, "one"))
        monkeypatch.setattr(supervise, "LOG_BYTES_MAX", 3)
        up._cut_logs()
        assert log(home, "one") == ""
        assert (home / "log" / "one.log.1").read_text() == "hello\n"


class WhenAPortIsTaken:
    def test_the_next_free_one_is_used(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            taken = listening.getsockname()[1]
            found = free_port("127.0.0.1", taken)
            assert taken < found < taken + 200
            assert free_port("127.0.0.1", taken, [found]) > found

    def test_there_is_a_limit_to_the_looking(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(supervise, "PORTS_TRIED_MAX", 1)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            with pytest.raises(OSError, match="no free port on 127.0.0.1 .* set FALLSAFE_LISTEN"):
                free_port("127.0.0.1", listening.getsockname()[1])


class WhenAVerbIsRunAsAProcess:
    def test_it_is_run_by_the_same_python(self) -> None:
        assert module("fallsafe.cli.work", "worker-1") == (sys.executable, "-m", "fallsafe.cli.work", "worker-1")

"""The world of the crash test: a whole installation in a home of its own, orders for it, and faults of the systems
outside.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import claim_ports

from fallsafe import policyset
from fallsafe.cli.supervise import free_port
from fallsafe.cli.wiring import SANDBOX, SANDBOX_OF, Wiring, folders, new_secrets
from fallsafe.simulator.sandbox.control import command_line, secret_variables, write_faults
from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate

TIME_SCALE = 300.0  # a settle window of five minutes is one second
LEASE_BEYOND_CALL = 2.0
CALLBACK_DELAY = 0.1
FIRST_PORT = claim_ports()
OPERATIONS = (
    "BIL.createAccount",
    "WHS.reserve",
    "WFM.book",
    "PRV.activateService",
    "PRV.configureIp",
    "BIL.createSubscription",
)
PROCESS_OF = {code: name for name, codes in SANDBOX.items() for code in codes}
ADDED = (("static-ip", "STATIC-IP"), ("router", "WIFI-ROUTER"), ("billing", "MONTHLY-BILLING"))


@dataclass(frozen=True)
class Installation:
    """A running one, but for its workers."""

    home: Path
    server: Embedded
    wiring: Wiring
    sandbox: Mapping[str, "subprocess.Popen[bytes]"]

    @property
    def environment(self) -> dict[str, str]:
        """What its processes read as settings."""
        return {"FALLSAFE_HOME": str(self.home), "FALLSAFE_KILL": ""}

    def ask(self, path: str, body: object = None, method: str | None = None, token: str = "") -> Any:
        """A request with a token, of whoever installed where none is given. Raises OSError when it is not answered
        well.
        """
        token = token or (self.home / "token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.wiring.api}/api/v1{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read())

    def token_of(self, name: str, roles: Sequence[str], groups: Sequence[str] = ("*",), kind: str = "person") -> str:
        """A token of somebody, who is made known where they are a person."""
        if kind == "person":
            who = {"title": name, "roles": [*roles], "groups": [*groups], "reason": "they work here"}
            self.ask(f"/people/{name}", who, "PUT")
        asked = {"name": name, "kind": kind, "roles": [*roles], "groups": [*groups]}
        return str(self.ask("/tokens", asked)["token"])

    def answers(self) -> bool:
        """Whether the API is there."""
        try:
            with urllib.request.urlopen(f"{self.wiring.api}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end_sandbox(self) -> None:
        """Ends the systems outside, so that their disks have all that they ever did."""
        for process in self.sandbox.values():
            process.terminate()
        for process in self.sandbox.values():
            process.wait()


QUICK = {r"call_timeout: PT1[05]S": "call_timeout: PT1S"}


def quick_policy(home: Path, changes: Mapping[str, str] = QUICK, name: str = "telco") -> Path:
    """The shipped set, open at all hours, with other times of its operations, by pattern; a call that is not answered
    is given up after a second.
    """
    shipped = policyset.shipped(name)
    folder = home / "policy" / name / shipped.name
    shutil.copytree(shipped, folder)
    operations = folder / "operations.yaml"
    text = operations.read_text()
    for pattern, wanted in changes.items():
        text, changed = re.subn(pattern, wanted, text)
        assert changed >= len(OPERATIONS), f"{pattern} is not said of every operation any more"
    operations.write_text(text)
    hours = folder / "calendars.yaml"
    hours.write_text(re.sub(r"^windows:\n(  .*\n)+", "windows: {}\n", hours.read_text(), flags=re.MULTILINE))
    return folder


@contextmanager
def installation(
    home: Path, faults: Mapping[str, list[dict[str, object]]], time_scale: float = TIME_SCALE, policy: str = "telco"
) -> Iterator[Installation]:
    """Database (with fsync) and systems outside, running; the API and the workers are the caller's."""
    secrets = new_secrets(policy)
    with ExitStack() as stack:
        server = stack.enter_context(Embedded(home))
        migrate(server.url("fallsafe_owner"))
        for name, script in faults.items():
            write_faults(home, name, script)  # type: ignore[arg-type]
        sandbox, systems = {}, dict[str, str]()
        api = f"http://127.0.0.1:{free_port('127.0.0.1', FIRST_PORT)}"
        for name, codes in SANDBOX_OF[policy].items():
            process = _start(name, home, {code: secrets[code] for code in codes}, api if name == "engine" else "")
            stack.callback(_end, process)
            sandbox[name] = process
            assert process.stdout is not None
            systems |= dict.fromkeys(codes, json.loads(process.stdout.readline())["url"])
        systems |= folders(home, systems)
        folder = str(quick_policy(home, name=policy))
        wiring = Wiring(server.url(), api, systems, secrets, time_scale, folder, LEASE_BEYOND_CALL)
        wiring.write(home)
        yield Installation(home, server, wiring, sandbox)


def _start(name: str, home: Path, secrets: Mapping[str, str], report_to: str) -> "subprocess.Popen[bytes]":
    line = command_line(name, home, 0, delay=CALLBACK_DELAY, report_to=report_to)
    return subprocess.Popen(line, env={**os.environ, **secret_variables(secrets)}, stdout=subprocess.PIPE)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def order(external_id: str) -> dict[str, object]:
    """The order of §26 as JSON."""
    items = [
        {"externalId": "fiber", "offer": "FIBER-HOME-1G", "action": "add", "monthlyMinor": 4500, "currency": "EUR"},
        *({"externalId": i, "offer": o, "action": "add", "parent": "fiber", "currency": "EUR"} for i, o in ADDED),
    ]
    return {"source": "CRM", "externalId": external_id, "customerRef": f"CU-{external_id}", "items": items}


def faults_for(numbers: range) -> dict[str, list[dict[str, object]]]:
    """For every third order one thing that goes wrong outside, each operation in turn."""
    script: dict[str, list[dict[str, object]]] = {name: [] for name in SANDBOX}
    kinds = ("answer_lost_after_effect", "answer_lost_before_effect", "callback_late", "callback_twice")
    for turn, number in enumerate(n for n in numbers if n % 3 == 0):
        kind = kinds[turn % len(kinds)]
        calls_back = kind.startswith("callback")
        choices = [o for o in OPERATIONS if o.startswith("PRV")] if calls_back else OPERATIONS
        operation = choices[turn // len(kinds) % len(choices)]
        fault = {"operation": operation, "match": f"/{name_of(number)}/", "fault": kind, "times": 1}
        script[PROCESS_OF[operation[:3]]].append(fault | ({"seconds": 2} if kind == "callback_late" else {}))
    return script


def name_of(number: int) -> str:
    """What the source calls its order."""
    return f"c{number:03}"


@dataclass
class Forge:
    """The process that starts workers and the API, and what it said."""

    process: "subprocess.Popen[str]"

    def start(self, name: str, log: Path, environment: Mapping[str, str]) -> None:
        """Asks for one more process."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"name": name, "log": str(log), "env": environment}) + "\n")
        self.process.stdin.flush()


@contextmanager
def forge(environment: Mapping[str, str]) -> Iterator[Forge]:
    """A forge that is ready; all that it started ends with it."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("forge.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline()) == {"ready": True}
        yield Forge(process)
    finally:
        process.stdin.close()
        process.wait(10)


def until(holds: Any, seconds: float, what: str | Callable[[], str]) -> None:
    """Waits for something. Raises AssertionError that says what did not come."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"after {seconds:g} s: {what if isinstance(what, str) else what()}"
        time.sleep(0.05)

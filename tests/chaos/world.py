"""What chaos strikes: everything that `fallsafe up` runs, as it runs it, with our network between the processes.

Workers reach the systems outside through a link each, and every process of the product reaches PostgreSQL through one.
Settle windows are as long as anything of ours may be halted: a request that a halted system takes up later is an
effect within the window that its contract promises.
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.chaos.link import Link, Network, network
from tests.crash.outside import FIRST_PORT, Installation, quick_policy

from fallsafe.cli.install import processes
from fallsafe.cli.settings import read_settings
from fallsafe.cli.supervise import Supervisor, free_port
from fallsafe.cli.wiring import SANDBOX, Wiring, new_secrets
from fallsafe.simulator.sandbox.control import write_faults
from fallsafe.store.embedded import PORT, Embedded
from fallsafe.store.migrate import migrate

TIME_SCALE = 60.0
LEASE_BEYOND_CALL = 2.0
CALL_SECONDS = 1.0
LEASE_SECONDS = CALL_SECONDS + LEASE_BEYOND_CALL
HALTED_SECONDS_MAX = LEASE_SECONDS + 5.0
POLICY = {
    r"call_timeout: PT10S": f"call_timeout: PT{CALL_SECONDS:.0f}S",
    r"settle_window: PT\w+": f"settle_window: PT{(HALTED_SECONDS_MAX + 2) * TIME_SCALE:.0f}S",
    r"second_look: PT\w+": f"second_look: PT{TIME_SCALE:.0f}S",
}
WORKERS = ("worker-1", "worker-2")
OUR_OWN = (*WORKERS, "api")
OUTSIDE = tuple(f"sandbox-{name}" for name in SANDBOX)
DATABASE = "database"


@dataclass(frozen=True)
class World:
    """A running installation, its supervisor, and the links by the name of what they lead to."""

    there: Installation
    supervisor: Supervisor
    links: Mapping[str, Link]
    net: Network

    @property
    def killer(self) -> Embedded:
        """The server as somebody sees it who has not started it."""
        return Embedded(self.there.home)


@contextmanager
def world(
    home: Path, dice: random.Random, faults: Mapping[str, Sequence[Mapping[str, object]]], say: Callable[[str], None]
) -> Iterator[World]:
    """Everything, running."""
    settings = read_settings({"FALLSAFE_HOME": str(home), "FALLSAFE_WORKERS": str(len(WORKERS))}, Path.cwd())
    with ExitStack() as stack:
        server = stack.enter_context(Embedded(home))
        migrate(server.url("fallsafe_owner"))
        stack.enter_context(server.kept(say))
        for name, script in faults.items():
            write_faults(home, name, script)  # type: ignore[arg-type]
        direct = _wiring(home, server)
        net = stack.enter_context(network())
        links = _links(net, server, direct, dice)
        through = replace(direct, database_url=_database_url(links[DATABASE]), systems=_systems(links))
        through.write(home)
        children = processes(settings, direct)
        supervisor = stack.enter_context(Supervisor(home, children, {"api": direct.api}, say))
        supervisor.wait_ready()
        yield World(Installation(home, server, direct, {}), supervisor, links, net)


def _wiring(home: Path, server: Embedded) -> Wiring:
    ports: list[int] = []
    for _ in range(1 + len(SANDBOX)):
        ports.append(free_port("127.0.0.1", FIRST_PORT, ports))
    systems = {
        code: f"http://127.0.0.1:{port}"
        for port, codes in zip(ports[1:], SANDBOX.values(), strict=True)
        for code in codes
    }
    folder = str(quick_policy(home, POLICY))
    api = f"http://127.0.0.1:{ports[0]}"
    return Wiring(server.url(), api, systems, new_secrets(), TIME_SCALE, folder, LEASE_BEYOND_CALL)


def _links(net: Network, server: Embedded, direct: Wiring, dice: random.Random) -> dict[str, Link]:
    made = {DATABASE: net.link(DATABASE, os.fspath(server.sockets / f".s.PGSQL.{PORT}"), random.Random(dice.random()))}
    for name, codes in SANDBOX.items():
        port = int(direct.systems[codes[0]].rpartition(":")[2])
        made[f"sandbox-{name}"] = net.link(f"sandbox-{name}", ("127.0.0.1", port), random.Random(dice.random()))
    return made


def _database_url(link: Link) -> str:
    return f"postgresql://fallsafe_app@127.0.0.1:{link.port}/fallsafe?sslmode=disable&gssencmode=disable"


def _systems(links: Mapping[str, Link]) -> dict[str, str]:
    return {
        code: f"http://127.0.0.1:{links[f'sandbox-{name}'].port}" for name, codes in SANDBOX.items() for code in codes
    }

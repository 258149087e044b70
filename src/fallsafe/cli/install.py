"""One installation on this machine: database, sandbox, API, workers, from entering the context to leaving it.

Everything is torn down in the opposite order; nothing is left running.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fallsafe.cli.settings import Settings
from fallsafe.cli.supervise import Child, Supervisor, free_port, module
from fallsafe.cli.wiring import SANDBOX_OF, Wiring, folders, new_secrets, read_wiring
from fallsafe.policyset.shipped import shipped
from fallsafe.simulator.sandbox.control import command_line, secret_variables
from fallsafe.store.embedded import Embedded
from fallsafe.store.schema import app_url, pending

SANDBOX_PORTS_BEYOND = 11  # 8431 beside 8420


@dataclass(frozen=True, slots=True)
class Installation:
    """A running installation: where it lives and answers, and the supervisor of its processes (None: another's)."""

    home: Path
    wiring: Wiring
    supervisor: Supervisor | None

    @property
    def token(self) -> str:
        """The API token of the one who installed."""
        return (self.home / "token").read_text().strip()


@contextmanager
def installation(
    settings: Settings, time_scale: float, without: Sequence[str], say: Callable[[str], None]
) -> Iterator[Installation]:
    """Starts everything and returns once it answers. `without` names steps that no worker takes."""
    with ExitStack() as stack:
        owner, app = _database(settings, stack, say)
        if pending(owner):
            _migrate(owner)
        wiring = _wire(settings, app, time_scale)
        children = processes(settings, wiring, without)
        supervisor = stack.enter_context(Supervisor(settings.home, children, {"api": wiring.api}, say))
        supervisor.wait_ready()
        yield Installation(settings.home, wiring, supervisor)


def running(home: Path) -> Installation:
    """The installation that another process keeps running in this home."""
    return Installation(home, read_wiring(home), None)


def _database(settings: Settings, stack: ExitStack, say: Callable[[str], None]) -> tuple[str, str]:
    """The addresses of the database for its owner and for the product."""
    if settings.database_url is not None:
        return settings.database_url, app_url(settings.database_url)
    server = stack.enter_context(Embedded(settings.home))
    stack.enter_context(server.kept(say))
    return server.url("fallsafe_owner"), server.url()


def _migrate(owner_url: str) -> None:
    from fallsafe.store.migrate import migrate  # a second of imports that most starts do without

    migrate(owner_url)


def _wire(settings: Settings, database_url: str, time_scale: float) -> Wiring:
    taken: list[int] = [free_port(settings.host, settings.port)]
    urls: dict[str, str] = {}
    for codes in SANDBOX_OF[settings.policy].values():
        taken.append(free_port("127.0.0.1", settings.port + SANDBOX_PORTS_BEYOND, taken))
        urls |= dict.fromkeys(codes, f"http://127.0.0.1:{taken[-1]}")
    urls |= folders(settings.home, urls)
    api = f"http://{settings.host}:{taken[0]}"
    policy = str(shipped(settings.policy))
    wiring = Wiring(database_url, api, urls, new_secrets(settings.policy), time_scale, policy)
    wiring.write(settings.home)
    return wiring


def processes(settings: Settings, wiring: Wiring, without: Sequence[str] = ()) -> Sequence[Child]:
    """What the supervisor keeps running: the systems of the sandbox at their addresses, the API, and the workers."""
    outside = [_sandbox(settings, wiring, name, codes) for name, codes in SANDBOX_OF[settings.policy].items()]
    own = settings.environment()
    names = [f"worker-{n}" for n in range(1, settings.workers + 1)]
    workers = [Child(name, module("fallsafe.cli.work", name, *without), own) for name in names]
    return [*outside, Child("api", module("fallsafe.cli.serve"), own, f"{wiring.api}/healthz"), *workers]


def _sandbox(settings: Settings, wiring: Wiring, name: str, codes: Sequence[str]) -> Child:
    url = wiring.systems[codes[0]]
    reports = wiring.api if name == "engine" else ""
    line = command_line(name, settings.home, int(url.rpartition(":")[2]), watch_parent=False, report_to=reports)
    secrets = secret_variables({code: wiring.secrets[code] for code in codes})
    return Child(f"sandbox-{name}", tuple(line), secrets, f"{url}/_sandbox/faults")

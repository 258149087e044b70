"""What all tests share: a PostgreSQL server for each test process, and in it a migrated database, as new for each test.

The server is the product's own embedded one, but it does not wait for the disk: a test that is about crashes starts its
own. A database is a copy of a template that was migrated once. Who only used it as the product does hands it on: what
was written is deleted, which takes a tenth of the time of another copy.
"""

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import structlog
from psycopg import sql
from xdist.scheduler.loadscope import LoadScopeScheduling

from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate

HERE = Path(__file__).parent
# Folders and modules that take long because they wait, each once in one process: they start first, so that everything
# else fills the pauses. Every other module is one piece of work too, so that its tests share what is costly to make.
FIRST = ("crash/test_crash.py", "doors/test_drill.py", "spec/test_interlock.py", "spec/test_s12_ways.py", "browser/")
# Modules with long tests that need nothing of each other: they come last, each test to whichever process is free.
LAST = ("sim/test_worlds.py",)
# A fault of the product is told without the values around it: writing those down takes minutes.
structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
WITHOUT_BROWSER = os.environ.get("BROWSER") == "0"


class Together(LoadScopeScheduling):
    """Hands what belongs together to one process, in the order in which it was collected."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0].removeprefix("tests/")
        if module in LAST:
            return nodeid
        return next((part for part in FIRST if module.startswith(part)), module)


def turn(item: pytest.Item) -> int:
    """When a test's turn comes: those of `FIRST` in their order, then the others, those of `LAST` at the end."""
    place = item.path.relative_to(HERE).as_posix()
    if place in LAST:
        return len(FIRST) + 1
    return next((n for n, part in enumerate(FIRST) if place.startswith(part)), len(FIRST))


def pytest_configure() -> None:
    """Let Ctrl-C raise where it strikes. With Python's own handler in place each asyncio run would set one of its own,
    and for that writes out all that the test's fixtures hold.
    """
    signal.signal(signal.SIGINT, lambda *told: signal.default_int_handler(*told))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """Asked for once, in the process that hands out the tests."""
    config.option.loadscopereorder = False
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they are in, and put them in the order in which they start."""
    for item in items:
        if item.path.relative_to(HERE).parts[0] == "browser":
            item.add_marker(pytest.mark.browser)
        if WITHOUT_BROWSER and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="left out by BROWSER=0"))
    items.sort(key=turn)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many browser tests were left out, so that nobody takes them for passed."""
    if WITHOUT_BROWSER:
        skipped = terminalreporter.stats.get("skipped", [])
        left_out = sum("BROWSER=0" in str(report.longrepr) for report in skipped)
        terminalreporter.write_line(f"BROWSER=0 left out {left_out} browser tests")


SERVER = ("fsync = off", "synchronous_commit = off", "full_page_writes = off", "autovacuum = off")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Embedded]:
    """A running server for this test process."""
    home = Path(tempfile.mkdtemp(prefix="fallsafe-t-"))
    server = Embedded(home)
    server.start()
    try:
        with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as superuser:
            for setting in SERVER:
                superuser.execute(sql.SQL("ALTER SYSTEM SET {}").format(sql.SQL(setting)))
            superuser.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


class Databases:
    """Migrated databases of one server, each lent to one test at a time."""

    LENT_MAX = 100  # what was deleted stays in the files

    def __init__(self, cluster: Embedded) -> None:
        migrate(cluster.url("fallsafe_owner"))
        self._url = cluster.url
        self._superuser = psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True)
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        self._lent: dict[str, int] = {}
        with psycopg.connect(cluster.url("postgres")) as template:
            tables = template.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
            names = [sql.Identifier(row[0]) for row in tables]
            self._delete = sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(name) for name in names)
            copies = ((name, self._content(template, name)) for name in names)
            self._contents = [(name, content) for name, content in copies if content]

    @staticmethod
    def _content(template: psycopg.Connection, name: sql.Identifier) -> bytes:
        with template.cursor().copy(sql.SQL("COPY {} TO STDOUT").format(name)) as out:
            return b"".join(bytes(part) for part in out)

    def take(self) -> str:
        """The name of a database in which nothing has happened yet."""
        name = self._free.pop() if self._free else f"t{next(self._numbers)}"
        if name not in self._lent:
            statement = "CREATE DATABASE {} TEMPLATE fallsafe OWNER fallsafe_owner STRATEGY FILE_COPY"
            self._superuser.execute(sql.SQL(statement).format(sql.Identifier(name)))
        self._lent[name] = self._lent.get(name, 0) + 1
        return name

    def give_back(self, name: str, changed: bool) -> None:
        """A test is over. `changed` says that more than rows may be other than before."""
        if changed or self._lent[name] == self.LENT_MAX:
            self._superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
            return
        self._superuser.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        with psycopg.connect(self._url("postgres", name)) as superuser:
            superuser.execute("SET session_replication_role = replica")  # nothing in it guards what it has
            superuser.execute(self._delete)
            for table, content in self._contents:
                with superuser.cursor().copy(sql.SQL("COPY {} FROM STDIN").format(table)) as into:
                    into.write(content)
        self._free.append(name)

    def close(self) -> None:
        """The server is about to end."""
        self._superuser.close()


@pytest.fixture(scope="session")
def databases(cluster: Embedded) -> Iterator[Databases]:
    """The databases of this test process."""
    made = Databases(cluster)
    yield made
    made.close()


@pytest.fixture
def database(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a migrated database that is this test's own and as new."""
    name = databases.take()
    yield name
    databases.give_back(name, changed="owner_url" in request.fixturenames)


@pytest.fixture
def database_url(cluster: Embedded, database: str) -> str:
    """The test's own database as the product sees it (role fallsafe_app)."""
    return cluster.url("fallsafe_app", database)


@pytest.fixture
def owner_url(cluster: Embedded, database: str) -> str:
    """The same database as its owner, who may do what the product may not."""
    return cluster.url("fallsafe_owner", database)

"""What all tests share: one PostgreSQL server for each test process, and a migrated database of its own for each test.

The server is the product's own embedded one. A database is a copy of a template that was migrated once, which takes a
few hundredths of a second. The server does not wait for the disk: a test that is about crashes starts its own.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate

HERE = Path(__file__).parent
# What shares something costly, or wants to be the only one of its kind: a folder or a module whose tests run one after
# another in one process. They start first.
TOGETHER = ("crash/", "browser/", "doors/test_drill.py", "spec/test_interlock.py")
WITHOUT_BROWSER = os.environ.get("BROWSER") == "0"
NUMBERS = itertools.count(1)


class Together(LoadScopeScheduling):
    """Hands what belongs together to one process, and every other test to whichever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid) or nodeid


def together(nodeid: str) -> str:
    """With what a test runs, empty where it does not matter."""
    return next((part for part in TOGETHER if nodeid.startswith(f"tests/{part}")), "")


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Together:
    """Asked for once, in the process that hands out the tests."""
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they are in; those that take long come first."""
    for item in items:
        if item.path.relative_to(HERE).parts[0] == "browser":
            item.add_marker(pytest.mark.browser)
        if WITHOUT_BROWSER and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="left out by BROWSER=0"))
    items.sort(key=lambda item: not together(item.nodeid))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many browser tests were left out, so that nobody takes them for passed."""
    if WITHOUT_BROWSER:
        skipped = terminalreporter.stats.get("skipped", [])
        left_out = sum("BROWSER=0" in str(report.longrepr) for report in skipped)
        terminalreporter.write_line(f"BROWSER=0 left out {left_out} browser tests")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Embedded]:
    """A running server for this test process."""
    home = Path(tempfile.mkdtemp(prefix="fallsafe-t-"))
    server = Embedded(home)
    server.start()
    try:
        with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as superuser:
            superuser.execute("ALTER SYSTEM SET fsync = off")
            superuser.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template(cluster: Embedded) -> str:
    """The name of a migrated database that is only ever copied."""
    migrate(cluster.url("fallsafe_owner"))
    return "fallsafe"


@pytest.fixture
def database(cluster: Embedded, template: str) -> Iterator[str]:
    """The name of a fresh, migrated database that is this test's own."""
    name = f"t{next(NUMBERS)}"
    with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as superuser:
        superuser.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER fallsafe_owner STRATEGY FILE_COPY")
        yield name
        superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database_url(cluster: Embedded, database: str) -> str:
    """The test's own database as the product sees it (role fallsafe_app)."""
    return cluster.url("fallsafe_app", database)


@pytest.fixture
def owner_url(cluster: Embedded, database: str) -> str:
    """The same database as its owner, who may do what the product may not."""
    return cluster.url("fallsafe_owner", database)

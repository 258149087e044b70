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

from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate

HERE = Path(__file__).parent
# Folders whose tests want the machine to themselves: they run one after another, and start first.
ALONE = ("crash", "browser")
WITHOUT_BROWSER = os.environ.get("BROWSER") == "0"
NUMBERS = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they are in."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in ALONE:
            item.add_marker(pytest.mark.xdist_group(folder))
        if folder == "browser":
            item.add_marker(pytest.mark.browser)
        if WITHOUT_BROWSER and item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.skip(reason="left out by BROWSER=0"))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


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
        superuser.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER fallsafe_owner")
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

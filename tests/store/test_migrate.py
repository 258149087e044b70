"""The schema's history is run once, whole or not at all, by whoever may, and says so when somebody may not."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fallsafe.store.embedded import Embedded
from fallsafe.store.migrate import migrate
from fallsafe.store.schema import CannotMigrate, app_url, migrations, pending


@pytest.fixture
def empty(cluster: Embedded) -> str:
    """The name of a database that nobody has migrated."""
    with psycopg.connect(cluster.url("postgres", "postgres"), autocommit=True) as superuser:
        superuser.execute("DROP DATABASE IF EXISTS empty WITH (FORCE)")
        superuser.execute("CREATE DATABASE empty OWNER fallsafe_owner")
    return "empty"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three migrations in a row: pre, post, pre."""
    (tmp_path / "0001_pre_first.sql").write_text("CREATE TABLE first (a int); INSERT INTO first VALUES (10 % 4);")
    (tmp_path / "0002_post_second.sql").write_text("ALTER TABLE first ADD COLUMN b int;")
    (tmp_path / "0003_pre_third.sql").write_text("CREATE TABLE third (c int);")
    return tmp_path


def tables(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'public'")
        return dict(found.fetchall())


class WhenADatabaseIsNew:
    def test_every_migration_runs_once_and_is_named(self, cluster: Embedded, empty: str, folder: Path) -> None:
        url = cluster.url("fallsafe_owner", empty)
        assert migrate(url, folder=folder) == ["0001_pre_first", "0002_post_second", "0003_pre_third"]
        assert migrate(url, folder=folder) == []
        assert set(tables(url)) == {"first", "third", "schema_version"}

    def test_the_shipped_ones_give_the_owner_every_table(self, cluster: Embedded, empty: str) -> None:
        url = cluster.url("fallsafe_owner", empty)
        assert migrate(url) == [migration.name for migration in migrations()]
        assert set(tables(url).values()) == {"fallsafe_owner"}

    def test_a_percent_sign_is_left_as_it_is(self, cluster: Embedded, empty: str, folder: Path) -> None:
        url = cluster.url("fallsafe_owner", empty)
        migrate(url, folder=folder)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT a FROM first").fetchall() == [(2,)]


class WhenOldProcessesStillRun:
    def test_only_what_adds_is_run(self, cluster: Embedded, empty: str, folder: Path) -> None:
        url = cluster.url("fallsafe_owner", empty)
        assert migrate(url, upto="pre", folder=folder) == ["0001_pre_first"]
        assert pending(url, folder=folder) == ["0002_post_second", "0003_pre_third"]
        assert migrate(url, folder=folder) == ["0002_post_second", "0003_pre_third"]
        assert pending(url, folder=folder) == []


class WhenAMigrationFails:
    def test_nothing_of_it_stays_and_the_file_is_named(self, cluster: Embedded, empty: str, folder: Path) -> None:
        (folder / "0004_pre_wrong.sql").write_text("CREATE TABLE fourth (d int); SELECT nonsense;")
        url = cluster.url("fallsafe_owner", empty)
        with pytest.raises(CannotMigrate, match=r"0004_pre_wrong\.sql failed, and all .* undone: column .nonsense"):
            migrate(url, folder=folder)
        assert tables(url) == {}

    def test_it_can_be_run_again_after_the_fix(self, cluster: Embedded, empty: str, folder: Path) -> None:
        url = cluster.url("fallsafe_owner", empty)
        (folder / "0004_pre_wrong.sql").write_text("SELECT nonsense;")
        with pytest.raises(CannotMigrate):
            migrate(url, folder=folder)
        (folder / "0004_pre_wrong.sql").write_text("SELECT 1;")
        assert len(migrate(url, folder=folder)) == 4


class WhenTwoMigrateAtOnce:
    def test_one_does_the_work_and_the_other_finds_it_done(self, cluster: Embedded, empty: str, folder: Path) -> None:
        done: list[list[str]] = []
        threads = [
            threading.Thread(target=lambda: done.append(migrate(cluster.url("fallsafe_owner", empty), folder=folder)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(len, done)) == [0, 0, 0, 3]


class WhenTheDatabaseWasMadeByANewerRelease:
    def test_it_is_left_alone(self, cluster: Embedded, empty: str, folder: Path) -> None:
        url = cluster.url("fallsafe_owner", empty)
        migrate(url, folder=folder)
        (folder / "0003_pre_third.sql").unlink()
        with pytest.raises(CannotMigrate, match="at 0003_pre_third, which this release does not know"):
            migrate(url, folder=folder)
        with pytest.raises(CannotMigrate, match="use a newer Fallsafe"):
            pending(url, folder=folder)


class WhenTheDatabaseIsSomebodyElses:
    """A server that was not brought up by Fallsafe: the roles may be missing, and the user may be anybody."""

    @pytest.fixture
    def other(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
        server = Embedded(tmp_path_factory.mktemp("other"))
        server.start()
        with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as superuser:
            for statement in (
                "DROP DATABASE fallsafe",
                "DROP ROLE fallsafe_owner",
                "DROP ROLE fallsafe_app",
                "CREATE ROLE admin LOGIN CREATEROLE",
                "CREATE ROLE guest LOGIN",
                "CREATE DATABASE shop OWNER admin",
            ):
                superuser.execute(statement)
        yield server
        server.stop()

    def test_one_who_may_create_roles_needs_no_preparation(self, other: Embedded, folder: Path) -> None:
        url = other.url("admin", "shop")
        assert len(migrate(url, folder=folder)) == 3
        assert set(tables(url).values()) == {"fallsafe_owner"}
        with psycopg.connect(app_url(url)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == ("fallsafe_app",)

    def test_one_who_may_not_is_told_what_an_administrator_runs(self, other: Embedded, folder: Path) -> None:
        with pytest.raises(CannotMigrate, match="guest may not act as fallsafe_owner in the database shop") as refused:
            migrate(other.url("guest", "shop"), folder=folder)
        statements = str(refused.value).split("what is missing of\n")[1]
        with psycopg.connect(other.url("postgres", "shop"), autocommit=True) as superuser:
            superuser.execute(statements)
        assert len(migrate(other.url("guest", "shop"), folder=folder)) == 3


class WhenTheDatabaseCannotBeReached:
    def test_the_message_says_so(self, folder: Path) -> None:
        with pytest.raises(CannotMigrate, match="cannot be reached"):
            migrate("postgresql://nobody@127.0.0.1:1/none", folder=folder)


class WhenAFileHasAWrongName:
    @pytest.mark.parametrize("name", ["0004_third.sql", "4_pre_x.sql", "0004_pre_Big.sql", "0004_late_x.sql"])
    def test_it_is_refused(self, folder: Path, name: str) -> None:
        (folder / name).write_text("SELECT 1;")
        with pytest.raises(CannotMigrate, match="name it NNNN_pre_<name>.sql or NNNN_post_<name>.sql"):
            migrations(folder)

    def test_a_number_is_given_once(self, folder: Path) -> None:
        (folder / "0003_pre_also.sql").write_text("SELECT 1;")
        with pytest.raises(CannotMigrate, match="number 0003 is taken twice"):
            migrations(folder)


class WhenTheProductIsConnected:
    def test_it_may_read_the_version_and_not_write_it(self, database_url: str) -> None:
        assert pending(database_url) == []
        with psycopg.connect(database_url) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("UPDATE schema_version SET version_num = 'x'")

    @pytest.mark.parametrize("table", ["journal", "evidence", "attempts", "outcomes"])
    @pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {}", "UPDATE {} SET order_id = 1"])
    def test_it_may_not_change_what_is_only_appended_to(self, database_url: str, table: str, change: str) -> None:
        with psycopg.connect(database_url) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(change.format(table))

    def test_it_owns_nothing(self, database_url: str) -> None:
        with psycopg.connect(database_url) as connection:
            owned = connection.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole")
            assert owned.fetchone() == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE own (a int)")

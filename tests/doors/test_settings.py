"""Settings come from the environment once, each with a default; what is wrong is said in one go, without secrets."""

from pathlib import Path

import pytest

from fallsafe.cli.settings import MEANINGS, WrongSettings, default_home, read_settings, without_password

NOWHERE = Path("/nowhere")


class WhenNothingIsSet:
    def test_every_setting_has_a_default(self) -> None:
        settings = read_settings({"HOME": "/home/ada"}, NOWHERE)
        assert settings.home == Path("/home/ada/.local/share/fallsafe")
        assert (settings.host, settings.port, settings.workers, settings.time_scale) == ("127.0.0.1", 8420, 2, 1.0)
        assert (settings.database_url, settings.url, settings.token) == (None, None, None)

    def test_an_empty_value_counts_as_nothing(self) -> None:
        assert read_settings({"HOME": "/h", "FALLSAFE_WORKERS": " "}, NOWHERE) == read_settings({"HOME": "/h"}, NOWHERE)

    def test_a_checkout_keeps_its_data_inside_itself(self, tmp_path: Path) -> None:
        (tmp_path / "src" / "fallsafe" / "cli").mkdir(parents=True)
        (tmp_path / "pyproject.toml").touch()
        assert default_home({}, tmp_path / "src") == tmp_path / ".fallsafe"

    def test_the_users_data_folder_may_be_elsewhere(self) -> None:
        assert default_home({"XDG_DATA_HOME": "/data"}, NOWHERE) == Path("/data/fallsafe")


class WhenSomethingIsSet:
    @pytest.mark.parametrize(
        ("name", "text", "field", "value"),
        [
            ("FALLSAFE_HOME", "/srv/fallsafe", "home", Path("/srv/fallsafe")),
            ("FALLSAFE_HOME", "here", "home", NOWHERE / "here"),
            ("FALLSAFE_LISTEN", "0.0.0.0:80", "host", "0.0.0.0"),
            ("FALLSAFE_LISTEN", "[::1]:80", "host", "::1"),
            ("FALLSAFE_LISTEN", "localhost:0", "port", 0),
            ("FALLSAFE_WORKERS", "8", "workers", 8),
            ("FALLSAFE_TIME_SCALE", "60", "time_scale", 60.0),
            ("FALLSAFE_TIME_SCALE", "1.5", "time_scale", 1.5),
            ("FALLSAFE_URL", "https://fallsafe.example/", "url", "https://fallsafe.example"),
            ("FALLSAFE_DATABASE_URL", "postgresql://db/x", "database_url", "postgresql://db/x"),
        ],
    )
    def test_it_is_taken(self, name: str, text: str, field: str, value: object) -> None:
        assert getattr(read_settings({name: text}, NOWHERE), field) == value

    def test_a_child_that_gets_them_reads_the_same(self) -> None:
        settings = read_settings({"FALLSAFE_LISTEN": "[::1]:80", "FALLSAFE_TIME_SCALE": "60", "HOME": "/h"}, NOWHERE)
        child = read_settings(settings.environment(), Path("/elsewhere"))
        assert child.environment() == settings.environment()
        assert (child.host, child.port, child.home) == ("::1", 80, settings.home)


class WhenSomethingIsWrong:
    @pytest.mark.parametrize(
        ("name", "text", "advice"),
        [
            ("FALLSAFE_LISTEN", "8420", "write host:port, like 127.0.0.1:8420"),
            ("FALLSAFE_LISTEN", "localhost:99999", "write host:port"),
            ("FALLSAFE_WORKERS", "none", "write a whole number from 1 to 64"),
            ("FALLSAFE_WORKERS", "0", "write a whole number from 1 to 64"),
            ("FALLSAFE_TIME_SCALE", "nan", "write a number from 1"),
            ("FALLSAFE_TIME_SCALE", "-1", "write a number from 1"),
            ("FALLSAFE_URL", "fallsafe.example", "write http://host:port"),
        ],
    )
    def test_the_setting_its_value_and_what_would_work_are_named(self, name: str, text: str, advice: str) -> None:
        with pytest.raises(WrongSettings, match=f"^{name}={text}: {advice}"):
            read_settings({name: text}, NOWHERE)

    def test_all_of_it_is_said_at_once(self) -> None:
        with pytest.raises(WrongSettings) as refused:
            read_settings({"FALLSAFE_WORKERS": "x", "FALLSAFE_LISTEN": "y"}, NOWHERE)
        assert len(str(refused.value).splitlines()) == 2

    def test_a_database_url_is_never_repeated(self) -> None:
        with pytest.raises(WrongSettings) as refused:
            read_settings({"FALLSAFE_DATABASE_URL": "mysql://me:s3cret@db"}, NOWHERE)
        assert "s3cret" not in str(refused.value)


class WhenSomebodyAsksWhatIsInForce:
    def test_every_setting_has_its_value_source_and_meaning(self) -> None:
        rows = {row[0]: row[1:] for row in read_settings({"FALLSAFE_WORKERS": "3"}, NOWHERE).describe()}
        assert rows.keys() == MEANINGS.keys()
        assert rows["FALLSAFE_WORKERS"][:2] == ("3", "environment")
        assert rows["FALLSAFE_LISTEN"][:2] == ("127.0.0.1:8420", "default")

    def test_a_name_that_nobody_knows_is_pointed_out(self) -> None:
        rows = read_settings({"FALLSAFE_WORKER": "3"}, NOWHERE).describe()
        assert rows[-1] == ("FALLSAFE_WORKER", "", "environment", "no setting has this name; it is ignored")

    def test_secrets_are_not_shown(self) -> None:
        given = {"FALLSAFE_TOKEN": "t0ken", "FALLSAFE_DATABASE_URL": "postgresql://me:s3cret@db/x?password=s3cret"}
        shown = str(read_settings(given, NOWHERE).describe())
        assert "t0ken" not in shown
        assert "s3cret" not in shown

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("postgresql://me:s3cret@db:5432/x", "postgresql://me:…@db:5432/x"),
            ("postgresql://me@db/x", "postgresql://me@db/x"),
            ("postgresql:///x?host=/run&password=s3cret&user=me", "postgresql:///x?host=/run&password=…&user=me"),
        ],
    )
    def test_a_url_keeps_everything_but_its_password(self, url: str, shown: str) -> None:
        assert without_password(url) == shown

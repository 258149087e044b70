"""A process ends itself where it was told to, after it has written that down; nobody else notices the points."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fallsafe.cli.killpoints import POINTS, Kill, hook_of, nothing, parse_kill, watched
from fallsafe.cli.settings import WrongSettings, read_settings
from fallsafe.connectors.noop import NoopConnector

COMES_BY = """
import sys
from pathlib import Path
from fallsafe.cli.killpoints import hook_of, parse_kill
(Path(sys.argv[1]) / "run").mkdir()
hook = hook_of(parse_kill("after_commit:3"), Path(sys.argv[1]), "worker-1")
for n in range(1, 6):
    hook("before_commit")
    hook("after_commit")
    print(n, flush=True)
"""


class WhenAPointIsNamed:
    def test_the_process_ends_at_the_hit_that_counts_and_not_before(self, tmp_path: Path) -> None:
        done = subprocess.run([sys.executable, "-c", COMES_BY, tmp_path], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (-9, "1\n2\n")
        (line,) = (tmp_path / "run" / "kills.log").read_text().splitlines()
        written = json.loads(line)
        assert (written["point"], written["hits"], written["name"]) == ("after_commit", 3, "worker-1")

    def test_a_setting_names_it(self) -> None:
        settings = read_settings({"HOME": "/h", "FALLSAFE_KILL": "before_send:3"}, Path("/nowhere"))
        assert settings.kill == Kill("before_send", 3)
        assert settings.environment()["FALLSAFE_KILL"] == "before_send:3"

    def test_without_a_number_the_first_hit_counts(self) -> None:
        assert [parse_kill(point) for point in POINTS] == [Kill(point, 1) for point in POINTS]

    @pytest.mark.parametrize("text", ["sometime", "before_send:0", "before_send:-1", "before_send:", "during:x", ":3"])
    def test_what_cannot_be_read_is_refused_with_what_would_be_right(self, text: str) -> None:
        with pytest.raises(WrongSettings, match="FALLSAFE_KILL.*like before_send:3"):
            read_settings({"HOME": "/h", "FALLSAFE_KILL": text}, Path("/nowhere"))


class WhenNoPointIsNamed:
    def test_nothing_stands_between_a_worker_and_its_connector(self, tmp_path: Path) -> None:
        hook, connector = hook_of(None, tmp_path, "worker-1"), NoopConnector(lambda: 0.0)
        assert hook is nothing
        assert watched(connector, hook) is connector

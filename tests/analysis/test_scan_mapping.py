"""What a scan is not sure of it says, offers as a mapping of at most ten lines, and takes back as it was edited."""

import csv
import tomllib
from pathlib import Path

import pytest
from tests.analysis.door import run, scanned
from tests.analysis.world import make, write_log, write_table


def nameless(source: Path, target: Path, delimiter: str = ",") -> Path:
    """The same file under names that say nothing."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=delimiter))
    rows[0] = [f"f{n}" for n in range(len(rows[0]))]
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return target


class WhenColumnsAreGuessed:
    def test_a_mapping_is_offered_ready_to_be_edited_and_taken_back(self, tmp_path: Path):
        made = make(2)
        path = nameless(write_log(made, tmp_path / "log.csv"), tmp_path / "nameless.csv")
        result = run(path)
        assert "unsure: " in result.stdout
        offered = "\n".join(
            line.strip()
            for line in result.stdout.splitlines()
            if line.startswith("  ") and " = " in line and '"' in line
        )
        lines = tomllib.loads(offered)
        assert 3 <= len(lines) <= 10
        right = {"order": "f0", "task_id": "f1", "event": "f3", "time": "f4", "due": "f8"}
        assert {key: value for key, value in lines.items() if key in right}.items() <= right.items()
        right |= {"task": "f2", "group": "f5", "product": "f6", "customer": "f7"}
        lines |= right
        mapping = tmp_path / "mapping.toml"
        mapping.write_text("".join(f'{key} = "{value}"\n' for key, value in lines.items()), encoding="utf-8")
        found = scanned(path, "--mapping", mapping)
        assert found.told["totals"]["unsure"] == []
        assert found.orders("stuck") == made.truth["stuck"]
        assert found.orders("duplicate") == made.truth["duplicate"]
        assert found.orders("late") == made.truth["late"]

    def test_a_column_can_be_said_not_to_be_there(self, tmp_path: Path):
        path = write_log(make(2, size=100), tmp_path / "log.csv")
        mapping = tmp_path / "mapping.toml"
        mapping.write_text('due = ""\n', encoding="utf-8")
        assert not {"late", "overdue", "at_risk"} & scanned(path, "--mapping", mapping).kinds.keys()

    def test_dates_of_a_table_can_be_told(self, tmp_path: Path):
        made = make(3, faults=("late",), tasks=False)
        path = nameless(write_table(made, tmp_path / "t.csv"), tmp_path / "nameless.csv", ";")
        mapping = tmp_path / "mapping.toml"
        dates = {"created": "f4", "confirmed": "f5", "shipped": "f6", "delivered": "f7", "due": "f8"}
        lines = {"order": "f0", "customer": "f1", "product": "f2", "event": "f3"} | dates
        mapping.write_text("".join(f'{key} = "{value}"\n' for key, value in lines.items()), encoding="utf-8")
        found = scanned(path, "--mapping", mapping)
        assert found.orders("late") == made.truth["late"]
        assert found.kinds.keys() <= {"late", "unfinished"}

    def test_the_last_step_can_be_told(self, tmp_path: Path):
        path = write_log(make(3, size=150, faults=()), tmp_path / "log.csv")
        mapping = tmp_path / "mapping.toml"
        mapping.write_text('finish = "ship completed"\n', encoding="utf-8")
        understood = scanned(path, "--mapping", mapping).told["totals"]["understood"]
        assert any("'ship completed', as the mapping says" in sentence for sentence in understood)


class WhenAMappingIsWrong:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("order = ", "is not TOML"),
            ('ordr = "x"', "none of order"),
            ('order = "x"', "has no such column; it has"),
            ("order = 7", "must be a name in quotes"),
            ('zone = "Europe/Berln"', "is not known"),
            ('delimiter = "xx"', "is no delimiter"),
            ('delimiter = ";"', "understood: one column: no delimiter was found"),
            ('encoding = "utf-16"', "is not in utf-16; it looks like utf-8"),
        ],
    )
    def test_it_is_refused_with_what_would_be_right(self, tmp_path: Path, text, says):
        path = write_log(make(3, size=20, faults=()), tmp_path / "log.csv")
        mapping = tmp_path / "mapping.toml"
        mapping.write_text(text, encoding="utf-8")
        result = run(path, "--mapping", mapping)
        assert result.exit_code == 2
        assert says in result.stderr

    @pytest.mark.parametrize(
        ("option", "value", "says"),
        [
            ("--as-of", "soon", "is no time"),
            ("--memory", "much", "is no amount of memory"),
            ("--memory", "5MB", "too little"),
            ("--mapping", "/nowhere.toml", "cannot be read"),
            ("--policy", "/nowhere", "no such folder"),
            ("--html", "/nowhere/report.html", "there is no folder"),
            ("--html", "/", "it is a folder"),
        ],
    )
    def test_so_is_every_other_option(self, tmp_path: Path, option, value, says):
        path = write_log(make(3, size=20, faults=()), tmp_path / "log.csv")
        result = run(path, option, value)
        assert result.exit_code == 2
        assert says in result.stderr


class WhenAPolicySetIsNamed:
    def test_its_durations_are_used_instead_of_learned_ones(self, tmp_path: Path):
        policy = Path(__file__).parents[2] / "policy" / "telco" / "2026-11-01"
        path = tmp_path / "log.csv"
        done = "".join(
            f"A{n},reserveRouter,{word},2026-03-01T{h}:00:00Z\n"
            for n in range(60)
            for word, h in (("started", 10), ("completed", 14))
        )
        path.write_text(
            f"order_id,task_type,event,ts\n{done}B1,reserveRouter,started,2026-03-01T13:00:00Z\n", encoding="utf-8"
        )
        assert scanned(path).orders("stuck") == set()
        found = scanned(path, "--policy", policy)  # it says 30 minutes
        assert found.orders("stuck") == {"B1"}
        (stuck,) = [f for f in found.findings("B1") if f["kind"] == "stuck"]
        assert stuck["facts"]["clause"] == "past_breach"
        assert stuck["facts"]["limitSeconds"] == 1800

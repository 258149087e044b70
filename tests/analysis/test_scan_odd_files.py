"""Whatever file is handed to `fallsafe scan`: it says what was understood, what was left out and how many rows, and
never shows a traceback.
"""

import gzip
import lzma
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.analysis.door import run, scanned

from fallsafe.analysis.sources import delimited_files

HEAD = "order_id,status,order_date,shipped_date\n"
ROWS = [f"A{n},Shipped,2026-01-{n % 28 + 1:02d},2026-02-{n % 28 + 1:02d}" for n in range(50)]
LOG = "order_id,event,ts\n"
LIFE = ("created", "started", "completed")


def put(folder: Path, text: str, encoding: str = "utf-8", name: str = "export.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def log(orders: int, time: str = "2026-03-{day:02d}T1{step}:00:00Z") -> str:
    lines = [f"A{n},{LIFE[s]},{time.format(day=n % 28 + 1, step=s)}" for n in range(orders) for s in range(3)]
    return LOG + "\n".join(lines) + "\n"


def usual(orders: int) -> str:
    """Work that takes forty minutes, on a day each."""
    days = [f"2025-11-{n % 28 + 1:02d}" for n in range(orders)]
    return "".join(
        f"B{n},work,started,{day} 12:00:00\nB{n},work,completed,{day} 12:40:00\n" for n, day in enumerate(days)
    )


class WhenThereIsLittleToRead:
    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("", "is empty"),
            (HEAD, "has no rows"),
            (LOG + ",,\n" * 20, "the order's number"),
            ("hello\nworld\n", "the order's number"),
            ("order_id,status,amount\n" + "".join(f"A{n},Shipped,{n}\n" for n in range(50)), "a time"),
            ("status,amount,ts\n" + "".join(f"Shipped,{n}.5,2026-01-01\n" for n in range(50)), "the order's number"),
        ],
    )
    def test_it_says_what_is_missing(self, tmp_path: Path, text, says):
        result = run(put(tmp_path, text))
        assert result.exit_code == 2
        assert says in result.stderr
        assert "Traceback" not in result.output

    def test_one_row_is_enough(self, tmp_path: Path):
        found = scanned(put(tmp_path, LOG + "A1,created,2026-01-01T10:00:00Z\n"))
        assert found.kinds == {"unfinished": {"A1"}}
        assert found.told["asOf"] == "2026-01-01T10:00:00.000000Z"

    @pytest.mark.parametrize(
        "text",
        ["order_id,event,ts\n1,created,2026-01-01T10:00:00Z\n", "order_id,status,order_date\n1,open,2026-01-01\n"],
    )
    def test_one_row_of_order_number_one_is_enough(self, tmp_path: Path, text):
        assert scanned(put(tmp_path, text)).kinds["unfinished"] == {"1"}

    def test_a_file_that_is_not_there_is_said_to_be_missing(self, tmp_path: Path):
        result = run(tmp_path / "nothing.csv")
        assert (result.exit_code, "does not exist" in result.stderr) == (2, True)

    def test_a_file_of_which_no_row_could_be_read_says_what_was_left_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(delimited_files, "IN_PLACE_BYTES_MIN", 0)
        result = run(put(tmp_path, LOG + "x" * 20_000_000 + "\n"))
        assert (result.exit_code, "left out: 1 row: lines that belong to no row" in result.stderr) == (2, True)
        assert "has no rows" in result.stderr


class WhenTheFileIsWrittenStrangely:
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
    def test_its_encoding_is_found_out(self, tmp_path: Path, encoding):
        text = HEAD + "\n".join(ROWS).replace("Shipped", "Zugestellt für Müller") + "\n"
        found = scanned(put(tmp_path, text, encoding))
        assert found.told["totals"]["orders"] == 50
        assert found.told["leftOut"] == []

    def test_the_wrong_delimiter_in_its_name_does_not_matter(self, tmp_path: Path):
        found = scanned(put(tmp_path, (HEAD + "\n".join(ROWS)).replace(",", "^"), name="export.tsv"))
        assert found.told["totals"]["orders"] == 50

    def test_headers_that_are_there_twice_are_told_apart_and_said_to_be_a_guess(self, tmp_path: Path):
        rows = "\n".join(f"A{n},2026-01-{n % 28 + 1:02d},2026-02-{n % 28 + 1:02d},Shipped" for n in range(50))
        found = scanned(put(tmp_path, f"order_id,date,date,status\n{rows}\n"))
        assert "'date' was taken for the time of the event; it could be 'date_2'" in found.told["totals"]["unsure"]

    def test_names_that_mean_something_in_sql_are_names(self, tmp_path: Path):
        rows = "\n".join(f"A{n // 2},{('created', 'completed')[n % 2]},2026-01-{n % 28 + 1:02d}" for n in range(100))
        found = scanned(put(tmp_path, f'"select ""id""",a{{b}}c,"drop\'table"\n{rows}\n'))
        assert found.told["totals"]["orders"] == 50

    def test_bytes_that_are_no_text_end_with_a_sentence(self, tmp_path: Path):
        path = tmp_path / "export.csv"
        path.write_bytes(random.Random(1).randbytes(20_000))
        result = run(path)
        assert result.exit_code == 2
        assert "Traceback" not in result.output

    def test_one_endless_line_is_left_out_or_refused_with_a_sentence(self, tmp_path: Path):
        text = log(60) + "A90,created," + "x" * 3_000_000 + "\n"
        found = scanned(put(tmp_path, text))
        assert found.told["totals"]["orders"] == 60
        assert sum(found.left_out.values()) == 1


NO_PARQUET = b"PAR1" + b"x" * 1000
NO_EVENTS = b'{"objectTypes": [{"name": "order"}], "objects": [{"id": "o1", "type": "order"}]}'
XES = b'<log><trace><string key="concept:name" value="A1"/><event><string key="concept:name" value="created"/>'
XES += b'<date key="time:timestamp" value="2026-01-01T10:00:00Z"/></event></trace></log>'


class WhenTheFileIsNotWhatItsNameSays:
    @pytest.mark.parametrize(
        ("name", "data", "says"),
        [
            ("photo.csv", b"\xff\xd8\xff\xe0" + random.Random(3).randbytes(5_000), "is a picture"),
            ("noise.csv", random.Random(1).randbytes(200_000), "is not text"),
            ("mainframe.csv", log(60).encode("cp500"), "is not text"),
            ("noise.csv.gz", gzip.compress(random.Random(2).randbytes(50_000), mtime=0), "is not text"),
            ("stump.csv.gz", gzip.compress(log(60).encode(), mtime=0)[:9], "cannot be unpacked as gzip"),
            ("cut.parquet", NO_PARQUET, "it is cut off or damaged"),
            ("no_events.json", NO_EVENTS, "is an OCEL log without events"),
            ("wrong.json", b'{"objectTypes": 5, "events": {"a": 1}, "objects": [1, null]}', "without events"),
            ("broken.xes", b"<?xml version='1.0'?><log><trace><event></log>", "without a single event"),
            ("page.xes", b"<?xml version='1.0'?><html><body/></html>", "without a single event"),
        ],
    )
    def test_it_says_so_in_a_sentence_of_its_own(self, tmp_path: Path, name, data, says):
        path = tmp_path / name
        path.write_bytes(data)
        result = run(path)
        assert (result.exit_code, says in result.stderr) == (2, True), result.stderr
        assert "Error:" not in result.stderr

    @pytest.mark.parametrize(
        ("tables", "says"),
        [
            (["x(a)"], "no OCEL 2.0 log"),
            (["event(ocel_id, ocel_type)", "object(ocel_id, ocel_type)"], "no OCEL 2.0 log"),
        ],
    )
    def test_a_database_that_lacks_tables_says_so(self, tmp_path: Path, tables, says):
        path = tmp_path / "log.sqlite"
        with closing(sqlite3.connect(path)) as database:
            for table in tables:
                database.execute(f"CREATE TABLE {table}")
        result = run(path)
        assert (result.exit_code, says in result.stderr) == (2, True)

    @pytest.mark.parametrize(
        ("name", "data", "orders", "damage"),
        [
            ("cut.csv.gz", gzip.compress(log(600).encode(), 1, mtime=0)[:-2000], 400, "the archive is damaged"),
            ("cut.csv.xz", lzma.compress(log(600).encode())[:-200], 400, "the archive is damaged"),
            ("cut.xes", b"<?xml version='1.0'?>" + XES[:-12], 1, "it is no XML"),
            (
                "cut.json",
                b'[{"order_id": "A1", "event": "created", "ts": "2026-01-01"}, {"order_id"',
                1,
                "it is no JSON",
            ),
        ],
    )
    def test_what_comes_before_the_cut_is_used_and_the_cut_is_told(self, tmp_path: Path, name, data, orders, damage):
        path = tmp_path / name
        path.write_bytes(data)
        found = scanned(path)
        assert found.told["totals"]["orders"] >= orders
        assert any("what comes after the last row" in why and damage in why for why in found.left_out)


class WhenSomeRowsCannotBeUsed:
    def test_each_reason_is_counted(self, tmp_path: Path):
        text = (
            log(60)
            + "A90,created,banana\nA91,created,2026-02-30T10:00:00Z\nA92,created,\n,created,2026-03-01T10:00:00Z\n"
        )
        found = scanned(put(tmp_path, text))
        reasons = {why.split(": ", 1)[1]: n for why, n in found.left_out.items()}
        assert reasons == {"ts: not a time, or a day that does not exist": 2, "no time": 1, "no order number": 1}
        assert found.told["totals"]["orders"] == 60

    def test_ragged_rows_are_counted(self, tmp_path: Path):
        found = scanned(put(tmp_path, HEAD + "\n".join([*ROWS, "A90,Shipped", "A91,Shipped,2026-01-01,,x,y"]) + "\n"))
        assert sum(found.left_out.values()) == 2

    def test_lines_that_are_no_json_are_counted(self, tmp_path: Path):
        good = '{"order_id": "A1", "event": "created", "ts": "2026-01-01"}\n'
        found = scanned(put(tmp_path, good + "{broken\n[1, 2]\n", name="export.jsonl"))
        assert sum(found.left_out.values()) == 2
        assert found.told["totals"]["orders"] == 1

    def test_a_due_date_that_cannot_be_read_leaves_the_rest_of_the_row(self, tmp_path: Path):
        rows = [f"A{n},created,2026-01-{n % 28 + 1:02d},{'soon' if n == 7 else '2026-03-01'}" for n in range(60)]
        found = scanned(put(tmp_path, "order_id,event,ts,due_date\n" + "\n".join(rows) + "\n"))
        assert found.told["totals"]["orders"] == 60
        assert list(found.left_out.values()) == [1]

    def test_a_row_that_is_left_out_as_a_whole_is_counted_once(self, tmp_path: Path):
        text = "order_id,status,created,due\n" + "".join(
            f"A{n},open,2026-01-{n:02d},2026-03-01\n" for n in range(1, 29)
        )
        found = scanned(put(tmp_path, text + "A90,open,2026-02-30,2026-03-01\n"))
        reasons = {why.split(": ", 1)[1]: n for why, n in found.left_out.items()}
        assert reasons == {"no date that can be read": 1}


class WhenTimesAreOdd:
    def test_times_far_off_are_impossible_and_do_not_become_the_time_of_the_file(self, tmp_path: Path):
        odd = "B1,created,9999-12-31T00:00:00Z\nB2,created,0001-01-01T00:00:00Z\nB3,created,2062-01-01T00:00:00Z\n"
        found = scanned(put(tmp_path, log(100) + odd))
        assert found.orders("impossible_time") == {"B1", "B2", "B3"}
        assert found.told["asOf"] == "2026-03-28T12:00:00.000000Z"

    def test_offsets_are_heeded(self, tmp_path: Path):
        offsets = ("Z", "+02:00", "-05:00", "+0530")
        lines = [
            f"A{n},{LIFE[s]},2026-03-{n % 28 + 1:02d}T1{s}:00:00{offsets[n % 4]}" for n in range(100) for s in range(3)
        ]
        found = scanned(put(tmp_path, LOG + "\n".join(lines) + "\n"))
        assert found.told["asOf"] == "2026-03-28T06:30:00.000000Z"
        assert found.told["totals"]["orders"] == 100
        assert found.kinds == {}

    @pytest.mark.parametrize("zone", ["", "Europe/Berlin"])
    def test_the_hour_that_runs_twice_proves_nothing(self, tmp_path: Path, zone):
        twice = "".join(
            f"A{n},work,started,2025-10-26 02:50:00\nA{n},work,completed,2025-10-26 02:10:00\n" for n in range(20)
        )
        mapping = put(tmp_path, f'zone = "{zone}"\n', name="mapping.toml")
        found = scanned(put(tmp_path, f"order_id,task_type,event,ts\n{twice}{usual(200)}"), "--mapping", mapping)
        assert found.kinds == {}

    def test_the_hour_that_does_not_exist_proves_nothing(self, tmp_path: Path):
        gap = "".join(
            f"A{n},work,started,2025-03-30 02:30:00\nA{n},work,completed,2025-03-30 03:10:00\n" for n in range(60)
        )
        mapping = put(tmp_path, 'zone = "Europe/Berlin"\n', name="mapping.toml")
        assert scanned(put(tmp_path, f"order_id,task_type,event,ts\n{gap}"), "--mapping", mapping).kinds == {}

    def test_an_end_before_the_beginning_is_impossible(self, tmp_path: Path):
        rows = usual(100)
        odd = "C1,work,started,2025-11-10 12:00:00\nC1,work,completed,2025-11-10 09:00:00\n"
        found = scanned(put(tmp_path, f"order_id,task_type,event,ts\n{rows}{odd}"))
        assert found.orders("impossible_time") == {"C1"}

    def test_day_and_month_that_nothing_tells_apart_are_said_to_be_a_guess(self, tmp_path: Path):
        rows = "".join(f"A{n // 2},{('created', 'completed')[n % 2]},0{n // 2 % 9 + 1}/03/2026\n" for n in range(100))
        path = put(tmp_path, f"order_id,event,date\n{rows}")
        (unsure,) = scanned(path).told["totals"]["unsure"]
        assert "tells day from month" in unsure
        american = scanned(path, "--mapping", put(tmp_path, "day_first = false\n", name="mapping.toml"))
        assert american.told["asOf"] == "2026-09-03T00:00:00.000000Z"
        assert american.told["totals"]["unsure"] == []

    def test_seconds_since_1970_are_times(self, tmp_path: Path):
        rows = "".join(f"A{n // 2},{('created', 'completed')[n % 2]},{1767225600 + n * 3600}\n" for n in range(100))
        assert scanned(put(tmp_path, LOG + rows)).told["asOf"] == "2026-01-05T03:00:00.000000Z"

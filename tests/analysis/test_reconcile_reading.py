"""Whatever is wrong with a file, it is said: what was understood, what was left out and how much; never a trace."""

import bz2
import gzip
import json
import lzma
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.analysis.asking import ask, csv, reconcile

TABLE = "id;name;amount\n1;Müller & Söhne;1.5\n2;Ærø;2.5\n3;Łódź;3\n"
PLAIN = [{"id": "1", "name": "Müller & Söhne", "amount": "1.5"}, {"id": "2", "name": "Ærø", "amount": "2.5"}]
WESTERN = TABLE.replace("Łódź", "Ångström")


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


WRITTEN: dict[str, Callable[[str], bytes]] = {
    "utf-8 with a mark": lambda t: b"\xef\xbb\xbf" + t.encode(),
    "utf-16": lambda t: t.encode("utf-16"),
    "utf-16 big end first": lambda t: b"\xfe\xff" + t.encode("utf-16-be"),
    "utf-16 without a mark": lambda t: t.encode("utf-16-le"),
    "gzip": lambda t: gzip.compress(t.encode()),
    "bzip2": lambda t: bz2.compress(t.encode()),
    "xz": lambda t: lzma.compress(t.encode()),
    "gzip of utf-16": lambda t: gzip.compress(t.encode("utf-16")),
    "lines of Windows": lambda t: t.replace("\n", "\r\n").encode(),
    "comma": lambda t: t.replace(";", ",").encode(),
    "tab": lambda t: t.replace(";", "\t").encode(),
    "bar": lambda t: t.replace(";", "|").encode(),
    "lines before the header": lambda t: f"Orders of March\nsecret\n{t}".encode(),
    "quotes": lambda t: t.replace("Ærø", '"Ærø"').encode(),
    "no end of the last line": lambda t: t.rstrip().encode(),
    "json lines": lambda t: "\n".join(json.dumps(r) for r in of(t)).encode(),
    "json lines, packed": lambda t: gzip.compress("\n".join(json.dumps(r) for r in of(t)).encode()),
    "an array of json": lambda t: json.dumps(of(t), indent=2).encode(),
}


def of(table: str) -> list[dict[str, str]]:
    head, *rows = (line.split(";") for line in table.splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


class WhenTheSameTableIsWrittenDifferently:
    @pytest.mark.parametrize("how", WRITTEN)
    def test_it_is_the_same_table(self, tmp_path: Path, how: str) -> None:
        a = csv(tmp_path / "a.csv", TABLE)
        answer = reconcile(a, written(tmp_path / "b.dat", WRITTEN[how](TABLE)), "--on", "id")
        assert (answer.code, answer.totals["agreeing"]) == (0, 3)

    @pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
    def test_older_encodings_are_recognized_and_said(self, tmp_path: Path, encoding: str) -> None:
        b = written(tmp_path / "b.csv", WESTERN.encode(encoding))
        answer = reconcile(csv(tmp_path / "a.csv", WESTERN), b, "--on", "id")
        assert answer.code == 0
        assert "read as Windows-1252" in answer.json["b"]["understood"]

    def test_an_older_encoding_that_shows_late_is_recognized(self, tmp_path: Path) -> None:
        table = "id;name\n" + "".join(f"{n};{'x' * 40}\n" for n in range(40_000)) + "late;Ångström\n"
        b = written(tmp_path / "b.csv", table.encode("cp1252"))
        answer = reconcile(csv(tmp_path / "a.csv", table), b, "--on", "id")
        assert (answer.code, answer.totals["agreeing"]) == (0, 40_001)

    def test_zstandard_is_unpacked(self, tmp_path: Path) -> None:
        import duckdb

        plain = csv(tmp_path / "a.csv", TABLE)
        packed = tmp_path / "b.csv.zst"
        duckdb.sql(f"COPY (FROM read_csv('{plain}', all_varchar = true)) TO '{packed}' (COMPRESSION zstd)")
        assert reconcile(plain, packed, "--on", "id").code == 0

    def test_parquet_is_read_alone_and_in_parts(self, tmp_path: Path) -> None:
        import duckdb

        plain = csv(tmp_path / "a.csv", TABLE)
        folder = tmp_path / "parts"
        folder.mkdir()
        for n in (1, 2, 3):
            where = f"FROM '{plain}' WHERE id = {n}"
            duckdb.sql(f"COPY ({where}) TO '{folder / f'{n}.parquet'}'")
        assert reconcile(plain, folder, "--on", "id").totals["agreeing"] == 3
        assert reconcile(plain, folder / "*.parquet", "--on", "id").totals["agreeing"] == 3
        assert reconcile(plain, folder / "2.parquet", "--on", "id").totals["missing"] == 2

    def test_types_of_parquet_meet_texts(self, tmp_path: Path) -> None:
        import duckdb

        b = tmp_path / "b.parquet"
        duckdb.sql(
            "COPY (SELECT 1::INT AS id, 1.50::DECIMAL(9, 2) AS dec, 0.1::FLOAT AS f, 2::DOUBLE AS d, true AS ok, "
            "DATE '2026-01-02' AS day, TIMESTAMP '2026-01-02 10:00:00' AS at, "
            "TIMESTAMPTZ '2026-01-02 10:00:00+02' AS z, "
            f"{{'x': 1}} AS s, [1, 2] AS l, '' AS e, NULL AS n) TO '{b}'"
        )
        a = csv(
            tmp_path / "a.csv",
            "id|dec|f|d|ok|day|at|z|s|l|e|n\n"
            "1|1.5|0.1|2|true|2026-01-02|2026-01-02T10:00:00Z|2026-01-02T08:00:00Z|{'x': 1}|[1, 2]||\n",
        )
        answer = reconcile(a, b, "--on", "id")
        assert {c["name"]: c["mismatches"] for c in answer.json["columns"] if c["mismatches"]} == {}
        assert answer.code == 0


class WhenRowsCannotBeRead:
    def left_out(self, tmp_path: Path, content: str | bytes) -> list[dict[str, Any]]:
        raw = content.encode() if isinstance(content, str) else content
        answer = reconcile(written(tmp_path / "a.csv", raw), csv(tmp_path / "b.csv", "id,x\n1,2\n"), "--on", "id")
        assert answer.code == 1
        return list(answer.json["a"]["leftOut"])

    def test_rows_with_too_few_and_too_many_fields_are_counted(self, tmp_path: Path) -> None:
        assert self.left_out(tmp_path, "id,x\n1,2\n2\n3,4\n5,6,7\n" + "9,9\n" * 60) == [
            {"why": "rows with too few fields", "rows": 1, "examples": ["line 3: 2"]},
            {"why": "rows with too many fields", "rows": 1, "examples": ["line 5: 5,6,7"]},
        ]

    def test_a_quote_in_the_wrong_place_costs_its_row_alone(self, tmp_path: Path) -> None:
        found = self.left_out(tmp_path, 'id,x\n1,2\n2,"bad"x\n3,4\n' + "9,9\n" * 60)
        assert [(part["rows"], part["why"]) for part in found] == [
            (1, "rows with a quote that does not end where a field ends")
        ]

    def test_broken_characters_in_a_file_of_utf8_cost_their_row(self, tmp_path: Path) -> None:
        found = self.left_out(tmp_path, "id,x\n1,ü\n2,ü\n".encode() + b"3,\xfc\n4,4\n")
        assert [(part["rows"], part["why"]) for part in found] == [(1, "rows that are not UTF-8")]

    def test_a_line_that_is_far_too_long_costs_its_row(self, tmp_path: Path) -> None:
        found = self.left_out(tmp_path, "id,x\n1,2\n2," + "y" * 5_000_000 + "\n3,4\n")
        assert [(part["rows"], part["why"]) for part in found] == [(1, "rows longer than 2 MB")]
        assert len(found[0]["examples"][0]) < 100

    @pytest.mark.parametrize("length", [9_000_000, 20_000_000])
    def test_a_line_longer_than_any_buffer_is_not_lost_silently(self, tmp_path: Path, length: int) -> None:
        found = self.left_out(tmp_path, "id,x\n1,2\n2," + "y" * length + "\n3,4\n")
        assert sum(part["rows"] for part in found) >= 1

    def test_what_a_quote_without_an_end_has_swallowed_is_counted(self, tmp_path: Path) -> None:
        rows = "".join(f"{n},x\n" for n in range(500))
        found = self.left_out(tmp_path, f'id,x\n{rows}500,"5 inch\n' + rows.replace(",", "1,"))
        assert sum(part["rows"] for part in found) == 501

    def test_breaks_inside_quotes_and_blank_lines_are_no_loss(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", 'id,x\n\n1,"a\nb\n\nc"\n\n\n2,d\r\n\r\n3,"\n"')
        assert reconcile(a, a, "--on", "id").json["a"]["leftOut"] == []

    def test_lines_that_are_no_json_are_counted(self, tmp_path: Path) -> None:
        found = self.left_out(tmp_path, '{"id":1,"x":2}\nnonsense\n[1]\n{"id":3,"x":')
        assert [(part["rows"], part["why"]) for part in found] == [(3, "lines that are no JSON object")]
        assert found[0]["examples"][0] == "line 2: nonsense"

    def test_an_array_that_breaks_off_says_where(self, tmp_path: Path) -> None:
        found = self.left_out(tmp_path, '[{"id":1,"x":2},{"id":2,')
        assert "what comes after the last row: it is no JSON" in found[0]["why"]

    def test_a_value_in_many_short_rows_is_filled_up_and_said(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "id,x,note\n1,2\n2,3\n3,4\n4,5,y\n5,6,y\n6,7,y\n7,8,y\n")
        answer = reconcile(a, a, "--on", "id")
        assert answer.totals["agreeing"] == 7
        assert (
            "rows with fewer fields are common here and were filled up with empty ones"
            in answer.json["a"]["understood"]
        )


class WhenHeadersAreOdd:
    def understood(self, tmp_path: Path, content: str, *words: str) -> str:
        a = csv(tmp_path / "a.csv", content)
        return "\n".join(reconcile(a, a, *words).json["a"]["understood"])

    def test_columns_of_one_name_get_names_of_their_own(self, tmp_path: Path) -> None:
        said = self.understood(tmp_path, "id,x,X,,id\n1,2,3,4,5\n", "--on", "id")
        assert "column 3 is called 'X_2': the header 'X' is there twice" in said
        assert "column 4 is called 'column4': it has no header" in said
        assert "column 5 is called 'id_2': the header 'id' is there twice" in said

    def test_a_file_without_a_header_has_numbered_columns(self, tmp_path: Path) -> None:
        assert "there is no header" in self.understood(tmp_path, "1,2\n3,4\n", "--on", "column1")

    def test_lines_before_the_header_are_skipped_and_said(self, tmp_path: Path) -> None:
        said = self.understood(tmp_path, "Report\n\nid,x\n1,2\n", "--on", "id")
        assert "skipped the line before the header" in said

    def test_a_header_alone_is_a_table_without_rows(self, tmp_path: Path) -> None:
        a, b = csv(tmp_path / "a.csv", "id,x\n"), csv(tmp_path / "b.csv", "id,x\n1,2\n")
        assert reconcile(a, b, "--on", "id").totals["orphan"] == 1

    def test_one_row_is_enough(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "id,x\n1,2\n")
        assert reconcile(a, a, "--on", "id").totals["agreeing"] == 1

    def test_a_person_knows_better(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "id:x\n1:2\n")
        assert reconcile(a, a, "--on", "id", "--delimiter", ":").totals["agreeing"] == 1


def zipped(path: Path) -> Path:
    return written(path, b"PK\x03\x04" + b"\0" * 40)


def sqlite(path: Path) -> Path:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE orders (id)")
    db.close()
    return path


UNUSABLE: list[tuple[str, Callable[[Path], object], str]] = [
    ("an empty file", lambda p: written(p, b""), "is empty"),
    ("blank lines", lambda p: written(p, b"\n\n \n"), "is empty"),
    ("a spreadsheet", zipped, "save the sheet as CSV"),
    ("another database", sqlite, "is SQLite but no OCEL 2.0 log"),
    ("broken Parquet", lambda p: written(p, b"PAR1 nothing else"), "cannot be read as Parquet"),
    ("a broken archive", lambda p: written(p, b"\x1f\x8b nothing else"), "cannot be unpacked as gzip"),
    ("a stump", lambda p: written(p, gzip.compress(TABLE.encode() * 50)[:9]), "cannot be unpacked as gzip"),
    ("one line without an end", lambda p: written(p, b"x" * 3_000_000), "no line break in its first"),
    ("nothing", lambda p: p, "does not exist"),
    ("a folder", lambda p: p.mkdir(), "is a folder without Parquet files"),
    ("XML", lambda p: written(p, b"<?xml version='1.0'?><orders/>"), "XML without a single event"),
]


class WhenAFileCannotBeUsed:
    @pytest.mark.parametrize(("what", "make", "said"), UNUSABLE, ids=[what for what, _, _ in UNUSABLE])
    def test_the_reason_is_one_sentence(
        self, tmp_path: Path, what: str, make: Callable[[Path], object], said: str
    ) -> None:
        place = tmp_path / "given.csv"
        make(place)
        answer = ask("reconcile", place, csv(tmp_path / "b.csv", "id,x\n1,2\n"), "--on", "id")
        assert answer.code == 2
        assert said in answer.err
        assert str(place) in answer.err
        assert answer.err.count("\n") == 1

    def test_nothing_stays_behind(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", TABLE)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        reconcile(a, a, "--on", "id", "--scratch", scratch)
        assert list(scratch.iterdir()) == []

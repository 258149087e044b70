"""`fallsafe reconcile` finds what differs, is missing, is too much or there twice, by the rules it was given (§6.4)."""

import csv as csv_module
import random
from pathlib import Path

import pytest
from tests.analysis.asking import ask, csv, reconcile, second_opinion

OMS = """order_id,status,amount,updated_at
1,done,10.00,2026-01-01T10:00:00Z
2,open,20.50,2026-01-01T10:00:00Z
3,open,30,2026-01-01T10:00:00Z
4,open,40,2026-01-01T10:00:00Z
4,open,40,2026-01-01T10:00:00Z
6,sent,60,2026-01-01T11:00:00Z
"""
BILLING = """order_id,status,amount,updated_at
1,done,10,2026-01-01T11:00:00+01:00
2,OPEN,20.6,2026-01-01T10:00:00Z
4,open,40,2026-01-01T10:00:00Z
5,open,50,2026-01-01T10:00:00Z
6,done,60,2026-01-01T11:00:00Z
"""


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return csv(tmp_path / "oms.csv", OMS), csv(tmp_path / "billing.csv", BILLING)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv_module.DictReader(file))


class WhenTwoFilesDisagree:
    def test_every_kind_is_counted_once_a_key(self, two: tuple[Path, Path]) -> None:
        answer = reconcile(*two, "--on", "order_id")
        assert answer.totals == {
            "agreeing": 1, "mismatch": 2, "missing": 1, "orphan": 1, "duplicate": 1, "unsettled": 0, "notJudged": 0,
        }  # fmt: skip
        assert answer.code == 1

    def test_each_column_says_how_often_it_differs(self, two: tuple[Path, Path]) -> None:
        columns = reconcile(*two, "--on", "order_id").json["columns"]
        assert {c["name"]: c["mismatches"] for c in columns} == {"status": 2, "amount": 1, "updated_at": 0}

    def test_examples_show_both_values(self, two: tuple[Path, Path]) -> None:
        samples = reconcile(*two, "--on", "order_id").json["samples"]
        assert samples["mismatch:amount"] == [
            {"kind": "mismatch", "key": ["2"], "column": "amount", "a": "20.50", "b": "20.6", "authority": None}
        ]
        assert [found["key"] for found in samples["missing"]] == [["3"]]
        assert [found["key"] for found in samples["orphan"]] == [["5"]]
        assert samples["duplicate"] == [{"kind": "duplicate", "key": ["4"], "rowsInA": 2, "rowsInB": 1}]

    def test_all_findings_go_into_a_file(self, two: tuple[Path, Path], tmp_path: Path) -> None:
        out = tmp_path / "found.csv"
        reconcile(*two, "--on", "order_id", "--out", out, "--samples", 0)
        assert [(r["kind"], r["order_id"], r["column"]) for r in rows(out)] == [
            ("mismatch", "2", "status"),
            ("mismatch", "2", "amount"),
            ("mismatch", "6", "status"),
            ("missing", "3", ""),
            ("orphan", "5", ""),
            ("duplicate", "4", ""),
        ]

    def test_parquet_holds_the_same_findings(self, two: tuple[Path, Path], tmp_path: Path) -> None:
        one, other = tmp_path / "found.parquet", tmp_path / "found.csv"
        reconcile(*two, "--on", "order_id", "--out", one)
        reconcile(*two, "--on", "order_id", "--out", other)
        again = reconcile(one, other, "--on", "kind,order_id,column")
        assert again.totals["missing"] == again.totals["orphan"] == 0
        assert again.totals["mismatch"] == 0

    def test_people_read_the_result_first(self, two: tuple[Path, Path]) -> None:
        answer = ask("reconcile", *two, "--on", "order_id")
        assert answer.out.splitlines()[0] == (
            "A and B differ: 2 keys with other values, 1 key only in A, 1 key only in B, 1 key more than once; "
            "1 key agrees"
        )
        assert "amount: as number; 1 differ" in answer.out


class WhenTwoFilesAgree:
    def test_scripts_can_go_on(self, two: tuple[Path, Path]) -> None:
        answer = reconcile(two[1], two[1], "--on", "order_id")
        assert (answer.code, answer.json["agrees"], answer.totals["agreeing"]) == (0, True, 5)

    def test_a_file_against_itself_still_shows_its_repeated_keys(self, two: tuple[Path, Path]) -> None:
        answer = reconcile(two[0], two[0], "--on", "order_id")
        assert (answer.code, answer.totals["duplicate"], answer.totals["agreeing"]) == (1, 1, 4)

    def test_rows_that_cannot_be_judged_are_no_agreement(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "id,x\n1,2\n,3\n")
        answer = ask("reconcile", a, csv(tmp_path / "b.csv", "id,x\n1,2\n"), "--on", "id")
        assert answer.code == 1
        assert answer.out.startswith("no difference was found, but 1 row could not be judged")
        assert "left out of A: 1 row without a key" in answer.out


class WhenColumnsAreCalledDifferently:
    def test_names_are_paired_by_hand(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "order,state,note\n1,done,x\n2,open,y\n")
        b = csv(tmp_path / "b.csv", "NUMBER;STATE_CD\n1;done\n2;done\n")
        answer = reconcile(a, b, "--on", "order=NUMBER", "--compare", "state=STATE_CD")
        assert answer.totals["mismatch"] == 1
        assert answer.json["columns"][0]["b"] == "STATE_CD"

    def test_case_and_order_of_columns_do_not_matter(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "Id,Status,amount\n1,x,2\n")
        answer = reconcile(a, csv(tmp_path / "b.csv", "AMOUNT,status,ID\n2,x,1\n"), "--on", "id")
        assert answer.code == 0

    def test_what_is_not_compared_is_said(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "id,x,only_here\n1,2,3\n")
        answer = reconcile(a, csv(tmp_path / "b.csv", "id,x,only_there\n1,2,3\n"), "--on", "id", "--ignore", "x")
        assert answer.json["understood"] == [
            "not compared, only in A: only_here",
            "not compared, only in B: only_there",
            "not compared, as you said: x",
        ]

    def test_several_columns_make_a_key(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "id,line,x\n1,1,a\n1,2,b\n2,1,c\n")
        b = csv(tmp_path / "b.csv", "id,line,x\n1,1,a\n1,2,B\n2,2,c\n")
        totals = reconcile(a, b, "--on", "id,line").totals
        assert [totals[k] for k in ("agreeing", "mismatch", "missing", "orphan", "duplicate")] == [1, 1, 1, 1, 0]

    def test_a_key_column_named_like_ours_keeps_its_values(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "kind,a\nk1,1\n")
        out = tmp_path / "out.csv"
        reconcile(a, csv(tmp_path / "b.csv", "kind,a\nk1,2\n"), "--on", "kind", "--out", out)
        assert rows(out) == [
            {"kind": "mismatch", "kind_2": "k1", "column": "a", "a": "1", "b": "2", "rows_a": "1", "rows_b": "1",
             "authority": ""}
        ]  # fmt: skip


EQUAL = [
    # value in A, value in B, what was asked, whether they are equal
    ("done", "done", [], True),
    ("done", "Done", [], False),
    ("done", "Done", ["--ignore-case", "v"], True),
    ("done", "' done '", [], False),
    ("done", "' done '", ["--trim", "*"], True),
    ("1.50", "1.5", [], True),
    ("1.50", "1.5", ["--text", "v"], False),
    ("007", "7", [], False),
    ("007", "7", ["--number", "v"], True),
    ("1e3", "1000", [], True),
    ("1", "", [], False),
    ("", "", [], True),
    ("NULL", "", [], True),
    ("10", "10.004", ["--tolerance", "v=0.005"], True),
    ("10", "10.005", ["--tolerance", "v=0.005"], True),
    ("10", "10.006", ["--tolerance", "v=0.005"], False),
    ("0.1", "0.100000000001", [], True),  # beyond nine digits behind the point
    ("0.1", "0.1000001", [], False),
    ("n/a", "10", ["--tolerance", "v=5"], False),
    ("n/a", "n/a", ["--tolerance", "v=5"], True),
    ("'1.234,50'", "1234.5", ["--decimal-comma", "v"], True),
    ("'1,5'", "1.5", [], False),
    ("99999999999999999999", "99999999999999999998", [], False),
    ("2026-03-01T12:00:00Z", "2026-03-01 13:00:00+01:00", [], True),
    ("2026-03-01T12:00:00Z", "2026-03-01 13:00:00", [], False),
    ("2026-03-01", "2026-03-01T00:00:00Z", [], True),
    ("2026-03-01T12:00:00Z", "2026-03-01T12:04:59Z", ["--tolerance", "v=5m"], True),
    ("2026-03-01T12:00:00Z", "2026-03-01T12:05:01Z", ["--tolerance", "v=5m"], False),
    ("2026-03-29T01:30:00+01:00", "2026-03-29T00:30:00Z", [], True),
    ("2026-02-30", "2026-03-02", ["--time", "v"], False),
    ("true", "TRUE", ["--ignore-case", "v"], True),
]


class WhenValuesAreCompared:
    @pytest.mark.parametrize(("in_a", "in_b", "asked", "equal"), EQUAL)
    def test_rules_decide(self, tmp_path: Path, in_a: str, in_b: str, asked: list[str], equal: bool) -> None:
        a = csv(tmp_path / "a.csv", f"id|v\n1|{in_a.strip(chr(39))}\n")
        b = csv(tmp_path / "b.csv", f"id|v\n1|{in_b.strip(chr(39))}\n")
        assert (reconcile(a, b, "--on", "id", *asked).code == 0) is equal

    def test_one_odd_value_does_not_spoil_its_column(self, tmp_path: Path) -> None:
        a = csv(tmp_path / "a.csv", "id,v\n1,1.50\n2,n/a\n3,2\n")
        b = csv(tmp_path / "b.csv", "id,v\n1,1.5\n2,n/a\n3,3\n")
        assert reconcile(a, b, "--on", "id", "--number", "v").json["columns"][0]["mismatches"] == 1

    def test_a_column_that_is_nearly_numbers_says_how_to_compare_it(self, tmp_path: Path) -> None:
        a = csv(
            tmp_path / "a.csv", "id,v,at\n1,1.50,2026-01-01\n2,2,2026-01-02\n3,3,2026-01-03\n4,4,2026-01-04\n5,x,?\n"
        )
        b = csv(tmp_path / "b.csv", "id,v,at\n1,1.5,2026-01-01T00:00:00Z\n2,2,2026-01-02\n")
        first, second = reconcile(a, b, "--on", "id").json["hints"]
        assert "--number v compares those that are" in first
        assert "--time at compares those that are" in second

    def test_the_authority_stands_beside_each_difference(self, two: tuple[Path, Path], tmp_path: Path) -> None:
        out = tmp_path / "out.csv"
        reconcile(*two, "--on", "order_id", "--authority", "status=b", "--authority", "amount=A", "--out", out)
        sides = {(r["order_id"], r["column"]): r["authority"] for r in rows(out) if r["kind"] == "mismatch"}
        assert sides == {("2", "status"): "b", ("2", "amount"): "a", ("6", "status"): "b"}

    def test_keys_are_names_and_no_numbers(self, tmp_path: Path) -> None:
        a, b = csv(tmp_path / "a.csv", "id,v\n007,1\n"), csv(tmp_path / "b.csv", "id,v\n7,1\n")
        answer = reconcile(a, b, "--on", "id")
        assert (answer.totals["missing"], answer.totals["orphan"]) == (1, 1)
        assert "are they written alike ('007' and '7')" in answer.json["hints"][0]
        assert reconcile(a, b, "--on", "id", "--number", "id").code == 0

    def test_keys_can_be_trimmed_and_read_in_any_case(self, tmp_path: Path) -> None:
        a, b = csv(tmp_path / "a.csv", "id,v\n AB1 ,1\n"), csv(tmp_path / "b.csv", "id,v\nab1,1\n")
        assert reconcile(a, b, "--on", "id", "--trim", "id", "--ignore-case", "id").code == 0


class WhenRowsAreStillSettling:
    LATE = ("--on", "order_id", "--changed", "updated_at")

    def test_what_changed_lately_is_not_judged(self, two: tuple[Path, Path]) -> None:
        answer = reconcile(*two, *self.LATE, "--settle", "30m")
        assert (answer.totals["mismatch"], answer.totals["unsettled"]) == (1, 1)
        assert (answer.json["asOf"], answer.json["judgedUntil"]) == ("2026-01-01T11:00:00Z", "2026-01-01T10:30:00Z")

    def test_later_it_is(self, two: tuple[Path, Path]) -> None:
        answer = reconcile(*two, *self.LATE, "--settle", "PT30M", "--as-of", "2026-01-01T12:00:00Z")
        assert (answer.totals["mismatch"], answer.totals["unsettled"]) == (2, 0)

    def test_new_keys_and_repeated_ones_settle_too(self, two: tuple[Path, Path]) -> None:
        answer = reconcile(*two, *self.LATE, "--settle", "2h")
        assert answer.totals == {
            "agreeing": 1, "mismatch": 0, "missing": 0, "orphan": 0, "duplicate": 0, "unsettled": 5, "notJudged": 0,
        }  # fmt: skip
        assert answer.code == 0

    def test_without_a_time_nothing_can_settle(self, two: tuple[Path, Path]) -> None:
        answer = reconcile(*two, "--on", "order_id", "--settle", "5m")
        assert (answer.code, answer.err) == (
            2, "--settle needs to know when a row was changed: name that column with --changed\n",
        )  # fmt: skip


class WhenItIsAskedTwice:
    def test_the_same_question_has_the_same_answer(self, two: tuple[Path, Path], tmp_path: Path) -> None:
        kept = []
        for name in ("one", "two"):
            out, page = tmp_path / f"{name}.csv", tmp_path / f"{name}.html"
            answer = reconcile(*two, "--on", "order_id", "--out", out, "--html", page, "--threads", 1 + len(kept))
            kept.append((answer.out, out.read_bytes(), page.read_bytes()))
        assert kept[0] == kept[1]

    @pytest.mark.parametrize("seed", range(6))
    def test_the_answer_is_that_of_plain_loops(self, tmp_path: Path, seed: int) -> None:
        dice = random.Random(seed)
        keys = [str(n) for n in range(dice.choice([3, 30, 600]))] + [""]
        sides = []
        for name in ("a", "b"):
            made = [
                {"id": key, "x": dice.choice("xy"), "y": dice.choice(["", "z"])}
                for key in keys
                for _ in range(dice.choices([0, 1, 2, 5], weights=[1, 20, seed % 3, seed % 2])[0])
            ]
            dice.shuffle(made)
            text = "id,x,y\n" + "".join(f"{r['id']},{r['x']},{r['y']}\n" for r in made)
            sides.append((csv(tmp_path / f"{name}.csv", text), made))
        (a, in_a), (b, in_b) = sides
        totals = reconcile(a, b, "--on", "id").totals
        expected = second_opinion(in_a, in_b, "id", ["x", "y"])
        assert {name: totals[name] for name in expected} == expected

    def test_keys_repeated_alike_on_both_sides_are_found(self, tmp_path: Path) -> None:
        text = "id,x\n" + "".join(f"{n},1\n" for n in [*range(50), 7])
        totals = reconcile(csv(tmp_path / "a.csv", text), csv(tmp_path / "b.csv", text), "--on", "id").totals
        assert (totals["agreeing"], totals["duplicate"]) == (49, 1)

    def test_one_key_on_every_row_does_not_explode(self, tmp_path: Path) -> None:
        text = "id,x\n" + "same,1\n" * 30_000
        totals = reconcile(csv(tmp_path / "a.csv", text), csv(tmp_path / "b.csv", text), "--on", "id").totals
        assert (totals["agreeing"], totals["duplicate"]) == (0, 1)


WRONG = [
    (["--on", "nr"], "has no column 'nr'"),
    (["--on", "ordr_id"], "did you mean 'order_id'?"),
    ([], "no key was named; say --on"),
    (["--on", "order_id", "--compare", "price"], "has no column 'price'"),
    (["--on", "order_id", "--tolerance", "amount"], "write it as COLUMN=VALUE"),
    (["--on", "order_id", "--tolerance", "amount=-1"], "'-1' is no tolerance"),
    (["--on", "order_id", "--tolerance", "updated_at=soon"], "'soon' is no duration"),
    (["--on", "order_id", "--authority", "amount=c"], "the side is a or b"),
    (["--on", "order_id", "--compare", "status", "--trim", "amount"], "amount is not compared"),
    (["--on", "order_id", "--number", "amount", "--text", "amount"], "cannot be compared as number and text"),
    (["--on", "order_id", "--settle", "soon", "--changed", "updated_at"], "'soon' is no duration"),
    (["--on", "order_id", "--as-of", "noon"], "'noon' is no time"),
    (["--on", "order_id", "--memory", "5MB"], "5MB is too little"),
    (["--on", "order_id", "--memory", "much"], "'much' is no amount of memory"),
    (["--on", "order_id", "--out", "x.xlsx"], "the name ends in .parquet, .csv, .tsv"),
    (["--on", "order_id", "--out", "/nowhere/x.csv"], "there is no folder /nowhere"),
    (["--on", "order_id", "--encoding", "latin-99"], "no known encoding"),
]


class WhenTheQuestionMakesNoSense:
    @pytest.mark.parametrize(("words", "said"), WRONG)
    def test_it_is_refused_with_what_would_work(self, two: tuple[Path, Path], words: list[str], said: str) -> None:
        answer = reconcile(*two, *words)
        assert answer.code == 2
        assert said in answer.err
        assert answer.out == ""

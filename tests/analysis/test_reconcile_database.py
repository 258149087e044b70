"""Tables of a PostgreSQL are compared like files, copied or where they are, and every way has the same answer."""

import random
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.analysis.asking import csv, reconcile

STATES = ["done", "Done", " done", "", None, "sent"]
WORDS = [
    "--ignore-case", "state", "--trim", "state", "--tolerance", "amount=0.5", "--number", "note",
    "--authority", "amount=a", "--settle", "1h", "--changed", "changed",
]  # fmt: skip


def rows(side: random.Random, count: int) -> list[tuple[Any, ...]]:
    """Orders of which some are there twice, some not at all, and some differ from those of the other side."""
    made = []
    for n in range(count):
        for _ in range(side.choices([0, 1, 2], weights=[1, 12, 1])[0]):
            dice = side if side.random() < 0.2 else random.Random(n)
            amount = dice.choice(["10.00", "10.40", "11.00", None])
            at = f"2026-01-01T{dice.choice(['10:00', '10:30', '10:45', '12:00'])}:00Z"
            made.append((n, dice.choice(STATES), amount, dice.choice(["1", "01", "x", None]), at))
    return made


@pytest.fixture
def tables(owner_url: str) -> str:
    """Two tables that differ, in schemas of their own."""
    with psycopg.connect(owner_url, autocommit=True) as db:
        db.execute("CREATE SCHEMA crm")
        db.execute(
            "CREATE TABLE crm.orders (id bigint, state text, amount numeric(12, 2), note text, changed timestamptz)"
        )
        db.execute("CREATE TABLE bills (id text, state text, amount double precision, note text, changed timestamp)")
        for table, seed in (("crm.orders", 1), ("bills", 2)):
            with db.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s, %s, %s, %s)", rows(random.Random(seed), 200))
    return owner_url


def without_places(answer: dict[str, Any]) -> dict[str, Any]:
    """What an answer says beside where and how the tables were read."""
    sides = {side: {"rows": answer[side]["rows"], "withoutKey": answer[side]["withoutKey"]} for side in "ab"}
    return answer | sides


class WhenTablesAreInADatabase:
    def test_they_are_compared_where_they_are_as_on_this_machine(self, tables: str) -> None:
        places = (f"{tables}#crm.orders", f"{tables}#bills")
        here = reconcile(*places, "--on", "id", *WORDS)
        there = reconcile(*places, "--on", "id", *WORDS, "--in-database")
        assert without_places(there.json) == without_places(here.json)
        assert here.code == there.code == 1
        assert all(here.totals[kind] > 3 for kind in ("agreeing", "mismatch", "missing", "orphan", "duplicate"))
        assert here.totals["unsettled"] > 3

    def test_a_table_is_compared_with_a_file(self, tables: str, tmp_path: Path) -> None:
        with psycopg.connect(tables) as db, db.cursor().copy("COPY crm.orders TO STDOUT (FORMAT csv, HEADER)") as out:
            file = csv(tmp_path / "orders.csv", b"".join(out).decode())
        answer = reconcile(f"{tables}#crm.orders", file, "--on", "id")
        assert [answer.totals[kind] for kind in ("mismatch", "missing", "orphan")] == [0, 0, 0]
        assert answer.totals["agreeing"] > 100

    def test_names_with_capitals_and_dots_are_found(self, owner_url: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as db:
            db.execute('CREATE TABLE "My.Orders" ("Order Id" int, "v""1" text)')
            db.execute("""INSERT INTO "My.Orders" VALUES (1, 'x')""")
        place = f'{owner_url}#"My.Orders"'
        for way in ([], ["--in-database"]):
            assert reconcile(place, place, "--on", "Order Id", *way).code == 0

    def test_all_findings_come_out_of_it(self, tables: str, tmp_path: Path) -> None:
        kept = []
        for name, way in (("here", []), ("there", ["--in-database"])):
            out = tmp_path / f"{name}.csv"
            reconcile(f"{tables}#crm.orders", f"{tables}#bills", "--on", "id", "--out", out, *way)
            kept.append(out.read_bytes())
        assert kept[0] == kept[1]
        assert kept[0].count(b"\n") > 100


class WhenADatabaseCannotAnswer:
    @pytest.mark.parametrize("way", [[], ["--in-database"]])
    def test_a_missing_table_is_said(self, owner_url: str, way: list[str]) -> None:
        answer = reconcile(f"{owner_url}#crm.nowhere", f"{owner_url}#crm.nowhere", "--on", "id", *way)
        assert answer.code == 2
        assert "nowhere" in answer.err

    @pytest.mark.parametrize("way", [[], ["--in-database"]])
    def test_a_password_is_never_printed(self, way: list[str]) -> None:
        place = "postgresql://me:geheim@127.0.0.1:1/db#t"
        answer = reconcile(place, place, "--on", "id", *way)
        assert answer.code == 2
        assert "geheim" not in answer.err + answer.out
        assert "postgresql://me:***@127.0.0.1:1/db" in answer.err

    def test_a_url_without_a_table_is_refused(self, owner_url: str) -> None:
        answer = reconcile(owner_url, owner_url, "--on", "id")
        assert answer.code == 2
        assert "names no table" in answer.err

    def test_two_databases_cannot_be_compared_inside_one(self, owner_url: str, tmp_path: Path) -> None:
        answer = reconcile(f"{owner_url}#a", csv(tmp_path / "a.csv", "id\n1\n"), "--on", "id", "--in-database")
        assert answer.code == 2
        assert "the same URL twice" in answer.err

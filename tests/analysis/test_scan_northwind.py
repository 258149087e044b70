"""`fallsafe scan` agrees with what was worked out apart from it on every order of the Northwind history, however the
file is written.
"""

import csv
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest
from tests.analysis.door import Scanned, scanned

DATA = Path(__file__).parents[1] / "data" / "northwind"
HISTORY = DATA / "northwind_orders.csv.gz"
Rows = list[dict[str, str]]

SYNONYMS = {
    "order_id": "Sales Order No", "item_id": "Line Item", "task_id": "Work Item Id", "task_type": "Activity",
    "event": "What happened", "ts": "Occurred at", "required": "Promised date", "unit_price": "Price sold",
    "qty": "Quantity", "catalog_now": "List price", "discontinued": "Retired",
}  # fmt: skip
GERMAN = {
    "order_id": "Auftragsnummer", "item_id": "Position", "task_id": "Aufgaben-ID", "task_type": "Vorgang",
    "event": "Ereignis", "ts": "Zeitpunkt", "required": "Wunschtermin", "unit_price": "Einzelpreis", "qty": "Menge",
    "catalog_now": "Katalogpreis", "discontinued": "Ausgelaufen",
}  # fmt: skip
NAMELESS = {name: f"col{n}" for n, name in enumerate(("order_id", "item_id", "task_id", "task_type", "event", "ts"))}


def history() -> Rows:
    with gzip.open(HISTORY, "rt", newline="") as file:
        return list(csv.DictReader(file))


def unpacked(rows: Rows) -> Rows:
    """The keys of `extra` as columns of their own."""
    keys = dict.fromkeys(key for row in rows for key in json.loads(row["extra"]))
    return [
        {k: v for k, v in row.items() if k != "extra"} | {k: str(json.loads(row["extra"]).get(k, "")) for k in keys}
        for row in rows
    ]


def dated(rows: Rows, form: Callable[[date], str], columns: Sequence[str] = ("ts", "required")) -> Rows:
    """The same with dates written otherwise."""
    return [{k: form(date.fromisoformat(v)) if k in columns and v else v for k, v in row.items()} for row in rows]


def renamed(rows: Rows, names: Mapping[str, str]) -> Rows:
    return [{names.get(k, k): v for k, v in row.items()} for row in rows]


def written(rows: Rows, path: Path, delimiter: str = ",", columns: Sequence[str] = ()) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, columns or list(rows[0]), delimiter=delimiter)
        out.writeheader()
        out.writerows(rows)
    return path


def agrees(found: Scanned, prices: bool = True) -> None:
    """Compares every order of the oracle, in both directions."""
    with (DATA / "northwind_orders_oracle.csv").open(newline="") as file:
        oracle = list(csv.DictReader(file))
    assert len(oracle) == 830
    assert found.orders("late") == {o["order_id"] for o in oracle if o["late"] == "1"}
    assert found.orders("unfinished") == {o["order_id"] for o in oracle if o["unshipped"] == "1"}
    assert found.orders("overdue") == {o["order_id"] for o in oracle if o["overdue_unshipped_asof_2018-05-06"] == "1"}
    if prices:
        assert {o["order_id"]: len(_of(found, o["order_id"], "price_differs")) for o in oracle} == {
            o["order_id"]: int(o["lines_price_differs_from_catalog"]) for o in oracle
        }
        assert {o["order_id"]: len(_of(found, o["order_id"], "discontinued")) for o in oracle} == {
            o["order_id"]: int(o["lines_discontinued"]) for o in oracle
        }
    assert found.kinds.keys() <= {"late", "unfinished", "price_differs", "discontinued"}


def _of(found: Scanned, order: str, kind: str) -> list[object]:
    return [f for f in found.findings(order) if f["kind"] == kind]


class WhenTheHistoryIsScanned:
    def test_it_agrees_on_every_order_without_a_mapping(self):
        found = scanned(HISTORY)
        agrees(found)
        assert found.told["asOf"] == "2018-05-06T00:00:00.000000Z"
        assert found.told["leftOut"] == []

    def test_a_late_order_says_by_how_much(self):
        (late,) = [f for f in scanned(HISTORY).findings("10970") if f["kind"] == "late"]
        assert late["since"] == "2018-04-07T00:00:00.000000Z"
        assert late["facts"]["lateSeconds"] == 17 * 86_400
        assert late["reason"] == "finished 17 days after its date, 2018-04-07"

    def test_its_answer_has_the_documented_shape(self):
        told = scanned(HISTORY).told
        assert set(told) == {"asOf", "orders", "totals", "leftOut"}
        assert {frozenset(o) for o in told["orders"]} == {frozenset({"orderId", "findings"})}
        shapes = {frozenset(f) for o in told["orders"] for f in o["findings"]}
        assert shapes == {frozenset({"kind", "since", "taskId", "reason", "facts"})}
        assert told["totals"]["orders"] == 830
        assert told["totals"]["byKind"]["late"] == {"orders": 37, "findings": 37}


class WhenTheFileIsWrittenOtherwise:
    @pytest.mark.parametrize(("names", "delimiter"), [(SYNONYMS, ";"), (SYNONYMS, "\t"), (GERMAN, "|")])
    def test_names_delimiter_and_order_of_columns_do_not_matter(self, tmp_path: Path, names, delimiter):
        rows = renamed(unpacked(history()), names)
        turned = list(reversed(list(rows[0])))
        agrees(scanned(written(rows, tmp_path / "export.txt", delimiter, turned)))

    def test_names_inside_the_objects_may_be_others(self, tmp_path: Path):
        rows = renamed(history(), SYNONYMS | {"extra": "Attributes"})
        agrees(scanned(written(rows, tmp_path / "export.csv", ";")))

    def test_columns_without_telling_names_are_recognized_by_their_values(self, tmp_path: Path):
        agrees(scanned(written(renamed(history(), NAMELESS), tmp_path / "export.csv")))

    @pytest.mark.parametrize(
        "form",
        ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%y", "%d-%b-%Y", "%Y%m%d", "%b %d, %Y", "%Y-%m-%dT00:00:00Z", "%Y/%m/%d"),
    )
    def test_the_format_of_dates_does_not_matter(self, tmp_path: Path, form):
        rows = dated(unpacked(history()), lambda day: day.strftime(form))
        agrees(scanned(written(rows, tmp_path / "export.csv")))

    def test_dates_may_be_written_differently_in_different_columns(self, tmp_path: Path):
        rows = dated(unpacked(history()), lambda day: f"{day.day}.{day.month}.{day.year}", ("ts",))
        rows = dated(rows, lambda day: f"{day.month}/{day.day}/{day.year}", ("required",))
        agrees(scanned(written(rows, tmp_path / "export.csv", ";")))

    def test_the_rows_may_stand_in_any_order(self, tmp_path: Path):
        rows = sorted(unpacked(history()), key=lambda row: (row["task_type"], row["order_id"][::-1]))
        agrees(scanned(written(rows, tmp_path / "export.csv")))

    def test_it_may_be_json_lines(self, tmp_path: Path):
        path = tmp_path / "export.jsonl"
        path.write_text(
            "\n".join(json.dumps(r | {"extra": json.loads(r["extra"])}) for r in history()), encoding="utf-8"
        )
        agrees(scanned(path))

    def test_it_may_be_a_table_with_a_row_an_order(self, tmp_path: Path):
        orders: dict[str, dict[str, str]] = {}
        for row in unpacked(history()):
            order = orders.setdefault(
                row["order_id"], {"OrderID": row["order_id"], "OrderDate": "", "RequiredDate": "", "ShippedDate": ""}
            )
            if row["task_type"] == "order":
                order["OrderDate"], order["RequiredDate"] = row["ts"], row["required"]
            if row["task_type"] == "ship":
                order["ShippedDate"] = row["ts"]
        agrees(scanned(written(list(orders.values()), tmp_path / "orders.csv"), "--as-of", "2018-05-06"), prices=False)

    def test_it_may_be_parquet(self, tmp_path: Path):
        import duckdb

        source = written(unpacked(history()), tmp_path / "export.csv")
        target = tmp_path / "export.parquet"
        duckdb.sql(f"COPY (FROM read_csv('{source}')) TO '{target}' (FORMAT parquet)")
        agrees(scanned(target))

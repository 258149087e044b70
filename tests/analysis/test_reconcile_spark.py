"""Spark takes the same way as PostgreSQL: only where Java and pyspark are installed, which are large."""

import importlib.util
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from fallsafe.analysis.reconcile.database import Database, compare_inside
from fallsafe.analysis.reconcile.findings import Totals, gather
from fallsafe.analysis.reconcile.pairing import paired
from fallsafe.analysis.reconcile.rules import Asked
from fallsafe.analysis.sources import opened

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pyspark") is None or shutil.which("java") is None,
    reason="needs Java and pip install 'ibis-framework[pyspark]'",
)

OMS = [(1, "done", 10.0, "x"), (2, "open", 20.5, None), (3, "x", 1.0, "a"), (4, "x", 1.0, "a"), (4, "x", 1.0, "a")]
BILLING = [(1, "DONE", 10.2, "x"), (2, "open", 21.5, "z"), (4, "x", 1.0, "a"), (5, "x", 1.0, "a")]


@pytest.fixture
def spark() -> Iterator[Database]:
    """A session on this machine with two tables."""
    import ibis  # type: ignore[import-untyped]
    from pyspark.sql import SparkSession

    made: Any = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = made.config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2").getOrCreate()
    for name, rows in (("oms", OMS), ("billing", BILLING)):
        session.createDataFrame(rows, "id long, state string, amount double, note string").createOrReplaceTempView(name)
    yield Database(ibis.pyspark.connect(session), "pyspark://")
    session.stop()


class WhenTheTablesAreInSpark:
    def test_they_are_compared_there(self, spark: Database) -> None:
        asked = Asked(["id"], ignore_case=["state"], tolerance={"amount": "0.5"}, number=["note"])
        with opened() as engine:
            a, b = spark.table(engine, "oms"), spark.table(engine, "billing")
            pairing = paired(a, b, asked)
            found = gather(engine, pairing, compare_inside(spark, engine, a, b, pairing, asked), 5)
        assert found.totals == Totals(agreeing=1, mismatch=1, missing=1, orphan=1, duplicate=1, unsettled=0)
        assert found.by_column == {"state": 0, "amount": 1, "note": 1}

"""How long `fallsafe reconcile` takes for two large tables, beside what others need for them: `make bench-peers`.

Two Parquet files of orders, of which one in a thousand differs, are made once and read by everybody. The limit is the
time that DuckDB needs to read every value of both files and add it up; pandas joins and compares them in memory;
datacompy makes its report. Each runs in a process of its own, and its largest memory is the kernel's figure.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROWS = 10_000_000
TIMES_READING_MAX = 3.0
MEMORY_MAX_MB = 2_000

MAKE = """
import duckdb, sys
con, rows, folder = duckdb.connect(), int(sys.argv[1]), sys.argv[2]
orders = f'''
    SELECT 100000000 + i * 3 AS order_id, 'C-' || (hash(i) % 2500000) AS customer, 'CRM-' || (i * 7 + 13) AS reference,
        ['done', 'open', 'held', 'sent'][(1 + hash(i, 1) % 4)::INT] AS status, 'OFFER-' || (hash(i, 2) % 300) AS offer,
        (hash(i, 3) % 1000000 / 100)::DECIMAL(12, 2) AS amount,
        TIMESTAMP '2026-01-01' + INTERVAL (i // 2) SECOND AS created_at,
        TIMESTAMP '2026-01-01' + INTERVAL (i // 2 + hash(i, 4) % 86400) SECOND AS updated_at
    FROM range({rows}) AS numbers (i)'''
con.execute(f"COPY ({orders}) TO '{folder}/a.parquet'")
con.execute(f'''COPY (
    SELECT * EXCLUDE (h) REPLACE (
        CASE WHEN h % 1000 = 1 THEN 'lost' ELSE status END AS status,
        CASE WHEN h % 5000 = 2 THEN amount + 1 ELSE amount END AS amount)
    FROM (SELECT *, hash(order_id, 7) AS h FROM ({orders})) WHERE h % 10000 <> 3
    ORDER BY {"hash(order_id)" if sys.argv[3] == "shuffled" else "order_id"}
) TO '{folder}/b.parquet' ''')
"""
READ = """
import duckdb, sys
con = duckdb.connect()
con.execute("SET memory_limit = '1500MB'")
for name in ("a", "b"):
    values = "order_id, customer, reference, status, offer, amount, created_at, updated_at"
    con.execute(f"SELECT bit_xor(hash({values})) FROM '{sys.argv[1]}/{name}.parquet'").fetchall()
"""
PANDAS = """
import pandas, sys
a, b = (pandas.read_parquet(f"{sys.argv[1]}/{name}.parquet") for name in ("a", "b"))
both = a.merge(b, on="order_id", how="outer", suffixes=("_a", "_b"), indicator=True)
print((both["_merge"] != "both").sum())
for name in a.columns.drop("order_id"):
    print(name, (both[f"{name}_a"] != both[f"{name}_b"]).sum())
"""
DATACOMPY = """
import datacompy, pandas, sys
a, b = (pandas.read_parquet(f"{sys.argv[1]}/{name}.parquet") for name in ("a", "b"))
print(datacompy.PandasCompare(a, b, join_columns="order_id").report()[:300])
"""


@dataclass(frozen=True)
class Ran:
    """What a process took."""

    seconds: float
    cpu_seconds: float
    memory_mb: float
    code: int


def run(words: list[str]) -> Ran:
    """Run to the end, with what it prints thrown away."""
    began = time.monotonic()
    child = os.posix_spawn(
        words[0],
        words,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(child, 0)
    return Ran(
        time.monotonic() - began,
        used.ru_utime + used.ru_stime,
        used.ru_maxrss / 1024 * 1.048576,
        os.waitstatus_to_exitcode(status),
    )


MEASURED: list[dict[str, Any]] = []
"""What was told, in its order, to be kept as JSON."""


def told(name: str, ran: Ran, limit: Ran, limit_is: str = "reading") -> None:
    """Prints what a process took, beside the one that it is measured by."""
    MEASURED.append({"what": name, "limit": limit_is, **asdict(ran), "limitCpuSeconds": limit.cpu_seconds})
    MEASURED[-1]["limitSeconds"] = limit.seconds
    times = "the limit"
    if ran is not limit:
        seconds, cpu = ran.seconds / limit.seconds, ran.cpu_seconds / limit.cpu_seconds
        times = f"{seconds:5.2f} × {limit_is} ({cpu:.2f} × its CPU)"
    failed = "" if ran.code in (0, 1) else f"  ended with {ran.code}"
    print(
        f"{name:<28} {ran.seconds:8.1f} s {ran.cpu_seconds:8.1f} s of CPU {ran.memory_mb:8.0f} MB  {times}{failed}",
        flush=True,
    )


def keep(place: str, about: Mapping[str, Any]) -> None:
    """Writes what was measured to a file, for a table in the documentation: `python bench/table.py FILE`."""
    if place:
        load = [round(one, 1) for one in os.getloadavg()]
        told = {**about, "cores": os.cpu_count(), "loadAtEnd": load, "measured": MEASURED}
        Path(place).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def missed(goals: Mapping[str, bool]) -> bool:
    """Prints each goal with whether it was reached; whether one was not."""
    for goal, reached in goals.items():
        print(f"  {'reached' if reached else 'MISSED '}  {goal}")
    return not all(goals.values())


def measure(folder: Path, peers: str, fallsafe: str, with_peers: bool) -> dict[str, bool]:
    """Prints a line for each, and gives the goals with whether they were reached."""
    files = [f"{folder}/a.parquet", f"{folder}/b.parquet"]
    asked = [fallsafe, "reconcile", *files, "--on", "order_id", "--samples", "5", "--scratch", str(folder)]
    run([peers, "-c", READ, str(folder)])  # so that nobody pays for the first reading from the disk
    reading = min((run([peers, "-c", READ, str(folder)]) for _ in range(3)), key=lambda ran: ran.seconds)
    told("reading both (DuckDB)", reading, reading)
    ours = min((run([*asked, "--memory", "2GB"]) for _ in range(3)), key=lambda ran: ran.seconds)
    told("fallsafe reconcile, 2 GB", ours, reading)
    small = run([*asked, "--memory", "256MB"])
    told("fallsafe reconcile, 256 MB", small, reading)
    if with_peers:
        told("pandas", run([peers, "-c", PANDAS, str(folder)]), reading)
        told("datacompy", run([peers, "-c", DATACOMPY, str(folder)]), reading)
    return {
        f"within {TIMES_READING_MAX:g} × reading": ours.seconds <= TIMES_READING_MAX * reading.seconds,
        f"under {MEMORY_MAX_MB} MB": ours.memory_mb < MEMORY_MAX_MB and ours.code == 1,
        "finishes with 256 MB": small.code == 1,
    }


def main() -> None:
    """Make the files, measure, and end with 1 where a goal was missed."""
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--peers", required=True, help="a Python with duckdb, pandas and datacompy")
    said.add_argument("--rows", type=int, default=ROWS)
    said.add_argument("--order", choices=["sorted", "shuffled"], default="sorted", help="how the second file is sorted")
    said.add_argument("--without-peers", action="store_true", help="leave pandas and datacompy out")
    said.add_argument("--json", default="", help="write what was measured to this file as well")
    options = said.parse_args()
    fallsafe = str(Path(sys.executable).with_name("fallsafe"))
    about = {"rows": options.rows, "order": options.order, "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps(about))
    with tempfile.TemporaryDirectory(prefix="fallsafe-bench-") as folder:
        run([options.peers, "-c", MAKE, str(options.rows), folder, options.order])
        goals = measure(Path(folder), options.peers, fallsafe, not options.without_peers)
    keep(options.json, about)
    if missed(goals):
        sys.exit(1)


if __name__ == "__main__":
    main()

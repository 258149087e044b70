"""How long `fallsafe scan` and `fallsafe reconcile` take for large files, each beside its limit: part of `make bench`.

Ten million events of a million orders, in the order in which they happened, are made once and written as CSV and as
Parquet. The limit of a scan is the time that DuckDB needs to read every column of the same file and sort it by order
and time. Each run is a process of its own; its largest memory is the kernel's figure. Seconds of CPU stand beside the
seconds, since on a machine that has other work only they can be compared.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import peers

ROWS = 10_000_000
TIMES_SORTING_MAX = 3.0
MEMORY_MAX_MB = 2_000
MEMORY = "1800MB"

MAKE = """
import duckdb, sys
con, rows, folder = duckdb.connect(), int(sys.argv[1]), sys.argv[2]
con.execute("SET memory_limit = '4GB'")
con.execute("SET preserve_insertion_order = false")
con.execute(f'''CREATE TABLE events AS
    SELECT (4000000 + o)::VARCHAR AS order_id,
        CASE WHEN kind <> 'order' THEN (4000000 + o) || '.' || kind || '.1' END AS task_id,
        kind AS task_type, CASE WHEN h % 500 = 5 AND n = 5 THEN 'failed' ELSE word END AS event,
        TIMESTAMP '2026-01-01' + INTERVAL (o * 10) SECOND
            + INTERVAL (minutes * 60 + hash(o, n) % 600 * (1 + n)) SECOND AS timestamp,
        team AS owner_group, ['FIBER-500', 'FIBER-1G', 'TV-L', 'VOICE'][(1 + h % 4)::INT] AS product,
        'K' || (h % 250000) AS customer,
        TIMESTAMP '2026-01-01' + INTERVAL (o * 10) SECOND + INTERVAL 4 DAY AS promised_date
    FROM (SELECT i AS o, hash(i) AS h FROM range({rows // 10}) AS numbers (i)), (VALUES
        (0, 'order', 'created', 0, 'Sales'), (1, 'order', 'confirmed', 30, 'Sales'),
        (2, 'reserveStock', 'started', 60, 'Supply'), (3, 'reserveStock', 'completed', 95, 'Supply'),
        (4, 'activate', 'started', 120, 'Network'), (5, 'activate', 'completed', 300, 'Network'),
        (6, 'ship', 'started', 400, 'Logistics'), (7, 'ship', 'completed', 2000, 'Logistics'),
        (8, 'invoice', 'started', 2300, 'Billing'), (9, 'invoice', 'completed', 2500, 'Billing')
    ) AS steps (n, kind, word, minutes, team)
    WHERE NOT (h % 500 = 3 AND n > 4) AND NOT (h % 500 = 5 AND n > 5)
    ORDER BY timestamp''')
con.execute(f"COPY events TO '{folder}/events.parquet'")
con.execute(f"COPY events TO '{folder}/events.csv' (HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')")
"""
SORT = """
import duckdb, sys
con = duckdb.connect()
con.execute("SET memory_limit = '1500MB'")
con.execute(f"SET temp_directory = '{sys.argv[2]}'")
con.execute(f"CREATE TABLE sorted AS SELECT * FROM '{sys.argv[1]}' ORDER BY order_id, timestamp")
"""


def scans(folder: Path, python: str, fallsafe: str) -> dict[str, bool]:
    """Prints a line for each scan, and gives the goals with whether they were reached."""
    goals = {}
    for kind in ("parquet", "csv"):
        file = f"{folder}/events.{kind}"
        sorting = peers.run([python, "-c", SORT, file, f"{folder}/spilled"])
        peers.told(f"reading and sorting {kind}", sorting, sorting, "sorting")
        ours = peers.run([fallsafe, "scan", file, "--memory", MEMORY, "--json"])
        peers.told(f"fallsafe scan, {kind}, {MEMORY}", ours, sorting, "sorting")
        small = peers.run([fallsafe, "scan", file, "--memory", "512MB", "--json"])
        peers.told(f"fallsafe scan, {kind}, 512MB", small, sorting, "sorting")
        goals |= {
            f"{kind} within {TIMES_SORTING_MAX:g} × sorting": ours.seconds <= TIMES_SORTING_MAX * sorting.seconds,
            f"{kind} under {MEMORY_MAX_MB} MB": ours.memory_mb < MEMORY_MAX_MB and ours.code == 0,
            f"{kind} finishes with 512MB": small.code == 0,
        }
    return goals


def main() -> None:
    """Makes the files, measures, and ends with 1 where a goal was missed."""
    said = argparse.ArgumentParser(description=__doc__)
    said.add_argument("--rows", type=int, default=ROWS)
    said.add_argument("--json", default="", help="write what was measured to this file as well")
    options = said.parse_args()
    python, fallsafe = sys.executable, str(Path(sys.executable).with_name("fallsafe"))
    print(f"{options.rows:,} events, and {options.rows:,} rows with {options.rows:,}, {os.cpu_count()} cores")
    print(f"load when it began: {', '.join(f'{load:.1f}' for load in os.getloadavg())}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fallsafe-bench-") as folder:
        peers.run([python, "-c", MAKE, str(options.rows), folder])
        goals = scans(Path(folder), python, fallsafe)
        peers.run([python, "-c", peers.MAKE, str(options.rows), folder, "sorted"])
        goals |= peers.measure(Path(folder), python, fallsafe, with_peers=False)
    peers.keep(options.json, {"rows": options.rows})
    if peers.missed(goals):
        sys.exit(1)


if __name__ == "__main__":
    main()

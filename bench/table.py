"""Prints a table for the documentation from what a bench wrote: `python bench/table.py FILE`."""

import json
import sys
from pathlib import Path


def main() -> None:
    """One row a measurement, with its limit beside it."""
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print("| what | seconds | seconds of CPU | largest memory | × its limit | × its limit's CPU |")
    print("|---|---|---|---|---|---|")
    for one in told["measured"]:
        is_limit = one["seconds"] == one["limitSeconds"]
        times = f"{one['seconds'] / one['limitSeconds']:.1f}" if not is_limit else "the limit"
        cpu = f"{one['cpu_seconds'] / one['limitCpuSeconds']:.1f}" if not is_limit else ""
        memory = f"{one['memory_mb']:,.0f} MB"
        print(f"| {one['what']} | {one['seconds']:.1f} | {one['cpu_seconds']:.1f} | {memory} | {times} | {cpu} |")


if __name__ == "__main__":
    main()

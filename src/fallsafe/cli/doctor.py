"""What is wrong with a set-up, in words: settings that nobody knows, a home, a database, processes, coverage."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from fallsafe.cli.processes import database
from fallsafe.cli.settings import Settings
from fallsafe.cli.supervise import read_running
from fallsafe.cli.wiring import Wiring, read_wiring
from fallsafe.store.programs import NoServerError, find_programs


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `hint` says what would mend it."""

    ok: bool
    what: str
    hint: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Everything that can be looked at from here, in the order in which it is needed."""
    found = [Finding(True, f"home {settings.home}, workers {settings.workers}, time scale {settings.time_scale:g}")]
    found += [
        Finding(False, f"{name} is not a setting", "fallsafe reads what is listed in the docs")
        for name in settings.strange
    ]
    found += _files(settings)
    there = read_running(settings.home)
    if there is None:
        return [*found, Finding(True, "nothing runs in this home", "fallsafe up starts an installation")]
    found.append(Finding(True, f"running: {', '.join(f'{n} {a}' for n, a in there.addresses.items())}"))
    found += [Finding(False, f"{n} does not run", f"see {settings.log_folder / n}.log") for n in _dead(there.pids)]
    return [*found, *await _database(settings, read_wiring(settings.home))]


def _dead(pids: Mapping[str, int]) -> list[str]:
    return [name for name, pid in pids.items() if not Path(f"/proc/{pid}").exists()]


def _files(settings: Settings) -> list[Finding]:
    kept = [place for place in (settings.token_file, settings.master_key_file) if place.exists()]
    open_ = [place for place in kept if place.stat().st_mode & 0o077]
    found = [Finding(False, f"{place} can be read by others", f"chmod 600 {place}") for place in open_]
    if not os.access(settings.home if settings.home.exists() else settings.home.parent, os.W_OK):
        found.append(Finding(False, f"{settings.home} cannot be written", "set FALLSAFE_HOME to a folder of yours"))
    if settings.database_url is None:
        found.append(_programs())
    return found


def _programs() -> Finding:
    try:
        return Finding(True, f"PostgreSQL programs: {find_programs().folder}")
    except NoServerError as error:
        return Finding(False, f"no PostgreSQL was found: {error}", "set FALLSAFE_DATABASE_URL")


async def _database(settings: Settings, wiring: Wiring) -> list[Finding]:
    try:
        store = await database(settings, wiring, "doctor")
    except (psycopg.Error, OSError) as error:
        return [Finding(False, f"the database cannot be reached: {error}", f"see {settings.log_folder}/postgres.log")]
    try:
        stop = (await store.fetch("installation/read"))[0]
        gaps = await store.fetch("reads/coverage_gaps")
    except psycopg.Error as error:
        return [Finding(False, f"the database does not answer: {error}", "")]
    finally:
        await store.close()
    sending = Finding(
        bool(stop["sending"]), "it sends" if stop["sending"] else f"nothing is sent: {stop['stopped_because']}"
    )
    return [sending, Finding(not gaps, f"{len(gaps)} live things that nobody will look at")]

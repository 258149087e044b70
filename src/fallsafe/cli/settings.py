"""The settings of an installation, read once from `FALLSAFE_*` and handed down; no other room looks at the environment.

What may be chosen is few and has a default that works on a newcomer's machine. `describe` says in words what is in
force and why, for `fallsafe doctor`; a password or token never appears in it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fallsafe.cli.killpoints import Kill, parse_kill
from fallsafe.cli.wiring import SANDBOX_OF

T = TypeVar("T")

SANDBOX_PORT_FIRST = 8431
WORKERS_MAX = 64
TIME_SCALE_MAX = 100_000
# Known to the tests and to other tools, not to the product.
OTHERS = ("FALLSAFE_CHROMIUM",)

MEANINGS = {
    "FALLSAFE_HOME": "where data, logs and keys of this installation lie",
    "FALLSAFE_DATABASE_URL": "the PostgreSQL to use; without it one is brought up in the home",
    "FALLSAFE_LISTEN": "host:port of the API and the pages; a port that is taken gives way to the next free one",
    "FALLSAFE_URL": "the installation that the command line speaks to; without it, the one that runs in the home",
    "FALLSAFE_TOKEN": "the API token of the command line; without it, the one in the home",
    "FALLSAFE_WORKERS": "how many worker processes to start",
    "FALLSAFE_TIME_SCALE": "how many times faster policy durations pass (demo and drill: 60)",
    "FALLSAFE_POLICY": "the shipped policy set that a new installation begins with, and whose sandbox it starts",
    "FALLSAFE_KILL": "where a worker ends itself with SIGKILL, like before_send:3; only for crash tests",
}


class WrongSettings(Exception):
    """One or more settings cannot be used; the message has a line for each, with what would work."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was chosen. `given` has the names that came from the environment, `strange` those that nobody knows."""

    home: Path
    database_url: str | None
    host: str
    port: int
    url: str | None
    token: str | None
    workers: int
    time_scale: float
    kill: Kill | None = None
    policy: str = "telco"
    given: frozenset[str] = frozenset()
    strange: tuple[str, ...] = ()

    @property
    def log_folder(self) -> Path:
        """Where each process writes its log."""
        return self.home / "log"

    @property
    def token_file(self) -> Path:
        """The API token of the one who installed (mode 0600)."""
        return self.home / "token"

    @property
    def master_key_file(self) -> Path:
        """The key that wraps every order's own key (mode 0600); without it sealed evidence cannot be read."""
        return self.home / "master.key"

    @property
    def anchors_file(self) -> Path:
        """What the database was known to have reached, kept outside it (rule 14)."""
        return self.home / "log" / "anchors.jsonl"

    def sandbox_folder(self, system: str) -> Path:
        """Where a sandbox system keeps its own truth."""
        return self.home / "sandbox" / system

    def environment(self) -> dict[str, str]:
        """The same settings for a child process, so that it cannot come to another home or database."""
        chosen = {
            "FALLSAFE_HOME": str(self.home),
            "FALLSAFE_DATABASE_URL": self.database_url,
            "FALLSAFE_LISTEN": f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}",
            "FALLSAFE_URL": self.url,
            "FALLSAFE_TOKEN": self.token,
            "FALLSAFE_WORKERS": str(self.workers),
            "FALLSAFE_TIME_SCALE": f"{self.time_scale:g}",
            "FALLSAFE_POLICY": self.policy,
            "FALLSAFE_KILL": str(self.kill) if self.kill else None,
        }
        return {name: value for name, value in chosen.items() if value is not None}

    def describe(self) -> list[tuple[str, str, str, str]]:
        """Rows of name, value, where the value comes from, and what it means. Secrets are left out of the values."""
        values = self.environment() | {"FALLSAFE_TOKEN": "set" if self.token else "from the home"}
        values["FALLSAFE_DATABASE_URL"] = without_password(self.database_url) if self.database_url else "embedded"
        values.setdefault("FALLSAFE_URL", "what runs in the home")
        values.setdefault("FALLSAFE_KILL", "nowhere")
        rows = [
            (name, values[name], "environment" if name in self.given else "default", meaning)
            for name, meaning in MEANINGS.items()
        ]
        return rows + [(name, "", "environment", "no setting has this name; it is ignored") for name in self.strange]


def read_settings(environment: Mapping[str, str], folder: Path) -> Settings:
    """Read the settings from `environment`; `folder` is the working folder, which decides the default home.

    An empty value counts as absent. Raises `WrongSettings` with a line for each setting that cannot be used.
    """
    given = {
        name: value.strip() for name, value in environment.items() if name.startswith("FALLSAFE_") and value.strip()
    }
    wrong: list[str] = []

    def take(name: str, parse: Callable[[str], T], default: T) -> T:
        if name not in given:
            return default
        try:
            return parse(given[name])
        except ValueError as error:
            shown = "" if name in ("FALLSAFE_TOKEN", "FALLSAFE_DATABASE_URL") else f"={given[name]}"
            wrong.append(f"{name}{shown}: {error}")
            return default

    host, port = take("FALLSAFE_LISTEN", _address, ("127.0.0.1", 8420))
    settings = Settings(
        home=take("FALLSAFE_HOME", lambda text: _home(text, folder), default_home(environment, folder)),
        database_url=take("FALLSAFE_DATABASE_URL", _database_url, None),
        host=host,
        port=port,
        url=take("FALLSAFE_URL", _web_url, None),
        token=take("FALLSAFE_TOKEN", str, None),
        workers=take("FALLSAFE_WORKERS", _workers, 2),
        time_scale=take("FALLSAFE_TIME_SCALE", _time_scale, 1.0),
        kill=take("FALLSAFE_KILL", parse_kill, None),
        policy=take("FALLSAFE_POLICY", _policy, "telco"),
        given=frozenset(given),
        strange=tuple(sorted(given.keys() - MEANINGS.keys() - set(OTHERS))),
    )
    if wrong:
        raise WrongSettings("\n".join(wrong))
    return settings


def default_home(environment: Mapping[str, str], folder: Path) -> Path:
    """`.fallsafe` at the top of a checkout, so that trying things out stays inside it; else the user's data folder."""
    for place in (folder, *folder.parents):
        if (place / "src" / "fallsafe" / "cli").is_dir() and (place / "pyproject.toml").exists():
            return place / ".fallsafe"
    data = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME") or Path.home()) / ".local" / "share")
    return Path(data) / "fallsafe"


def without_password(url: str) -> str:
    """The URL as it may be shown: a password in it, in either place, becomes three dots."""
    shown = re.sub(r"(://[^/@:]*):[^@]*@", r"\1:…@", url)
    return re.sub(r"(password=)[^&\s]*", r"\1…", shown)


def _home(text: str, folder: Path) -> Path:
    return folder / Path(text).expanduser()


def _address(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:\s\[\]/]+)):(?P<port>\d{1,5})", text)
    if not found or int(found["port"]) > 65535:
        raise ValueError("write host:port, like 127.0.0.1:8420 or [::1]:8420")
    return found["six"] or found["host"], int(found["port"])


def _database_url(text: str) -> str:
    if not re.match(r"postgres(ql)?://", text):
        raise ValueError("write postgresql://user:password@host:port/database")
    return text


def _web_url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/[^\s]*)?", text):
        raise ValueError("write http://host:port or https://host")
    return text.rstrip("/")


def _policy(text: str) -> str:
    if text not in SANDBOX_OF:
        raise ValueError(f"write one of {', '.join(SANDBOX_OF)}")
    return text


def _workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= WORKERS_MAX:
        raise ValueError(f"write a whole number from 1 to {WORKERS_MAX}")
    return int(text)


def _time_scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 1 <= scale <= TIME_SCALE_MAX:
        raise ValueError(f"write a number from 1 to {TIME_SCALE_MAX}, like 60")
    return scale

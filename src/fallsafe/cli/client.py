"""The API as the command line uses it: a token, JSON both ways, and problems as they were written for people."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NoReturn

import typer

from fallsafe.cli.settings import Settings, WrongSettings, read_settings
from fallsafe.cli.supervise import read_running

BASE = "/api/v1"
IF_MATCH = "If-Match"
GIVEN: ContextVar[Mapping[str, str]] = ContextVar("given")
"""The headers that somebody gave for the changes of one command."""
SECONDS_MAX = 30.0
PAGE = 200
REFUSED, WRONG_USE = 1, 2


def settings_of_this_process() -> Settings:
    """The settings, read once; a wrong one ends the command with its line."""
    try:
        return read_settings(os.environ, Path.cwd())
    except WrongSettings as error:
        fail(str(error), WRONG_USE)


def fail(sentence: str, code: int = REFUSED) -> NoReturn:
    """Ends the command with a sentence: 1 for a refusal, 2 for wrong use."""
    typer.echo(sentence, err=True)
    raise typer.Exit(code)


class Client:
    """Calls the API of the installation that `FALLSAFE_URL` names, else of the one that runs in this home. Every change
    goes with the headers of `given`.
    """

    def __init__(self, settings: Settings, given: Mapping[str, str]) -> None:
        self.given = given
        self._base = settings.url or self._running(settings)
        self._token = settings.token or self._kept(settings)

    @property
    def address(self) -> str:
        """Where the installation answers."""
        return self._base

    def get(self, path: str, **query: str | int | Sequence[str]) -> Any:
        """A JSON answer."""
        given = {name: value for name, value in query.items() if value != ""}
        return self._call("GET", f"{path}?{urllib.parse.urlencode(given, doseq=True)}" if given else path, None)

    def pages(self, path: str, **query: str | int | Sequence[str]) -> Iterator[Any]:
        """Everything that a list has, page by page."""
        after = ""
        while True:
            page = self.get(path, **query, limit=PAGE, after=after)
            yield from page["items"]
            after = page["after"]
            if not after:
                return

    def post(self, path: str, body: Any = None) -> Any:
        """Sends JSON (bytes go as they are) and reads the answer."""
        sent = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return self._call("POST", path, sent, self.given)

    def put(self, path: str, body: Any, seen: str = "") -> Any:
        """Sends JSON in place of what is there; `seen` is the version of it that was read."""
        return self._call("PUT", path, json.dumps(body).encode(), {IF_MATCH: f'"{seen}"'} if seen else {})

    def delete(self, path: str) -> Any:
        """Asks for something not to count any more."""
        return self._call("DELETE", path, None)

    def _call(self, method: str, path: str, body: bytes | None, more: Mapping[str, str] = {}) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **more}
        address = f"{self._base}{BASE}{path}"
        asked = urllib.request.Request(address, body, headers, method=method)  # noqa: S310 settings allow only http(s)
        try:
            with urllib.request.urlopen(asked, timeout=SECONDS_MAX) as answer:  # noqa: S310
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            fail(_told(error.read()))
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            fail(f"{self._base} does not answer ({reason}); fallsafe up starts an installation")

    @staticmethod
    def _running(settings: Settings) -> str:
        there = read_running(settings.home)
        if there is None or "api" not in there.addresses:
            fail(f"nothing runs in {settings.home}; fallsafe up starts an installation, or set FALLSAFE_URL")
        return there.addresses["api"]

    @staticmethod
    def _kept(settings: Settings) -> str:
        try:
            return settings.token_file.read_text().strip()
        except OSError:
            fail(f"there is no token in {settings.token_file}; set FALLSAFE_TOKEN")


def _told(body: bytes) -> str:
    """A problem as a person reads it: what, where, and what would work."""
    try:
        said: Mapping[str, Any] = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")[:500]
    lines = [f"{said.get('code', 'ERROR')}: {said.get('detail', '')}"]
    lines += [f"  at {e.get('pointer', '')}: {e.get('detail', '')}" for e in said.get("errors", ())]
    if said.get("pointer"):
        lines.append(f"  at {said['pointer']}")
    if said.get("hint"):
        lines.append(f"  {said['hint']}")
    return "\n".join(lines)


def client() -> Client:
    """The API for this process."""
    return Client(settings_of_this_process(), GIVEN.get({}))

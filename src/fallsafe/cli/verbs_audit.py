"""`fallsafe audit`: proves that nothing that was written has changed, and lets sending go on after a restore."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fallsafe.cli.client import client, fail, settings_of_this_process
from fallsafe.cli.settings import Settings
from fallsafe.cli.verbs import AsJson, Reason, told

if TYPE_CHECKING:
    from fallsafe.store.anchors import Anchor
    from fallsafe.store.audit import Report

FINDINGS_SHOWN = 50
audit = typer.Typer(no_args_is_help=True, help="The journal: verify it, and go on after the database was restored.")
Anchors = Annotated[
    Path | None,
    typer.Option("--anchors", help="A file of anchors kept elsewhere (default: log/anchors.jsonl of this home)."),
]


@audit.command("verify")
def audit_verify(anchors: Anchors = None, as_json: AsJson = False) -> None:
    """Check the journal, its anchors, the evidence and every row against each other. Exit 1 where one is not right."""
    settings = settings_of_this_process()
    kept = _kept(anchors or settings.anchors_file, must_exist=anchors is not None)
    with _database_of(settings) as url:
        from fallsafe.store.audit import verify

        report = verify(url, kept)
    if as_json:
        shown = dataclasses.asdict(report)
        until = report.anchored_until.isoformat() if report.anchored_until else None
        names = {"anchored_until": "anchoredUntil"}
        said = {names.get(name, name): value for name, value in shown.items()}
        typer.echo(json.dumps({**said, "ok": not report.findings, "anchoredUntil": until}, indent=2))
    else:
        _tell(report)
    if report.findings:
        raise typer.Exit(1)


def _kept(file: Path, *, must_exist: bool) -> "tuple[Anchor, ...]":
    from fallsafe.store.anchors import WrongAnchors, read_anchors

    try:
        return read_anchors(file)
    except FileNotFoundError:
        if must_exist:
            fail(f"{file}: there is no such file", 2)
        return ()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", 2)
    except WrongAnchors as error:
        fail(f"{error}; a file of anchors has one JSON object a line, as in log/anchors.jsonl", 2)


@contextmanager
def _database_of(settings: Settings) -> Iterator[str]:
    """The database of this home; one that does not run is started for as long as it is read."""
    if settings.database_url is not None:
        yield settings.database_url
    elif not (settings.home / "run" / "wiring.json").exists():
        fail(f"there is no installation in {settings.home}; set FALLSAFE_HOME or FALLSAFE_DATABASE_URL", 2)
    else:
        from fallsafe.store.embedded import Embedded

        server = Embedded(settings.home)
        if server.pid is not None:
            yield server.url()
            return
        with server:
            yield server.url()


def _tell(report: "Report") -> None:
    for finding in report.findings[:FINDINGS_SHOWN]:
        typer.echo(f"WRONG {finding.where}: {finding.what}")
    more = len(report.findings) - FINDINGS_SHOWN
    if more > 0:
        typer.echo(f"… and {more} more; --json has them all")
    wrong = f"{len(report.findings)} things are not as they were written" if report.findings else "nothing was changed"
    typer.echo(f"{wrong}: {report.records} records, {report.rows} rows, {report.evidence} pieces of evidence")
    if report.anchored_until is None:
        typer.echo("no anchor was kept outside: a journal that was rewritten as a whole could not be seen")
    else:
        later = report.records - report.anchored
        typer.echo(
            f"anchored until {report.anchored_until:%Y-%m-%d %H:%M:%S} UTC; in the {later} records after that a"
            " rewritten end could not be seen"
        )


@audit.command("rewound")
def audit_rewound(reason: Reason = "", as_json: AsJson = False) -> None:
    """Let sending go on after the database went back in time; what may have been sent meanwhile is looked up first."""
    answer = client().post("/installation/end-rewind", {"reason": reason} if reason else {})
    told(answer, as_json, lambda _: typer.echo("accepted: it sends again, after every open command was looked up"))

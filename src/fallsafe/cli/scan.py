"""`fallsafe scan`: the door to the analysis of files; prints what was found, what was understood, what was left out."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from fallsafe.cli.client import fail

if TYPE_CHECKING:
    from fallsafe.analysis.scan.layout import Unrecognized
    from fallsafe.analysis.scan.scan import Scan, Wanted
    from fallsafe.analysis.scan.summary import Summary
    from fallsafe.core.policy.policy_set import PolicySet

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE...", help="CSV, TSV, Parquet, JSON lines, OCEL 2.0 or XES; compressed or not."),
]
MappingFile = Annotated[str, typer.Option("--mapping", help='A file of lines such as: order = "column".')]
PolicyFolder = Annotated[
    str, typer.Option("--policy", help="A policy set whose durations are used instead of learned ones.")
]
AsOf = Annotated[str, typer.Option("--as-of", help="Judge as of this time; without it, as of the newest in the files.")]
Memory = Annotated[str, typer.Option("--memory", help="How much memory to take, like 512MB or 2GB.")]
Html = Annotated[str, typer.Option("--html", help="Write the report to this file as well.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print findings and totals as JSON.")]


def scan(
    files: Files,
    mapping: MappingFile = "",
    policy: PolicyFolder = "",
    as_of: AsOf = "",
    memory: Memory = "",
    html: Html = "",
    as_json: AsJson = False,
) -> None:
    """Say which orders of an export are stuck, late, contradictory or duplicated, and why. Needs no server."""
    from fallsafe.analysis.scan.layout import Unrecognized
    from fallsafe.analysis.scan.mapping import WrongMapping
    from fallsafe.analysis.scan.scan import Nothing
    from fallsafe.analysis.sources import Unreadable, opened

    wanted = _wanted(mapping, policy, as_of)
    try:
        with opened(_bytes(memory)) as engine, _progress(quiet=as_json) as tell:
            from fallsafe.analysis.scan.scan import scan as run
            from fallsafe.analysis.scan.summary import summed

            result = run(engine, files, wanted, tell)
            summary = summed(result)
    except (Unreadable, WrongMapping) as error:
        fail(str(error), 2)
    except Nothing as error:
        for part in error.left_out:
            typer.echo(f"left out: {part.rows} rows: {part.why}", err=True)
        fail(f"nothing to judge: {error}", 2)
    except Unrecognized as error:
        _ask(error)
    _tell(result, summary, html, as_json)


def _wanted(mapping: str, policy: str, as_of: str) -> "Wanted":
    from fallsafe.analysis.scan.mapping import WrongMapping, parse
    from fallsafe.analysis.scan.scan import Wanted, as_utc
    from fallsafe.analysis.sources import Reading

    try:
        said = parse(_text(mapping)) if mapping else {}
        reading = Reading(encoding=said.get("encoding", ""), delimiter=said.get("delimiter", ""))
        return Wanted(said, _policy(policy) if policy else None, as_utc(as_of) if as_of else None, reading)
    except WrongMapping as error:
        fail(str(error), 2)
    except ValueError:
        fail(f"--as-of {as_of!r} is no time; write it like 2026-11-25 or 2026-11-25T10:00:00Z", 2)


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {error}", 2)


def _policy(folder: str) -> "PolicySet":
    from fallsafe.policyset import PolicyError, load

    try:
        return load(Path(folder))
    except PolicyError as error:
        for problem in error.problems[:10]:
            typer.echo(str(problem), err=True)
        fail(f"the policy set in {folder} cannot be used; see them all: fallsafe policy check {folder}", 2)


def _bytes(memory: str) -> int:
    from fallsafe.analysis.sources import parse_memory

    try:
        return parse_memory(memory) if memory else 0
    except ValueError as error:
        fail(f"--memory: {error}", 2)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, float], None]]:
    """A bar on the terminal while it lasts; nothing where the output goes elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("opening", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


def _ask(error: "Unrecognized") -> NoReturn:
    from fallsafe.analysis.scan.mapping import offered

    typer.echo(
        f"{error}; say which it is: save these lines as mapping.toml, edit them, and add --mapping mapping.toml",
        err=True,
    )
    typer.echo(offered(error.found), err=True)
    raise typer.Exit(2)


def _tell(result: "Scan", summary: "Summary", html: str, as_json: bool) -> None:
    from fallsafe.analysis.scan.mapping import offered
    from fallsafe.analysis.scan.summary import as_json as shaped

    mapping = offered(result.files[0].layout)
    if as_json:
        typer.echo(json.dumps(shaped(result, summary, mapping), indent=2))
    else:
        from fallsafe.cli.scanned import show

        show(result, summary, mapping)
    if html:
        from fallsafe.analysis.scan.report import report

        try:
            Path(html).write_text(report(result, summary), encoding="utf-8")
        except OSError as error:
            fail(f"the report cannot be written to {html}: {error.strerror}", 1)
        typer.echo(f"the report is in {html}", err=as_json)

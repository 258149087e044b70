"""`fallsafe scan`: the door to the analysis of files; prints what was found, what was understood, what was left
out, and brings it into a running installation where that is wanted.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from fallsafe.cli.client import fail
from fallsafe.cli.progress import progress
from fallsafe.cli.reports import must_have_a_place, write

if TYPE_CHECKING:
    from fallsafe.analysis.brought import Found
    from fallsafe.analysis.scan.layout import Unrecognized
    from fallsafe.analysis.scan.scan import Scan, Wanted
    from fallsafe.analysis.scan.summary import Summary
    from fallsafe.cli.bringing import Brought
    from fallsafe.cli.client import Client
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
OpenCases = Annotated[
    bool, typer.Option("--open-cases", help="Bring what is found into the running Fallsafe, as orders with cases.")
]
Source = Annotated[str, typer.Option("--source", help="The system whose orders these are; with --open-cases.")]
Kinds = Annotated[str, typer.Option("--kind", help="Only these kinds become cases, parted by commas.")]


def scan(
    files: Files,
    mapping: MappingFile = "",
    policy: PolicyFolder = "",
    as_of: AsOf = "",
    memory: Memory = "",
    html: Html = "",
    as_json: AsJson = False,
    open_cases: OpenCases = False,
    source: Source = "export",
    kind: Kinds = "",
) -> None:
    """Say which orders of an export are stuck, late, contradictory or duplicated, and why. Needs no server, but for
    --open-cases.
    """
    from fallsafe.analysis.scan.layout import Unrecognized
    from fallsafe.analysis.scan.mapping import WrongMapping
    from fallsafe.analysis.scan.scan import Nothing
    from fallsafe.analysis.sources import Unreadable, opened

    wanted, kinds = _wanted(mapping, policy, as_of), _kinds(kind)
    if html:
        must_have_a_place(Path(html))
    there = _reached(source) if open_cases else None
    brought = None
    try:
        with opened(_bytes(memory)) as engine:
            from fallsafe.analysis.scan.scan import scan as run
            from fallsafe.analysis.scan.summary import summed

            with progress() as tell:
                result = run(engine, files, wanted, tell)
                summary = summed(result)
                if there is not None:
                    brought = _bring(there, source, result, kinds, tell)
            _tell(result, summary, html, as_json, brought)
    except (Unreadable, WrongMapping) as error:
        fail(str(error), 2)
    except Nothing as error:
        for part in error.left_out:
            typer.echo(f"left out: {part.said}", err=True)
        fail(f"nothing to judge: {error}", 2)
    except Unrecognized as error:
        _ask(error)
    if there is not None and brought is not None and not as_json:
        from fallsafe.cli.bringing import lines

        for line in lines(brought, there.address):
            typer.echo(line)
    if brought is not None and brought.refused:
        raise typer.Exit(1)


def _kinds(said: str) -> frozenset[str]:
    from fallsafe.analysis.scan.findings import Kind

    kinds = frozenset(part.strip() for part in said.split(",") if part.strip())
    unknown = kinds - {k.value for k in Kind}
    if unknown:
        fail(f"--kind {', '.join(sorted(unknown))}: the kinds are {', '.join(k.value for k in Kind)}", 2)
    return kinds


def _reached(source: str) -> "Client":
    from fallsafe.cli.bringing import reach

    return reach(source)


class _Evidence:
    """A scan as what is brought into an installation."""

    by = "scan"

    def __init__(self, result: "Scan", kinds: frozenset[str]) -> None:
        from fallsafe.analysis.brought import named
        from fallsafe.analysis.scan.watched import FAILURES, Watched

        self._watched = Watched(result, kinds or FAILURES)
        self.as_of = result.scene.as_of.replace(tzinfo=UTC)
        self.looked = result.orders
        self.kinds = kinds or FAILURES
        self.found: Mapping[str, Found] = named(self._watched.found)

    def judged(self, orders: Iterable[str]) -> frozenset[str]:
        """Those that the files have."""
        return frozenset(self._watched.contents(orders))

    def reports(
        self, orders: Sequence[str], ended: frozenset[str], known: "Mapping[str, Mapping[str, Any]]"
    ) -> Iterator[Mapping[str, Any]]:
        """Where they stand by the files, as far as that was not told before."""
        from fallsafe.cli.bringing import report_of

        now = datetime.now(UTC)
        for name, content in self._watched.contents(orders).items():
            report = report_of(content, self.as_of, known.get(name), now)
            if report is not None:
                yield report


def _bring(
    there: "Client", source: str, result: "Scan", kinds: frozenset[str], tell: Callable[[str, float], None]
) -> "Brought":
    from fallsafe.cli.bringing import Bringing

    return Bringing(there, source, _Evidence(result, kinds), tell).bring()


def _wanted(mapping: str, policy: str, as_of: str) -> "Wanted":
    from fallsafe.analysis.scan.mapping import WrongMapping, parse
    from fallsafe.analysis.scan.scan import Wanted, as_utc
    from fallsafe.analysis.sources import Reading

    try:
        said = parse(_text(mapping)) if mapping else {}
        reading = Reading(encoding=said.get("encoding", ""), delimiter=said.get("delimiter", ""), in_place=True)
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


def _ask(error: "Unrecognized") -> NoReturn:
    from fallsafe.analysis.scan.mapping import offered

    typer.echo(str(error), err=True)
    for sentence in error.table.understood:
        typer.echo(f"understood: {sentence}", err=True)
    for part in error.table.left_out:
        typer.echo(f"left out: {part.said}", err=True)
    typer.echo("say which it is: save these lines as mapping.toml, edit them, and add --mapping mapping.toml", err=True)
    typer.echo(offered(error.found), err=True)
    raise typer.Exit(2)


def _tell(result: "Scan", summary: "Summary", html: str, as_json: bool, brought: "Brought | None") -> None:
    from fallsafe.analysis.scan.mapping import offered
    from fallsafe.analysis.scan.summary import as_json as shaped

    mapping = offered(result.files[0].layout)
    if as_json:
        for part in shaped(result, summary, mapping, {"brought": brought.as_json()} if brought is not None else {}):
            sys.stdout.write(part)
    else:
        from fallsafe.cli.scanned import show

        show(result, summary, mapping)
    if html:
        from fallsafe.analysis.scan.report import report

        write(Path(html), report(result, summary))
        typer.echo(f"the report is in {html}", err=as_json)

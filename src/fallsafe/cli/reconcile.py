"""`fallsafe reconcile A B`: where two files or tables disagree; exit 0 agree, 1 differ, 2 wrong use. No server is
needed, but for bringing what differs into one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from fallsafe.cli.reports import must_have_a_place
from fallsafe.cli.reports import write as write_report
from fallsafe.cli.verbs import table

if TYPE_CHECKING:
    from fallsafe.analysis.reconcile.rules import Asked
    from fallsafe.analysis.reconcile.telling import Told
    from fallsafe.analysis.sources import Engine, Reading
    from fallsafe.cli.bringing import Brought
    from fallsafe.cli.client import Client

Names = list[str]
A = Annotated[str, typer.Argument(help="A file, or postgresql://…#schema.table.", metavar="A")]
B = Annotated[str, typer.Argument(help="What it is compared with.", metavar="B")]
On = Annotated[Names, typer.Option("--on", help="The key: COL, or A_COL=B_COL; several with commas.")]
Compare = Annotated[Names, typer.Option(help="Only these columns (COL or A_COL=B_COL); else all that both have.")]
Ignore = Annotated[Names, typer.Option(help="Not these columns.")]
IgnoreCase = Annotated[Names, typer.Option(help="COL, or * for every column: upper and lower case are the same.")]
Trim = Annotated[Names, typer.Option(help="COL or *: blanks around a text do not count.")]
Number = Annotated[Names, typer.Option(help="COL or *: compare as numbers, so that 1.50 is 1.5 and 007 is 7.")]
Time = Annotated[Names, typer.Option(help="COL or *: compare as moments in time, whatever the time zone.")]
Text = Annotated[Names, typer.Option(help="COL or *: compare as it is written.")]
Comma = Annotated[Names, typer.Option(help="COL or *: numbers are written 1.234,50.")]
Tolerance = Annotated[Names, typer.Option(help="COL=0.01, for times COL=5m: so much may they differ.")]
Authority = Annotated[Names, typer.Option(help="COL=a or COL=b: which side is right; it stands in the result.")]
Changed = Annotated[str, typer.Option(help="The column that says when a row was last changed (COL or A_COL=B_COL).")]
Settle = Annotated[str, typer.Option(help="15m, 2h…: rows changed so lately before --as-of are not judged.")]
AsOf = Annotated[str, typer.Option(help="A time; else the newest change that either side knows.")]
Out = Annotated[Path | None, typer.Option(help="All findings as .parquet, .csv or .tsv.")]
Html = Annotated[Path | None, typer.Option(help="A report to forward, in one file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Samples = Annotated[int, typer.Option(min=0, max=1000, help="So many examples of each kind and column.")]
Memory = Annotated[str, typer.Option(help="How much memory to use at most, nearly; 220MB is the least.")]
Threads = Annotated[int, typer.Option(min=0, max=256, help="How many cores; 0 is all that the memory allows.")]
Scratch = Annotated[Path | None, typer.Option(help="Where rows that do not fit into memory may go for the time.")]
Inside = Annotated[bool, typer.Option("--in-database", help="Compare where the tables are; both in one database.")]
Delimiter = Annotated[str, typer.Option(help="Of both text files, where it is not found out: , ; | tab …")]
Encoding = Annotated[str, typer.Option(help="Of both text files, where it is not found out: cp1252, utf-16 …")]
OpenCases = Annotated[
    bool, typer.Option("--open-cases", help="Bring what differs into the running Fallsafe, as orders with cases.")
]
Source = Annotated[str, typer.Option("--source", help="The system whose orders these are; with --open-cases.")]
Order = Annotated[str, typer.Option("--order", help="Which key is the order's number; else the first.")]


def reconcile(
    a: A,
    b: B,
    on: On = [],  # noqa: B006 safe because typer makes lists of its own, here and below
    compare: Compare = [],  # noqa: B006
    ignore: Ignore = [],  # noqa: B006
    ignore_case: IgnoreCase = [],  # noqa: B006
    trim: Trim = [],  # noqa: B006
    number: Number = [],  # noqa: B006
    time: Time = [],  # noqa: B006
    text: Text = [],  # noqa: B006
    decimal_comma: Comma = [],  # noqa: B006
    tolerance: Tolerance = [],  # noqa: B006
    authority: Authority = [],  # noqa: B006
    changed: Changed = "",
    settle: Settle = "",
    as_of: AsOf = "",
    out: Out = None,
    html: Html = None,
    as_json: AsJson = False,
    samples: Samples = 10,
    memory: Memory = "1GB",
    threads: Threads = 0,
    scratch: Scratch = None,
    delimiter: Delimiter = "",
    encoding: Encoding = "",
    in_database: Inside = False,
    open_cases: OpenCases = False,
    source: Source = "export",
    order: Order = "",
) -> None:
    """Say where two files or tables disagree about the same keys.

    Exit 0: they agree. Exit 1: they differ, or something could not be judged. Exit 2: the question cannot be answered.
    """
    from fallsafe.analysis.reconcile import rules
    from fallsafe.analysis.sources import Reading, Unreadable, opened, parse_memory, without_password

    try:
        _can_write(out, html)
        asked = rules.Asked(
            keys=_split(on), compare=_split(compare), ignore=_split(ignore), ignore_case=_split(ignore_case),
            trim=_split(trim), number=_split(number), time=_split(time), text=_split(text),
            decimal_comma=_split(decimal_comma), tolerance=dict(_assigned("--tolerance", tolerance)),
            authority=dict(_assigned("--authority", authority)), changed=changed,
            settle=rules.duration(settle) if settle else None, as_of=_moment(as_of),
        )  # fmt: skip
        if open_cases and in_database:
            raise rules.WrongUse("--open-cases needs the rows here: leave out --in-database")
        there, brought = _reached(source) if open_cases else None, None
        reading = Reading(encoding=encoding, delimiter=delimiter)
        with opened(parse_memory(memory), threads, scratch) as engine:
            with Console(stderr=True).status(f"comparing {without_password(a)} with {without_password(b)}"):
                told = (_inside if in_database else _compared)(engine, (a, b), asked, reading, samples)
            _keep(engine, told, out, html)
            if there is not None:
                brought = _bring(there, source, engine, told, order)
            _tell(told, as_json, out, html, brought)
            if there is not None and brought is not None and not as_json:
                _tell_brought(there, brought)
            if not told.agrees or (brought is not None and brought.refused):
                raise typer.Exit(1)
    except (rules.WrongUse, Unreadable, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None


def _compared(engine: "Engine", places: tuple[str, str], asked: "Asked", reading: "Reading", samples: int) -> "Told":
    from fallsafe.analysis.reconcile.compare import compare
    from fallsafe.analysis.reconcile.findings import gather
    from fallsafe.analysis.reconcile.pairing import paired
    from fallsafe.analysis.reconcile.telling import Told

    a, b = (engine.read(place, reading) for place in places)
    pairing = paired(a, b, asked)
    compared = compare(engine, a, b, pairing, asked)
    return Told(a, b, pairing, compared, gather(engine, pairing, compared, samples))


def _inside(engine: "Engine", places: tuple[str, str], asked: "Asked", _: "Reading", samples: int) -> "Told":
    from fallsafe.analysis.reconcile import database
    from fallsafe.analysis.reconcile.findings import gather
    from fallsafe.analysis.reconcile.pairing import paired
    from fallsafe.analysis.reconcile.telling import Told

    url, *names = database.split(*places)
    there = database.connected(url)
    a, b = (there.table(engine, name) for name in names)
    pairing = paired(a, b, asked)
    compared = database.compare_inside(there, engine, a, b, pairing, asked)
    return Told(a, b, pairing, compared, gather(engine, pairing, compared, samples))


def _reached(source: str) -> "Client":
    from fallsafe.cli.bringing import reach

    return reach(source)


class _Evidence:
    """A comparison as what is brought into an installation."""

    by = "reconcile"

    def __init__(self, engine: "Engine", told: "Told", order: str) -> None:
        from fallsafe.analysis.brought import named
        from fallsafe.analysis.reconcile import brought

        self._engine, self._told, self._order = engine, told, brought.place_of_order(told.pairing, order)
        self.as_of = brought.as_of(told, datetime.now(UTC))
        self.looked = max(told.compared.a.with_key, told.compared.b.with_key)
        self.kinds = brought.FAILURES
        self.found = named(list(brought.found(engine, told, self._order)))

    def judged(self, orders: Iterable[str]) -> frozenset[str]:
        """Those that a side has, and that were not changed too lately."""
        from fallsafe.analysis.reconcile.brought import judged

        return judged(self._engine, self._told, self._order, orders)

    def reports(
        self, orders: Sequence[str], ended: frozenset[str], known: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Mapping[str, Any]]:
        """Of an order that is here a comparison knows nothing to report, unless it is known from comparisons alone."""
        from fallsafe.cli.bringing import compared_report_of

        for name in orders:
            report = compared_report_of(name, known.get(name), agrees=name in ended)
            if report is not None:
                yield report


def _bring(there: "Client", source: str, engine: "Engine", told: "Told", order: str) -> "Brought":
    from fallsafe.cli.bringing import Bringing
    from fallsafe.cli.progress import progress

    with progress() as tell:
        return Bringing(there, source, _Evidence(engine, told, order), tell).bring()


def _tell_brought(there: "Client", brought: "Brought") -> None:
    from fallsafe.cli.bringing import lines

    for line in lines(brought, there.address):
        typer.echo(line)


def _keep(engine: "Engine", told: "Told", out: Path | None, html: Path | None) -> None:
    if out is not None:
        from fallsafe.analysis.reconcile.findings import write

        write(engine, told.findings, out)
    if html is not None:
        from fallsafe.analysis.reconcile.page import page

        write_report(html, page(told))


def _tell(told: "Told", as_json: bool, out: Path | None, html: Path | None, brought: "Brought | None") -> None:
    from fallsafe.analysis.reconcile import telling

    if as_json:
        said = telling.as_json(told) | ({"brought": brought.as_json()} if brought is not None else {})
        typer.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    typer.echo(telling.headline(told))
    for sentence in telling.hints(told):
        typer.echo(f"! {sentence}")
    for title, columns, rows in telling.sample_tables(told):
        typer.echo(f"\n{title}")
        table("", columns, rows)
    typer.echo("")
    for name, side, counted in (("A", told.a, told.compared.a), ("B", told.b, told.compared.b)):
        for line in telling.side_lines(name, side, counted):
            typer.echo(line)
    for line in _rules(told):
        typer.echo(line)
    for path in (out, html):
        if path is not None:
            typer.echo(f"written: {path}")


def _rules(told: "Told") -> Iterator[str]:
    from fallsafe.analysis.reconcile.telling import column_in_words, rule_in_words, stamp

    for pair in told.pairing.keys:
        yield f"key {column_in_words(pair)}: {rule_in_words(pair)}"
    for pair in told.pairing.columns:
        count = told.findings.by_column.get(pair.name, 0)
        yield f"{column_in_words(pair)}: {rule_in_words(pair)}; {f'{count:,} differ' if count else 'no difference'}"
    yield from told.pairing.understood
    if told.compared.judged_until:
        until = stamp(told.compared.judged_until)
        yield f"as of {stamp(told.compared.as_of)}; judged is what was last changed until {until}"


def _split(names: Sequence[str]) -> list[str]:
    return [part.strip() for name in names for part in name.split(",") if part.strip()]


def _assigned(option: str, said: Sequence[str]) -> Iterator[tuple[str, str]]:
    from fallsafe.analysis.reconcile.rules import WrongUse

    for part in _split(said):
        name, sign, value = part.rpartition("=")
        if not sign or not name or not value:
            raise WrongUse(f"{option} {part}: write it as COLUMN=VALUE")
        yield name, value


def _moment(said: str) -> datetime | None:
    if not said:
        return None
    try:
        found = datetime.fromisoformat(said.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(f"{said!r} is no time; write it like 2026-03-31T18:00:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _can_write(out: Path | None, html: Path | None) -> None:
    from fallsafe.analysis.reconcile.findings import FORMATS
    from fallsafe.analysis.reconcile.rules import WrongUse

    if out is not None and out.suffix.lower() not in FORMATS:
        raise WrongUse(f"--out {out}: the name ends in {', '.join(FORMATS)}")
    for path in (out, html):
        if path is not None:
            must_have_a_place(path)

"""What a scan found, as tables for a terminal: the result first, then what explains it, then how the file was read."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from fallsafe.analysis.scan.findings import INFORMATION, MEANS, Kind
from fallsafe.cli.verbs import table

if TYPE_CHECKING:
    from fallsafe.analysis.scan.scan import Scan
    from fallsafe.analysis.scan.summary import Summary, Worst

WORST_SHOWN = 20
TIMELINES_SHOWN = 3
STEPS_SHOWN = 8
WEEKS_SHOWN = 10
REASONS_SHOWN = 2


def show(result: "Scan", summary: "Summary", mapping: str) -> None:
    """Prints everything that a person wants to know first."""
    orders, failing = summary.orders, summary.failing
    verdict = (
        f"{failing:,} of {many(orders)} need{'s' if failing == 1 else ''} a look"
        if failing
        else f"nothing is wrong with {many(orders)}"
    )
    typer.echo(f"{verdict}, as of {result.scene.as_of:%Y-%m-%d %H:%M} UTC")
    if summary.by_kind:
        rows = [(_name(k), f"{o:,}", f"{n:,}", MEANS[k]) for k, (o, n) in summary.by_kind.items()]
        table("", ("found", "orders", "findings", "means"), rows)
    if summary.causes:
        _causes(summary)
    for what, counts in (("work", summary.by_task_type), ("group", summary.by_group), ("product", summary.by_product)):
        _counts(f"by {what}", what, counts)
    _counts("by week (the latest)", "week", dict(list(summary.by_week.items())[-WEEKS_SHOWN:]))
    if summary.worst:
        _worst(summary)
    _read(result, summary, mapping)


def many(orders: int) -> str:
    """A number of orders, in words."""
    return f"{orders:,} order{'' if orders == 1 else 's'}"


def _name(kind: Kind) -> str:
    return kind.value.replace("_", " ") + (" (information)" if kind in INFORMATION else "")


def _causes(summary: "Summary") -> None:
    share = summary.explained / summary.failing if summary.failing else 1.0
    rows = [(f"{c.orders:,}", f"{c.share:.0%}", c.said, c.common, c.example) for c in summary.causes]
    columns = ("orders", "share", "cause", "in common", "for example")
    table(f"\nwhat explains {share:.0%} of them", columns, rows)


def _counts(title: str, what: str, counts: Mapping[str, Mapping[Kind, int]]) -> None:
    if len(counts) < 1:
        return
    kinds = [k for k in Kind if any(k in row for row in counts.values())]
    rows = [(name, *(f"{row[k]:,}" if k in row else "" for k in kinds)) for name, row in counts.items()]
    table(f"\n{title}", (what, *(_name(k) for k in kinds)), rows)


def _worst(summary: "Summary") -> None:
    rows = [
        (w.order_id, ", ".join(dict.fromkeys(_name(f.kind) for f in w.findings)), _why(w))
        for w in summary.worst[:WORST_SHOWN]
    ]
    table(f"\nthe worst {len(rows)}", ("order", "found", "why"), rows)
    for w in summary.worst[:TIMELINES_SHOWN]:
        steps = [(f"{s.at:%Y-%m-%d %H:%M}", s.what, s.task_id, s.team) for s in w.timeline[-STEPS_SHOWN:]]
        table(f"\nwhat happened to {w.order_id}", ("time (UTC)", "what", "task", "group"), steps)


def _why(worst: "Worst") -> str:
    said = list(dict.fromkeys(f.reason for f in worst.findings))
    more = len(said) - REASONS_SHOWN
    return "; ".join(said[:REASONS_SHOWN]) + (f" (and {more} more)" if more > 0 else "")


def _read(result: "Scan", summary: "Summary", mapping: str) -> None:
    typer.echo(f"\nunderstood from {summary.events:,} events:")
    for sentence in result.understood:
        typer.echo(f"  {sentence}")
    for part in result.left_out:
        typer.echo(f"left out: {part.said}" + (f" ({part.examples[0]})" if part.examples else ""))
    if not result.left_out:
        typer.echo("left out: nothing")
    for sentence in result.unsure:
        typer.echo(f"unsure: {sentence}")
    if result.unsure:
        typer.echo("to say otherwise save these lines as mapping.toml, edit them, and add --mapping mapping.toml:")
        typer.echo("\n".join(f"  {line}" for line in mapping.splitlines()))

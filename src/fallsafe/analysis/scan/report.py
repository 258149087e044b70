"""The report: one HTML file that needs nothing else, reads in both themes, prints, and can be forwarded as it is."""

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fallsafe.analysis.scan import plots
from fallsafe.analysis.scan.findings import INFORMATION, MEANS, Kind
from fallsafe.analysis.scan.scan import Scan
from fallsafe.analysis.scan.summary import Summary

_HERE = Path(__file__).parent
WEEKS_IN_TABLE = 60


def report(scan: Scan, summary: Summary) -> str:
    """The whole document."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "name": _name,
        "time": _time,
        "tone": plots.TONES.__getitem__,
        "many": lambda n: f"{n:,}",
        "percent": lambda x: f"{x:.0%}",
    }
    causes = [(c.said, c.orders, plots.TONES[c.kind]) for c in summary.causes]
    return environment.get_template(
        "report.html"
    ).render(
        css=Markup((_HERE.parent / "report.css").read_text(encoding="utf-8")),  # noqa: S704 safe because it is our own file
        places=[f.table.place.rsplit("/", 1)[-1] for f in scan.files],
        as_of=scan.scene.as_of,
        summary=summary,
        scan=scan,
        tiles=[(k, o, n, MEANS[k], plots.TONES[k]) for k, (o, n) in summary.by_kind.items()],
        information=INFORMATION,
        weeks=Markup(plots.weeks(summary.by_week)),  # noqa: S704 safe because plots escape every label
        week_rows=list(summary.by_week.items())[-WEEKS_IN_TABLE:],
        causes=Markup(plots.bars(causes, summary.failing, "Causes by the number of orders that they explain")),  # noqa: S704
        tone_says=plots.TONE_SAYS,
        tables=[
            (title, what, [k for k in Kind if any(k in row for row in counts.values())], counts)
            for title, what, counts in (
                ("By kind of work", "Work", summary.by_task_type),
                ("By group", "Group", summary.by_group),
                ("By product", "Product", summary.by_product),
            )
            if counts
        ],
    )


def _name(kind: Kind) -> str:
    return kind.value.replace("_", " ").capitalize()


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at.hour or at.minute else f"{at:%Y-%m-%d}"

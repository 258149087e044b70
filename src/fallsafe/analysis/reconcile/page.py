"""The report: one HTML file that needs nothing else, reads in both themes, prints, and can be forwarded as it is."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fallsafe.analysis.reconcile import telling
from fallsafe.analysis.reconcile.telling import MEANING, Told

HERE = Path(__file__).parent
LOOK = HERE.parent / "report.css"
TONES = {"mismatch": "high", "missing": "critical", "orphan": "medium", "duplicate": "low"}


def page(told: Told) -> str:
    """The whole document. The same result makes the same page: it does not say when it was made."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"many": _many, "percent": _percent}
    environment.filters |= {"stamp": telling.stamp}
    sides = (("A", told.a, told.compared.a), ("B", told.b, told.compared.b))
    return environment.get_template("page.html").render(
        css=Markup(LOOK.read_text(encoding="utf-8")),  # noqa: S704 safe because it is our own file
        told=told,
        headline=telling.headline(told),
        hints=list(telling.hints(told)),
        names={"a": _short(told.a.place), "b": _short(told.b.place)},
        tiles=_tiles(told),
        columns=_columns(told),
        tables=list(telling.sample_tables(told)),
        keys=[(telling.column_in_words(pair), telling.rule_in_words(pair)) for pair in told.pairing.keys],
        sides=[line.strip() for side in sides for line in telling.side_lines(*side)],
    )


def _tiles(told: Told) -> list[tuple[str, int, str, str]]:
    totals = told.findings.totals
    tiles = [("Agree", totals.agreeing, "keys that both have once, with the same values", "done")]
    tiles += [(kind.capitalize(), getattr(totals, kind), means, TONES[kind]) for kind, means in MEANING.items()]
    if totals.unsettled:
        tiles.append(
            ("Unsettled", totals.unsettled, "keys that differ but were changed too lately to be judged", "low")
        )
    if told.not_judged:
        tiles.append(("Not judged", told.not_judged, "rows that could not be read, or have no key", "critical"))
    return tiles


def _columns(told: Told) -> list[tuple[str, str, int, float]]:
    both = told.findings.totals.agreeing + told.findings.totals.mismatch
    counts = told.findings.by_column
    return [
        (
            telling.column_in_words(pair),
            telling.rule_in_words(pair),
            counts.get(pair.name, 0),
            counts.get(pair.name, 0) / both if both else 0.0,
        )
        for pair in told.pairing.columns
    ]


def _many(count: int) -> str:
    return f"{count:,}"


def _short(place: str) -> str:
    return place.rsplit("/", 1)[-1]


def _percent(share: float) -> str:
    if 0 < share < 0.001:
        return "under 0.1%"
    return f"{share:.1%}"

"""Plots drawn as SVG on this side: they need no script, follow the theme by the report's colors, and print.

A plot says the same as the table beside it; its marks carry their numbers as text for whoever cannot see them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape

from fallsafe.analysis.scan.findings import Kind

TONES: Mapping[Kind, str] = {
    Kind.STUCK: "critical",
    Kind.OVERDUE: "critical",
    Kind.CONTRADICTORY: "high",
    Kind.DUPLICATE: "high",
    Kind.LATE: "high",
    Kind.AT_RISK: "medium",
    Kind.PING_PONG: "medium",
    Kind.REOPENED: "medium",
    Kind.IMPOSSIBLE_TIME: "low",
    Kind.PRICE_DIFFERS: "low",
    Kind.DISCONTINUED: "low",
    Kind.UNFINISHED: "low",
}
TONE_SAYS: Mapping[str, str] = {
    "critical": "stuck or overdue",
    "high": "late, contradictory or duplicate",
    "medium": "at risk, reopened or to and fro",
    "low": "price or time differs",
}
WIDTH, HEIGHT, BOTTOM, LEFT = 760, 190, 26, 44
WEEKS_MAX = 106
BAR_HEIGHT = 26


def weeks(by_week: Mapping[str, Mapping[Kind, int]]) -> str:
    """Stacked bars: how many orders went wrong in each week, the worst tone at the bottom."""
    shown = list(by_week)[-WEEKS_MAX:]
    if not shown:
        return ""
    stacks = [(week, _toned(by_week.get(week, {}))) for week in _without_gaps(shown)]
    top = max(sum(stack.values()) for _, stack in stacks)
    step = (WIDTH - LEFT) / len(stacks)
    parts = [_grid(top)]
    for n, (week, stack) in enumerate(stacks):
        parts.append(_stack(week, stack, LEFT + n * step, step, top))
    every = max(1, len(stacks) // 8)
    for n in range(0, len(stacks), every):
        x = LEFT + (n + 0.5) * step
        parts.append(
            f'<text class="axis" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(stacks[n][0])}</text>'
        )
    return _svg(WIDTH, HEIGHT, "Orders with findings by the week in which they began", parts)


def _without_gaps(weeks: Sequence[str]) -> Sequence[str]:
    """The weeks with those between them in which nothing began, unless these are too many to be shown."""
    first, last = (datetime.strptime(f"{week}-1", "%G-W%V-%u") for week in (weeks[0], weeks[-1]))  # noqa: DTZ007
    days = range(0, (last - first).days + 1, 7)
    return [f"{first + timedelta(days=n):%G-W%V}" for n in days] if len(days) <= WEEKS_MAX else weeks


def _toned(kinds: Mapping[Kind, int]) -> dict[str, int]:
    return {tone: n for tone in TONE_SAYS if (n := sum(c for k, c in kinds.items() if TONES[k] == tone))}


def _grid(top: int) -> str:
    lines = []
    for share in (0.5, 1.0):
        y = _y(top * share, top)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if share == 1.0 or top % 2 == 0 or top > 9:
            lines.append(
                f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{top * share:,.0f}</text>'
            )
    return "".join(lines)


def _y(value: float, top: int) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - 14)


def _stack(week: str, stack: Mapping[str, int], x: float, step: float, top: int) -> str:
    said = f"{week}: " + ", ".join(f"{n:,} {TONE_SAYS[tone]}" for tone, n in stack.items())
    below, bars = 0, []
    gap = min(2.0, step * 0.15)
    for tone, n in stack.items():
        y, height = _y(below + n, top), _y(below, top) - _y(below + n, top)
        size = f'width="{step - gap:.1f}" height="{height:.1f}"'
        bars.append(f'<rect class="fill-{tone}" x="{x + gap / 2:.1f}" y="{y:.1f}" {size}/>')
        below += n
    return f"<g><title>{escape(said)}</title>{''.join(bars)}</g>"


def bars(rows: Sequence[tuple[str, int, str]], whole: int, title: str) -> str:
    """Ranked bars: a label, a number, and a tone each; `whole` is what full width means."""
    parts = []
    for n, (label, count, tone) in enumerate(rows):
        y = n * (BAR_HEIGHT + 18)
        width = max(2.0, count / whole * (WIDTH - 70)) if whole else 2.0
        parts.append(f'<text class="label" x="0" y="{y + 12}">{escape(_cut(label))}</text>')
        parts.append(f'<rect class="track" x="0" y="{y + 18}" width="{WIDTH - 70}" height="14" rx="3"/>')
        parts.append(f'<rect class="fill-{tone}" x="0" y="{y + 18}" width="{width:.1f}" height="14" rx="3"/>')
        parts.append(f'<text class="value" x="{WIDTH}" y="{y + 30}" text-anchor="end">{count:,}</text>')
    return _svg(WIDTH, max(1, len(rows)) * (BAR_HEIGHT + 18), title, parts)


def _cut(label: str) -> str:
    return label if len(label) <= 90 else label[:89] + "…"


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )

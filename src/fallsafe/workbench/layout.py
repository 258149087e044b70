"""Where the tasks of a plan stand in its drawing: a layered layout from left to right, in columns by dependency.

Edges that cross a column get a place of their own in it (a bend), so that no line runs through a box. The order within
a column comes from median sweeps, the heights from the best fit to the neighbours that keeps the distances: an
isotonic fit, which is exact and takes linear time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

Edge = tuple[int, int]
Spot = tuple[int, int, int]
"""A place in a column: `(task, 0, 0)`, or `(from, to, column)` for a bend of the edge from–to."""

BOX_WIDTH = 170.0
BOX_HEIGHT = 56.0
BEND_HEIGHT = 14.0
COLUMN_GAP = 30.0
ROW_GAP = 18.0
SWEEPS_MAX = 12
FITS = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """Centers of the boxes by task, way points of each edge, the size, and how many crossings are left."""

    centers: Mapping[int, tuple[float, float]]
    ways: Mapping[Edge, tuple[tuple[float, float], ...]]
    width: float
    height: float
    crossings: int


@dataclass(slots=True)
class _Graph:
    columns: list[list[Spot]]
    left: dict[Spot, list[Spot]]
    right: dict[Spot, list[Spot]]


def arrange(tasks: Sequence[int], edges: Sequence[Edge]) -> Layout:
    """The layout of a graph without cycles; edges that name a task which is not in `tasks` are left out."""
    known = set(tasks)
    kept = [edge for edge in edges if known.issuperset(edge)]
    if not tasks:
        return Layout({}, {}, 0.0, 0.0, 0)
    column = _columns(tasks, kept)
    graph = _with_bends(tasks, kept, column)
    crossings = _untangle(graph)
    heights = _fit(graph)
    top = min(heights[spot] - _tall(spot) / 2 for spot in heights)
    bottom = max(heights[spot] + _tall(spot) / 2 for spot in heights)
    step = BOX_WIDTH + COLUMN_GAP
    return Layout(
        centers={t: (column[t] * step + BOX_WIDTH / 2, heights[t, 0, 0] - top) for t in tasks},
        ways={
            (a, b): tuple((c * step + BOX_WIDTH / 2, heights[a, b, c] - top) for c in range(column[a] + 1, column[b]))
            for a, b in kept
        },
        width=(max(column.values()) + 1) * step - COLUMN_GAP,
        height=bottom - top,
        crossings=crossings,
    )


def _columns(tasks: Sequence[int], edges: Sequence[Edge]) -> dict[int, int]:
    """The column of each task: right of all that it waits for, and a task that waits for nothing just left of its
    first dependant.
    """
    before: dict[int, set[int]] = {t: set() for t in tasks}
    after: dict[int, set[int]] = {t: set() for t in tasks}
    for a, b in edges:
        before[b].add(a)
        after[a].add(b)
    column: dict[int, int] = {}
    front = [t for t in tasks if not before[t]]
    while front:
        task = front.pop()
        column[task] = max((column[p] + 1 for p in before[task]), default=0)
        front += [b for b in after[task] if b not in column and all(p in column for p in before[b])]
    if len(column) != len(before):
        raise ValueError("a plan with a cycle cannot be drawn")
    for task in tasks:
        if not before[task] and after[task]:
            column[task] = min(column[b] for b in after[task]) - 1
    return column


def _with_bends(tasks: Sequence[int], edges: Sequence[Edge], column: Mapping[int, int]) -> _Graph:
    columns: list[list[Spot]] = [[] for _ in range(max(column.values()) + 1)]
    left: dict[Spot, list[Spot]] = {}
    right: dict[Spot, list[Spot]] = {}

    def add(spot: Spot, at: int) -> Spot:
        columns[at].append(spot)
        left[spot], right[spot] = [], []
        return spot

    for task in tasks:
        add((task, 0, 0), column[task])
    for a, b in edges:
        chain = [
            (a, 0, 0),
            *(add((a, b, c), c) for c in range(column[a] + 1, column[b])),
            (b, 0, 0),
        ]
        for one, other in pairwise(chain):
            right[one].append(other)
            left[other].append(one)
    return _Graph(columns, left, right)


def _untangle(graph: _Graph) -> int:
    """Orders the columns in place by the medians of their neighbours, and keeps the order with the fewest crossings."""
    best, fewest = [list(column) for column in graph.columns], _crossings(graph)
    for sweep in range(SWEEPS_MAX):
        if not fewest:
            break
        rightwards = sweep % 2 == 0
        sides = graph.left if rightwards else graph.right
        for column in graph.columns if rightwards else graph.columns[::-1]:
            place = _places(graph)
            column.sort(key=_by_median(sides, place))
        crossed = _crossings(graph)
        if crossed < fewest:
            best, fewest = [list(column) for column in graph.columns], crossed
    graph.columns = best
    return fewest


def _by_median(sides: Mapping[Spot, list[Spot]], place: Mapping[Spot, int]) -> Callable[[Spot], float]:
    return lambda spot: median(place[other] for other in sides[spot]) if sides[spot] else float(place[spot])


def _places(graph: _Graph) -> dict[Spot, int]:
    return {spot: at for column in graph.columns for at, spot in enumerate(column)}


def _crossings(graph: _Graph) -> int:
    place, crossed = _places(graph), 0
    for column in graph.columns:
        lines = [(place[spot], place[other]) for spot in column for other in graph.right[spot]]
        crossed += sum((a - c) * (b - d) < 0 for at, (a, b) in enumerate(lines) for c, d in lines[:at])
    return crossed


def _fit(graph: _Graph) -> dict[Spot, float]:
    """Heights: every spot as near to the middle of its neighbours as the distances in its column allow."""
    heights: dict[Spot, float] = {}
    for column in graph.columns:
        heights.update(zip(column, _spread(column, [0.0] * len(column)), strict=True))
    for turn in range(FITS):
        rightwards = turn % 2 == 0
        sides = graph.left if rightwards else graph.right
        for column in graph.columns if rightwards else graph.columns[::-1]:
            wished = [_middle(spot, sides, graph, heights) for spot in column]
            heights.update(zip(column, _spread(column, wished), strict=True))
    return heights


def _middle(spot: Spot, sides: Mapping[Spot, list[Spot]], graph: _Graph, heights: Mapping[Spot, float]) -> float:
    near = sides[spot] or graph.left[spot] or graph.right[spot]
    return fmean(heights[other] for other in near) if near else heights[spot]


def _spread(column: Sequence[Spot], wished: Sequence[float]) -> list[float]:
    """The heights nearest to those wished for (least squares) that keep the order and the distances of the column."""
    offsets, at = list[float](), 0.0
    for one, other in zip([None, *column], column, strict=False):
        at += (_tall(one) + _tall(other)) / 2 + ROW_GAP if one is not None else 0.0
        offsets.append(at)
    pools: list[tuple[float, int]] = []  # (mean, how many)
    for wish, offset in zip(wished, offsets, strict=True):
        mean, count = wish - offset, 1
        while pools and pools[-1][0] > mean:
            before, many = pools.pop()
            mean, count = (before * many + mean * count) / (many + count), many + count
        pools.append((mean, count))
    levels = [mean for mean, count in pools for _ in range(count)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


def _tall(spot: Spot) -> float:
    return BEND_HEIGHT if spot[1] else BOX_HEIGHT

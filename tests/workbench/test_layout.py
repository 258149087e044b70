"""The drawing of a plan: from left to right by dependency, no box over another, no line through a box."""

import random

import pytest

from fallsafe.workbench.layout import BOX_HEIGHT, BOX_WIDTH, Layout, arrange

DRILL = ([1, 2, 3, 4, 5, 6], [(2, 3), (3, 4), (4, 5), (4, 6), (1, 6)])


def overlaps(layout: Layout) -> list[tuple[int, int]]:
    """Pairs of boxes that cover each other."""
    spots = sorted(layout.centers.items())
    return [
        (a, b)
        for at, (a, (ax, ay)) in enumerate(spots)
        for b, (bx, by) in spots[:at]
        if abs(ax - bx) < BOX_WIDTH and abs(ay - by) < BOX_HEIGHT
    ]


class WhenThePlanOfTheDrillIsDrawn:
    def test_every_task_stands_right_of_what_it_waits_for(self):
        layout = arrange(*DRILL)
        assert all(layout.centers[a][0] < layout.centers[b][0] for a, b in DRILL[1])

    def test_no_line_crosses_another(self):
        assert arrange(*DRILL).crossings == 0

    def test_a_task_that_waits_for_nothing_stands_just_before_its_first_dependant(self):
        layout = arrange(*DRILL)
        assert layout.centers[1][0] == layout.centers[4][0]

    def test_all_boxes_are_inside_the_drawing(self):
        layout = arrange(*DRILL)
        for x, y in layout.centers.values():
            assert BOX_WIDTH / 2 <= x <= layout.width - BOX_WIDTH / 2
            assert BOX_HEIGHT / 2 <= y <= layout.height - BOX_HEIGHT / 2


class WhenADependencyCrossesColumns:
    def test_it_has_a_way_point_in_each_column_between(self):
        layout = arrange([1, 2, 3, 4], [(1, 2), (2, 3), (3, 4), (1, 4)])
        assert len(layout.ways[1, 4]) == 2

    def test_its_way_points_keep_clear_of_the_boxes(self):
        layout = arrange([1, 2, 3, 4], [(1, 2), (2, 3), (3, 4), (1, 4)])
        for x, y in layout.ways[1, 4]:
            near = [cy for cx, cy in layout.centers.values() if abs(cx - x) < BOX_WIDTH]
            assert all(abs(cy - y) > BOX_HEIGHT / 2 for cy in near)


class WhenThePlanIsAny:
    @pytest.mark.parametrize("seed", range(20))
    def test_no_box_covers_another(self, seed: int):
        dice = random.Random(seed)
        size = dice.randrange(1, 60)
        edges = sorted({(dice.randrange(1, b), b) for b in range(2, size + 1) for _ in range(dice.randrange(3))})
        layout = arrange(range(1, size + 1), edges)
        assert overlaps(layout) == []
        assert all(layout.centers[a][0] < layout.centers[b][0] for a, b in edges)

    def test_the_same_plan_gives_the_same_drawing(self):
        assert arrange(*DRILL) == arrange(*DRILL)

    def test_a_plan_without_tasks_is_an_empty_drawing(self):
        assert arrange([], []) == Layout({}, {}, 0.0, 0.0, 0)

    def test_a_dependency_on_a_task_that_is_not_shown_is_left_out(self):
        assert arrange([1], [(9, 1)]).ways == {}

    def test_a_cycle_is_refused(self):
        with pytest.raises(ValueError, match="cycle"):
            arrange([1, 2], [(1, 2), (2, 1)])

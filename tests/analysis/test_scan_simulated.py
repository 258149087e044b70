"""`fallsafe scan` finds in exports of the simulator's worlds what the simulator knows, in three shapes, and no more."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.analysis.door import scanned
from tests.analysis.formats import FORMATS
from tests.analysis.simulated import BROKEN, HEALTHY, faulty, simulated, write_table
from tests.analysis.world import FAULTS, World, write_log, write_ocel

SHAPES: dict[str, tuple[Callable[[World, Path], Path], str]] = {
    "log": (write_log, "log.csv"),
    "table": (write_table, "orders.csv"),
    "ocel": (write_ocel, "log.json"),
}
shapes = pytest.mark.parametrize("shape", SHAPES)


def scan(made: World, shape: str, folder: Path):
    write, name = SHAPES[shape]
    return scanned(write(made, folder / name))


@shapes
class WhenTheSimulatorPlayed:
    def test_healthy_worlds_report_nothing(self, tmp_path: Path, shape):
        found = scan(simulated(HEALTHY), shape, tmp_path)
        assert found.kinds == {}
        assert found.told["totals"]["orders"] == 160
        assert found.told["leftOut"] == []

    def test_what_is_still_held_is_stuck_and_what_was_mended_is_well(self, tmp_path: Path, shape):
        made = simulated((*HEALTHY[:3], *BROKEN, HEALTHY[-1]))
        assert len(made.truth["stuck"]) > 10
        found = scan(made, shape, tmp_path)
        assert found.kinds == {"stuck": made.truth["stuck"], "unfinished": made.truth["stuck"]}

    def test_every_order_with_a_fault_is_found_and_no_other(self, tmp_path: Path, shape):
        made = faulty(11, tasks=shape != "table")
        found = scan(made, shape, tmp_path)
        assert {kind: found.orders(kind) for kind in FAULTS} == {kind: made.truth[kind] for kind in FAULTS}
        assert found.kinds.keys() <= {*FAULTS, "unfinished"}


class WhenTheSameIsWrittenInAnotherFormat:
    @pytest.mark.parametrize("name", FORMATS)
    def test_the_same_is_found(self, tmp_path: Path, name):
        made = faulty(11)
        FORMATS[name](made, tmp_path / name)
        found = scanned(tmp_path / name)
        assert {kind: found.orders(kind) for kind in FAULTS} == {kind: made.truth[kind] for kind in FAULTS}
        assert found.kinds.keys() <= {*FAULTS, "unfinished"}
        assert found.told["leftOut"] == []

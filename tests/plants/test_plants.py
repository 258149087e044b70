"""Each plant still fits the sources, says which promise it breaks and how somebody comes to it, and is a mistake of its
own. Whether it is noticed is found out by `make plants`.
"""

import re
from pathlib import Path

import pytest
from tests.plants.__main__ import ROOT, Plant, plant_it, plants

PROMISES = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P10", "P12")
EACH_MIN = 2
PLANTS_MIN = 30


@pytest.mark.parametrize("plant", plants(), ids=lambda plant: plant.name)
class WhenAPlantIsRead:
    def test_it_fits_the_sources(self, plant: Plant) -> None:
        plant_it(plant, ROOT, "--check")
        assert plant.path.read_text().count("--- a/src/fallsafe/") >= 1

    def test_it_says_what_it_breaks_and_how(self, plant: Plant) -> None:
        assert plant.promise in PROMISES
        assert len(plant.how) > 40
        assert plant.how.endswith(".")


class WhenAllAreRead:
    def test_every_promise_is_broken_by_several(self) -> None:
        by_promise = {promise: sum(p.promise == promise for p in plants()) for promise in PROMISES}
        assert {promise: count for promise, count in by_promise.items() if count < EACH_MIN} == {}
        assert len(plants()) >= PLANTS_MIN

    def test_no_two_change_the_same_lines(self) -> None:
        places: dict[frozenset[str], list[str]] = {}
        for plant in plants():
            places.setdefault(frozenset(removed_and_added(plant.path)), []).append(plant.name)
        assert [names for names in places.values() if len(names) > 1] == []


def removed_and_added(path: Path) -> list[str]:
    """The lines that a patch takes away and adds."""
    return [line for line in path.read_text().splitlines() if re.match(r"[-+](?![-+])", line)]

"""`fallsafe scan` finds exactly what a seeded world knows of its orders, in three shapes of data, and nothing in a
healthy one.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.analysis import world
from tests.analysis.door import Scanned, scanned
from tests.analysis.world import FAULTS, World, make, write_log, write_ocel, write_table

from fallsafe.analysis.scan import kept, portions
from fallsafe.analysis.sources import delimited_files

SHAPES: dict[str, tuple[Callable[[World, Path], Path], str]] = {
    "log": (write_log, "log.csv"),
    "table": (write_table, "orders.csv"),
    "ocel": (write_ocel, "log.json"),
}
SEEDS = (1, 2)
# Beside the four faults a world has unfinished orders, which are no failures; and an order that is stuck or goes back
# may show a second thing that is true of it as well.
ALSO_TRUE = {"unfinished"}

shapes = pytest.mark.parametrize("shape", SHAPES)
seeds = pytest.mark.parametrize("seed", SEEDS)


def scan(made: World, shape: str, folder: Path, *options: str) -> Scanned:
    write, name = SHAPES[shape]
    return scanned(write(made, folder / name), *options)


class WhenThingsGoWrong:
    @shapes
    @seeds
    def test_what_is_found_is_what_is_true_and_nothing_else(self, tmp_path: Path, shape, seed):
        made = make(seed, tasks=shape != "table")
        found = scan(made, shape, tmp_path)
        assert {kind: found.orders(kind) for kind in FAULTS} == {kind: made.truth[kind] for kind in FAULTS}
        assert found.kinds.keys() - FAULTS <= ALSO_TRUE
        assert found.told["leftOut"] == []
        assert found.told["totals"]["unsure"] == []

    @pytest.mark.parametrize("fault", FAULTS)
    def test_one_kind_of_fault_is_not_taken_for_another(self, tmp_path: Path, fault):
        made = make(7, faults=(fault,))
        assert scan(made, "log", tmp_path).kinds.keys() - ALSO_TRUE == {fault}


class WhenThereIsTooMuchToJudgeAtOnce:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(portions, "SAMPLE_EVENTS", 1_500)
        monkeypatch.setattr(portions, "SAMPLE_ORDERS", 150)
        monkeypatch.setattr(portions, "EVENT_BYTES", 10_000_000)
        monkeypatch.setattr(kept, "AT_ONCE", 7)
        monkeypatch.setattr(delimited_files, "IN_PLACE_BYTES_MIN", 0)

    @shapes
    def test_the_same_is_found_in_portions(self, tmp_path: Path, shape):
        made = make(3, size=900, tasks=shape != "table")
        found = scan(made, shape, tmp_path)
        assert {kind: found.orders(kind) for kind in FAULTS} == {kind: made.truth[kind] for kind in FAULTS}
        assert found.kinds.keys() - FAULTS <= ALSO_TRUE
        assert found.told["leftOut"] == []
        named = [order["orderId"] for order in found.told["orders"]]
        assert named == sorted(set(named))

    def test_what_does_not_fit_into_a_row_is_counted_where_the_file_lies(self, tmp_path: Path):
        path = write_log(make(3, size=400, faults=()), tmp_path / "log.csv")
        header = path.read_text().splitlines()[0].split(",")
        odd = ["only,two", ",".join("x" for _ in [*header, ""])]
        path.write_text(path.read_text() + "\n".join(odd) + "\n")
        found = scanned(path)
        assert sorted(found.left_out.values()) == [1, 1]
        assert found.kinds.keys() <= ALSO_TRUE


class WhenAllIsWell:
    @shapes
    @seeds
    def test_nothing_is_reported(self, tmp_path: Path, shape, seed):
        found = scan(make(seed, faults=()), shape, tmp_path)
        assert found.kinds.keys() <= ALSO_TRUE
        assert found.told["totals"]["ordersWithFailures"] == 0

    def test_it_says_so(self, tmp_path: Path):
        from tests.analysis.door import run

        path = write_log(make(3, size=120, faults=()), tmp_path / "log.csv")
        assert run(path).stdout.startswith("nothing is wrong with 120 orders")


class WhenAnOrderIsStuck:
    def test_the_broken_clause_is_named_with_what_would_unblock_it(self, tmp_path: Path):
        made = make(1, faults=("stuck",))
        found = scan(made, "log", tmp_path)
        clauses = set[str]()
        for order in made.truth["stuck"]:
            (stuck,) = [f for f in found.findings(order) if f["kind"] == "stuck"]
            clauses.add(stuck["facts"]["clause"])
            assert stuck["facts"]["unblock"]
            assert stuck["facts"]["silentSeconds"] > stuck["facts"]["limitSeconds"]
        assert clauses == {"past_breach", "failure_without_case", "nothing_scheduled"}

    def test_since_is_when_it_last_moved(self, tmp_path: Path):
        made = make(1, faults=("stuck",))
        found = scan(made, "log", tmp_path)
        last = {o.id: max(h.at for h in o.happenings) for o in made.orders}
        for order in made.truth["stuck"]:
            (stuck,) = [f for f in found.findings(order) if f["kind"] == "stuck"]
            assert stuck["since"] == last[order].strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def test_waiting_for_the_customer_is_a_good_reason(self, tmp_path: Path):
        made = make(4, faults=())
        order = made.orders[100]
        waits = world.Happening(order.id, "", "waiting for customer", order.happenings[1].at)
        order.happenings = [*order.happenings[:2], waits]
        order.due = made.end + world.timedelta(days=30)
        assert order.id not in scan(made, "log", tmp_path).orders("stuck")

    def test_as_of_an_earlier_time_it_was_not_stuck_yet(self, tmp_path: Path):
        made = make(1, faults=("stuck",))
        order = min(made.truth["stuck"])
        last = max(h.at for o in made.orders if o.id == order for h in o.happenings)
        soon = (last + world.timedelta(minutes=1)).isoformat()
        found = scan(made, "log", tmp_path, "--as-of", soon + "Z")
        assert order not in found.orders("stuck")
        assert found.told["asOf"].startswith(soon[:19])
        assert any("later than" in why for why in found.left_out)


class WhenTotalsAreGiven:
    def test_they_add_up_with_the_findings(self, tmp_path: Path):
        found = scan(make(2), "log", tmp_path)
        totals = found.told["totals"]
        for kind, counts in totals["byKind"].items():
            assert counts["orders"] == len(found.orders(kind))
        failing = {o for kind in FAULTS for o in found.orders(kind)}
        assert totals["ordersWithFailures"] == len(failing)
        assert sum(n for row in totals["byWeek"].values() for n in row.values()) >= len(failing)

    def test_a_few_causes_explain_most_of_it(self, tmp_path: Path):
        totals = scan(make(2), "log", tmp_path).told["totals"]
        assert 1 <= len(totals["causes"]) <= 6
        assert totals["ordersExplained"] >= 0.5 * totals["ordersWithFailures"]
        assert all(c["example"] for c in totals["causes"])

    def test_the_worst_twenty_come_with_their_timeline(self, tmp_path: Path):
        made = make(2)
        worst = scan(made, "log", tmp_path).told["totals"]["worst"]
        assert len(worst) == 20
        times = {o.id: sorted(h.at for h in o.happenings) for o in made.orders}
        for order in worst:
            assert len(order["timeline"]) >= len(times[order["orderId"]])

    def test_the_same_file_gives_the_same_answer(self, tmp_path: Path):
        assert scan(make(5), "log", tmp_path).told == scan(make(5), "log", tmp_path).told

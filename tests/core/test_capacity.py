"""How the limits of a downstream are divided among workers (§12.3): fairly, and never beyond the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import NOW

from fallsafe.core.commands.capacity import Holding, fair, to_hold

WORKERS = st.sets(st.sampled_from([f"worker-{n}" for n in range(9)]), min_size=1)


def held(worker: str, slots: int) -> Holding:
    return Holding(worker, slots, NOW)


class WhenALimitIsDivided:
    @given(st.integers(1, 60), WORKERS, st.integers(0, 10**6))
    def test_the_parts_sum_to_the_limit_and_are_alike(self, limit, workers, turn):
        parts = [fair(limit, workers, me, turn) for me in sorted(workers)]
        assert sum(parts) == limit
        assert max(parts) - min(parts) <= 1

    @given(WORKERS, st.integers(0, 100))
    def test_what_cannot_be_divided_goes_round(self, workers, turn):
        ones = [[fair(1, workers, me, turn + n) for n in range(len(workers))] for me in sorted(workers)]
        assert [sum(each) for each in ones] == [1] * len(workers)

    @pytest.mark.parametrize(
        ("others", "busy", "holds"),
        [
            ([], 0, 32),  # alone
            ([held("b", 16)], 0, 16),
            ([held("b", 32)], 0, 0),  # the other gives back only when it looks
            ([held("b", 20)], 0, 12),
            ([held("b", 20)], 14, 14),  # what is under way is held until it ends
        ],
    )
    def test_a_worker_holds_no_more_than_its_part_and_than_is_free(self, others, busy, holds):
        assert to_hold(32, others, "a", busy, 0) == holds

    @given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=60))
    def test_all_together_never_hold_more_than_the_limit(self, limit, looks):
        """Each look happens alone, as the compare-and-set of the row makes it."""
        slots: dict[str, int] = {}
        for turn, (who, ended) in enumerate(looks):
            me = f"worker-{who}"
            busy = max(0, slots.get(me, 0) - ended)  # everything that it holds is under way, but for what has ended
            others = [held(name, n) for name, n in slots.items() if name != me]
            slots[me] = to_hold(limit, others, me, busy, turn)
            assert sum(slots.values()) <= limit

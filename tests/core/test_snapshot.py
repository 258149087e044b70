"""The snapshot: the same deal has the same fingerprint, another deal has another, and no personal value is in it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.things import DAY, DRILL_ITEMS, TOMORROW_17_IN_JAKARTA, a_draft

from fallsafe.core.errors import Bug
from fallsafe.core.orders.snapshot import canonical, content_of, fingerprint


def stand_in(path: str) -> str:
    return f"personal:{path}"


def mark(draft) -> str:
    return fingerprint(content_of(draft, stand_in))


def with_first(**changes):
    return a_draft([replace(DRILL_ITEMS[0], **changes), *DRILL_ITEMS[1:]])


class WhenADealIsAccepted:
    def test_the_same_deal_has_the_same_fingerprint(self):
        assert mark(a_draft()) == mark(a_draft())
        assert len(mark(a_draft())) == 64

    def test_the_order_of_the_items_is_not_the_deal(self):
        assert mark(a_draft(DRILL_ITEMS[::-1])) == mark(a_draft())

    @pytest.mark.parametrize(
        "changed",
        [
            with_first(offer="FIBER-HOME-100"),
            with_first(monthly_minor=4_900),
            with_first(one_off_minor=1),
            with_first(quantity=2),
            with_first(term_months=12),
            with_first(action="modify"),
            with_first(characteristics={"speed": 1000}),
            with_first(regulated=True),
            with_first(depends_on=("router",)),
            a_draft(DRILL_ITEMS[1:]),
            a_draft(committed_at=TOMORROW_17_IN_JAKARTA + DAY),
            a_draft(customer_ref="CU-2"),
            a_draft(catalog_version="2026-07"),
            a_draft(quote={"id": "Q-2"}),
        ],
    )
    def test_what_was_bought_paid_received_or_agreed_changes_it(self, changed):
        assert mark(changed) != mark(a_draft())

    @pytest.mark.parametrize("changed", [{"priority": 0}, {"test": True}, {"channel": "shop"}, {"body": b"x"}])
    def test_how_it_came_and_how_urgent_it_is_do_not(self, changed):
        assert mark(a_draft(**changed)) == mark(a_draft())

    def test_personal_values_are_replaced_by_what_stands_in_for_them(self):
        content = canonical(content_of(a_draft(), stand_in))
        assert b"Melati" not in content
        assert b"Sari" not in content
        assert b"personal:items/fiber/place" in content
        assert b"personal:parties/0/person" in content


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


class WhenContentIsMadeIntoBytes:
    @given(JSON)
    def test_it_is_json_and_says_the_same(self, value):
        assert json.loads(canonical(value)) == value

    @given(st.dictionaries(st.text(), st.integers(), max_size=5))
    def test_the_order_of_keys_does_not_matter(self, value):
        assert canonical(dict(reversed(value.items()))) == canonical(value)

    def test_a_whole_number_is_one_however_it_came(self):
        assert canonical([45, 45.0, 0.5, True]) == b"[45,45,0.5,true]"

    def test_what_json_cannot_hold_is_a_bug(self):
        for value in (float("nan"), float("inf"), "\ud800"):
            with pytest.raises(Bug):
                canonical(value)
